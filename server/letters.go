package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
)

// longest token of a link that is worth reading.
const maxLinkToken = 256

// linkInput is the body of what the page behind a mail's link asks for.
type linkInput struct {
	Token    string `json:"token"`
	Password string `json:"password"`
}

// forgotPassword sends a link to an address, if there is an account. The answer is the same where there is none.
func (s *Server) forgotPassword(c *fiber.Ctx) error {
	var in struct {
		Email string `json:"email"`
	}
	if err := s.unasked(c, &in); err != nil {
		return err
	}
	if in.Email == "" || len(in.Email) > maxEmail {
		return fault.Fields(fault.Field{Field: "email", Code: "invalid", Detail: "An e-mail address of at most 254 bytes."})
	}
	ctx := c.UserContext()
	if err := s.cfg.Sessions.Allow(ctx, lettersFrom, s.network(c)); err != nil {
		return err
	}
	if err := s.cfg.Sessions.Allow(ctx, lettersTo, s.cfg.Cases.EmailKey(in.Email)); err != nil {
		return err
	}
	if err := s.cfg.Cases.ForgotPassword(in.Email); err != nil {
		return err
	}
	c.Status(http.StatusAccepted)
	return nil
}

// resetPassword sets a new password by a link, and ends whatever the old one opened.
func (s *Server) resetPassword(c *fiber.Ctx) error {
	in, err := s.byLink(c)
	if err != nil {
		return err
	}
	if in.Password == "" || len(in.Password) > maxPassword {
		return fault.Fields(fault.Field{Field: "password", Code: "invalid", Detail: "A password of at most 256 bytes."})
	}
	if err := s.cfg.Cases.ResetPassword(c.UserContext(), in.Token, in.Password, s.signOutEverywhere); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

// signOutEverywhere ends everything that was opened with an account's password: sessions, apps, and the phone.
func (s *Server) signOutEverywhere(ctx context.Context, accountID string) error {
	if err := s.cfg.Sessions.EndAll(ctx, accountID); err != nil {
		return err
	}
	own, err := s.cfg.Cases.Of(ctx, accountID)
	if errors.Is(err, cases.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := s.cfg.Handoffs.Current(ctx, own.ID)
	if err == nil {
		_, err = s.cfg.Handoffs.Cancel(ctx, h.ID)
	}
	if err != nil && !errors.Is(err, handoff.ErrUnknown) {
		return err
	}
	s.cfg.Hub.Changed(ctx, own.ID) // sockets look again, and find themselves signed out
	return nil
}

// confirmEmail notes that whoever has the link reads the mail of an account's address.
func (s *Server) confirmEmail(c *fiber.Ctx) error {
	in, err := s.byLink(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Cases.ConfirmEmail(c.UserContext(), in.Token); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

// askConfirmation sends the link to confirm the caller's address once more.
func (s *Server) askConfirmation(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	if !s.cfg.Cases.HasMail() {
		return cases.ErrNoMail
	}
	if err := s.cfg.Sessions.Allow(c.UserContext(), confirmLetters, p.session.AccountID); err != nil {
		return err
	}
	if err := s.cfg.Cases.AskConfirmation(p.session.AccountID); err != nil {
		return err
	}
	c.Status(http.StatusAccepted)
	return nil
}

// byLink reads what a link's page asks for.
func (s *Server) byLink(c *fiber.Ctx) (in linkInput, err error) {
	if err := s.unasked(c, &in); err != nil {
		return in, err
	}
	if err := s.cfg.Sessions.Allow(c.UserContext(), linksUsed, s.network(c)); err != nil {
		return in, err
	}
	if in.Token == "" || len(in.Token) > maxLinkToken {
		return in, cases.ErrLink
	}
	return in, nil
}

// unasked reads a call that nobody has to be signed in for, on a server that sends mail.
func (s *Server) unasked(c *fiber.Ctx, in any) error {
	if _, err := decode(c, in); err != nil {
		return err
	}
	if _, err := s.mayKeep(c); err != nil {
		return err
	}
	if !s.cfg.Cases.HasMail() {
		return cases.ErrNoMail
	}
	return nil
}
