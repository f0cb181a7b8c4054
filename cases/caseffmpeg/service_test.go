package caseffmpeg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/caseffmpeg/cliptest"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/seal"
)

// applicant is somebody whose Level 3 is open, on a service that keeps bytes in memory.
type applicant struct {
	*cases.Service
	t    *testing.T
	by   cases.Actor
	id   string
	next int

	mu    sync.Mutex
	bytes map[string][]byte // guarded by mu: what media would keep
	full  int               // guarded by mu: after how many more parts there is no room; -1 for never
	ahead time.Duration     // guarded by mu: of the machine's clock
}

func newApplicant(t *testing.T, i cases.Inspector, with ...func(*cases.Config)) *applicant {
	t.Helper()
	ctx := t.Context()
	store, err := casesqlite.Open(ctx, filepath.Join(t.TempDir(), "cases.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	policy := casetest.Photos()
	policy.Consents, policy.Attempts, policy.Checks.SendBack = nil, 20, nil
	words, err := cases.ReadScript(strings.NewReader(script))
	if err != nil {
		t.Fatal(err)
	}
	policy.Requires.Level2, policy.Requires.Level3 = []string{cases.AskDocuments}, []string{cases.ClipDocument, cases.ClipStatement}
	a := &applicant{t: t, bytes: map[string][]byte{}, full: -1}
	cfg := cases.Config{
		Store: store, History: store, Accounts: store, Keys: seal.NewKeyring(seal.NewKey()), Policy: policy, Inspector: i, Script: words, Operator: "Example Exchange",
		Now: func() time.Time {
			a.mu.Lock()
			defer a.mu.Unlock()
			return time.Now().Add(a.ahead)
		},
		Evidence: func(_ context.Context, id string) (cases.Evidence, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			return file{bytes.NewReader(a.bytes[id])}, nil
		},
		Keep: func(_ context.Context, r cases.KeepRequest) (cases.Part, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.full == 0 {
				return cases.Part{}, errors.New("no room")
			}
			a.full--
			a.bytes[r.UploadID] = r.Bytes
			return cases.Part{UploadID: r.UploadID, MediaID: cases.MediaID(r.UploadID), Role: r.Role, Filetype: r.Filetype, Size: int64(len(r.Bytes))}, nil
		},
		Destroy: func(_ context.Context, id string) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.bytes, id)
			return nil
		},
	}
	for _, set := range with {
		set(&cfg)
	}
	a.Service, err = cases.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	account, err := a.SignUp(ctx, "a@example.com", "a rather long password")
	if err != nil {
		t.Fatal(err)
	}
	a.by = cases.Actor{Kind: cases.ByApplicant, ID: account.ID}
	c := a.must(a.Create(ctx, account, cases.Person))
	a.id = c.ID
	a.must(a.PutIdentity(ctx, a.by, a.id, c.Version, cases.Identity{
		Nationality: "CHN", Document: cases.DocumentFacts{Type: cases.CNResidentID, Number: "440308199901101512", ExpiresOn: "2036-03-01"},
		Name: "样本", BirthDate: "1999-01-10", Address: "Specimen Road 1", ActingFor: cases.ActingFor{Who: "self"},
	}))
	a.submit(1)
	for _, step := range []string{cases.DocumentFront, cases.DocumentBack} {
		a.must(a.Accept(ctx, a.by, a.id, step, a.send(step, "", "", photo())))
	}
	a.submit(2)
	return a
}

func (a *applicant) must(c cases.Case, err error) cases.Case {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func (a *applicant) now() cases.Case { a.t.Helper(); return a.must(a.Get(a.t.Context(), a.id)) }

func (a *applicant) submit(level int) cases.Case {
	a.t.Helper()
	a.must(a.Submit(a.t.Context(), a.by, a.id, level, a.now().Version))
	for range 3 {
		if err := a.Work(a.t.Context()); err != nil {
			a.t.Fatal(err)
		}
	}
	return a.now()
}

// send stores bytes as a take of a step.
func (a *applicant) send(step, challenge, role string, b []byte) string {
	a.t.Helper()
	a.next++
	id := fmt.Sprintf("upl_%026d", a.next)
	_, _, err := a.BeginTake(a.t.Context(), a.by, a.id, cases.TakeRequest{
		UploadID: id, Step: step, Channel: "phone", Owner: "ses_1", Length: int64(len(b)), Challenge: challenge, Role: role,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	a.mu.Lock()
	a.bytes[id] = b
	a.mu.Unlock()
	sum := sha256.Sum256(b)
	if _, err := a.TakeStored(a.t.Context(), a.id, id, int64(len(b)), sum[:], b[:min(512, len(b))]); err != nil {
		a.t.Fatal(err)
	}
	return id
}

// photo is a small one: what is on it is for others to check.
var photo = sync.OnceValue(func() []byte {
	m := image.NewGray(image.Rect(0, 0, 640, 480))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 7)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
})

// record keeps a clip whose prompts were shown so far apart.
func (a *applicant) record(step string, b []byte, apart time.Duration) string {
	a.t.Helper()
	ch, err := a.IssueChallenge(a.t.Context(), a.by, a.id, cases.ChallengeRequest{Step: step, Channel: "phone", Owner: "ses_1", Lang: "en"})
	if err != nil {
		a.t.Fatal(err)
	}
	r := cases.AcceptRequest{UploadID: a.send(step, ch.ID, "", b)}
	for i, p := range ch.Script.Prompts {
		r.Timeline = append(r.Timeline, cases.Shown{PromptID: p.ID, ShownAtMS: (time.Duration(i) * apart).Milliseconds()})
		if p.Still {
			r.StillUploadID = a.send(step, ch.ID, cases.RoleStill, photo())
		}
	}
	a.must(a.Keep(a.t.Context(), a.by, a.id, step, r))
	return r.UploadID
}

// script is shorter than what applicants are asked for, as every second is encoded here.
const script = `
version: test
spoken: {en: {purpose: open an account}}
clip_document:
  card: [{id: front, still: true, show: {en: Show it.}}]
  page: [{id: front, still: true, show: {en: Show it.}}]
clip_statement:
  - {id: beside, show: {en: Hold it beside your face.}}
  - {id: who, read: {en: "I want to {purpose} with {operator}, number {number}."}}
`

// statement is a recording in which something is said from the second second on.
var statement = cliptest.Clip{Seconds: 4.2, Sound: cliptest.Speech + ",adelay=1500,apad"}

func TestRecordingsGoToAPersonOrBack(t *testing.T) {
	i := installed(t)
	a := newApplicant(t, i)
	document := cliptest.Clip{Seconds: 1.5, Sound: "none"}.Bytes(t)
	good := statement.Bytes(t)
	mp4 := cliptest.Clip{Seconds: 2.5, Format: "mp4-end"}.Bytes(t)
	a.record(cases.ClipDocument, document, 2*time.Second)
	first := slices.Sorted(stored(a))

	// What is surely of no use comes back, and only its step.
	for _, row := range []struct {
		name   string
		b      []byte
		apart  time.Duration
		reason string
	}{
		{"no sound", cliptest.Clip{Seconds: 2.5, Sound: "none"}.Bytes(t), 2 * time.Second, "video.silent"},
		{"silence", cliptest.Clip{Seconds: 2.5, Sound: "anullsrc"}.Bytes(t), 2 * time.Second, "video.silent"},
		{"black", cliptest.Clip{Seconds: 2.5, Picture: "color=black:s=240x320:r=15"}.Bytes(t), 2 * time.Second, "video.unclear"},
		{"no picture", cliptest.Clip{Seconds: 2.5, Picture: "none"}.Bytes(t), 2 * time.Second, "video.unreadable"},
		{"cut off", mp4[:len(mp4)-100], 2 * time.Second, "video.unreadable"},
		{"no recording", append([]byte("\x1a\x45\xdf\xa3\x93\x42\x82\x84webm"), bytes.Repeat([]byte("junk"), 99)...), 2 * time.Second, "video.unreadable"},
		{"prompts beyond the end", cliptest.Clip{Seconds: 1.5, Sound: "none"}.Bytes(t), 4 * time.Second, "video.script_incomplete"},
	} {
		a.record(cases.ClipStatement, row.b, row.apart)
		c := a.submit(3)
		l := c.Levels[2]
		if l.State != cases.Resubmit || !slices.Contains(l.Reasons, cases.Reason{Code: row.reason, Step: cases.ClipStatement}) {
			t.Errorf("%s: %s, %v; %+v", row.name, l.State, l.Reasons, l.Checks)
		}
		for _, st := range c.Steps {
			switch {
			case st.ID == cases.ClipStatement && (st.State != cases.Failed || len(st.Takes) != 0):
				t.Errorf("%s: the step is %s with %d takes", row.name, st.State, len(st.Takes))
			case st.ID == cases.ClipDocument && (st.State != cases.Checked || st.Takes[0].Inspection == nil):
				t.Errorf("%s: the other step is %s", row.name, st.State)
			}
		}
	}

	// A good one waits for a person, with all that is made for reviewers.
	id := a.record(cases.ClipStatement, good, 2*time.Second)
	c := a.submit(3)
	l := c.Levels[2]
	if l.State != cases.InReview || len(l.Reasons) != 0 {
		t.Errorf("%s, %v", l.State, l.Reasons)
	}
	for _, f := range l.Checks {
		if f.Verdict != checks.Pass && f.Check != "faces" && f.Step == cases.ClipStatement {
			t.Errorf("%+v", f)
		}
	}
	_, take, err := c.FindTake(id)
	if err != nil {
		t.Fatal(err)
	}
	in := take.Inspection
	if in == nil || in.DurationMS < 4_000 || in.DurationMS > 4_500 || len(in.Peaks) < 40 || len(in.Prompts) != 2 || in.SheetColumns != 10 {
		t.Fatalf("%+v", in)
	}
	if in.Prompts[0].Speech != checks.Skipped || in.Prompts[1].Speech != checks.Pass || in.Prompts[1].ToMS != in.DurationMS {
		t.Errorf("%+v", in.Prompts)
	}
	roles := map[string]cases.Part{}
	for _, p := range take.Parts {
		roles[p.Role] = p
	}
	if roles[cases.PartCopy].Filetype != "video/webm" || roles[cases.PartThumb].Filetype != "image/jpeg" || len(take.Parts) != 2 {
		t.Errorf("%+v", take.Parts)
	}
	// What is stored is the case's and nothing else: of each take that was sent back everything went.
	want := append(first, id)
	for _, st := range c.Steps {
		for _, t := range st.Takes {
			for _, p := range t.Parts {
				want = append(want, p.UploadID)
			}
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(stored(a)); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// writesDown is a Recogniser that answers with a text for each prompt whose sound it is given.
type writesDown struct {
	heard string
	err   error
	sound []byte // that it was given last
	lang  string
}

func (w *writesDown) Recognise(_ context.Context, sound []byte, lang string) (string, error) {
	w.sound, w.lang = sound, lang
	return w.heard, w.err
}

// What is said is written down for the reviewer, sealed, and decides nothing.
func TestWhatIsSaidIsAHint(t *testing.T) {
	i := installed(t)
	document, good := cliptest.Clip{Seconds: 1.5, Sound: "none"}.Bytes(t), statement.Bytes(t)
	for name, row := range map[string]struct {
		heard        string // # stands for the number of the take
		err          error
		said, number checks.Verdict // "" where nothing is found
		least        float64
	}{
		"all of it":             {"I want to open an account with Example Exchange, number #", nil, checks.Pass, checks.Pass, 1},
		"another number":        {"I want to open an account with Example Exchange, number one", nil, checks.Pass, checks.Unsure, 0.9},
		"something else":        {"lorem ipsum", nil, checks.Unsure, checks.Unsure, 0.2},
		"nothing":               {"", nil, checks.Unsure, checks.Unsure, 0},
		"the recogniser is off": {"", errors.New("no answer"), checks.Skipped, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &writesDown{err: row.err}
			a := newApplicant(t, i, func(c *cases.Config) { c.Recogniser = w })
			a.record(cases.ClipDocument, document, 2*time.Second)
			id := a.record(cases.ClipStatement, good, 2*time.Second)
			c := a.now()
			_, take, _ := c.FindTake(id)
			w.heard = strings.ReplaceAll(row.heard, "#", c.Script(take).Number)
			c = a.submit(3)
			if l := c.Levels[2]; l.State != cases.InReview || len(l.Reasons) != 0 {
				t.Errorf("the level is %s, %v", l.State, l.Reasons)
			}
			found := map[string]checks.Verdict{}
			for _, f := range c.Levels[2].Checks {
				if f.Step == cases.ClipStatement {
					found[f.Check] = f.Verdict
					if least, ok := f.Measures["least"]; ok && (least > row.least || least < row.least-0.25) {
						t.Errorf("said %v of it", least)
					}
				}
			}
			if found["said"] != row.said || found["said_number"] != row.number {
				t.Errorf("%v", found)
			}
			// The sound is that of the sentence: from 1.7 s to the end, in which somebody speaks.
			var l checks.Listener
			_, _ = l.Write(w.sound)
			s := l.Sound()
			if w.lang != "en" || s.Duration < 2*time.Second || s.Duration > 2800*time.Millisecond || s.Spoken(0, s.Duration) < 700*time.Millisecond {
				t.Errorf("it was given %v in %q, %v of speech", s.Duration, w.lang, s.Spoken(0, s.Duration))
			}
			readings, err := a.Readings(c)
			if err != nil {
				t.Fatal(err)
			}
			kept := ""
			for _, r := range readings {
				if r.Step == cases.ClipStatement {
					kept = r.Heard["who"]
				}
			}
			if row.err == nil && kept != w.heard || row.err != nil && kept != "" {
				t.Errorf("kept: %q", kept)
			}
			if b, err := json.Marshal(c.Document); err != nil || kept != "" && bytes.Contains(b, []byte(kept)) {
				t.Errorf("what was said stands in the clear, %v", err)
			}
			fields, err := a.Fields(c)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range fields {
				if strings.HasPrefix(f.Name, "read.clip_statement.heard.") && (!f.Personal || f.Masked() == f.Value) {
					t.Errorf("%s is shown as %q", f.Name, f.Masked())
				}
			}
			_, take, _ = c.FindTake(id)
			if said := take.Inspection.Prompts[1].Said; take.Inspection.Prompts[0].Said != nil || (said == nil) != (row.err != nil) {
				t.Errorf("%+v", take.Inspection.Prompts)
			}
			// It goes with the recording.
			c = a.must(a.Reopen(t.Context(), a.by, a.id, c.Version))
			for _, r := range c.Document.Readings {
				if r.Step == cases.ClipStatement {
					t.Error("what was said is kept without the recording")
				}
			}
		})
	}
}

func stored(a *applicant) func(func(string) bool) {
	return func(yield func(string) bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for id := range a.bytes {
			if !yield(id) {
				return
			}
		}
	}
}

// What only looks wrong is shown to a person, with the reason.
func TestWhatIsDoubtfulGoesToAPerson(t *testing.T) {
	good := func(t *testing.T) []byte { return statement.Bytes(t) }
	for name, row := range map[string]struct {
		inspector bool
		b         func(t *testing.T) []byte
		check     string
		verdict   checks.Verdict
		reasons   string
	}{
		"nothing plays it": {false, good, "inspected", checks.Skipped, "[]"},
		"two in one file": {true, func(t *testing.T) []byte { return append(bytes.Clone(good(t)), good(t)...) },
			"container", checks.Fail, "[{video.edited clip_statement 0}]"},
		"it says ten hours, and nobody speaks": {true, func(t *testing.T) []byte {
			b := bytes.Clone(cliptest.Clip{Seconds: 3, Format: "mp4-end", Sound: "anoisesrc=a=0.1"}.Bytes(t))
			at := bytes.Index(b, []byte("mvhd"))
			binary.BigEndian.PutUint32(b[at+20:], 36_000*binary.BigEndian.Uint32(b[at+16:]))
			return b
		}, "duration speech", checks.Unsure, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			var i cases.Inspector
			if row.inspector {
				i = installed(t)
			}
			a := newApplicant(t, i)
			a.record(cases.ClipDocument, cliptest.Clip{Seconds: 1.5, Sound: "none"}.Bytes(t), 2*time.Second)
			a.record(cases.ClipStatement, row.b(t), 2*time.Second)
			l := a.submit(3).Levels[2]
			if l.State != cases.InReview || fmt.Sprint(l.Reasons) != row.reasons {
				t.Errorf("%s, %v; %+v", l.State, l.Reasons, l.Checks)
			}
			for check := range strings.FieldsSeq(row.check) {
				if !slices.ContainsFunc(l.Checks, func(f cases.Check) bool {
					return f.Step == cases.ClipStatement && f.Check == check && f.Verdict == row.verdict
				}) {
					t.Errorf("%s: %+v", check, l.Checks)
				}
			}
		})
	}
}

// playedWell is an Inspector that finds nothing wrong.
type playedWell struct{}

func (playedWell) Inspect(context.Context, cases.Evidence, string) (cases.Inspected, error) {
	in := cases.Inspected{By: "a test", Picture: true, Sound: true, Heard: checks.Sound{Duration: 4 * time.Second, MeanDB: -20, PeakDB: -3}, Copy: []byte("a copy"), CopyFiletype: "video/mp4", Sheet: []byte("a sheet")}
	for range 20 {
		in.Moving.Brightness, in.Moving.Change = append(in.Moving.Brightness, 100), append(in.Moving.Change, 3)
	}
	return in, nil
}

// The disk is full while what was made of recordings is stored: nothing is left over, and it is done again later.
func TestAFullDiskLeavesNothingOfAnInspection(t *testing.T) {
	a := newApplicant(t, playedWell{})
	whole := []byte("\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x80")
	a.record(cases.ClipDocument, whole, 2*time.Second)
	id := a.record(cases.ClipStatement, append(whole, 0xec, 0x80), 2*time.Second)
	before := slices.Sorted(stored(a))
	a.mu.Lock()
	a.full = 3 // the last of four parts
	a.mu.Unlock()
	if l := a.submit(3).Levels[2]; l.State != cases.Checking {
		t.Errorf("without room the level is %s, %v", l.State, l.Reasons)
	}
	if got := slices.Sorted(stored(a)); !slices.Equal(got, before) {
		t.Errorf("left over: %d files, not %d", len(got), len(before))
	}
	a.mu.Lock()
	a.full, a.ahead = -1, time.Minute
	a.mu.Unlock()
	for range 3 {
		if err := a.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c := a.now()
	_, take, err := c.FindTake(id)
	if err != nil || len(take.Parts) != 2 || take.Inspection == nil || take.Inspection.By != "a test" {
		t.Errorf("%+v, %v", take, err)
	}
	if got := slices.Sorted(stored(a)); len(got) != len(before)+4 {
		t.Errorf("%d files, not %d", len(got), len(before)+4)
	}
	// Level 1 is changed: all of it goes with what it was made from.
	a.must(a.Reopen(t.Context(), a.by, a.id, c.Version))
	if err := a.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(stored(a)); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
}

// slow is an Inspector that tells when it begins and waits to be let go.
type slow struct{ begun, goOn chan struct{} }

func (s slow) Inspect(ctx context.Context, e cases.Evidence, filetype string) (cases.Inspected, error) {
	s.begun <- struct{}{}
	select {
	case <-s.goOn:
	case <-ctx.Done():
		return cases.Inspected{}, ctx.Err()
	}
	return playedWell{}.Inspect(ctx, e, filetype)
}

// A recording that is played for long holds up nobody else's case.
func TestOthersDoNotWaitForARecording(t *testing.T) {
	i := slow{make(chan struct{}, 2), make(chan struct{})}
	a := newApplicant(t, i)
	whole := []byte("\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\x80")
	a.record(cases.ClipDocument, whole, 2*time.Second)
	a.record(cases.ClipStatement, append(whole, 0xec, 0x80), 2*time.Second)
	a.must(a.Submit(t.Context(), a.by, a.id, 3, a.now().Version))
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	defer running.Wait()
	defer stop()
	<-i.begun

	other, err := a.SignUp(t.Context(), "b@example.com", "a rather long password")
	if err != nil {
		t.Fatal(err)
	}
	c := a.must(a.Create(t.Context(), other, cases.Person))
	by := cases.Actor{Kind: cases.ByApplicant, ID: other.ID}
	c = a.must(a.PutIdentity(t.Context(), by, c.ID, c.Version, cases.Identity{
		Nationality: "CHN", Document: cases.DocumentFacts{Type: cases.CNResidentID, Number: "11010519491231002X", ExpiresOn: "long_term"},
		Name: "样本", BirthDate: "1949-12-31", Address: "Specimen Road 2", ActingFor: cases.ActingFor{Who: "self"},
	}))
	a.must(a.Submit(t.Context(), by, c.ID, 1, c.Version))
	becomes := func(id string, level int, want cases.LevelState) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			l := a.must(a.Get(t.Context(), id)).Levels[level-1]
			if l.State == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("level %d is %s, not %s", level, l.State, want)
			}
		}
	}
	becomes(c.ID, 1, cases.Approved)
	becomes(a.id, 3, cases.Checking)
	close(i.goOn)
	becomes(a.id, 3, cases.InReview)
}
