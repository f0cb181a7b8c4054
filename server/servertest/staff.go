package servertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// Staff is a browser of somebody who works here with these roles, signed in with an app's code.
func (s *Server) Staff(t testing.TB, roles ...string) *Client {
	t.Helper()
	c := s.NewBrowser(t)
	c.Email, c.Password = fmt.Sprintf("staff%d@example.com", people.Add(1)), Password
	if _, err := s.Cases.SignUp(t.Context(), c.Email, c.Password, roles...); err != nil {
		t.Fatal(err)
	}
	first := c.Do("POST", "/v1/session", map[string]any{"email": c.Email, "password": c.Password}).Want(t, 401, "second_factor_required")
	setup := c.Do("POST", "/v1/session/second-factor/enrol", map[string]any{"challenge": first.String("challenge"), "method": "totp"}).Want(t, 200)
	c.Secret = setup.String("totp.secret")
	c.Do("POST", "/v1/session/second-factor", map[string]any{"challenge": setup.String("challenge"), "code": s.Code(t, c.Secret)}).Want(t, 200)
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
