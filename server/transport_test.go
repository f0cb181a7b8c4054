package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/server/localtls"
)

// One server answers on several listeners, plain and TLS, and holds the same line on both.
func TestTheDoorOverTLS(t *testing.T) {
	tm := hurried()
	tm.write = 5 * time.Second // a large answer is read on a busy machine
	w := newWire(t, tm)
	w.app.Get("/secure", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(c.Context().IsTLS())) })
	w.app.Handler() // takes the new route in

	ca, err := localtls.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.Serve(tls.NewListener(plain, ca.TLSConfig()), true) }()
	t.Cleanup(func() { // runs before the wire's own, which shuts down
		plain.Close()
		<-done
	})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.CA())
	conf := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	dial := func() *tls.Conn {
		t.Helper()
		c, err := tls.Dial("tcp", plain.Addr().String(), conf)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}

	for raw, want := range map[string]string{
		"GET /secure HTTP/1.1\r\n" + h + "\r\n":                                                          "true",
		"POST /json HTTP/1.1\r\n" + h + "Content-Length: 2\r\n\r\n{}":                                    "{}",
		"PATCH /v1/uploads/x HTTP/1.1\r\n" + h + "Content-Length: 3\r\n\r\nabc":                          "3 3",
		"GET /big HTTP/1.1\r\n" + h + "\r\n":                                                             string(make([]byte, 64<<20)),
		"POST /json HTTP/1.1\r\n" + h + "Content-Length: 3000000\r\n\r\n" + strings.Repeat("x", 100_000): "body_too_large",
	} {
		c := dial()
		if _, err := io.WriteString(c, raw); err != nil {
			t.Fatal(err)
		}
		got := w.read(c, 1)
		if len(got) != 1 || got[0].code != want && got[0].body != want {
			t.Errorf("%.30q: got %.100v", raw, got)
		}
		c.Close()
	}
	// The plain listener still says what it is.
	if got := w.send("GET /secure HTTP/1.1\r\n"+h+"\r\n", 1); len(got) != 1 || got[0].body != "false" {
		t.Errorf("got %+v", got)
	}
	// A slow head, a sender that stalls, and one that does not speak TLS are ended there too.
	for _, begin := range []func() net.Conn{
		func() net.Conn { c := dial(); _, _ = io.WriteString(c, "GET /ok HT"); return c },
		func() net.Conn {
			c := dial()
			_, _ = io.WriteString(c, "POST /json HTTP/1.1\r\n"+h+"Content-Length: 9\r\n\r\n{")
			return c
		},
		func() net.Conn {
			c, err := net.Dial("tcp", plain.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, "GET /ok HTTP/1.1\r\n"+h+"\r\n")
			return c
		},
		func() net.Conn {
			c, err := net.Dial("tcp", plain.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			return c // says nothing at all
		},
	} {
		c := begin()
		start := time.Now()
		got, _ := io.ReadAll(c) // whether it ends with a reset or not
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("held for %v", took)
		}
		if bytes.Contains(got, []byte("200 OK")) {
			t.Errorf("served: %q", got)
		}
		c.Close()
	}
}

// A listener that is not what it is said to be serves nobody.
func TestAListenerMustBeWhatItIsSaidToBe(t *testing.T) {
	w := newWire(t, hurried())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.Serve(ln, true) }()
	t.Cleanup(func() { ln.Close(); <-done })
	if res, err := http.Get("http://" + ln.Addr().String() + "/ok"); err == nil {
		res.Body.Close()
		t.Error("a plain connection was served as a secure one")
	}
}
