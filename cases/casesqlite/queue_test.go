package casesqlite_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/cases/casetest"
)

// No question to the queue reads a case that does not wait, nor sorts what it found.
func TestTheQueueIsFoundThroughItsIndexes(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "cases.db"))
	plan := func(query string, args ...any) string {
		t.Helper()
		steps, err := s.Plan(t.Context(), query, args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(steps, "; ")
	}
	for index, q := range map[string]cases.QueueQuery{
		"cases_waiting ":         {Limit: 50},
		"cases_waiting_state ":   {State: cases.InReview, Kind: cases.Person, Language: "en", Limit: 50},
		"cases_waiting_level ":   {State: cases.InReview, Level: 2, Limit: 50},
		"cases_waiting_reason ":  {State: cases.InReview, Level: 2, Reason: "duplicate.identity", Limit: 50},
		"cases_waiting_reported": {Reported: true, State: cases.InReview, Except: []string{"a", "b"}, Limit: 50},
	} {
		query, args, err := casesqlite.WaitingQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		got := plan(query, args...)
		if !strings.Contains(got, "SEARCH cases USING INDEX "+index) || strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN cases") {
			t.Errorf("%+v is found by %s", q, got)
		}
	}
	few, args, err := casesqlite.WaitingQuery(cases.QueueQuery{Among: []string{"a"}, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	if got := plan(few, args...); strings.Contains(got, "SCAN cases") {
		t.Errorf("among a few: %s", got)
	}
	for query, want := range map[string]string{
		casesqlite.CountWaiting: "cases USING COVERING INDEX cases_waiting_counts",
		casesqlite.PlaceWaiting: "cases USING COVERING INDEX cases_waiting",
		casesqlite.CountStalled: "cases USING COVERING INDEX cases_stalled",
		casesqlite.LiveLeases:   "SEARCH leases USING INDEX leases_until",
		casesqlite.Happened:     "SEARCH history USING INDEX history_counted",
		casesqlite.ListStaff:    "SEARCH accounts USING INDEX accounts_staff",
	} {
		args := make([]any, strings.Count(query, "?"))
		for i := range args {
			args[i] = 1
		}
		if strings.Contains(query, "json_each(?)") {
			args[5] = "[]"
		}
		if got := plan(query, args...); !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nis found by %s, want %s", query, got, want)
		}
	}
}

// What a former version left to people is in the queue after the change of the schema.
func TestCasesOfTheFirstSchemaAreQueued(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "cases.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(casesqlite.Schema(0))
	exec("PRAGMA application_id = 0x53594d42")
	exec("PRAGMA user_version = 1")
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	put := func(id string, d cases.Document) {
		d.ID, d.AccountID, d.Version, d.Kind = id, "acc of "+id, 1, cases.Person
		body, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		exec(`INSERT INTO cases (id, version, handoff_epoch, account_id, state, level, updated_at, body) VALUES (?, 1, 0, ?, ?, 1, 0, ?)`, id, d.AccountID, string(d.State), string(body))
	}
	put("waits", cases.Document{State: cases.InReview, Levels: []cases.Level{
		{Level: 1, State: cases.Approved},
		{Level: 2, State: cases.InReview, SubmittedAt: at, Reasons: []cases.Reason{{Code: "document.blurred", Step: "document_front"}}},
	}})
	put("reported", cases.Document{State: cases.Collecting, ReportedAt: at.Add(time.Hour), Levels: []cases.Level{{Level: 1, State: cases.Open}}})
	put("neither", cases.Document{State: cases.Collecting, Levels: []cases.Level{{Level: 1, State: cases.Open}}})
	exec(`INSERT INTO history (case_id, n, body) VALUES ('waits', 1, ?)`, `{"case_id":"waits","n":1,"at":"2026-01-02T03:04:05.678Z","version":1,"actor":{"kind":"system"},"event":"level_approved","level":1,"hash":"AA=="}`)
	exec(`INSERT INTO accounts (id, version, email_index, body) VALUES ('acc_1', 1, x'01', ?)`, `{"id":"acc_1","version":1,"roles":["admin"],"created_at":"2026-01-01T00:00:00Z"}`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := casesqlite.Migrate(ctx, path); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	page, _, err := s.Waiting(ctx, cases.QueueQuery{Limit: 10})
	if err != nil || len(page) != 2 || page[0].ID != "waits" || !page[0].Waiting.Since.Equal(at) || page[0].Waiting.Level != 2 || page[0].Waiting.Reason != "document.blurred" ||
		page[1].ID != "reported" || page[1].Waiting.State != cases.Reported || !page[1].Waiting.Reported {
		t.Fatalf("the queue: %+v %v", page, err)
	}
	d, err := s.Case(ctx, "waits")
	if err != nil || d.Waiting == nil || !d.Waiting.Since.Equal(at) || d.Waiting.State != cases.InReview {
		t.Errorf("the document: %+v %v", d.Waiting, err)
	}
	if all, err := s.Happened(ctx, []string{"level_approved"}, at, at.Add(time.Millisecond), cases.Place{}, 10); err != nil || len(all) != 1 {
		t.Errorf("what happened: %+v %v", all, err)
	}
	if all, err := s.Staff(ctx, "", 10); err != nil || len(all) != 1 {
		t.Errorf("staff: %+v %v", all, err)
	}
}

// BenchmarkQueue reads the queue of 100,000 cases that wait: pages by each filter, the counts, the median.
func BenchmarkQueue(b *testing.B) {
	path := filepath.Join(b.TempDir(), "cases.db")
	s, err := casesqlite.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		b.Fatal(err)
	}
	const n = 100_000
	// casetest.WaitingCase, by the database itself: one by one it would take minutes.
	_, err = db.ExecContext(b.Context(), fmt.Sprintf(`WITH RECURSIVE i(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < %d - 1)
		INSERT INTO cases (id, version, handoff_epoch, account_id, state, level, updated_at, waiting, waiting_state, waiting_level, waiting_since, waiting_kind,
			waiting_reason, waiting_language, waiting_reported, body)
		SELECT printf('cas_%%07d', n), 1, 0, 'acc_' || n, 'in_review', 1, n, '{"state":"in_review","level":2,"since":"2026-01-01T00:00:00Z"}', 'in_review', 1 + n %% 3, n,
			'person', iif(n %% 1000 = 0, 'duplicate.identity', ''), 'en', n %% 5000 = 0, '{}' FROM i`, n))
	if err := errors.Join(err, db.Close()); err != nil {
		b.Fatal(err)
	}
	casetest.BenchmarkQueue(b, s, n)
}
