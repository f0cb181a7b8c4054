package server_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

// pages is what a build of the browser apps leaves.
func pages(c *server.Config) {
	c.Pages = fstest.MapFS{
		".gitkeep":         {},
		"index.html":       {Data: []byte("<!doctype html><title>desk</title>")},
		"h.html":           {Data: []byte("<!doctype html><title>phone</title>")},
		"review.html":      {Data: []byte("<!doctype html><title>review</title>")},
		"assets/desk-1.js": {Data: []byte("export const a = 1;" + strings.Repeat("// repeated\n", 500))},
		"assets/mark.svg":  {Data: []byte("<svg/>")},
	}
}

func TestAnswersCarryTheirHeaders(t *testing.T) {
	s := servertest.Start(t, pages)
	p := s.Applicant(t)
	for _, path := range []string{"/", "/h", "/v1/me", "/v1/operator", "/v1/nothing", "/healthz"} {
		h := p.Do("GET", path, nil).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "Permissions-Policy": "camera=(self)", "Referrer-Policy": "no-referrer",
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Request-Id": "",
		} {
			if got := h.Values(name); len(got) != 1 || !strings.Contains(got[0], want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		for _, name := range []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin", "Strict-Transport-Security"} {
			if h.Get(name) != "" {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
	if got := p.Do("GET", "/v1/me", nil).Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a private answer may be kept: %q", got)
	}
	for directive, want := range map[string]string{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' blob: data:", "media-src": "'self' blob:",
		"connect-src": "'self' ws://" + s.Host(), "worker-src": "'self' blob:", "base-uri": "'none'", "frame-ancestors": "'none'",
	} {
		if csp := p.Do("GET", "/", nil).Header.Get("Content-Security-Policy"); !strings.Contains(csp+";", directive+" "+want+";") {
			t.Errorf("%s is not %q in %s", directive, want, csp)
		}
	}
}

func TestOnlyARealCertificateIsPromised(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*server.Config)
		via    string
		want   bool
	}{
		"plain":      {func(*server.Config) {}, "http", false},
		"public TLS": {func(c *server.Config) { c.PublicURL = strings.Replace(c.PublicURL, "http:", "https:", 1) }, "https", true},
		"local TLS": {func(c *server.Config) {
			c.PublicURL = strings.Replace(c.PublicURL, "http:", "https:", 1)
			c.TrustCA = []byte("PEM")
		}, "https", false},
		"other host": {func(c *server.Config) {
			c.Hosts = []string{strings.TrimPrefix(c.PublicURL, "http://")}
			c.PublicURL = "https://kyc.example.com"
		}, "https", false},
		"plain entry": {func(c *server.Config) { c.PublicURL = strings.Replace(c.PublicURL, "http:", "https:", 1) }, "http", false},
	} {
		s := servertest.Start(t, func(c *server.Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
			row.change(c)
		})
		h := s.NewProgram(t).Do("GET", "/healthz", nil, "X-Forwarded-Proto", row.via).Header
		if got := h.Get("Strict-Transport-Security") != ""; got != row.want {
			t.Errorf("%s: HSTS %v", name, got)
		}
	}
}

func TestPages(t *testing.T) {
	s := servertest.Start(t, pages)
	b := s.NewBrowser(t)
	desk := b.Do("GET", "/", nil).Want(t, 200)
	if !strings.Contains(string(desk.Body), "desk") || desk.Header.Get("Content-Type") != "text/html; charset=utf-8" || desk.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v %s", desk.Header, desk.Body)
	}
	if phone := b.Do("GET", "/h", nil).Want(t, 200); !strings.Contains(string(phone.Body), "phone") {
		t.Errorf("%s", phone.Body)
	}
	// Passkeys are for the page of people who work here, camera and microphone for the others.
	for path, want := range map[string]string{"/": "publickey-credentials-get=()", "/review": "publickey-credentials-get=(self)"} {
		h := b.Do("GET", path, nil).Want(t, 200).Header
		if p := h.Get("Permissions-Policy"); !strings.Contains(p, want) || strings.Contains(p, "microphone=(self)") != (path == "/") || strings.Contains(p, "camera=(self)") != (path == "/") {
			t.Errorf("%s may use %s", path, p)
		}
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") {
			t.Errorf("%s has the policy %s", path, csp)
		}
	}
	b.Do("GET", "/", nil, "If-None-Match", desk.Header.Get("ETag")).Want(t, 304)
	js := b.Do("GET", "/assets/desk-1.js", nil).Want(t, 200)
	if js.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || !strings.Contains(js.Header.Get("Cache-Control"), "immutable") || js.Header.Get("Content-Encoding") != "" {
		t.Errorf("%v", js.Header)
	}
	small := b.Do("GET", "/assets/desk-1.js", nil, "Accept-Encoding", "gzip").Want(t, 200)
	if small.Header.Get("Content-Encoding") != "gzip" || len(small.Body) >= len(js.Body) || small.Header.Get("Vary") == "" {
		t.Errorf("%v, %d bytes", small.Header, len(small.Body))
	}
	for _, path := range []string{"/index.html", "/h.html", "/.gitkeep", "/assets/", "/assets/none.js", "/assets/..%2findex.html"} {
		b.Do("GET", path, nil).Want(t, 404, "not_found")
	}
	b.Do("POST", "/", none).Want(t, 405, "method_not_allowed")
}

func TestAServerWithoutPagesSaysSo(t *testing.T) {
	s := servertest.Start(t)
	s.NewBrowser(t).Do("GET", "/", nil).Want(t, 404, "not_found")
}
