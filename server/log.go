package server

import (
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/oklog/ulid/v2"
)

// requestFor is how long a call that moves no evidence may take.
const requestFor = 20 * time.Second

// event is what one request leaves in the log: one wide line. It never holds an
// address, a query, a header's value or anything of a body.
type event struct {
	id        string
	principal principalKind
	code      string // of a problem
	err       error  // of a failure that is ours
}

type eventKey struct{}

// eventOf returns the request's event; nil where no middleware ran.
func eventOf(c *fiber.Ctx) *event {
	ev, _ := c.Locals(eventKey{}).(*event)
	return ev
}

// logged is the outermost middleware. It gives the request a context that ends with the
// server, answers errors and panics of everything below it, and writes the one line.
func (s *Server) logged(c *fiber.Ctx) (err error) {
	start := s.cfg.Now()
	ev := &event{id: ulid.Make().String()}
	c.Locals(eventKey{}, ev)
	c.Set(fiber.HeaderXRequestID, ev.id)

	c.SetUserContext(s.closing)

	defer func() {
		if v := recover(); v != nil {
			err = errPanic{v, debug.Stack()}
		}
		if err != nil {
			s.problem(c, err)
			err = nil
		}
		s.write(c, ev, s.cfg.Now().Sub(start))
	}()
	return c.Next()
}

// timed bounds a call, once its body is here, to requestFor. A call that moves evidence takes the time
// it takes; whatever else is streamed after the handler has returned must not use the context.
func (s *Server) timed(c *fiber.Ctx) error {
	if long(c.Path()) {
		return c.Next()
	}
	ctx, cancel := context.WithTimeout(s.closing, requestFor)
	defer cancel()
	c.SetUserContext(ctx)
	return c.Next()
}

// long reports whether a path moves evidence or stays open.
func long(path string) bool {
	return strings.HasPrefix(path, "/v1/uploads") || strings.HasPrefix(path, "/v1/media/") || isEvidence(path) || strings.HasSuffix(path, "/live")
}

// routeOf is the pattern that answered, never the path: what was typed may be anything. It is empty
// where only the middlewares, which stand at "/", saw the request.
func routeOf(c *fiber.Ctx) string {
	if r := c.Route().Path; r != "/" || c.Path() == "/" {
		return strings.Clone(r)
	}
	return ""
}

func (s *Server) write(c *fiber.Ctx, ev *event, took time.Duration) {
	status := c.Response().StatusCode()
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	in, out := int64(0), c.Response().Header.ContentLength()
	if f := framingOf(c.Context()); f != nil {
		in = f.got
	}
	if !c.Response().IsBodyStream() { // asking a stream for its body would read it
		out = len(c.Response().Body())
	}
	attrs := []slog.Attr{
		slog.String("id", ev.id),
		slog.String("method", strings.Clone(c.Method())),
		slog.String("route", routeOf(c)),
		slog.Int("status", status),
		slog.Int64("bytes_in", in),
		slog.Int("bytes_out", max(out, 0)),
		slog.Duration("took", took),
	}
	if ev.principal != "" {
		attrs = append(attrs, slog.String("principal", string(ev.principal)))
	}
	if ev.code != "" {
		attrs = append(attrs, slog.String("code", ev.code))
	}
	if ev.err != nil {
		attrs = append(attrs, slog.String("error", ev.err.Error()))
	}
	s.cfg.Log.LogAttrs(context.Background(), level, "request", attrs...)
	s.metrics.request(routeOf(c), strings.Clone(c.Method()), status, ev.code, took, ev.err)
}
