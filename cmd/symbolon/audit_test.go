package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/seal"
)

func TestAnUntouchedStorePassesTheAudit(t *testing.T) {
	f := newFilled(t)
	status, out, errs := f.command(t, nil, "audit", "verify")
	if status != 0 || !strings.Contains(out, "Read 2 cases") || !strings.Contains(out, "3 looks: nothing is wrong.") {
		t.Errorf("%d %s %s", status, out, errs)
	}
	status, out, errs = f.command(t, nil, "audit", "verify", "--case", f.begun)
	if status != 0 || !strings.Contains(out, "Read 1 cases, 2 history entries, 0 looks") {
		t.Errorf("one case: %d %s %s", status, out, errs)
	}
	status, out, _ = f.command(t, nil, "audit", "verify", "--case", "case_none")
	if status != 1 || !strings.Contains(out, "case_none: case: there is no such case") {
		t.Errorf("no case: %d %s", status, out)
	}
	if status, _, errs := invoke(t, "", "audit", "verify", "--data", t.TempDir()); status != 1 || !strings.Contains(errs, "there is no data") {
		t.Errorf("no data: %d %s", status, errs)
	}
	for _, args := range [][]string{{"audit"}, {"audit", "prove"}} {
		if status, _, errs := invoke(t, "", args...); status != 1 || !strings.Contains(errs, "symbolon audit checkpoint --out") {
			t.Errorf("%v: %d %s", args, status, errs)
		}
	}
}

// edit changes the stored JSON of one thing.
func edit[T any](t *testing.T, db *sql.DB, where string, change func(*T)) {
	t.Helper()
	var b []byte
	var v T
	table := strings.Fields(where)[0]
	must(t, db.QueryRow("SELECT body FROM "+where).Scan(&b))
	must(t, json.Unmarshal(b, &v))
	change(&v)
	b, err := json.Marshal(v)
	must(t, err)
	_, err = db.Exec("UPDATE "+table+" SET body = ? WHERE "+strings.SplitN(where, "WHERE", 2)[1], string(b))
	must(t, err)
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestTheAuditFindsEveryTampering(t *testing.T) {
	f := newFilled(t)
	third := fmt.Sprintf("WHERE case_id = '%s' AND n = 3", f.caseID)
	second := fmt.Sprintf("WHERE case_id = '%s' AND n = 2", f.caseID)
	this := fmt.Sprintf("WHERE id = '%s'", f.caseID)
	for name, row := range map[string]struct {
		spoil func(t *testing.T, db *sql.DB)
		want  string
	}{
		"another actor": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "history "+third, func(e *cases.Entry) { e.Actor.ID = "acc_other" })
		}, "history: entry 3 was changed"},
		"another time": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "history "+third, func(e *cases.Entry) { e.At = e.At.AddDate(0, 0, -1) })
		}, "history: entry 3 was changed"},
		"another digest": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "history "+third, func(e *cases.Entry) { e.Hash[0] ^= 1 })
		}, "history: entry 3 was changed"},
		"an unreadable entry": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "UPDATE history SET body = '{' "+third)
		}, "or one of those after it cannot be read"},
		"a missing entry": {func(t *testing.T, db *sql.DB) { exec(t, db, "DELETE FROM history "+third) }, "history: entry 3 is missing"},
		"a missing first entry": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "DELETE FROM history WHERE n = 1 AND case_id = ?", f.caseID)
		}, "history: entry 1 is missing"},
		"a missing end": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "DELETE FROM history WHERE case_id = ? AND n > 4", f.caseID)
			edit(t, db, "cases "+this, func(d *cases.Document) { d.Pending = nil })
		}, "history: entry 5 is missing"},
		"an entry changed in the outbox": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "cases "+this, func(d *cases.Document) { d.Pending[0].Event = "level_approved" })
		}, "was changed in the case's outbox"},
		"a whole history missing": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "DELETE FROM history WHERE case_id = ?", f.caseID)
		}, "history: entry 1 is missing"},
		"two entries exchanged": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "UPDATE history SET n = -1 "+second)
			exec(t, db, "UPDATE history SET n = 2 "+third)
			exec(t, db, "UPDATE history SET n = 3 WHERE n = -1")
		}, "history: entry 2 is missing"},
		"two entries exchanged and renumbered": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "UPDATE history SET n = -1 "+second)
			exec(t, db, "UPDATE history SET n = 2, body = json_replace(body, '$.n', 2) "+third)
			exec(t, db, "UPDATE history SET n = 3, body = json_replace(body, '$.n', 3) WHERE n = -1")
		}, "history: entry 2 does not follow the one before it"},
		"an entry of another case": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "DELETE FROM history "+second)
			exec(t, db, "INSERT INTO history (case_id, n, body) SELECT ?, n, body FROM history WHERE case_id = ? AND n = 2", f.caseID, f.begun)
		}, "history: entry 2 belongs to another case"},
		"an entry put in front": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "INSERT INTO history (case_id, n, body) SELECT case_id, 0, json_replace(body, '$.n', 0) FROM history "+second)
		}, "history: entry 1 does not follow the one before it"},
		"an entry added": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "INSERT INTO history (case_id, n, body) SELECT case_id, 1000, body FROM history "+second)
		}, "does not follow the one before it"},
		"a history of no case": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "INSERT INTO history (case_id, n, body) SELECT 'case_lost', n, body FROM history "+second)
		}, "case_lost: case: a history without its case"},
		"a removed case": {func(t *testing.T, db *sql.DB) { exec(t, db, "DELETE FROM cases "+this) }, "case: a history without its case"},
		"an older head": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "cases "+this, func(d *cases.Document) { d.History.N--; d.Pending = nil })
		}, "is not known to its case"},
		"another head": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "cases "+this, func(d *cases.Document) { d.History.Hash[3] ^= 1 })
		}, "is not the one that the case names"},
		"another state": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "cases "+this, func(d *cases.Document) { d.Levels[1].State = cases.Approved })
		}, "level 2 is approved, its history says open"},
		"an older version": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "cases "+this, func(d *cases.Document) { d.Version = 1 })
		}, "it has an older version than its history"},
		"another photo": {func(t *testing.T, db *sql.DB) {
			edit(t, db, "cases "+this, func(d *cases.Document) { d.Steps[0].Takes[0].SHA256[0] ^= 1 })
		}, "the photo kept for document_front is not one that its history knows"},
		"a chain computed again with an impossible move": {func(t *testing.T, db *sql.DB) {
			rewrite(t, db, f.caseID, func(e *cases.Entry) {
				if e.Event == "level_submitted" {
					e.Event = "level_in_review"
				}
			})
		}, "moves a level from open to in_review, which cannot happen"},
		"a chain computed again with versions that fall": {func(t *testing.T, db *sql.DB) {
			rewrite(t, db, f.caseID, func(e *cases.Entry) {
				if e.N == 4 {
					e.Version = 1
				}
			})
		}, "entry 4 has an older version than the one before it"},
		"an unreadable case": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "DROP INDEX cases_by_face") // it reads the body; what damages a disk asks no index
			exec(t, db, "UPDATE cases SET body = '[' "+this)
		}, "case: cannot be read"},
		"a changed look": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "UPDATE looks SET body = json_replace(body, '$.actor.id', 'acc_other') WHERE n = 2")
		}, "access log: entry 2 was changed"},
		"a missing look":       {func(t *testing.T, db *sql.DB) { exec(t, db, "DELETE FROM looks WHERE n = 2") }, "access log: entry 2 is missing"},
		"a missing first look": {func(t *testing.T, db *sql.DB) { exec(t, db, "DELETE FROM looks WHERE n = 1") }, "access log: entry 1 is missing"},
		"a look of another case": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "INSERT INTO looks SELECT ?, n, body FROM looks WHERE n = 1", f.begun)
		}, "access log: entry 1 belongs to another case"},
		"a look of no case": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "INSERT INTO looks SELECT 'case_lost', n, body FROM looks WHERE n = 1")
		}, "case_lost: case"},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.copied(t)
			row.spoil(t, f.db(t))
			status, out, errs := f.command(t, nil, "audit", "verify")
			if status != 1 || !strings.Contains(out, row.want) || !strings.Contains(out, "WRONG case_") {
				t.Errorf("%d %s%s, want %q", status, out, errs, row.want)
			}
			for _, secret := range []string{"acc_", personName, personNumber} {
				if strings.Contains(out+errs, secret) {
					t.Errorf("%q is printed: %s", secret, out)
				}
			}
		})
	}
}

// rewrite changes a case's history and computes every hash again, as somebody can who may write to the
// database.
func rewrite(t *testing.T, db *sql.DB, caseID string, change func(*cases.Entry)) {
	t.Helper()
	rows, err := db.Query("SELECT body FROM history WHERE case_id = ? ORDER BY n", caseID)
	must(t, err)
	var all []cases.Entry
	for rows.Next() {
		var b []byte
		var e cases.Entry
		must(t, rows.Scan(&b))
		must(t, json.Unmarshal(b, &e))
		all = append(all, e)
	}
	must(t, rows.Close())
	var prev []byte
	for i := range all {
		change(&all[i])
		all[i].Prev, all[i].Hash = prev, nil
		prev = digest(t, all[i])
		all[i].Hash = prev
		b, err := json.Marshal(all[i])
		must(t, err)
		exec(t, db, "UPDATE history SET body = ? WHERE case_id = ? AND n = ?", string(b), caseID, all[i].N)
	}
	edit(t, db, "cases WHERE id = '"+caseID+"'", func(d *cases.Document) { d.History.Hash, d.Pending = prev, nil })
}

func digest(t *testing.T, e cases.Entry) []byte {
	t.Helper()
	b, err := json.Marshal(e)
	must(t, err)
	sum := sha256.Sum256(b)
	return sum[:]
}

func TestACheckpointFindsARewrittenChain(t *testing.T) {
	f := newFilled(t)
	dir := t.TempDir()
	key, paper := filepath.Join(dir, "audit.key"), filepath.Join(dir, "heads.json")
	if status, out, errs := invoke(t, "", "audit", "key", "--out", key); status != 0 || !strings.Contains(out, key+".pub") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the signing key: %v %v", info, err)
	}
	if status, _, errs := invoke(t, "", "audit", "key", "--out", key); status != 1 || !strings.Contains(errs, "exists") {
		t.Errorf("a key was overwritten: %d %s", status, errs)
	}
	if status, out, errs := f.command(t, nil, "audit", "checkpoint", "--out", paper, "--signing-key", key); status != 0 || !strings.Contains(out, "heads of 2 cases") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	verify := func(t *testing.T, f filled, paper, key string) (int, string) {
		t.Helper()
		status, out, errs := f.command(t, nil, "audit", "verify", "--checkpoint", paper, "--public-key", key)
		return status, out + errs
	}
	if status, out := verify(t, f, paper, key+".pub"); status != 0 || !strings.Contains(out, "2 cases: its signature fits") {
		t.Fatalf("%d %s", status, out)
	}

	// Life goes on, and the checkpoint still holds.
	p := f.program(t)
	_, err := p.cases.RaiseEpoch(t.Context(), f.caseID, "offer", cases.Actor{Kind: cases.BySystem})
	must(t, err)
	must(t, p.cases.Look(t.Context(), f.caseID, cases.Actor{Kind: cases.ByStaff, ID: "acc_x"}, "media", "med_1"))
	work(t, p)
	f.stop(t, p)
	if status, out := verify(t, f, paper, key+".pub"); status != 0 {
		t.Fatalf("later: %d %s", status, out)
	}

	for name, row := range map[string]struct {
		spoil func(t *testing.T, db *sql.DB)
		want  string
	}{
		"a chain computed again": {func(t *testing.T, db *sql.DB) {
			rewrite(t, db, f.caseID, func(e *cases.Entry) { e.Actor.ID = "acc_innocent" })
		}, "is not the one of the checkpoint"},
		"the end of the access log cut off": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "DELETE FROM looks WHERE n > 1")
		}, "access log: entry 3 of the checkpoint is missing"},
		"a case removed with its history": {func(t *testing.T, db *sql.DB) {
			exec(t, db, "DELETE FROM cases WHERE id = ?", f.begun)
			exec(t, db, "DELETE FROM history WHERE case_id = ?", f.begun)
		}, f.begun + ": case: the case of the checkpoint is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			f := f.copied(t)
			row.spoil(t, f.db(t))
			if status, out, _ := f.command(t, nil, "audit", "verify"); status != 0 {
				t.Fatalf("the bare chain tells it already, so this tests nothing: %s", out)
			}
			if status, out := verify(t, f, paper, key+".pub"); status != 1 || !strings.Contains(out, row.want) {
				t.Errorf("%d %s, want %q", status, out, row.want)
			}
		})
	}

	b, err := os.ReadFile(paper)
	must(t, err)
	changed, other := filepath.Join(dir, "changed.json"), filepath.Join(dir, "other.pub")
	must(t, os.WriteFile(changed, []byte(strings.Replace(string(b), `"n": 2`, `"n": 1`, 1)), 0o600))
	must(t, os.WriteFile(other, seal.NewSigningKey().Public().Encode(), 0o600))
	for name, row := range map[string]struct{ paper, key, want string }{
		"another key":       {paper, other, "was not signed with this key"},
		"a changed paper":   {changed, key + ".pub", "was changed since"},
		"no checkpoint":     {key, key + ".pub", "is not a checkpoint"},
		"the private key":   {paper, key, "does not hold a public key"},
		"no such file":      {paper + "x", key + ".pub", "cannot be read"},
		"half of the flags": {paper, "", "belong together"},
	} {
		if status, out := verify(t, f, row.paper, row.key); status != 1 || !strings.Contains(out, row.want) {
			t.Errorf("%s: %d %s, want %q", name, status, out, row.want)
		}
	}

	// What is broken is not signed.
	exec(t, f.db(t), "DELETE FROM history WHERE n = 2 AND case_id = ?", f.caseID)
	again := filepath.Join(dir, "again.json")
	if status, _, _ := f.command(t, nil, "audit", "checkpoint", "--out", again, "--signing-key", key); status != 1 {
		t.Error("a broken chain was signed")
	}
	if _, err := os.Stat(again); err == nil {
		t.Error("a checkpoint of a broken chain was written")
	}
}

func TestAnAuditBesideARunningServerFindsNothing(t *testing.T) {
	f := newFilled(t)
	p := f.program(t)
	defer f.stop(t, p)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	for _, id := range []string{f.caseID, f.begun} {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := p.cases.RaiseEpoch(t.Context(), id, "offer", cases.Actor{Kind: cases.BySystem})
				err = errors.Join(err, p.cases.Look(t.Context(), id, cases.Actor{Kind: cases.ByStaff, ID: "acc_x"}, "media", "med_1"), p.cases.Work(t.Context()))
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		if status, out, errs := f.command(t, nil, "audit", "verify"); status != 0 {
			t.Fatalf("%s %s", out, errs)
		}
	}
}
