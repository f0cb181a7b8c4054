package server

import (
	"strings"

	"github.com/gofiber/fiber/v2"
)

// apiPolicy is the content policy of everything that is not a page.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// workerPolicy is the content policy of the phone app's service worker: it fetches our own files and runs nothing.
const workerPolicy = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"

// faceWorkerPolicy is the content policy of the worker that follows a face: our own files, and WebAssembly.
const faceWorkerPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"

// permissions switches off what no page of ours uses; camera and microphone are for us alone.
const permissions = "accelerometer=(), autoplay=(self), browsing-topics=(), camera=(self), display-capture=(), " +
	"geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(self), midi=(), payment=(), " +
	"publickey-credentials-get=(), screen-wake-lock=(self), serial=(), usb=(), xr-spatial-tracking=()"

// reviewPermissions are those of the reviewers' page: no camera and no microphone, but passkeys.
var reviewPermissions = strings.NewReplacer(
	"camera=(self)", "camera=()", "microphone=(self)", "microphone=()", "publickey-credentials-get=()", "publickey-credentials-get=(self)",
).Replace(permissions)

// headers sets what every answer carries. Handlers of pages and evidence replace the
// policy and the caching by their own.
func (s *Server) headers(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, apiPolicy)
	c.Set(fiber.HeaderPermissionsPolicy, permissions)
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	c.Set(fiber.HeaderCacheControl, "no-store")
	// A browser that once heard this from a locally made certificate could never reach the
	// machine by plain HTTP again, so only a real one says it.
	if s.public.Scheme == "https" && s.cfg.TrustCA == nil && s.secure(c) && host(c) == plainHost(s.public.Host) {
		c.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000")
	}
	return c.Next()
}

// pagePolicy is the content policy of a page: our own files only. The socket's address is
// written out because some browsers do not count it under 'self'.
func (s *Server) pagePolicy(c *fiber.Ctx) string {
	socket := strings.Replace(s.origin(c), "http", "ws", 1)
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
		"connect-src 'self' " + socket + "; font-src 'self'; manifest-src 'self'; worker-src 'self' blob:; " +
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}
