package server

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/gofiber/fiber/v2"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/sessions"
)

// Failures of signing in as staff.
var (
	errSecondFactor = fault.New(fault.Unauthenticated, "second_factor_required", "Now the second factor.")
	errFactorOver   = fault.New(fault.Unauthenticated, "second_factor_over", "This sign-in took too long or was used. Begin again.")
	errStaffToken   = fault.New(fault.Forbidden, "staff_sign_in_by_browser", "People who work here sign in with a browser.")
	errNoPasskeys   = fault.New(fault.Conflict, "passkeys_unavailable", "Passkeys need an address with a name, under https or on localhost.")
)

const (
	factorFor    = 5 * time.Minute // from the password to the second factor
	totpPeriod   = 30 * time.Second
	totpSecret   = 20 // bytes, as RFC 4226 recommends
	totpDigits   = 6
	maxChallenge = 8 << 10
)

// factorState is what a sign-in carries from one step to the next, sealed: nothing has to be kept for who never comes back.
type factorState struct {
	AccountID string                `json:"account_id"`
	Nonce     string                `json:"nonce"`
	Until     time.Time             `json:"until"`
	Enrol     bool                  `json:"enrol,omitempty"`   // there is no second factor yet: the next step sets one up
	Session   string                `json:"session,omitempty"` // id of the session that adds one, "" for a sign-in
	TOTP      []byte                `json:"totp,omitempty"`    // the secret that is being set up
	Passkey   *webauthn.SessionData `json:"passkey,omitempty"`
	Creates   bool                  `json:"creates,omitempty"` // Passkey is of a new passkey
}

var boundFactor = []byte("second factor")

func (s *Server) sealFactor(f factorState) (string, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.cfg.Cases.FactorBox().Seal(b, boundFactor)), nil
}

func (s *Server) openFactor(text string) (factorState, error) {
	var f factorState
	if len(text) > maxChallenge {
		return f, errFactorOver
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return f, errFactorOver
	}
	b, err := s.cfg.Cases.FactorBox().Open(raw, boundFactor)
	if err != nil || json.Unmarshal(b, &f) != nil || !s.cfg.Now().Before(f.Until) {
		return f, errFactorOver
	}
	return f, nil
}

// needsFactor is what the password alone gives somebody who works here: nil where the policy asks for no second factor and
// there is none, else the failure that says how to go on.
func (s *Server) needsFactor(c *fiber.Ctx, a cases.Account) error {
	ctx := c.UserContext()
	if _, err := s.cfg.Cases.Colleague(ctx, a.ID); err != nil {
		return err
	}
	factors, err := s.cfg.Cases.Factors(ctx, a.ID)
	if err != nil {
		return err
	}
	if !factors.Any() && s.cfg.Cases.Policy().Staff.SecondFactor == cases.FactorOptional {
		return nil
	}
	state := factorState{AccountID: a.ID, Nonce: rand.Text(), Until: s.cfg.Now().Add(factorFor), Enrol: !factors.Any()}
	var options any
	if len(factors.Passkeys) > 0 {
		if w, err := s.passkeys(c); err == nil {
			assertion, session, err := w.BeginLogin(staffUser{a, factors}, webauthn.WithUserVerification(protocol.VerificationPreferred))
			if err != nil {
				return fmt.Errorf("begin a passkey sign-in: %w", err)
			}
			state.Passkey = session
			options = passkeyRequestOf(assertion)
		}
	}
	challenge, err := s.sealFactor(state)
	if err != nil {
		return err
	}
	return errSecondFactor.With("challenge", challenge).With("methods", factors.Methods()).With("enrol", state.Enrol).With("passkey", options)
}

// passkeys is the library for the address that the caller uses; errNoPasskeys for an address that browsers give none.
func (s *Server) passkeys(c *fiber.Ctx) (*webauthn.WebAuthn, error) {
	origin := s.origin(c)
	u, err := url.Parse(origin)
	if err != nil || net.ParseIP(u.Hostname()) != nil || u.Scheme != "https" && u.Hostname() != "localhost" {
		return nil, errNoPasskeys
	}
	return webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: s.cfg.Operator.Name, RPOrigins: []string{origin}})
}

// staffUser is an account as the library of passkeys knows it.
type staffUser struct {
	cases.Account
	factors cases.Factors
}

func (u staffUser) WebAuthnID() []byte          { return []byte(u.ID) }
func (u staffUser) WebAuthnName() string        { return u.Email }
func (u staffUser) WebAuthnDisplayName() string { return u.Email }

func (u staffUser) WebAuthnCredentials() []webauthn.Credential {
	var all []webauthn.Credential
	for _, p := range u.factors.Passkeys {
		var cred webauthn.Credential
		if json.Unmarshal(p.Credential, &cred) == nil { // this server wrote it
			all = append(all, cred)
		}
	}
	return all
}

type passkeyRequestView struct {
	Challenge        string   `json:"challenge"`
	RPID             string   `json:"rp_id"`
	Allow            []string `json:"allow"`
	UserVerification string   `json:"user_verification"`
	TimeoutMS        int      `json:"timeout_ms"`
}

func passkeyRequestOf(a *protocol.CredentialAssertion) passkeyRequestView {
	v := passkeyRequestView{
		Challenge: a.Response.Challenge.String(), RPID: a.Response.RelyingPartyID, Allow: []string{},
		UserVerification: string(a.Response.UserVerification), TimeoutMS: int(factorFor.Milliseconds()),
	}
	for _, cred := range a.Response.AllowedCredentials {
		v.Allow = append(v.Allow, base64.RawURLEncoding.EncodeToString(cred.CredentialID))
	}
	return v
}

type passkeyCreationView struct {
	Challenge        string   `json:"challenge"`
	RPID             string   `json:"rp_id"`
	RPName           string   `json:"rp_name"`
	UserID           string   `json:"user_id"`
	UserName         string   `json:"user_name"`
	Algorithms       []int    `json:"algorithms"`
	Exclude          []string `json:"exclude"`
	UserVerification string   `json:"user_verification"`
	TimeoutMS        int      `json:"timeout_ms"`
}

type totpView struct {
	Secret string `json:"secret"` // base32, for who cannot scan
	URL    string `json:"url"`
	QRPNG  string `json:"qr_png"` // base64
}

// enrolFactor begins to set up a second factor: within a sign-in that has none yet, or for who is signed in and gave the
// password just now.
func (s *Server) enrolFactor(c *fiber.Ctx) error {
	var in struct {
		Challenge string `json:"challenge"`
		Method    string `json:"method"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	if in.Method != "totp" && in.Method != "passkey" {
		return fault.Fields(fault.Field{Field: "method", Code: "method_unknown", Detail: "A method is totp or passkey."})
	}
	ctx := c.UserContext()
	var state factorState
	var a cases.Account
	var err error
	if in.Challenge == "" {
		p, err := s.staff(c)
		if errors.Is(err, sessions.ErrUnknown) { // there is neither a challenge nor somebody signed in
			return errFactorOver
		}
		if err != nil {
			return err
		}
		if !s.cfg.Sessions.Confirmed(p.session) {
			return handoff.ErrConfirmFirst
		}
		a = p.account
		state = factorState{AccountID: a.ID, Session: p.session.ID}
	} else {
		if _, err := s.mayKeep(c); err != nil {
			return err
		}
		if state, err = s.openFactor(in.Challenge); err != nil {
			return err
		}
		if a, err = s.cfg.Cases.Colleague(ctx, state.AccountID); err != nil {
			return err
		}
	}
	if err := s.cfg.Sessions.Allow(ctx, secondFactors, a.ID); err != nil {
		return err
	}
	factors, err := s.cfg.Cases.Factors(ctx, a.ID)
	if err != nil {
		return err
	}
	if state.Session == "" && (!state.Enrol || factors.Any()) { // the password alone adds no factor to one that is there
		return errFactorOver
	}
	state.Nonce, state.Until, state.TOTP, state.Passkey, state.Creates = rand.Text(), s.cfg.Now().Add(factorFor), nil, nil, false
	out := struct {
		Challenge string               `json:"challenge"`
		TOTP      *totpView            `json:"totp"`
		Passkey   *passkeyCreationView `json:"passkey"`
	}{}
	if in.Method == "totp" {
		state.TOTP = make([]byte, totpSecret)
		_, _ = rand.Read(state.TOTP) // never fails
		if out.TOTP, err = s.totpOf(a, state.TOTP); err != nil {
			return err
		}
	} else {
		w, err := s.passkeys(c)
		if err != nil {
			return err
		}
		user := staffUser{a, factors}
		creation, session, err := w.BeginRegistration(user, webauthn.WithExclusions(webauthn.Credentials(user.WebAuthnCredentials()).CredentialDescriptors()))
		if err != nil {
			return fmt.Errorf("begin a passkey: %w", err)
		}
		state.Passkey, state.Creates = session, true
		v := passkeyCreationView{
			Challenge: creation.Response.Challenge.String(), RPID: creation.Response.RelyingParty.ID, RPName: s.cfg.Operator.Name,
			UserID: base64.RawURLEncoding.EncodeToString([]byte(a.ID)), UserName: a.Email, Algorithms: []int{}, Exclude: []string{},
			UserVerification: string(protocol.VerificationPreferred), TimeoutMS: int(factorFor.Milliseconds()),
		}
		for _, p := range creation.Response.Parameters {
			v.Algorithms = append(v.Algorithms, int(p.Algorithm))
		}
		for _, cred := range creation.Response.CredentialExcludeList {
			v.Exclude = append(v.Exclude, base64.RawURLEncoding.EncodeToString(cred.CredentialID))
		}
		out.Passkey = &v
	}
	if out.Challenge, err = s.sealFactor(state); err != nil {
		return err
	}
	return c.JSON(out)
}

// totpOf is what an app that shows codes is set up with.
func (s *Server) totpOf(a cases.Account, secret []byte) (*totpView, error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: strings.ReplaceAll(s.cfg.Operator.Name, ":", " "), AccountName: a.Email, Secret: secret,
		Period: uint(totpPeriod.Seconds()), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1, // what every app knows
	})
	if err != nil {
		return nil, fmt.Errorf("write a code's secret: %w", err)
	}
	png, err := qrPNG(key.URL(), 320)
	if err != nil {
		return nil, fmt.Errorf("draw a code's secret: %w", err)
	}
	return &totpView{Secret: key.Secret(), URL: key.URL(), QRPNG: base64.StdEncoding.EncodeToString(png)}, nil
}

// totpStep returns the step of time that a code is of, 0 for a wrong one: the present step, or one on either side for
// clocks that differ.
func totpStep(secret []byte, code string, now time.Time) (int64, error) {
	step := now.Unix() / int64(totpPeriod.Seconds())
	found := int64(0)
	for _, n := range []int64{step - 1, step, step + 1} {
		want, err := totp.GenerateCodeCustom(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret),
			time.Unix(n*int64(totpPeriod.Seconds()), 0), totp.ValidateOpts{Period: uint(totpPeriod.Seconds()), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("compute a code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = n
		}
	}
	return found, nil
}

// passkeyInput is what a browser's passkey answered, all of it in base64url without padding.
type passkeyInput struct {
	ID                string   `json:"id"`
	ClientData        string   `json:"client_data"`
	AuthenticatorData string   `json:"authenticator_data"`
	Signature         string   `json:"signature"`
	UserHandle        string   `json:"user_handle"`
	Attestation       string   `json:"attestation"`
	Transports        []string `json:"transports"`
}

// secondFactor ends a sign-in, or adds a factor for who is signed in.
func (s *Server) secondFactor(c *fiber.Ctx) error {
	var in struct {
		Challenge string        `json:"challenge"`
		Code      string        `json:"code"`
		Passkey   *passkeyInput `json:"passkey"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	keep, err := s.mayKeep(c)
	if err != nil {
		return err
	}
	state, err := s.openFactor(in.Challenge)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	if state.Session != "" {
		if p, err := s.staff(c); err != nil || p.session.ID != state.Session {
			return errFactorOver
		}
	}
	if err := s.cfg.Sessions.Allow(ctx, secondFactors, state.AccountID); err != nil {
		return err
	}
	a, err := s.cfg.Cases.Colleague(ctx, state.AccountID)
	if err != nil {
		return err
	}
	var w *webauthn.WebAuthn
	if in.Passkey != nil {
		if w, err = s.passkeys(c); err != nil {
			return err
		}
	}
	err = s.cfg.Cases.ChangeFactors(ctx, a.ID, func(f *cases.Factors) error {
		if state.Enrol && f.Any() { // somebody else was first
			return errFactorOver
		}
		if in.Passkey != nil {
			return s.usePasskey(w, a, f, state, *in.Passkey)
		}
		return s.useCode(f, state, in.Code)
	})
	if err != nil {
		return err
	}
	if err := s.cfg.Sessions.Allow(ctx, factorsOnce, state.Nonce); err != nil {
		return errFactorOver
	}
	r := result{status: http.StatusOK}
	if state.Session != "" {
		r.body, err = s.viewOfMe(c, a)
	} else {
		r, err = s.startSession(c, a, keep)
	}
	if err != nil {
		return err
	}
	for name, value := range r.header {
		c.Set(name, value)
	}
	return c.Status(r.status).JSON(r.body)
}

// useCode takes a code of an app: one of the secret that is being set up, or of the one that is there. No code counts twice.
func (s *Server) useCode(f *cases.Factors, state factorState, code string) error {
	secret := f.TOTP
	if state.TOTP != nil {
		secret = state.TOTP
	} else if state.Enrol || state.Session != "" {
		return errFactorOver // there is nothing to hold it against
	}
	if len(secret) == 0 || len(code) != totpDigits {
		return cases.ErrFactorWrong
	}
	step, err := totpStep(secret, code, s.cfg.Now())
	if err != nil {
		return err
	}
	if step == 0 || state.TOTP == nil && step <= f.TOTPStep {
		return cases.ErrFactorWrong
	}
	f.TOTP, f.TOTPStep = secret, step
	return nil
}

// usePasskey takes a passkey's answer: the making of a new one, or its signature.
func (s *Server) usePasskey(w *webauthn.WebAuthn, a cases.Account, f *cases.Factors, state factorState, in passkeyInput) error {
	if state.Passkey == nil {
		return errFactorOver
	}
	parts := map[string][]byte{}
	for name, text := range map[string]string{
		"id": in.ID, "client": in.ClientData, "authenticator": in.AuthenticatorData, "signature": in.Signature, "user": in.UserHandle, "attestation": in.Attestation,
	} {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return cases.ErrFactorWrong
		}
		parts[name] = b
	}
	raw := protocol.PublicKeyCredential{Credential: protocol.Credential{ID: in.ID, Type: "public-key"}, RawID: parts["id"]}
	if state.Creates {
		parsed, err := (&protocol.CredentialCreationResponse{PublicKeyCredential: raw, AttestationResponse: protocol.AuthenticatorAttestationResponse{
			AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: parts["client"]}, AttestationObject: parts["attestation"], Transports: in.Transports,
		}}).Parse()
		if err != nil {
			return cases.ErrFactorWrong.Because(err)
		}
		cred, err := w.CreateCredential(staffUser{a, *f}, *state.Passkey, parsed)
		if err != nil {
			return cases.ErrFactorWrong.Because(err)
		}
		if f.PasskeyIndex(cred.ID) >= 0 {
			return cases.ErrFactorWrong
		}
		doc, err := json.Marshal(cred)
		if err != nil {
			return fmt.Errorf("encode a passkey: %w", err)
		}
		f.Passkeys = append(f.Passkeys, cases.Passkey{ID: cred.ID, AddedAt: s.cfg.Now().UTC().Truncate(time.Millisecond), Credential: doc})
		return nil
	}
	parsed, err := (&protocol.CredentialAssertionResponse{PublicKeyCredential: raw, AssertionResponse: protocol.AuthenticatorAssertionResponse{
		AuthenticatorResponse: protocol.AuthenticatorResponse{ClientDataJSON: parts["client"]},
		AuthenticatorData:     parts["authenticator"], Signature: parts["signature"], UserHandle: parts["user"],
	}}).Parse()
	if err != nil {
		return cases.ErrFactorWrong.Because(err)
	}
	cred, err := w.ValidateLogin(staffUser{a, *f}, *state.Passkey, parsed)
	if err != nil {
		return cases.ErrFactorWrong.Because(err)
	}
	i := f.PasskeyIndex(cred.ID)
	if i < 0 || cred.Authenticator.CloneWarning { // its counter went backwards: there are two of it
		return cases.ErrFactorWrong
	}
	doc, err := json.Marshal(cred)
	if err != nil {
		return fmt.Errorf("encode a passkey: %w", err)
	}
	f.Passkeys[i].Credential = doc
	return nil
}

// colleague is somebody who works here and calls now.
type colleague struct {
	principal
	account cases.Account // with its present roles
}

// staff finds the one who works here and makes this request, with one of these roles (none given: any). Roles are those of
// the account now, so that who was disabled is out at once.
func (s *Server) staff(c *fiber.Ctx, roles ...string) (colleague, error) {
	p, err := s.caller(c, applicant)
	if err != nil {
		return colleague{}, err
	}
	return s.staffOf(c, p, roles...)
}

func (s *Server) staffOf(c *fiber.Ctx, p principal, roles ...string) (colleague, error) {
	if len(p.session.Roles) == 0 || p.session.Kind != sessions.Staff {
		return colleague{}, cases.ErrStaffOnly
	}
	a, err := s.cfg.Cases.Colleague(c.UserContext(), p.session.AccountID)
	if errors.Is(err, cases.ErrDisabled) {
		return colleague{}, sessions.ErrUnknown
	}
	if err != nil {
		return colleague{}, err
	}
	switch {
	case len(roles) == 0 || a.Has(roles...):
	case roles[0] == cases.Supervisor:
		return colleague{}, cases.ErrSupervisor
	case roles[0] == cases.Admin:
		return colleague{}, cases.ErrAdmin
	default:
		return colleague{}, cases.ErrStaffOnly
	}
	return colleague{p, a}, nil
}
