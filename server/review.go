package server

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/media"
)

// reviewHistory is how many entries of a history are shown at once.
const reviewHistory = 1000

// staffView is somebody who works here, as the others see them.
type staffView struct {
	AccountID string `json:"account_id"`
	Name      string `json:"name"` // the e-mail address up to its @
}

// colleagues names people who work here, each looked up once.
type colleagues map[string]staffView

func (s *Server) name(ctx context.Context, known colleagues, id string) (staffView, error) {
	if v, ok := known[id]; ok {
		return v, nil
	}
	v := staffView{AccountID: id}
	a, err := s.cfg.Cases.Account(ctx, id)
	switch {
	case err == nil:
		v.Name, _, _ = strings.Cut(a.Email, "@")
	case !errors.Is(err, cases.ErrAccountUnknown): // of somebody who was erased the id is all there is
		return v, err
	}
	known[id] = v
	return v, nil
}

type leaseView struct {
	staffView
	TakenAt time.Time `json:"taken_at"`
	Until   time.Time `json:"until"`
	Mine    bool      `json:"mine"`
}

func (s *Server) leaseOf(ctx context.Context, known colleagues, by colleague, l cases.Lease) (*leaseView, error) {
	who, err := s.name(ctx, known, l.Holder)
	if err != nil {
		return nil, err
	}
	return &leaseView{who, l.TakenAt.UTC(), l.Until.UTC(), l.Holder == by.account.ID}, nil
}

type queueItemView struct {
	ID           string           `json:"id"`
	Version      int64            `json:"version"`
	Kind         cases.Kind       `json:"kind,omitempty"`
	State        cases.LevelState `json:"state"`
	Level        int              `json:"level"`
	WaitingSince *time.Time       `json:"waiting_since"`
	UpdatedAt    *time.Time       `json:"updated_at,omitempty"`
	Reasons      []string         `json:"reasons"`
	Language     string           `json:"language"`
	Reported     bool             `json:"reported"`
	TakenBy      *leaseView       `json:"taken_by"`
}

type queueCountView struct {
	State cases.LevelState `json:"state"`
	Level int              `json:"level"`
	N     int64            `json:"n"`
}

// queueView is how long the queue is.
type queueView struct {
	Total         int64            `json:"total"`
	Taken         int64            `json:"taken"`
	OldestSeconds int64            `json:"oldest_seconds"`
	MedianSeconds int64            `json:"median_seconds"`
	Counts        []queueCountView `json:"counts"`
	// ReviewSeconds is the measured median from waiting to a decision; null while there are too few.
	ReviewSeconds *int64 `json:"review_seconds"`
}

func (s *Server) viewOfQueue(ctx context.Context) (queueView, error) {
	f, err := s.cfg.Cases.QueueFigures(ctx)
	if err != nil {
		return queueView{}, err
	}
	v := queueView{
		Total: f.Total, Taken: f.Taken, OldestSeconds: int64(f.Oldest.Seconds()), MedianSeconds: int64(f.Median.Seconds()), Counts: []queueCountView{},
	}
	for _, c := range f.Counts {
		v.Counts = append(v.Counts, queueCountView(c))
	}
	if d, ok := s.cfg.Cases.ReviewMedian(ctx); ok {
		n := int64(d.Seconds())
		v.ReviewSeconds = &n
	}
	return v, nil
}

// queueStates are the states that a case can wait in, otherStates those in which it is listed by its last change.
var (
	queueStates = []cases.LevelState{cases.InReview, cases.AwaitingSecond, cases.Escalated, cases.Suspended, cases.Reported}
	otherStates = []cases.LevelState{cases.Collecting, cases.Checking, cases.Resubmit, cases.Approved, cases.Rejected, cases.Revoked}
)

// reviewQueue lists what waits for people, the longest first, or cases in another state.
func (s *Server) reviewQueue(c *fiber.Ctx) error {
	by, err := s.staff(c, cases.Reviewer, cases.Supervisor)
	if err != nil {
		return err
	}
	r, err := queueRequest(c, by)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	out := struct {
		Cases []queueItemView `json:"cases"`
		Next  *string         `json:"next"`
		Queue queueView       `json:"queue"`
	}{Cases: []queueItemView{}}
	known := colleagues{}
	next := ""
	if slices.Contains(otherStates, r.State) {
		page, after, err := s.cfg.Cases.InState(ctx, r.State, r.Cursor, r.Limit)
		if err != nil {
			return err
		}
		next = after
		for _, sum := range page {
			out.Cases = append(out.Cases, queueItemView{
				ID: sum.ID, Version: sum.Version, State: sum.State, Level: sum.Level, UpdatedAt: when(sum.UpdatedAt), Reasons: []string{},
			})
		}
	} else {
		q, err := s.cfg.Cases.Queue(ctx, r)
		if err != nil {
			return err
		}
		next = q.Next
		for _, i := range q.Items {
			w := i.Waiting
			v := queueItemView{
				ID: i.ID, Version: i.Version, Kind: w.Kind, State: w.State, Level: w.Level, WaitingSince: when(w.Since),
				Reasons: list(w.Reasons), Language: w.Language, Reported: w.Reported,
			}
			if l, ok := q.Leases[i.ID]; ok {
				if v.TakenBy, err = s.leaseOf(ctx, known, by, l); err != nil {
					return err
				}
			}
			out.Cases = append(out.Cases, v)
		}
	}
	if next != "" {
		out.Next = &next
	}
	if out.Queue, err = s.viewOfQueue(ctx); err != nil {
		return err
	}
	return c.JSON(out)
}

// queueRequest reads what is asked of the queue.
func queueRequest(c *fiber.Ctx, by colleague) (cases.QueueRequest, error) {
	var r cases.QueueRequest
	bad := func(field, detail string) error {
		return fault.Fields(fault.Field{Field: field, Code: "filter_unknown", Detail: detail})
	}
	text := func(name string) string { return strings.Clone(c.Query(name)) }
	r.State, r.Kind, r.Reason, r.Language = cases.LevelState(text("state")), cases.Kind(text("kind")), text("reason"), text("language")
	if r.State != "" && !slices.Contains(queueStates, r.State) && !slices.Contains(otherStates, r.State) {
		return r, bad("state", "There is no such state.")
	}
	if r.Kind != "" && r.Kind != cases.Person && r.Kind != cases.Business {
		return r, bad("kind", "A kind is person or business.")
	}
	if _, ok := cases.ReasonByCode(r.Reason); r.Reason != "" && !ok {
		return r, bad("reason", "There is no such reason.")
	}
	if len(r.Language) > 35 {
		return r, bad("language", "This is no language.")
	}
	switch text("reported") {
	case "", "false":
	case "true":
		r.Reported = true
	default:
		return r, bad("reported", "Write true, or leave it out.")
	}
	switch taken := text("taken"); taken {
	case "", "free", "any":
		r.Taken = taken
	case "me":
		r.Taken = by.account.ID
	default:
		return r, bad("taken", "Write me, free or any.")
	}
	level, err := number(c, "level", 1, 3, 0)
	if err != nil {
		return r, err
	}
	limit, err := number(c, "limit", 1, 200, 50)
	if err != nil {
		return r, err
	}
	r.Level, r.Limit, r.Cursor = int(level), int(limit), text("cursor")
	return r, nil
}

// reviewReasons is the catalogue as reviewers choose from it.
func (s *Server) reviewReasons(c *fiber.Ctx) error {
	if _, err := s.staff(c, cases.Reviewer, cases.Supervisor); err != nil {
		return err
	}
	type row struct {
		reasonView
		Hidden bool `json:"hidden"`
	}
	out := []row{}
	for _, r := range cases.Reasons() {
		v := row{reasonView: reasonView{Code: r.Code, Type: r.Type, Texts: map[string]reasonTextView{}, Maps: map[string]string{}}, Hidden: r.Hidden}
		if r.Redo != "" {
			v.Redo = &r.Redo
		}
		for lang, t := range r.Says {
			v.Texts[lang] = reasonTextView(t)
		}
		for vendor, code := range r.Maps {
			v.Maps[vendor] = code
		}
		out = append(out, v)
	}
	return c.JSON(fiber.Map{"reasons": out})
}

// The case as reviewers see it.

type reviewCaseView struct {
	ID         string              `json:"id"`
	Version    int64               `json:"version"`
	Kind       cases.Kind          `json:"kind"`
	State      cases.LevelState    `json:"state"`
	Level      int                 `json:"level"`
	CreatedAt  time.Time           `json:"created_at"`
	UpdatedAt  time.Time           `json:"updated_at"`
	ReportedAt *time.Time          `json:"reported_at"`
	ReleasedAt *time.Time          `json:"released_at"`
	HeldAt     *time.Time          `json:"held_at"`
	Policy     string              `json:"policy"`
	Levels     []reviewLevelView   `json:"levels"`
	Waiting    *reviewWaitingView  `json:"waiting"`
	Lease      *leaseView          `json:"lease"`
	History    []reviewEventView   `json:"history"`
	Evidence   *reviewEvidenceView `json:"evidence"` // null unless the caller has taken the case
}

type reviewWaitingView struct {
	State    cases.LevelState `json:"state"`
	Level    int              `json:"level"`
	Since    time.Time        `json:"since"`
	Reasons  []string         `json:"reasons"`
	Language string           `json:"language"`
	Reported bool             `json:"reported"`
}

type reviewLevelView struct {
	Level       int              `json:"level"`
	State       cases.LevelState `json:"state"`
	Reasons     []cases.Reason   `json:"reasons"`
	SubmittedAt *time.Time       `json:"submitted_at"`
	DecidedAt   *time.Time       `json:"decided_at"`
	WaitsSince  *time.Time       `json:"waits_since"`
	FourEyes    bool             `json:"four_eyes"`   // two people have to approve it
	NeedsLevel  int              `json:"needs_level"` // that has to be handed in before it can be approved; 0 for none
	Approvals   []approvalView   `json:"approvals"`
}

type approvalView struct {
	staffView
	At time.Time `json:"at"`
}

type reviewEventView struct {
	N       int64             `json:"n"`
	At      time.Time         `json:"at"`
	Version int64             `json:"version"`
	Event   string            `json:"event"`
	Actor   reviewActorView   `json:"actor"`
	Level   int               `json:"level,omitempty"`
	Step    string            `json:"step,omitempty"`
	Reasons []string          `json:"reasons"`
	Data    map[string]string `json:"data"`
	Note    *string           `json:"note"` // null without one, or unless the caller has taken the case
}

type reviewActorView struct {
	Kind cases.ActorKind `json:"kind"`
	*staffView
}

type reviewEvidenceView struct {
	Fields     []reviewFieldView     `json:"fields"`
	Steps      []reviewStepView      `json:"steps"`
	Checks     []reviewCheckView     `json:"checks"`
	Consents   []reviewConsentView   `json:"consents"`
	Objections []reviewObjectionView `json:"objections"`
	Required   []reviewLookView      `json:"required"`  // what has to be looked at before approving
	FaceHits   []cases.FaceHit       `json:"face_hits"` // other cases with a face that is near
}

type reviewFieldView struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Masked bool   `json:"masked"`

	Warning *reviewWarningView `json:"warning"` // null for nearly all
}

type reviewWarningView struct {
	Code        checks.Warning `json:"code"`
	AbandonedBy int            `json:"abandoned_by,omitempty"` // a year
}

type reviewStepView struct {
	ID           string           `json:"id"`
	Level        int              `json:"level"`
	Kind         string           `json:"kind"`
	State        cases.StepState  `json:"state"`
	Instructions string           `json:"instructions"`
	Attempts     int              `json:"attempts"`
	Alternative  string           `json:"alternative"`
	Reasons      []cases.Reason   `json:"reasons"`
	Takes        []reviewTakeView `json:"takes"`
}

type reviewTakeView struct {
	MediaID    string           `json:"media_id"`
	Role       string           `json:"role"`
	Filetype   string           `json:"filetype"`
	Size       int64            `json:"size"`
	SHA256     string           `json:"sha256"`
	CreatedAt  time.Time        `json:"created_at"`
	AcceptedAt *time.Time       `json:"accepted_at"`
	Parts      []reviewPartView `json:"parts"`
	// Script is what a recording followed, and when each prompt was shown.
	Script *reviewScriptView `json:"script"`
	Face   *reviewFaceView   `json:"face"`
	// Found is what playing a recording found; null where nothing played it.
	Found *reviewFoundView `json:"found"`
}

type reviewFoundView struct {
	DurationMS  int64                   `json:"duration_ms"`
	Peaks       []byte                  `json:"peaks"` // a byte each, 255 for full scale
	PeakEveryMS int64                   `json:"peak_every_ms"`
	Prompts     []reviewPromptFoundView `json:"prompts"`
}

type reviewPromptFoundView struct {
	ID       string `json:"id"`
	FromMS   int64  `json:"from_ms"`
	ToMS     int64  `json:"to_ms"`
	SpokenMS int64  `json:"spoken_ms"`
	Speech   string `json:"speech"`
	// Said is how much of it a recogniser heard, from 0 to 1; null where none listened.
	Said *float64 `json:"said"`
}

type reviewPartView struct {
	MediaID  string `json:"media_id"`
	Role     string `json:"role"`
	Action   string `json:"action"`
	AtMS     int64  `json:"at_ms"`
	Filetype string `json:"filetype"`
	Size     int64  `json:"size"`
}

type reviewScriptView struct {
	Version     string             `json:"version"`
	Number      string             `json:"number"`
	AccountHint string             `json:"account_hint"`
	Prompts     []reviewPromptView `json:"prompts"`
}

type reviewPromptView struct {
	N         int    `json:"n"` // from 1, as reasons count them
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Text      string `json:"text"`
	Lang      string `json:"lang"`
	ShownAtMS *int64 `json:"shown_at_ms"`
}

type reviewFaceView struct {
	Verdict     string            `json:"verdict"`
	Alternative string            `json:"alternative"`
	Actions     []string          `json:"actions"`
	Model       string            `json:"model"`
	Compared    bool              `json:"compared"`
	Distance    *float64          `json:"distance"` // with its limits, or not at all
	Accept      *float64          `json:"accept"`
	Reject      *float64          `json:"reject"`
	Chosen      []int             `json:"chosen"`
	Checks      []reviewCheckView `json:"checks"`
	Portrait    *reviewAreaView   `json:"portrait"`
}

// reviewAreaView is a part of a photo, which its digest names.
type reviewAreaView struct {
	cases.Area
	SHA256 string `json:"sha256"`
}

type reviewCheckView struct {
	Level    int                `json:"level,omitempty"`
	Step     string             `json:"step"`
	Check    string             `json:"check"`
	Verdict  string             `json:"verdict"`
	Code     string             `json:"code"`
	Measures map[string]float64 `json:"measures"`
}

type reviewConsentView struct {
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Version  int       `json:"version"`
	Language string    `json:"language"`
	At       time.Time `json:"at"`
}

type reviewObjectionView struct {
	Level int       `json:"level"`
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
}

type reviewLookView struct {
	Level    int      `json:"level"`
	Step     *string  `json:"step"` // null for what Level 1 states
	MediaIDs []string `json:"media_ids"`
	Seen     bool     `json:"seen"`
}

func checkViews(level int, all []cases.Check) []reviewCheckView {
	out := []reviewCheckView{}
	for _, ch := range all {
		measures := ch.Measures
		if measures == nil {
			measures = map[string]float64{}
		}
		out = append(out, reviewCheckView{level, ch.Step, ch.Check, string(ch.Verdict), ch.Code, measures})
	}
	return out
}

// reviewCase shows a case; evidence only to who has taken it, which the access log notes.
func (s *Server) reviewCase(c *fiber.Ctx) error {
	by, err := s.staff(c, cases.Reviewer, cases.Supervisor)
	if err != nil {
		return err
	}
	return s.sendReview(c, by, param(c, "id"), http.StatusOK)
}

// sendReview answers a case for reviewers.
func (s *Server) sendReview(c *fiber.Ctx, by colleague, id string, status int) error {
	r, err := s.reviewResult(c, by, id, status)
	if err != nil {
		return err
	}
	for name, value := range r.header {
		c.Set(name, value)
	}
	return c.Status(r.status).JSON(r.body)
}

// reviewResult is sendReview for calls that are answered once.
func (s *Server) reviewResult(c *fiber.Ctx, by colleague, id string, status int) (result, error) {
	ctx := c.UserContext()
	k, err := s.cfg.Cases.Get(ctx, id)
	if err != nil {
		return result{}, err
	}
	held := true
	if _, err := s.cfg.Cases.Holding(ctx, by.account, id); errors.Is(err, cases.ErrNotLeased) {
		held = false
	} else if err != nil {
		return result{}, err
	}
	if held {
		if err := s.cfg.Cases.LookOnce(ctx, id, by.actor(), cases.LookCase, id); err != nil {
			return result{}, err
		}
	}
	v, err := s.viewOfReview(ctx, by, k, held)
	if err != nil {
		return result{}, err
	}
	// What it shows is personal: it is not remembered for long.
	return result{status: status, header: map[string]string{fiber.HeaderETag: etag(k.Version)}, body: v, secret: true}, nil
}

func (s *Server) viewOfReview(ctx context.Context, by colleague, k cases.Case, held bool) (reviewCaseView, error) {
	v := reviewCaseView{
		ID: k.ID, Version: k.Version, Kind: k.Kind, State: k.State, Level: k.Level, CreatedAt: k.CreatedAt.UTC(), UpdatedAt: k.UpdatedAt.UTC(),
		ReportedAt: when(k.ReportedAt), ReleasedAt: when(k.ReleasedAt), HeldAt: when(k.HeldAt), Policy: s.cfg.Cases.Policy().Version,
		Levels: []reviewLevelView{}, History: []reviewEventView{},
	}
	known := colleagues{}
	for _, l := range k.Levels {
		lv := reviewLevelView{
			NeedsLevel: k.Lacks(l),
			Level:      l.Level, State: l.State, Reasons: list(l.Reasons), SubmittedAt: when(l.SubmittedAt), DecidedAt: when(l.DecidedAt),
			WaitsSince: when(l.WaitsSince), FourEyes: s.cfg.Cases.NeedsTwo(k, l.Level), Approvals: []approvalView{},
		}
		for _, a := range l.Approvals {
			who, err := s.name(ctx, known, a.By)
			if err != nil {
				return v, err
			}
			lv.Approvals = append(lv.Approvals, approvalView{who, a.At.UTC()})
		}
		v.Levels = append(v.Levels, lv)
	}
	if w := k.Waiting; w != nil {
		v.Waiting = &reviewWaitingView{w.State, w.Level, w.Since.UTC(), list(w.Reasons), w.Language, w.Reported}
	}
	l, ok, err := s.cfg.Cases.LeaseOf(ctx, k.ID)
	if err != nil {
		return v, err
	}
	if ok {
		if v.Lease, err = s.leaseOf(ctx, known, by, l); err != nil {
			return v, err
		}
	}
	if v.History, err = s.reviewHistory(ctx, known, k, held); err != nil || !held {
		return v, err
	}
	v.Evidence, err = s.reviewEvidence(ctx, by, k)
	return v, err
}

func (s *Server) reviewHistory(ctx context.Context, known colleagues, k cases.Case, held bool) ([]reviewEventView, error) {
	out := []reviewEventView{}
	entries, err := s.cfg.Cases.Events(ctx, k.ID, 0, reviewHistory)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		v := reviewEventView{
			N: e.N, At: e.At.UTC(), Version: e.Version, Event: e.Event, Actor: reviewActorView{Kind: e.Actor.Kind}, Level: e.Level, Step: e.Step,
			Reasons: list(e.Reasons), Data: e.Data,
		}
		if v.Data == nil {
			v.Data = map[string]string{}
		}
		if e.Actor.Kind == cases.ByStaff {
			who, err := s.name(ctx, known, e.Actor.ID)
			if err != nil {
				return nil, err
			}
			v.Actor.staffView = &who
		}
		if held {
			n, err := s.cfg.Cases.NoteOf(k, e)
			if err != nil {
				return nil, err
			}
			if n.Text != "" {
				v.Note = &n.Text
			}
		}
		out = append(out, v)
	}
	return out, nil
}

func (s *Server) reviewEvidence(ctx context.Context, by colleague, k cases.Case) (*reviewEvidenceView, error) {
	v := &reviewEvidenceView{
		Fields: []reviewFieldView{}, Steps: []reviewStepView{}, Checks: []reviewCheckView{}, Consents: []reviewConsentView{},
		Objections: []reviewObjectionView{}, Required: []reviewLookView{}, FaceHits: list(k.FaceHits),
	}
	fields, err := s.cfg.Cases.Fields(k)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		fv := reviewFieldView{Name: f.Name, Value: f.Masked(), Masked: f.Personal}
		if f.Region.Warning != "" {
			fv.Warning = &reviewWarningView{f.Region.Warning, f.Region.AbandonedBy}
		}
		v.Fields = append(v.Fields, fv)
	}
	for _, st := range k.Steps {
		sv := reviewStepView{
			ID: st.ID, Level: st.Level, Kind: st.Kind, State: st.State, Instructions: instructions(k, st), Attempts: st.Attempts,
			Alternative: st.Alternative, Reasons: list(st.Reasons), Takes: []reviewTakeView{},
		}
		for _, t := range st.Takes {
			if t.State == cases.TakeAccepted {
				sv.Takes = append(sv.Takes, reviewTake(k, t))
			}
		}
		v.Steps = append(v.Steps, sv)
	}
	for _, l := range k.Levels {
		v.Checks = append(v.Checks, checkViews(l.Level, l.Checks)...)
		text, at, ok, err := s.cfg.Cases.Objection(k, l.Level)
		if err != nil {
			return nil, err
		}
		if ok {
			v.Objections = append(v.Objections, reviewObjectionView{l.Level, at.UTC(), text})
		}
	}
	for _, con := range k.Consents {
		v.Consents = append(v.Consents, reviewConsentView{con.ID, string(con.State), con.Version, con.Language, con.At.UTC()})
	}
	looks, err := s.cfg.Cases.RequiredLooks(ctx, by.account, k)
	if err != nil {
		return nil, err
	}
	for _, r := range looks {
		lv := reviewLookView{Level: r.Level, MediaIDs: list(r.MediaID), Seen: r.Seen}
		if r.Step != "" {
			lv.Step = &r.Step
		}
		v.Required = append(v.Required, lv)
	}
	return v, nil
}

func reviewTake(k cases.Case, t cases.Take) reviewTakeView {
	v := reviewTakeView{
		MediaID: t.MediaID, Role: t.Role, Filetype: t.Filetype, Size: t.Size, SHA256: hex.EncodeToString(t.SHA256), CreatedAt: t.CreatedAt.UTC(),
		AcceptedAt: when(t.AcceptedAt), Parts: []reviewPartView{},
	}
	for _, p := range t.Parts {
		v.Parts = append(v.Parts, reviewPartView{p.MediaID, p.Role, p.Action, p.AtMS, p.Filetype, p.Size})
	}
	i := slices.IndexFunc(k.Challenges, func(ch cases.Challenge) bool { return ch.ID == t.Challenge })
	if i >= 0 && k.Challenges[i].Script != nil {
		script := k.Challenges[i].Script
		sv := &reviewScriptView{Version: script.Template, Number: script.Number, AccountHint: script.AccountHint, Prompts: []reviewPromptView{}}
		for n, p := range script.Prompts {
			pv := reviewPromptView{N: n + 1, ID: p.ID, Kind: p.Kind, Text: p.Text, Lang: p.Lang}
			for _, shown := range t.Timeline {
				if shown.PromptID == p.ID {
					pv.ShownAtMS = &shown.ShownAtMS
				}
			}
			sv.Prompts = append(sv.Prompts, pv)
		}
		v.Script = sv
	}
	if in := t.Inspection; in != nil {
		v.Found = &reviewFoundView{DurationMS: in.DurationMS, Peaks: in.Peaks, PeakEveryMS: in.PeakEveryMS, Prompts: []reviewPromptFoundView{}}
		if in.Peaks == nil {
			v.Found.Peaks = []byte{}
		}
		for _, p := range in.Prompts {
			v.Found.Prompts = append(v.Found.Prompts, reviewPromptFoundView{p.PromptID, p.FromMS, p.ToMS, p.SpokenMS, string(p.Speech), p.Said})
		}
	}
	if f := t.Face; f != nil {
		fv := &reviewFaceView{
			Verdict: f.Verdict, Alternative: f.Alternative, Actions: list(f.Actions), Model: f.Model.Name, Compared: f.Compared,
			Chosen: list(f.Chosen), Checks: checkViews(0, f.Checks),
		}
		if f.Compared {
			fv.Distance, fv.Accept, fv.Reject = &f.Distance, &f.Accept, &f.Reject
		}
		if f.PortraitAt != nil {
			fv.Portrait = &reviewAreaView{*f.PortraitAt, hex.EncodeToString(f.Portrait)}
		}
		v.Face = fv
	}
	return v
}

// Taking a case and what is done with it.

// reviewing is what every call about one case begins with: who, and which.
func (s *Server) reviewing(c *fiber.Ctx, in any) (by colleague, id string, body []byte, err error) {
	if by, err = s.staff(c, cases.Reviewer, cases.Supervisor); err != nil {
		return by, "", nil, err
	}
	if in != nil {
		body, err = decode(c, in)
	} else {
		body, err = decodeOptional(c, &empty{})
	}
	return by, param(c, "id"), body, err
}

func (s *Server) claimCase(c *fiber.Ctx) error {
	by, id, _, err := s.reviewing(c, nil)
	if err != nil {
		return err
	}
	l, err := s.cfg.Cases.Claim(c.UserContext(), by.account, id)
	known := colleagues{}
	if errors.Is(err, cases.ErrTaken) {
		who, nerr := s.name(c.UserContext(), known, l.Holder)
		if nerr != nil {
			return nerr
		}
		return cases.ErrTaken.With("holder", who).With("until", l.Until.UTC())
	}
	if err != nil {
		return err
	}
	v, err := s.leaseOf(c.UserContext(), known, by, l)
	if err != nil {
		return err
	}
	return c.JSON(v)
}

func (s *Server) handBackCase(c *fiber.Ctx) error {
	by, err := s.staff(c, cases.Reviewer, cases.Supervisor)
	if err != nil {
		return err
	}
	id := param(c, "id")
	if _, err := s.cfg.Cases.Get(c.UserContext(), id); err != nil {
		return err
	}
	if err := s.cfg.Cases.HandBack(c.UserContext(), by.account, id); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

func (s *Server) revealFields(c *fiber.Ctx) error {
	var in struct {
		Fields []string `json:"fields"`
		Reason string   `json:"reason"`
	}
	by, id, _, err := s.reviewing(c, &in)
	if err != nil {
		return err
	}
	if err := s.cfg.Sessions.Allow(c.UserContext(), reveals, by.account.ID); err != nil {
		return err
	}
	shown, err := s.cfg.Cases.Reveal(c.UserContext(), by.account, id, in.Fields, in.Reason)
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"fields": shown, "hide_after_seconds": 30})
}

type noteInput struct {
	Level int    `json:"level"`
	Note  string `json:"note"`
}

func (s *Server) escalateCase(c *fiber.Ctx) error {
	return s.withNote(c, func(ctx context.Context, by colleague, id string, in noteInput) error {
		_, err := s.cfg.Cases.Escalate(ctx, by.account, id, in.Level, in.Note)
		return err
	})
}

func (s *Server) suspendCase(c *fiber.Ctx) error {
	return s.withNote(c, func(ctx context.Context, by colleague, id string, in noteInput) error {
		_, err := s.cfg.Cases.Suspend(ctx, by.account, id, in.Level, in.Note)
		return err
	})
}

func (s *Server) withNote(c *fiber.Ctx, do func(context.Context, colleague, string, noteInput) error) error {
	var in noteInput
	by, id, _, err := s.reviewing(c, &in)
	if err != nil {
		return err
	}
	if err := do(c.UserContext(), by, id, in); err != nil {
		return err
	}
	return s.sendReview(c, by, id, http.StatusOK)
}

func (s *Server) releaseCase(c *fiber.Ctx) error {
	var in struct {
		Note string `json:"note"`
	}
	by, id, _, err := s.reviewing(c, &in)
	if err != nil {
		return err
	}
	if _, err := s.cfg.Cases.Release(c.UserContext(), by.account, id, in.Note); err != nil {
		return err
	}
	return s.sendReview(c, by, id, http.StatusOK)
}

func (s *Server) decideCase(c *fiber.Ctx) error {
	var in struct {
		Level   int            `json:"level"`
		Verdict cases.Verdict  `json:"verdict"`
		Reasons []cases.Reason `json:"reasons"`
		Note    string         `json:"note"`
	}
	by, id, body, err := s.reviewing(c, &in)
	if err != nil {
		return err
	}
	v, err := version(c)
	if err != nil {
		return err
	}
	return s.once(c, by.account.ID, append([]byte(etag(v)), body...), func() (result, error) {
		_, second, err := s.cfg.Cases.Decide(c.UserContext(), by.account, id, v, cases.Decision{
			Level: in.Level, Verdict: in.Verdict, Reasons: in.Reasons, Note: in.Note,
		})
		if err != nil {
			return result{}, err
		}
		status := http.StatusOK
		if second {
			status = http.StatusAccepted
		}
		return s.reviewResult(c, by, id, status)
	})
}

// reviewMedia serves evidence to who has taken its case.
func (s *Server) reviewMedia(c *fiber.Ctx, p principal, id string) error {
	by, err := s.staffOf(c, p, cases.Reviewer, cases.Supervisor)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	st, err := s.cfg.Media.Status(ctx, cases.UploadID(id))
	switch {
	case errors.Is(err, media.ErrUnknown), errors.Is(err, media.ErrGone):
		return errMediaUnknown
	case err != nil:
		return err
	}
	k, err := s.cfg.Cases.Get(ctx, st.CaseID)
	if errors.Is(err, cases.ErrUnknown) {
		return errMediaUnknown
	}
	if err != nil {
		return err
	}
	_, uploadID, filetype, err := k.FindMedium(id)
	if err != nil {
		return errMediaUnknown
	}
	if _, err := s.cfg.Cases.Holding(ctx, by.account, k.ID); err != nil {
		return err
	}
	o, err := s.cfg.Media.Open(ctx, uploadID)
	switch {
	case errors.Is(err, media.ErrUnknown), errors.Is(err, media.ErrGone), errors.Is(err, media.ErrIncomplete):
		return errMediaUnknown
	case err != nil:
		return err
	}
	look := func() error { return s.cfg.Cases.LookOnce(ctx, k.ID, by.actor(), cases.LookMedia, id) }
	if err := s.serve(c, o, cases.Take{Filetype: filetype}, look); err != nil {
		return errors.Join(err, o.Close())
	}
	return nil
}

// reviewRoom is the room of the hub in which the queue's changes are told. No case has such an id.
const reviewRoom = "review"

// QueueChanged tells every open view of the queue, on every node, to look again. Whoever learns of a change calls it.
func (s *Server) QueueChanged(ctx context.Context) { s.cfg.Hub.Changed(ctx, reviewRoom) }

// watchQueue opens the live view of the queue: how long it is, whenever that changes.
func (s *Server) watchQueue(c *fiber.Ctx) error {
	by, err := s.staff(c, cases.Reviewer, cases.Supervisor)
	if err != nil {
		return err
	}
	if err := s.mayUpgrade(c, by.principal); err != nil {
		return err
	}
	return s.upgrade(c, &socket{who: by.principal, caseID: reviewRoom, role: live.Desk, queue: true, owner: by.account.ID})
}
