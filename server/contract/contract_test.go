package contract

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/server"
)

const (
	caseID  = "case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7"
	account = `{"id":"acc_01K9ZZ3QH6R5V0T1W2X3Y4Z5A6","email":"person@example.com","email_confirmed":false,"roles":[]}`
	creds   = `{"email":"person@example.com","password":"correct horse"}`
)

func problem(status, code string) string {
	return `{"type":"/docs#` + code + `","title":"T","status":` + status + `,"detail":"D.","code":"` + code + `"}`
}

func TestChecker(t *testing.T) {
	k, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name         string
		method, path string
		sent         string
		status       int
		ct           string
		body         string
		header       string // "Name: value", or "-Name" to take one away
		want         string // part of the error; "" none
	}{
		{name: "good", method: "POST", path: "/v1/accounts", sent: creds, status: 201, body: account},
		{name: "unwritten status", method: "POST", path: "/v1/accounts", sent: creds, status: 200, body: account, want: "status is not written down"},
		{name: "unwritten member", method: "POST", path: "/v1/accounts", sent: creds, status: 201, body: strings.Replace(account, `"roles"`, `"admin":true,"roles"`, 1), want: "admin"},
		{name: "missing member", method: "POST", path: "/v1/accounts", sent: creds, status: 201, body: strings.Replace(account, `,"roles":[]`, "", 1), want: "roles"},
		{name: "wrong form", method: "POST", path: "/v1/accounts", sent: creds, status: 201, body: strings.Replace(account, "acc_", "usr_", 1), want: "/id"},
		{name: "wrong type", method: "POST", path: "/v1/accounts", sent: creds, status: 201, body: account, ct: "text/plain", want: "text/plain"},
		{name: "not JSON", method: "POST", path: "/v1/accounts", sent: creds, status: 201, body: account + "x", want: "follows"},
		{name: "half JSON", method: "POST", path: "/v1/accounts", sent: creds, status: 201, body: account[:20], want: "not JSON"},
		{name: "took what is unwritten", method: "POST", path: "/v1/accounts", sent: `{"email":"a@example.com","password":"p","role":"admin"}`, status: 201, body: account, want: "took a request"},
		{name: "took nothing", method: "POST", path: "/v1/accounts", status: 201, body: account, want: "took a request"},
		{name: "may be stored", method: "POST", path: "/v1/accounts", sent: creds, status: 201, body: account, header: "-Cache-Control", want: "no-store"},
		{name: "null where allowed", method: "GET", path: "/v1/me", status: 200, body: `{"account":` + account + `,"case_id":null}`},
		{name: "an id where null is allowed", method: "GET", path: "/v1/me", status: 200, body: `{"account":` + account + `,"case_id":"` + caseID + `"}`},
		{name: "neither", method: "GET", path: "/v1/me", status: 200, body: `{"account":` + account + `,"case_id":"x"}`, want: "case_id"},
		{name: "no body", method: "DELETE", path: "/v1/session", status: 204},
		{name: "a body too many", method: "DELETE", path: "/v1/session", status: 204, body: "{}", want: "has a body"},
		{name: "problem", method: "POST", path: "/v1/accounts", status: 409, body: problem("409", "account_exists")},
		{name: "common problem", method: "POST", path: "/v1/accounts", status: 413, body: problem("413", "body_too_large")},
		{name: "common problem anywhere", method: "GET", path: "/v1/nowhere", status: 404, body: problem("404", "not_found")},
		{name: "another call's problem", method: "GET", path: "/v1/me", status: 409, body: problem("409", "account_exists"), want: "not among those"},
		{name: "unknown code", method: "GET", path: "/v1/me", status: 409, body: problem("409", "made_up"), want: "not in the catalogue"},
		{name: "wrong status of a code", method: "POST", path: "/v1/accounts", status: 422, body: problem("422", "account_exists"), want: "belongs to status 409"},
		{name: "two statuses", method: "POST", path: "/v1/accounts", status: 409, body: problem("400", "account_exists"), want: "member status"},
		{name: "fields without the code", method: "POST", path: "/v1/accounts", status: 422, body: problem("422", "invalid_fields"), want: "do not go together"},
		{name: "plain failure", method: "POST", path: "/v1/accounts", status: 500, body: "oops", ct: "text/plain", want: "not a problem"},
		{name: "who?", method: "GET", path: "/v1/me", status: 401, body: problem("401", "session_unknown"), want: "WWW-Authenticate"},
		{name: "who", method: "GET", path: "/v1/me", status: 401, body: problem("401", "session_unknown"), header: "WWW-Authenticate: Bearer"},
		{name: "a problem with more", method: "POST", path: "/v1/cases", status: 409, body: strings.Replace(problem("409", "case_exists"), "{", `{"case_id":"`+caseID+`",`, 1)},
		{name: "a problem that tells", method: "POST", path: "/v1/cases", status: 409, body: strings.Replace(problem("409", "case_exists"), "{", `{"stack":"main.go:1",`, 1), want: "stack"},
		{name: "unwritten call", method: "GET", path: "/v1/review/nothing", status: 200, body: "{}", want: "not written down"},
		{name: "a page", method: "GET", path: "/", status: 200, body: "<html>", ct: "text/html"},
		{name: "a required header", method: "POST", path: "/v1/uploads", status: 201, want: "Location"},
		{name: "a wrong header", method: "POST", path: "/v1/uploads", status: 201, header: "Location: https://evil.example/v1/uploads/x", want: "Location"},
		{name: "head", method: "HEAD", path: "/v1/uploads/upl_01K9ZZ3QH6R5V0T1W2X3Y4Z5A9", status: 410},
		{name: "head with an odd status", method: "HEAD", path: "/v1/uploads/upl_01K9ZZ3QH6R5V0T1W2X3Y4Z5A9", status: 451, want: "no code"},
		{name: "head of a get", method: "HEAD", path: "/v1/me", status: 200},
		{name: "literal before template", method: "POST", path: "/v1/handoffs/open", sent: `{"code":"7K3M-9QXT"}`, status: 410, body: problem("410", "handoff_expired")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, err := http.NewRequest(tc.method, "http://test"+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			res := &http.Response{StatusCode: tc.status, Header: http.Header{"Cache-Control": {"no-store"}}}
			switch {
			case tc.ct != "":
				res.Header.Set("Content-Type", tc.ct)
			case tc.status >= 400:
				res.Header.Set("Content-Type", "application/problem+json")
			default:
				res.Header.Set("Content-Type", "application/json")
			}
			if name, value, ok := strings.Cut(tc.header, ": "); ok {
				res.Header.Set(name, value)
			} else {
				res.Header.Del(strings.TrimPrefix(tc.header, "-"))
			}
			err = k.Check(req, []byte(tc.sent), res, []byte(tc.body))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestItRemembersWhatWasMet(t *testing.T) {
	k, err := New()
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest("DELETE", "http://test/v1/session", nil)
	res := &http.Response{StatusCode: 204, Header: http.Header{"Cache-Control": {"no-store"}}}
	if !slices.Contains(k.Missing(), "DELETE /v1/session 204") {
		t.Error("nothing was met, and nothing is missing")
	}
	if err := k.Check(req, nil, res, nil); err != nil {
		t.Fatal(err)
	}
	if got := k.Covered(); !slices.Equal(got, []string{"DELETE /v1/session 204"}) {
		t.Errorf("got %q", got)
	}
	if slices.Contains(k.Missing(), "DELETE /v1/session 204") || !slices.Contains(k.Missing(), "DELETE /v1/session 401 session_unknown") {
		t.Errorf("missing: %q", k.Missing())
	}
}

// A contract that contradicts itself is refused, so that nobody tests against one.
func TestAContradictingContractIsRefused(t *testing.T) {
	good := server.OpenAPI()
	for name, change := range map[string][2]string{
		"a listed code without an entry": {"x-problems: [account_exists,", "x-problems: [account_exists, account_gone,"},
		"an entry that no call lists":    {"x-problem-codes:\n", "x-problem-codes:\n  lonely: {status: 400, detail: Nobody answers it.}\n"},
		"an entry without a status":      {"  account_exists: {status: 409, ", "  account_exists: {"},
		"a common code that is listed":   {"x-problems: [account_exists,", "x-problems: [account_exists, internal,"},
		"a reference to nothing":         {"#/components/schemas/Me'}", "#/components/schemas/You'}"},
		"a path parameter that is gone":  {"  /v1/cases/{id}:\n", "  /v1/cases/{case}:\n"},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("%s: nothing to change", name)
		}
		if _, err := parse(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestMessagesOfSockets(t *testing.T) {
	k, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for message, good := range map[string]bool{
		`{"type":"presence","phone":true,"desk":false}`:                                 true,
		`{"type":"progress","step":"document_front","phase":"aiming","hint":"light"}`:   true,
		`{"type":"progress","step":"document_front","sent_bytes":10,"total_bytes":100}`: true,
		`{"type":"problem","problem":` + problem("409", "level_not_open") + `}`:         true,
		`{"type":"presence","phone":true}`:                                              false,
		`{"type":"presence","phone":true,"desk":false,"address":"x"}`:                   false,
		`{"type":"progress","step":"document_front","phase":"dancing"}`:                 false,
		`{"type":"snapshot","seq":1}`:                                                   false,
		`{"type":"hello"}`:                                                              false,
		`{"type":"problem","problem":{"code":"x"}}`:                                     false,
		`[]`: false,
		``:   false,
	} {
		if err := k.CheckMessage([]byte(message)); (err == nil) != good {
			t.Errorf("%s: %v", message, err)
		}
	}
}
