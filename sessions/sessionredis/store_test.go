package sessionredis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/sessions"
	"github.com/symbolon/symbolon/sessions/redistest"
	"github.com/symbolon/symbolon/sessions/sessionredis"
	"github.com/symbolon/symbolon/sessions/sessiontest"
)

// A pool that was closed while it could not reach its server looks once more a second later.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func TestContract(t *testing.T) {
	redistest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		sessiontest.Run(t, func(t *testing.T) sessions.Store {
			if err := client.FlushDB(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
			return sessionredis.New(client)
		})
	})
}

// Everything that is written goes away by itself, even if nobody asks for it again.
func TestEveryKeyHasATTL(t *testing.T) {
	redistest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, s, now := context.Background(), sessionredis.New(client), time.Now()
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		check(s.PutSession(ctx, "h", sessions.Session{Kind: sessions.Desk, CreatedAt: now, ExpiresAt: now.Add(time.Hour), IdleUntil: now.Add(time.Minute)}))
		check(s.TouchSession(ctx, "h", now.Add(time.Hour), now))
		if err := s.TouchSession(ctx, "absent", now, now); err == nil {
			t.Error("touched nothing")
		}
		_, _, err := s.Take(ctx, "k", time.Minute, now)
		check(err)
		_, err = s.BeginAnswer(ctx, "claimed", "d", "c", time.Minute, now)
		check(err)
		_, err = s.BeginAnswer(ctx, "answered", "d", "c", time.Minute, now)
		check(err)
		check(s.EndAnswer(ctx, "answered", "c", &sessions.Answer{Status: 200}, 24*time.Hour, now))
		keys, err := client.Keys(ctx, "*").Result()
		check(err)
		if len(keys) != 4 {
			t.Errorf("keys: %v", keys)
		}
		for _, key := range keys {
			ttl, err := client.PTTL(ctx, key).Result()
			check(err)
			if ttl <= 0 || ttl > 24*time.Hour {
				t.Errorf("%s lives for %v", key, ttl)
			}
			if strings.Contains(key, "answered") && ttl < 23*time.Hour {
				t.Errorf("%s goes after %v already", key, ttl)
			}
		}
	})
}

func TestAnUnreachableRedisIsUnavailableAndSaysNothingMore(t *testing.T) {
	server := redistest.StartMini(t)
	s := sessionredis.New(server.Client())
	server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := s.Session(ctx, "h", time.Now())
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.RetryAfter == 0 {
		t.Errorf("got %v", err)
	}
}

func TestOpen(t *testing.T) {
	redistest.EachServer(t, func(t *testing.T, s *redistest.Server) {
		client, err := sessionredis.Open(context.Background(), s.URL)
		if err != nil {
			t.Fatal(err)
		}
		if err := sessionredis.New(client).Ping(context.Background()); err != nil {
			t.Error(err)
		}
		_ = client.Close()
	})
}

// A Redis that takes connections and says nothing holds nobody for long.
func TestAPausedRedisIsUnavailableWithinSeconds(t *testing.T) {
	s := redistest.StartReal(t)
	client, err := sessionredis.Open(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	store := sessionredis.New(client)
	resume := s.Pause()
	var asking sync.WaitGroup
	defer asking.Wait()
	for range 50 { // more than there are connections
		asking.Go(func() {
			began := time.Now()
			_, err := store.Session(t.Context(), "h", began)
			if took := time.Since(began); fault.KindOf(err) != fault.Unavailable || took > 4*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
	asking.Wait()
	// What the same requests want next does not wait again, and works soon after Redis does.
	if _, err := store.Session(t.Context(), "h", time.Now()); !errors.Is(err, sessionredis.ErrSilent) || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("the next call: %v", err)
	}
	resume()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := store.Session(t.Context(), "h", time.Now()); fault.KindOf(err) != fault.Unavailable {
			return
		}
		if time.Now().After(end) {
			t.Fatal("still unavailable")
		}
	}
}

func TestOpenRefusesOtherAddressesWithoutRepeatingThem(t *testing.T) {
	for _, address := range []string{
		"", "localhost:6379", "http://localhost", "redis://:hunter2@host:6379/x", "redis://:hunter2@a b/",
		"redis://a:1,redis://a:1", "unix:///a,unix:///b", "redis://a:1,", "mongodb://:hunter2@a", "redis://a:1?hunter2=1",
	} {
		_, err := sessionredis.Open(context.Background(), address)
		if !errors.Is(err, sessionredis.ErrAddress) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
