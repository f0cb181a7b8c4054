package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/centrifugal/centrifuge"
	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/redis/go-redis/v9"

	"github.com/symbolon/symbolon/live"
	"github.com/symbolon/symbolon/live/liveredis"
)

// fanSettings is what a node of the fan-out is started with.
type fanSettings struct {
	Redis    string // host:port
	Store    string // the file that stands for the store of cases
	Sessions int
}

// fanNode is where a node listens: Web for websockets, Control for changes.
type fanNode struct{ Web, Control string }

// change is one published change: 12 bytes on the wire, the session and when it was due.
type change struct {
	session uint32
	due     int64
}

const changeSize = 12

func (c change) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, c.session), uint64(c.due))
}

func caseOf(session int) string { return "case_01J9ZZZZZZZZZZZZZZZZZZ" + fmt.Sprintf("%06d", session) }

// filler makes every delivered message of both kinds about 400 bytes, the size of a small snapshot.
const filler = `"case":{"id":"case_01J9ZZZZZZZZZZZZZZZZZZ","version":7,"kind":"person","level":1,"state":"collecting",` +
	`"levels":[{"level":1,"state":"open","reasons":[]},{"level":2,"state":"locked","reasons":[]}],` +
	`"steps":[{"id":"identity","level":1,"kind":"facts","state":"done"},{"id":"document_front","level":2,"kind":"photo","state":"open"}]}`

// store is what the nodes share in place of a database: per session, when its newest change was due.
type store []byte

func openStore(name string, sessions int) (store, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(int64(8 * sessions)); err != nil {
		return nil, err
	}
	return syscall.Mmap(int(f.Fd()), 0, 8*sessions, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

func (s store) slot(session int) *int64 { return (*int64)(unsafe.Pointer(&s[8*session])) }

// put keeps the newest, as changes of one session may arrive over several connections.
func (s store) put(session int, due int64) {
	for at := s.slot(session); ; {
		old := atomic.LoadInt64(at)
		if old >= due || atomic.CompareAndSwapInt64(at, old, due) {
			return
		}
	}
}

func (s store) get(session int) int64 { return atomic.LoadInt64(s.slot(session)) }

// control accepts connections that bring changes, and hands each to publish.
func control(publish func(change) error) (net.Listener, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				var b [changeSize]byte
				for {
					if _, err := io.ReadFull(in, b[:]); err != nil {
						return
					}
					ch := change{binary.BigEndian.Uint32(b[:4]), int64(binary.BigEndian.Uint64(b[4:]))}
					if err := publish(ch); err != nil {
						fmt.Fprintln(os.Stderr, "publish:", err)
						return
					}
				}
			}()
		}
	}()
	return ln, nil
}

// symbolonNode joins the server's hub, its Redis bus and websockets on Fiber, and reads a snapshot for
// every hint. What a snapshot holds is not a case but a number, and nobody's session is checked: this
// is what carrying changes costs, as it is with the peer.
func symbolonNode(set fanSettings) error {
	cases, err := openStore(set.Store, set.Sessions)
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: set.Redis})
	defer client.Close()
	hub, err := live.New(live.Config{Bus: liveredis.New(client)})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	running := make(chan error, 1)
	go func() { running <- hub.Run(ctx) }()

	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReduceMemoryUsage: true})
	app.Get("/live/:session", websocket.New(func(ws *websocket.Conn) {
		session, err := strconv.Atoi(ws.Params("session"))
		if err != nil || session < 0 || session >= set.Sessions {
			return
		}
		follow(ctx, hub, cases, session, ws)
	}, websocket.Config{ReadBufferSize: 512, WriteBufferSize: 4096}))
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = app.Listener(web) }()

	ids := make([]string, set.Sessions)
	for i := range ids {
		ids[i] = caseOf(i)
	}
	changes, err := control(func(ch change) error {
		if int(ch.session) >= len(ids) {
			return errors.New("no such session")
		}
		cases.put(int(ch.session), ch.due)
		hub.Changed(ctx, ids[ch.session])
		return nil
	})
	if err != nil {
		return err
	}
	if err := say(fanNode{web.Addr().String(), changes.Addr().String()}); err != nil {
		return err
	}
	untilTold()
	stop()
	return <-running
}

func follow(ctx context.Context, hub *live.Hub, cases store, session int, ws *websocket.Conn) {
	id := caseOf(session)
	l := hub.Join(id, live.Desk)
	defer l.Leave()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
		}
	}()
	defer func() { _ = ws.SetReadDeadline(time.Unix(1, 0)); <-gone }()
	var b []byte
	for {
		select {
		case <-gone:
			return
		case <-ctx.Done():
			return
		case <-l.Done():
			return
		case <-l.Ready():
		}
		p := l.Take()
		if !p.Snapshot {
			continue
		}
		if p.Seq == 0 {
			var err error
			if p.Seq, err = hub.Next(ctx, id); err != nil {
				return
			}
		}
		b = append(b[:0], `{"type":"snapshot","seq":`...)
		b = strconv.AppendInt(b, p.Seq, 10)
		b = appendContent(b, cases.get(session))
		if ws.SetWriteDeadline(time.Now().Add(10*time.Second)) != nil || ws.WriteMessage(websocket.TextMessage, b) != nil {
			return
		}
	}
}

// appendContent ends a message that holds the change which was due then.
func appendContent(b []byte, due int64) []byte {
	b = append(b, `,"at":`...)
	b = strconv.AppendInt(b, due, 10)
	b = append(b, ',')
	b = append(b, filler...)
	return append(b, '}')
}

// centrifugeNode is a node of the peer: its own websocket handler, its Redis broker, and a
// subscription that the server makes when a client connects.
func centrifugeNode(set fanSettings) error {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelNone})
	if err != nil {
		return err
	}
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: set.Redis})
	if err != nil {
		return err
	}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
	if err != nil {
		return err
	}
	node.SetBroker(broker)
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		channel, _ := ctx.Value(channelKey{}).(string)
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{UserID: channel},
			Subscriptions: map[string]centrifuge.SubscribeOptions{channel: {}},
		}, nil
	})
	if err := node.Run(); err != nil {
		return err
	}
	sockets := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{})
	mux := http.NewServeMux()
	mux.HandleFunc("/live/{session}", func(w http.ResponseWriter, r *http.Request) {
		session, err := strconv.Atoi(r.PathValue("session"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		sockets.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), channelKey{}, caseOf(session))))
	})
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(web, mux) }()

	changes, err := control(func(ch change) error {
		b := appendContent([]byte(`{"type":"snapshot"`), ch.due)
		_, err := node.Publish(caseOf(int(ch.session)), b)
		return err
	})
	if err != nil {
		return err
	}
	if err := say(fanNode{web.Addr().String(), changes.Addr().String()}); err != nil {
		return err
	}
	untilTold()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return node.Shutdown(ctx)
}

type channelKey struct{}

// untilTold waits until our starter closes our input.
func untilTold() { _, _ = io.Copy(io.Discard, os.Stdin) }
