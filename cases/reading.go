package cases

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"slices"
	"strings"
	"time"

	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/seal"
)

// Script is what a document is written with.
type Script string

// The scripts that are read.
const (
	Latin   Script = "latin"
	Chinese Script = "chinese" // and Latin
)

// Reader reads the text of a picture, optically: without any promise that it is right.
type Reader interface {
	Read(ctx context.Context, m *image.Gray, s Script) (string, error)
}

// readPhotoFor bounds the reading of one photo, however often it is turned; two of them fit into a lease.
const readPhotoFor = 16 * time.Second

// The checks of what is read on a photo.
const (
	checkRead   = "read"         // it could be read at all
	checkNumber = "number"       // the document's number is that of Level 1
	checkBirth  = "birth_date"   // so is the birth date
	checkExpiry = "expires_on"   // so is the last day
	checkName   = "name"         // so is the name in Latin letters: a note, transliterations differ
	checkSide   = "side"         // the number stands on the side that it belongs to
	onTheFront  = "number_front" // of measures: how many valid numbers stand on each side
	onTheBack   = "number_back"
)

// Reading is what was read on the photo of a step and holds by its check digits, or what was heard in its recording. It
// is personal and stored sealed.
type Reading struct {
	Step       string   `json:"-"`
	Numbers    []string `json:"numbers,omitempty"` // of the form of GB 11643
	MRZ        string   `json:"mrz,omitempty"`     // format of a machine-readable zone, which says the rest
	Number     string   `json:"number,omitempty"`
	BirthDate  string   `json:"birth_date,omitempty"`
	ExpiresOn  string   `json:"expires_on,omitempty"`
	Surname    string   `json:"surname,omitempty"`
	GivenNames string   `json:"given_names,omitempty"`

	Heard map[string]string `json:"heard,omitempty"` // by prompt, as a Recogniser wrote it down

	text string // for looking up what has no check digits; never stored
}

func (r Reading) empty() bool { return len(r.Numbers) == 0 && r.MRZ == "" && len(r.Heard) == 0 }

// readStep reads a photo, turned until something is found. ok is false where it could not be read, which
// is no error: a person looks.
func (s *Service) readStep(ctx context.Context, step string, m *image.Gray, today time.Time, f *Identity) (r Reading, ok bool, err error) {
	within, cancel := context.WithTimeout(ctx, readPhotoFor)
	defer cancel()
	script := Chinese
	if step == DocumentPage {
		script = Latin
	}
	for _, quarters := range turns(m, step) {
		text, err := s.cfg.Reader.Read(within, checks.Turned(m, quarters), script)
		if ctx.Err() != nil {
			return Reading{}, false, ctx.Err()
		}
		if err != nil {
			s.cfg.Log.Warn("document_not_read", "step", step, "error", err)
			return r, ok, nil
		}
		ok = true
		r = readingOf(step, text, today)
		if !r.empty() || checks.HasNumber(text, f.Document.Number) {
			return r, ok, nil
		}
	}
	return r, ok, nil
}

// turns are the quarters of a circle by which a photo is turned, one after the other, to be read. The back of
// a card, on which there may be nothing to find, is turned only when it lies across.
func turns(m *image.Gray, step string) []int {
	switch across := m.Rect.Dy() > m.Rect.Dx()*9/8; {
	case across && step == DocumentBack:
		return []int{0, 1}
	case across:
		return []int{0, 1, 3}
	case step == DocumentBack:
		return []int{0}
	}
	return []int{0, 2}
}

func readingOf(step, text string, today time.Time) Reading {
	r := Reading{Step: step, Numbers: checks.FindResidentNumbers(text, today), text: text}
	if m, ok := checks.FindMRZ(text, today); ok {
		r.MRZ, r.Number, r.BirthDate, r.ExpiresOn = m.Format, m.Number, m.Birth, m.Expires
		r.Surname, r.GivenNames = m.Surname, m.GivenNames
	}
	return r
}

// compare holds what was read on a photo against Level 1. What has no check digits of its own can agree,
// never disagree: it is as likely to be misread.
func compare(r Reading, f *Identity) []Check {
	var out []Check
	add := func(check string, v checks.Verdict, code string) {
		if v != checks.Fail {
			code = ""
		}
		out = append(out, Check{Step: r.Step, Check: check, Verdict: v, Code: code})
	}
	same := func(read, typed string) checks.Verdict {
		switch {
		case len(read) < len(typed): // nothing, or a birth date of which parts are unknown
			return checks.Unsure
		case read == typed:
			return checks.Pass
		}
		return checks.Fail
	}
	if r.Step == DocumentBack {
		if day, err := time.Parse(time.DateOnly, f.Document.ExpiresOn); err == nil {
			v := checks.Unsure
			if checks.HasDay(r.text, day) {
				v = checks.Pass
			}
			add(checkExpiry, v, "")
		}
		return out
	}
	v := checks.Unsure
	switch n := f.Document.Number; {
	case slices.Contains(r.Numbers, n) || r.Number == n || checks.HasNumber(r.text, n):
		v = checks.Pass
	case residentForm(f.Document.Type) && len(r.Numbers) > 0:
		v = checks.Fail
	case f.Document.Type == Passport && r.MRZ != "" && !checks.SameReading(r.Number, n):
		v = checks.Fail
	}
	add(checkNumber, v, "data.number_mismatch")
	if r.MRZ != "" {
		add(checkBirth, same(r.BirthDate, f.BirthDate), "data.birth_mismatch")
		add(checkExpiry, same(r.ExpiresOn, f.Document.ExpiresOn), "data.expiry_mismatch")
		if f.LatinName != "" {
			v := checks.Unsure
			if letters(r.Surname+r.GivenNames) == letters(f.LatinName) || letters(r.GivenNames+r.Surname) == letters(f.LatinName) {
				v = checks.Pass
			}
			add(checkName, v, "")
		}
	}
	return out
}

// residentForm reports whether a document's number has the form of GB 11643 and stands on its portrait side.
func residentForm(documentType string) bool {
	return documentType == CNResidentID || documentType == HKMacauResidencePermit || documentType == TaiwanResidencePermit
}

// rightSide tells by the number which side of a card is which: it stands beside the portrait alone.
func rightSide(readings []Reading, documentType string) []Check {
	if !residentForm(documentType) {
		return nil
	}
	count := map[string]int{}
	read := map[string]bool{}
	for _, r := range readings {
		count[r.Step], read[r.Step] = len(r.Numbers), true
	}
	if !read[DocumentFront] || !read[DocumentBack] {
		return nil
	}
	found := map[string]float64{onTheFront: float64(count[DocumentFront]), onTheBack: float64(count[DocumentBack])}
	bad := func(step string) Check {
		return Check{Step: step, Check: checkSide, Verdict: checks.Fail, Code: "document.wrong_side", Measures: found}
	}
	switch front, back := count[DocumentFront] > 0, count[DocumentBack] > 0; {
	case back && !front:
		return []Check{bad(DocumentFront), bad(DocumentBack)}
	case back:
		return []Check{bad(DocumentBack)}
	case front:
		return []Check{{Step: DocumentFront, Check: checkSide, Verdict: checks.Pass, Measures: found}}
	}
	return []Check{{Step: DocumentFront, Check: checkSide, Verdict: checks.Unsure, Measures: found}}
}

// letters are the Latin letters of a name, as capitals.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 'A' || r > 'Z' {
			return -1
		}
		return r
	}, strings.ToUpper(s))
}

// SealedReading is a Reading as it is stored.
type SealedReading struct {
	Step   string `json:"step" bson:"step"`
	Sealed []byte `json:"sealed" bson:"sealed"`
}

func boundReading(caseID, step string) []byte { return seal.Bind("case", caseID, "reading", step) }

// keepReadings replaces the readings of some steps. An empty one is not kept.
func (c *change) keepReadings(steps []string, readings []Reading) {
	c.Readings = slices.DeleteFunc(c.Readings, func(r SealedReading) bool { return slices.Contains(steps, r.Step) })
	for _, r := range readings {
		if !r.empty() {
			c.Readings = append(c.Readings, SealedReading{Step: r.Step, Sealed: c.key.Seal(mustJSON(r), boundReading(c.ID, r.Step))})
		}
	}
}

// Readings returns what was read on the photos of a case and heard in its recordings, for whoever compares it and for the
// person whom it is about.
func (s *Service) Readings(c Case) ([]Reading, error) {
	if len(c.Document.Readings) == 0 {
		return nil, nil
	}
	k, err := s.keyOf(c.Document)
	if err != nil {
		return nil, err
	}
	var out []Reading
	for _, r := range c.Document.Readings {
		b, err := k.Open(r.Sealed, boundReading(c.ID, r.Step))
		if err != nil {
			return nil, fmt.Errorf("open a reading of %s: %w", c.ID, err)
		}
		read := Reading{Step: r.Step}
		if err := json.Unmarshal(b, &read); err != nil {
			return nil, fmt.Errorf("read a reading of %s: %w", c.ID, errUnreadable)
		}
		out = append(out, read)
	}
	return out, nil
}
