package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

// breaker forwards connections to a server and cuts each of the first ones after so many bytes
// from the client.
type breaker struct {
	net.Listener
	cuts []int64 // one a connection, then none
	next atomic.Int64
	wg   sync.WaitGroup
}

func newBreaker(t *testing.T, cuts ...int64) *breaker {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &breaker{Listener: ln, cuts: cuts}
}

func (b *breaker) run(t *testing.T, target string) {
	t.Cleanup(func() {
		b.Close()
		b.wg.Wait()
	})
	b.wg.Go(func() {
		for {
			client, err := b.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() {
				defer client.Close()
				up, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer up.Close()
				b.wg.Go(func() {
					_, _ = io.Copy(client, up)
					client.Close()
				})
				if n := b.next.Add(1); int(n) <= len(b.cuts) {
					_, _ = io.CopyN(up, client, b.cuts[n-1])
					return
				}
				_, _ = io.Copy(up, client)
			})
		}
	})
}

// TestTusJSClient shows that a client nobody here wrote sends every take, in every way it has.
func TestTusJSClient(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: node is not installed, so tus-js-client cannot run")
	}
	dir, err := filepath.Abs("testdata/tus")
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "tus-js-client")); err != nil {
		install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("npm ci in %s: %v\n%s", dir, err, out)
		}
	}

	// Each dies in the middle of a piece; 300 bytes are not even a head.
	wire := newBreaker(t, 90_000, 120_000, 300, 150_000)
	s := servertest.Start(t, func(c *server.Config) { c.Hosts = append(c.Hosts, wire.Addr().String()) })
	wire.run(t, s.Address)
	phone, _ := s.Person(t).Phone()
	photo := jpegOf(t, 700)
	file := filepath.Join(t.TempDir(), "photo.jpg")
	must(t, os.WriteFile(file, photo, 0o600))

	arg, err := json.Marshal(map[string]string{
		"endpoint": s.URL + "/v1/uploads", "proxied": "http://" + wire.Addr().String() + "/v1/uploads",
		"token": phone.Token, "caseID": phone.CaseID, "file": file,
	})
	must(t, err)
	run := exec.CommandContext(t.Context(), node, "run.mjs", string(arg))
	run.Dir = dir
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	names := 0
	for line := range bytes.Lines(out) {
		var scenario struct{ Name, Path, Error string }
		if err := json.Unmarshal(line, &scenario); err != nil {
			t.Fatalf("node says %s", line)
		}
		names++
		t.Run(scenario.Name, func(t *testing.T) {
			if scenario.Error != "" {
				t.Fatal(scenario.Error)
			}
			if scenario.Name == "terminated" {
				phone.Do("GET", scenario.Path, nil).Want(t, 410, "upload_gone")
				return
			}
			a := phone.Do("GET", scenario.Path, nil).Want(t, 200)
			if a.String("state") != "stored" {
				t.Fatalf("%s", a.Body)
			}
			if got := phone.Do("GET", "/v1/media/"+a.String("media_id"), nil).Want(t, 200); !bytes.Equal(got.Body, photo) {
				t.Fatal("other bytes are stored")
			}
		})
	}
	if names != 8 {
		t.Fatalf("%d scenarios ran:\n%s", names, out)
	}
	if wire.next.Load() < 5 {
		t.Fatalf("the wire was cut for %d connections only", wire.next.Load())
	}
}
