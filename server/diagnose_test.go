package server_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

func TestAnybodyMayMeasureHowFastBytesArrive(t *testing.T) {
	s := servertest.Start(t)
	p := s.NewProgram(t)
	for _, n := range []int{1, 60_000, 64 << 10} {
		a := p.Do("POST", "/v1/diagnose", bytes.Repeat([]byte{7}, n), "Content-Type", "application/octet-stream").Want(t, 200)
		if got := fmt.Sprint(a.Get("bytes")); got != fmt.Sprint(n) {
			t.Errorf("of %d bytes it counted %s", n, got)
		}
	}
	p.Do("POST", "/v1/diagnose", make([]byte, 64<<10+1), "Content-Type", "application/octet-stream").Want(t, 413)
	p.Do("POST", "/v1/diagnose", none).Want(t, 415, "content_type_unsupported")
	p.Do("POST", "/v1/diagnose", []byte("{}"), "Content-Type", "-").Want(t, 415, "content_type_unsupported")
}

// The service worker fetches our files and nothing else; a page of its own name says whether a device can record.
func TestTheWorkerHasAPolicyOfItsOwn(t *testing.T) {
	s := servertest.Start(t, func(c *server.Config) {
		c.Pages = fstest.MapFS{
			"sw.js": {Data: []byte("self")}, "diagnose.html": {Data: []byte("<!doctype html>")}, "phone.webmanifest": {Data: []byte("{}")},
		}
	})
	p := s.NewProgram(t)
	a := p.Do("GET", "/sw.js", nil).Want(t, 200)
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'self'") || strings.Contains(policy, "script-src") {
		t.Errorf("the worker's policy is %q", policy)
	}
	if a.Header.Get("Cache-Control") != "no-cache" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("the worker comes with %v", a.Header)
	}
	if policy := p.Do("GET", "/diagnose", nil).Want(t, 200).Header.Get("Content-Security-Policy"); !strings.Contains(policy, "media-src 'self' blob:") {
		t.Errorf("the page's policy is %q", policy)
	}
	if kind := p.Do("GET", "/phone.webmanifest", nil).Want(t, 200).Header.Get("Content-Type"); kind != "application/manifest+json" {
		t.Errorf("the manifest is %q", kind)
	}
}
