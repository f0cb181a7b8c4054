package server

import (
	"net/http"
	"slices"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
)

// alipayProvider is the name of Alipay's way.
const alipayProvider = "alipay"

// alipayReturn is where Alipay's app sends the person afterwards.
const alipayReturn = "/h/alipay/return"

// providerView is how far somebody else is who verifies a step.
type providerView struct {
	Name  string            `json:"name"`
	Phase cases.AlipayPhase `json:"phase"`
}

// providerOf is who else verifies a step, nil where nobody does now.
func providerOf(c cases.Case, st cases.Step) *providerView {
	if st.ID != cases.Face {
		return nil
	}
	phase := c.AlipayPhase()
	if phase == "" {
		return nil
	}
	return &providerView{alipayProvider, phase}
}

// providersOf lists who else could verify a step.
func (s *Server) providersOf(c cases.Case, st cases.Step) []string {
	if st.ID == cases.Face && s.cfg.Cases.OffersAlipay(c) == nil {
		return []string{alipayProvider}
	}
	return []string{}
}

// mayProvide reports whether a handoff of these steps may be offered for a provider.
func (s *Server) mayProvide(c cases.Case, provider string, steps []string) error {
	if provider == "" {
		return nil
	}
	if err := s.cfg.Cases.OffersAlipay(c); err != nil {
		return err
	}
	if !slices.Contains(steps, cases.Face) {
		return fault.Fields(fault.Field{Field: "provider", Code: "without_face", Detail: "Alipay verifies the face, which is not among the steps."})
	}
	return nil
}

var errNotByAlipay = fault.New(fault.Conflict, "alipay_not_chosen", "At the computer another way was chosen.")

// captureAlipay has Alipay begin, and tells the phone where to go.
func (s *Server) captureAlipay(c *fiber.Ctx) error {
	p, err := s.caller(c, phone)
	if err != nil {
		return err
	}
	if _, err := decodeOptional(c, &empty{}); err != nil {
		return err
	}
	ctx, h := c.UserContext(), *p.handoff
	switch {
	case h.State != handoff.Active:
		return handoff.ErrNotMatched
	case h.Provider != alipayProvider:
		return errNotByAlipay
	}
	if _, err := s.stepFor(ctx, p, h.CaseID, cases.Face); err != nil {
		return err
	}
	page, link, err := s.cfg.Cases.StartAlipay(ctx, p.actor(), h.CaseID, cases.AlipayRequest{Owner: h.ID, ReturnTo: s.public.String() + alipayReturn})
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"certify_url": page, "alipay_link": link})
}

// alipayReturned is where somebody comes back from Alipay, perhaps in another browser than they left. Whoever opens the
// address proves nothing by it: the result is asked for, and the answer is the same in any case.
func (s *Server) alipayReturned(c *fiber.Ctx) error {
	if err := s.cfg.Cases.AlipayReturned(c.UserContext(), c.Query("r")); err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Redirect("/h?alipay", http.StatusSeeOther)
}
