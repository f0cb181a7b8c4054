package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
)

func TestDefaultsWork(t *testing.T) {
	c, err := readConfig("serve", nil, nil, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.TLS != "off" || c.KeyFile != "data/operator.key" {
		t.Errorf("%+v", c)
	}
}

func TestAFlagWinsOverItsVariable(t *testing.T) {
	env := []string{"SYMBOLON_LISTEN=127.0.0.1:1000", "SYMBOLON_DATA=/var/lib/symbolon", "HOME=/root", "SYMBOLON_TEST_MONGO_URL=mongodb://x"}
	c, err := readConfig("serve", []string{"--listen", "127.0.0.1:2000"}, env, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:2000" || c.Data != "/var/lib/symbolon" {
		t.Errorf("%+v", c)
	}
}

func TestBadSettingsStopTheStartAndSayWhatToWrite(t *testing.T) {
	for _, row := range []struct {
		args, env []string
		want      string
	}{
		{args: []string{"--lisen", ":1"}, want: "-lisen"},
		{args: []string{"serve"}, want: `"serve" is not understood`},
		{env: []string{"SYMBOLON_LISEN=:1"}, want: "SYMBOLON_LISEN is not a setting"},
		{env: []string{"SYMBOLON_LISTEN=8080"}, want: "SYMBOLON_LISTEN: \"8080\" is no address to listen on; write HOST:PORT"},
		{args: []string{"--listen", "nowhere:80"}, want: "--listen: \"nowhere:80\""},
		{args: []string{"--tls", "yes"}, want: "write off, local, or CERT.pem,KEY.pem"},
		{args: []string{"--tls", "/no/cert.pem,/no/key.pem"}, want: `"/no/cert.pem" cannot be read`},
		{args: []string{"--public-url", "kyc.example.com"}, want: "write https://HOST"},
		{args: []string{"--public-url", "https://kyc.example.com/path"}, want: "write https://HOST"},
		{args: []string{"--redis-url", "localhost:6379"}, want: "redis:// or rediss://"},
		{args: []string{"--mongo-url", "localhost"}, want: "mongodb:// or mongodb+srv://"},
		{args: []string{"--s3-url", "s3://evidence"}, want: "write https://HOST/BUCKET"},
		{args: []string{"--s3-url", "https://s3.example.com"}, want: "write the bucket after the host"},
		{args: []string{"--s3-url", "https://s3.example.com/evidence"}, want: "set SYMBOLON_S3_ACCESS_KEY and SYMBOLON_S3_SECRET_KEY"},
		{env: []string{"SYMBOLON_S3_SECRET_KEY=x"}, want: "set SYMBOLON_S3_URL too"},
		{args: []string{"--trusted-proxies", "10.0.0.0/33"}, want: "write 10.0.0.5 or 10.0.0.0/8"},
		{args: []string{"--log", "loud"}, want: "text, json"},
		{args: []string{"--data", ""}, want: "cannot be empty"},
	} {
		_, err := readConfig("serve", row.args, row.env, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v %v: %v, want %q in it", row.args, row.env, err, row.want)
		}
	}
}

func TestASecretInAnAddressIsNotRepeated(t *testing.T) {
	for _, v := range []string{"SYMBOLON_REDIS_URL=http://user:hunter2@redis", "SYMBOLON_S3_URL=https://key:hunter2@s3/evidence"} {
		_, err := readConfig("serve", nil, []string{v}, &bytes.Buffer{})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestHelpListsEverySetting(t *testing.T) {
	var out bytes.Buffer
	if _, err := readConfig("serve", []string{"-h"}, nil, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, s := range settings {
		if !strings.Contains(out.String(), s.env) || !strings.Contains(out.String(), s.help) {
			t.Errorf("%s is missing", s.env)
		}
	}
}

func TestTheReadmeHasTheTableOfSettings(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "<!-- flags -->\n")
	table, _, ok := strings.Cut(rest, "<!-- /flags -->")
	if !ok {
		t.Fatal("README.md has no part between <!-- flags --> and <!-- /flags -->")
	}
	if strings.TrimSpace(table) == strings.TrimSpace(settingsTable()) {
		return
	}
	t.Errorf("the table in README.md is not the one of this program; it is:\n%s", settingsTable())
}
