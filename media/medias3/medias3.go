// Package medias3 keeps uploads in a bucket of an S3-compatible store.
//
// An upload is a log of numbered entries, each one object that is written once and never changed:
//
//	upl_01K…/log-7ffffffffffffffe   entry 1
//	upl_01K…/log-7ffffffffffffffd   entry 2; the newest is the first that a listing names
//	upl_01K…/data-5f0c…             what a complete upload was composed to
//
// An entry has the bytes that it adds and the whole state after it (entry.go), so the newest one
// says everything. Entry n+1 is written by a PUT that fails if the object is there. Of several writers
// that stand at n one therefore wins, and the others learn that they are late: no clock and no lock server decides that,
// and a process that slept for an hour cannot harm what others did meanwhile.
//
// Lock is an entry that names its holder. The holder writes another one now and then. One that
// did not for a while is dead, and whoever comes next writes the next entry over its head.
//
// The store must list what was just written and must honour "If-None-Match: *"; Open tries the latter.
package medias3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/symbolon/symbolon/media"
)

// Config says which bucket, and who is asking.
type Config struct {
	// URL is http(s)://HOST[:PORT]/BUCKET[/PREFIX][?region=NAME].
	URL string
	// AccessKey and SecretKey sign every request.
	AccessKey, SecretKey string
}

// How long one request may take, and how often it is tried.
const (
	callTime = 20 * time.Second
	bulkTime = 10 * time.Minute // composing a recording
	tries    = 3
)

// How a holder is known to live. Both are counted on one machine's clock.
const (
	beatEvery = 2 * time.Second
	deadAfter = 6 * time.Second // without an entry while somebody waits
)

// Store is a bucket, or the part of one below a prefix.
type Store struct {
	client    *minio.Client
	core      minio.Core
	bucket    string
	prefix    string // "" or ends with a slash
	beatEvery time.Duration
	deadAfter time.Duration

	mu    sync.Mutex // guards what follows
	cells map[string]*cell
}

var (
	_ media.Store  = (*Store)(nil)
	_ media.Locker = (*Store)(nil)
)

// Failures of Open, in words for who sets the store up.
var (
	ErrNoBucket    = errors.New("the bucket does not exist; make it first")
	ErrVersioned   = errors.New("the bucket keeps old versions of objects, so that nothing in it would ever be destroyed; take one without versioning")
	ErrConditional = errors.New("this store writes over objects in spite of If-None-Match; two nodes would spoil each other's uploads there")
)

// Parse reads the address of a bucket.
func Parse(address string) (endpoint *url.URL, bucket, prefix string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" {
		return nil, "", "", errors.New("write https://HOST/BUCKET, with /PREFIX after it where the bucket is shared")
	}
	if u.User != nil {
		return nil, "", "", errors.New("write the address without keys; they are settings of their own")
	}
	for name := range u.Query() {
		if name != "region" {
			return nil, "", "", errors.New("after the question mark only region=NAME is known")
		}
	}
	bucket, prefix, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
	if bucket == "" {
		return nil, "", "", errors.New("write the bucket after the host: https://HOST/BUCKET")
	}
	if prefix != "" {
		prefix += "/"
	}
	return u, bucket, prefix, nil
}

// Open reaches the bucket and makes sure that uploads are safe in it.
func Open(ctx context.Context, c Config) (*Store, error) {
	transport, err := minio.DefaultTransport(strings.HasPrefix(c.URL, "https:"))
	if err != nil {
		return nil, fmt.Errorf("medias3: %w", err)
	}
	transport.MaxIdleConnsPerHost = 64
	transport.DisableCompression = true
	s, err := open(ctx, c, transport)
	if err != nil {
		transport.CloseIdleConnections()
	}
	return s, err
}

func open(ctx context.Context, c Config, transport http.RoundTripper) (*Store, error) {
	u, bucket, prefix, err := Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("medias3: %w", err)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure: u.Scheme == "https", Transport: transport,
		Region: u.Query().Get("region"), MaxRetries: tries,
	})
	if err != nil {
		return nil, fmt.Errorf("medias3: %w", err)
	}
	s := &Store{
		client: client, core: minio.Core{Client: client}, bucket: bucket, prefix: prefix,
		beatEvery: beatEvery, deadAfter: deadAfter, cells: map[string]*cell{},
	}
	if err := s.examine(ctx); err != nil {
		return nil, fmt.Errorf("medias3: bucket %s: %w", bucket, err)
	}
	return s, nil
}

// probe is an object that is only ever written to see that it is not written twice.
const probe = "symbolon-probe"

func (s *Store) examine(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if err := s.Ping(ctx); err != nil {
		return err
	}
	// A store that does not know versions says so with an error, which is as good.
	if v, err := s.client.GetBucketVersioning(ctx, s.bucket); err == nil && v.Enabled() {
		return ErrVersioned
	}
	for range 2 {
		err := s.put(ctx, s.prefix+probe, []byte("once"))
		if errors.Is(err, errThere) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ErrConditional
}

// Ping reports whether the bucket answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	ok, err := s.client.BucketExists(ctx, s.bucket)
	if err != nil {
		return told(err)
	}
	if !ok {
		return ErrNoBucket
	}
	return nil
}

// Create implements media.Store.
func (s *Store) Create(ctx context.Context, id string, info []byte) error {
	if !valid(id) {
		return media.ErrUnknown
	}
	c := s.cell(id)
	defer s.release(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.st.Seq != 0 {
		return fs.ErrExist
	}
	err := s.write(ctx, id, c, state{Info: info}, nil)
	if errors.Is(err, media.ErrTaken) {
		return fs.ErrExist
	}
	return err
}

// Load implements media.Store.
func (s *Store) Load(ctx context.Context, id string) ([]byte, error) {
	if !valid(id) {
		return nil, media.ErrUnknown
	}
	c := s.cell(id)
	defer s.release(c)
	st, err := s.current(ctx, id, c)
	return st.Info, err
}

// Save implements media.Store.
func (s *Store) Save(ctx context.Context, id string, info []byte) error {
	return s.change(ctx, id, func(st state) (state, error) {
		st.Info = info
		return st, nil
	})
}

// change writes one entry on what is there.
func (s *Store) change(ctx context.Context, id string, fn func(state) (state, error)) error {
	if !valid(id) {
		return media.ErrUnknown
	}
	c := s.cell(id)
	defer s.release(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.refresh(ctx, id, c); err != nil {
		return err
	}
	st, err := fn(c.st)
	if err != nil {
		return err
	}
	return s.write(ctx, id, c, st, nil)
}

// Open implements media.Store. The returned file sees the upload as it is now, and what itself changes.
func (s *Store) Open(ctx context.Context, id string) (media.File, error) {
	if !valid(id) {
		return nil, media.ErrUnknown
	}
	c := s.cell(id)
	st, err := s.current(ctx, id, c)
	if err == nil && st.Gone {
		err = media.ErrUnknown
	}
	if err != nil {
		s.release(c)
		return nil, err
	}
	return &file{s: s, id: id, c: c, st: st}, nil
}

// Destroy implements media.Store. The entry that says so stays, with the info.
func (s *Store) Destroy(ctx context.Context, id string) error {
	err := s.change(ctx, id, func(st state) (state, error) {
		if st.Gone {
			return st, errDone
		}
		return state{Holder: st.Holder, Info: st.Info, Gone: true}, nil
	})
	if err != nil && !errors.Is(err, errDone) && !errors.Is(err, media.ErrUnknown) {
		return err
	}
	return s.sweep(ctx, id, false)
}

// errDone says that there is nothing to write.
var errDone = errors.New("done already")

// Forget implements media.Store.
func (s *Store) Forget(ctx context.Context, id string) error {
	if err := s.Destroy(ctx, id); err != nil {
		return err
	}
	return s.sweep(ctx, id, true)
}

// sweep removes all objects of an upload but its newest entry, and with everything that one, too. It goes
// last: an older state must never become the newest.
func (s *Store) sweep(ctx context.Context, id string, everything bool) error {
	newest, _, err := s.newest(ctx, id)
	if err != nil {
		return err
	}
	last := s.entryName(id, newest)
	if err := s.removeAll(ctx, id+"/", func(name string) bool { return name != last }); err != nil || !everything {
		return err
	}
	c := s.cell(id)
	defer s.release(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.st, c.sure = state{}, false
	return s.remove(ctx, last)
}

// removeAll removes the objects below a folder that are chosen.
func (s *Store) removeAll(ctx context.Context, folder string, chosen func(name string) bool) error {
	var failed error
	objects := func(yield func(minio.ObjectInfo) bool) {
		for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + folder, Recursive: true}) {
			if o.Err != nil {
				failed = told(o.Err)
				return
			}
			if chosen(o.Key) && !yield(o) {
				return
			}
		}
	}
	results, err := s.client.RemoveObjectsWithIter(ctx, s.bucket, objects, minio.RemoveObjectsOptions{})
	if err != nil {
		return told(err)
	}
	for r := range results {
		if r.Err != nil && failed == nil {
			failed = told(r.Err)
		}
	}
	return failed
}

// Each implements media.Store.
func (s *Store) Each(ctx context.Context, fn func(id string) error) error {
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix}) {
		if o.Err != nil {
			return told(o.Err)
		}
		id, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, s.prefix), "/")
		if !ok || !valid(id) {
			continue
		}
		if err := fn(id); err != nil {
			return err
		}
	}
	return nil
}

// valid reports whether id can be a part of a name.
func valid(id string) bool {
	if len(id) < 2 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}

// told turns what the store says into what package media knows.
func told(err error) error {
	if err == nil {
		return nil
	}
	res := minio.ToErrorResponse(err)
	switch {
	case res.StatusCode == http.StatusInsufficientStorage, fullCodes[res.Code]:
		return media.ErrNoSpace.Because(err)
	case res.Code == "NoSuchBucket":
		return media.ErrStorage.Because(ErrNoBucket)
	case res.Code == "NoSuchKey", res.StatusCode == http.StatusNotFound:
		return media.ErrUnknown.Because(err)
	}
	return media.ErrStorage.Because(fmt.Errorf("medias3: %w", err))
}

// fullCodes are how stores say that there is no room, besides the status 507.
var fullCodes = map[string]bool{
	"XMinioStorageFull": true, "XMinioAdminBucketQuotaExceeded": true, "QuotaExceeded": true, "InsufficientCapacity": true, "StorageFull": true,
}
