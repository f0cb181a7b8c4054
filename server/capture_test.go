package server_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/server/servertest"
)

func TestTheNumberIsTypedOnThePhone(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	phone := p.Claim(offer)
	number := func() string {
		return p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(t, 200).String("match.number")
	}
	match := func(n string) *servertest.Answer {
		return phone.Do("POST", "/v1/capture/match", map[string]any{"number": n})
	}
	// What cannot be the number spends no try.
	for _, n := range []string{"", "4", "474", "4x", "４７", " 47", "-7"} {
		match(n).Want(t, 422, "invalid_fields")
	}
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": 47}).Want(t, 400, "json_malformed")
	first := number()
	match(wrong(first)).Want(t, 409, "handoff_wrong_number")
	second := number()
	if second == first {
		t.Error("the number stayed the same")
	}
	if a := match(second).Want(t, 200); a.String("state") != "active" || a.Get("match") != nil {
		t.Errorf("matched: %s", a.Body)
	}
	a := phone.Do("GET", "/v1/capture", nil).Want(t, 200)
	if a.String("steps.0.id") != "document_front" || a.Get("steps.0.limits.max_bytes") == 0.0 || a.Get("budget.bytes") == 0.0 || a.String("account") != "p***@example.com" {
		t.Errorf("capture: %s", a.Body)
	}
}

func wrong(number string) string {
	if number == "10" {
		return "11"
	}
	return "10"
}

func TestTheSecondWrongNumberLocks(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	phone := p.Claim(offer)
	for _, want := range []struct {
		status int
		code   string
	}{{409, "handoff_wrong_number"}, {423, "handoff_locked"}} {
		n := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("match.number")
		phone.Do("POST", "/v1/capture/match", map[string]any{"number": wrong(n)}).Want(t, want.status, want.code)
	}
	if a := phone.Do("POST", "/v1/capture/match", map[string]any{"number": "10"}).Want(t, 401, "capture_ended"); a.String("state") != "locked" {
		t.Errorf("the phone is told %s", a.Body)
	}
	if got := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("state"); got != "locked" {
		t.Errorf("state %q", got)
	}
}

func TestTheNumberWaitsTwoMinutes(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	phone := p.Claim(p.Offer())
	s.Clock.Advance(121 * time.Second)
	if a := phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended"); a.String("state") != "expired" {
		t.Errorf("the phone is told %s", a.Body)
	}
}

func TestDenyingStopsAtOnceAndMayBecomeAReport(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	phone, id := p.Phone()
	deny := func(body any) *servertest.Answer { return phone.Do("POST", "/v1/capture/deny", body) }
	if a := deny(map[string]any{"report": false}).Want(t, 200); a.String("state") != "cancelled" {
		t.Errorf("denied: %s", a.Body)
	}
	phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended")
	phone.Do("POST", "/v1/capture/submit", none).Want(t, 401, "capture_ended")
	deny(nil).Want(t, 200) // said again, because the answer was lost
	if a := deny(map[string]any{"report": true}).Want(t, 200); a.String("state") != "reported" {
		t.Errorf("reported: %s", a.Body)
	}
	deny(map[string]any{"report": true}).Want(t, 200)
	if got := p.Do("GET", "/v1/handoffs/"+id, nil).String("state"); got != "reported" {
		t.Errorf("state %q", got)
	}
}

// Where the policy says so a report freezes the case: neither the desk nor a phone adds anything until a reviewer
// has cleared it, whatever else they may do.
func TestAReportMayFreezeTheCase(t *testing.T) {
	s := servertest.StartWith(t, func(c *cases.Config) {
		c.Policy = servertest.Policy(t, func(p *cases.Policy) { p.Report = cases.ReportFreezes })
	})
	p := s.Person(t)
	sent := p.Send("document_back", servertest.Photo(2)) // but not looked at
	phone, _ := p.Phone()
	deny := func(report bool) { phone.Do("POST", "/v1/capture/deny", map[string]any{"report": report}).Want(t, 200) }
	frozen := func() any { return p.Do("GET", p.Path(""), nil).Want(t, 200).Get("frozen") }
	deny(false)
	if frozen() != false {
		t.Error("frozen by a wrong tap")
	}
	deny(true)
	if frozen() != true {
		t.Fatal("not frozen")
	}
	steps := map[string]any{"steps": []string{"document_front"}}
	p.Do("POST", p.Path("/handoffs"), steps).Want(t, 409, "case_frozen")
	b64 := base64.StdEncoding.EncodeToString
	p.Do("POST", "/v1/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", "9",
		"Upload-Metadata", "case "+b64([]byte(p.CaseID))+",step "+b64([]byte("document_front"))).Want(t, 409, "case_frozen")
	p.Do("POST", p.Path("/steps/document_back/accept"), map[string]any{"upload_id": sent}).Want(t, 409, "case_frozen")
	p.Do("POST", p.Path("/levels/2/submit"), none, "If-Match", p.Version()).Want(t, 409, "case_frozen")
	p.Do("POST", p.Path("/levels/1/reopen"), none, "If-Match", p.Version()).Want(t, 409, "case_frozen")

	staff := cases.Account{ID: "acc_staff", Roles: []string{cases.Reviewer}}
	if _, err := s.Cases.Claim(t.Context(), staff, p.CaseID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cases.Release(t.Context(), staff, p.CaseID, "called the customer"); err != nil {
		t.Fatal(err)
	}
	if frozen() != false {
		t.Error("frozen after it was cleared")
	}
	p.Do("POST", p.Path("/steps/document_back/accept"), map[string]any{"upload_id": sent}).Want(t, 200)
	p.Do("POST", p.Path("/handoffs"), steps).Want(t, 403, "password_confirmation_required")
}

func TestAReportComesWithinFiveMinutes(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	phone, _ := p.Phone()
	phone.Do("POST", "/v1/capture/deny", none).Want(t, 200)
	s.Clock.Advance(5*time.Minute + time.Second)
	phone.Do("POST", "/v1/capture/deny", map[string]any{"report": true}).Want(t, 410)
}

func TestAPhoneThatWasTakenBackCannotDeny(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	phone, _ := p.Phone()
	p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}, "replace": true}).Want(t, 201)
	if a := phone.Do("POST", "/v1/capture/deny", none).Want(t, 401, "capture_ended"); a.String("state") != "superseded" {
		t.Errorf("the phone is told %s", a.Body)
	}
}

func TestThePhoneSendsKeepsAndSubmits(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	phone, id := p.Phone()
	if a := phone.Do("POST", "/v1/capture/submit", none).Want(t, 409, "steps_incomplete"); len(a.Get("steps").([]any)) != 2 {
		t.Errorf("missing: %s", a.Body)
	}
	upload := phone.Send("document_front", servertest.Photo(1))
	a := phone.Do("GET", "/v1/capture", nil).Want(t, 200)
	if a.String("steps.0.state") != "stored" || a.String("steps.0.takes.0.upload_id") != upload {
		t.Errorf("after sending: %s", a.Body)
	}
	media := a.String("steps.0.takes.0.media_id")
	phone.Do("GET", "/v1/media/"+media, nil).Want(t, 200)
	p.Do("GET", "/v1/media/"+media, nil).Want(t, 404, "media_unknown")
	accept := phone.Do("POST", p.Path("/steps/document_front/accept"), map[string]any{"upload_id": upload}).Want(t, 200)
	if accept.String("state") != "accepted" || accept.Get("media_id") != nil {
		t.Errorf("accepted: %s", accept.Body)
	}
	phone.Do("GET", "/v1/media/"+media, nil).Want(t, 404, "media_unknown") // write-mostly
	phone.Keep("document_back", 2)

	done := phone.Do("POST", "/v1/capture/submit", none, "Idempotency-Key", "s1").Want(t, 200)
	if done.String("handoff.state") != "done" || done.Get("submitted_levels.0") != 2.0 {
		t.Errorf("submitted: %s", done.Body)
	}
	// Whoever lost the answer gets it, anybody else is told that it is over.
	again := phone.Do("POST", "/v1/capture/submit", none, "Idempotency-Key", "s1").Want(t, 200)
	if string(again.Body) != string(done.Body) {
		t.Errorf("repeated: %s", again.Body)
	}
	if a := phone.Do("POST", "/v1/capture/submit", none).Want(t, 401, "capture_ended"); a.String("state") != "done" {
		t.Errorf("the phone is told %s", a.Body)
	}
	phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended")
	a = p.Do("GET", p.Path(""), nil).Want(t, 200)
	if got := a.String("levels.1.state"); got != "submitted" {
		t.Errorf("level 2 is %s", got)
	}
	if a.String("handoff.id") != id || a.String("handoff.state") != "done" {
		t.Errorf("handoff: %v", a.Get("handoff"))
	}
}

func TestALostStoreEndsThePhoneAndNotTheCase(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	phone, _ := p.Phone()
	phone.Keep("document_front", 1)
	s.Redis.FlushAll()
	phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended")
	p.Do("GET", p.Path(""), nil).Want(t, 401, "session_unknown")
	p.SignIn()
	if a := p.Do("GET", p.Path(""), nil).Want(t, 200); a.String("steps.0.state") != "accepted" || a.Get("handoff") != nil {
		t.Errorf("the case: %s", a.Body)
	}
	next, _ := p.Phone()
	next.Keep("document_back", 2)
	next.Do("POST", "/v1/capture/submit", none).Want(t, 200)
}

func TestWhatAPhoneNeverSees(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	p.Keep("document_front", 9) // the desk's own photo
	phone, _ := p.Phone()
	a := phone.Do("GET", "/v1/capture", nil).Want(t, 200)
	for _, hidden := range []string{"张", "110105", "identity", p.Email, "upl_", "med_", "acc_", "ses_"} {
		if strings.Contains(string(a.Body), hidden) {
			t.Errorf("the phone sees %q in %s", hidden, a.Body)
		}
	}
}
