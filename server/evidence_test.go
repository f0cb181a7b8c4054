package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/server/servertest"
)

// shownFaces is what an engine sees that is told what to see: it takes a frame's last byte for the
// number of faces on it.
type shownFaces struct {
	mu   sync.Mutex
	busy bool // guarded by mu
}

func (*shownFaces) Model() face.Model {
	return face.Model{Name: "shown", Hash: "00", Metric: face.Cosine}
}

func (*shownFaces) Thresholds() face.Thresholds {
	t, _ := face.Defaults(face.MobileFaceNet)
	return t
}

func (f *shownFaces) LookAll(_ context.Context, frames [][]byte) ([]face.Observation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy {
		return nil, face.ErrBusy
	}
	out := make([]face.Observation, len(frames))
	for i, b := range frames {
		out[i] = face.Observation{Digest: sha256.Sum256(b), Faces: make([]face.Box, b[len(b)-1])}
	}
	return out, nil
}

func (f *shownFaces) Portrait(context.Context, image.Image) (face.Portrait, bool, error) {
	return face.Portrait{Embedding: face.Embedding{Model: f.Model(), Vector: []float32{1, 0}}}, true, nil
}

// withFace is a configuration of cases whose Level 2 asks for a face, which f recognises.
func withFace(t *testing.T, f cases.Faces) func(*cases.Config) {
	t.Helper()
	policy := servertest.Policy(t, func(p *cases.Policy) { p.Requires.Level2 = []string{cases.AskDocuments, cases.Face} })
	return func(c *cases.Config) { c.Policy, c.Faces = policy, f }
}

// atTheFace is a phone that was asked for the face, of somebody whose photos are kept.
func atTheFace(t *testing.T, s *servertest.Server) (desk, phone *servertest.Client) {
	t.Helper()
	desk = s.Person(t)
	desk.Keep("document_front", 1)
	desk.Keep("document_back", 2)
	phone, _ = desk.Phone("face")
	return desk, phone
}

// evidence is what a phone sends for a challenge.
type evidence struct {
	meta  map[string]any
	parts map[string][]byte
}

// answer makes well-formed evidence: two frames for each move, whose last byte is faces.
func answer(challenge *servertest.Answer, faces byte) evidence {
	e := evidence{parts: map[string][]byte{}}
	var frames []map[string]any
	for i, a := range slices.Repeat(challenge.Get("actions").([]any), 2) {
		name := fmt.Sprintf("f%d", i)
		e.parts[name] = append(bytes.Repeat([]byte{0xFF, 0xD8, byte(i)}, 100), faces)
		frames = append(frames, map[string]any{"part": name, "action": a, "at_ms": 400 * i})
	}
	e.meta = map[string]any{
		"challenge_id": challenge.String("id"), "nonce": challenge.String("nonce"), "frames": frames,
		"claims": map[string]any{"Passed": true, "distance": 0.01},
	}
	return e
}

func (e evidence) body(t *testing.T) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part := func(name, kind string, content []byte) {
		p, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name=%q`, name)}, "Content-Type": {kind},
		})
		must(t, err)
		_, err = p.Write(content)
		must(t, err)
	}
	if e.meta != nil {
		meta, err := json.Marshal(e.meta)
		must(t, err)
		part("meta", "application/json", meta)
	}
	for name, content := range e.parts {
		part(name, "image/jpeg", content)
	}
	must(t, w.Close())
	return b.Bytes(), w.FormDataContentType()
}

func sendFace(t *testing.T, p *servertest.Client, e evidence, headers ...string) *servertest.Answer {
	t.Helper()
	body, kind := e.body(t)
	return p.Do("POST", p.Path("/steps/face/evidence"), body, append([]string{"Content-Type", kind}, headers...)...)
}

func challenge(p *servertest.Client, alternative string) *servertest.Answer {
	return p.Do("POST", p.Path("/steps/face/challenge"), map[string]any{"alternative": alternative})
}

func stepState(p *servertest.Client, step string) string {
	for _, st := range p.Do("GET", p.Path(""), nil).Get("steps").([]any) {
		if m := st.(map[string]any); m["id"] == step {
			return m["state"].(string)
		}
	}
	return ""
}

func TestAChallengeIsForOneTakeOfWhoeverAsked(t *testing.T) {
	s := servertest.StartWith(t, withFace(t, &shownFaces{}))
	desk := s.Person(t)
	desk.Do("POST", desk.Path("/steps/face/challenge"), none).Want(t, 409, "channel_not_allowed")
	phone, _ := desk.Phone("document_front", "face")
	challenge(phone, "").Want(t, 409, "portrait_missing")
	phone.Keep("document_front", 1)
	phone.Do("POST", phone.Path("/steps/document_front/challenge"), none).Want(t, 409, "step_without_challenge")
	challenge(phone, "somersault").Want(t, 422)

	orders := map[string]bool{}
	for range 12 {
		c := challenge(phone, "").Want(t, 201)
		moves := c.Get("actions").([]any)
		if len(moves) != 4 || moves[0] != "neutral" {
			t.Fatalf("moves %v", moves)
		}
		orders[fmt.Sprint(moves)] = true
	}
	if len(orders) < 3 {
		t.Errorf("the moves can be foreseen: %v", orders)
	}
	if got := challenge(phone, "still").Want(t, 201).Get("actions").([]any); len(got) != 1 {
		t.Errorf("still asks for %v", got)
	}

	first := challenge(phone, "").Want(t, 201)
	stolen := answer(first, 0)
	stolen.meta["nonce"] = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	sendFace(t, phone, stolen).Want(t, 409, "challenge_unknown")
	sendFace(t, phone, answer(first, 0)).Want(t, 422, "face_failed")
	sendFace(t, phone, answer(first, 0)).Want(t, 409, "challenge_used")
	late := challenge(phone, "").Want(t, 201)
	s.Clock.Advance(4 * time.Minute)
	sendFace(t, phone, answer(late, 0)).Want(t, 410, "challenge_expired")
	mine := challenge(phone, "").Want(t, 201)
	desk.Do("POST", desk.Path("/handoffs"), map[string]any{"steps": []string{"face"}, "replace": true}).Want(t, 201)
	sendFace(t, phone, answer(mine, 1)).Want(t, 401)
}

func TestAFaceThatFailsIsToldWhyAndAtLastAPersonLooks(t *testing.T) {
	f := &shownFaces{}
	s := servertest.StartWith(t, withFace(t, f))
	desk, phone := atTheFace(t, s)

	f.busy = true
	c := challenge(phone, "").Want(t, 201)
	if a := sendFace(t, phone, answer(c, 0)).Want(t, 503, "face_busy"); a.Header.Get("Retry-After") == "" {
		t.Error("busy does not say for how long")
	}
	f.busy = false // the challenge was not spent by that
	for left := 2; left >= 0; left-- {
		a := sendFace(t, phone, answer(c, 0)).Want(t, 422, "face_failed")
		if !strings.Contains(string(a.Body), "face.not_detected") || a.Get("tries_left") != float64(left) {
			t.Errorf("with %d left: %s", left, a.Body)
		}
		if strings.Contains(string(a.Body), "distance") || strings.Contains(string(a.Body), "challenge_reuse") {
			t.Errorf("the phone is told what is not for it: %s", a.Body)
		}
		if left > 0 {
			c = challenge(phone, "").Want(t, 201)
		}
	}
	if st := stepState(desk, "face"); st != "todo" {
		t.Errorf("nothing was kept, and the step is %s", st)
	}
	challenge(phone, "").Want(t, 409, "face_tries_used")
	challenge(phone, "fewer_moves").Want(t, 409, "face_tries_used")
	c = challenge(phone, "person").Want(t, 201)
	e := evidence{meta: answer(c, 1).meta, parts: map[string][]byte{}}
	var frames []map[string]any
	for i := range 5 {
		name := fmt.Sprint(i)
		e.parts[name] = []byte{0xFF, 0xD8, byte(i), 1}
		frames = append(frames, map[string]any{"part": name, "action": "neutral", "at_ms": 500 * i})
	}
	e.meta["frames"] = frames
	if a := sendFace(t, phone, e).Want(t, 200); a.String("verdict") != "review" {
		t.Errorf("verdict %s", a.Body)
	}
	if st := stepState(desk, "face"); st != "accepted" {
		t.Errorf("kept, and the step is %s", st)
	}
	phone.Do("POST", "/v1/capture/submit", nil).Want(t, 200)
	s.Work(t)
	if st := desk.Do("GET", desk.Path(""), nil).String("levels.1.state"); st != "in_review" {
		t.Errorf("Level 2 is %s", st)
	}

	// What a person decides on is there, sealed, byte for byte.
	own, err := s.Cases.Get(t.Context(), desk.CaseID)
	must(t, err)
	i := slices.IndexFunc(own.Steps, func(st cases.Step) bool { return st.ID == "face" })
	take := own.Steps[i].Takes[0]
	if len(take.Parts) != 5 || take.Face == nil || take.Face.Alternative != "person" || take.Parts[4].AtMS != 2000 {
		t.Fatalf("the take: %+v", take)
	}
	for _, part := range take.Parts {
		o, err := s.Media.Open(t.Context(), part.UploadID)
		must(t, err)
		b := make([]byte, o.Size())
		_, err = o.ReadAt(b, 0)
		must(t, err)
		must(t, o.Close())
		if want := e.parts[fmt.Sprint(part.AtMS/500)]; !bytes.Equal(b, want) {
			t.Errorf("a frame is %x instead of %x", b, want)
		}
	}
}

func TestEvidenceIsRefusedBeforeItIsLookedAt(t *testing.T) {
	s := servertest.StartWith(t, withFace(t, &shownFaces{}))
	_, phone := atTheFace(t, s)
	c := challenge(phone, "").Want(t, 201)
	for name, test := range map[string]struct {
		change func(*evidence)
		status int
		code   string
	}{
		"no meta":         {func(e *evidence) { e.meta = nil }, 400, "evidence_malformed"},
		"no frames":       {func(e *evidence) { e.parts, e.meta["frames"] = nil, []any{} }, 422, "face_frames_invalid"},
		"a part too many": {func(e *evidence) { e.parts["more"] = []byte{0xFF, 0xD8, 9, 1} }, 400, "evidence_malformed"},
		"a part is gone":  {func(e *evidence) { delete(e.parts, "f0") }, 400, "evidence_malformed"},
		"an empty part":   {func(e *evidence) { e.parts["f0"] = nil }, 400, "evidence_malformed"},
		"a move that nobody asked for": {func(e *evidence) {
			e.meta["frames"].([]map[string]any)[1]["action"] = "wink"
		}, 422, "face_frames_invalid"},
		"no time":        {func(e *evidence) { delete(e.meta["frames"].([]map[string]any)[1], "at_ms") }, 400, "evidence_malformed"},
		"before time":    {func(e *evidence) { e.meta["frames"].([]map[string]any)[1]["at_ms"] = -1 }, 400, "evidence_malformed"},
		"a part twice":   {func(e *evidence) { e.meta["frames"].([]map[string]any)[1]["part"] = "f0" }, 400, "evidence_malformed"},
		"unknown member": {func(e *evidence) { e.meta["verdict"] = "pass" }, 400, "evidence_malformed"},
		"a large frame":  {func(e *evidence) { e.parts["f0"] = make([]byte, 1<<20+1) }, 413, "frame_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			e := answer(c, 1)
			test.change(&e)
			sendFace(t, phone, e).Want(t, test.status, test.code)
		})
	}
	t.Run("31 frames", func(t *testing.T) {
		e := answer(c, 1)
		for i := len(e.parts); i < 31; i++ {
			e.parts[fmt.Sprintf("f%d", i)] = []byte{0xFF, 0xD8, byte(i), 1}
		}
		sendFace(t, phone, e).Want(t, 400, "evidence_malformed")
	})
	t.Run("13 MiB", func(t *testing.T) {
		e := answer(c, 1)
		for i := range 13 {
			e.parts[fmt.Sprintf("f%d", i)] = make([]byte, 1<<20)
		}
		sendFace(t, phone, e).Want(t, 413)
	})
	phone.Do("POST", phone.Path("/steps/face/evidence"), map[string]any{}).Want(t, 415, "content_type_unsupported")
	phone.Do("POST", phone.Path("/steps/face/evidence"), []byte("--x"), "Content-Type", "multipart/form-data; boundary=x").Want(t, 400)
	phone.Do("POST", phone.Path("/steps/document_front/evidence"), []byte("--x"), "Content-Type", "multipart/form-data; boundary=x").Want(t, 403, "step_not_in_handoff")
	// None of it spent the challenge.
	sendFace(t, phone, answer(c, 0)).Want(t, 422, "face_failed")
}

func TestRacersCannotSpendAChallengeTwice(t *testing.T) {
	s := servertest.StartWith(t, withFace(t, nil)) // without an engine everything is kept for a person
	_, phone := atTheFace(t, s)
	c := challenge(phone, "").Want(t, 201)
	body, kind := answer(c, 1).body(t)
	var wg sync.WaitGroup
	kept := make(chan int, 8)
	for range 8 {
		wg.Go(func() {
			kept <- phone.Do("POST", phone.Path("/steps/face/evidence"), body, "Content-Type", kind).Status
		})
	}
	wg.Wait()
	close(kept)
	won := 0
	for status := range kept {
		if status == 200 {
			won++
		} else if status != 409 {
			t.Errorf("a loser got %d", status)
		}
	}
	if won != 1 {
		t.Errorf("%d of 8 were kept", won)
	}
	// What the losers had stored goes; only the winner's frames stay.
	s.Clock.Advance(time.Hour)
	s.Work(t)
	left := 0
	must(t, filepath.WalkDir(filepath.Join(s.Dir, "media"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".data") {
			return err
		}
		info, err := os.ReadFile(strings.TrimSuffix(path, ".data") + ".info")
		if strings.Contains(string(info), `"step":"face"`) {
			left++
		}
		return err
	}))
	if want := 1 + 8; left != want {
		t.Errorf("%d uploads of the face are left, want %d", left, want)
	}
}

func FuzzEvidence(f *testing.F) {
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=\"meta\"\r\n\r\n{}\r\n--x--"))
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=\"meta\"\r\n\r\n{\"challenge_id\":\"a\",\"nonce\":\"b\",\"frames\":[{\"part\":\"f\",\"action\":\"neutral\",\"at_ms\":0}]}\r\n--x\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nJ\r\n--x--"))
	s := servertest.StartWith(f, func(c *cases.Config) {
		c.Policy = servertest.Policy(f, func(p *cases.Policy) {
			p.Requires.Level2, p.Channels["face"] = []string{cases.AskDocuments, cases.Face}, []string{"desk"}
		})
	})
	p := s.Person(f).App()
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := http.NewRequest("POST", s.URL+p.Path("/steps/face/evidence"), bytes.NewReader(body))
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+p.Token)
		req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		must(t, res.Body.Close())
		if res.StatusCode < 400 || res.StatusCode >= 500 {
			t.Errorf("%d for %q", res.StatusCode, body)
		}
	})
}
