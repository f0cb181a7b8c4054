package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/fault"
)

// LongTerm is the expiry of a document that does not run out (长期).
const LongTerm = "long_term"

// PutIdentity stores Level 1 of the case at the given version. fault.Fields lists every bad field;
// ErrStaleVersion, ErrLevelNotOpen.
func (s *Service) PutIdentity(ctx context.Context, by Actor, id string, version int64, facts Identity) (Case, error) {
	return s.change(ctx, by, id, version, func(c *change) error {
		if !editable(c.level(1).State) {
			return ErrLevelNotOpen
		}
		if err := c.notFrozen(); err != nil {
			return err
		}
		if err := c.needConsent(subjectLevel1); err != nil {
			return err
		}
		facts, bad := s.cfg.Policy.validate(c.Kind, facts, c.at)
		if bad != nil {
			return fault.Fields(bad...)
		}
		c.Identity, c.IdentityDraft = c.key.Seal(mustJSON(facts), boundIdentity(c.ID)), nil
		c.DocumentType = facts.Document.Type
		c.plan(s.cfg.Policy.stepsFor(c.Kind, &facts))
		c.note(Entry{Event: "identity_stored", Level: 1, Data: map[string]string{"document_type": facts.Document.Type}})
		return nil
	})
}

// plan sets the steps of the case; those that it has already stay as they are. Takes of steps that are no longer
// asked for are dropped.
func (c *change) plan(steps []Step) {
	old := c.Steps
	c.Steps = steps
	for i := range old {
		if st := c.step(old[i].ID); st != nil {
			*st = old[i]
			continue
		}
		c.dropTakes(&old[i], func(Take) bool { return true })
	}
}

// lookUp is the keyed value under which a case with these facts is found: a person's by the document, a
// company's by its registration, so that whoever acts for it may have an account of their own.
func (s *Service) lookUp(c Case) []byte {
	if b := c.Facts.Business; b != nil {
		return s.index.Index("registration", b.Registration.Country+"\x00"+b.Registration.Type+"\x00"+b.Registration.Number)
	}
	return s.documentIndex(c.Facts.Document)
}

// documentIndex is the keyed look-up value of a document.
func (s *Service) documentIndex(d DocumentFacts) []byte {
	return s.index.Index("document", d.Type+"\x00"+d.Number)
}

// validate checks the facts of Level 1 at a time and returns them normalised, or every bad field.
func (p Policy) validate(kind Kind, f Identity, at time.Time) (Identity, []fault.Field) {
	v := &validation{today: checks.Day(at, p.zone), policy: p}
	switch {
	case kind != Business:
		f.ActingFor = v.actingFor("acting_for", f.ActingFor)
		if f.Business != nil {
			v.bad("business", "case_kind", "This case is a person's.")
		}
	case f.ActingFor != ActingFor{}:
		v.bad("acting_for", "case_kind", "This case is a company's: say it in business.beneficiary.")
	case f.Business == nil:
		v.bad("business", "required", "This is needed.")
	}
	f.Nationality = v.nationality("nationality", f.Nationality)
	says := v.document("document", &f.Document, f.Nationality)
	if f.Document.ExpiresOn == "" {
		v.bad("document.expires_on", "required", "This is needed.")
	}
	f.Name = v.text("name", f.Name, 1, 100, isNameRune)
	if f.LatinName != "" {
		f.LatinName = v.text("latin_name", f.LatinName, 1, 100, func(r rune) bool { return isNameRune(r) && (r < 0x250 || !unicode.IsLetter(r)) })
	}
	if birth, ok := v.birth("birth_date", f.BirthDate, says); ok {
		v.age(kind, &f, birth)
	}
	switch {
	case f.Sex != "" && f.Sex != string(checks.Male) && f.Sex != string(checks.Female):
		v.bad("sex", "sex_unknown", "This is male, female or left out.")
	case f.Sex != "" && says != nil && f.Sex != string(says.Sex):
		v.bad("sex", "sex_mismatch", "The number of the card says otherwise.")
	}
	f.Address = v.text("address", f.Address, 5, 300, isTextRune)
	if f.Occupation != "" {
		f.Occupation = v.text("occupation", f.Occupation, 1, 100, isTextRune)
	}
	if kind == Business && f.Business != nil {
		b := v.business(*f.Business, f)
		f.Business = &b
	}
	return f, v.fields
}

type validation struct {
	policy Policy
	today  time.Time
	fields []fault.Field
}

func (v *validation) bad(field, code, detail string) {
	if !slices.ContainsFunc(v.fields, func(f fault.Field) bool { return f.Field == field }) {
		v.fields = append(v.fields, fault.Field{Field: field, Code: code, Detail: detail})
	}
}

// actingFor checks who an account is for. at is its name among the fields.
func (v *validation) actingFor(at string, f ActingFor) ActingFor {
	switch f.Who {
	case ForSelf:
		if f.Beneficiary != nil || f.Controller != nil {
			v.bad(at+".who", "acting_for_contradiction", "Somebody else is named.")
		}
	case ForOther:
		if f.Beneficiary == nil {
			v.bad(at+".beneficiary", "required", "This is needed.")
		}
		f.Beneficiary = v.somebody(at+".beneficiary", f.Beneficiary)
		f.Controller = v.somebody(at+".controller", f.Controller)
	default:
		v.bad(at+".who", "acting_for_unknown", "This is self or other.")
	}
	return f
}

// somebody checks what is said of another person than the applicant; nil where nothing is.
func (v *validation) somebody(at string, p *Somebody) *Somebody {
	if p == nil {
		return nil
	}
	out := *p
	out.Name = v.text(at+".name", p.Name, 1, 100, isNameRune)
	if out.Nationality != "" {
		out.Nationality = v.nationality(at+".nationality", p.Nationality)
	}
	var says *checks.ResidentID
	if p.Document != nil {
		if out.Nationality == "" {
			v.bad(at+".nationality", "required", "This is needed.")
		}
		d := *p.Document
		says = v.document(at+".document", &d, out.Nationality)
		out.Document = &d
	}
	if out.BirthDate != "" {
		v.birth(at+".birth_date", out.BirthDate, says)
	}
	return &out
}

func (v *validation) nationality(field, s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	if !isNationality(s) {
		v.bad(field, "nationality_unknown", "This is not a country's three-letter code.")
	}
	return s
}

// document checks a certificate, normalises its number and returns what that says of its holder, if
// it does.
func (v *validation) document(at string, d *DocumentFacts, nationality string) *checks.ResidentID {
	kind := documentTypes[d.Type]
	if kind == nil || !slices.Contains(v.policy.DocumentTypes(nationality), d.Type) {
		v.bad(at+".type", "document.type_not_allowed_for_nationality", "This document cannot be used with this nationality.")
	}
	if kind == nil {
		return nil
	}
	says := v.number(at+".number", d, kind)
	v.validity(at, *d, kind)
	return says
}

// validity checks from when until when a certificate holds.
func (v *validation) validity(at string, d DocumentFacts, kind *documentType) {
	var issued time.Time
	if d.IssuedOn != "" {
		if day, ok := v.date(at+".issued_on", d.IssuedOn); ok {
			if issued = day; issued.After(v.today) {
				v.bad(at+".issued_on", "date_in_future", "This day has not come yet.")
			}
		}
	}
	if d.ExpiresOn == "" || d.ExpiresOn == LongTerm && kind.longTerm {
		return
	}
	if expires, ok := v.date(at+".expires_on", d.ExpiresOn); ok {
		switch {
		case expires.Before(v.today):
			v.bad(at+".expires_on", "document_expired", "This document is no longer valid.")
		case !issued.IsZero() && !expires.After(issued):
			v.bad(at+".expires_on", "date_order", "It must be valid for longer than it was issued.")
		}
	}
}

// birth checks a day of birth, also against what the number of a card says.
func (v *validation) birth(field, s string, says *checks.ResidentID) (time.Time, bool) {
	if s == "" {
		v.bad(field, "required", "This is needed.")
		return time.Time{}, false
	}
	day, ok := v.date(field, s)
	switch {
	case !ok:
		return day, false
	case !checks.PlausibleBirth(day, v.today):
		v.bad(field, "birth_date_impossible", "Nobody alive was born on this day.")
	case says != nil && !day.Equal(says.Birth):
		v.bad(field, "birth_date_mismatch", "The number of the card says another birth date.")
	}
	return day, true
}

func (v *validation) date(field, s string) (time.Time, bool) {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil || d.Year() < 1800 {
		v.bad(field, "date_invalid", "Write the day as YYYY-MM-DD.")
		return time.Time{}, false
	}
	return d, true
}

// text returns s in NFC without surrounding and doubled spaces, and complains when it is too
// short, too long or holds other characters than allowed.
func (v *validation) text(field, s string, least, most int, allowed func(rune) bool) string {
	s = strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	n := utf8.RuneCountInString(s)
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !allowed(r) }):
		v.bad(field, "text_characters", "There are characters in this that cannot be used here.")
	case n == 0:
		v.bad(field, "required", "This is needed.")
	case n < least:
		v.bad(field, "text_too_short", "This is too short.")
	case n > most:
		v.bad(field, "text_too_long", fmt.Sprintf("At most %d characters.", most))
	}
	return s
}

// isNameRune allows what names are written with: letters and marks of every script, and the
// few signs inside names (·, ', -, .).
func isNameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || strings.ContainsRune(" ·•.'’-‐・", r)
}

// isTextRune allows everything that is printed.
func isTextRune(r rune) bool { return r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) }
