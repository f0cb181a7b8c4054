package cases

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// SealedObjection is what the applicant said against a refusal.
type SealedObjection struct {
	Level  int       `json:"level" bson:"level"`
	At     time.Time `json:"at" bson:"at"`
	Sealed []byte    `json:"sealed" bson:"sealed"` // the text, possibly empty
}

// maxObjection is the longest text of an objection, in characters.
const maxObjection = 2000

// Errors of objections.
var (
	ErrNotRefused = fault.New(fault.Conflict, "nothing_refused", "Nothing was refused that could be looked at again.")
	ErrObjected   = fault.New(fault.Conflict, "objected_before", "Another look was asked for before; its answer is final.")
	// ErrEvidenceGone: there is nothing left to look at.
	ErrEvidenceGone  = fault.New(fault.Conflict, "evidence_gone", "What would be looked at again was destroyed when you withdrew your consent.")
	ErrObjectionText = fault.New(fault.Invalid, "objection_invalid", "At most 2000 characters of text.")
)

// Object asks for another look at a refusal, once for each level. text is what the applicant says to it, possibly
// nothing; only who decides reads it. ErrNotRefused, ErrObjected, ErrEvidenceGone, ErrObjectionText.
func (s *Service) Object(ctx context.Context, by Actor, id, text string) (Case, error) {
	text = strings.TrimSpace(norm.NFC.String(text))
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxObjection || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return Case{}, ErrObjectionText
	}
	return s.change(ctx, by, id, anyVersion, func(c *change) error {
		i := slices.IndexFunc(c.Levels, func(l Level) bool { return l.State.Refused() })
		if i < 0 {
			return ErrNotRefused
		}
		n := c.Levels[i].Level
		if slices.ContainsFunc(c.Objections, func(o SealedObjection) bool { return o.Level == n }) {
			return ErrObjected
		}
		if err := s.mayLookAgain(c, n); err != nil {
			return err
		}
		c.Objections = append(c.Objections, SealedObjection{n, c.at, c.key.Seal([]byte(text), boundObjection(c.ID, n))})
		c.note(Entry{Event: "objection", Level: n})
		return c.move(n, reconsider, c.Levels[i].Reasons...)
	})
}

// mayLookAgain is ErrEvidenceGone where what a level rested on was destroyed at the applicant's wish. A step that the policy
// leaves to a person without it goes that way.
func (s *Service) mayLookAgain(c *change, level int) error {
	if level == 1 && c.Identity == nil {
		return ErrEvidenceGone
	}
	for i := range c.Steps {
		st := &c.Steps[i]
		if st.Level != level || st.Alternative == NothingTaken || slices.ContainsFunc(st.Takes, func(t Take) bool { return t.State == TakeAccepted }) {
			continue
		}
		if !slices.ContainsFunc(c.asks, func(r ConsentRule) bool { return r.Subject() == st.Kind && r.Declined == DeclinedPerson }) {
			return ErrEvidenceGone
		}
		st.Alternative, st.State = NothingTaken, Checked
	}
	return nil
}

// MayObject reports whether another look at a level's refusal can be asked for.
func (d *Document) MayObject(level int) bool {
	l := d.level(level)
	return l != nil && l.State.Refused() && d.RestrictedAt.IsZero() &&
		!slices.ContainsFunc(d.Objections, func(o SealedObjection) bool { return o.Level == level })
}

// Objection returns what the applicant said against the refusal of a level; ok is false where they did not object.
func (s *Service) Objection(c Case, level int) (text string, at time.Time, ok bool, err error) {
	for _, o := range c.Objections {
		if o.Level != level {
			continue
		}
		k, err := s.keyOf(c.Document)
		if err != nil {
			return "", at, false, err
		}
		b, err := k.Open(o.Sealed, boundObjection(c.ID, level))
		return string(b), o.At, err == nil, err
	}
	return "", at, false, nil
}

func boundObjection(caseID string, level int) []byte {
	return seal.Bind("case", caseID, "objection", strconv.Itoa(level))
}
