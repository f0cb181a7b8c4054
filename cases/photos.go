package cases

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/symbolon/symbolon/checks"
)

// photoReasons are the reasons of what checks find on photos, for which rules may send them back.
var photoReasons = []string{
	"document.none", "document.too_small", "document.dark", "document.glare", "document.blurred", "document.cropped",
	"document.black_white", "document.wrong_side",
}

// paperChecks are the checks that hold of any sheet; the others expect a card or a page of a passport.
var paperChecks = []string{checks.CheckLight, checks.CheckGlare, checks.CheckSharp}

// isPaper reports whether a step asks for a sheet rather than for a document with a number of its own.
func isPaper(step string) bool { return step == BusinessLicence || step == Authorisation }

// checkTwoSides is the check that two steps hold two pictures.
const checkTwoSides = "two_sides"

// photo is a step's photo while it is checked.
type photo struct {
	step   string
	digest []byte
	checks.Examined
}

// checkPhotos checks the photos of a level: each for itself, the sides against each other, and what is read on
// them against Level 1. What is surely wrong with a photo is sent back, as far as the policy says so; with anything
// else that failed or could not be told a person looks.
func (s *Service) checkPhotos(ctx context.Context, c Case, level int) (func(*change) error, error) {
	var photos []photo
	var found []Check
	for _, st := range c.Steps {
		if st.Level != level {
			continue
		}
		for _, t := range st.Takes {
			if t.State != TakeAccepted {
				continue
			}
			if st.Kind == KindFace {
				of, err := s.checkFaceStep(ctx, c, t)
				if err != nil {
					return nil, fmt.Errorf("check the face: %w", err)
				}
				found = append(found, of...)
				continue
			}
			p := photo{step: st.ID, digest: t.SHA256}
			if err := s.decodePhoto(ctx, t.UploadID, func(d checks.Photo) { p.Examined = checks.Examine(d.Image) }); err != nil {
				return nil, fmt.Errorf("decode %s: %w", st.ID, err)
			}
			for _, f := range p.Findings {
				if isPaper(st.ID) && !slices.Contains(paperChecks, f.Check) {
					continue
				}
				if isPaper(st.ID) && f.Check == checks.CheckGlare && f.Verdict == checks.Fail {
					f.Verdict, f.Code = checks.Unsure, "" // white paper in bright light looks like it
				}
				found = append(found, Check{Step: st.ID, Check: f.Check, Verdict: f.Verdict, Code: f.Code, Measures: f.Measures})
			}
			if same, ok := p.against(photos); ok {
				found = append(found, same)
			}
			photos = append(photos, p)
		}
	}
	face, hits, looked, err := s.findFace(ctx, c)
	if err != nil {
		return nil, err
	}
	if looked {
		found = append(found, face)
	}
	var readings []Reading
	if s.sendBack(found) == nil { // a photo that is taken again need not be read
		var err error
		if readings, err = s.readPhotos(ctx, c, photos, &found); err != nil {
			return nil, err
		}
	}
	return func(c *change) error {
		if l := c.level(level); l.State == Checking {
			l.Checks, c.FaceHits = found, hits
			c.keepReadings(c.stepIDs(level), readings)
		}
		return s.conclude(c, level, found)
	}, nil
}

// against compares a photo with those of other steps; ok is false where there is none. The same picture
// twice is the later step's mistake.
func (p photo) against(others []photo) (out Check, ok bool) {
	for _, o := range others {
		f := checks.Finding{Verdict: checks.Pass}
		if !isPaper(o.step) && !isPaper(p.step) { // sheets of print look alike from afar
			f = checks.SameSide(o.Examined, p.Examined)
		}
		if bytes.Equal(o.digest, p.digest) {
			f.Verdict, f.Code = checks.Fail, "document.wrong_side"
		}
		if !ok || f.Verdict == checks.Fail {
			out, ok = Check{Step: p.step, Check: checkTwoSides, Verdict: f.Verdict, Code: f.Code, Measures: f.Measures}, true
		}
	}
	return out, ok
}

// readPhotos reads the photos and adds what comes of comparing them with Level 1.
func (s *Service) readPhotos(ctx context.Context, c Case, photos []photo, found *[]Check) ([]Reading, error) {
	today := checks.Day(s.now(), s.cfg.Policy.zone)
	var readings []Reading
	for _, p := range photos {
		if s.cfg.Reader == nil || isPaper(p.step) {
			*found = append(*found, Check{Step: p.step, Check: checkRead, Verdict: checks.Skipped})
			continue
		}
		r, ok, err := s.readStep(ctx, p.step, p.Reading, today, c.Facts)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p.step, err)
		}
		if !ok {
			*found = append(*found, Check{Step: p.step, Check: checkRead, Verdict: checks.Skipped})
			continue
		}
		*found = append(*found, Check{Step: p.step, Check: checkRead, Verdict: checks.Pass})
		*found = append(*found, compare(r, c.Facts)...)
		readings = append(readings, r)
	}
	*found = append(*found, rightSide(readings, c.DocumentType)...)
	return readings, nil
}

// sendBack returns the reasons for which the policy sends photos back.
func (s *Service) sendBack(found []Check) []Reason {
	return failures(found, func(code string) bool {
		return slices.Contains(photoReasons, code) && slices.Contains(s.cfg.Policy.Checks.SendBack, code)
	})
}

// failures returns the reasons of what failed, each once.
func failures(found []Check, take func(code string) bool) []Reason {
	var out []Reason
	for _, f := range found {
		if r := (Reason{Code: f.Code, Step: f.Step}); f.Verdict == checks.Fail && take(f.Code) && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// conclude decides a level by what the checks found.
func (s *Service) conclude(c *change, level int, found []Check) error {
	if back := s.sendBack(found); back != nil {
		return s.decide(c, level, again, back...)
	}
	if failed := failures(found, func(string) bool { return true }); failed != nil {
		return s.decide(c, level, review, failed...)
	}
	if slices.ContainsFunc(found, func(f Check) bool { return f.Verdict != checks.Pass }) {
		if slices.ContainsFunc(found, func(f Check) bool { return f.Code == "duplicate.face" }) {
			return s.decide(c, level, review, Reason{Code: "duplicate.face", Step: Face})
		}
		return s.decide(c, level, review)
	}
	return s.passed(level)(c)
}
