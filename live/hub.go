package live

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

const (
	maxUnpublished = 10_000 // cases that may wait for a failing bus; beyond it, all are announced at once
	maxRelays      = 1024   // fleeting messages that may wait for the bus
	maxSteps       = 32     // a case has fewer
	busTimeout     = 3 * time.Second
	nextTimeout    = time.Second // a socket waits for a number no longer than this
	retryFirst     = 100 * time.Millisecond
	retryMost      = 5 * time.Second
	hearAgain      = HearFor / 3     // then a node asks to hear on
	hearsFor       = HearFor * 2 / 3 // then it no longer counts on what it asked
	hearingEvery   = HearFor / 18    // how often it looks which cases are due
)

// Config is what a Hub needs.
type Config struct {
	Bus Bus
	Now func() time.Time // time.Now where nil
	// Told are the topics that nodes may tell each other besides what the hub tells by itself, and
	// what to do with what another node said. The functions never block. Others are not heard.
	Told map[string]func(text string)
}

// Hub fans out on one node.
type Hub struct {
	cfg  Config
	wake chan struct{} // something is in unpublished, or all is set
	out  chan []byte   // relays on their way to the bus

	mu          sync.Mutex // guards everything below, and every room and Listener
	rooms       map[string]*room
	unpublished map[string]*flight // by case; not under way yet
	flying      map[string]*flight // the latest under way of each case
	flowing     bool               // changes are published, and the last trip succeeded
	all         bool               // too many were unpublished: other nodes shall read everything again
	lost        int64              // times that the bus lost what this node asked to hear of
	closed      bool
	stats       Stats
}

// flight is an announced change until the bus has given it a number. Whoever needs a number
// of that case meanwhile waits for this one: it is taken before they read.
type flight struct {
	again  bool          // the bus failed it before: nobody waits for it
	base   int64         // listeners here were served under the number after this one; 0: they were not
	landed chan struct{} // made by the first who waits; closed once seq stands
	seq    int64         // 0: the bus failed
}

// room is what a node holds of a case while somebody listens to it or gave a sign of life.
type room struct {
	id        string
	high      int64 // the newest seq known here
	given     int64 // the newest of the bus; high is it, or a number of this node after it
	alone     bool  // the bus said that no other node hears of the case, and nobody was heard to since
	others    int64 // the newest number with which others were heard to
	silent    int64 // the number of the bus that listeners were served after when changes began to be kept silent; 0: none is
	listeners map[*Listener]struct{}
	heard     time.Time    // when the bus was last asked to tell of changes, and did not lose that since; zero: never
	blind     bool         // somebody read the case while the bus could not be asked
	seen      [2]time.Time // by side; zero: away
	relayed   [2]time.Time // when the last sign went to the other nodes
	shown     Presence
	expiry    *time.Timer // runs while a side is present
	steps     map[string]*pace
}

// pace keeps the progress of a step to its rate. It exists while its timer runs.
type pace struct {
	timer   *time.Timer
	pending *Progress
	relay   bool // pending came from this node
}

// New returns a hub; Run must run for changes to travel between nodes.
func New(cfg Config) (*Hub, error) {
	if cfg.Bus == nil {
		return nil, errors.New("live: Config.Bus is missing")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Bus = stepped{cfg.Bus}
	return &Hub{
		cfg:         cfg,
		wake:        make(chan struct{}, 1),
		out:         make(chan []byte, maxRelays),
		rooms:       map[string]*room{},
		unpublished: map[string]*flight{},
		flying:      map[string]*flight{},
	}, nil
}

// Run carries changes between nodes until ctx ends. What was announced before that is
// still published, for a few seconds at most.
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { h.publish(ctx) })
	wg.Go(func() { h.sendRelays(ctx) })
	wg.Go(func() { h.hearOn(ctx) })
	err := h.cfg.Bus.Run(ctx, h.takenElsewhere, h.relayedHere, h.lostAll)
	cancel()
	wg.Wait()
	return err
}

// Next returns a seq to read a snapshot under: take it before reading. Listeners here hear of
// every change after it. When the bus does not answer, the number is this node's own; it still
// grows for every listener here.
func (h *Hub) Next(ctx context.Context, caseID string) (int64, error) {
	limited, cancel := context.WithTimeout(ctx, nextTimeout)
	defer cancel()
	n, ask, e := h.underWay(limited, caseID)
	if n > 0 {
		return n, nil
	}
	given, err := h.cfg.Bus.Take(limited, []Ask{ask})

	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[caseID]
	if err != nil {
		if r != nil {
			r.blind = true
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		h.stats.BusErrors++
		// As small as may be: a number that ran ahead of the bus would claim too much.
		if r != nil && r.high > 0 {
			n = r.high + 1
		} else {
			n = h.cfg.Now().UnixMilli() * Step
		}
	} else {
		n = given[0].Seq
		h.hears(r, e, ask, given[0])
	}
	if r != nil {
		if err == nil {
			r.given = max(r.given, n)
		}
		r.high = max(r.high, n)
	}
	return n, nil
}

// underWay returns the number of a change of the case that is being announced, once the bus has
// given it and will tell of the changes after it; else 0 and what to ask the bus.
func (h *Hub) underWay(ctx context.Context, caseID string) (n int64, ask Ask, e ear) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.unpublished[caseID]
	if f == nil {
		f = h.flying[caseID]
	}
	if f != nil && !f.again && h.flowing {
		if f.landed == nil {
			f.landed = make(chan struct{})
		}
		h.mu.Unlock()
		select {
		case <-f.landed:
		case <-ctx.Done():
		}
		h.mu.Lock()
		n = f.seq
	}
	ask, e = h.ask(caseID)
	if n < ask.Floor || ask.Hear && !e.room.hearing() {
		n = 0 // a newer number was given here, and who asks may have used it; or what comes next would be missed
	}
	return n, ask, e
}

// ear is what was known of a node's hearing of a case when it asked for a number.
type ear struct {
	room *room // nil: nobody listened
	was  time.Time
	at   time.Time
	lost int64
}

// ask says what to ask the bus for a number of the case; h.mu is held.
func (h *Hub) ask(caseID string) (Ask, ear) {
	r := h.rooms[caseID]
	switch {
	case r == nil:
		return Ask{CaseID: caseID}, ear{}
	case len(r.listeners) == 0:
		return Ask{CaseID: caseID, Floor: r.high}, ear{}
	}
	return Ask{CaseID: caseID, Floor: r.high, Hear: true}, ear{room: r, was: r.heard, at: time.Now(), lost: h.lost}
}

// hears takes what the bus's answer says about hearing; h.mu is held. r is the room of now.
func (h *Hub) hears(r *room, e ear, ask Ask, got Given) {
	if r == nil || r != e.room || h.lost != e.lost {
		return // who listens now asks anew
	}
	missed := !got.Heard && (r.blind || !e.was.IsZero())
	switch {
	case ask.Hear:
		r.blind = false
		if e.at.After(r.heard) {
			r.heard = e.at
		}
	case missed:
		r.heard = time.Time{}
	}
	if missed {
		r.mark(0)
	}
	if !got.Alone {
		r.others = max(r.others, got.Seq)
	}
	// News may have overtaken this answer: then it is about what was before them.
	if r.alone = got.Alone && got.Seq > r.others && (ask.Hear || got.Heard); !r.alone {
		h.speak(r)
	}
}

// aloneWith says whether nobody but this node's listeners hears of the case; h.mu is held.
func (h *Hub) aloneWith(r *room) bool { return r.alone && h.flowing && r.hearing() }

// speak announces what was kept silent of a case; h.mu is held.
func (h *Hub) speak(r *room) {
	if r.silent == 0 {
		return
	}
	h.announce(r.id, r.silent, false)
	r.silent = 0
	signal(h.wake)
}

// hearing says whether the bus tells of every change of the case.
func (r *room) hearing() bool { return !r.heard.IsZero() && time.Since(r.heard) < hearsFor }

// Changed announces a change that is already stored. Listeners on this node are told
// before the bus is, which is not told where nobody else hears of the case. It never blocks; a failing
// bus is counted and tried again.
func (h *Hub) Changed(_ context.Context, caseID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	base := int64(0)
	if r := h.rooms[caseID]; r != nil {
		served, own := len(r.listeners) > 0 && r.given > 0, r.high+1
		switch {
		case served && own < r.given+Step && h.aloneWith(r):
			if r.silent == 0 {
				r.silent = r.given
			}
			r.mark(own)
			return
		case served && r.high == r.given:
			base = r.given
			r.mark(own)
			if r.silent > 0 {
				base = min(base, r.silent)
			}
		default:
			r.mark(0) // its number, or one of their own, once the bus gave it
		}
		r.silent = 0
	}
	h.announce(caseID, base, false)
	signal(h.wake)
}

// announce lets a change wait for the next trip to the bus; h.mu is held.
func (h *Hub) announce(caseID string, base int64, again bool) {
	if !h.all {
		f := h.unpublished[caseID]
		if f == nil {
			f = &flight{again: again}
			h.unpublished[caseID] = f
		}
		if f.base == 0 || base > 0 && base < f.base {
			f.base = base
		}
	}
	if len(h.unpublished) > maxUnpublished {
		h.announceAll()
	}
}

// announceAll makes one announcement of all that wait; h.mu is held.
func (h *Hub) announceAll() {
	h.all = true
	for _, f := range h.unpublished {
		f.land(0)
	}
	clear(h.unpublished)
}

// land ends a flight; h.mu is held.
func (f *flight) land(seq int64) {
	f.seq = seq
	if f.landed != nil {
		close(f.landed)
	}
}

// Progress shows what the phone does, at most ten a second a step (later ones win, and the
// last is always shown).
func (h *Hub) Progress(_ context.Context, caseID string, p Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	r := h.room(caseID)
	h.pace(r, p, true)
	h.tidy(r)
}

// Seen notes a sign of life of one side: a request, a pong, received bytes.
func (h *Hub) Seen(_ context.Context, caseID string, r Role) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sign(caseID, r, true)
}

// Present says who has shown a sign of life within AwayAfter, on any node.
func (h *Hub) Present(caseID string) Presence {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[caseID]; r != nil {
		return r.present(h.cfg.Now())
	}
	return Presence{}
}

// Join adds a listener. A phone's newer listener replaces the older, on whichever node.
// The first Take of a listener always asks for a snapshot.
func (h *Hub) Join(caseID string, role Role) *Listener {
	return h.join(caseID, &Listener{hub: h, role: role, ready: make(chan struct{}, 1), done: make(chan struct{})})
}

// JoinFunc is Join for who has no goroutine that waits: wake is called when Take has something, and
// when the hub closed the listener. It is called under the hub's lock, also before JoinFunc
// returns: it must neither block nor use the hub.
func (h *Hub) JoinFunc(caseID string, role Role, wake func()) *Listener {
	return h.join(caseID, &Listener{hub: h, role: role, wake: wake})
}

func (h *Hub) join(caseID string, l *Listener) *Listener {
	role := l.role
	l.stamp = ulid.Make()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		h.stats.Refused++
		l.why = Going
		if l.wake != nil {
			l.wake()
		} else {
			close(l.done)
		}
		return l
	}
	r := h.room(caseID)
	if role == Phone {
		for other := range r.listeners {
			if other.role == Phone {
				h.stats.Replaced++
				other.end(Replaced)
			}
		}
		h.relay(message{Kind: "join", CaseID: caseID, Stamp: l.stamp.String()})
	}
	l.room = r
	r.listeners[l] = struct{}{}
	l.snapshot = true
	p := r.present(h.cfg.Now())
	l.presence = &p
	l.signal()
	return l
}

// End closes every listener of a role of the case, on every node, with the reason Over
// (the handoff ended).
func (h *Hub) End(caseID string, role Role) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end(caseID, role)
	h.relay(message{Kind: "end", CaseID: caseID, Role: role})
}

// Tell says text to every other node, which does with it what its Config.Told has for the topic. It
// may get lost, and what cannot be said in 1 KiB is; it never blocks. Nothing personal belongs in it.
func (h *Hub) Tell(topic, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.relay(message{Kind: "tell", Topic: topic, Text: text})
}

// Close closes every listener with the reason Going; Join after it returns a closed one.
// Changed still announces to other nodes while Run runs.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, r := range h.rooms {
		h.speak(r)
		for l := range r.listeners {
			l.end(Going)
		}
		if r.expiry != nil {
			r.expiry.Stop()
		}
		for _, p := range r.steps {
			p.timer.Stop()
		}
	}
	clear(h.rooms)
}

// Stats returns the counts.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.Cases, s.Unpublished = len(h.rooms), len(h.unpublished)
	for _, r := range h.rooms {
		s.Listeners += len(r.listeners)
	}
	return s
}

// What follows until "To and from other nodes" is called with h.mu held.

// room returns the case's room, made where absent; tidy takes it away again.
func (h *Hub) room(caseID string) *room {
	r := h.rooms[caseID]
	if r == nil {
		r = &room{id: caseID, listeners: map[*Listener]struct{}{}, steps: map[string]*pace{}}
		h.rooms[caseID] = r
	}
	return r
}

// tidy forgets a room that nobody needs. Without a listener nothing stays silent, as nobody asks to hear on.
func (h *Hub) tidy(r *room) {
	if len(r.listeners) == 0 {
		h.speak(r)
	}
	if len(r.listeners) == 0 && len(r.steps) == 0 && r.expiry == nil && h.rooms[r.id] == r {
		delete(h.rooms, r.id)
	}
}

func (h *Hub) end(caseID string, role Role) {
	r := h.rooms[caseID]
	if r == nil {
		return
	}
	for l := range r.listeners {
		if l.role == role {
			l.end(Over)
		}
	}
	h.tidy(r)
}

// mark tells every listener to read again. seq is the number of a change elsewhere, 0 if
// not known yet. A number that is not the newest is as good as unknown: the listener may
// have sent a newer one already.
func (r *room) mark(seq int64) {
	fresh := seq > r.high
	if fresh {
		r.high = seq
	}
	for l := range r.listeners {
		l.snapshot = true
		if fresh {
			l.seq = seq
		}
		l.signal()
	}
}

func side(role Role) (int, bool) {
	switch role {
	case Phone:
		return 0, true
	case Desk:
		return 1, true
	}
	return 0, false
}

// sign notes a sign of life. own says that it was given on this node.
func (h *Hub) sign(caseID string, role Role, own bool) {
	i, ok := side(role)
	if !ok || h.closed {
		return
	}
	r, now := h.room(caseID), h.cfg.Now()
	r.seen[i] = now
	if r.expiry == nil {
		r.expiry = time.AfterFunc(AwayAfter, func() { h.expire(r) })
	}
	if own && now.Sub(r.relayed[i]) >= RelaySeen {
		r.relayed[i] = now
		h.relay(message{Kind: "seen", CaseID: caseID, Role: role})
	}
	r.show(now)
}

func (r *room) present(now time.Time) Presence {
	here := func(i int) bool { return !r.seen[i].IsZero() && now.Sub(r.seen[i]) < AwayAfter }
	return Presence{Phone: here(0), Desk: here(1)}
}

// show tells the listeners who is there, if that is another than they know.
func (r *room) show(now time.Time) {
	p := r.present(now)
	if p == r.shown {
		return
	}
	r.shown = p
	for l := range r.listeners {
		l.presence = &p
		l.signal()
	}
}

// pace passes a progress on now, or when its step's time has come.
func (h *Hub) pace(r *room, p Progress, own bool) {
	if at := r.steps[p.Step]; at != nil {
		if at.pending != nil {
			p = at.pending.merge(p)
		}
		at.pending, at.relay = &p, at.relay || own
		return
	}
	if len(r.steps) >= maxSteps {
		return
	}
	at := &pace{}
	at.timer = time.AfterFunc(ProgressEvery, func() { h.paced(r, p.Step, at) })
	r.steps[p.Step] = at
	h.showProgress(r, p, own)
}

func (h *Hub) showProgress(r *room, p Progress, own bool) {
	for l := range r.listeners {
		l.addProgress(p)
	}
	if own {
		h.relay(message{Kind: "progress", CaseID: r.id, Progress: &p})
	}
}

// merge returns p with what next says anew.
func (p Progress) merge(next Progress) Progress {
	if next.Phase == "" {
		next.Phase, next.PromptIndex, next.PromptCount, next.Take, next.ElapsedMS, next.Hint =
			p.Phase, p.PromptIndex, p.PromptCount, p.Take, p.ElapsedMS, p.Hint
	}
	if next.SentBytes == 0 && next.TotalBytes == 0 {
		next.SentBytes, next.TotalBytes = p.SentBytes, p.TotalBytes
	}
	return next
}

// relay hands a fleeting message to the sender, or drops it.
func (h *Hub) relay(m message) {
	payload, err := json.Marshal(m)
	if err != nil || len(payload) > 1024 {
		h.stats.RelaysDropped++
		return
	}
	select {
	case h.out <- payload:
	default:
		h.stats.RelaysDropped++
	}
}

// Timers.

// expire runs when a side may have been away for long enough.
func (h *Hub) expire(r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[r.id] != r {
		return
	}
	now, next := h.cfg.Now(), time.Duration(0)
	for i, seen := range r.seen {
		left := AwayAfter - now.Sub(seen)
		switch {
		case seen.IsZero():
		case left <= 0:
			r.seen[i], r.relayed[i] = time.Time{}, time.Time{}
		case next == 0 || left < next:
			next = left
		}
	}
	r.expiry = nil
	if next > 0 {
		r.expiry = time.AfterFunc(next, func() { h.expire(r) })
	}
	r.show(now)
	h.tidy(r)
}

// paced runs when a step may show its next progress.
func (h *Hub) paced(r *room, step string, at *pace) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[r.id] != r {
		return
	}
	delete(r.steps, step)
	if at.pending != nil {
		h.pace(r, *at.pending, at.relay)
	}
	h.tidy(r)
}

// To and from other nodes.

// message is what nodes tell each other besides changes. Whatever is lost of it heals:
// presence by the next sign, a socket that should have ended by its next check.
type message struct {
	Kind     string    `json:"k"` // "seen", "progress", "join", "end", "tell", "all"
	CaseID   string    `json:"c,omitempty"`
	Role     Role      `json:"r,omitempty"`
	Stamp    string    `json:"t,omitempty"` // of the phone's listener that joined
	Progress *Progress `json:"p,omitempty"`
	Topic    string    `json:"o,omitempty"`
	Text     string    `json:"x,omitempty"`
}

func (h *Hub) takenElsewhere(n News) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[n.CaseID]
	if r == nil {
		return
	}
	if n.Hears {
		r.alone, r.others = false, max(r.others, n.Seq)
	}
	if n.Changed {
		r.mark(n.Seq)
	}
	r.given, r.high = max(r.given, n.Seq), max(r.high, n.Seq)
	h.speak(r)
}

// lostAll is told that messages may have been missed, and what this node wants to hear of with them.
func (h *Hub) lostAll() {
	h.mu.Lock()
	h.lost++
	for _, r := range h.rooms {
		r.heard, r.blind, r.alone = time.Time{}, false, false
		h.speak(r)
	}
	h.mu.Unlock()
	h.readAllAgain()
}

func (h *Hub) readAllAgain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats.Losses++
	for _, r := range h.rooms {
		r.mark(0)
	}
}

func (h *Hub) relayedHere(payload []byte) {
	var m message
	if json.Unmarshal(payload, &m) != nil {
		return // another version's
	}
	switch m.Kind {
	case "all":
		h.readAllAgain()
		return
	case "tell": // not under the lock: it may use the hub
		if told := h.cfg.Told[m.Topic]; told != nil {
			told(m.Text)
		}
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.Kind == "seen" {
		h.sign(m.CaseID, m.Role, false)
		return
	}
	r := h.rooms[m.CaseID]
	if r == nil {
		return
	}
	switch m.Kind {
	case "progress":
		if m.Progress != nil && len(r.listeners) > 0 {
			h.pace(r, *m.Progress, false)
		}
	case "join":
		stamp, err := ulid.ParseStrict(m.Stamp)
		if err != nil {
			return
		}
		for l := range r.listeners {
			if l.role != Phone {
				continue
			}
			// The older one goes, so that two that join at once on two nodes do not end each other. One
			// that is older and came later has not heard of ours: it is told again.
			switch l.stamp.Compare(stamp) {
			case -1:
				h.stats.Replaced++
				l.end(Replaced)
			case 1:
				h.relay(message{Kind: "join", CaseID: m.CaseID, Stamp: l.stamp.String()})
			}
		}
		h.tidy(r)
	case "end":
		h.end(m.CaseID, m.Role)
	}
}

// publish tells the bus of changes until ctx ends.
func (h *Hub) publish(ctx context.Context) {
	h.flow(true)
	wake, retry, wait := h.wake, (<-chan time.Time)(nil), retryFirst
	for {
		select {
		case <-ctx.Done():
			h.flow(false)
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), busTimeout)
			h.publishAll(last)
			cancel()
			return
		case <-retry:
		case <-wake:
		}
		switch ok := h.publishAll(ctx); {
		case ok && retry != nil:
			h.flow(true)
			wake, retry, wait = h.wake, nil, retryFirst
		case !ok:
			h.flow(false)
			// What is new waits with the rest.
			wake, retry = nil, time.After(wait)
			wait = min(2*wait, retryMost)
		}
	}
}

func (h *Hub) flow(flowing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flowing = flowing
	if flowing {
		return
	}
	for _, r := range h.rooms {
		h.speak(r)
	}
}

// publishAll publishes what waits; false when the bus failed and the rest still waits.
func (h *Hub) publishAll(ctx context.Context) bool {
	var b batch
	for {
		if !h.waits() {
			return true
		}
		// Listeners and whoever makes changes now go first: then one trip serves for more.
		runtime.Gosched()
		all := h.board(&b)
		limited, cancel := context.WithTimeout(ctx, busTimeout)
		var numbers []Given
		var err error
		if all {
			err = h.cfg.Bus.Relay(limited, []byte(`{"k":"all"}`))
		} else {
			numbers, err = h.cfg.Bus.Take(limited, b.asks)
		}
		cancel()
		h.arrive(&b, all, numbers, err)
		if err != nil {
			return false
		}
	}
}

// waits says whether there is something to publish; only publishAll takes it away.
func (h *Hub) waits() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all || len(h.unpublished) > 0
}

// batch is what goes to the bus in one trip.
type batch struct {
	asks    []Ask
	flights []*flight
	ears    []ear
}

// board puts what waits into b: all of it where it became too much, else as much as one trip
// takes.
func (h *Hub) board(b *batch) (all bool) {
	b.asks, b.flights, b.ears = b.asks[:0], b.flights[:0], b.ears[:0]
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all {
		h.all = false
		return true
	}
	for id, f := range h.unpublished {
		if len(b.asks) == MaxBatch {
			break
		}
		delete(h.unpublished, id)
		h.flying[id] = f
		ask, e := h.ask(id)
		ask.Changed = true
		ask.Hear = ask.Hear && time.Since(e.was) >= hearAgain
		b.asks, b.flights, b.ears = append(b.asks, ask), append(b.flights, f), append(b.ears, e)
	}
	return false
}

// arrive takes the bus's answer to b.
func (h *Hub) arrive(b *batch, all bool, numbers []Given, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.stats.BusErrors++
		if all {
			h.announceAll()
		}
	}
	for i, f := range b.flights {
		id, got := b.asks[i].CaseID, Given{}
		if i < len(numbers) {
			got = numbers[i]
		}
		f.land(got.Seq)
		if h.flying[id] == f {
			delete(h.flying, id)
		}
		if got.Seq == 0 {
			h.announce(id, f.base, true)
			continue
		}
		h.stats.Changes++
		r := h.rooms[id]
		if r == nil {
			continue
		}
		h.hears(r, b.ears[i], b.asks[i], got)
		fresh := got.Seq > r.high
		r.high, r.given = max(r.high, got.Seq), max(r.given, got.Seq)
		if f.base > 0 && f.base != got.Before {
			// A number was given elsewhere that is higher than the one used here.
			r.mark(0)
		}
		// Listeners here were told already. Those that did not read yet save a number, unless it
		// may be used already: one that waited for it may have to read once more.
		for l := range r.listeners {
			if fresh && l.snapshot && f.landed == nil {
				l.seq = got.Seq
			}
		}
	}
}

func (h *Hub) sendRelays(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case payload := <-h.out:
			limited, cancel := context.WithTimeout(ctx, busTimeout)
			err := h.cfg.Bus.Relay(limited, payload)
			cancel()
			if err != nil && ctx.Err() == nil {
				h.mu.Lock()
				h.stats.BusErrors++
				h.mu.Unlock()
			}
		}
	}
}

// hearOn asks in time to hear on of cases that somebody listens to, and again where that failed.
func (h *Hub) hearOn(ctx context.Context) {
	tick := time.NewTicker(hearingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := h.unheard(); len(due) > 0 && h.hear(ctx, due[:min(len(due), MaxBatch)]); {
			due = due[min(len(due), MaxBatch):]
		}
	}
}

// unheard returns the cases to ask for.
func (h *Hub) unheard() (due []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, r := range h.rooms {
		if len(r.listeners) > 0 && time.Since(r.heard) >= hearAgain {
			due = append(due, id)
		}
	}
	return due
}

// hear asks to hear of cases; false when the bus failed.
func (h *Hub) hear(ctx context.Context, due []string) bool {
	var asks []Ask
	var ears []ear
	h.mu.Lock()
	for _, id := range due {
		if ask, e := h.ask(id); ask.Hear {
			asks, ears = append(asks, ask), append(ears, e)
		}
	}
	h.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, busTimeout)
	given, err := h.cfg.Bus.Take(limited, asks)
	cancel()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		h.stats.BusErrors++
	}
	for i, got := range given {
		r := h.rooms[asks[i].CaseID]
		if got.Seq == 0 || r == nil {
			continue
		}
		r.given, r.high = max(r.given, got.Seq), max(r.high, got.Seq)
		h.hears(r, ears[i], asks[i], got)
	}
	return err == nil
}

// stepped is a bus with room between its numbers.
type stepped struct{ Bus }

func (s stepped) Take(ctx context.Context, asks []Ask) ([]Given, error) {
	for i := range asks {
		asks[i].Floor = (asks[i].Floor + Step - 1) / Step
	}
	given, err := s.Bus.Take(ctx, asks)
	for i := range given {
		given[i].Seq *= Step
		given[i].Before *= Step
	}
	return given, err
}

func (s stepped) Run(ctx context.Context, told func(News), relayed func([]byte), lost func()) error {
	return s.Bus.Run(ctx, func(n News) {
		n.Seq *= Step
		told(n)
	}, relayed, lost)
}

// signal fills a channel of one without waiting.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
