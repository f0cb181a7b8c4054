package cases

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/fault"
)

// ErrPhotoUnreadable is returned when a take of a photo step is kept and does not decode; the
// member of the problem says why.
var ErrPhotoUnreadable = fault.New(fault.Invalid, "photo_unreadable", "This photo cannot be read. Take it again.")

// TakeRequest asks to begin a take.
type TakeRequest struct {
	UploadID string // "upl_…", new
	Step     string
	Channel  string // "desk" or "phone"
	Owner    string // session or handoff id
	Length   int64  // bytes, -1: deferred
	Filetype string // declared

	Challenge string // "chl_…" that a clip answers
	Role      string // "", or RoleStill
}

// Limits bound a take of a step.
type Limits struct {
	MaxBytes  int64    `json:"max_bytes"`
	Filetypes []string `json:"filetypes"`
}

// MediaID names the stored bytes of an upload.
func MediaID(uploadID string) string { return "med_" + strings.TrimPrefix(uploadID, "upl_") }

// UploadID is the upload whose bytes a media id names.
func UploadID(mediaID string) string { return "upl_" + strings.TrimPrefix(mediaID, "med_") }

// BeginTake adds an open take. ErrStepUnknown, ErrLevelNotOpen, ErrChannel, ErrTooManyTakes,
// ErrTakeTooLarge, ErrBudget, ErrFiletype, ErrStaleEpoch; the limits bound the upload.
func (s *Service) BeginTake(ctx context.Context, by Actor, id string, r TakeRequest) (Take, Limits, error) {
	var take Take
	var limits Limits
	_, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		st, err := c.workOn(r.Step)
		if err != nil {
			return err
		}
		if !slices.Contains(st.Channels, r.Channel) {
			return ErrChannel
		}
		if st.Kind == KindFace {
			return ErrNotForStep // its evidence answers a challenge
		}
		c.expireTakes(st)
		role, ch, err := c.roleOf(*st, r)
		if err != nil {
			return err
		}
		limits = limitsOfRole(*st, role)
		if r.Filetype != "" && !slices.Contains(limits.Filetypes, r.Filetype) {
			return ErrFiletype
		}
		open, all := 0, 0
		for _, t := range st.Takes {
			if (t.Role == RoleStill) != (role == RoleStill) {
				continue // photos in clips are counted apart: there is one for each clip
			}
			all++
			if t.State == TakeOpen {
				open++
			}
		}
		if open >= maxOpenTakes || all >= maxTakes {
			return ErrTooManyTakes
		}
		reserve := r.Length
		if reserve < 0 {
			reserve = limits.MaxBytes
		}
		if today := c.at.Format(time.DateOnly); c.ReceivedOn != today {
			c.ReceivedOn, c.ReceivedBytes = today, 0
		}
		if reserve > limits.MaxBytes {
			return ErrTakeTooLarge
		}
		if c.ReceivedBytes+reserve > dailyBudget {
			return ErrBudget
		}
		c.ReceivedBytes += reserve
		take = Take{
			UploadID: r.UploadID, Epoch: c.HandoffEpoch, Owner: r.Owner, State: TakeOpen, Reserved: reserve,
			CreatedAt: c.at, ExpiresAt: c.at.Add(UnfinishedFor), Role: role,
		}
		if ch != nil {
			take.Challenge = ch.ID
			if role != RoleStill {
				ch.UploadID = r.UploadID
			}
		}
		st.Takes = append(st.Takes, take)
		st.State = stepState(*st)
		c.queueExpiry()
		return nil
	})
	return take, limits, err
}

// workOn returns the step if its level is open for work and what it needs is consented to.
func (c *change) workOn(id string) (*Step, error) {
	st := c.step(id)
	if st == nil {
		return nil, ErrStepUnknown
	}
	l := c.level(st.Level)
	// After a request to do some steps again the others stay as they are.
	if !editable(l.State) || l.State == Resubmit && st.State == Checked {
		return nil, ErrLevelNotOpen
	}
	if err := c.notFrozen(); err != nil {
		return nil, err
	}
	if err := c.needConsent(st.Kind); err != nil {
		return nil, err
	}
	return st, nil
}

// expireTakes drops the step's takes whose time is over.
func (c *change) expireTakes(st *Step) {
	c.dropTakes(st, func(t Take) bool { return t.State != TakeAccepted && !t.ExpiresAt.After(c.at) })
}

// queueExpiry makes sure that a job looks when the first take that is not kept runs out.
func (c *change) queueExpiry() {
	if slices.ContainsFunc(c.Jobs, func(j Job) bool { return j.Kind == JobExpire && j.State == JobQueued }) {
		return // it looks no later: later takes run out later
	}
	var first time.Time
	for _, st := range c.Steps {
		for _, t := range st.Takes {
			if t.State != TakeAccepted && (first.IsZero() || t.ExpiresAt.Before(first)) {
				first = t.ExpiresAt
			}
		}
	}
	if !first.IsZero() {
		c.queue(Job{Kind: JobExpire, RunAfter: first})
	}
}

// StepLimits returns the limits of a step.
func (s *Service) StepLimits(c Case, step string) Limits {
	if st := c.step(step); st != nil {
		return limitsOf(*st)
	}
	return Limits{}
}

// Budget returns how many bytes the case may receive a day and how many it did today.
func (s *Service) Budget(c Case) (limit, used int64) {
	if c.ReceivedOn == s.now().Format(time.DateOnly) {
		used = c.ReceivedBytes
	}
	return dailyBudget, used
}

// TakeStored records that an upload is complete. Its type is sniffed from head, the first bytes;
// one that is not taken drops the take and is ErrFiletype. Doing it twice is harmless.
// A take that left the case meanwhile (its handoff ended) is ErrNotForStep.
func (s *Service) TakeStored(ctx context.Context, id, uploadID string, size int64, sha256, head []byte) (Take, error) {
	var take Take
	var refused error
	_, err := s.change(ctx, Actor{Kind: BySystem}, id, anyVersion, func(c *change) error {
		refused = nil
		st, t := c.take(uploadID)
		if t == nil {
			return ErrNotForStep
		}
		if t.State != TakeOpen {
			take = *t
			return nil
		}
		filetype := checks.Sniff(head)
		if !slices.Contains(limitsOfRole(*st, t.Role).Filetypes, filetype) {
			refused = ErrFiletype
			c.dropTakes(st, func(t Take) bool { return t.UploadID == uploadID })
			return nil
		}
		c.ReceivedBytes += size - t.Reserved
		t.State, t.MediaID, t.Filetype, t.Size, t.SHA256, t.Reserved = TakeStored, MediaID(uploadID), filetype, size, sha256, size
		take = *t
		if ch := c.challenge(t.Challenge); ch != nil && ch.UploadID == uploadID {
			ch.UsedAt = c.at
		}
		st.State = stepState(*st)
		c.note(Entry{Event: "take_stored", Level: st.Level, Step: st.ID, Epoch: t.Epoch, Data: map[string]string{
			"media_id": t.MediaID, "sha256": hex.EncodeToString(sha256), "size": strconv.FormatInt(size, 10),
		}})
		return nil
	})
	if err == nil {
		err = refused
	}
	return take, err
}

// take finds a take and its step; nil when the case has none such.
func (d *Document) take(uploadID string) (*Step, *Take) {
	for i := range d.Steps {
		for j := range d.Steps[i].Takes {
			if d.Steps[i].Takes[j].UploadID == uploadID {
				return &d.Steps[i], &d.Steps[i].Takes[j]
			}
		}
	}
	return nil, nil
}

// FindTake returns the take of an upload; ErrUnknown when the case has none.
func (c Case) FindTake(uploadID string) (Step, Take, error) {
	st, t := c.take(uploadID)
	if t == nil {
		return Step{}, Take{}, ErrUnknown
	}
	return *st, *t, nil
}

// DropTake removes a take that is not accepted and has its bytes destroyed; unknown is no error.
func (s *Service) DropTake(ctx context.Context, by Actor, id, uploadID string) error {
	_, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		st, t := c.take(uploadID)
		if t == nil {
			return nil
		}
		if t.State == TakeAccepted {
			return ErrLevelNotOpen
		}
		of := ""
		if t.Role != RoleStill {
			of = t.Challenge
		}
		c.dropTakes(st, func(t Take) bool { return t.UploadID == uploadID || of != "" && t.Challenge == of }) // with its photo
		return nil
	})
	return err
}

// Accept keeps a stored photo for its step; see Keep.
func (s *Service) Accept(ctx context.Context, by Actor, id, step, uploadID string) (Case, error) {
	return s.Keep(ctx, by, id, step, AcceptRequest{UploadID: uploadID})
}

// Keep keeps a stored take for its step, after decoding what of it is a photo: ErrNotForStep unless case, step, owner's
// epoch, challenge and state agree, ErrPhotoUnreadable, ErrStillMissing, and one Invalid error for a timeline that does
// not follow the script. It replaces an earlier one; the step's other takes of the same owner are dropped. Accepting
// the accepted one again changes nothing.
func (s *Service) Keep(ctx context.Context, by Actor, id, step string, r AcceptRequest) (Case, error) {
	uploadID := r.UploadID
	if err := s.decodes(ctx, by, id, step, r); err != nil {
		return Case{}, err
	}
	return s.change(ctx, by, id, anyVersion, func(c *change) error {
		st, err := c.workOn(step)
		if err != nil {
			return err
		}
		of, t := c.take(uploadID)
		switch {
		case t == nil || of != st || t.State == TakeOpen, by.Kind == ByPhone && t.Epoch != by.Epoch:
			return ErrNotForStep
		case t.State == TakeAccepted:
			return nil
		}
		still, err := c.keepClip(st, t, r)
		if err != nil {
			return err
		}
		t.State, t.AcceptedAt, t.ExpiresAt = TakeAccepted, c.at, time.Time{}
		data := map[string]string{"media_id": t.MediaID, "sha256": hex.EncodeToString(t.SHA256)}
		owner, epoch := t.Owner, t.Epoch
		if still != "" { // from here on it is a part of the take
			data["still_sha256"] = still
			st.Takes = slices.DeleteFunc(st.Takes, func(t Take) bool { return t.UploadID == r.StillUploadID })
		}
		c.dropTakes(st, func(t Take) bool {
			return t.UploadID != uploadID && (t.State == TakeAccepted || t.Owner == owner)
		})
		st.Reasons = nil
		st.State = stepState(*st)
		c.note(Entry{Event: "take_accepted", Level: st.Level, Step: st.ID, Epoch: epoch, Data: data})
		return nil
	})
}

// decodes decodes what of a stored take is a photo before it may be kept.
func (s *Service) decodes(ctx context.Context, by Actor, id, step string, r AcceptRequest) error {
	uploadID := r.UploadID
	d, err := s.cfg.Store.Case(ctx, id)
	if err != nil {
		return err
	}
	if by.Kind == ByPhone && d.HandoffEpoch != by.Epoch {
		return ErrStaleEpoch // its takes left with its epoch
	}
	st, t := d.take(uploadID)
	if t == nil || st.ID != step || t.State == TakeOpen {
		return ErrNotForStep
	}
	if t.State == TakeAccepted {
		return nil
	}
	if st.Kind == KindClip && t.Role == "" {
		if uploadID = r.StillUploadID; uploadID == "" {
			return nil // whether it needs one is the script's
		}
		if of, still := d.take(uploadID); still == nil || of != st || still.Role != RoleStill || still.State != TakeStored {
			return ErrNotForStep
		}
	}
	err = s.decodePhoto(ctx, uploadID, func(checks.Photo) {})
	switch {
	case errors.Is(err, checks.ErrPhotoTooSmall):
		return ErrPhotoUnreadable.With("reason", "too_small")
	case errors.Is(err, checks.ErrPhotoTooLarge):
		return ErrPhotoUnreadable.With("reason", "too_large")
	case errors.Is(err, checks.ErrPhotoUnreadable):
		return ErrPhotoUnreadable.With("reason", "not_a_photo").Because(err)
	}
	return err
}

// decodePhoto decodes the stored bytes of a take for use, a bounded number at once: the photo is not to be
// held when use returns.
func (s *Service) decodePhoto(ctx context.Context, uploadID string, use func(checks.Photo)) error {
	select {
	case s.photos <- struct{}{}:
		defer func() { <-s.photos }()
	case <-ctx.Done():
		return ErrBusy.After(time.Second)
	}
	e, err := s.cfg.Evidence(ctx, uploadID)
	if err != nil {
		return fmt.Errorf("open evidence: %w", err)
	}
	defer e.Close()
	p, err := checks.DecodePhoto(e, e.Size())
	if err != nil {
		return err
	}
	use(p)
	return nil
}

// RaiseEpoch raises handoff_epoch and writes why into the history. What phones of earlier epochs did not
// finish goes, as in EndEpoch: a handoff that the store of handoffs lost is never told to have ended.
func (s *Service) RaiseEpoch(ctx context.Context, id, cause string, by Actor) (int64, error) {
	c, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		c.dropUnfinished(c.HandoffEpoch)
		c.HandoffEpoch++
		c.note(Entry{Event: "handoff_" + cause, Epoch: c.HandoffEpoch})
		return nil
	})
	return c.HandoffEpoch, err
}

// reportedMark follows the id of a handoff among the ended ones whose report is noted.
const reportedMark = " reported"

// EndEpoch removes the takes that phones made in epochs up to the given one and that were not accepted, and
// has their bytes destroyed; their steps are to do again. reported marks the case for its
// reviewer. Doing it twice is harmless.
func (s *Service) EndEpoch(ctx context.Context, id, handoffID string, epoch int64, outcome string, reported bool) error {
	_, err := s.change(ctx, Actor{Kind: BySystem, ID: handoffID}, id, anyVersion, func(c *change) error {
		c.dropUnfinished(epoch)
		// A report often comes after an end: the phone stops at once and asks then.
		done := []string{handoffID}
		if reported {
			done = append(done, handoffID+reportedMark)
		}
		done = slices.DeleteFunc(done, func(d string) bool { return slices.Contains(c.Ended, d) })
		if len(done) == 0 {
			return nil
		}
		c.Ended = append(c.Ended, done...)
		if len(c.Ended) > keepEnded {
			c.Ended = c.Ended[len(c.Ended)-keepEnded:]
		}
		c.note(Entry{Event: "handoff_ended", Epoch: epoch, Data: map[string]string{"outcome": outcome}})
		if reported && c.ReportedAt.IsZero() {
			c.ReportedAt = c.at
		}
		return nil
	})
	return err
}

// dropUnfinished removes the takes that phones made in epochs up to this one and that were not accepted.
func (c *change) dropUnfinished(epoch int64) {
	for i := range c.Steps {
		c.dropTakes(&c.Steps[i], func(t Take) bool {
			return t.State != TakeAccepted && t.Epoch <= epoch && strings.HasPrefix(t.Owner, "hnd_")
		})
	}
	if c.Alipay.open() && c.Alipay.Epoch <= epoch {
		c.endAlipay("void", nil)
	}
}
