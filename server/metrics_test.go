package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

func ops(s *servertest.Server, path string) (int, string) {
	w := httptest.NewRecorder()
	s.Server.OpsHandler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

var anyID = regexp.MustCompile(`(acc|case|hnd|upl|med|evt|ses)_[0-9A-Z]{10}|@example|127\.0\.0\.1`)

func TestMetricsCountWithoutNamingAnybody(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	phone, _ := desk.Phone()
	phone.Do("GET", "/v1/capture", nil).Want(t, 200)
	desk.Do("GET", "/v1/cases/"+desk.CaseID, nil).Want(t, 200)
	desk.Do("GET", "/v1/cases/case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7", nil).Want(t, 404, "case_unknown")
	s.NewProgram(t).Do("GET", "/v1/"+desk.CaseID+"/secret", nil).Want(t, 404, "not_found")
	s.NewProgram(t).Do("BREW", "/v1/me", nil).Want(t, 405, "method_not_allowed")
	s.Server.HandoffEnded(handoff.Done)

	s.Work(t)
	status, text := ops(s, "/metrics")
	if status != 200 {
		t.Fatal(status, text)
	}
	for _, want := range []string{
		`symbolon_requests_total{code="",method="GET",route="/v1/cases/:id",status="200"} `,
		`symbolon_requests_total{code="case_unknown",method="GET",route="/v1/cases/:id",status="404"} 1`,
		`symbolon_requests_total{code="not_found",method="GET",route="",status="404"} 1`,
		`symbolon_requests_total{code="method_not_allowed",method="",route="",status="405"} 1`,
		`symbolon_request_seconds_count{method="GET",route="/v1/capture"} 1`,
		`symbolon_handoffs_ended_total{state="done"} 1`,
		`symbolon_jobs_total{kind="check_level",outcome="done"} 1`, "symbolon_jobs_waiting 0", "symbolon_jobs_oldest_seconds 0",
		"symbolon_panics_total 0", "symbolon_live_sockets 0", "symbolon_connections ", "symbolon_upload_bytes_total 0", "go_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if id := anyID.FindString(text); id != "" {
		t.Errorf("it names %s", id)
	}
	s.NewProgram(t).Do("GET", "/metrics", nil).Want(t, 404, "not_found") // not on the public door
}

func TestReadinessDetailsAreTheOperatorsAlone(t *testing.T) {
	s := servertest.Start(t, func(c *server.Config) {
		c.Ready = func(context.Context) map[string]error { return map[string]error{"cases": errors.New("disk on fire")} }
		c.Notes = map[string]string{"reading": "nobody reads here"}
	})
	status, text := ops(s, "/readyz")
	var got struct {
		Status  string
		Failing map[string]string
		Notes   map[string]string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != 503 || got.Failing["cases"] != "disk on fire" || got.Notes["reading"] != "nobody reads here" {
		t.Errorf("%d %s", status, text)
	}
	a := s.NewProgram(t).Do("GET", "/readyz", nil).Want(t, 503, "unavailable")
	if strings.Contains(string(a.Body), "fire") || strings.Contains(string(a.Body), "cases") || strings.Contains(string(a.Body), "reads") {
		t.Errorf("the public is told %s", a.Body)
	}
	if status, _ := ops(s, "/healthz"); status != 200 {
		t.Error(status)
	}
}
