package cases

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// Errors of erasing.
var (
	ErrHeld     = fault.New(fault.Conflict, "case_held", "This case is held and cannot be erased.")
	ErrRetained = fault.New(fault.Conflict, "case_retained", "This case belongs to a customer and has to be kept for now.")
	ErrRule     = fault.New(fault.Invalid, "rule_invalid", "Name the rule in up to 64 small letters, digits and _ . : - characters.")
	// ErrAccountInUse: the account of an erased case has begun anew.
	ErrAccountInUse = fault.New(fault.Conflict, "account_in_use", "The account has another case; erase it with that one.")
	ErrReason       = fault.New(fault.Invalid, "reason_invalid", "Give a reason of 3 to 500 characters.")
)

// EraseRequest asks to erase a case.
type EraseRequest struct {
	Rule     string // under which rule, such as "request"; it stands in the history in the clear
	Account  bool   // the account goes too: its e-mail address and password
	Retained bool   // even if the case belongs to a customer and its time is not over
}

var ruleForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_.:-]{0,63}$`)

// Erase destroys the key of a case, everything sealed in it and its look-up values, and queues the destruction of its
// photos. Its history stays. ErrUnknown, also when it is erased already; ErrHeld, ErrRetained, ErrRule.
func (s *Service) Erase(ctx context.Context, by Actor, id string, r EraseRequest) error {
	if !ruleForm.MatchString(r.Rule) {
		return ErrRule
	}
	account := ""
	_, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		at, _, over := s.cfg.Policy.Retention.due(&c.Document)
		switch {
		case c.Erased():
			return ErrUnknown
		case !c.HeldAt.IsZero():
			return ErrHeld
		case s.cfg.Policy.Retention.customer(&c.Document) && !r.Retained && (!over || at.After(c.at)):
			return ErrRetained
		}
		account = ""
		if r.Account {
			account = c.AccountID
		}
		c.erase(r.Rule, r.Account)
		return nil
	})
	if err != nil {
		return err
	}
	if account != "" {
		if err := s.eraseAccount(ctx, account); err != nil {
			return fmt.Errorf("the case is erased, its account is not: %w", err)
		}
	}
	return s.scrub(ctx)
}

// erase leaves of a case what says that it was: its id and times, the states of its levels, its history and
// what is still to be destroyed. A field that is added one day goes too unless it is named here.
func (c *change) erase(rule string, account bool) {
	for i := range c.Steps {
		c.dropTakes(&c.Steps[i], func(Take) bool { return true })
	}
	c.dropSuperseded(func(Step) bool { return true })
	var destroy []Job
	photos := 0
	for _, j := range c.Jobs {
		if j.Kind == JobDestroy {
			destroy = append(destroy, j)
			photos += len(j.Uploads)
		}
	}
	c.Document = Document{
		ID: c.ID, Schema: c.Schema, Version: c.Version, HandoffEpoch: c.HandoffEpoch + 1, AccountID: c.ID, Kind: c.Kind,
		CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, Levels: c.Levels, ErasedAt: c.at,
		History: c.History, Pending: c.Pending, Jobs: destroy,
	}
	for i := range c.Levels {
		c.Levels[i].Reasons, c.Levels[i].Checks = nil, nil
	}
	c.key = seal.Key{}
	data := map[string]string{"rule": rule, "policy": c.policy, "photos": strconv.Itoa(photos)}
	if account {
		data["account"] = "erased"
	}
	c.note(Entry{Event: "case_erased", Epoch: c.HandoffEpoch, Data: data})
}

// EraseAccountOf erases the account that an erased case belonged to; doing it twice is harmless. ErrUnknown unless
// the case is erased, ErrAccountInUse when the account has another case by now.
func (s *Service) EraseAccountOf(ctx context.Context, id string) error {
	d, err := s.cfg.Store.Case(ctx, id)
	if err == nil && !d.Erased() {
		err = ErrUnknown
	}
	if err != nil {
		return err
	}
	first, err := s.Events(ctx, id, 0, 1)
	if err != nil {
		return err
	}
	if len(first) == 0 {
		return fmt.Errorf("read history: %w", ErrHistoryBroken)
	}
	account := first[0].Actor.ID // who created it
	if _, err := s.cfg.Store.CaseOf(ctx, account); err == nil {
		return ErrAccountInUse
	} else if !errors.Is(err, ErrUnknown) {
		return err
	}
	a, err := s.cfg.Accounts.Account(ctx, account)
	if err != nil {
		return err
	}
	if len(a.WrappedKey) == 0 {
		return nil
	}
	if err := s.eraseAccount(ctx, account); err != nil {
		return err
	}
	_, err = s.change(ctx, Actor{Kind: BySystem}, id, anyVersion, func(c *change) error {
		c.note(Entry{Event: "account_erased"})
		return nil
	})
	return errors.Join(err, s.scrub(ctx))
}

// eraseAccount destroys the key, the e-mail address and the password of an account. It then stands under its own id.
func (s *Service) eraseAccount(ctx context.Context, id string) error {
	a, err := s.cfg.Accounts.Account(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.changeAccount(ctx, a, func(a *AccountDocument) (bool, error) {
		if len(a.WrappedKey) == 0 {
			return false, nil
		}
		*a = AccountDocument{ID: a.ID, Schema: a.Schema, Version: a.Version, CreatedAt: a.CreatedAt, EmailIndex: []byte(a.ID)}
		return true, nil
	})
	return err
}

// Certificate says what was destroyed of a case and what stays. It is made from the history, so it can be
// made again.
type Certificate struct {
	Schema    int       `json:"schema"`
	CaseID    string    `json:"case"`
	ErasedAt  time.Time `json:"erased_at"`
	Rule      string    `json:"rule"`
	Policy    string    `json:"policy"`
	By        Actor     `json:"by"`
	Destroyed Destroyed `json:"destroyed"`
	Kept      []Kept    `json:"kept"`
	History   Head      `json:"history"`
}

// Destroyed lists what is gone.
type Destroyed struct {
	Keys    []string         `json:"keys"`
	Fields  []string         `json:"fields"`
	Photos  []DestroyedPhoto `json:"photos"`  // every one that was ever stored
	Pending int              `json:"pending"` // photos whose files are still to be removed; without their key they are noise
}

// DestroyedPhoto names a photo by its digest, which only who has the photo can compare.
type DestroyedPhoto struct {
	MediaID string `json:"media_id"`
	SHA256  string `json:"sha256"`
	Size    string `json:"size"`
}

// Kept is something that stays: until when, and why.
type Kept struct {
	What  string `json:"what"`
	Until string `json:"until"`
	Rule  string `json:"rule"`
}

// Certify returns the certificate of an erased case; ErrUnknown.
func (s *Service) Certify(ctx context.Context, id string) (Certificate, error) {
	d, err := s.cfg.Store.Case(ctx, id)
	if err == nil && !d.Erased() {
		err = ErrUnknown
	}
	if err != nil {
		return Certificate{}, err
	}
	cert := Certificate{
		Schema: 1, CaseID: id, ErasedAt: d.ErasedAt,
		Destroyed: Destroyed{Keys: []string{"case"}, Fields: []string{"identity", "identity_draft", "readings", "document_index", "takes"}, Photos: []DestroyedPhoto{}},
		Kept: []Kept{
			{"history: who did what when, by ids; states and digests", "as long as the store", "proof of what was done; nothing personal in the clear"},
			{"access log: who saw evidence when, by ids", "as long as the store", "proof of who saw what; nothing personal in the clear"},
			{"backups made before", "as the operator keeps backups", "they hold the case and its key, wrapped by the operator's"},
		},
	}
	accountGone, account := false, Kept{"account: e-mail address (sealed) and password (hashed)", "until it is erased", "it belongs to the person, who may begin anew"}
	for after := int64(0); ; {
		page, err := s.Events(ctx, id, after, auditPage)
		if err != nil {
			return Certificate{}, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			switch e.Event {
			case "take_stored":
				cert.Destroyed.Photos = append(cert.Destroyed.Photos, DestroyedPhoto{e.Data["media_id"], e.Data["sha256"], e.Data["size"]})
			case "case_erased":
				cert.Rule, cert.Policy, cert.By = e.Data["rule"], e.Data["policy"], e.Actor
				accountGone = accountGone || e.Data["account"] != ""
			case "account_erased":
				accountGone = true
			}
			after = e.N
			cert.History = Head{CaseID: id, N: e.N, Hash: e.Hash}
		}
	}
	if accountGone {
		cert.Destroyed.Keys = append(cert.Destroyed.Keys, "account")
		cert.Destroyed.Fields = append(cert.Destroyed.Fields, "email", "email_index", "password")
	} else {
		cert.Kept = append(cert.Kept, account)
	}
	for _, j := range d.Jobs {
		cert.Destroyed.Pending += len(j.Uploads)
	}
	last, err := s.cfg.History.LastLook(ctx, id)
	if err != nil {
		return Certificate{}, fmt.Errorf("read access log: %w", err)
	}
	cert.History.Looks, cert.History.LooksHash = last.N, last.Hash
	return cert, nil
}

// Hold keeps a case from being erased, or lets go of it. The reason stands sealed in the history. ErrReason, ErrUnknown.
func (s *Service) Hold(ctx context.Context, by Actor, id string, on bool, reason string) error {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n < 3 || n > 500 || !utf8.ValidString(reason) {
		return ErrReason
	}
	_, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		if c.Erased() {
			return ErrUnknown
		}
		c.quiet = true
		event := "hold_off"
		if c.HeldAt = (time.Time{}); on {
			c.HeldAt, event = c.at, "hold_on"
		}
		c.note(Entry{Event: event, Sealed: c.key.Seal([]byte(reason), boundHold(c.ID))})
		return nil
	})
	return err
}

func boundHold(id string) []byte { return seal.Bind("case", id, "hold") }

// HoldNote is one hold that was set or lifted. Its reason is personal.
type HoldNote struct {
	At     time.Time
	On     bool
	Reason string
}

// Holds returns whether a case is held, and every hold there was; ErrUnknown.
func (s *Service) Holds(ctx context.Context, id string) (held bool, notes []HoldNote, err error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return false, nil, err
	}
	k, err := s.keyOf(c.Document)
	if err != nil {
		return false, nil, err
	}
	for after := int64(0); ; {
		page, err := s.Events(ctx, id, after, auditPage)
		if err != nil {
			return false, nil, err
		}
		if len(page) == 0 {
			return !c.HeldAt.IsZero(), notes, nil
		}
		for _, e := range page {
			if after = e.N; e.Event != "hold_on" && e.Event != "hold_off" {
				continue
			}
			b, err := k.Open(e.Sealed, boundHold(id))
			if err != nil {
				return false, nil, fmt.Errorf("open the reason of %s: %w", hex.EncodeToString(e.Hash), err)
			}
			notes = append(notes, HoldNote{e.At, e.Event == "hold_on", string(b)})
		}
	}
}

// EndRelation notes when the relationship with a customer ended, from which the case is kept for the policy's
// years; the zero time when it goes on after all. ErrUnknown.
func (s *Service) EndRelation(ctx context.Context, by Actor, id string, at time.Time) error {
	_, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		if c.Erased() {
			return ErrUnknown
		}
		c.quiet = true
		c.RelationEndedAt = at.UTC().Truncate(time.Millisecond)
		e := Entry{Event: "relation_resumed"}
		if !at.IsZero() {
			e = Entry{Event: "relation_ended", Data: map[string]string{"on": at.UTC().Format(time.DateOnly)}}
		}
		c.note(e)
		return nil
	})
	return err
}

// WorkOn does what is due of one case now.
func (s *Service) WorkOn(ctx context.Context, id string) error { return s.workOn(ctx, id, nil) }

// Unfinished returns how many photos of an erased case still wait to be removed; ErrUnknown.
func (s *Service) Unfinished(ctx context.Context, id string) (int, error) {
	d, err := s.cfg.Store.Case(ctx, id)
	n := 0
	for _, j := range d.Jobs {
		n += len(j.Uploads)
	}
	return n, err
}
