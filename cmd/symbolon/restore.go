package main

import (
	"bytes"
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

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/seal"
)

// restore brings a backup into an empty data folder and proves that it can be used there.
func restore(ctx context.Context, args []string, std stdio) (err error) {
	var from string
	c, err := readConfig("restore", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&from, "from", "", "the folder that symbolon backup made (needed)")
	})
	if err != nil {
		return err
	}
	if from == "" {
		return errors.New("--from is missing; write symbolon restore --from FOLDER")
	}
	if c.MongoURL != "" {
		return errors.New("cases are in MongoDB: bring them back with mongorestore --oplogReplay, and the media folder beside that; see docs/backup.md")
	}
	m, err := readManifest(from)
	if err != nil {
		return err
	}
	if err := emptyFolder(c); err != nil {
		return err
	}
	var bucket media.Store
	if c.S3URL != "" {
		kept, err := openMedia(ctx, c)
		if err == nil {
			err = emptyBucket(ctx, kept)
		}
		if err != nil {
			return err
		}
		bucket = kept.Store
	}
	ring, err := givenKeys(c)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the operator's key is missing: without it nothing in a backup can be read; put it into %s or set SYMBOLON_KEY", c.KeyFile)
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("the data folder cannot be made: %w", err)
	}
	unlock, err := lock(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	partial := filepath.Join(c.Data, "restore"+partialExt)
	if err := os.Mkdir(partial, 0o700); err != nil {
		return fmt.Errorf("the backup cannot be restored: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	for _, f := range m.Files {
		if err := copyChecked(filepath.Join(from, filepath.FromSlash(f.Name)), filepath.Join(partial, filepath.FromSlash(f.Name)), f); err != nil {
			return err
		}
	}
	db := filepath.Join(partial, "cases.db")
	if err := casesqlite.Migrate(ctx, db); err != nil {
		return fmt.Errorf("the cases of the backup do not open: %w", err)
	}
	backend, err := casesqlite.Open(ctx, db)
	if err != nil {
		return fmt.Errorf("the cases of the backup do not open: %w", err)
	}
	err = prove(ctx, cases.Config{Store: backend, History: backend, Accounts: backend, Keys: ring, Policy: c.Policy}, partial, m, std.out)
	if err := errors.Join(err, backend.Close()); err != nil {
		return fmt.Errorf("nothing was restored: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(partial, "media"), 0o700); err != nil {
		return err
	}
	// The cases last: with them the folder counts as one that is used.
	names := []string{"media", "cases.db"}
	if c.S3URL != "" {
		names = names[1:]
		files, err := mediafs.Open(filepath.Join(partial, "media"))
		if err == nil {
			err = bringBack(ctx, files, bucket)
		}
		if err != nil {
			return fmt.Errorf("the photos cannot be put into their bucket: %w", err)
		}
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(partial, name), filepath.Join(c.Data, name)); err != nil {
			return fmt.Errorf("the backup cannot be put into its place: %w", err)
		}
	}
	_, err = fmt.Fprintf(std.out, "Restored %d cases into %s, as they were on %s. People have to sign in again.\n", m.Cases, c.Data, m.At.Format("2006-01-02 15:04:05 MST"))
	return err
}

// readManifest reads what a backup says it holds.
func readManifest(from string) (manifest, error) {
	var m manifest
	b, err := os.ReadFile(filepath.Join(from, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s is not a finished backup: it has no %s", from, manifestName)
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Schema != 1 {
		return m, fmt.Errorf("%s/%s cannot be read: it is damaged, or of a newer symbolon", from, manifestName)
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
			return m, fmt.Errorf("%s/%s names a file outside the backup", from, manifestName)
		}
	}
	if !slices.ContainsFunc(m.Files, func(f backupFile) bool { return f.Name == "cases.db" }) {
		return m, fmt.Errorf("%s/%s names no cases", from, manifestName)
	}
	return m, nil
}

// emptyFolder fails unless the data folder holds nothing but the operator's key.
func emptyFolder(c config) error {
	all, err := os.ReadDir(c.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Name() != "operator.key" && e.Name() != "lock" {
			return fmt.Errorf("%s is not empty (there is %s in it); restore into a new folder", c.Data, e.Name())
		}
	}
	return nil
}

// copyChecked copies a file of a backup whose content must be the one of the manifest.
func copyChecked(from, to string, want backupFile) error {
	damaged := fmt.Errorf("the backup is damaged: %s is not what it was", want.Name)
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the backup is damaged: %s is missing", want.Name)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if n != want.Size || !bytes.Equal(h.Sum(nil), want.SHA256) {
		return damaged
	}
	return nil
}

// prove opens everything that the backup holds and audits it.
func prove(ctx context.Context, c cases.Config, folder string, m manifest, w io.Writer) error {
	files, err := mediafs.Open(filepath.Join(folder, "media"))
	if err != nil {
		return err
	}
	var s *cases.Service
	photos, err := media.New(media.Config{
		Store: files, Key: func(ctx context.Context, id string) (seal.Key, error) { return s.Key(ctx, id) },
		Completed: func(context.Context, media.Status) error { return nil },
	})
	if err != nil {
		return err
	}
	defer func() { _ = photos.Close() }()
	c.Evidence = func(ctx context.Context, id string) (cases.Evidence, error) { return photos.Open(ctx, id) }
	if s, err = cases.New(ctx, c); err != nil {
		return openWords(err)
	}
	known := map[string]bool{}
	for _, u := range m.Missing {
		known[u] = true
		fmt.Fprintln(w, "MISSING since the backup:", u)
	}
	wrong := 0
	n, err := s.OpenAll(ctx, known, func(f cases.Finding) {
		wrong++
		fmt.Fprintln(w, "WRONG", f)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Opened %d accounts, %d cases and %d photos.\n", n.Accounts, n.Cases, n.Takes)
	if err := runAudit(ctx, cases.Auditor{Store: c.Store, History: c.History}, "", w); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d things do not open; see the lines above", wrong)
	}
	return nil
}
