package cases

import (
	"fmt"
	"time"

	"github.com/symbolon/symbolon/checks"
)

// Minors says what becomes of people younger than the policy's minimum age.
type Minors struct {
	// Way is "refuse", or "guardian": somebody who is old enough stands in for them, and a person decides.
	Way string `yaml:"way"`
	// From is the youngest age that is taken that way, in whole years.
	From int `yaml:"from"`
}

// The ways of minors.
const (
	MinorsRefused  = "refuse"
	MinorsGuardian = "guardian"
)

// check fills what was left out and says what is wrong.
func (m *Minors) check(minimumAge int, say func(format string, args ...any)) {
	if m.Way == "" {
		m.Way = MinorsRefused
	}
	if m.Way != MinorsRefused && m.Way != MinorsGuardian {
		say("minors.way: %q is not known; write refuse or guardian", m.Way)
	}
	if m.From < 0 || m.From > minimumAge {
		say("minors.from: %d is not between 0 and the minimum age", m.From)
	}
}

// age checks that somebody is old enough, or has a guardian where the policy asks for one. The guardian of somebody under 14 also
// consents for them (PIPL Art. 31), which is why nothing less than their own document does.
func (v *validation) age(kind Kind, f *Identity, birth time.Time) {
	p, age := v.policy, checks.AgeOn(birth, v.today)
	switch {
	case age >= p.MinimumAge:
		if f.Guardian != nil {
			v.bad("guardian", "guardian_unneeded", "A guardian is only named for who is too young.")
		}
	case kind == Business || p.Minors.Way != MinorsGuardian || age < p.Minors.From:
		v.bad("birth_date", "age_under_minimum", fmt.Sprintf("You must be at least %d years old.", p.MinimumAge))
	case f.Guardian == nil:
		v.bad("guardian.name", "required", "This is needed.")
	default:
		f.Guardian = v.somebody("guardian", f.Guardian)
		v.guardian(*f.Guardian, *f)
	}
}

// guardian checks what is needed of a guardian beyond what is of others.
func (v *validation) guardian(g Somebody, of Identity) {
	if g.Nationality == "" {
		v.bad("guardian.nationality", "required", "This is needed.")
	}
	switch {
	case g.Document == nil || g.Document.Number == "":
		v.bad("guardian.document.number", "required", "This is needed.")
	case g.Document.Number == of.Document.Number:
		v.bad("guardian.document.number", "guardian_same", "This is the number of the one who is too young.")
	case g.Document.ExpiresOn == "":
		v.bad("guardian.document.expires_on", "required", "This is needed.")
	}
	birth, err := time.Parse(time.DateOnly, g.BirthDate)
	switch {
	case g.BirthDate == "":
		v.bad("guardian.birth_date", "required", "This is needed.")
	case err == nil && checks.AgeOn(birth, v.today) < v.policy.MinimumAge:
		v.bad("guardian.birth_date", "guardian_too_young", "A guardian has to be old enough.")
	}
}
