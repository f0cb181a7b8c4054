package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/seal"
)

// operatorKey is the key that the folder was made with.
func (f filled) operatorKey(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.data, "operator.key"))
	must(t, err)
	return strings.TrimSpace(string(b))
}

func (f filled) setKeyFile(t *testing.T, keys ...string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(f.data, "operator.key"), []byte(strings.Join(keys, "\n")+"\n"), 0o600))
}

func ringOf(t *testing.T, keys ...string) *seal.Keyring {
	t.Helper()
	var all []seal.Key
	for _, s := range keys {
		k, err := seal.ParseKey(s)
		must(t, err)
		all = append(all, k)
	}
	return seal.NewKeyring(all[0], all[1:]...)
}

// wrapped are all wrapped data keys of the store, by the place they are bound to.
func (f filled) wrapped(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	db := f.db(t)
	rows, err := db.Query(`SELECT 'account', id, json_extract(body, '$.wrapped_key') FROM accounts
		UNION ALL SELECT 'case', id, json_extract(body, '$.wrapped_key') FROM cases
		UNION ALL SELECT 'meta', 'index', json_extract(body, '$.wrapped_index') FROM meta`)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var kind, id, text string
		must(t, rows.Scan(&kind, &id, &text))
		b, err := base64.StdEncoding.DecodeString(text)
		must(t, err)
		out[string(seal.Bind(kind, id))] = b
	}
	must(t, rows.Err())
	if len(out) != 5 {
		t.Fatalf("%d wrapped keys, want those of 2 accounts, 2 cases and the store", len(out))
	}
	return out
}

// files reads every file of the folder.
func (f filled) files(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	must(t, filepath.WalkDir(f.data, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[name], err = os.ReadFile(name)
		return err
	}))
	return all
}

// usable fails unless the person can sign in, and identity and photos open.
func (f filled) usable(t *testing.T) {
	t.Helper()
	p := f.program(t)
	defer f.stop(t, p)
	a, err := p.cases.Authenticate(t.Context(), personEmail, personPassword)
	if err != nil || a.ID != f.account || a.Email != personEmail {
		t.Fatalf("sign in: %v %+v", err, a)
	}
	c, err := p.cases.Get(t.Context(), f.caseID)
	if err != nil || c.Facts.Name != personName {
		t.Fatalf("case: %v", err)
	}
	for _, u := range f.uploads {
		o, err := p.media.Open(t.Context(), u)
		must(t, err)
		b := make([]byte, o.Size())
		_, err = o.ReadAt(b, 0)
		must(t, errors.Join(err, o.Close()))
	}
	if status, out, errs := f.command(t, nil, "audit", "verify"); status != 0 {
		t.Errorf("audit: %s %s", out, errs)
	}
}

func freshKey(t *testing.T) string {
	t.Helper()
	status, out, errs := invoke(t, "", "keys", "new")
	if status != 0 {
		t.Fatal(errs)
	}
	return strings.TrimSpace(out)
}

func TestAfterARotationTheOldKeyOpensNothing(t *testing.T) {
	f := newFilled(t)
	old, fresh := f.operatorKey(t), freshKey(t)
	before, updated := f.wrapped(t), f.lastChange(t)
	env := []string{"SYMBOLON_KEY=" + fresh + "," + old}
	status, out, errs := f.command(t, env, "keys", "rotate")
	if status != 0 || !strings.Contains(out, "Wrapped anew: 2 accounts, 2 cases. Right already: 0.") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	for place, w := range f.wrapped(t) {
		if _, err := ringOf(t, fresh).Unwrap(w, []byte(place)); err != nil {
			t.Errorf("%q with the new key: %v", place, err)
		}
		if _, err := ringOf(t, old).Unwrap(w, []byte(place)); !errors.Is(err, seal.ErrNoKey) {
			t.Errorf("%q with the old key: %v", place, err)
		}
	}
	// Nor is anything that it opened left in the files.
	for name, b := range f.files(t) {
		for place, w := range before {
			if bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString(w))) {
				t.Errorf("%s still holds the key of %q wrapped by the old one", name, place)
			}
		}
	}
	if now := f.lastChange(t); now != updated {
		t.Errorf("the rotation counts as a change of a case: %s, before %s", now, updated)
	}
	f.setKeyFile(t, fresh)
	f.usable(t)
	status, out, errs = f.command(t, nil, "keys", "rotate")
	if status != 0 || !strings.Contains(out, "Wrapped anew: 0 accounts, 0 cases. Right already: 4.") {
		t.Errorf("again: %d %s %s", status, out, errs)
	}
	f.setKeyFile(t, old)
	if status, _, errs := f.command(t, nil, "account", "create", "--email", "b@example.com"); status != 1 || !strings.Contains(errs, "operator's key") {
		t.Errorf("with the old key: %d %s", status, errs)
	}
}

// lastChange is when cases were changed last, as lists show it.
func (f filled) lastChange(t *testing.T) string {
	t.Helper()
	var s string
	must(t, f.db(t).QueryRow(`SELECT group_concat(id || updated_at) FROM (SELECT id, updated_at FROM cases ORDER BY id)`).Scan(&s))
	return s
}

func TestARotationBesideARunningServerLosesNothing(t *testing.T) {
	f := newFilled(t)
	old, fresh := f.operatorKey(t), freshKey(t)
	f.setKeyFile(t, fresh, old)
	p := f.program(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	changes := 0
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := p.cases.RaiseEpoch(t.Context(), f.caseID, "offer", cases.Actor{Kind: cases.BySystem}); err != nil {
				t.Error(err)
				return
			}
			changes++
		}
	})
	status, out, errs := f.command(t, nil, "keys", "rotate")
	close(stop)
	wg.Wait()
	if status != 0 || changes == 0 {
		t.Fatalf("%d %s %s (%d changes)", status, out, errs, changes)
	}
	c, err := p.cases.Get(t.Context(), f.caseID)
	must(t, err)
	if c.HandoffEpoch != int64(changes) {
		t.Errorf("%d changes were acknowledged, %d are stored", changes, c.HandoffEpoch)
	}
	work(t, p)
	f.stop(t, p)
	for place, w := range f.wrapped(t) {
		if !ringOf(t, fresh).Current(w) {
			t.Errorf("%q is wrapped by the old key", place)
		}
	}
	f.setKeyFile(t, fresh)
	f.usable(t)
}

func TestARotationThatWasCutShortIsTakenUp(t *testing.T) {
	f := newFilled(t)
	old, fresh, third := f.operatorKey(t), freshKey(t), freshKey(t)
	// Somebody lost track of keys: one case is still wrapped by a third one.
	edit(t, f.db(t), "cases WHERE id = '"+f.begun+"'", func(d *cases.Document) {
		bound := seal.Bind("case", d.ID)
		k, err := ringOf(t, old).Unwrap(d.WrappedKey, bound)
		must(t, err)
		d.WrappedKey = ringOf(t, third).Wrap(k, bound)
	})
	status, _, errs := f.command(t, []string{"SYMBOLON_KEY=" + fresh + "," + old}, "keys", "rotate")
	if status != 1 || !strings.Contains(errs, f.begun) || !strings.Contains(errs, "was not given") || strings.Contains(errs, "symk1_") {
		t.Fatalf("%d %s", status, errs)
	}
	status, out, errs := f.command(t, []string{"SYMBOLON_KEY=" + fresh + "," + old + "," + third}, "keys", "rotate")
	if status != 0 || !strings.Contains(out, "1 cases. Right already: 3.") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	f.setKeyFile(t, fresh)
	f.usable(t)
}

func TestKeysAreNotTakenFromNowhere(t *testing.T) {
	f := newFilled(t)
	for name, row := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"a wrong key":    {[]string{"SYMBOLON_KEY=" + freshKey(t)}, []string{"keys", "rotate"}, "not the one this data was written with"},
		"half a key":     {[]string{"SYMBOLON_KEY=" + freshKey(t) + ","}, []string{"keys", "rotate"}, "SYMBOLON_KEY is not an operator's key"},
		"no key file":    {nil, []string{"keys", "rotate", "--key-file", filepath.Join(f.data, "none")}, "cannot be read"},
		"no word":        {nil, []string{"keys"}, "symbolon keys new"},
		"another word":   {nil, []string{"keys", "lose"}, "symbolon keys new"},
		"unseen servers": {nil, []string{"keys", "reindex", "--redis-url", "redis://127.0.0.1:1"}, "--offline"},
	} {
		if status, _, errs := f.command(t, row.env, row.args...); status != 1 || !strings.Contains(errs, row.want) {
			t.Errorf("%s: %d %s, want %q", name, status, errs, row.want)
		}
	}
	if one, other := freshKey(t), freshKey(t); one == other {
		t.Error("two fresh keys are the same")
	}
}

// indexes are the look-up values of the store.
func (f filled) indexes(t *testing.T) []string {
	t.Helper()
	var out []string
	rows, err := f.db(t).Query(`SELECT hex(email_index) FROM accounts UNION ALL SELECT hex(document_index) FROM cases WHERE document_index IS NOT NULL`)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var s string
		must(t, rows.Scan(&s))
		out = append(out, s)
	}
	if len(out) != 3 {
		t.Fatalf("look-up values: %v", out)
	}
	return out
}

func TestReindexMakesEveryLookUpValueAnew(t *testing.T) {
	f := newFilled(t)
	before := f.indexes(t)
	p := f.program(t)
	if status, _, errs := f.command(t, nil, "keys", "reindex"); status != 1 || !strings.Contains(errs, "another symbolon runs") {
		t.Errorf("beside a server: %d %s", status, errs)
	}
	f.stop(t, p)
	status, out, errs := f.command(t, nil, "keys", "reindex")
	if status != 0 || !strings.Contains(out, "2 accounts and 1 cases") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	for _, s := range f.indexes(t) {
		if slices.Contains(before, s) {
			t.Errorf("%s is still there", s)
		}
	}
	f.usable(t)
	p = f.program(t)
	defer f.stop(t, p)
	// The same document in another case is still found.
	a, err := p.cases.SignUp(t.Context(), "twin@example.com", personPassword)
	must(t, err)
	c, err := p.cases.Create(t.Context(), a, cases.Person)
	must(t, err)
	c = casetest.Agree(t, p.cases, c)
	by := cases.Actor{Kind: cases.ByApplicant, ID: a.ID}
	first, err := p.cases.Get(t.Context(), f.caseID)
	must(t, err)
	c, err = p.cases.PutIdentity(t.Context(), by, c.ID, c.Version, *first.Facts)
	must(t, err)
	_, err = p.cases.Submit(t.Context(), by, c.ID, 1, c.Version)
	must(t, err)
	work(t, p)
	c, err = p.cases.Get(t.Context(), c.ID)
	must(t, err)
	if c.Levels[0].State != cases.InReview {
		t.Errorf("a second case with the same document is %s", c.Levels[0].State)
	}
}

func TestAHalfFinishedReindexIsFinishedFirst(t *testing.T) {
	f := newFilled(t)
	db := f.db(t)
	ring, next := ringOf(t, f.operatorKey(t)), seal.NewKey()
	var body []byte
	var m cases.Meta
	must(t, db.QueryRow("SELECT body FROM meta").Scan(&body))
	must(t, json.Unmarshal(body, &m))
	m.NextIndex = ring.Wrap(next, seal.Bind("meta", "next_index"))
	body, err := json.Marshal(m)
	must(t, err)
	exec(t, db, "UPDATE meta SET body = ?", string(body))
	index := next.Index("email", personEmail) // this one was done already
	exec(t, db, "UPDATE accounts SET email_index = ?, body = json_replace(body, '$.email_index', ?) WHERE id = ?",
		index, base64.StdEncoding.EncodeToString(index), f.account)

	status, _, errs := f.command(t, nil, "account", "create", "--email", "b@example.com")
	if status != 1 || !strings.Contains(errs, "symbolon keys reindex") {
		t.Errorf("the store opens halfway: %d %s", status, errs)
	}
	status, out, errs := f.command(t, nil, "keys", "reindex")
	if status != 0 || !strings.Contains(out, "1 accounts and 1 cases") {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	f.usable(t)
}
