package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/symbolon/symbolon/cases/casealipay"
	"github.com/symbolon/symbolon/cases/casealipay/devgateway"
	"github.com/symbolon/symbolon/server/localtls"
)

// alipayGateway is the address that --alipay stands for.
func alipayGateway(v string) string {
	switch v {
	case "production":
		return casealipay.Production
	case "sandbox":
		return casealipay.Sandbox
	}
	return v
}

// openAlipay checks the settings of Alipay's way and returns what asks Alipay, nil where it is not set up.
func openAlipay(c config, log *slog.Logger) (*casealipay.Client, error) {
	if c.Alipay == "" {
		if c.AlipayAppID != "" || c.AlipayKeyFile != "" || c.AlipayTrust != "" {
			return nil, errors.New("--alipay is missing: the other settings of Alipay do nothing without it; write production, sandbox, or the address of a TEST GATEWAY")
		}
		return nil, nil
	}
	contract := casealipay.Config{AppID: c.AlipayAppID, Gateway: alipayGateway(c.Alipay), BizCode: c.AlipayBizCode, Log: log}
	read := func(name string, to *[]byte) (err error) {
		if *to, err = os.ReadFile(name); err != nil {
			return fmt.Errorf("--alipay: the file %q cannot be read", name)
		}
		return nil
	}
	err := read(c.AlipayKeyFile, &contract.PrivateKey)
	switch files := strings.Split(c.AlipayTrust, ","); len(files) {
	case 1:
		err = errors.Join(err, read(files[0], &contract.PublicKey))
	case 3:
		err = errors.Join(err, read(files[0], &contract.AppCert), read(files[1], &contract.AlipayCert), read(files[2], &contract.RootCA))
	default:
		err = errors.Join(err, errors.New("--alipay-trust: write the file with Alipay's public key, or APP.crt,ALIPAY.crt,ROOT.crt"))
	}
	if err != nil {
		return nil, err
	}
	client, err := casealipay.New(contract)
	if err != nil {
		return nil, fmt.Errorf("--alipay: %w", err)
	}
	if client.Offline() {
		if why := forTheWorld(c); why != "" {
			return nil, fmt.Errorf("--alipay: a TEST GATEWAY recognises nobody, and %s says that this server is for the public", why)
		}
		log.Warn("alipay_test_gateway", "gateway", client.String(), "note", "it recognises nobody")
	}
	return client, nil
}

// forTheWorld names the setting that says that people from outside use the server, "" where none does.
func forTheWorld(c config) string {
	if c.TLS != "off" && c.TLS != "local" {
		return "--tls " + c.TLS
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || c.PublicURL == "" {
		return ""
	}
	a, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "localhost" || err == nil && (a.IsLoopback() || a.IsPrivate()) {
		return ""
	}
	return "--public-url " + c.PublicURL
}

// probeFor bounds the question at the start whether Alipay knows this application.
const probeFor = 10 * time.Second

// probeAlipay asks once whether Alipay answers this application, signed by the key that was configured, and says so
// in the log. A network that is down now may be up when somebody needs it.
func (p *program) probeAlipay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	if err := p.alipay.Probe(ctx); err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			p.log.Warn("alipay_not_proved", "gateway", p.alipay.String(), "error", err)
		}
		return nil
	}
	p.log.Info("alipay_proved", "gateway", p.alipay.String())
	return nil
}

// devAlipay runs a TEST GATEWAY in place of Alipay, with keys of its own.
func devAlipay(ctx context.Context, args []string, std stdio) error {
	at := "127.0.0.1:8090"
	c, err := readConfig("dev-alipay", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&at, "at", at, "HOST:PORT of the TEST GATEWAY; :8090 to reach it from a phone in the same network")
	})
	if err != nil {
		return err
	}
	if err := checkListen(at); err != nil {
		return fmt.Errorf("--at: %w", err)
	}
	gateway := alipayGateway(c.Alipay)
	if why := forTheWorld(c); why != "" || gateway == casealipay.Production || gateway == casealipay.Sandbox || c.AlipayAppID != "" && c.AlipayAppID != casealipay.TestAppID {
		if why == "" {
			why = "--alipay"
		}
		return fmt.Errorf("a TEST GATEWAY recognises nobody and is not started with settings for the public (%s)", why)
	}
	folder := filepath.Join(c.Data, "alipay-test")
	app, err := testKey(folder, "app")
	if err != nil {
		return err
	}
	own, err := testKey(folder, "alipay")
	if err != nil {
		return err
	}
	g, err := devgateway.New(devgateway.Config{AppID: casealipay.TestAppID, AppKey: &app.PublicKey, Key: own})
	if err != nil {
		return err
	}
	defer g.Close()
	l, err := net.Listen("tcp", at)
	if err != nil {
		return fmt.Errorf("%s cannot be listened on (%w); choose another with --at", at, err)
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = append(localtls.Addresses(), "127.0.0.1")[0]
	}
	address := "http://" + net.JoinHostPort(host, port)
	fmt.Fprintf(std.out, "TEST GATEWAY in place of Alipay. It recognises nobody.\n\n  Answers %s/\n\nStart the server with\n\n  symbolon serve --alipay %s/gateway.do --alipay-app-id %s \\\n    --alipay-key-file %s --alipay-trust %s\n\nStop it with Ctrl+C.\n",
		address, address, casealipay.TestAppID, filepath.Join(folder, "app.key"), filepath.Join(folder, "alipay.pub"))
	s := &http.Server{Handler: g, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case <-ctx.Done():
	case err := <-failed:
		return err
	}
	g.Close()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return s.Shutdown(end)
}

// testKey reads a key of the TEST GATEWAY, or makes it, with its public half beside it.
func testKey(folder, name string) (*rsa.PrivateKey, error) {
	file := filepath.Join(folder, name+".key")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return newTestKey(folder, name)
	}
	if err != nil {
		return nil, fmt.Errorf("a key of the TEST GATEWAY cannot be read: %w", err)
	}
	if block, _ := pem.Decode(b); block != nil {
		if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if k, ok := k.(*rsa.PrivateKey); ok {
				return k, nil
			}
		}
	}
	return nil, fmt.Errorf("%s is no key; remove it, and a new one is made", file)
}

func newTestKey(folder, name string) (*rsa.PrivateKey, error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of the TEST GATEWAY cannot be made: %w", err)
	}
	// The public half may be left from a start that was cut off before its key was written.
	err = os.WriteFile(filepath.Join(folder, name+".pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600)
	if err == nil {
		err = writeNew(filepath.Join(folder, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	}
	if err != nil {
		return nil, fmt.Errorf("a key of the TEST GATEWAY cannot be written: %w", err)
	}
	return k, nil
}
