package server

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
)

// caller finds the one principal of the request among the allowed kinds (none given: any), as API
// "Who calls" says, checks the cross-site rule for unsafe requests by cookie, and notes presence.
func (s *Server) caller(c *fiber.Ctx, allowed ...principalKind) (principal, error) {
	panic("unwritten")
}

// caseFor returns the case if the principal may see it at all, else cases.ErrUnknown.
func (s *Server) caseFor(ctx context.Context, p principal, caseID string) (cases.Case, error) {
	panic("unwritten")
}

// stepFor is caseFor and the rules for working on a step: handoff_not_matched, step_on_phone,
// not_for_capture, step not listed.
func (s *Server) stepFor(ctx context.Context, p principal, caseID, step string) (cases.Case, error) {
	panic("unwritten")
}
