package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/checks/face/facetest"
)

// facesFor is how long the moves may take: the film makes each of them once in six seconds, in an order of its own.
const facesFor = 100 * time.Second

// faces goes through all three levels to their approval with somebody who moves before the camera, against a document with their
// portrait. Against one with somebody else's the face fails, and a person is asked to look.
func (w *world) faces(t *testing.T) {
	engine := facetest.Engine(t, face.MobileFaceNet)
	still := facetest.Still(t)
	actor, err := facetest.NewActor(engine, still)
	if err != nil {
		t.Fatal(err)
	}
	// Drawn at ten pictures a second and shown three times each: Chromium plays thirty. Lengthwise, as the page asks for
	// it: of an upright film Chromium would cut the middle out, and the face would be too near.
	var film bytes.Buffer
	for i, pose := range facetest.Script([]face.Action{face.TurnLeft, face.TurnRight, face.MouthOpen, face.Blink}, 10) {
		picture := actor.JPEG(640, 480, pose, i)
		for range 3 {
			film.Write(picture)
		}
	}
	if err := os.WriteFile(w.camera.path+".next", film.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.camera.path+".next", w.camera.path); err != nil {
		t.Fatal(err)
	}
	policy := policyFile(t, peoplePolicy(t))
	server := newProgram(t, w.binary, false, "--policy", policy, "--speech-url", writesDown(t, "I want to open an account"))
	own, err := facetest.Document(still)
	if err != nil {
		t.Fatal(err)
	}
	other, err := facetest.Document(facetest.Strangers(t)[0].JPEG)
	if err != nil {
		t.Fatal(err)
	}

	first := w.atTheFace(t, server, "en", own)
	first.moves()
	first.phone.screen("done")
	first.desk.until(mirrorStep("face", "accepted") + ` || document.querySelector("[data-test=handoff-ended]")?.dataset.state === "done"`)
	first.phone.calm()
	first.desk.calm()
	w.decided(t, server, first)

	second := w.atTheFace(t, server, "zh-CN", other)
	ph := second.phone
	second.moves()
	ph.screen("face-failed")
	if code := eval[string](ph, one("face-reason")+".dataset.code"); code != "face.mismatch" {
		t.Errorf("another face is refused for %s", code)
	}
	ph.shoot("face-failed")
	ph.press("face-another")
	ph.screen("face-choose")
	ph.shoot("face-choose")
	ph.press("face-way-person")
	ph.until(one("face"))
	ph.screen("done")
	ph.calm()

	server.kill()
	p := &person{T: t, server: server}
	for _, row := range []struct {
		of      *pair
		verdict string
		check   func(cases.FaceResult) bool
	}{
		{first, "pass", func(f cases.FaceResult) bool {
			return f.Compared && f.Distance <= f.Accept && len(f.Actions) == 4 && f.Template != nil
		}},
		{second, "review", func(f cases.FaceResult) bool { return f.Alternative == "person" && !f.Compared && f.Template != nil }},
	} {
		c, files := p.openStored(row.of.caseID)
		kept := false
		for _, step := range c.Steps {
			for _, take := range step.Takes {
				if take.Face == nil {
					continue
				}
				kept = true
				if take.Face.Verdict != row.verdict || !row.check(*take.Face) || take.Face.Model != engine.Model() {
					t.Errorf("the result is %+v", *take.Face)
				}
				for _, part := range take.Parts {
					o, err := files.Open(t.Context(), part.UploadID)
					if err != nil || o.Size() != part.Size {
						t.Errorf("frame %s: %v", part.MediaID, err)
						continue
					}
					_ = o.Close()
				}
			}
		}
		if !kept {
			t.Errorf("no face is stored of %s", row.of.caseID)
		}
	}
}

// peoplePolicy is the program's own, but that people decide all three levels, two of them the third.
func peoplePolicy(t *testing.T) []byte {
	t.Helper()
	text := string(recordingPolicy(t))
	for _, change := range [][2]string{
		{"level_2: [documents]", "level_2: [documents, face]"},
		{"level_1: rules", "level_1: person"},
		{"four_eyes:\n  levels: []", "four_eyes:\n  levels: [3]"},
		{"  send_back: [video.unreadable, video.unclear, video.silent, video.script_incomplete]", "  send_back: []"},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the default policy has no %q", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	return []byte(text)
}

// atTheFace is somebody whose document is photographed, with a phone that was asked for the face.
func (w *world) atTheFace(t *testing.T, server *program, lang string, document []byte) *pair {
	t.Helper()
	p := w.newPair(t, site{url: server.url}, lang)
	p.phone = w.browser.open(t, phoneDevice, lang)
	p.keepPhoto("document_front", document)
	p.keep("document_back", 2)
	p.newOffer()
	p.claim(p.phone)
	p.match()
	ph := p.phone
	ph.press("start")
	ph.screen("face-consent")
	ph.seen("face-agree")
	ph.asLarge("face-decline", "face-agree")
	ph.shoot("face-consent")
	ph.press("face-agree")
	ph.screen("permission")
	ph.press("allow-camera")
	return p
}

// moves makes the moves, while the desk follows.
func (p *pair) moves() {
	p.Helper()
	ph, d := p.phone, p.desk
	ph.until(one("face"))
	began := time.Now()
	d.until(`document.querySelector("[data-test=mirror-now]")?.dataset.phase === "moves"`)
	shown := map[string]bool{}
	for time.Since(began) < facesFor {
		action := eval[string](ph, one("face")+`?.dataset.action ?? ""`)
		if action == "" || action == "sending" {
			break
		}
		if !shown[action] {
			shown[action] = true
			ph.shootHere("face-" + action)
			if action != "neutral" {
				words := fmt.Sprintf(`document.querySelector("[data-test=mirror-now]")?.dataset.hint === %q`, action)
				if d.comes(words, 5*time.Second) && len(shown) == 2 {
					d.shootHere("mirror-face")
				}
			}
		}
		time.Sleep(lookFor)
	}
	p.Logf("the moves %v took %v", keysOf(asWords(shown)), time.Since(began).Round(time.Second))
	ph.until(`!document.querySelector("[data-test=face]") || document.querySelector("[data-test=face]").dataset.action === "sending"`)
	ph.until(`!document.querySelector("[data-test=face]")`)
}

func asWords(of map[string]bool) map[string]string {
	out := map[string]string{}
	for k := range of {
		out[k] = k
	}
	return out
}
