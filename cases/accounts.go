package cases

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"github.com/oklog/ulid/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// Roles of staff. An applicant's account has none.
const (
	Reviewer   = "reviewer"
	Supervisor = "supervisor"
	Admin      = "admin"
)

const accountPrefix = "acc_"

// Bounds of a password, in characters and in bytes (NIST SP 800-63B: length, no composition rules).
const (
	minPassword = 10
	maxPassword = 256
)

// Account is an account with its e-mail opened.
type Account struct {
	ID    string
	Email string // personal: never into a log, URL or error
	Roles []string
	// Confirmed says that whoever holds it reads the mail of that address.
	Confirmed bool

	password string // as it is stored, see StillIs
}

// Staff reports whether the account is of somebody who works here.
func (a Account) Staff() bool { return len(a.Roles) > 0 }

// SignUp makes an account. fault.Fields for a bad e-mail, password or role, ErrAccountExists.
func (s *Service) SignUp(ctx context.Context, email, password string, roles ...string) (Account, error) {
	address, ok := normalizeEmail(email)
	var bad []fault.Field
	if !ok {
		bad = append(bad, fault.Field{Field: "email", Code: "email_invalid", Detail: "This is not an e-mail address."})
	}
	bad = append(bad, badPassword(password)...)
	for _, r := range roles {
		if r != Reviewer && r != Supervisor && r != Admin {
			bad = append(bad, fault.Field{Field: "roles", Code: "role_unknown", Detail: "A role is reviewer, supervisor or admin."})
		}
	}
	if bad != nil {
		return Account{}, fault.Fields(bad...)
	}
	hash, err := s.passwords.hash(ctx, norm.NFC.String(password))
	if err != nil {
		return Account{}, err
	}
	k := seal.NewKey()
	d := AccountDocument{
		ID: accountPrefix + ulid.Make().String(), Schema: SchemaVersion, Version: 1, CreatedAt: s.now(),
		EmailIndex: s.index.Index("email", address), Password: hash, Roles: roles,
	}
	d.WrappedKey = s.cfg.Keys.Wrap(k, seal.Bind("account", d.ID))
	d.Email = k.Seal([]byte(address), seal.Bind("account", d.ID, "email"))
	if err := s.cfg.Accounts.CreateAccount(ctx, d); err != nil {
		return Account{}, err
	}
	return Account{ID: d.ID, Email: address, Roles: d.Roles, password: d.Password}, nil
}

// Authenticate returns the account of an e-mail and password, or ErrCredentials after the
// same work whether or not there is such an account. ErrBusy when too many passwords are being checked.
func (s *Service) Authenticate(ctx context.Context, email, password string) (Account, error) {
	address, _ := normalizeEmail(email)
	d, err := s.cfg.Accounts.AccountByEmail(ctx, s.index.Index("email", address))
	if err != nil && !errors.Is(err, ErrAccountUnknown) {
		return Account{}, err
	}
	if err := s.checkPassword(ctx, d.Password, password); err != nil {
		return Account{}, err
	}
	return s.openAccount(d)
}

// CheckPassword is Authenticate for a known account.
func (s *Service) CheckPassword(ctx context.Context, accountID, password string) error {
	d, err := s.cfg.Accounts.Account(ctx, accountID)
	if err != nil && !errors.Is(err, ErrAccountUnknown) {
		return err
	}
	return s.checkPassword(ctx, d.Password, password)
}

func (s *Service) checkPassword(ctx context.Context, phc, password string) error {
	if len(password) > maxPassword {
		password = "" // no longer one can have been set; the work stays the same
	}
	ok, err := s.passwords.matches(ctx, phc, norm.NFC.String(password))
	if err != nil {
		return err
	}
	if !ok {
		return ErrCredentials
	}
	return nil
}

// Account returns an account; ErrAccountUnknown.
func (s *Service) Account(ctx context.Context, id string) (Account, error) {
	d, err := s.cfg.Accounts.Account(ctx, id)
	if err != nil {
		return Account{}, err
	}
	return s.openAccount(d)
}

func (s *Service) openAccount(d AccountDocument) (Account, error) {
	if len(d.WrappedKey) == 0 { // erased
		return Account{}, ErrAccountUnknown
	}
	k, err := s.cfg.Keys.Unwrap(d.WrappedKey, seal.Bind("account", d.ID))
	if err != nil {
		return Account{}, fmt.Errorf("unwrap the key of %s: %w", d.ID, err)
	}
	email, err := k.Open(d.Email, seal.Bind("account", d.ID, "email"))
	if err != nil {
		return Account{}, fmt.Errorf("open the e-mail of %s: %w", d.ID, err)
	}
	return Account{ID: d.ID, Email: string(email), Roles: d.Roles, Confirmed: !d.ConfirmedAt.IsZero(), password: d.Password}, nil
}

// EmailKey returns the keyed value by which an e-mail address is limited: the same for the same address
// however it is typed, and nothing that tells the address.
func (s *Service) EmailKey(email string) string {
	address, _ := normalizeEmail(email)
	return fmt.Sprintf("%x", s.index.Index("email-limit", address))
}

// normalizeEmail returns the form of an address that is compared, and whether it is one: RFC 5322
// addr-spec without display name, at most 254 bytes, with a dot in the domain.
func normalizeEmail(s string) (string, bool) {
	s = strings.ToLower(norm.NFKC.String(strings.TrimSpace(s)))
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 {
		return s, false
	}
	_, domain, _ := strings.Cut(s, "@")
	return s, strings.Contains(domain, ".") && !strings.ContainsAny(s, " \"<>\\")
}
