package casesqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/cases/casetest"
)

// writerEnv makes this test binary a process that writes into the store it names.
const writerEnv = "SYMBOLON_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		if err := keepWriting(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, path string) *casesqlite.Store {
	t.Helper()
	s, err := casesqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	casetest.Run(t, func(t *testing.T) func(*testing.T) cases.Backend {
		path := filepath.Join(t.TempDir(), "cases.db")
		return func(t *testing.T) cases.Backend { return open(t, path) }
	})
}

const caseID = "cas_1"

func newCase(t *testing.T, s *casesqlite.Store) cases.Document {
	t.Helper()
	d := cases.Document{ID: caseID, AccountID: "acc_1", Version: 1}
	if err := s.CreateCase(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return d
}

// keepWriting raises the case's counter for ever and prints a line for each acknowledged change.
func keepWriting(path string) error {
	ctx := context.Background()
	s, err := casesqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	for {
		d, err := s.Case(ctx, caseID)
		if err != nil {
			return err
		}
		d.Version++
		d.Level++
		err = s.ReplaceCase(ctx, d, -1)
		if err != nil && !errors.Is(err, cases.ErrStaleVersion) {
			return err
		}
		if err == nil {
			fmt.Println(d.Version)
		}
	}
}

func TestKilledProcessesLoseNothingAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cases.db")
	newCase(t, open(t, path))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const processes, enough = 3, 25
	var acknowledged atomic.Int64
	ends := make(chan error, processes)
	for range processes {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), writerEnv+"="+path)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			lines := bufio.NewScanner(out)
			for n := 1; lines.Scan(); n++ {
				acknowledged.Add(1)
				if n == enough {
					_ = cmd.Process.Kill() // kill -9, in the middle of the next change
				}
			}
			_ = cmd.Wait()
			if stderr.Len() > 0 {
				ends <- errors.New(stderr.String())
			}
			ends <- nil
		}()
	}
	for range processes {
		if err := <-ends; err != nil {
			t.Fatal(err)
		}
	}
	d, err := open(t, path).Case(t.Context(), caseID)
	if err != nil {
		t.Fatal(err)
	}
	// A process may die between the change and the line that tells of it.
	seen := acknowledged.Load()
	if seen < processes*enough || d.Version-1 < seen || d.Version-1 > seen+processes {
		t.Fatalf("%d changes are stored, %d were acknowledged", d.Version-1, seen)
	}
	if int64(d.Level) != d.Version-1 {
		t.Fatalf("the counter is %d after %d changes", d.Level, d.Version-1)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cases.db")
	check := func() {
		t.Helper()
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) < 2 {
			t.Fatalf("only %v", files)
		}
		for _, f := range files {
			info, err := f.Info()
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", f.Name(), info.Mode())
			}
		}
	}
	s := open(t, path)
	newCase(t, s)
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Relayed(t.Context(), caseID, 1); err != nil {
		t.Fatal(err)
	}
	check()
}

func TestPathsWithOddCharacters(t *testing.T) {
	for _, name := range []string{"a?mode=memory", "b%41", "c#d", "e f'\"", "姓名", "g&_query_only=1"} {
		path := filepath.Join(t.TempDir(), name)
		newCase(t, open(t, path))
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%q: %v, %v", name, info, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.db")
	db, err := sql.Open("sqlite", other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE books (title TEXT)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		other:                              "not one of Symbolon's",
		text:                               "not a database",
		dir:                                "not a regular file",
		filepath.Join(dir, "no", "folder"): "no such file or directory",
		dir + "/nul\x00byte":               "invalid argument",
	} {
		for name, err := range map[string]error{
			"open":    func() error { _, err := casesqlite.Open(t.Context(), path); return err }(),
			"migrate": casesqlite.Migrate(t.Context(), path),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: got %v, want %q", name, path, err, want)
			}
		}
	}
}

func TestSchemaChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cases.db")
	s := open(t, path)
	d := newCase(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	broken := casesqlite.PretendNextSchema(`ALTER TABLE cases ADD COLUMN colour TEXT; SELECT nonsense;`)
	if err := casesqlite.Migrate(t.Context(), path); err == nil {
		t.Fatal("a broken migration succeeded")
	}
	broken()
	undo := casesqlite.PretendNextSchema(`ALTER TABLE cases ADD COLUMN colour TEXT`) // fails if half of the broken one stayed
	newest := casesqlite.CurrentSchema()
	if _, err := casesqlite.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "run symbolon migrate") {
		t.Fatalf("an older store: got %v", err)
	}
	ends := make(chan error)
	for range 4 {
		go func() { ends <- casesqlite.Migrate(t.Context(), path) }()
	}
	for range 4 {
		if err := <-ends; err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, path)
	if got, err := s.Case(t.Context(), d.ID); err != nil || got.AccountID != d.AccountID {
		t.Fatalf("after migrating: %v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	undo()

	want := fmt.Sprintf("schema %d, written by a newer symbolon", newest)
	if _, err := casesqlite.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("a newer store: got %v", err)
	}
	if err := casesqlite.Migrate(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("migrating a newer store: got %v", err)
	}
}

func TestManyProcessesMakeOneStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cases.db")
	ends := make(chan error)
	for range 8 {
		go func() {
			s, err := casesqlite.Open(t.Context(), path)
			if err == nil {
				err = errors.Join(s.Ping(t.Context()), s.Close())
			}
			ends <- err
		}()
	}
	for range 8 {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
}

func TestAFullDiskChangesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "cases.db"))
	d := newCase(t, s)
	if err := s.LimitPages(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Version++
	d.Identity = make([]byte, 1<<20)
	if err := s.ReplaceCase(t.Context(), d, -1); !errors.Is(err, cases.ErrFull) {
		t.Fatalf("got %v, want %v", err, cases.ErrFull)
	}
	if got, err := s.Case(t.Context(), d.ID); err != nil || got.Version != 1 {
		t.Fatalf("after a full disk: version %d, %v", got.Version, err)
	}
	d.Identity = nil
	if err := s.ReplaceCase(t.Context(), d, -1); err != nil {
		t.Fatalf("a change that fits: %v", err)
	}
}

func TestListsUseAnIndexAndDoNotSort(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "cases.db"))
	for query, want := range map[string]string{
		casesqlite.ListAll:     "SEARCH cases USING INDEX cases_by_time",
		casesqlite.ListState:   "SEARCH cases USING INDEX cases_by_state",
		casesqlite.ListDue:     "SEARCH cases USING COVERING INDEX cases_by_due",
		casesqlite.ByFace:      "SEARCH cases USING INDEX cases_by_face",
		casesqlite.ByDocument:  "SEARCH cases USING COVERING INDEX cases_by_document",
		casesqlite.ReplaceCase: "SEARCH cases USING INDEX sqlite_autoindex_cases_1",
	} {
		args := make([]any, strings.Count(query, "?"))
		for i := range args {
			args[i] = 1
		}
		steps, err := s.Plan(t.Context(), query, args...)
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) != 1 || !strings.HasPrefix(steps[0], want) {
			t.Errorf("%s\nis found by %q, want %q only", query, steps, want)
		}
	}
}
