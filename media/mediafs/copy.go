package mediafs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// copyStep is how much Import reads at once; the bytes may come over a network.
const copyStep = 1 << 20

// Import stores a complete upload of another store, and waits until it is on the disk. info is what Load gave
// there, data the sealed bytes. What was here under this id is replaced.
func (s *Store) Import(_ context.Context, id string, info []byte, data io.Reader) error {
	p, err := s.path(id)
	if err != nil {
		return err
	}
	if err := s.folder(filepath.Dir(p)); err != nil {
		return told(err)
	}
	out, err := os.OpenFile(p+dataExt, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return told(err)
	}
	_, err = bufio.NewReaderSize(data, copyStep).WriteTo(out)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return told(err)
	}
	if err := replace(p+infoExt, info, true); err != nil { // last: it makes the upload known
		return told(err)
	}
	return told(syncDir(filepath.Dir(p)))
}
