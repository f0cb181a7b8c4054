package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/symbolon/symbolon/cases"
)

// backedUp is the folder of a backup.
func (f filled) backedUp(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "backup")
	status, o, errs := f.command(t, nil, "backup", "--out", out)
	if status != 0 || !strings.Contains(o, "Copied 2 cases and 5 files") || strings.Contains(o, "MISSING") {
		t.Fatalf("backup: %d %s %s", status, o, errs)
	}
	return out
}

// fresh is a new data folder for the same person, with nothing but a key in it.
func (f filled) fresh(t *testing.T, key string) filled {
	t.Helper()
	f.data = filepath.Join(t.TempDir(), "data")
	must(t, os.Mkdir(f.data, 0o700))
	if key != "" {
		f.setKeyFile(t, key)
	}
	return f
}

func TestABackupOfARunningServerIsRestored(t *testing.T) {
	f := newFilled(t)
	p := f.program(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // somebody goes on working, and photos come and go
		by := cases.Actor{Kind: cases.BySystem}
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := p.cases.RaiseEpoch(t.Context(), f.begun, "offer", by); err != nil {
				t.Error(err)
				return
			}
			if err := p.cases.Work(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	folder := f.backedUp(t)
	close(stop)
	wg.Wait()
	f.stop(t, p)
	key := f.operatorKey(t)
	for name, b := range (filled{data: folder}).files(t) {
		if bytes.Contains(b, []byte(key)) {
			t.Errorf("%s holds the operator's key", name)
		}
		for _, word := range []string{"sessions", "lock", "tls"} {
			if strings.Contains(filepath.Base(name), word) {
				t.Errorf("%s is in the backup", name)
			}
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	to := f.fresh(t, key)
	status, out, errs := to.command(t, nil, "restore", "--from", folder)
	if status != 0 || !strings.Contains(out, "Opened 2 accounts, 2 cases and 2 photos.") || !strings.Contains(out, "nothing is wrong") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	to.usable(t)
	if _, err := os.Stat(filepath.Join(to.data, "restore"+partialExt)); err == nil {
		t.Error("the work folder is left")
	}
	// Once is enough.
	if status, _, errs := to.command(t, nil, "restore", "--from", folder); status != 1 || !strings.Contains(errs, "is not empty") {
		t.Errorf("over data: %d %s", status, errs)
	}
}

func TestRestoreRefusesAndChangesNothing(t *testing.T) {
	f := newFilled(t)
	key, folder := f.operatorKey(t), f.backedUp(t)
	photo := ""
	must(t, filepath.WalkDir(folder, func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".data") {
			photo = name
		}
		return err
	}))
	flip := func(t *testing.T, name string) {
		t.Helper()
		b, err := os.ReadFile(name)
		must(t, err)
		b[len(b)/2] ^= 1
		must(t, os.WriteFile(name, b, 0o600))
	}
	rel := func(t *testing.T, copied string) string {
		t.Helper()
		r, err := filepath.Rel(folder, photo)
		must(t, err)
		return filepath.Join(copied, r)
	}
	// sign makes the manifest fit the files again, as somebody would who wants the change to pass.
	sign := func(t *testing.T, copied string) {
		t.Helper()
		m, err := readManifest(copied)
		must(t, err)
		must(t, os.Remove(filepath.Join(copied, manifestName)))
		m.Files, err = digests(copied)
		must(t, err)
		b, err := json.Marshal(m)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(copied, manifestName), b, 0o600))
	}
	for name, row := range map[string]struct {
		key   string
		spoil func(t *testing.T, copied string, to filled)
		want  string
	}{
		"a wrong key":       {freshKey(t), nil, "not the one this data was written with"},
		"no key":            {"", nil, "the operator's key is missing"},
		"no manifest":       {key, func(t *testing.T, b string, _ filled) { must(t, os.Remove(filepath.Join(b, manifestName))) }, "not a finished backup"},
		"a broken manifest": {key, func(t *testing.T, b string, _ filled) { must(t, os.Truncate(filepath.Join(b, manifestName), 50)) }, "cannot be read"},
		"a manifest that leads out": {key, func(t *testing.T, b string, _ filled) {
			name := filepath.Join(b, manifestName)
			text, err := os.ReadFile(name)
			must(t, err)
			must(t, os.WriteFile(name, bytes.Replace(text, []byte(`"cases.db"`), []byte(`"../cases.db"`), 1), 0o600))
		}, "names a file outside"},
		"a missing photo": {key, func(t *testing.T, b string, _ filled) { must(t, os.Remove(rel(t, b))) }, "is missing"},
		"a changed photo": {key, func(t *testing.T, b string, _ filled) { flip(t, rel(t, b)) }, "is not what it was"},
		"changed cases":   {key, func(t *testing.T, b string, _ filled) { flip(t, filepath.Join(b, "cases.db")) }, "is not what it was"},
		"a changed photo and manifest": {key, func(t *testing.T, b string, _ filled) {
			flip(t, rel(t, b))
			sign(t, b)
		}, "things do not open"},
		"a removed photo and manifest": {key, func(t *testing.T, b string, _ filled) {
			must(t, os.Remove(rel(t, b)))
			sign(t, b)
		}, "things do not open"},
		"a changed history and manifest": {key, func(t *testing.T, b string, _ filled) {
			db := filled{data: b}.db(t)
			exec(t, db, "DELETE FROM history WHERE n = 2")
			must(t, db.Close())
			sign(t, b)
		}, "audit found something wrong"},
		"data in the way": {key, func(t *testing.T, _ string, to filled) {
			must(t, os.WriteFile(filepath.Join(to.data, "cases.db"), nil, 0o600))
		}, "is not empty"},
	} {
		t.Run(name, func(t *testing.T) {
			copied := filled{data: folder}.copied(t).data
			to := f.fresh(t, row.key)
			if row.spoil != nil {
				row.spoil(t, copied, to)
			}
			before := len(to.files(t))
			status, out, errs := to.command(t, nil, "restore", "--from", copied)
			if status != 1 || !strings.Contains(errs, row.want) {
				t.Errorf("%d %s%s, want %q", status, out, errs, row.want)
			}
			after := to.files(t)
			delete(after, filepath.Join(to.data, "lock"))
			if len(after) != before {
				t.Errorf("files are left: %d, before %d", len(after), before)
			}
		})
	}
}

func TestBackupRefusesWhatItCannotDo(t *testing.T) {
	f := newFilled(t)
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"over something":      {[]string{"backup", "--out", t.TempDir()}, "exists already"},
		"nowhere":             {[]string{"backup"}, "--out is missing"},
		"no such folder":      {[]string{"backup", "--out", filepath.Join(t.TempDir(), "a", "b")}, "cannot be made"},
		"MongoDB":             {[]string{"backup", "--out", "x", "--mongo-url", "mongodb://127.0.0.1:1/symbolon"}, "mongodump"},
		"MongoDB, the return": {[]string{"restore", "--from", "x", "--mongo-url", "mongodb://127.0.0.1:1/symbolon"}, "mongorestore"},
		"from nowhere":        {[]string{"restore"}, "--from is missing"},
	} {
		if status, _, errs := f.command(t, nil, row.args...); status != 1 || !strings.Contains(errs, row.want) {
			t.Errorf("%s: %d %s, want %q", name, status, errs, row.want)
		}
	}
	// A photo that is lost already does not keep the rest from being saved, and is named.
	must(t, filepath.WalkDir(mediaFolder(config{Data: f.data}), func(name string, _ fs.DirEntry, err error) error {
		if strings.Contains(name, f.uploads[0]) {
			err = os.Remove(name)
		}
		return err
	}))
	folder := filepath.Join(t.TempDir(), "backup")
	status, out, errs := f.command(t, nil, "backup", "--out", folder)
	if status != 1 || !strings.Contains(out, "MISSING "+f.uploads[0]) || !strings.Contains(errs, "is finished, but 1 photos") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	to := f.fresh(t, f.operatorKey(t))
	if status, out, errs := to.command(t, nil, "restore", "--from", folder); status != 0 || !strings.Contains(out, "MISSING since the backup: "+f.uploads[0]) {
		t.Errorf("%d %s %s", status, out, errs)
	}
}
