package cases_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/cases"
)

func TestADraftIsKeptSealedUntilLevel1IsStored(t *testing.T) {
	b := newBench(t)
	_, c, by := b.applicant()
	put := func(draft string) error {
		_, err := b.PutDraft(t.Context(), by, c.ID, []byte(draft))
		return err
	}
	for _, bad := range []string{"", "null", "[]", `"x"`, "{", `{"a":"` + strings.Repeat("x", cases.MaxDraft) + `"}`} {
		if err := put(bad); !errors.Is(err, cases.ErrDraft) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	const typed = `{"name":"欧阳样本","birthDate":"1990-03-"}`
	if err := put(typed); err != nil {
		t.Fatal(err)
	}
	got := b.get(c.ID)
	if string(got.Draft) != typed || got.Facts != nil {
		t.Errorf("draft %s, facts %v", got.Draft, got.Facts)
	}
	if err := put(typed); err != nil || b.get(c.ID).Version != got.Version {
		t.Errorf("the same draft again: %v, version %d after %d", err, b.get(c.ID).Version, got.Version)
	}
	stored, err := os.ReadFile(b.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(stored, []byte("欧阳样本")) {
		t.Error("the draft stands open in the database")
	}
	events, err := b.Events(t.Context(), c.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Event != "case_created" && e.Event != "level_open" && e.Event != "consent_given" {
			t.Errorf("the history tells of %s", e.Event)
		}
	}

	if err := put("{}"); err != nil || b.get(c.ID).Draft != nil {
		t.Errorf("an empty draft: %v, %s", err, b.get(c.ID).Draft)
	}
	if err := put(typed); err != nil {
		t.Fatal(err)
	}
	if c, err = b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, goodFacts()); err != nil || c.Draft != nil {
		t.Fatalf("%v, draft %s", err, c.Draft)
	}
	if err := put(typed); err != nil {
		t.Fatal(err)
	}
	if c, err = b.Submit(t.Context(), by, c.ID, 1, b.get(c.ID).Version); err != nil || c.Draft != nil {
		t.Fatalf("%v, draft %s", err, c.Draft)
	}
	if err := put(typed); !errors.Is(err, cases.ErrLevelNotOpen) {
		t.Errorf("after the submit: %v", err)
	}
}
