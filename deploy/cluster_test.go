package deploy_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/server/contract"
)

// proxy is the address of a call that goes through nginx; 1, 2 and 3 are the nodes themselves.
const proxy = 0

// cluster is three nodes, their Redis and the proxy in front.
type cluster struct {
	t       *testing.T
	dir     string
	public  string // host and port of the proxy
	ca      *x509.CertPool
	check   *contract.Checker
	program string
	env     []string
	ports   [4]string // of the proxy and the nodes
	redisAt string
	reaper  io.Writer

	nodes [4]*process
	redis *process
	nginx *process
}

// process is one running program.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	out    *tail
	exited chan struct{} // closed when it is gone
	err    error         // how it ended; set before exited closes
}

// tail keeps the last output of a process, for when a test fails.
type tail struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

func (o *tail) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, p...)
	if n := len(o.b) - 16<<10; n > 0 {
		o.b = o.b[n:]
	}
	return len(p), nil
}

func (o *tail) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}

// needed returns the path of a program, or ends the test: skipped, or failed where CI=true.
func needed(t *testing.T, name string) string {
	t.Helper()
	for _, try := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if p, err := exec.LookPath(try); err == nil {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: CI must run the test of several nodes", name)
	}
	t.Skipf("SKIPPED: SEVERAL NODES: %s is not installed (apt-get install %s)", name, name)
	return ""
}

// startCluster runs everything until the test ends.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	redis, nginx := needed(t, "redis-server"), needed(t, "nginx")
	c := &cluster{t: t, dir: t.TempDir()}
	c.startReaper()
	c.program = filepath.Join(c.dir, "symbolon")
	if out, err := exec.Command("go", "build", "-o", c.program, "../cmd/symbolon").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var err error
	if c.check, err = contract.New(); err != nil {
		t.Fatal(err)
	}
	free := freePorts(t, 6)
	copy(c.ports[:], free)
	c.redisAt = free[4]
	c.public = "localhost:" + c.ports[proxy]

	// What is handed over here are photos; nobody stands before a camera.
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, casetest.PolicyFile("[documents]", "[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = []string{
		"SYMBOLON_POLICY=" + policy,
		"PATH=" + os.Getenv("PATH"),
		"SYMBOLON_KEY=" + seal.NewKey().Encode(),
		"SYMBOLON_DATA=" + filepath.Join(c.dir, "data"),
		"SYMBOLON_PUBLIC_URL=https://" + c.public,
		"SYMBOLON_REDIS_URL=redis://127.0.0.1:" + c.redisAt + "/0",
		"SYMBOLON_TRUSTED_PROXIES=127.0.0.1",
		"SYMBOLON_LOG=json",
	}
	if mongo := os.Getenv("SYMBOLON_TEST_MONGO_URL"); mongo != "" {
		c.env = append(c.env, "SYMBOLON_MONGO_URL="+withDatabase(mongo))
	}
	c.startRedis(redis)
	// All at once: the first start of a new place is one, too.
	for i := 1; i <= 3; i++ {
		c.startNode(i)
	}
	for i := 1; i <= 3; i++ {
		c.waitReady(i)
	}
	c.startProxy(nginx, free[5])
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for i := 1; i <= 3; i++ {
			t.Logf("node %d wrote last:\n%s", i, c.nodes[i].out)
		}
		t.Logf("nginx wrote:\n%s", c.nginx.out)
	})
	return c
}

// withDatabase gives a MongoDB address a database of this test's own.
func withDatabase(address string) string {
	base, query, _ := strings.Cut(address, "?")
	scheme, rest, _ := strings.Cut(base, "://")
	hosts, _, _ := strings.Cut(rest, "/")
	address = scheme + "://" + hosts + "/nodes_" + strings.ToLower(ulid.Make().String())
	if query != "" {
		address += "?" + query
	}
	return address
}

func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // together, so that no port comes twice
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports
}

// startReaper runs a shell that ends every process of the test when the test's own process dies
// without having done so, however it dies. They are asked first, because nginx ends its workers then.
func (c *cluster) startReaper() {
	cmd := exec.Command("/bin/sh", "-c", `while read p; do all="$all $p"; done; [ -z "$all" ] || { kill $all; sleep 1; kill -9 $all; } 2>/dev/null`)
	in, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.reaper = in
	c.t.Cleanup(func() { // runs last: everything is ended by then, and its number may be another's
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
	})
}

func (c *cluster) start(name, program string, env []string, args ...string) *process {
	c.t.Helper()
	p := &process{t: c.t, name: name, cmd: exec.Command(program, args...), out: &tail{}, exited: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, p.out, p.out
	if err := p.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	fmt.Fprintln(c.reaper, p.cmd.Process.Pid)
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	c.t.Cleanup(p.kill)
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// kill ends it as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop asks it to end, and returns how it did and how long it took.
func (p *process) stop() (time.Duration, error) {
	p.t.Helper()
	began := time.Now()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("%s did not end\n%s", p.name, p.out)
	}
	return time.Since(began), p.err
}

func (c *cluster) startRedis(program string) {
	c.t.Helper()
	c.redis = c.start("redis", program, nil, "--port", c.redisAt, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", c.dir, "--loglevel", "warning", "--maxmemory-policy", "noeviction")
	c.eventually(20*time.Second, "redis", func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+c.redisAt)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			return err
		}
		b := make([]byte, 16)
		n, err := conn.Read(b)
		if err == nil && !strings.HasPrefix(string(b[:n]), "+PONG") {
			err = fmt.Errorf("it says %q", b[:n])
		}
		return err
	})
}

func (c *cluster) startNode(i int) {
	c.t.Helper()
	c.nodes[i] = c.start(fmt.Sprintf("node %d", i), c.program, c.env, "serve", "--listen", "127.0.0.1:"+c.ports[i])
}

func (c *cluster) waitReady(i int) {
	c.t.Helper()
	c.eventually(30*time.Second, "readiness of "+c.nodes[i].name, func() error {
		select {
		case <-c.nodes[i].exited:
			c.t.Fatalf("%s ended: %v\n%s", c.nodes[i].name, c.nodes[i].err, c.nodes[i].out)
		default:
		}
		res, err := plain.Get("http://127.0.0.1:" + c.ports[i] + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
}

var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}

// startProxy runs nginx with nginx.conf as it is in this folder; only names, ports and places are
// those of this machine.
func (c *cluster) startProxy(program, redirectPort string) {
	c.t.Helper()
	cert := filepath.Join(c.dir, "tls")
	c.makeCertificate(cert)
	b, err := os.ReadFile("nginx.conf")
	if err != nil {
		c.t.Fatal(err)
	}
	conf := string(b)
	replace := func(from, to string) {
		if strings.Count(conf, from) != 1 {
			c.t.Fatalf("nginx.conf has %q %d times", from, strings.Count(conf, from))
		}
		conf = strings.Replace(conf, from, to, 1)
	}
	for i := 1; i <= 3; i++ {
		replace(fmt.Sprintf("server node%d:8080 ", i), "server 127.0.0.1:"+c.ports[i]+" ")
	}
	replace("listen 80;", "listen 127.0.0.1:"+redirectPort+";")
	replace("listen 443 ssl;", "listen 127.0.0.1:"+c.ports[proxy]+" ssl;")
	conf = strings.ReplaceAll(conf, "/etc/nginx/tls/", cert+"/")
	temps := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temps += fmt.Sprintf("  %s_temp_path %s/%s;\n", kind, c.dir, kind)
	}
	replace("http {\n", "http {\n"+temps)
	file := filepath.Join(c.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		c.t.Fatal(err)
	}
	globals := "daemon off; pid " + c.dir + "/nginx.pid;"
	if os.Getuid() == 0 {
		globals += " user root;" // the test's folder is root's
	}
	args := []string{"-p", c.dir, "-c", file, "-g", globals}
	if out, err := exec.Command(program, append(args, "-t")...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("[warn]")) {
		c.t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	c.nginx = c.start("nginx", program, nil, args...)
	c.t.Cleanup(func() { _, _ = c.nginx.stop() }) // orderly, so that its workers end too
	c.eventually(10*time.Second, "nginx", func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+c.ports[proxy])
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// makeCertificate makes what nginx shows, and has the clients trust it.
func (c *cluster) makeCertificate(dir string) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		c.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ca = x509.NewCertPool()
	c.ca.AddCert(parsed)
}

// eventually calls f until it succeeds; the test ends when that takes longer than limit.
func (c *cluster) eventually(limit time.Duration, what string, f func() error) {
	c.t.Helper()
	eventually(c.t, limit, what, f)
}

func eventually(t testing.TB, limit time.Duration, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
	}
}

// dialer connects to any name at 127.0.0.1, from an address of its own.
func dialer(from string) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return d.DialContext(ctx, "tcp4", "127.0.0.1:"+port)
	}
}

func (c *cluster) tls() *tls.Config { return &tls.Config{RootCAs: c.ca, ServerName: "localhost"} }
