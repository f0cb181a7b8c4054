package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
)

// manifest says what a backup holds (docs/backup.md). It is written last, so a folder with one is whole.
type manifest struct {
	Schema  int          `json:"schema"`
	Program string       `json:"program"`
	At      time.Time    `json:"at"` // of the copy of the cases
	Cases   int64        `json:"cases"`
	Files   []backupFile `json:"files"`
	Missing []string     `json:"missing"` // uploads that a case names and that were not there
}

type backupFile struct {
	Name   string `json:"name"` // with slashes, below the folder
	Size   int64  `json:"size"`
	SHA256 []byte `json:"sha256"`
}

const (
	manifestName = "manifest.json"
	partialExt   = ".partial"
	backupTries  = 5 // photos are destroyed while they are copied; then the cases are copied again
)

var errMongoBackup = errors.New("cases are in MongoDB: back them up with mongodump --oplog (or a snapshot of its disks), and the media folder after that; see docs/backup.md")

// backup copies the cases and photos of a data folder, while a server may run on it.
func backup(ctx context.Context, args []string, std stdio) (err error) {
	var out string
	c, err := readConfig("backup", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&out, "out", "", "the folder for the backup; it must not exist yet (needed)")
	})
	if err != nil {
		return err
	}
	if out == "" {
		return errors.New("--out is missing; write symbolon backup --out FOLDER")
	}
	if c.MongoURL != "" {
		return errMongoBackup
	}
	if _, err := os.Lstat(out); err == nil {
		return fmt.Errorf("%s exists already; name a new folder", out)
	}
	if _, err := os.Stat(casesFile(c)); err != nil {
		return fmt.Errorf("there is no data in %s", c.Data)
	}
	store, err := casesqlite.Open(ctx, casesFile(c))
	if err != nil {
		return fmt.Errorf("the store of cases does not open: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	partial := filepath.Clean(out) + partialExt
	if err := os.Mkdir(partial, 0o700); err != nil {
		return fmt.Errorf("the backup cannot be made: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(partial))
		}
	}()
	m, err := copyAll(ctx, store, c, partial)
	if err != nil {
		return fmt.Errorf("the backup cannot be made: %w", err)
	}
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	if err := errors.Join(writeNew(filepath.Join(partial, manifestName), string(b)+"\n"), os.Rename(partial, out)); err != nil {
		return fmt.Errorf("the backup cannot be finished: %w", err)
	}
	fmt.Fprintf(std.out, "Copied %d cases and %d files into %s. The operator's key is not in it: keep that elsewhere.\n", m.Cases, len(m.Files), out)
	for _, u := range m.Missing {
		fmt.Fprintln(std.out, "MISSING", u)
	}
	if n := len(m.Missing); n > 0 {
		return fmt.Errorf("%s is finished, but %d photos were not there to copy; see the lines above", out, n)
	}
	return nil
}

// copyAll copies the cases and then the photos that they name. A photo that was destroyed in between
// makes it copy the cases again, which then do not name it any more.
func copyAll(ctx context.Context, store *casesqlite.Store, c config, to string) (manifest, error) {
	m := manifest{Schema: 1, Program: version, Missing: []string{}}
	from, err := openMedia(ctx, c)
	if err != nil {
		return m, err
	}
	photos, err := mediafs.Open(filepath.Join(to, "media"))
	if err != nil {
		return m, err
	}
	db := filepath.Join(to, "cases.db")
	copied := map[string]bool{}
	var named []string
	for try := 1; ; try++ {
		if err := os.RemoveAll(db); err != nil {
			return m, err
		}
		m.At = time.Now().UTC().Truncate(time.Millisecond)
		if err := store.CopyTo(ctx, db); err != nil {
			return m, err
		}
		if named, m.Cases, err = namedTakes(ctx, db); err != nil {
			return m, err
		}
		m.Missing = []string{}
		for _, id := range named {
			if copied[id] {
				continue
			}
			err := copyUpload(ctx, from.Store, photos, id)
			switch {
			case errors.Is(err, media.ErrUnknown):
				m.Missing = append(m.Missing, id)
			case err != nil:
				return m, err
			default:
				copied[id] = true
			}
		}
		if len(m.Missing) == 0 || try == backupTries {
			break
		}
	}
	for id := range copied { // of cases that let go of it meanwhile
		if _, still := slices.BinarySearch(named, id); !still {
			if err := photos.Destroy(ctx, id); err != nil {
				return m, err
			}
			if err := photos.Forget(ctx, id); err != nil {
				return m, err
			}
		}
	}
	m.Files, err = digests(to)
	return m, err
}

// namedTakes lists the stored takes of all cases of a copied store, in order.
func namedTakes(ctx context.Context, db string) (uploads []string, n int64, err error) {
	store, err := casesqlite.Open(ctx, db)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for cursor := ""; ; {
		page, next, err := store.Cases(ctx, "", cursor, 500)
		if err != nil {
			return nil, 0, err
		}
		for _, sum := range page {
			d, err := store.Case(ctx, sum.ID)
			if err != nil {
				return nil, 0, err
			}
			n++
			for _, st := range d.Steps {
				for _, t := range st.Takes {
					if t.State != cases.TakeOpen {
						uploads = append(uploads, t.UploadID)
					}
				}
			}
		}
		if cursor = next; next == "" {
			slices.Sort(uploads)
			return uploads, n, nil
		}
	}
}

// digests lists the files below a folder.
func digests(folder string) (files []backupFile, err error) {
	err = filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		size, err := io.Copy(h, f)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, name)
		files = append(files, backupFile{filepath.ToSlash(rel), size, h.Sum(nil)})
		return err
	})
	return files, err
}
