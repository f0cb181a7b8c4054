// Package casemail writes to applicants: that there is news, and links to confirm an address or to set a new password. A mail says
// neither who somebody is nor what was decided: it may be read by others on its way, and on a screen that lies about.
package casemail

import (
	"context"
	"crypto/rand"
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
	return s.send(ctx, n.Email, n.ID, text{
		subject: "news about your verification · 认证进度有更新",
		en:      "There is news about your verification with %[1]s. Sign in to see it:\n%[2]s\n\nWe never ask for documents or passwords by mail.",
		zh:      "您在 %[1]s 的身份认证有新进展，请登录查看：\n%[2]s\n\n我们不会通过邮件索取证件或密码。",
	}, s.page)
}

// text is what a mail says in both languages: of the operator, %[1]s, and the address of a page, %[2]s.
type text struct{ subject, en, zh string }

var letters = map[cases.LetterKind]text{
	cases.LetterConfirm: {
		subject: "confirm your e-mail address · 确认您的邮箱",
		en:      "Confirm that this is your address at %[1]s. The link holds for 24 hours:\n%[2]s\n\nYou made no account there? Then do nothing.",
		zh:      "请确认这是您在 %[1]s 使用的邮箱，链接 24 小时内有效：\n%[2]s\n\n如果您没有注册，请忽略此邮件。",
	},
	cases.LetterReset: {
		subject: "set a new password · 重设密码",
		en:      "Set a new password for your account at %[1]s. The link holds for 30 minutes and works once:\n%[2]s\n\nYou did not ask for this? Then do nothing; your password stays as it is.",
		zh:      "请为您在 %[1]s 的账户设置新密码，链接 30 分钟内有效，仅可使用一次：\n%[2]s\n\n如果不是您本人操作，请忽略此邮件，密码不会改变。",
	},
	cases.LetterChanged: {
		subject: "your password was changed · 您的密码已修改",
		en:      "The password of your account at %[1]s was changed just now, and everybody was signed out.\n\nIt was not you? Set a new one at once:\n%[2]s",
		zh:      "您在 %[1]s 的账户密码刚刚已修改，所有设备均已退出登录。\n\n如果不是您本人操作，请立即重设密码：\n%[2]s",
	},
}

// Write sends a letter. Its links carry their token behind the #, which no browser sends to a server.
func (s *Sender) Write(ctx context.Context, l cases.Letter) error {
	page := strings.TrimSuffix(s.page, "/") + "/#/"
	switch l.Kind {
	case cases.LetterConfirm:
		page += "confirm/" + l.Token
	case cases.LetterReset:
		page += "reset/" + l.Token
	case cases.LetterChanged:
		page += "forgot"
	default:
		return fmt.Errorf("casemail: no letter is a %q", l.Kind)
	}
	return s.send(ctx, l.Email, rand.Text(), letters[l.Kind], page)
}

func (s *Sender) send(ctx context.Context, to, id string, t text, page string) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	m := gomail.NewMsg()
	if err := errors.Join(m.From(s.from), m.To(to)); err != nil {
		return errors.New("casemail: an address cannot be written") // its text would quote it
	}
	operator := oneLine(s.operator)
	m.Subject(operator + ": " + t.subject)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetMessageIDWithValue(id + "@" + hostOf(s.page))
	m.SetBodyString(gomail.TypeTextPlain, fmt.Sprintf(t.en+"\n\n"+t.zh+"\n", operator, page))
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
