// Package deploy_test holds the example of this folder: three processes on a real Redis behind a
// real nginx, with each of them killed, paused and restarted in turn.
package deploy_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThreeNodes(t *testing.T) {
	c := startCluster(t)
	c.anyNodeServesAnyCall()
	c.endsReachOtherNodes()
	people := c.peopleInEachState()
	c.nodeDies(people)
	c.redisPauses(people)
	c.redisLosesEverything(people)
	c.rollingRestart()
}

func state(want string) func(any) bool {
	return func(doc any) bool { return text(doc, "handoff.state") == want }
}

func stepIs(id, want string) func(any) bool {
	return func(doc any) bool { return step(doc, id) == want }
}

// anyNodeServesAnyCall goes the whole way with each call at another node, while sockets elsewhere
// see everything.
func (c *cluster) anyNodeServesAnyCall() {
	t := c.t
	p := c.person("anywhere")
	desk := p.watchDesk(2)
	p.offer(1)
	desk.sees("the offer", state("offered"))
	p.open(2)
	desk.sees("the opening", func(doc any) bool { return get(doc, "handoff.opened") == true })
	p.claim(3)
	desk.sees("the claim", state("claimed"))
	phone := p.watchPhone(3)
	p.match(1, 1)
	desk.sees("the match", state("active"))
	phone.sees("the match", state("active"))

	b := picture("document_front")
	front := p.begin(2, "document_front", len(b))
	desk.sees("the upload", stepIs("document_front", "uploading"))
	p.send(front, b, 300_000, 3, 1, 2)
	for at := range 4 {
		if n := p.offset(at, front); n != len(b) {
			t.Fatalf("node %d says offset %d of %d", at, n, len(b))
		}
	}
	desk.sees("the stored take", stepIs("document_front", "stored"))
	kept := p.accept(3, "document_front", front, b)
	desk.sees("the kept take", stepIs("document_front", "accepted"))
	phone.sees("the kept take", stepIs("document_front", "accepted"))
	p.has(2, kept)
	p.keep("document_back", 1, proxy, 3)
	desk.sees("the other side", stepIs("document_back", "accepted"))
	p.phone.do(200, 1, "POST", "/v1/capture/submit", nil)
	desk.sees("the end", state("done"))
	phone.ends(3*time.Second, 4010)
	p.phone.do(401, 2, "GET", "/v1/capture", nil)

	p.desk.do(204, 1, "DELETE", "/v1/session", nil)
	desk.ends(3*time.Second, 4401)
	p.signIn(3)
	p.until(2, "the end", state("done"))

	if res, err := p.desk.proxied.Get("https://" + c.public + "/healthz"); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("through the proxy: %v %v", res, err)
	} else {
		_ = res.Body.Close()
	}
	// Nothing of an account is told to another one, at any node.
	other := c.person("somebody")
	for at := range 4 {
		other.desk.do(404, at, "GET", p.path(""), nil)
	}
}

// endsReachOtherNodes: what one node ends or takes over stops on the others within a second (two more
// are for a busy machine).
func (c *cluster) endsReachOtherNodes() {
	t := c.t
	p := c.person("ends")
	p.pair(1)
	b := picture("document_front")

	upload := p.begin(1, "document_front", len(b))
	sending := p.sendSlowly(2, upload, b, 200_000)
	before := p.stored(1, upload)
	began := time.Now()
	at := p.offset(3, upload)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the take-over took %v", took)
	}
	sending.ended(t, 5*time.Second)
	if at < before || at > len(b) {
		t.Fatalf("offset %d after %d was stored", at, before)
	}
	if sending.err == nil {
		sending.a.want(t, 409, "upload_taken_over")
	}
	p.send(upload, b, len(b), 1)
	p.accept(2, "document_front", upload, b)

	second := p.begin(1, "document_back", len(b))
	sending = p.sendSlowly(2, second, b, 200_000)
	phone, desk := p.watchPhone(3), p.watchDesk(2)
	began = time.Now()
	p.desk.do(200, 1, "POST", "/v1/handoffs/"+p.handoff+"/cancel", nil)
	sending.ended(t, 5*time.Second)
	cut := sending.at.Sub(began)
	if t.Logf("the PATCH was cut after %v", cut); cut > 3*time.Second {
		t.Error("that is too late")
	}
	phone.ends(3*time.Second, 4010)
	desk.sees("the end", state("cancelled"))
	desk.sees("the cut take gone, the kept one there", func(doc any) bool {
		return step(doc, "document_front") == "accepted" && step(doc, "document_back") == "todo"
	})
	for at := 1; at <= 3; at++ {
		p.phone.do(401, at, "GET", second, nil)
	}
}

// people are one person in each state of a handoff.
type people struct {
	offered, claimed, active, uploading *person
	kept                                map[*person]take // what active and uploading accepted before
	number                              string           // of claimed
	upload                              string           // of uploading
	photo                               []byte           // its bytes
	sent                                int              // how many of them were acknowledged
	sending                             *slow            // the rest is on its way, at node 2
	sockets                             []*socket        // desks and phones, at node 2
}

func (ps *people) all() []*person { return []*person{ps.offered, ps.claimed, ps.active, ps.uploading} }

func (c *cluster) peopleInEachState() *people {
	ps := &people{kept: map[*person]take{}}
	var wg sync.WaitGroup
	for name, p := range map[string]**person{"offered": &ps.offered, "claimed": &ps.claimed, "active": &ps.active, "uploading": &ps.uploading} {
		wg.Go(func() { *p = c.person(name) })
	}
	wg.Wait()
	for _, p := range []*person{ps.active, ps.uploading} {
		p.pair(1)
		ps.kept[p] = p.keep("document_front", 1, 3)
	}
	return ps
}

// arrange brings everybody into their state, with everything at node 2.
func (ps *people) arrange() {
	for _, p := range ps.all() {
		p.offer(1)
	}
	for _, p := range []*person{ps.claimed, ps.active, ps.uploading} {
		p.claim(2)
	}
	ps.active.match(1, 2)
	ps.uploading.match(3, 2)
	ps.number = ps.claimed.number(3)
	ps.photo = picture("document_back")
	ps.upload = ps.uploading.begin(2, "document_back", len(ps.photo))
	ps.sending = ps.uploading.sendSlowly(2, ps.upload, ps.photo, 300_000)
	ps.sent = ps.uploading.stored(2, ps.upload)
	ps.sockets = nil
	for _, p := range ps.all() {
		ps.sockets = append(ps.sockets, p.watchDesk(2))
	}
	for _, p := range []*person{ps.claimed, ps.active, ps.uploading} {
		ps.sockets = append(ps.sockets, p.watchPhone(2))
	}
	for _, s := range ps.sockets {
		s.sees("anything", func(any) bool { return true })
	}
}

// same checks at a node that everybody is where they were.
func (ps *people) same(at int) {
	for p, want := range map[*person]string{ps.offered: "offered", ps.claimed: "claimed", ps.active: "active", ps.uploading: "active"} {
		a := p.desk.do(200, at, "GET", p.path(""), nil)
		if text(a.doc(), "handoff.id") != p.handoff || text(a.doc(), "handoff.state") != want {
			p.desk.t.Fatalf("at node %d, want %s:\n%s", at, want, a.body)
		}
		p.watchDesk(at).sees(want, state(want))
		if p != ps.offered {
			p.watchPhone(at).sees(want, state(want))
		}
	}
	if n := ps.claimed.number(at); n != ps.number {
		ps.claimed.desk.t.Fatalf("the desk shows %s, want %s", n, ps.number)
	}
}

// finish goes on to the end from where everybody is.
func (ps *people) finish(at ...int) {
	t := ps.offered.desk.t
	node := func(i int) int { return at[i%len(at)] }
	ps.offered.open(node(0))
	ps.offered.claim(node(1))
	ps.offered.match(node(2), node(0))
	ps.claimed.match(node(1), node(2))
	if n := ps.uploading.offset(node(0), ps.upload); n < ps.sent || n > len(ps.photo) {
		t.Fatalf("offset %d, and %d bytes were acknowledged", n, ps.sent)
	}
	ps.uploading.send(ps.upload, ps.photo, 400_000, at...)
	ps.uploading.accept(node(1), "document_back", ps.upload, ps.photo)
	ps.active.keep("document_back", at...)
	for p, k := range ps.kept {
		p.has(node(1), k)
	}
}

// nodeDies: reconnect elsewhere, same state.
func (c *cluster) nodeDies(ps *people) {
	ps.arrange()
	c.nodes[2].kill()
	for _, s := range ps.sockets {
		s.ends(5*time.Second, 1006)
	}
	ps.sending.breakOff()
	for range 30 { // the proxy asks another node, and nobody notices
		if a, err := ps.active.desk.try(proxy, "GET", ps.active.path(""), nil); err != nil || a.status != 200 {
			c.t.Fatalf("through the proxy: %v %+v", err, a)
		}
	}
	ps.same(3)
	ps.finish(1, proxy, 3)
	c.startNode(2)
	c.waitReady(2)
	for p, k := range ps.kept {
		p.has(2, k)
	}
}

// redisPauses: requests wait or are told to come again; nothing is wrong while it lasts or after it.
func (c *cluster) redisPauses(ps *people) {
	t := c.t
	ps.arrange()
	c.redis.signal(syscall.SIGSTOP)
	paused := time.Now()
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	ask := func(d *device, path string) {
		for i := 0; time.Since(paused) < 10*time.Second; i++ {
			began := time.Now()
			a, err := d.try(1+i%3, "GET", path, nil)
			switch took := time.Since(began); {
			case err != nil:
				t.Errorf("%s: %v", path, err)
				return
			case a.status == 503 && a.header.Get("Retry-After") == "":
				t.Errorf("%s: 503 without Retry-After: %s", path, a.body)
			case a.status != 200 && a.status != 503:
				t.Errorf("%s: %d %s", path, a.status, a.body)
			case took > 6*time.Second:
				t.Errorf("%s: it took %v", path, took)
			default:
				mu.Lock()
				seen[fmt.Sprint(a.status)]++
				mu.Unlock()
			}
		}
	}
	for _, p := range ps.all() {
		wg.Go(func() { ask(p.desk, p.path("")) })
		if p != ps.offered {
			wg.Go(func() { ask(p.phone, "/v1/capture") })
		}
	}
	// A take that is being sent goes on: its bytes need no session.
	if err := ps.sending.more(300_000); err != nil {
		t.Errorf("the sending broke: %v", err)
	}
	wg.Wait()
	c.redis.signal(syscall.SIGCONT)
	t.Logf("while Redis stood still: %v", seen)
	for _, s := range ps.sockets {
		if !s.isOpen() {
			t.Errorf("a socket ended with %d", s.code)
		}
	}
	ps.same(1)
	if n := ps.uploading.stored(3, ps.upload); n <= ps.sent {
		t.Errorf("nothing was stored meanwhile: %d", n)
	}
	if err := ps.sending.more(len(ps.photo)); err != nil {
		t.Errorf("the sending broke: %v", err)
	}
	_ = ps.sending.in.Close()
	ps.sending.ended(t, 10*time.Second)
	if ps.sending.err != nil {
		t.Fatal(ps.sending.err)
	}
	ps.sending.a.want(t, 204)
	ps.sent = len(ps.photo)
	ps.finish(1, 2, 3)
}

// redisLosesEverything: sign in again and pair again; the case and what was accepted are intact.
func (c *cluster) redisLosesEverything(ps *people) {
	t := c.t
	ps.arrange()
	program := c.redis.cmd.Path
	c.redis.kill()
	c.startRedis(program)
	for _, s := range ps.sockets {
		s.ends(20*time.Second, 4401, 4010)
	}
	ps.sending.breakOff()
	for i, p := range ps.all() {
		at := 1 + i%3
		old := p.code
		p.desk.do(401, at, "GET", p.path(""), nil)
		if p != ps.offered {
			p.phone.do(401, at, "GET", "/v1/capture", nil).want(t, 401, "capture_ended")
		}
		p.signIn(1 + (i+1)%3)
		doc := p.until(at, "the case", func(doc any) bool { return text(doc, "levels.1.state") == "open" })
		if s := text(doc, "handoff.state"); s == "offered" || s == "claimed" || s == "active" {
			t.Errorf("the desk shows a handoff that nobody holds any more: %s", s)
		}
		p.phone.token = ""
		p.phone.do(404, at, "POST", "/v1/handoffs/open", map[string]string{"code": old})
		p.pair(1 + (i+2)%3)
	}
	for p, k := range ps.kept {
		p.has(1, k)
	}
	p := ps.uploading
	p.phone.do(404, 2, "HEAD", ps.upload, nil, tus...)
	c.eventually(10*time.Second, "what the lost handoff did not finish to be destroyed", func() error {
		if _, err := os.Stat(c.data(strings.TrimPrefix(ps.upload, "/v1/uploads/"))); !os.IsNotExist(err) {
			return fmt.Errorf("they are there: %w", err)
		}
		return nil
	})
	p.has(1, p.keep("document_back", 2, 3))
}

// rollingRestart: nobody is dropped. What a client's ordinary retry does not cover would end the test.
func (c *cluster) rollingRestart() {
	t := c.t
	p := c.person("rolling")
	p.pair(proxy)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	codes := map[int]int{}
	var mu sync.Mutex
	follow := func(watch func() *socket) {
		for {
			s := watch()
			s.sees("the state", state("active"))
			select {
			case <-stop:
				return
			case <-s.gone:
				mu.Lock()
				codes[s.code]++
				mu.Unlock()
			}
		}
	}
	wg.Go(func() { follow(func() *socket { return p.watchDesk(proxy) }) })
	wg.Go(func() { follow(func() *socket { return p.watchPhone(proxy) }) })
	rounds, failures := 0, 0
	going := make(chan struct{}, 1)
	wg.Go(func() {
		for ; ; rounds++ {
			select {
			case <-stop:
				return
			default:
			}
			b := picture("document_front")
			upload := p.begin(proxy, "document_front", len(b))
			select {
			case going <- struct{}{}:
			default:
			}
			failures += p.trickle(upload, b)
			p.has(proxy, p.accept(proxy, "document_front", upload, b))
		}
	})
	for i := 1; i <= 3; i++ {
		b := picture("document_back")
		upload := p.begin(i, "document_back", len(b))
		sending := p.sendSlowly(i, upload, b, 300_000)
		before := p.stored(proxy, upload)
		<-going // another upload has just begun, somewhere
		took, err := c.nodes[i].stop()
		t.Logf("node %d ended in %v", i, took)
		if err != nil {
			t.Errorf("node %d: %v\n%s", i, err, c.nodes[i].out)
		}
		if took > 5*time.Second {
			t.Errorf("node %d took %v to end", i, took)
		}
		sending.ended(t, 5*time.Second)
		if sending.err == nil {
			sending.a.want(t, 503, "shutting_down")
		}
		if n := p.offset(proxy, upload); n < before {
			t.Errorf("offset %d after %d was stored", n, before)
		}
		p.send(upload, b, 400_000, proxy)
		p.has(proxy, p.accept(proxy, "document_back", upload, b))
		c.startNode(i)
		c.waitReady(i)
	}
	close(stop)
	wg.Wait()
	t.Logf("takes sent: %d, with %d interruptions; sockets closed by code: %v", rounds, failures, codes)
	for code := range codes {
		if code != 1001 {
			t.Errorf("sockets ended with %d", code)
		}
	}
	if len(codes) == 0 || rounds == 0 {
		t.Error("nothing happened while the nodes went and came")
	}
	p.phone.do(200, proxy, "POST", "/v1/capture/submit", nil)
}
