package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/server/servertest"
)

func TestSignUp(t *testing.T) {
	s := servertest.Start(t)
	b := s.NewBrowser(t)
	a := b.Do("POST", "/v1/accounts", map[string]any{"email": "Zhang.San@Example.com", "password": servertest.Password}).Want(t, 201)
	if a.String("email") != "zhang.san@example.com" || !strings.HasPrefix(a.String("id"), "acc_") {
		t.Errorf("account %s", a.Body)
	}
	if a.Header.Get("Set-Cookie") != "" {
		t.Error("signing up signed in")
	}
	b.Do("POST", "/v1/accounts", map[string]any{"email": "zhang.san@example.com", "password": servertest.Password}).Want(t, 409, "account_exists")
	bad := b.Do("POST", "/v1/accounts", map[string]any{"email": "nobody", "password": "short"}).Want(t, 422, "invalid_fields")
	if bad.Get("errors.0.field") != "email" || bad.Get("errors.1.field") != "password" {
		t.Errorf("fields: %s", bad.Body)
	}
	b.Do("POST", "/v1/accounts", map[string]any{"email": "b@example.com", "password": servertest.Password, "roles": []string{"admin"}}).Want(t, 400, "json_malformed")
}

func TestSignUpsAreLimitedByNetwork(t *testing.T) {
	s := servertest.Start(t)
	b := s.NewBrowser(t)
	try := func(i int) *servertest.Answer {
		return b.Do("POST", "/v1/accounts", map[string]any{"email": fmt.Sprintf("a%d", i), "password": "short"})
	}
	for i := range 10 {
		try(i).Want(t, 422)
	}
	a := try(10).Want(t, 429, "too_many_requests")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.Clock.Advance(time.Hour)
	try(11).Want(t, 422)
}

// Whoever tries learns nothing from the answer about which accounts there are.
func TestAWrongPasswordAndNoAccountAnswerAlike(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	b := s.NewBrowser(t)
	for _, path := range []string{"/v1/session", "/v1/tokens"} {
		wrong := b.Do("POST", path, map[string]any{"email": p.Email, "password": "not the password"}).Want(t, 401, "credentials_wrong")
		nobody := b.Do("POST", path, map[string]any{"email": "nobody@example.com", "password": "not the password"}).Want(t, 401, "credentials_wrong")
		noAddress := b.Do("POST", path, map[string]any{"email": "no address", "password": "not the password"}).Want(t, 401, "credentials_wrong")
		if string(wrong.Body) != string(nobody.Body) || string(wrong.Body) != string(noAddress.Body) {
			t.Errorf("%s\n%s\n%s", wrong.Body, nobody.Body, noAddress.Body)
		}
		if len(wrong.Header) != len(nobody.Header) {
			t.Errorf("headers %v and %v", wrong.Header, nobody.Header)
		}
	}
}

func TestSignInsAreLimitedByAddressWhetherOrNotThereIsAnAccount(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t) // has signed in once
	b := s.NewBrowser(t)
	count := func(email string) (n int, last *servertest.Answer) {
		for n < 30 {
			last = b.Do("POST", "/v1/session", map[string]any{"email": email, "password": "wrong"})
			if last.Status != 401 {
				return n, last
			}
			n++
		}
		return n, last
	}
	known, a := count(strings.ToUpper(p.Email))
	a.Want(t, 429, "too_many_requests")
	unknown, a := count("nobody@example.com")
	a.Want(t, 429, "too_many_requests")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if known != 9 || unknown != 10 {
		t.Errorf("%d tries after one for a known address, %d for an unknown one", known, unknown)
	}
	// The right password does not help while the limit lasts.
	b.Do("POST", "/v1/session", map[string]any{"email": p.Email, "password": p.Password}).Want(t, 429)
	s.Clock.Advance(10 * time.Minute)
	b.Do("POST", "/v1/session", map[string]any{"email": p.Email, "password": p.Password}).Want(t, 200)
}

func TestSignInsAreLimitedByNetwork(t *testing.T) {
	s := servertest.Start(t)
	b := s.NewBrowser(t)
	for i := range 60 {
		b.Do("POST", "/v1/session", map[string]any{"email": fmt.Sprintf("n%d@example.com", i), "password": "x"}).Want(t, 401)
	}
	b.Do("POST", "/v1/session", map[string]any{"email": "n60@example.com", "password": "x"}).Want(t, 429)
}

func TestConfirmingThePassword(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Do("POST", "/v1/session/confirm", map[string]any{"password": "wrong"}).Want(t, 401, "credentials_wrong")
	p.Do("POST", "/v1/session/confirm", map[string]any{"password": strings.Repeat("x", 300)}).Want(t, 422, "invalid_fields")
	p.Do("POST", "/v1/session/confirm", map[string]any{"password": p.Password}).Want(t, 204)
	p.Do("GET", "/v1/me", nil).Want(t, 200)
	for range 8 {
		p.Do("POST", "/v1/session/confirm", map[string]any{"password": "wrong"}).Want(t, 401)
	}
	p.Do("POST", "/v1/session/confirm", map[string]any{"password": p.Password}).Want(t, 429, "too_many_requests")
}

func TestBearerTokens(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	a := s.NewProgram(t).Do("POST", "/v1/tokens", map[string]any{"email": p.Email, "password": p.Password}).Want(t, 201)
	if !strings.HasPrefix(a.String("token"), "st_") {
		t.Errorf("token %s", a.Body)
	}
	expires, err := time.Parse(time.RFC3339, a.String("expires_at"))
	if days := expires.Sub(s.Clock.Now()).Hours() / 24; err != nil || days < 89.9 || days > 90 {
		t.Errorf("expires in %.1f days (%v)", days, err)
	}
	if a.Header.Get("Set-Cookie") != "" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.Header)
	}
}
