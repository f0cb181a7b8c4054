package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casebundle"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

// waiting is an applicant whose Level 2 waits for a person.
func waiting(t *testing.T, s *servertest.Server) *servertest.Client {
	t.Helper()
	p := s.Person(t)
	p.Keep("document_front", 1)
	p.Keep("document_back", 2)
	submit2(t, s, p)
	return p
}

func submit2(t *testing.T, s *servertest.Server, p *servertest.Client) {
	t.Helper()
	p.Do("POST", p.Path("/levels/2/submit"), none, "If-Match", p.Version()).Want(t, 202)
	s.Work(t)
	if state := p.Do("GET", p.Path(""), nil).String("levels.1.state"); state != "in_review" {
		t.Fatalf("level 2 is %q", state)
	}
}

// take claims a case.
func take(t *testing.T, by *servertest.Client, caseID string) {
	t.Helper()
	by.Do("POST", servertest.Review(caseID, "/claim"), nil).Want(t, 200)
}

// lookAtAll opens every medium that has to be looked at.
func lookAtAll(t *testing.T, by *servertest.Client, caseID string) *servertest.Answer {
	t.Helper()
	a := by.Do("GET", servertest.Review(caseID, ""), nil).Want(t, 200)
	for _, r := range a.Get("evidence.required").([]any) {
		for _, m := range r.(map[string]any)["media_ids"].([]any) {
			by.Do("GET", "/v1/media/"+m.(string), nil).Want(t, 200)
		}
	}
	return a
}

func decision(level int, verdict string, reasons ...map[string]any) map[string]any {
	d := map[string]any{"level": level, "verdict": verdict}
	if reasons != nil {
		d["reasons"] = reasons
	}
	return d
}

func reason(code, step string) map[string]any {
	r := map[string]any{"code": code}
	if step != "" {
		r["step"] = step
	}
	return r
}

// decide decides at the present version of the case.
func decide(by *servertest.Client, t *testing.T, caseID string, d map[string]any) *servertest.Answer {
	t.Helper()
	tag := by.Do("GET", servertest.Review(caseID, ""), nil).Want(t, 200).Header.Get("ETag")
	return by.Do("POST", servertest.Review(caseID, "/decisions"), d, "If-Match", tag)
}

func TestAReviewerSendsBackOneStepAndApprovesWhatComes(t *testing.T) {
	s := servertest.Start(t)
	p, r := waiting(t, s), s.Staff(t, "reviewer")

	queue := r.Do("GET", "/v1/review/cases?state=in_review", nil).Want(t, 200)
	if queue.String("cases.0.id") != p.CaseID || queue.Get("cases.0.level") != 2. || queue.Get("queue.total") != 1. || queue.Get("cases.0.taken_by") != nil {
		t.Fatalf("the queue: %s", queue.Body)
	}
	if a := r.Do("GET", servertest.Review(p.CaseID, ""), nil).Want(t, 200); a.Get("evidence") != nil || strings.Contains(string(a.Body), "张") {
		t.Fatalf("evidence without a lease: %s", a.Body)
	}
	take(t, r, p.CaseID)
	seen := lookAtAll(t, r, p.CaseID)
	if strings.Contains(string(seen.Body), "11010519491231002X") || strings.Contains(string(seen.Body), "张三样本") || !strings.Contains(string(seen.Body), "张***") {
		t.Fatalf("not masked: %s", seen.Body)
	}

	back := decide(r, t, p.CaseID, decision(2, "resubmit", reason("document.blurred", "document_back"))).Want(t, 200)
	if back.Get("lease") != nil || back.String("levels.1.state") != "resubmit" {
		t.Fatalf("after asking again: %s", back.Body)
	}
	mine := p.Do("GET", p.Path(""), nil).Want(t, 200)
	if mine.String("state") != "resubmit" || mine.String("levels.1.reasons.0.code") != "document.blurred" {
		t.Fatalf("the applicant sees %s", mine.Body)
	}
	states := map[string]string{}
	for _, st := range mine.Get("steps").([]any) {
		m := st.(map[string]any)
		states[m["id"].(string)] = m["state"].(string)
	}
	if states["document_front"] != "checked" || states["document_back"] != "failed" {
		t.Fatalf("steps: %v", states)
	}

	p.Keep("document_back", 4)
	submit2(t, s, p)
	r2 := s.Staff(t, "reviewer")
	take(t, r2, p.CaseID)
	decide(r2, t, p.CaseID, decision(2, "approve")).Want(t, 409, "looks_missing")
	lookAtAll(t, r2, p.CaseID)
	decide(r2, t, p.CaseID, decision(2, "approve")).Want(t, 200)
	if a := p.Do("GET", p.Path(""), nil).Want(t, 200); a.Get("level") != 2. || a.String("levels.1.state") != "approved" {
		t.Fatalf("approved: %s", a.Body)
	}
	if a := r.Do("GET", "/v1/review/cases", nil).Want(t, 200); a.Get("queue.total") != 0. {
		t.Errorf("something still waits: %s", a.Body)
	}
	for _, e := range p.Do("GET", p.Path("/events"), nil).Want(t, 200).Get("events").([]any) {
		if e := e.(map[string]any); e["event"] == "decision" || e["actor"] == "staff" && e["name"] != nil {
			t.Errorf("the applicant reads %v", e)
		}
	}
}

func TestADecisionIsRefusedUnlessItFits(t *testing.T) {
	s := servertest.Start(t)
	p, r, other := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "reviewer")
	path := servertest.Review(p.CaseID, "/decisions")
	tag := r.Do("GET", servertest.Review(p.CaseID, ""), nil).Header.Get("ETag")
	blurred := decision(2, "resubmit", reason("document.blurred", "document_back"))

	r.Do("POST", path, blurred).Want(t, 428, "version_required")
	r.Do("POST", path, blurred, "If-Match", tag).Want(t, 409, "not_leased")
	take(t, r, p.CaseID)
	taken := other.Do("POST", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 409, "case_taken")
	if taken.String("holder.name") == "" || taken.String("until") == "" {
		t.Errorf("who has it: %s", taken.Body)
	}
	other.Do("POST", path, blurred, "If-Match", tag).Want(t, 409, "not_leased") // two at once
	lookAtAll(t, r, p.CaseID)
	r.Do("POST", path, blurred, "If-Match", `"1"`).Want(t, 412, "version_stale")

	for name, c := range map[string]struct {
		d     map[string]any
		field string
	}{
		"no reason to reject":        {decision(2, "reject"), "reasons required"},
		"no reason to ask again":     {decision(2, "resubmit"), "reasons required"},
		"a reason for an approval":   {decision(2, "approve", reason("document.blurred", "document_back")), "reasons reasons_unexpected"},
		"no such reason":             {decision(2, "resubmit", reason("document.ugly", "document_back")), "reasons.0.code reason_unknown"},
		"final, to be done again":    {decision(2, "resubmit", reason("document.tampered", "document_back")), "reasons.0.code reason_type"},
		"refused for a blur":         {decision(2, "reject", reason("document.blurred", "document_back")), "reasons reason_type"},
		"a face, on a level of none": {decision(2, "resubmit", reason("face.multiple", "")), "reasons.0.code reason_does_not_fit"},
		"a face, for a document":     {decision(2, "resubmit", reason("face.multiple", "document_back")), "reasons.0.code reason_does_not_fit"},
		"no step for a side":         {decision(2, "resubmit", reason("document.blurred", "")), "reasons.0.code reason_does_not_fit"},
		"Level 1's on Level 2":       {decision(2, "resubmit", reason("data.name_mismatch", "")), "reasons.0.code reason_does_not_fit"},
		"a step of no case":          {decision(2, "resubmit", reason("document.blurred", "passport")), "reasons.0.step step_unknown"},
		"a prompt of a photo":        {decision(2, "resubmit", map[string]any{"code": "document.blurred", "step": "document_back", "prompt": 2}), "reasons.0.prompt prompt_unexpected"},
		"no such verdict":            {decision(2, "perhaps"), "verdict verdict_unknown"},
		"a long note":                {map[string]any{"level": 2, "verdict": "resubmit", "reasons": blurred["reasons"], "note": strings.Repeat("x", 2001)}, "note note_invalid"},
		"a note with controls":       {map[string]any{"level": 2, "verdict": "resubmit", "reasons": blurred["reasons"], "note": "a\u0000b"}, "note note_invalid"},
	} {
		a := r.Do("POST", path, c.d, "If-Match", tag).Want(t, 422)
		if got := a.String("errors.0.field") + " " + a.String("errors.0.code"); got != c.field {
			t.Errorf("%s: %s", name, got)
		}
	}
	r.Do("POST", path, decision(3, "reject", reason("document.tampered", "")), "If-Match", tag).Want(t, 404, "level_unknown")
	r.Do("POST", path, decision(1, "reject", reason("document.tampered", "")), "If-Match", tag).Want(t, 409, "level_not_in_review")

	// What a stale page would do: the applicant's case has moved on meanwhile.
	r.Do("POST", path, blurred, "If-Match", tag).Want(t, 200)
	take(t, s.Staff(t, "supervisor"), p.CaseID)
	r.Do("POST", path, blurred, "If-Match", tag).Want(t, 409, "not_leased")
}

func TestANoteIsForStaffAndNothingElse(t *testing.T) {
	s := servertest.Start(t)
	p, r := waiting(t, s), s.Staff(t, "reviewer")
	take(t, r, p.CaseID)
	const note = `<script>alert("签名可疑")</script>`
	d := decision(2, "reject", reason("liveness.spoof", ""))
	d["note"] = note
	decide(r, t, p.CaseID, d).Want(t, 200)

	for _, path := range []string{"", "/events"} {
		body := string(p.Do("GET", p.Path(path), nil).Want(t, 200).Body)
		if strings.Contains(body, "script") || strings.Contains(body, "spoof") {
			t.Errorf("the applicant reads %s", body)
		}
		if !strings.Contains(body, "not_verified") {
			t.Errorf("the applicant is not told the general reason: %s", body)
		}
	}
	if strings.Contains(s.Log.String(), "alert") {
		t.Error("the note is in the log")
	}
	boss := s.Staff(t, "supervisor")
	found := func(a *servertest.Answer) bool {
		return slices.ContainsFunc(a.Get("history").([]any), func(e any) bool { return e.(map[string]any)["note"] == note })
	}
	if found(boss.Do("GET", servertest.Review(p.CaseID, ""), nil)) {
		t.Error("the note is shown without a lease")
	}
	take(t, boss, p.CaseID)
	a := boss.Do("GET", servertest.Review(p.CaseID, ""), nil)
	if !found(a) || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the note, word for word: %s", a.Body)
	}
}

func TestFourEyesAreTwoPeople(t *testing.T) {
	policy := casetest.Photos()
	policy.FourEyes.Levels = []int{2}
	s := servertest.StartWith(t, func(c *cases.Config) { c.Policy = policy })
	p, first, second := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "reviewer")
	take(t, first, p.CaseID)
	lookAtAll(t, first, p.CaseID)
	half := decide(first, t, p.CaseID, decision(2, "approve")).Want(t, 202)
	if half.String("levels.1.state") != "awaiting_second" || half.Get("lease") != nil {
		t.Fatalf("after one: %s", half.Body)
	}
	if a := p.Do("GET", p.Path(""), nil); a.String("levels.1.state") != "in_review" || a.Get("level") != 1. {
		t.Errorf("the applicant sees %s", a.Body)
	}
	take(t, first, p.CaseID)
	decide(first, t, p.CaseID, decision(2, "approve")).Want(t, 409, "same_reviewer")
	decide(first, t, p.CaseID, decision(2, "reject", reason("document.tampered", ""))).Want(t, 409, "same_reviewer")
	first.Do("DELETE", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 204)
	take(t, second, p.CaseID)
	lookAtAll(t, second, p.CaseID)
	decide(second, t, p.CaseID, decision(2, "approve")).Want(t, 200)
	if a := p.Do("GET", p.Path(""), nil); a.String("levels.1.state") != "approved" {
		t.Errorf("after two: %s", a.Body)
	}
}

func TestNobodyDecidesOnTheirOwnCase(t *testing.T) {
	s := servertest.Start(t)
	p, admin := waiting(t, s), s.Staff(t, "admin")
	// An applicant who is hired: their account gets a role, which the door itself never does.
	own, err := s.Cases.Get(t.Context(), p.CaseID)
	if err != nil {
		t.Fatal(err)
	}
	admin.Do("PATCH", "/v1/review/staff/"+own.AccountID, map[string]any{"roles": []string{"reviewer"}}).Want(t, 404, "staff_unknown")
	me := cases.Account{ID: own.AccountID, Roles: []string{"reviewer", "supervisor"}}
	if _, err := s.Cases.Claim(t.Context(), me, p.CaseID); err == nil || !strings.Contains(err.Error(), "own_case") {
		t.Errorf("claim: %v", err)
	}
	if _, _, err := s.Cases.Decide(t.Context(), me, p.CaseID, own.Version, cases.Decision{Level: 2, Verdict: cases.VerdictApprove}); err == nil || !strings.Contains(err.Error(), "own_case") {
		t.Errorf("decide: %v", err)
	}
}

func TestALowerLevelIsApprovedFirst(t *testing.T) {
	policy := casetest.Photos()
	policy.Approve.Level1 = "person"
	s := servertest.StartWith(t, func(c *cases.Config) { c.Policy = policy })
	p, r := waiting(t, s), s.Staff(t, "reviewer")
	take(t, r, p.CaseID)
	lookAtAll(t, r, p.CaseID)
	decide(r, t, p.CaseID, decision(2, "approve")).Want(t, 409, "lower_level_open")
	decide(r, t, p.CaseID, decision(1, "approve")).Want(t, 200)
	decide(r, t, p.CaseID, decision(2, "approve")).Want(t, 200) // still taken: it still waited
	if a := p.Do("GET", p.Path(""), nil); a.Get("level") != 2. {
		t.Errorf("after both: %s", a.Body)
	}
}

// What a document shows of Level 1 is asked for again while Level 2 waits; everything else stays, and is held against the
// new statement.
func TestLevel1IsSentBackWhileLevel2Waits(t *testing.T) {
	s := servertest.Start(t)
	p, r := waiting(t, s), s.Staff(t, "reviewer")
	take(t, r, p.CaseID)
	back := decide(r, t, p.CaseID, decision(1, "resubmit", reason("data.name_mismatch", ""))).Want(t, 200)
	if back.String("levels.0.state") != "resubmit" || back.String("levels.1.state") != "in_review" {
		t.Fatalf("sent back: %s", back.Body)
	}
	lookAtAll(t, r, p.CaseID)
	decide(r, t, p.CaseID, decision(2, "approve")).Want(t, 409, "lower_level_open")
	identity := servertest.Identity()
	identity["name"] = "李四样本"
	p.Do("PUT", p.Path("/identity"), identity, "If-Match", p.Version()).Want(t, 200)
	p.Do("POST", p.Path("/levels/1/submit"), none, "If-Match", p.Version()).Want(t, 202)
	s.Work(t)
	s.Work(t)
	a := r.Do("GET", servertest.Review(p.CaseID, ""), nil).Want(t, 200)
	if a.String("levels.0.state") != "approved" || a.String("levels.1.state") != "in_review" {
		t.Fatalf("after the correction: %s", a.Body)
	}
	checked := 0
	for _, e := range a.Get("history").([]any) {
		if e := e.(map[string]any); e["event"] == "level_checking" && e["level"] == 2. {
			checked++
		}
	}
	if checked != 2 {
		t.Errorf("level 2 was checked %d times, want once more", checked)
	}
	decide(r, t, p.CaseID, decision(2, "approve")).Want(t, 200)
}

func TestWhatWasEscalatedStaysSoWhenItIsCheckedAgain(t *testing.T) {
	s := servertest.Start(t)
	p, r, boss := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "supervisor")
	take(t, r, p.CaseID)
	r.Do("POST", servertest.Review(p.CaseID, "/escalate"), map[string]any{"level": 2, "note": "the print is odd"}).Want(t, 200)
	take(t, boss, p.CaseID)
	decide(boss, t, p.CaseID, decision(1, "resubmit", reason("data.name_mismatch", ""))).Want(t, 200)
	identity := servertest.Identity()
	identity["name"] = "李四样本"
	p.Do("PUT", p.Path("/identity"), identity, "If-Match", p.Version()).Want(t, 200)
	p.Do("POST", p.Path("/levels/1/submit"), none, "If-Match", p.Version()).Want(t, 202)
	s.Work(t)
	s.Work(t)
	a := boss.Do("GET", servertest.Review(p.CaseID, ""), nil).Want(t, 200)
	if a.String("levels.0.state") != "approved" || a.String("levels.1.state") != "escalated" {
		t.Fatalf("after the correction: %s", a.Body)
	}
	boss.Do("DELETE", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 204)
	take(t, r, p.CaseID)
	decide(r, t, p.CaseID, decision(2, "reject", reason("document.tampered", ""))).Want(t, 403, "supervisor_required")
}

func TestASupervisorDecidesWhatWasEscalatedAndDecided(t *testing.T) {
	s := servertest.Start(t)
	p, r, boss := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "supervisor")
	take(t, r, p.CaseID)
	r.Do("POST", servertest.Review(p.CaseID, "/escalate"), map[string]any{"level": 1}).Want(t, 409, "level_not_in_review")
	gone := r.Do("POST", servertest.Review(p.CaseID, "/escalate"), map[string]any{"level": 2, "note": "the print is odd"}).Want(t, 200)
	if gone.String("levels.1.state") != "escalated" || gone.Get("lease") != nil {
		t.Fatalf("escalated: %s", gone.Body)
	}
	take(t, r, p.CaseID)
	decide(r, t, p.CaseID, decision(2, "reject", reason("document.tampered", ""))).Want(t, 403, "supervisor_required")
	r.Do("DELETE", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 204)
	take(t, boss, p.CaseID)
	decide(boss, t, p.CaseID, decision(2, "reject", reason("document.tampered", ""))).Want(t, 200)

	r.Do("POST", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 409, "case_not_waiting")
	take(t, boss, p.CaseID)
	lookAtAll(t, boss, p.CaseID)
	if a := decide(boss, t, p.CaseID, decision(2, "approve")).Want(t, 422); a.String("errors.0.field") != "note" {
		t.Errorf("overturned without a word: %s", a.Body)
	}
	d := decision(2, "approve")
	d["note"] = "The bureau confirms the document."
	decide(boss, t, p.CaseID, d).Want(t, 200)
	if a := p.Do("GET", p.Path(""), nil); a.String("levels.1.state") != "approved" {
		t.Errorf("overturned: %s", a.Body)
	}

	// Out of force, and taken back for good.
	take(t, boss, p.CaseID)
	r.Do("POST", servertest.Review(p.CaseID, "/suspend"), map[string]any{"level": 2, "note": "a hit"}).Want(t, 403, "supervisor_required")
	boss.Do("POST", servertest.Review(p.CaseID, "/suspend"), map[string]any{"level": 2}).Want(t, 422, "invalid_fields")
	boss.Do("POST", servertest.Review(p.CaseID, "/suspend"), map[string]any{"level": 2, "note": "a hit"}).Want(t, 200)
	if a := p.Do("GET", p.Path(""), nil); a.String("levels.1.state") != "in_review" || a.Get("level") != 1. {
		t.Errorf("suspended: %s", a.Body)
	}
	take(t, boss, p.CaseID)
	a := decide(boss, t, p.CaseID, decision(2, "reject", reason("blocklist", ""))).Want(t, 200)
	if a.String("levels.1.state") != "revoked" {
		t.Errorf("revoked: %s", a.Body)
	}
	if a := p.Do("GET", p.Path(""), nil); a.String("levels.1.state") != "rejected" || a.String("levels.1.reasons.0.code") != "not_verified" {
		t.Errorf("the applicant sees %s", a.Body)
	}
}

func TestEveryLookStandsInTheAccessLog(t *testing.T) {
	s := servertest.Start(t)
	p, r := waiting(t, s), s.Staff(t, "reviewer")
	a := func() string {
		own, err := s.Cases.Get(t.Context(), p.CaseID)
		if err != nil {
			t.Fatal(err)
		}
		return own.Steps[0].Takes[0].MediaID
	}()
	r.Do("GET", "/v1/media/"+a, nil).Want(t, 409, "not_leased")
	r.Do("POST", servertest.Review(p.CaseID, "/reveal"), map[string]any{"fields": []string{"document.number"}, "reason": "to compare"}).Want(t, 409, "not_leased")
	take(t, r, p.CaseID)
	r.Do("GET", servertest.Review(p.CaseID, ""), nil).Want(t, 200)
	r.Do("GET", "/v1/media/"+a, nil, "Range", "bytes=0-9").Want(t, 206)
	r.Do("GET", "/v1/media/"+a, nil, "Range", "bytes=10-19").Want(t, 206) // one look, piece by piece
	shown := r.Do("POST", servertest.Review(p.CaseID, "/reveal"), map[string]any{"fields": []string{"document.number", "name"}, "reason": "to compare"}).Want(t, 200)
	if shown.Get("fields").(map[string]any)["document.number"] != "11010519491231002X" {
		t.Errorf("revealed: %s", shown.Body)
	}
	for _, bad := range []map[string]any{
		{"fields": []string{"document.number"}, "reason": ""},
		{"fields": []string{}, "reason": "to compare"},
		{"fields": []string{"nationality"}, "reason": "to compare"}, // it is not masked
		{"fields": []string{"wrapped_key"}, "reason": "to compare"},
	} {
		r.Do("POST", servertest.Review(p.CaseID, "/reveal"), bad).Want(t, 422, "invalid_fields")
	}
	var what []string
	if err := s.Cases.EachLook(t.Context(), p.CaseID, func(l cases.Look) {
		if l.Actor.Kind != cases.ByStaff || strings.Contains(l.Subject, "1949") {
			t.Errorf("a look: %+v", l)
		}
		what = append(what, l.What+" "+l.Subject)
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"case " + p.CaseID, "media " + a, "reveal document.number name"}
	if !slices.Equal(what, want) {
		t.Errorf("the access log is %q, want %q", what, want)
	}
	for _, hidden := range []string{"to compare", "11010519491231002X"} {
		if strings.Contains(s.Log.String(), hidden) {
			t.Errorf("%q is in the log", hidden)
		}
	}
}

func TestALeaseRunsOutAndIsRenewedByUse(t *testing.T) {
	s := servertest.Start(t)
	p, r, other := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "reviewer")
	take(t, r, p.CaseID)
	s.Clock.Advance(14 * time.Minute)
	r.Do("GET", servertest.Review(p.CaseID, ""), nil).Want(t, 200)
	s.Clock.Advance(14 * time.Minute)
	other.Do("POST", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 409, "case_taken")
	if a := other.Do("GET", "/v1/review/cases?taken=free", nil).Want(t, 200); len(a.Get("cases").([]any)) != 0 {
		t.Errorf("free: %s", a.Body)
	}
	if a := r.Do("GET", "/v1/review/cases?taken=me", nil).Want(t, 200); a.Get("cases.0.taken_by.mine") != true {
		t.Errorf("mine: %s", a.Body)
	}
	s.Clock.Advance(2 * time.Minute)
	take(t, other, p.CaseID)
	if a := r.Do("GET", servertest.Review(p.CaseID, ""), nil).Want(t, 200); a.Get("evidence") != nil || a.Get("lease.mine") != false {
		t.Errorf("after it ran out: %s", a.Body)
	}
}

func TestAReportedCaseIsReleasedByAPerson(t *testing.T) {
	s := servertest.Start(t)
	p, r := s.Person(t), s.Staff(t, "reviewer")
	phone, _ := p.Phone()
	take := func() { r.Do("POST", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 200) }
	r.Do("POST", servertest.Review(p.CaseID, "/claim"), nil).Want(t, 409, "case_not_waiting")
	phone.Do("POST", "/v1/capture/deny", map[string]any{"report": true}).Want(t, 200)
	if a := r.Do("GET", "/v1/review/cases?reported=true", nil).Want(t, 200); a.String("cases.0.id") != p.CaseID || a.String("cases.0.state") != "reported" {
		t.Fatalf("reported: %s", a.Body)
	}
	r.Do("POST", servertest.Review(p.CaseID, "/release"), none).Want(t, 409, "not_leased")
	take()
	if a := r.Do("POST", servertest.Review(p.CaseID, "/release"), map[string]any{"note": "called them"}).Want(t, 200); a.Get("reported_at") != nil || a.Get("released_at") == nil {
		t.Errorf("released: %s", a.Body)
	}
	if a := r.Do("GET", "/v1/review/cases", nil).Want(t, 200); a.Get("queue.total") != 0. {
		t.Errorf("it still waits: %s", a.Body)
	}
}

// reviewCalls is every call of the review desk, for the access matrix.
func reviewCalls(caseID, accountID string) map[string]call {
	c := func(rest string) string { return servertest.Review(caseID, rest) }
	staff := "/v1/review/staff/" + accountID
	return map[string]call{
		"queue":    {"GET", "/v1/review/cases", nil, nil},
		"live":     {"GET", "/v1/review/live", nil, nil},
		"reasons":  {"GET", "/v1/review/reasons", nil, nil},
		"case":     {"GET", c(""), nil, nil},
		"claim":    {"POST", c("/claim"), nil, nil},
		"handback": {"DELETE", c("/claim"), nil, nil},
		"reveal":   {"POST", c("/reveal"), map[string]any{"fields": []string{"name"}, "reason": "to see"}, nil},
		"escalate": {"POST", c("/escalate"), map[string]any{"level": 2}, nil},
		"suspend":  {"POST", c("/suspend"), map[string]any{"level": 2, "note": "why"}, nil},
		"release":  {"POST", c("/release"), none, nil},
		"decide":   {"POST", c("/decisions"), decision(2, "approve"), []string{"If-Match", `"1"`}},
		"bundle":   {"GET", c("/bundle"), nil, nil},
		"figures":  {"GET", "/v1/review/figures", nil, nil},
		"csv":      {"GET", "/v1/review/figures.csv", nil, nil},
		"people":   {"GET", "/v1/review/staff", nil, nil},
		"hire":     {"POST", "/v1/review/staff", map[string]any{"email": "new@example.com", "password": servertest.Password, "roles": []string{"reviewer"}}, nil},
		"change":   {"PATCH", staff, map[string]any{"disabled": true}, nil},
		"forget":   {"DELETE", staff + "/second-factor", nil, nil},
	}
}

func TestTheReviewDeskIsForThoseWhoWorkThere(t *testing.T) {
	s := servertest.Start(t)
	p := waiting(t, s)
	stranger, app := s.Applicant(t), p.App()
	admin, r, boss := s.Staff(t, "admin"), s.Staff(t, "reviewer"), s.Staff(t, "supervisor")
	q := s.Person(t)
	phone, _ := q.Phone()
	someone := r.Do("GET", "/v1/me", nil).String("account.id")
	const ghost = "case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7"
	only := map[string]string{
		"bundle": "supervisor_required", "figures": "supervisor_required", "csv": "supervisor_required",
		"people": "admin_required", "hire": "admin_required", "change": "admin_required", "forget": "admin_required",
	}
	nowhere := reviewCalls(ghost, someone)
	for name, c := range reviewCalls(p.CaseID, someone) {
		c.by(s.NewBrowser(t)).Want(t, 401, "session_unknown")
		c.by(p).Want(t, 403, "staff_only") // whose case it is
		c.by(app).Want(t, 403, "staff_only")
		c.by(stranger).Want(t, 403, "staff_only")
		c.by(phone).Want(t, 403, "not_for_capture")
		if code, ok := only[name]; ok {
			c.by(r).Want(t, 403, code)
		}
		if only[name] == "admin_required" {
			c.by(boss).Want(t, 403, "admin_required")
		} else {
			a := c.by(admin) // who keeps the accounts does not look at cases
			if a.Status != http.StatusForbidden {
				t.Errorf("%s: an admin got %d %s", name, a.Status, a.Code())
			}
		}
		if strings.Contains(c.path, p.CaseID) {
			nowhere[name].by(boss).Want(t, 404, "case_unknown")
		}
	}
}

func TestFiguresCountWhatWasDecided(t *testing.T) {
	s := servertest.Start(t)
	p, r, boss := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "supervisor")
	s.Clock.Advance(10 * time.Minute)
	take(t, r, p.CaseID)
	decide(r, t, p.CaseID, decision(2, "resubmit", reason("document.blurred", "document_back"), reason("document.glare", "document_back"))).Want(t, 200)
	s.Work(t) // the history is copied
	f := boss.Do("GET", "/v1/review/figures", nil).Want(t, 200)
	if f.Get("decided.0.n") != 1. || f.String("decided.0.verdict") != "resubmit" || f.String("redone.0.name") != "document_back" || f.Get("redone.0.n") != 1. {
		t.Errorf("figures: %s", f.Body)
	}
	if m := f.Get("median_seconds").(float64); m < 600 || m > 660 {
		t.Errorf("median %v s", m)
	}
	s.Clock.Advance(25 * time.Hour)
	boss.SignInStaff().Want(t, 200)
	if f := boss.Do("GET", "/v1/review/figures", nil).Want(t, 200); f.String("given_up.0.name") != "document_back" {
		t.Errorf("given up: %s", f.Body)
	}
	csv := boss.Do("GET", "/v1/review/figures.csv", nil).Want(t, 200)
	if !strings.Contains(string(csv.Body), "\nredone,document_back,,1\n") || csv.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("csv: %s", csv.Body)
	}
	for _, bad := range []string{"?from=yesterday", "?from=2026-02-02&to=2026-02-01", "?from=2020-01-01&to=2026-01-01"} {
		boss.Do("GET", "/v1/review/figures"+bad, nil).Want(t, 422, "invalid_fields")
	}
}

func TestTheQueueRefusesFiltersThatAreNone(t *testing.T) {
	s := servertest.Start(t)
	r := s.Staff(t, "reviewer")
	for _, q := range []string{"state=odd", "level=4", "kind=dog", "reason=odd", "reported=1", "taken=acc_1", "limit=0", "limit=9999", "cursor=%00", "cursor=AAAA", "state=approved&cursor=x"} {
		r.Do("GET", "/v1/review/cases?"+q, nil).Want(t, 422)
	}
	for _, q := range []string{"state=approved", "state=suspended&level=2&kind=person&reason=duplicate.identity&language=en&reported=true&taken=any&limit=3", "taken=me"} {
		r.Do("GET", "/v1/review/cases?"+q, nil).Want(t, 200)
	}
}

func TestTheQueueIsWatchedLive(t *testing.T) {
	s := servertest.Start(t)
	p, r, admin := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "admin")
	const path = "/v1/review/live"
	if got := refused(t, s, p, path); got != "403 staff_only" {
		t.Errorf("an applicant: %s", got)
	}
	if got := refused(t, s, r, path, "Origin", "https://evil.example"); got != "403 cross_site_request" {
		t.Errorf("another site: %s", got)
	}
	e := open(t, s, r, path)
	total := func(n float64, taken float64) func(message) bool {
		return func(m message) bool {
			return m.Type == "snapshot" && m.Queue["total"] == n && m.Queue["taken"] == taken
		}
	}
	e.until("what waits", total(1, 0))
	take(t, r, p.CaseID)
	e.until("that it was taken", total(1, 1))
	decide(r, t, p.CaseID, decision(2, "resubmit", reason("document.blurred", "document_back"))).Want(t, 200)
	e.until("that it was decided", total(0, 0))
	other := waiting(t, s)
	e.until("that another waits", total(1, 0))
	if e := open(t, s, other, liveOf(other)); e == nil {
		t.Fatal("no socket")
	}
	id := r.Do("GET", "/v1/me", nil).String("account.id")
	admin.Do("PATCH", "/v1/review/staff/"+id, map[string]any{"disabled": true}).Want(t, 200)
	e.closes(4401)
}

func TestADecisionIsToldToWhoClosedThePage(t *testing.T) {
	var told []cases.Notice
	box := &postbox{}
	fails := 1
	s := servertest.StartWith(t, func(c *cases.Config) {
		say := func(_ context.Context, n cases.Notice) error {
			if fails > 0 {
				fails--
				return errors.New("the mail server hangs")
			}
			told = append(told, n)
			return nil
		}
		c.Tell = map[string]func(context.Context, cases.Notice) error{cases.TellMail: say, cases.TellWebhook: say}
		c.Write = box.write
	})
	p, r := waiting(t, s), s.Staff(t, "reviewer")
	token := box.one(t, s, cases.LetterConfirm, p.Email)
	if len(told) > 0 {
		t.Fatalf("told of what rules decided: %+v", told)
	}
	p.Do("POST", "/v1/email/confirm", link(token)).Want(t, 204)
	take(t, r, p.CaseID)
	decide(r, t, p.CaseID, decision(2, "reject", reason("liveness.spoof", ""))).Want(t, 200)
	_ = s.Cases.Work(t.Context()) // one way fails
	s.Clock.Advance(time.Minute)
	s.Work(t)
	if len(told) != 2 {
		t.Fatalf("told %+v", told)
	}
	for _, n := range told {
		if n.CaseID != p.CaseID || n.Level != 2 || n.State != cases.Rejected || n.ID == "" || n.Email != "" && n.Email != p.Email {
			t.Errorf("told %+v", n)
		}
	}
	if (told[0].Email == "") == (told[1].Email == "") {
		t.Error("only the mail carries the address")
	}
	s.Clock.Advance(time.Hour)
	s.Work(t)
	if len(told) != 2 {
		t.Errorf("told again: %+v", told)
	}
	// Whoever reads the mail of an address that nobody confirmed may be somebody else.
	q, r := waiting(t, s), s.Staff(t, "reviewer")
	take(t, r, q.CaseID)
	decide(r, t, q.CaseID, decision(2, "reject", reason("liveness.spoof", ""))).Want(t, 200)
	s.Work(t)
	if len(told) != 3 || told[2].Email != "" {
		t.Errorf("told an address that is not confirmed: %+v", told)
	}
	if strings.Contains(s.Log.String(), p.Email) {
		t.Error("the address is in the log")
	}
}

func TestWhatWasSentBackTooOftenIsForASupervisor(t *testing.T) {
	policy := casetest.Photos()
	policy.Attempts = 1
	policy.FourEyes.Risks = []string{"handoff.reported"}
	s := servertest.StartWith(t, func(c *cases.Config) { c.Policy = policy })
	p, r, boss := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "supervisor")
	blurred := decision(2, "resubmit", reason("document.blurred", "document_back"))
	take(t, r, p.CaseID)
	decide(r, t, p.CaseID, blurred).Want(t, 200)
	p.Keep("document_back", 4)
	submit2(t, s, p)
	take(t, r, p.CaseID)
	decide(r, t, p.CaseID, blurred).Want(t, 409, "attempts_exhausted")
	r.Do("POST", servertest.Review(p.CaseID, "/escalate"), map[string]any{"level": 2}).Want(t, 200)
	take(t, boss, p.CaseID)
	decide(boss, t, p.CaseID, blurred).Want(t, 200)

	// Somebody reports it meanwhile; once that is cleared, it still is a risk that two people look at.
	phone, _ := p.Phone("document_back")
	phone.Do("POST", "/v1/capture/deny", map[string]any{"report": true}).Want(t, 200)
	take(t, r, p.CaseID)
	r.Do("POST", servertest.Review(p.CaseID, "/release"), map[string]any{"note": "called them"}).Want(t, 200)
	p.Keep("document_back", 6)
	submit2(t, s, p)
	take(t, r, p.CaseID)
	if a := lookAtAll(t, r, p.CaseID); a.Get("levels.1.four_eyes") != true {
		t.Errorf("not a risk: %s", a.Body)
	}
	decide(r, t, p.CaseID, decision(2, "approve")).Want(t, 202)
}

// An objection brings a refusal back to the queue, with what the applicant says.
func TestAnObjectionIsReadByWhoDecides(t *testing.T) {
	s := servertest.Start(t)
	p, r, other := waiting(t, s), s.Staff(t, "reviewer"), s.Staff(t, "reviewer")
	take(t, r, p.CaseID)
	decide(r, t, p.CaseID, decision(2, "reject", reason("document.tampered", ""))).Want(t, 200)
	p.Do("POST", p.Path("/objection"), map[string]any{"text": "It is my document."}).Want(t, 200)
	take(t, other, p.CaseID)
	a := lookAtAll(t, other, p.CaseID)
	if a.String("evidence.objections.0.text") != "It is my document." || a.String("levels.1.state") != "in_review" {
		t.Errorf("the objection: %s", a.Body)
	}
	decide(other, t, p.CaseID, decision(2, "approve")).Want(t, 200)
}

func TestASupervisorTakesTheEvidenceOut(t *testing.T) {
	key := seal.NewSigningKey()
	s := servertest.Start(t, func(c *server.Config) {
		rules := c.Cases
		c.Bundle = func(ctx context.Context, id string, w io.Writer) error {
			return casebundle.Write(ctx, casebundle.Config{Cases: rules, Key: key, Operator: "Example"}, id, w)
		}
		c.TempDir = t.TempDir()
	})
	p, boss := waiting(t, s), s.Staff(t, "supervisor")
	path := servertest.Review(p.CaseID, "/bundle")
	boss.Do("GET", path, nil).Want(t, 409, "not_leased")
	take(t, boss, p.CaseID)
	a := boss.Do("GET", path, nil).Want(t, 200)
	pub := key.Public()
	v, err := casebundle.Verify(bytes.NewReader(a.Body), int64(len(a.Body)), &pub)
	if err != nil || v.CaseID != p.CaseID || v.Media != 2 || v.Looks != 1 {
		t.Errorf("%+v %v", v, err)
	}
	if !strings.Contains(a.Header.Get("Content-Disposition"), p.CaseID+".zip") || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", a.Header)
	}
}
