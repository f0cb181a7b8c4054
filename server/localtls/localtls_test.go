package localtls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// serve answers TLS handshakes on an address until the test ends.
func serve(t *testing.T, conf *tls.Config, address string) string {
	t.Helper()
	ln, err := tls.Listen("tcp", address, conf)
	if err != nil {
		t.Skipf("SKIPPED: %s cannot be listened on: %v", address, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello") // a client that refuses the certificate takes nothing
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// get connects as a client that trusts what is in ca (nil: what this machine trusts).
func get(ca []byte, host, port string, at time.Time) (*x509.Certificate, error) {
	conf := &tls.Config{Time: func() time.Time { return at }}
	if ca != nil {
		conf.RootCAs = x509.NewCertPool()
		conf.RootCAs.AppendCertsFromPEM(ca)
	}
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", net.JoinHostPort(host, port), conf)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if body, err := io.ReadAll(c); err != nil || string(body) != "hello" {
		return nil, errors.New("nothing came through")
	}
	return c.ConnectionState().PeerCertificates[0], nil
}

func TestAClientThatTrustsTheAuthorityReachesEveryAddress(t *testing.T) {
	a, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	port := serve(t, a.TLSConfig(), "127.0.0.1:0")
	hosts := map[string]string{"localhost": port, "127.0.0.1": port}
	if ln, err := net.Listen("tcp", "[::1]:0"); err == nil {
		ln.Close()
		hosts["::1"] = serve(t, a.TLSConfig(), "[::1]:0")
	}
	for _, addr := range Addresses() {
		if ip, err := netip.ParseAddr(addr); err == nil && ip.Is4() {
			hosts[addr] = serve(t, a.TLSConfig(), net.JoinHostPort(addr, "0"))
		}
	}
	for host, port := range hosts {
		cert, err := get(a.CA(), host, port, time.Now())
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		if days := cert.NotAfter.Sub(cert.NotBefore); days > 398*24*time.Hour {
			t.Errorf("good for %v: phones refuse that", days)
		}
		if !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || cert.IsCA || cert.VerifyHostname(host) != nil {
			t.Error("not a server's certificate")
		}
	}
	var unknown *tls.CertificateVerificationError
	if _, err := get(nil, "127.0.0.1", port, time.Now()); !errors.As(err, &unknown) {
		t.Errorf("a client that does not trust it got %v", err)
	}
	other, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(other.CA(), "127.0.0.1", port, time.Now()); !errors.As(err, &unknown) {
		t.Errorf("a client that trusts another machine got %v", err)
	}
}

func TestTheAuthorityStaysAndIsKeptFromOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(dir)
	if err != nil || !bytes.Equal(a.CA(), b.CA()) {
		t.Error("the second start made another authority", err)
	}
	if bytes.Contains(a.CA(), []byte("PRIVATE")) {
		t.Error("the key is given away")
	}
	path := filepath.Join(dir, "ca.pem")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a readable key: %v", err)
	}
	for name, content := range map[string]string{
		"empty":   "",
		"no key":  string(a.CA()),
		"broken":  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"foreign": string(a.CA()) + keyOf(t, t.TempDir()),
	} {
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// keyOf is the key of a fresh authority.
func keyOf(t *testing.T, dir string) string {
	t.Helper()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func TestTwoProgramsAtOnceShareOneAuthority(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	cas := make([][]byte, 8)
	for i := range cas {
		wg.Go(func() {
			a, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			cas[i] = a.CA()
		})
	}
	wg.Wait()
	for _, ca := range cas[1:] {
		if !bytes.Equal(ca, cas[0]) {
			t.Fatal("two authorities were made")
		}
	}
}

func TestCertificatesAreRenewedAndFollowTheAddresses(t *testing.T) {
	c := &clock{t: time.Now()}
	addresses := []string{"192.168.7.20", "desk.local"}
	a, err := open(t.TempDir(), c.now, func() []string { return addresses })
	if err != nil {
		t.Fatal(err)
	}
	port := serve(t, a.TLSConfig(), "127.0.0.1:0")
	first, err := get(a.CA(), "127.0.0.1", port, c.now())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"192.168.7.20", "desk.local", "localhost", "127.0.0.1", "::1"} {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	same := func(want bool, what string) *x509.Certificate {
		t.Helper()
		cert, err := get(a.CA(), "127.0.0.1", port, c.now())
		if err != nil {
			t.Fatal(err)
		}
		if cert.Equal(first) != want {
			t.Errorf("%s: same certificate: %v", what, !want)
		}
		return cert
	}
	c.advance(300 * 24 * time.Hour)
	same(true, "after 300 days")
	c.advance(80 * 24 * time.Hour)
	first = same(false, "after 380 days")

	addresses = []string{"10.1.2.3"}
	same(true, "at once")
	c.advance(time.Minute)
	first = same(false, "with another address")
	if first.VerifyHostname("10.1.2.3") != nil || first.VerifyHostname("192.168.7.20") == nil {
		t.Error("it does not follow the addresses")
	}
	// A client that asks for what is not there yet is not kept waiting for the next look.
	addresses = []string{"10.1.2.3", "new.local"}
	c.advance(2 * time.Second)
	cert, err := a.certificate("new.local")
	if err != nil || cert.Leaf.VerifyHostname("new.local") != nil {
		t.Error("the new name is missing", err)
	}
}

func TestAnAuthorityNearItsEndIsReplaced(t *testing.T) {
	dir := t.TempDir()
	c := &clock{t: time.Now()}
	a, err := open(dir, c.now, Addresses)
	if err != nil {
		t.Fatal(err)
	}
	c.advance(authorityFor - 100*24*time.Hour)
	b, err := open(dir, c.now, Addresses)
	if err != nil || !bytes.Equal(a.CA(), b.CA()) {
		t.Error("replaced too early", err)
	}
	if b.leaf.Leaf.NotAfter.After(b.cert.NotAfter) {
		t.Error("the certificate outlives its authority")
	}
	c.advance(80 * 24 * time.Hour)
	b, err = open(dir, c.now, Addresses)
	if err != nil || bytes.Equal(a.CA(), b.CA()) {
		t.Error("not replaced", err)
	}
}

// What a stolen key can sign is worth nothing outside.
func TestTheAuthorityCannotSpeakForOthers(t *testing.T) {
	a, err := open(t.TempDir(), time.Now, func() []string { return []string{"203.0.113.7", "192.168.7.20", "2001:db8::7"} })
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	for name, good := range map[string]bool{
		"localhost": true, "desk.local": true, "192.168.1.1": true, "fd00::1": true, "127.0.0.1": true,
		"203.0.113.7": true, "2001:db8::7": true, // its own
		"example.com": false, "local.example.com": false, "203.0.113.8": false, "2001:db8::8": false, "8.8.8.8": false,
	} {
		leaf, err := a.issue([]string{name}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		_, err = leaf.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name})
		if (err == nil) != good || a.allows(name) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.addresses = func() []string { return []string{"198.51.100.9", "10.0.0.9"} }
	leaf, err := a.certificate("10.0.0.9")
	if err == nil && slices.ContainsFunc(leaf.Leaf.IPAddresses, net.ParseIP("198.51.100.9").Equal) {
		t.Error("one address that is not allowed makes the certificate worthless")
	}
}

func TestOrder(t *testing.T) {
	at := func(network, addr string) candidate { return candidate{network, netip.MustParseAddr(addr)} }
	got := order([]candidate{
		at("docker0", "172.17.0.1"), at("eth0", "fe80::1"), at("eth0", "2001:db8::1"), at("eth0", "192.168.1.5"),
		at("wlan0", "10.0.0.4"), at("veth1", "169.254.1.1"), at("wlan0", "10.0.0.4"),
	}, netip.MustParseAddr("10.0.0.4"), "Desk-3.example.com")
	want := []string{"10.0.0.4", "192.168.1.5", "2001:db8::1", "172.17.0.1", "desk-3.local"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, host := range []string{"", "localhost", "-x", "x_y", "ä", strings.Repeat("a", 64)} {
		if got := order(nil, netip.Addr{}, host); len(got) != 0 {
			t.Errorf("%q became %q", host, got)
		}
	}
}

func TestLoadTakesNewFiles(t *testing.T) {
	dir := t.TempDir()
	c := &clock{t: time.Now()}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a, err := Open(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	write := func() *x509.Certificate {
		t.Helper()
		leaf, err := a.issue([]string{"localhost", "127.0.0.1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.MarshalECPrivateKey(leaf.PrivateKey.(*ecdsa.PrivateKey))
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(
			os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}), 0o600),
			os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}), 0o600),
		)
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Leaf
	}
	if _, err := Load(certFile, keyFile); err == nil {
		t.Error("files that are not there were loaded")
	}
	first := write()
	if _, err := Load(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(keyFile, certFile); err == nil {
		t.Error("swapped files were loaded")
	}
	p := &pair{certFile: certFile, keyFile: keyFile, now: c.now}
	if err := p.read(); err != nil {
		t.Fatal(err)
	}
	port := serve(t, p.config(), "127.0.0.1:0")
	presents := func(want *x509.Certificate, what string) {
		t.Helper()
		cert, err := get(a.CA(), "localhost", port, time.Now())
		if err != nil || !cert.Equal(want) {
			t.Errorf("%s: not the certificate that was expected (%v)", what, err)
		}
	}
	presents(first, "at first")
	if err := os.WriteFile(keyFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	presents(first, "while the files are being written")
	second := write()
	c.advance(time.Minute)
	presents(second, "after they were written")
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	presents(second, "when a file is gone")
}
