package cases_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/checks/checkstest"
)

// reader reads what a test lets stand on a side: pictures are told apart by the order in which they come.
type reader struct {
	texts []string
	err   error
	reads int
}

func (r *reader) Read(_ context.Context, m *image.Gray, _ cases.Script) (string, error) {
	if m.Rect.Dx() < 300 || m.Rect.Dx() > 1700 {
		return "", fmt.Errorf("a picture of %v", m.Rect)
	}
	i := min(r.reads, len(r.texts)-1)
	r.reads++
	if r.err != nil {
		return "", r.err
	}
	return r.texts[i], nil
}

// card photographs a side as the test needs it.
func card(side checkstest.Side, spoil func(*image.RGBA) *image.RGBA) []byte {
	const w, h = 960, 720
	m := checkstest.Photo(checkstest.Draw(checkstest.Document{Side: side}), w, h, checkstest.Placed(0.5, 0.5, 0.82, 1, float64(w)/h), checkstest.Dark)
	return checkstest.JPEG(spoil(m), 85)
}

// levelTwo brings a case with two photos to the end of Level 2's checks.
func (b *bench) levelTwo(front, back []byte) cases.Case {
	b.t.Helper()
	_, c, by := b.applicant()
	b.levelOne(c, by)
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", front)
	b.keep(c.ID, cases.DocumentBack, by, "ses_1", back)
	if _, err := b.Submit(b.t.Context(), by, c.ID, 2, b.get(c.ID).Version); err != nil {
		b.t.Fatal(err)
	}
	b.work()
	c = b.get(c.ID)
	for _, f := range c.Levels[1].Checks {
		if _, known := cases.ReasonByCode(f.Code); known != (f.Verdict == checks.Fail) {
			b.t.Errorf("%+v: a failure has a reason of the catalogue, nothing else has", f)
		}
	}
	return c
}

// verdictOn returns the verdict of a step's check, "" where it was not made.
func verdictOn(c cases.Case, step, check string) checks.Verdict {
	for _, f := range c.Levels[1].Checks {
		if f.Step == step && f.Check == check {
			return f.Verdict
		}
	}
	return ""
}

func codes(rs []cases.Reason) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.Step+" "+r.Code)
	}
	return strings.Join(out, ", ")
}

func TestBadPhotosAreSentBackWithTheirReason(t *testing.T) {
	good := card(checkstest.Back, func(m *image.RGBA) *image.RGBA { return m })
	for want, spoil := range map[string]func(*image.RGBA) *image.RGBA{
		"document.blurred": func(m *image.RGBA) *image.RGBA { return checkstest.Blurred(m, 9) },
		"document.dark":    func(m *image.RGBA) *image.RGBA { return checkstest.Dimmed(m, 0.15) },
		"document.glare": func(m *image.RGBA) *image.RGBA {
			return checkstest.Reflecting(m, checkstest.Point{X: 0.5, Y: 0.5}, 0.1)
		},
		"document.black_white": checkstest.Grey,
		"document.none": func(m *image.RGBA) *image.RGBA {
			return checkstest.Dimmed(checkstest.Blurred(image.NewRGBA(m.Rect), 0), 1)
		},
	} {
		t.Run(want, func(t *testing.T) {
			b := newBench(t)
			front := card(checkstest.Front, spoil)
			if want == "document.none" { // an even wall
				wall := image.NewRGBA(image.Rect(0, 0, 960, 720))
				for i := range wall.Pix {
					wall.Pix[i] = []byte{190, 180, 160, 255}[i%4]
				}
				front = checkstest.JPEG(wall, 85)
			}
			c := b.levelTwo(front, good)
			if got := codes(c.Levels[1].Told()); got != "document_front "+want || c.Levels[1].State != cases.Resubmit {
				t.Errorf("%s: told %q; checks %+v", states(c), got, c.Levels[1].Checks)
			}
			if c.Steps[0].State != cases.Failed || c.Steps[1].State != cases.Checked || c.Steps[0].Attempts != 1 {
				t.Errorf("steps: %+v", c.Steps)
			}
			b.checkHistory(c.ID)
		})
	}
}

func TestThePolicySaysWhatIsSentBack(t *testing.T) {
	b := newBench(t)
	b.policy = casetest.Photos()
	b.policy.Checks.SendBack = []string{"document.dark"}
	b.open()
	blurred := card(checkstest.Front, func(m *image.RGBA) *image.RGBA { return checkstest.Blurred(m, 9) })
	c := b.levelTwo(blurred, photo(2))
	if got := codes(c.Levels[1].Reasons); c.Levels[1].State != cases.InReview || got != "document_front document.blurred" || c.Levels[1].Told() != nil {
		t.Errorf("%s: %s, told %v", states(c), got, c.Levels[1].Told())
	}
}

func TestRulesApproveOnlyWhatTheyAreSureOf(t *testing.T) {
	const number = "11010519491231002X"
	for name, row := range map[string]struct {
		reader cases.Reader
		want   cases.LevelState
	}{
		"everything read":      {&reader{texts: []string{number, "有效期限 2016.03.01-2036.03.01"}}, cases.Approved},
		"nothing to read with": {nil, cases.InReview},
		"reading fails":        {&reader{err: errors.New("out of memory")}, cases.InReview},
		"nothing was read":     {&reader{texts: []string{"~~~"}}, cases.InReview},
	} {
		b := newBench(t)
		b.policy = casetest.Photos()
		b.policy.Approve.Level2 = "rules"
		b.reader = row.reader
		b.open()
		c := b.levelTwo(photo(1), photo(2))
		if c.Levels[1].State != row.want || c.Levels[1].Reasons != nil {
			t.Errorf("%s: %s, %v, %+v", name, states(c), c.Levels[1].Reasons, c.Levels[1].Checks)
		}
		read := verdictOn(c, cases.DocumentFront, "read")
		if row.reader == nil && read != checks.Skipped {
			t.Errorf("%s: nobody is told that nothing was read: %q", name, read)
		}
	}
}

func TestWhatIsReadIsHeldAgainstLevelOne(t *testing.T) {
	const right, other = "11010519491231002X", "440308199901101512"
	for name, row := range map[string]struct {
		front, back string // what stands on the photos
		state       cases.LevelState
		reasons     string
		number      checks.Verdict
		side        checks.Verdict // of the front
	}{
		"the same":        {"公民身份号码 " + right, "", cases.InReview, "", checks.Pass, checks.Pass},
		"another":         {"公民身份号码 " + other, "", cases.InReview, "document_front data.number_mismatch", checks.Fail, checks.Pass},
		"a misread one":   {"公民身份号码 110105194912310O2 K", "", cases.InReview, "", checks.Unsure, checks.Unsure},
		"none":            {"", "", cases.InReview, "", checks.Unsure, checks.Unsure},
		"sides exchanged": {"居民身份证", right, cases.Resubmit, "document_front document.wrong_side, document_back document.wrong_side", checks.Unsure, checks.Fail},
		"the front twice": {right, right, cases.Resubmit, "document_back document.wrong_side", checks.Pass, ""},
	} {
		b := newBench(t)
		r := &reader{texts: []string{row.front, row.front, row.back}}
		if row.front == right || strings.Contains(row.front, other) || strings.Contains(row.front, right) {
			r.texts = []string{row.front, row.back} // found at once, not turned
		}
		b.reader = r
		b.open()
		c := b.levelTwo(photo(1), photo(2))
		if got := codes(c.Levels[1].Reasons); c.Levels[1].State != row.state || got != row.reasons {
			t.Errorf("%s: %s, %q, want %q", name, states(c), got, row.reasons)
		}
		if got := verdictOn(c, cases.DocumentFront, "number"); got != row.number {
			t.Errorf("%s: number %q, want %q", name, got, row.number)
		}
		if got := verdictOn(c, cases.DocumentFront, "side"); got != row.side {
			t.Errorf("%s: side %q, want %q", name, got, row.side)
		}
	}
}

const goodMRZ = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F3004157ZE184226B<<<<<16"

func TestAPassportIsHeldAgainstLevelOne(t *testing.T) {
	for name, row := range map[string]struct {
		edit    func(*cases.Identity)
		text    string
		want    string // check verdict, …
		reasons string
	}{
		"all agrees":      {func(*cases.Identity) {}, goodMRZ, "number pass, birth_date pass, expires_on pass, name pass", ""},
		"another number":  {func(f *cases.Identity) { f.Document.Number = "L898902C4" }, goodMRZ, "number fail, birth_date pass, expires_on pass, name pass", "document_page data.number_mismatch"},
		"a look-alike":    {func(f *cases.Identity) { f.Document.Number = "1898902C3" }, goodMRZ, "number unsure, birth_date pass, expires_on pass, name pass", ""},
		"other days":      {func(f *cases.Identity) { f.BirthDate, f.Document.ExpiresOn = "1974-08-13", "2030-04-16" }, goodMRZ, "number pass, birth_date fail, expires_on fail, name pass", "document_page data.birth_mismatch, document_page data.expiry_mismatch"},
		"another name":    {func(f *cases.Identity) { f.LatinName = "Hanna Eriksson" }, goodMRZ, "number pass, birth_date pass, expires_on pass, name unsure", ""},
		"no name":         {func(f *cases.Identity) { f.LatinName = "" }, goodMRZ, "number pass, birth_date pass, expires_on pass", ""},
		"only the number": {func(*cases.Identity) {}, "Passport No. L898902C3", "number pass", ""},
		"a wrong digit":   {func(f *cases.Identity) { f.Document.Number = "L898902C4" }, strings.Replace(goodMRZ, "740812", "740813", 1), "number unsure", ""},
	} {
		b := newBench(t)
		b.reader = &reader{texts: []string{row.text}}
		b.open()
		_, c, by := b.applicant()
		f := goodFacts()
		f.Nationality, f.Name, f.LatinName, f.Sex, f.BirthDate = "USA", "Anna Maria Eriksson", "Eriksson Anna Maria", "", "1974-08-12"
		f.Document = cases.DocumentFacts{Type: cases.Passport, Number: "L898902C3", ExpiresOn: "2030-04-15"}
		row.edit(&f)
		c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = b.Submit(t.Context(), by, c.ID, 1, c.Version); err != nil {
			t.Fatal(err)
		}
		b.work()
		b.keep(c.ID, cases.DocumentPage, by, "ses_1", checkstest.Evidence(checkstest.Document{Side: checkstest.Page, MRZ: strings.Split(goodMRZ, "\n")}))
		if _, err = b.Submit(t.Context(), by, c.ID, 2, b.get(c.ID).Version); err != nil {
			t.Fatal(err)
		}
		b.work()
		c = b.get(c.ID)
		var got []string
		for _, f := range c.Levels[1].Checks {
			if slices.Contains([]string{"number", "birth_date", "expires_on", "name"}, f.Check) {
				got = append(got, f.Check+" "+string(f.Verdict))
			}
		}
		if s := strings.Join(got, ", "); s != row.want || codes(c.Levels[1].Reasons) != row.reasons || c.Levels[1].State != cases.InReview {
			t.Errorf("%s: %s; %s, %q, want %s; %q", name, s, states(c), codes(c.Levels[1].Reasons), row.want, row.reasons)
		}
	}
}

func TestReadingsAreSealedAndGoWithTheirPhoto(t *testing.T) {
	const read = "440308199901101512"
	b := newBench(t)
	b.reader = &reader{texts: []string{read, ""}}
	b.open()
	c := b.levelTwo(photo(1), photo(2))
	rs, err := b.Readings(c)
	if err != nil || len(rs) != 1 || rs[0].Step != cases.DocumentFront || !slices.Equal(rs[0].Numbers, []string{read}) {
		t.Fatalf("%+v, %v", rs, err)
	}
	d, err := b.store.Case(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if dump := fmt.Sprintf("%+v %q", d, d.Readings); strings.Contains(dump, read) || strings.Contains(dump, "19990110") {
		t.Error("what was read stands in the store")
	}
	moved := c
	moved.Document.Readings = []cases.SealedReading{{Step: cases.DocumentBack, Sealed: c.Document.Readings[0].Sealed}}
	if _, err := b.Readings(moved); err == nil {
		t.Error("a reading opens as another step's")
	}
	c, err = b.Reopen(t.Context(), cases.Actor{Kind: cases.ByApplicant, ID: c.AccountID}, c.ID, c.Version)
	if err != nil || len(c.Document.Readings) != 0 || c.Levels[1].Checks != nil {
		t.Errorf("after the photos went: %v, %v, %v", c.Document.Readings, c.Levels[1].Checks, err)
	}
}

func TestPhotosTakenAgainAreCheckedAgain(t *testing.T) {
	b := newBench(t)
	b.reader = &reader{texts: []string{"11010519491231002X", ""}}
	b.open()
	c := b.levelTwo(card(checkstest.Front, checkstest.Grey), photo(2))
	by := cases.Actor{Kind: cases.ByApplicant, ID: c.AccountID}
	if got := codes(c.Levels[1].Told()); got != "document_front document.black_white" {
		t.Fatalf("%s: %s", states(c), got)
	}
	b.keep(c.ID, cases.DocumentFront, by, "ses_1", photo(3))
	if _, err := b.Submit(t.Context(), by, c.ID, 2, b.get(c.ID).Version); err != nil {
		t.Fatal(err)
	}
	if got := b.get(c.ID).Levels[1].Checks; got != nil {
		t.Errorf("checks of the photos before: %+v", got)
	}
	b.work()
	c = b.get(c.ID)
	if c.Levels[1].State != cases.InReview || c.Levels[1].Reasons != nil || verdictOn(c, cases.DocumentFront, "colour") != checks.Pass || verdictOn(c, cases.DocumentFront, "number") != checks.Pass {
		t.Errorf("%s: %+v", states(c), c.Levels[1])
	}
}
