package cases

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the operator's clock, on machines without a time zone database

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"

	"github.com/symbolon/symbolon/checks"
)

//go:embed policy.yaml
var defaultPolicy []byte

// Policy is what an operator asks of its customers. policy.yaml explains each field. A step that
// this build cannot do is not in it, and a level without anything to ask is not offered.
type Policy struct {
	Version    string              `yaml:"version"`
	Clock      string              `yaml:"clock"`
	MinimumAge int                 `yaml:"minimum_age"` // whole years
	Documents  []DocumentRule      `yaml:"documents"`
	Requires   Requires            `yaml:"requires"`
	Approve    Approve             `yaml:"approve"`
	Retention  Retention           `yaml:"retention"`
	Checks     DocumentChecks      `yaml:"document_checks"`
	Face       FacePolicy          `yaml:"face"`
	Recordings Recordings          `yaml:"recordings"`
	Channels   map[string][]string `yaml:"channels"`
	Attempts   int                 `yaml:"attempts"`

	// Report is what follows from a reported "It's not me": ReportMarks, also where it is left out, or ReportFreezes.
	Report string `yaml:"report"`

	// FourEyes says when one person is not enough to approve; never where it is left out.
	FourEyes FourEyes `yaml:"four_eyes"`
	// Staff says how people who work here sign in.
	Staff StaffPolicy `yaml:"staff"`

	Minors   Minors   `yaml:"minors"`
	Validity Validity `yaml:"validity_days"`
	// Consents are what applicants agree to; those of the default policy where it is left out.
	Consents []ConsentRule `yaml:"consents"`

	BeneficialOwners *BeneficialOwners `yaml:"beneficial_owners"` // 25% or more where it is left out

	file      []byte // as it was read
	zone      *time.Location
	threshold *big.Rat
}

// DocumentRule says which document types some nationalities may use.
type DocumentRule struct {
	Nationalities []string `yaml:"nationalities"` // ISO 3166-1 alpha-3, or "*"
	Types         []string `yaml:"types"`
}

// Requires says what the levels above the first ask for.
type Requires struct {
	Level2 []string `yaml:"level_2"` // AskDocuments, Face
	Level3 []string `yaml:"level_3"` // ClipDocument, ClipStatement
}

// What a report does; see Policy.Report.
const (
	ReportMarks   = "marks"
	ReportFreezes = "freezes"
)

// AskDocuments in Requires stands for the photos that the document of Level 1 needs.
const AskDocuments = "documents"

// BeneficialOwners says from which share on a person counts as an owner of a company.
type BeneficialOwners struct {
	Threshold string `yaml:"threshold"` // as "25%" or "1/4"
	AtLeast   bool   `yaml:"at_least"`  // the threshold itself counts, too
}

// reaches reports whether a share makes a person a beneficial owner.
func (p Policy) reaches(share *big.Rat) bool {
	c := share.Cmp(p.threshold)
	return c > 0 || c == 0 && p.BeneficialOwners.AtLeast
}

// Approve says what approves a level whose checks found nothing: "rules" or "person".
type Approve struct {
	Level1 string `yaml:"level_1"`
	Level2 string `yaml:"level_2"`
	Level3 string `yaml:"level_3"` // "person" always; where it is left out, too
	// Level1ForOther is Level 1 of somebody who opens the account for another person; "person" where it is left out.
	Level1ForOther string `yaml:"level_1_for_other"`
	// Level1Business is Level 1 of a company; "person" where it is left out.
	Level1Business string `yaml:"level_1_business"`
}

// DocumentChecks says what follows from the checks of photos.
type DocumentChecks struct {
	// SendBack are the reasons for which rules send a photo back; with another a person looks. All of them
	// where it is left out.
	SendBack []string `yaml:"send_back"`
}

// DefaultPolicy returns the policy that is used where no other is given.
func DefaultPolicy() Policy {
	p, err := ReadPolicy(bytes.NewReader(defaultPolicy))
	if err != nil {
		panic(fmt.Sprintf("cases: the default policy: %v", err))
	}
	return p
}

// defaultConsents are the consents of the default policy.
func defaultConsents() []ConsentRule {
	var p struct {
		Consents []ConsentRule `yaml:"consents"`
	}
	if err := yaml.Unmarshal(defaultPolicy, &p); err != nil {
		panic(fmt.Sprintf("cases: the default policy: %v", err))
	}
	return p.Consents
}

// File returns the file that the policy was read from.
func (p Policy) File() []byte { return slices.Clone(p.file) }

// DefaultPolicyFile returns the default policy as a file to start from.
func DefaultPolicyFile() []byte { return slices.Clone(defaultPolicy) }

// ReadPolicy reads a policy file. The error is for the operator: it lists every mistake with
// what to write instead.
func ReadPolicy(r io.Reader) (Policy, error) {
	var p Policy
	file, err := io.ReadAll(r)
	if err != nil {
		return p, err
	}
	p.file = file
	d := yaml.NewDecoder(bytes.NewReader(file))
	d.KnownFields(true) // a misspelt key would otherwise be a rule that silently does not hold
	if err := d.Decode(&p); err != nil {
		if errors.Is(err, io.EOF) {
			return p, errors.New("the file is empty")
		}
		return p, err
	}
	return p, p.check()
}

// check fills what follows from the fields, and lists what is wrong with them.
func (p *Policy) check() error {
	var bad []error
	say := func(format string, args ...any) { bad = append(bad, fmt.Errorf(format, args...)) }
	if strings.TrimSpace(p.Version) == "" {
		say("version is missing; write a name such as 2026-12-01")
	}
	var err error
	if p.zone, err = time.LoadLocation(p.Clock); err != nil || p.Clock == "" || p.Clock == "Local" {
		say("clock: %q is no time zone; write a name such as Asia/Shanghai", p.Clock)
	}
	if p.MinimumAge < 14 || p.MinimumAge > 100 {
		// Under 14 the PRC asks for a guardian's consent: minors.way takes one.
		say("minimum_age: %d is not between 14 and 100", p.MinimumAge)
	}
	if p.Attempts < 1 || p.Attempts > 100 {
		say("attempts: %d is not between 1 and 100", p.Attempts)
	}
	switch p.Report {
	case "":
		p.Report = ReportMarks
	case ReportMarks, ReportFreezes:
	default:
		say("report: %q is unknown; write %s or %s", p.Report, ReportMarks, ReportFreezes)
	}
	p.Retention.check(say)
	p.FourEyes.check(say)
	p.Staff.check(say)
	if p.Consents == nil {
		p.Consents = defaultConsents()
	}
	p.checkConsents(say)
	p.Validity.check(say)
	p.Minors.check(p.MinimumAge, say)
	named := map[string]bool{}
	for i, r := range p.Documents {
		if len(r.Nationalities) == 0 || len(r.Types) == 0 {
			say("documents, rule %d: name nationalities and types", i+1)
		}
		for _, n := range r.Nationalities {
			if n != "*" && !isNationality(n) {
				say("documents, rule %d: %q is no country; write a code of three capital letters, or \"*\"", i+1, n)
			}
			if named[n] || named["*"] {
				say("documents, rule %d: %q is covered by a rule above", i+1, n)
			}
			named[n] = true
		}
		for _, t := range r.Types {
			if documentTypes[t] == nil {
				say("documents, rule %d: %q is not a known document; write one of %s", i+1, t, strings.Join(knownDocuments(), ", "))
			}
		}
	}
	if len(p.Documents) == 0 {
		say("documents: nobody could verify; write at least one rule")
	}
	if p.Approve.Level1ForOther == "" {
		p.Approve.Level1ForOther = byPerson
	}
	if p.Approve.Level1Business == "" {
		p.Approve.Level1Business = byPerson
	}
	if p.BeneficialOwners == nil {
		p.BeneficialOwners = &BeneficialOwners{Threshold: "25%", AtLeast: true}
	}
	var ok bool
	if p.threshold, ok = checks.ParseShare(p.BeneficialOwners.Threshold); !ok {
		say("beneficial_owners.threshold: %q is no share; write it as 25%% or 1/4", p.BeneficialOwners.Threshold)
	}
	if p.Approve.Level3 == "" {
		p.Approve.Level3 = byPerson
	}
	if p.Approve.Level3 != byPerson {
		say("approve.level_3: write person; only people decide on recordings")
	}
	for level, how := range map[string]string{"level_1": p.Approve.Level1, "level_2": p.Approve.Level2, "level_1_for_other": p.Approve.Level1ForOther, "level_1_business": p.Approve.Level1Business} {
		if how != byRules && how != byPerson {
			say("approve.%s: %q is not known; write rules or person", level, how)
		}
	}
	if p.Checks.SendBack == nil {
		p.Checks.SendBack = slices.Clone(photoReasons)
	}
	for _, code := range p.Checks.SendBack {
		if !slices.Contains(photoReasons, code) {
			say("document_checks.send_back: %q is nothing that is found on photos; write some of %s", code, strings.Join(photoReasons, ", "))
		}
	}
	p.Recordings.check(say)
	p.Requires.check(say)
	p.Face.check(say)
	for kind, channels := range p.Channels {
		if kind != KindPhoto && kind != KindFace && kind != KindClip {
			say("channels: %q is no kind of step; write photo, face or clip", kind)
		}
		for _, c := range channels {
			if c != "desk" && c != "phone" {
				say("channels.%s: %q is not known; write desk or phone", kind, c)
			}
		}
	}
	for kind := range kindsIn(p.Requires) {
		if len(p.Channels[kind]) == 0 {
			say("channels.%s is missing; write [phone] or [desk, phone]", kind)
		}
	}
	return errors.Join(bad...)
}

// check says what is wrong with what levels ask for.
func (r Requires) check(say func(format string, args ...any)) {
	for _, l := range []struct {
		name       string
		asks, from []string
	}{
		{"level_2", r.Level2, []string{AskDocuments, Face}},
		{"level_3", r.Level3, []string{ClipDocument, ClipStatement}},
	} {
		for i, a := range l.asks {
			if !slices.Contains(l.from, a) {
				say("requires.%s: %q is not known; write some of %s", l.name, a, strings.Join(l.from, ", "))
			}
			if slices.Contains(l.asks[:i], a) {
				say("requires.%s: %q stands there twice", l.name, a)
			}
		}
	}
	if !slices.Contains(r.Level2, AskDocuments) {
		say("requires.level_2: documents is missing; everything above rests on them")
	}
}

// kindsIn is the kinds of step that levels ask for.
func kindsIn(r Requires) map[string]bool {
	kinds := map[string]bool{}
	for _, a := range slices.Concat(r.Level2, r.Level3) {
		kinds[kindOf(a)] = true
	}
	return kinds
}

const (
	byRules  = "rules"
	byPerson = "person"
)

// approves reports whether rules approve a level whose checks found nothing.
func (p Policy) approves(level int) bool {
	return level == 1 && p.Approve.Level1 == byRules || level == 2 && p.Approve.Level2 == byRules
}

// DocumentTypes returns the documents that a nationality (ISO 3166-1 alpha-3) may use, none where
// the policy has no rule for it.
func (p Policy) DocumentTypes(nationality string) []string {
	for _, r := range p.Documents {
		if slices.Contains(r.Nationalities, nationality) || slices.Contains(r.Nationalities, "*") {
			return r.Types
		}
	}
	return nil
}

// Explain writes the policy in sentences.
func (p Policy) Explain(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Policy %s. Days change by the clock of %s.\n\n", p.Version, p.Clock)
	for _, r := range p.Documents {
		who := strings.Join(r.Nationalities, ", ")
		if slices.Contains(r.Nationalities, "*") {
			who = "everybody else"
		}
		fmt.Fprintf(&b, "%s: %s.\n", who, strings.Join(r.Types, " or "))
		for _, t := range r.Types {
			fmt.Fprintf(&b, "    %s asks for %s.\n", t, strings.Join(documentTypes[t].steps, " and "))
		}
	}
	how := map[string]string{byRules: "is approved at once when the checks find nothing", byPerson: "goes to a person"}
	fmt.Fprintf(&b, "\nNobody under %d.\nLevel 1 %s.\nLevel 1 for somebody else's account %s.\nLevel 1 of a company %s.\nLevel 2 %s.\n",
		p.MinimumAge, how[p.Approve.Level1], how[p.Approve.Level1ForOther], how[p.Approve.Level1Business], how[p.Approve.Level2])
	if p.Minors.Way == MinorsGuardian {
		fmt.Fprintf(&b, "From %d years on younger people need a guardian, and go to a person.\n", p.Minors.From)
	}
	owners := "more than"
	if p.BeneficialOwners.AtLeast {
		owners = "at least"
	}
	fmt.Fprintf(&b, "Who owns %s %s of a company is named in full.\n", owners, p.BeneficialOwners.Threshold)
	for i, asks := range [][]string{p.Requires.Level2, p.Requires.Level3} {
		if len(asks) == 0 {
			fmt.Fprintf(&b, "Level %d is not offered.\n", i+2)
		} else {
			fmt.Fprintf(&b, "Level %d asks for: %s.\n", i+2, strings.Join(asks, ", "))
		}
	}
	for _, kind := range []string{KindPhoto, KindFace, KindClip} {
		if kindsIn(p.Requires)[kind] {
			fmt.Fprintf(&b, "A %s is taken from: %s.\n", kind, strings.Join(p.Channels[kind], ", "))
		}
	}
	fmt.Fprintf(&b, "A step that was sent back %d times goes to a person.\n", p.Attempts)
	for _, n := range p.FourEyes.Levels {
		fmt.Fprintf(&b, "Two people approve Level %d.\n", n)
	}
	if len(p.FourEyes.Risks) > 0 {
		fmt.Fprintf(&b, "Two people approve what was left to them for: %s.\n", strings.Join(p.FourEyes.Risks, ", "))
	}
	if p.Staff.SecondFactor == FactorRequired {
		b.WriteString("People who work here need a second factor.\n")
	}
	if p.Report == ReportFreezes {
		fmt.Fprintln(&b, "A case that is reported takes nothing more until a reviewer clears it.")
	}
	if back := p.Checks.SendBack; len(back) > 0 {
		fmt.Fprintf(&b, "Photos are sent back at once for: %s.\n", strings.Join(back, ", "))
	} else {
		b.WriteString("No photo is sent back by the rules.\n")
	}
	b.WriteString("Whatever else the checks of a document find or cannot tell goes to a person.\n")
	if len(p.Requires.Level3) > 0 {
		p.Recordings.explain(&b)
	}
	for n := 1; n <= levels; n++ {
		if days := p.Validity.days(n); days > 0 {
			fmt.Fprintf(&b, "Level %d holds for %d days.\n", n, days)
		}
	}
	b.WriteString("Level 1 and what rests on it end with the document that it states.\n")
	if p.Face.Declined == DeclinedRecordings && len(p.Requires.Level3) > 0 && slices.Contains(p.Requires.Level2, Face) {
		fmt.Fprintln(&b, "Who declines the face is decided on together with the recordings of Level 3.")
	}
	if d := p.Face.Duplicates; d.Search {
		fmt.Fprintf(&b, "A face is looked for in the other cases that agreed to it, within %g of what is accepted as one person; a person decides.\n", d.Within)
	}
	for _, r := range p.Consents {
		fmt.Fprintf(&b, "Before %s the applicant consents (%s, version %d); who declines %s.\n", consentBefore[r.ID], r.ID, r.Version,
			map[string]string{DeclinedStop: "goes no further", DeclinedPerson: "is left to a person", DeclinedNothing: "loses nothing"}[r.Declined])
	}
	r := p.Retention
	fmt.Fprintf(&b, "\nA case that its applicant abandoned is erased after %d days, a rejected one after %d days.\n", r.AbandonedDays, r.RejectedDays)
	fmt.Fprintf(&b, "From Level %d on somebody is a customer: kept until %d years after the relationship ended.\n", r.CustomerLevel, r.CustomerYears)
	_, err := io.WriteString(w, b.String())
	return err
}

// isNationality reports whether s is the ISO 3166-1 alpha-3 code of a country, in capital letters.
func isNationality(s string) bool {
	r, err := language.ParseRegion(s)
	return err == nil && len(s) == 3 && r.IsCountry() && r.ISO3() == s
}

// levels is how many levels a case has.
const levels = 3

// offers reports whether the case has something to do on a level.
func (d *Document) offers(level int) bool {
	return level == 1 || slices.ContainsFunc(d.Steps, func(st Step) bool { return st.Level == level })
}

// stepsFor returns the steps of a case with these facts, nil while they are unknown.
func (p Policy) stepsFor(kind Kind, f *Identity) []Step {
	steps := documentTypes[CNResidentID].steps
	if f != nil {
		steps = documentTypes[f.Document.Type].steps
	}
	if kind == Business {
		steps = append(slices.Clone(steps), BusinessLicence)
		if f != nil && f.Business.ActingAs == ActingAgent {
			steps = append(steps, Authorisation)
		}
	}
	var out []Step
	for i, asks := range [][]string{p.Requires.Level2, p.Requires.Level3} {
		for _, a := range asks {
			ids := []string{a}
			if a == AskDocuments {
				ids = steps
			}
			for _, id := range ids {
				kind := kindOf(id)
				out = append(out, Step{ID: id, Level: i + 2, Kind: kind, State: Todo, Channels: slices.Clone(p.Channels[kind])})
			}
		}
	}
	return out
}

// Limits of evidence and of work.
const (
	maxPhotoBytes   = 12 << 20
	maxClipBytes    = 60 << 20         // several times what a minute takes at the asked bitrate
	maxOpenTakes    = 3                // of one step
	maxTakes        = 8                // of one step, kept or not
	dailyBudget     = 300_000_000      // bytes a case may receive on one UTC day
	keepEnded       = 8                // handoffs whose end is remembered
	jobLease        = time.Minute      // longer than any check takes
	clipLease       = 6 * time.Minute  // to play recordings
	maxJobAttempts  = 5                // then a person looks
	jobRetryAfter   = 10 * time.Second // times the number of attempts
	maxReplaceTries = 40               // of a change that somebody else's change got ahead of
)

// UnfinishedFor is how long a take that nobody kept stays.
const UnfinishedFor = 24 * time.Hour

// limitsOf returns what a take of this step may be; of a face, all frames of its evidence.
func limitsOf(st Step) Limits {
	switch st.Kind {
	case KindPhoto:
		return Limits{MaxBytes: maxPhotoBytes, Filetypes: []string{"image/jpeg", "image/png"}}
	case KindClip:
		return Limits{MaxBytes: maxClipBytes, Filetypes: []string{"video/mp4", "video/webm", "video/x-matroska"}}
	}
	return Limits{MaxBytes: MaxFaceBytes, Filetypes: []string{"image/jpeg"}}
}
