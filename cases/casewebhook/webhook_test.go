package casewebhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casewebhook"
)

var key = []byte(strings.Repeat("k", 24))

func secret() string { return "whsec_" + base64.StdEncoding.EncodeToString(key) }

func notice() cases.Notice {
	return cases.Notice{ID: "job_1", CaseID: "case_1", Level: 2, State: cases.Approved, Version: 7, At: time.Unix(1_700_000_000, 0), Email: "person@example.com"}
}

func TestAHookIsSignedAndTellsNothingPersonal(t *testing.T) {
	status, got := http.StatusNoContent, []byte{}
	h := http.Header{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		h = r.Header
		if status == http.StatusFound {
			http.Redirect(w, r, "/elsewhere", status)
			return
		}
		w.WriteHeader(status)
	}))
	defer s.Close()
	hook, err := casewebhook.New(s.URL, secret())
	if err != nil {
		t.Fatal(err)
	}
	if err := hook.Tell(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}
	want := `{"type":"case.level_decided","timestamp":"2023-11-14T22:13:20Z","data":{"case_id":"case_1","level":2,"state":"approved","version":7}}`
	if string(got) != want {
		t.Errorf("told %s, want %s", got, want)
	}
	m := hmac.New(sha256.New, key)
	_, _ = m.Write([]byte("job_1." + h.Get("webhook-timestamp") + "." + string(got)))
	if sig := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)); h.Get("webhook-signature") != sig || h.Get("webhook-id") != "job_1" {
		t.Errorf("signed %q, want %q", h.Get("webhook-signature"), sig)
	}
	for _, status = range []int{http.StatusFound, http.StatusTooManyRequests, http.StatusInternalServerError} {
		if err := hook.Tell(t.Context(), notice()); err == nil {
			t.Errorf("%d counts as told", status)
		}
	}
	s.Close()
	if err := hook.Tell(t.Context(), notice()); err == nil || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestWhatIsNoHookIsRefused(t *testing.T) {
	for _, c := range [][2]string{
		{"http://example.com/hook", secret()}, {"ftp://example.com", secret()}, {"https://u:p@example.com", secret()}, {"", secret()},
		{"https://example.com", "whsec_"}, {"https://example.com", "secret"}, {"https://example.com", "whsec_" + base64.StdEncoding.EncodeToString(key[:8])},
	} {
		if _, err := casewebhook.New(c[0], c[1]); err == nil {
			t.Errorf("%q %q was taken", c[0], c[1])
		}
	}
}
