package server_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/server/servertest"
)

// What the dashboard and the alerts ask for is what this server has: a name that was changed would make an alert that
// never rings.
func TestDashboardAndAlertsNameMetricsThatExist(t *testing.T) {
	s := servertest.Start(t)
	p, r := waiting(t, s), s.Staff(t, "reviewer")
	take(t, r, p.CaseID)
	decide(r, t, p.CaseID, decision(2, "resubmit", reason("document.blurred", "document_back"))).Want(t, 200)
	s.Server.HandoffEnded(handoff.Done)
	page := func() string {
		w := httptest.NewRecorder()
		s.Server.OpsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	metrics := page()
	for _, line := range []string{`symbolon_review_decisions_total{level="2",verdict="resubmit"} 1`, `symbolon_review_waiting{level="2",state="in_review"} 0`, "symbolon_review_oldest_seconds 0"} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("%s is missing in\n%s", line, regexp.MustCompile(`(?m)^symbolon_review.*$`).FindAllString(metrics, -1))
		}
	}
	var exprs []string
	b, err := os.ReadFile("../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var alerts struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(b, &alerts); err != nil {
		t.Fatal(err)
	}
	for _, rule := range alerts.Groups[0].Rules {
		exprs = append(exprs, rule.Expr)
		if rule.Annotations["summary"] == "" || rule.Annotations["action"] == "" || rule.Labels["severity"] == "" {
			t.Errorf("%s does not say what is wrong and what to do", rule.Alert)
		}
	}
	if b, err = os.ReadFile("../deploy/grafana/symbolon.json"); err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	if len(exprs) < 15 {
		t.Fatalf("%d questions", len(exprs))
	}
	// What is told only once it happened, and is absent while too little did.
	known := regexp.MustCompile(`(?m)^# TYPE (\S+) `)
	names := map[string]bool{"symbolon_review_median_seconds": true}
	for _, m := range known.FindAllStringSubmatch(metrics, -1) {
		names[m[1]] = true
	}
	for _, e := range exprs {
		for _, name := range regexp.MustCompile(`symbolon_[a-z_]+`).FindAllString(e, -1) {
			if !names[name] && !names[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s asks for %s, which is no metric", e, name)
			}
		}
	}
}
