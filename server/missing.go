package server

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"
)

//go:embed missing.html
var missingHTML string

var missingTemplate = template.Must(template.New("missing").Parse(missingHTML))

// wantsPage says whether somebody opened an address in a browser: a GET that asks for HTML, outside of the API.
func wantsPage(c *fiber.Ctx) bool {
	return c.Method() == http.MethodGet && !strings.HasPrefix(c.Path(), "/v1/") && strings.Contains(c.Get(fiber.HeaderAccept), fiber.MIMETextHTML)
}

// missingPage answers with a page that leads on, in place of the problem that programs get. The status stays.
func (s *Server) missingPage(c *fiber.Ctx) {
	var page bytes.Buffer
	if err := missingTemplate.Execute(&page, pageLanguage("", c.Get(fiber.HeaderAcceptLanguage))); err != nil {
		return // the problem stands
	}
	s.plainPage(c)
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderVary, fiber.HeaderAccept+", "+fiber.HeaderAcceptLanguage)
	c.Response().SetBodyRaw(page.Bytes())
}
