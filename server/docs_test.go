package server_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/localtls"
	"github.com/symbolon/symbolon/server/servertest"
)

var (
	idAttribute = regexp.MustCompile(` id="([^"]*)"`)
	linkInside  = regexp.MustCompile(` href="#([^"]*)"`)
	codeEntry   = regexp.MustCompile(`(?m)^  ([a-z_]+): \{status: `)
)

func TestDocsShowTheContract(t *testing.T) {
	s := servertest.Start(t)
	yaml := s.NewProgram(t).Do("GET", "/openapi.yaml", nil).Want(t, 200)
	if !bytes.Equal(yaml.Body, server.OpenAPI()) {
		t.Error("another document is served")
	}
	a := s.NewProgram(t).Do("GET", "/docs", nil).Want(t, 200)
	page := string(a.Body)
	for _, bad := range []string{"<script", "<style", " style=", " onclick", "http-equiv"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	ids := map[string]int{}
	for _, m := range idAttribute.FindAllStringSubmatch(page, -1) {
		ids[m[1]]++
	}
	for id, n := range maps.All(ids) {
		if n > 1 {
			t.Errorf("the anchor %s is there %d times", id, n)
		}
	}
	for _, m := range linkInside.FindAllStringSubmatch(page, -1) {
		if ids[m[1]] == 0 {
			t.Errorf("a link leads to #%s, which is not there", m[1])
		}
	}
	codes := codeEntry.FindAllStringSubmatch(string(yaml.Body), -1)
	for _, m := range codes {
		if ids[m[1]] == 0 {
			t.Errorf("the code %s has no anchor", m[1])
		}
	}
	if len(codes) < 50 || strings.Count(page, "<article") < 40 {
		t.Errorf("%d codes, %d articles: half of it is missing", len(codes), strings.Count(page, "<article"))
	}
	s.NewProgram(t).Do("GET", "/docs.css", nil).Want(t, 200)
}

func TestTrustPage(t *testing.T) {
	ca, err := localtls.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t, func(c *server.Config) { c.TrustCA = ca.CA() })
	block, _ := pem.Decode(ca.CA())
	sum := sha256.Sum256(block.Bytes)
	for header, want := range map[string]string{
		"en-GB,en;q=0.9":             `lang="en"`,
		"zh-CN,zh;q=0.9,en;q=0.8":    `lang="zh-Hans"`,
		"zh-Hans-CN":                 `lang="zh-Hans"`,
		"fr":                         `lang="en"`,
		"":                           `lang="en"`,
		strings.Repeat("zh,", 2000):  `lang="en"`,
		"zh;q=x,\x22<script>;;;,,,=": `lang=`,
	} {
		a := s.NewProgram(t).Do("GET", "/trust", nil, "Accept-Language", header).Want(t, 200)
		page := string(a.Body)
		if !strings.Contains(page, `<html `+want) || strings.Contains(page, "<script") {
			t.Errorf("%.20q: %.60q", header, page)
		}
		shown := strings.ReplaceAll(page, " ", "")
		if !strings.Contains(shown, strings.ToUpper(hex.EncodeToString(sum[:]))) {
			t.Error("the fingerprint is missing")
		}
	}
	if a := s.NewProgram(t).Do("GET", "/trust?lang=zh-Hans", nil, "Accept-Language", "en").Want(t, 200); !bytes.Contains(a.Body, []byte(`lang="zh-Hans"`)) {
		t.Error("the language that was asked for is not shown")
	}
	a := s.NewProgram(t).Do("GET", "/trust/ca.crt", nil).Want(t, 200)
	if ct := a.Header.Get("Content-Type"); ct != "application/x-x509-ca-cert" {
		t.Error(ct)
	}
	if cert, err := x509.ParseCertificate(a.Body); err != nil || !cert.IsCA {
		t.Error("not the authority's certificate", err)
	}

	without := servertest.Start(t)
	without.NewProgram(t).Do("GET", "/trust", nil).Want(t, 404, "not_found")
	without.NewProgram(t).Do("GET", "/trust/ca.crt", nil).Want(t, 404, "not_found")
}

// Who opens an address that is none in a browser gets a page that leads on; programs get the problem.
func TestMissingPage(t *testing.T) {
	s := servertest.Start(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for header, want := range map[string]string{"en": `<html lang="en">`, "zh-CN": `<html lang="zh-Hans">`} {
		// Not by the client of the contract, which knows no error but a problem.
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/nowhere", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", browser)
		req.Header.Set("Accept-Language", header)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != 404 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %s, %v", header, res.Status, err)
		}
		if !bytes.Contains(body, []byte(want)) || !bytes.Contains(body, []byte(`href="/h"`)) {
			t.Errorf("%s: %s", header, body)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("its policy is %q", csp)
		}
	}
	s.NewProgram(t).Do("GET", "/nowhere", nil).Want(t, 404, "not_found")
	s.NewProgram(t).Do("POST", "/nowhere", nil, "Accept", browser).Want(t, 404, "not_found")
	s.NewProgram(t).Do("GET", "/v1/nowhere", nil, "Accept", browser).Want(t, 404, "not_found")
}
