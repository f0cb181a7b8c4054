package cases

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/symbolon/symbolon/fault"
)

// LetterKind is what a letter is about.
type LetterKind string

// The letters.
const (
	LetterConfirm LetterKind = "confirm" // to confirm that the address is theirs
	LetterReset   LetterKind = "reset"   // to set a new password
	LetterChanged LetterKind = "changed" // that the password was changed
)

// Letter is a mail to the holder of an account.
type Letter struct {
	Kind  LetterKind
	Email string // personal
	Token string // of the link, for LetterConfirm and LetterReset: whoever has it may do that; secret
}

// Errors of letters and their links.
var (
	ErrNoMail = fault.New(fault.NotFound, "mail_not_configured", "This server sends no mail.")
	ErrLink   = fault.New(fault.Gone, "link_over", "This link is over or was used. Ask for a new one.")
)

// How long links hold.
const (
	ConfirmLinkFor = 24 * time.Hour
	ResetLinkFor   = 30 * time.Minute
)

const (
	letterTries = 6
	mostLetters = 1000 // that wait on this node; more are dropped, and can be asked for again
)

// letter is one that waits on this node. A restart loses it: whoever waits for it asks again.
type letter struct {
	kind    LetterKind
	account string // or, of LetterReset, the address that was typed
	tries   int
	after   time.Time
}

// HasMail reports whether this server sends letters.
func (s *Service) HasMail() bool { return s.cfg.Write != nil }

// AskConfirmation sends the link to confirm an account's address, unless that is confirmed. ErrNoMail.
func (s *Service) AskConfirmation(accountID string) error {
	return s.post(letter{kind: LetterConfirm, account: accountID})
}

// ForgotPassword sends the link to set a new password, if the address has an applicant's account. Nothing about that shows
// here, not even in the time it takes: whether it has one is looked up later. ErrNoMail.
func (s *Service) ForgotPassword(email string) error {
	return s.post(letter{kind: LetterReset, account: email})
}

func (s *Service) post(l letter) error {
	if !s.HasMail() {
		return ErrNoMail
	}
	s.mu.Lock()
	full := len(s.letters) >= mostLetters
	if !full {
		s.letters = append(s.letters, l)
	}
	s.mu.Unlock()
	if full {
		s.cfg.Log.Warn("letter_dropped", "kind", l.kind)
		return nil
	}
	s.wakeUp()
	return nil
}

// sendLetters sends those that are due.
func (s *Service) sendLetters(ctx context.Context) {
	now := s.now()
	s.mu.Lock()
	var due []letter
	rest := s.letters[:0]
	for _, l := range s.letters {
		if l.after.After(now) {
			rest = append(rest, l)
		} else {
			due = append(due, l)
		}
	}
	s.letters = rest
	s.mu.Unlock()
	for _, l := range due {
		err := s.send(ctx, l)
		if err == nil {
			continue
		}
		if l.tries++; l.tries >= letterTries {
			s.cfg.Log.Warn("letter_given_up", "kind", l.kind, "error", err)
			continue
		}
		l.after = now.Add(time.Duration(l.tries) * 20 * time.Second)
		s.mu.Lock()
		s.letters = append(s.letters, l)
		s.mu.Unlock()
	}
}

// send writes one letter; an error is tried again.
func (s *Service) send(ctx context.Context, l letter) error {
	var d AccountDocument
	var err error
	if l.kind == LetterReset {
		address, _ := normalizeEmail(l.account)
		d, err = s.cfg.Accounts.AccountByEmail(ctx, s.index.Index("email", address))
	} else {
		d, err = s.cfg.Accounts.Account(ctx, l.account)
	}
	if errors.Is(err, ErrAccountUnknown) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write a letter: %w", err)
	}
	a, err := s.openAccount(d)
	if errors.Is(err, ErrAccountUnknown) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write a letter: %w", err)
	}
	out := Letter{Kind: l.kind, Email: a.Email}
	switch {
	case a.Staff() && l.kind != LetterChanged: // an admin made their account and helps them
		return nil
	case l.kind == LetterConfirm:
		if !d.ConfirmedAt.IsZero() {
			return nil
		}
		out.Token = s.linkToken(l.kind, d, a, s.now().Add(ConfirmLinkFor))
	case l.kind == LetterReset:
		out.Token = s.linkToken(l.kind, d, a, s.now().Add(ResetLinkFor))
	}
	return s.cfg.Write(ctx, out)
}

// A link's token: the kind, the account's ULID, the second in which it ends, and a MAC over them and what the link changes. So
// nothing is stored for it, and using one ends it and all others of its kind.
const linkHead = 1 + 16 + 8

var linkKinds = map[LetterKind]byte{LetterConfirm: 'c', LetterReset: 'r'}

func (s *Service) linkToken(kind LetterKind, d AccountDocument, a Account, until time.Time) string {
	id := ulid.MustParse(strings.TrimPrefix(d.ID, accountPrefix))
	head := append([]byte{linkKinds[kind]}, id[:]...)
	head = binary.BigEndian.AppendUint64(head, uint64(until.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(head, s.linkMAC(head, d, a)...))
}

// linkMAC is bound to what a link changes: the password, or the address.
func (s *Service) linkMAC(head []byte, d AccountDocument, a Account) []byte {
	about := d.Password
	if head[0] == linkKinds[LetterConfirm] {
		about = a.Email
	}
	return s.cfg.Keys.Derive("links").Index("link", string(head)+about)
}

// linked returns the account of a link's token; ErrLink.
func (s *Service) linked(ctx context.Context, kind LetterKind, token string) (AccountDocument, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) <= linkHead || b[0] != linkKinds[kind] {
		return AccountDocument{}, ErrLink
	}
	head, mac := b[:linkHead], b[linkHead:]
	d, err := s.cfg.Accounts.Account(ctx, accountPrefix+ulid.ULID(head[1:17]).String())
	if errors.Is(err, ErrAccountUnknown) {
		return d, ErrLink
	}
	if err != nil {
		return d, err
	}
	a, err := s.openAccount(d)
	if errors.Is(err, ErrAccountUnknown) {
		return d, ErrLink
	}
	if err != nil {
		return d, err
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(head[17:])), 0)
	if !hmac.Equal(mac, s.linkMAC(head, d, a)) || !s.now().Before(until) || a.Staff() {
		return d, ErrLink
	}
	return d, nil
}

// ConfirmEmail notes that whoever holds the link of a letter reads the mail of the account's address. Twice is fine. ErrLink.
func (s *Service) ConfirmEmail(ctx context.Context, token string) error {
	_, err := s.byLink(ctx, LetterConfirm, token, func(*AccountDocument) {})
	return err
}

// ResetPassword sets a new password by the link of a letter, which ends with it. What the old password opened is closed by
// end, before, so that the link still works where that fails, and after, for what was opened meanwhile. fault.Fields for the
// password, ErrLink, ErrBusy.
func (s *Service) ResetPassword(ctx context.Context, token, password string, end func(ctx context.Context, accountID string) error) error {
	if bad := badPassword(password); bad != nil {
		return fault.Fields(bad...)
	}
	d, err := s.linked(ctx, LetterReset, token) // before the work of hashing
	if err != nil {
		return err
	}
	hash, err := s.passwords.hash(ctx, norm.NFC.String(password))
	if err != nil {
		return err
	}
	if err := end(ctx, d.ID); err != nil {
		return err
	}
	if _, err := s.byLink(ctx, LetterReset, token, func(d *AccountDocument) { d.Password = hash }); err != nil {
		return err
	}
	return errors.Join(end(ctx, d.ID), s.post(letter{kind: LetterChanged, account: d.ID}))
}

// byLink changes the account of a link, whose holder reads its mail.
func (s *Service) byLink(ctx context.Context, kind LetterKind, token string, fn func(*AccountDocument)) (Account, error) {
	for range maxReplaceTries {
		d, err := s.linked(ctx, kind, token)
		if err != nil {
			return Account{}, err
		}
		if d.ConfirmedAt.IsZero() {
			d.ConfirmedAt = s.now()
		} else if kind == LetterConfirm {
			return s.openAccount(d)
		}
		fn(&d)
		d.Version++
		err = s.cfg.Accounts.ReplaceAccount(ctx, d)
		if err == nil {
			return s.openAccount(d)
		}
		if !errors.Is(err, ErrStaleVersion) {
			return Account{}, err
		}
	}
	return Account{}, ErrBusy
}

// StillIs returns ErrCredentials when the password that a was authenticated with has changed since: whoever begins a
// session asks afterwards, so that none is left over that the change could not end.
func (s *Service) StillIs(ctx context.Context, a Account) error {
	d, err := s.cfg.Accounts.Account(ctx, a.ID)
	if err != nil && !errors.Is(err, ErrAccountUnknown) {
		return err
	}
	if d.Password != a.password {
		return ErrCredentials
	}
	return nil
}

func badPassword(password string) []fault.Field {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return []fault.Field{{Field: "password", Code: "password_too_short", Detail: fmt.Sprintf("Use at least %d characters.", minPassword)}}
	case len(password) > maxPassword || !utf8.ValidString(password):
		return []fault.Field{{Field: "password", Code: "password_too_long", Detail: fmt.Sprintf("Use at most %d bytes of text.", maxPassword)}}
	}
	return nil
}
