package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/skip2/go-qrcode"

	"github.com/symbolon/symbolon/fault"
)

func TestMasks(t *testing.T) {
	for in, want := range map[string]string{
		"张三": "张*", "欧阳修文": "欧***", "张": "*", "": "", "Anna Maria Eriksson": "A*** M**** E*******", "O": "*", "J Doe": "J D**", "Élodie": "É*****",
	} {
		if got := maskName(in); got != want {
			t.Errorf("name %q is shown as %q, not %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"11010519491231002X": "110105********002X", "E12345678": "*******78", "L898902C3": "*******C3", "AB": "**", "ABCD": "****", "": "", "12345678901234567890": "123456**********7890",
	} {
		if got := maskNumber(in); got != want {
			t.Errorf("number %q is shown as %q, not %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"anna@example.com": "a***@example.com", "a@example.com": "a***@example.com", "中@example.com": "中***@example.com", "nothing": "***", `"a@b"@example.com`: `"***@b"@example.com`,
	} {
		if got := maskEmail(in); got != want {
			t.Errorf("address %q is shown as %q, not %q", in, got, want)
		}
	}
}

// Every kind of failure has a status: a new one without would be told as ours.
func TestEveryKindHasAStatus(t *testing.T) {
	for k := fault.Internal; k <= fault.RangeNotSatisfiable; k++ {
		if status := statusOf[k]; status < 400 || status > 599 {
			t.Errorf("kind %d has status %d", k, status)
		}
	}
}

func TestAProblemKeepsItsOwnMembers(t *testing.T) {
	e := fault.New(fault.Conflict, "case_exists", "There is one.").With("status", 200).With("code", "other").With("case_id", "case_1")
	doc := document(e, http.StatusConflict)
	if doc["status"] != 409 || doc["code"] != "case_exists" || doc["case_id"] != "case_1" {
		t.Errorf("problem %v", doc)
	}
}

// A picture must not grow when a code happens to have fewer digits than the one before.
func TestTheGridDependsOnTheLengthAlone(t *testing.T) {
	side := 0
	for _, code := range []string{strings.Repeat("0", 33), strings.Repeat("a", 33), strings.Repeat("A", 33), "0123456789.AbCdEfGhIjKlMnOpQrStUv"} {
		q, err := qrFor("https://kyc.example.com/h#c=" + code)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(q.Bitmap()); side != 0 && n != side {
			t.Errorf("%q is %d modules wide after %d", code, n, side)
		} else {
			side = n
		}
	}
	if q, err := qrcode.New("https://kyc.example.com/h#c="+strings.Repeat("a", 33), qrcode.Medium); err != nil || len(q.Bitmap()) != side {
		t.Errorf("the pinned grid is %d wide, more than needed (%v)", side, err)
	}
	if _, err := qrFor("https://" + strings.Repeat("a", 3000)); err == nil {
		t.Error("an address of 3000 characters was drawn")
	}
}

func TestTheSVGIsTheBitmap(t *testing.T) {
	const address = "https://kyc.example.com/h#c=0123456789.AbCdEfGhIjKlMnOpQrStUv"
	svg, err := qrSVG(address)
	if err != nil {
		t.Fatal(err)
	}
	q, _ := qrFor(address)
	dark := 0
	for _, row := range q.Bitmap() {
		for i, on := range row {
			if on && (i == 0 || !row[i-1]) {
				dark++
			}
		}
	}
	if got := strings.Count(string(svg), "z") - 1; got != dark {
		t.Errorf("%d runs are drawn, the bitmap has %d", got, dark)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"email":"a@b.c","password":"x"}`, `{}`, `null`, `[]`, `{"email":{}}`, `{"email":"a","email":"b"}`, `{"EMAIL":"a"}`, `{"a":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}`,
		`{"email":"\ud800"}`, "{\"email\":\"\xff\"}", `{"email":1e999}`, `{} {}`, `{"password":"a"`, ` {"email" : "\u0061"} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in credentialsInput
		if err := parse(body, &in); err != nil {
			if err != error(errJSON) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		// What was taken means the same to any other reader.
		var plain map[string]any
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatalf("taken, but not JSON: %v", err)
		}
		for name, value := range plain {
			if got := map[string]string{"email": in.Email, "password": in.Password}; value != nil && got[name] != value {
				t.Fatalf("%s is %q, not %q", name, got[name], value)
			}
		}
	})
}
