package server

import (
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/sessions"
)

// passwordInput is the body of calls that ask for a password.
type passwordInput struct {
	Password string `json:"password"`
}

// credentialsInput is an e-mail address and a password.
type credentialsInput struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// longest input that is worth hashing, in bytes.
const (
	maxEmail    = 254
	maxPassword = 256
)

// check refuses what no account could have, before anything is counted or hashed.
func (in credentialsInput) check() error {
	var bad []fault.Field
	if in.Email == "" || len(in.Email) > maxEmail {
		bad = append(bad, fault.Field{Field: "email", Code: "invalid", Detail: "An e-mail address of at most 254 bytes."})
	}
	if in.Password == "" || len(in.Password) > maxPassword {
		bad = append(bad, fault.Field{Field: "password", Code: "invalid", Detail: "A password of at most 256 bytes."})
	}
	if len(bad) > 0 {
		return fault.Fields(bad...)
	}
	return nil
}

type accountView struct {
	ID        string   `json:"id"`
	Email     string   `json:"email"`
	Roles     []string `json:"roles"`
	Confirmed bool     `json:"email_confirmed"`
}

type meView struct {
	Account accountView `json:"account"`
	CaseID  *string     `json:"case_id"`
}

func viewOfAccount(a cases.Account) accountView {
	return accountView{a.ID, a.Email, list(a.Roles), a.Confirmed}
}

func (s *Server) viewOfMe(c *fiber.Ctx, a cases.Account) (meView, error) {
	v := meView{Account: viewOfAccount(a)}
	own, err := s.cfg.Cases.Of(c.UserContext(), a.ID)
	switch {
	case err == nil:
		v.CaseID = &own.ID
	case !errors.Is(err, cases.ErrUnknown):
		return meView{}, err
	}
	return v, nil
}

// signUp makes an account. It neither signs in nor sets a cookie.
func (s *Server) signUp(c *fiber.Ctx) error {
	var in credentialsInput
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	if _, err := s.mayKeep(c); err != nil {
		return err
	}
	network := s.network(c)
	return s.once(c, network, body, func() (result, error) {
		if err := s.cfg.Sessions.Allow(c.UserContext(), signUps, network); err != nil {
			return result{}, err
		}
		a, err := s.cfg.Cases.SignUp(c.UserContext(), in.Email, in.Password)
		if err != nil {
			return result{}, err
		}
		if s.cfg.Cases.HasMail() {
			if err := s.cfg.Cases.AskConfirmation(a.ID); err != nil {
				return result{}, err
			}
		}
		return result{status: http.StatusCreated, body: viewOfAccount(a)}, nil
	})
}

// authenticate is the one way to an account by its password: counted by network and by
// address, whether or not there is such an account.
func (s *Server) authenticate(c *fiber.Ctx, in credentialsInput) (cases.Account, error) {
	if err := in.check(); err != nil {
		return cases.Account{}, err
	}
	ctx := c.UserContext()
	if err := s.cfg.Sessions.Allow(ctx, signInsFrom, s.network(c)); err != nil {
		return cases.Account{}, err
	}
	if err := s.cfg.Sessions.Allow(ctx, signInsTo, s.cfg.Cases.EmailKey(in.Email)); err != nil {
		return cases.Account{}, err
	}
	return s.cfg.Cases.Authenticate(ctx, in.Email, in.Password)
}

// signIn gives a browser its cookie. A session that the browser already had ends with it.
func (s *Server) signIn(c *fiber.Ctx) error {
	var in credentialsInput
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	keep, err := s.mayKeep(c)
	if err != nil {
		return err
	}
	return s.once(c, s.network(c), body, func() (result, error) {
		a, err := s.authenticate(c, in)
		if err != nil {
			return result{}, err
		}
		if a.Staff() {
			if err := s.needsFactor(c, a); err != nil {
				return result{}, err
			}
		}
		return s.startSession(c, a, keep)
	})
}

// startSession gives a browser the cookie of an account; where keep is false there is none.
func (s *Server) startSession(c *fiber.Ctx, a cases.Account, keep bool) (result, error) {
	me, err := s.viewOfMe(c, a)
	if err != nil || !keep {
		return result{status: http.StatusOK, body: me, secret: true}, err
	}
	kind, lasts := sessions.Desk, sessions.DeskAbsolute
	if a.Staff() {
		kind, lasts = sessions.Staff, sessions.StaffAbsolute
	}
	if old := s.cookie(c, sessions.Desk); old != "" {
		if err := s.endSession(c, old); err != nil {
			return result{}, err
		}
	}
	token, _, err := s.beginSession(c, kind, a)
	if err != nil {
		return result{}, err
	}
	header := map[string]string{fiber.HeaderSetCookie: s.newCookie(c, kind, token, lasts)}
	return result{status: http.StatusOK, header: header, body: me, secret: true}, nil
}

// beginSession begins a session, unless the password that it rests on was changed meanwhile.
func (s *Server) beginSession(c *fiber.Ctx, kind sessions.Kind, a cases.Account) (string, sessions.Session, error) {
	ctx := c.UserContext()
	token, sess, err := s.cfg.Sessions.Start(ctx, sessions.Session{Kind: kind, AccountID: a.ID, Roles: a.Roles})
	if err != nil {
		return "", sess, err
	}
	if err := s.cfg.Cases.StillIs(ctx, a); err != nil {
		return "", sess, errors.Join(err, s.cfg.Sessions.End(ctx, token))
	}
	return token, sess, nil
}

// signOut ends the browser's session. A cookie that stands for none is taken away all the same.
func (s *Server) signOut(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	stale := s.cookie(c, sessions.Desk) != "" && c.Get("Symbolon-As") != "capture" && len(c.Request().Header.Peek(fiber.HeaderAuthorization)) == 0
	switch {
	case err == nil && !p.byCookie: // a bearer token ends by its own call
		return sessions.ErrUnknown
	case err == nil:
		err = s.endSession(c, p.token)
	case stale && errors.Is(err, sessions.ErrUnknown):
		err = s.sameSite(c)
	}
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderSetCookie, s.newCookie(c, sessions.Desk, "", 0))
	return c.SendStatus(http.StatusNoContent)
}

// endSession ends what an applicant's token stands for and the handoff that it offered, which
// nobody could watch any more. Sockets are told to look again, and find themselves signed out.
func (s *Server) endSession(c *fiber.Ctx, token string) error {
	ctx := c.UserContext()
	sess, err := s.cfg.Sessions.Lookup(ctx, token, sessions.Desk, sessions.Staff, sessions.Bearer)
	if errors.Is(err, sessions.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.cfg.Sessions.End(ctx, token); err != nil {
		return err
	}
	own, err := s.cfg.Cases.Of(ctx, sess.AccountID)
	if errors.Is(err, cases.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.cfg.Handoffs.CancelOf(ctx, own.ID, sess.ID); err != nil {
		return err
	}
	s.cfg.Hub.Changed(ctx, own.ID)
	return nil
}

// confirm notes that whoever holds this session knows the password.
func (s *Server) confirm(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	var in passwordInput
	if _, err := decode(c, &in); err != nil {
		return err
	}
	if len(in.Password) > maxPassword {
		return fault.Fields(fault.Field{Field: "password", Code: "invalid", Detail: "A password of at most 256 bytes."})
	}
	ctx := c.UserContext()
	if err := s.cfg.Sessions.Allow(ctx, confirmations, p.session.AccountID); err != nil {
		return err
	}
	if err := s.cfg.Cases.CheckPassword(ctx, p.session.AccountID, in.Password); err != nil {
		return err
	}
	if err := s.cfg.Sessions.Confirm(ctx, p.token); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

// createToken signs a native app in.
func (s *Server) createToken(c *fiber.Ctx) error {
	var in credentialsInput
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	if _, err := s.mayKeep(c); err != nil {
		return err
	}
	return s.once(c, s.network(c), body, func() (result, error) {
		a, err := s.authenticate(c, in)
		if err != nil {
			return result{}, err
		}
		if a.Staff() { // a token would outlive their short sessions
			return result{}, errStaffToken
		}
		token, sess, err := s.beginSession(c, sessions.Bearer, a)
		if err != nil {
			return result{}, err
		}
		return result{status: http.StatusCreated, secret: true, body: fiber.Map{"token": token, "expires_at": sess.ExpiresAt.UTC()}}, nil
	})
}

func (s *Server) deleteToken(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	if p.byCookie {
		return sessions.ErrUnknown
	}
	if err := s.endSession(c, p.token); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

func (s *Server) me(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	a, err := s.cfg.Cases.Account(c.UserContext(), p.session.AccountID)
	if errors.Is(err, cases.ErrAccountUnknown) { // erased, from another session
		err = sessions.ErrUnknown
	}
	if err != nil {
		return err
	}
	v, err := s.viewOfMe(c, a)
	if err != nil {
		return err
	}
	return c.JSON(v)
}
