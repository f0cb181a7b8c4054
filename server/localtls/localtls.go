// Package localtls makes HTTPS for a machine that has no certificate of its own: phones open
// their camera for nothing less. It keeps a small certificate authority, which a phone is told to
// trust once, and issues itself certificates for the machine's addresses, which change.
//
// The authority's key could speak for any site to a phone that trusts it, so the authority is
// limited, in the certificate itself, to private addresses, this machine's and names under .local; whoever
// steals the key gains nothing elsewhere.
package localtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	authorityFor = 10 * 365 * 24 * time.Hour
	// Phones refuse certificates that are good for longer than 398 days.
	certificateFor = 397 * 24 * time.Hour
	renewBefore    = 30 * 24 * time.Hour
	// A clock may be a little behind ours; what was made just now is good for it too.
	backdated = time.Hour
	// lookEvery is how often the machine's addresses are looked at, at most.
	lookEvery = 10 * time.Second
)

// Authority is the certificate authority of this machine and its present certificate.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	now       func() time.Time
	addresses func() []string

	// mu guards what follows.
	mu     sync.Mutex
	leaf   *tls.Certificate
	names  []string
	looked time.Time
}

// Open opens the authority that is kept in dir, or makes one there. Its one file, ca.pem, holds
// the key: mode 0600. A file that somebody else can read is refused.
func Open(dir string) (*Authority, error) {
	return open(dir, time.Now, Addresses)
}

func open(dir string, now func() time.Time, addresses func() []string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("localtls: %w", err)
	}
	path := filepath.Join(dir, "ca.pem")
	a := &Authority{now: now, addresses: addresses}
	err := a.load(path)
	if err == nil && now().After(a.cert.NotAfter.Add(-renewBefore)) {
		err = os.Remove(path) // no certificate of a useful length fits in: phones have to trust a new one
		if err == nil {
			err = fs.ErrNotExist
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(path, now(), addresses()); err == nil {
			err = a.load(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("localtls: %w", err)
	}
	if _, err := a.certificate(""); err != nil {
		return nil, fmt.Errorf("localtls: %w", err)
	}
	return a, nil
}

// load reads the authority's file.
func (a *Authority) load(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others; run: chmod 600 %s", path, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			a.cert, err = x509.ParseCertificate(block.Bytes)
		case "EC PRIVATE KEY":
			a.key, err = x509.ParseECPrivateKey(block.Bytes)
		}
		if err != nil {
			return fmt.Errorf("%s is damaged (%w); remove it to make a new one", path, err)
		}
	}
	if a.cert == nil || a.key == nil || !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return fmt.Errorf("%s is damaged; remove it to make a new one", path)
	}
	return nil
}

// create makes an authority. Where two programs do it at once, one file wins for both.
func create(path string, now time.Time, addresses []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Symbolon on " + short(host), Organization: []string{"Symbolon local certificates"}},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityFor),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost", "local"},
		PermittedIPRanges:           permitted(addresses),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	content := slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	)
	tmp, err := os.CreateTemp(filepath.Dir(path), "ca-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err = os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil { // a file system without links
		return os.Rename(tmp.Name(), path)
	}
	return nil
}

// private are the networks that are nobody's on the Internet.
var private = []string{
	"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10",
}

// permitted are the networks an authority may speak for: private ones, and the public addresses that
// the machine has when it is made.
func permitted(addresses []string) []*net.IPNet {
	var out []*net.IPNet
	add := func(p netip.Prefix) {
		out = append(out, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	for _, s := range private {
		add(netip.MustParsePrefix(s))
	}
	for _, s := range addresses {
		ip, err := netip.ParseAddr(s)
		if err == nil && !slices.ContainsFunc(private, func(p string) bool { return netip.MustParsePrefix(p).Contains(ip) }) {
			add(netip.PrefixFrom(ip, ip.BitLen()))
		}
	}
	return out
}

// allows reports whether the authority may speak for an address or name.
func (a *Authority) allows(name string) bool {
	if ip := net.ParseIP(name); ip != nil {
		return slices.ContainsFunc(a.cert.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) })
	}
	return slices.ContainsFunc(a.cert.PermittedDNSDomains, func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) })
}

// CA returns the authority's certificate in PEM: what a phone is to trust.
func (a *Authority) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// TLSConfig returns a configuration that presents a certificate for the machine's addresses
// of the moment.
func (a *Authority) TLSConfig() *tls.Config {
	c := base()
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		asked := hello.ServerName
		if asked == "" && hello.Conn != nil { // browsers name no host where the address is a number
			if ap, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String()); err == nil {
				asked = ap.Addr().Unmap().WithZone("").String()
			}
		}
		return a.certificate(asked)
	}
	return c
}

func base() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

// certificate returns the present certificate, made anew when it nears its end or the machine's
// addresses are others. asked is what the client wants; where it is not in the certificate, the addresses
// are looked at sooner.
func (a *Authority) certificate(asked string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	wait := lookEvery
	if asked != "" && !slices.Contains(a.names, asked) {
		wait = time.Second
	}
	if a.leaf != nil && now.Sub(a.looked) < wait {
		return a.leaf, nil
	}
	a.looked = now
	names := []string{"localhost", "127.0.0.1", "::1"}
	for _, n := range a.addresses() {
		if a.allows(n) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	if a.leaf != nil && slices.Equal(names, a.names) && now.Before(a.leaf.Leaf.NotAfter.Add(-renewBefore)) {
		return a.leaf, nil
	}
	leaf, err := a.issue(names, now)
	if err != nil {
		return nil, err
	}
	a.leaf, a.names = leaf, names
	return leaf, nil
}

// issue makes a certificate for names.
func (a *Authority) issue(names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	start := now.Add(-backdated)
	end := start.Add(certificateFor)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "Symbolon"},
		NotBefore:    start,
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[0] &= 0x7f           // positive
	return new(big.Int).SetBytes(b[:])
}

// short is the first label of a host name.
func short(host string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	return host
}
