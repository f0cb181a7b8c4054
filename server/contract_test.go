package server_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/server/contract"
	"github.com/symbolon/symbolon/server/servertest"
)

// Every call of the contract meets what every call must refuse. The client holds each answer
// against the contract by itself; here is what it must be.
func TestEveryCallRefusesWhatEveryCallRefuses(t *testing.T) {
	k, err := contract.New()
	if err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t)
	desk := s.Person(t)
	phone, _ := desk.Phone()
	stranger := s.NewProgram(t)

	const ulid = "01K9ZZ3QH6R5V0T1W2X3Y4Z5A7"
	fill := strings.NewReplacer("{n}", "1", "{step}", "document_front")
	for _, call := range k.Calls() {
		path := fill.Replace(call.Path)
		who := desk
		switch {
		case strings.HasPrefix(path, "/v1/cases/{id}"):
			path = strings.Replace(path, "{id}", desk.CaseID, 1)
		case strings.HasPrefix(path, "/v1/handoffs/{id}"):
			path = strings.Replace(path, "{id}", "hnd_"+ulid, 1)
		case strings.HasPrefix(path, "/v1/uploads/{id}"):
			path = strings.Replace(path, "{id}", "upl_"+ulid, 1)
		case strings.HasPrefix(path, "/v1/media/{id}"):
			path = strings.Replace(path, "{id}", "med_"+ulid, 1)
		case strings.HasPrefix(path, "/v1/capture"):
			who = phone
		}
		lists := func(code string) bool { return slices.Contains(call.Problems, code) }
		t.Run(call.Method+" "+call.Path, func(t *testing.T) {
			refused := func(a *servertest.Answer, codes ...string) {
				t.Helper()
				if a.Status < 400 || a.Status >= 500 || call.Method != "HEAD" && len(codes) > 0 && !slices.Contains(codes, a.Code()) {
					t.Errorf("got %d %s, want one of %q", a.Status, a.Body, codes)
				}
			}
			tus := []string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0", "Upload-Length", "9",
				"Upload-Metadata", "case " + base64Of(desk.CaseID) + ",step " + base64Of("document_front")}
			if !strings.HasPrefix(path, "/v1/uploads") {
				tus = nil
			} else if call.Method == "POST" && path != "/v1/uploads" {
				tus = append(tus, "X-HTTP-Method-Override", "PATCH")
			}
			if lists("session_unknown") {
				refused(stranger.Do(call.Method, path, nil, tus...), "session_unknown")
				for _, token := range []string{"st_x", "sk_live", "Basic", strings.Repeat("a", 4096)} {
					refused(stranger.Do(call.Method, path, nil, append(tus, "Authorization", "Bearer "+token)...), "session_unknown")
				}
				// A cookie does not help where Authorization is present.
				refused(who.Do(call.Method, path, nil, append(tus, "Authorization", "Bearer st_x")...), "session_unknown")
			}
			if lists("cross_site_request") && lists("session_unknown") && call.Method != "GET" {
				browser := desk
				if who == phone {
					browser = phone
				}
				if browser.Browser {
					refused(browser.Do(call.Method, path, nil, append(tus, "Sec-Fetch-Site", "cross-site")...), "cross_site_request")
					refused(browser.Do(call.Method, path, nil, append(tus, "Sec-Fetch-Site", "same-site")...), "cross_site_request")
					refused(browser.Do(call.Method, path, nil, append(tus, "Sec-Fetch-Site", "-", "Origin", "https://evil.example")...), "cross_site_request")
					refused(browser.Do(call.Method, path, nil, append(tus, "Sec-Fetch-Site", "-", "Origin", "null")...), "cross_site_request")
				}
			}
			if !strings.HasPrefix(path, "/healthz") && !strings.HasPrefix(path, "/readyz") { // probes come by any name
				refused(who.Do(call.Method, path, nil, append(tus, "Host", "evil.example")...), "host_unknown")
			}
			if !call.Body {
				return
			}
			for _, body := range []string{
				"{", "[]", "null", `"x"`, "{}{}", `{"no such member":1}`, `{"\ud800":1}`, "\xff\xfe", strings.Repeat("[", 5000),
				strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200),
			} {
				refused(who.Do(call.Method, path, []byte(body), "If-Match", `"1"`))
			}
			refused(who.Do(call.Method, path, []byte("a=1"), "Content-Type", "application/x-www-form-urlencoded", "If-Match", `"1"`))
			refused(who.Do(call.Method, path, []byte("{}"), "Content-Type", "-", "If-Match", `"1"`))
			refused(who.Do(call.Method, path, []byte(`{"a":"`+strings.Repeat("x", 65<<10)+`"}`)), "body_too_large")
		})
	}
	desk.Do("GET", "/v1/cases/"+desk.CaseID, nil).Want(t, 200) // nobody was signed out by any of it
	phone.Do("GET", "/v1/capture", nil).Want(t, 200)
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
