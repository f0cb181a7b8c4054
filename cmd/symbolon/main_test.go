package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), // runs for ever on purpose
		goleak.Cleanup(func(status int) {
			if model.data != "" {
				_ = os.RemoveAll(filepath.Dir(model.data))
			}
			os.Exit(status)
		}))
}

// invoke runs one command on a data folder of the test's own.
func invoke(t *testing.T, in string, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, stdio{strings.NewReader(in), &o, &e, nil})
	return status, o.String(), e.String()
}

func TestUnknownWordsAreRefused(t *testing.T) {
	if status, _, errs := invoke(t, "", "sevre"); status != 2 || !strings.Contains(errs, "symbolon help") {
		t.Errorf("%d %s", status, errs)
	}
	if status, out, _ := invoke(t, ""); status != 0 || !strings.Contains(out, "serve") {
		t.Errorf("%d %s", status, out)
	}
}

func TestAccountCreate(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	status, out, errs := invoke(t, "a long password\n", "account", "create", "--email", "boss@example.com", "--role", "admin", "--data", data)
	if status != 0 || !strings.HasPrefix(out, "acc_") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	if strings.Contains(errs, "boss@") {
		t.Errorf("the address stands in the log: %s", errs)
	}
	for name, row := range map[string]struct {
		in   string
		args []string
		want string
	}{
		"twice":    {"a long password\n", []string{"--email", "boss@example.com"}, "There is an account"},
		"short":    {"short\n", []string{"--email", "b@example.com"}, "at least 10 characters"},
		"nothing":  {"", []string{"--email", "b@example.com"}, "password is missing"},
		"no email": {"a long password\n", nil, "--email is missing"},
		"role":     {"a long password\n", []string{"--email", "b@example.com", "--role", "king"}, "reviewer, supervisor or admin"},
	} {
		status, _, errs := invoke(t, row.in, append([]string{"account", "create", "--data", data}, row.args...)...)
		if status != 1 || !strings.Contains(errs, row.want) {
			t.Errorf("%s: %d %s, want %q", name, status, errs, row.want)
		}
	}
	info, err := os.Stat(filepath.Join(data, "operator.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("operator.key: %v %v", info, err)
	}
}

// onWrite is a writer that calls a function.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) { f(); return len(p), nil }

func TestDataWithoutItsKeyDoesNotOpen(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if status, _, errs := invoke(t, "a long password\n", "account", "create", "--email", "a@example.com", "--data", data); status != 0 {
		t.Fatal(errs)
	}
	key := filepath.Join(data, "operator.key")
	good, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	serve := func() (int, string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var e bytes.Buffer
		// A server that gets as far as greeting stops again.
		status := run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--data", data}, stdio{strings.NewReader(""), onWrite(cancel), &e, nil})
		return status, e.String()
	}
	if status, errs := serve(); status != 1 || !strings.Contains(errs, "operator's key is missing") {
		t.Errorf("without a key: %d %s", status, errs)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a new key was made for old data")
	}
	for what, content := range map[string]string{"another key": "symk1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "no key": "password123"} {
		if err := os.WriteFile(key, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, errs := serve(); status != 1 || !strings.Contains(errs, "operator's key") || strings.Contains(errs, content) {
			t.Errorf("%s: %d %s", what, status, errs)
		}
	}
	if err := os.WriteFile(key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, errs := serve(); status != 0 {
		t.Errorf("with the right key again: %d %s", status, errs)
	}
}

func TestMigrateSaysWhatItDid(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if status, _, errs := invoke(t, "", "migrate", "--data", data); status != 1 || !strings.Contains(errs, "nothing to migrate") {
		t.Errorf("no data: %d %s", status, errs)
	}
	if status, _, errs := invoke(t, "a long password\n", "account", "create", "--email", "a@example.com", "--data", data); status != 0 {
		t.Fatal(errs)
	}
	for range 2 {
		if status, out, errs := invoke(t, "", "migrate", "--data", data); status != 0 || out == "" {
			t.Errorf("%d %s %s", status, out, errs)
		}
	}
}
