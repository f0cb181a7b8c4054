package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// phonePage is the phone's app, reviewPage that of people who work here, and faceWorker how the names of the workers begin that follow a face for it.
const (
	phonePage  = "h.html"
	reviewPage = "review.html"
	faceWorker = "assets/face-worker"
)

// page is one file of the built browser apps, kept in memory.
type page struct {
	body    []byte
	gzipped []byte // nil where it does not help
	mime    string
	etag    string
}

// loadPages reads the built apps. Nil is a server without pages.
func loadPages(files fs.FS) (map[string]page, error) {
	pages := map[string]page{}
	if files == nil {
		return pages, nil
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		pages[name] = newPage(name, body)
		return nil
	})
	return pages, err
}

func newPage(name string, body []byte) page {
	sum := sha256.Sum256(body)
	p := page{body: body, mime: typeOf(name), etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	if len(body) > 1024 && !strings.HasPrefix(p.mime, "image/png") && !strings.HasPrefix(p.mime, "font/") {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a constant level is never refused
		_, _ = w.Write(body)                                  // a Buffer takes everything
		_ = w.Close()
		if b.Len() < len(body) {
			p.gzipped = b.Bytes()
		}
	}
	return p
}

// typeOf is the content type by name: a short list of ours before the machine's, which differs.
func typeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// pageRoutes serves the apps: the desk at /, the phone at /h, the reviewers' desk at /review, what tells whether a
// device can record at /diagnose, and their files.
func (s *Server) pageRoutes(r fiber.Router) {
	r.Get("/", func(c *fiber.Ctx) error { return s.sendPage(c, "index.html") })
	r.Get("/h", func(c *fiber.Ctx) error { return s.sendPage(c, "h.html") })
	r.Get("/review", func(c *fiber.Ctx) error { return s.sendPage(c, reviewPage) })
	r.Get("/diagnose", func(c *fiber.Ctx) error { return s.sendPage(c, "diagnose.html") })
	r.Get("/assets/face/:version/:name", s.sendNetwork)
	for name := range s.pages {
		if !strings.HasSuffix(name, ".html") {
			r.Get("/"+name, func(c *fiber.Ctx) error { return s.sendPage(c, name) })
		}
	}
}

func (s *Server) sendPage(c *fiber.Ctx, name string) error {
	p, ok := s.pages[name]
	if !ok {
		return errNotFound
	}
	c.Set(fiber.HeaderContentType, p.mime)
	c.Set(fiber.HeaderETag, p.etag)
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	if strings.HasPrefix(name, "assets/") { // named after their content
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	} else {
		c.Set(fiber.HeaderCacheControl, "no-cache")
	}
	switch {
	case name == phonePage:
		// The networks that follow a face run as WebAssembly.
		c.Set(fiber.HeaderContentSecurityPolicy, strings.Replace(s.pagePolicy(c), "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", 1))
	case name == reviewPage:
		// The one page on which somebody signs in with a passkey. It records nobody.
		c.Set("Permissions-Policy", reviewPermissions)
		c.Set(fiber.HeaderContentSecurityPolicy, s.pagePolicy(c))
	case strings.HasSuffix(name, ".html"):
		c.Set(fiber.HeaderContentSecurityPolicy, s.pagePolicy(c))
	case strings.HasPrefix(name, faceWorker):
		c.Set(fiber.HeaderContentSecurityPolicy, faceWorkerPolicy)
	}
	if name == "sw.js" { // it lives under the policy that it came with
		c.Set(fiber.HeaderContentSecurityPolicy, workerPolicy)
	}
	if c.Get(fiber.HeaderIfNoneMatch) == p.etag {
		return c.SendStatus(fiber.StatusNotModified)
	}
	body := p.body
	if p.gzipped != nil && strings.Contains(c.Get(fiber.HeaderAcceptEncoding), "gzip") {
		c.Set(fiber.HeaderContentEncoding, "gzip")
		body = p.gzipped
	}
	c.Response().SetBodyRaw(body)
	return nil
}

func (s *Server) healthz(c *fiber.Ctx) error {
	return c.JSON(fiber.Map{"status": "ok"})
}

// readyz says whether the parts answer; which one does not is in the log alone.
func (s *Server) readyz(c *fiber.Ctx) error {
	failing := s.cfg.Ready(c.UserContext())
	if len(failing) == 0 {
		return c.JSON(fiber.Map{"status": "ok"})
	}
	err := error(nil)
	for name, cause := range failing {
		err = fmt.Errorf("%s: %w", name, cause)
		s.cfg.Log.Warn("not ready", "part", name, "error", cause.Error())
	}
	return errUnavailable.Because(err)
}
