package server_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/server/servertest"
)

// postbox keeps the letters that a server sends.
type postbox struct {
	mu    sync.Mutex
	fails int
	got   []cases.Letter
}

func (p *postbox) write(_ context.Context, l cases.Letter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails > 0 {
		p.fails--
		return errors.New("the mail server hangs")
	}
	p.got = append(p.got, l)
	return nil
}

// all takes the letters out, after the server has sent what is due.
func (p *postbox) all(t *testing.T, s *servertest.Server) []cases.Letter {
	t.Helper()
	if err := s.Cases.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.got
	p.got = nil
	return out
}

// one is the one letter of a kind to somebody.
func (p *postbox) one(t *testing.T, s *servertest.Server, kind cases.LetterKind, to string) string {
	t.Helper()
	all := p.all(t, s)
	if len(all) != 1 || all[0].Kind != kind || all[0].Email != to {
		t.Fatalf("the letters are %v, want one of %s", kinds(all), kind)
	}
	return all[0].Token
}

func kinds(all []cases.Letter) (out []string) {
	for _, l := range all {
		out = append(out, string(l.Kind))
	}
	return out
}

func withMail(t *testing.T) (*servertest.Server, *postbox) {
	box := &postbox{}
	return servertest.StartWith(t, func(c *cases.Config) { c.Write = box.write }), box
}

func link(token string) map[string]any { return map[string]any{"token": token} }

func reset(token, password string) map[string]any {
	return map[string]any{"token": token, "password": password}
}

func TestAnAddressIsConfirmedByItsLink(t *testing.T) {
	s, box := withMail(t)
	p := s.Applicant(t)
	if me := p.Do("GET", "/v1/me", nil); me.Get("account.email_confirmed") != false || p.Do("GET", "/v1/operator", nil).Get("mail") != true {
		t.Fatalf("before: %s", me.Body)
	}
	first := box.one(t, s, cases.LetterConfirm, p.Email)
	p.Do("POST", "/v1/me/confirmation", nil).Want(t, 202)
	second := box.one(t, s, cases.LetterConfirm, p.Email)
	anyone := s.NewProgram(t)
	for _, bad := range []string{"", "x", first[:20], first[:len(first)-1], first + "A", strings.Repeat("A", 71), strings.Repeat("A", 300)} {
		anyone.Do("POST", "/v1/email/confirm", link(bad)).Want(t, 410, "link_over")
	}
	anyone.Do("POST", "/v1/password/reset", reset(first, "another password")).Want(t, 410, "link_over") // a link does what it is for
	anyone.Do("GET", "/v1/email/confirm?token="+first, nil).Want(t, 405)
	anyone.Do("POST", "/v1/email/confirm", link(second)).Want(t, 204)
	anyone.Do("POST", "/v1/email/confirm", link(first)).Want(t, 204) // somebody clicks both
	if me := p.Do("GET", "/v1/me", nil); me.Get("account.email_confirmed") != true {
		t.Errorf("after: %s", me.Body)
	}
	p.Do("POST", "/v1/me/confirmation", nil).Want(t, 202)
	if all := box.all(t, s); len(all) > 0 {
		t.Errorf("somebody confirmed is asked again: %v", kinds(all))
	}
	for range 3 {
		p.Do("POST", "/v1/me/confirmation", nil).Want(t, 202)
	}
	p.Do("POST", "/v1/me/confirmation", nil).Want(t, 429, "too_many_requests")

	late := s.Applicant(t)
	token := box.one(t, s, cases.LetterConfirm, late.Email)
	s.Clock.Advance(cases.ConfirmLinkFor)
	anyone.Do("POST", "/v1/email/confirm", link(token)).Want(t, 410, "link_over")
}

func TestANewPasswordEndsWhatTheOldOneOpened(t *testing.T) {
	s, box := withMail(t)
	p := s.Person(t)
	box.all(t, s)
	other, app := p.Other(), p.App()
	phone, _ := p.Phone()
	anyone := s.NewBrowser(t)
	ask := func() string {
		t.Helper()
		anyone.Do("POST", "/v1/password/forgot", map[string]any{"email": " " + strings.ToUpper(p.Email)}).Want(t, 202)
		return box.one(t, s, cases.LetterReset, p.Email)
	}
	first := ask()
	anyone.Do("POST", "/v1/password/reset", reset(first, "short")).Want(t, 422, "invalid_fields")
	s.Clock.Advance(cases.ResetLinkFor)
	anyone.Do("POST", "/v1/password/reset", reset(first, "a password that is new")).Want(t, 410, "link_over")
	second, third := ask(), ask()
	// As long as what was opened cannot be closed, nothing is spent.
	down := errors.New("no sessions now")
	if err := s.Cases.ResetPassword(t.Context(), third, "a password that is new", func(context.Context, string) error { return down }); !errors.Is(err, down) {
		t.Errorf("where nobody can be signed out: %v", err)
	}
	anyone.Do("POST", "/v1/password/reset", reset(third, "a password that is new")).Want(t, 204)
	box.one(t, s, cases.LetterChanged, p.Email)
	for _, used := range []string{second, third} {
		anyone.Do("POST", "/v1/password/reset", reset(used, "yet another password")).Want(t, 410, "link_over")
	}

	for name, c := range map[string]*servertest.Client{"the desk": p, "another browser": other, "an app": app} {
		if a := c.Do("GET", "/v1/me", nil); a.Status != 401 {
			t.Errorf("%s is still signed in: %d %s", name, a.Status, a.Body)
		}
	}
	phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended")
	session := func(password string) *servertest.Answer {
		return s.NewBrowser(t).Do("POST", "/v1/session", map[string]any{"email": p.Email, "password": password})
	}
	session(servertest.Password).Want(t, 401, "credentials_wrong")
	if a := session("a password that is new").Want(t, 200); a.Get("account.email_confirmed") != true {
		t.Errorf("whoever read the mail has confirmed its address: %s", a.Body)
	}
}

func TestForgettingTellsNobodyWhoHasAnAccount(t *testing.T) {
	s, box := withMail(t)
	p, boss := s.Applicant(t), s.Staff(t, "reviewer")
	box.all(t, s)
	anyone := s.NewProgram(t)
	forgot := func(email string) *servertest.Answer {
		return anyone.Do("POST", "/v1/password/forgot", map[string]any{"email": email})
	}
	known, unknown := forgot(p.Email).Want(t, 202), forgot("nobody@example.com").Want(t, 202)
	if string(known.Body) != string(unknown.Body) {
		t.Errorf("known answers %q, unknown %q", known.Body, unknown.Body)
	}
	forgot(boss.Email).Want(t, 202)
	forgot("no address").Want(t, 202)
	box.one(t, s, cases.LetterReset, p.Email)
	for _, email := range []string{p.Email, "nobody@example.com"} { // both are counted alike
		forgot(email).Want(t, 202)
		forgot(email).Want(t, 202)
		forgot(email).Want(t, 429, "too_many_requests")
	}
	forgot("").Want(t, 422, "invalid_fields")
	forgot(strings.Repeat("x", 255)).Want(t, 422, "invalid_fields")
}

func TestAMailServerThatHangsLosesNoLetterAndHoldsNobodyUp(t *testing.T) {
	s, box := withMail(t)
	box.fails = 2
	p := s.Applicant(t)
	for range 2 {
		if all := box.all(t, s); len(all) > 0 {
			t.Fatalf("sent: %v", kinds(all))
		}
		s.Clock.Advance(time.Minute)
	}
	box.one(t, s, cases.LetterConfirm, p.Email)
	if strings.Contains(s.Log.String(), p.Email) {
		t.Error("the log holds the address")
	}
}

func TestWithoutMailThereAreNoLinks(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	if p.Do("GET", "/v1/operator", nil).Get("mail") != false {
		t.Error("the page would offer mail")
	}
	p.Do("POST", "/v1/me/confirmation", nil).Want(t, 404, "mail_not_configured")
	for path, in := range map[string]map[string]any{
		"/v1/password/forgot": {"email": p.Email}, "/v1/password/reset": reset("x", "a password that is new"), "/v1/email/confirm": link("x"),
	} {
		p.Do("POST", path, in).Want(t, 404, "mail_not_configured")
	}
}
