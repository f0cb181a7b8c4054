package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/symbolon/symbolon/cases"
)

// matrix is what may happen to a handoff, event by event in every state, with what comes of it at the desk and
// on the phone. Where each cell is tested:
//
//	event                      offered, claimed, active
//	desk refresh               TestBrowser/other_ways (refreshes)
//	desk closed and reopened   desks; that a number ends after 120 s: time
//	desk in a second tab       desks
//	another session            desks; what its calls answer: server.TestOnlyTheSessionThatOfferedSeesTheCodes
//	phone refresh              TestBrowser/other_ways (refreshes); with a photo on its way: photos_on_the_way
//	phone locked for 5 minutes time
//	phone changes network      claimed: phones; active: photos_on_the_way
//	second phone               phones; a hundred at once: handoff/handofftest
//	new offer at the desk      phones
//	server killed and started  restarts; with photos on their way: TestBrowser/from_the_scan_to_the_store
//	Redis loses everything     a_store_that_lost_everything; on several nodes: deploy
//	a node dies                deploy
//	back, forward, the cache   history
//	sign-out at the desk       ends
//
// Nobody sees a handoff superseded at the desk: what superseded it is what the desk shows. Times that run out, the
// pauses and the epochs behind all this are tested call by call in handoff/handofftest and server.
func (w *world) matrix(t *testing.T) {
	real := newProgram(t, w.binary, false)
	at := site{url: real.url}
	for _, group := range []struct {
		name  string
		cells func(p *pair)
	}{
		{"desks", (*pair).desks},
		{"phones", (*pair).phones},
		{"history", (*pair).history},
		{"ends", (*pair).ends},
		{"codes", (*pair).codes},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.cells(w.newPair(t, at, "en"))
		})
	}
	t.Run("restarts", w.restarts)
	t.Run("time", w.time)
	t.Run("a store that lost everything", w.lostStore)
	t.Run("photos on the way", w.sending)
}

// desks are several desks of one person.
func (p *pair) desks() {
	const closed = "desk closed and reopened by cookie"
	p.cell(closed, "offered", func(p *pair) {
		p.reopen()
		p.desk.until(one("text-code") + "?.textContent === " + quote(p.offer.TextCode))
		p.goodCode()
		p.claim(p.phone)
	})
	p.cell(closed, "claimed", func(p *pair) {
		number := p.desk.text("match-number")
		p.reopen()
		p.desk.until(one("match-number") + "?.textContent === " + quote(number))
		p.match()
	})
	p.cell(closed, "active", func(p *pair) {
		p.reopen()
		p.desk.until(one("mirror") + `?.dataset.here === "true"`)
		p.phone.screen("plan")
	})

	const again = "desk in a second tab"
	second := func(p *pair) *tab {
		d, _ := p.desk.beside(p.T)
		d.goTo(p.at.url + "/#/identity/2/phone")
		return d
	}
	p.cell(again, "offered", func(p *pair) {
		d := second(p)
		d.until(one("text-code") + "?.textContent === " + quote(p.offer.TextCode))
		p.goodCode()
		p.claim(p.phone)
		d.until(one("match-number") + "?.textContent === " + quote(p.desk.text("match-number")))
	})
	p.cell(again, "claimed", func(p *pair) {
		d := second(p)
		d.until(one("match-number") + "?.textContent === " + quote(p.desk.text("match-number")))
		p.match()
		d.seen("mirror")
	})
	p.cell(again, "active", func(p *pair) {
		d := second(p)
		d.press("takeback")
		d.press("takeback-yes")
		p.ended(p.desk, "cancelled")
		p.phone.seen("end-cancelled")
	})

	const other = "another session of the account"
	p.cell(other, "offered", func(p *pair) {
		d := p.elsewhere()
		d.plain("elsewhere", "handoff.elsewhere")
		if eval[bool](d, "!!("+one("qr")+" || "+one("text-code")+") || document.body.innerText.includes("+quote(p.offer.TextCode)+")") {
			d.fail("another session sees the code")
		}
		p.claim(p.phone)
		d.seen("match-elsewhere")
	})
	p.cell(other, "claimed", func(p *pair) {
		d := p.elsewhere()
		d.plain("match-elsewhere", "match.elsewhere")
		if eval[bool](d, "!!"+one("match-number")) {
			d.fail("another session sees the number")
		}
		p.match()
		d.seen("mirror")
	})
	p.cell(other, "active", func(p *pair) {
		d := p.elsewhere()
		d.seen("mirror")
		d.press("takeback")
		d.press("takeback-yes")
		p.ended(d, "cancelled")
		p.ended(p.desk, "cancelled")
		p.phone.seen("end-cancelled")
	})
}

// reopen closes the desk's page and comes back as people do: by the front door.
func (p *pair) reopen() {
	p.Helper()
	p.shut()
	p.openDesk(p.at.url + "/")
	p.desk.screen("home")
	p.desk.press("home-identity")
	p.desk.press("level-2-go")
	p.desk.press("level2-phone")
}

// elsewhere is another session of the account, in a browser of its own.
func (p *pair) elsewhere() *tab {
	p.Helper()
	d := p.w.browser.open(p.T, deskDevice, p.lang)
	d.goTo(p.at.url + "/")
	d.screen("signin")
	ask[any](d, 200, "POST", "/v1/session", map[string]any{"email": p.email, "password": password})
	d.goTo(p.at.url + "/#/identity/2/phone")
	d.reload()
	return d
}

// phones are several phones, and one whose network changes.
func (p *pair) phones() {
	p.cell("phone changes network", "claimed", func(p *pair) {
		number := p.desk.text("match-number")
		p.phone.lost(true)
		p.phone.seen("offline")
		p.phone.screen("number")
		p.phone.found()
		if again := p.desk.text("match-number"); again != number {
			p.Errorf("the number was %s and is %s", number, again)
		}
		p.match()
	})

	const second = "second phone"
	p.cell(second, "offered", func(p *pair) {
		two := p.w.browser.open(p.T, phoneDevice, p.lang)
		two.goTo(p.offer.URL)
		two.screen("landing")
		p.claim(p.phone)
		two.press("continue")
		two.seen("end-used")
		p.desk.seen("second-phone")
		p.match()
		p.desk.seen("second-phone")
	})
	for _, state := range []string{"claimed", "active"} {
		p.cell(second, state, func(p *pair) {
			if eval[bool](p.desk, "!!"+one("second-phone")) {
				p.desk.fail("there is an alert before there is a second phone")
			}
			two := p.w.browser.open(p.T, phoneDevice, p.lang)
			two.goTo(p.offer.URL)
			two.plain("stopped", "phone.end.code", "end-used", "code.used")
			p.desk.seen("second-phone")
			// The phone that is in notices nothing.
			if state == "claimed" {
				p.match()
			} else {
				p.phone.screen("plan")
			}
		})
	}

	const anew = "new offer at the desk"
	p.cell(anew, "offered", func(p *pair) {
		old := p.offer
		p.desk.to("/identity/2")
		p.desk.press("level2-new")
		p.desk.until(one("text-code") + "?.textContent.length === 9 && " + one("text-code") + ".textContent !== " + quote(old.TextCode))
		p.goodCode()
		p.phone.press("continue")
		p.phone.plain("stopped", "phone.end.code", "end-stale", "code.expired")
		p.phone.press("enter-code")
		p.phone.typeIn("code", old.TextCode)
		p.phone.press("continue")
		p.phone.seen("end-stale")
		p.phone.goTo(p.scan())
		p.phone.screen("landing")
	})
	for _, state := range []string{"claimed", "active"} {
		p.cell(anew, state, func(p *pair) {
			p.desk.to("/identity/2")
			p.desk.press("level2-new")
			p.desk.seen("replace-dialog")
			p.desk.must(chromedp.Do(p.desk.ctx, chromedp.KeyEvent(kb.Escape)))
			p.desk.gone("replace-dialog")
			p.phone.screen(map[string]string{"claimed": "number", "active": "plan"}[state])
			p.desk.press("level2-new")
			p.desk.press("replace-yes")
			p.goodCode()
			p.phone.plain("stopped", "phone.end", "end-superseded", "phone.end.superseded")
		})
	}
}

// history leaves the page and comes back with the browser's buttons, while the other side goes on.
func (p *pair) history() {
	away := func(tab *tab) {
		tab.goTo(p.at.url + "/docs")
		tab.until(`location.pathname === "/docs" && document.querySelector("h1")`)
	}
	back := func(tab *tab) {
		tab.t.Helper()
		_, _ = chromedp.Run(tab.ctx, chromedp.Evaluate[bool]("(history.back(), true)"))
		tab.until(`location.pathname !== "/docs"`)
	}
	forth := func(tab *tab) {
		tab.t.Helper()
		_, _ = chromedp.Run(tab.ctx, chromedp.Evaluate[bool]("(history.forward(), true)"))
		tab.until(`location.pathname === "/docs"`)
	}

	const desk = "desk back and forward"
	p.cell(desk, "offered", func(p *pair) {
		away(p.desk)
		back(p.desk)
		p.desk.until(one("text-code") + "?.textContent === " + quote(p.offer.TextCode))
		forth(p.desk)
		p.phone.press("continue")
		p.phone.screen("number")
		back(p.desk)
		p.desk.until(one("match-number") + "?.textContent.length === 2")
	})
	p.cell(desk, "claimed", func(p *pair) {
		number := p.desk.text("match-number")
		away(p.desk)
		back(p.desk)
		p.desk.until(one("match-number") + "?.textContent === " + quote(number))
		forth(p.desk)
		p.phone.typeIn("digits", number)
		p.phone.screen("plan")
		back(p.desk)
		p.desk.seen("mirror")
	})
	p.cell(desk, "active", func(p *pair) {
		away(p.desk)
		back(p.desk)
		p.desk.seen("mirror")
		forth(p.desk)
		p.phone.press("more")
		p.phone.press("not-me-more")
		p.phone.screen("denied")
		back(p.desk)
		p.ended(p.desk, "cancelled")
	})

	const phone = "phone back and forward"
	p.cell(phone, "offered", func(p *pair) {
		away(p.phone)
		back(p.phone)
		p.phone.screen("landing")
		forth(p.phone)
		two := p.w.browser.open(p.T, phoneDevice, p.lang)
		two.goTo(p.offer.URL)
		two.screen("landing")
		p.claim(two)
		back(p.phone)
		p.phone.seen("end-used")
	})
	p.cell(phone, "claimed", func(p *pair) {
		away(p.phone)
		back(p.phone)
		p.phone.screen("number")
		forth(p.phone)
		p.desk.press("not-my-phone")
		p.ended(p.desk, "cancelled")
		back(p.phone)
		p.phone.seen("end-cancelled")
	})
	p.cell(phone, "active", func(p *pair) {
		away(p.phone)
		back(p.phone)
		p.phone.screen("plan")
		forth(p.phone)
		p.desk.press("takeback")
		p.desk.press("takeback-yes")
		p.ended(p.desk, "cancelled")
		back(p.phone)
		p.phone.seen("end-cancelled")
	})

	// A page that comes back whole from the back/forward cache shows what was true when it left, and hears of
	// nothing but pageshow.
	kept := func(tab *tab, meanwhile func()) {
		p.Helper()
		tab.lost(true)
		tab.seen("offline")
		meanwhile()
		tab.lost(false)
		eval[bool](tab, `(dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })), true)`)
	}
	const cached = "desk back from the cache"
	p.cell(cached, "offered", func(p *pair) {
		kept(p.desk, func() {
			p.phone.press("continue")
			p.phone.screen("number")
		})
		p.desk.until(one("match-number") + "?.textContent.length === 2")
		p.desk.found()
	})
	p.cell(cached, "claimed", func(p *pair) {
		number := p.desk.text("match-number")
		kept(p.desk, func() {
			p.phone.typeIn("digits", number)
			p.phone.screen("plan")
		})
		p.desk.seen("mirror")
		p.desk.found()
	})
	p.cell(cached, "active", func(p *pair) {
		kept(p.desk, func() {
			p.phone.press("more")
			p.phone.press("not-me-more")
			p.phone.screen("denied")
		})
		p.ended(p.desk, "cancelled")
		p.desk.found()
	})
	const cachedPhone = "phone back from the cache"
	p.cell(cachedPhone, "offered", func(p *pair) {
		kept(p.phone, func() {
			two := p.w.browser.open(p.T, phoneDevice, p.lang)
			two.goTo(p.offer.URL)
			two.screen("landing")
			p.claim(two)
		})
		p.phone.seen("end-used")
		p.phone.found()
	})
	for _, state := range []string{"claimed", "active"} {
		p.cell(cachedPhone, state, func(p *pair) {
			kept(p.phone, func() {
				if state == "claimed" {
					p.desk.press("not-my-phone")
				} else {
					p.desk.press("takeback")
					p.desk.press("takeback-yes")
				}
				p.ended(p.desk, "cancelled")
			})
			p.phone.seen("end-cancelled")
			p.phone.found()
		})
	}
}

// ends are the ends of a handoff, each a page of its own on both sides.
func (p *pair) ends() {
	const out = "sign-out at the desk"
	leave := func(p *pair) {
		p.Helper()
		// The page may learn from its socket that it is signed out, before the answer is there. Whoever signs in
		// in between loses the new cookie to that answer.
		eval[bool](p.desk, `(() => {
			sessionStorage.removeItem("e2e.out");
			const ask = window.fetch;
			window.fetch = async (what, how) => {
				const answer = await ask(what, how);
				if (how?.method === "DELETE") sessionStorage.setItem("e2e.out", Date.now());
				return answer;
			};
			return true;
		})()`)
		p.desk.press("menu")
		p.desk.press("menu-signout")
		p.desk.screen("signin")
		p.desk.until(`sessionStorage.getItem("e2e.out") !== null`)
	}
	p.cell(out, "offered", func(p *pair) {
		leave(p)
		p.phone.press("continue")
		p.phone.plain("stopped", "phone.end.code", "end-stale", "code.expired")
		p.signIn()
		p.desk.to("/identity/2/phone")
		p.desk.plain("handoff-cancelled", "handoff.cancelled")
	})
	for _, state := range []string{"claimed", "active"} {
		p.cell(out, state, func(p *pair) {
			// Both pages note the moment: the desk when the server has answered, the phone when it shows the end.
			eval[bool](p.phone, `(() => {
				new MutationObserver(() => { if (document.querySelector("[data-test=screen-stopped]")) __e2e.stopped ??= Date.now(); }).observe(document, { subtree: true, childList: true });
				return true;
			})()`)
			leave(p)
			p.phone.plain("stopped", "phone.end", "end-cancelled", "phone.end.cancelled")
			out, stopped := eval[float64](p.desk, `Number(sessionStorage.getItem("e2e.out"))`), eval[float64](p.phone, `__e2e.stopped`)
			if took := time.Duration(stopped-out) * time.Millisecond; out == 0 || took > time.Second {
				p.Errorf("the phone stopped %v after the sign-out", took)
			}
			p.signIn()
		})
	}

	p.Run("every state has a plain page on both sides, in both languages", func(t *testing.T) {
		p.within(t, func() {
			p.phone = p.w.browser.open(t, phoneDevice, p.lang)
			p.newOffer()
			p.desk.plain("qr", "qr.title")
			p.phone.plain("landing", "menu.identity", "ask", "phone.ask")
			p.claim(p.phone)
			p.desk.plain("match", "match.desk", "not-my-phone", "match.device.not")
			p.phone.plain("number", "match.phone", "not-me", "deny")
			p.phone.asLarge("not-me", "digits")
			p.match()
			p.desk.plain("mirror", "mirror.title")
			p.phone.plain("plan", "phone.plan")
		})
	})

	p.cell("it is not me, a wrong tap", "claimed", func(p *pair) {
		p.phone.press("not-me")
		p.phone.plain("denied", "deny.then", "mistake", "deny.then.mistake", "report", "deny.then.report")
		p.phone.asLarge("report", "mistake")
		p.phone.asLarge("mistake", "report")
		p.ended(p.desk, "cancelled")
		p.desk.plain("handoff-cancelled", "handoff.cancelled")
		p.phone.press("mistake")
		p.phone.plain("stopped", "phone.end", "end-mistake", "phone.end.mistake")
		// It was no report: the next code needs no password.
		p.desk.press("handoff-new")
		p.goodCode()
	})
	p.cell("it is not me, and it is reported", "active", func(p *pair) {
		p.phone.press("more")
		p.phone.press("not-me-more")
		p.phone.screen("denied")
		p.ended(p.desk, "cancelled")
		p.phone.press("report")
		p.phone.plain("stopped", "phone.end", "end-reported", "reported")
		p.desk.plain("handoff-reported", "handoff.reported")
		p.desk.press("handoff-new")
		p.desk.until(`document.querySelector(".has-error")`)
		p.desk.typeIn("confirm-password", password)
		p.desk.press("handoff-new")
		p.goodCode()
	})
	p.cell("not my phone", "claimed", func(p *pair) {
		p.desk.press("not-my-phone")
		p.ended(p.desk, "cancelled")
		p.phone.plain("stopped", "phone.end", "end-cancelled", "phone.end.cancelled")
		p.desk.press("handoff-new")
		p.goodCode()
	})
	p.cell("two wrong numbers", "claimed", func(p *pair) {
		p.wrong("")
		p.phone.plain("number", "match.phone", "number-note", "match.wrong")
		p.wrong("end-locked")
		p.phone.plain("stopped", "phone.end", "end-locked", "phone.end.locked")
		p.desk.plain("handoff-locked", "handoff.locked")
		p.desk.press("handoff-new")
		p.goodCode()
	})
	p.cell("take back, asked first", "active", func(p *pair) {
		p.desk.press("takeback")
		p.desk.seen("takeback-dialog")
		p.desk.must(chromedp.Do(p.desk.ctx, chromedp.KeyEvent(kb.Escape)))
		p.desk.gone("takeback-dialog")
		p.phone.screen("plan")
		p.desk.press("takeback")
		p.desk.press("takeback-yes")
		p.ended(p.desk, "cancelled")
		p.phone.plain("stopped", "phone.end", "end-cancelled", "phone.end.cancelled")
	})
}

// codes are the ways of a code to a phone besides its own camera.
func (p *pair) codes() {
	p.Run("a text code typed with the usual mistakes", func(t *testing.T) {
		p.within(t, func() {
			p.phone = p.w.browser.open(t, phoneDevice, p.lang)
			// Until there is one in which mistakes are possible.
			p.newOffer()
			for range 12 {
				if strings.ContainsAny(p.offer.TextCode, "01V") {
					break
				}
				p.newOffer()
			}
			typed := strings.NewReplacer("0", "O", "1", "l", "V", "u", "-", " ").Replace(p.offer.TextCode)
			p.phone.goTo(p.at.url + "/h#")
			p.phone.reload()
			p.phone.screen("enter")
			p.phone.typeIn("code", strings.ToLower(typed))
			p.phone.press("continue")
			p.phone.screen("landing")
			p.claim(p.phone)
			p.match()
			p.phone.calm()
		})
	})
	p.Run("a copied link", func(t *testing.T) {
		p.within(t, func() {
			p.phone = p.w.browser.open(t, phoneDevice, p.lang)
			p.newOffer()
			link := p.desk.copied("copy-link")
			if !strings.HasPrefix(link, p.at.url+"/h#c=") {
				t.Fatalf("the desk copies %q", link)
			}
			// Pasted into the address bar, or where the code is typed.
			phone := p.w.browser.open(t, phoneDevice, p.lang)
			phone.goTo(link)
			phone.screen("landing")
			phone = p.w.browser.open(t, phoneDevice, p.lang)
			phone.goTo(p.at.url + "/h")
			phone.screen("enter")
			phone.press("code")
			phone.must(chromedp.Do(phone.ctx, chromedp.KeyEvent(link)))
			phone.press("continue")
			phone.screen("landing")
			p.phone = phone
			p.claim(phone)
			p.match()
		})
	})
	for name, way := range map[string]string{"WeChat": "wechat", "Alipay": "other"} {
		p.Run("inside "+name+" the way out is shown", func(t *testing.T) {
			p.within(t, func() {
				p.phone = p.w.browser.open(t, phoneDevice, p.lang)
				p.newOffer()
				d := phoneDevice
				d.name, d.agent = name, inApps[name]
				inside := p.w.browser.open(t, d, p.lang)
				inside.goTo(p.offer.URL)
				inside.plain("inapp", "inapp.title", "copy-link", "inapp.copy", "way-out", "inapp."+way)
				link := inside.copied("copy-link")
				p.phone.goTo("about:blank")
				p.phone.goTo(link)
				p.phone.screen("landing")
				p.claim(p.phone)
				p.match()
				// Who tries it there all the same sees that it is used.
				if eval[bool](inside, "!!"+one("try-here")) {
					inside.press("try-here")
					inside.press("continue")
					inside.seen("end-used")
				}
				inside.calm()
			})
		})
	}
}

var inApps = map[string]string{
	"WeChat": "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.60.2860(0x28003C34) WeChat/arm64 Language/en",
	"Alipay": "Mozilla/5.0 (Linux; U; Android 15; en-US; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/123.0.0.0 Mobile Safari/537.36 AliApp(AP/10.7.20) AlipayClient/10.7.20 Language/en",
}

// copied presses a button that copies, and returns what it copied.
func (p *tab) copied(hook string) string {
	p.t.Helper()
	eval[bool](p, `(() => {
		navigator.clipboard.writeText = async (text) => void (window.e2eCopied = text);
		return true;
	})()`)
	p.press(hook)
	p.until("window.e2eCopied")
	return eval[string](p, "window.e2eCopied")
}

// restarts kills the server in every state, as a power cut does, and starts it again: desk and phone go on where
// they were, and nobody signs in or scans.
func (w *world) restarts(t *testing.T) {
	t.Parallel()
	const usual, freezes = "\nreport: marks\n", "\nreport: freezes\n"
	policy := string(cases.DefaultPolicyFile())
	if !strings.Contains(policy, usual) {
		t.Fatalf("the default policy has no %q", usual)
	}
	real := newProgram(t, w.binary, false, "--policy", policyFile(t, []byte(strings.Replace(policy, usual, freezes, 1))))
	p := w.newPair(t, site{url: real.url}, "en")
	cut := func(p *pair) {
		p.Helper()
		for _, tab := range []*tab{p.desk, p.phone} {
			tab.serverAway(true)
		}
		onDisk(t, filepath.Join(real.data, "sessions.snapshot"))
		real.kill()
		p.desk.seen("offline")
		real.start()
		p.desk.gone("offline")
		p.phone.gone("offline")
		for _, tab := range []*tab{p.desk, p.phone} {
			tab.serverAway(false)
		}
	}
	const killed = "server killed and started"
	p.cell(killed, "offered", func(p *pair) {
		cut(p)
		if code := p.desk.text("text-code"); code != p.offer.TextCode {
			p.Errorf("the desk shows the code %q, not %q", code, p.offer.TextCode)
		}
		p.goodCode()
		p.phone.screen("landing")
		p.claim(p.phone)
	})
	p.cell(killed, "claimed", func(p *pair) {
		number := p.desk.text("match-number")
		cut(p)
		if again := p.desk.text("match-number"); again != number {
			p.Errorf("the desk shows the number %q, not %q", again, number)
		}
		p.match()
	})
	p.cell(killed, "active", func(p *pair) {
		cut(p)
		p.desk.until(one("mirror") + `?.dataset.here === "true"`)
		p.phone.press("start")
		p.phone.until(one("screen-permission") + " || " + one("screen-photo") + " || " + one("screen-check"))
	})
	// Here a report freezes the case, so it comes last: nothing can be begun any more, and the desk says why.
	p.cell("it is not me, and a report freezes", "claimed", func(p *pair) {
		p.phone.press("not-me")
		p.phone.press("report")
		p.phone.plain("stopped", "phone.end", "end-reported", "reported")
		p.desk.plain("handoff-frozen", "handoff.reported", "frozen", "problem.case_frozen")
		if eval[bool](p.desk, one("handoff-new")+" !== null") {
			p.Error("the desk offers a code that nobody would get")
		}
		p.desk.press("handoff-overview")
		p.desk.plain("overview", "menu.identity", "frozen", "problem.case_frozen")
		p.desk.shootHere("overview-frozen")
	})
}

// time moves the server's clock.
func (w *world) time(t *testing.T) {
	t.Parallel()
	at, s := clocked(t)
	p := w.newPair(t, at, "en")

	p.cell("nobody comes for ten minutes", "offered", func(p *pair) {
		s.Clock.Advance(10*time.Minute + time.Second)
		p.desk.plain("handoff-expired", "handoff.expired")
		p.phone.press("continue")
		p.phone.plain("stopped", "phone.end.code", "end-stale", "code.expired")
		p.desk.press("handoff-new")
		p.goodCode()
	})
	p.cell("phone locked for 5 minutes", "claimed", func(p *pair) {
		p.phone.asleep(true)
		s.Clock.Advance(5 * time.Minute)
		p.desk.plain("handoff-expired", "handoff.expired")
		p.phone.asleep(false)
		p.phone.plain("stopped", "phone.end", "end-expired", "phone.end.expired")
	})
	p.cell("phone locked for 5 minutes", "active", func(p *pair) {
		p.phone.press("start")
		p.phone.until(one("screen-permission") + " || " + one("screen-photo") + " || " + one("screen-check"))
		p.phone.asleep(true)
		s.Clock.Advance(5 * time.Minute)
		// The desk looks again, as it does when somebody comes back to it. A last word of the phone may have come
		// after the clock was moved on a busy machine: it counts for half a minute more.
		for range 10 {
			eval[bool](p.desk, `(dispatchEvent(new Event("focus")), true)`)
			if p.desk.comes(one("mirror")+`?.dataset.here === "false"`, 2*time.Second) {
				break
			}
			s.Clock.Advance(30 * time.Second)
		}
		p.desk.until(one("mirror") + `?.dataset.here === "false"`)
		p.desk.plain("mirror", "mirror.title")
		p.phone.asleep(false)
		p.desk.until(one("mirror") + `?.dataset.here === "true"`)
		p.phone.until(one("screen-permission") + " || " + one("screen-photo") + " || " + one("screen-check"))
	})
	p.cell("desk reopened after the number's time", "claimed", func(p *pair) {
		p.shut()
		s.Clock.Advance(121 * time.Second)
		p.openDesk(at.url + "/#/identity/2/phone")
		p.ended(p.desk, "expired")
		p.phone.seen("end-expired")
	})
	p.cell("a phone that does nothing for 15 minutes", "active", func(p *pair) {
		p.phone.asleep(true)
		s.Clock.Advance(15*time.Minute + time.Second)
		p.ended(p.desk, "expired")
		p.phone.asleep(false)
		p.phone.plain("stopped", "phone.end", "end-expired", "phone.end.expired")
	})
	p.Run("a picture that WeChat opened is good for 5 minutes in the browser", func(t *testing.T) {
		p.within(t, func() {
			p.phone = w.browser.open(t, phoneDevice, p.lang)
			d := phoneDevice
			d.name, d.agent = "WeChat", inApps["WeChat"]
			for _, row := range []struct {
				after time.Duration
				then  string
			}{{4*time.Minute + 50*time.Second, "screen-landing"}, {5*time.Minute + 10*time.Second, "end-stale"}} {
				p.newCode()
				picture := p.scan()
				inside := w.browser.open(t, d, p.lang)
				inside.goTo(picture)
				inside.screen("inapp")
				s.Clock.Advance(row.after)
				link := inside.copied("copy-link")
				if link != picture {
					t.Errorf("WeChat is given another link than the one it opened")
				}
				p.phone.goTo("about:blank")
				p.phone.goTo(link)
				p.phone.seen(row.then)
			}
		})
	})
	p.Run("the third lock within an hour pauses for 5 minutes, and says so", func(t *testing.T) {
		p.within(t, func() {
			s.Clock.Advance(61 * time.Minute) // what happened before is forgotten, and so are the offers that count
			for range 3 {
				p.phone = w.browser.open(t, phoneDevice, p.lang)
				p.newOffer()
				p.claim(p.phone)
				p.wrong("")
				p.wrong("end-locked")
				p.ended(p.desk, "locked")
			}
			p.phone.plain("stopped", "phone.end", "end-locked", "phone.end.locked")
			p.desk.press("handoff-new")
			p.desk.plain("handoff-locked", "handoff.locked", "offer-error", "locked")
			s.Clock.Advance(5*time.Minute + time.Second)
			p.desk.press("handoff-new")
			p.goodCode()
		})
	})
}

// lostStore empties Redis in every state: sessions and codes are gone, the case is not.
func (w *world) lostStore(t *testing.T) {
	t.Parallel()
	at, s := clocked(t)
	p := w.newPair(t, at, "en")
	const lost = "Redis loses everything"
	p.cell(lost, "offered", func(p *pair) {
		s.Redis.FlushAll()
		p.phone.press("continue")
		p.phone.plain("stopped", "phone.end.code", "end-unknown", "phone.end.unknown")
		p.desk.reload()
		p.signIn()
		p.desk.plain("handoff-none", "handoff.none")
		p.newOffer()
	})
	for _, state := range []string{"claimed", "active"} {
		p.cell(lost, state, func(p *pair) {
			s.Redis.FlushAll()
			p.phone.reload()
			p.phone.plain("stopped", "phone.end", "end-expired", "phone.end.expired")
			p.desk.reload()
			p.signIn()
			p.newOffer()
			p.claim(p.phone)
			p.match()
		})
	}
}

// sending is what may happen while photos are on their way.
func (w *world) sending(t *testing.T) {
	t.Parallel()
	real := newProgram(t, w.binary, false)
	wire := newWire(t, strings.Replace(strings.TrimPrefix(real.url, "http://"), "localhost", "127.0.0.1", 1))
	real.kill()
	real.args = append(real.args, "--public-url", wire.url)
	real.start()
	p := w.newPair(t, site{url: real.url}, "en")

	p.cell("phone changes network", "active", func(p *pair) {
		size := p.slowly("document_front", "front")
		p.phone.serverAway(true)
		wire.cut(true)
		p.phone.seen("offline")
		cut := time.Now()
		wire.cut(false)
		p.phone.found()
		p.desk.until(mirrorStep("document_front", "accepted"))
		if again := received(real, cut); again == 0 || again >= size*7/8 {
			p.Errorf("after the change the phone sent %d bytes of %d", again, size)
		}
	})
	p.cell("phone refresh", "active", func(p *pair) {
		size := p.slowly("document_back", "back")
		cut := time.Now()
		// The browser asks before it leaves a page with photos that are nowhere else.
		p.phone.reloadSure()
		p.phone.screen("done")
		if again := received(real, cut); again == 0 || again >= size*7/8 {
			p.Errorf("after the refresh the phone sent %d bytes of %d", again, size)
		}
		p.phone.plain("done", "done.phone")
		p.desk.until(one("handoff-ended") + `?.dataset.state === "done" || ` + one("outcome"))
	})
}
