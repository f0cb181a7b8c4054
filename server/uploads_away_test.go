package server_test

import (
	"context"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

// away is a store that stops to answer after some appends, as a bucket does whose network is cut.
type away struct {
	media.Store
	gone   atomic.Bool
	before atomic.Int64 // appends that still come through
}

func (a *away) Open(ctx context.Context, id string) (media.File, error) {
	if a.gone.Load() {
		return nil, media.ErrStorage
	}
	f, err := a.Store.Open(ctx, id)
	return &awayFile{f, a}, err
}

func (a *away) Load(ctx context.Context, id string) ([]byte, error) {
	if a.gone.Load() {
		return nil, media.ErrStorage
	}
	return a.Store.Load(ctx, id)
}

type awayFile struct {
	media.File
	a *away
}

func (f *awayFile) Append(b []byte) error {
	if f.a.before.Add(-1) < 0 {
		f.a.gone.Store(true)
		return media.ErrStorage
	}
	return f.File.Append(b)
}

func (f *awayFile) Size() (int64, error) {
	if f.a.gone.Load() {
		return 0, media.ErrStorage
	}
	return f.File.Size()
}

func TestUploadWhileTheStoreIsAway(t *testing.T) {
	store := &away{}
	store.before.Store(2)
	s := servertest.Start(t, func(c *server.Config) {
		cs := c.Cases
		var err error
		store.Store, err = mediafs.Open(filepath.Join(t.TempDir(), "media"))
		must(t, err)
		c.Media, err = media.New(media.Config{
			Store: store, Key: cs.Key, Now: c.Now,
			Completed: func(ctx context.Context, st media.Status) error {
				_, err := cs.TakeStored(ctx, st.CaseID, st.ID, st.Length, st.SHA256, st.Head)
				return err
			},
		})
		must(t, err)
		t.Cleanup(func() { must(t, c.Media.Close()) })
	})
	p := s.Person(t)
	phone, _ := p.Phone()
	from := sender{t, s, phone}
	b := jpegOf(t, 1200)
	path := from.create("document_front", len(b))
	a := from.patch(path, 0, b).Want(t, 503, "unavailable")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	said, _ := strconv.Atoi(a.Header.Get("Upload-Offset"))
	a = from.patch(path, said, b[said:]).Want(t, 503, "unavailable")
	if o := a.Header.Get("Upload-Offset"); o != "" {
		t.Errorf("it says %s and cannot know", o)
	}
	store.gone.Store(false)
	store.before.Store(1 << 20)
	at := from.offset(path)
	if at == 0 || at < said {
		t.Fatalf("%d bytes are there, %d were said", at, said)
	}
	from.patch(path, at, b[at:]).Want(t, 204)
}
