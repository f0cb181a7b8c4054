// Package mailtest is a mail server for tests: it takes what it is sent and hands it on.
package mailtest

import (
	"bufio"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// Mail is one that the server took.
type Mail struct {
	Head string
	Text string // decoded
}

// Server is a mail server on this machine, without TLS. It lives as long as its test.
type Server struct {
	URL   string // as SYMBOLON_SMTP_URL has it
	Mails <-chan Mail
}

// Start starts a server that answers RCPT with rcpt, e.g. "250 ok". Without one it takes connections and says nothing.
func Start(t testing.TB, rcpt string) Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mails := make(chan Mail, 16)
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			if rcpt == "" {
				_, _ = io.Copy(io.Discard, c) // until the client gives up
			} else {
				talk(c, rcpt, mails)
			}
			_ = c.Close()
		}
	}()
	return Server{"smtp://" + l.Addr().String() + "?from=no-reply@example.com&tls=none", mails}
}

func talk(c net.Conn, rcpt string, mails chan<- Mail) {
	r := textproto.NewReader(bufio.NewReader(c))
	say := func(s string) { _, _ = fmt.Fprintf(c, "%s\r\n", s) }
	say("220 here")
	for {
		line, err := r.ReadLine()
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line); {
		case strings.HasPrefix(verb, "EHLO"):
			say("250 here")
		case strings.HasPrefix(verb, "RCPT"):
			say(rcpt)
		case strings.HasPrefix(verb, "DATA"):
			say("354 go on")
			b, err := r.ReadDotBytes()
			if err != nil {
				return
			}
			head, body, _ := strings.Cut(string(b), "\n\n")
			text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
			if err != nil {
				say("554 unreadable")
				continue
			}
			mails <- Mail{head, string(text)}
			say("250 taken")
		case strings.HasPrefix(verb, "QUIT"):
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}
