package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casemongo"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/fault"
)

const accountWords = `write one of:
  symbolon account create --email ADDRESS [--role ROLE]     (the password is read from the terminal or from standard input)
  symbolon account disable --email ADDRESS                  (keeps one of staff out, at once)
  symbolon account enable --email ADDRESS
  symbolon account forget-second-factor --email ADDRESS     (their next sign-in sets up a new one)`

// changeAccount changes an account of staff, also the last admin's.
func changeAccount(ctx context.Context, what string, args []string, std stdio) (err error) {
	var email string
	c, err := readConfig("account "+what, args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&email, "email", "", "the e-mail address (needed)")
	})
	if err != nil {
		return err
	}
	if email == "" {
		return errors.New("--email is missing; " + accountWords)
	}
	service, closeStore, err := openService(ctx, c, std)
	if err != nil {
		return err
	}
	defer closeStore()
	id, err := service.StaffByEmail(ctx, email)
	if err != nil {
		return inWords(err)
	}
	off := what == "disable"
	change := cases.StaffChange{Disabled: &off}
	if what == "forget-second-factor" {
		change = cases.StaffChange{ForgetFactor: true}
	}
	if _, err := service.ChangeStaff(ctx, "", id, change); err != nil {
		return inWords(err)
	}
	_, err = fmt.Fprintln(std.out, id)
	return err
}

// account makes an account: staff's, or an applicant's where self-service is not wanted.
func account(ctx context.Context, args []string, std stdio) error {
	if len(args) > 0 && (args[0] == "disable" || args[0] == "enable" || args[0] == "forget-second-factor") {
		return changeAccount(ctx, args[0], args[1:], std)
	}
	if len(args) == 0 || args[0] != "create" {
		return errors.New(accountWords)
	}
	var email, role string
	c, err := readConfig("account create", args[1:], std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&email, "email", "", "the e-mail address (needed)")
		fs.StringVar(&role, "role", "", "reviewer, supervisor or admin; an applicant where it is not given")
	})
	if err != nil {
		return err
	}
	if email == "" {
		return errors.New("--email is missing; write symbolon account create --email ADDRESS [--role ROLE]")
	}
	service, closeStore, err := openService(ctx, c, std)
	if err != nil {
		return err
	}
	defer closeStore()
	password, err := readPassword(std)
	if err != nil {
		return err
	}
	var roles []string
	if role != "" {
		roles = []string{role}
	}
	a, err := service.SignUp(ctx, email, password, roles...)
	if err != nil {
		return inWords(err)
	}
	_, err = fmt.Fprintln(std.out, a.ID)
	return err
}

// openService opens the rules of cases alone, beside a server that may be running.
func openService(ctx context.Context, c config, std stdio) (*cases.Service, func(), error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	keys, err := operatorKeys(c, newLog(c, std.err))
	if err != nil {
		return nil, nil, err
	}
	backend, err := openCases(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	s, err := cases.New(ctx, cases.Config{Store: backend, History: backend, Accounts: backend, Keys: keys})
	if err != nil {
		return nil, nil, errors.Join(openWords(err), backend.Close())
	}
	return s, func() { _ = backend.Close() }, nil
}

// readPassword asks on a terminal without showing what is typed, else reads one line.
func readPassword(std stdio) (string, error) {
	if f, ok := std.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(std.err, "Password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(std.err)
		return string(b), err
	}
	line, err := bufio.NewReader(io.LimitReader(std.in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("the password is missing; it is read from standard input")
	}
	return line, nil
}

// inWords turns a refusal into the sentences that an operator reads.
func inWords(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	words := []string{e.Detail}
	for _, f := range e.Fields {
		words = append(words, f.Field+": "+f.Detail)
	}
	return errors.New(strings.Join(words, " "))
}

// migrate brings the store of cases to this version's form.
func migrate(ctx context.Context, args []string, std stdio) error {
	c, err := readConfig("migrate", args, std.environ, std.out)
	if err != nil {
		return err
	}
	if c.MongoURL != "" {
		err = casemongo.Migrate(ctx, c.MongoURL)
	} else if _, statErr := os.Stat(casesFile(c)); statErr != nil {
		return fmt.Errorf("there is no data in %s; nothing to migrate", c.Data)
	} else {
		err = casesqlite.Migrate(ctx, casesFile(c))
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, "The stored data has this version's form.")
	return err
}

// checkConfig reads the settings and says what they amount to.
func checkConfig(_ context.Context, args []string, std stdio) error {
	c, err := readConfig("check-config", args, std.environ, std.out)
	if err != nil {
		return err
	}
	alipay, err := openAlipay(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	asks := "off"
	if alipay != nil {
		asks = alipay.String()
	}
	where := func(url, here string) string {
		if url != "" {
			return "elsewhere"
		}
		return here
	}
	_, err = fmt.Fprintf(std.out, "The settings can be used.\nDesk: http://%s · TLS: %s · sessions: %s · cases: %s · media: %s · Alipay: %s\n",
		c.Listen, c.TLS, where(c.RedisURL, "in this process"), where(c.MongoURL, casesFile(c)), where(c.S3URL, mediaFolder(c)), asks)
	return err
}

// health asks the server on this machine whether it is alive; its exit status is for supervisors.
func health(ctx context.Context, args []string, std stdio) error {
	c, err := readConfig("health", args, std.environ, std.out)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %d", res.StatusCode)
	}
	_, err = fmt.Fprintln(std.out, "alive")
	return err
}
