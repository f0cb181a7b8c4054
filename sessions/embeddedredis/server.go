// Package embeddedredis is the Redis inside the process, for a Symbolon on one machine
// without a Redis of its own: miniredis, kept across restarts in one file.
//
// It listens nowhere: its client talks to it through memory, so nobody else on the machine
// can. TTLs follow the real clock, half a second late at most. Every change is on disk
// within 200 ms; what a crash cuts off is what was changed since.
//
// The file sessions.snapshot holds the whole keyspace, sealed with the given key. A file
// that does not open (damaged, another key's, a later version's) is moved aside and the
// server starts empty: people sign in and scan again, nothing else is lost.
package embeddedredis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/symbolon/symbolon/seal"
)

const (
	// tick drives the TTLs. Each tick visits every key, so it is not faster than needed.
	tick = 500 * time.Millisecond
	// gather is how long further changes may join a snapshot.
	gather = 50 * time.Millisecond
	// retry is how long a snapshot that could not be written waits.
	retry = time.Second
)

// Config is what a Server needs.
type Config struct {
	Dir string           // holds sessions.snapshot; made where absent
	Key seal.Key         // seals the snapshot
	Log *slog.Logger     // slog.Default() where nil
	Now func() time.Time // time.Now where nil
}

// Server is a running embedded Redis.
type Server struct {
	cfg    Config
	box    *seal.Box
	redis  *miniredis.Miniredis
	client *redis.Client

	// quiet is held for reading by each command and for writing while the keyspace is
	// copied, so that a snapshot never holds half of a change.
	quiet sync.RWMutex
	dirty chan struct{}

	stop  chan struct{}
	done  chan struct{}
	close sync.Once
	last  error // of the final snapshot; written before done closes
}

// Start restores the snapshot and runs the server until Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Dir == "" {
		return nil, errors.New("embeddedredis: Config.Dir is missing")
	}
	if cfg.Key.IsZero() {
		return nil, errors.New("embeddedredis: Config.Key is missing")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		cfg:   cfg,
		box:   cfg.Key.Derive("sessions.snapshot").Box(),
		redis: miniredis.NewMiniRedis(),
		dirty: make(chan struct{}, 1),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	if err := s.restore(); err != nil {
		return nil, err
	}
	s.client = redis.NewClient(&redis.Options{
		Addr:                     "embedded",
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return s.redis.Dial() },
		ContextTimeoutEnabled:    true,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	// The first connection starts miniredis; it must not race with the hook.
	if err := s.client.Ping(context.Background()).Err(); err != nil {
		_ = s.client.Close()
		s.redis.Close()
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	s.client.AddHook(hook{s})
	go s.run()
	return s, nil
}

// Client returns the client of the server. Close closes it.
func (s *Server) Client() redis.UniversalClient { return s.client }

// Close writes what is not written yet and ends the server. Twice is fine.
func (s *Server) Close() error {
	s.close.Do(func() {
		close(s.stop)
		<-s.done
		s.redis.Close()
	})
	return s.last
}

// run drives the clock and writes snapshots.
func (s *Server) run() {
	defer close(s.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	pause := time.NewTimer(0)
	pause.Stop()
	defer pause.Stop()
	dirty := s.dirty // nil while a snapshot is already due
	at := s.cfg.Now()
	for {
		select {
		case <-ticker.C:
			now := s.cfg.Now()
			if elapsed := now.Sub(at); elapsed > 0 {
				s.redis.FastForward(elapsed)
			}
			at = now
		case <-dirty:
			dirty = nil
			pause.Reset(gather)
		case <-pause.C:
			dirty = s.dirty
			if err := s.save(); err != nil {
				s.cfg.Log.Error("sessions snapshot not written", "error", err)
				dirty = nil
				pause.Reset(retry)
			}
		case <-s.stop:
			_ = s.client.Close() // from here on nothing changes
			if s.last = s.save(); s.last != nil {
				s.cfg.Log.Error("sessions snapshot not written", "error", s.last)
			}
			return
		}
	}
}

// hook sees every command of the client.
type hook struct{ s *Server }

func (hook) DialHook(next redis.DialHook) redis.DialHook { return next }

// holding marks the context of a command that holds quiet. A command that finds no idle
// connection opens one, and the greeting that belongs to that passes this hook too: taking the
// lock again would wait for a snapshot that waits for us.
type holding struct{}

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if ctx.Value(holding{}) != nil {
			return next(ctx, cmd)
		}
		h.s.quiet.RLock()
		defer h.s.quiet.RUnlock()
		err := next(context.WithValue(ctx, holding{}, true), cmd)
		h.changed(cmd)
		return err
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if ctx.Value(holding{}) != nil {
			return next(ctx, cmds)
		}
		h.s.quiet.RLock()
		defer h.s.quiet.RUnlock()
		err := next(context.WithValue(ctx, holding{}, true), cmds)
		h.changed(cmds...)
		return err
	}
}

// changed asks for a snapshot unless all commands only read. It asks even after an
// error: the command may have run.
func (h hook) changed(cmds ...redis.Cmder) {
	for _, cmd := range cmds {
		switch cmd.Name() {
		case "ping", "publish", "time", "hello", "auth", "select", "client", "script":
			continue
		}
		if h.s.redis.IsReadOnlyCommand(cmd.Name()) {
			continue
		}
		select {
		case h.s.dirty <- struct{}{}:
		default: // asked for already
		}
		return
	}
}
