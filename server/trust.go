package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/pem"
	"fmt"
	"html/template"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/language"
)

//go:embed trust.html
var trustHTML string

var trustPage = template.Must(template.New("trust").Parse(trustHTML))

// trustRoutes serve the page that tells a phone how to trust the certificate authority which this
// server made for itself. Without one there is no such page.
func (s *Server) trustRoutes(r fiber.Router) {
	block, _ := pem.Decode(s.cfg.TrustCA)
	if block == nil {
		return
	}
	fingerprint := Fingerprint(s.cfg.TrustCA)
	r.Get("/trust", func(c *fiber.Ctx) error {
		s.plainPage(c)
		c.Set(fiber.HeaderVary, fiber.HeaderAcceptLanguage)
		var page bytes.Buffer
		err := trustPage.Execute(&page, map[string]string{
			"Lang": pageLanguage(c.Query("lang"), c.Get(fiber.HeaderAcceptLanguage)), "Fingerprint": fingerprint,
		})
		c.Response().SetBodyRaw(page.Bytes())
		return err
	})
	r.Get("/trust/ca.crt", func(c *fiber.Ctx) error {
		// Not an attachment: iOS would put it among the files instead of offering to install it.
		c.Set(fiber.HeaderContentType, "application/x-x509-ca-cert")
		c.Response().SetBodyRaw(block.Bytes)
		return nil
	})
}

// Fingerprint returns the SHA-256 of a certificate in PEM, in pairs as phones show it; "" when it is none.
func Fingerprint(cert []byte) string {
	block, _ := pem.Decode(cert)
	if block == nil {
		return ""
	}
	return fmt.Sprintf("% X", sha256.Sum256(block.Bytes))
}

var pageLanguages = language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese})

// pageLanguage picks "en" or "zh-Hans": what was asked for, else what the browser prefers.
func pageLanguage(asked, accepted string) string {
	if len(accepted) > 256 {
		accepted = ""
	}
	if _, i := language.MatchStrings(pageLanguages, asked, accepted); i == 1 {
		return "zh-Hans"
	}
	return "en"
}
