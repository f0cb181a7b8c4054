package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/fault"
)

// statusOf is the one place where a kind of failure becomes an HTTP status.
var statusOf = map[fault.Kind]int{
	fault.Internal:             http.StatusInternalServerError,
	fault.Invalid:              http.StatusUnprocessableEntity,
	fault.Malformed:            http.StatusBadRequest,
	fault.Unauthenticated:      http.StatusUnauthorized,
	fault.Forbidden:            http.StatusForbidden,
	fault.NotFound:             http.StatusNotFound,
	fault.MethodNotAllowed:     http.StatusMethodNotAllowed,
	fault.Conflict:             http.StatusConflict,
	fault.Gone:                 http.StatusGone,
	fault.Stale:                http.StatusPreconditionFailed,
	fault.PreconditionRequired: http.StatusPreconditionRequired,
	fault.TooLarge:             http.StatusRequestEntityTooLarge,
	fault.LengthRequired:       http.StatusLengthRequired,
	fault.AddressTooLong:       http.StatusRequestURITooLong,
	fault.HeadersTooLarge:      http.StatusRequestHeaderFieldsTooLarge,
	fault.Unsupported:          http.StatusUnsupportedMediaType,
	fault.Locked:               http.StatusLocked,
	fault.TooMany:              http.StatusTooManyRequests,
	fault.ChecksumMismatch:     460, // tus 1.0.0
	fault.Misdirected:          http.StatusMisdirectedRequest,
	fault.Unavailable:          http.StatusServiceUnavailable,
	fault.NoSpace:              http.StatusInsufficientStorage,
	fault.Timeout:              http.StatusRequestTimeout,
	fault.UnsupportedProtocol:  http.StatusPreconditionFailed,
	fault.UpgradeRequired:      http.StatusUpgradeRequired,
	fault.RangeNotSatisfiable:  http.StatusRequestedRangeNotSatisfiable,
}

// unavailableFor is when to try again what is unavailable for a reason that does not say how long.
const unavailableFor = 2 * time.Second

// Failures of the door itself.
var (
	errInternal    = fault.New(fault.Internal, "internal", "Something went wrong on our side.")
	errNotFound    = fault.New(fault.NotFound, "not_found", "There is nothing at this address.")
	errMethod      = fault.New(fault.MethodNotAllowed, "method_not_allowed", "This address does not take that method.")
	errMalformed   = fault.New(fault.Malformed, "request_malformed", "The request cannot be read.")
	errJSON        = fault.New(fault.Malformed, "json_malformed", "The body is not the JSON that belongs here.")
	errContentType = fault.New(fault.Unsupported, "content_type_unsupported", "This address takes application/json.")
	errTooLarge    = fault.New(fault.TooLarge, "body_too_large", "The body is larger than this address takes.")
	errHeaders     = fault.New(fault.HeadersTooLarge, "headers_too_large", "The request line and headers are too long.")
	errTimeout     = fault.New(fault.Timeout, "body_timeout", "The request did not arrive in time.")
	errUnavailable = fault.New(fault.Unavailable, "unavailable", "A part that is needed does not answer now. Try again in a moment.")
	errTimedOut    = fault.New(fault.Unavailable, "timed_out", "This took too long and was given up.")
	errGoing       = fault.New(fault.Unavailable, "shutting_down", "This server is going. Another one answers soon.")
	errUpgrade     = fault.New(fault.UpgradeRequired, "websocket_required", "This address only speaks websocket.")
	errHost        = fault.New(fault.Misdirected, "host_unknown", "This server does not answer for that host.")
)

// fail is Fiber's error handler: it turns whatever failed into a problem. Errors of
// fasthttp's parser arrive here without passing any middleware.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	s.problem(c, err)
	return nil
}

// problem answers err as application/problem+json and notes it for the log. Who opened an address that is none in a browser
// gets a page instead.
func (s *Server) problem(c *fiber.Ctx, err error) {
	e := classify(err)
	status, ok := statusOf[e.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	if e.Kind == fault.Unavailable && e.RetryAfter == 0 {
		e = e.After(unavailableFor)
	}
	if ev := eventOf(c); ev != nil {
		ev.code = e.Code
		if status >= 500 {
			ev.err = err
		}
	}

	res := c.Response()
	res.ResetBody()
	res.Header.Del(fiber.HeaderContentEncoding)
	res.Header.Del(fiber.HeaderETag)
	c.Status(status)
	c.Set(fiber.HeaderContentType, "application/problem+json")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	if status == http.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="symbolon"`)
	}
	if e.RetryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	body, jerr := json.Marshal(document(e, status))
	if jerr != nil { // a member that JSON does not know: ours, never the caller's
		body, _ = json.Marshal(document(errInternal, http.StatusInternalServerError))
		c.Status(http.StatusInternalServerError)
	}
	res.SetBodyRaw(body)
	if e == errNotFound && wantsPage(c) {
		s.missingPage(c)
	}
}

// document is the problem as RFC 9457 has it, with our further members.
func document(e *fault.Error, status int) map[string]any {
	doc := map[string]any{}
	for name, value := range e.Members {
		doc[name] = value
	}
	title := http.StatusText(status)
	if status == 460 {
		title = "Checksum Mismatch"
	}
	doc["type"] = "/docs#" + e.Code
	doc["title"] = title
	doc["status"] = status
	doc["detail"] = e.Detail
	doc["code"] = e.Code
	if e.RetryAfter > 0 {
		doc["retry_after"] = int(math.Ceil(e.RetryAfter.Seconds()))
	}
	if len(e.Fields) > 0 {
		type field struct {
			Field  string `json:"field"`
			Code   string `json:"code"`
			Detail string `json:"detail"`
		}
		fields := make([]field, len(e.Fields))
		for i, f := range e.Fields {
			fields[i] = field(f)
		}
		doc["errors"] = fields
	}
	return doc
}

// classify finds what may be told of err. What nobody classified is internal, and what
// is internal is told in one fixed sentence, whatever it carries.
func classify(err error) *fault.Error {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		if e.Kind == fault.Internal {
			return errInternal
		}
		return e
	}
	if fe, ok := errors.AsType[*fiber.Error](err); ok {
		switch fe.Code {
		case http.StatusBadRequest:
			return errMalformed
		case http.StatusNotFound:
			return errNotFound
		case http.StatusMethodNotAllowed:
			return errMethod
		case http.StatusRequestTimeout, http.StatusBadGateway: // Fiber calls a broken read a bad gateway
			return errTimeout
		case http.StatusRequestEntityTooLarge:
			return errTooLarge
		case http.StatusRequestHeaderFieldsTooLarge:
			return errHeaders
		case http.StatusUpgradeRequired:
			return errUpgrade
		}
		return errInternal
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errTimedOut.After(time.Second)
	}
	if errors.Is(err, context.Canceled) {
		return errGoing.After(time.Second)
	}
	return errInternal
}

// errPanic carries a panic to the log.
type errPanic struct {
	value any
	stack []byte
}

func (e errPanic) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }
