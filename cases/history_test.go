package cases_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// walk drives one case through random actions. What it may refuse is any error of the rules; what must hold after each
// action is in holds.
type walk struct {
	*bench
	rnd    *rand.Rand
	id     string
	by     cases.Actor
	staff  []cases.Account
	log    []string
	erased bool
}

func (w *walk) did(name string, err error) {
	w.log = append(w.log, fmt.Sprintf("%s: %v", name, err))
	if err != nil && fault.KindOf(err) == fault.Internal {
		w.t.Fatalf("%s fails inside: %v\n%s", name, err, strings.Join(w.log, "\n"))
	}
}

func (w *walk) is() cases.Case {
	c, err := w.Get(context.Background(), w.id)
	if err != nil && (!w.erased || !errors.Is(err, cases.ErrUnknown)) {
		w.t.Fatalf("the case: %v\n%s", err, strings.Join(w.log, "\n"))
	}
	return c
}

func pick[T any](w *walk, all ...T) T { return all[w.rnd.IntN(len(all))] }

// forward does what leads on, so that walks get somewhere; false where nothing does.
func (w *walk) forward(c cases.Case) bool {
	ctx := w.t.Context()
	waits := slices.IndexFunc(c.Levels, func(l cases.Level) bool { return l.State.Waits() })
	open := slices.IndexFunc(c.Levels, func(l cases.Level) bool { return l.State == cases.Open || l.State == cases.Resubmit })
	switch {
	case waits >= 0 && w.rnd.IntN(2) == 0:
		d := cases.Decision{Level: waits + 1, Verdict: pick(w, cases.VerdictApprove, cases.VerdictApprove, cases.VerdictAgain, cases.VerdictReject)}
		code := "document.tampered"
		if d.Verdict == cases.VerdictAgain {
			code = []string{"data.name_mismatch", "document.blurred"}[min(waits, 1)]
		}
		if d.Verdict != cases.VerdictApprove {
			d.Reasons = []cases.Reason{{Code: code}}
			if code == "document.blurred" {
				d.Reasons[0].Step = cases.DocumentFront
			}
		}
		_, err := w.decides(w.staff[2], w.id, d)
		w.did(fmt.Sprintf("on: %s %d", d.Verdict, d.Level), err)
	case open < 0:
		return false
	case open == 0 && (c.Facts == nil || c.Levels[0].State == cases.Resubmit && w.rnd.IntN(2) == 0):
		_, err := w.answer(c, w.by, cases.ConsentIdentity, true)
		if err == nil {
			f := goodFacts()
			f.Document.ExpiresOn = pick(w, cases.LongTerm, w.now.AddDate(0, 0, 50).Format(time.DateOnly))
			_, err = w.PutIdentity(ctx, w.by, w.id, w.is().Version, f)
		}
		w.did("on: identity", err)
	default:
		for _, st := range c.Steps {
			if st.Level != open+1 || st.State == cases.Accepted || st.State == cases.Checked {
				continue
			}
			if st.Kind == cases.KindFace {
				_, err := w.answer(c, w.by, cases.ConsentFace, false)
				w.did("on: no face", err)
				return true
			}
			_, err := w.answer(c, w.by, cases.ConsentDocuments, true)
			if err == nil {
				seed := byte(1)
				if st.ID == cases.DocumentBack {
					seed = 2
				}
				var u string
				if u, err = w.take(w.id, st.ID, w.by, "ses_1", photo(seed)); err == nil {
					_, err = w.Accept(ctx, w.by, w.id, st.ID, u)
				}
			}
			w.did("on: photo of "+st.ID, err)
			return true
		}
		_, err := w.Submit(ctx, w.by, w.id, open+1, c.Version)
		w.did(fmt.Sprintf("on: submit %d", open+1), err)
	}
	return true
}

// act does one thing at random.
func (w *walk) act() {
	ctx := w.t.Context()
	c := w.is()
	if w.rnd.IntN(5) > 1 && w.forward(c) {
		if err := w.Work(ctx); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	level := 1 + w.rnd.IntN(3)
	switch n := w.rnd.IntN(100); {
	case n < 14:
		id := pick(w, cases.ConsentIdentity, cases.ConsentIdentity, cases.ConsentDocuments, cases.ConsentDocuments, cases.ConsentFace)
		given := w.rnd.IntN(5) > 0
		_, err := w.answer(c, w.by, id, given)
		w.did(fmt.Sprintf("consent %s %v", id, given), err)
	case n < 26:
		f := goodFacts()
		f.Document.ExpiresOn = pick(w, cases.LongTerm, "2027-02-01", "2026-12-01", "2020-01-01")
		if w.rnd.IntN(4) == 0 {
			f.ActingFor = cases.ActingFor{Who: cases.ForOther, Beneficiary: &cases.Somebody{Name: "李雷"}}
		}
		_, err := w.PutIdentity(ctx, w.by, w.id, c.Version, f)
		w.did("identity until "+f.Document.ExpiresOn, err)
	case n < 28:
		_, err := w.PutDraft(ctx, w.by, w.id, []byte(`{"name":"张"}`))
		w.did("draft", err)
	case n < 40:
		_, err := w.Submit(ctx, w.by, w.id, level, c.Version)
		w.did(fmt.Sprintf("submit %d", level), err)
	case n < 43:
		_, err := w.Reopen(ctx, w.by, w.id, c.Version)
		w.did("reopen", err)
	case n < 60:
		step := pick(w, cases.DocumentFront, cases.DocumentBack)
		seed := byte(1)
		if step == cases.DocumentBack {
			seed = 2
		}
		if w.rnd.IntN(6) == 0 {
			seed = 3 - seed
		}
		by, owner := w.by, "ses_1"
		if w.rnd.IntN(3) == 0 {
			by, owner = cases.Actor{Kind: cases.ByPhone, ID: "hnd_1", Epoch: c.HandoffEpoch}, "hnd_1"
		}
		u, err := w.take(w.id, step, by, owner, photo(seed))
		if err == nil && w.rnd.IntN(5) > 0 {
			_, err = w.Accept(ctx, by, w.id, step, u)
		}
		w.did("photo of "+step, err)
	case n < 63:
		_, err := w.RaiseEpoch(ctx, w.id, "takeback", w.by)
		w.did("take back", err)
	case n < 84:
		who := pick(w, w.staff[0], w.staff[1], w.staff[2], w.staff[2], w.staff[2])
		d := cases.Decision{Level: level, Verdict: pick(w, cases.VerdictApprove, cases.VerdictApprove, cases.VerdictApprove, cases.VerdictAgain, cases.VerdictReject), Note: "seen"}
		if d.Verdict != cases.VerdictApprove {
			d.Reasons = []cases.Reason{{Code: pick(w, "document.blurred", "data.name_mismatch", "document.tampered", "face.mismatch"), Step: pick(w, "", cases.DocumentFront, "face")}}
		}
		_, err := w.decides(who, w.id, d)
		w.did(fmt.Sprintf("%s %d %v", d.Verdict, level, d.Reasons), err)
	case n < 86:
		who := pick(w, w.staff...)
		_, err := w.Claim(ctx, who, w.id)
		if err == nil {
			_, err = pick(w, w.Escalate, w.Suspend)(ctx, who, w.id, level, "to be looked at")
		}
		w.did("escalate or suspend", err)
	case n < 88:
		_, err := w.Object(ctx, w.by, w.id, "please")
		w.did("object", err)
	case n < 90:
		err := w.Hold(ctx, cases.Actor{Kind: cases.ByStaff, ID: "acc_staff"}, w.id, w.rnd.IntN(2) == 0, "because")
		w.did("hold", err)
	case n == 90 && w.rnd.IntN(4) == 0:
		erased, err := w.RequestErasure(ctx, w.by, w.id, false)
		w.erased = w.erased || erased
		w.did(fmt.Sprintf("erasure (%v)", erased), err)
	default:
		d := pick(w, time.Second, time.Minute, time.Hour, 25*time.Hour, 12*24*time.Hour)
		w.pass(d)
		w.log = append(w.log, "wait "+d.String())
	}
	for range 1 + w.rnd.IntN(3) {
		if err := w.Work(ctx); err != nil {
			w.t.Fatal(err)
		}
	}
}

// holds fails the test unless everything is true that always is.
func (w *walk) holds() {
	w.t.Helper()
	bad := func(format string, args ...any) {
		w.t.Helper()
		w.t.Fatalf(format+"\n%s", append(args, strings.Join(w.log, "\n"))...)
	}
	d, err := w.store.Case(w.t.Context(), w.id)
	if err != nil {
		bad("read: %v", err)
	}
	w.erased = w.erased || d.Erased() // abandoned
	events, err := w.Events(w.t.Context(), w.id, 0, 10_000)
	if err != nil {
		bad("events: %v", err)
	}
	if err := cases.VerifyHistory(events, d.History); err != nil {
		bad("%v", err)
	}

	// The history alone tells every state of every level, each by a step that the table has.
	replayed := []cases.LevelState{cases.Locked, cases.Locked, cases.Locked}
	consents := map[string]string{}
	for _, e := range events {
		if id, ok := e.Data["consent"]; ok {
			consents[id] = strings.TrimPrefix(e.Event, "consent_")
		}
		to, ok := strings.CutPrefix(e.Event, "level_")
		if !ok {
			continue
		}
		from := replayed[e.Level-1]
		if !cases.Follows(from, cases.LevelState(to)) {
			bad("entry %d takes level %d from %s to %s", e.N, e.Level, from, to)
		}
		replayed[e.Level-1] = cases.LevelState(to)
		switch cases.LevelState(to) {
		case cases.Approved: // never before those below it
			for n := range e.Level - 1 {
				if replayed[n] != cases.Approved {
					bad("level %d is approved while level %d is %s", e.Level, n+1, replayed[n])
				}
			}
		case cases.Rejected, cases.Revoked:
			if !slices.ContainsFunc(e.Reasons, func(code string) bool { r, _ := cases.ReasonByCode(code); return r.Type == cases.FinalReason }) {
				bad("level %d is refused for %v", e.Level, e.Reasons)
			}
		case cases.Resubmit:
			if !slices.ContainsFunc(e.Reasons, func(code string) bool { r, _ := cases.ReasonByCode(code); return r.Type == cases.RedoReason }) {
				bad("level %d is sent back for %v", e.Level, e.Reasons)
			}
		}
	}
	attained := 0
	for i, l := range d.Levels {
		if l.State != replayed[i] {
			bad("level %d is %s, its history says %s", l.Level, l.State, replayed[i])
		}
		if l.State == cases.Approved && attained == i {
			attained++
		}
	}
	if d.Level != attained {
		bad("level %d is attained, the case says %d", attained, d.Level)
	}
	w.bytesHold(d, bad)
	if d.Erased() {
		if len(d.WrappedKey) > 0 || len(d.Steps) > 0 || d.Identity != nil {
			bad("erased, and still there: %+v", d)
		}
		return
	}

	for _, a := range d.Consents {
		if consents[a.ID] != string(a.State) {
			bad("consent %s is %s, its history says %s", a.ID, a.State, consents[a.ID])
		}
	}
	kinds := map[string]int{}
	for _, j := range d.Jobs {
		kinds[j.Kind]++
	}
	if kinds[cases.JobRetain] > 1 || kinds[cases.JobLapse] > 1 {
		bad("jobs %v", kinds)
	}
	for _, st := range d.Steps {
		l := d.Levels[st.Level-1].State
		kept := slices.ContainsFunc(st.Takes, func(t cases.Take) bool { return t.State == cases.TakeAccepted })
		switch {
		case l == cases.Locked && len(st.Takes) > 0:
			bad("step %s has takes while its level is locked", st.ID)
		case l != cases.Approved && l != cases.Suspended && l != cases.Revoked &&
			(st.State == cases.Accepted || st.State == cases.Checked) != (kept || st.Alternative == cases.NothingTaken):
			bad("step %s is %s, something is kept: %v", st.ID, st.State, kept)
		case (l == cases.Submitted || l == cases.Checking || l == cases.InReview) && st.State != cases.Accepted && st.State != cases.Checked:
			bad("step %s is %s while its level is %s", st.ID, st.State, l)
		case l == cases.Resubmit && st.State == cases.Failed && len(st.Reasons) == 0:
			bad("step %s is to do again without a reason", st.ID)
		}
	}
}

// bytesHold is the rule that no bytes are forgotten: those of each upload are in the case, destroyed, or about to be.
func (w *walk) bytesHold(d cases.Document, bad func(string, ...any)) {
	w.t.Helper()
	known := map[string]int{}
	for _, st := range d.Steps {
		for _, t := range st.Takes {
			known[t.UploadID]++
		}
	}
	for _, old := range d.Superseded {
		for _, st := range old.Steps {
			for _, t := range st.Takes {
				known[t.UploadID]++
			}
		}
	}
	w.mu.Lock()
	for _, u := range w.destroyed {
		if known[u] > 0 {
			bad("%s is destroyed and still in the case", u)
		}
		known[u] = 1
	}
	w.mu.Unlock()
	for _, j := range d.Jobs {
		for _, u := range j.Uploads {
			if known[u] > 0 && j.State == cases.JobQueued && j.Attempts == 0 {
				bad("%s is about to be destroyed and known otherwise", u)
			}
			known[u]++
		}
	}
	events, err := w.Events(w.t.Context(), w.id, 0, 10_000)
	if err != nil {
		bad("events: %v", err)
	}
	for _, e := range events {
		if id := e.Data["media_id"]; id != "" && known[cases.UploadID(id)] == 0 {
			bad("%s is forgotten", id)
		}
	}
}

// Whatever people, phones, reviewers and time do to a case, in whatever order, what always holds holds, and
// its history tells the whole of it.
func TestRandomHistoriesKeepTheRules(t *testing.T) {
	policy := policyWith(t,
		"level_2: [documents]", "level_2: [documents, face]", "  level_2: 0", "  level_2: 40", "customer_level: 1", "customer_level: 2")
	reached := map[string]int{}
	for seed := range uint64(4) {
		b := &bench{
			t: t, path: t.TempDir() + "/cases.db", keys: seal.NewKeyring(seal.NewKey()),
			now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), evidence: map[string][]byte{}, policy: policy,
		}
		b.open()
		w := &walk{bench: b, rnd: rand.New(rand.NewPCG(seed, 7)), by: cases.Actor{Kind: cases.ByApplicant, ID: "acc_1"}, log: []string{fmt.Sprint("seed ", seed)}}
		for i, role := range []string{cases.Reviewer, cases.Supervisor, cases.Supervisor} {
			w.staff = append(w.staff, cases.Account{ID: fmt.Sprintf("acc_staff%d", i), Roles: []string{role}})
		}
		c, err := b.Create(t.Context(), cases.Account{ID: "acc_1"}, cases.Person)
		if err != nil {
			t.Fatal(err)
		}
		w.id = c.ID
		for _, id := range []string{cases.ConsentIdentity, cases.ConsentDocuments, cases.ConsentFace} {
			b.answered(c, w.by, id, id != cases.ConsentFace)
		}
		for range 45 {
			w.act()
			w.holds()
			if w.erased {
				reached["erased"]++
				break
			}
		}
		d, _ := b.store.Case(t.Context(), w.id)
		events, _ := b.Events(t.Context(), w.id, 0, 10_000)
		for _, e := range events {
			if strings.HasPrefix(e.Event, "level_") {
				reached[fmt.Sprintf("%s %d", e.Event, e.Level)]++
			}
		}
		if !d.RestrictedAt.IsZero() {
			reached["restricted"]++
		}
	}
	// A walk that never gets anywhere shows nothing.
	for _, want := range []string{"level_approved 1", "level_approved 2", "level_resubmit 2", "level_rejected 2", "level_in_review 2", "level_locked 2"} {
		if reached[want] == 0 {
			t.Errorf("no walk came to %s: %v", want, reached)
		}
	}
	t.Log(reached)
}
