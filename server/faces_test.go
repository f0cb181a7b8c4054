package server_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/server/servertest"
)

// knownFaces sees in a frame the person that its last byte numbers.
type knownFaces struct{ shownFaces }

func (f *knownFaces) LookAll(_ context.Context, frames [][]byte) ([]face.Observation, error) {
	out := make([]face.Observation, len(frames))
	for i, b := range frames {
		v := make([]float32, 16)
		v[b[len(b)-1]] = 1
		out[i] = face.Observation{Digest: sha256.Sum256(b), Faces: make([]face.Box, 1), Embedding: face.Embedding{Model: f.Model(), Vector: v}}
	}
	return out, nil
}

// searching is a policy that looks for faces in other cases.
func searching(t *testing.T) func(*cases.Config) {
	words := cases.ConsentText{Title: "t", What: "w", Why: "w", Keep: "k", Who: "w", Declined: "d"}
	policy := servertest.Policy(t, func(p *cases.Policy) {
		p.Requires.Level2 = []string{cases.AskDocuments, cases.Face}
		p.Face.Duplicates.Search = true
		p.Consents = append(p.Consents, cases.ConsentRule{ID: cases.ConsentFaceSearch, Version: 1, Texts: map[string]cases.ConsentText{"en": words, "zh-Hans": words}})
	})
	return func(c *cases.Config) { c.Policy, c.Faces = policy, &knownFaces{} }
}

// shows is somebody with a face whose Level 2 was handed in and checked.
func shows(t *testing.T, s *servertest.Server, who byte, search bool) *servertest.Client {
	t.Helper()
	desk := s.Person(t)
	consent(desk, search).Want(t, 200)
	desk.Keep("document_front", 1)
	desk.Keep("document_back", 2)
	phone, _ := desk.Phone("face")
	c := challenge(phone, "person").Want(t, 201)
	e := evidence{meta: answer(c, 1).meta, parts: map[string][]byte{}}
	var frames []map[string]any
	for i := range 5 {
		name := fmt.Sprint(i)
		e.parts[name] = append([]byte{0xFF, 0xD8, byte(i)}, desk.CaseID+string(rune(who))...)
		frames = append(frames, map[string]any{"part": name, "action": "neutral", "at_ms": 500 * i})
	}
	e.meta["frames"] = frames
	sendFace(t, phone, e).Want(t, 200)
	phone.Do("POST", "/v1/capture/submit", nil).Want(t, 200)
	s.Work(t)
	return desk
}

func consent(p *servertest.Client, given bool) *servertest.Answer {
	return p.Do("PUT", p.Path("/consents/face_search"), map[string]any{"given": given, "version": 1, "language": "en"})
}

func TestOnePersonInTwoCasesIsSeenByReviewersAlone(t *testing.T) {
	s := servertest.StartWith(t, searching(t))
	first := shows(t, s, 3, true)
	unasked := shows(t, s, 3, false)
	other := shows(t, s, 4, true)
	second := shows(t, s, 3, true)
	r := s.Staff(t, "reviewer")
	hits := func(p *servertest.Client) (ids []string) {
		t.Helper()
		take(t, r, p.CaseID)
		a := r.Do("GET", servertest.Review(p.CaseID, ""), nil).Want(t, 200)
		for _, h := range a.Get("evidence.face_hits").([]any) {
			ids = append(ids, h.(map[string]any)["case_id"].(string))
		}
		if why := strings.Contains(fmt.Sprint(a.Get("levels.1.reasons")), "duplicate.face"); why != (len(ids) > 0) {
			t.Errorf("hits %q, and the reasons are %v", ids, a.Get("levels.1.reasons"))
		}
		r.Do("DELETE", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 204)
		return ids
	}
	for name, row := range map[string]struct {
		of   *servertest.Client
		want []string
	}{"the first": {first, nil}, "who did not agree": {unasked, nil}, "another": {other, nil}, "the second": {second, []string{first.CaseID}}} {
		if got := hits(row.of); !slices.Equal(got, row.want) {
			t.Errorf("%s is found in %q, want %q", name, got, row.want)
		}
	}
	// The applicant learns nothing of it.
	for _, path := range []string{"", "/data", "/events"} {
		if a := second.Do("GET", second.Path(path), nil).Want(t, 200); strings.Contains(string(a.Body), first.CaseID) || strings.Contains(string(a.Body), "duplicate") {
			t.Errorf("%s tells the applicant: %s", path, a.Body)
		}
	}
	// A new key of the operator changes nothing; who withdraws, or is erased, is not found any more.
	consent(first, false).Want(t, 200)
	own, err := s.Cases.Get(t.Context(), first.CaseID)
	must(t, err)
	if own.FaceEntry != nil || stepState(first, "face") == "todo" {
		t.Errorf("after withdrawing the entry is %+v and the face %s", own.FaceEntry, stepState(first, "face"))
	}
	if got := hits(shows(t, s, 3, true)); !slices.Equal(got, []string{second.CaseID}) {
		t.Errorf("found in %q, want the second alone", got)
	}
	consent(second, false).Want(t, 200)
	if own, err = s.Cases.Get(t.Context(), second.CaseID); err != nil || len(own.FaceHits) > 0 {
		t.Errorf("after withdrawing it keeps what was found: %v %v", own.FaceHits, err)
	}
}
