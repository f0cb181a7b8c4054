package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/symbolon/symbolon/cases"
)

// TestPhotosInABucket moves a used server's photos into a bucket, works there, and comes back: by backup and restore.
func TestPhotosInABucket(t *testing.T) {
	memory := s3mem.New()
	must(t, memory.CreateBucket("evidence"))
	var down atomic.Bool
	inner := gofakes3.New(memory).Server()
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, q)
	}))
	defer bucket.Close()
	const secret = "correct-horse-battery"
	env := []string{"SYMBOLON_S3_URL=" + bucket.URL + "/evidence/kyc", "SYMBOLON_S3_ACCESS_KEY=symbolon", "SYMBOLON_S3_SECRET_KEY=" + secret}
	objects := func(id string) (names []string, size int64) {
		t.Helper()
		l, err := memory.ListBucket("evidence", nil, gofakes3.ListBucketPage{})
		must(t, err)
		for _, o := range l.Contents {
			if strings.HasPrefix(o.Key, "kyc/"+id+"/") {
				names, size = append(names, o.Key), size+o.Size
			}
		}
		return names, size
	}

	f := newFilled(t)
	folder := f.backedUp(t)
	to := f.fresh(t, f.operatorKey(t))
	status, out, errs := to.command(t, env, "restore", "--from", folder)
	if status != 0 || !strings.Contains(out, "Opened 2 accounts, 2 cases and 2 photos.") {
		t.Fatalf("restore: %d %s %s", status, out, errs)
	}
	for name := range to.files(t) {
		if strings.Contains(name, "/media/") {
			t.Errorf("%s is in the folder", name)
		}
	}
	if status, _, errs := f.fresh(t, f.operatorKey(t)).command(t, env, "restore", "--from", folder); status != 1 || !strings.Contains(errs, "holds uploads already") {
		t.Errorf("into a bucket in use: %d %s", status, errs)
	}

	c, err := readConfig("serve", []string{"--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data", to.data}, env, io.Discard)
	must(t, err)
	var log bytes.Buffer
	p, err := build(t.Context(), c, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, err)
	read := func(id string) []byte {
		t.Helper()
		o, err := p.media.Open(t.Context(), id)
		must(t, err)
		defer o.Close()
		b, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
		must(t, err)
		return b
	}
	for _, id := range f.uploads {
		if !bytes.HasPrefix(read(id), []byte("\xff\xd8\xff")) {
			t.Errorf("%s is no photo", id)
		}
	}
	photo := picture(cases.DocumentFront)
	fresh := upload(t, p, cases.Actor{Kind: cases.ByApplicant, ID: to.account}, to.caseID, cases.DocumentFront, photo)
	work(t, p) // destroys the one that it replaces
	if !bytes.Equal(read(fresh), photo) {
		t.Error("another photo")
	}
	if _, size := objects(f.uploads[0]); size == 0 || size > 2000 {
		t.Errorf("of the replaced photo %d bytes are left", size)
	}
	ready := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		p.server.OpsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		return w
	}
	if w := ready(); w.Code != 200 {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	down.Store(true)
	bucket.CloseClientConnections()
	if w := ready(); w.Code != 503 || !strings.Contains(w.Body.String(), `"media"`) {
		t.Errorf("away: %d %s", w.Code, w.Body)
	}
	if status, _, errs := to.command(t, env, "backup", "--out", filepath.Join(t.TempDir(), "none")); status != 1 || !strings.Contains(errs, "the bucket of photos and recordings does not open") || strings.Contains(errs, secret) {
		t.Errorf("backup of a bucket that is away: %d %s", status, errs)
	}
	down.Store(false)
	to.stop(t, p)
	if strings.Contains(log.String(), secret) {
		t.Error("the log tells the key of the bucket")
	}

	again := filepath.Join(t.TempDir(), "backup")
	if status, out, errs := to.command(t, env, "backup", "--out", again); status != 0 || !strings.Contains(out, "Copied 2 cases and 5 files") {
		t.Fatalf("backup: %d %s %s", status, out, errs)
	}
	home := f.fresh(t, f.operatorKey(t))
	if status, out, errs := home.command(t, nil, "restore", "--from", again); status != 0 || !strings.Contains(out, "2 photos.") {
		t.Fatalf("back into a folder: %d %s %s", status, out, errs)
	}
	if status, out, errs := to.command(t, env, "erase", "--case", to.caseID, "--rule", "request", "--despite-retention"); status != 0 || !strings.Contains(out, "was erased") {
		t.Fatalf("erase: %d %s %s", status, out, errs)
	}
	for _, id := range []string{fresh, f.uploads[1]} {
		if names, size := objects(id); size > 2000 {
			t.Errorf("erased, and there is %v with %d bytes", names, size)
		}
	}
}
