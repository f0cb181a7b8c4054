// Package devgateway plays Alipay's gateway without Alipay, for tests and for trying things out: it checks what an
// application signs, keeps its orders, shows a page on which somebody presses what Alipay would have found, and signs
// its answers with a key of its own. It can be told to answer wrongly in every way that has to be refused.
//
// It recognises nobody. Every page says TEST GATEWAY. It shares no code with what asks it: it reads and signs on
// its own, so that a mistake on one side is not made on the other as well.
package devgateway

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is a way to answer wrongly.
type Fault string

// The faults.
const (
	None          Fault = ""
	Unsigned      Fault = "unsigned"       // the answer lacks its signature
	Tampered      Fault = "tampered"       // F became T after it was signed
	WrongKey      Fault = "wrong_key"      // signed by somebody else
	UnknownCert   Fault = "unknown_cert"   // names a certificate that nobody configured
	Slow          Fault = "slow"           // takes longer than anybody waits
	Truncated     Fault = "truncated"      // breaks off in the middle
	BadGateway    Fault = "bad_gateway"    // a page of a proxy, status 502
	ErrorResponse Fault = "error_response" // an error without a signature
	BusyOnce      Fault = "busy_once"      // 20000, and the next time the right answer
	ClockSkew     Fault = "clock_skew"     // takes the time of every request for wrong
	OtherMethod   Fault = "other_method"   // the signed answer to another method
	Maybe         Fault = "maybe"          // a signed result that is neither T nor F
	Twice         Fault = "twice"          // a result that stands there twice
	Redirect      Fault = "redirect"       // sends the caller somewhere else
	Long          Fault = "long"           // more than an answer can be
)

// Faults lists them all.
var Faults = []Fault{None, Unsigned, Tampered, WrongKey, UnknownCert, Slow, Truncated, BadGateway, ErrorResponse, BusyOnce, ClockSkew, OtherMethod, Maybe, Twice, Redirect, Long}

// What somebody pressed.
const (
	pass    = "pass"
	fail    = "fail"
	abandon = "abandon"
)

// The methods.
const (
	initialize = "alipay.user.certify.open.initialize"
	certify    = "alipay.user.certify.open.certify"
	query      = "alipay.user.certify.open.query"
)

// Bounds.
const (
	mostOrders  = 10_000
	mostRequest = 64 << 10
	skew        = 15 * time.Minute
	slowFor     = 30 * time.Second
)

// china is the zone of the gateway's timestamps.
var china = time.FixedZone("Asia/Shanghai", 8*60*60)

// Config is what a Gateway needs.
type Config struct {
	AppID  string
	AppKey *rsa.PublicKey   // the application's
	Key    *rsa.PrivateKey  // signs the answers
	CertSN string           // named in every answer, where it is not empty
	Now    func() time.Time // time.Now where nil
}

// order is one verification.
type order struct {
	certifyID, outer, content, returnTo, passed string
}

// Gateway is a TEST GATEWAY. It is safe for concurrent use.
type Gateway struct {
	cfg  Config
	mux  *http.ServeMux
	mu   sync.Mutex
	done chan struct{}

	// guarded by mu
	fault     Fault
	byOuter   map[string]*order
	byCertify map[string]*order
	calls     map[string]int
	busy      map[string]bool
	closed    bool
}

// New checks the configuration and returns a gateway. Close it.
func New(cfg Config) (*Gateway, error) {
	if cfg.AppKey == nil || cfg.Key == nil || cfg.AppID == "" {
		return nil, errors.New("devgateway: AppID, AppKey and Key are needed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	g := &Gateway{
		cfg: cfg, mux: http.NewServeMux(), done: make(chan struct{}), byOuter: map[string]*order{}, byCertify: map[string]*order{},
		calls: map[string]int{}, busy: map[string]bool{},
	}
	g.mux.HandleFunc("POST /gateway.do", g.call)
	g.mux.HandleFunc("GET /gateway.do", g.page)
	g.mux.HandleFunc("POST /decide", g.decide)
	g.mux.HandleFunc("GET /{$}", g.front)
	g.mux.HandleFunc("POST /fault", g.setFault)
	g.mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return g, nil
}

// Close ends what a slow answer waits for. Twice is fine.
func (g *Gateway) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		close(g.done)
	}
}

// SetFault makes all answers from now on wrong in one way.
func (g *Gateway) SetFault(f Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = f
	clear(g.busy)
}

// Calls is how often a method was called, by its last word: "initialize", "query".
func (g *Gateway) Calls(method string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls["alipay.user.certify.open."+method]
}

// Orders lists the numbers of the orders.
func (g *Gateway) Orders() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]string, 0, len(g.byOuter))
	for outer := range g.byOuter {
		out = append(out, outer)
	}
	slices.Sort(out)
	return out
}

// Decide does what a button of the page does: "pass", "fail" or "abandon". It returns where the person goes back to,
// "" for somebody who abandons.
func (g *Gateway) Decide(certifyID, outcome string) (returnTo string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.byCertify[certifyID]
	switch {
	case o == nil:
		return "", errors.New("devgateway: no such verification")
	case outcome == pass:
		o.passed = "T"
	case outcome == fail:
		o.passed = "F"
	case outcome == abandon:
		return "", nil
	default:
		return "", errors.New("devgateway: no such outcome")
	}
	return o.returnTo, nil
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	r.Body = http.MaxBytesReader(w, r.Body, mostRequest)
	g.mux.ServeHTTP(w, r)
}

// refusal is an error in the gateway's words.
func refusal(code, sub string) string {
	return fmt.Sprintf(`{"code":%q,"msg":"Refused","sub_code":%q,"sub_msg":"TEST GATEWAY"}`, code, sub)
}

var (
	outerForm  = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)
	certTypes  = []string{"IDENTITY_CARD", "HOME_VISIT_PERMIT_HK_MC", "HOME_VISIT_PERMIT_TAIWAN", "RESIDENCE_PERMIT_HK_MC", "RESIDENCE_PERMIT_TAIWAN"}
	bizCodes   = []string{"FACE", "CERT_PHOTO", "CERT_PHOTO_FACE", "SMART_FACE"}
	strategies = []string{"reserve", "never"}
)

// signed reports whether the parameters carry the application's signature: over all of them but the signature itself
// that have a value, sorted by name.
func (g *Gateway) signed(v url.Values) bool {
	lines := make([]string, 0, len(v))
	for name, values := range v {
		if len(values) != 1 {
			return false
		}
		if name != "sign" && values[0] != "" {
			lines = append(lines, name+"="+values[0])
		}
	}
	slices.SortFunc(lines, func(a, b string) int {
		x, _, _ := strings.Cut(a, "=")
		y, _, _ := strings.Cut(b, "=")
		return strings.Compare(x, y)
	})
	sign, err := base64.StdEncoding.DecodeString(v.Get("sign"))
	if err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(strings.Join(lines, "&")))
	return rsa.VerifyPKCS1v15(g.cfg.AppKey, crypto.SHA256, sum[:], sign) == nil
}

// admit checks what every request shares; "" when it is fine, else the error.
func (g *Gateway) admit(v url.Values) string {
	at, err := time.ParseInLocation(time.DateTime, v.Get("timestamp"), china)
	switch {
	case v.Get("app_id") != g.cfg.AppID:
		return refusal("40002", "isv.invalid-app-id")
	case v.Get("sign_type") != "RSA2" || v.Get("charset") != "utf-8" || v.Get("format") != "JSON" || v.Get("version") != "1.0":
		return refusal("40002", "isv.invalid-parameter")
	case !g.signed(v):
		return refusal("40002", "isv.invalid-signature")
	case g.cfg.CertSN != "" && (v.Get("app_cert_sn") == "" || v.Get("alipay_root_cert_sn") == ""):
		return refusal("40001", "isv.missing-cert-sn")
	case err != nil || at.Sub(g.cfg.Now()).Abs() > skew || g.is(ClockSkew):
		return refusal("40002", "isv.invalid-timestamp")
	}
	return ""
}

func (g *Gateway) is(f Fault) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fault == f
}

// call answers the two methods that a server calls.
func (g *Gateway) call(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "TEST GATEWAY: the form cannot be read", http.StatusBadRequest)
		return
	}
	v := r.PostForm
	method := v.Get("method")
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	if refused := g.admit(v); refused != "" {
		fmt.Fprintf(w, `{"error_response":%s}`, refused)
		return
	}
	g.mu.Lock()
	g.calls[method]++
	fault, busy := g.fault, g.busy[method+v.Get("biz_content")]
	g.busy[method+v.Get("biz_content")] = true
	g.mu.Unlock()
	var body string
	switch method {
	case initialize:
		body = g.initialize(v.Get("biz_content"))
	case query:
		body = g.query(v.Get("biz_content"))
	default:
		fmt.Fprintf(w, `{"error_response":%s}`, refusal("40002", "isv.invalid-method"))
		return
	}
	if fault == BusyOnce && !busy {
		body = refusal("20000", "isp.unknow-error")
	}
	g.send(w, r, fault, method, body)
}

// send signs an answer and writes it, in the way that the fault asks for.
func (g *Gateway) send(w http.ResponseWriter, r *http.Request, fault Fault, method, body string) {
	name, key, sn := strings.ReplaceAll(method, ".", "_")+"_response", g.cfg.Key, g.cfg.CertSN
	whole := func() string {
		sum := sha256.Sum256([]byte(body))
		sign, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err) // a key of 2048 bits signs 32 bytes
		}
		if fault == Tampered {
			body = strings.Replace(strings.Replace(body, `"passed":"F"`, `"passed":"T"`, 1), `"certify_id":"`, `"certify_id":"0`, 1)
		}
		named := ""
		if sn != "" {
			named = fmt.Sprintf(`,"alipay_cert_sn":%q`, sn)
		}
		return fmt.Sprintf(`{%q:%s%s,"sign":%q}`, name, body, named, base64.StdEncoding.EncodeToString(sign))
	}
	switch fault {
	case Unsigned:
		fmt.Fprintf(w, `{%q:%s}`, name, strings.Replace(body, `"passed":"F"`, `"passed":"T"`, 1))
	case WrongKey:
		key = stranger()
		body = strings.Replace(body, `"passed":"F"`, `"passed":"T"`, 1)
		fmt.Fprint(w, whole())
	case UnknownCert:
		sn = "0123456789abcdef0123456789abcdef"
		fmt.Fprint(w, whole())
	case Slow:
		select {
		case <-time.After(slowFor):
		case <-r.Context().Done():
		case <-g.done:
		}
	case Truncated:
		s := whole()
		fmt.Fprint(w, s[:len(s)*2/3])
	case BadGateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<h1>502 Bad Gateway</h1>")
	case ErrorResponse:
		fmt.Fprintf(w, `{"error_response":%s}`, refusal("40004", "isv.some-error"))
	case OtherMethod:
		name = "alipay_user_certify_open_other_response"
		fmt.Fprint(w, whole())
	case Maybe:
		body = strings.NewReplacer(`"passed":"F"`, `"passed":"true"`, `"passed":"T"`, `"passed":"true"`).Replace(body)
		fmt.Fprint(w, whole())
	case Twice:
		body = strings.NewReplacer(`"passed":`, `"passed":"T","passed":`, `"certify_id":`, `"certify_id":"00000000000000000000000000000000","certify_id":`).Replace(body)
		fmt.Fprint(w, whole())
	case Redirect:
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case Long:
		body = strings.Replace(body, `{`, `{"padding":"`+strings.Repeat("x", mostRequest)+`",`, 1)
		fmt.Fprint(w, whole())
	default:
		fmt.Fprint(w, whole())
	}
}

// stranger is a key that nobody knows, made once: making one takes long.
var stranger = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // there is no randomness
	}
	return k
})

// initialize makes an order. The same order again is the same one; another person under its number is refused.
func (g *Gateway) initialize(content string) string {
	var in struct {
		Outer    string `json:"outer_order_no"`
		BizCode  string `json:"biz_code"`
		Identity struct {
			IdentityType string `json:"identity_type"`
			CertType     string `json:"cert_type"`
			CertName     string `json:"cert_name"`
			CertNo       string `json:"cert_no"`
		} `json:"identity_param"`
		Merchant struct {
			ReturnURL string `json:"return_url"`
			Strategy  string `json:"face_reserve_strategy"`
		} `json:"merchant_config"`
	}
	if json.Unmarshal([]byte(content), &in) != nil {
		return refusal("40002", "isv.invalid-parameter")
	}
	back, err := url.Parse(in.Merchant.ReturnURL)
	switch {
	case !outerForm.MatchString(in.Outer), !slices.Contains(bizCodes, in.BizCode), in.Identity.IdentityType != "CERT_INFO",
		!slices.Contains(certTypes, in.Identity.CertType), in.Identity.CertName == "", in.Identity.CertNo == "",
		err != nil || back.Scheme != "http" && back.Scheme != "https" || back.Host == "", !slices.Contains(strategies, in.Merchant.Strategy):
		return refusal("40002", "isv.invalid-parameter")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.byOuter[in.Outer]
	switch {
	case o != nil && o.content != content:
		return refusal("40004", "isv.duplicate-order")
	case o == nil && len(g.byOuter) >= mostOrders:
		return refusal("40005", "isv.call-limited")
	case o == nil:
		id := make([]byte, 16)
		_, _ = rand.Read(id) // never fails
		o = &order{certifyID: hex.EncodeToString(id), outer: in.Outer, content: content, returnTo: back.String(), passed: "F"}
		g.byOuter[in.Outer], g.byCertify[o.certifyID] = o, o
	}
	return fmt.Sprintf(`{"code":"10000","msg":"Success","certify_id":%q}`, o.certifyID)
}

// query tells what was pressed. Before that it says F, which is the worst that an application could be told.
func (g *Gateway) query(content string) string {
	var in struct {
		CertifyID string `json:"certify_id"`
	}
	if json.Unmarshal([]byte(content), &in) != nil {
		return refusal("40002", "isv.invalid-parameter")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.byCertify[in.CertifyID]
	if o == nil {
		return refusal("40004", "isv.certify-id-not-found")
	}
	return fmt.Sprintf(`{"code":"10000","msg":"Success","passed":%q,"identity_info":"{}","material_info":"{}"}`, o.passed)
}
