package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// testdata is where the adapter's keys are.
var alipayKeys = filepath.Join("..", "..", "cases", "casealipay", "testdata")

// byTestGateway are the settings with a TEST GATEWAY, which nobody asks here.
func byTestGateway(more ...string) []string {
	return append([]string{
		"--alipay", "http://127.0.0.1:1/gateway.do", "--alipay-app-id", "TEST2026000000000001",
		"--alipay-key-file", filepath.Join(alipayKeys, "app.key"), "--alipay-trust", filepath.Join(alipayKeys, "alipay.pub"),
	}, more...)
}

func TestSettingsOfAlipayAreChecked(t *testing.T) {
	with := func(args []string, name, value string) []string {
		for i, a := range args {
			if a == name {
				args[i+1] = value
			}
		}
		return args
	}
	production := func(trust string) []string {
		return []string{"--alipay", "production", "--alipay-app-id", "2014072300007148", "--alipay-key-file", filepath.Join(alipayKeys, "app.key"), "--alipay-trust", trust}
	}
	pub := filepath.Join(alipayKeys, "alipay.pub")
	certificates := filepath.Join(alipayKeys, "app.crt") + "," + filepath.Join(alipayKeys, "alipay.crt") + "," + filepath.Join(alipayKeys, "root.crt")
	for _, row := range []struct {
		args []string
		want string
	}{
		{byTestGateway(), "Alipay: TEST GATEWAY 127.0.0.1:1"},
		{production(pub), "Alipay: Alipay\n"},
		{production(certificates), "Alipay: Alipay\n"},
		{with(production(pub), "--alipay", "sandbox"), "Alipay: Alipay's sandbox"},
		{[]string{}, "Alipay: off"},
		{[]string{"--alipay-app-id", "2014072300007148"}, "--alipay is missing"},
		{with(production(pub), "--alipay", "somewhere"), "write production, sandbox"},
		{with(byTestGateway(), "--alipay", "http://alipay.example.com/gateway.do"), "neither Alipay's nor a TEST GATEWAY"},
		{with(production(pub), "--alipay-key-file", "/no/such.key"), `"/no/such.key" cannot be read`},
		{production(filepath.Join(alipayKeys, "app.pub")), "application's own"},
		{production("a,b"), "APP.crt,ALIPAY.crt,ROOT.crt"},
		{append(production(pub), "--alipay-biz-code", "VOICE"), "FACE, CERT_PHOTO_FACE, SMART_FACE"},
	} {
		var out, said bytes.Buffer
		code := run(t.Context(), append([]string{"check-config"}, row.args...), stdio{in: strings.NewReader(""), out: &out, err: &said})
		if said.WriteTo(&out); !strings.Contains(out.String(), row.want) || (code == 0) != strings.HasPrefix(row.want, "Alipay: ") {
			t.Errorf("%v: status %d, %s", row.args, code, out.String())
		}
	}
}

func TestATestGatewayIsNotForThePublic(t *testing.T) {
	public := [][]string{
		{"--public-url", "https://kyc.example.com"}, {"--public-url", "https://8.8.8.8"},
		{"--tls", filepath.Join(alipayKeys, "app.crt") + "," + filepath.Join(alipayKeys, "app.key")},
	}
	refused := func(args []string) {
		t.Helper()
		var out, said bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if code := run(ctx, args, stdio{in: strings.NewReader(""), out: &out, err: &said}); code == 0 || ctx.Err() != nil || !strings.Contains(said.String(), "TEST GATEWAY") {
			t.Errorf("%v: status %d, %s%s", args, code, out.String(), said.String())
		}
	}
	for _, p := range public {
		refused(append([]string{"check-config"}, byTestGateway(p...)...))
		refused(append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, byTestGateway(p...)...))
		refused(append([]string{"dev-alipay", "--at", "127.0.0.1:0", "--data", t.TempDir()}, p...))
	}
	refused([]string{"dev-alipay", "--at", "127.0.0.1:0", "--data", t.TempDir(), "--alipay", "production"})
	refused([]string{"dev-alipay", "--at", "127.0.0.1:0", "--data", t.TempDir(), "--alipay-app-id", "2014072300007148"})
	for _, near := range []string{"https://localhost:8443", "https://192.168.1.20:8443", "http://[::1]:80"} {
		var out, said bytes.Buffer
		if code := run(t.Context(), append([]string{"check-config"}, byTestGateway("--public-url", near)...), stdio{in: strings.NewReader(""), out: &out, err: &said}); code != 0 {
			t.Errorf("%s: %s", near, said.String())
		}
	}
}

// written is what a command has written so far.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// TestATestGatewayKeepsItsKeys starts it twice on one folder: a server that was started with its settings goes on.
func TestATestGatewayKeepsItsKeys(t *testing.T) {
	data := t.TempDir()
	var keys [2][]byte
	for i := range keys {
		ctx, stop := context.WithCancel(t.Context())
		out, ended := &written{}, make(chan int, 1)
		go func() {
			ended <- run(ctx, []string{"dev-alipay", "--at", "127.0.0.1:0", "--data", data}, stdio{in: strings.NewReader(""), out: out, err: out})
		}()
		address := regexp.MustCompile(`--alipay (\S+)`)
		for end := time.Now().Add(20 * time.Second); address.FindStringSubmatch(out.String()) == nil; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				stop()
				t.Fatalf("it does not start: %s", out)
			}
		}
		folder := filepath.Join(data, "alipay-test")
		args := []string{
			"check-config", "--alipay", address.FindStringSubmatch(out.String())[1], "--alipay-app-id", "TEST2026000000000001",
			"--alipay-key-file", filepath.Join(folder, "app.key"), "--alipay-trust", filepath.Join(folder, "alipay.pub"),
		}
		c, err := readConfig("serve", args[1:], nil, out)
		if err != nil {
			t.Fatal(err)
		}
		client, err := openAlipay(c, newLog(c, out))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Probe(t.Context()); err != nil {
			t.Errorf("the gateway is not proved: %v", err)
		}
		client.Close()
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("it ends with %d: %s", code, out)
		}
		if keys[i], err = os.ReadFile(filepath.Join(folder, "app.key")); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(filepath.Join(folder, "app.key")); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("the key is for %v, %v", fi.Mode(), err)
		}
	}
	if !bytes.Equal(keys[0], keys[1]) {
		t.Error("the second start made other keys")
	}
}
