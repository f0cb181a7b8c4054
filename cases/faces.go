package cases

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/seal"
)

// FaceDuplicates says whether a person's face is looked for in other cases, so that one person with two identities is seen.
// Only cases that agreed to it (ConsentFaceSearch) look, and are found.
type FaceDuplicates struct {
	Search bool `yaml:"search"`
	// Within is how near another face has to be, as a part of the distance up to which it is accepted as one person's:
	// among many, chance finds somebody near.
	Within float64 `yaml:"within"`
}

const (
	defaultWithin = 0.75
	maxFaceHits   = 5
	facePage      = 500
)

func (p *FaceDuplicates) check(say func(format string, args ...any)) {
	if p.Within == 0 {
		p.Within = defaultWithin
	}
	if !(p.Within > 0 && p.Within <= 1) {
		say("face.duplicates.within: %v is not above 0 and at most 1", p.Within)
	}
}

// checkFaceDuplicate is whether the person's face is another case's, too. A person decides, never a rule.
const checkFaceDuplicate = "face_duplicate"

func modelKey(m face.Model) string { return m.Name + "/" + m.Hash }

// faceEntry is what other cases may find this one's face by; nil where nobody agreed, or no face was made here.
func (d *Document) faceEntry(p Policy) *FaceEntry {
	i := slices.IndexFunc(p.Consents, func(r ConsentRule) bool { return r.ID == ConsentFaceSearch })
	st := d.step(Face)
	if !p.Face.Duplicates.Search || i < 0 || st == nil || d.consentState(p.Consents[i]) != ConsentGiven {
		return nil
	}
	for _, t := range st.Takes {
		if t.State == TakeAccepted && t.Face != nil && t.Face.Template != nil {
			return &FaceEntry{modelKey(t.Face.Model), t.UploadID, t.Face.Template}
		}
	}
	return nil
}

// findFace looks for a case's face in the others. ok is false where it may not be looked for.
func (s *Service) findFace(ctx context.Context, c Case) (found Check, hits []FaceHit, ok bool, err error) {
	entry := c.faceEntry(s.cfg.Policy)
	if entry == nil || s.cfg.Faces == nil || modelKey(s.cfg.Faces.Model()) != entry.Model {
		return found, nil, false, nil
	}
	limits, err := s.cfg.Policy.Face.thresholds(s.cfg.Faces)
	if err != nil {
		return found, nil, false, err
	}
	within := limits.Accept * s.cfg.Policy.Face.Duplicates.Within
	own, err := s.openFace(FaceRow{c.ID, c.WrappedKey, *entry})
	if err != nil {
		return found, nil, false, err
	}
	for after := ""; ; {
		rows, err := s.cfg.Store.FaceEntries(ctx, entry.Model, after, facePage)
		if err != nil {
			return found, nil, false, fmt.Errorf("look for a face: %w", err)
		}
		for _, r := range rows {
			after = r.CaseID
			if r.CaseID == c.ID {
				continue
			}
			other, err := s.openFace(r)
			if err != nil {
				s.cfg.Log.Warn("face_unreadable", "case", r.CaseID) // one that is damaged does not hide the others
				continue
			}
			if d, err := face.Distance(own, other); err == nil && d <= within {
				hits = append(hits, FaceHit{r.CaseID, d})
			}
		}
		if len(rows) < PageSize(facePage) {
			break
		}
	}
	slices.SortFunc(hits, func(a, b FaceHit) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.CaseID, b.CaseID))
	})
	hits = hits[:min(len(hits), maxFaceHits)]
	found = Check{Step: Face, Check: checkFaceDuplicate, Verdict: checks.Pass, Measures: map[string]float64{"limit": within}}
	if len(hits) > 0 {
		found.Verdict, found.Code = checks.Unsure, "duplicate.face"
		found.Measures["distance"] = hits[0].Distance
	}
	return found, hits, true, nil
}

// openFace opens the template of a row.
func (s *Service) openFace(r FaceRow) (e face.Embedding, err error) {
	k, err := s.cfg.Keys.Unwrap(r.WrappedKey, seal.Bind("case", r.CaseID))
	if err != nil {
		return e, fmt.Errorf("unwrap the key of %s: %w", r.CaseID, err)
	}
	b, err := k.Open(r.Template, boundTemplate(r.CaseID, r.UploadID))
	if err != nil {
		return e, fmt.Errorf("open the face of %s: %w", r.CaseID, err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("read the face of %s: %w", r.CaseID, errUnreadable)
	}
	return e, nil
}
