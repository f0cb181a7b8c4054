package sessionredis

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// silence is a Redis that can be made to say nothing.
type silence struct {
	stopped atomic.Bool
	asked   atomic.Int64 // commands that were sent
}

func (s *silence) process(ctx context.Context, _ redis.Cmder) error {
	s.asked.Add(1)
	if s.stopped.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return redis.Nil
}

// The calls of one request wait once, not one after the other; one of them at a time finds out whether Redis is back.
func TestCallsToASilentRedisWaitOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server silence
		ctx := t.Context()
		process := (&patience{}).ProcessHook(server.process)
		call := func() error { return process(ctx, redis.NewCmd(ctx, "get", "x")) }
		expect := func(what string, want error, sent int64, took time.Duration) {
			t.Helper()
			before, began := server.asked.Load(), time.Now()
			err := call()
			if !errors.Is(err, want) || server.asked.Load()-before != sent || time.Since(began) != took {
				t.Errorf("%s: %v after %v, %d sent", what, err, time.Since(began), server.asked.Load()-before)
			}
		}
		expect("before", redis.Nil, 1, 0)
		time.Sleep(time.Minute)
		server.stopped.Store(true)
		expect("the first", context.DeadlineExceeded, 1, commandFor)
		for range 5 {
			expect("the others of the request", ErrSilent, 0, 0)
		}

		time.Sleep(silentFor)
		before, began := server.asked.Load(), time.Now()
		var calling sync.WaitGroup
		for range 50 {
			calling.Go(func() { _ = call() })
		}
		calling.Wait()
		if n := server.asked.Load() - before; n != 1 || time.Since(began) != commandFor {
			t.Errorf("%d tried again, for %v", n, time.Since(began))
		}

		server.stopped.Store(false)
		expect("back, but not known to be", ErrSilent, 0, 0)
		time.Sleep(silentFor)
		for range 3 {
			expect("back", redis.Nil, 1, 0)
		}
	})
}

// One connection that hangs while others are answered is no silence, nor is a caller who goes.
func TestOneCallThatHangsIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patience{}
		var hangs, answers silence
		hangs.stopped.Store(true)
		cmd := redis.NewCmd(t.Context())
		var hanging sync.WaitGroup
		hanging.Go(func() { _ = p.ProcessHook(hangs.process)(t.Context(), cmd) })
		time.Sleep(commandFor - silentAfter/2)
		if err := p.ProcessHook(answers.process)(t.Context(), cmd); !errors.Is(err, redis.Nil) {
			t.Error(err)
		}
		hanging.Wait()
		if err := p.ProcessHook(answers.process)(t.Context(), cmd); !errors.Is(err, redis.Nil) {
			t.Errorf("after one that hung: %v", err)
		}
		time.Sleep(time.Minute)
		gone, cancel := context.WithCancel(t.Context())
		time.AfterFunc(commandFor*3/4, cancel)
		_ = p.ProcessHook(hangs.process)(gone, cmd)
		if err := p.ProcessHook(answers.process)(t.Context(), cmd); !errors.Is(err, redis.Nil) {
			t.Errorf("after one whose caller went: %v", err)
		}
	})
}

// A pipeline that is not sent says so on each of its commands.
func TestAPipelineToASilentRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patience{}
		ctx := t.Context()
		cmds := []redis.Cmder{redis.NewCmd(ctx, "get", "x"), redis.NewCmd(ctx, "get", "y")}
		sent := 0
		process := p.ProcessPipelineHook(func(ctx context.Context, _ []redis.Cmder) error {
			sent++
			<-ctx.Done()
			return ctx.Err()
		})
		if err := process(ctx, cmds); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := process(ctx, cmds); !errors.Is(err, ErrSilent) || sent != 1 {
			t.Errorf("%v, sent %d times", err, sent)
		}
		for _, cmd := range cmds {
			if !errors.Is(cmd.Err(), ErrSilent) {
				t.Errorf("%v: %v", cmd, cmd.Err())
			}
		}
	})
}
