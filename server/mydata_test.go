package server_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/server/servertest"
)

func given(yes bool) map[string]any {
	return map[string]any{"given": yes, "version": 1, "language": "zh-Hans"}
}

func state(a *servertest.Answer, consent string) string {
	all, _ := a.Get("consents").([]any)
	for _, one := range all {
		if m := one.(map[string]any); m["id"] == consent {
			return m["state"].(string)
		}
	}
	return "none"
}

func TestConsentsComeBeforeWhatTheyAreFor(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.CaseID = p.Do("POST", "/v1/cases", map[string]any{"kind": "person"}).Want(t, 201).String("id")
	a := p.Do("PUT", p.Path("/identity"), servertest.Identity(), "If-Match", p.Version()).Want(t, 409, "consent_needed")
	if a.String("consent") != "identity" {
		t.Errorf("the problem names %s", a.Body)
	}
	p.Do("PUT", p.Path("/identity/draft"), map[string]any{"name": "x"}).Want(t, 409, "consent_needed")

	all := p.Do("GET", p.Path("/consents"), nil).Want(t, 200)
	if all.String("consents.0.id") != "identity" || all.String("consents.0.state") != "needed" || all.Get("consents.0.at") != nil {
		t.Errorf("consents %s", all.Body)
	}
	for _, lang := range []string{"en", "zh-Hans"} {
		for _, part := range []string{"title", "what", "why", "keep", "who", "declined"} {
			text := all.String("consents.0.texts." + lang + "." + part)
			if text == "" || strings.ContainsAny(text, "{}") {
				t.Errorf("%s, %s: %q", lang, part, text)
			}
		}
	}
	one := p.Path("/consents/identity")
	p.Do("PUT", one, map[string]any{"given": true, "version": 2, "language": "en"}).Want(t, 409, "consent_changed")
	p.Do("PUT", one, map[string]any{"given": true, "version": 1, "language": "fr"}).Want(t, 422, "language_unknown")
	p.Do("PUT", one, map[string]any{"version": 1, "language": "en"}).Want(t, 400, "json_malformed")
	p.Do("PUT", p.Path("/consents/recording"), given(true)).Want(t, 404, "consent_unknown") // nothing is recorded here
	p.Do("PUT", p.Path("/consents/newsletter"), given(true)).Want(t, 404, "consent_unknown")
	got := p.Do("PUT", one, given(true)).Want(t, 200)
	if got.String("state") != "given" || got.String("language") != "zh-Hans" || got.String("at") == "" {
		t.Errorf("given: %s", got.Body)
	}
	p.Do("PUT", p.Path("/identity"), servertest.Identity(), "If-Match", p.Version()).Want(t, 200)
	if a := p.Do("GET", p.Path(""), nil); state(a, "identity") != "given" || state(a, "documents") != "needed" {
		t.Errorf("the case shows %v", a.Get("consents"))
	}

	p.Do("POST", p.Path("/levels/1/submit"), none, "If-Match", p.Version()).Want(t, 202)
	s.Work(t)
	// A phone may answer for the steps that it was handed, and for nothing else.
	offer := p.Offer()
	phone := p.Claim(offer)
	phone.Do("GET", p.Path("/consents"), nil).Want(t, 403, "handoff_not_matched")
	phone.Do("PUT", p.Path("/consents/documents"), given(true)).Want(t, 403, "handoff_not_matched")
	number := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("match.number")
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": number}).Want(t, 200)
	mine := phone.Do("GET", p.Path("/consents"), nil).Want(t, 200)
	if list := mine.Get("consents").([]any); len(list) != 1 || mine.String("consents.0.id") != "documents" {
		t.Errorf("a phone is asked for %s", mine.Body)
	}
	if a := phone.Do("GET", "/v1/capture", nil).Want(t, 200); state(a, "documents") != "needed" || state(a, "identity") != "none" {
		t.Errorf("a phone sees %v", a.Get("consents"))
	}
	phone.Do("PUT", p.Path("/consents/identity"), given(false)).Want(t, 404, "consent_unknown")
	phone.Do("PUT", p.Path("/consents/documents"), given(true)).Want(t, 200)
	phone.Keep("document_front", 1)
	phone.Keep("document_back", 2)
	phone.Do("POST", "/v1/capture/submit", none).Want(t, 200)

	// Withdrawn at the desk while it is being looked at: the photos go, and the level opens again.
	s.Work(t)
	if a := p.Do("PUT", p.Path("/consents/documents"), given(false)).Want(t, 200); a.String("state") != "withdrawn" {
		t.Errorf("withdrawn: %s", a.Body)
	}
	a = p.Do("GET", p.Path(""), nil)
	if a.String("levels.1.state") != "open" || a.String("steps.0.state") != "todo" {
		t.Errorf("after it: %s", a.Body)
	}
	events := string(p.Do("GET", p.Path("/events"), nil).Want(t, 200).Body)
	for _, want := range []string{`"consent_given"`, `"consent_withdrawn"`, `"consent":"documents"`} {
		if !strings.Contains(events, want) {
			t.Errorf("the history says no %s", want)
		}
	}
}

func TestMyDataIsToldTakenAlongAndErased(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	front := p.Keep("document_front", 1)
	a := p.Do("GET", p.Path("/data"), nil).Want(t, 200)
	if a.String("keeping.rule") != "relation_ended" || a.Get("keeping.years") != 10.0 || a.Get("keeping.until") != nil || a.Get("restricted_at") != nil {
		t.Errorf("keeping %s", a.Body)
	}
	for _, want := range []string{`"data":"account"`, `"data":"identity"`, `{"data":"photo","items":1}`, `"data":"history"`} {
		if !strings.Contains(string(a.Body), want) {
			t.Errorf("%s does not say %s", a.Body, want)
		}
	}

	// The whole of it needs the password, in this session.
	other := p.Other()
	for _, c := range []call{{"GET", p.Path("/data.zip"), nil, nil}, {"POST", p.Path("/erasure"), none, nil}} {
		c.by(p).Want(t, 403, "password_confirmation_required")
	}
	confirm := func(c *servertest.Client) {
		t.Helper()
		c.Do("POST", "/v1/session/confirm", map[string]any{"password": c.Password}).Want(t, 204)
	}
	confirm(p)
	other.Do("GET", p.Path("/data.zip"), nil).Want(t, 403, "password_confirmation_required")
	all := p.Do("GET", p.Path("/data.zip"), nil).Want(t, 200)
	if all.Header.Get("Content-Type") != "application/zip" || all.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", all.Header)
	}
	z, err := zip.NewReader(bytes.NewReader(all.Body), int64(len(all.Body)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := fs.ReadFile(z, "data.json")
	if err != nil || !json.Valid(data) {
		t.Fatalf("data.json: %v", err)
	}
	for _, want := range []string{"张三样本", "11010519491231002X", p.Email, `"consent_given"`, "files/document_front-1.jpg"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("data.json says no %s", want)
		}
	}
	photo, err := fs.ReadFile(z, "files/document_front-1.jpg")
	if err != nil || !bytes.Equal(photo, servertest.Photo(1)) {
		t.Errorf("the photo of %s is another one: %v", front, err)
	}
	if !strings.Contains(string(data), `"data_downloaded"`) {
		t.Error("the copy does not say that it was taken")
	}
	for range 4 {
		p.Do("GET", p.Path("/data.zip"), nil).Want(t, 200)
	}
	p.Do("GET", p.Path("/data.zip"), nil).Want(t, 429, "too_many_requests")
	downloads(t, p, 5)

	// A customer's case is restricted: the phone is stopped, nothing is added, and it says so.
	phone, _ := p.Phone("document_back")
	r := p.Do("POST", p.Path("/erasure"), map[string]any{"account": true}).Want(t, 200)
	if r.String("outcome") != "restricted" || r.Get("account") != false || r.String("keeping.rule") != "relation_ended" {
		t.Errorf("asked for erasure: %s", r.Body)
	}
	phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended")
	if a := p.Do("GET", p.Path(""), nil).Want(t, 200); a.Get("restricted") != true || a.String("steps.0.state") != "todo" {
		t.Errorf("the case: %s", a.Body)
	}
	p.Do("PUT", p.Path("/consents/documents"), given(false)).Want(t, 409, "case_restricted")
	p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_back"}}).Want(t, 409, "case_restricted")
	p.Do("GET", p.Path("/data"), nil).Want(t, 200)
	s.Clock.Advance(11 * time.Minute)
	confirm(p)
	p.Do("GET", p.Path("/data.zip"), nil).Want(t, 200) // it stays theirs to know
	downloads(t, p, 6)

	// Who is no customer yet is erased at once, with the account where that is wanted.
	q := s.Applicant(t)
	q.Begin("person")
	q.Do("PUT", q.Path("/identity"), servertest.Identity(), "If-Match", q.Version()).Want(t, 200)
	elsewhere := q.Other()
	confirm(q)
	if r := q.Do("POST", q.Path("/erasure"), none).Want(t, 200); r.String("outcome") != "erased" || r.Get("keeping") != nil {
		t.Errorf("erased: %s", r.Body)
	}
	q.Do("GET", q.Path(""), nil).Want(t, 404, "case_unknown")
	if me := q.Do("GET", "/v1/me", nil).Want(t, 200); me.Get("case_id") != nil {
		t.Errorf("me: %s", me.Body)
	}
	q.Begin("person") // anew
	q.Do("POST", q.Path("/erasure"), map[string]any{"account": true}).Want(t, 200)
	q.Do("GET", "/v1/me", nil).Want(t, 401, "session_unknown")
	elsewhere.Do("GET", "/v1/me", nil).Want(t, 401, "session_unknown")
	elsewhere.Do("POST", "/v1/cases", map[string]any{"kind": "person"}).Want(t, 401, "session_unknown")
	q.Do("POST", "/v1/session", map[string]any{"email": q.Email, "password": q.Password}).Want(t, 401, "credentials_wrong")
}

// downloads checks how often the history that an applicant reads says that they took their data along.
func downloads(t *testing.T, p *servertest.Client, want int) {
	t.Helper()
	a := p.Do("GET", p.Path("/events?limit=200"), nil).Want(t, 200)
	if got := strings.Count(string(a.Body), `"event":"data_downloaded","actor":"applicant"`); got != want {
		t.Errorf("the history tells of %d downloads, want %d: %s", got, want, a.Body)
	}
}

func TestARefusalIsObjectedToOnce(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	p.Do("POST", p.Path("/objection"), map[string]any{"text": "please"}).Want(t, 409, "nothing_refused")
	p.Keep("document_front", 1)
	p.Keep("document_back", 2)
	p.Do("POST", p.Path("/levels/2/submit"), none, "If-Match", p.Version()).Want(t, 202)
	s.Work(t)
	who, err := s.Cases.SignUp(t.Context(), "supervisor@example.com", servertest.Password, cases.Supervisor)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cases.Claim(t.Context(), who, p.CaseID); err != nil {
		t.Fatal(err)
	}
	own, err := s.Cases.Get(t.Context(), p.CaseID)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Cases.Decide(t.Context(), who, p.CaseID, own.Version, cases.Decision{
		Level: 2, Verdict: cases.VerdictReject, Reasons: []cases.Reason{{Code: "document.tampered"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := p.Do("GET", p.Path(""), nil).Want(t, 200); a.Get("levels.1.may_object") != true || a.Get("levels.0.may_object") != nil {
		t.Errorf("refused: %s", a.Body)
	}
	p.Do("POST", p.Path("/objection"), map[string]any{"text": strings.Repeat("x", 2001)}).Want(t, 422, "objection_invalid")
	const text = "这是我本人的证件"
	a := p.Do("POST", p.Path("/objection"), map[string]any{"text": text}, "Idempotency-Key", "one").Want(t, 200)
	if a.String("levels.1.state") != "in_review" || a.Get("levels.1.may_object") != nil || strings.Contains(string(a.Body), text) {
		t.Errorf("objected: %s", a.Body)
	}
	p.Do("POST", p.Path("/objection"), map[string]any{"text": text}, "Idempotency-Key", "one").Want(t, 200) // the answer was lost
	p.Do("POST", p.Path("/objection"), none).Want(t, 409, "nothing_refused")
	if strings.Contains(s.Log.String(), text) {
		t.Error("the text stands in the log")
	}
}
