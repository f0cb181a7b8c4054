package server

import (
	"mime"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/fault"
)

var errBytesType = fault.New(fault.Unsupported, "content_type_unsupported", "This address takes application/octet-stream.")

// measureRate counts the bytes of its body and keeps none of them: how long they took is for the
// caller to see. They are bounded as the body of every call is.
func (s *Server) measureRate(c *fiber.Ctx) error {
	kind, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil || kind != fiber.MIMEOctetStream {
		return errBytesType
	}
	return c.JSON(fiber.Map{"bytes": len(c.Body())})
}
