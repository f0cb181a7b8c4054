package localtls

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// Load returns a configuration that presents the certificate (with its chain) and key of two PEM
// files. When a file changes, the new pair is used from the next connection on; a pair that does not fit,
// as while one of them is being written, is not, and the old one stays.
func Load(certFile, keyFile string) (*tls.Config, error) {
	p := &pair{certFile: certFile, keyFile: keyFile, now: time.Now}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf("localtls: %w", err)
	}
	return p.config(), nil
}

// pair is a certificate and key in two files.
type pair struct {
	certFile, keyFile string
	now               func() time.Time

	// mu guards what follows.
	mu      sync.Mutex
	cert    *tls.Certificate
	version string
	looked  time.Time
}

func (p *pair) config() *tls.Config {
	c := base()
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.present(), nil }
	return c
}

// read takes the files as they are now.
func (p *pair) read() error {
	version, err := p.stamp()
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return err
	}
	p.cert, p.version, p.looked = &cert, version, p.now()
	return nil
}

// stamp changes when a file does.
func (p *pair) stamp() (string, error) {
	out := ""
	for _, name := range []string{p.certFile, p.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		out += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	return out, nil
}

func (p *pair) present() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); now.Sub(p.looked) >= lookEvery {
		p.looked = now
		if version, err := p.stamp(); err == nil && version != p.version {
			_ = p.read() // what cannot be used is looked at again later
		}
	}
	return p.cert
}
