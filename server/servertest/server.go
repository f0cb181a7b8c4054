// Package servertest runs a whole server for tests, on embedded stores and a real listener, and
// plays the clients that call it: browsers, native apps and programs.
package servertest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.yaml.in/yaml/v3"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/handoff/handoffredis"
	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/live/liveredis"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/sessions"
	"github.com/symbolon/symbolon/sessions/sessionredis"
)

// Server is a running server and what is behind it.
type Server struct {
	// URL is its origin, such as "http://127.0.0.1:41234".
	URL string
	// Address is the host and port to dial.
	Address string

	Server   *server.Server
	Cases    *cases.Service
	Sessions *sessions.Service
	Handoffs *handoff.Service
	Hub      *live.Hub
	Media    *media.Service
	Redis    *miniredis.Miniredis
	Clock    *Clock
	Log      *Log
	// Dir holds everything that is on disk.
	Dir string

	check func(a *Answer) error
}

// Clock is the time of the whole server: the machine's, moved forward by tests.
type Clock struct {
	mu    sync.Mutex
	ahead time.Duration // guarded by mu
	redis *miniredis.Miniredis
}

// Now is the server's present time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Advance moves the time forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.ahead += d
	c.mu.Unlock()
	c.redis.FastForward(d)
}

// Log is what the server has logged.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// At plays the clients of a server that runs elsewhere at an origin; only URL and Address are set.
func At(t testing.TB, origin string) *Server {
	t.Helper()
	u, err := url.Parse(origin)
	must(t, err)
	return &Server{URL: origin, Address: u.Host, check: contract(t)}
}

// Start runs a server that asks for photos alone until the test ends. Each change may alter its configuration.
func Start(t testing.TB, change ...func(*server.Config)) *Server {
	t.Helper()
	return StartWith(t, nil, change...)
}

// StartWith is Start with another configuration of its cases, such as a policy.
func StartWith(t testing.TB, ofCases func(*cases.Config), change ...func(*server.Config)) *Server {
	t.Helper()
	mr := miniredis.RunT(t)
	s := &Server{Redis: mr, Clock: &Clock{redis: mr}, Log: &Log{}, Dir: t.TempDir(), check: contract(t)}
	log := slog.New(slog.NewJSONHandler(s.Log, nil))
	client := redis.NewClient(&redis.Options{Addr: mr.Addr(), Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = client.Close() })

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.Address = ln.Addr().String()
	s.URL = "http://" + s.Address

	ctx, cancel := context.WithCancel(context.Background())
	store, err := casesqlite.Open(ctx, filepath.Join(s.Dir, "cases.db"))
	must(t, err)
	keys := seal.NewKeyring(seal.NewKey())

	s.Hub, err = live.New(live.Config{Bus: liveredis.New(client), Now: s.Clock.Now})
	must(t, err)
	casesConfig := cases.Config{
		Policy: casetest.Photos(),
		Store:  store, History: store, Accounts: store, Keys: keys, Now: s.Clock.Now, Log: log,
		Changed:     func(ctx context.Context, caseID string) { s.Hub.Changed(ctx, caseID) },
		Evidence:    func(ctx context.Context, uploadID string) (cases.Evidence, error) { return s.Media.Open(ctx, uploadID) },
		Destroy:     s.destroy,
		JobEnded:    func(kind, outcome string) { s.Server.JobEnded(kind, outcome) },
		ClipChecked: func(check, verdict string) { s.Server.ClipChecked(check, verdict) },
		Queued:      func(ctx context.Context) { s.Server.QueueChanged(ctx) },
		Decided:     func(level int, v cases.Verdict, second bool) { s.Server.Decided(level, v, second) },
		Keep:        s.keep,
		Operator:    "Example Exchange",
	}
	if ofCases != nil {
		ofCases(&casesConfig)
	}
	s.Cases, err = cases.New(ctx, casesConfig)
	must(t, err)
	dir := filepath.Join(s.Dir, "media")
	must(t, os.Mkdir(dir, 0o700))
	files, err := mediafs.Open(dir)
	must(t, err)
	s.Media, err = media.New(media.Config{
		Store: files, Now: s.Clock.Now, Key: s.Cases.Key,
		Completed: func(ctx context.Context, st media.Status) error {
			_, err := s.Cases.TakeStored(ctx, st.CaseID, st.ID, st.Length, st.SHA256, st.Head)
			return err
		},
	})
	must(t, err)
	s.Sessions, err = sessions.New(sessions.Config{Store: sessionredis.New(client), Key: keys.Derive("sessions"), Now: s.Clock.Now})
	must(t, err)
	s.Handoffs, err = handoff.New(handoff.Config{
		Store: handoffredis.New(client), Key: keys.Derive("handoff"), Now: s.Clock.Now, Log: log, Origin: s.URL,
		RaiseEpoch: func(ctx context.Context, caseID, cause string) (int64, error) {
			return s.Cases.RaiseEpoch(ctx, caseID, cause, cases.Actor{Kind: cases.BySystem})
		},
		Ended: func(ctx context.Context, h handoff.Handoff) error {
			s.Media.Interrupt(h.ID)
			s.Hub.End(h.CaseID, live.Phone)
			return s.Cases.EndEpoch(ctx, h.CaseID, h.ID, h.Epoch, string(h.State), h.State == handoff.Reported)
		},
		Changed: func(ctx context.Context, caseID string) { s.Hub.Changed(ctx, caseID) },
	})
	must(t, err)

	cfg := server.Config{
		Cases: s.Cases, Sessions: s.Sessions, Handoffs: s.Handoffs, Hub: s.Hub, Media: s.Media,
		Operator:  server.Operator{Name: "Example Exchange", Purpose: "To open an account.", Support: "help@example.com"},
		PublicURL: s.URL, Log: log, Now: s.Clock.Now,
	}
	for _, f := range change {
		f(&cfg)
	}
	s.Server, err = server.New(cfg)
	must(t, err)

	var running sync.WaitGroup
	running.Go(func() { _ = s.Hub.Run(ctx) })
	running.Go(func() {
		if err := s.Server.Serve(ln, false); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		s.Hub.Close()
		end, stop := context.WithTimeout(context.Background(), 10*time.Second)
		defer stop()
		if err := s.Server.Shutdown(end); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		cancel()
		running.Wait()
		must(t, s.Media.Close())
		must(t, store.Close())
	})
	return s
}

// Policy is the policy of Start with a change to it.
func Policy(t testing.TB, change func(*cases.Policy)) cases.Policy {
	t.Helper()
	p := casetest.Photos()
	change(&p)
	b, err := yaml.Marshal(p)
	must(t, err)
	p, err = cases.ReadPolicy(bytes.NewReader(b))
	must(t, err)
	return p
}

// destroy is what happens to the bytes of a take that left its case.
func (s *Server) destroy(ctx context.Context, uploadID string) error {
	err := s.Media.Terminate(ctx, uploadID)
	if errors.Is(err, media.ErrUnknown) || errors.Is(err, media.ErrGone) {
		return nil
	}
	return err
}

// keep stores a part of a take.
func (s *Server) keep(ctx context.Context, r cases.KeepRequest) (cases.Part, error) {
	now := s.Clock.Now()
	st, err := s.Media.Put(ctx, media.Info{
		ID: r.UploadID, CaseID: r.CaseID, Step: r.Step, Role: r.Role, Filetype: r.Filetype, MaxBytes: max(int64(len(r.Bytes)), 1),
		CreatedAt: now, ExpiresAt: now.Add(cases.UnfinishedFor),
	}, r.Bytes)
	return cases.Part{
		UploadID: st.ID, MediaID: cases.MediaID(st.ID), Role: r.Role, Filetype: r.Filetype, Size: st.Length, SHA256: st.SHA256,
	}, err
}

// Work does the jobs that are due, such as the checks of a submitted level.
func (s *Server) Work(t testing.TB) {
	t.Helper()
	must(t, s.Cases.Work(context.Background()))
}

// Host is the Host that the server answers to.
func (s *Server) Host() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
