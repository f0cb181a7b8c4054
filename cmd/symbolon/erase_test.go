package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/seal"
)

func TestAnErasedCaseIsUnreadable(t *testing.T) {
	f := newFilled(t)
	ctx := t.Context()
	p := f.program(t)
	before, err := p.cases.Get(ctx, f.caseID)
	must(t, err)
	f.stop(t, p)
	var account cases.AccountDocument
	edit(t, f.db(t), "accounts WHERE id = '"+f.account+"'", func(a *cases.AccountDocument) { account = *a })
	var sealedPhotos [][]byte
	for _, u := range f.uploads {
		b, err := os.ReadFile(filepath.Join(mediaFolder(config{Data: f.data}), u[len(u)-2:], u+".data"))
		must(t, err)
		sealedPhotos = append(sealedPhotos, b)
	}

	dir := t.TempDir()
	signing, paper := filepath.Join(dir, "audit.key"), filepath.Join(dir, "certificate.json")
	if status, _, errs := invoke(t, "", "audit", "key", "--out", signing); status != 0 {
		t.Fatal(errs)
	}
	args := []string{"erase", "--case", f.caseID, "--rule", "request", "--account", "--certificate", paper, "--signing-key", signing}
	if status, _, errs := f.command(t, nil, args...); status != 1 || !strings.Contains(errs, "has to be kept for now") {
		t.Fatalf("a customer's: %d %s", status, errs)
	}
	status, out, errs := f.command(t, nil, append(args, "--despite-retention")...)
	if status != 0 || !strings.Contains(out, `under the rule "request"`) || !strings.Contains(out, "2 photos") {
		t.Fatalf("%d %s %s", status, out, errs)
	}

	// Nothing of it is left in any file: not the keys as they were wrapped, nothing sealed, no look-up value.
	gone := map[string][]byte{
		"wrapped key of the case": before.WrappedKey, "identity": before.Identity, "look-up of the document": before.DocumentIndex,
		"wrapped key of the account": account.WrappedKey, "e-mail": account.Email, "look-up of the e-mail": account.EmailIndex,
		"password": []byte(account.Password), "photo": sealedPhotos[0][:64], "other photo": sealedPhotos[1][:64],
	}
	for name, b := range f.files(t) {
		for what, secret := range gone {
			if bytes.Contains(b, secret) || bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString(secret))) {
				t.Errorf("%s still holds: %s", name, what)
			}
		}
		if strings.HasSuffix(name, ".data") {
			t.Errorf("%s is still there", name)
		}
	}

	signer, err := readSigningKey(signing)
	must(t, err)
	b, err := os.ReadFile(paper)
	must(t, err)
	var cert cases.Certificate
	must(t, signer.Public().Open(certificateKind, b, &cert))
	if cert.CaseID != f.caseID || cert.Rule != "request" || len(cert.Destroyed.Photos) != 2 || cert.Destroyed.Pending != 0 || len(cert.Kept) != 3 {
		t.Errorf("certificate: %+v", cert)
	}
	for i, photo := range cert.Destroyed.Photos {
		if photo.MediaID != cases.MediaID(f.uploads[i]) || photo.SHA256 != hex.EncodeToString(before.Steps[i].Takes[0].SHA256) {
			t.Errorf("photo of the certificate: %+v", photo)
		}
	}
	if err := signer.Public().Open(checkpointKind, b, &cert); err != seal.ErrPaperForm {
		t.Errorf("the certificate passes for a checkpoint: %v", err)
	}
	for _, personal := range []string{personEmail, personName, personNumber, personBirth, personAddress} {
		if bytes.Contains(b, []byte(personal)) || strings.Contains(out+errs, personal) {
			t.Errorf("%q is in the certificate or the output", personal)
		}
	}
	if status, out, errs := f.command(t, nil, "audit", "verify"); status != 0 {
		t.Errorf("audit: %s %s", out, errs)
	}

	// The program knows neither any more; the other case is as it was, and the person may come back.
	p = f.program(t)
	defer f.stop(t, p)
	if _, err := p.cases.Get(ctx, f.caseID); err != cases.ErrUnknown {
		t.Errorf("get: %v", err)
	}
	if _, err := p.media.Open(ctx, f.uploads[0]); err == nil {
		t.Error("a photo opens")
	}
	if _, err := p.cases.Authenticate(ctx, personEmail, personPassword); err != cases.ErrCredentials {
		t.Errorf("sign in: %v", err)
	}
	if _, err := p.cases.Account(ctx, f.account); err != cases.ErrAccountUnknown {
		t.Errorf("account: %v", err)
	}
	if _, err := p.cases.Get(ctx, f.begun); err != nil {
		t.Errorf("the other case: %v", err)
	}
	if _, err := p.cases.SignUp(ctx, personEmail, personPassword); err != nil {
		t.Errorf("sign up again: %v", err)
	}
}

func TestACaseCanBeErasedBesideARunningServerAndCertifiedAgain(t *testing.T) {
	f := newFilled(t)
	p := f.program(t)
	defer f.stop(t, p)
	status, out, errs := f.command(t, nil, "erase", "--case", f.begun, "--rule", "request")
	if status != 0 || !strings.Contains(out, "0 photos") || !strings.Contains(out, "Kept: account") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	if _, err := p.cases.Get(t.Context(), f.begun); err != cases.ErrUnknown {
		t.Errorf("the server still knows it: %v", err)
	}
	status, again, errs := f.command(t, nil, "erase", "--case", f.begun)
	if status != 0 || again != out {
		t.Errorf("certified again: %d %s %s", status, again, errs)
	}
	// The account goes later, on its own, and once it is gone that is certified.
	for range 2 {
		status, out, errs = f.command(t, nil, "erase", "--case", f.begun, "--account")
		if status != 0 || strings.Contains(out, "Kept: account") {
			t.Errorf("the account: %d %s %s", status, out, errs)
		}
	}
	if _, err := p.cases.Authenticate(t.Context(), "second@example.com", personPassword); err != cases.ErrCredentials {
		t.Errorf("sign in: %v", err)
	}
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"no case":       {[]string{"erase", "--rule", "request"}, "--case is missing"},
		"unknown case":  {[]string{"erase", "--case", "case_none", "--rule", "request"}, "There is no such case."},
		"no rule":       {[]string{"erase", "--case", f.caseID, "--despite-retention"}, "Name the rule"},
		"half a paper":  {[]string{"erase", "--case", f.caseID, "--rule", "request", "--certificate", "x"}, "belong together"},
		"hold what":     {[]string{"hold"}, "symbolon hold on"},
		"hold no case":  {[]string{"hold", "on", "--reason", "a court"}, "--case is missing"},
		"hold why":      {[]string{"hold", "on", "--case", f.caseID}, "Give a reason"},
		"relation what": {[]string{"relation"}, "symbolon relation end"},
		"relation when": {[]string{"relation", "end", "--case", f.caseID, "--on", "2999-01-01"}, "write a day that has come"},
	} {
		if status, _, errs := f.command(t, nil, row.args...); status != 1 || !strings.Contains(errs, row.want) {
			t.Errorf("%s: %d %s, want %q", name, status, errs, row.want)
		}
	}
}

func TestHoldAndRelationByCommand(t *testing.T) {
	f := newFilled(t)
	step := func(want string, args ...string) {
		t.Helper()
		status, out, errs := f.command(t, nil, append(args, "--case", f.caseID)...)
		if !strings.Contains(out+errs, want) {
			t.Fatalf("%v: %d %s%s, want %q", args, status, out, errs, want)
		}
	}
	step("nothing erases it", "hold", "on", "--reason", "file 7 at the court of 张三")
	step("held and cannot be erased", "erase", "--rule", "request", "--despite-retention")
	step("court of 张三", "hold", "show")
	for name, b := range f.files(t) {
		if bytes.Contains(b, []byte("court of")) {
			t.Errorf("the reason stands in %s", name)
		}
	}
	step("can be erased again", "hold", "off", "--reason", "decided")
	step("is kept for 10 years from 2001-02-03 on", "relation", "end", "--on", "2001-02-03")
	step("is kept without an end", "relation", "resume")
	step("from 2001-02-03 on", "relation", "end", "--on", "2001-02-03")
	p := f.program(t)
	work(t, p)
	f.stop(t, p)
	step(`under the rule "relation_ended"`, "erase") // the janitor did it, and it is certified
}
