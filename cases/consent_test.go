package cases_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casetest"
)

// policyWith is the policy that asks for photos alone with parts of its file replaced.
func policyWith(t *testing.T, pairs ...string) cases.Policy {
	t.Helper()
	file := string(casetest.PolicyFile("[documents]", "[]"))
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(file, pairs[i]) {
			t.Fatalf("the policy has no %q", pairs[i])
		}
		file = strings.Replace(file, pairs[i], pairs[i+1], 1)
	}
	p, err := cases.ReadPolicy(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (b *bench) answer(c cases.Case, by cases.Actor, id string, given bool) (cases.Case, error) {
	return b.AnswerConsent(b.t.Context(), by, c.ID, cases.ConsentAnswer{ID: id, Given: given, Version: 1, Language: "zh-Hans"})
}

func (b *bench) answered(c cases.Case, by cases.Actor, id string, given bool) cases.Case {
	b.t.Helper()
	c, err := b.answer(c, by, id, given)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func standing(b *bench, c cases.Case, id string) cases.ConsentState {
	for _, a := range b.Consents(c) {
		if a.Rule.ID == id {
			return a.State
		}
	}
	return ""
}

// begun is an applicant who has answered nothing yet.
func (b *bench) begun() (cases.Case, cases.Actor) {
	b.t.Helper()
	a, err := b.SignUp(b.t.Context(), newUpload()+"@example.com", goodPassword)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.Create(b.t.Context(), a, cases.Person)
	if err != nil {
		b.t.Fatal(err)
	}
	return c, cases.Actor{Kind: cases.ByApplicant, ID: a.ID}
}

func TestNothingIsStoredBeforeItIsConsentedTo(t *testing.T) {
	b := newBench(t)
	c, by := b.begun()
	_, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, goodFacts())
	wantErr(t, "Level 1", err, cases.ErrConsentNeeded)
	_, err = b.PutDraft(t.Context(), by, c.ID, []byte(`{"name":"张"}`))
	wantErr(t, "a draft", err, cases.ErrConsentNeeded)
	for name, a := range map[string]cases.ConsentAnswer{
		"other words":       {ID: cases.ConsentIdentity, Given: true, Version: 2, Language: "en"},
		"no words":          {ID: cases.ConsentIdentity, Given: true, Language: "en"},
		"nothing like that": {ID: "marketing", Given: true, Version: 1, Language: "en"},
		"no language":       {ID: cases.ConsentIdentity, Given: true, Version: 1, Language: "de"},
	} {
		if _, err := b.AnswerConsent(t.Context(), by, c.ID, a); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	// Declining is remembered and leaves everything open.
	c = b.answered(c, by, cases.ConsentIdentity, false)
	if got := standing(b, c, cases.ConsentIdentity); got != cases.ConsentDeclined {
		t.Errorf("declined stands as %s", got)
	}
	_, err = b.PutIdentity(t.Context(), by, c.ID, c.Version, goodFacts())
	wantErr(t, "Level 1, declined", err, cases.ErrConsentNeeded)
	c = b.levelOne(b.answered(c, by, cases.ConsentIdentity, true), by)

	_, err = b.take(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	wantErr(t, "a photo", err, cases.ErrConsentNeeded)
	b.answered(c, by, cases.ConsentDocuments, true)
	front := b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(1))

	// The same again changes nothing; the words and the language are remembered, and the history tells it.
	v := b.get(c.ID).Version
	if c = b.answered(c, by, cases.ConsentDocuments, true); c.Version != v {
		t.Error("giving it again changed the case")
	}
	for _, a := range b.Consents(c) {
		if a.Rule.ID == cases.ConsentDocuments && (a.Answer.Language != "zh-Hans" || a.Answer.Version != 1 || len(a.Answer.Digest) != 32 || !a.Answer.At.Equal(b.now)) {
			t.Errorf("answer %+v", a.Answer)
		}
	}
	events, err := b.Events(t.Context(), c.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		if strings.HasPrefix(e.Event, "consent_") {
			told = append(told, e.Event+" "+e.Data["consent"])
		}
	}
	if want := []string{"consent_declined identity", "consent_given identity", "consent_given documents"}; !slices.Equal(told, want) {
		t.Errorf("history %v", told)
	}

	// Withdrawn: the photo goes, the step is to do again, and nothing new is taken.
	c = b.answered(c, by, cases.ConsentDocuments, false)
	b.work()
	if got := standing(b, c, cases.ConsentDocuments); got != cases.ConsentWithdrawn || !slices.Contains(b.destroyed, front) {
		t.Errorf("%s, destroyed %v", got, b.destroyed)
	}
	_, err = b.take(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	wantErr(t, "a photo after the withdrawal", err, cases.ErrConsentNeeded)
}

func TestWordsThatChangeAreAskedAgain(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.policy = policyWith(t, "id: identity\n    version: 1", "id: identity\n    version: 2", "version: default-1", "version: next")
	b.open()
	if got := standing(b, b.get(c.ID), cases.ConsentIdentity); got != cases.ConsentNeeded {
		t.Errorf("the consent to older words stands as %s", got)
	}
	_, err := b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, goodFacts())
	wantErr(t, "Level 1", err, cases.ErrConsentNeeded)
}

func TestWhatTheLawKeepsStaysWhenItsConsentIsWithdrawn(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by) // a customer by the default policy
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	b.keep(c.ID, cases.DocumentBack, by, "ses_1", photo(2))
	c = b.answered(c, by, cases.ConsentIdentity, false)
	if got := states(c); got != "approved open locked" || c.Facts == nil {
		t.Errorf("%s, %v", got, c.Facts)
	}

	// Of somebody who is none, everything goes: a level that waits opens again, and what rested on it is locked.
	b.policy = policyWith(t, "customer_level: 1", "customer_level: 3")
	b.open()
	for name, upto := range map[string]int{"typed": 0, "approved": 1, "photos kept": 2} {
		_, c, by := b.applicant()
		f := goodFacts()
		f.Document.Type, f.Nationality, f.Document.Number, f.Document.ExpiresOn = cases.Passport, "FRA", "P"+newUpload()[20:], "2030-01-01"
		c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
		if err == nil && upto > 0 {
			_, err = b.Submit(t.Context(), by, c.ID, 1, c.Version)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.work()
		page := ""
		if upto > 1 {
			page = b.keep(c.ID, cases.DocumentPage, by, "ses_1", photo(1))
		}
		c = b.answered(c, by, cases.ConsentIdentity, false)
		b.work()
		if got := states(c); got != "open locked locked" || c.Facts != nil || c.DocumentIndex != nil || c.DocumentType != "" {
			t.Errorf("%s: %s, %+v", name, got, c.Document)
		}
		if page != "" && !slices.Contains(b.destroyed, page) {
			t.Errorf("%s: the photo stays", name)
		}
	}

	// What somebody holds is not touched, and what waits for a reviewer is taken back.
	_, c, by = b.applicant()
	f := goodFacts()
	f.ActingFor = cases.ActingFor{Who: cases.ForOther, Beneficiary: &cases.Somebody{Name: "李雷"}}
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
	if err == nil {
		_, err = b.Submit(t.Context(), by, c.ID, 1, c.Version)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	staff := cases.Actor{Kind: cases.ByStaff, ID: "acc_1"}
	if err := b.Hold(t.Context(), staff, c.ID, true, "court order"); err != nil {
		t.Fatal(err)
	}
	if c = b.answered(c, by, cases.ConsentIdentity, false); states(c) != "in_review open locked" || c.Facts == nil {
		t.Errorf("held: %s", states(c))
	}
	if err := b.Hold(t.Context(), staff, c.ID, false, "it is over"); err != nil {
		t.Fatal(err)
	}
	b.answered(c, by, cases.ConsentIdentity, true)
	if c = b.answered(c, by, cases.ConsentIdentity, false); states(c) != "open locked locked" || c.Facts != nil {
		t.Errorf("let go of: %s", states(c))
	}
}

func TestAPolicyWithoutConsentsAsksForNone(t *testing.T) {
	file := string(cases.DefaultPolicyFile())
	file = file[:strings.Index(file, "\nconsents:")]
	p, err := cases.ReadPolicy(strings.NewReader(file + "\nconsents: []\n"))
	if err != nil || len(p.Consents) != 0 {
		t.Fatalf("%v, %v", p.Consents, err)
	}
	b := newBench(t)
	b.policy = p
	b.open()
	c, by := b.begun()
	b.levelOne(c, by)
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	if p, err = cases.ReadPolicy(strings.NewReader(file)); err != nil || len(p.Consents) != 4 {
		t.Errorf("left out: %v, %v", p.Consents, err)
	}
}

func TestMistakesInConsentsAreNamed(t *testing.T) {
	file := string(cases.DefaultPolicyFile())
	for name, row := range map[string][3]string{
		"an id of nobody":       {"  - id: documents", "  - id: selfie", `"selfie" is not known`},
		"twice":                 {"  - id: documents", "  - id: face", "stands twice"},
		"no version":            {"id: face\n    version: 1", "id: face\n    version: 0", "consents.face.version"},
		"another way":           {"declined: person", "declined: maybe", "consents.face.declined"},
		"a way for a photo":     {"id: documents\n    version: 1\n    declined: stop", "id: documents\n    version: 1\n    declined: person", "consents.documents.declined"},
		"words left out":        {"        title: Your face\n", "", "consents.face.texts.en"},
		"words that do not end": {"title: Your face", "title: " + strings.Repeat("x", 601), "consents.face.texts.en"},
		"a misspelt key":        {"kept_by_law: false", "kept_by_lawyers: false", "kept_by_lawyers"},
		"what all rests on":     {"  - id: identity\n", "  - id: identitty\n", "rests on Level 1"},
		"days of validity":      {"level_2: 0", "level_2: 7", "validity_days.level_2"},
	} {
		if !strings.Contains(file, row[0]) {
			t.Errorf("%s: the file has no %q", name, row[0])
			continue
		}
		_, err := cases.ReadPolicy(strings.NewReader(strings.Replace(file, row[0], row[1], 1)))
		if err == nil || !strings.Contains(err.Error(), row[2]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var said bytes.Buffer
	if err := cases.DefaultPolicy().Explain(&said); err != nil || !strings.Contains(said.String(), "Before the face is compared the applicant consents") {
		t.Errorf("%v\n%s", err, &said)
	}
}

func TestApprovalsEndWithTheDocumentAndByThePolicysDays(t *testing.T) {
	b := newBench(t)
	b.policy = policyWith(t, "level_2: 0", "level_2: 90", "  level_2: person", "  level_2: rules", "abandoned_days: 30", "abandoned_days: 1")
	b.open()
	_, c, by := b.applicant()
	f := goodFacts()
	f.Document.IssuedOn, f.Document.ExpiresOn = "2007-03-01", "2027-03-01" // 98 days from now
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
	if err == nil {
		_, err = b.Submit(t.Context(), by, c.ID, 1, c.Version)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	b.keep(c.ID, cases.DocumentBack, by, "ses_1", photo(2))
	if got := states(b.get(c.ID)); got != "approved open locked" {
		t.Fatalf("before: %s", got)
	}

	at := func(day time.Time) {
		b.mu.Lock()
		b.now = day
		b.mu.Unlock()
		b.work()
	}
	// Its last day counts, by the operator's clock (eight hours ahead).
	at(time.Date(2027, 3, 1, 15, 59, 59, 0, time.UTC))
	if got := states(b.get(c.ID)); got != "approved open locked" {
		t.Errorf("on the last day: %s", got)
	}
	at(time.Date(2027, 3, 1, 16, 0, 0, 0, time.UTC))
	c = b.get(c.ID)
	if got := states(c); got != "resubmit locked locked" || c.Level != 0 || len(c.Levels[0].Told()) != 1 || c.Levels[0].Told()[0].Code != "document.expired" {
		t.Fatalf("after it: %s %v", got, c.Levels[0].Told())
	}
	// What the customer was known by is kept, and who is one is not erased as if they had never finished.
	if len(c.Superseded) != 1 || c.Superseded[0].Identity == nil {
		t.Errorf("kept: %+v", c.Superseded)
	}
	if k := b.Keeping(c); k.Rule != cases.RuleEnded || !k.Until.IsZero() {
		t.Errorf("keeping %+v", k)
	}
	was, err := b.Earlier(c)
	if err != nil || len(was) != 1 || was[0].Document.ExpiresOn != "2027-03-01" {
		t.Errorf("earlier %v, %v", was, err)
	}
	at(b.now.AddDate(0, 0, 40))

	// The same document does not do any more; a newer one does, and the photos are taken anew.
	_, err = b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, f)
	if complaints(err) != "document.expires_on document_expired" {
		t.Errorf("the same document: %v", err)
	}
	f.Document.ExpiresOn = cases.LongTerm
	if c, err = b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, f); err == nil {
		_, err = b.Submit(t.Context(), by, c.ID, 1, c.Version)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	if c = b.get(c.ID); states(c) != "approved open locked" || c.Level != 1 || c.Steps[0].State != cases.Todo {
		t.Errorf("with a new document: %s, %s", states(c), c.Steps[0].State)
	}
}

func TestAnErasureThatTheLawForbidsRestricts(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	front := b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	epoch := b.get(c.ID).HandoffEpoch
	erased, err := b.RequestErasure(t.Context(), by, c.ID, false)
	if err != nil || erased {
		t.Fatalf("%v, %v", erased, err)
	}
	b.work()
	c = b.get(c.ID)
	if c.RestrictedAt.IsZero() || c.HandoffEpoch <= epoch || c.Facts == nil || !slices.Contains(b.destroyed, front) {
		t.Errorf("restricted at %v, epoch %d, destroyed %v", c.RestrictedAt, c.HandoffEpoch, b.destroyed)
	}
	_, err = b.take(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	wantErr(t, "a photo", err, cases.ErrRestricted)
	_, err = b.answer(c, by, cases.ConsentDocuments, false)
	wantErr(t, "a consent", err, cases.ErrRestricted)
	if erased, err = b.RequestErasure(t.Context(), by, c.ID, false); err != nil || erased {
		t.Errorf("asked again: %v, %v", erased, err)
	}
	// When the time is over it goes by itself.
	if err := b.EndRelation(t.Context(), cases.Actor{Kind: cases.ByStaff, ID: "acc_1"}, c.ID, b.now); err != nil {
		t.Fatal(err)
	}
	if k := b.Keeping(b.get(c.ID)); !k.Until.Equal(b.now.AddDate(10, 0, 0)) {
		t.Errorf("keeping %+v", k)
	}
	b.pass(10*366*24*time.Hour + time.Hour)
	b.work()
	if _, err := b.Get(t.Context(), c.ID); err == nil {
		t.Error("it is still there")
	}

	// Of who is no customer, only a hold is in the way: it is not told, and when it is lifted the case goes.
	_, c, by = b.applicant()
	staff := cases.Actor{Kind: cases.ByStaff, ID: "acc_1"}
	if err := b.Hold(t.Context(), staff, c.ID, true, "court order"); err != nil {
		t.Fatal(err)
	}
	if erased, err = b.RequestErasure(t.Context(), by, c.ID, false); err != nil || erased || b.Keeping(b.get(c.ID)) != (cases.Keeping{Rule: cases.RuleWaiting}) {
		t.Errorf("held: %v, %v, %+v", erased, err, b.Keeping(b.get(c.ID)))
	}
	b.work()
	b.get(c.ID)
	if err := b.Hold(t.Context(), staff, c.ID, false, "it is over"); err != nil {
		t.Fatal(err)
	}
	b.work()
	if cert, err := b.Certify(t.Context(), c.ID); err != nil || cert.Rule != cases.RuleRequest {
		t.Errorf("after the hold: %+v, %v", cert, err)
	}

	// Who is no customer yet is erased at once.
	_, c, by = b.applicant()
	if erased, err = b.RequestErasure(t.Context(), by, c.ID, true); err != nil || !erased {
		t.Errorf("%v, %v", erased, err)
	}
	cert, err := b.Certify(t.Context(), c.ID)
	if err != nil || cert.Rule != cases.RuleRequest || cert.By.Kind != cases.ByApplicant {
		t.Errorf("certificate %+v, %v", cert, err)
	}
}

func TestANumberOfTheFirstGenerationIsBroughtUpToDate(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	f := goodFacts()
	f.Document.Number = "110105 491231 002"
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
	if err != nil || c.Facts.Document.Number != "11010519491231002X" {
		t.Errorf("%v, %v", c.Facts, err)
	}
	for number, want := range map[string]string{"110105491331002": "document.number document_number_date", "110105491231997": "document.number document_number_form"} {
		f.Document.Number = number
		_, err := b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, f)
		if got := complaints(err); got != want {
			t.Errorf("%s: %s", number, got)
		}
	}
}

func TestMinorsAreRefusedOrStoodInFor(t *testing.T) {
	child := goodFacts() // sixteen years old
	child.Document.Number, child.BirthDate, child.Sex = "110105201003072311", "2010-03-07", ""
	guardian := func() *cases.Somebody {
		return &cases.Somebody{Name: "李雷", Nationality: "CHN", BirthDate: "1990-03-07", Document: &cases.DocumentFacts{Type: cases.CNResidentID, Number: "11010119900307803X", ExpiresOn: cases.LongTerm}}
	}
	put := func(b *bench, f cases.Identity) (cases.Case, cases.Actor, error) {
		_, c, by := b.applicant()
		c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
		return c, by, err
	}
	b := newBench(t)
	if _, _, err := put(b, child); complaints(err) != "birth_date age_under_minimum" {
		t.Errorf("refused: %v", err)
	}

	b.policy = policyWith(t, "way: refuse", "way: guardian")
	b.open()
	young := child
	young.Document.Number, young.BirthDate, young.Guardian = "110105201303072313", "2013-03-07", guardian()
	grown := goodFacts()
	grown.Guardian = guardian()
	nobody, same, sibling, vague := child, child, child, child
	same.Guardian, sibling.Guardian, vague.Guardian = guardian(), guardian(), &cases.Somebody{Name: "李雷"}
	same.Guardian.Document.Number, same.Guardian.BirthDate = child.Document.Number, child.BirthDate
	sibling.Guardian.Document.Number, sibling.Guardian.BirthDate = "110105200903072312", "2009-03-07"
	for name, row := range map[string]struct {
		f    cases.Identity
		want string
	}{
		"too young for that":     {young, "birth_date age_under_minimum"},
		"of age":                 {grown, "guardian guardian_unneeded"},
		"nobody":                 {nobody, "guardian.name required"},
		"themselves":             {same, "guardian.document.number guardian_same, guardian.birth_date guardian_too_young"},
		"a sibling":              {sibling, "guardian.birth_date guardian_too_young"},
		"somebody with no proof": {vague, "guardian.nationality required, guardian.document.number required, guardian.birth_date required"},
	} {
		if _, _, err := put(b, row.f); complaints(err) != row.want {
			t.Errorf("%s: %q", name, complaints(err))
		}
	}
	child.Guardian = guardian()
	c, by, err := put(b, child)
	if err == nil {
		_, err = b.Submit(t.Context(), by, c.ID, 1, c.Version)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	if c = b.get(c.ID); states(c) != "in_review open locked" || c.Levels[0].Reasons[0].Code != "age.guardian" {
		t.Errorf("with a guardian: %s %v", states(c), c.Levels[0].Reasons)
	}
}
