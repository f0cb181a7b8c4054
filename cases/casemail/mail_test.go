package casemail

import (
	"bufio"
	"context"
	"fmt"
	"mime/quotedprintable"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"io"

	"github.com/symbolon/symbolon/cases"
)

// server is a mail server that takes one mail, answers RCPT with rcpt, and hangs where silent.
func server(t *testing.T, rcpt string, silent bool) (address string, mails <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan string, 4)
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
			if silent {
				_, _ = io.Copy(io.Discard, c) // until the client gives up
				_ = c.Close()
				continue
			}
			r := textproto.NewReader(bufio.NewReader(c))
			say := func(s string) { _, _ = fmt.Fprintf(c, "%s\r\n", s) }
			say("220 here")
			for {
				line, err := r.ReadLine()
				if err != nil {
					break
				}
				switch verb := strings.ToUpper(line); {
				case strings.HasPrefix(verb, "EHLO"):
					say("250 here")
				case strings.HasPrefix(verb, "RCPT"):
					say(rcpt)
				case strings.HasPrefix(verb, "DATA"):
					say("354 go on")
					b, _ := r.ReadDotBytes()
					out <- string(b)
					say("250 taken")
				case strings.HasPrefix(verb, "QUIT"):
					say("221 bye")
				default:
					say("250 ok")
				}
			}
			_ = c.Close()
		}
	}()
	return "smtp://" + l.Addr().String() + "?from=no-reply@example.com&tls=none", out
}

func notice() cases.Notice {
	return cases.Notice{ID: "job_01", CaseID: "case_01", Level: 2, State: cases.Rejected, Email: "person@example.com"}
}

func TestAMailSaysThatThereIsNewsAndNoMore(t *testing.T) {
	address, mails := server(t, "250 ok", false)
	s, err := New(address, "Beispiel\r\nBcc: all@example.com", "https://kyc.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}
	mail := <-mails
	head, body, _ := strings.Cut(mail, "\n\n")
	b, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "https://kyc.example.com") || !strings.Contains(string(b), "身份认证有新进展") {
		t.Errorf("the mail: %s", b)
	}
	for _, word := range []string{"rejected", "refused", "case_01", "Level"} {
		if strings.Contains(mail, word) {
			t.Errorf("the mail tells %q", word)
		}
	}
	if strings.Contains(head, "\nBcc:") || !strings.Contains(head, "To: <person@example.com>") {
		t.Errorf("the head: %s", head)
	}
}

func TestAServerThatHangsOrRefusesIsBounded(t *testing.T) {
	address, _ := server(t, "", true)
	s, err := New(address, "Beispiel", "https://kyc.example.com")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.Tell(ctx, notice()); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("a silent server: %v after %v", err, time.Since(began))
	}
	refusing, _ := server(t, "550 person@example.com is unknown", false)
	if s, err = New(refusing, "Beispiel", "https://kyc.example.com"); err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), notice()); err == nil || strings.Contains(err.Error(), "person@") {
		t.Errorf("an unknown address: %v", err)
	}
}

func TestMailIsNotSentInTheClear(t *testing.T) {
	address, mails := server(t, "250 ok", false)
	s, err := New(strings.Replace(address, "&tls=none", "", 1), "Beispiel", "https://kyc.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), notice()); err == nil {
		t.Error("a server without STARTTLS was given a mail")
	}
	select {
	case m := <-mails:
		t.Errorf("it got %s", m)
	default:
	}
	for _, bad := range []string{
		"http://mail.example.com?from=a@example.com", "smtp://mail.example.com", "smtp://mail.example.com?from=x", "smtp://mail.example.com?from=a@example.com&tls=none",
		"smtps://127.0.0.1?from=a@example.com&tls=none", "smtp://u:geheim@mail.example.com:x?from=a@example.com", "smtp://?from=a@example.com",
	} {
		if _, err := New(bad, "x", "https://x"); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTokensOfLinksStandBehindTheHash(t *testing.T) {
	address, mails := server(t, "250 ok", false)
	s, err := New(address, "Beispiel", "https://kyc.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[cases.LetterKind]string{
		cases.LetterConfirm: "https://kyc.example.com/#/confirm/geheim", cases.LetterReset: "https://kyc.example.com/#/reset/geheim", cases.LetterChanged: "https://kyc.example.com/#/forgot",
	} {
		if err := s.Write(t.Context(), cases.Letter{Kind: kind, Email: "person@example.com", Token: "geheim"}); err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(<-mails, "\n\n")
		b, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(b), want+"\r\n") != 2 && strings.Count(string(b), want+"\n") != 2 {
			t.Errorf("%s does not lead to %s in both languages: %s", kind, want, b)
		}
		if strings.Contains(head, "geheim") || kind == cases.LetterChanged && strings.Contains(string(b), "geheim") {
			t.Errorf("%s has its token elsewhere:\n%s\n%s", kind, head, b)
		}
	}
	if err := s.Write(t.Context(), cases.Letter{Kind: "other", Email: "person@example.com"}); err == nil {
		t.Error("a letter of no kind was sent")
	}
}
