package casespeech_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/cases/casespeech"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers like a recogniser, and hands on what it was asked.
func server(t *testing.T, answer func(w http.ResponseWriter, form map[string]string, file []byte)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form := map[string]string{"authorization": r.Header.Get("Authorization"), "path": r.URL.Path, "method": r.Method}
		parts, err := r.MultipartReader()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var file []byte
		for {
			p, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			b, _ := io.ReadAll(p)
			if p.FormName() == "file" {
				file, form["file"] = b, p.FileName()
			} else {
				form[p.FormName()] = string(b)
			}
		}
		answer(w, form, file)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestASentenceIsSentAsAFileAndItsWordsComeBack(t *testing.T) {
	sound := bytes.Repeat([]byte{1, 0, 0xff, 0x7f}, 400)
	for _, row := range []struct{ lang, base, nudge string }{
		{"en", "en", ""}, {"zh-Hans", "zh", "以下是普通话的句子。"}, {"zh-Hant-HK", "zh", "以下是普通話的句子。"}, {"de-AT", "de", ""},
	} {
		var form map[string]string
		var file []byte
		at := server(t, func(w http.ResponseWriter, f map[string]string, b []byte) {
			form, file = f, b
			fmt.Fprint(w, `{"text":" Guten Tag.","language":"xx"}`)
		})
		r, err := casespeech.New(at+"/v1/audio/transcriptions", "a key", "large")
		if err != nil {
			t.Fatal(err)
		}
		text, err := r.Recognise(t.Context(), sound, row.lang)
		if err != nil || text != " Guten Tag." {
			t.Errorf("%q, %v", text, err)
		}
		want := map[string]string{
			"authorization": "Bearer a key", "path": "/v1/audio/transcriptions", "method": "POST", "file": "speech.wav", "language": row.base,
			"response_format": "json", "temperature": "0", "model": "large",
		}
		if row.nudge != "" {
			want["prompt"] = row.nudge
		}
		if fmt.Sprint(form) != fmt.Sprint(want) {
			t.Errorf("%s: sent %v", row.lang, form)
		}
		if len(file) != 44+len(sound) || !bytes.Equal(file[44:], sound) || string(file[:4]) != "RIFF" || string(file[8:16]) != "WAVEfmt " ||
			binary.LittleEndian.Uint32(file[4:]) != uint32(len(file)-8) || binary.LittleEndian.Uint32(file[24:]) != 16000 ||
			binary.LittleEndian.Uint32(file[40:]) != uint32(len(sound)) {
			t.Errorf("%s: the file begins with % x", row.lang, file[:44])
		}
	}
}

func TestWhatIsNoTranscriptionIsAnError(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"a failure": func(w http.ResponseWriter) { http.Error(w, `{"text":"secret words"}`, http.StatusInternalServerError) },
		"another address": func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"no JSON":          func(w http.ResponseWriter) { fmt.Fprint(w, "secret words") },
		"no text":          func(w http.ResponseWriter) { fmt.Fprint(w, `{"error":"secret words"}`) },
		"text of no words": func(w http.ResponseWriter) { fmt.Fprint(w, `{"text":{"secret":"words"}}`) },
		"too much":         func(w http.ResponseWriter) { fmt.Fprintf(w, `{"text":"%s"}`, strings.Repeat("secret words ", 9000)) },
		"half": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"text":"secret words`)
		},
	} {
		at := server(t, func(w http.ResponseWriter, _ map[string]string, _ []byte) { answer(w) })
		r, err := casespeech.New(at, "", "")
		if err != nil {
			t.Fatal(err)
		}
		text, err := r.Recognise(t.Context(), make([]byte, 100), "en")
		if err == nil || text != "" || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), at) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// A recogniser that hangs is left when the time is over.
func TestARecogniserThatHangsIsLeft(t *testing.T) {
	asked, over := make(chan struct{}), make(chan struct{})
	at := server(t, func(http.ResponseWriter, map[string]string, []byte) { close(asked); <-over })
	r, err := casespeech.New(at, "", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := r.Recognise(ctx, make([]byte, 100), "en"); err == nil {
		t.Error("no error")
	}
	close(over)
}

func TestVoicesAreSentInTheClearToNeighboursOnly(t *testing.T) {
	for _, good := range []string{"https://speech.example.com/v1/audio/transcriptions", "http://127.0.0.1:8080/inference", "http://[::1]/x", "http://10.1.2.3/x", "http://whisper:8080/inference", "http://localhost/x"} {
		if _, err := casespeech.New(good, "", ""); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "speech", "http://speech.example.com/x", "http://8.8.8.8/x", "ftp://whisper/x", "https:///x", "https://user:pass@host/x", "https://host/x#y", "http://host.:80/x"} {
		if r, err := casespeech.New(bad, "", ""); err == nil {
			t.Errorf("%s was taken: %s", bad, r)
		}
	}
}
