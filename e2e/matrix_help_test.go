package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
	"github.com/symbolon/symbolon/web"
)

// site is a server as browsers see it.
type site struct {
	url string
	// work does the jobs that are due, where the server does not do them by itself.
	work func()
}

// clocked is a server in this process whose clock a test moves on. Its pages are those of the tree, and it
// ends what ran out, as the program does.
func clocked(t *testing.T) (site, *servertest.Server) {
	t.Helper()
	if !web.Built() {
		t.Fatal("the pages are not built: run make web")
	}
	s := servertest.Start(t, func(c *server.Config) { c.Pages, c.Operator.Name = web.Dist(), "Meridian" })
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Handoffs.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return site{url: s.URL, work: func() { s.Work(t) }}, s
}

// pair is somebody whose Level 2 is open: a desk and a phone, and what the desk offers.
type pair struct {
	*testing.T
	w      *world
	at     site
	lang   string
	email  string
	caseID string

	keeper *tab // an empty tab: it keeps the desk's cookies while its pages come and go
	desk   *tab
	shut   func() // closes the desk's page
	phone  *tab
	offer  offer
}

// offer is what the desk was given.
type offer struct {
	ID       string `json:"id"`
	URL      string `json:"url"`
	TextCode string `json:"text_code"`
	Code     string `json:"code"` // of a problem
}

var people atomic.Int64

// newPair signs somebody up and takes them through Level 1, all by calls.
func (w *world) newPair(t *testing.T, at site, lang string) *pair {
	t.Helper()
	p := &pair{T: t, w: w, at: at, lang: lang, email: fmt.Sprintf("person%d@example.com", people.Add(1))}
	p.keeper = w.browser.open(t, deskDevice, lang)
	p.openDesk(at.url + "/")
	d := p.desk
	d.screen("signin")
	ask[any](d, 201, "POST", "/v1/accounts", map[string]any{"email": p.email, "password": password})
	ask[any](d, 200, "POST", "/v1/session", map[string]any{"email": p.email, "password": password})
	type view struct {
		ID      string `json:"id"`
		Version int64  `json:"version"`
	}
	c := ask[view](d, 201, "POST", "/v1/cases", map[string]any{"kind": "person"})
	p.caseID = c.ID
	for _, id := range []string{"identity", "documents"} {
		ask[any](d, 200, "PUT", "/v1/cases/"+c.ID+"/consents/"+id, map[string]any{"given": true, "version": 1, "language": "en"})
	}
	c = ask[view](d, 200, "GET", "/v1/cases/"+c.ID, nil)
	c = ask[view](d, 200, "PUT", "/v1/cases/"+c.ID+"/identity", servertest.Identity(), "If-Match", strconv.Quote(fmt.Sprint(c.Version)))
	ask[any](d, 202, "POST", "/v1/cases/"+c.ID+"/levels/1/submit", map[string]any{}, "If-Match", strconv.Quote(fmt.Sprint(c.Version)))
	if at.work != nil {
		at.work()
	}
	d.goTo(at.url + "/#/identity/2")
	d.reload()
	d.screen("level2")
	return p
}

// openDesk opens the desk's page.
func (p *pair) openDesk(url string) {
	p.Helper()
	p.desk, p.shut = p.keeper.beside(p.keeper.t)
	p.desk.t = p.T
	p.desk.goTo(url)
}

// beside opens another tab of the same browser, with the same cookies.
func (p *tab) beside(t *testing.T) (*tab, func()) {
	t.Helper()
	q := &tab{t: t, axe: p.axe, lang: p.lang, device: p.device}
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithListener(q.listen))
	shut := func() { _ = chromedp.Cancel(ctx); cancel() }
	t.Cleanup(shut)
	q.ctx = ctx
	q.size(q.width, q.height)
	call(q, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: strings.ReplaceAll(q.lang, "-", "_")})
	call(q, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: q.agent, AcceptLanguage: q.lang})
	return q, shut
}

// ask calls the server from within a page, as whoever is signed in there, and returns its answer.
func ask[T any](p *tab, want int, method, path string, body any, headers ...string) T {
	p.t.Helper()
	status, answer, text := try[T](p, method, path, body, headers...)
	if status != want {
		p.fail("%s %s answers %d: %s", method, path, status, text)
	}
	return answer
}

// try is ask for a call that may be refused.
func try[T any](p *tab, method, path string, body any, headers ...string) (status int, answer T, text string) {
	p.t.Helper()
	h := map[string]string{"Content-Type": "application/json"}
	for i := 0; i+1 < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	options := map[string]any{"method": method, "headers": h}
	if body != nil {
		b, err := json.Marshal(body)
		p.must(err)
		options["body"] = string(b)
	}
	o, err := json.Marshal(options)
	p.must(err)
	got := eval[struct {
		Status int
		Text   string
	}](p, fmt.Sprintf(`fetch(%s, %s).then(async (r) => ({ Status: r.status, Text: await r.text() }))`, quote(path), o))
	if got.Text != "" {
		p.must(json.Unmarshal([]byte(got.Text), &answer))
	}
	return got.Status, answer, got.Text
}

// cell runs the test of one cell: with a phone of its own, and everybody in the state.
func (p *pair) cell(event, state string, do func(p *pair)) {
	p.Helper()
	p.Run(event+"/"+state, func(t *testing.T) {
		p.within(t, func() {
			p.phone = p.w.browser.open(t, phoneDevice, p.lang)
			p.reach(state)
			do(p)
			p.desk.calm()
			p.phone.calm()
		})
	})
}

// within makes the desk speak for a subtest as long as that runs.
func (p *pair) within(t *testing.T, do func()) {
	outer := p.T
	p.T, p.desk.t = t, t
	defer func() { p.T, p.desk.t = outer, outer }()
	do()
}

// reach brings desk and phone into a state.
func (p *pair) reach(state string) {
	p.Helper()
	p.newOffer()
	if state == "offered" {
		return
	}
	p.claim(p.phone)
	if state == "claimed" {
		return
	}
	p.match()
	if state != "active" {
		p.Fatalf("there is no way to %q", state)
	}
}

// newOffer shows a new code at the desk, whatever there was before, and opens it on the phone.
func (p *pair) newOffer() {
	p.Helper()
	p.newCode()
	p.phone.goTo(p.offer.URL)
	p.phone.screen("landing")
}

// newCode shows a new code at the desk, whatever there was before.
func (p *pair) newCode() {
	p.Helper()
	if !eval[bool](p.desk, `location.pathname === "/"`) { // where an earlier test stopped in the middle
		p.desk.goTo(p.at.url + "/#/identity/2/phone")
		p.desk.until(`document.querySelector("h1")`)
	}
	path := "/v1/cases/" + p.caseID
	var steps []string
	c := ask[caseView](p.desk, 200, "GET", path, nil)
	for _, s := range c.Steps {
		if (strings.HasPrefix(s.ID, "document_") || s.ID == "face") && s.State != "accepted" && s.State != "checked" {
			steps = append(steps, s.ID)
		}
	}
	in := map[string]any{"steps": steps, "replace": true}
	status, o, text := try[offer](p.desk, "POST", path+"/handoffs", in)
	if o.Code == "password_confirmation_required" {
		ask[any](p.desk, 204, "POST", "/v1/session/confirm", map[string]any{"password": password})
		status, o, text = try[offer](p.desk, "POST", path+"/handoffs", in)
	}
	if status != http.StatusCreated {
		p.Fatalf("the offer is answered %d: %s", status, text)
	}
	p.offer = o
	p.desk.to("/identity/2/phone")
	p.desk.until(one("text-code") + "?.textContent === " + quote(o.TextCode))
	p.goodCode()
}

// scan reads the code off the desk's screen. Once a phone has opened it, it is drawn too faintly for that.
func (p *pair) scan() string {
	p.Helper()
	p.desk.until(`document.querySelector('[data-test=qr]')?.dataset.state === "good"`)
	p.desk.settle()
	return readQR(p.T, p.desk.picture())
}

// goodCode waits until a code can be read off the desk's screen.
func (p *pair) goodCode() {
	p.Helper()
	p.desk.until(`["good", "opening"].includes(document.querySelector('[data-test=qr]')?.dataset.state)`)
}

// claim goes on at the landing page.
func (p *pair) claim(phone *tab) {
	p.Helper()
	phone.press("continue")
	phone.screen("number")
	p.desk.until(one("match-number") + "?.textContent.length === 2")
}

// match types the number.
func (p *pair) match() {
	p.Helper()
	p.phone.typeIn("digits", p.desk.text("match-number"))
	p.phone.screen("plan")
	p.desk.seen("mirror")
}

// wrong types a number that the desk does not show, and waits for what comes of it.
func (p *pair) wrong(then string) {
	p.Helper()
	shown := p.desk.text("match-number")
	number := "10"
	if shown == number {
		number = "11"
	}
	p.phone.press("digits")
	p.phone.until("document.activeElement === " + one("digits"))
	p.phone.keys(number)
	if then != "" {
		p.phone.seen(then)
		return
	}
	p.phone.until(one("digits") + `?.getAttribute("aria-invalid") === "true"`)
	p.desk.until(one("match-number") + "?.textContent !== " + quote(shown))
}

// to goes to a place of the desk's page.
func (p *tab) to(place string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf("(location.hash = %s, true)", quote("#"+place)))
}

// signIn signs the desk in again.
func (p *pair) signIn() {
	p.Helper()
	p.desk.screen("signin")
	ask[any](p.desk, 200, "POST", "/v1/session", map[string]any{"email": p.email, "password": password})
	p.desk.reload()
	p.desk.seen("menu")
}

// ended waits until the desk says how the handoff ended.
func (p *pair) ended(desk *tab, state string) {
	p.Helper()
	desk.until(`document.querySelector('[data-test=handoff-ended]')?.dataset.state === ` + quote(state))
}

// lost takes the network away from a page, or gives it back.
func (p *tab) lost(away bool) {
	p.t.Helper()
	if away {
		p.serverAway(true)
	}
	call(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: -1, Offline: away}},
	})
	call(p, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: away, DownloadThroughput: -1, UploadThroughput: -1})
}

// found ends what lost began, once the page has noticed.
func (p *tab) found() {
	p.t.Helper()
	p.lost(false)
	p.until("!" + one("offline"))
	p.serverAway(false)
}

// asleep leaves nothing of the page running, as a phone does that was locked for long, or brings it back.
func (p *tab) asleep(yes bool) {
	p.t.Helper()
	if yes {
		p.goTo("about:blank")
		return
	}
	_, _ = chromedp.Run(p.ctx, chromedp.Evaluate[bool]("(history.back(), true)"))
	p.until(`location.protocol === "http:" && document.querySelector("h1")`)
}

// words are those of the pages, by language and key.
var words = sync.OnceValues(func() (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for _, lang := range []string{"en", "zh-Hans"} {
		b, err := os.ReadFile("../web/i18n/" + lang + ".json")
		if err != nil {
			return nil, err
		}
		var w map[string]string
		if err := json.Unmarshal(b, &w); err != nil {
			return nil, err
		}
		all[lang] = w
	}
	return all, nil
})

var (
	blank = regexp.MustCompile(`\\\{[a-z]+\\\}`)
	space = regexp.MustCompile(`[\s\p{Z}]+`)
	// What only programs should read: codes, ids, holes in sentences.
	raw = regexp.MustCompile(`\b[a-z]+_[a-z_]+\b|\b[a-z]{2,6}_[0-9A-HJKMNP-TV-Z]{10,}|undefined|\bNaN\b|\bnull\b|\[object|\{[a-z]+\}`)
)

// inWords makes an expression of what a key says in a language, whatever fills its holes.
func inWords(t *testing.T, lang, key string) *regexp.Regexp {
	t.Helper()
	all, err := words()
	if err != nil {
		t.Fatal(err)
	}
	var forms []string
	for _, k := range []string{key, key + ".one", key + ".other"} {
		if s, ok := all[lang][k]; ok {
			forms = append(forms, blank.ReplaceAllString(regexp.QuoteMeta(space.ReplaceAllString(s, "")), ".+"))
		}
	}
	if len(forms) == 0 {
		t.Fatalf("there are no words for %s in %s", key, lang)
	}
	return regexp.MustCompile("^(" + strings.Join(forms, "|") + ")$")
}

// plain checks that a page of its own is shown in both languages: its heading says the key's words, so do
// further hooks (hook, key, …), and nowhere is there anything that only programs read.
func (p *tab) plain(screen, key string, more ...string) {
	p.t.Helper()
	p.screen(screen)
	hooks := map[string]string{"screen-" + screen: key}
	for i := 0; i+1 < len(more); i += 2 {
		p.seen(more[i])
		hooks[more[i]] = more[i+1]
	}
	names, err := json.Marshal(keysOf(hooks))
	p.must(err)
	type shown struct {
		Lang, All string
		Said      map[string]string
	}
	for _, s := range eval[[]shown](p, fmt.Sprintf(`(async () => {
		const before = document.documentElement.lang, out = [];
		for (const lang of [before === "en" ? "zh-Hans" : "en", before]) {
			document.querySelector('[data-test="lang-' + lang + '"]')?.click();
			for (let i = 0; i < 200 && document.documentElement.lang !== lang; i++) await new Promise((r) => setTimeout(r, 10));
			await new Promise((r) => setTimeout(r, 50));
			const Said = {};
			for (const hook of %s) Said[hook] = document.querySelector('[data-test="' + hook + '"]')?.textContent ?? "";
			out.push({ Lang: document.documentElement.lang, All: document.body.innerText, Said });
		}
		return out;
	})()`, names)) {
		for hook, key := range hooks {
			said := space.ReplaceAllString(s.Said[hook], "")
			if want := inWords(p.t, s.Lang, key); !want.MatchString(said) {
				p.t.Errorf("%s, %s: %s says %q, not the words of %s", p.name, s.Lang, hook, said, key)
			}
		}
		if code := raw.FindString(s.All); code != "" {
			p.t.Errorf("%s, %s, %s: the page says %q:\n%s", p.name, screen, s.Lang, code, s.All)
		}
	}
}

func keysOf(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// gone waits until something is no longer on the page.
func (p *tab) gone(hook string) { p.t.Helper(); p.until("!" + one(hook)) }

// slowly takes the photo of a step and sends a part of it over a slow line. It returns the photo's size.
func (p *pair) slowly(step, side string) int {
	p.Helper()
	ph := p.phone
	p.w.camera.show(p.T, side)
	ph.press("start")
	ph.until(one("screen-permission") + " || " + one("screen-photo") + " || " + one("screen-check"))
	if eval[bool](ph, "!!"+one("screen-permission")) {
		ph.press("allow-camera")
	}
	ph.until(one("screen-check") + " || " + one("shutter") + "?.disabled === false")
	if eval[bool](ph, "!!"+one("screen-photo")) {
		_, _ = chromedp.Run(ph.ctx, chromedp.Evaluate[bool]("("+one("shutter")+"?.click(), true)"))
	}
	ph.screen("check")
	ph.until(one("photo") + `?.dataset.state === "shown"`)
	size := len(ph.lastPhoto())
	ph.uplink(float64(size) / 6)
	ph.press("use-photo")
	p.desk.until(fmt.Sprintf("Number(%s?.dataset.sent) > %d", one("mirror-sent"), size/4))
	return size
}

// onDisk waits until a file has not been written for a while: the embedded Redis promises that a change is on
// disk within 200 ms, and a busy machine takes its time.
func onDisk(t *testing.T, path string) {
	t.Helper()
	const quiet = time.Second
	for last := time.Now(); time.Since(last) < quiet; time.Sleep(lookFor) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := info.ModTime(); at.After(last) {
			last = at
		}
	}
}

// wire is what lies between a phone and the server: it can break, with all that is on it.
type wire struct {
	url string

	mu     sync.Mutex
	broken bool
	ends   map[net.Conn]bool
}

// newWire leads a port of its own to an address.
func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	w := &wire{url: "http://localhost:" + port, ends: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			phone, err := l.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{Timeout: waitFor}).Dial("tcp", to)
			if err != nil || !w.add(phone, server) {
				_ = phone.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{phone, server}, {server, phone}} {
				running.Go(func() {
					_, _ = io.Copy(way[0], way[1])
					_, _ = phone.Close(), server.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.cut(true)
		running.Wait()
	})
	return w
}

// add keeps both ends of a connection, unless the wire is broken.
func (w *wire) add(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range ends {
		if w.broken {
			_ = c.Close()
		}
		w.ends[c] = true
	}
	return !w.broken
}

// cut breaks the wire, or mends it.
func (w *wire) cut(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = yes
	if yes {
		for c := range w.ends {
			_ = c.Close()
		}
		clear(w.ends)
	}
}

// received adds up the bytes of photos in requests that began after a moment, as the server's log has them.
func received(real *program, since time.Time) int {
	sum := 0
	for line := range strings.Lines(real.log.String()) {
		var request struct {
			Time          time.Time
			Took          time.Duration
			Method, Route string
			BytesIn       int `json:"bytes_in"`
		}
		if json.Unmarshal([]byte(line), &request) == nil && request.Method == "PATCH" && strings.HasPrefix(request.Route, "/v1/uploads") &&
			request.Time.Add(-request.Took).After(since) {
			sum += request.BytesIn
		}
	}
	return sum
}

// reloadSure loads the page again and says yes when the browser asks whether to leave.
func (p *tab) reloadSure() {
	p.t.Helper()
	asked := make(chan struct{}, 1)
	p.must(chromedp.Listen(p.ctx, func(event any) {
		if _, ok := event.(*page.EventJavascriptDialogOpening); ok {
			select {
			case asked <- struct{}{}:
			default:
			}
		}
	}))
	done := make(chan error, 1)
	go func() { done <- chromedp.Do(p.ctx, chromedp.Reload()) }()
	select {
	case <-asked:
		call(p, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		p.must(<-done)
	case err := <-done:
		p.must(err)
		p.t.Error("the page was left without a question, with photos that were nowhere else")
	}
}
