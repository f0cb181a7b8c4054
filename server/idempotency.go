package server

import (
	"encoding/json"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/sessions"
)

var errKey = fault.New(fault.Malformed, "idempotency_key_invalid", "An Idempotency-Key is 1 to 64 visible characters.")

// result is what a creating call answers.
type result struct {
	status int
	header map[string]string
	body   any
	secret bool // holds a token: remembered sealed and for two minutes only
}

// once answers a creating call at most once for a principal, path, key and body. who names the
// principal: an account, a handoff, or the network of somebody unknown.
func (s *Server) once(c *fiber.Ctx, who string, body []byte, do func() (result, error)) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	path := c.Method() + " " + strings.Clone(c.Path())
	answer, err := s.cfg.Sessions.Once(c.UserContext(), who, path, key, body, func() (sessions.Answer, bool, error) {
		r, err := do()
		if err != nil {
			return sessions.Answer{}, false, err
		}
		b, err := json.Marshal(r.body)
		return sessions.Answer{Status: r.status, Header: r.header, Body: b}, r.secret, err
	})
	if err != nil {
		return err
	}
	for name, value := range answer.Header {
		c.Set(name, value)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(answer.Status).Send(answer.Body)
}

// idempotencyKey reads the header; "" when there is none.
func idempotencyKey(c *fiber.Ctx) (string, error) {
	lines := c.Request().Header.PeekAll("Idempotency-Key")
	if len(lines) == 0 {
		return "", nil
	}
	key := string(lines[0])
	if len(lines) > 1 || key == "" || len(key) > 64 {
		return "", errKey
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", errKey
		}
	}
	return key, nil
}
