// Package casealipay has a person's face recognised by Alipay (open platform, alipay.user.certify.open.*), and believes
// only what it can prove.
//
// What counts is the answer to a query that this program asked for itself: over TLS with the system's roots, from the
// one address that was configured, without redirects, short, of exactly the expected form, signed by the one key
// that was configured. That somebody came back from Alipay proves nothing. Neither an answer nor its signature says
// which query it belongs to, so the channel is a part of the proof; the answer is handed on as it was received.
//
// Signing, verifying and the form of requests are github.com/smartwalle/alipay's. It is used in its sandbox mode with
// the address given, also for production: in its production mode it fetches certificates that it does not know and
// trusts them unseen.
package casealipay

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/smartwalle/alipay/v3"

	"github.com/symbolon/symbolon/cases"
)

// The gateways of Alipay itself.
const (
	Production = "https://openapi.alipay.com/gateway.do"
	Sandbox    = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"
)

// TestAppID is the application that only an offline gateway knows.
const TestAppID = "TEST2026000000000001"

// BizCodes are the ways to recognise somebody that a contract with Alipay can name.
var BizCodes = []string{"FACE", "CERT_PHOTO_FACE", "SMART_FACE"}

// Bounds of one call.
const (
	callFor      = 8 * time.Second
	beginTries   = 3
	retryAfter   = 300 * time.Millisecond // twice as long each time
	appLink      = "alipays://platformapi/startapp?appId=20000067&url="
	certInfo     = "CERT_INFO"
	keepsNothing = "never" // Alipay would keep the face otherwise
)

// The methods.
const (
	initialize = "alipay.user.certify.open.initialize"
	certify    = "alipay.user.certify.open.certify"
	query      = "alipay.user.certify.open.query"
)

// ErrUntrusted is returned for an answer that was not proved to be Alipay's. Nothing follows from it.
var ErrUntrusted = errors.New("casealipay: the answer is not proved to be Alipay's")

// Refusal is an answer that is an error in Alipay's words.
type Refusal struct {
	Code, SubCode string
	Signed        bool // proved to be Alipay's
}

func (r Refusal) Error() string {
	proved := "unsigned"
	if r.Signed {
		proved = "signed"
	}
	return fmt.Sprintf("casealipay: Alipay answers %s %s (%s)", r.Code, r.SubCode, proved)
}

// again reports whether the same call may work later: Alipay is busy, or it was called too often.
func (r Refusal) again() bool { return r.Code == "20000" || r.Code == "40005" }

// Config is a contract with Alipay. Keys and certificates are the contents of files.
type Config struct {
	AppID      string
	Gateway    string // Production, Sandbox, or an offline gateway on this machine or in its network
	PrivateKey []byte // the application's, PKCS #1 or #8, PEM or base64
	// PublicKey is Alipay's key. In the mode of certificates it is empty, and the next three are given.
	PublicKey                   []byte
	AppCert, AlipayCert, RootCA []byte
	BizCode                     string // "FACE" where empty
	Log                         *slog.Logger
	roots                       *x509.CertPool // tests; the system's where nil
}

// Client asks Alipay. It is safe for concurrent use.
type Client struct {
	lib     *alipay.Client
	gateway *url.URL
	bizCode string
	certSN  string
	offline bool
	log     *slog.Logger
}

var _ cases.Alipay = (*Client)(nil)

var appIDForm = regexp.MustCompile(`^[0-9]{10,32}$`)

// New checks a contract without asking anybody: every key and certificate is looked at and tried. The error is for the
// operator and holds no key.
func New(cfg Config) (*Client, error) {
	gateway, offline, err := readGateway(cfg.Gateway)
	if err != nil {
		return nil, err
	}
	switch {
	case offline && cfg.AppID != TestAppID:
		return nil, fmt.Errorf("with the TEST GATEWAY the application is %s: a contract's must not be used with it", TestAppID)
	case !offline && !appIDForm.MatchString(cfg.AppID):
		return nil, errors.New("the application's id is 10 to 32 digits")
	}
	if cfg.BizCode == "" {
		cfg.BizCode = BizCodes[0]
	}
	if !slices.Contains(BizCodes, cfg.BizCode) {
		return nil, fmt.Errorf("the way to recognise somebody is one of %s", strings.Join(BizCodes, ", "))
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{gateway: gateway, bizCode: cfg.BizCode, offline: offline, log: cfg.Log}
	own, err := privateKey(cfg.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("the application's private key: %w", err)
	}
	c.lib, err = alipay.New(cfg.AppID, base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(own)), false,
		alipay.WithSandboxGateway(gateway.String()), alipay.WithHTTPClient(c.channel(cfg.roots)),
		alipay.WithTimeLocation(time.FixedZone("Asia/Shanghai", 8*60*60)))
	if err != nil {
		return nil, errors.New("the application's private key cannot be used") // the cause could quote it
	}
	theirs, err := c.trust(cfg, own)
	if err != nil {
		return nil, err
	}
	if theirs.Equal(&own.PublicKey) {
		return nil, errors.New("the key given as Alipay's is the application's own: take the one that the open platform shows as Alipay's")
	}
	return c, c.tryOut(own)
}

// trust loads what proves an answer, and returns the key.
func (c *Client) trust(cfg Config, own *rsa.PrivateKey) (*rsa.PublicKey, error) {
	byCert := len(cfg.AppCert)+len(cfg.AlipayCert)+len(cfg.RootCA) > 0
	if byCert == (len(cfg.PublicKey) > 0) {
		return nil, errors.New("either Alipay's public key is needed, or three certificates: the application's, Alipay's and its root's")
	}
	if !byCert {
		theirs, err := publicKey(cfg.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("the public key of Alipay: %w", err)
		}
		d, err := x509.MarshalPKIXPublicKey(theirs)
		if err == nil {
			err = c.lib.LoadAliPayPublicKey(base64.StdEncoding.EncodeToString(d))
		}
		return theirs, err
	}
	app, key, err := certificate(cfg.AppCert)
	if err != nil {
		return nil, fmt.Errorf("the application's certificate: %w", err)
	}
	if !key.Equal(&own.PublicKey) {
		return nil, errors.New("the application's certificate belongs to another private key")
	}
	cert, theirs, err := certificate(cfg.AlipayCert)
	if err != nil {
		return nil, fmt.Errorf("the certificate of Alipay: %w", err)
	}
	if time.Now().After(cert.NotAfter) {
		c.log.Warn("alipay_certificate_expired", "on", cert.NotAfter.UTC().Format(time.DateOnly))
	}
	if _, _, err := certificate(cfg.RootCA); err != nil {
		return nil, fmt.Errorf("the root's certificate: %w", err)
	}
	c.certSN = certSN(cert)
	return theirs, errors.Join(c.lib.LoadAppCertPublicKey(pemOf(app)), c.lib.LoadAlipayCertPublicKey(pemOf(cert)), c.lib.LoadAliPayRootCert(string(cfg.RootCA)))
}

// tryOut proves that keys work as they are loaded: that the application's signature holds, and that an answer which
// somebody else signed is refused, by the signature and by nothing before it.
func (c *Client) tryOut(own *rsa.PrivateKey) error {
	const sample = "a=1&b=2"
	values := url.Values{"a": {"1"}, "b": {"2"}}
	sum := sha256.Sum256([]byte(sample))
	sign, err := rsa.SignPKCS1v15(rand.Reader, own, crypto.SHA256, sum[:])
	if err != nil {
		return errors.New("the application's private key does not sign")
	}
	if err := rsa.VerifyPKCS1v15(&own.PublicKey, crypto.SHA256, sum[:], sign); err != nil {
		return errors.New("the application's private key signs what its public key does not know")
	}
	values.Set("sign", base64.StdEncoding.EncodeToString(sign))
	values.Set("alipay_cert_sn", c.certSN)
	if err := c.lib.VerifySign(values); !errors.Is(err, rsa.ErrVerification) {
		return errors.New("the key of Alipay does not refuse what it did not sign")
	}
	return nil
}

// readGateway says whether an address is an offline gateway's. Nothing else than Alipay's two and this machine or its
// network is ever asked about a person.
func readGateway(s string) (u *url.URL, offline bool, err error) {
	if u, err = url.Parse(s); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, false, errors.New("the gateway is no web address")
	}
	if s == Production || s == Sandbox {
		return u, false, nil
	}
	a, err := netip.ParseAddr(u.Hostname())
	near := u.Hostname() == "localhost" || err == nil && (a.IsLoopback() || a.IsPrivate())
	if u.Scheme != "http" || !near {
		return nil, false, errors.New("the gateway is neither Alipay's nor a TEST GATEWAY on this machine or in its network (http://)")
	}
	return u, true, nil
}

// Offline reports whether the client asks a TEST GATEWAY.
func (c *Client) Offline() bool { return c.offline }

// String says who is asked.
func (c *Client) String() string {
	switch {
	case c.offline:
		return "TEST GATEWAY " + c.gateway.Host
	case c.gateway.String() == Sandbox:
		return "Alipay's sandbox"
	}
	return "Alipay"
}

// Close drops the connections that wait to be used again.
func (c *Client) Close() { c.lib.Client.CloseIdleConnections() }

// Begin implements cases.Alipay. The same order is asked for again when the answer got lost.
func (c *Client) Begin(ctx context.Context, order string, who cases.AlipayPerson, returnTo string) (string, error) {
	biz := map[string]any{
		"outer_order_no": order,
		"biz_code":       c.bizCode,
		"identity_param": map[string]string{
			"identity_type": certInfo, "cert_type": who.CertType, "cert_name": who.Name, "cert_no": who.Number,
		},
		"merchant_config": map[string]string{"return_url": returnTo, "face_reserve_strategy": keepsNothing},
	}
	wait := retryAfter
	for try := 1; ; try++ {
		a, _, err := c.ask(ctx, initialize, biz)
		if err == nil && !certifyForm.MatchString(a.certifyID) {
			err = fmt.Errorf("%w: it names no verification", ErrUntrusted)
		}
		if err == nil {
			return a.certifyID, nil
		}
		if !mayRetry(err) || try == beginTries {
			return "", sorted(err)
		}
		select {
		case <-ctx.Done():
			return "", sorted(err)
		case <-time.After(wait):
			wait *= 2
		}
	}
}

// Address implements cases.Alipay.
func (c *Client) Address(certifyID string) (page, link string, err error) {
	u, err := c.lib.BuildURL(alipay.NewPayload(certify).AddBizField("certify_id", certifyID))
	if err != nil {
		return "", "", errors.New("casealipay: the address cannot be signed")
	}
	page = u.String()
	if c.offline {
		return page, page, nil // there is no app that knows a TEST GATEWAY
	}
	return page, appLink + url.QueryEscape(page), nil
}

// Result implements cases.Alipay.
func (c *Client) Result(ctx context.Context, certifyID string) (cases.AlipayResult, error) {
	a, raw, err := c.ask(ctx, query, map[string]any{"certify_id": certifyID})
	if err != nil {
		return cases.AlipayResult{}, sorted(err)
	}
	r := cases.AlipayResult{Outcome: cases.AlipayPending, Answer: raw}
	switch a.passed {
	case "T":
		r.Outcome = cases.AlipayPassed
	case "F":
		r.Outcome = cases.AlipayFailed
	}
	return r, nil
}

// Probe asks about a verification that cannot exist: a signed answer, which says so, proves that Alipay knows the
// application and that its key is the configured one.
func (c *Client) Probe(ctx context.Context) error {
	_, _, err := c.ask(ctx, query, map[string]any{"certify_id": strings.Repeat("0", 32)})
	if r, ok := errors.AsType[Refusal](err); ok && r.Signed {
		return nil
	}
	return err
}

// mayRetry reports whether a call that failed may be made again at once: nothing was heard, or Alipay is busy.
func mayRetry(err error) bool {
	if r, ok := errors.AsType[Refusal](err); ok {
		return r.again()
	}
	return !errors.Is(err, ErrUntrusted)
}

// sorted says in the words of cases what a failure means. What is not proved may be wrong: it never ends anything.
func sorted(err error) error {
	if r, ok := errors.AsType[Refusal](err); ok && r.Signed && !r.again() {
		return cases.ErrAlipayRefused.Because(err)
	}
	return cases.ErrAlipayUnavailable.After(2 * time.Second).Because(err)
}

// asked is what the channel has to know of a call, and what it got.
type asked struct {
	method string
	body   []byte
}

type askedKey struct{}

// ask makes one signed call and returns the verified answer, with all of it as it was received.
func (c *Client) ask(ctx context.Context, method string, biz map[string]any) (answer, []byte, error) {
	p := alipay.NewPayload(method)
	p.Encrypt = false
	for name, value := range biz {
		p.AddBizField(name, value)
	}
	got := &asked{method: method}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, askedKey{}, got), callFor)
	defer cancel()
	var inner json.RawMessage // verified, and not decoded by the library
	err := c.lib.Request(ctx, p, &inner)
	if err == nil {
		var a answer
		if a, err = answerOf(inner); err != nil {
			return answer{}, nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
		}
		if a.code != "10000" {
			return answer{}, nil, Refusal{Code: a.code, SubCode: a.subCode, Signed: true}
		}
		return a, got.body, nil
	}
	if e, ok := errors.AsType[*alipay.Error](err); ok && e != nil {
		// Without a signature. The library calls even a success an error then.
		r := Refusal{Code: string(e.Code)}
		if !codeForm.MatchString(r.Code) || r.Code == "10000" || r.Code == "10003" {
			return answer{}, nil, fmt.Errorf("%w: it is not signed", ErrUntrusted)
		}
		if subCodeForm.MatchString(e.SubCode) {
			r.SubCode = e.SubCode
		}
		return answer{}, nil, r
	}
	if got.body != nil && !errors.Is(err, ErrUntrusted) {
		// An answer came, and its signature does not hold or is none.
		return answer{}, nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	return answer{}, nil, err
}

// channel is the only way out: to the gateway, without redirects, with the system's roots.
func (c *Client) channel(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout:       callFor,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &channel{client: c, wire: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment, // a tunnel: TLS is Alipay's all the same
			DialContext:            (&net.Dialer{Timeout: callFor / 2}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout:    callFor / 2,
			MaxResponseHeaderBytes: mostAnswer,
			IdleConnTimeout:        time.Minute,
			MaxConnsPerHost:        16,
		}},
	}
}

// channel holds every exchange to the gateway and to the form of an answer, before the library sees it.
type channel struct {
	client *Client
	wire   http.RoundTripper
}

// CloseIdleConnections is what http.Client asks a transport for.
func (t *channel) CloseIdleConnections() {
	if wire, ok := t.wire.(*http.Transport); ok {
		wire.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (t *channel) RoundTrip(r *http.Request) (*http.Response, error) {
	got, _ := r.Context().Value(askedKey{}).(*asked)
	if got == nil || r.Method != http.MethodPost || r.URL.Scheme != t.client.gateway.Scheme || r.URL.Host != t.client.gateway.Host {
		return nil, errors.New("casealipay: the library asks for something else than the gateway")
	}
	res, err := t.wire.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusInternalServerError {
		return nil, fmt.Errorf("casealipay: the gateway answers %d", res.StatusCode) // it is out of order: later
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: it has status %d", ErrUntrusted, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("casealipay: the answer breaks off: %w", err)
	}
	if err := checkEnvelope(body, got.method, t.client.certSN); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	got.body = body
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}
