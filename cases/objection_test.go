package cases_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// reviewer is a member of staff who may decide.
func (b *bench) reviewer() cases.Account {
	b.t.Helper()
	a, err := b.SignUp(b.t.Context(), newUpload()+"@staff.example.com", goodPassword, cases.Supervisor)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// decides takes a case, looks at everything in it and decides a level.
func (b *bench) decides(who cases.Account, id string, d cases.Decision) (cases.Case, error) {
	b.t.Helper()
	if _, err := b.Claim(b.t.Context(), who, id); err != nil {
		return cases.Case{}, err
	}
	by := cases.Actor{Kind: cases.ByStaff, ID: who.ID}
	if err := b.LookOnce(b.t.Context(), id, by, cases.LookCase, ""); err != nil {
		return cases.Case{}, err
	}
	all, err := b.RequiredLooks(b.t.Context(), who, b.get(id))
	if err != nil {
		return cases.Case{}, err
	}
	for _, r := range all {
		for _, m := range r.MediaID {
			if err := b.LookOnce(b.t.Context(), id, by, cases.LookMedia, m); err != nil {
				return cases.Case{}, err
			}
		}
	}
	c, _, err := b.Decide(b.t.Context(), who, id, b.get(id).Version, d)
	return c, err
}

// inReview is a case whose photos wait for a reviewer.
func (b *bench) inReview() (cases.Case, cases.Actor) {
	b.t.Helper()
	_, c, by := b.applicant()
	b.levelOne(c, by)
	for _, st := range b.get(c.ID).Steps {
		switch st.ID {
		case cases.DocumentFront:
			b.keep(c.ID, st.ID, by, "ses_1", photo(1))
		case cases.DocumentBack:
			b.keep(c.ID, st.ID, by, "ses_1", photo(2))
		case cases.Face:
			b.answered(c, by, cases.ConsentFace, false)
		}
	}
	c, err := b.Submit(b.t.Context(), by, c.ID, 2, b.get(c.ID).Version)
	if err != nil {
		b.t.Fatal(err)
	}
	b.work()
	if c = b.get(c.ID); c.Levels[1].State != cases.InReview {
		b.t.Fatalf("%s, %v", states(c), c.Levels[1].Reasons)
	}
	return c, by
}

func TestARefusalIsLookedAtAgainOnce(t *testing.T) {
	b := newBench(t)
	who := b.reviewer()
	c, by := b.inReview()
	_, err := b.Object(t.Context(), by, c.ID, "")
	wantErr(t, "before there is anything", err, cases.ErrNotRefused)
	reject := cases.Decision{Level: 2, Verdict: cases.VerdictReject, Reasons: []cases.Reason{{Code: "document.tampered", Step: cases.DocumentFront}}}
	if c, err = b.decides(who, c.ID, reject); err != nil {
		t.Fatal(err)
	}
	if !c.MayObject(2) || c.MayObject(1) {
		t.Errorf("may object to 2: %v, to 1: %v", c.MayObject(2), c.MayObject(1))
	}
	for name, text := range map[string]string{"too long": strings.Repeat("字", 2001), "a control character": "a\x00b", "no UTF-8": "\xff"} {
		_, err := b.Object(t.Context(), by, c.ID, text)
		wantErr(t, name, err, cases.ErrObjectionText)
	}
	const text = "这是我本人的证件\n请再看一次"
	if c, err = b.Object(t.Context(), by, c.ID, "  "+text+" "); err != nil {
		t.Fatal(err)
	}
	if states(c) != "approved in_review locked" || c.MayObject(2) {
		t.Errorf("%s, may object again: %v", states(c), c.MayObject(2))
	}
	said, at, ok, err := b.Objection(c, 2)
	if err != nil || !ok || said != text || !at.Equal(b.now) {
		t.Errorf("%q at %v, %v, %v", said, at, ok, err)
	}
	if _, _, ok, err := b.Objection(c, 1); ok || err != nil {
		t.Errorf("of Level 1: %v, %v", ok, err)
	}
	// The answer to it is final.
	if c, err = b.decides(b.reviewer(), c.ID, reject); err != nil {
		t.Fatal(err)
	}
	_, err = b.Object(t.Context(), by, c.ID, text)
	wantErr(t, "again", err, cases.ErrObjected)
}

func TestWhoDeclinesAFaceIsLeftToAPerson(t *testing.T) {
	b := newBench(t)
	b.policy = policyWith(t, "level_2: [documents]", "level_2: [documents, face]")
	b.open()
	c, _ := b.inReview()
	i := slices.IndexFunc(c.Steps, func(st cases.Step) bool { return st.ID == cases.Face })
	if i < 0 {
		t.Fatal("Level 2 asks for no face")
	}
	if st := c.Steps[i]; st.State != cases.Checked && st.State != cases.Accepted || st.Alternative != cases.NothingTaken || len(st.Takes) > 0 {
		t.Errorf("step %+v", st)
	}
	// Even where rules would approve: somebody has to.
	b.policy = policyWith(t, "level_2: [documents]", "level_2: [documents, face]", "  level_2: person", "  level_2: rules")
	b.open()
	c, _ = b.inReview()
	who := b.reviewer()
	for level := 1; level <= 2; level++ { // Level 1 waits, because the document stands in two cases by now
		var err error
		if c, err = b.decides(who, c.ID, cases.Decision{Level: level, Verdict: cases.VerdictApprove}); err != nil {
			t.Fatal(err)
		}
	}
	if c.Level != 2 {
		t.Errorf("level %d", c.Level)
	}

	// Given after all, the step is to do; declined again, it is not.
	_, c, by := b.applicant()
	b.levelOne(c, by)
	for _, given := range []bool{false, true, false} {
		c = b.answered(c, by, cases.ConsentFace, given)
		want := cases.Accepted
		if given {
			want = cases.Todo
		}
		if got := c.Steps[i].State; got != want {
			t.Errorf("given %v: %s", given, got)
		}
	}
}

func TestALevelLapsesByThePolicysDaysAndKeepsItsRecords(t *testing.T) {
	b := newBench(t)
	b.policy = policyWith(t, "level_2: 0", "level_2: 90")
	b.open()
	c, by := b.inReview()
	c, err := b.decides(b.reviewer(), c.ID, cases.Decision{Level: 2, Verdict: cases.VerdictApprove})
	if err != nil || c.Level != 2 {
		t.Fatalf("level %d, %v", c.Level, err)
	}
	front := c.Steps[0].Takes[0].UploadID
	b.pass(90*24*time.Hour - time.Second)
	b.work()
	if got := b.get(c.ID).Level; got != 2 {
		t.Errorf("a second before: %d", got)
	}
	b.pass(time.Second)
	b.work()
	c = b.get(c.ID)
	if !strings.HasPrefix(states(c), "approved resubmit locked") || c.Level != 1 {
		t.Fatalf("after it: %s, level %d", states(c), c.Level)
	}
	for _, st := range c.Steps {
		if st.Level != 2 {
			continue
		}
		again := st.State == cases.Failed && len(st.Reasons) == 1 && st.Reasons[0].Code == "level.expired" && len(st.Takes) == 0
		if nothing := st.Alternative == cases.NothingTaken && st.State == cases.Accepted; !again && !nothing {
			t.Errorf("step %+v", st)
		}
	}
	if slices.Contains(b.destroyed, front) || len(c.Superseded) != 1 || len(c.Superseded[0].Steps) == 0 {
		t.Errorf("kept %+v, destroyed %v", c.Superseded, b.destroyed)
	}
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(3))

	// Erased, they go with it.
	if err := b.Erase(t.Context(), by, c.ID, cases.EraseRequest{Rule: "request", Retained: true}); err != nil {
		t.Fatal(err)
	}
	b.work()
	if !slices.Contains(b.destroyed, front) {
		t.Error("what was kept of the lapsed approval is still there")
	}
}
