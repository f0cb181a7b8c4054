package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	fastws "github.com/fasthttp/websocket"
	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/sessions"
	"github.com/symbolon/symbolon/sessions/sessionredis"
)

// idlePlan is what the holding of idle sockets is asked.
type idlePlan struct {
	compared int // sockets with which the kinds are compared
	most     int // sockets that one server holds; 0: not tried
	rounds   int
}

// perNetwork is how many sockets come from one address: the server takes 256 of one network.
const perNetwork = 200

// idleFor lets pings, answers and the collection of garbage happen before memory is read. A quick run waits less.
var idleFor = 16 * time.Second

func idle(ctx context.Context, dir, program string, plan idlePlan) (err error) {
	redis, address, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, redis.stop()) }()
	people, err := settleIn(ctx, dir, address, max(plan.compared, plan.most))
	if err != nil {
		return fmt.Errorf("make cases and sessions: %w", err)
	}

	fmt.Printf("Idle websockets: what each of the last four fifths of %d sockets adds to the server's resident memory, fresh process each, rounds: %d\n", plan.compared, plan.rounds)
	peer := func(n int) (held, error) { return holdPeer(n, dir) }
	ours := func(n int) (held, error) { return people.hold(ctx, program, n) }
	var each [2][]float64
	for range plan.rounds {
		for i, hold := range []func(int) (held, error){ours, peer} {
			h, err := hold(plan.compared)
			if err != nil {
				return err
			}
			if h.open < plan.compared {
				return fmt.Errorf("only %d of %d sockets stayed open", h.open, plan.compared)
			}
			each[i] = append(each[i], h.each)
		}
	}
	us, them := median(each[0]), median(each[1])
	fmt.Printf("  %-44s %8.0f bytes a socket\n", "symbolon, the whole server", us)
	fmt.Printf("  %-44s %8.0f bytes a socket\n", "contrib/websocket as it comes, on plain Fiber", them)
	verdict("memory of an idle socket against contrib's default", us/them, 0.75)
	if plan.most == 0 {
		return nil
	}
	h, err := ours(plan.most)
	if err != nil {
		return err
	}
	fmt.Printf("  %d of %d sockets held by one server process after %v idle, %.0f MiB resident, %.0f bytes a socket, %.0f µs of processor for each opening\n",
		h.open, plan.most, idleFor, h.total/(1<<20), h.each, h.opening)
	if h.open < plan.most {
		missed++
	}
	return nil
}

// held is what holding showed.
type held struct {
	open    int     // sockets that were still open at the end
	each    float64 // bytes
	total   float64 // bytes of the whole process
	opening float64 // µs
}

// watch measures a server while a process of ours holds sockets to it: first a fifth of them, so
// that whatever the first ones cost once is not counted, then all.
func watch(server *process, set holdSettings, detail func() error) (h held, err error) {
	type count struct{ Open, Failed int }
	var first, all count
	set.First = set.N / 5
	holder, err := role("hold", set, &first)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, holder.stop()) }()
	time.Sleep(idleFor)
	before, used := float64(server.memory()), server.cpu()
	if err := holder.ask("more", &all); err != nil {
		return h, err
	}
	more := float64(max(all.Open-first.Open, 1))
	h.opening = float64((server.cpu() - used).Microseconds()) / more
	time.Sleep(idleFor)
	h.total = float64(server.memory())
	h.each = (h.total - before) / more
	if err := detail(); err != nil {
		return h, err
	}
	if err := holder.ask("count", &all); err != nil {
		return h, err
	}
	h.open = all.Open
	return h, nil
}

// crowd is who opens sockets to the server: each its own account, case and session.
type crowd struct {
	dir, data, key, redis string
	file                  string // a line for each: path and cookie
}

// settleIn stores cases and sessions, as the server would, for the server to find.
func settleIn(ctx context.Context, dir, redis string, n int) (p *crowd, err error) {
	key := seal.NewKey()
	p = &crowd{dir: dir, data: filepath.Join(dir, "data"), key: key.Encode(), redis: "redis://" + redis, file: filepath.Join(dir, "people")}
	if err := os.MkdirAll(p.data, 0o700); err != nil {
		return nil, err
	}
	keys := seal.NewKeyring(key)
	backend, err := casesqlite.Open(ctx, filepath.Join(p.data, "cases.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	none := func(context.Context, string) {}
	book, err := cases.New(ctx, cases.Config{
		Store: backend, History: backend, Accounts: backend, Keys: keys, Changed: none,
		Evidence: func(context.Context, string) (cases.Evidence, error) { return nil, errors.New("there is none") },
		Destroy:  func(context.Context, string) error { return nil },
	})
	if err != nil {
		return nil, err
	}
	client, err := sessionredis.Open(ctx, p.redis)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	people, err := sessions.New(sessions.Config{Store: sessionredis.New(client), Key: keys.Derive("sessions")})
	if err != nil {
		return nil, err
	}
	f, err := os.Create(p.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for i := range n {
		account := fmt.Sprintf("acc_%026d", i)
		c, err := book.Create(ctx, cases.Account{ID: account}, cases.Person)
		if err != nil {
			return nil, err
		}
		token, _, err := people.Start(ctx, sessions.Session{Kind: sessions.Desk, AccountID: account})
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintf(w, "/v1/cases/%s/live %s\n", c.ID, token); err != nil {
			return nil, err
		}
	}
	return p, w.Flush()
}

// hold starts the server's own program on what was stored, and holds n sockets to it.
func (p *crowd) hold(ctx context.Context, program string, n int) (h held, err error) {
	address, err := freeAddress()
	if err != nil {
		return h, err
	}
	log, err := os.Create(filepath.Join(p.dir, "server.log"))
	if err != nil {
		return h, err
	}
	defer log.Close()
	ops, err := freeAddress()
	if err != nil {
		return h, err
	}
	server, err := start("symbolon", program, log, []string{"SYMBOLON_KEY=" + p.key}, "serve",
		"--listen", address, "--public-url", "http://"+address, "--data", p.data, "--redis-url", p.redis, "--ops-listen", ops)
	if err != nil {
		return h, err
	}
	go func() { _, _ = io.Copy(io.Discard, server.out) }()
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := answers(ctx, address); err != nil {
		said, _ := os.ReadFile(log.Name())
		return h, fmt.Errorf("%w\n%s", err, said)
	}
	return watch(server, holdSettings{Address: address, File: p.file, N: n}, func() error {
		if os.Getenv(profileFolder) == "" {
			return nil
		}
		return details(ops)
	})
}

// details prints what the server says of its own memory.
func details(ops string) error {
	res, err := http.Get("http://" + ops + "/metrics")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if t := lines.Text(); strings.HasPrefix(t, "go_memstats_") && strings.Contains(t, "_bytes ") || strings.HasPrefix(t, "go_goroutines") {
			fmt.Println("    ", t)
		}
	}
	return lines.Err()
}

// holdPeer holds n sockets to the smallest program that contrib/websocket allows.
func holdPeer(n int, dir string) (h held, err error) {
	var at struct{ Web string }
	server, err := role("contrib", struct{}{}, &at)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	return watch(server, holdSettings{Address: at.Web, File: filepath.Join(dir, "people"), N: n}, func() error { return nil })
}

// contribNode is that program: everything as it comes. It says something to who opens, as the
// server does, and keeps a list of all sockets.
func contribNode(struct{}) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	var mu sync.Mutex
	open := map[*websocket.Conn]bool{}
	app.Get("/v1/cases/:id/live", websocket.New(func(ws *websocket.Conn) {
		mu.Lock()
		open[ws] = true
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			delete(open, ws)
		}()
		if ws.WriteMessage(websocket.TextMessage, appendContent([]byte(`{"type":"snapshot"`), 0)) != nil {
			return
		}
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}))
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = app.Listener(web) }()
	if err := say(struct{ Web string }{web.Addr().String()}); err != nil {
		return err
	}
	untilTold()
	return nil
}

// holdSettings is what the holding process is started with.
type holdSettings struct {
	Address string
	File    string // paths and tokens
	First   int    // sockets to open before it says how many it holds
	N       int
}

// holder opens sockets, answers pings, and says how many it holds when it is asked.
func holder(set holdSettings) error {
	f, err := os.Open(set.File)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	var open, failed atomic.Int64
	var complained sync.Once
	gate := make(chan struct{}, 16)
	var opening sync.WaitGroup
	i := 0
	openTo := func(n int) {
		for ; i < n && lines.Scan(); i++ {
			path, token, _ := strings.Cut(lines.Text(), " ")
			source := i / perNetwork
			gate <- struct{}{}
			opening.Go(func() {
				defer func() { <-gate }()
				header := http.Header{"Authorization": {"Bearer " + token}}
				if strings.HasPrefix(token, "sd_") {
					header = http.Header{"Cookie": {"symbolon_session=" + token}, "Origin": {"http://" + set.Address}}
				}
				ws, err := dial("ws://"+set.Address+path, source, header)
				if err == nil {
					if _, _, err = ws.ReadMessage(); err != nil {
						_ = ws.Close()
					}
				}
				if err != nil {
					failed.Add(1)
					complained.Do(func() { fmt.Fprintln(os.Stderr, "hold:", err) })
					return
				}
				open.Add(1)
				go func() {
					defer open.Add(-1)
					forward(ws)
				}()
			})
		}
		opening.Wait()
	}
	openTo(set.First)
	count := func() error {
		return say(struct{ Open, Failed int64 }{open.Load(), failed.Load()})
	}
	if err := count(); err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == "more" {
			openTo(set.N)
		}
		if err := count(); err != nil {
			return err
		}
	}
	return in.Err()
}

// forward reads until the socket ends; reading answers pings.
func forward(ws *fastws.Conn) {
	defer ws.Close()
	for {
		if _, _, err := ws.NextReader(); err != nil {
			return
		}
	}
}
