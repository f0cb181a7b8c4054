package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/server/servertest"
)

// withClips is a server that asks for recordings, on the level that follows photos which a person looks at.
func withClips(t *testing.T) *servertest.Server {
	t.Helper()
	return servertest.StartWith(t, func(c *cases.Config) {
		c.Policy = servertest.Policy(t, func(p *cases.Policy) {
			p.Requires.Level2 = []string{cases.AskDocuments}
			p.Requires.Level3 = []string{cases.ClipDocument, cases.ClipStatement}
			p.Approve.Level2 = "person"
		})
	})
}

// recorder is a native app whose Level 3 is open.
func recorder(t *testing.T, s *servertest.Server) *servertest.Client {
	t.Helper()
	app := s.Person(t).App()
	app.Keep("document_front", 1)
	app.Keep("document_back", 2)
	app.Do("POST", app.Path("/levels/2/submit"), none, "If-Match", app.Version()).Want(t, 202)
	s.Work(t)
	if state := app.Do("GET", app.Path(""), nil).Want(t, 200).String("levels.2.state"); state != "open" {
		t.Fatalf("level 3 is %q", state)
	}
	return app
}

// clip is the beginning of a WebM file: as much as is looked at when it is stored.
func clip(seed byte) []byte {
	return append([]byte("\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm\x42\x87\x81\x04\x42\x85\x81\x02"), make([]byte, int(seed)+100)...)
}

// send uploads bytes as a take of a clip's step: a recording, or with role still a photo in it.
func send(c *servertest.Client, step, challenge, role string, b []byte) *servertest.Answer {
	b64 := base64.StdEncoding.EncodeToString
	filetype := "video/webm"
	if role == "still" || strings.HasPrefix(string(b), "\xff\xd8") {
		filetype = "image/jpeg"
	}
	meta := "case " + b64([]byte(c.CaseID)) + ",step " + b64([]byte(step)) + ",filetype " + b64([]byte(filetype)) + ",challenge " + b64([]byte(challenge))
	if role != "" {
		meta += ",role " + b64([]byte(role))
	}
	return c.Do("POST", "/v1/uploads", b, "Content-Type", "application/offset+octet-stream", "Tus-Resumable", "1.0.0",
		"Upload-Length", fmt.Sprint(len(b)), "Upload-Metadata", meta)
}

func uploadOf(t *testing.T, a *servertest.Answer) string {
	t.Helper()
	return strings.TrimPrefix(a.Want(t, 201).Header.Get("Location"), "/v1/uploads/")
}

// timeline shows every prompt of a challenge, so many seconds apart.
func timeline(challenge *servertest.Answer, apart time.Duration) []map[string]any {
	var out []map[string]any
	prompts, _ := challenge.Get("script.prompts").([]any)
	for i, p := range prompts {
		out = append(out, map[string]any{"prompt_id": p.(map[string]any)["id"], "shown_at_ms": (time.Duration(i) * apart).Milliseconds()})
	}
	return out
}

func TestRecordingsFollowAScript(t *testing.T) {
	s := withClips(t)
	app := recorder(t, s)
	ask := func(step string, body any) *servertest.Answer {
		t.Helper()
		return app.Do("POST", app.Path("/steps/"+step+"/challenge"), body)
	}
	accept := func(step string, body map[string]any) *servertest.Answer {
		t.Helper()
		return app.Do("POST", app.Path("/steps/"+step+"/accept"), body)
	}

	// The words are in the language that was asked for, and say whose account and which number.
	hint := app.Do("GET", app.Path(""), nil).Want(t, 200).String("account_hint")
	zh := ask("clip_statement", map[string]any{"lang": "zh-CN"}).Want(t, 201)
	en := ask("clip_statement", none).Want(t, 201)
	if zh.String("script.number") == en.String("script.number") || zh.String("id") == en.String("id") {
		t.Errorf("two takes are asked for the same: %s %s", zh.Body, en.Body)
	}
	for a, lang := range map[*servertest.Answer]string{zh: "zh-Hans", en: "en"} {
		all := fmt.Sprint(a.Get("script.prompts"))
		if !strings.Contains(all, "lang:"+lang) || !strings.Contains(all, hint) || !strings.Contains(all, "Example Exchange") ||
			!strings.Contains(all, strings.Join(strings.Split(a.String("script.number"), ""), " ")) || strings.Contains(all, "@") {
			t.Errorf("%s: %s", lang, all)
		}
		if a.String("script.prompts.0.kind") != "show" || a.String("script.prompts.1.kind") != "read" || a.String("script.account_hint") != hint {
			t.Errorf("%s", a.Body)
		}
	}
	if a := ask("clip_statement", map[string]any{"alternative": "listen_repeat"}).Want(t, 201); a.String("script.prompts.1.kind") != "repeat" {
		t.Errorf("%s", a.Body)
	}
	ask("clip_statement", map[string]any{"alternative": "fewer_moves"}).Want(t, 422, "alternative_unknown")
	ask("clip_document", map[string]any{"alternative": "written"}).Want(t, 422, "alternative_unknown")

	// The document, with its photo.
	doc := ask("clip_document", none).Want(t, 201)
	if doc.Get("script.prompts.0.still") != true || doc.String("script.prompts.0.id") != "portrait_side" {
		t.Errorf("%s", doc.Body)
	}
	id := doc.String("id")
	still := uploadOf(t, send(app, "clip_document", id, "still", servertest.Photo(1))) // in time for the photo to come first
	send(app, "clip_document", id, "still", servertest.Photo(1)).Want(t, 409, "too_many_takes")
	first := uploadOf(t, send(app, "clip_document", id, "", clip(1)))
	send(app, "clip_document", id, "", clip(1)).Want(t, 409, "challenge_used")
	good := timeline(doc, 3*time.Second)
	keep := func(change func(map[string]any)) map[string]any {
		in := map[string]any{"upload_id": first, "still_upload_id": still, "timeline": good}
		if change != nil {
			change(in)
		}
		return in
	}
	moved := func(i int, name string, v any) []map[string]any {
		tl := timeline(doc, 3*time.Second)
		tl[i][name] = v
		return tl
	}
	for name, row := range map[string]struct {
		in    map[string]any
		field string
	}{
		"no timeline":    {keep(func(m map[string]any) { delete(m, "timeline") }), "timeline"},
		"one is missing": {keep(func(m map[string]any) { m["timeline"] = good[:2] }), "timeline"},
		"another prompt": {keep(func(m map[string]any) { m["timeline"] = moved(1, "prompt_id", "other_side") }), "timeline.1.prompt_id"},
		"too soon":       {keep(func(m map[string]any) { m["timeline"] = moved(1, "shown_at_ms", 1999) }), "timeline.1.shown_at_ms"},
		"backwards":      {keep(func(m map[string]any) { m["timeline"] = moved(2, "shown_at_ms", 1000) }), "timeline.2.shown_at_ms"},
		"before zero":    {keep(func(m map[string]any) { m["timeline"] = moved(0, "shown_at_ms", -1) }), "timeline.0.shown_at_ms"},
		"ten hours":      {keep(func(m map[string]any) { m["timeline"] = moved(2, "shown_at_ms", 36_000_000) }), "timeline.2.shown_at_ms"},
	} {
		if got := accept("clip_document", row.in).Want(t, 422, "invalid_fields").String("errors.0.field"); got != row.field {
			t.Errorf("%s: %s, want %s", name, got, row.field)
		}
	}
	accept("clip_document", keep(func(m map[string]any) { delete(m, "still_upload_id") })).Want(t, 409, "still_missing")
	accept("clip_document", keep(func(m map[string]any) { m["still_upload_id"] = first })).Want(t, 409, "upload_not_for_this_step")
	accept("clip_document", keep(func(m map[string]any) { m["upload_id"] = still })).Want(t, 409, "upload_not_for_this_step")
	accept("clip_statement", keep(nil)).Want(t, 409, "upload_not_for_this_step")
	kept := accept("clip_document", keep(nil)).Want(t, 200)
	sum, stillSum := sha256.Sum256(clip(1)), sha256.Sum256(servertest.Photo(1))
	if kept.String("state") != "accepted" || kept.String("receipt.sha256") != hex.EncodeToString(sum[:]) ||
		kept.String("receipt.still.sha256") != hex.EncodeToString(stillSum[:]) || len(kept.Get("takes").([]any)) != 1 {
		t.Errorf("the receipt: %s", kept.Body)
	}
	accept("clip_document", keep(nil)).Want(t, 200) // again: nothing changes

	// Another take's photo does not count, and a take that was not finished frees its challenge.
	again := ask("clip_document", none).Want(t, 201)
	second := uploadOf(t, send(app, "clip_document", again.String("id"), "", clip(2)))
	accept("clip_document", map[string]any{"upload_id": second, "still_upload_id": still, "timeline": timeline(again, 3*time.Second)}).Want(t, 409, "upload_not_for_this_step")
	app.Do("DELETE", "/v1/uploads/"+second, nil, "Tus-Resumable", "1.0.0").Want(t, 204)
	send(app, "clip_document", again.String("id"), "", clip(2)).Want(t, 409, "challenge_used") // it was complete

	// The statement: nothing is believed of another step's, session's or time's challenge.
	send(app, "clip_statement", "", "", clip(3)).Want(t, 409, "challenge_unknown")
	send(app, "clip_statement", again.String("id"), "", clip(3)).Want(t, 409, "challenge_unknown")
	send(app, "clip_statement", en.String("id"), "still", servertest.Photo(1)).Want(t, 409, "upload_not_for_this_step")
	other := *app
	other.Token = app.App().Token
	send(&other, "clip_statement", en.String("id"), "", clip(3)).Want(t, 409, "challenge_unknown")
	send(app, "clip_statement", en.String("id"), "", []byte("no recording, whatever it says it is, and long enough")).Want(t, 415, "filetype_unsupported")
	send(app, "clip_statement", en.String("id"), "", servertest.Photo(1)).Want(t, 415, "filetype_unsupported")
	statement := uploadOf(t, send(app, "clip_statement", en.String("id"), "", clip(3))) // the refused ones did not spend it
	accept("clip_statement", map[string]any{"upload_id": statement, "timeline": timeline(en, 2*time.Second)}).Want(t, 200)
	late := ask("clip_statement", none).Want(t, 201)
	s.Clock.Advance(61 * time.Minute)
	send(app, "clip_statement", late.String("id"), "", clip(4)).Want(t, 410, "challenge_expired")

	a := app.Do("POST", app.Path("/levels/3/submit"), none, "If-Match", app.Version()).Want(t, 202)
	if a.String("levels.2.state") != "submitted" {
		t.Errorf("%s", a.Body)
	}
	s.Work(t)
	if strings.Contains(s.Log.String(), hint) || strings.Contains(s.Log.String(), en.String("script.number")) {
		t.Error("what is read aloud stands in the log")
	}
}

// Whoever cannot speak aloud writes it down: a photo in place of a recording, for a person.
func TestAStatementCanBeWritten(t *testing.T) {
	s := withClips(t)
	app := recorder(t, s)
	a := app.Do("POST", app.Path("/steps/clip_statement/challenge"), map[string]any{"alternative": "written"}).Want(t, 201)
	for _, p := range a.Get("script.prompts").([]any) {
		if p.(map[string]any)["kind"] != "write" {
			t.Errorf("%v", p)
		}
	}
	send(app, "clip_statement", a.String("id"), "", clip(1)).Want(t, 415, "filetype_unsupported")
	id := uploadOf(t, send(app, "clip_statement", a.String("id"), "", servertest.Photo(2)))
	accept := func(in map[string]any) *servertest.Answer {
		return app.Do("POST", app.Path("/steps/clip_statement/accept"), in)
	}
	accept(map[string]any{"upload_id": id, "timeline": timeline(a, 2*time.Second)}).Want(t, 409, "upload_not_for_this_step")
	if kept := accept(map[string]any{"upload_id": id}).Want(t, 200); kept.String("takes.0.role") != "written" {
		t.Errorf("%s", kept.Body)
	}
}

// A phone's handoff ends: what it was asked for and did not keep is void.
func TestAPhoneRecordsWithinItsHandoff(t *testing.T) {
	s := withClips(t)
	app := recorder(t, s)
	phone, handoff := app.Phone("clip_document", "clip_statement")
	ask := func(c *servertest.Client) *servertest.Answer {
		return c.Do("POST", c.Path("/steps/clip_statement/challenge"), none)
	}
	ask(app).Want(t, 409, "step_on_phone")
	before := ask(phone).Want(t, 201)
	if got := phone.Do("GET", "/v1/capture", nil).Want(t, 200).String("account_hint"); got != before.String("script.account_hint") {
		t.Errorf("the phone is told %q", got)
	}
	id := uploadOf(t, send(phone, "clip_statement", before.String("id"), "", clip(1)))
	app.Do("POST", "/v1/handoffs/"+handoff+"/cancel", none).Want(t, 200)
	app.Do("POST", app.Path("/steps/clip_statement/accept"), map[string]any{"upload_id": id, "timeline": timeline(before, 2*time.Second)}).Want(t, 409, "upload_not_for_this_step")
	next, _ := app.Phone("clip_statement")
	send(next, "clip_statement", before.String("id"), "", clip(1)).Want(t, 409, "challenge_unknown")
}

// Thirty takes at once: three may be unfinished, the others are refused, and nothing else of the case is touched.
func TestManyTakesAtOnceAreRefused(t *testing.T) {
	s := withClips(t)
	app := recorder(t, s)
	before := app.Do("GET", app.Path(""), nil).Want(t, 200)
	var ids []string
	for range 3 {
		ids = append(ids, app.Do("POST", app.Path("/steps/clip_statement/challenge"), none).Want(t, 201).String("id"))
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 30 {
		running.Go(func() {
			b64 := base64.StdEncoding.EncodeToString
			a := app.Do("POST", "/v1/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Defer-Length", "1", "Upload-Metadata",
				"case "+b64([]byte(app.CaseID))+",step "+b64([]byte("clip_statement"))+",filetype "+b64([]byte("video/webm"))+",challenge "+b64([]byte(ids[i%3])))
			mu.Lock()
			defer mu.Unlock()
			codes[fmt.Sprint(a.Status, " ", a.Code())]++
		})
	}
	running.Wait()
	if codes["201 "] != 3 || codes["409 challenge_used"] != 27 {
		t.Errorf("%v", codes)
	}
	fourth := app.Do("POST", app.Path("/steps/clip_statement/challenge"), none).Want(t, 201)
	send(app, "clip_statement", fourth.String("id"), "", clip(1)).Want(t, 409, "too_many_takes")
	after := app.Do("GET", app.Path(""), nil).Want(t, 200)
	for i := range 3 {
		path := fmt.Sprintf("steps.%d", i)
		if fmt.Sprint(before.Get(path)) != fmt.Sprint(after.Get(path)) {
			t.Errorf("%v became %v", before.Get(path), after.Get(path))
		}
	}
}

func TestWhoDeclinesTheFaceIsDecidedOnTogetherWithTheRecordings(t *testing.T) {
	s := servertest.StartWith(t, func(c *cases.Config) {
		c.Policy = servertest.Policy(t, func(p *cases.Policy) {
			p.Requires.Level2, p.Requires.Level3 = []string{cases.AskDocuments, cases.Face}, []string{cases.ClipStatement}
			p.Recordings.SendBack = []string{}
		})
	})
	app, r := s.Person(t).App(), s.Staff(t, "reviewer")
	app.Do("PUT", app.Path("/consents/face"), map[string]any{"given": false, "version": 1, "language": "en"}).Want(t, 200)
	app.Keep("document_front", 1)
	app.Keep("document_back", 2)
	app.Do("POST", app.Path("/levels/2/submit"), none, "If-Match", app.Version()).Want(t, 202)
	s.Work(t)
	a := app.Do("GET", app.Path(""), nil).Want(t, 200)
	if a.String("levels.1.state") != "in_review" || a.Get("levels.1.needs_level") != 3. || a.String("levels.2.state") != "open" {
		t.Fatalf("after declining: %s", a.Body)
	}
	// Nobody is asked to decide yet, and nobody can.
	if total := r.Do("GET", "/v1/review/cases", nil).Want(t, 200).Get("queue.total"); total != 0. {
		t.Errorf("%v cases wait", total)
	}
	r.Do("POST", servertest.Review(app.CaseID, "/claim"), nil).Want(t, 409, "case_not_waiting")
	boss := s.Staff(t, "supervisor")
	take(t, boss, app.CaseID)
	lookAtAll(t, boss, app.CaseID)
	decide(boss, t, app.CaseID, decision(2, "approve")).Want(t, 409, "recordings_first")
	boss.Do("DELETE", servertest.Review(app.CaseID, "/claim"), nil).Want(t, 204)

	en := app.Do("POST", app.Path("/steps/clip_statement/challenge"), none).Want(t, 201)
	upload := uploadOf(t, send(app, "clip_statement", en.String("id"), "", clip(3)))
	app.Do("POST", app.Path("/steps/clip_statement/accept"), map[string]any{"upload_id": upload, "timeline": timeline(en, 2*time.Second)}).Want(t, 200)
	app.Do("POST", app.Path("/levels/3/submit"), none, "If-Match", app.Version()).Want(t, 202)
	s.Work(t)
	if a := app.Do("GET", app.Path(""), nil); a.Get("levels.1.needs_level") != nil {
		t.Errorf("with the recordings: %s", a.Body)
	}
	take(t, r, app.CaseID)
	decide(r, t, app.CaseID, decision(2, "approve")).Want(t, 409, "looks_missing")
	looked := lookAtAll(t, r, app.CaseID)
	both := 0
	for _, one := range looked.Get("evidence.required").([]any) {
		if m := one.(map[string]any); m["step"] == "clip_statement" && m["level"] == 2. {
			both++
		}
	}
	if both != 1 {
		t.Errorf("Level 2 rests on the recording %d times: %v", both, looked.Get("evidence.required"))
	}
	decide(r, t, app.CaseID, decision(2, "approve")).Want(t, 200)
}
