package server

import (
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/handoff"
)

// consentStateView is where a consent stands, as a case and a phone's view hold it.
type consentStateView struct {
	ID    string             `json:"id"`
	State cases.ConsentState `json:"state"`
}

type consentView struct {
	ID      string             `json:"id"`
	State   cases.ConsentState `json:"state"`
	Version int                `json:"version"`
	// Needed is what it is for: "level_1", or a kind of step.
	Needed   string `json:"needed_for"`
	Apart    bool   `json:"apart"`
	Declined string `json:"declined"`
	// At and Language are of the present answer.
	At       *time.Time                   `json:"at"`
	Language *string                      `json:"language"`
	Texts    map[string]cases.ConsentText `json:"texts"`
}

// asked is the consents that the principal may answer: an applicant all of the case, a phone those of its steps.
func (s *Server) asked(p principal, c cases.Case) []cases.AskedConsent {
	all := s.cfg.Cases.Consents(c)
	if p.kind != phone {
		return all
	}
	return slices.DeleteFunc(all, func(a cases.AskedConsent) bool {
		return !slices.ContainsFunc(c.Steps, func(st cases.Step) bool {
			return st.Kind == a.Rule.Subject() && slices.Contains(p.handoff.Steps, st.ID)
		})
	})
}

func (s *Server) consentStates(p principal, c cases.Case) []consentStateView {
	out := []consentStateView{}
	for _, a := range s.asked(p, c) {
		out = append(out, consentStateView{a.Rule.ID, a.State})
	}
	return out
}

func (s *Server) consentOf(a cases.AskedConsent) consentView {
	v := consentView{
		ID: a.Rule.ID, State: a.State, Version: a.Rule.Version, Needed: a.Rule.Subject(), Apart: a.Rule.Apart(), Declined: a.Rule.Declined,
		At: when(a.Answer.At), Texts: s.cfg.Cases.Policy().Words(a.Rule, s.cfg.Operator.Name),
	}
	if a.Answer.Language != "" {
		v.Language = &a.Answer.Language
	}
	return v
}

// consenter is the applicant, or the phone that works on the case, and the case.
func (s *Server) consenter(c *fiber.Ctx) (principal, cases.Case, error) {
	p, err := s.caller(c)
	if err != nil {
		return p, cases.Case{}, err
	}
	own, err := s.caseFor(c.UserContext(), p, param(c, "id"))
	if err == nil && p.kind == phone && p.handoff.State != handoff.Active {
		err = handoff.ErrNotMatched
	}
	return p, own, err
}

func (s *Server) consents(c *fiber.Ctx) error {
	p, own, err := s.consenter(c)
	if err != nil {
		return err
	}
	out := struct {
		Consents []consentView `json:"consents"`
	}{[]consentView{}}
	for _, a := range s.asked(p, own) {
		out.Consents = append(out.Consents, s.consentOf(a))
	}
	return c.JSON(out)
}

// answerConsent gives, declines or withdraws a consent. It answers with the consent as it stands now.
func (s *Server) answerConsent(c *fiber.Ctx) error {
	p, own, err := s.consenter(c)
	if err != nil {
		return err
	}
	var in struct {
		Given    *bool  `json:"given"`
		Version  int    `json:"version"`
		Language string `json:"language"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	if in.Given == nil {
		return errJSON
	}
	id := param(c, "consent")
	is := func(a cases.AskedConsent) bool { return a.Rule.ID == id }
	if !slices.ContainsFunc(s.asked(p, own), is) {
		return cases.ErrConsentUnknown
	}
	own, err = s.cfg.Cases.AnswerConsent(c.UserContext(), p.actor(), own.ID, cases.ConsentAnswer{
		ID: id, Given: *in.Given, Version: in.Version, Language: in.Language,
	})
	if err != nil {
		return err
	}
	all := s.cfg.Cases.Consents(own)
	return c.JSON(s.consentOf(all[slices.IndexFunc(all, is)]))
}
