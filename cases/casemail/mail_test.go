package casemail

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casemail/mailtest"
)

func notice() cases.Notice {
	return cases.Notice{ID: "job_01", CaseID: "case_01", Level: 2, State: cases.Rejected, Email: "person@example.com"}
}

func TestAMailSaysThatThereIsNewsAndNoMore(t *testing.T) {
	mails := mailtest.Start(t, "250 ok")
	s, err := New(mails.URL, "Beispiel\r\nBcc: all@example.com", "https://kyc.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}
	mail := <-mails.Mails
	if !strings.Contains(mail.Text, "https://kyc.example.com") || !strings.Contains(mail.Text, "身份认证有新进展") {
		t.Errorf("the mail: %s", mail.Text)
	}
	for _, word := range []string{"rejected", "refused", "case_01", "Level"} {
		if strings.Contains(mail.Head+mail.Text, word) {
			t.Errorf("the mail tells %q", word)
		}
	}
	if strings.Contains(mail.Head, "\nBcc:") || !strings.Contains(mail.Head, "To: <person@example.com>") {
		t.Errorf("the head: %s", mail.Head)
	}
}

func TestAServerThatHangsOrRefusesIsBounded(t *testing.T) {
	s, err := New(mailtest.Start(t, "").URL, "Beispiel", "https://kyc.example.com")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.Tell(ctx, notice()); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("a silent server: %v after %v", err, time.Since(began))
	}
	if s, err = New(mailtest.Start(t, "550 person@example.com is unknown").URL, "Beispiel", "https://kyc.example.com"); err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), notice()); err == nil || strings.Contains(err.Error(), "person@") {
		t.Errorf("an unknown address: %v", err)
	}
}

func TestMailIsNotSentInTheClear(t *testing.T) {
	mails := mailtest.Start(t, "250 ok")
	s, err := New(strings.Replace(mails.URL, "&tls=none", "", 1), "Beispiel", "https://kyc.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(t.Context(), notice()); err == nil {
		t.Error("a server without STARTTLS was given a mail")
	}
	select {
	case m := <-mails.Mails:
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
	mails := mailtest.Start(t, "250 ok")
	s, err := New(mails.URL, "Beispiel", "https://kyc.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[cases.LetterKind]string{
		cases.LetterConfirm: "https://kyc.example.com/#/confirm/geheim", cases.LetterReset: "https://kyc.example.com/#/reset/geheim", cases.LetterChanged: "https://kyc.example.com/#/forgot",
	} {
		if err := s.Write(t.Context(), cases.Letter{Kind: kind, Email: "person@example.com", Token: "geheim"}); err != nil {
			t.Fatal(err)
		}
		mail := <-mails.Mails
		if strings.Count(mail.Text, want+"\r\n") != 2 && strings.Count(mail.Text, want+"\n") != 2 {
			t.Errorf("%s does not lead to %s in both languages: %s", kind, want, mail.Text)
		}
		if strings.Contains(mail.Head, "geheim") || kind == cases.LetterChanged && strings.Contains(mail.Text, "geheim") {
			t.Errorf("%s has its token elsewhere:\n%s\n%s", kind, mail.Head, mail.Text)
		}
	}
	if err := s.Write(t.Context(), cases.Letter{Kind: "other", Email: "person@example.com"}); err == nil {
		t.Error("a letter of no kind was sent")
	}
}
