package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/sessions"
)

// empty is the body of calls that need none.
type empty struct{}

var errNoIdentity = fault.New(fault.NotFound, "identity_unknown", "Nothing has been stored for Level 1 yet.")

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// sendCase answers a case that was just read or changed.
func (s *Server) sendCase(c *fiber.Ctx, p principal, own cases.Case) error {
	seq, err := s.cfg.Hub.Next(c.UserContext(), own.ID)
	if err != nil {
		return err
	}
	v, err := s.viewOf(c.UserContext(), p, own, seq)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderETag, etag(own.Version))
	return c.JSON(v)
}

// caseResult is sendCase for calls that are answered once.
func (s *Server) caseResult(c *fiber.Ctx, p principal, own cases.Case, status int) (result, error) {
	seq, err := s.cfg.Hub.Next(c.UserContext(), own.ID)
	if err != nil {
		return result{}, err
	}
	v, err := s.viewOf(c.UserContext(), p, own, seq)
	if err != nil {
		return result{}, err
	}
	// The case holds the codes of a handoff that is on offer.
	return result{status: status, header: map[string]string{fiber.HeaderETag: etag(own.Version)}, body: v, secret: v.Handoff != nil}, nil
}

func (s *Server) createCase(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	var in struct {
		Kind cases.Kind `json:"kind"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	return s.once(c, p.owner(), body, func() (result, error) {
		ctx := c.UserContext()
		if err := s.cfg.Sessions.Allow(ctx, newCases, p.session.AccountID); err != nil {
			return result{}, err
		}
		a, err := s.cfg.Cases.Account(ctx, p.session.AccountID)
		if errors.Is(err, cases.ErrAccountUnknown) { // erased, from another session
			err = sessions.ErrUnknown
		}
		if err != nil {
			return result{}, err
		}
		own, err := s.cfg.Cases.Create(ctx, a, in.Kind)
		if err != nil {
			return result{}, err
		}
		r, err := s.caseResult(c, p, own, http.StatusCreated)
		if err == nil {
			r.header[fiber.HeaderLocation] = "/v1/cases/" + own.ID
		}
		return r, err
	})
}

func (s *Server) getCase(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	v, err := s.caseSnapshot(c.UserContext(), p, param(c, "id"), 0)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderETag, etag(v.Version))
	return c.JSON(v)
}

type eventView struct {
	N       int64           `json:"n"`
	At      time.Time       `json:"at"`
	Version int64           `json:"version"`
	Event   string          `json:"event"`
	Actor   cases.ActorKind `json:"actor"`
	Level   int             `json:"level,omitempty"`
	Step    string          `json:"step,omitempty"`
	Consent string          `json:"consent,omitempty"`
	Reasons []string        `json:"reasons,omitempty"`
}

// toldEvents is what an applicant may read of the history: what was done, by what kind of
// actor, never why a person looks at it or who that is.
var toldEvents = []string{
	"case_created", "identity_stored", "take_stored", "take_accepted",
	"level_open", "level_locked", "level_submitted", "level_checking", "level_in_review", "level_approved", "level_resubmit", "level_rejected", "level_revoked",
	"handoff_offer", "handoff_cancel", "handoff_takeback", "handoff_supersede", "handoff_lock", "handoff_report", "handoff_expire", "handoff_ended",
	"consent_given", "consent_declined", "consent_withdrawn", "objection", "data_downloaded", "erasure_requested",
}

// told is an entry of the history as its applicant may read it; ok is false where it is not theirs to read.
func told(e cases.Entry) (v eventView, ok bool) {
	if !slices.Contains(toldEvents, e.Event) {
		return v, false
	}
	v = eventView{N: e.N, At: e.At.UTC(), Version: e.Version, Event: e.Event, Actor: e.Actor.Kind, Level: e.Level, Step: e.Step}
	if strings.HasPrefix(e.Event, "consent_") {
		v.Consent = e.Data["consent"]
	}
	if e.Event == "level_revoked" { // how a refusal came about is not told
		v.Event = "level_rejected"
	}
	if v.Event == "level_resubmit" || v.Event == "level_rejected" {
		v.Reasons = cases.ToldCodes(e.Reasons)
	}
	return v, true
}

func (s *Server) events(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	after, err := number(c, "after", 0, 1<<53, 0)
	if err != nil {
		return err
	}
	limit, err := number(c, "limit", 1, 200, 100)
	if err != nil {
		return err
	}
	own, err := s.caseFor(c.UserContext(), p, param(c, "id"))
	if err != nil {
		return err
	}
	entries, err := s.cfg.Cases.Events(c.UserContext(), own.ID, after, int(limit))
	if err != nil {
		return err
	}
	out := struct {
		Events []eventView `json:"events"`
		Next   *int64      `json:"next"`
	}{Events: []eventView{}}
	for _, e := range entries {
		if v, ok := told(e); ok {
			out.Events = append(out.Events, v)
		}
	}
	if len(entries) == int(limit) {
		out.Next = &entries[len(entries)-1].N
	}
	return c.JSON(out)
}

// number reads a whole number of the query between least and most.
func number(c *fiber.Ctx, name string, least, most, usual int64) (int64, error) {
	text := c.Query(name)
	if text == "" && !c.Context().QueryArgs().Has(name) {
		return usual, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fault.Fields(fault.Field{
			Field: name, Code: "out_of_range",
			Detail: "A whole number from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10) + ".",
		})
	}
	return n, nil
}

// getIdentity gives the applicant's own entry back in full while it may still be changed, so that
// the form can be filled again; afterwards the masked form is all there is.
func (s *Server) getIdentity(c *fiber.Ctx) error {
	p, err := s.caller(c, applicant)
	if err != nil {
		return err
	}
	own, err := s.caseFor(c.UserContext(), p, param(c, "id"))
	if err != nil {
		return err
	}
	open := slices.ContainsFunc(own.Levels, func(l cases.Level) bool {
		return l.Level == 1 && (l.State == cases.Open || l.State == cases.Resubmit)
	})
	switch {
	case !open:
		return cases.ErrLevelNotOpen
	case own.Facts == nil && own.Draft == nil:
		return errNoIdentity
	}
	c.Set(fiber.HeaderETag, etag(own.Version))
	return c.JSON(storedIdentity{own.Facts, own.Draft})
}

// storedIdentity is what the applicant entered, and what was typed since.
type storedIdentity struct {
	*cases.Identity
	Draft json.RawMessage `json:"draft,omitempty"`
}

// ownCase is the applicant who calls and the id of the case in the address, which is theirs.
func (s *Server) ownCase(c *fiber.Ctx) (principal, string, error) {
	p, err := s.caller(c, applicant)
	if err != nil {
		return p, "", err
	}
	id := param(c, "id")
	_, err = s.caseFor(c.UserContext(), p, id)
	return p, id, err
}

// putDraft keeps what was typed of Level 1 so far. It is opaque here: the applicant's program reads it again.
func (s *Server) putDraft(c *fiber.Ctx) error {
	p, id, err := s.ownCase(c)
	if err != nil {
		return err
	}
	draft, err := decodeOpaque(c)
	if err != nil {
		return err
	}
	own, err := s.cfg.Cases.PutDraft(c.UserContext(), p.actor(), id, draft)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderETag, etag(own.Version))
	return c.JSON(fiber.Map{"version": own.Version})
}

func (s *Server) putIdentity(c *fiber.Ctx) error {
	p, id, err := s.ownCase(c)
	if err != nil {
		return err
	}
	v, err := version(c)
	if err != nil {
		return err
	}
	var in cases.Identity
	if _, err := decode(c, &in); err != nil {
		return err
	}
	own, err := s.cfg.Cases.PutIdentity(c.UserContext(), p.actor(), id, v, in)
	if err != nil {
		return err
	}
	return s.sendCase(c, p, own)
}

// level reads the number of a level from the path.
func level(c *fiber.Ctx) (int, error) {
	n := c.Params("n")
	if len(n) != 1 || n[0] < '1' || n[0] > '3' {
		return 0, cases.ErrLevelUnknown
	}
	return int(n[0] - '0'), nil
}

func (s *Server) submitLevel(c *fiber.Ctx) error {
	return s.changeLevel(c, func(p principal, id string, n int, v int64) (result, error) {
		ctx := c.UserContext()
		held, err := s.heldByPhone(ctx, id)
		if err != nil {
			return result{}, err
		}
		own, err := s.cfg.Cases.Get(ctx, id)
		if err != nil {
			return result{}, err
		}
		for _, st := range own.Steps {
			if st.Level == n && slices.Contains(held, st.ID) {
				return result{}, errStepOnPhone
			}
		}
		own, err = s.cfg.Cases.Submit(ctx, p.actor(), id, n, v)
		if err != nil {
			return result{}, err
		}
		return s.caseResult(c, p, own, http.StatusAccepted)
	})
}

func (s *Server) reopenLevel(c *fiber.Ctx) error {
	return s.changeLevel(c, func(p principal, id string, n int, v int64) (result, error) {
		if n != 1 {
			return result{}, cases.ErrLevelNotOpen
		}
		held, err := s.heldByPhone(c.UserContext(), id)
		if err != nil {
			return result{}, err
		}
		if len(held) > 0 { // it would pull the ground from under the phone
			return result{}, errStepOnPhone
		}
		own, err := s.cfg.Cases.Reopen(c.UserContext(), p.actor(), id, v)
		if err != nil {
			return result{}, err
		}
		return s.caseResult(c, p, own, http.StatusOK)
	})
}

// changeLevel is what submitting and reopening share: who, which case, level and version.
func (s *Server) changeLevel(c *fiber.Ctx, do func(p principal, id string, n int, v int64) (result, error)) error {
	p, id, err := s.ownCase(c)
	if err != nil {
		return err
	}
	n, err := level(c)
	if err != nil {
		return err
	}
	v, err := version(c)
	if err != nil {
		return err
	}
	body, err := decodeOptional(c, &empty{})
	if err != nil {
		return err
	}
	// The version is part of what is asked: the same key with another one is another request.
	return s.once(c, p.owner(), append([]byte(etag(v)), body...), func() (result, error) { return do(p, id, n, v) })
}

// acceptTake keeps a take: the applicant looked at it.
func (s *Server) acceptTake(c *fiber.Ctx) error {
	p, err := s.caller(c)
	if err != nil {
		return err
	}
	id, step := param(c, "id"), param(c, "step")
	if _, err := s.stepFor(c.UserContext(), p, id, step); err != nil {
		return err
	}
	var in struct {
		UploadID      string        `json:"upload_id"`
		StillUploadID string        `json:"still_upload_id"`
		Timeline      []cases.Shown `json:"timeline"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	return s.once(c, p.owner(), body, func() (result, error) {
		own, err := s.cfg.Cases.Get(c.UserContext(), id)
		if err != nil {
			return result{}, err
		}
		// One keeps what one has looked at: a take of somebody else's does not count as there.
		if _, t, err := own.FindTake(in.UploadID); err != nil || t.Owner != p.owner() {
			return result{}, cases.ErrNotForStep
		}
		own, err = s.cfg.Cases.Keep(c.UserContext(), p.actor(), id, step, cases.AcceptRequest{
			UploadID: in.UploadID, StillUploadID: in.StillUploadID, Timeline: in.Timeline,
		})
		if err != nil {
			return result{}, err
		}
		st, t, err := own.FindTake(in.UploadID)
		if err != nil {
			return result{}, err
		}
		return result{status: http.StatusOK, body: keptView{s.stepOf(p, own, st), receiptOf(t)}}, nil
	})
}
