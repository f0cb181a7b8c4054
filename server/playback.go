package server

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/media"
)

var (
	errMediaUnknown = fault.New(fault.NotFound, "media_unknown", "There is no such medium.")
	errRange        = fault.New(fault.RangeNotSatisfiable, "range_not_satisfiable", "The range lies outside the medium.")
)

// mediaPolicy lets a browser show evidence and do nothing else with it, whatever it holds.
const mediaPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"

// playable are the types that evidence is served as; they were sniffed when it was stored.
var playable = map[string]bool{
	"image/jpeg": true, "image/png": true, "video/mp4": true, "video/webm": true, "video/x-matroska": true,
}

// getMedia serves the bytes of a take, and HEAD what would be served.
func (s *Server) getMedia(c *fiber.Ctx) error {
	all, err := s.callers(c)
	if err != nil {
		return err
	}
	ctx, id := c.UserContext(), param(c, "id")
	if !strings.HasPrefix(id, "med_") {
		return errMediaUnknown
	}
	for _, p := range all {
		if len(p.session.Roles) > 0 {
			return s.reviewMedia(c, p, id)
		}
	}
	var p principal
	var take cases.Take
	var caseID string
	for i := range all {
		p = all[i]
		if caseID, take, err = s.shown(ctx, p, id); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	o, err := s.cfg.Media.Open(ctx, take.UploadID)
	switch {
	case errors.Is(err, media.ErrUnknown), errors.Is(err, media.ErrGone), errors.Is(err, media.ErrIncomplete):
		return errMediaUnknown
	case err != nil:
		return err
	}
	if err := s.serve(c, o, take, func() error { return s.cfg.Cases.Look(ctx, caseID, p.actor(), "media", id) }); err != nil {
		return errors.Join(err, o.Close())
	}
	return nil
}

// shown returns the take that a medium's id names, if the principal may see it.
func (s *Server) shown(ctx context.Context, p principal, id string) (caseID string, take cases.Take, err error) {
	uploadID := cases.UploadID(id)
	st, err := s.cfg.Media.Status(ctx, uploadID)
	switch {
	case errors.Is(err, media.ErrUnknown), errors.Is(err, media.ErrGone):
		return "", take, errMediaUnknown
	case err != nil:
		return "", take, err
	}
	own, err := s.caseFor(ctx, p, st.CaseID)
	if errors.Is(err, cases.ErrUnknown) {
		return "", take, errMediaUnknown
	}
	if err != nil {
		return "", take, err
	}
	if p.kind == phone && p.handoff.State != handoff.Active {
		return "", take, handoff.ErrNotMatched
	}
	step, take, err := own.FindTake(uploadID)
	if err != nil || take.MediaID != id || !mayLook(p, own, step, take) {
		return "", take, errMediaUnknown
	}
	return st.CaseID, take, nil
}

// serve answers with o, which it closes unless it fails. look is called once it is certain that bytes are shown.
func (s *Server) serve(c *fiber.Ctx, o media.Object, take cases.Take, look func() error) error {
	tag := `"` + hex.EncodeToString(o.SHA256()) + `"`
	size := o.Size()
	from, length, partial := int64(0), size, false
	if asked, n := oneHeader(c, fiber.HeaderRange); n == 1 && c.Method() == http.MethodGet && currentRange(c, tag) {
		var ok bool
		if from, length, partial, ok = oneRange(asked, size); !ok {
			c.Set(fiber.HeaderContentRange, "bytes */"+itoa(size))
			return errRange
		}
	}
	if c.Method() != http.MethodHead {
		if err := look(); err != nil {
			return err
		}
	}
	filetype := take.Filetype
	if !playable[filetype] {
		filetype = fiber.MIMEOctetStream
	}
	c.Set(fiber.HeaderContentType, filetype)
	c.Set(fiber.HeaderContentSecurityPolicy, mediaPolicy)
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	c.Set(fiber.HeaderETag, tag)
	c.Status(http.StatusOK)
	if partial {
		c.Status(http.StatusPartialContent)
		c.Set(fiber.HeaderContentRange, "bytes "+itoa(from)+"-"+itoa(from+length-1)+"/"+itoa(size))
	}
	if c.Method() == http.MethodHead {
		c.Response().SkipBody = true
		c.Response().Header.SetContentLength(int(length))
		return o.Close()
	}
	// The stream is read and closed after the handler is over.
	c.Response().SetBodyStream(&played{io.NewSectionReader(o, from, length), o}, int(length))
	return nil
}

// played is one answer's part of an object.
type played struct {
	io.Reader
	io.Closer
}

// currentRange is the rule of If-Range: a range of something else is not asked for.
func currentRange(c *fiber.Ctx, tag string) bool {
	of, n := oneHeader(c, fiber.HeaderIfRange)
	return n == 0 || n == 1 && of == tag
}

// oneRange reads a Range header of one range. What is not one is passed over, as RFC 9110 §14.2 has
// it, and the whole is served; ok is false when the range lies outside.
func oneRange(header string, size int64) (from, length int64, partial, ok bool) {
	spec, isBytes := strings.CutPrefix(header, "bytes=")
	first, last, isRange := strings.Cut(spec, "-")
	whole := func() (int64, int64, bool, bool) { return 0, size, false, true }
	if !isBytes || !isRange {
		return whole()
	}
	a, errA := strconv.ParseUint(first, 10, 62)
	b, errB := strconv.ParseUint(last, 10, 62)
	switch {
	case first == "" && errB == nil: // the last b bytes
		if b == 0 || size == 0 {
			return 0, 0, false, false
		}
		length = min(int64(b), size)
		return size - length, length, true, true
	case errA != nil, last != "" && (errB != nil || b < a):
		return whole()
	case int64(a) >= size:
		return 0, 0, false, false
	case last == "":
		return int64(a), size - int64(a), true, true
	}
	return int64(a), min(int64(b), size-1) - int64(a) + 1, true, true
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
