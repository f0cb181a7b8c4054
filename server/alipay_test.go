package server_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casealipay"
	"github.com/symbolon/symbolon/cases/casealipay/devgateway"
	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/server/servertest"
)

// alipay runs a server whose Level 2 asks for a face, and a TEST GATEWAY for it.
func alipay(t *testing.T) (*servertest.Server, *devgateway.Gateway) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("..", "cases", "casealipay", "testdata", name))
		must(t, err)
		return b
	}
	key := func(name string) *rsa.PrivateKey {
		block, _ := pem.Decode(read(name))
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		must(t, err)
		return k.(*rsa.PrivateKey)
	}
	g, err := devgateway.New(devgateway.Config{AppID: casealipay.TestAppID, AppKey: &key("app.key").PublicKey, Key: key("alipay.key")})
	must(t, err)
	gateway := httptest.NewServer(g)
	t.Cleanup(func() { g.Close(); gateway.Close() })
	client, err := casealipay.New(casealipay.Config{
		AppID: casealipay.TestAppID, Gateway: gateway.URL + "/gateway.do", PrivateKey: read("app.key"), PublicKey: read("alipay.pub"),
	})
	must(t, err)
	t.Cleanup(client.Close)
	face := withFace(t, nil)
	return servertest.StartWith(t, func(c *cases.Config) { face(c); c.Faces, c.Alipay = nil, client }), g
}

// toAlipay is somebody whose portrait is kept, with a phone that is to go to Alipay.
func toAlipay(t *testing.T, s *servertest.Server) (desk, phone *servertest.Client) {
	t.Helper()
	desk = s.Person(t)
	desk.Keep("document_front", 1)
	return desk, byAlipay(desk)
}

// byAlipay is an active phone of a handoff for Alipay.
func byAlipay(desk *servertest.Client) *servertest.Client {
	offer := desk.Do("POST", desk.Path("/handoffs"), map[string]any{"steps": []string{"face"}, "provider": "alipay"})
	phone := desk.Claim(offer)
	number := desk.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("match.number")
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": number})
	return phone
}

// certifyID is the verification that an address of Alipay is for.
func certifyID(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	var biz struct {
		CertifyID string `json:"certify_id"`
	}
	must(t, json.Unmarshal([]byte(u.Query().Get("biz_content")), &biz))
	return biz.CertifyID
}

// shownFace is the desk's face step: its state, how far Alipay is, and its first reason.
func shownFace(t *testing.T, desk *servertest.Client) (state, phase, reason string) {
	t.Helper()
	for _, st := range desk.Do("GET", desk.Path(""), nil).Want(t, 200).Get("steps").([]any) {
		m := st.(map[string]any)
		if m["id"] != "face" {
			continue
		}
		if p, ok := m["provider"].(map[string]any); ok {
			phase = p["phase"].(string)
		}
		if r := m["reasons"].([]any); len(r) > 0 {
			reason = r[0].(map[string]any)["code"].(string)
		}
		return m["state"].(string), phase, reason
	}
	t.Fatal("there is no face step")
	return "", "", ""
}

func wantFace(t *testing.T, desk *servertest.Client, state, phase, reason string) {
	t.Helper()
	if s, p, r := shownFace(t, desk); s != state || p != phase || r != reason {
		t.Errorf("the face is %q, %q, %q, not %q, %q, %q", s, p, r, state, phase, reason)
	}
}

// goBack opens the address that Alipay's app opens afterwards.
func goBack(t *testing.T, s *servertest.Server, address string) {
	t.Helper()
	a := s.NewBrowser(t).Do("GET", strings.TrimPrefix(address, s.URL), nil).Want(t, 303)
	if to := a.Header.Get("Location"); to != "/h?alipay" {
		t.Errorf("it leads to %q", to)
	}
}

// pass is the time until the next question, and the question.
func ask(t *testing.T, s *servertest.Server, after time.Duration) {
	t.Helper()
	s.Clock.Advance(after)
	s.Work(t)
}

// TestAFaceByAlipay goes the whole way: a failure, another try, and the level handed in.
func TestAFaceByAlipay(t *testing.T) {
	s, g := alipay(t)
	desk, phone := toAlipay(t, s)
	if p := phone.Do("GET", "/v1/capture", nil).Want(t, 200).String("handoff.provider"); p != "alipay" {
		t.Errorf("the phone is told of %q", p)
	}
	wantFace(t, desk, "todo", "", "")
	first := phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 200)
	id := certifyID(t, first.String("certify_url"))
	if again := phone.Do("POST", "/v1/capture/alipay", map[string]any{}).Want(t, 200); certifyID(t, again.String("alipay_link")) != id {
		t.Error("another call began another verification")
	}
	if n := g.Calls("initialize"); n != 1 {
		t.Errorf("Alipay began %d times", n)
	}
	wantFace(t, desk, "todo", "alipay_opened", "")

	// Before anything was done Alipay may say that it failed: that is no result.
	version := desk.Do("GET", desk.Path(""), nil).Want(t, 200).Get("version").(float64)
	ask(t, s, 3*time.Second)
	ask(t, s, 10*time.Second)
	if n := g.Calls("query"); n != 2 {
		t.Errorf("Alipay was asked %d times", n)
	}
	if now := desk.Do("GET", desk.Path(""), nil).Want(t, 200).Get("version").(float64); now > version+2 {
		t.Errorf("two questions without a result brought the case from version %v to %v", version, now)
	}
	wantFace(t, desk, "todo", "alipay_opened", "")

	back, err := g.Decide(id, "fail")
	must(t, err)
	goBack(t, s, back)
	wantFace(t, desk, "todo", "waiting", "")
	ask(t, s, 0)
	wantFace(t, desk, "todo", "waiting", "") // it may still settle
	ask(t, s, 3*time.Second)
	wantFace(t, desk, "failed", "failed", "provider.alipay_failed")
	if state := phone.Do("GET", "/v1/capture", nil).Want(t, 200).String("handoff.state"); state != "active" {
		t.Errorf("the handoff is %s", state)
	}
	goBack(t, s, back) // of a try that is over

	second := phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 200)
	other := certifyID(t, second.String("certify_url"))
	orders := g.Orders()
	if other == id || len(orders) != 2 || orders[0] == orders[1] || len(orders[0]) != 32 {
		t.Errorf("the second try is %s of %v", other, orders)
	}
	wantFace(t, desk, "todo", "alipay_opened", "")
	if _, err = g.Decide(id, "pass"); err != nil { // the old one is not asked about any more
		t.Fatal(err)
	}
	ask(t, s, 5*time.Second)
	wantFace(t, desk, "todo", "alipay_opened", "")
	back, err = g.Decide(other, "pass")
	must(t, err)
	goBack(t, s, back)
	ask(t, s, 0)
	wantFace(t, desk, "checked", "done", "")
	phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 409, "step_done")
	desk.Keep("document_back", 2)
	phone.Do("POST", "/v1/capture/submit", map[string]any{}).Want(t, 200)
	s.Work(t)

	c, err := s.Cases.Get(t.Context(), desk.CaseID)
	must(t, err)
	// A TEST GATEWAY recognises nobody: whatever else was found, a person looks.
	of := slices.IndexFunc(c.Levels[1].Checks, func(f cases.Check) bool { return f.Step == cases.Face && f.Check == "alipay" })
	if l := c.Levels[1]; l.State != cases.InReview || of < 0 || l.Checks[of].Verdict != checks.Unsure {
		t.Errorf("level 2 is %s, with %+v", l.State, l.Checks)
	}
	var take cases.Take
	for _, st := range c.Steps {
		if st.ID == cases.Face && len(st.Takes) == 1 {
			take = st.Takes[0]
		}
	}
	if take.Alipay == nil || take.Alipay.CertifyID != other || !take.Alipay.Offline {
		t.Fatalf("the take is %+v", take)
	}
	e, err := s.Media.Open(t.Context(), take.UploadID)
	must(t, err)
	raw := make([]byte, e.Size())
	_, err = e.ReadAt(raw, 0)
	must(t, e.Close())
	if err != nil && err != io.EOF || !bytes.Contains(raw, []byte(`"passed":"T"`)) || !bytes.Contains(raw, []byte(`"sign":"`)) {
		t.Errorf("the evidence is %q, %v", raw, err)
	}
	// Both answers stand in the history, sealed.
	entries, err := s.Cases.Events(t.Context(), desk.CaseID, 0, 200)
	must(t, err)
	outcomes := ""
	for _, e := range entries {
		if e.Event != "alipay_ended" {
			continue
		}
		outcomes += e.Data["outcome"] + " "
		b, err := s.Cases.AlipayAnswer(t.Context(), e)
		if err != nil || !json.Valid(b) || bytes.Contains(e.Sealed, []byte("passed")) {
			t.Errorf("the answer of %s is %q, %v", e.Data["outcome"], b, err)
		}
	}
	if outcomes != "failed passed " {
		t.Errorf("the history says %q", outcomes)
	}
	for _, secret := range []string{"张三", "11010519491231002X"} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// TestNothingButAVerifiedAnswerPasses has the gateway answer wrongly in every way about somebody who failed; most of these
// answers say that they passed.
func TestNothingButAVerifiedAnswerPasses(t *testing.T) {
	s, g := alipay(t)
	desk, phone := toAlipay(t, s)
	id := certifyID(t, phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 200).String("certify_url"))
	back, err := g.Decide(id, "fail")
	must(t, err)
	for _, f := range devgateway.Faults {
		if f == devgateway.None || f == devgateway.BusyOnce || f == devgateway.Slow {
			continue // the last is asked about below
		}
		g.SetFault(f)
		before := g.Calls("query")
		ask(t, s, 21*time.Second)
		if g.Calls("query") == before && f != devgateway.ClockSkew {
			t.Errorf("%s: nobody asked", f)
		}
		wantFace(t, desk, "todo", "alipay_opened", "")
	}
	// Whoever waits for an answer that does not come is not waited for by others.
	g.SetFault(devgateway.Slow)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	s.Clock.Advance(21 * time.Second)
	_ = s.Cases.Work(ctx)
	cancel()
	g.SetFault(devgateway.Tampered)
	goBack(t, s, back)
	ask(t, s, time.Minute)
	wantFace(t, desk, "todo", "waiting", "")
	ask(t, s, 15*time.Minute)
	wantFace(t, desk, "failed", "failed", "provider.timeout")
	// This phone's time was over with the try's; the next one is told why.
	if why := byAlipay(desk).Do("GET", "/v1/capture", nil).Want(t, 200).String("steps.0.reasons.0.code"); why != "provider.timeout" {
		t.Errorf("the phone is told %q", why)
	}
	g.SetFault(devgateway.None)
	ask(t, s, time.Minute)
	wantFace(t, desk, "failed", "failed", "provider.timeout")
}

// TestAlipayWhenItCannotBegin goes through what keeps a try from beginning.
func TestAlipayWhenItCannotBegin(t *testing.T) {
	s, g := alipay(t)
	desk, phone := toAlipay(t, s)
	for _, f := range []devgateway.Fault{devgateway.Unsigned, devgateway.WrongKey, devgateway.Truncated} {
		g.SetFault(f)
		a := phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 503, "alipay_unavailable")
		if a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	g.SetFault(devgateway.None)
	var ids sync.Map
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			ids.Store(certifyID(t, phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 200).String("certify_url")), true)
		})
	}
	calls.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	if orders := len(g.Orders()); orders != 1 || n != 1 {
		t.Errorf("calls that are repeated, also at once, made %d orders of %d verifications", orders, n)
	}
	c, err := s.Cases.Get(t.Context(), desk.CaseID)
	must(t, err)
	jobs := 0
	for _, j := range c.Jobs {
		if j.Kind == cases.JobAlipay {
			jobs++
		}
	}
	if jobs != 1 {
		t.Errorf("%d jobs ask for the result", jobs)
	}
	wantFace(t, desk, "todo", "alipay_opened", "")

	for _, bad := range []map[string]any{{"steps": []string{"face"}, "provider": "wechat"}, {"steps": []string{"document_front"}, "provider": "alipay"}} {
		desk.Do("POST", desk.Path("/handoffs"), bad).Want(t, 422, "invalid_fields")
	}
	// A phone of another handoff, and one that has not matched.
	offer := desk.Do("POST", desk.Path("/handoffs"), map[string]any{"steps": []string{"face"}, "provider": "alipay", "replace": true}).Want(t, 201)
	phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 401, "capture_ended")
	desk.Claim(offer).Do("POST", "/v1/capture/alipay", nil).Want(t, 403, "handoff_not_matched")
	desk.Do("POST", desk.Path("/handoffs"), map[string]any{"steps": []string{"face"}, "replace": true}).Want(t, 201)
	own := s.Person(t)
	own.Keep("document_front", 1)
	camera, _ := own.Phone("face")
	camera.Do("POST", "/v1/capture/alipay", nil).Want(t, 409, "alipay_not_chosen")
	bare := byAlipay(s.Person(t))
	bare.Do("POST", "/v1/capture/alipay", nil).Want(t, 409, "portrait_missing")

	without := servertest.StartWith(t, withFace(t, nil))
	p := without.Person(t)
	p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"face"}, "provider": "alipay"}).Want(t, 409, "alipay_not_configured")
}

// TestAnAlipayResultIsForOnePersonAndOnePhone lets somebody pass whose try is worth nothing any more.
func TestAnAlipayResultIsForOnePersonAndOnePhone(t *testing.T) {
	s, g := alipay(t)
	passed := func(phone *servertest.Client) string {
		t.Helper()
		id := certifyID(t, phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 200).String("certify_url"))
		back, err := g.Decide(id, "pass")
		must(t, err)
		return back
	}
	t.Run("taken back", func(t *testing.T) {
		desk, phone := toAlipay(t, s)
		back := passed(phone)
		desk.Do("POST", "/v1/handoffs/"+desk.Do("GET", desk.Path(""), nil).String("handoff.id")+"/cancel", map[string]any{}).Want(t, 200)
		goBack(t, s, back)
		before := g.Calls("query")
		ask(t, s, 5*time.Second)
		wantFace(t, desk, "todo", "", "")
		if g.Calls("query") != before {
			t.Error("Alipay is still asked")
		}
		next := byAlipay(desk) // the next phone begins anew
		if _, err := g.Decide(certifyID(t, next.Do("POST", "/v1/capture/alipay", nil).Want(t, 200).String("certify_url")), "fail"); err != nil {
			t.Fatal(err)
		}
		ask(t, s, 5*time.Second)
		wantFace(t, desk, "todo", "alipay_opened", "")
	})
	t.Run("somebody else by now", func(t *testing.T) {
		desk, phone := toAlipay(t, s)
		passed(phone)
		// While a phone holds the case the desk may not do this; the result is bound to the person all the same.
		by := cases.Actor{Kind: cases.ByApplicant}
		c, err := s.Cases.Get(t.Context(), desk.CaseID)
		must(t, err)
		c, err = s.Cases.Reopen(t.Context(), by, c.ID, c.Version)
		must(t, err)
		other := *c.Facts
		other.Name = "李四"
		c, err = s.Cases.PutIdentity(t.Context(), by, c.ID, c.Version, other)
		must(t, err)
		_, err = s.Cases.Submit(t.Context(), by, c.ID, 1, c.Version)
		must(t, err)
		s.Work(t)
		ask(t, s, 5*time.Second)
		wantFace(t, desk, "todo", "", "")
		c, err = s.Cases.Get(t.Context(), desk.CaseID)
		must(t, err)
		if c.Alipay == nil || c.Alipay.Outcome != "void" {
			t.Errorf("the try is %+v", c.Alipay)
		}
	})
	t.Run("a reference of nobody", func(t *testing.T) {
		desk, phone := toAlipay(t, s)
		back := passed(phone)
		version := desk.Version()
		for _, r := range []string{"", "?r=", "?r=abc", "?r=" + strings.Repeat("A", 600), "?r=%00", "?x=1", back[strings.Index(back, "?"):] + "A"} {
			goBack(t, s, s.URL+"/h/alipay/return"+r)
		}
		if v := desk.Version(); v != version {
			t.Errorf("it changed the case: %s, before %s", v, version)
		}
		s.NewBrowser(t).Do("POST", "/h/alipay/return", nil).Want(t, 405, "method_not_allowed")
		goBack(t, s, back)
		wantFace(t, desk, "todo", "waiting", "") // the address alone proves nothing
		ask(t, s, 0)
		wantFace(t, desk, "checked", "done", "")
	})
}

// TestAlipayTriesAreLimited: every try costs the operator money.
func TestAlipayTriesAreLimited(t *testing.T) {
	s, g := alipay(t)
	desk, phone := toAlipay(t, s)
	for range 10 {
		id := certifyID(t, phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 200).String("certify_url"))
		back, err := g.Decide(id, "fail")
		must(t, err)
		goBack(t, s, back)
		ask(t, s, 4*time.Second)
		wantFace(t, desk, "failed", "failed", "provider.alipay_failed")
	}
	phone.Do("POST", "/v1/capture/alipay", nil).Want(t, 409, "alipay_tries_used")
	if n := g.Calls("initialize"); n != 10 {
		t.Errorf("Alipay began %d times", n)
	}
}
