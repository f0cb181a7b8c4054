package servertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/symbolon/symbolon/checks/checkstest"
)

// Client calls a server. The zero credentials are a program's: neither header nor cookie.
type Client struct {
	t testing.TB
	s *Server
	// Browser says that requests carry what a browser's page of this server sends.
	Browser bool
	// Cookies by name, kept up to date where Browser.
	Cookies map[string]string
	// Token is sent as bearer where set.
	Token string
	// Account and Password of whoever signed in.
	Email, Password string
	// Secret is what the codes of somebody who works here are made of.
	Secret string
	// CaseID is the case of Person.
	CaseID string
}

// Answer is what came back.
type Answer struct {
	Request *http.Request
	Sent    []byte
	Status  int
	Header  http.Header
	Body    []byte
}

// NewBrowser is a browser that shows a page of the server.
func (s *Server) NewBrowser(t testing.TB) *Client {
	return &Client{t: t, s: s, Browser: true, Cookies: map[string]string{}}
}

// NewProgram is a native app or a script: no cookies, no browser's headers.
func (s *Server) NewProgram(t testing.TB) *Client {
	return &Client{t: t, s: s, Cookies: map[string]string{}}
}

// Do sends one request. body is nil, []byte as it is, or anything JSON knows. headers are pairs; a
// value of "-" removes a header, and "+…" adds one more line of it.
func (c *Client) Do(method, path string, body any, headers ...string) *Answer {
	c.t.Helper()
	var raw []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		raw = b
	default:
		var err error
		if raw, err = json.Marshal(body); err != nil {
			c.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, c.s.URL+path, bytes.NewReader(raw))
	if err != nil {
		c.t.Fatal(err)
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Browser {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for name, value := range c.Cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		switch name, value := headers[i], headers[i+1]; {
		case value == "-":
			req.Header.Del(name)
		case strings.HasPrefix(value, "+"):
			req.Header.Add(name, value[1:])
		case strings.EqualFold(name, "Host"):
			req.Host = value
		default:
			req.Header.Set(name, value)
		}
	}
	res, err := noRedirects.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	a := &Answer{Request: req, Sent: raw, Status: res.StatusCode, Header: res.Header}
	if a.Body, err = io.ReadAll(res.Body); err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if err := c.s.check(a); err != nil {
		c.t.Errorf("%s %s answers against the contract: %v\n%s", method, path, err, a.Body)
	}
	if c.Browser {
		for _, ck := range res.Cookies() {
			if ck.MaxAge < 0 || ck.Value == "" {
				delete(c.Cookies, ck.Name)
			} else {
				c.Cookies[ck.Name] = ck.Value
			}
		}
	}
	return a
}

var noRedirects = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Code is the code of a problem, "" for anything else.
func (a *Answer) Code() string {
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") {
		return ""
	}
	s, _ := a.Map()["code"].(string)
	return s
}

// Map is the body as a JSON object.
func (a *Answer) Map() map[string]any {
	var m map[string]any
	_ = json.Unmarshal(a.Body, &m)
	return m
}

// Get walks the body by names and indexes such as "handoff.match.number" or "steps.0.id".
func (a *Answer) Get(path string) any {
	var v any
	if json.Unmarshal(a.Body, &v) != nil {
		return nil
	}
	for name := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// String is Get for a string.
func (a *Answer) String(path string) string {
	s, _ := a.Get(path).(string)
	return s
}

// Want ends the test unless the status, and for problems the code, are these.
func (a *Answer) Want(t testing.TB, status int, code ...string) *Answer {
	t.Helper()
	if a.Status != status || len(code) > 0 && a.Code() != code[0] {
		t.Fatalf("%s %s: got %d %s, want %d %s\n%s", a.Request.Method, a.Request.URL.Path, a.Status, a.Code(), status, strings.Join(code, " "), a.Body)
	}
	return a
}

var people atomic.Int64

// Password is what every account of the tests has.
const Password = "correct horse battery staple"

// Applicant is a browser that signed up and in.
func (s *Server) Applicant(t testing.TB) *Client {
	t.Helper()
	c := s.NewBrowser(t)
	c.Email, c.Password = fmt.Sprintf("person%d@example.com", people.Add(1)), Password
	c.Do("POST", "/v1/accounts", map[string]any{"email": c.Email, "password": c.Password}).Want(t, 201)
	c.SignIn()
	return c
}

// SignIn signs the browser in.
func (c *Client) SignIn() *Answer {
	c.t.Helper()
	return c.Do("POST", "/v1/session", map[string]any{"email": c.Email, "password": c.Password}).Want(c.t, 200)
}

// Other is another session of the same account: a browser.
func (c *Client) Other() *Client {
	c.t.Helper()
	o := c.s.NewBrowser(c.t)
	o.Email, o.Password, o.CaseID = c.Email, c.Password, c.CaseID
	o.SignIn()
	return o
}

// App is another session of the same account: a native app.
func (c *Client) App() *Client {
	c.t.Helper()
	o := c.s.NewProgram(c.t)
	o.Email, o.Password, o.CaseID = c.Email, c.Password, c.CaseID
	o.Token = o.Do("POST", "/v1/tokens", map[string]any{"email": c.Email, "password": c.Password}).Want(c.t, 201).String("token")
	return o
}

// Identity is a Level 1 that follows every rule. The number is the specimen's of GB 11643.
func Identity() map[string]any {
	return map[string]any{
		"nationality": "CHN", "name": "张三样本", "birth_date": "1949-12-31", "address": "北京市朝阳区样本路一号",
		"document":   map[string]any{"type": "cn_resident_id", "number": "11010519491231002X", "issued_on": "2020-01-01", "expires_on": "long_term"},
		"acting_for": map[string]any{"who": "self"},
	}
}

// Person is an applicant whose Level 1 is stored and submitted, so that Level 2 is open.
func (s *Server) Person(t testing.TB) *Client {
	t.Helper()
	c := s.Applicant(t)
	c.Begin("person")
	c.Do("PUT", c.Path("/identity"), Identity(), "If-Match", c.Version()).Want(t, 200)
	c.Do("POST", c.Path("/levels/1/submit"), map[string]any{}, "If-Match", c.Version()).Want(t, 202)
	s.Work(t)
	if state := c.Do("GET", c.Path(""), nil).Want(t, 200).String("levels.1.state"); state != "open" {
		t.Fatalf("level 2 is %q after level 1 was checked", state)
	}
	return c
}

// Begin makes a case of a kind and agrees to everything that it asks for.
func (c *Client) Begin(kind string) {
	c.t.Helper()
	c.CaseID = c.Do("POST", "/v1/cases", map[string]any{"kind": kind}).Want(c.t, 201).String("id")
	c.Agree()
}

// Agree gives every consent that the case asks this client for.
func (c *Client) Agree() {
	c.t.Helper()
	all, _ := c.Do("GET", c.Path("/consents"), nil).Want(c.t, 200).Get("consents").([]any)
	for _, one := range all {
		m := one.(map[string]any)
		c.Do("PUT", c.Path("/consents/"+m["id"].(string)), map[string]any{"given": true, "version": m["version"], "language": "en"}).Want(c.t, 200)
	}
}

// Path is an address below the case.
func (c *Client) Path(rest string) string { return "/v1/cases/" + c.CaseID + rest }

// Version is the case's version as If-Match has it.
func (c *Client) Version() string {
	c.t.Helper()
	return c.Do("GET", c.Path(""), nil).Want(c.t, 200).Header.Get("ETag")
}

// Offer asks for a handoff of these steps, or of the two sides of the document.
func (c *Client) Offer(steps ...string) *Answer {
	c.t.Helper()
	if steps == nil {
		steps = []string{"document_front", "document_back"}
	}
	return c.Do("POST", c.Path("/handoffs"), map[string]any{"steps": steps}).Want(c.t, 201)
}

// Claim is a phone that claims the handoff of an offer by its text code.
func (c *Client) Claim(offer *Answer) *Client {
	c.t.Helper()
	p := c.s.NewProgram(c.t)
	p.CaseID = c.CaseID
	a := p.Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("text_code")}).Want(c.t, 201)
	p.Token = a.String("token")
	return p
}

// Phone is a phone whose handoff, of these steps or of the two sides of the document, is active.
func (c *Client) Phone(steps ...string) (phone *Client, handoffID string) {
	c.t.Helper()
	offer := c.Offer(steps...)
	phone = c.Claim(offer)
	number := c.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(c.t, 200).String("match.number")
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": number}).Want(c.t, 200)
	return phone, offer.String("id")
}

// Photo is a good photo of a card that is drawn differently for each seed: its front for odd ones, its back
// for even ones.
func Photo(seed uint8) []byte {
	side := checkstest.Front
	if seed%2 == 0 {
		side = checkstest.Back
	}
	return slices.Clone(checkstest.Evidence(checkstest.Document{Side: side, Seed: uint64(seed)}))
}

// Send uploads bytes as a take of a step, whole, and returns the upload's id.
func (c *Client) Send(step string, photo []byte, headers ...string) string {
	c.t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	a := c.Do("POST", "/v1/uploads", photo, append(headers, "Content-Type", "application/offset+octet-stream", "Tus-Resumable", "1.0.0",
		"Upload-Length", fmt.Sprint(len(photo)),
		"Upload-Metadata", "case "+b64([]byte(c.CaseID))+",step "+b64([]byte(step))+",filetype "+b64([]byte("image/jpeg")))...).Want(c.t, 201)
	return strings.TrimPrefix(a.Header.Get("Location"), "/v1/uploads/")
}

// Keep uploads a photo for a step and accepts it.
func (c *Client) Keep(step string, seed uint8) (uploadID string) {
	c.t.Helper()
	uploadID = c.Send(step, Photo(seed))
	c.Do("POST", c.Path("/steps/"+step+"/accept"), map[string]any{"upload_id": uploadID}).Want(c.t, 200)
	return uploadID
}
