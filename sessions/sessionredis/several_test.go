package sessionredis_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/sessions"
	"github.com/symbolon/symbolon/sessions/redistest"
	"github.com/symbolon/symbolon/sessions/sessionredis"
	"github.com/symbolon/symbolon/sessions/sessiontest"
)

func TestContractOnACluster(t *testing.T) {
	c := redistest.StartCluster(t)
	client := c.Client()
	sessiontest.Run(t, func(*testing.T) sessions.Store {
		c.Clear()
		return sessionredis.New(client)
	})
}

func TestOpenACluster(t *testing.T) {
	c := redistest.StartCluster(t)
	client, err := sessionredis.Open(t.Context(), c.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, ok := client.(*redis.ClusterClient); !ok {
		t.Errorf("opened as %T", client)
	}
	// Whatever node a key belongs to, it is found.
	s, now := sessionredis.New(client), time.Now()
	for i := range 50 {
		hash := fmt.Sprint("hash", i)
		if err := s.PutSession(t.Context(), hash, session(hash, now)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		if v, err := s.Session(t.Context(), fmt.Sprint("hash", i), now); err != nil || v.ID != fmt.Sprint("hash", i) {
			t.Errorf("%d: %+v, %v", i, v, err)
		}
	}
	for i, n := range c.Keys() {
		if n == 0 {
			t.Errorf("node %d was never used", i)
		}
	}

	// A cluster that lost a part serves nobody, although most nodes answer.
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	c.Kill(2)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := s.Ping(ctx)
		cancel()
		if err != nil {
			if fault.KindOf(err) != fault.Unavailable {
				t.Error(err)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal("a cluster without a third of its slots is said to serve")
		}
	}
}

// The driver speaks in the program's own log, not in a form of its own beside it.
func TestTheDriverSpeaksInTheLog(t *testing.T) {
	var out syncBuffer
	sessionredis.LogTo(slog.New(slog.NewJSONHandler(&out, nil)))
	t.Cleanup(func() { sessionredis.LogTo(slog.Default()) })
	server := redistest.StartMini(t)
	client := server.Client()
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Fatal("a stopped server answers")
	}
	if log := out.String(); !strings.Contains(log, `"level":"WARN","msg":"redis","said":"`) {
		t.Errorf("the log holds %q", log)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func session(id string, now time.Time) sessions.Session {
	now = now.UTC().Truncate(time.Millisecond)
	return sessions.Session{ID: id, Kind: sessions.Desk, AccountID: "acc_1", CreatedAt: now, ExpiresAt: now.Add(time.Hour), IdleUntil: now.Add(time.Hour)}
}

// The master dies while people sign in. Calls fail for a few seconds, then go on, with the same client and
// every session that the replica had: what was answered in the moment before may be lost.
func TestTheServiceGoesOnAfterItsMasterDied(t *testing.T) {
	sentinel := redistest.StartSentinel(t)
	client, err := sessionredis.Open(t.Context(), sentinel.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s, now := sessionredis.New(client), time.Now()

	type signIn struct {
		id string
		at time.Time
	}
	var told []signIn // what was answered with success
	put := func(i int) error {
		// A caller's own patience, so that no call hangs on the dead server.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		id := fmt.Sprint("session", i)
		if err := s.PutSession(ctx, id, session(id, now)); err != nil {
			return err
		}
		told = append(told, signIn{id, time.Now()})
		return nil
	}
	for i := range 500 {
		if err := put(i); err != nil {
			t.Fatal(err)
		}
	}
	died := time.Now()
	sentinel.KillMaster()
	n, failed := 500, 0
	var back time.Time
	for ; back.IsZero(); n++ {
		if err := put(n); err == nil {
			back = time.Now()
		} else if failed++; time.Since(died) > 30*time.Second {
			t.Fatalf("still failing after 30 s: %v", err)
		} else {
			time.Sleep(20 * time.Millisecond) // what a person takes to try again, and less
		}
	}
	if failed == 0 {
		t.Fatal("nobody noticed that the master died")
	}
	for range 50 {
		if err := put(n); err != nil {
			t.Fatalf("after the failover: %v", err)
		}
		n++
	}
	lost := 0
	for _, in := range told {
		if _, err := s.Session(t.Context(), in.id, now); err != nil {
			lost++
			if died.Sub(in.at) > time.Second || in.at.After(back) {
				t.Errorf("%s, answered %v before the end, is lost: %v", in.id, died.Sub(in.at), err)
			}
		}
	}
	t.Logf("away for %v and %d calls; %d of %d sign-ins were lost", back.Sub(died).Round(10*time.Millisecond), failed, lost, len(told))
}

// The rights that docs/redis.md tells operators to give are enough, and do not reach further.
func TestARestrictedUserIsEnough(t *testing.T) {
	s := redistest.StartReal(t)
	all, client := s.Client(), s.Restricted()
	sessiontest.Run(t, func(t *testing.T) sessions.Store {
		if err := all.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return sessionredis.New(client)
	})
	for _, not := range [][]any{{"FLUSHALL"}, {"KEYS", "*"}, {"CONFIG", "GET", "dir"}, {"GET", "other"}, {"PUBLISH", "other", "x"}} {
		if err := client.Do(t.Context(), not...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("%v: %v", not, err)
		}
	}
}
