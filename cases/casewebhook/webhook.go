// Package casewebhook tells the operator's own program of decisions, signed as Standard Webhooks 1.0 has it. It sends ids and
// states and nothing personal; who needs more asks the server.
package casewebhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/symbolon/symbolon/cases"
)

const (
	within      = 15 * time.Second
	secretLeast = 24 // bytes, as the standard has it
	secretMost  = 64
)

// Hook is one address to tell.
type Hook struct {
	url    string
	secret []byte
	client *http.Client
	now    func() time.Time
}

// New checks an address and a secret in the standard's form: "whsec_" and 24 to 64 bytes in base64. Without TLS only this machine
// is told.
func New(address, secret string) (*Hook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1") {
		return nil, errors.New("write an https address")
	}
	text, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < secretLeast || len(key) > secretMost {
		return nil, fmt.Errorf("write the secret as whsec_ and %d to %d bytes in base64", secretLeast, secretMost)
	}
	return &Hook{url: u.String(), secret: key, now: time.Now, client: &http.Client{
		Timeout:       within,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the secret's signature is for this address
	}}, nil
}

// message is the body of a notice.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	CaseID  string           `json:"case_id"`
	Level   int              `json:"level"`
	State   cases.LevelState `json:"state"`
	Version int64            `json:"version"`
}

// Tell sends a notice; anything but a status of 200 to 299 is a failure.
func (h *Hook) Tell(ctx context.Context, n cases.Notice) error {
	body, err := json.Marshal(message{"case.level_decided", n.At.UTC(), data{n.CaseID, n.Level, n.State, n.Version}})
	if err != nil {
		return fmt.Errorf("casewebhook: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("casewebhook: the address cannot be asked")
	}
	at := strconv.FormatInt(h.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Symbolon")
	req.Header.Set("webhook-id", n.ID)
	req.Header.Set("webhook-timestamp", at)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(h.sign(n.ID, at, body)))
	res, err := h.client.Do(req)
	if err != nil {
		return errors.New("casewebhook: no answer") // the text would quote the address
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 16<<10))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("casewebhook: answered %d", res.StatusCode)
	}
	return nil
}

// sign is the HMAC-SHA256 over the id, the time and the body, with dots between them.
func (h *Hook) sign(id, at string, body []byte) []byte {
	m := hmac.New(sha256.New, h.secret)
	_, _ = fmt.Fprintf(m, "%s.%s.%s", id, at, body)
	return m.Sum(nil)
}
