package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/fault"
)

// Failures of how something is asked.
var (
	errNoVersion  = fault.New(fault.PreconditionRequired, "version_required", "Say which version this is for with If-Match.")
	errBadVersion = fault.New(fault.Malformed, "version_invalid", `If-Match is one version, such as "7".`)
)

// maxDepth bounds the nesting of a JSON body.
const maxDepth = 16

// param is a part of the path. Fiber's own string changes when the handler is over.
func param(c *fiber.Ctx, name string) string { return strings.Clone(c.Params(name)) }

// decode reads a JSON body into v. It takes nothing that it does not know: another media type,
// unknown or repeated names, a second value, and bytes that are not UTF-8 are refused, so
// that what was checked is what is used.
func decode(c *fiber.Ctx, v any) ([]byte, error) {
	body, err := jsonBody(c)
	if err != nil {
		return nil, err
	}
	return body, parse(body, v)
}

// jsonBody is the body of a request that says that it is JSON.
func jsonBody(c *fiber.Ctx) ([]byte, error) {
	mt, params, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if cs, ok := params["charset"]; err != nil || mt != "application/json" || ok && !strings.EqualFold(cs, "utf-8") {
		return nil, errContentType
	}
	body := bytes.Clone(c.Body())
	if len(body) > maxBody {
		return nil, errTooLarge
	}
	return body, nil
}

// decodeOpaque reads a JSON object that this server keeps and does not understand, so that its names are its
// owner's business; they stand once, and nothing is nested too deep.
func decodeOpaque(c *fiber.Ctx) ([]byte, error) {
	body, err := jsonBody(c)
	if err != nil {
		return nil, err
	}
	return body, wellFormed(body, true)
}

// decodeOptional is decode for calls whose body may be left out.
func decodeOptional(c *fiber.Ctx, v any) ([]byte, error) {
	if len(c.Body()) == 0 {
		return nil, nil
	}
	return decode(c, v)
}

// parse is the part of decode without a request.
func parse(body []byte, v any) error {
	if err := wellFormed(body, false); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return errJSON // its text may quote the body
	}
	return nil
}

// wellFormed checks that a body is one JSON object; with anyNames, its members may be called anything.
func wellFormed(body []byte, anyNames bool) error {
	if !utf8.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) { // null would pass for an object without members
		return errJSON
	}
	walk := json.NewDecoder(bytes.NewReader(body))
	walk.UseNumber()
	if err := walkValue(walk, 0, anyNames); err != nil {
		return errJSON
	}
	if _, err := walk.Token(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	return nil
}

var errWalk = errors.New("not taken")

// walkValue reads one value: names are snake_case and stand once, and nothing is nested too deep.
func walkValue(dec *json.Decoder, depth int, anyNames bool) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errWalk
	}
	seen := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			// encoding/json matches names in any case: only the written form is taken.
			name, _ := key.(string)
			if seen[name] || !anyNames && name != strings.ToLower(name) {
				return errWalk
			}
			seen[name] = true
		}
		if err := walkValue(dec, depth+1, anyNames); err != nil {
			return err
		}
	}
	_, err = dec.Token() // the closing delimiter
	return err
}

// version reads If-Match: absent is 428, anything but one strong tag of digits 400.
func version(c *fiber.Ctx) (int64, error) {
	lines := c.Request().Header.PeekAll(fiber.HeaderIfMatch)
	if len(lines) == 0 {
		return 0, errNoVersion
	}
	tag := string(lines[0])
	if len(lines) > 1 || len(tag) < 3 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return 0, errBadVersion
	}
	v, err := strconv.ParseUint(tag[1:len(tag)-1], 10, 63)
	if err != nil {
		return 0, errBadVersion
	}
	return int64(v), nil
}
