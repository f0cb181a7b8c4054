// Package casespeech writes down speech with a recogniser that the operator runs: a server with the call for transcriptions
// that OpenAI published and others answer, whisper.cpp's among them. It sends sound alone: no name, no number of a case, and not
// what is expected to be said, which a recogniser would then hear.
package casespeech

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/checks"
)

const (
	within     = time.Minute // one sentence
	mostAnswer = 64 << 10
)

// Recogniser asks one server. It is safe for concurrent use.
type Recogniser struct {
	url, key, model string
	host            string
	client          *http.Client
}

var _ cases.Recogniser = (*Recogniser)(nil)

// New checks the address of a server's call, such as http://127.0.0.1:8080/inference or https://HOST/v1/audio/transcriptions. The
// sound of a voice is personal: without TLS it is sent only to this machine, to a private address, or to a name without dots,
// as containers of one network have. key is sent as a bearer token, model names one of the server's; both may be empty.
func New(address, key, model string) (*Recogniser, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !near(u.Hostname())) {
		return nil, errors.New("write https://HOST/PATH; http:// is for this machine and private networks alone")
	}
	return &Recogniser{url: u.String(), key: key, model: model, host: u.Host, client: &http.Client{
		Timeout:       within,
		Transport:     &http.Transport{Proxy: nil, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a voice goes where the operator said
	}}, nil
}

func near(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback() || a.IsPrivate()
	}
	return host != "" && !strings.Contains(host, ".")
}

// String says what writes down speech.
func (r *Recogniser) String() string {
	if r.model == "" {
		return "the recogniser at " + r.host
	}
	return r.model + " at " + r.host
}

// nudges are what a recogniser is shown as written before: Whisper then writes Chinese in the characters of the language asked for,
// and with points.
var nudges = map[string]string{"Hans": "以下是普通话的句子。", "Hant": "以下是普通話的句子。"}

// Recognise implements cases.Recogniser. Errors name nothing of what was said.
func (r *Recogniser) Recognise(ctx context.Context, sound []byte, lang string) (string, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "speech.wav")
	if err != nil {
		return "", fmt.Errorf("casespeech: %w", err)
	}
	_, _ = file.Write(header(len(sound)))
	_, _ = file.Write(sound)
	tag := language.Make(lang)
	base, _ := tag.Base()
	fields := [][2]string{{"language", base.String()}, {"response_format", "json"}, {"temperature", "0"}}
	if r.model != "" {
		fields = append(fields, [2]string{"model", r.model})
	}
	if script, _ := tag.Script(); nudges[script.String()] != "" {
		fields = append(fields, [2]string{"prompt", nudges[script.String()]})
	}
	for _, f := range fields {
		_ = form.WriteField(f[0], f[1]) // into memory
	}
	form.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, &body)
	if err != nil {
		return "", errors.New("casespeech: the address cannot be asked")
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("User-Agent", "Symbolon")
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	res, err := r.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("casespeech: %w", ctx.Err())
		}
		return "", errors.New("casespeech: no answer") // the text would quote the address
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	if err != nil {
		return "", errors.New("casespeech: half an answer")
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("casespeech: answered %d", res.StatusCode)
	}
	var answer struct {
		Text *string `json:"text"`
	}
	if len(b) > mostAnswer || json.Unmarshal(b, &answer) != nil || answer.Text == nil {
		return "", errors.New("casespeech: the answer is no transcription")
	}
	return strings.ToValidUTF8(*answer.Text, ""), nil
}

// header is that of a WAV file (RIFF, PCM) of so many bytes of sound.
func header(n int) []byte {
	const channels, bytesPerSample = 1, 2
	h := make([]byte, 0, 44)
	h = append(h, "RIFF"...)
	h = binary.LittleEndian.AppendUint32(h, uint32(36+n))
	h = append(h, "WAVEfmt "...)
	h = binary.LittleEndian.AppendUint32(h, 16)
	h = binary.LittleEndian.AppendUint16(h, 1) // PCM
	h = binary.LittleEndian.AppendUint16(h, channels)
	h = binary.LittleEndian.AppendUint32(h, checks.SoundRate)
	h = binary.LittleEndian.AppendUint32(h, checks.SoundRate*channels*bytesPerSample)
	h = binary.LittleEndian.AppendUint16(h, channels*bytesPerSample)
	h = binary.LittleEndian.AppendUint16(h, 8*bytesPerSample)
	h = append(h, "data"...)
	return binary.LittleEndian.AppendUint32(h, uint32(n))
}
