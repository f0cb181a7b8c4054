package cases_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Whatever stands in a history has words for the people who read it.
func TestEveryEventHasWords(t *testing.T) {
	events := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			s, _ := strconv.Unquote(lit.Value)
			events[s] = true
		}
	}
	named := regexp.MustCompile(`^event[A-Z]`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Event" {
					note(n.Value)
				}
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if named.MatchString(id.Name) && i < len(n.Values) {
						note(n.Values[i])
					}
				}
			}
			return true
		})
	}
	if len(events) < 15 {
		t.Fatalf("only %d events were found: %v", len(events), events)
	}
	for _, lang := range []string{"en", "zh-Hans"} {
		b, err := os.ReadFile("../web/i18n/" + lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		words := map[string]string{}
		if err := json.Unmarshal(b, &words); err != nil {
			t.Fatal(err)
		}
		for e := range events {
			if e == "decision" { // its words are those of the verdict
				e = "decided"
			}
			if words["review.event."+e] == "" {
				t.Errorf("%s has no words for %s", lang, e)
			}
		}
	}
}
