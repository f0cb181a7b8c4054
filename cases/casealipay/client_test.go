package casealipay

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casealipay/devgateway"
	"github.com/symbolon/symbolon/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	k, err := privateKey(file(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var somebody = cases.AlipayPerson{CertType: "IDENTITY_CARD", Name: "张三", Number: "11010519491231002X"}

const (
	order    = "KYC0123456789ABCDEFGHJKMNPQRSTVW"
	returnTo = "https://kyc.example.com/h/alipay/return?r=abc"
)

// byKey is a contract in the mode of keys with the gateway at an address.
func byKey(t testing.TB, address string) Config {
	return Config{AppID: TestAppID, Gateway: address + "/gateway.do", PrivateKey: file(t, "app.key"), PublicKey: file(t, "alipay.pub")}
}

func byCert(t testing.TB, address string) Config {
	return Config{AppID: TestAppID, Gateway: address + "/gateway.do", PrivateKey: file(t, "app.key"),
		AppCert: file(t, "app.crt"), AlipayCert: file(t, "alipay.crt"), RootCA: file(t, "root.crt")}
}

// gateway runs a TEST GATEWAY and returns a client of it.
func gateway(t *testing.T, certs bool) (*devgateway.Gateway, *Client) {
	t.Helper()
	cfg := devgateway.Config{AppID: TestAppID, AppKey: &key(t, "app.key").PublicKey, Key: key(t, "alipay.key")}
	if certs {
		cfg.CertSN = strings.Fields(string(file(t, "sns.txt")))[1]
	}
	g, err := devgateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(func() { g.Close(); s.Close() })
	contract := byKey
	if certs {
		contract = byCert
	}
	c, err := New(contract(t, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return g, c
}

func TestAPersonPassesFailsOrIsNotThere(t *testing.T) {
	for _, certs := range []bool{false, true} {
		t.Run(map[bool]string{false: "keys", true: "certificates"}[certs], func(t *testing.T) {
			g, c := gateway(t, certs)
			id, err := c.Begin(t.Context(), order, somebody, returnTo)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := c.Begin(t.Context(), order, somebody, returnTo); err != nil || again != id {
				t.Errorf("the same order again is %q, %v, not %q", again, err, id)
			}
			if _, err := c.Begin(t.Context(), order, cases.AlipayPerson{CertType: "IDENTITY_CARD", Name: "李四", Number: "1"}, returnTo); !errors.Is(err, cases.ErrAlipayRefused) {
				t.Errorf("another person under the same order: %v", err)
			}
			page, link, err := c.Address(id)
			if err != nil || page != link {
				t.Fatalf("the address is %q, %q, %v", page, link, err)
			}
			res, err := http.Get(page)
			if err != nil {
				t.Fatal(err)
			}
			html, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK || !bytes.Contains(html, []byte("TEST GATEWAY")) || !bytes.Contains(html, []byte(id)) {
				t.Errorf("the page is %d %s", res.StatusCode, html)
			}
			for _, step := range []struct {
				press string
				want  cases.AlipayOutcome
			}{{"", cases.AlipayFailed}, {"abandon", cases.AlipayFailed}, {"fail", cases.AlipayFailed}, {"pass", cases.AlipayPassed}} {
				if step.press != "" {
					if _, err := g.Decide(id, step.press); err != nil {
						t.Fatal(err)
					}
				}
				r, err := c.Result(t.Context(), id)
				if err != nil || r.Outcome != step.want {
					t.Errorf("after %q the result is %q, %v", step.press, r.Outcome, err)
				}
				if !json.Valid(r.Answer) || !bytes.Contains(r.Answer, []byte(`"sign":"`)) {
					t.Errorf("the answer is kept as %q", r.Answer)
				}
			}
			if _, err := c.Result(t.Context(), strings.Repeat("f", 32)); !errors.Is(err, cases.ErrAlipayRefused) {
				t.Errorf("a verification that is not there: %v", err)
			}
			if err := c.Probe(t.Context()); err != nil {
				t.Errorf("the probe finds %v", err)
			}
		})
	}
}

// TestNoFaultPasses asks a gateway that answers wrongly in every way it knows about somebody who did not pass. (A signed
// T for somebody else cannot be told from the right one: the channel is what excludes it, see
// TestOnlyTheGatewayItselfIsBelieved.)
func TestNoFaultPasses(t *testing.T) {
	for _, certs := range []bool{false, true} {
		g, c := gateway(t, certs)
		id, err := c.Begin(t.Context(), order, somebody, returnTo)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range devgateway.Faults {
			if f == devgateway.None {
				continue
			}
			g.SetFault(f)
			if _, err := g.Decide(id, "fail"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := t.Context(), func() {}
			if f == devgateway.Slow {
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
			}
			r, err := c.Result(ctx, id)
			cancel()
			switch f {
			case devgateway.Maybe:
				if err != nil || r.Outcome != cases.AlipayPending {
					t.Errorf("%s: %q, %v", f, r.Outcome, err)
				}
				continue
			}
			if r.Outcome != "" || !errors.Is(err, cases.ErrAlipayUnavailable) {
				t.Errorf("%s: the result is %q, %v", f, r.Outcome, err)
			}
			untrusted := errors.Is(err, ErrUntrusted)
			switch f {
			case devgateway.Slow, devgateway.BadGateway, devgateway.BusyOnce, devgateway.ErrorResponse, devgateway.ClockSkew:
				if untrusted {
					t.Errorf("%s: it is called untrusted: %v", f, err)
				}
			default:
				if !untrusted {
					t.Errorf("%s: it fails for another reason: %v", f, err)
				}
			}
			for _, secret := range []string{somebody.Name, somebody.Number, "biz_content"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the error says %q", f, err)
				}
			}
		}
		// No beginning either.
		for n, f := range []devgateway.Fault{devgateway.Unsigned, devgateway.Tampered, devgateway.WrongKey, devgateway.UnknownCert, devgateway.Truncated, devgateway.OtherMethod, devgateway.Twice, devgateway.Redirect, devgateway.Long} {
			g.SetFault(f)
			before := g.Calls("initialize")
			id, err := c.Begin(t.Context(), fmt.Sprintf("KYC%029d", n), somebody, returnTo)
			if id != "" || !errors.Is(err, ErrUntrusted) {
				t.Errorf("%s: it begins as %q, %v", f, id, err)
			}
			if n := g.Calls("initialize") - before; n != 1 {
				t.Errorf("%s: it was asked %d times", f, n)
			}
		}
		g.SetFault(devgateway.BusyOnce)
		if _, err := c.Begin(t.Context(), order, somebody, returnTo); err != nil {
			t.Errorf("a busy gateway is not asked again: %v", err)
		}
		if r, err := c.Result(t.Context(), id); err == nil {
			t.Errorf("busy: %q", r.Outcome)
		}
		if r, err := c.Result(t.Context(), id); err != nil || r.Outcome != cases.AlipayFailed {
			t.Errorf("after busy: %q, %v", r.Outcome, err)
		}
	}
}

// fixed answers everything in one way.
func fixed(t *testing.T, answer []byte) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }))
	t.Cleanup(s.Close)
	return s.URL
}

// TestAnswersThatOpensslSigned reads answers in whose making no Go code took part.
func TestAnswersThatOpensslSigned(t *testing.T) {
	for _, tc := range []struct {
		file    string
		certs   bool
		outcome cases.AlipayOutcome
		err     error
	}{
		{"pass", false, cases.AlipayPassed, nil},
		{"spaced", false, cases.AlipayPassed, nil},
		{"fail", false, cases.AlipayFailed, nil},
		{"forged", false, "", ErrUntrusted},
		{"forged", true, "", ErrUntrusted},
		{"refused", false, "", cases.ErrAlipayRefused},
		{"by_certificate", true, cases.AlipayPassed, nil},
		{"by_certificate", false, "", ErrUntrusted},
		{"other_certificate", true, "", ErrUntrusted},
		{"pass", true, "", ErrUntrusted}, // it names no certificate
	} {
		body := file(t, "answer_"+tc.file+".json")
		contract := byKey
		if tc.certs {
			contract = byCert
		}
		c, err := New(contract(t, fixed(t, body)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Result(t.Context(), strings.Repeat("a", 32))
		c.Close()
		if r.Outcome != tc.outcome || !errors.Is(err, tc.err) {
			t.Errorf("%s (certificates: %t): %q, %v", tc.file, tc.certs, r.Outcome, err)
		}
		if err == nil && !bytes.Equal(r.Answer, body) {
			t.Errorf("%s: it is kept as %q", tc.file, r.Answer)
		}
	}
	// Every single changed byte of a pass, also in its signature, ends it.
	body := file(t, "answer_pass.json")
	for i := range body {
		if i%3 != 0 && i > 4 && i < len(body)-4 {
			continue // a third of them is enough
		}
		forged := bytes.Clone(body)
		forged[i] ^= 1
		c, err := New(byKey(t, fixed(t, forged)))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := c.Result(t.Context(), strings.Repeat("a", 32)); err == nil {
			t.Errorf("byte %d changed: %q", i, r.Outcome)
		}
		c.Close()
	}
}

// TestRequestsAreSignedAsOpensslDoes compares with signatures that openssl made of the same bytes, and recomputes those
// of what the client sends.
func TestRequestsAreSignedAsOpensslDoes(t *testing.T) {
	c, err := New(byCert(t, "http://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	values := url.Values{}
	for pair := range strings.SplitSeq(string(file(t, "request.txt")), "&") {
		name, value, _ := strings.Cut(pair, "=")
		values.Set(name, value)
	}
	// The library gives no way to its signing alone; what it verifies is signed the same way.
	sum := sha256.Sum256(file(t, "request.txt"))
	sign, err := rsa.SignPKCS1v15(rand.Reader, key(t, "app.key"), crypto.SHA256, sum[:])
	if err != nil || base64.StdEncoding.EncodeToString(sign) != string(file(t, "request.sig")) {
		t.Errorf("the sample is signed otherwise (%v)", err)
	}
	page, _, err := c.Address("2109b5e671aa3ff2eb4851816c65828f")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	sns := strings.Fields(string(file(t, "sns.txt")))
	want := "alipay_root_cert_sn=" + sns[2] + "&app_cert_sn=" + sns[0] + "&app_id=" + TestAppID +
		`&biz_content={"certify_id":"2109b5e671aa3ff2eb4851816c65828f"}&charset=utf-8&format=JSON&method=` + certify +
		"&sign_type=RSA2&timestamp=" + q.Get("timestamp") + "&version=1.0"
	sum = sha256.Sum256([]byte(want))
	got, err := base64.StdEncoding.DecodeString(q.Get("sign"))
	if err != nil || rsa.VerifyPKCS1v15(&key(t, "app.key").PublicKey, crypto.SHA256, sum[:], got) != nil {
		t.Errorf("%s is not signed as %s", page, want)
	}
	if c.certSN != sns[1] {
		t.Errorf("the certificate is called %s, not %s", c.certSN, sns[1])
	}
	at, err := time.ParseInLocation(time.DateTime, q.Get("timestamp"), time.FixedZone("", 8*3600))
	if err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("its time is %s, %v", q.Get("timestamp"), err)
	}
}

// TestWhatIsAskedIsWhatWasAgreed reads the request itself.
func TestWhatIsAskedIsWhatWasAgreed(t *testing.T) {
	var got url.Values
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = r.PostForm
		if r.URL.RawQuery != "" {
			t.Errorf("the address holds %q", r.URL.RawQuery)
		}
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer s.Close()
	c, err := New(byKey(t, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Begin(t.Context(), order, somebody, returnTo); err == nil {
		t.Fatal("status 400 is an answer")
	}
	var biz map[string]any
	if err := json.Unmarshal([]byte(got.Get("biz_content")), &biz); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"outer_order_no": order, "biz_code": "FACE",
		"identity_param":  map[string]any{"identity_type": "CERT_INFO", "cert_type": "IDENTITY_CARD", "cert_name": "张三", "cert_no": "11010519491231002X"},
		"merchant_config": map[string]any{"return_url": returnTo, "face_reserve_strategy": "never"},
	}
	if g, w := fmt.Sprint(biz), fmt.Sprint(want); g != w {
		t.Errorf("it asks for %s, not %s", g, w)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9]{32}$`).MatchString(order) {
		t.Error("the order of this test has not the form of one")
	}
}

// TestOnlyTheGatewayItselfIsBelieved puts somebody who holds a signed T of another person between the client and Alipay.
func TestOnlyTheGatewayItselfIsBelieved(t *testing.T) {
	pass := file(t, "answer_pass.json")
	ca, cert := authority(t, "openapi.alipay.com")
	_, foreign := authority(t, "openapi.alipay.com")
	otherName := issue(t, ca, "other.example.com")
	pool := x509.NewCertPool()
	pool.AddCert(ca.leaf)
	for name, tc := range map[string]struct {
		roots   *x509.CertPool
		cert    tls.Certificate
		handler http.HandlerFunc
		passes  bool
	}{
		"the gateway":                {pool, cert, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pass) }, true},
		"another authority":          {pool, foreign, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pass) }, false},
		"the system's roots":         {nil, cert, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pass) }, false},
		"another name":               {pool, otherName, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pass) }, false},
		"sent to somebody else":      {pool, cert, func(w http.ResponseWriter, r *http.Request) { redirectOnce(w, r, pass, 307) }, false},
		"sent to somebody else, 302": {pool, cert, func(w http.ResponseWriter, r *http.Request) { redirectOnce(w, r, pass, 302) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(tc.handler)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{tc.cert}, MinVersion: tls.VersionTLS12}
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			s.StartTLS()
			defer s.Close()
			cfg := byKey(t, "")
			cfg.AppID, cfg.Gateway, cfg.roots = "2014072300007148", Production, tc.roots
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			wire := c.lib.Client.Transport.(*channel).wire.(*http.Transport)
			wire.Proxy = nil
			wire.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address != "openapi.alipay.com:443" {
					t.Errorf("it connects to %s", address)
				}
				return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
			}
			defer wire.CloseIdleConnections()
			r, err := c.Result(t.Context(), strings.Repeat("a", 32))
			if tc.passes != (err == nil && r.Outcome == cases.AlipayPassed) {
				t.Errorf("it says %q, %v", r.Outcome, err)
			}
			if page, link, err := c.Address("abc"); err != nil || link != appLink+url.QueryEscape(page) || strings.Contains(link[len(appLink):], "&") {
				t.Errorf("the link is %s, %v", link, err)
			}
		})
	}
}

func redirectOnce(w http.ResponseWriter, r *http.Request, pass []byte, status int) {
	if r.URL.Path == "/gateway.do" {
		w.Header().Set("Location", "https://openapi.alipay.com/attacker")
		w.WriteHeader(status)
		return
	}
	_, _ = w.Write(pass)
}

type ca struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

// authority makes a certificate authority and a certificate of it.
func authority(t *testing.T, host string) (ca, tls.Certificate) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	d, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(d)
	if err != nil {
		t.Fatal(err)
	}
	a := ca{leaf, k}
	return a, issue(t, a, host)
}

func issue(t *testing.T, a ca, host string) tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	d, err := x509.CreateCertificate(rand.Reader, tpl, a.leaf, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{d}, PrivateKey: k}
}

// TestContractsThatCannotWorkAreRefusedAtStart goes through the mistakes of an operator.
func TestContractsThatCannotWorkAreRefusedAtStart(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it is refused
	if err != nil {
		t.Fatal(err)
	}
	const here = "http://127.0.0.1:1"
	for name, tc := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"no key":                      {func(c *Config) { c.PrivateKey = nil }, "private key"},
		"a key that is none":          {func(c *Config) { c.PrivateKey = []byte("MIIE") }, "private key"},
		"a public for a private key":  {func(c *Config) { c.PrivateKey = file(t, "app.pub") }, "private key"},
		"a short key":                 {func(c *Config) { c.PrivateKey = x509pem(short) }, "1024 bits"},
		"no key of Alipay":            {func(c *Config) { c.PublicKey = nil }, "is needed"},
		"blank key of Alipay":         {func(c *Config) { c.PublicKey = []byte(" ") }, "of Alipay"},
		"own key as Alipay's":         {func(c *Config) { c.PublicKey = file(t, "app.pub") }, "application's own"},
		"key and certificates":        {func(c *Config) { p := c.PublicKey; *c = byCert(t, here); c.PublicKey = p }, "either"},
		"a certificate is missing":    {func(c *Config) { *c = byCert(t, here); c.RootCA = nil }, "root"},
		"a certificate without RSA":   {func(c *Config) { *c = byCert(t, here); c.AlipayCert = file(t, "ec.crt") }, "no RSA key"},
		"another's certificate":       {func(c *Config) { *c = byCert(t, here); c.AppCert = file(t, "alipay.crt") }, "another private key"},
		"own certificate as Alipay's": {func(c *Config) { *c = byCert(t, here); c.AlipayCert = file(t, "app.crt") }, "application's own"},
		"another gateway":             {func(c *Config) { c.Gateway = "https://alipay.example.com/gateway.do" }, "neither"},
		"Alipay without TLS":          {func(c *Config) { c.Gateway = "http://openapi.alipay.com/gateway.do" }, "neither"},
		"a gateway in the world":      {func(c *Config) { c.Gateway = "http://8.8.8.8/gateway.do" }, "neither"},
		"a password in the address":   {func(c *Config) { c.Gateway = "http://a:b@127.0.0.1/gateway.do" }, "no web address"},
		"a contract's id for a test":  {func(c *Config) { c.AppID = "2014072300007148" }, "TEST GATEWAY"},
		"a test's id for Alipay":      {func(c *Config) { c.Gateway = Production }, "digits"},
		"an unknown way":              {func(c *Config) { c.BizCode = "VOICE" }, "SMART_FACE"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := byKey(t, here)
			tc.change(&cfg)
			if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("it says %v", err)
			}
		})
	}
	for name, cfg := range map[string]Config{"keys": byKey(t, here), "certificates": byCert(t, here)} {
		if _, err := New(cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := byKey(t, here)
	b, err := x509.MarshalPKCS8PrivateKey(key(t, "app.key"))
	if err != nil {
		t.Fatal(err)
	}
	bare.PrivateKey = []byte(base64.StdEncoding.EncodeToString(b) + "\n")
	if _, err := New(bare); err != nil {
		t.Errorf("base64 alone: %v", err)
	}
}

func x509pem(k *rsa.PrivateKey) []byte {
	return []byte(base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(k)))
}

func TestAPersonDoesNotPrint(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "who", somebody)
	for _, s := range []string{fmt.Sprint(somebody), fmt.Sprintf("%+v %#v %q", somebody, somebody, somebody), log.String()} {
		if strings.Contains(s, "张") || strings.Contains(s, "1101") {
			t.Errorf("it prints %s", s)
		}
	}
	if fault.KindOf(cases.ErrAlipayUnavailable.Because(ErrUntrusted)) != fault.Unavailable {
		t.Error("it is no longer unavailable with a cause")
	}
}

// FuzzAnswer holds the reading of answers to this: nothing but what the library verifies, and nothing that two readers
// could read in two ways.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"pass", "fail", "forged", "spaced", "refused", "by_certificate"} {
		f.Add(file(f, "answer_"+name+".json"))
	}
	for _, s := range []string{"", "{}", "null", `{"error_response":null}`, `{"error_response":{"code":"20000"}}`, `{"alipay_user_certify_open_query_response":"AAAA","sign":"x"}`,
		`{"alipay_user_certify_open_query_response":{"code":"10000","code":"1"},"sign":""}`, `{"sign":"a","sign":"b"}`, strings.Repeat("[", 5000)} {
		f.Add([]byte(s))
	}
	c, err := New(byKey(f, "http://127.0.0.1:1"))
	if err != nil {
		f.Fatal(err)
	}
	var body []byte
	c.lib.Client.Transport.(*channel).wire = roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}, nil
	})
	signed := map[string]cases.AlipayOutcome{}
	for name, o := range map[string]cases.AlipayOutcome{"pass": cases.AlipayPassed, "spaced": cases.AlipayPassed, "fail": cases.AlipayFailed} {
		m, err := members(file(f, "answer_"+name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		signed[string(m[responseName(query)])] = o
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		body = b
		r, err := c.Result(t.Context(), strings.Repeat("a", 32))
		if err != nil {
			if fault.KindOf(err) == fault.Internal {
				t.Errorf("%q: %v", b, err)
			}
			return
		}
		m, err := members(b)
		if err != nil || signed[string(m[responseName(query)])] != r.Outcome || r.Outcome == "" {
			t.Errorf("%q passes as %q", b, r.Outcome)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
