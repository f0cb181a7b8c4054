package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/server/servertest"
)

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

// spellings are the forms in which a value could have been written.
func spellings(v string) map[string][]byte {
	quoted, _ := json.Marshal(v)
	ascii := ""
	for _, r := range v {
		if r < 0x80 {
			ascii += string(r)
		} else {
			ascii += fmt.Sprintf(`\u%04x`, r)
		}
	}
	out := map[string][]byte{
		"as it is": []byte(v), "in JSON": bytes.Trim(quoted, `"`), "in ASCII JSON": []byte(ascii), "in a URL": []byte(url.QueryEscape(v)),
		"in hexadecimal": []byte(hex.EncodeToString([]byte(v))), "in lower case": []byte(strings.ToLower(v)),
	}
	// Base64 of it at any place of a longer value: the characters that do not depend on the neighbours.
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), v...))
		out[fmt.Sprintf("in base64, shifted by %d", shift)] = []byte(text[4 : len(text)-4])
	}
	return out
}

// TestNoPersonalValueIsStoredOrLoggedInTheClear goes from signing up to a submitted Level 2 through the API of the whole
// program, and looks for everything that was typed in every file and in the log.
func TestNoPersonalValueIsStoredOrLoggedInTheClear(t *testing.T) {
	const (
		email    = "li.xiaoming.4711@example.org"
		password = "Tr0ub4dor und drei Pferde"
		wrong    = "a wrong passw0rd that was typed"
		name     = "欧阳小明样本"
		latin    = "OUYANG XIAOMING SPECIMEN"
		number   = "11010519491231002X"
		mistyped = "110105194912310021"
		birth    = "1949-12-31"
		address  = "北京市朝阳区样本路 4711 号"
		trade    = "灯塔看守人"
	)
	data := filepath.Join(t.TempDir(), "data")
	c, err := readConfig("serve", []string{"--listen", "127.0.0.1:0", "--data", data, "--log", "json"}, nil, io.Discard)
	must(t, err)
	var logged lines
	level := slog.LevelVar{}
	level.Set(slog.LevelDebug)
	p, err := build(t.Context(), c, slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: &level})))
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	var once sync.Once
	end := func() { once.Do(func() { stop(); must(t, <-ended) }) }
	defer end()

	s := servertest.At(t, "http://"+p.listeners[0].Addr().String())
	desk := s.NewBrowser(t)
	desk.Email, desk.Password = email, password
	desk.Do("POST", "/v1/accounts", map[string]any{"email": email, "password": password}).Want(t, 201)
	desk.Do("POST", "/v1/accounts", map[string]any{"email": email, "password": password}).Want(t, 409)
	desk.Do("POST", "/v1/session", map[string]any{"email": email, "password": wrong}).Want(t, 401)
	desk.SignIn()
	desk.Begin("person")
	facts := func(number string) map[string]any {
		return map[string]any{
			"nationality": "CHN", "name": name, "latin_name": latin, "birth_date": birth, "address": address, "occupation": trade,
			"document":   map[string]any{"type": "cn_resident_id", "number": number, "expires_on": cases.LongTerm},
			"acting_for": map[string]any{"who": "self"},
		}
	}
	desk.Do("PUT", desk.Path("/identity"), facts(mistyped), "If-Match", desk.Version()).Want(t, 422)
	desk.Do("PUT", desk.Path("/identity"), []byte(`{"name": "`+name+`", "number": `+number), "If-Match", desk.Version()).Want(t, 400)
	desk.Do("PUT", desk.Path("/identity"), facts(number), "If-Match", desk.Version()).Want(t, 200)
	desk.Do("POST", desk.Path("/levels/1/submit"), map[string]any{}, "If-Match", desk.Version()).Want(t, 202)
	// Somebody pastes what does not belong there.
	desk.Do("GET", "/v1/cases/"+url.PathEscape(email), nil)
	desk.Do("GET", "/v1/"+number+"?name="+url.QueryEscape(name), nil)
	desk.Do("GET", desk.Path("?email="+url.QueryEscape(email)), nil, "Referer", s.URL+"/?number="+number)
	until(t, "Level 1 is checked", func() bool { return desk.Do("GET", desk.Path(""), nil).String("levels.0.state") == "approved" })

	offer := desk.Offer()
	phone := desk.Claim(offer)
	match := desk.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).String("match.number")
	phone.Do("POST", "/v1/capture/match", map[string]any{"number": match}).Want(t, 200)
	phone.Keep(cases.DocumentFront, 1)
	look := func(when string) {
		t.Helper()
		files := filled{data: data}.files(t)
		files["the log"] = logged.bytes()
		delete(files, filepath.Join(data, "operator.key"))
		secrets := map[string]string{
			"e-mail": email, "password": password, "wrong password": wrong, "name": name, "latin name": latin, "number": number, "mistyped number": mistyped,
			"birth date": birth, "address": address, "occupation": trade, "text code": offer.String("text_code"), "phone's token": phone.Token,
		}
		for n, v := range desk.Cookies {
			secrets["cookie "+n] = v
		}
		found := map[string]bool{}
		for file, b := range files {
			for what, v := range secrets {
				for how, form := range spellings(v) {
					if bytes.Contains(b, form) {
						t.Errorf("%s: the %s stands %s in %s", when, what, how, file)
					}
				}
			}
			for seed := range uint8(3) {
				photo := servertest.Photo(seed)
				for at := 0; at+16 < len(photo); at += 4096 {
					if bytes.Contains(b, photo[at:at+16]) {
						t.Errorf("%s: a photo stands in the clear in %s", when, file)
						break
					}
				}
			}
			for kind, control := range map[string]string{".info": desk.CaseID, ".db": desk.CaseID, ".db-wal": desk.CaseID, "log": "/v1/cases/:id/identity"} {
				if strings.HasSuffix(file, kind) && bytes.Contains(b, []byte(control)) {
					found[kind] = true
				}
			}
		}
		// What may be stored is found, so this looks in the right places.
		if !found[".info"] || !found["log"] || !found[".db"] && !found[".db-wal"] {
			t.Errorf("%s: this looks at nothing: %v", when, found)
		}
	}
	look("while a phone works")
	phone.Keep(cases.DocumentBack, 2)
	phone.Do("POST", "/v1/capture/submit", map[string]any{}).Want(t, 200)
	until(t, "Level 2 is checked", func() bool {
		state := desk.Do("GET", desk.Path(""), nil).String("levels.1.state")
		return state != "submitted" && state != "checking"
	})
	look("after Level 2")
	end()
	look("after the end")
	if _, ok := (filled{data: data}).files(t)[filepath.Join(data, "sessions.snapshot")]; !ok {
		t.Error("there is no snapshot of the sessions")
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 300 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited too long until: %s", what)
}
