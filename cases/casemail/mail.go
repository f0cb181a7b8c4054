// Package casemail tells applicants by mail that there is news. A mail says neither who somebody is nor what was decided: it
// may be read by others on its way, and on a screen that lies about.
package casemail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/symbolon/symbolon/cases"
)

const (
	submissionPort = 587
	tlsPort        = 465
	// within bounds one mail, whatever the server does.
	within = 30 * time.Second
)

// errAddress does not repeat the address: it holds a password.
var errAddress = errors.New("write smtp://USER:PASSWORD@HOST or smtps://USER:PASSWORD@HOST, with ?from=ADDRESS; without TLS only to this machine, with &tls=none")

// Sender sends mail through one server.
type Sender struct {
	host     string
	options  []gomail.Option
	secure   bool        // TLS from the first byte
	trust    *tls.Config // nil: what the system trusts
	from     string
	operator string
	page     string
}

// New reads the address of a server: smtp:// begins in the clear and goes on under TLS or not at all, smtps:// is TLS from the
// first byte. operator and page stand in the mail.
func New(address, operator, page string) (*Sender, error) { return open(address, operator, page, nil) }

func open(address, operator, page string, trust *tls.Config) (*Sender, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return nil, errAddress
	}
	q := u.Query()
	from, err := mail.ParseAddress(q.Get("from"))
	if err != nil {
		return nil, errAddress
	}
	plain := q.Get("tls") == "none"
	ip := net.ParseIP(u.Hostname())
	if plain && (u.Scheme != "smtp" || u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())) || q.Get("tls") != "" && !plain {
		return nil, errAddress
	}
	port := submissionPort
	options := []gomail.Option{gomail.WithTimeout(within), gomail.WithTLSPolicy(gomail.TLSMandatory)}
	switch {
	case u.Scheme == "smtps":
		port, options = tlsPort, append(options, gomail.WithSSL())
	case plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, errAddress
		}
	}
	options = append(options, gomail.WithPort(port))
	if trust != nil {
		options = append(options, gomail.WithTLSConfig(trust))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	s := &Sender{u.Hostname(), options, u.Scheme == "smtps", trust, from.String(), operator, page}
	if _, err := s.client(context.Background()); err != nil {
		return nil, errAddress
	}
	return s, nil
}

// client is one conversation, which ends with ctx whatever it waits for: the library bounds the dialling alone.
func (s *Sender) client(ctx context.Context) (*gomail.Client, error) {
	dial := func(dialling context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(dialling, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = c.Close() })
		if !s.secure {
			return c, nil
		}
		conf := &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
		if s.trust != nil {
			conf = s.trust.Clone()
		}
		return tls.Client(c, conf), nil
	}
	return gomail.NewClient(s.host, append(s.options[:len(s.options):len(s.options)], gomail.WithDialContextFunc(dial))...)
}

// Tell sends the mail of a notice.
func (s *Sender) Tell(ctx context.Context, n cases.Notice) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	m := gomail.NewMsg()
	err := errors.Join(m.From(s.from), m.To(n.Email))
	if err != nil {
		return errors.New("casemail: an address cannot be written") // its text would quote it
	}
	m.Subject(oneLine(s.operator) + ": news about your verification · 认证进度有更新")
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetMessageIDWithValue(n.ID + "@" + hostOf(s.page))
	m.SetBodyString(gomail.TypeTextPlain, fmt.Sprintf(
		"There is news about your verification with %[1]s. Sign in to see it:\n%[2]s\n\nWe never ask for documents or passwords by mail.\n\n您在 %[1]s 的身份认证有新进展，请登录查看：\n%[2]s\n\n我们不会通过邮件索取证件或密码。\n",
		oneLine(s.operator), s.page))
	client, err := s.client(ctx)
	if err != nil {
		return errors.New("casemail: the server's address cannot be used")
	}
	if err := client.DialAndSendWithContext(ctx, m); err != nil {
		return errors.New("casemail: the mail was not taken" + kindOf(err)) // what servers say may quote the address
	}
	return nil
}

// kindOf tells what failed without the server's words.
func kindOf(err error) string {
	var send *gomail.SendError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return ": no answer in time"
	case errors.As(err, &send) && send.ErrorCode() != 0:
		return fmt.Sprintf(": code %d", send.ErrorCode())
	}
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func hostOf(page string) string {
	if u, err := url.Parse(page); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "localhost"
}
