package server_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
	"github.com/symbolon/symbolon/sessions"
)

// What an attacker tries at the door. docs/security/limits.md has the figures that these tests hold.

const unknownUpload = "upl_01K9ZZ3QH6R5V0T1W2X3Y4Z5A9"

// A token that was planted before the sign-in is never the one that is signed in.
func TestAPlantedCookieIsNotTakenOver(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	attacker := s.Person(t)
	seen := map[string]bool{}
	for name, planted := range map[string]string{
		"made up":               "sd_" + strings.Repeat("A", 43),
		"no token":              "fixed",
		"the attacker's own":    attacker.Cookies["symbolon_session"],
		"a phone's":             attacker.Claim(attacker.Offer()).Token,
		"an app's":              attacker.App().Token,
		"ended before":          ended(t, s),
		"of the person herself": p.Other().Cookies["symbolon_session"],
	} {
		victim := s.NewBrowser(t)
		victim.Email, victim.Password = p.Email, p.Password
		victim.Cookies["symbolon_session"] = planted
		victim.SignIn()
		given := victim.Cookies["symbolon_session"]
		if given == planted || seen[given] || !strings.HasPrefix(given, "sd_") {
			t.Errorf("%s: the sign-in gave %q", name, given)
		}
		seen[given] = true
		// Whoever planted it holds nothing of the victim's.
		thief := s.NewBrowser(t)
		thief.Cookies["symbolon_session"] = planted
		if a := thief.Do("GET", "/v1/me", nil); a.Status == 200 && a.String("account.email") == p.Email {
			t.Errorf("%s: the planted token is signed in", name)
		}
	}

	// The same for a phone.
	held := map[string]bool{}
	for _, planted := range []string{"ct_" + strings.Repeat("A", 43), "fixed", s.Person(t).App().Token} {
		offer := p.Offer()
		b := s.NewBrowser(t)
		b.Cookies["symbolon_capture"] = planted
		b.Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("url")}).Want(t, 201)
		given := b.Cookies["symbolon_capture"]
		if given == planted || held[given] || !strings.HasPrefix(given, "ct_") {
			t.Errorf("the claim gave %q", given)
		}
		held[given] = true
		thief := s.NewBrowser(t)
		thief.Cookies["symbolon_capture"] = planted
		thief.Do("GET", "/v1/capture", nil).Want(t, 401)
		p.Do("POST", "/v1/handoffs/"+offer.String("id")+"/cancel", none).Want(t, 200)
	}
}

// ended is the token of a browser that signed out.
func ended(t *testing.T, s *servertest.Server) string {
	t.Helper()
	p := s.Applicant(t)
	token := p.Cookies["symbolon_session"]
	p.Do("DELETE", "/v1/session", nil).Want(t, 204)
	return token
}

// Each kind of token is good in one place only: the others are nobody there.
func TestATokenOfOneKindIsNoOtherKind(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	app := desk.App()
	phone := desk.Claim(desk.Offer())
	tokens := map[string]string{"desk": desk.Cookies["symbolon_session"], "app": app.Token, "phone": phone.Token}
	places := map[string][]string{
		"desk":  {"/v1/me", "Cookie", "symbolon_session="},
		"app":   {"/v1/me", "Authorization", "Bearer "},
		"phone": {"/v1/capture", "Cookie", "symbolon_capture="},
	}
	n := s.NewProgram(t)
	for kind, token := range tokens {
		for home, place := range places {
			a := n.Do("GET", place[0], nil, place[1], place[2]+token)
			switch {
			case kind == home:
				a.Want(t, 200)
			case home == "app" && kind == "phone": // a phone may send its token so, and is known as one
				a.Want(t, 403, "not_for_capture")
			case a.Status != 401:
				t.Errorf("the %s's token in the place of the %s's: %d %s", kind, home, a.Status, a.Body)
			}
		}
		// The prefix is part of what is hashed: another one makes another token.
		for _, prefix := range []string{"sd_", "st_", "ct_"} {
			if strings.HasPrefix(token, prefix) {
				continue
			}
			for _, place := range places {
				if a := n.Do("GET", place[0], nil, place[1], place[2]+prefix+token[3:]); a.Status != 401 {
					t.Errorf("%s%s…: %d", place[2], prefix, a.Status)
				}
			}
		}
	}
}

// Whoever copied a token has nothing from the moment of the sign-out on: no call, no new socket, and
// the sockets that are open close.
func TestAStolenTokenEndsWithTheSignOut(t *testing.T) {
	s := servertest.Start(t)
	for name, signOut := range map[string]func(c *servertest.Client){
		"cookie": func(c *servertest.Client) { c.Do("DELETE", "/v1/session", nil).Want(t, 204) },
		"bearer": func(c *servertest.Client) { c.Do("DELETE", "/v1/tokens/current", nil).Want(t, 204) },
	} {
		t.Run(name, func(t *testing.T) {
			p := s.Person(t)
			owner := p
			if name == "bearer" {
				owner = p.App()
			}
			offer := owner.Offer()
			phone := owner.Claim(offer)
			thief := *owner
			thief.Cookies = map[string]string{"symbolon_session": owner.Cookies["symbolon_session"]}
			thief.Do("GET", p.Path(""), nil).Want(t, 200)
			atDesk, atPhone := open(t, s, &thief, liveOf(p)), open(t, s, phone, captureLive)
			atDesk.next()
			atPhone.next()

			calls := applicantCalls(p, offer.String("id"))
			calls["me"] = call{"GET", "/v1/me", nil, nil}
			start := time.Now()
			signOut(owner)
			for name, c := range calls {
				if a := c.by(&thief); a.Status != 401 || a.Code() != "session_unknown" {
					t.Errorf("%s after the sign-out: %d %s", name, a.Status, a.Body)
				}
			}
			if got := refused(t, s, &thief, liveOf(p)); got != "401 session_unknown" {
				t.Errorf("a new socket: %s", got)
			}
			atDesk.closes(4401)
			// What this desk had offered goes with it: nobody could watch it any more.
			atPhone.closes(4010)
			soon(t, start)
			phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended")
		})
	}
}

// A phone whose part is over can do nothing more with its token, whichever call it tries and
// whatever the desk did meanwhile.
func TestATokenOfAFormerEpochDoesNothing(t *testing.T) {
	s := servertest.Start(t)
	for name, end := range map[string]func(t *testing.T, p *servertest.Client, id string){
		"taken back": func(t *testing.T, p *servertest.Client, id string) {
			p.Do("POST", "/v1/handoffs/"+id+"/cancel", none).Want(t, 200)
		},
		"not my phone": func(t *testing.T, p *servertest.Client, id string) {
			p.Do("POST", "/v1/handoffs/"+id+"/deny", map[string]any{"report": false}).Want(t, 200)
		},
		"superseded": func(t *testing.T, p *servertest.Client, id string) {
			p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}, "replace": true}).Want(t, 201)
		},
		"another phone works now": func(t *testing.T, p *servertest.Client, id string) {
			p.Do("POST", "/v1/handoffs/"+id+"/cancel", none).Want(t, 200)
			p.Phone()
		},
		"signed out": func(t *testing.T, p *servertest.Client, id string) { p.Do("DELETE", "/v1/session", nil).Want(t, 204) },
	} {
		t.Run(name, func(t *testing.T) {
			p := s.Person(t)
			phone, id := p.Phone()
			photo := servertest.Photo(7)
			kept := phone.Keep("document_front", 3)
			done := phone.Send("document_back", photo)
			half := begin(t, phone, "document_back", len(photo))
			socket := open(t, s, phone, captureLive)
			socket.next()
			before := takes(t, s, p.CaseID)

			start := time.Now()
			end(t, p, id)
			socket.closes(4010)
			soon(t, start)
			if got := refused(t, s, phone, captureLive); got != "401 capture_ended" {
				t.Errorf("a new socket: %s", got)
			}
			tus := []string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0"}
			calls := map[string]call{
				"begin":    {"POST", "/v1/uploads", photo, append(uploadHeaders(phone, "document_front", len(photo)), "Content-Type", "application/offset+octet-stream")},
				"offset":   {"HEAD", "/v1/uploads/" + half, nil, tus[:2]},
				"send":     {"PATCH", "/v1/uploads/" + half, photo, tus},
				"look":     {"GET", "/v1/uploads/" + done, nil, nil},
				"destroy":  {"DELETE", "/v1/uploads/" + done, nil, tus[:2]},
				"media":    {"GET", "/v1/media/" + cases.MediaID(kept), nil, nil},
				"accept":   {"POST", phone.Path("/steps/document_back/accept"), map[string]any{"upload_id": done}, nil},
				"progress": {"POST", phone.Path("/steps/document_back/progress"), map[string]any{"phase": "aiming"}, nil},
				"capture":  {"GET", "/v1/capture", nil, nil},
				"match":    {"POST", "/v1/capture/match", map[string]any{"number": "42"}, nil},
				"submit":   {"POST", "/v1/capture/submit", none, nil},
			}
			for name, c := range calls {
				a := c.by(phone)
				if a.Status != 401 || c.method != "HEAD" && a.Code() != "capture_ended" {
					t.Errorf("%s: %d %s", name, a.Status, a.Body)
				}
			}
			// Saying again that it was not you changes nothing for whoever works now.
			if a := phone.Do("POST", "/v1/capture/deny", none); a.Status != 401 && a.String("state") != "cancelled" && a.String("handoff.state") != "cancelled" {
				t.Errorf("deny: %d %s", a.Status, a.Body)
			}
			if name == "another phone works now" {
				own, err := s.Handoffs.Current(t.Context(), p.CaseID)
				if err != nil || own.State != handoff.Active {
					t.Errorf("the newer phone's handoff: %s, %v", own.State, err)
				}
			}
			// What was accepted stays, what was not is gone, and nothing came in addition.
			if after := takes(t, s, p.CaseID); after["document_front"] != before["document_front"] || after["document_back"] != 0 {
				t.Errorf("takes before %v, after %v", before, after)
			}
		})
	}
}

// soon fails when what should happen at once took so long that something else may have done it: a socket
// looks every 15 s by itself.
func soon(t *testing.T, since time.Time) {
	t.Helper()
	if took := time.Since(since); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
}

// takes counts the takes of each step.
func takes(t *testing.T, s *servertest.Server, caseID string) map[string]int {
	t.Helper()
	c, err := s.Cases.Get(t.Context(), caseID)
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, st := range c.Steps {
		n[st.ID] = len(st.Takes)
	}
	return n
}

// uploadHeaders are those of a take of a step.
func uploadHeaders(c *servertest.Client, step string, length int) []string {
	return []string{"Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(length),
		"Upload-Metadata", "case " + b64(c.CaseID) + ",step " + b64(step) + ",filetype " + b64("image/jpeg")}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// begin starts an upload and sends nothing.
func begin(t *testing.T, c *servertest.Client, step string, length int) (uploadID string) {
	t.Helper()
	a := c.Do("POST", "/v1/uploads", nil, uploadHeaders(c, step, length)...).Want(t, 201)
	return strings.TrimPrefix(a.Header.Get("Location"), "/v1/uploads/")
}

// At full speed from many connections of one network exactly 20 guesses a minute are looked at.
func TestGuessingAtFullSpeed(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	var looked, refused, other atomic.Int64
	var wg sync.WaitGroup
	const guessers, each = 16, 25
	for g := range guessers {
		wg.Go(func() {
			b := s.NewProgram(t)
			for i := range each {
				code := fmt.Sprintf("%04d%04d", g, i)
				path := "/v1/handoffs/open"
				if i%2 == 1 {
					path = "/v1/handoffs/claim"
				}
				switch a := b.Do("POST", path, map[string]any{"code": code}, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)); {
				case a.Status == 404 && a.Code() == "code_unknown":
					looked.Add(1)
				case a.Status == 429 && a.Header.Get("Retry-After") != "":
					refused.Add(1)
				default:
					other.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if looked.Load() != 20 || other.Load() != 0 || refused.Load() != guessers*each-20 {
		t.Errorf("%d guesses were looked at, %d refused, %d answered otherwise", looked.Load(), refused.Load(), other.Load())
	}
	// The right one is not told from the wrong ones, and the handoff is untouched.
	s.NewProgram(t).Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("text_code")}).Want(t, 429, "too_many_requests")
	if got := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("state"); got != "offered" {
		t.Errorf("the handoff is %s", got)
	}

	// What that means, from the constants. A window may begin just before the offer: eleven count.
	const perMinute = 20.0
	windows := math.Ceil(handoff.OfferFor.Minutes()) + 1
	tries := perMinute * windows
	bits := 5 * float64(len(strings.ReplaceAll(offer.String("text_code"), "-", "")))
	chance := tries / math.Exp2(bits)
	if bits != 40 || tries != 220 || chance > 2.1e-10 {
		t.Errorf("%g bits, %g tries in the life of an offer: one in %g", bits, tries, 1/chance)
	}
	_, code, _ := strings.Cut(offer.String("url"), "#c=")
	_, secret, _ := strings.Cut(code, ".")
	if len(secret) != 22 { // 16 bytes
		t.Errorf("the link's secret has %d characters", len(secret))
	}
}

// Guesses at pictures and links of a locator that is known: 128 bits stay 128 bits, and near misses are unknown.
func TestSecretsOfAKnownLocatorAreNotNarrowedDown(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	_, code, _ := strings.Cut(offer.String("url"), "#c=")
	locator, secret, _ := strings.Cut(code, ".")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	n := s.NewProgram(t)
	unknown := ""
	for i := range 19 { // one character wrong, each in another place
		at := i % (len(secret) - 1)
		wrong := secret[:at] + string(alphabet[(strings.IndexByte(alphabet, secret[at])+1+rand.IntN(62))%64]) + secret[at+1:]
		a := n.Do("POST", "/v1/handoffs/open", map[string]any{"code": locator + "." + wrong}).Want(t, 404, "code_unknown")
		if unknown == "" {
			unknown = string(a.Body)
		} else if string(a.Body) != unknown {
			t.Errorf("%s, and before %s", a.Body, unknown)
		}
	}
	// The same answer as for a locator that leads nowhere.
	if a := n.Do("POST", "/v1/handoffs/open", map[string]any{"code": "0000000000." + secret}).Want(t, 404, "code_unknown"); string(a.Body) != unknown {
		t.Errorf("%s, and for a known locator %s", a.Body, unknown)
	}
	n.Do("POST", "/v1/handoffs/claim", map[string]any{"code": code}).Want(t, 201)
}

// Two tries at a number of ninety, then the handoff is over. From the third such end on each next code
// comes five minutes later, so that even a desk that goes on making codes for a thief gives few tries.
func TestGuessingTheNumberIsBounded(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	steps := map[string]any{"steps": []string{"document_front"}}
	tries, locks := 0, 0
	for begin := s.Clock.Now(); s.Clock.Now().Sub(begin) < time.Hour; locks++ {
		if locks == handoff.MaxLocks {
			a := p.Do("POST", p.Path("/handoffs"), steps).Want(t, 429, "handoff_paused")
			if wait, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || wait < 290 || wait > 300 {
				t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
			}
		}
		if locks >= handoff.MaxLocks {
			s.Clock.Advance(handoff.LockPause)
		}
		offer := p.Do("POST", p.Path("/handoffs"), steps).Want(t, 201)
		phone := p.Claim(offer)
		for try := range handoff.MaxWrong {
			wrong := "10"
			if p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(t, 200).String("match.number") == wrong {
				wrong = "11"
			}
			want, code := 409, "handoff_wrong_number"
			if try == handoff.MaxWrong-1 {
				want, code = 423, "handoff_locked"
			}
			phone.Do("POST", "/v1/capture/match", map[string]any{"number": wrong}).Want(t, want, code)
			tries++
		}
		phone.Do("POST", "/v1/capture/match", map[string]any{"number": "10"}).Want(t, 401, "capture_ended")
	}
	if most := int(handoff.MaxWrong * (handoff.MaxLocks + time.Hour/handoff.LockPause)); tries > most || most != 30 {
		t.Errorf("%d tries in an hour, at most %d", tries, most)
	}
	// 1/90 and, as the number changes after a wrong one, at most 1/89.
	if chance := 1 - (1-1./90)*(1-1./89); chance > 0.0224 {
		t.Errorf("%.4f for one handoff", chance)
	}
}

// A network's sockets are counted whoever opens them, and what is sent on them is bounded.
func TestSocketsOfANetworkAreBounded(t *testing.T) {
	s := servertest.Start(t, func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	const from = "198.51.100.7"
	var wg sync.WaitGroup
	var mu sync.Mutex
	var held []*websocket.Conn
	people := make([]*servertest.Client, 33) // eight sockets each: 264
	for i := range people {
		people[i] = member(t, s, fmt.Sprintf("acc_member%d", i))
	}
	codes := map[int]int{}
	for i := range people {
		wg.Go(func() {
			for range 8 {
				ws, res, err := websocket.DefaultDialer.Dial("ws://"+s.Address+liveOf(people[i]), headers(s, people[i], "X-Forwarded-For", from))
				mu.Lock()
				if err == nil {
					held = append(held, ws)
				} else if res != nil {
					codes[res.StatusCode]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	open256 := 0
	for _, ws := range held {
		_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, _, err := ws.ReadMessage(); err == nil {
			open256++
		} else if !websocket.IsCloseError(err, 1013) { // taken while the upgrade was on its way
			t.Errorf("a socket ended with %v", err)
		}
	}
	if open256 != 256 || len(codes) > 1 || open256+codes[429] > 264 {
		t.Errorf("%d sockets are open, the others were answered %v", open256, codes)
	}
	// Others are served meanwhile.
	other := member(t, s, "acc_elsewhere")
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+s.Address+liveOf(other), headers(s, other, "X-Forwarded-For", "198.51.100.9"))
	if err != nil {
		t.Fatalf("another network is kept out: %v", err)
	}
	_ = ws.Close()
	for _, ws := range held {
		_ = ws.Close()
	}
}

// member is the app of somebody with a case, made without the price of a password.
func member(t *testing.T, s *servertest.Server, account string) *servertest.Client {
	t.Helper()
	own, err := s.Cases.Create(t.Context(), cases.Account{ID: account}, cases.Person)
	if err != nil {
		t.Fatal(err)
	}
	c := s.NewProgram(t)
	c.CaseID = own.ID
	if c.Token, _, err = s.Sessions.Start(t.Context(), sessions.Session{Kind: sessions.Bearer, AccountID: account}); err != nil {
		t.Fatal(err)
	}
	return c
}

// Bytes on a socket that are no frames, frames that lie about their length, and frames that no
// client may send end that socket and nothing else.
func TestGarbageOnASocketEndsThatSocketOnly(t *testing.T) {
	s := servertest.Start(t)
	desk := s.Person(t)
	phone, _ := desk.Phone()
	watch := open(t, s, desk, liveOf(desk))
	watch.next()
	for name, garbage := range map[string][]byte{
		"random bytes":            bytes.Repeat([]byte{0xF3, 0x91, 0x07}, 400),
		"not masked":              {0x81, 0x02, 'h', 'i'},
		"an opcode of nobody":     {0x83, 0x80, 0, 0, 0, 0},
		"reserved bits":           {0xF1, 0x80, 0, 0, 0, 0},
		"a terabyte is announced": {0x81, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4},
		"a negative length":       {0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4},
		"a long ping":             append([]byte{0x89, 0xFE, 0x01, 0x00, 0, 0, 0, 0}, make([]byte, 256)...),
		"a piece of nothing":      {0x80, 0x80, 0, 0, 0, 0},
		"a ping in two pieces":    {0x09, 0x80, 0, 0, 0, 0},
		"endless pieces":          append([]byte{0x01, 0x81, 0, 0, 0, 0, 'x'}, bytes.Repeat([]byte{0x00, 0x81, 0, 0, 0, 0, 'x'}, 6000)...),
		"another protocol":        []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	} {
		ws := open(t, s, phone, captureLive)
		ws.next()
		raw := ws.NetConn()
		_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := raw.Write(garbage); err != nil && name != "endless pieces" {
			t.Errorf("%s: %v", name, err)
		}
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
					t.Errorf("%s: the socket stays open", name)
				}
				break
			}
		}
	}
	phone.Do("GET", "/v1/capture", nil).Want(t, 200)
	desk.Do("POST", "/v1/handoffs/"+current(t, s, desk)+"/cancel", none).Want(t, 200)
	watch.until("the end of the handoff", func(m message) bool {
		h, _ := m.Case["handoff"].(map[string]any)
		return m.Type == "snapshot" && h["state"] == "cancelled"
	})
}

func current(t *testing.T, s *servertest.Server, p *servertest.Client) string {
	t.Helper()
	h, err := s.Handoffs.Current(t.Context(), p.CaseID)
	if err != nil {
		t.Fatal(err)
	}
	return h.ID
}

// An id of somebody else's and one of nobody's get the same answer, byte for byte, for every kind of id.
func TestIDsOfOthersAreLikeNone(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	upload := p.Send("document_front", servertest.Photo(9))
	phone, id := p.Phone()
	phones := phone.Send("document_back", servertest.Photo(8))
	stranger := s.Person(t)
	theirs, _ := stranger.Phone()
	for _, who := range []*servertest.Client{stranger, theirs} {
		for _, row := range []struct{ method, own, none string }{
			{"HEAD", "/v1/uploads/" + upload, "/v1/uploads/" + unknownUpload},
			{"GET", "/v1/uploads/" + upload, "/v1/uploads/" + unknownUpload},
			{"GET", "/v1/uploads/" + phones, "/v1/uploads/" + unknownUpload},
			{"DELETE", "/v1/uploads/" + upload, "/v1/uploads/" + unknownUpload},
			{"PATCH", "/v1/uploads/" + upload, "/v1/uploads/" + unknownUpload},
			{"GET", "/v1/media/" + cases.MediaID(upload), "/v1/media/" + cases.MediaID(unknownUpload)},
			{"GET", "/v1/media/" + cases.MediaID(phones), "/v1/media/" + cases.MediaID(unknownUpload)},
			{"GET", "/v1/handoffs/" + id, "/v1/handoffs/hnd_01K9ZZ3QH6R5V0T1W2X3Y4Z5A8"},
			{"GET", "/v1/handoffs/" + id + "/qr.png", "/v1/handoffs/hnd_01K9ZZ3QH6R5V0T1W2X3Y4Z5A8/qr.png"},
			{"GET", p.Path(""), "/v1/cases/case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7"},
			{"GET", p.Path("/events"), "/v1/cases/case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7/events"},
		} {
			headers := []string{"Tus-Resumable", "1.0.0"}
			var body any
			if row.method == "PATCH" {
				headers = append(headers, "Content-Type", "application/offset+octet-stream", "Upload-Offset", "0")
				body = []byte("x")
			}
			a, b := who.Do(row.method, row.own, body, headers...), who.Do(row.method, row.none, body, headers...)
			if a.Status != b.Status || string(a.Body) != string(b.Body) || len(a.Header) != len(b.Header) || a.Status != 404 && a.Status != 403 {
				t.Errorf("%s %s: %d %s %v, and of nobody %d %s %v", row.method, row.own, a.Status, a.Body, a.Header, b.Status, b.Body, b.Header)
			}
		}
	}
	p.Do("GET", "/v1/uploads/"+upload, nil).Want(t, 200)
}

// Whatever the requests of a handoff say of their host, the picture leads to the configured origin.
func TestThePictureLeadsToTheConfiguredOrigin(t *testing.T) {
	s := servertest.Start(t, func(c *server.Config) {
		c.Hosts = []string{"localhost:8080", "desk.internal"}
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	p := s.Person(t)
	poison := [][]string{
		{"Host", "localhost:8080", "Origin", "https://evil.example", "Referer", "https://evil.example/"},
		{"Host", "desk.internal", "X-Forwarded-Proto", "javascript", "X-Forwarded-Port", "1"},
		{"X-Forwarded-Host", "evil.example", "X-Original-Host", "evil.example", "Forwarded", "host=evil.example;proto=https"},
	}
	for _, h := range poison {
		offer := p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}, h...).Want(t, 201)
		picture, err := png.Decode(bytes.NewReader(p.Do("GET", offer.String("qr.png"), nil, h...).Want(t, 200).Body))
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{offer.String("url"), decodeQR(t, picture)} {
			if !strings.HasPrefix(address, s.URL+"/h#c=") {
				t.Errorf("%v: the code leads to %s", h, address)
			}
		}
	}
	// A host that is not ours gets no code at all.
	p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}, "Host", "evil.example").Want(t, 421, "host_unknown")
	p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}, "Host", s.Host()+"@evil.example").Want(t, 400, "request_malformed")
}

// Headers of a proxy count from a proxy that is trusted only: neither limits, nor the network that the desk
// is shown, nor the cookie's name follow what a stranger writes.
func TestAStrangerCannotSpeakAsAProxy(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	b := s.NewBrowser(t)
	in := b.Do("POST", "/v1/session", map[string]any{"email": p.Email, "password": p.Password},
		"X-Forwarded-Proto", "https", "X-Forwarded-For", "192.0.2.9", "Forwarded", "for=192.0.2.9;proto=https", "X-Real-IP", "192.0.2.9").Want(t, 200)
	if ck := in.Header.Get("Set-Cookie"); strings.HasPrefix(ck, "__Host-") || !strings.HasPrefix(ck, "symbolon_session=") {
		t.Errorf("the cookie follows a stranger's word: %s", ck)
	}
	// A phone in the desk's network cannot pretend to be elsewhere, nor the other way round.
	offer := p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}, "X-Forwarded-For", "192.0.2.1").Want(t, 201)
	s.NewProgram(t).Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("url")}, "X-Forwarded-For", "198.51.100.1").Want(t, 201)
	if got := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(t, 200).String("device.network"); got != "same" {
		t.Errorf("the desk is shown the network %q", got)
	}
}
