package devgateway

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(t *testing.T, name string) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(read(t, name))
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k.(*rsa.PrivateKey)
}

func open(t *testing.T) *Gateway {
	t.Helper()
	g, err := New(Config{AppID: "TEST", AppKey: &key(t, "app.key").PublicKey, Key: key(t, "alipay.key")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// TestASignatureOfOpenssl checks the gateway's reading of a request against one that openssl signed.
func TestASignatureOfOpenssl(t *testing.T) {
	g := open(t)
	values := func() url.Values {
		v := url.Values{"sign": {string(read(t, "request.sig"))}, "empty": {""}}
		for pair := range strings.SplitSeq(string(read(t, "request.txt")), "&") {
			name, value, _ := strings.Cut(pair, "=")
			v.Set(name, value)
		}
		return v
	}
	if !g.signed(values()) {
		t.Error("what openssl signed is not taken")
	}
	for name, change := range map[string]func(url.Values){
		"another value":   func(v url.Values) { v.Set("version", "1.1") },
		"one more":        func(v url.Values) { v.Set("zz", "1") },
		"one less":        func(v url.Values) { v.Del("method") },
		"one twice":       func(v url.Values) { v.Add("version", "1.0") },
		"no signature":    func(v url.Values) { v.Del("sign") },
		"half of it":      func(v url.Values) { v.Set("sign", v.Get("sign")[:100]) },
		"no sign_type":    func(v url.Values) { v.Del("sign_type") },
		"two as one name": func(v url.Values) { v.Set("charset", v.Get("charset")+"&method="+v.Get("method")); v.Del("method") },
	} {
		v := values()
		change(v)
		// Joined, two values can look like three: that they are two shows only to who knows what belongs to a request.
		if ok := g.signed(v); ok != (name == "two as one name") {
			t.Errorf("%s: signed is %t", name, ok)
		}
		if g.admit(v) == "" {
			t.Errorf("%s: it is let in", name)
		}
	}
}

// TestEveryPageSaysWhatItIs goes to each page, also the ones for what is wrong.
func TestEveryPageSaysWhatItIs(t *testing.T) {
	g := open(t)
	s := httptest.NewServer(g)
	defer s.Close()
	g.byCertify["abc"] = &order{certifyID: "abc", passed: "F", returnTo: s.URL + "/"}
	client := s.Client()
	for _, tc := range []struct {
		method, path, form string
		status             int
	}{
		{"GET", "/", "", 200},
		{"GET", "/gateway.do?method=" + certify, "", 403},
		{"POST", "/decide", "certify_id=abc&outcome=abandon", 200},
		{"POST", "/decide", "certify_id=abc&outcome=pass", 200},
		{"POST", "/decide", "certify_id=abc&outcome=other", 404},
		{"POST", "/decide", "certify_id=none&outcome=pass", 404},
		{"POST", "/fault", "fault=none_such", 404},
		{"POST", "/fault", "fault=unsigned", 200},
		{"GET", "/", "", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, s.URL+tc.path, strings.NewReader(tc.form))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tc.status || !strings.Contains(string(b), `<p class="test">TEST GATEWAY</p>`) {
			t.Errorf("%s %s %s: %d %s", tc.method, tc.path, tc.form, res.StatusCode, b)
		}
	}
	if !g.is(Unsigned) {
		t.Error("the page does not set the fault")
	}
	client.CloseIdleConnections()
}
