package mediafs

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Copy copies a complete upload to another directory and waits until it is on the disk there. info is what
// Load gave for it. media.ErrUnknown when its data is gone.
func (s *Store) Copy(_ context.Context, id string, info []byte, to *Store) error {
	from, err := s.path(id)
	if err != nil {
		return err
	}
	p, err := to.path(id)
	if err != nil {
		return err
	}
	in, err := os.Open(from + dataExt)
	if err != nil {
		return told(err)
	}
	defer in.Close()
	if err := to.folder(filepath.Dir(p)); err != nil {
		return told(err)
	}
	out, err := os.OpenFile(p+dataExt, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return told(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return told(err)
	}
	if err := replace(p+infoExt, info, true); err != nil { // last: it makes the upload known
		return told(err)
	}
	return told(syncDir(filepath.Dir(p)))
}
