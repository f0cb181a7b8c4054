package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

func TestEveryFailureIsAProblem(t *testing.T) {
	s := servertest.Start(t)
	p := s.Applicant(t)
	large := []byte(`{"email":"` + strings.Repeat("a", 64<<10) + `"}`)
	for name, row := range map[string]struct {
		method, path string
		body         any
		headers      []string
		status       int
		code         string
	}{
		"no such address":        {"GET", "/v1/nothing", nil, nil, 404, "not_found"},
		"no such page":           {"GET", "/index.php", nil, nil, 404, "not_found"},
		"escaped address":        {"GET", "/v1/%63apture", nil, nil, 404, "not_found"},
		"trailing slash":         {"GET", "/v1/me/", nil, nil, 404, "not_found"},
		"other case":             {"GET", "/V1/me", nil, nil, 404, "not_found"},
		"dots":                   {"GET", "/v1/../v1/me", nil, nil, 404, "not_found"},
		"wrong method":           {"DELETE", "/v1/me", nil, nil, 405, "method_not_allowed"},
		"wrong method of a page": {"POST", "/healthz", none, nil, 405, "method_not_allowed"},
		"options":                {"OPTIONS", "/v1/me", nil, nil, 405, "method_not_allowed"},
		"unknown method":         {"BREW", "/v1/me", nil, nil, 405, "method_not_allowed"},
		"trace":                  {"TRACE", "/v1/me", nil, nil, 405, "method_not_allowed"},
		"no content type":        {"POST", "/v1/session", none, []string{"Content-Type", "-"}, 415, "content_type_unsupported"},
		"form":                   {"POST", "/v1/session", []byte("email=a"), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "content_type_unsupported"},
		"text":                   {"POST", "/v1/session", none, []string{"Content-Type", "text/plain"}, 415, "content_type_unsupported"},
		"other charset":          {"POST", "/v1/session", none, []string{"Content-Type", "application/json; charset=gbk"}, 415, "content_type_unsupported"},
		"utf-8":                  {"POST", "/v1/session", none, []string{"Content-Type", "Application/JSON; charset=UTF-8"}, 422, "invalid_fields"},
		"no body":                {"POST", "/v1/session", []byte{}, nil, 400, "json_malformed"},
		"not json":               {"POST", "/v1/session", []byte("{"), nil, 400, "json_malformed"},
		"array":                  {"POST", "/v1/session", []byte("[]"), nil, 400, "json_malformed"},
		"null":                   {"POST", "/v1/session", []byte("null"), nil, 400, "json_malformed"},
		"two values":             {"POST", "/v1/session", []byte(`{}{}`), nil, 400, "json_malformed"},
		"rest":                   {"POST", "/v1/session", []byte(`{} x`), nil, 400, "json_malformed"},
		"unknown name":           {"POST", "/v1/session", []byte(`{"email":"a","admin":true}`), nil, 400, "json_malformed"},
		"repeated name":          {"POST", "/v1/session", []byte(`{"email":"a","email":"b"}`), nil, 400, "json_malformed"},
		"other case of a name":   {"POST", "/v1/session", []byte(`{"Email":"a"}`), nil, 400, "json_malformed"},
		"wrong type":             {"POST", "/v1/session", []byte(`{"email":1}`), nil, 400, "json_malformed"},
		"not utf-8":              {"POST", "/v1/session", []byte("{\"email\":\"\xff\"}"), nil, 400, "json_malformed"},
		"too deep":               {"POST", "/v1/session", []byte(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), nil, 400, "json_malformed"},
		"too large":              {"POST", "/v1/session", large, nil, 413, "body_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			a := p.Do(row.method, row.path, row.body, row.headers...).Want(t, row.status, row.code)
			m := a.Map()
			if m["type"] != "/docs#"+row.code || m["status"] != float64(row.status) || m["title"] == "" || m["detail"] == "" {
				t.Errorf("problem %s", a.Body)
			}
			if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", a.Header)
			}
			if row.status == 405 && a.Header.Get("Allow") == "" {
				t.Error("no Allow")
			}
		})
	}
}

func TestWhatIsOursIsToldInOneFixedSentence(t *testing.T) {
	secret := "dial tcp 10.1.2.3:27017: wrong password for user admin"
	for name, ready := range map[string]func(context.Context) map[string]error{
		"panic":          func(context.Context) map[string]error { panic(secret) },
		"panic error":    func(context.Context) map[string]error { panic(errors.New(secret)) },
		"failing driver": func(context.Context) map[string]error { return map[string]error{"cases": errors.New(secret)} },
	} {
		t.Run(name, func(t *testing.T) {
			s := servertest.Start(t, func(c *server.Config) { c.Ready = ready })
			a := s.NewProgram(t).Do("GET", "/readyz", nil)
			if name == "failing driver" {
				a.Want(t, 503, "unavailable")
			} else {
				a.Want(t, 500, "internal")
			}
			if strings.Contains(string(a.Body), "10.1.2.3") || strings.Contains(string(a.Body), "goroutine") {
				t.Errorf("the answer tells %s", a.Body)
			}
			if !strings.Contains(s.Log.String(), secret) {
				t.Error("the log does not tell")
			}
			// The server goes on.
			s.NewProgram(t).Do("GET", "/healthz", nil).Want(t, 200)
		})
	}
}

func TestReadiness(t *testing.T) {
	failing := map[string]error{}
	s := servertest.Start(t, func(c *server.Config) { c.Ready = func(context.Context) map[string]error { return failing } })
	s.NewProgram(t).Do("GET", "/readyz", nil).Want(t, 200)
	s.NewProgram(t).Do("HEAD", "/healthz", nil).Want(t, 200)
}
