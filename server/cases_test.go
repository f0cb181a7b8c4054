package server_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/server/servertest"
)

func TestOneCaseAnAccount(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Do("POST", "/v1/cases", map[string]any{"kind": "club"}).Want(t, 422)
	a := p.Do("POST", "/v1/cases", map[string]any{"kind": "person"}).Want(t, 201)
	if a.Header.Get("Location") != "/v1/cases/"+a.String("id") || a.Header.Get("ETag") == "" {
		t.Errorf("headers %v", a.Header)
	}
	again := p.Do("POST", "/v1/cases", map[string]any{"kind": "person"}).Want(t, 409, "case_exists")
	if again.String("case_id") != a.String("id") {
		t.Errorf("the problem does not name the case: %s", again.Body)
	}
	if got := p.Do("GET", "/v1/me", nil).String("case_id"); got != a.String("id") {
		t.Errorf("me: %q", got)
	}
}

func TestIdentityNeedsTheVersionThatWasRead(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Begin("person")
	put := func(headers ...string) *servertest.Answer {
		return p.Do("PUT", p.Path("/identity"), servertest.Identity(), headers...)
	}
	put().Want(t, 428, "version_required")
	for _, bad := range []string{"1", "", "*", `W/"1"`, `"one"`, `"-1"`, `"1", "2"`, `"99999999999999999999"`} {
		put("If-Match", bad).Want(t, 400, "version_invalid")
	}
	put("If-Match", `"9"`).Want(t, 412, "version_stale")
	v1 := p.Version()
	a := put("If-Match", v1).Want(t, 200)
	if a.Header.Get("ETag") == v1 || a.Header.Get("ETag") == "" {
		t.Errorf("ETag %q after %q", a.Header.Get("ETag"), v1)
	}
	put("If-Match", v1).Want(t, 412, "version_stale")

	submit := func(headers ...string) *servertest.Answer {
		return p.Do("POST", p.Path("/levels/1/submit"), none, headers...)
	}
	submit().Want(t, 428)
	submit("If-Match", v1).Want(t, 412)
	submit("If-Match", p.Version()).Want(t, 202)
}

func TestEveryBadFieldIsNamed(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Begin("person")
	in := servertest.Identity()
	in["name"] = ""
	in["document"].(map[string]any)["number"] = "110105194912310021"
	a := p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 422, "invalid_fields")
	for _, field := range []string{`"document.number"`, `"name"`} {
		if !strings.Contains(string(a.Body), field) {
			t.Errorf("%s is not named in %s", field, a.Body)
		}
	}
	if strings.Contains(string(a.Body), "1101051949") {
		t.Errorf("the value stands in the problem: %s", a.Body)
	}
	if a := p.Do("GET", p.Path(""), nil); a.Get("identity") != nil {
		t.Errorf("something was stored: %s", a.Body)
	}
}

func TestIdentityIsMaskedOnceItIsStored(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Begin("person")
	p.Do("GET", p.Path("/identity"), nil).Want(t, 404, "identity_unknown")
	in := servertest.Identity()
	put := p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 200)
	personal := []string{"三样本", "11010519491231002X", "1949-12-31", "样本路"}
	masked := func(a *servertest.Answer) {
		t.Helper()
		for _, value := range personal {
			if strings.Contains(string(a.Body), value) {
				t.Errorf("%s %s shows %q", a.Request.Method, a.Request.URL.Path, value)
			}
		}
	}
	masked(put)
	if put.String("identity.name") != "张***" || put.String("identity.document.number") != "110105********002X" {
		t.Errorf("identity %v", put.Get("identity"))
	}
	masked(p.Do("GET", p.Path(""), nil).Want(t, 200))
	masked(p.Do("GET", p.Path("/events"), nil).Want(t, 200))

	// The applicant's own form may be filled again while the level is open, and not afterwards.
	full := p.Do("GET", p.Path("/identity"), nil).Want(t, 200).Map()
	if full["name"] != in["name"] || full["document"].(map[string]any)["number"] != "11010519491231002X" {
		t.Errorf("full identity %v", full)
	}
	if !maps.Equal(full["acting_for"].(map[string]any), in["acting_for"].(map[string]any)) {
		t.Errorf("acting for %v", full["acting_for"])
	}
	masked(p.Do("POST", p.Path("/levels/1/submit"), none, "If-Match", p.Version()).Want(t, 202))
	p.Do("GET", p.Path("/identity"), nil).Want(t, 409, "level_not_open")
	p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 409, "level_not_open")
	s.Work(t)
	p.Do("GET", p.Path("/identity"), nil).Want(t, 409, "level_not_open")
	phone, _ := p.Phone()
	masked(phone.Do("GET", "/v1/capture", nil).Want(t, 200))
}

func TestLevelsThatAreNoneAreUnknown(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	for _, n := range []string{"0", "4", "01", "1.0", "one", "-1"} {
		p.Do("POST", p.Path("/levels/"+n+"/submit"), none, "If-Match", p.Version()).Want(t, 404, "level_unknown")
	}
	p.Do("POST", p.Path("/levels/3/submit"), none, "If-Match", p.Version()).Want(t, 404, "level_unknown") // asks for nothing yet
	a := p.Do("POST", p.Path("/levels/2/submit"), none, "If-Match", p.Version()).Want(t, 409, "steps_incomplete")
	if len(a.Get("steps").([]any)) != 2 {
		t.Errorf("missing steps: %s", a.Body)
	}
	p.Do("POST", p.Path("/levels/2/reopen"), none, "If-Match", p.Version()).Want(t, 409, "level_not_open")
	a = p.Do("POST", p.Path("/levels/1/reopen"), nil, "If-Match", p.Version()).Want(t, 200)
	if a.String("levels.0.state") != "open" || a.String("levels.1.state") != "locked" {
		t.Errorf("after reopening: %s", a.Body)
	}
}

func TestTheDeskKeepsPhotosAndSubmits(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	app := p.App()
	first := p.Send("document_front", servertest.Photo(1))
	a := p.Do("GET", p.Path(""), nil).Want(t, 200)
	if a.String("steps.0.state") != "stored" || a.String("steps.0.takes.0.upload_id") != first || a.Get("steps.0.media_id") != nil {
		t.Errorf("after sending: %s", a.Body)
	}
	// What this session sent is not another's to look at or keep.
	if b := app.Do("GET", p.Path(""), nil).Want(t, 200); len(b.Get("steps.0.takes").([]any)) != 0 {
		t.Errorf("another session is shown the take: %s", b.Body)
	}
	accept := func(c *servertest.Client, step, upload string) *servertest.Answer {
		return c.Do("POST", p.Path("/steps/"+step+"/accept"), map[string]any{"upload_id": upload})
	}
	accept(app, "document_front", first).Want(t, 409, "upload_not_for_this_step")
	accept(p, "document_back", first).Want(t, 409, "upload_not_for_this_step")
	accept(p, "document_front", "upl_01K9ZZ3QH6R5V0T1W2X3Y4Z5A9").Want(t, 409, "upload_not_for_this_step")
	kept := accept(p, "document_front", first).Want(t, 200)
	if kept.String("state") != "accepted" || kept.String("media_id") == "" {
		t.Errorf("kept: %s", kept.Body)
	}
	p.Do("GET", "/v1/media/"+kept.String("media_id"), nil).Want(t, 200)
	second := p.Keep("document_front", 2) // a new one replaces it
	a = p.Do("GET", p.Path(""), nil)
	if got := a.String("steps.0.takes.0.upload_id"); got != second || len(a.Get("steps.0.takes").([]any)) != 1 {
		t.Errorf("after keeping another: %s", a.Body)
	}
	p.Keep("document_back", 3)
	p.Do("POST", p.Path("/levels/2/submit"), none, "If-Match", p.Version()).Want(t, 202)
	a = p.Do("GET", p.Path(""), nil)
	if a.Get("steps.0.media_id") != nil || len(a.Get("steps.0.takes").([]any)) != 0 {
		t.Errorf("takes are shown after their level was submitted: %s", a.Body)
	}
	accept(p, "document_front", second).Want(t, 409, "level_not_open")
}

func TestEventsTellWhatHappenedAndNotWho(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	a := p.Do("GET", p.Path("/events"), nil).Want(t, 200)
	events := a.Get("events").([]any)
	if len(events) < 5 || a.String("events.0.event") != "case_created" || a.String("events.0.actor") != "applicant" {
		t.Errorf("events: %s", a.Body)
	}
	if strings.Contains(string(a.Body), "acc_") {
		t.Errorf("events name accounts: %s", a.Body)
	}
	a = p.Do("GET", p.Path("/events?limit=2"), nil).Want(t, 200)
	if len(a.Get("events").([]any)) != 2 || a.Get("next") != 2.0 {
		t.Errorf("page: %s", a.Body)
	}
	a = p.Do("GET", p.Path("/events?after=2&limit=200"), nil).Want(t, 200)
	if len(a.Get("events").([]any)) != len(events)-2 || a.Get("events.0.n") != 3.0 || a.Get("next") != nil {
		t.Errorf("rest: %s", a.Body)
	}
	for _, query := range []string{"after=-1", "after=x", "after=", "limit=0", "limit=201", "limit=1e2"} {
		p.Do("GET", p.Path("/events?"+query), nil).Want(t, 422, "invalid_fields")
	}
}

func TestSeqGrows(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	last := 0.0
	for range 3 {
		seq := p.Do("GET", p.Path(""), nil).Want(t, 200).Get("seq").(float64)
		if seq <= last {
			t.Fatalf("seq %v after %v", seq, last)
		}
		last = seq
	}
}

func TestEverybodyIsToldWhoMayUseWhichDocument(t *testing.T) {
	s := servertest.Start(t)
	a := s.NewProgram(t).Do("GET", "/v1/operator", nil).Want(t, 200)
	if a.String("documents.0.nationalities.0") != "CHN" || a.String("documents.0.types.0") != "cn_resident_id" || a.String("documents.3.nationalities.0") != "*" {
		t.Errorf("documents %v", a.Get("documents"))
	}
	if a.Get("minimum_age") != 18.0 {
		t.Errorf("minimum age %v", a.Get("minimum_age"))
	}
	p := s.Applicant(t)
	p.Begin("person")
	in := servertest.Identity()
	in["document"] = map[string]any{"type": "passport", "number": "L898902C3", "expires_on": "2030-01-01"}
	refused := p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 422, "invalid_fields")
	if refused.String("errors.0.field") != "document.type" || refused.String("errors.0.code") != "document.type_not_allowed_for_nationality" {
		t.Errorf("errors %v", refused.Get("errors"))
	}
}

func TestTheSidesOfACardAreToldByItsSort(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Begin("person")
	in := servertest.Identity()
	if a := p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 200); a.String("steps.1.instructions") != "document_back" {
		t.Errorf("of a resident ID card: %v", a.Get("steps"))
	}
	in["nationality"], in["birth_date"] = "TWN", "1992-01-30"
	delete(in, "sex")
	in["document"] = map[string]any{"type": "taiwan_residence_permit", "number": "830000199201300022", "expires_on": "2030-01-01"}
	if a := p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 200); a.String("steps.0.instructions") != "document_front.card" || a.String("steps.1.instructions") != "document_back.card" {
		t.Errorf("of a permit: %v", a.Get("steps"))
	}
}

func TestWhomAnAccountIsForComesBackWhileItMayBeChanged(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Begin("person")
	in := servertest.Identity()
	in["acting_for"] = map[string]any{"who": "other", "beneficiary": map[string]any{"name": "", "document": map[string]any{"type": "passport", "number": "x"}}}
	a := p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 422, "invalid_fields")
	for _, field := range []string{`"acting_for.beneficiary.name"`, `"acting_for.beneficiary.nationality"`, `"acting_for.beneficiary.document.number"`} {
		if !strings.Contains(string(a.Body), field) {
			t.Errorf("%s is not named in %s", field, a.Body)
		}
	}
	in["acting_for"] = map[string]any{"who": "other", "beneficiary": map[string]any{"name": "李小样"}, "controller": map[string]any{"name": "Erika", "nationality": "DEU"}}
	a = p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 200)
	if strings.Contains(string(a.Body), "李小样") {
		t.Errorf("the case shows the name: %s", a.Body)
	}
	full := p.Do("GET", p.Path("/identity"), nil).Want(t, 200)
	if full.String("acting_for.beneficiary.name") != "李小样" || full.String("acting_for.controller.nationality") != "DEU" {
		t.Errorf("acting for %v", full.Get("acting_for"))
	}
	p.Do("PUT", p.Path("/identity"), []byte(`{"acting_for":{"who":"self","beneficiary":{"nick":"x"}}}`), "If-Match", p.Version()).Want(t, 400, "json_malformed")
}

func TestAStrangeRegionIsAHintAndNoMistake(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Begin("person")
	in := servertest.Identity()
	put := func(number, born string) *servertest.Answer {
		in["birth_date"] = born
		in["document"].(map[string]any)["number"] = number
		return p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 200)
	}
	const abandoned, unknown = "11010319750308101X", "110199199003078035"
	in["acting_for"] = map[string]any{"who": "other", "beneficiary": map[string]any{
		"name": "李小样", "nationality": "CHN", "document": map[string]any{"type": "cn_resident_id", "number": abandoned},
	}}
	if a := put(abandoned, "1975-03-08"); a.Get("identity.document.warning") != nil {
		t.Errorf("who has an old number is warned: %s", a.Body)
	}
	if a := put(unknown, "1990-03-07"); a.String("identity.document.warning") != "region_unknown" {
		t.Errorf("an unknown region: %v", a.Get("identity"))
	}
	p.Do("POST", p.Path("/levels/1/submit"), none, "If-Match", p.Version()).Want(t, 202)
	s.Work(t)
	r := s.Staff(t, "reviewer")
	take(t, r, p.CaseID)
	warned := map[string]any{}
	for _, f := range r.Do("GET", servertest.Review(p.CaseID, ""), nil).Want(t, 200).Get("evidence.fields").([]any) {
		if f := f.(map[string]any); f["warning"] != nil {
			warned[f["name"].(string)] = f["warning"]
		}
	}
	want := map[string]any{
		"document.number":                        map[string]any{"code": "region_unknown"},
		"acting_for.beneficiary.document.number": map[string]any{"code": "region_abandoned", "abandoned_by": 2010.},
	}
	if !reflect.DeepEqual(warned, want) {
		t.Errorf("the reviewer is warned of %v, want %v", warned, want)
	}
}

func TestACompanysFacts(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Begin("business")
	in := servertest.Identity()
	delete(in, "acting_for")
	company := map[string]any{
		"legal_name": "样本贸易有限公司", "registration": map[string]any{"type": "uscc", "number": "91110000600037341L", "country": "CHN"},
		"activity": "进出口贸易", "registered_address": "样本省样本市样本路 2 号", "acting_as": "authorised_agent",
		"legal_representative": map[string]any{"name": "王样", "document": map[string]any{"type": "passport", "number": "C01X00T47"}},
		"parties":              []any{map[string]any{"id": "p1", "kind": "person", "name": "李雷"}},
		"holdings":             []any{map[string]any{"holder": "p1", "in": "company", "share": "1/2"}, map[string]any{"holder": "p2", "in": "company", "share": "150%"}},
		"controllers":          []any{}, "beneficiary": map[string]any{"who": "self"},
	}
	in["business"] = company
	a := p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 422, "invalid_fields")
	if got := a.String("errors.0.field") + " " + a.String("errors.1.field"); got != "business.holdings.1.holder business.holdings.1.share" {
		t.Errorf("errors %v", a.Get("errors"))
	}
	if strings.Contains(string(a.Body), "李雷") {
		t.Errorf("a name stands in the problem: %s", a.Body)
	}
	company["holdings"] = []any{}
	company["controllers"] = []any{map[string]any{"party": "p1", "basis": "control"}}
	company["parties"] = []any{map[string]any{
		"id": "p1", "kind": "person", "name": "李雷", "nationality": "CHN", "birth_date": "1990-03-07",
		"document": map[string]any{"type": "cn_resident_id", "number": "11010119900307803X", "expires_on": "long_term"},
	}}
	a = p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version()).Want(t, 200)
	if a.String("identity.business.legal_name") != "样本贸易有限公司" || a.String("steps.3.id") != "authorisation" || strings.Contains(string(a.Body), "李雷") {
		t.Errorf("case %s", a.Body)
	}
	if full := p.Do("GET", p.Path("/identity"), nil).Want(t, 200); full.String("business.parties.0.name") != "李雷" || full.Get("acting_for") != nil {
		t.Errorf("identity %s", full.Body)
	}
	p.Do("POST", p.Path("/levels/1/submit"), none, "If-Match", p.Version()).Want(t, 202)
	s.Work(t)
	if a := p.Do("GET", p.Path(""), nil).Want(t, 200); a.String("levels.0.state") != "in_review" || a.String("levels.1.state") != "open" {
		t.Errorf("levels %v", a.Get("levels"))
	}
}

func TestADraftComesBackAndGoesWithTheEntry(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.Begin("person")
	if a := p.Do("GET", p.Path(""), nil); a.Get("draft") != false {
		t.Errorf("draft %v", a.Get("draft"))
	}
	draft := []byte(`{"v":1,"draft":{"birthDate":"1990-03-","parties":[{"kind":"person"}]}}`)
	if a := p.Do("PUT", p.Path("/identity/draft"), draft).Want(t, 200); `"`+fmt.Sprint(a.Get("version"))+`"` != p.Version() {
		t.Errorf("version %v, the case is at %s", a.Get("version"), p.Version())
	}
	if a := p.Do("GET", p.Path(""), nil); a.Get("draft") != true || strings.Contains(string(a.Body), "1990-03") {
		t.Errorf("case %s", a.Body)
	}
	if a := p.Do("GET", p.Path("/identity"), nil).Want(t, 200); a.String("draft.draft.birthDate") != "1990-03-" || a.Get("name") != nil {
		t.Errorf("identity %s", a.Body)
	}
	for _, bad := range []string{``, `null`, `[]`, `{"a":1,"a":2}`, `{"a":1}{}`, strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)} {
		p.Do("PUT", p.Path("/identity/draft"), []byte(bad)).Want(t, 400, "json_malformed")
	}
	p.Do("PUT", p.Path("/identity/draft"), []byte(`{"a":"`+strings.Repeat("x", 32<<10)+`"}`)).Want(t, 422, "draft_invalid")
	p.Do("PUT", p.Path("/identity/draft"), draft, "Content-Type", "text/plain").Want(t, 415)
	s.Applicant(t).Do("PUT", p.Path("/identity/draft"), draft).Want(t, 404, "case_unknown")

	p.Do("PUT", p.Path("/identity"), servertest.Identity(), "If-Match", p.Version()).Want(t, 200)
	if a := p.Do("GET", p.Path("/identity"), nil).Want(t, 200); a.Get("draft") != nil || a.String("name") == "" {
		t.Errorf("identity %s", a.Body)
	}
	p.Do("POST", p.Path("/levels/1/submit"), none, "If-Match", p.Version()).Want(t, 202)
	p.Do("PUT", p.Path("/identity/draft"), draft).Want(t, 409, "level_not_open")
}
