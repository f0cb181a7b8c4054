package server

import (
	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
)

type reasonView struct {
	Code  string                    `json:"code"`
	Type  cases.ReasonType          `json:"type"`
	Redo  *string                   `json:"redo"`
	Texts map[string]reasonTextView `json:"texts"`
	Maps  map[string]string         `json:"maps"`
}

type reasonTextView struct {
	Wrong  string `json:"wrong"`
	Better string `json:"better"`
}

// reasons is the catalogue for clients, so that they need no table of their own. Which codes are
// hidden is not in it: those carry the general text like any other.
func (s *Server) reasons(c *fiber.Ctx) error {
	all := cases.Reasons()
	out := make([]reasonView, len(all))
	for i, r := range all {
		out[i] = reasonView{Code: r.Code, Type: r.Type, Texts: map[string]reasonTextView{}, Maps: map[string]string{}}
		if r.Redo != "" {
			out[i].Redo = &r.Redo
		}
		for lang, t := range r.Says {
			out[i].Texts[lang] = reasonTextView(t)
		}
		for vendor, code := range r.Maps {
			out[i].Maps[vendor] = code
		}
	}
	return c.JSON(map[string]any{"reasons": out})
}
