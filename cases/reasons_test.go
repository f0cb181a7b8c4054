package cases_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/symbolon/symbolon/cases"
)

// generalTexts are what an applicant reads in place of a hidden reason.
var generalTexts = map[cases.ReasonType]string{cases.PersonReason: "A person looks at it.", cases.FinalReason: "We could not verify you."}

func TestTheCatalogueOfReasons(t *testing.T) {
	vendors := []string{"stripe", "sumsub", "onfido", "veriff", "jumio"}
	seen := map[string]bool{}
	for _, r := range cases.Reasons() {
		if seen[r.Code] {
			t.Errorf("%s stands twice", r.Code)
		}
		seen[r.Code] = true
		if !slices.Contains([]cases.ReasonType{cases.RedoReason, cases.FinalReason, cases.PersonReason}, r.Type) {
			t.Errorf("%s: type %q", r.Code, r.Type)
		}
		if general := generalTexts[r.Type]; r.Hidden && r.Says["en"].Wrong != general {
			t.Errorf("%s is hidden and says %q, not the general %q", r.Code, r.Says["en"].Wrong, general)
		}
		if (r.Type == cases.RedoReason) != (r.Redo != "") {
			t.Errorf("%s: type %s with redo %q", r.Code, r.Type, r.Redo)
		}
		for lang, says := range r.Says {
			for _, s := range []string{says.Wrong, says.Better} {
				han := strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
				end := map[string]string{"en": ".", "zh-Hans": "。"}[lang]
				if !strings.HasSuffix(s, end) || han != (lang == "zh-Hans") || strings.ContainsAny(s, "!！") {
					t.Errorf("%s, %s: %q", r.Code, lang, s)
				}
			}
		}
		if len(r.Says) != 2 {
			t.Errorf("%s: %d languages", r.Code, len(r.Says))
		}
		for v := range r.Maps {
			if !slices.Contains(vendors, v) {
				t.Errorf("%s: unknown vendor %q", r.Code, v)
			}
		}
	}
}

// Every code that the rules use has its words.
func TestEveryReasonThatIsUsedIsInTheCatalogue(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`Reason\{Code: "([^"]+)"`)
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(b), -1) {
			n++
			if _, ok := cases.ReasonByCode(m[1]); !ok {
				t.Errorf("%s uses %q", f, m[1])
			}
		}
	}
	if n < 3 {
		t.Errorf("only %d uses were found; does the pattern still fit?", n)
	}
}
