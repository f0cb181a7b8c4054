package casealipay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// mostAnswer is the longest answer that is read, in bytes: it is kept as evidence.
const mostAnswer = 16 << 10

// errForm: an answer has not the form that Alipay's answers have.
var errForm = errors.New("casealipay: the answer has not the form of an answer")

// members reads one JSON object and nothing after it. A name that stands there twice is an error: two readers could take
// different values for the one that was signed.
func members(b []byte) (map[string]json.RawMessage, error) {
	if len(b) > mostAnswer {
		return nil, fmt.Errorf("%w: it is too long", errForm)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: it is no object", errForm)
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: it is no JSON", errForm)
		}
		name, _ := t.(string)
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%w: a name stands there twice", errForm)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("%w: it is no JSON", errForm)
		}
		out[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: it is cut off", errForm)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows it", errForm)
	}
	return out, nil
}

// text returns a member that is a string, "" where there is none.
func text(m map[string]json.RawMessage, name string) (string, error) {
	v, ok := m[name]
	if !ok {
		return "", nil
	}
	var s string
	if len(v) == 0 || v[0] != '"' || json.Unmarshal(v, &s) != nil {
		return "", fmt.Errorf("%w: %s is no string", errForm, name)
	}
	return s, nil
}

// responseName is the member that holds the answer to a method.
func responseName(method string) string { return strings.ReplaceAll(method, ".", "_") + "_response" }

const errorName = "error_response"

// checkEnvelope looks at an answer to a method before the library does: it is one object with the answer to this very
// method, or with an error; in the mode of certificates it names the one certificate that was configured. Whether
// it is signed, and rightly, is not asked here.
func checkEnvelope(body []byte, method, certSN string) error {
	m, err := members(body)
	if err != nil {
		return err
	}
	name := responseName(method)
	inner, ok := m[name]
	if !ok {
		name, inner = errorName, m[errorName]
	}
	if len(inner) == 0 || inner[0] != '{' {
		return fmt.Errorf("%w: it answers something else", errForm)
	}
	for other := range m {
		if other != name && other != "sign" && other != "alipay_cert_sn" {
			return fmt.Errorf("%w: it holds more than an answer", errForm)
		}
	}
	if _, err := text(m, "sign"); err != nil {
		return err
	}
	sn, err := text(m, "alipay_cert_sn")
	if err != nil {
		return err
	}
	if _, signed := m["sign"]; signed && name != errorName && sn != certSN {
		return fmt.Errorf("%w: it is signed for another certificate", errForm)
	}
	_, err = answerOf(inner)
	return err
}

// answer is what is read of an answer, after its signature was verified.
type answer struct {
	code, subCode     string
	certifyID, passed string
}

var (
	codeForm    = regexp.MustCompile(`^[0-9]{1,8}$`)
	subCodeForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	certifyForm = regexp.MustCompile(`^[A-Za-z0-9]{8,64}$`)
)

// answerOf reads the answer itself. What a method does not answer is "".
func answerOf(inner []byte) (answer, error) {
	m, err := members(inner)
	if err != nil {
		return answer{}, err
	}
	var a answer
	for _, f := range []struct {
		name string
		to   *string
	}{{"code", &a.code}, {"sub_code", &a.subCode}, {"certify_id", &a.certifyID}, {"passed", &a.passed}} {
		if *f.to, err = text(m, f.name); err != nil {
			return answer{}, err
		}
	}
	if !codeForm.MatchString(a.code) {
		return answer{}, fmt.Errorf("%w: it has no code", errForm)
	}
	if !subCodeForm.MatchString(a.subCode) {
		a.subCode = "" // it goes to the log: only what cannot hold anything else
	}
	return a, nil
}
