package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
)

// fanPlan is what the fan-out is asked.
type fanPlan struct {
	sessions int
	rates    []int // changes a second, over all sessions
	places   []place
	rounds   int
	each     time.Duration // of publishing, in a round
}

// place says on which nodes the sockets are. Changes are always handed to the first node.
type place struct {
	name, says string
	node       func(session int) int
}

// The places: all on the node of the change, all on the other one, or every other one on each.
var (
	both = place{"both", "every other socket on the node that was handed the change", func(session int) int { return session % 2 }}
	same = place{"same", "all on the node that was handed the change", func(int) int { return 0 }}
	away = place{"other", "none on the node that was handed the change", func(int) int { return 1 }}
)

const (
	controls = 8 // connections that bring changes
	settle   = 500 * time.Millisecond
	drain    = 4 * time.Second // for what is still on its way
)

// fanKind is one of those that are compared. Its nodes run throughout; only one kind works at a time.
type fanKind struct {
	name  string
	nodes [2]*process
	at    [2]fanNode
	redis *process
	raw   string // of Redis, where there is nothing but Redis
	hello bool   // speaks first, as centrifuge's clients do
}

// fanRound is what one round of one kind showed.
type fanRound struct {
	p50, p99  float64 // µs
	cpu       float64 // µs of nodes and Redis for each delivery
	redis     float64 // µs of it that Redis took
	delivered float64 // share
	messages  float64 // for each delivery: less than 1 where one snapshot answers several changes
}

// fanOut runs all kinds in turn, round after round, and prints medians.
func fanOut(ctx context.Context, dir string, plan fanPlan) (err error) {
	redis, address, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, redis.stop()) }()
	kinds := []*fanKind{{name: "symbolon"}, {name: "centrifuge", hello: true}, {name: "redis", raw: address}}
	for _, k := range kinds[:2] {
		set := fanSettings{Redis: address, Store: filepath.Join(dir, "fan.store"), Sessions: plan.sessions}
		for i := range k.nodes {
			if k.nodes[i], err = role(k.name, set, &k.at[i]); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, k.nodes[i].stop()) }()
		}
	}
	for _, k := range kinds {
		k.redis = redis
	}

	fmt.Printf("Live fan-out: %d sessions with one socket each, changes handed to the first of two nodes, %d rounds of %v\n", plan.sessions, plan.rounds, plan.each)
	for _, at := range plan.places {
		if err := compareFan(ctx, plan, at, kinds); err != nil {
			return err
		}
	}
	return nil
}

// compareFan runs all kinds in turn with the sockets at one place, and prints medians over the rounds.
func compareFan(ctx context.Context, plan fanPlan, at place, kinds []*fanKind) error {
	fmt.Printf("\n  Sockets: %s\n", at.says)
	fmt.Printf("  %-12s %8s %9s %9s %14s %9s %10s %9s\n", "", "rate/s", "p50 µs", "p99 µs", "CPU µs/deliv.", "in Redis", "delivered", "msg/del.")
	for _, rate := range plan.rates {
		rounds := map[string][]fanRound{}
		for range plan.rounds {
			for _, k := range kinds {
				r, err := k.round(ctx, plan, at, rate)
				if err != nil {
					return fmt.Errorf("%s: %w", k.name, err)
				}
				rounds[k.name] = append(rounds[k.name], r)
			}
		}
		pick := func(name string, f func(fanRound) float64) float64 {
			var v []float64
			for _, r := range rounds[name] {
				v = append(v, f(r))
			}
			return median(v)
		}
		p50 := func(r fanRound) float64 { return r.p50 }
		p99 := func(r fanRound) float64 { return r.p99 }
		cpu := func(r fanRound) float64 { return r.cpu }
		for _, k := range kinds {
			fmt.Printf("  %-12s %8d %9.0f %9.0f %14.1f %9.1f %9.2f%% %9.2f\n", k.name, rate, pick(k.name, p50), pick(k.name, p99), pick(k.name, cpu),
				pick(k.name, func(r fanRound) float64 { return r.redis }),
				100*pick(k.name, func(r fanRound) float64 { return r.delivered }), pick(k.name, func(r fanRound) float64 { return r.messages }))
		}
		verdict(fmt.Sprintf("p50 against centrifuge at %d/s, %s", rate, at.name), pick("symbolon", p50)/pick("centrifuge", p50), 0.80)
		verdict(fmt.Sprintf("CPU for each delivery against centrifuge at %d/s, %s", rate, at.name), pick("symbolon", cpu)/pick("centrifuge", cpu), 0.75)
		note(fmt.Sprintf("p99 against centrifuge at %d/s, %s", rate, at.name), pick("symbolon", p99)/pick("centrifuge", p99))
		note(fmt.Sprintf("p50 against raw Redis at %d/s, %s", rate, at.name), pick("symbolon", p50)/pick("redis", p50))
	}
	return nil
}

// ear is one subscriber: what was published for it and has not arrived yet, and what arrived.
type ear struct {
	next   func() ([]byte, error)
	closer io.Closer

	mu       sync.Mutex
	waiting  []int64
	took     []int64
	messages int
}

// round opens every subscriber, publishes at the rate, and waits for what is on its way.
func (k *fanKind) round(ctx context.Context, plan fanPlan, where place, rate int) (r fanRound, err error) {
	epoch := time.Now()
	now := func() int64 { return int64(time.Since(epoch)) + 1 }
	// The store outlives rounds: what an earlier one put there would count as arrived.
	if err := k.forget(plan); err != nil {
		return r, err
	}
	ears, err := k.open(plan.sessions, where)
	defer func() {
		for _, e := range ears {
			if e != nil {
				_ = e.closer.Close()
			}
		}
	}()
	if err != nil {
		return r, err
	}
	send, closeSend, err := k.sender()
	if err != nil {
		return r, err
	}
	defer closeSend()

	var left atomic.Int64
	var reading sync.WaitGroup
	for _, e := range ears {
		reading.Go(func() {
			for {
				m, err := e.next()
				if err != nil {
					return
				}
				at := now()
				due, ok := dueOf(m)
				if !ok {
					continue
				}
				e.mu.Lock()
				e.messages++
				n := 0
				for n < len(e.waiting) && e.waiting[n] <= due {
					e.took = append(e.took, at-e.waiting[n])
					n++
				}
				e.waiting = e.waiting[n:]
				e.mu.Unlock()
				left.Add(-int64(n))
			}
		})
	}
	time.Sleep(settle)
	for _, e := range ears { // snapshots on opening do not count
		e.mu.Lock()
		e.messages = 0
		e.mu.Unlock()
	}

	all := []*process{k.redis, k.nodes[0], k.nodes[1]}
	used, redis := cpuOfAll(all...), k.redis.cpu()
	total := int(float64(rate) * plan.each.Seconds())
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	begin := now()
	for n := 0; n < total; {
		at := now()
		for ; n < min(total, int((at-begin)*int64(rate)/int64(time.Second))); n++ {
			e := ears[n%len(ears)]
			e.mu.Lock()
			e.waiting = append(e.waiting, at)
			e.mu.Unlock()
			left.Add(1)
			if err := send(n%len(ears), at); err != nil {
				return r, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
	for end := time.Now().Add(drain); left.Load() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	used, redis = cpuOfAll(all...)-used, k.redis.cpu()-redis
	for _, e := range ears {
		_ = e.closer.Close()
	}
	reading.Wait()

	var took []int64
	messages := 0
	for _, e := range ears {
		took = append(took, e.took...)
		messages += e.messages
	}
	if len(took) == 0 {
		return r, errors.New("nothing was delivered")
	}
	return fanRound{
		p50: float64(quantile(took, .5)) / 1e3, p99: float64(quantile(took, .99)) / 1e3,
		cpu:       float64(used.Microseconds()) / float64(len(took)),
		redis:     float64(redis.Microseconds()) / float64(len(took)),
		delivered: float64(len(took)) / float64(total),
		messages:  float64(messages) / float64(len(took)),
	}, nil
}

// dueOf finds when the change in a message was due.
func dueOf(m []byte) (int64, bool) {
	_, rest, ok := bytes.Cut(m, []byte(`"at":`))
	if !ok {
		return 0, false
	}
	end := bytes.IndexAny(rest, ",}")
	if end < 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	return n, err == nil
}

// forget empties the store of cases between rounds.
func (k *fanKind) forget(plan fanPlan) error {
	if fanStore == nil {
		return nil
	}
	clear(fanStore[:8*plan.sessions])
	return nil
}

// fanStore is the store that symbolon's nodes share, mapped here too.
var fanStore store

// open opens every subscriber at its place.
func (k *fanKind) open(sessions int, where place) ([]*ear, error) {
	ears := make([]*ear, sessions)
	var failed atomic.Pointer[error]
	var opening sync.WaitGroup
	gate := make(chan struct{}, 32)
	for i := range ears {
		gate <- struct{}{}
		opening.Go(func() {
			defer func() { <-gate }()
			var err error
			if k.raw != "" {
				ears[i], err = subscribe(k.raw, caseOf(i))
			} else {
				ears[i], err = k.socket(i, where)
			}
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	opening.Wait()
	if err := failed.Load(); err != nil {
		return ears, *err
	}
	return ears, nil
}

func (k *fanKind) socket(session int, where place) (*ear, error) {
	ws, err := dial("ws://"+k.at[where.node(session)].Web+"/live/"+strconv.Itoa(session), session%8, nil)
	if err != nil {
		return nil, err
	}
	if k.hello {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"id":1,"connect":{}}`)); err != nil {
			return nil, err
		}
	}
	// The first message is the snapshot of opening, or centrifuge's greeting.
	if _, _, err := ws.ReadMessage(); err != nil {
		return nil, err
	}
	return &ear{closer: ws, next: func() ([]byte, error) {
		for {
			_, m, err := ws.ReadMessage()
			if err == nil && string(m) == "{}" { // centrifuge's ping
				err = ws.WriteMessage(websocket.TextMessage, m)
				if err == nil {
					continue
				}
			}
			return m, err
		}
	}}, nil
}

// dial opens a websocket from one of several addresses of this machine.
func dial(url string, source int, header map[string][]string) (*websocket.Conn, error) {
	d := websocket.Dialer{
		ReadBufferSize: 512, WriteBufferSize: 512, WriteBufferPool: &writeBuffers, HandshakeTimeout: 20 * time.Second,
		NetDialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(source/250), byte(1+source%250))}}).DialContext,
	}
	ws, res, err := d.Dial(url, header)
	if err != nil && res != nil {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return nil, fmt.Errorf("%w: %s %s", err, res.Status, b)
	}
	return ws, err
}

var writeBuffers sync.Pool

// subscribe listens to a channel of Redis itself.
func subscribe(address, channel string) (*ear, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "SUBSCRIBE %s\r\n", channel); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(c, 1024)
	next := func() ([]byte, error) {
		head, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(strings.TrimSpace(head[1:]))
		if err != nil {
			return nil, err
		}
		var last []byte
		for range n {
			line, err := in.ReadString('\n')
			if err != nil {
				return nil, err
			}
			if line[0] != '$' {
				continue
			}
			size, err := strconv.Atoi(strings.TrimSpace(line[1:]))
			if err != nil {
				return nil, err
			}
			last = make([]byte, size+2)
			if _, err := io.ReadFull(in, last); err != nil {
				return nil, err
			}
		}
		return last, nil
	}
	if _, err := next(); err != nil {
		return nil, err
	}
	return &ear{closer: c, next: next}, nil
}

// sender returns how to publish a change, over a few connections to the first node or to Redis.
func (k *fanKind) sender() (send func(session int, due int64) error, end func(), err error) {
	address := k.at[0].Control
	if k.raw != "" {
		address = k.raw
	}
	var conns [controls]net.Conn
	for i := range conns {
		if conns[i], err = net.Dial("tcp", address); err != nil {
			return nil, nil, err
		}
		go func() { _, _ = io.Copy(io.Discard, conns[i]) }() // Redis's answers
	}
	end = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	return func(session int, due int64) error {
		var b []byte
		if k.raw == "" {
			b = change{uint32(session), due}.append(nil)
		} else {
			id := caseOf(session)
			m := appendContent([]byte(`{"type":"snapshot"`), due)
			b = fmt.Appendf(nil, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(id), id, len(m), m)
		}
		_, err := conns[session%controls].Write(b)
		return err
	}, end, nil
}

// mapFanStore maps the store before the nodes start.
func mapFanStore(dir string, sessions int) (err error) {
	fanStore, err = openStore(filepath.Join(dir, "fan.store"), sessions)
	return err
}
