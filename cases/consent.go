package cases

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/symbolon/symbolon/fault"
)

// The consents that a policy can ask for. What each is needed for is subjectOf.
const (
	ConsentIdentity  = "identity"
	ConsentDocuments = "documents"
	ConsentFace      = "face"
	ConsentRecording = "recording"
	// ConsentFaceSearch lets the face be looked for in other cases that agreed to it, too. Nothing is withheld from who declines.
	ConsentFaceSearch = "face_search"
)

// subjectLevel1 stands for what Level 1 states.
const subjectLevel1 = "level_1"

// subjectOf is what may not be taken before a consent is given: Level 1, or a kind of step.
var subjectOf = map[string]string{
	ConsentIdentity: subjectLevel1, ConsentDocuments: "photo", ConsentFace: "face", ConsentRecording: "clip", ConsentFaceSearch: "face",
}

// consentBefore says it in the policy's explanation.
var consentBefore = map[string]string{
	ConsentIdentity: "Level 1 is stored", ConsentDocuments: "photos are taken", ConsentFace: "the face is compared", ConsentRecording: "anything is recorded",
	ConsentFaceSearch: "the face is looked for in other cases",
}

// ConsentRule is one consent that the policy asks for.
type ConsentRule struct {
	ID string `yaml:"id"`
	// Version is raised when the words change their meaning; then everybody is asked again.
	Version int `yaml:"version"`
	// Declined says what is left for who says no: "stop", for a face also "person", another way, for face_search "nothing".
	Declined string `yaml:"declined"`
	// KeptByLaw says that what was taken stays when the consent is withdrawn by a customer whose level was approved.
	KeptByLaw bool `yaml:"kept_by_law"`
	// Texts are the words by language; {operator} and {retention} stand in them for what they name.
	Texts map[string]ConsentText `yaml:"texts"`
}

// What declining a consent leads to.
const (
	// DeclinedRecordings: whoever declines a face is decided on together with the recordings of Level 3.
	DeclinedRecordings = "recordings"
	DeclinedNothing    = "nothing" // it is not done, and nothing else changes
	DeclinedStop       = "stop"
	DeclinedPerson     = "person"
)

// ConsentText is what an applicant reads before agreeing.
type ConsentText struct {
	Title    string `yaml:"title" json:"title"`
	What     string `yaml:"what" json:"what"`
	Why      string `yaml:"why" json:"why"`
	Keep     string `yaml:"keep" json:"keep"`
	Who      string `yaml:"who" json:"who"`
	Declined string `yaml:"declined" json:"declined"` // what follows from saying no
}

func (t ConsentText) all() []string {
	return []string{t.Title, t.What, t.Why, t.Keep, t.Who, t.Declined}
}

// Subject is what may not be taken before the consent is given: "level_1", or a kind of step.
func (r ConsentRule) Subject() string { return subjectOf[r.ID] }

// Apart reports whether the consent is asked for alone, with a button of its own: what shows or records the person.
func (r ConsentRule) Apart() bool {
	return r.ID == ConsentFace || r.ID == ConsentRecording || r.ID == ConsentFaceSearch
}

// languages are those in which every text is written.
var languages = []string{"en", "zh-Hans"}

const maxConsentText = 600 // characters of each part

// checkConsents fills what was left out and says what is wrong.
func (p *Policy) checkConsents(say func(format string, args ...any)) {
	seen := map[string]bool{}
	for i := range p.Consents {
		r := &p.Consents[i]
		if subjectOf[r.ID] == "" || seen[r.ID] {
			say("consents, number %d: %q is not known or stands twice; write identity, documents, face, recording or face_search", i+1, r.ID)
			continue
		}
		seen[r.ID] = true
		if r.Version < 1 || r.Version > 1_000_000 {
			say("consents.%s.version: %d is not between 1 and 1000000", r.ID, r.Version)
		}
		if r.ID == ConsentFaceSearch {
			if r.Declined == "" {
				r.Declined = DeclinedNothing
			}
			if r.Declined != DeclinedNothing || r.KeptByLaw {
				say("consents.face_search: declined is nothing and kept_by_law false: it is free, and what rests on it goes when it is withdrawn")
			}
		}
		if r.Declined == "" {
			r.Declined = DeclinedStop
		}
		if r.ID != ConsentFaceSearch && r.Declined != DeclinedStop && (r.Declined != DeclinedPerson || r.ID != ConsentFace) {
			say("consents.%s.declined: %q is not known; write stop, or for face person", r.ID, r.Declined)
		}
		for _, lang := range languages {
			t, ok := r.Texts[lang]
			if !ok {
				say("consents.%s.texts: %s is missing", r.ID, lang)
				continue
			}
			for _, s := range t.all() {
				if n := utf8.RuneCountInString(s); strings.TrimSpace(s) == "" || n > maxConsentText {
					say("consents.%s.texts.%s: title, what, why, keep, who and declined have each 1 to %d characters", r.ID, lang, maxConsentText)
					break
				}
			}
		}
		for lang := range r.Texts {
			if !slices.Contains(languages, lang) {
				say("consents.%s.texts: %q is no language of the pages; write %s", r.ID, lang, strings.Join(languages, " and "))
			}
		}
	}
	if on := p.Face.Duplicates.Search; on != seen[ConsentFaceSearch] {
		say("face.duplicates.search and consents.face_search go together: a face is looked for in other cases only where both say so")
	}
	if seen[ConsentFaceSearch] && !seen[ConsentFace] {
		say("consents.face_search: ask for face as well")
	}
	if seen[ConsentIdentity] {
		return
	}
	for id := range seen {
		say("consents.%s: what is asked later rests on Level 1; ask for identity as well", id)
	}
}

// Words returns the texts of a consent by language, filled for an operator of this name.
func (p Policy) Words(r ConsentRule, operator string) map[string]ConsentText {
	out := map[string]ConsentText{}
	for lang, t := range r.Texts {
		fill := strings.NewReplacer("{operator}", operator, "{retention}", p.Retention.words(lang)).Replace
		out[lang] = ConsentText{fill(t.Title), fill(t.What), fill(t.Why), fill(t.Keep), fill(t.Who), fill(t.Declined)}
	}
	return out
}

// words says in a language how long the data of customers are kept.
func (r Retention) words(lang string) string {
	if lang == "zh-Hans" {
		return fmt.Sprintf("至业务关系结束后 %d 年", r.CustomerYears)
	}
	if r.CustomerYears == 1 {
		return "until one year after you stop being a customer"
	}
	return fmt.Sprintf("until %d years after you stop being a customer", r.CustomerYears)
}

// ConsentState is where a consent stands.
type ConsentState string

// The states of a consent. Needed is one that was never answered, or in words that have changed since.
const (
	ConsentNeeded    ConsentState = "needed"
	ConsentGiven     ConsentState = "given"
	ConsentDeclined  ConsentState = "declined"
	ConsentWithdrawn ConsentState = "withdrawn"
)

// Consent is the present answer to one consent; those before it stand in the history.
type Consent struct {
	ID       string       `json:"id" bson:"id"`
	State    ConsentState `json:"state" bson:"state"`
	Version  int          `json:"version" bson:"version"`   // of the words
	Language string       `json:"language" bson:"language"` // in which they were read
	Digest   []byte       `json:"digest" bson:"digest"`     // SHA-256 of the policy's words in that language
	At       time.Time    `json:"at" bson:"at"`
}

// AskedConsent is a consent that a case is asked for, and its present answer.
type AskedConsent struct {
	Rule   ConsentRule
	State  ConsentState
	Answer Consent // zero where there was none
}

// Errors of consents.
var (
	// ErrConsentNeeded (member consent): what was to be stored needs a consent that is not given.
	ErrConsentNeeded = fault.New(fault.Conflict, "consent_needed", "This needs your consent first.")
	// ErrConsentChanged: the words that were read are not the present ones.
	ErrConsentChanged = fault.New(fault.Conflict, "consent_changed", "The words have changed meanwhile. Read them again.")
	ErrConsentUnknown = fault.New(fault.NotFound, "consent_unknown", "This case is not asked for such a consent.")
	ErrLanguage       = fault.New(fault.Invalid, "language_unknown", "The language is en or zh-Hans.")
)

// Consents lists what a case is asked for, in the policy's order, with the present answers.
func (s *Service) Consents(c Case) []AskedConsent { return c.asked(s.cfg.Policy) }

func (d *Document) asked(p Policy) []AskedConsent {
	var out []AskedConsent
	for _, r := range p.Consents {
		if r.Subject() != subjectLevel1 && !slices.ContainsFunc(d.Steps, func(st Step) bool { return st.Kind == r.Subject() }) {
			continue
		}
		out = append(out, AskedConsent{r, d.consentState(r), d.consent(r.ID)})
	}
	return out
}

// consent returns the present answer; the zero Consent where there is none.
func (d *Document) consent(id string) Consent {
	for _, a := range d.Consents {
		if a.ID == id {
			return a
		}
	}
	return Consent{}
}

func (d *Document) consentState(r ConsentRule) ConsentState {
	a := d.consent(r.ID)
	if a.State == "" || a.State == ConsentGiven && a.Version != r.Version {
		return ConsentNeeded
	}
	return a.State
}

// needConsent is ErrConsentNeeded unless every consent for a subject is given.
func (c *change) needConsent(subject string) error {
	for _, r := range c.asks {
		if r.ID != ConsentFaceSearch && r.Subject() == subject && c.consentState(r) != ConsentGiven {
			return ErrConsentNeeded.With("consent", r.ID)
		}
	}
	return nil
}

// ConsentAnswer is what an applicant says to a consent.
type ConsentAnswer struct {
	ID       string
	Given    bool
	Version  int    // of the words that were read
	Language string // in which
}

// AnswerConsent gives, declines or withdraws a consent. Withdrawing destroys what was taken under it, but for what
// the law makes you keep; saying the same again changes nothing. ErrConsentUnknown, ErrConsentChanged, ErrLanguage; for a phone
// ErrLevelNotOpen when what it is for was handed in.
func (s *Service) AnswerConsent(ctx context.Context, by Actor, id string, a ConsentAnswer) (Case, error) {
	if !slices.Contains(languages, a.Language) {
		return Case{}, ErrLanguage
	}
	return s.change(ctx, by, id, anyVersion, func(c *change) error {
		i := slices.IndexFunc(c.asked(s.cfg.Policy), func(q AskedConsent) bool { return q.Rule.ID == a.ID })
		if i < 0 {
			return ErrConsentUnknown
		}
		r := c.asked(s.cfg.Policy)[i].Rule
		if a.Version != r.Version {
			return ErrConsentChanged
		}
		if by.Kind == ByPhone && !c.openFor(r) {
			return ErrLevelNotOpen
		}
		had := c.consent(r.ID)
		state := ConsentGiven
		switch {
		case a.Given && c.consentState(r) == ConsentGiven:
			return nil
		case !a.Given && had.State != ConsentGiven && had.State != "":
			c.otherWay(r, had.State) // a step that was sent back meanwhile goes that way again
			return nil
		case !a.Given && had.State == ConsentGiven:
			state = ConsentWithdrawn
		case !a.Given:
			state = ConsentDeclined
		}
		digest := sha256.Sum256(mustJSON(r.Texts[a.Language]))
		c.Consents = slices.DeleteFunc(c.Consents, func(o Consent) bool { return o.ID == r.ID })
		c.Consents = append(c.Consents, Consent{r.ID, state, r.Version, a.Language, digest[:], c.at})
		c.note(Entry{Event: "consent_" + string(state), Data: map[string]string{
			"consent": r.ID, "version": strconv.Itoa(r.Version), "language": a.Language, "digest": hex.EncodeToString(digest[:]),
		}})
		if state == ConsentWithdrawn {
			if err := s.withdraw(c, r); err != nil {
				return err
			}
		}
		c.otherWay(r, state)
		return nil
	})
}

// openFor reports whether the applicant may still change what a consent is for.
func (d *Document) openFor(r ConsentRule) bool {
	if r.Subject() == subjectLevel1 {
		return editable(d.level(1).State)
	}
	return slices.ContainsFunc(d.Steps, func(st Step) bool {
		return st.Kind == r.Subject() && editable(d.level(st.Level).State)
	})
}

// otherWay leaves the steps of a consent that was not given to a person, where the policy says so, and takes them back
// from there when it is given after all. What was handed in stays as it was.
func (c *change) otherWay(r ConsentRule, state ConsentState) {
	for i := range c.Steps {
		st := &c.Steps[i]
		if st.Kind != r.Subject() || r.Declined != DeclinedPerson {
			continue
		}
		if l := c.level(st.Level); !editable(l.State) && l.State != Locked {
			continue
		}
		if state == ConsentGiven {
			st.Alternative = ""
		} else {
			st.Alternative = NothingTaken
			c.forget(st)
		}
		st.State = stepState(*st)
	}
}

// withdraw destroys what was taken under a consent. A level that waits for a decision opens again. What was approved
// stays approved, because what was done before a withdrawal remains lawful (GDPR Art. 7(3)), and so stays the evidence that a
// customer's law keeps. What is held is not touched.
func (s *Service) withdraw(c *change, r ConsentRule) error {
	if !c.HeldAt.IsZero() || r.ID == ConsentFaceSearch { // its entry goes with the answer
		return nil
	}
	customer := s.cfg.Policy.Retention.customer(&c.Document)
	refused := slices.ContainsFunc(c.Levels, func(l Level) bool { return l.State.Refused() }) // and stays so
	if !r.KeptByLaw || !customer {
		c.dropSuperseded(func(st Step) bool { return r.Subject() == subjectLevel1 || st.Kind == r.Subject() })
		if r.Subject() == subjectLevel1 {
			c.Superseded = nil
		}
	}
	for n := 1; n <= levels; n++ {
		concerned := r.Subject() == subjectLevel1 && n == 1 || slices.ContainsFunc(c.Steps, func(st Step) bool {
			return st.Level == n && st.Kind == r.Subject()
		})
		l := c.level(n)
		switch {
		case !concerned, l.State == Approved && r.KeptByLaw && customer:
			continue
		case l.State == Approved && !r.KeptByLaw, editable(l.State), l.State == Locked, l.State == Suspended, refused:
		default:
			if err := c.void(n); err != nil {
				return err
			}
		}
		if n == 1 {
			c.forgetFacts()
			return nil
		}
		for i := range c.Steps {
			if st := &c.Steps[i]; st.Level == n && st.Kind == r.Subject() {
				c.forget(st)
			}
		}
	}
	return nil
}

// void opens a level again that was handed in or approved, and locks what rested on it.
func (c *change) void(level int) error {
	if err := c.move(level, reopen); err != nil {
		return err
	}
	for n := level + 1; n <= levels; n++ {
		if err := c.move(n, lock); err != nil {
			return err
		}
	}
	for i := range c.Steps {
		if st := &c.Steps[i]; st.Level > level {
			c.forget(st)
		}
	}
	c.Jobs = slices.DeleteFunc(c.Jobs, func(j Job) bool { return j.Kind == JobCheck && j.Level >= level })
	return nil
}

// forget destroys what was taken for a step. One that was decided stays so; another is to do again.
func (c *change) forget(st *Step) {
	state := st.State
	c.dropTakes(st, func(Take) bool { return true })
	if c.Challenges = slices.DeleteFunc(c.Challenges, func(ch Challenge) bool { return ch.Step == st.ID }); st.Kind == KindFace {
		c.FaceSeen = nil
	}
	if l := c.level(st.Level).State; l == Approved || l == Suspended {
		st.State = state
		return
	}
	st.Reasons = nil
	st.State = stepState(*st)
}

// forgetFacts destroys what Level 1 stated and everything that was taken for the levels that rest on it.
func (c *change) forgetFacts() {
	c.Identity, c.IdentityDraft, c.DocumentIndex, c.DocumentType, c.Readings = nil, nil, nil, "", nil
	for i := range c.Steps {
		c.forget(&c.Steps[i])
	}
}
