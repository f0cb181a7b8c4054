package cases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// StaffPolicy says how people who work here sign in.
type StaffPolicy struct {
	// SecondFactor is FactorRequired or FactorOptional.
	SecondFactor string `yaml:"second_factor"`
}

// Whether staff need a second factor.
const (
	FactorRequired = "required"
	FactorOptional = "optional" // those who have one still need it
)

// check fills what was left out and says what is wrong.
func (p *StaffPolicy) check(say func(format string, args ...any)) {
	if p.SecondFactor == "" {
		p.SecondFactor = FactorRequired
	}
	if p.SecondFactor != FactorRequired && p.SecondFactor != FactorOptional {
		say("staff.second_factor: %q is not known; write required or optional", p.SecondFactor)
	}
}

// Errors of staff accounts.
var (
	ErrStaffOnly      = fault.New(fault.Forbidden, "staff_only", "Only people who work here may do this.")
	ErrAdmin          = fault.New(fault.Forbidden, "admin_required", "Only an admin may do this.")
	ErrDisabled       = fault.New(fault.Unauthenticated, "account_disabled", "This account may not sign in.")
	ErrOwnAccount     = fault.New(fault.Conflict, "own_account", "Somebody else has to change this for you.")
	ErrStaffUnknown   = fault.New(fault.NotFound, "staff_unknown", "There is no such account of staff.")
	ErrFactorWrong    = fault.New(fault.Unauthenticated, "second_factor_wrong", "The second factor is not right.")
	ErrFactorsTooMany = fault.New(fault.Conflict, "second_factors_many", "There are many second factors already. Remove them first.")
)

const maxPasskeys = 10

// Factors are what somebody signs in with beside the password. They are secret and stored sealed.
type Factors struct {
	TOTP []byte `json:"totp,omitempty"` // the shared secret
	// TOTPStep is the newest step of time whose code was used: no code counts twice.
	TOTPStep int64     `json:"totp_step,omitempty"`
	Passkeys []Passkey `json:"passkeys,omitempty"`
}

// Passkey is one passkey, as the library of passkeys wrote it.
type Passkey struct {
	ID         []byte          `json:"id"`
	AddedAt    time.Time       `json:"added_at"`
	Credential json.RawMessage `json:"credential"`
}

// Any reports whether there is a second factor at all.
func (f Factors) Any() bool { return len(f.TOTP) > 0 || len(f.Passkeys) > 0 }

// Methods names the factors there are: "totp", "passkey".
func (f Factors) Methods() []string {
	out := []string{}
	if len(f.TOTP) > 0 {
		out = append(out, "totp")
	}
	if len(f.Passkeys) > 0 {
		out = append(out, "passkey")
	}
	return out
}

// String keeps the factors out of every format verb.
func (Factors) String() string { return "[second factors]" }

// GoString keeps the factors out of %#v.
func (Factors) GoString() string { return "[second factors]" }

func boundFactors(id string) []byte { return seal.Bind("account", id, "factors") }

// StaffMember is an account of staff.
type StaffMember struct {
	Account
	CreatedAt  time.Time
	DisabledAt time.Time // zero where it may sign in
	Methods    []string  // see Factors
}

// Factors returns the second factors of an account; ErrAccountUnknown.
func (s *Service) Factors(ctx context.Context, accountID string) (Factors, error) {
	d, err := s.cfg.Accounts.Account(ctx, accountID)
	if err != nil {
		return Factors{}, err
	}
	return s.openFactors(d)
}

func (s *Service) openFactors(d AccountDocument) (f Factors, err error) {
	if d.Factors == nil {
		return f, nil
	}
	k, err := s.cfg.Keys.Unwrap(d.WrappedKey, seal.Bind("account", d.ID))
	if err != nil {
		return f, fmt.Errorf("unwrap the key of %s: %w", d.ID, err)
	}
	b, err := k.Open(d.Factors, boundFactors(d.ID))
	if err != nil {
		return f, fmt.Errorf("open the factors of %s: %w", d.ID, err)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("read the factors of %s: %w", d.ID, errUnreadable)
	}
	return f, nil
}

// ChangeFactors lets fn change the second factors of an account. An error of fn ends it with nothing stored; of several
// at once each sees what the one before has stored, so that a code is used once.
func (s *Service) ChangeFactors(ctx context.Context, accountID string, fn func(*Factors) error) error {
	for range maxReplaceTries {
		d, err := s.cfg.Accounts.Account(ctx, accountID)
		if err != nil {
			return err
		}
		f, err := s.openFactors(d)
		if err != nil {
			return err
		}
		if err := fn(&f); err != nil {
			return err
		}
		if len(f.Passkeys) > maxPasskeys {
			return ErrFactorsTooMany
		}
		k, err := s.cfg.Keys.Unwrap(d.WrappedKey, seal.Bind("account", d.ID))
		if err != nil {
			return fmt.Errorf("unwrap the key of %s: %w", d.ID, err)
		}
		d.Factors = nil
		if f.Any() {
			d.Factors = k.Seal(mustJSON(f), boundFactors(d.ID))
		}
		d.Version++
		if err = s.cfg.Accounts.ReplaceAccount(ctx, d); !errors.Is(err, ErrStaleVersion) {
			return err
		}
	}
	return ErrBusy
}

// PasskeyIndex returns where a passkey stands among the factors, -1 where it does not.
func (f Factors) PasskeyIndex(id []byte) int {
	return slices.IndexFunc(f.Passkeys, func(p Passkey) bool { return bytes.Equal(p.ID, id) })
}

// Colleague returns an account that may work here now: its present roles, from the store. ErrStaffOnly for an account
// without a role, ErrDisabled.
func (s *Service) Colleague(ctx context.Context, accountID string) (Account, error) {
	d, err := s.cfg.Accounts.Account(ctx, accountID)
	if errors.Is(err, ErrAccountUnknown) {
		return Account{}, ErrDisabled
	}
	if err != nil {
		return Account{}, err
	}
	a, err := s.openAccount(d)
	switch {
	case err != nil:
		return Account{}, err
	case !a.Has(StaffRoles()...):
		return Account{}, ErrStaffOnly
	case !d.DisabledAt.IsZero():
		return Account{}, ErrDisabled
	}
	return a, nil
}

// Staff lists people who work here in pages, ordered by id; next is "" at the end.
func (s *Service) Staff(ctx context.Context, after string, limit int) (page []StaffMember, next string, err error) {
	docs, err := s.cfg.Store.Staff(ctx, after, limit)
	if err != nil {
		return nil, "", fmt.Errorf("list staff: %w", err)
	}
	for _, d := range docs {
		m, err := s.staffMember(d)
		if errors.Is(err, ErrAccountUnknown) { // erased
			continue
		}
		if err != nil {
			return nil, "", err
		}
		page = append(page, m)
	}
	if len(docs) == PageSize(limit) {
		next = docs[len(docs)-1].ID
	}
	return page, next, nil
}

func (s *Service) staffMember(d AccountDocument) (StaffMember, error) {
	a, err := s.openAccount(d)
	if err != nil {
		return StaffMember{}, err
	}
	f, err := s.openFactors(d)
	if err != nil {
		return StaffMember{}, err
	}
	return StaffMember{Account: a, CreatedAt: d.CreatedAt, DisabledAt: d.DisabledAt, Methods: f.Methods()}, nil
}

// StaffMember returns one of those who work here; ErrStaffUnknown.
func (s *Service) StaffMember(ctx context.Context, id string) (StaffMember, error) {
	d, err := s.cfg.Accounts.Account(ctx, id)
	if err != nil {
		return StaffMember{}, staffUnknown(err)
	}
	m, err := s.staffMember(d)
	if err != nil {
		return m, staffUnknown(err)
	}
	if !m.Has(StaffRoles()...) {
		return StaffMember{}, ErrStaffUnknown
	}
	return m, nil
}

func staffUnknown(err error) error {
	if errors.Is(err, ErrAccountUnknown) {
		return ErrStaffUnknown
	}
	return err
}

// StaffChange is what is to be changed of an account of staff; nil members stay.
type StaffChange struct {
	Roles        []string
	Disabled     *bool
	ForgetFactor bool // the second factors are forgotten: the next sign-in sets up new ones
}

// ChangeStaff changes an account of staff. by is who asks, "" for the operator at the command line; nobody changes
// their own. ErrOwnAccount, ErrStaffUnknown, fault.Fields for roles.
func (s *Service) ChangeStaff(ctx context.Context, by, id string, ch StaffChange) (StaffMember, error) {
	if by == id {
		return StaffMember{}, ErrOwnAccount
	}
	if ch.Roles != nil && len(ch.Roles) == 0 {
		return StaffMember{}, fault.Fields(fault.Field{Field: "roles", Code: "required", Detail: "Name at least one role; disable the account to keep somebody out."})
	}
	for _, r := range ch.Roles {
		if !slices.Contains(StaffRoles(), r) {
			return StaffMember{}, fault.Fields(fault.Field{Field: "roles", Code: "role_unknown", Detail: "A role is reviewer, supervisor or admin."})
		}
	}
	for range maxReplaceTries {
		d, err := s.cfg.Accounts.Account(ctx, id)
		if err != nil {
			return StaffMember{}, staffUnknown(err)
		}
		if !(Account{Roles: d.Roles}).Has(StaffRoles()...) {
			return StaffMember{}, ErrStaffUnknown
		}
		if ch.Roles != nil {
			d.Roles = ch.Roles
		}
		if ch.ForgetFactor {
			d.Factors = nil
		}
		switch {
		case ch.Disabled == nil:
		case !*ch.Disabled:
			d.DisabledAt = time.Time{}
		case d.DisabledAt.IsZero():
			d.DisabledAt = s.now()
		}
		d.Version++
		err = s.cfg.Accounts.ReplaceAccount(ctx, d)
		if err == nil {
			return s.staffMember(d)
		}
		if !errors.Is(err, ErrStaleVersion) {
			return StaffMember{}, err
		}
	}
	return StaffMember{}, ErrBusy
}

// StaffByEmail returns the id of the account of staff with an e-mail address; ErrStaffUnknown.
func (s *Service) StaffByEmail(ctx context.Context, email string) (string, error) {
	address, _ := normalizeEmail(email)
	d, err := s.cfg.Accounts.AccountByEmail(ctx, s.index.Index("email", address))
	if err != nil {
		return "", staffUnknown(err)
	}
	if !(Account{Roles: d.Roles}).Has(StaffRoles()...) {
		return "", ErrStaffUnknown
	}
	return d.ID, nil
}

// FactorBox seals what a sign-in carries from its first step to its second; any node opens it.
func (s *Service) FactorBox() *seal.Box { return s.index.Derive("second factor").Box() }
