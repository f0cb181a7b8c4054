package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestABundleIsMadeHereAndVerifiedElsewhere(t *testing.T) {
	f := newFilled(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "case.zip")
	if status, _, errs := f.command(t, nil, "bundle", "create", "--case", "case_01K9ZZ3QH6R5V0T1W2X3Y4Z5A7", "--out", out); status != 1 || !strings.Contains(errs, "no such case") {
		t.Fatalf("a case that is none: %d %s", status, errs)
	}
	status, said, errs := f.command(t, nil, "bundle", "create", "--case", f.caseID, "--out", out)
	if status != 0 || !strings.Contains(said, "signed with key") {
		t.Fatalf("%d %s %s", status, said, errs)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive: %v %v", info, err)
	}
	// Elsewhere: nothing but the file and the operator's public key.
	key := filepath.Join(dir, "operator.pub")
	b, err := os.ReadFile(filepath.Join(f.data, "bundle.key.pub"))
	must(t, err)
	must(t, os.WriteFile(key, b, 0o600))
	for _, args := range [][]string{{out, "--key", key}, {"--key", key, out}} {
		status, said, errs = invoke(t, "", append([]string{"bundle", "verify"}, args...)...)
		if status != 0 || !strings.Contains(said, f.caseID) || !strings.Contains(said, "2 of them evidence") || !strings.Contains(said, "the key that was given") {
			t.Fatalf("verify: %d %s %s", status, said, errs)
		}
	}
	if status, said, _ := invoke(t, "", "bundle", "verify", out); status != 0 || !strings.Contains(said, "compare its id") {
		t.Errorf("without a key: %d %s", status, said)
	}
	whole, err := os.ReadFile(out)
	must(t, err)
	whole[len(whole)/3] ^= 4
	must(t, os.WriteFile(out, whole, 0o600))
	if status, _, errs := invoke(t, "", "bundle", "verify", out, "--key", key); status != 1 || !strings.Contains(errs, "changed since") {
		t.Errorf("with one bit changed: %d %s", status, errs)
	}
	for _, args := range [][]string{{"verify"}, {"verify", out, out}, {"verify", out, "--key", out}, {"verify", "/none"}, {"create", "--case", f.caseID}, {}} {
		if status, _, errs := invoke(t, "", append([]string{"bundle"}, args...)...); status != 1 || errs == "" {
			t.Errorf("%q: %d %s", args, status, errs)
		}
	}
}

func TestAnAccountOfStaffIsDisabledAtTheCommandLine(t *testing.T) {
	f := newFilled(t)
	command := func(stdin string, args ...string) (int, string, string) {
		t.Helper()
		return invoke(t, stdin, append(args, "--data", f.data)...)
	}
	status, id, errs := command("a rather long password\n", "account", "create", "--email", "boss@example.com", "--role", "supervisor")
	if status != 0 {
		t.Fatal(errs)
	}
	id = strings.TrimSpace(id)
	for _, c := range []struct {
		what string
		can  bool
	}{{"disable", false}, {"enable", true}, {"forget-second-factor", true}} {
		if status, said, errs := command("", "account", c.what, "--email", "Boss@Example.com"); status != 0 || strings.TrimSpace(said) != id {
			t.Fatalf("%s: %d %s %s", c.what, status, said, errs)
		}
		p := f.program(t)
		_, err := p.cases.Colleague(t.Context(), id)
		if (err == nil) != c.can {
			t.Errorf("after %s: %v", c.what, err)
		}
		f.stop(t, p)
	}
	for _, email := range []string{personEmail, "nobody@example.com"} {
		if status, _, errs := command("", "account", "disable", "--email", email); status != 1 || !strings.Contains(errs, "no such account of staff") {
			t.Errorf("%s: %d %s", email, status, errs)
		}
	}
}
