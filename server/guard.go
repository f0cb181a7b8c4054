package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/symbolon/symbolon/fault"
)

// Failures of the framing of a request.
var (
	errLengthRequired = fault.New(fault.LengthRequired, "length_required", "Declare the length of the body with Content-Length.")
	errTruncated      = fault.New(fault.Malformed, "body_truncated", "The body ended before its declared length.")
	errAmbiguous      = fault.New(fault.Malformed, "ambiguous_length", "The length of the body cannot be told for certain.")
	errAddressTooLong = fault.New(fault.AddressTooLong, "address_too_long", "The address is too long.")
)

// framing is what the head of a request says of its body, and how much of it was read.
type framing struct {
	stream   io.Reader // nil when there is no body
	declared int64     // -1 chunked, 0 none
	got      int64
	ended    bool  // the stream said so: all of it was read, or the client stopped
	broken   bool  // the stream failed, nobody knows where the next request starts
	refused  error // the head itself is not acceptable
	reader   *bodyReader
}

type framingKey struct{}

func framingOf(ctx *fasthttp.RequestCtx) *framing {
	f, _ := ctx.UserValue(framingKey{}).(*framing)
	return f
}

// Read reads the body and counts.
func (f *framing) Read(p []byte) (int, error) {
	if f.stream == nil {
		return 0, io.EOF
	}
	n, err := f.stream.Read(p)
	f.got += int64(n)
	switch {
	case err == io.EOF:
		f.ended = true
		if f.declared >= 0 && f.got < f.declared {
			f.broken = true
			err = io.ErrUnexpectedEOF // fasthttp says EOF when a client dies
		}
	case err != nil:
		f.broken = true
	}
	return n, err
}

// unread reports how many bytes of the body are left: -1 when that is not known.
func (f *framing) unread() int64 {
	switch {
	case f.stream == nil:
		return 0
	case f.declared >= 0:
		return f.declared - f.got
	case f.ended:
		return 0
	}
	return -1
}

// door is the outermost handler: what must hold for every request, whichever way it is answered.
func (s *Server) door(app fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if c := connOf(ctx.Conn()); c != nil {
			c.busy.Store(true)
		}
		f := frame(ctx)
		ctx.SetUserValue(framingKey{}, f)
		defer func() {
			if v := recover(); v != nil { // of the framework: our handlers' panics end in logged
				s.cfg.Log.Error("panic", "error", errPanic{v, debug.Stack()}.Error())
				s.writeProblem(ctx, errInternal)
			}
			s.settle(ctx, f)
		}()
		if !knownMethod(ctx.Method()) { // Fiber would answer it in plain text
			s.writeProblem(ctx, errMethod)
			s.logUnread(ctx, errMethod)
			return
		}
		app(ctx)
	}
}

// frame reads what the head says of the body, from the head as it came: fasthttp has already chosen
// one meaning of a head that has two.
func frame(ctx *fasthttp.RequestCtx) *framing {
	f := &framing{stream: ctx.RequestBodyStream(), declared: int64(ctx.Request.Header.ContentLength())}
	if f.declared == -2 || f.stream == nil { // neither header
		f.stream, f.declared = nil, 0
	}
	lengths, encodings := 0, 0
	for line := range bytes.Lines(ctx.Request.Header.RawHeaders()) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch strings.ToLower(string(bytes.TrimSpace(name))) {
		case "content-length":
			lengths++
		case "transfer-encoding":
			encodings++
			if !strings.EqualFold(string(bytes.TrimSpace(value)), "chunked") {
				f.refused = errAmbiguous
			}
		}
	}
	if lengths+encodings > 1 {
		f.refused = errAmbiguous
	}
	return f
}

// settle is the one place that sees to what is left of a body after the answer was made: a small
// rest is read, for a moment, before the next request; with more, or in doubt, the connection is
// closed, because what is left would be taken for the next request.
func (s *Server) settle(ctx *fasthttp.RequestCtx, f *framing) {
	if f.reader != nil {
		f.reader.retire()
	}
	c := connOf(ctx.Conn())
	left := f.unread()
	switch {
	case ctx.Hijacked():
		return
	case f.refused != nil, f.broken, left < 0, left > maxBody:
		ctx.SetConnectionClose()
		if c != nil {
			c.linger.Store(true)
		}
	case left > 0:
		_ = ctx.SetReadDeadline(time.Now().Add(s.timing.leftover)) // fasthttp reads it once the answer is out
	}
	if s.transport.stopped() {
		ctx.SetConnectionClose()
	}
}

func knownMethod(method []byte) bool {
	switch string(method) {
	case fasthttp.MethodGet, fasthttp.MethodHead, fasthttp.MethodPost, fasthttp.MethodPut, fasthttp.MethodPatch,
		fasthttp.MethodDelete, fasthttp.MethodOptions:
		return true
	}
	return false
}

// streams reports whether a call reads its own body as it comes. POST to one upload is PATCH in
// the words of clients that cannot send that.
func streams(method, path string) bool {
	if method != fiber.MethodPost && method != fiber.MethodPatch {
		return false
	}
	if isEvidence(path) {
		return method == fiber.MethodPost
	}
	rest, ok := strings.CutPrefix(path, "/v1/uploads")
	if !ok {
		return false
	}
	if rest == "" {
		return method == fiber.MethodPost
	}
	return len(rest) > 1 && rest[0] == '/' && !strings.Contains(rest[1:], "/")
}

// acceptable judges a head by itself: nil when its body may be sent.
func (f *framing) acceptable(method, path string) error {
	switch {
	case f.refused != nil:
		return f.refused
	case streams(method, path):
		return nil
	case f.declared < 0:
		return errLengthRequired
	case f.declared > maxBody:
		return errTooLarge
	}
	return nil
}

// guard is the middleware that lets a request through when its body is whole and small, or
// left to a handler that reads it through bodyReader. Below it, c.Body() is complete.
func (s *Server) guard(c *fiber.Ctx) error {
	f := framingOf(c.Context())
	if f == nil {
		return errors.New("server: a request came around the door")
	}
	if err := f.acceptable(c.Method(), c.Path()); err != nil {
		return err
	}
	if streams(c.Method(), c.Path()) || f.stream == nil {
		return c.Next()
	}
	body, err := s.buffer(c.Context(), f)
	if err != nil {
		return err
	}
	c.Request().SetBodyRaw(body)
	return c.Next()
}

// buffer reads a declared body into memory: each read moves the deadline, up to a whole time.
func (s *Server) buffer(ctx *fasthttp.RequestCtx, f *framing) ([]byte, error) {
	body := make([]byte, f.declared)
	last := time.Now().Add(s.timing.bodyTotal)
	for f.got < f.declared {
		deadline := time.Now().Add(s.timing.bodyIdle)
		if deadline.After(last) {
			deadline = last
		}
		if err := ctx.SetReadDeadline(deadline); err != nil {
			return nil, errTruncated.Because(err)
		}
		if _, err := f.Read(body[f.got:]); err != nil && f.got < f.declared {
			return nil, readError(err)
		}
	}
	return body, nil
}

// readError tells a client that stopped from one that is too slow.
func readError(err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return errTimeout.Because(err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &timeout), errors.Is(err, net.ErrClosed):
		return errTruncated.Because(errors.Join(io.ErrUnexpectedEOF, err))
	}
	return errMalformed.Because(err) // chunks that are none
}

// expect answers Expect: 100-continue: a body that would be refused is not asked for.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	f := frame(ctx)
	if n := ctx.Request.Header.ContentLength(); n != -2 { // the stream comes after the 100
		f.declared = int64(n)
	}
	err := f.acceptable(string(ctx.Method()), string(ctx.URI().PathOriginal()))
	if err == nil {
		return fasthttp.StatusContinue
	}
	s.writeProblem(ctx, err)
	s.logUnread(ctx, err)
	return ctx.Response.StatusCode()
}

// unreadable answers a request whose head could not be read.
func (s *Server) unreadable(ctx *fasthttp.RequestCtx, err error) {
	c := connOf(ctx.Conn())
	if c != nil {
		c.linger.Store(true)
	}
	var timeout net.Error
	answer := errMalformed
	switch {
	case errors.As(err, new(*fasthttp.ErrSmallBuffer)):
		answer = errHeaders
		if c != nil && c.sinceLine >= maxHead { // the buffer is full and holds no end of a line
			answer = errAddressTooLong
		}
	case errors.Is(err, fasthttp.ErrDuplicateContentLength), errors.Is(err, fasthttp.ErrUnsupportedTransferEncoding):
		answer = errAmbiguous
	case errors.As(err, &timeout) && timeout.Timeout():
		answer = errTimeout
	case errors.Is(err, io.ErrUnexpectedEOF):
		answer = errTruncated
	}
	s.writeProblem(ctx, answer)
	s.logUnread(ctx, answer)
}

// writeProblem is problem for where there is no Fiber.
func (s *Server) writeProblem(ctx *fasthttp.RequestCtx, err error) {
	e := classify(err)
	status := statusOf[e.Kind]
	body, _ := json.Marshal(document(e, status)) // of strings and numbers
	ctx.Response.Reset()
	ctx.SetStatusCode(status)
	h := &ctx.Response.Header
	h.Set(fiber.HeaderContentType, "application/problem+json")
	h.Set(fiber.HeaderCacheControl, "no-store")
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderContentSecurityPolicy, apiPolicy)
	if status == fasthttp.StatusMethodNotAllowed {
		h.Set(fiber.HeaderAllow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	ctx.SetBody(body)
	ctx.SetConnectionClose()
	if c := connOf(ctx.Conn()); c != nil {
		c.linger.Store(true)
	}
}

// logUnread writes the line of a request that no route saw.
func (s *Server) logUnread(ctx *fasthttp.RequestCtx, err error) {
	s.cfg.Log.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("route", ""), slog.Int("status", ctx.Response.StatusCode()), slog.String("code", classify(err).Code))
	s.metrics.unread(ctx.Response.StatusCode(), classify(err).Code)
}

// bodyReader is the body of an upload as it comes. A sender that stalls, trickles or dies
// ends it with an error, never with io.EOF; io.EOF means that all of it was read.
type bodyReader struct {
	server *Server
	ctx    *fasthttp.RequestCtx
	f      *framing

	since time.Time // the floor counts from here
	floor int64     // what had arrived then

	// mu guards what follows.
	mu    sync.Mutex
	cause error // why it was interrupted
	done  bool  // the request is over: the connection belongs to the next one
}

// bodyReader returns the reader of this request's body, for calls that streams names.
func (s *Server) bodyReader(c *fiber.Ctx) (*bodyReader, error) {
	f := framingOf(c.Context())
	if f == nil || f.reader != nil || !streams(c.Method(), c.Path()) {
		return nil, errors.New("server: this request's body is not to be streamed")
	}
	b := &bodyReader{server: s, ctx: c.Context(), f: f, since: time.Now()}
	t := &s.transport
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping {
		return nil, errGoing
	}
	t.bodies[b] = true
	f.reader = b
	return b, nil
}

// declared returns the length in bytes: -1 when the body is chunked, 0 when there is none.
func (b *bodyReader) declared() int64 { return b.f.declared }

// Read returns io.EOF at the end of a whole body, and otherwise an error for the log and
// the client: body_truncated (which wraps io.ErrUnexpectedEOF), body_timeout, request_malformed, or the
// cause of an interruption.
func (b *bodyReader) Read(p []byte) (int, error) {
	if err := b.arm(); err != nil {
		return 0, err
	}
	n, err := b.f.Read(p)
	b.server.metrics.uploaded.Add(float64(n))
	if err == nil || err == io.EOF {
		return n, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause != nil {
		return n, b.cause
	}
	return n, readError(err)
}

// arm sets the deadline of the next read.
func (b *bodyReader) arm() error {
	now := time.Now()
	t := &b.server.timing
	if now.Sub(b.since) >= t.floor {
		if b.f.got-b.floor < t.floorBytes {
			b.f.broken = true // nobody reads the rest
			return errTimeout
		}
		b.since, b.floor = now, b.f.got
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause != nil {
		b.f.broken = true // nobody reads the rest
		return b.cause
	}
	return b.ctx.SetReadDeadline(now.Add(t.uploadIdle))
}

// Interrupt makes a Read that waits return at once, and every later one. Any goroutine may call it,
// also when the request is over.
func (b *bodyReader) Interrupt() { b.interrupt(errInterrupted) }

var errInterrupted = errors.New("server: somebody else goes on with this upload")

func (b *bodyReader) interrupt(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done || b.cause != nil {
		return
	}
	b.cause = cause
	_ = b.ctx.SetReadDeadline(time.Unix(1, 0)) // a closed connection needs none
}

// retire ends the reader with its request.
func (b *bodyReader) retire() {
	b.mu.Lock()
	b.done = true
	b.mu.Unlock()
	t := &b.server.transport
	t.mu.Lock()
	delete(t.bodies, b)
	t.mu.Unlock()
}

var _ io.Reader = (*bodyReader)(nil)
