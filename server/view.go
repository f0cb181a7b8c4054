package server

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/handoff"
)

// What the world sees of a case and a handoff. Every answer is built here, member by member, so
// that nothing that is stored gets out by being there.

type caseView struct {
	ID      string           `json:"id"`
	Version int64            `json:"version"`
	Seq     int64            `json:"seq"`
	Kind    cases.Kind       `json:"kind"`
	Level   int              `json:"level"`
	State   cases.LevelState `json:"state"`
	// AccountHint is how recordings name the account: "48 21".
	AccountHint string             `json:"account_hint"`
	Levels      []levelView        `json:"levels"`
	Steps       []stepView         `json:"steps"`
	Identity    *maskedIdentity    `json:"identity"`
	Draft       bool               `json:"draft"` // something was typed of Level 1 and not stored yet
	Consents    []consentStateView `json:"consents"`
	Restricted  bool               `json:"restricted"` // an erasure was asked for that the law forbids for now
	Frozen      bool               `json:"frozen"`     // it was reported, and nothing is taken until a reviewer clears that
	Handoff     *handoffView       `json:"handoff"`
}

type levelView struct {
	Level       int              `json:"level"`
	State       cases.LevelState `json:"state"`
	Reasons     []cases.Reason   `json:"reasons"`
	SubmittedAt *time.Time       `json:"submitted_at,omitempty"`
	DecidedAt   *time.Time       `json:"decided_at,omitempty"`
	// MayObject says that another look at its refusal can be asked for.
	MayObject bool `json:"may_object,omitempty"`
	// NeedsLevel is the level that has to be handed in before somebody decides about this one.
	NeedsLevel int `json:"needs_level,omitempty"`
}

type stepView struct {
	ID    string          `json:"id"`
	Level int             `json:"level"`
	Kind  string          `json:"kind"`
	State cases.StepState `json:"state"`
	// Instructions names the words of the step: its id, with the sort of document where that matters.
	Instructions string         `json:"instructions"`
	Channels     []string       `json:"channels"`
	MediaID      *string        `json:"media_id"`
	Takes        []takeView     `json:"takes"`
	Reasons      []cases.Reason `json:"reasons"`
	// Providers could verify the step in our place; Provider does it now.
	Providers []string      `json:"providers"`
	Provider  *providerView `json:"provider"`
}

type takeView struct {
	UploadID   string          `json:"upload_id"`
	MediaID    *string         `json:"media_id"`
	State      cases.TakeState `json:"state"`
	Role       string          `json:"role,omitempty"`
	Filetype   string          `json:"filetype,omitempty"`
	Size       int64           `json:"size,omitempty"`
	CreatedAt  time.Time       `json:"created_at"`
	ExpiresAt  *time.Time      `json:"expires_at,omitempty"`
	AcceptedAt *time.Time      `json:"accepted_at,omitempty"`
}

type maskedIdentity struct {
	Name     string         `json:"name"`
	Document maskedDocument `json:"document"`
	Business *companyView   `json:"business,omitempty"`
}

type companyView struct {
	LegalName string `json:"legal_name"`
}

type maskedDocument struct {
	Type    string         `json:"type"`
	Number  string         `json:"number"`
	Warning checks.Warning `json:"warning,omitempty"` // only what the applicant can do something about
}

type handoffView struct {
	ID            string        `json:"id"`
	CaseID        string        `json:"case_id"`
	Epoch         int64         `json:"epoch"`
	State         handoff.State `json:"state"`
	Steps         []string      `json:"steps"`
	Provider      *string       `json:"provider"` // who else than this server verifies the face: "alipay"
	URL           *string       `json:"url"`
	TextCode      *string       `json:"text_code"`
	QR            *qrView       `json:"qr"`
	CodeExpiresAt *time.Time    `json:"code_expires_at"`
	ExpiresAt     time.Time     `json:"expires_at"`
	Match         *matchView    `json:"match"`
	Device        *deviceView   `json:"device"`
	Opened        bool          `json:"opened"`
	PhonePresent  bool          `json:"phone_present"`
	Alerts        []alertView   `json:"alerts"`
}

type qrView struct {
	PNG string `json:"png"`
	SVG string `json:"svg"`
}

type matchView struct {
	Number    string    `json:"number"`
	ExpiresAt time.Time `json:"expires_at"`
}

type deviceView struct {
	Kind    string `json:"kind"`
	OS      string `json:"os"`
	Browser string `json:"browser"`
	Network string `json:"network"`
}

type alertView struct {
	Type   string     `json:"type"`
	Device deviceView `json:"device"`
	At     time.Time  `json:"at"`
}

type deskView struct {
	Browser string `json:"browser"`
	OS      string `json:"os"`
}

type captureView struct {
	Handoff  handoffView `json:"handoff"`
	Operator string      `json:"operator"`
	Account  string      `json:"account"`
	// AccountHint is how recordings name the account: "48 21".
	AccountHint string             `json:"account_hint"`
	Desk        deskView           `json:"desk"`
	Steps       []captureStepView  `json:"steps"`
	Consents    []consentStateView `json:"consents"` // of its steps
	Budget      budgetView         `json:"budget"`
}

type captureStepView struct {
	ID           string          `json:"id"`
	Kind         string          `json:"kind"`
	State        cases.StepState `json:"state"`
	Instructions string          `json:"instructions"`
	Limits       cases.Limits    `json:"limits"`
	Takes        []takeView      `json:"takes"`
	Provider     *providerView   `json:"provider"`
	Reasons      []cases.Reason  `json:"reasons,omitempty"` // why it is to be done again
	Alternatives []string        `json:"alternatives,omitempty"`
	Face         *faceStepView   `json:"face,omitempty"`
}

type budgetView struct {
	Bytes int64 `json:"bytes"`
	Used  int64 `json:"used"`
}

// caseSnapshot is the whole truth of a case for its applicant. seq is the number to read it
// under; 0 takes a new one, before anything is read.
func (s *Server) caseSnapshot(ctx context.Context, p principal, caseID string, seq int64) (caseView, error) {
	seq, err := s.seq(ctx, caseID, seq)
	if err != nil {
		return caseView{}, err
	}
	c, err := s.caseFor(ctx, p, caseID)
	if err != nil {
		return caseView{}, err
	}
	return s.viewOf(ctx, p, c, seq)
}

func (s *Server) seq(ctx context.Context, caseID string, seq int64) (int64, error) {
	if seq > 0 {
		return seq, nil
	}
	return s.cfg.Hub.Next(ctx, caseID)
}

// viewOf is a case as its applicant sees it. p may be of any of the account's sessions.
func (s *Server) viewOf(ctx context.Context, p principal, c cases.Case, seq int64) (caseView, error) {
	v := caseView{
		ID: c.ID, Version: c.Version, Seq: seq, Draft: c.Draft != nil, Kind: c.Kind, AccountHint: cases.AccountHint(c.AccountID), Level: c.Level, State: outerState(c.State),
		Consents: s.consentStates(p, c), Restricted: !c.RestrictedAt.IsZero(), Frozen: s.cfg.Cases.Frozen(c),
		Levels: make([]levelView, len(c.Levels)), Steps: make([]stepView, len(c.Steps)),
	}
	for i, l := range c.Levels {
		v.Levels[i] = levelView{
			Level: l.Level, State: l.State.Outer(), Reasons: list(l.Told()),
			SubmittedAt: when(l.SubmittedAt), DecidedAt: when(l.DecidedAt), MayObject: c.MayObject(l.Level), NeedsLevel: c.Lacks(l),
		}
	}
	for i, st := range c.Steps {
		v.Steps[i] = s.stepOf(p, c, st)
	}
	if c.Facts != nil {
		warning := c.Facts.Document.RegionWarning()
		if warning == checks.RegionAbandoned {
			warning = "" // they keep the number they were given
		}
		v.Identity = &maskedIdentity{
			Name:     maskName(c.Facts.Name),
			Document: maskedDocument{Type: c.Facts.Document.Type, Number: maskNumber(c.Facts.Document.Number), Warning: warning},
		}
		if b := c.Facts.Business; b != nil {
			v.Identity.Business = &companyView{b.LegalName}
		}
	}
	h, err := s.current(ctx, c.ID)
	if err != nil {
		return caseView{}, err
	}
	if h != nil {
		hv := s.deskHandoff(p, *h)
		v.Handoff = &hv
	}
	return v, nil
}

// outerState is a level's state as the state of a case: what was just handed in is being checked.
func outerState(state cases.LevelState) cases.LevelState {
	switch state {
	case cases.Open, cases.Locked:
		return cases.Collecting
	case cases.Submitted:
		return cases.Checking
	}
	return state.Outer()
}

// stepOf is a step as the principal sees it: with the takes it may look at.
func (s *Server) stepOf(p principal, c cases.Case, st cases.Step) stepView {
	v := stepView{
		ID: st.ID, Level: st.Level, Kind: st.Kind, State: st.State, Instructions: instructions(c, st), Channels: list(st.Channels),
		Takes: ownTakes(p, c, st), Reasons: list(st.Reasons), Providers: s.providersOf(c, st), Provider: providerOf(c, st),
	}
	for _, t := range v.Takes {
		if t.State == cases.TakeAccepted {
			v.MediaID = t.MediaID
		}
	}
	return v
}

// instructions is the code of a step's words. The sides of the resident ID card have names of their
// own; those of every other card are told apart by the portrait alone.
func instructions(c cases.Case, st cases.Step) string {
	side := st.ID == cases.DocumentFront || st.ID == cases.DocumentBack
	if side && c.DocumentType != "" && c.DocumentType != cases.CNResidentID {
		return st.ID + ".card"
	}
	return st.ID
}

// ownTakes is what the principal may still look at: an applicant's own takes until their level is
// submitted, a phone's of this handoff until they are accepted.
func ownTakes(p principal, c cases.Case, st cases.Step) []takeView {
	takes := []takeView{}
	if st.Kind == cases.KindFace {
		return takes // frames and what came of them are for who decides
	}
	for _, t := range st.Takes {
		if mayLook(p, c, st, t) {
			takes = append(takes, takeOf(t))
		}
	}
	return takes
}

// mayLook reports whether the bytes of a take may be shown to the principal.
func mayLook(p principal, c cases.Case, st cases.Step, t cases.Take) bool {
	if t.Owner != p.owner() {
		return false
	}
	if p.kind == phone {
		return t.Epoch == p.handoff.Epoch && t.State != cases.TakeAccepted
	}
	for _, l := range c.Levels {
		if l.Level == st.Level {
			return l.State == cases.Open || l.State == cases.Resubmit
		}
	}
	return false
}

func takeOf(t cases.Take) takeView {
	v := takeView{
		UploadID: t.UploadID, State: t.State, Role: t.Role, Filetype: t.Filetype, Size: t.Size,
		CreatedAt: t.CreatedAt.UTC(), ExpiresAt: when(t.ExpiresAt), AcceptedAt: when(t.AcceptedAt),
	}
	if t.MediaID != "" {
		v.MediaID = &t.MediaID
	}
	return v
}

// deskHandoff is a handoff as a session of its account sees it. What could be used to join it is for
// the session that offered it, and only while it is of use.
func (s *Server) deskHandoff(p principal, h handoff.Handoff) handoffView {
	v := s.handoffOf(h)
	for _, a := range h.Alerts {
		v.Alerts = append(v.Alerts, alertView{Type: a.Type, Device: deviceOf(a.Device), At: a.At.UTC()})
	}
	if h.SessionID != p.session.ID {
		return v
	}
	switch h.State {
	case handoff.Offered:
		v.URL, v.TextCode = &h.URL, &h.TextCode
		v.QR = &qrView{PNG: "/v1/handoffs/" + h.ID + "/qr.png", SVG: "/v1/handoffs/" + h.ID + "/qr.svg"}
		v.CodeExpiresAt = when(h.CodeExpiresAt)
	case handoff.Claimed:
		v.Match = &matchView{Number: h.Number, ExpiresAt: h.NumberExpiresAt.UTC()}
	}
	return v
}

// phoneHandoff is a handoff as the phone that claimed it sees it.
func (s *Server) phoneHandoff(h handoff.Handoff) handoffView { return s.handoffOf(h) }

func (s *Server) handoffOf(h handoff.Handoff) handoffView {
	v := handoffView{
		ID: h.ID, CaseID: h.CaseID, Epoch: h.Epoch, State: h.State, Steps: list(h.Steps), ExpiresAt: h.ExpiresAt.UTC(),
		Opened: h.Opened && h.State == handoff.Offered, Alerts: []alertView{},
	}
	if h.Provider != "" {
		v.Provider = &h.Provider
	}
	if h.Device != nil {
		d := deviceOf(*h.Device)
		v.Device = &d
	}
	if h.State == handoff.Claimed || h.State == handoff.Active {
		v.PhonePresent = s.cfg.Hub.Present(h.CaseID).Phone
	}
	return v
}

func deviceOf(d handoff.Device) deviceView {
	if d.Network != "same" {
		d.Network = "other"
	}
	return deviceView{Kind: d.Kind, OS: d.OS, Browser: d.Browser, Network: d.Network}
}

func deskOf(d handoff.Device) deskView { return deskView{Browser: d.Browser, OS: d.OS} }

// captureSnapshot is the whole truth for a phone, with the seq that it was read under. Before the
// match it says who asks and no more.
func (s *Server) captureSnapshot(ctx context.Context, p principal, seq int64) (captureView, int64, error) {
	seq, err := s.seq(ctx, p.handoff.CaseID, seq)
	if err != nil {
		return captureView{}, 0, err
	}
	// The principal's handoff was read before seq was taken: read it again, as a socket does for
	// every snapshot, so that what is shown is not older than its number.
	h, err := s.cfg.Handoffs.Get(ctx, p.handoff.ID)
	if err != nil {
		return captureView{}, 0, err
	}
	if h.State.Ended() {
		return captureView{}, 0, captureEnded(h.State)
	}
	p.handoff = &h
	c, err := s.caseFor(ctx, p, h.CaseID)
	if err != nil {
		return captureView{}, 0, err
	}
	account, err := s.cfg.Cases.Account(ctx, h.AccountID)
	if err != nil {
		return captureView{}, 0, err
	}
	v := captureView{
		Handoff: s.phoneHandoff(h), Operator: s.cfg.Operator.Name, Account: maskEmail(account.Email), AccountHint: cases.AccountHint(account.ID),
		Desk: deskOf(h.Desk), Steps: []captureStepView{}, Consents: []consentStateView{},
	}
	if h.State != handoff.Active {
		return v, seq, nil
	}
	v.Budget.Bytes, v.Budget.Used = s.cfg.Cases.Budget(c)
	v.Consents = s.consentStates(p, c)
	for _, id := range h.Steps {
		for _, st := range c.Steps {
			if st.ID == id {
				v.Steps = append(v.Steps, captureStepView{
					ID: st.ID, Kind: st.Kind, State: st.State, Instructions: instructions(c, st),
					Limits: s.cfg.Cases.StepLimits(c, st.ID), Takes: ownTakes(p, c, st), Reasons: st.Reasons, Provider: providerOf(c, st), Alternatives: s.cfg.Cases.Alternatives(st), Face: s.faceStepOf(st),
				})
			}
		}
	}
	return v, seq, nil
}

// when is nil for a time that has not come.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// list is never null in JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// maskName keeps the first character of each word: 张*, M*** J*****.
func maskName(name string) string {
	words := strings.Fields(name)
	for i, w := range words {
		_, first := utf8.DecodeRuneInString(w)
		words[i] = w[:first] + strings.Repeat("*", max(utf8.RuneCountInString(w)-1, 0))
	}
	if len(words) == 1 && utf8.RuneCountInString(words[0]) == 1 {
		return "*"
	}
	return strings.Join(words, " ")
}

// maskNumber keeps what tells two documents apart and not the birth date: the first six and last
// four of a long number, the last two of a shorter one.
func maskNumber(number string) string {
	r := []rune(number)
	head, tail := 6, 4
	switch {
	case len(r) <= 4:
		head, tail = 0, 0
	case len(r) < 15:
		head, tail = 0, 2
	}
	for i := head; i < len(r)-tail; i++ {
		r[i] = '*'
	}
	return string(r)
}

// maskEmail keeps the first character and the domain.
func maskEmail(email string) string {
	local, domain, ok := strings.Cut(email, "@")
	if !ok {
		return "***"
	}
	_, first := utf8.DecodeRuneInString(local)
	return local[:first] + "***@" + domain
}
