package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/sessions"
)

// progressEvery is how often the desk is told how much of a take has arrived.
const progressEvery = 100 * time.Millisecond

// seenEvery is how often a phone that only sends is noted as being there.
const seenEvery = 5 * time.Second

// undoFor bounds the undoing of a creation that failed, when its request may be over.
const undoFor = 10 * time.Second

// overriddenUpload serves clients that cannot send the method they mean.
func (s *Server) overriddenUpload(c *fiber.Ctx) error {
	switch method, n := oneHeader(c, "X-HTTP-Method-Override"); {
	case n == 1 && method == http.MethodPatch:
		return s.appendUpload(c)
	case n == 1 && method == http.MethodDelete:
		return s.endUpload(c)
	}
	c.Set(fiber.HeaderAllow, "OPTIONS, GET, HEAD, PATCH, DELETE")
	return errMethod
}

// createUpload begins a take; a body is its first piece.
func (s *Server) createUpload(c *fiber.Ctx) error {
	p, err := s.caller(c)
	if err != nil {
		return err
	}
	m, err := readMetadata(c)
	if err != nil {
		return err
	}
	length, err := declaredLength(c)
	if err != nil {
		return err
	}
	if _, n := oneHeader(c, "Upload-Concat"); n > 0 { // not offered; taken as a plain upload it would be a wrong one
		return badHeader("Upload-Concat")
	}
	first, err := s.piece(c, 0)
	if err != nil {
		return err
	}
	if first.body != nil && length >= 0 && first.body.declared() > length {
		return media.ErrTooLarge
	}
	first.total = length
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if _, err := s.stepFor(c.UserContext(), p, m.caseID, m.step); err != nil {
		return err
	}

	st, fresh, err := s.createOnce(c, p, m, length, key)
	if err != nil {
		return err
	}
	if fresh && (first.body != nil || length == 0) {
		if st, err = s.receive(c, p, st.Info, first); err != nil {
			// Nobody learned the name of the upload, unless the key brings it back: what was begun
			// would only stand in the way of the next try.
			if key == "" || !resumable(err) {
				s.undo(c.UserContext(), p, st.Info)
			}
			return err
		}
	}
	c.Set(fiber.HeaderLocation, "/v1/uploads/"+st.ID)
	tell(c, st)
	c.Status(http.StatusCreated)
	return nil
}

// createOnce makes the upload, or finds the one that the same request made before.
func (s *Server) createOnce(c *fiber.Ctx, p principal, m metadata, length int64, key string) (st media.Status, fresh bool, err error) {
	ctx := c.UserContext()
	request, err := json.Marshal([]any{m.caseID, m.step, m.filetype, m.challenge, m.role, length})
	if err != nil {
		return st, false, err
	}
	answer, err := s.cfg.Sessions.Once(ctx, p.owner(), "POST /v1/uploads", key, request, func() (sessions.Answer, bool, error) {
		fresh = true
		if st, err = s.begin(ctx, p, m, length); err != nil {
			return sessions.Answer{}, false, err
		}
		return sessions.Answer{Status: http.StatusCreated, Header: map[string]string{fiber.HeaderLocation: st.ID}}, false, nil
	})
	if err != nil || fresh {
		return st, fresh, err
	}
	st, err = s.cfg.Media.Status(ctx, answer.Header[fiber.HeaderLocation])
	return st, false, err
}

// begin adds an open take to the case and makes the upload that its bytes go to.
func (s *Server) begin(ctx context.Context, p principal, m metadata, length int64) (media.Status, error) {
	id := "upl_" + ulid.Make().String()
	take, limits, err := s.cfg.Cases.BeginTake(ctx, p.actor(), m.caseID, cases.TakeRequest{
		UploadID: id, Step: m.step, Channel: p.channel(), Owner: p.owner(), Length: length, Filetype: m.filetype,
		Challenge: m.challenge, Role: m.role,
	})
	if err != nil {
		return media.Status{}, err
	}
	info := media.Info{
		ID: id, CaseID: m.caseID, Step: m.step, Role: m.role, Epoch: take.Epoch, Owner: p.owner(), ChallengeID: m.challenge,
		Filetype: m.filetype, MaxBytes: limits.MaxBytes, CreatedAt: take.CreatedAt, ExpiresAt: take.ExpiresAt,
	}
	st, err := s.cfg.Media.Create(ctx, info, length)
	if err != nil {
		s.undo(ctx, p, info)
		return media.Status{}, err
	}
	return st, nil
}

// undo takes back a creation that failed.
func (s *Server) undo(ctx context.Context, p principal, info media.Info) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoFor)
	defer cancel()
	err := s.cfg.Cases.DropTake(ctx, p.actor(), info.CaseID, info.ID)
	if terr := s.cfg.Media.Terminate(ctx, info.ID); !errors.Is(terr, media.ErrUnknown) {
		err = errors.Join(err, terr)
	}
	if err != nil {
		s.cfg.Log.Warn("upload not undone", "upload", info.ID, "error", err.Error())
	}
}

// resumable reports whether an upload may go on after this failure of a piece.
func resumable(err error) bool {
	return !errors.Is(err, media.ErrChecksum) && !errors.Is(err, media.ErrTooLarge) && !errors.Is(err, cases.ErrFiletype) &&
		!errors.Is(err, media.ErrGone)
}

// ownUpload returns an upload of the principal. One that is over is told to its owner only.
func (s *Server) ownUpload(ctx context.Context, p principal, id string) (media.Status, error) {
	st, err := s.cfg.Media.Status(ctx, id)
	if err != nil && !errors.Is(err, media.ErrGone) {
		return media.Status{}, err
	}
	if st.Owner != p.owner() || p.kind == phone && st.Epoch != p.handoff.Epoch {
		return media.Status{}, media.ErrUnknown
	}
	if err != nil {
		return media.Status{}, err
	}
	return st, nil
}

// workedUpload is ownUpload for calls that work on the upload's step.
func (s *Server) workedUpload(c *fiber.Ctx) (principal, media.Status, cases.Case, error) {
	p, err := s.caller(c)
	if err != nil {
		return p, media.Status{}, cases.Case{}, err
	}
	st, err := s.ownUpload(c.UserContext(), p, param(c, "id"))
	if err != nil {
		return p, st, cases.Case{}, err
	}
	own, err := s.stepFor(c.UserContext(), p, st.CaseID, st.Step)
	return p, st, own, err
}

// uploadOffset answers where to go on. Whoever still sends lets go first, so that the number is final.
func (s *Server) uploadOffset(c *fiber.Ctx) error {
	p, st, _, err := s.workedUpload(c)
	if err != nil {
		return err
	}
	st, err = s.cfg.Media.TakeOver(c.UserContext(), st.ID)
	if err != nil {
		return s.refused(c.UserContext(), p, st, err)
	}
	tell(c, st)
	c.Set(headerMetadata, writeMetadata(st.Info))
	if st.Length < 0 {
		c.Set(headerDeferLength, "1")
	} else {
		c.Set(headerLength, itoa(st.Length))
	}
	return nil
}

// appendUpload takes the next piece.
func (s *Server) appendUpload(c *fiber.Ctx) error {
	p, st, own, err := s.workedUpload(c)
	if err != nil {
		return err
	}
	step, _, err := own.FindTake(st.ID)
	switch {
	case errors.Is(err, cases.ErrUnknown): // it left the case; its bytes follow
		return media.ErrGone
	case err != nil:
		return err
	case !levelOpen(own, step.Level):
		return cases.ErrLevelNotOpen
	}
	offset, err := byteCount(c, headerOffset)
	if err != nil {
		return err
	}
	if offset < 0 {
		return badHeader(headerOffset)
	}
	next, err := s.piece(c, offset)
	if err != nil {
		return err
	}
	if next.length, err = byteCount(c, headerLength); err != nil {
		return err
	}
	if next.body == nil && next.length != offset {
		return errEmptyPiece
	}
	next.total = max(st.Length, next.length)
	if next.body != nil && offset == st.Offset {
		limit := next.total
		if limit < 0 {
			limit = st.MaxBytes
		}
		if next.body.declared() > limit-offset {
			return media.ErrTooLarge
		}
	}
	if st, err = s.receive(c, p, st.Info, next); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// levelOpen reports whether evidence of a level may still come.
func levelOpen(c cases.Case, level int) bool {
	for _, l := range c.Levels {
		if l.Level == level {
			return l.State == cases.Open || l.State == cases.Resubmit
		}
	}
	return false
}

// piece is the body of one request as an upload takes it.
type piece struct {
	offset   int64
	length   int64 // declared now; -1: nothing said
	total    int64 // of the whole upload, as far as known; -1: deferred
	body     *bodyReader
	checksum *media.Checksum
}

// piece reads what the headers say of the body.
func (s *Server) piece(c *fiber.Ctx, offset int64) (piece, error) {
	next := piece{offset: offset, length: -1, total: -1}
	var err error
	if next.checksum, err = checksum(c); err != nil {
		return next, err
	}
	body, err := s.bodyReader(c)
	if err != nil {
		return next, err
	}
	if body.declared() == 0 {
		return next, nil
	}
	kind, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil || kind != pieceType {
		return next, errPieceType
	}
	next.body = body
	return next, nil
}

// receive stores a piece and tells the desk as it comes. The state of the upload goes into the
// headers of the answer in any case.
func (s *Server) receive(c *fiber.Ctx, p principal, info media.Info, next piece) (media.Status, error) {
	ctx := c.UserContext()
	r := media.AppendRequest{Offset: next.offset, Length: next.length, Checksum: next.checksum, Progress: s.progress(ctx, p, info, next)}
	counted := &countedBody{bodyReader: next.body}
	if next.body != nil {
		r.Body = counted
	}
	st, err := s.cfg.Media.Append(ctx, info.ID, r)
	if st.ID == "" {
		st.Info = info
	} else {
		tell(c, st)
	}
	switch {
	case err != nil:
		return st, s.refused(ctx, p, st, err)
	case next.body != nil && counted.n == 0 && next.length != next.offset:
		return st, errEmptyPiece // chunked, and empty after all
	}
	return st, nil
}

// countedBody counts what came, and can be interrupted.
type countedBody struct {
	*bodyReader
	n int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.bodyReader.Read(p)
	b.n += int64(n)
	return n, err
}

var _ io.Reader = (*countedBody)(nil)

// refused ends an upload that its case does not take (any more), and says so.
func (s *Server) refused(ctx context.Context, p principal, st media.Status, err error) error {
	switch {
	case errors.Is(err, cases.ErrFiletype): // the take has left the case; its bytes go now
		s.undo(ctx, p, st.Info)
	case errors.Is(err, cases.ErrNotForStep), errors.Is(err, cases.ErrStaleEpoch): // the take left while the bytes came
		s.undo(ctx, p, st.Info)
		return media.ErrGone.Because(err)
	case errors.Is(err, errInterrupted):
		return media.ErrTaken
	}
	return err
}

// progress tells the desk how much of a take has arrived, and that the phone is there.
func (s *Server) progress(ctx context.Context, p principal, info media.Info, next piece) func(int64) {
	var told, seen time.Time
	side := live.Desk
	if p.kind == phone {
		side = live.Phone
	}
	return func(offset int64) {
		now := time.Now()
		if now.Sub(told) < progressEvery && offset != next.total { // the last one is always told
			return
		}
		told = now
		shown := live.Progress{Step: info.Step, Phase: "sending", SentBytes: offset, TotalBytes: max(next.total, 0)}
		if next.total < 0 {
			shown.Phase = "" // sent while it is made: whoever makes it says what is being done
		}
		s.cfg.Hub.Progress(ctx, info.CaseID, shown)
		if now.Sub(seen) < seenEvery {
			return
		}
		seen = now
		s.cfg.Hub.Seen(ctx, info.CaseID, side)
		if p.kind == phone {
			if err := s.cfg.Handoffs.Seen(ctx, p.handoff.ID); err != nil && fault.KindOf(err) == fault.Internal {
				s.cfg.Log.Warn("presence not noted", "error", err.Error())
			}
		}
	}
}

// endUpload destroys an upload. A take that was kept stays: another one replaces it.
func (s *Server) endUpload(c *fiber.Ctx) error {
	p, st, own, err := s.workedUpload(c)
	if err != nil {
		return err
	}
	if _, take, err := own.FindTake(st.ID); err == nil && take.State == cases.TakeAccepted {
		return cases.ErrNotForStep
	}
	ctx := c.UserContext()
	if err := s.cfg.Cases.DropTake(ctx, p.actor(), st.CaseID, st.ID); err != nil {
		return err
	}
	if err := s.cfg.Media.Terminate(ctx, st.ID); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// uploadView is an upload in words.
type uploadView struct {
	ID          string          `json:"id"`
	CaseID      string          `json:"case_id"`
	Step        string          `json:"step"`
	Epoch       int64           `json:"epoch"`
	ChallengeID *string         `json:"challenge_id"`
	State       cases.TakeState `json:"state"`
	Offset      int64           `json:"offset"`
	Length      *int64          `json:"length"`
	MediaID     *string         `json:"media_id"`
	SHA256      *string         `json:"sha256"`
	ExpiresAt   *time.Time      `json:"expires_at"`
}

func (s *Server) getUpload(c *fiber.Ctx) error {
	p, err := s.caller(c)
	if err != nil {
		return err
	}
	st, err := s.ownUpload(c.UserContext(), p, param(c, "id"))
	if err != nil {
		return err
	}
	own, err := s.caseFor(c.UserContext(), p, st.CaseID)
	if err != nil {
		return err
	}
	v := uploadView{
		ID: st.ID, CaseID: st.CaseID, Step: st.Step, Epoch: st.Epoch, State: cases.TakeDiscarded,
		Offset: st.Offset, SHA256: hexOrNil(st.SHA256),
	}
	if st.ChallengeID != "" {
		v.ChallengeID = &st.ChallengeID
	}
	if st.Length >= 0 {
		v.Length = &st.Length
	}
	if !st.Complete {
		v.ExpiresAt = when(st.ExpiresAt)
	}
	if _, take, err := own.FindTake(st.ID); err == nil {
		v.State = take.State
		if take.MediaID != "" {
			v.MediaID = &take.MediaID
		}
	}
	return c.JSON(v)
}
