package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAScriptIsShownAsApplicantsReadIt(t *testing.T) {
	status, out, errs := invoke(t, "", "script", "check", "--operator-name", "Example Exchange")
	if status != 0 || !strings.Contains(out, "I am the one who wants to open an account with Example Exchange.") || !strings.Contains(out, "Everything fits") {
		t.Errorf("%d\n%s\n%s", status, out, errs)
	}
	status, out, _ = invoke(t, "", "script", "show")
	name := filepath.Join(t.TempDir(), "script.yaml")
	if err := os.WriteFile(name, []byte(strings.Replace(out, "I do this of my own free will.", "Write to a@example.com.", 1)), 0o600); err != nil || status != 0 {
		t.Fatal(err, status)
	}
	if status, _, errs = invoke(t, "", "script", "check", name); status != 1 || !strings.Contains(errs, `cannot be read aloud: the character '@'`) {
		t.Errorf("%d %s", status, errs)
	}
	if status, _, errs = invoke(t, "", "script", "check", name+"x"); status != 1 || !strings.Contains(errs, "the script cannot be read") {
		t.Errorf("%d %s", status, errs)
	}
	for _, words := range [][]string{{"script"}, {"script", "check", name, "more"}, {"script", "look"}} {
		if status, _, errs = invoke(t, "", words...); status != 1 || errs == "" {
			t.Errorf("%v: %d %s", words, status, errs)
		}
	}
}
