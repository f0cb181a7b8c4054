package cases_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/checks/checkstest"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

const goodPassword = "correct horse battery"

// bench is a case service on a real store, with a clock and evidence that the test holds.
type bench struct {
	*cases.Service
	t     *testing.T
	store *casesqlite.Store
	path  string
	keys  *seal.Keyring

	policy cases.Policy // for open; casetest.Photos where it has no version
	reader cases.Reader // the same

	mu        sync.Mutex
	now       time.Time
	evidence  map[string][]byte
	broken    error // of opening evidence
	destroyed []string
	changed   int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, path: filepath.Join(t.TempDir(), "cases.db"), keys: seal.NewKeyring(seal.NewKey()),
		now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), evidence: map[string][]byte{},
	}
	b.open()
	return b
}

func (b *bench) open() {
	b.t.Helper()
	store, err := casesqlite.Open(b.t.Context(), b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { store.Close() })
	b.store = store
	if b.policy.Version == "" {
		b.policy = casetest.Photos()
	}
	b.Service, err = cases.New(b.t.Context(), cases.Config{
		Store: store, History: store, Accounts: store, Keys: b.keys,
		Now:     func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
		Changed: func(context.Context, string) { b.mu.Lock(); defer b.mu.Unlock(); b.changed++ },
		Evidence: func(_ context.Context, id string) (cases.Evidence, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.broken != nil {
				return nil, b.broken
			}
			return file{bytes.NewReader(b.evidence[id])}, nil
		},
		Policy: b.policy, Reader: b.reader,
		Destroy: func(_ context.Context, id string) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.destroyed = append(b.destroyed, id)
			return nil
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

type file struct{ *bytes.Reader }

func (f file) Size() int64  { return f.Reader.Size() }
func (f file) Close() error { return nil }

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// work does everything that is due.
func (b *bench) work() {
	b.t.Helper()
	for range 3 { // a job may queue another one
		if err := b.Work(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) applicant() (cases.Account, cases.Case, cases.Actor) {
	b.t.Helper()
	a, err := b.SignUp(b.t.Context(), fmt.Sprintf("a%d@example.com", time.Now().UnixNano()), goodPassword)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.Create(b.t.Context(), a, cases.Person)
	if err != nil {
		b.t.Fatal(err)
	}
	return a, casetest.Agree(b.t, b.Service, c), cases.Actor{Kind: cases.ByApplicant, ID: a.ID}
}

func goodFacts() cases.Identity {
	return cases.Identity{
		Nationality: "CHN",
		Document:    cases.DocumentFacts{Type: cases.CNResidentID, Number: "110105 19491231 002x", IssuedOn: "2010-01-01", ExpiresOn: cases.LongTerm},
		Name:        "张三", BirthDate: "1949-12-31", Sex: "female", Address: "北京市朝阳区建国路 1 号",
		ActingFor: cases.ActingFor{Who: "self"},
	}
}

// levelOne brings a case to an approved Level 1.
func (b *bench) levelOne(c cases.Case, by cases.Actor) cases.Case {
	b.t.Helper()
	c, err := b.PutIdentity(b.t.Context(), by, c.ID, c.Version, goodFacts())
	if err != nil {
		b.t.Fatal(err)
	}
	if c, err = b.Submit(b.t.Context(), by, c.ID, 1, c.Version); err != nil {
		b.t.Fatal(err)
	}
	b.work()
	return b.get(c.ID)
}

func (b *bench) get(id string) cases.Case {
	b.t.Helper()
	c, err := b.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// photo is a good photo of a card that is drawn differently for each seed: its front for odd ones, its back for even ones.
func photo(seed byte) []byte {
	side := checkstest.Front
	if seed%2 == 0 {
		side = checkstest.Back
	}
	return checkstest.Evidence(checkstest.Document{Side: side, Seed: uint64(seed)})
}

var uploads int

func newUpload() string { uploads++; return fmt.Sprintf("upl_%026d", uploads) }

// take begins and stores a take.
func (b *bench) take(id, step string, by cases.Actor, owner string, bytes []byte) (string, error) {
	u := newUpload()
	channel := "desk"
	if by.Kind == cases.ByPhone {
		channel = "phone"
	}
	_, _, err := b.BeginTake(b.t.Context(), by, id, cases.TakeRequest{UploadID: u, Step: step, Channel: channel, Owner: owner, Length: int64(len(bytes))})
	if err != nil {
		return u, err
	}
	b.mu.Lock()
	b.evidence[u] = bytes
	b.mu.Unlock()
	sum := sha256.Sum256(bytes)
	_, err = b.TakeStored(b.t.Context(), id, u, int64(len(bytes)), sum[:], bytes[:min(len(bytes), 512)])
	return u, err
}

func (b *bench) keep(id, step string, by cases.Actor, owner string, bytes []byte) string {
	b.t.Helper()
	u, err := b.take(id, step, by, owner, bytes)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.Accept(b.t.Context(), by, id, step, u); err != nil {
		b.t.Fatal(err)
	}
	return u
}

func states(c cases.Case) string {
	var s []string
	for _, l := range c.Levels {
		s = append(s, string(l.State))
	}
	return strings.Join(s, " ")
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestACaseGoesFromSignUpToReview(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	if got := states(c); got != "open locked locked" || c.State != cases.Collecting || c.Level != 0 {
		t.Fatalf("new case: %s, %s, level %d", got, c.State, c.Level)
	}
	c = b.levelOne(c, by)
	if got := states(c); got != "approved open locked" || c.State != cases.Collecting || c.Level != 1 {
		t.Fatalf("after Level 1: %s, %s, level %d", got, c.State, c.Level)
	}
	if c.Facts.Document.Number != "11010519491231002X" || c.Facts.Name != "张三" {
		t.Errorf("facts are not as normalised: %+v", c.Facts.Document.Number)
	}
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(11))
	if _, err := b.Submit(t.Context(), by, c.ID, 2, b.get(c.ID).Version); !errors.Is(err, cases.ErrStepsIncomplete) {
		t.Errorf("one side only: %v", err)
	}
	b.keep(c.ID, cases.DocumentBack, by, "ses_1", photo(200))
	c, err := b.Submit(t.Context(), by, c.ID, 2, b.get(c.ID).Version)
	if err != nil || c.State != cases.Checking {
		t.Fatalf("submit: %v, %s", err, c.State)
	}
	b.work()
	c = b.get(c.ID)
	if got := states(c); got != "approved in_review locked" || c.State != cases.InReview || c.Level != 1 {
		t.Errorf("at the end: %s, %s, level %d", got, c.State, c.Level)
	}
	b.checkHistory(c.ID)
}

// checkHistory verifies the chain and that it tells the same as the case.
func (b *bench) checkHistory(id string) []cases.Entry {
	b.t.Helper()
	var all []cases.Entry
	for {
		page, err := b.Events(b.t.Context(), id, int64(len(all)), 3)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, page...)
		if len(page) == 0 {
			break
		}
	}
	c := b.get(id)
	if err := cases.VerifyHistory(all, c.History); err != nil {
		b.t.Fatal(err)
	}
	replayed := map[int]string{1: "locked", 2: "locked", 3: "locked"}
	for _, e := range all {
		if s, ok := strings.CutPrefix(e.Event, "level_"); ok {
			replayed[e.Level] = s
		}
	}
	for _, l := range c.Levels {
		if replayed[l.Level] != string(l.State) {
			b.t.Errorf("history says level %d is %s, the case says %s", l.Level, replayed[l.Level], l.State)
		}
	}
	return all
}

func TestHistoryThatWasChangedIsFound(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	all := b.checkHistory(c.ID)
	head := b.get(c.ID).History
	for name, spoil := range map[string]func([]cases.Entry) []cases.Entry{
		"actor":     func(e []cases.Entry) []cases.Entry { e[1].Actor.ID = "acc_x"; return e },
		"time":      func(e []cases.Entry) []cases.Entry { e[0].At = e[0].At.Add(time.Millisecond); return e },
		"removed":   func(e []cases.Entry) []cases.Entry { return slices.Delete(e, 1, 2) },
		"cut":       func(e []cases.Entry) []cases.Entry { return e[:len(e)-1] },
		"exchanged": func(e []cases.Entry) []cases.Entry { e[0], e[1] = e[1], e[0]; return e },
	} {
		if err := cases.VerifyHistory(spoil(slices.Clone(all)), head); !errors.Is(err, cases.ErrHistoryBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryBadFieldIsNamed(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	for name, row := range map[string]struct {
		edit func(*cases.Identity)
		want string // field code, comma separated
	}{
		"good":              {func(*cases.Identity) {}, ""},
		"check character":   {func(f *cases.Identity) { f.Document.Number = "110105194912310021" }, "document.number document_number_check"},
		"impossible date":   {func(f *cases.Identity) { f.Document.Number = "110105190002290017" }, "document.number document_number_date"},
		"form":              {func(f *cases.Identity) { f.Document.Number = "42" }, "document.number document_number_form"},
		"passport of a CHN": {func(f *cases.Identity) { f.Document.Type = cases.Passport; f.Document.ExpiresOn = "2030-01-01" }, "document.type document.type_not_allowed_for_nationality"},
		"birth date":        {func(f *cases.Identity) { f.BirthDate = "1949-12-30" }, "birth_date birth_date_mismatch"},
		"sex":               {func(f *cases.Identity) { f.Sex = "male" }, "sex sex_mismatch"},
		"expired yesterday": {func(f *cases.Identity) { f.Document.ExpiresOn = "2026-11-22" }, "document.expires_on document_expired"},
		"expires today":     {func(f *cases.Identity) { f.Document.ExpiresOn = "2026-11-23" }, ""},
		"order":             {func(f *cases.Identity) { f.Document.IssuedOn = "2026-11-23"; f.Document.ExpiresOn = "2026-11-23" }, "document.expires_on date_order"},
		"issued tomorrow":   {func(f *cases.Identity) { f.Document.IssuedOn = "2026-11-24" }, "document.issued_on date_in_future"},
		"no such day":       {func(f *cases.Identity) { f.Document.ExpiresOn = "2027-02-30" }, "document.expires_on date_invalid"},
		"country":           {func(f *cases.Identity) { f.Nationality = "XYZ" }, "nationality nationality_unknown, document.type document.type_not_allowed_for_nationality"},
		"name":              {func(f *cases.Identity) { f.Name = "<script>" }, "name text_characters"},
		"no name":           {func(f *cases.Identity) { f.Name = "  " }, "name required"},
		"control character": {func(f *cases.Identity) { f.Address = "somewhere\x00else" }, "address text_characters"},
		"direction trick":   {func(f *cases.Identity) { f.Name = "abc\u202edef" }, "name text_characters"},
		"long":              {func(f *cases.Identity) { f.Address = strings.Repeat("长", 301) }, "address text_too_long"},
		"for somebody else": {func(f *cases.Identity) { f.ActingFor.Who = "other" }, "acting_for.beneficiary required"},
		"a child": {func(f *cases.Identity) {
			f.Document.Number, f.BirthDate, f.Sex = "110105200802291233", "2008-02-29", ""
		},
			""}, // 18 since 1 March 2026
		"two": {func(f *cases.Identity) { f.Name, f.Address = "", "x" }, "name required, address text_too_short"},
	} {
		f := goodFacts()
		row.edit(&f)
		got, err := b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, f)
		if row.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != fault.Invalid {
			t.Errorf("%s: %v, %d", name, err, got.Version)
			continue
		}
		var have []string
		for _, f := range e.Fields {
			have = append(have, f.Field+" "+f.Code)
		}
		if s := strings.Join(have, ", "); s != row.want {
			t.Errorf("%s: %s, want %s", name, s, row.want)
		}
	}
}

func TestTheDayChangesAtMidnightInChina(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	f := goodFacts()
	f.Document.Number, f.BirthDate, f.Sex = "110105200802291233", "2008-02-29", ""
	b.now = time.Date(2026, 2, 28, 15, 59, 59, 0, time.UTC)
	var e *fault.Error
	if _, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f); !errors.As(err, &e) || e.Fields[0].Code != "age_under_minimum" {
		t.Errorf("a second before the birthday: %v", err)
	}
	b.pass(time.Second)
	if _, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f); err != nil {
		t.Errorf("on the birthday: %v", err)
	}
}

func TestForeignersUseTheirPassport(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	f := goodFacts()
	f.Nationality, f.Name, f.Sex = "FRA", "Marie Dupont", ""
	f.Document = cases.DocumentFacts{Type: cases.Passport, Number: "12ab34567", ExpiresOn: "2030-01-01"}
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Steps) != 1 || c.Steps[0].ID != cases.DocumentPage || c.Facts.Document.Number != "12AB34567" {
		t.Errorf("steps %+v, number %s", c.Steps, c.Facts.Document.Number)
	}
}

func TestChangesNeedTheCurrentVersion(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	if _, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, goodFacts()); err != nil {
		t.Fatal(err)
	}
	_, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, goodFacts())
	wantErr(t, "an old version", err, cases.ErrStaleVersion)
	_, err = b.Submit(t.Context(), by, c.ID, 1, c.Version)
	wantErr(t, "an old version", err, cases.ErrStaleVersion)
	c = b.get(c.ID)
	_, err = b.Submit(t.Context(), by, c.ID, 2, c.Version)
	wantErr(t, "a locked level", err, cases.ErrLevelNotOpen)
	_, err = b.Submit(t.Context(), by, c.ID, 3, c.Version)
	wantErr(t, "a level that is not offered", err, cases.ErrLevelUnknown)
	if c, err = b.Submit(t.Context(), by, c.ID, 1, c.Version); err != nil {
		t.Fatal(err)
	}
	_, err = b.PutIdentity(t.Context(), by, c.ID, c.Version, goodFacts())
	wantErr(t, "after submit", err, cases.ErrLevelNotOpen)
}

func TestManyWritersOfOneCaseLoseNothing(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	var wg sync.WaitGroup
	const writers = 16
	for range writers {
		wg.Go(func() {
			if _, err := b.RaiseEpoch(t.Context(), c.ID, "offer", by); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := b.get(c.ID).HandoffEpoch; got != writers {
		t.Errorf("epoch %d after %d raises", got, writers)
	}
	b.work()
	b.checkHistory(c.ID)
}

// Nobody is told of the end of a handoff that its store lost.
func TestTakesOfALostHandoffEndWithTheNextOffer(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	offer := func() int64 {
		epoch, err := b.RaiseEpoch(t.Context(), c.ID, "offer", by)
		if err != nil {
			t.Fatal(err)
		}
		return epoch
	}
	phone := cases.Actor{Kind: cases.ByPhone, ID: "hnd_1", Epoch: offer()}
	kept := b.keep(c.ID, cases.DocumentFront, phone, "hnd_1", photo(1))
	lost, err := b.take(c.ID, cases.DocumentBack, phone, "hnd_1", photo(2))
	if err != nil {
		t.Fatal(err)
	}
	mine, err := b.take(c.ID, cases.DocumentFront, by, "ses_1", photo(3))
	if err != nil {
		t.Fatal(err)
	}
	offer()
	b.work()
	if !slices.Equal(b.destroyed, []string{lost}) {
		t.Errorf("destroyed %v, want %v", b.destroyed, lost)
	}
	c = b.get(c.ID)
	for _, id := range []string{kept, mine} {
		if _, _, err := c.FindTake(id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if st, _, err := c.FindTake(kept); err != nil || st.State != cases.Accepted {
		t.Errorf("the kept step: %+v, %v", st, err)
	}
}

func TestTakesOfAPhoneEndWithItsEpoch(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	epoch, err := b.RaiseEpoch(t.Context(), c.ID, "offer", by)
	if err != nil {
		t.Fatal(err)
	}
	phone := cases.Actor{Kind: cases.ByPhone, ID: "hnd_1", Epoch: epoch}
	kept := b.keep(c.ID, cases.DocumentFront, phone, "hnd_1", photo(1))
	lost, err := b.take(c.ID, cases.DocumentBack, phone, "hnd_1", photo(2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.RaiseEpoch(t.Context(), c.ID, "takeback", by); err != nil {
		t.Fatal(err)
	}
	_, err = b.take(c.ID, cases.DocumentBack, phone, "hnd_1", photo(2))
	wantErr(t, "a take of an old epoch", err, cases.ErrStaleEpoch)
	_, err = b.Accept(t.Context(), phone, c.ID, cases.DocumentBack, lost)
	wantErr(t, "keeping in an old epoch", err, cases.ErrStaleEpoch)
	_, _, err = b.SubmitSteps(t.Context(), phone, c.ID, []string{cases.DocumentFront})
	wantErr(t, "submitting in an old epoch", err, cases.ErrStaleEpoch)
	for range 2 {
		if err := b.EndEpoch(t.Context(), c.ID, "hnd_1", epoch, "cancelled", false); err != nil {
			t.Fatal(err)
		}
	}
	b.work()
	if !slices.Equal(b.destroyed, []string{lost}) {
		t.Errorf("destroyed %v, want %v", b.destroyed, lost)
	}
	c = b.get(c.ID)
	if _, take, err := c.FindTake(kept); err != nil || take.State != cases.TakeAccepted {
		t.Errorf("the kept take: %+v, %v", take, err)
	}
	for _, st := range c.Steps {
		if want := map[string]cases.StepState{cases.DocumentFront: cases.Accepted, cases.DocumentBack: cases.Todo}[st.ID]; st.State != want {
			t.Errorf("%s is %s, want %s", st.ID, st.State, want)
		}
	}
	ends := 0
	for _, e := range b.checkHistory(c.ID) {
		if e.Event == "handoff_ended" {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("%d ends in the history, want 1", ends)
	}
}

func TestTakesThatNobodyKeepsAreDestroyedInTime(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	kept := b.keep(c.ID, cases.DocumentBack, by, "ses_1", photo(2))
	stored, err := b.take(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	if err != nil {
		t.Fatal(err)
	}
	b.pass(time.Hour)
	open := newUpload()
	if _, _, err := b.BeginTake(t.Context(), by, c.ID, cases.TakeRequest{UploadID: open, Step: cases.DocumentFront, Channel: "desk", Owner: "ses_1", Length: 9}); err != nil {
		t.Fatal(err)
	}
	b.pass(23*time.Hour - time.Second)
	b.work()
	if len(b.destroyed) != 0 {
		t.Fatalf("destroyed too early: %v", b.destroyed)
	}
	b.pass(time.Second)
	b.work()
	if !slices.Equal(b.destroyed, []string{stored}) {
		t.Fatalf("destroyed %v, want %v", b.destroyed, stored)
	}
	b.pass(time.Hour)
	b.work()
	if !slices.Equal(b.destroyed, []string{stored, open}) || slices.Contains(b.destroyed, kept) {
		t.Errorf("destroyed %v, want %v and %v", b.destroyed, stored, open)
	}
	if left := b.get(c.ID).Jobs; len(left) != 0 {
		t.Errorf("jobs left: %+v", left)
	}
}

func TestAcceptChecksWhatIsKept(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	front, err := b.take(c.ID, cases.DocumentFront, by, "ses_1", photo(1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Accept(t.Context(), by, c.ID, cases.DocumentBack, front)
	wantErr(t, "for another step", err, cases.ErrNotForStep)
	_, err = b.Accept(t.Context(), by, c.ID, cases.DocumentFront, "upl_unknown")
	wantErr(t, "unknown", err, cases.ErrNotForStep)
	fake, err := b.take(c.ID, cases.DocumentFront, by, "ses_1", []byte("\xff\xd8\xff this is not a photo"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Accept(t.Context(), by, c.ID, cases.DocumentFront, fake)
	wantErr(t, "a JPEG that is not one", err, cases.ErrPhotoUnreadable)
	_, err = b.take(c.ID, cases.DocumentFront, by, "ses_1", []byte("<svg/>"))
	wantErr(t, "another type", err, cases.ErrFiletype)
	if _, err = b.Accept(t.Context(), by, c.ID, cases.DocumentFront, front); err != nil {
		t.Fatal(err)
	}
	if _, err = b.Accept(t.Context(), by, c.ID, cases.DocumentFront, front); err != nil {
		t.Errorf("again: %v", err)
	}
	newer := b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(3))
	b.work()
	if slices.Contains(b.destroyed, newer) || !slices.Contains(b.destroyed, front) || !slices.Contains(b.destroyed, fake) {
		t.Errorf("destroyed %v; kept %s instead of %s", b.destroyed, newer, front)
	}
}

func TestTakesAreBounded(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	begin := func(r cases.TakeRequest) error {
		r.UploadID, r.Owner = newUpload(), "ses_1"
		_, _, err := b.BeginTake(t.Context(), by, c.ID, r)
		return err
	}
	wantErr(t, "before the level is open", begin(cases.TakeRequest{Step: cases.DocumentFront, Channel: "desk", Length: 9}), cases.ErrLevelNotOpen)
	b.levelOne(c, by)
	wantErr(t, "step", begin(cases.TakeRequest{Step: "face", Channel: "desk", Length: 9}), cases.ErrStepUnknown)
	wantErr(t, "channel", begin(cases.TakeRequest{Step: cases.DocumentFront, Channel: "fax", Length: 9}), cases.ErrChannel)
	wantErr(t, "size", begin(cases.TakeRequest{Step: cases.DocumentFront, Channel: "desk", Length: 13 << 20}), cases.ErrTakeTooLarge)
	wantErr(t, "type", begin(cases.TakeRequest{Step: cases.DocumentFront, Channel: "desk", Length: 9, Filetype: "video/mp4"}), cases.ErrFiletype)
	for range 3 {
		if err := begin(cases.TakeRequest{Step: cases.DocumentFront, Channel: "desk", Length: -1}); err != nil {
			t.Fatal(err)
		}
	}
	wantErr(t, "a fourth open take", begin(cases.TakeRequest{Step: cases.DocumentFront, Channel: "desk", Length: 9}), cases.ErrTooManyTakes)
	b.pass(24 * time.Hour)
	if err := begin(cases.TakeRequest{Step: cases.DocumentFront, Channel: "desk", Length: 9}); err != nil {
		t.Errorf("after the old ones expired: %v", err)
	}
	var err error
	for i := 0; i < 40 && err == nil; i++ {
		u := newUpload()
		if _, _, err = b.BeginTake(t.Context(), by, c.ID, cases.TakeRequest{UploadID: u, Step: cases.DocumentBack, Channel: "desk", Owner: "ses_1", Length: 12 << 20}); err == nil {
			err = b.DropTake(t.Context(), by, c.ID, u)
		}
	}
	wantErr(t, "the day's budget", err, cases.ErrBudget)
}

func TestTheSameDocumentInTwoCasesGoesToAPersonUntold(t *testing.T) {
	b := newBench(t)
	_, one, by1 := b.applicant()
	_, two, by2 := b.applicant()
	if c := b.levelOne(one, by1); c.Levels[0].State != cases.Approved {
		t.Fatalf("the first: %s", states(c))
	}
	c := b.levelOne(two, by2)
	if got := states(c); got != "in_review open locked" {
		t.Fatalf("the second: %s", got)
	}
	if c.Levels[0].Reasons[0].Code != "duplicate.identity" || c.Levels[0].Told() != nil {
		t.Errorf("reasons %v, told %v", c.Levels[0].Reasons, c.Levels[0].Told())
	}
}

func TestTheSamePictureForBothSidesIsSentBack(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	front := b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(7))
	back := b.keep(c.ID, cases.DocumentBack, by, "ses_1", photo(7))
	c, err := b.Submit(t.Context(), by, c.ID, 2, b.get(c.ID).Version)
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	c = b.get(c.ID)
	if got := states(c); got != "approved resubmit locked" || c.State != cases.Resubmit {
		t.Fatalf("%s, %s", got, c.State)
	}
	if c.Steps[0].State != cases.Checked || c.Steps[1].State != cases.Failed || len(c.Steps[1].Reasons) != 1 {
		t.Errorf("steps: %+v", c.Steps)
	}
	if !slices.Contains(b.destroyed, back) || slices.Contains(b.destroyed, front) {
		t.Errorf("destroyed %v", b.destroyed)
	}
	_, err = b.take(c.ID, cases.DocumentFront, by, "ses_1", photo(9))
	wantErr(t, "the side that was right", err, cases.ErrLevelNotOpen)
	b.keep(c.ID, cases.DocumentBack, by, "ses_1", photo(8))
	if _, err = b.Submit(t.Context(), by, c.ID, 2, b.get(c.ID).Version); err != nil {
		t.Fatal(err)
	}
	b.work()
	if got := states(b.get(c.ID)); got != "approved in_review locked" {
		t.Errorf("after doing it again: %s", got)
	}
	b.checkHistory(c.ID)
}

func TestReopeningLevelOneVoidsWhatRestedOnIt(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	u := b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(7))
	c, err := b.Reopen(t.Context(), by, c.ID, b.get(c.ID).Version)
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	if got := states(c); got != "open locked locked" || c.Level != 0 || !slices.Contains(b.destroyed, u) {
		t.Errorf("%s, level %d, destroyed %v", got, c.Level, b.destroyed)
	}
	if c = b.levelOne(b.get(c.ID), by); states(c) != "approved open locked" {
		t.Errorf("and submitted again: %s", states(c))
	}
	b.checkHistory(c.ID)
}

func TestChecksThatKeepFailingEndWithAPerson(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	b.levelOne(c, by)
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(7))
	b.keep(c.ID, cases.DocumentBack, by, "ses_1", photo(8))
	b.broken = errors.New("storage is on fire")
	if _, err := b.Submit(t.Context(), by, c.ID, 2, b.get(c.ID).Version); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if got := b.get(c.ID).Levels[1].State; i > 0 && got != cases.Checking {
			t.Fatalf("after %d tries: %s", i, got)
		}
		b.work()
		b.pass(time.Minute)
	}
	c = b.get(c.ID)
	if got := states(c); got != "approved in_review locked" || c.Levels[1].Reasons[0].Code != "checks_failed" {
		t.Errorf("%s, %v, %v", got, c.Levels[1].Reasons, c.Jobs)
	}
}

func TestAJobOfADeadNodeIsTakenUpWhenItsLeaseEnds(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, goodFacts())
	if err != nil {
		t.Fatal(err)
	}
	if c, err = b.Submit(t.Context(), by, c.ID, 1, c.Version); err != nil {
		t.Fatal(err)
	}
	d := c.Document // the dead node leased it and got no further
	d.Version++
	d.Jobs[0].State, d.Jobs[0].LeaseOwner, d.Jobs[0].LeaseUntil, d.Jobs[0].Attempts = cases.JobLeased, "dead", b.now.Add(time.Minute), 1
	d.Levels[0].State = cases.Checking
	if err := b.store.ReplaceCase(t.Context(), d, -1); err != nil {
		t.Fatal(err)
	}
	b.work()
	if got := b.get(c.ID).Levels[0].State; got != cases.Checking {
		t.Fatalf("while the lease lasts: %s", got)
	}
	b.pass(time.Minute)
	b.work()
	if got := b.get(c.ID).Levels[0].State; got != cases.Approved {
		t.Errorf("after it: %s", got)
	}
}

func TestAccounts(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	a, err := b.SignUp(ctx, "  Anna@Example.com ", goodPassword)
	if err != nil || a.Email != "anna@example.com" || a.Staff() {
		t.Fatalf("%+v, %v", a.Email, err)
	}
	_, err = b.SignUp(ctx, "anna@example.COM", goodPassword)
	wantErr(t, "the same address", err, cases.ErrAccountExists)
	if got, err := b.Authenticate(ctx, "ANNA@example.com", goodPassword); err != nil || got.ID != a.ID {
		t.Errorf("sign in: %v", err)
	}
	_, err = b.Authenticate(ctx, "anna@example.com", goodPassword+"x")
	wantErr(t, "wrong password", err, cases.ErrCredentials)
	_, err = b.Authenticate(ctx, "nobody@example.com", goodPassword)
	wantErr(t, "nobody", err, cases.ErrCredentials)
	_, err = b.Authenticate(ctx, "nobody@example.com", strings.Repeat("x", 1<<20))
	wantErr(t, "a megabyte of password", err, cases.ErrCredentials)
	wantErr(t, "confirm", b.CheckPassword(ctx, a.ID, goodPassword), nil)
	wantErr(t, "confirm wrong", b.CheckPassword(ctx, a.ID, "wrong password"), cases.ErrCredentials)
	var e *fault.Error
	for _, bad := range []struct{ email, password, code string }{
		{"anna", goodPassword, "email_invalid"}, {"a@b", goodPassword, "email_invalid"}, {"", goodPassword, "email_invalid"},
		{"Anna <a@example.com>", goodPassword, "email_invalid"}, {"a@example.com\r\nx: y", goodPassword, "email_invalid"},
		{"b@example.com", "short", "password_too_short"}, {"b@example.com", strings.Repeat("p", 257), "password_too_long"},
	} {
		if _, err := b.SignUp(ctx, bad.email, bad.password); !errors.As(err, &e) || e.Fields[0].Code != bad.code {
			t.Errorf("%q: %v, want %s", bad.email, err, bad.code)
		}
	}
	if _, err := b.SignUp(ctx, "boss@example.com", goodPassword, "king"); !errors.As(err, &e) || e.Fields[0].Code != "role_unknown" {
		t.Errorf("role: %v", err)
	}
	staff, err := b.SignUp(ctx, "boss@example.com", goodPassword, cases.Admin)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Create(ctx, staff, cases.Person)
	wantErr(t, "staff", err, cases.ErrStaff)
	c, err := b.Create(ctx, a, cases.Person)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Create(ctx, a, cases.Person)
	if !errors.As(err, &e) || e.Code != "case_exists" || e.Members["case_id"] != c.ID {
		t.Errorf("a second case: %v", err)
	}
}

func TestAnotherOperatorsKeyIsRefused(t *testing.T) {
	b := newBench(t)
	b.applicant()
	_, err := cases.New(t.Context(), cases.Config{Store: b.store, History: b.store, Accounts: b.store, Keys: seal.NewKeyring(seal.NewKey())})
	wantErr(t, "another key", err, cases.ErrWrongKey)
	b.open() // with the right one it opens again
}

func TestNothingPersonalIsStoredInTheClear(t *testing.T) {
	b := newBench(t)
	a, c, by := b.applicant()
	c = b.levelOne(c, by)
	d, err := b.store.Case(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	acc, err := b.store.Account(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	dump := fmt.Sprintf("%+v %q %+v %q", d, d.Identity, acc, acc.Email)
	for _, secret := range []string{a.Email, "张三", "11010519491231002X", "1949-12-31", "建国路", goodPassword} {
		if strings.Contains(dump, secret) {
			t.Errorf("%q stands in the store", secret)
		}
	}
}

func TestLooksAreChained(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	before := b.get(c.ID).Version
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := b.Look(t.Context(), c.ID, by, "media", fmt.Sprint("med_", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	looks, err := b.store.Looks(t.Context(), c.ID, 0, 100)
	if err != nil || len(looks) != 8 {
		t.Fatalf("%d looks, %v", len(looks), err)
	}
	for i := 1; i < len(looks); i++ {
		if !bytes.Equal(looks[i].Prev, looks[i-1].Hash) {
			t.Errorf("look %d is not chained", i+1)
		}
	}
	if b.get(c.ID).Version != before {
		t.Error("looking changed the case")
	}
}
