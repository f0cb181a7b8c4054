package casebundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The archive is a ZIP file of which there is one form only: every entry is stored as it is, its sizes stand before it, its time
// is the first of 1980, nothing is optional. So a reader can say of each byte what it has to be.

const (
	localSize   = 30
	centralSize = 46
	endSize     = 22
	maxArchive  = 1<<32 - 1 // beyond it the form would be another one
	maxEntries  = 2000
	maxName     = 200
)

// ErrForm is returned for a file that has not the form of a bundle.
var ErrForm = errors.New("casebundle: this is not a bundle, or it was changed")

// entry is one file of the archive.
type entry struct {
	name   string
	size   int64
	crc    uint32
	offset int64
}

// common is the part that the two headers of an entry share.
func (e entry) common(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, 20)     // version needed: 2.0
	b = le.AppendUint16(b, 1<<11)  // names are UTF-8
	b = le.AppendUint16(b, 0)      // stored
	b = le.AppendUint16(b, 0)      // midnight
	b = le.AppendUint16(b, 1<<5|1) // of 1980-01-01
	b = le.AppendUint32(b, e.crc)
	b = le.AppendUint32(b, uint32(e.size))
	b = le.AppendUint32(b, uint32(e.size))
	b = le.AppendUint16(b, uint16(len(e.name)))
	return le.AppendUint16(b, 0) // nothing extra
}

func (e entry) local() []byte {
	return append(e.common([]byte("PK\x03\x04")), e.name...)
}

func (e entry) central() []byte {
	b := e.common([]byte("PK\x01\x02\x14\x00")) // made by: 2.0
	b = append(b, make([]byte, 10)...)          // no comment, first disk, no attributes
	b = binary.LittleEndian.AppendUint32(b, uint32(e.offset))
	return append(b, e.name...)
}

// tail is the central directory and the end of an archive.
func tail(entries []entry, at int64) []byte {
	var b []byte
	for _, e := range entries {
		b = append(b, e.central()...)
	}
	size := len(b)
	le := binary.LittleEndian
	b = append(b, "PK\x05\x06\x00\x00\x00\x00"...)
	b = le.AppendUint16(b, uint16(len(entries)))
	b = le.AppendUint16(b, uint16(len(entries)))
	b = le.AppendUint32(b, uint32(size))
	b = le.AppendUint32(b, uint32(at))
	return le.AppendUint16(b, 0)
}

// archive writes a ZIP file.
type archive struct {
	w       io.Writer
	at      int64
	entries []entry
}

// add writes one entry whose size and checksum are known.
func (a *archive) add(e entry, from io.Reader) error {
	e.offset = a.at
	head := e.local()
	if a.at+int64(len(head))+e.size > maxArchive || len(a.entries) >= maxEntries || len(e.name) > maxName {
		return errors.New("casebundle: the case is too large for one archive")
	}
	if _, err := a.w.Write(head); err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(a.w, sum), io.LimitReader(from, e.size+1))
	if err != nil {
		return err
	}
	if n != e.size || sum.Sum32() != e.crc {
		return fmt.Errorf("casebundle: %s changed while it was read", e.name)
	}
	a.at += int64(len(head)) + n
	a.entries = append(a.entries, e)
	return nil
}

// addBytes writes an entry that is in memory.
func (a *archive) addBytes(name string, b []byte) error {
	return a.add(entry{name: name, size: int64(len(b)), crc: crc32.ChecksumIEEE(b)}, bytes.NewReader(b))
}

// finish writes what stands after the entries.
func (a *archive) finish() error {
	_, err := a.w.Write(tail(a.entries, a.at))
	return err
}

// readArchive calls each for every entry of an archive in order, with its bytes, which each need not read to the end. ErrForm
// unless every byte is what it has to be.
func readArchive(r io.ReaderAt, size int64, each func(e entry, from io.Reader) error) error {
	if size > maxArchive+maxEntries*(centralSize+maxName)+endSize {
		return ErrForm
	}
	var entries []entry
	at := int64(0)
	for {
		head := make([]byte, localSize)
		if n, _ := r.ReadAt(head, at); n < 4 || !bytes.Equal(head[:4], []byte("PK\x03\x04")) {
			break // of the entries
		} else if n < localSize || len(entries) >= maxEntries {
			return ErrForm
		}
		le := binary.LittleEndian
		e := entry{crc: le.Uint32(head[14:]), size: int64(le.Uint32(head[18:])), offset: at}
		name := make([]byte, min(int(le.Uint16(head[26:])), maxName))
		if _, err := r.ReadAt(name, at+localSize); err != nil {
			return ErrForm
		}
		e.name = string(name)
		want := e.local()
		if !bytes.Equal(want, append(head, name...)) || at+int64(len(want))+e.size > size {
			return ErrForm
		}
		sum := crc32.NewIEEE()
		from := io.TeeReader(io.NewSectionReader(r, at+int64(len(want)), e.size), sum)
		if err := each(e, from); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, from); err != nil {
			return fmt.Errorf("casebundle: read: %w", err)
		}
		if sum.Sum32() != e.crc {
			return ErrForm
		}
		entries = append(entries, e)
		at += int64(len(want)) + e.size
	}
	want := tail(entries, at)
	got := make([]byte, len(want))
	if _, err := r.ReadAt(got, at); err != nil && !errors.Is(err, io.EOF) || at+int64(len(want)) != size || !bytes.Equal(got, want) {
		return ErrForm
	}
	return nil
}
