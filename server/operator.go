package server

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/sessions"
)

type operatorView struct {
	Name      string          `json:"name"`
	Purpose   string          `json:"purpose"`
	Support   string          `json:"support"`
	Retention []retentionView `json:"retention"`
	// ReviewMinutes is the measured median of a review: nil while nothing measures it.
	ReviewMinutes *int     `json:"review_minutes"`
	Ways          []string `json:"ways"`
	// Mail says whether this server sends mail: to confirm an address, and to set a new password.
	Mail bool `json:"mail"`
	// Documents are the policy's rules in their order: the first that names a nationality, or "*", counts.
	Documents  []documentRuleView `json:"documents"`
	MinimumAge int                `json:"minimum_age"`
	Minors     minorsView         `json:"minors"`
	// BeneficialOwners is who counts as an owner of a company.
	BeneficialOwners ownersView `json:"beneficial_owners"`
}

type minorsView struct {
	Way  string `json:"way"`
	From int    `json:"from"`
}

type ownersView struct {
	Threshold string `json:"threshold"`
	AtLeast   bool   `json:"at_least"`
}

type documentRuleView struct {
	Nationalities []string `json:"nationalities"`
	Types         []string `json:"types"`
}

type retentionView struct {
	Data        string `json:"data"`
	KeepMinutes *int   `json:"keep_minutes"`
	KeepYears   *int   `json:"keep_years,omitempty"`
	From        string `json:"from"` // what the time counts from
}

// operator tells anybody who runs this server, how long what is kept, which ways to a phone are set
// up, and who may verify with which documents. What the operator ends by hand has no number.
func (s *Server) operator(c *fiber.Ctx) error {
	minutes := func(d time.Duration) *int { m := int(d.Minutes()); return &m }
	policy := s.cfg.Cases.Policy()
	keep := policy.Retention
	var median *int
	if d, ok := s.cfg.Cases.ReviewMedian(c.UserContext()); ok {
		m := max(1, int(d.Round(time.Minute).Minutes()))
		median = &m
	}
	documents := make([]documentRuleView, len(policy.Documents))
	for i, r := range policy.Documents {
		documents[i] = documentRuleView{r.Nationalities, r.Types}
	}
	ways := []string{"qr", "text_code", "link"}
	if s.cfg.Cases.HasAlipay() {
		ways = append(ways, alipayProvider)
	}
	return c.JSON(operatorView{
		Name: s.cfg.Operator.Name, Purpose: s.cfg.Operator.Purpose, Support: s.cfg.Operator.Support,
		Mail: s.cfg.Cases.HasMail(),
		Retention: []retentionView{
			{"account", nil, nil, "creation"},
			{"case", nil, &keep.CustomerYears, "relation_ended"}, {"evidence", nil, &keep.CustomerYears, "relation_ended"},
			{"abandoned_case", minutes(time.Duration(keep.AbandonedDays) * 24 * time.Hour), nil, "last_activity"},
			{"rejected_case", minutes(time.Duration(keep.RejectedDays) * 24 * time.Hour), nil, "decision"},
			{"unfinished_uploads", minutes(cases.UnfinishedFor), nil, "creation"},
			{"sessions", minutes(sessions.BearerAbsolute), nil, "creation"},
			{"handoffs", minutes(handoff.AbsoluteFor + handoff.KeepEndedFor), nil, "creation"},
		},
		ReviewMinutes: median, Ways: ways,
		Documents: documents, MinimumAge: policy.MinimumAge, Minors: minorsView{policy.Minors.Way, policy.Minors.From},
		BeneficialOwners: ownersView{policy.BeneficialOwners.Threshold, policy.BeneficialOwners.AtLeast},
	})
}
