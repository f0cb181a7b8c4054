package server_test

import (
	"strings"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/server/servertest"
	"github.com/symbolon/symbolon/sessions"
)

// call is one row of "who may do what".
type call struct {
	method, path string
	body         any
	headers      []string
}

func (c call) by(p *servertest.Client) *servertest.Answer {
	return p.Do(c.method, c.path, c.body, c.headers...)
}

var none = map[string]any{}

// Everything that an applicant does with a case and its handoffs.
func applicantCalls(p *servertest.Client, handoffID string) map[string]call {
	h := "/v1/handoffs/" + handoffID
	return map[string]call{
		"get":      {"GET", p.Path(""), nil, nil},
		"events":   {"GET", p.Path("/events"), nil, nil},
		"identity": {"GET", p.Path("/identity"), nil, nil},
		"store":    {"PUT", p.Path("/identity"), servertest.Identity(), []string{"If-Match", `"1"`}},
		"submit":   {"POST", p.Path("/levels/2/submit"), none, []string{"If-Match", `"1"`}},
		"reopen":   {"POST", p.Path("/levels/1/reopen"), none, []string{"If-Match", `"1"`}},
		"script":   {"GET", p.Path("/steps/document_front/script"), nil, nil},
		"data":     {"GET", p.Path("/data"), nil, nil},
		"download": {"GET", p.Path("/data.zip"), nil, nil},
		"erasure":  {"POST", p.Path("/erasure"), none, nil},
		"object":   {"POST", p.Path("/objection"), none, nil},
		"offer":    {"POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}, nil},
		"handoff":  {"GET", h, nil, nil},
		"png":      {"GET", h + "/qr.png", nil, nil},
		"svg":      {"GET", h + "/qr.svg", nil, nil},
		"deny":     {"POST", h + "/deny", none, nil},
		"cancel":   {"POST", h + "/cancel", none, nil},
	}
}

func stepCalls(p *servertest.Client, step string) map[string]call {
	return map[string]call{
		"accept": {"POST", p.Path("/steps/" + step + "/accept"), map[string]any{"upload_id": "upl_01K9ZZ3QH6R5V0T1W2X3Y4Z5A9"}, nil},
	}
}

// consentCalls are for applicants and phones, apart from the steps.
func consentCalls(p *servertest.Client, consent string) map[string]call {
	return map[string]call{
		"consents": {"GET", p.Path("/consents"), nil, nil},
		"answer":   {"PUT", p.Path("/consents/" + consent), map[string]any{"given": true, "version": 1, "language": "en"}, nil},
	}
}

func captureCalls() map[string]call {
	return map[string]call{
		"capture": {"GET", "/v1/capture", nil, nil},
		"match":   {"POST", "/v1/capture/match", map[string]any{"number": "00"}, nil},
		"deny":    {"POST", "/v1/capture/deny", none, nil},
		"submit":  {"POST", "/v1/capture/submit", none, nil},
		"alipay":  {"POST", "/v1/capture/alipay", none, nil},
	}
}

func TestSomebodyElsesIsLikeNothing(t *testing.T) {
	s := servertest.Start(t)
	owner := s.Person(t)
	id := owner.Offer().String("id")
	stranger := s.Person(t)
	ghost := *owner
	ghost.CaseID = "case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7"
	const noHandoff = "hnd_01K9ZZ3QH6R5V0T1W2X3Y4Z5A8"

	theirs, nowhere := applicantCalls(owner, id), applicantCalls(&ghost, noHandoff)
	for name, c := range stepCalls(owner, "document_front") {
		theirs[name], nowhere[name] = c, stepCalls(&ghost, "document_front")[name]
	}
	for name, c := range consentCalls(owner, "documents") {
		theirs[name], nowhere[name] = c, consentCalls(&ghost, "documents")[name]
	}
	theirs["challenge"] = call{"POST", owner.Path("/steps/document_front/challenge"), none, nil}
	nowhere["challenge"] = call{"POST", ghost.Path("/steps/document_front/challenge"), none, nil}
	for name, c := range theirs {
		a, b := c.by(stranger).Want(t, 404), nowhere[name].by(stranger).Want(t, 404)
		if string(a.Body) != string(b.Body) {
			t.Errorf("%s: somebody else's answers %s, nothing %s", name, a.Body, b.Body)
		}
		c.by(s.NewBrowser(t)).Want(t, 401, "session_unknown")
		c.by(s.NewProgram(t)).Want(t, 401, "session_unknown")
	}
	if got := owner.Do("GET", "/v1/handoffs/"+id, nil).Want(t, 200).String("state"); got != "offered" {
		t.Errorf("after all that the handoff is %s", got)
	}
}

func TestAPhoneMayNotDoWhatTheApplicantDoes(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	phone, id := p.Phone()
	for _, c := range applicantCalls(p, id) {
		c.by(phone).Want(t, 403, "not_for_capture")
	}
	for _, c := range []call{
		{"GET", "/v1/me", nil, nil},
		{"POST", "/v1/cases", map[string]any{"kind": "person"}, nil},
		{"POST", "/v1/session/confirm", map[string]any{"password": servertest.Password}, nil},
		{"POST", "/v1/me/confirmation", nil, nil},
		{"DELETE", "/v1/session", nil, nil},
		{"DELETE", "/v1/tokens/current", nil, nil},
	} {
		c.by(phone).Want(t, 403, "not_for_capture")
	}
	// Nor in another case, not even its own step.
	other := s.Person(t)
	for _, calls := range []map[string]call{stepCalls(other, "document_front"), consentCalls(other, "documents")} {
		for _, c := range calls {
			c.by(phone).Want(t, 404, "case_unknown")
		}
	}
	phone.Do("GET", "/v1/capture", nil).Want(t, 200)
}

func TestAnApplicantMayNotDoWhatAPhoneDoes(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	p.Phone()
	app := p.App()
	for _, c := range captureCalls() {
		c.by(app).Want(t, 403, "capture_required")
		c.by(p).Want(t, 401, "session_unknown") // its cookie is not looked at
	}
}

func TestStepsBelongToWhoeverHoldsThem(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	app := p.App()
	// Only offered: the desk may go on.
	offer := p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}).Want(t, 201)
	for _, c := range stepCalls(p, "document_front") {
		c.by(p).Want(t, 409, "upload_not_for_this_step")
		c.by(app).Want(t, 409, "upload_not_for_this_step")
	}
	// Claimed: the step is the phone's, which has to match first.
	phone := p.Claim(offer)
	for _, c := range stepCalls(p, "document_front") {
		c.by(p).Want(t, 409, "step_on_phone")
		c.by(app).Want(t, 409, "step_on_phone")
		c.by(phone).Want(t, 403, "handoff_not_matched")
	}
	for _, c := range stepCalls(p, "document_back") {
		c.by(p).Want(t, 409, "upload_not_for_this_step") // not handed over
		c.by(phone).Want(t, 403, "handoff_not_matched")
	}
	p.Do("POST", p.Path("/levels/2/submit"), none, "If-Match", p.Version()).Want(t, 409, "step_on_phone")
	p.Do("POST", p.Path("/levels/1/reopen"), none, "If-Match", p.Version()).Want(t, 409, "step_on_phone")
	// Active: the phone works on what it was asked for and nothing else.
	number := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("match.number")
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": number}).Want(t, 200)
	for _, c := range stepCalls(p, "document_front") {
		c.by(p).Want(t, 409, "step_on_phone")
		c.by(phone).Want(t, 409, "upload_not_for_this_step")
	}
	for _, c := range stepCalls(p, "document_back") {
		c.by(phone).Want(t, 403, "step_not_in_handoff")
	}
	for _, c := range stepCalls(p, "face") {
		c.by(phone).Want(t, 403, "step_not_in_handoff")
		c.by(p).Want(t, 404, "step_unknown")
	}
	// While a phone works the applicant may still read, and correct Level 1 where it is open.
	p.Do("GET", p.Path(""), nil).Want(t, 200)
	p.Do("PUT", p.Path("/identity"), servertest.Identity(), "If-Match", p.Version()).Want(t, 409, "level_not_open")
	// Taken back: the other way round.
	p.Do("POST", "/v1/handoffs/"+offer.String("id")+"/cancel", none).Want(t, 200)
	for _, c := range stepCalls(p, "document_front") {
		c.by(p).Want(t, 409, "upload_not_for_this_step")
		a := c.by(phone).Want(t, 401, "capture_ended")
		if a.String("state") != "cancelled" {
			t.Errorf("the phone is told %s", a.Body)
		}
	}
}

func TestStaffHaveNoCase(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	id := p.Offer().String("id")
	staff := s.Staff(t, "reviewer")
	if got := staff.Do("GET", "/v1/me", nil).Want(t, 200).String("account.roles.0"); got != "reviewer" {
		t.Errorf("role %q", got)
	}
	staff.Do("POST", "/v1/cases", map[string]any{"kind": "person"}).Want(t, 403, "staff_has_no_case")
	for _, calls := range []map[string]call{applicantCalls(p, id), stepCalls(p, "document_front"), consentCalls(p, "documents")} {
		for _, c := range calls {
			c.by(staff).Want(t, 403, "staff_has_no_case")
		}
	}
}

func TestOnlyTheSessionThatOfferedSeesTheCodes(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	other, app := p.Other(), p.App()
	offer := p.Offer()
	id := offer.String("id")
	secrets := []string{offer.String("url"), offer.String("text_code")}

	look := func(c *servertest.Client) []*servertest.Answer {
		return []*servertest.Answer{c.Do("GET", "/v1/handoffs/"+id, nil).Want(t, 200), c.Do("GET", p.Path(""), nil).Want(t, 200)}
	}
	for _, a := range look(p) {
		for _, secret := range secrets {
			if secret == "" || !strings.Contains(string(a.Body), secret) {
				t.Errorf("the desk that offered does not see %q in %s", secret, a.Body)
			}
		}
	}
	for _, c := range []*servertest.Client{other, app} {
		for _, a := range look(c) {
			for _, secret := range append(secrets, "/qr.png", "/qr.svg") {
				if strings.Contains(string(a.Body), secret) {
					t.Errorf("another session sees %q", secret)
				}
			}
			if !strings.Contains(string(a.Body), `"state":"offered"`) {
				t.Errorf("another session does not see the state: %s", a.Body)
			}
		}
		c.Do("GET", "/v1/handoffs/"+id+"/qr.png", nil).Want(t, 404, "handoff_unknown")
		c.Do("GET", "/v1/handoffs/"+id+"/qr.svg", nil).Want(t, 404, "handoff_unknown")
	}

	phone := p.Claim(offer)
	for _, a := range look(p) {
		for _, gone := range append(secrets, "/qr.png") {
			if strings.Contains(string(a.Body), gone) {
				t.Errorf("a used code is still shown: %s", a.Body)
			}
		}
	}
	number := p.Do("GET", "/v1/handoffs/"+id, nil).String("match.number")
	if len(number) != 2 {
		t.Fatalf("number %q", number)
	}
	for _, c := range []*servertest.Client{other, app} {
		for _, a := range look(c) {
			if strings.Contains(string(a.Body), `"number":"`+number+`"`) {
				t.Errorf("another session sees the number: %s", a.Body)
			}
		}
	}
	if a := phone.Do("GET", "/v1/capture", nil).Want(t, 200); a.Get("handoff.match") != nil || a.Get("handoff.url") != nil || len(a.Get("steps").([]any)) != 0 {
		t.Errorf("the phone sees %s", a.Body)
	}
	// Any session of the account may take back.
	app.Do("POST", "/v1/handoffs/"+id+"/cancel", none).Want(t, 200)
}

// The case owns the epoch: a phone of an older one is over, whatever the store of handoffs says.
func TestAPhoneOfAnotherEpochIsOver(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	phone, id := p.Phone()
	h, err := s.Handoffs.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	older, _, err := s.Sessions.Start(t.Context(), sessions.Session{
		Kind: sessions.Capture, AccountID: h.AccountID, CaseID: h.CaseID, HandoffID: h.ID, Epoch: h.Epoch - 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range captureCalls() {
		a := s.NewProgram(t).Do(c.method, c.path, c.body, "Authorization", "Bearer "+older).Want(t, 401, "capture_ended")
		if a.String("state") != "superseded" {
			t.Errorf("%s: told %s", c.path, a.Body)
		}
	}

	if _, err := s.Cases.RaiseEpoch(t.Context(), p.CaseID, "takeback", cases.Actor{Kind: cases.BySystem}); err != nil {
		t.Fatal(err)
	}
	calls := map[string]call{"capture": captureCalls()["capture"], "submit": captureCalls()["submit"]}
	for name, c := range stepCalls(p, "document_front") {
		calls[name] = c
	}
	for _, c := range calls {
		if a := c.by(phone).Want(t, 401, "capture_ended"); a.String("state") != "superseded" {
			t.Errorf("%s: told %s", c.path, a.Body)
		}
	}
}
