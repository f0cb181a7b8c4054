package handoffredis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/handoff/handoffredis"
	"github.com/symbolon/symbolon/handoff/handofftest"
	"github.com/symbolon/symbolon/sessions/redistest"
)

// A pool that was closed while it could not reach its server looks once more a second later.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func TestStore(t *testing.T) {
	redistest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		handofftest.Store(t, empty(client))
	})
}

func TestProtocol(t *testing.T) {
	redistest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		open := empty(client)
		handofftest.Protocol(t, open, func(t *testing.T) { open(t) })
	})
}

// empty returns an opener of stores on one server, emptied each time.
func empty(client redis.UniversalClient) func(t *testing.T) handoff.Store {
	return func(t *testing.T) handoff.Store {
		t.Helper()
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return handoffredis.New(client)
	}
}

// Nothing that opens a handoff or tells of a device may be read in Redis, at any time of a
// handoff's life.
func TestRedisHoldsNoSecrets(t *testing.T) {
	redistest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		w := handofftest.NewWorld(t, empty(client)(t))
		secrets := map[string]string{"the desk's address": "203.0.113.7", "the key of the claim": "idempotency-key-1"}
		look := func(when string, h handoff.Handoff) {
			t.Helper()
			if h.URL != "" {
				_, code, _ := strings.Cut(h.URL, "#c=")
				_, secrets["the link's secret"], _ = strings.Cut(code, ".")
				secrets["the link's code"] = code
				secrets["the text code"] = h.TextCode
				secrets["the text code, bare"] = strings.ReplaceAll(h.TextCode, "-", "")
			}
			for side, d := range map[string]*handoff.Device{"desk": &h.Desk, "phone": h.Device} {
				if d != nil {
					secrets[side+" browser"], secrets[side+" system"] = d.Browser, d.OS
				}
			}
			dump := readAll(t, client)
			if !strings.Contains(dump, h.ID) {
				t.Fatalf("%s: the dump does not even hold the handoff", when)
			}
			for what, secret := range secrets {
				if strings.Contains(dump, secret) {
					t.Errorf("%s: Redis holds %s (%q)", when, what, secret)
				}
			}
			// Two digits occur by chance, so the number is looked for as a value of its own.
			if h.Number != "" && strings.Contains(dump, "\x00"+h.Number+"\x00") {
				t.Errorf("%s: Redis holds the number", when)
			}
		}
		h := w.MustOffer(handofftest.Request())
		look("offered", h)
		url, _, err := w.QR(t.Context(), h.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, secrets["the picture's secret"], _ = strings.Cut(url, ".com/h#c=")
		if _, err := w.Service.Open(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		look("opened", h)
		p := handofftest.Phone(url)
		p.Key = "idempotency-key-1"
		if h, err = w.Claim(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		look("claimed", h)
		p.Device.Browser, p.Key = "Secondari", "another"
		secrets["the second phone"] = "Secondari"
		if _, err := w.Claim(t.Context(), p); err == nil {
			t.Fatal("two claims")
		}
		look("claimed twice", h)
		look("active", w.MustMatch(h))
		if h, err = w.Deny(t.Context(), h.ID, "phone", true); err != nil {
			t.Fatal(err)
		}
		look("reported", h)
	})
}

// readAll returns every key and value, each between NULs.
func readAll(t *testing.T, client redis.UniversalClient) string {
	t.Helper()
	ctx, out := t.Context(), "\x00"
	add := func(values ...string) { out += strings.Join(values, "\x00") + "\x00" }
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		kind, err := client.Type(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		add(key)
		switch kind {
		case "string":
			add(client.Get(ctx, key).Val())
		case "hash":
			for name, value := range client.HGetAll(ctx, key).Val() {
				add(name, value)
			}
		case "zset":
			add(client.ZRange(ctx, key, 0, -1).Val()...)
		default:
			t.Fatalf("%s is a %s, which this test cannot read", key, kind)
		}
	}
	return out
}

// Everything in Redis cleans itself up; the set of deadlines is empty, and so gone, once every
// handoff has ended.
func TestEveryKeyHasAnEnd(t *testing.T) {
	redistest.Each(t, func(t *testing.T, client redis.UniversalClient) {
		w := handofftest.NewWorld(t, empty(client)(t))
		h := w.MustClaim(w.MustOffer(handofftest.Request()))
		for range handoff.MaxWrong {
			now, err := w.Get(t.Context(), h.ID)
			if err != nil {
				t.Fatal(err)
			}
			number := "10"
			if now.Number == number {
				number = "11"
			}
			_, _ = w.Match(t.Context(), h.ID, number)
		}
		reported := w.MustOffer(handofftest.Request())
		if _, err := w.Deny(t.Context(), reported.ID, "desk", true); err != nil {
			t.Fatal(err)
		}
		keys := client.Keys(t.Context(), "*").Val()
		if len(keys) < 8 {
			t.Errorf("only these keys: %q", keys)
		}
		for _, key := range keys {
			if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 {
				t.Errorf("%s is kept for %v", key, ttl)
			}
		}
	})
}

func TestRedisThatDoesNotAnswer(t *testing.T) {
	redistest.EachServer(t, func(t *testing.T, s *redistest.Server) {
		ctx := t.Context()
		o, err := redis.ParseURL(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		o.MaxRetries = -1 // the client's own tries only take time here
		o.DialerRetries = 1
		client := redis.NewClient(o)
		t.Cleanup(func() { _ = client.Close() })
		w := handofftest.NewWorld(t, handoffredis.New(client))
		h := w.MustClaim(w.MustOffer(handofftest.Request()))
		s.Stop()
		for name, call := range map[string]func() error{
			"offer":   func() error { _, err := w.Offer(ctx, handofftest.Request()); return err },
			"get":     func() error { _, err := w.Get(ctx, h.ID); return err },
			"current": func() error { _, err := w.Current(ctx, h.CaseID); return err },
			"qr":      func() error { _, _, err := w.QR(ctx, h.ID); return err },
			"open":    func() error { _, err := w.Service.Open(ctx, "7K3M-9QXT"); return err },
			"claim":   func() error { _, err := w.Claim(ctx, handofftest.Phone("7K3M-9QXT")); return err },
			"match":   func() error { _, err := w.Match(ctx, h.ID, h.Number); return err },
			"deny":    func() error { _, err := w.Deny(ctx, h.ID, "phone", false); return err },
			"cancel":  func() error { _, err := w.Cancel(ctx, h.ID); return err },
			"of":      func() error { return w.CancelOf(ctx, h.CaseID, h.SessionID) },
			"finish":  func() error { _, err := w.Finish(ctx, h.ID); return err },
			"seen":    func() error { return w.Seen(ctx, h.ID) },
			"sweep":   func() error { return w.Sweep(ctx) },
			"ping":    func() error { return w.Store.Ping(ctx) },
		} {
			if err := call(); !errors.Is(err, handoff.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.Restart()
		// The client probes a server that was away about once a second.
		for end := time.Now().Add(10 * time.Second); w.Store.Ping(ctx) != nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := w.Get(ctx, h.ID); !errors.Is(err, handoff.ErrUnknown) {
			t.Errorf("after it came back empty: %v", err)
		}
		w.MustOffer(handofftest.Request())
	})
}
