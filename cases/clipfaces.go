package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/checks/face"
)

// The checks of faces in a statement.
const (
	checkFaces      = "faces"       // somebody is in the picture
	checkSamePerson = "same_person" // who did the face step
)

// Limits of looking for faces in a recording.
const (
	mostStills = 12
	faceShare  = 0.7 // of the pictures have one
	frontalYaw = 25  // degrees, of a face that is compared
)

// findFaces looks for the person in pictures of a statement, and holds them against who did the face step. The document
// beside the face has a portrait, too: the largest face counts.
func (s *Service) findFaces(ctx context.Context, c Case, f *clipFindings, stills [][]byte) error {
	if f.step != ClipStatement {
		return nil
	}
	if s.cfg.Faces == nil || len(stills) == 0 {
		f.add(checkFaces, checks.Skipped, "", nil)
		return nil
	}
	seen, err := s.cfg.Faces.LookAll(ctx, spread(stills, mostStills))
	if err != nil {
		return fmt.Errorf("look for faces: %w", err)
	}
	with := 0
	for _, o := range seen {
		if len(o.Faces) > 0 {
			with++
		}
	}
	share := float64(with) / float64(len(seen))
	f.add(checkFaces, verdict(share >= faceShare, checks.Unsure), "", map[string]float64{"pictures": float64(len(seen)), "with": float64(with)})

	person, err := s.levelTwo(c)
	if err != nil {
		return err
	}
	limits, err := s.cfg.Policy.Face.thresholds(s.cfg.Faces)
	if err != nil {
		return err
	}
	var distances []float64
	for _, o := range seen {
		if o.Embedding.Zero() || person.Zero() || o.Pose.Yaw > frontalYaw || o.Pose.Yaw < -frontalYaw {
			continue
		}
		d, err := face.Distance(person, o.Embedding)
		if errors.Is(err, face.ErrOtherModel) {
			break // the operator changed the model meanwhile: a person compares
		}
		if err != nil {
			return err
		}
		distances = append(distances, d)
	}
	if len(distances) == 0 {
		f.add(checkSamePerson, checks.Skipped, "", nil)
		return nil
	}
	slices.Sort(distances)
	middle := distances[len(distances)/2]
	v := checks.Unsure
	switch {
	case middle <= limits.Accept:
		v = checks.Pass
	case middle > limits.Reject:
		v = checks.Fail
	}
	f.add(checkSamePerson, v, "video.not_the_applicant", map[string]float64{
		"distance": middle, "accept": limits.Accept, "reject": limits.Reject, "pictures": float64(len(distances)),
	})
	return nil
}

// levelTwo is the person of the face step; empty where there is none to compare with.
func (s *Service) levelTwo(c Case) (face.Embedding, error) {
	if st := c.step(Face); st != nil {
		for _, t := range st.Takes {
			if t.State == TakeAccepted {
				return s.template(c, t)
			}
		}
	}
	return face.Embedding{}, nil
}

// spread picks at most n of a list, evenly.
func spread[T any](of []T, n int) []T {
	if len(of) <= n {
		return of
	}
	out := make([]T, n)
	for i := range out {
		out[i] = of[i*len(of)/n]
	}
	return out
}
