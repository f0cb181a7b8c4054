package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases/casetest"
)

// program is the built server in a folder of its own, on one port for its whole life.
type program struct {
	t      *testing.T
	binary string
	data   string
	url    string   // where desks go
	phones string   // where phones go
	args   []string // of serve
	env    []string // further settings

	cmd   *exec.Cmd
	stdin interface{ Close() error }
	log   *lockedBuffer
}

// policyFile writes a policy where a program finds it.
func policyFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// buildProgram builds the server as a release is built; SYMBOLON_TEST_BINARY may name one that
// is built already.
func buildProgram(t *testing.T) string {
	t.Helper()
	if built := os.Getenv("SYMBOLON_TEST_BINARY"); built != "" {
		return built
	}
	if _, err := os.Stat("../web/dist/index.html"); err != nil {
		t.Fatal("the pages are not built: run make web")
	}
	binary := filepath.Join(t.TempDir(), "symbolon")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "../cmd/symbolon")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// newProgram starts the server on an empty folder, with more settings where given, flags or SYMBOLON_…=…. Without a policy among
// them it asks for photos alone; an empty one is the program's own. With secure, phones reach it as they do at
// home: over TLS, with a certificate that the server made.
func newProgram(t *testing.T, binary string, secure bool, more ...string) *program {
	t.Helper()
	port := freePort(t)
	p := &program{t: t, binary: binary, data: filepath.Join(t.TempDir(), "data"), url: "http://localhost:" + port, log: &lockedBuffer{}}
	p.phones = p.url
	p.args = []string{"--listen", "127.0.0.1:" + port, "--data", p.data, "--operator-name", "Meridian", "--log", "json"}
	for _, m := range more {
		if strings.HasPrefix(m, "SYMBOLON_") {
			p.env = append(p.env, m)
		} else {
			p.args = append(p.args, m)
		}
	}
	if !slices.Contains(more, "--policy") {
		p.args = append(p.args, "--policy", policyFile(t, casetest.PolicyFile("[documents]", "[]")))
	}
	if secure {
		port := freePort(t)
		p.phones = "https://localhost:" + port
		p.args = append(p.args, "--tls", "local", "--tls-listen", "127.0.0.1:"+port, "--public-url", p.phones)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the server's last words:\n%s", p.log.tail(40))
		}
	})
	p.start()
	return p
}

// freePort returns a port that nobody has. It stays free in all likelihood; if not, the server
// does not start and says so.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (p *program) start() {
	p.t.Helper()
	// The shell kills the server when its own stdin closes, so that it never outlives the test.
	args := append([]string{"-c", `"$@" & p=$!; read _; kill -9 $p; wait $p`, "sh", p.binary, "serve"}, p.args...)
	p.cmd = exec.Command("/bin/sh", args...)
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SYMBOLON_") {
			env = append(env, kv)
		}
	}
	p.cmd.Env = append(env, p.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{Timeout: time.Second}
	for end := time.Now().Add(waitFor); ; time.Sleep(lookFor) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+"/readyz", nil)
		if err != nil {
			p.t.Fatal(err)
		}
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			p.t.Fatalf("the server is not ready within %v:\n%s", waitFor, p.log.tail(40))
		}
	}
}

// kill ends the server as a power cut does.
func (p *program) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.cmd.Wait() // its error only says that it was killed
	p.cmd = nil
}

// lockedBuffer is the log of a process.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func (b *lockedBuffer) tail(n int) string {
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) > n {
		lines = append([]string{fmt.Sprintf("… %d lines …", len(lines)-n)}, lines[len(lines)-n:]...)
	}
	return strings.Join(lines, "\n")
}
