package cases_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
)

const day = 24 * time.Hour

// stored is the case as it is stored, erased or not.
func (b *bench) stored(id string) cases.Document {
	b.t.Helper()
	d, err := b.store.Case(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func TestAnAbandonedCaseIsErasedWhenItsTimeIsOver(t *testing.T) {
	b := newBench(t)
	a, c, by := b.applicant()
	b.pass(20 * day)
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, goodFacts()) // not abandoned yet
	if err != nil {
		t.Fatal(err)
	}
	b.pass(29 * day)
	b.work()
	if b.stored(c.ID).Erased() {
		t.Fatal("erased a day early")
	}
	b.pass(day)
	b.work()
	d := b.stored(c.ID)
	if !d.Erased() || d.State != cases.Erased || d.WrappedKey != nil || d.Identity != nil || d.AccountID == a.ID || len(d.Jobs) > 0 {
		t.Fatalf("not erased: %+v", d)
	}
	_, err = b.Get(t.Context(), c.ID)
	wantErr(t, "get", err, cases.ErrUnknown)
	_, err = b.Of(t.Context(), a.ID)
	wantErr(t, "of", err, cases.ErrUnknown)
	_, err = b.Key(t.Context(), c.ID)
	wantErr(t, "key", err, cases.ErrUnknown)
	_, err = b.PutIdentity(t.Context(), by, c.ID, d.Version, goodFacts())
	wantErr(t, "change", err, cases.ErrUnknown)
	cert, err := b.Certify(t.Context(), c.ID)
	if err != nil || cert.Rule != cases.RuleAbandoned || cert.By.Kind != cases.BySystem {
		t.Errorf("certificate: %+v %v", cert, err)
	}
	b.audit()
	// The person may begin anew, with the same account.
	if again, err := b.Create(t.Context(), a, cases.Person); err != nil || again.ID == c.ID {
		t.Errorf("anew: %v", err)
	}
}

// audit fails when a history is not what was written.
func (b *bench) audit() {
	b.t.Helper()
	_, err := cases.Auditor{Store: b.store, History: b.store, Found: func(f cases.Finding) { b.t.Error(f) }}.All(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestNothingErasesACaseThatIsHeld(t *testing.T) {
	b := newBench(t)
	_, c, _ := b.applicant()
	staff := cases.Actor{Kind: cases.ByStaff, ID: "operator"}
	wantErr(t, "no reason", b.Hold(t.Context(), staff, c.ID, true, " "), cases.ErrReason)
	if err := b.Hold(t.Context(), staff, c.ID, true, "court file 12 of 张三"); err != nil {
		t.Fatal(err)
	}
	b.pass(400 * day)
	b.work()
	wantErr(t, "erase", b.Erase(t.Context(), staff, c.ID, cases.EraseRequest{Rule: "request", Retained: true}), cases.ErrHeld)
	if b.stored(c.ID).Erased() {
		t.Fatal("a held case was erased")
	}
	if err := b.Hold(t.Context(), staff, c.ID, false, "the court has decided"); err != nil {
		t.Fatal(err)
	}
	held, notes, err := b.Holds(t.Context(), c.ID)
	if err != nil || held || len(notes) != 2 || !notes[0].On || notes[0].Reason != "court file 12 of 张三" || notes[1].On {
		t.Errorf("holds: %v %+v %v", held, notes, err)
	}
	for _, e := range b.checkHistory(c.ID) {
		for _, v := range e.Data {
			if strings.Contains(v, "court") {
				t.Errorf("the reason stands in the clear: %+v", e)
			}
		}
	}
	b.work()
	if !b.stored(c.ID).Erased() {
		t.Error("it is not erased after the hold was lifted")
	}
	b.audit()
}

func TestACustomerIsKeptUntilYearsAfterTheEnd(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	c = b.levelOne(c, by)
	staff := cases.Actor{Kind: cases.ByStaff, ID: "operator"}
	b.pass(4000 * day)
	b.work()
	if b.stored(c.ID).Erased() {
		t.Fatal("a customer was erased")
	}
	wantErr(t, "on request", b.Erase(t.Context(), staff, c.ID, cases.EraseRequest{Rule: "request"}), cases.ErrRetained)
	wantErr(t, "a personal rule", b.Erase(t.Context(), staff, c.ID, cases.EraseRequest{Rule: "Zhang San asked"}), cases.ErrRule)
	ended := b.now
	if err := b.EndRelation(t.Context(), staff, c.ID, ended); err != nil {
		t.Fatal(err)
	}
	b.pass(ended.AddDate(10, 0, 0).Sub(ended) - time.Second)
	b.work()
	if b.stored(c.ID).Erased() {
		t.Fatal("erased a second early")
	}
	if err := b.EndRelation(t.Context(), staff, c.ID, time.Time{}); err != nil {
		t.Fatal(err)
	}
	b.pass(day)
	b.work()
	if b.stored(c.ID).Erased() {
		t.Fatal("erased, though the relationship goes on")
	}
	if err := b.EndRelation(t.Context(), staff, c.ID, ended); err != nil {
		t.Fatal(err)
	}
	b.work()
	if cert, err := b.Certify(t.Context(), c.ID); err != nil || cert.Rule != cases.RuleEnded {
		t.Errorf("%+v %v", cert, err)
	}
	b.audit()
}

func TestARejectedCaseHasATimeOfItsOwn(t *testing.T) {
	b := newBench(t)
	_, c, _ := b.applicant()
	d := b.stored(c.ID)
	d.Levels[0].State, d.Levels[0].DecidedAt, d.State = cases.Rejected, b.now, cases.Rejected
	d.Version++
	if err := b.store.ReplaceCase(t.Context(), d, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := b.RaiseEpoch(t.Context(), c.ID, "offer", cases.Actor{Kind: cases.BySystem}); err != nil {
		t.Fatal(err)
	}
	b.pass(179 * day)
	b.work()
	if b.stored(c.ID).Erased() {
		t.Fatal("erased early")
	}
	b.pass(day)
	b.work()
	if cert, err := b.Certify(t.Context(), c.ID); err != nil || cert.Rule != cases.RuleRejected {
		t.Errorf("%+v %v", cert, err)
	}
}

func TestACaseThatWaitsForAReviewerIsNotAbandoned(t *testing.T) {
	b := newBench(t)
	_, first, by := b.applicant()
	b.levelOne(first, by)
	_, c, by := b.applicant() // the same document: a person looks
	c = b.levelOne(c, by)
	if c.Levels[0].State != cases.InReview {
		t.Fatal(states(c))
	}
	b.pass(400 * day)
	b.work()
	if b.stored(c.ID).Erased() {
		t.Error("erased, though it waits for us")
	}
}

func TestTwoNodesEraseOnce(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, goodFacts())
	if err != nil {
		t.Fatal(err)
	}
	first, path := b.Service, b.path
	b.open() // a second node on the same store
	if b.path != path {
		t.Fatal("another store")
	}
	b.pass(31 * day)
	for range 3 {
		var wg sync.WaitGroup
		for _, s := range []*cases.Service{first, b.Service} {
			wg.Go(func() {
				if err := s.Work(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	events, err := b.Events(t.Context(), c.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if e.Event == "case_erased" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("erased %d times", n)
	}
	b.audit()
}

func TestErasingDestroysPhotosAndEndsThePhone(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	c = b.levelOne(c, by)
	epoch, err := b.RaiseEpoch(t.Context(), c.ID, "offer", by)
	if err != nil {
		t.Fatal(err)
	}
	phone := cases.Actor{Kind: cases.ByPhone, ID: "hnd_1", Epoch: epoch}
	kept := b.keep(c.ID, cases.DocumentFront, phone, "hnd_1", photo(90))
	open, err := b.take(c.ID, cases.DocumentBack, phone, "hnd_1", photo(91))
	if err != nil {
		t.Fatal(err)
	}
	staff := cases.Actor{Kind: cases.ByStaff, ID: "operator"}
	if err := b.Erase(t.Context(), staff, c.ID, cases.EraseRequest{Rule: "request", Retained: true}); err != nil {
		t.Fatal(err)
	}
	if cert, err := b.Certify(t.Context(), c.ID); err != nil || cert.Destroyed.Pending != 2 || len(cert.Destroyed.Photos) != 2 {
		t.Errorf("before the work: %+v %v", cert, err)
	}
	_, err = b.Accept(t.Context(), phone, c.ID, cases.DocumentBack, open)
	wantErr(t, "the phone goes on", err, cases.ErrStaleEpoch)
	_, _, err = b.BeginTake(t.Context(), phone, c.ID, cases.TakeRequest{UploadID: newUpload(), Step: cases.DocumentBack, Channel: "phone", Length: 1})
	wantErr(t, "the phone begins", err, cases.ErrStaleEpoch)
	b.work()
	for _, u := range []string{kept, open} {
		if !slices.Contains(b.destroyed, u) {
			t.Errorf("%s was not destroyed", u)
		}
	}
	if cert, err := b.Certify(t.Context(), c.ID); err != nil || cert.Destroyed.Pending != 0 {
		t.Errorf("after the work: %+v %v", cert, err)
	}
	if err := b.EndEpoch(t.Context(), c.ID, "hnd_1", epoch, "superseded", false); err != nil {
		t.Errorf("the handoff ends later: %v", err)
	}
	b.audit()
	wantErr(t, "again", b.Erase(t.Context(), staff, c.ID, cases.EraseRequest{Rule: "request", Retained: true}), cases.ErrUnknown)
}
