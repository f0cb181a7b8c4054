package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/server/servertest"
)

// A whole flow, with mistakes, leaves nothing in the log that could be used or that names somebody.
func TestTheLogHoldsNothingPersonal(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	app := p.App()
	p.Do("POST", "/v1/session", map[string]any{"email": p.Email, "password": "a wrong password"}).Want(t, 401)
	p.Do("POST", "/v1/session", []byte(`{"email":"`+p.Email+`","password":"broken json`)).Want(t, 400)
	p.Do("GET", "/v1/me?token="+app.Token, nil, "User-Agent", "Telltale/1.0").Want(t, 200)
	p.Do("GET", "/nothing/"+p.Email, nil).Want(t, 404)
	in := servertest.Identity()
	in["document"].(map[string]any)["number"] = "110105194912310021"
	p.Do("PUT", p.Path("/identity"), in, "If-Match", p.Version())
	offer := p.Offer()
	phone := p.Claim(offer)
	number := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("match.number")
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": number}).Want(t, 200)
	phone.Keep("document_front", 1)
	phone.Keep("document_back", 2)
	phone.Do("POST", "/v1/capture/submit", none).Want(t, 200)
	s.Work(t)

	log := s.Log.String()
	secrets := map[string]string{
		"e-mail": p.Email, "password": p.Password, "wrong password": "a wrong password", "bearer": app.Token, "capture token": phone.Token,
		"cookie": p.Cookies["symbolon_session"], "name": "张三", "number": "11010519491231", "address": "样本路", "birth date": "1949-12-31",
		"text code": offer.String("text_code"), "link": offer.String("url"), "address of the caller": "127.0.0.1", "user agent": "Telltale",
	}
	for what, secret := range secrets {
		if secret == "" {
			t.Errorf("%s is empty: nothing was tested", what)
		} else if strings.Contains(log, secret) {
			t.Errorf("the log holds the %s", what)
		}
	}
}

func TestOneWideLineARequest(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	p.CaseID = "case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7"
	a := p.Do("GET", p.Path("?q=secret"), nil).Want(t, 404)
	id := a.Header.Get("X-Request-Id")
	var lines []map[string]any
	for line := range strings.Lines(s.Log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m["id"] == id {
			lines = append(lines, m)
		}
	}
	if len(lines) != 1 || id == "" {
		t.Fatalf("%d lines for request %q", len(lines), id)
	}
	for name, want := range map[string]any{
		"msg": "request", "method": "GET", "route": "/v1/cases/:id", "status": 404.0, "code": "case_unknown", "principal": "applicant",
	} {
		if lines[0][name] != want {
			t.Errorf("%s is %v, not %v", name, lines[0][name], want)
		}
	}
	if lines[0]["took"] == nil || lines[0]["bytes_out"].(float64) == 0 {
		t.Errorf("line %v", lines[0])
	}
}
