// Package contract holds answers of a running server against openapi.yaml. Tests' clients hand
// every answer to a Checker: a status, a member, a header or a problem code that is not written down
// fails the test that met it.
package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/symbolon/symbolon/server"
)

// Checker knows the contract and remembers what of it was met. It is safe for concurrent use.
type Checker struct {
	calls   []*call
	codes   map[string]int // status by problem code
	common  map[string]bool
	problem *openapi3.Schema
	message *openapi3.Schema

	mu      sync.Mutex
	covered map[string]bool // guarded by mu
}

// call is one operation.
type call struct {
	method   string
	path     string
	segments []string
	item     *openapi3.PathItem
	op       *openapi3.Operation
	problems []string
}

func (c *call) String() string { return c.method + " " + c.path }

// New reads the server's contract. It fails when the document is not valid or contradicts itself.
func New() (*Checker, error) { return parse(server.OpenAPI()) }

func parse(document []byte) (*Checker, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("contract: read: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	k := &Checker{codes: map[string]int{}, common: map[string]bool{}, covered: map[string]bool{}}
	catalogue, _ := doc.Extensions["x-problem-codes"].(map[string]any)
	for code, v := range catalogue {
		entry, _ := v.(map[string]any)
		status, ok := entry["status"].(float64)
		if text, _ := entry["detail"].(string); !ok || text == "" {
			return nil, fmt.Errorf("contract: code %s needs a status and a detail", code)
		}
		k.codes[code] = int(status)
	}
	common, err := words(doc.Extensions["x-common-problems"])
	if err != nil {
		return nil, fmt.Errorf("contract: x-common-problems: %w", err)
	}
	unused := map[string]bool{}
	for code := range k.codes {
		unused[code] = true
	}
	for _, code := range common {
		k.common[code] = true
		delete(unused, code)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			c := &call{method: method, path: path, segments: strings.Split(path, "/"), item: item, op: op}
			if c.problems, err = words(op.Extensions["x-problems"]); err != nil {
				return nil, fmt.Errorf("contract: %s: %w", c, err)
			}
			for _, code := range c.problems {
				if k.common[code] {
					return nil, fmt.Errorf("contract: %s lists %s, which every call may answer", c, code)
				}
				delete(unused, code)
			}
			k.calls = append(k.calls, c)
			for _, code := range append(c.problems, common...) {
				if k.codes[code] == 0 {
					return nil, fmt.Errorf("contract: %s lists the code %s, which has no entry", c, code)
				}
			}
		}
	}
	for code := range unused {
		return nil, fmt.Errorf("contract: no call lists the code %s", code)
	}
	slices.SortFunc(k.calls, func(a, b *call) int { return strings.Compare(a.String(), b.String()) })
	problem, message := doc.Components.Schemas["Problem"], doc.Components.Schemas["LiveMessage"]
	if problem == nil || message == nil {
		return nil, errors.New("contract: there is no schema Problem or LiveMessage")
	}
	k.problem, k.message = problem.Value, message.Value
	return k, nil
}

func words(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("a list of codes is missing")
	}
	var out []string
	for _, e := range list {
		s, ok := e.(string)
		if !ok || slices.Contains(out, s) {
			return nil, fmt.Errorf("%v is not a code, or there twice", e)
		}
		out = append(out, s)
	}
	return out, nil
}

// Call is one operation of the contract, for tests that walk all of them.
type Call struct {
	Method, Path string // the path with its {names}
	Problems     []string
	Body         bool // it takes a JSON body
}

// Calls lists the operations, sorted.
func (k *Checker) Calls() []Call {
	var out []Call
	for _, c := range k.calls {
		body := c.op.RequestBody != nil && c.op.RequestBody.Value.Content["application/json"] != nil
		out = append(out, Call{c.method, c.path, slices.Clone(c.problems), body})
	}
	return out
}

// find returns the call that a request means, the most literal path first; nil when there is none.
func (k *Checker) find(method, path string) (*call, map[string]string) {
	var best *call
	var bestParams map[string]string
	for _, c := range k.calls {
		if c.method != method {
			continue
		}
		if params, ok := c.match(path); ok && (best == nil || len(params) < len(bestParams)) {
			best, bestParams = c, params
		}
	}
	return best, bestParams
}

func (c *call) match(path string) (map[string]string, bool) {
	parts := strings.Split(path, "/")
	if len(parts) != len(c.segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, seg := range c.segments {
		if name, ok := strings.CutPrefix(seg, "{"); ok && parts[i] != "" {
			params[strings.TrimSuffix(name, "}")] = parts[i]
		} else if seg != parts[i] {
			return nil, false
		}
	}
	return params, true
}

// Check holds one answer against the contract. req's and resp's own bodies are not read: give
// them as reqBody and respBody. An answer at an address that the contract does not know must be one
// of the problems that any call may answer, or, outside /v1, a page, which is not judged.
func (k *Checker) Check(req *http.Request, reqBody []byte, resp *http.Response, respBody []byte) error {
	c, params := k.find(req.Method, req.URL.Path)
	if c == nil && req.Method == http.MethodHead { // GET without a body
		c, params = k.find(http.MethodGet, req.URL.Path)
	}
	if err := k.check(c, params, req, reqBody, resp, respBody); err != nil {
		return fmt.Errorf("contract: %s %s answered %d: %w", req.Method, where(c, req.URL.Path), resp.StatusCode, err)
	}
	return nil
}

// CheckMessage holds one message of a live socket against the contract.
func (k *Checker) CheckMessage(data []byte) error {
	value, err := decode(data)
	if err != nil {
		return fmt.Errorf("contract: live message: %w", err)
	}
	if err := visit(k.message, value); err != nil {
		return fmt.Errorf("contract: live message: %w", err)
	}
	return nil
}

func where(c *call, path string) string {
	if c == nil {
		return path
	}
	return c.path
}

func (k *Checker) check(c *call, params map[string]string, req *http.Request, reqBody []byte, resp *http.Response, respBody []byte) error {
	v1 := strings.HasPrefix(req.URL.Path, "/v1/") || req.URL.Path == "/v1"
	if v1 && !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") && resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New("it may be stored: Cache-Control lacks no-store")
	}
	if resp.StatusCode >= 400 {
		return k.checkProblem(c, req, resp, respBody)
	}
	if c == nil {
		if v1 {
			return errors.New("this call is not written down")
		}
		return nil
	}
	if !v1 && resp.StatusCode == http.StatusNotModified {
		return nil
	}
	if err := k.checkAnswer(c, req, resp, respBody); err != nil {
		return err
	}
	if err := c.checkRequest(params, req, reqBody); err != nil {
		return fmt.Errorf("it took a request that is not written down: %w", err)
	}
	k.cover(fmt.Sprintf("%s %d", c, resp.StatusCode))
	return nil
}

func (k *Checker) checkProblem(c *call, req *http.Request, resp *http.Response, body []byte) error {
	allowed := func(code string) bool {
		return k.common[code] || c != nil && slices.Contains(c.problems, code)
	}
	if req.Method == http.MethodHead {
		if len(body) != 0 {
			return errors.New("HEAD has a body")
		}
		for code, status := range k.codes {
			if status == resp.StatusCode && allowed(code) {
				return nil
			}
		}
		return errors.New("no code of this call has this status")
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
		return fmt.Errorf("it is not a problem but %q", ct)
	}
	value, err := decode(body)
	if err != nil {
		return err
	}
	if err := visit(k.problem, value); err != nil {
		return err
	}
	p := value.(map[string]any) // the schema says so
	code := p["code"].(string)
	switch {
	case k.codes[code] == 0:
		return fmt.Errorf("the code %s is not in the catalogue", code)
	case !allowed(code):
		return fmt.Errorf("the code %s is not among those of the call", code)
	case k.codes[code] != resp.StatusCode:
		return fmt.Errorf("the code %s belongs to status %d", code, k.codes[code])
	case fmt.Sprint(p["status"]) != strconv.Itoa(resp.StatusCode):
		return fmt.Errorf("the member status is %v", p["status"])
	case p["type"] != "/docs#"+code:
		return fmt.Errorf("the member type is %v", p["type"])
	case (code == "invalid_fields") != (p["errors"] != nil):
		return fmt.Errorf("the code %s and the member errors do not go together", code)
	case !strings.Contains(resp.Header.Get("Cache-Control"), "no-store"):
		return errors.New("a problem may be stored")
	}
	for status, header := range map[int]string{
		http.StatusUnauthorized: "WWW-Authenticate", http.StatusMethodNotAllowed: "Allow", http.StatusTooManyRequests: "Retry-After",
	} {
		if resp.StatusCode == status && resp.Header.Get(header) == "" {
			return errors.New("the header " + header + " is missing")
		}
	}
	if c != nil {
		k.cover(fmt.Sprintf("%s %d %s", c, resp.StatusCode, code))
	}
	return nil
}

func (k *Checker) checkAnswer(c *call, req *http.Request, resp *http.Response, body []byte) error {
	ref := c.op.Responses.Status(resp.StatusCode)
	if ref == nil {
		return errors.New("this status is not written down")
	}
	for name, h := range ref.Value.Headers {
		got := resp.Header.Get(name)
		if got == "" {
			if h.Value.Required {
				return fmt.Errorf("the header %s is missing", name)
			}
			continue
		}
		if err := visit(h.Value.Schema.Value, got); err != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	if req.Method == http.MethodHead || len(ref.Value.Content) == 0 {
		if len(body) != 0 {
			return errors.New("it has a body")
		}
		return nil
	}
	ct, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("its type: %w", err)
	}
	media := ref.Value.Content[ct]
	if media == nil {
		return fmt.Errorf("the type %s is not written down", ct)
	}
	if ct != "application/json" {
		if len(body) == 0 {
			return errors.New("it is empty")
		}
		return nil
	}
	value, err := decode(body)
	if err != nil {
		return err
	}
	return visit(media.Schema.Value, value)
}

// checkRequest holds a request that was accepted against the contract: what the server takes must be written down too.
func (c *call) checkRequest(params map[string]string, req *http.Request, body []byte) error {
	for _, ref := range append(slices.Clone(c.item.Parameters), c.op.Parameters...) {
		p := ref.Value
		if p.In != openapi3.ParameterInPath {
			continue
		}
		if err := visitText(p.Schema.Value, params[p.Name]); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	for name, values := range req.URL.Query() {
		p := c.parameter(openapi3.ParameterInQuery, name)
		if p == nil {
			continue // what is not known is not looked at
		}
		if err := visitText(p.Schema.Value, values[0]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.op.RequestBody == nil {
		return nil
	}
	spec := c.op.RequestBody.Value
	if len(body) == 0 {
		if spec.Required {
			return errors.New("there is no body")
		}
		return nil
	}
	ct, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	media := spec.Content[ct]
	if media == nil {
		return fmt.Errorf("a body of type %q", ct)
	}
	if ct != "application/json" {
		return nil
	}
	value, err := decode(body)
	if err != nil {
		return err
	}
	return visit(media.Schema.Value, value)
}

func (c *call) parameter(in, name string) *openapi3.Parameter {
	for _, ref := range append(slices.Clone(c.item.Parameters), c.op.Parameters...) {
		if ref.Value.In == in && ref.Value.Name == name {
			return ref.Value
		}
	}
	return nil
}

// visitText is visit for a value that came as text.
func visitText(schema *openapi3.Schema, text string) error {
	if schema.Type.Is("integer") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		return visit(schema, float64(n))
	}
	return visit(schema, text)
}

func visit(schema *openapi3.Schema, value any) error {
	err := schema.VisitJSON(value, openapi3.MultiErrors())
	if err == nil {
		return nil
	}
	// The library's own text repeats the schema; where and why is enough.
	var many openapi3.MultiError
	if !errors.As(err, &many) {
		many = openapi3.MultiError{err}
	}
	var out []error
	for _, e := range many {
		var se *openapi3.SchemaError
		if errors.As(e, &se) {
			e = fmt.Errorf("at /%s: %s", strings.Join(se.JSONPointer(), "/"), se.Reason)
		}
		out = append(out, e)
	}
	return errors.Join(out...)
}

// decode reads exactly one JSON value.
func decode(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON")
	}
	return v, nil
}

func (k *Checker) cover(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.covered[what] = true
}

// Covered lists what was met, sorted: "POST /v1/cases 201", "POST /v1/cases 409 case_exists".
func (k *Checker) Covered() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for what := range k.covered {
		out = append(out, what)
	}
	slices.Sort(out)
	return out
}

// Missing lists what is written down and was not met: good answers, and codes that only some calls answer.
func (k *Checker) Missing() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, c := range k.calls {
		for status := range c.op.Responses.Map() {
			if what := c.String() + " " + status; status != "default" && !k.covered[what] {
				out = append(out, what)
			}
		}
		for _, code := range c.problems {
			if what := fmt.Sprintf("%s %d %s", c, k.codes[code], code); !k.covered[what] {
				out = append(out, what)
			}
		}
	}
	slices.Sort(out)
	return out
}
