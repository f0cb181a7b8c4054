package medias3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/symbolon/symbolon/media"
)

// state is an upload after one of its entries (docs/formats/media.md). A state is never changed,
// only replaced.
type state struct {
	Schema int    `json:"schema"`
	Seq    int64  `json:"seq"` // the number of the entry, from 1
	By     string `json:"by"`  // random: who finds the entry there knows whether it is its own
	Holder string `json:"holder,omitempty"`

	Info []byte `json:"info"`
	Gone bool   `json:"gone,omitempty"` // destroyed: no data and no notes

	Whole  *whole  `json:"whole,omitempty"`  // the first bytes of the data
	Pieces []piece `json:"pieces,omitempty"` // those that follow
	Tail   *piece  `json:"tail,omitempty"`
	Mark   *piece  `json:"mark,omitempty"`
}

const stateSchema = 1

// whole is composed data: the first Size bytes of an object.
type whole struct {
	Name string `json:"name"` // after the id and a slash
	Size int64  `json:"size"`
}

// piece is the first Size bytes of what the entry Seq brought. In JSON it is [seq, size].
type piece struct{ Seq, Size int64 }

// MarshalJSON implements json.Marshaler.
func (p piece) MarshalJSON() ([]byte, error) { return json.Marshal([2]int64{p.Seq, p.Size}) }

// UnmarshalJSON implements json.Unmarshaler.
func (p *piece) UnmarshalJSON(b []byte) error {
	var v [2]int64
	err := json.Unmarshal(b, &v)
	p.Seq, p.Size = v[0], v[1]
	return err
}

// size is the length of the data.
func (st state) size() int64 {
	var n int64
	if st.Whole != nil {
		n = st.Whole.Size
	}
	for _, p := range st.Pieces {
		n += p.Size
	}
	return n
}

// check refuses a state that this program did not write.
func (st state) check(seq int64) error {
	bad := st.Schema != stateSchema || st.Seq != seq || st.By == ""
	for _, p := range append(notes(st), st.Pieces...) {
		bad = bad || p.Seq < 1 || p.Seq > seq || p.Size < 0
	}
	if st.Whole != nil {
		bad = bad || st.Whole.Size < 0 || !strings.HasPrefix(st.Whole.Name, "data-") || !valid(strings.TrimPrefix(st.Whole.Name, "data-"))
	}
	if bad || st.size() < 0 {
		return media.ErrDamaged.Because(fmt.Errorf("entry %d: schema %d, number %d", seq, st.Schema, st.Seq))
	}
	return nil
}

func notes(st state) (all []piece) {
	for _, p := range []*piece{st.Tail, st.Mark} {
		if p != nil {
			all = append(all, *p)
		}
	}
	return all
}

// The name of an entry counts down, so that a listing begins with the newest.
const logDir = "/log-"

func (s *Store) entryName(id string, seq int64) string {
	return fmt.Sprintf("%s%s%s%016x", s.prefix, id, logDir, math.MaxInt64-seq)
}

func seqOf(name string) (int64, bool) {
	_, hexa, _ := strings.Cut(name, logDir)
	n, err := strconv.ParseInt(hexa, 16, 64)
	return math.MaxInt64 - n, err == nil && len(hexa) == 16
}

// An entry ends with its state in JSON and the length of that in four bytes.
const (
	lengthBytes = 4
	firstRead   = 16 << 10 // how much of an entry's end is read at first
	maxState    = 8 << 20
)

func encode(st state, bytes []byte) ([]byte, error) {
	b, err := json.Marshal(st)
	if err != nil {
		return nil, err
	}
	if len(b) > maxState {
		return nil, errors.New("medias3: an upload of too many pieces")
	}
	out := make([]byte, 0, len(bytes)+len(b)+lengthBytes)
	return binary.BigEndian.AppendUint32(append(append(out, bytes...), b...), uint32(len(b))), nil
}

// decode reads the state out of the end of an entry. more is how many bytes it needs, if those are not enough.
func decode(end []byte, seq int64) (st state, more int64, err error) {
	if len(end) < lengthBytes {
		return st, 0, media.ErrDamaged.Because(fmt.Errorf("entry %d has %d bytes", seq, len(end)))
	}
	body, n := end[:len(end)-lengthBytes], int64(binary.BigEndian.Uint32(end[len(end)-lengthBytes:]))
	if n > maxState {
		return st, 0, media.ErrDamaged.Because(fmt.Errorf("entry %d: a state of %d bytes", seq, n))
	}
	if int64(len(body)) < n {
		return st, n + lengthBytes, nil
	}
	if err := json.Unmarshal(body[int64(len(body))-n:], &st); err != nil {
		return st, 0, media.ErrDamaged.Because(fmt.Errorf("entry %d: %w", seq, err))
	}
	return st, 0, st.check(seq)
}

// read fetches the state of an entry of size bytes.
func (s *Store) read(ctx context.Context, id string, seq, size int64) (state, error) {
	want := int64(firstRead)
	for {
		from := max(0, size-want)
		end := make([]byte, size-from)
		if err := s.fetch(ctx, s.entryName(id, seq), end, from); err != nil {
			return state{}, err
		}
		st, more, err := decode(end, seq)
		if more == 0 || err != nil {
			return st, err
		}
		if more > size {
			return st, media.ErrDamaged.Because(fmt.Errorf("entry %d has %d bytes, not %d", seq, size, more))
		}
		want = more
	}
}

// newest finds the last entry; 0 when there is none.
func (s *Store) newest(ctx context.Context, id string) (seq, size int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + id + logDir, Recursive: true, MaxKeys: 1}) {
		if o.Err != nil {
			return 0, 0, told(o.Err)
		}
		n, ok := seqOf(o.Key)
		if !ok {
			return 0, 0, media.ErrDamaged.Because(errors.New("an entry of a foreign name"))
		}
		return n, o.Size, nil
	}
	return 0, 0, nil
}

// cell is what this process knows of an upload.
type cell struct {
	users int // guarded by Store.mu

	mu      sync.Mutex // guards what follows, and is held while an entry is written
	st      state      // the newest that is known; Seq 0: none
	sure    bool       // nobody else can have written since: it is held here
	held    string     // as whom it is held here, "" when it is not
	written time.Time  // the last entry while it is held
	left    string     // a holder that was us and is no more, which an entry may not say

	waitSeq   int64     // the entry of another holder that somebody here waits for
	waitSince time.Time // since when there has been no other
}

// idleCells is how many uploads are remembered that nobody works on.
const idleCells = 1000

func (s *Store) cell(id string) *cell {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cells[id]
	if c == nil {
		c = &cell{}
		s.cells[id] = c
	}
	c.users++
	return c
}

func (s *Store) release(c *cell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.users--
	if len(s.cells) <= idleCells {
		return
	}
	for id, other := range s.cells {
		if other.users == 0 {
			delete(s.cells, id)
		}
	}
}

// current returns the upload as it is now; media.ErrUnknown when there is none.
func (s *Store) current(ctx context.Context, id string, c *cell) (state, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := s.refresh(ctx, id, c)
	return c.st, err
}

// refreshTries is how often in a row the newest entry may be removed before it was read.
const refreshTries = 10

// refresh brings the cell up to date, unless it is. cell.mu is held.
func (s *Store) refresh(ctx context.Context, id string, c *cell) error {
	// A holder that could not write for so long may have been taken for dead.
	if c.sure && time.Since(c.written) < s.deadAfter {
		return nil
	}
	for try := 1; ; try++ {
		seq, size, err := s.newest(ctx, id)
		if err != nil {
			return err
		}
		if seq == 0 {
			c.st = state{}
			return media.ErrUnknown
		}
		if seq == c.st.Seq { // it is known: entries never change
			break
		}
		st, err := s.read(ctx, id, seq, size)
		if err == nil {
			c.st = st
			break
		}
		// An entry that a listing names and that is not there was followed by another one, and removed.
		if !errors.Is(err, media.ErrUnknown) {
			return err
		}
		if try == refreshTries {
			return media.ErrStorage.Because(err)
		}
	}
	c.sure = c.held != "" && c.st.Holder == c.held
	if c.sure {
		c.written = time.Now()
	}
	return nil
}

// write adds the entry after the known one: st with the bytes it brings. media.ErrTaken when somebody else was
// faster. cell.mu is held.
func (s *Store) write(ctx context.Context, id string, c *cell, st state, brings []byte) error {
	if c.held != "" && c.st.Holder != c.held {
		return media.ErrTaken // another one took over; what we know is its state already
	}
	st.Schema, st.Seq, st.By = stateSchema, c.st.Seq+1, random()
	b, err := encode(st, brings)
	if err != nil {
		return err
	}
	err = s.put(ctx, s.entryName(id, st.Seq), b)
	if errors.Is(err, errThere) {
		err = s.mine(ctx, id, st)
	}
	if err != nil {
		c.sure = false
		return err
	}
	c.st, c.written = st, time.Now()
	return nil
}

// mine tells, of an entry that is there already, whether it is ours: a try that seemed to fail may have come through.
func (s *Store) mine(ctx context.Context, id string, st state) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	o, err := s.client.StatObject(ctx, s.bucket, s.entryName(id, st.Seq), minio.StatObjectOptions{})
	var is state
	if err = told(err); err == nil {
		is, err = s.read(ctx, id, st.Seq, o.Size)
	}
	if errors.Is(err, media.ErrUnknown) || err == nil && is.By != st.By {
		return media.ErrTaken // and where it is removed already, others are further still
	}
	return err
}

// errThere says that an object is there already.
var errThere = errors.New("medias3: the object is there already")

// put writes a new object; errThere.
func (s *Store) put(ctx context.Context, name string, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	opts := minio.PutObjectOptions{DisableMultipart: true}
	opts.SetMatchETagExcept("*")
	_, err := s.client.PutObject(ctx, s.bucket, name, bytes.NewReader(b), int64(len(b)), opts)
	switch res := minio.ToErrorResponse(err); {
	case err == nil:
		return nil
	case res.StatusCode == http.StatusPreconditionFailed, res.Code == "PreconditionFailed":
		return errThere
	}
	return told(err)
}

// fetch fills p with the bytes of an object from off on; io.ErrUnexpectedEOF when it has fewer.
func (s *Store) fetch(ctx context.Context, name string, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var opts minio.GetObjectOptions
	if err := opts.SetRange(off, off+int64(len(p))-1); err != nil {
		return err
	}
	r, _, _, err := s.core.GetObject(ctx, s.bucket, name, opts)
	if res := minio.ToErrorResponse(err); err != nil && res.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return told(err)
	}
	defer r.Close()
	if _, err = io.ReadFull(r, p); err != nil && ctx.Err() == nil && (err == io.EOF || err == io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	return told(err)
}

func (s *Store) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := told(s.client.RemoveObject(ctx, s.bucket, name, minio.RemoveObjectOptions{}))
	if errors.Is(err, media.ErrUnknown) {
		return nil
	}
	return err
}

func random() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
