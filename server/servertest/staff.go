package servertest

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/sessions"
)

// Staff is a browser of somebody who works here with these roles. The session and the app's secret are put in place rather than
// signed in for and set up: each password costs what it has to cost.
func (s *Server) Staff(t testing.TB, roles ...string) *Client {
	t.Helper()
	c := s.NewBrowser(t)
	c.Email, c.Password = fmt.Sprintf("staff%d@example.com", people.Add(1)), Password
	a, err := s.Cases.SignUp(t.Context(), c.Email, c.Password, roles...)
	must(t, err)
	secret := make([]byte, 20)
	_, _ = rand.Read(secret)
	must(t, s.Cases.ChangeFactors(t.Context(), a.ID, func(f *cases.Factors) error {
		f.TOTP = secret
		return nil
	}))
	c.Secret = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	token, _, err := s.Sessions.Start(t.Context(), sessions.Session{Kind: sessions.Staff, AccountID: a.ID, Roles: a.Roles})
	must(t, err)
	c.Cookies["symbolon_session"] = token
	return c
}

// Code is what an app shows for a secret now.
func (s *Server) Code(t testing.TB, secret string) string {
	t.Helper()
	now := time.Now()
	if s.Clock != nil {
		now = s.Clock.Now()
	}
	code, err := totp.GenerateCode(secret, now)
	must(t, err)
	return code
}

// SignInStaff signs somebody who works here in again: their password, then a code of the next half minute, because no code
// counts twice.
func (c *Client) SignInStaff() *Answer {
	c.t.Helper()
	if c.s.Clock != nil {
		c.s.Clock.Advance(30 * time.Second)
	}
	first := c.Do("POST", "/v1/session", map[string]any{"email": c.Email, "password": c.Password}).Want(c.t, 401, "second_factor_required")
	return c.Do("POST", "/v1/session/second-factor", map[string]any{"challenge": first.String("challenge"), "code": c.s.Code(c.t, c.Secret)})
}

// Review is an address below a case of the review desk.
func Review(caseID, rest string) string { return "/v1/review/cases/" + caseID + rest }
