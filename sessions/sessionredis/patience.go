package sessionredis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// commandFor is how long one command may take, with waiting for a connection, opening it and repeating the
	// command. The driver repeats on timeouts of its own, so that a Redis that stands still would hold callers for
	// ten seconds.
	commandFor = 2 * time.Second
	// silentAfter is how long a command waits in vain, and no other is answered, before Redis counts as silent. It is
	// less than commandFor, as callers have limits of their own.
	silentAfter = time.Second
	// silentFor is how long commands fail at once then. After it one of them tries again.
	silentFor = time.Second
)

// ErrSilent is what a command fails with that was not sent, because those before it were not answered.
var ErrSilent = errors.New("sessionredis: Redis did not answer a moment ago")

// patience ends every command in time, and spares callers to wait for a Redis that lets others wait in vain.
type patience struct {
	mu       sync.Mutex
	answered time.Time // when Redis answered last
	silent   bool
	again    time.Time // when one command may try, while silent
	trying   bool
}

func (*patience) DialHook(next redis.DialHook) redis.DialHook { return next }

func (p *patience) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := p.wait(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
		if errors.Is(err, ErrSilent) {
			cmd.SetErr(err)
		}
		return err
	}
}

func (p *patience) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := p.wait(ctx, func(ctx context.Context) error { return next(ctx, cmds) })
		if errors.Is(err, ErrSilent) {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

// wait gives call its time, or none while Redis is silent.
func (p *patience) wait(ctx context.Context, call func(context.Context) error) error {
	if ctx.Value(within{}) == p {
		return call(ctx) // what the driver says first on the connection that it opened for a command
	}
	began := time.Now()
	first, ok := p.enter(began)
	if !ok {
		return ErrSilent
	}
	limited, cancel := context.WithTimeout(context.WithValue(ctx, within{}, p), commandFor)
	defer cancel()
	err := call(limited)
	p.leave(ctx, began, first, err)
	return err
}

// within marks the context of a command that has its time, with the patience it has it from.
type within struct{}

// enter says whether a command may be sent now, and whether it is the one that tries while Redis is silent.
func (p *patience) enter(now time.Time) (first, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.silent {
		return false, true
	}
	if p.trying || now.Before(p.again) {
		return false, false
	}
	p.trying = true
	return true, true
}

// leave takes what became of a command.
func (p *patience) leave(ctx context.Context, began time.Time, first bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if first {
		p.trying = false
	}
	var answer redis.Error // it said no, but it said something
	switch {
	case err == nil || errors.As(err, &answer):
		p.answered, p.silent = now, false
	case errors.Is(ctx.Err(), context.Canceled):
		// The caller went: that says nothing.
	case now.Sub(began) >= silentAfter && now.Sub(p.answered) >= silentAfter:
		p.silent, p.again = true, now.Add(silentFor)
	}
}
