package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casealipay"
	"github.com/symbolon/symbolon/cases/casemail"
	"github.com/symbolon/symbolon/cases/casespeech"
	"github.com/symbolon/symbolon/cases/casewebhook"
)

// config is every setting of the server, read once.
type config struct {
	Listen         string
	TLS            string
	TLSListen      string
	PublicURL      string
	Data           string
	Key            string
	KeyFile        string
	RedisURL       string
	MongoURL       string
	S3URL          string
	S3AccessKey    string
	S3SecretKey    string
	TrustedProxies []netip.Prefix
	BundleKey      string
	SMTPURL        string
	WebhookURL     string
	WebhookSecret  string
	OperatorName   string
	OperatorWhy    string
	Support        string
	OpsListen      string
	Log            string
	Policy         cases.Policy
	Script         cases.ScriptFile
	FaceModel      string
	SpeechURL      string
	SpeechKey      string
	SpeechModel    string

	Alipay, AlipayAppID, AlipayKeyFile, AlipayTrust, AlipayBizCode string
}

// setting is one row of the table that -h and the README show. A setting without a flag is a
// secret that must not stand on a command line, where every user of the machine can read it.
type setting struct {
	flag, env, value, help string
	set                    func(*config, string) error
}

var settings = []setting{
	{"listen", "SYMBOLON_LISTEN", "127.0.0.1:8080", "HOST:PORT for plain HTTP: this machine's browser, or a proxy that ends TLS",
		func(c *config, v string) error { c.Listen = v; return checkListen(v) }},
	{"tls", "SYMBOLON_TLS", "off", "off; local (a small certificate authority of its own, for phones in the same network); or CERT.pem,KEY.pem",
		func(c *config, v string) error { c.TLS = v; return checkTLS(v) }},
	{"tls-listen", "SYMBOLON_TLS_LISTEN", ":8443", "HOST:PORT for HTTPS, unless --tls is off",
		func(c *config, v string) error { c.TLSListen = v; return checkListen(v) }},
	{"public-url", "SYMBOLON_PUBLIC_URL", "", "the address that phones reach, such as https://kyc.example.com; found out where it is not given",
		func(c *config, v string) (err error) { c.PublicURL, err = checkOrigin(v); return err }},
	{"data", "SYMBOLON_DATA", "data", "the folder for everything that is kept on this machine",
		func(c *config, v string) error { c.Data = v; return notEmpty(v) }},
	{"key-file", "SYMBOLON_KEY_FILE", "", "the file with the operator's key, during a rotation NEW and OLD on two lines; DATA/operator.key where it is not given",
		func(c *config, v string) error { c.KeyFile = v; return nil }},
	{"", "SYMBOLON_KEY", "", "the operator's key itself, in place of the file; during a rotation NEW,OLD",
		func(c *config, v string) error { c.Key = v; return nil }},
	{"bundle-key-file", "SYMBOLON_BUNDLE_KEY_FILE", "", "the file with the key that signs the evidence of cases, the same on every node; DATA/bundle.key, made at need, where it is not given",
		func(c *config, v string) error { c.BundleKey = v; return nil }},
	{"redis-url", "SYMBOLON_REDIS_URL", "", "redis:// or rediss:// for sessions and handoffs; in this process where it is not given",
		func(c *config, v string) error { c.RedisURL = v; return checkScheme(v, "redis", "rediss") }},
	{"mongo-url", "SYMBOLON_MONGO_URL", "", "mongodb:// or mongodb+srv:// with a database name, for cases; a file in DATA where it is not given",
		func(c *config, v string) error { c.MongoURL = v; return checkScheme(v, "mongodb", "mongodb+srv") }},
	{"s3-url", "SYMBOLON_S3_URL", "", "https://HOST/BUCKET, with /PREFIX and ?region=NAME where needed, for photos and recordings; a folder in DATA where it is not given",
		func(c *config, v string) error { c.S3URL = v; return checkBucket(v) }},
	{"", "SYMBOLON_S3_ACCESS_KEY", "", "the name of the key for the bucket",
		func(c *config, v string) error { c.S3AccessKey = v; return nil }},
	{"", "SYMBOLON_S3_SECRET_KEY", "", "the key for the bucket",
		func(c *config, v string) error { c.S3SecretKey = v; return nil }},
	{"trusted-proxies", "SYMBOLON_TRUSTED_PROXIES", "", "addresses or networks, separated by commas, whose X-Forwarded-For and -Proto count",
		func(c *config, v string) (err error) { c.TrustedProxies, err = prefixes(v); return err }},
	{"policy", "SYMBOLON_POLICY", "", "the file with what is asked of customers, see symbolon policy show; that one where it is not given",
		func(c *config, v string) (err error) { c.Policy, err = readPolicy(v); return err }},
	{"face-model", "SYMBOLON_FACE_MODEL", "mobilefacenet", "what compares faces: mobilefacenet, dlib, a YAML file that describes your own (docs/face.md), or off",
		func(c *config, v string) error { c.FaceModel = v; return notEmpty(v) }},
	{"alipay", "SYMBOLON_ALIPAY", "", "Alipay as another way to verify a face: production, sandbox, or the address that symbolon dev-alipay prints; off where it is not given",
		func(c *config, v string) error { c.Alipay = v; return checkAlipay(v) }},
	{"alipay-app-id", "SYMBOLON_ALIPAY_APP_ID", "", "the application's id at Alipay's open platform",
		func(c *config, v string) error { c.AlipayAppID = v; return nil }},
	{"alipay-key-file", "SYMBOLON_ALIPAY_KEY_FILE", "", "the file with the application's private key",
		func(c *config, v string) error { c.AlipayKeyFile = v; return nil }},
	{"alipay-trust", "SYMBOLON_ALIPAY_TRUST", "", "the file with Alipay's public key; or three certificates: APP.crt,ALIPAY.crt,ROOT.crt",
		func(c *config, v string) error { c.AlipayTrust = v; return nil }},
	{"alipay-biz-code", "SYMBOLON_ALIPAY_BIZ_CODE", "FACE", "what the contract with Alipay names: FACE, CERT_PHOTO_FACE or SMART_FACE",
		func(c *config, v string) error { c.AlipayBizCode = v; return oneOf(v, casealipay.BizCodes...) }},
	{"script", "SYMBOLON_SCRIPT", "", "the file with what applicants show and read aloud in recordings, see symbolon script show; that one where it is not given",
		func(c *config, v string) (err error) { c.Script, err = readScript(v); return err }},
	{"speech-url", "SYMBOLON_SPEECH_URL", "", "a recogniser of yours that writes down what is said in recordings, such as http://127.0.0.1:8178/inference of whisper.cpp (docs/recordings.md); reviewers only listen where it is not given",
		func(c *config, v string) error { c.SpeechURL = v; return checkSpeech(v) }},
	{"", "SYMBOLON_SPEECH_KEY", "", "the bearer token for --speech-url, where it wants one",
		func(c *config, v string) error { c.SpeechKey = v; return nil }},
	{"speech-model", "SYMBOLON_SPEECH_MODEL", "", "the model that --speech-url is to use, where it has several",
		func(c *config, v string) error { c.SpeechModel = v; return nil }},
	{"operator-name", "SYMBOLON_OPERATOR_NAME", "Symbolon", "the company's name as applicants read it",
		func(c *config, v string) error { c.OperatorName = v; return notEmpty(v) }},
	{"operator-purpose", "SYMBOLON_OPERATOR_PURPOSE", "", "one sentence that says what the verification is for; a general one where it is not given",
		func(c *config, v string) error { c.OperatorWhy = v; return nil }},
	{"support", "SYMBOLON_SUPPORT", "", "an e-mail or web address that applicants can turn to",
		func(c *config, v string) error { c.Support = v; return nil }},
	{"", "SYMBOLON_SMTP_URL", "", "smtp:// (STARTTLS) or smtps://USER:PASSWORD@HOST?from=ADDRESS, to write to applicants: that there is news, and links to confirm an address or set a new password; no mail where it is not given",
		func(c *config, v string) error { c.SMTPURL = v; return checkMail(v) }},
	{"webhook-url", "SYMBOLON_WEBHOOK_URL", "", "an https address that is told of decisions (Standard Webhooks), with SYMBOLON_WEBHOOK_SECRET",
		func(c *config, v string) error { c.WebhookURL = v; return nil }},
	{"", "SYMBOLON_WEBHOOK_SECRET", "", "the secret that signs what --webhook-url is told: whsec_ and 24 to 64 bytes in base64",
		func(c *config, v string) error { c.WebhookSecret = v; return nil }},
	{"ops-listen", "SYMBOLON_OPS_LISTEN", "", "HOST:PORT for metrics and the details of readiness; never open it to the world; off where it is not given",
		func(c *config, v string) error {
			c.OpsListen = v
			if v == "" {
				return nil
			}
			return checkListen(v)
		}},
	{"log", "SYMBOLON_LOG", "text", "the form of log lines: text or json",
		func(c *config, v string) error { c.Log = v; return oneOf(v, "text", "json") }},
}

// readConfig reads the settings from flags, then from the environment, then from their defaults. An
// unknown flag or SYMBOLON_ variable, or a bad value, is an error that says what to write.
func readConfig(name string, args, environ []string, out io.Writer, more ...func(*flag.FlagSet)) (config, error) {
	var c config
	fs := flag.NewFlagSet("symbolon "+name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, add := range more {
		add(fs)
	}
	given := map[string]string{}
	for _, s := range settings {
		if s.flag != "" {
			fs.Func(s.flag, s.help, func(v string) error { given[s.env] = v; return nil })
		}
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(out, name, fs)
			return c, err
		}
		return c, fmt.Errorf("%w; see symbolon %s -h", err, name)
	}
	if fs.NArg() > 0 {
		return c, fmt.Errorf("%q is not understood; settings are written --name value, see symbolon %s -h", fs.Arg(0), name)
	}
	env, err := symbolonVars(environ)
	if err != nil {
		return c, err
	}
	for _, s := range settings {
		v, from := s.value, "the default of --"+s.flag
		if e, ok := env[s.env]; ok {
			v, from = e, s.env
		}
		if f, ok := given[s.env]; ok {
			v, from = f, "--"+s.flag
		}
		if err := s.set(&c, v); err != nil {
			return c, fmt.Errorf("%s: %w", from, err)
		}
	}
	if c.KeyFile == "" {
		c.KeyFile = filepath.Join(c.Data, "operator.key")
	}
	if (c.WebhookURL == "") != (c.WebhookSecret == "") {
		return c, errors.New("--webhook-url and SYMBOLON_WEBHOOK_SECRET belong together; give both or neither")
	}
	if c.WebhookURL != "" {
		if _, err := casewebhook.New(c.WebhookURL, c.WebhookSecret); err != nil {
			return c, fmt.Errorf("--webhook-url: %w", err)
		}
	}
	if c.BundleKey == "" {
		c.BundleKey = filepath.Join(c.Data, "bundle.key")
	}
	if err := checkS3(c); err != nil {
		return c, err
	}
	return c, nil
}

// symbolonVars picks the SYMBOLON_ variables, and refuses unknown ones: a misspelt one would
// otherwise be a setting that silently does nothing. SYMBOLON_TEST_ is the tests' own.
func symbolonVars(environ []string) (map[string]string, error) {
	out := map[string]string{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(k, "SYMBOLON_") || strings.HasPrefix(k, "SYMBOLON_TEST_") {
			continue
		}
		if !slices.ContainsFunc(settings, func(s setting) bool { return s.env == k }) {
			return nil, fmt.Errorf("%s is not a setting; the known ones stand in symbolon serve -h", k)
		}
		out[k] = v
	}
	return out, nil
}

func usage(w io.Writer, name string, fs *flag.FlagSet) {
	fmt.Fprintf(w, "Usage: symbolon %s [settings]\n\n", name)
	fs.VisitAll(func(f *flag.Flag) {
		if !slices.ContainsFunc(settings, func(s setting) bool { return s.flag == f.Name }) {
			fmt.Fprintf(w, "  --%s\n        %s\n", f.Name, f.Usage)
		}
	})
	for _, s := range settings {
		left := s.env
		if s.flag != "" {
			left = "--" + s.flag + ", " + s.env
		}
		fmt.Fprintf(w, "  %s\n        %s", left, s.help)
		if s.value != "" {
			fmt.Fprintf(w, " (%s)", s.value)
		}
		fmt.Fprintln(w)
	}
}

// settingsTable is the table of the README.
func settingsTable() string {
	var b strings.Builder
	b.WriteString("| flag | variable | default | what it sets |\n|---|---|---|---|\n")
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	for _, s := range settings {
		f := s.flag
		if f != "" {
			f = "--" + f
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(f), code(s.env), code(s.value), s.help)
	}
	return b.String()
}

// checkMail checks the address of a mail server, which holds a password and is not repeated.
func checkMail(v string) error {
	if v == "" {
		return nil
	}
	_, err := casemail.New(v, "Symbolon", "https://localhost")
	return err
}

func checkSpeech(v string) error {
	if v == "" {
		return nil
	}
	_, err := casespeech.New(v, "", "")
	return err
}

func notEmpty(v string) error {
	if strings.TrimSpace(v) == "" {
		return errors.New("this cannot be empty")
	}
	return nil
}

func oneOf(v string, allowed ...string) error {
	if slices.Contains(allowed, v) {
		return nil
	}
	return fmt.Errorf("%q is not known; write one of: %s", v, strings.Join(allowed, ", "))
}

func checkListen(v string) error {
	host, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err == nil && host != "" && host != "localhost" {
		_, err = netip.ParseAddr(host)
	}
	if err != nil {
		return fmt.Errorf("%q is no address to listen on; write HOST:PORT, such as 127.0.0.1:8080 or :8080", v)
	}
	return nil
}

func checkTLS(v string) error {
	if v == "off" || v == "local" {
		return nil
	}
	cert, key, ok := strings.Cut(v, ",")
	if !ok {
		return fmt.Errorf("%q is not known; write off, local, or CERT.pem,KEY.pem", v)
	}
	for _, f := range []string{cert, key} {
		if _, err := os.Stat(f); err != nil {
			return fmt.Errorf("the file %q cannot be read", f)
		}
	}
	return nil
}

func checkAlipay(v string) error {
	if v == "" || v == "production" || v == "sandbox" || strings.HasPrefix(v, "http://") {
		return nil
	}
	return fmt.Errorf("%q is not known; write production, sandbox, or the http:// address that symbolon dev-alipay prints", v)
}

// checkOrigin returns v as an origin, without a slash at its end.
func checkOrigin(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is no web address; write https://HOST or https://HOST:PORT", v)
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

func checkScheme(v string, schemes ...string) error {
	if v == "" {
		return nil
	}
	// The value may hold a password: it is not repeated.
	for _, s := range schemes {
		if strings.HasPrefix(v, s+"://") {
			return nil
		}
	}
	return fmt.Errorf("write an address that starts with %s://", strings.Join(schemes, ":// or "))
}

func prefixes(v string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for f := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(f)
		if err != nil {
			a, err := netip.ParseAddr(f)
			if err != nil {
				return nil, fmt.Errorf("%q is neither an address nor a network; write 10.0.0.5 or 10.0.0.0/8", f)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
