package sessions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/sessions"
	"github.com/symbolon/symbolon/sessions/redistest"
	"github.com/symbolon/symbolon/sessions/sessionredis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

// door is a service with a clock of its own.
type door struct {
	*sessions.Service
	now    time.Time
	store  *counting
	client redis.UniversalClient
}

// counting counts what reaches the store.
type counting struct {
	sessions.Store
	touches int
	onTouch func()
}

func (c *counting) TouchSession(ctx context.Context, hash string, idle, confirmed time.Time) error {
	c.touches++
	if c.onTouch != nil {
		c.onTouch()
	}
	return c.Store.TouchSession(ctx, hash, idle, confirmed)
}

func open(t *testing.T) *door {
	t.Helper()
	client := redistest.StartMini(t).Client()
	d := &door{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), store: &counting{Store: sessionredis.New(client)}, client: client}
	var err error
	d.Service, err = sessions.New(sessions.Config{Store: d.store, Key: seal.NewKey(), Now: func() time.Time { return d.now }})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *door) start(t *testing.T, s sessions.Session) (string, sessions.Session) {
	t.Helper()
	token, started, err := d.Start(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return token, started
}

func desk() sessions.Session { return sessions.Session{Kind: sessions.Desk, AccountID: "acc_1"} }

func TestTokensNameTheirKindAndStandForTheirSession(t *testing.T) {
	d := open(t)
	for prefix, s := range map[string]sessions.Session{
		"sd_": {Kind: sessions.Desk, AccountID: "acc_1", Roles: []string{"reviewer"}},
		"st_": {Kind: sessions.Bearer, AccountID: "acc_1"},
		"ct_": {Kind: sessions.Capture, AccountID: "acc_1", CaseID: "case_1", HandoffID: "hnd_1", Epoch: 3},
	} {
		token, started := d.start(t, s)
		if !strings.HasPrefix(token, prefix) || len(token) != 3+43 {
			t.Errorf("token of %s: %q", s.Kind, token)
		}
		got, err := d.Lookup(ctx, token)
		if err != nil || !reflect.DeepEqual(got, started) || !strings.HasPrefix(got.ID, "ses_") {
			t.Errorf("got %+v, %v; want %+v", got, err, started)
		}
		if got.AccountID != s.AccountID || got.CaseID != s.CaseID || got.HandoffID != s.HandoffID || got.Epoch != s.Epoch || !reflect.DeepEqual(got.Roles, s.Roles) {
			t.Errorf("the session changed: %+v", got)
		}
		if _, err := d.Lookup(ctx, token, s.Kind); err != nil {
			t.Error(err)
		}
		for _, other := range []sessions.Kind{sessions.Desk, sessions.Bearer, sessions.Capture} {
			if _, err := d.Lookup(ctx, token, other); other != s.Kind && !errors.Is(err, sessions.ErrUnknown) {
				t.Errorf("a %s token passes as %s", s.Kind, other)
			}
		}
	}
}

func TestIncompleteSessionsAreRefused(t *testing.T) {
	d := open(t)
	for _, s := range []sessions.Session{
		{}, {Kind: sessions.Desk}, {Kind: "admin", AccountID: "acc_1"},
		{Kind: sessions.Capture, AccountID: "acc_1", CaseID: "case_1"},
		{Kind: sessions.Capture, AccountID: "acc_1", HandoffID: "hnd_1"},
		{Kind: sessions.Desk, AccountID: "acc_1", HandoffID: "hnd_1"},
	} {
		if token, _, err := d.Start(ctx, s); err == nil || token != "" {
			t.Errorf("started %+v", s)
		}
	}
}

func TestTheStoreNeverHoldsATokenNorASubject(t *testing.T) {
	d := open(t)
	token, _ := d.start(t, desk())
	if err := d.Allow(ctx, sessions.Limit{Name: "sign_in", N: 5, Window: time.Minute}, "203.0.113.7"); err != nil {
		t.Fatal(err)
	}
	request := []byte(`{"email":"ada@example.com","password":"correct horse"}`)
	_, err := d.Once(ctx, "acc_1", "/v1/tokens", "my-key", request, func() (sessions.Answer, bool, error) {
		return sessions.Answer{Status: 201, Header: map[string]string{"Set-Cookie": "symbolon_session=" + token}, Body: []byte(token)}, true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	keys, err := d.client.Keys(ctx, "*").Result()
	if err != nil || len(keys) != 4 {
		t.Fatal(keys, err)
	}
	for _, key := range keys {
		fields, err := d.client.HGetAll(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, key, fields)
	}
	for _, secret := range []string{token, token[3:], "203.0.113.7", "ada@", "correct", "my-key", "/v1/tokens"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%q is stored in the clear", secret)
		}
	}
}

func TestMalformedTokensAreUnknownAndReachNoStore(t *testing.T) {
	d := open(t)
	token, _ := d.start(t, desk())
	for _, bad := range []string{
		"", "sd_", token[3:], token[:45], token + "A", "st_" + token[3:], "ct_" + token[3:], "sk_" + token[3:],
		token[:45] + "!", strings.ToUpper(token), " " + token, token + "\n", strings.Repeat("sd_", 1000),
		token[:45] + "\x00",
	} {
		if _, err := d.Lookup(ctx, bad); !errors.Is(err, sessions.ErrUnknown) {
			t.Errorf("%q: %v", bad, err)
		}
		if err := d.End(ctx, bad); err != nil {
			t.Errorf("end of %q: %v", bad, err)
		}
	}
	if _, err := d.Lookup(ctx, token); err != nil {
		t.Error(err)
	}
}

func TestUseKeepsASessionAliveUpToItsAbsoluteEnd(t *testing.T) {
	d := open(t)
	token, s := d.start(t, desk())
	step := sessions.DeskIdle - time.Second
	for d.now.Add(step).Before(s.ExpiresAt) {
		d.now = d.now.Add(step)
		if _, err := d.Lookup(ctx, token); err != nil {
			t.Fatalf("after %v: %v", d.now.Sub(s.CreatedAt), err)
		}
	}
	d.now = s.ExpiresAt.Add(-time.Millisecond)
	if got, err := d.Lookup(ctx, token); err != nil || !got.IdleUntil.Equal(s.ExpiresAt) {
		t.Fatal(got.IdleUntil, err)
	}
	d.now = s.ExpiresAt
	if _, err := d.Lookup(ctx, token); !errors.Is(err, sessions.ErrUnknown) {
		t.Errorf("a session outlived its absolute end: %v", err)
	}
}

func TestAnIdleSessionEnds(t *testing.T) {
	d := open(t)
	token, _ := d.start(t, desk())
	d.now = d.now.Add(sessions.DeskIdle)
	if _, err := d.Lookup(ctx, token); !errors.Is(err, sessions.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

func TestACheckIsNoUse(t *testing.T) {
	d := open(t)
	token, started := d.start(t, desk())
	d.now = d.now.Add(sessions.DeskIdle - time.Millisecond)
	if got, err := d.Check(ctx, token, sessions.Desk); err != nil || !got.IdleUntil.Equal(started.IdleUntil) {
		t.Errorf("%v, %v", got.IdleUntil, err)
	}
	if _, err := d.Check(ctx, token, sessions.Bearer); !errors.Is(err, sessions.ErrUnknown) {
		t.Errorf("as another kind: %v", err)
	}
	d.now = d.now.Add(time.Millisecond)
	if _, err := d.Check(ctx, token); !errors.Is(err, sessions.ErrUnknown) {
		t.Errorf("a check kept the session alive: %v", err)
	}
}

func TestUseIsWrittenDownAtMostOnceAMinute(t *testing.T) {
	d := open(t)
	token, _ := d.start(t, desk())
	for range 10 * 60 / 5 {
		d.now = d.now.Add(5 * time.Second)
		if _, err := d.Lookup(ctx, token); err != nil {
			t.Fatal(err)
		}
	}
	if d.store.touches != 10 {
		t.Errorf("10 minutes of use were written %d times", d.store.touches)
	}
}

func TestASignOutWinsOverARenewal(t *testing.T) {
	d := open(t)
	token, _ := d.start(t, desk())
	d.now = d.now.Add(time.Hour)
	d.store.onTouch = func() { // between reading and renewing
		d.store.onTouch = nil
		if err := d.End(ctx, token); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Lookup(ctx, token); !errors.Is(err, sessions.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	if _, err := d.Lookup(ctx, token); !errors.Is(err, sessions.ErrUnknown) {
		t.Errorf("the session came back: %v", err)
	}
}

func TestAConfirmationCountsForTenMinutes(t *testing.T) {
	d := open(t)
	token, s := d.start(t, desk())
	if d.Confirmed(s) {
		t.Error("confirmed without a password")
	}
	d.now = d.now.Add(time.Hour)
	if err := d.Confirm(ctx, token); err != nil {
		t.Fatal(err)
	}
	s, err := d.Lookup(ctx, token)
	if err != nil || !d.Confirmed(s) {
		t.Error("not confirmed", err)
	}
	d.now = d.now.Add(sessions.ConfirmedFor - time.Millisecond)
	if !d.Confirmed(s) {
		t.Error("forgotten too early")
	}
	d.now = d.now.Add(time.Millisecond)
	if d.Confirmed(s) {
		t.Error("remembered too long")
	}
	_ = d.End(ctx, token)
	if err := d.Confirm(ctx, token); !errors.Is(err, sessions.ErrUnknown) {
		t.Errorf("confirmed an ended session: %v", err)
	}
}

func TestALimitNamesTheTimeToWait(t *testing.T) {
	d := open(t)
	l := sessions.Limit{Name: "sign_in", N: 3, Window: time.Minute}
	for range 3 {
		if err := d.Allow(ctx, l, "a"); err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(time.Second)
	}
	err := d.Allow(ctx, l, "a")
	var f *fault.Error
	if !errors.Is(err, sessions.ErrLimited) || !errors.As(err, &f) || f.RetryAfter != 57*time.Second {
		t.Errorf("got %v", err)
	}
	if err := d.Allow(ctx, l, "b"); err != nil {
		t.Error("another subject is limited too:", err)
	}
	if err := d.Allow(ctx, sessions.Limit{Name: "other", N: 3, Window: time.Minute}, "a"); err != nil {
		t.Error("another limit is used up too:", err)
	}
	d.now = d.now.Add(57 * time.Second)
	if err := d.Allow(ctx, l, "a"); err != nil {
		t.Error("still limited:", err)
	}
}

func TestAnAnswerIsGivenAgain(t *testing.T) {
	d := open(t)
	runs := 0
	call := func(principal, path, key, request string, secret bool) (sessions.Answer, error) {
		return d.Once(ctx, principal, path, key, []byte(request), func() (sessions.Answer, bool, error) {
			runs++
			return sessions.Answer{Status: 201, Header: map[string]string{"Location": "/v1/x"}, Body: json.RawMessage(fmt.Sprint(runs))}, secret, nil
		})
	}
	first, err := call("p", "/x", "k", "body", false)
	if err != nil || runs != 1 {
		t.Fatal(err, runs)
	}
	d.now = d.now.Add(24*time.Hour - time.Second)
	again, err := call("p", "/x", "k", "body", false)
	if err != nil || runs != 1 || !reflect.DeepEqual(first, again) {
		t.Errorf("%+v, %v after %d runs", again, err, runs)
	}
	if _, err := call("p", "/x", "k", "other body", false); !errors.Is(err, sessions.ErrKeyReused) || runs != 1 {
		t.Errorf("got %v after %d runs", err, runs)
	}
	for i, other := range [][3]string{{"q", "/x", "k"}, {"p", "/y", "k"}, {"p", "/x", "l"}, {"p/", "x", "k"}} {
		if _, err := call(other[0], other[1], other[2], "body", false); err != nil || runs != 2+i {
			t.Errorf("%v: %v after %d runs", other, err, runs)
		}
	}
	d.now = d.now.Add(time.Second)
	if _, err := call("p", "/x", "k", "body", true); err != nil || runs != 6 {
		t.Errorf("after a day: %v after %d runs", err, runs)
	}
	d.now = d.now.Add(119 * time.Second)
	if _, err := call("p", "/x", "k", "body", true); err != nil || runs != 6 {
		t.Errorf("a secret within 120 s: %v after %d runs", err, runs)
	}
	d.now = d.now.Add(time.Second)
	if _, err := call("p", "/x", "k", "body", true); err != nil || runs != 7 {
		t.Errorf("a secret after 120 s: %v after %d runs", err, runs)
	}
	for range 2 {
		if _, err := call("p", "/x", "", "body", false); err != nil {
			t.Error(err)
		}
	}
	if runs != 9 {
		t.Errorf("without a key: %d runs", runs)
	}
}

func TestAFailureIsNotRemembered(t *testing.T) {
	d := open(t)
	broken := errors.New("broken")
	once := func(do func() (sessions.Answer, bool, error)) (sessions.Answer, error) {
		return d.Once(ctx, "p", "/x", "k", nil, do)
	}
	if _, err := once(func() (sessions.Answer, bool, error) { return sessions.Answer{}, false, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if a, err := once(func() (sessions.Answer, bool, error) { return sessions.Answer{Status: 503}, false, nil }); a.Status != 503 || err != nil {
		t.Error(a, err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = once(func() (sessions.Answer, bool, error) { panic("at the worst moment") })
	}()
	gone, leave := context.WithCancel(ctx)
	a, err := d.Once(gone, "p", "/x", "k", nil, func() (sessions.Answer, bool, error) {
		leave() // the caller hangs up while the work is done
		return sessions.Answer{Status: 200, Body: []byte("kept")}, false, nil
	})
	if err != nil || a.Status != 200 {
		t.Fatal(a, err)
	}
	a, err = once(func() (sessions.Answer, bool, error) { t.Error("ran again"); return sessions.Answer{}, false, nil })
	if err != nil || string(a.Body) != "kept" {
		t.Error(a, err)
	}
}

func TestTwoCallsAtOnceRunOnce(t *testing.T) {
	d := open(t)
	var mu sync.Mutex
	runs, waiting := 0, 0
	release := make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := d.Once(ctx, "p", "/x", "k", nil, func() (sessions.Answer, bool, error) {
				mu.Lock()
				runs++
				mu.Unlock()
				<-release
				return sessions.Answer{Status: 201}, false, nil
			})
			if err != nil && !errors.Is(err, sessions.ErrInProgress) {
				t.Error(err)
			}
			if err != nil {
				mu.Lock()
				if waiting++; waiting == 19 {
					close(release)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if runs != 1 || waiting != 19 {
		t.Errorf("%d ran, %d were told to wait", runs, waiting)
	}
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	if _, err := sessions.New(sessions.Config{Key: seal.NewKey()}); err == nil {
		t.Error("no store")
	}
	if _, err := sessions.New(sessions.Config{Store: &counting{}}); err == nil {
		t.Error("no key")
	}
}
