// Package mediafs keeps uploads in a directory.
//
// An upload has up to four files in one of 1024 folders, named after the end of its id:
//
//	7Z/upl_01K….info   what it is (JSON)
//	7Z/upl_01K….data   sealed segments
//	7Z/upl_01K….tail   sealed bytes that do not fill a segment yet
//	7Z/upl_01K….mark   the tail before a piece that is not verified yet
//
// Small files are replaced by writing a ".new" beside them and renaming it; one that a crash left is
// overwritten by the next. Files are 0600, folders 0700. The package knows nothing about
// what the bytes mean; it appends and reports.
//
// Several processes may use a directory at once, on one machine or over a file system whose locks
// work between machines (NFS 4): an upload is locked by flock on its data, so a lock ends with
// the process that held it.
package mediafs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/symbolon/symbolon/media"
)

const (
	infoExt = ".info"
	dataExt = ".data"
	newExt  = ".new"
)

// Store is a directory of uploads.
type Store struct{ root string }

var (
	_ media.Store  = (*Store)(nil)
	_ media.Locker = (*Store)(nil)
)

// Open opens the directory, making it if it is not there.
func Open(root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("mediafs: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("mediafs: make %s: %w", root, err)
	}
	return &Store{root}, nil
}

// path returns the upload's path without extension. An id that could leave the folder is unknown.
func (s *Store) path(id string) (string, error) {
	if len(id) < 2 || len(id) > 64 {
		return "", media.ErrUnknown
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' {
			return "", media.ErrUnknown
		}
	}
	return filepath.Join(s.root, id[len(id)-2:], id), nil
}

// Create implements media.Store. The data comes before the info, which makes the upload known.
func (s *Store) Create(_ context.Context, id string, info []byte) error {
	p, err := s.path(id)
	if err != nil {
		return err
	}
	if err := s.folder(filepath.Dir(p)); err != nil {
		return told(err)
	}
	data, err := os.OpenFile(p+dataExt, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return told(err)
	}
	if err := data.Close(); err != nil {
		return told(err)
	}
	if err := replace(p+infoExt, info, false); err != nil {
		_ = os.Remove(p + dataExt)
		return told(err)
	}
	return nil
}

// folder makes the folder of an upload and makes sure that it survives a power cut.
func (s *Store) folder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(s.root)
}

// Load implements media.Store.
func (s *Store) Load(_ context.Context, id string) ([]byte, error) {
	p, err := s.path(id)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(p + infoExt)
	return b, told(err)
}

// Save implements media.Store.
func (s *Store) Save(_ context.Context, id string, info []byte) error {
	p, err := s.path(id)
	if err != nil {
		return err
	}
	if err := replace(p+infoExt, info, true); err != nil {
		return told(err)
	}
	return told(syncDir(filepath.Dir(p)))
}

// Open implements media.Store.
func (s *Store) Open(_ context.Context, id string) (media.File, error) {
	p, err := s.path(id)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p+dataExt, os.O_RDWR, 0)
	if err != nil {
		return nil, told(err)
	}
	return &file{File: f, path: p}, nil
}

// Lock implements media.Locker. Data that is removed while it is locked stays locked for those who opened
// it before, and there is nothing to change for those who come later.
func (s *Store) Lock(_ context.Context, id string) (unlock func(), err error) {
	p, err := s.path(id)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p+dataExt, os.O_RDWR, 0) // over NFS only who may write may lock
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, told(err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, media.ErrBusy
		}
		return nil, told(err)
	}
	return func() { _ = f.Close() }, nil
}

// Destroy implements media.Store.
func (s *Store) Destroy(_ context.Context, id string) error {
	tail, mark := "."+string(media.TailNote), "."+string(media.MarkNote)
	return s.remove(id, dataExt, tail, mark, tail+newExt, mark+newExt)
}

// Forget implements media.Store.
func (s *Store) Forget(ctx context.Context, id string) error {
	if err := s.Destroy(ctx, id); err != nil {
		return err
	}
	return s.remove(id, infoExt, infoExt+newExt)
}

func (s *Store) remove(id string, exts ...string) error {
	p, err := s.path(id)
	if err != nil {
		return err
	}
	for _, ext := range exts {
		if err := os.Remove(p + ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return told(err)
		}
	}
	return nil
}

// Each implements media.Store.
func (s *Store) Each(ctx context.Context, fn func(id string) error) error {
	folders, err := os.ReadDir(s.root)
	if err != nil {
		return told(err)
	}
	for _, d := range folders {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.IsDir() || len(d.Name()) != 2 {
			continue
		}
		files, err := os.ReadDir(filepath.Join(s.root, d.Name()))
		if err != nil {
			return told(err)
		}
		for _, f := range files {
			id, ok := strings.CutSuffix(f.Name(), infoExt)
			if !ok {
				continue
			}
			if err := fn(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// file is the open data of an upload.
type file struct {
	*os.File
	path string
	size int64 // of the data, once known
	read bool  // size is known
}

// Size implements media.File.
func (f *file) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, told(err)
	}
	f.size, f.read = st.Size(), true
	return f.size, nil
}

// Append implements media.File.
func (f *file) Append(b []byte) error {
	if !f.read {
		if _, err := f.Size(); err != nil {
			return err
		}
	}
	n, err := f.WriteAt(b, f.size)
	f.size += int64(n)
	return told(err)
}

// Truncate implements media.File.
func (f *file) Truncate(size int64) error {
	if err := f.File.Truncate(size); err != nil {
		return told(err)
	}
	f.size, f.read = size, true
	return nil
}

// Note implements media.File.
func (f *file) Note(n media.Note) ([]byte, error) {
	b, err := os.ReadFile(f.note(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, told(err)
}

// PutNote implements media.File.
func (f *file) PutNote(n media.Note, b []byte) error { return told(replace(f.note(n), b, false)) }

// MoveNote implements media.File.
func (f *file) MoveNote(from, to media.Note) error { return told(os.Rename(f.note(from), f.note(to))) }

// DropNote implements media.File.
func (f *file) DropNote(n media.Note) error {
	if err := os.Remove(f.note(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return told(err)
	}
	return nil
}

// Sync implements media.File.
func (f *file) Sync() error {
	if err := syncData(f.File); err != nil {
		return told(err)
	}
	return told(syncDir(filepath.Dir(f.path)))
}

func (f *file) note(n media.Note) string { return f.path + "." + string(n) }

// replace puts b in place of a small file in one step.
func replace(name string, b []byte, durable bool) (err error) {
	f, err := os.OpenFile(name+newExt, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name + newExt) // it may hold the room that is missing
		}
	}()
	_, err = f.Write(b)
	if err == nil && durable {
		err = syncData(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(name+newExt, name)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// told turns what the system says into what package media knows.
func told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return media.ErrNoSpace.Because(err)
	case errors.Is(err, fs.ErrNotExist):
		return media.ErrUnknown.Because(err)
	}
	return fmt.Errorf("mediafs: %w", err)
}
