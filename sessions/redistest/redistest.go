// Package redistest gives tests a Redis: miniredis in the process, a real redis-server, and several
// of them as a cluster or under sentinels, which the test starts and ends itself.
//
// What speaks Redis is tested on both, because neither alone is enough: production runs
// on Redis and the embedded server is miniredis. Every client made here fails the test
// when the keys of one script lie in different hash slots, which a cluster would refuse.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Server is a running Redis of either kind.
type Server struct {
	// URL is its address, as redis.ParseURL and sessionredis.Open read it.
	URL string

	t     testing.TB
	start func()
	stop  func()
}

// Start starts a redis-server for this test and returns its URL.
func Start(t testing.TB) (url string) {
	t.Helper()
	return StartReal(t).URL
}

// StartReal starts a redis-server for this test. Without redis-server on the PATH the test is
// skipped, or fails when CI=true.
func StartReal(t testing.TB) *Server {
	t.Helper()
	program := realRedis(t)
	// Not t.TempDir(): the path of a unix socket must stay under 104 bytes.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	s := &Server{URL: "unix://" + socket, t: t}
	s.start = func() {
		// The shell ends redis-server when its stdin closes: by stop, or by the death of the
		// test's process, however it dies.
		cmd := exec.Command("/bin/sh", "-c", `"$@" & p=$!; read _; kill -9 $p; wait $p`, "sh",
			program, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
			"--save", "", "--appendonly", "no", "--dir", dir, "--daemonize", "no", "--loglevel", "warning")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.stop = func() {
			_ = stdin.Close()
			_ = cmd.Wait() // its error only says that it was killed
			s.stop = func() {}
		}
		if !answers(socket) {
			s.stop()
			t.Fatal("redis-server did not answer within 20 s")
		}
	}
	s.start()
	t.Cleanup(func() { s.Stop(); _ = os.RemoveAll(dir) })
	return s
}

// realRedis returns the path of redis-server, or ends the test.
func realRedis(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed: CI must run the suites on a real Redis (apt-get install redis-server)")
		}
		t.Skip("SKIPPED ON REAL REDIS: redis-server is not installed (apt-get install redis-server)")
	}
	return program
}

// StartMini starts a miniredis on a port of its own. Its TTLs stand still.
func StartMini(t testing.TB) *Server {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{URL: "redis://" + m.Addr(), t: t, stop: m.Close}
	s.start = func() {
		m.FlushAll() // as a killed redis-server without persistence
		if err := m.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(m.Close)
	return s
}

// Stop kills the server. Its data are lost. Twice is fine.
func (s *Server) Stop() { s.stop() }

// Pause stops a redis-server in its tracks: it takes connections and says nothing, until resume is called. Stop
// works on it as well.
func (s *Server) Pause() (resume func()) {
	s.t.Helper()
	info, err := s.Client().InfoMap(s.t.Context(), "server").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(info["Server"]["process_id"])
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			s.t.Error(err)
		}
	}
}

// Restart starts a stopped server again, empty, at the same URL.
func (s *Server) Restart() { s.start() }

// Client returns a new client of the server, closed at the end of the test.
func (s *Server) Client() redis.UniversalClient {
	s.t.Helper()
	o, err := redis.ParseURL(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	c := redis.NewClient(o)
	c.AddHook(oneSlot{s.t})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Restricted returns a new client that may do what docs/redis.md tells operators to allow and nothing
// else, closed at the end of the test. Only a real server has users.
func (s *Server) Restricted() redis.UniversalClient {
	s.t.Helper()
	const name, password = "symbolon", "of the test only"
	err := s.Client().Do(context.Background(), "ACL", "SETUSER", name, "on", ">"+password,
		"+@all", "-@dangerous", "~symbolon:*", "&symbolon:*").Err()
	if err != nil {
		s.t.Fatal(err)
	}
	o, err := redis.ParseURL(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	o.Username, o.Password = name, password
	c := redis.NewClient(o)
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Each runs f as two subtests, one on a fresh miniredis and one on a fresh redis-server.
func Each(t *testing.T, f func(t *testing.T, client redis.UniversalClient)) {
	t.Helper()
	EachServer(t, func(t *testing.T, s *Server) { f(t, s.Client()) })
}

// EachServer is Each for tests that stop and restart the server.
func EachServer(t *testing.T, f func(t *testing.T, s *Server)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) { f(t, StartMini(t)) })
	t.Run("redis", func(t *testing.T) { f(t, StartReal(t)) })
}

func answers(socket string) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err != nil {
			continue
		}
		_ = c.SetDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 16)
		_, err = c.Write([]byte("PING\r\n"))
		if err == nil {
			n, _ := c.Read(buf)
			if strings.HasPrefix(string(buf[:n]), "+PONG") {
				_ = c.Close()
				return true
			}
		}
		_ = c.Close()
	}
	return false
}

// oneSlot fails a test whose script takes keys of different hash slots. Package liveredis may, as it
// takes one at a time on a cluster; a cluster refuses it otherwise.
type oneSlot struct{ t testing.TB }

func (oneSlot) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h oneSlot) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.check(cmd)
		return next(ctx, cmd)
	}
}

func (h oneSlot) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			h.check(cmd)
		}
		return next(ctx, cmds)
	}
}

func (h oneSlot) check(cmd redis.Cmder) {
	args := cmd.Args()
	if !strings.HasPrefix(cmd.Name(), "eval") || len(args) < 3 {
		return
	}
	n, _ := args[2].(int)
	for i := 3; i < 3+n && i < len(args); i++ {
		first, _ := args[3].(string)
		key, _ := args[i].(string)
		if slot(first) != slot(key) && !strings.HasPrefix(first, "symbolon:live:case:") {
			h.t.Errorf("one script, two hash slots: %q and %q", first, key)
		}
	}
}

// slot is a key's hash slot in a cluster: CRC-16/XMODEM of its {tag}, or of all of it.
func slot(key string) uint16 {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}
