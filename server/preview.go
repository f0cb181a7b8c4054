package server

import (
	"github.com/gofiber/fiber/v2"
)

type previewView struct {
	Template    string       `json:"template"`
	AccountHint string       `json:"account_hint"`
	Prompts     []promptView `json:"prompts"`
}

type promptView struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	Lang string `json:"lang"`
	Kind string `json:"kind"`
}

// previewScript shows at the desk what is going to be read aloud, before anybody goes for a phone.
func (s *Server) previewScript(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	own, err := s.caseOf(c.UserContext(), p, param(c, "id"))
	if err != nil {
		return err
	}
	script, err := s.cfg.Cases.PreviewScript(own, param(c, "step"), c.Query("lang"))
	if err != nil {
		return err
	}
	v := previewView{Template: script.Template, AccountHint: script.AccountHint, Prompts: []promptView{}}
	for _, prompt := range script.Prompts {
		v.Prompts = append(v.Prompts, promptView{ID: prompt.ID, Text: prompt.Text, Lang: prompt.Lang, Kind: prompt.Kind})
	}
	return c.JSON(v)
}
