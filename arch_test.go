package symbolon_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/symbolon/symbolon"

// subjects do not know each other; cmd/symbolon joins them.
var subjects = []string{"cases", "checks", "handoff", "live", "media", "sessions"}

// drivers stay behind one door each: the folders that may import them.
var drivers = map[string][]string{
	"github.com/gofiber/":            {"server"},
	"github.com/valyala/fasthttp":    {"server"},
	"github.com/fasthttp/websocket":  {"server"},
	"github.com/skip2/go-qrcode":     {"server"},
	"github.com/prometheus/":         {"server"},
	"github.com/redis/go-redis/":     {"sessions/sessionredis", "sessions/embeddedredis", "handoff/handoffredis", "live/liveredis"},
	"github.com/alicebob/miniredis/": {"sessions/embeddedredis"},
	"go.mongodb.org/":                {"cases/casemongo"},
	"github.com/minio/minio-go/":     {"media/medias3"},
	"modernc.org/":                   {"cases/casesqlite"},
	"github.com/tink-crypto/":        {"seal"},
	"github.com/smartwalle/":         {"cases/casealipay"},
	"github.com/go-webauthn/":        {"server"},
	"github.com/pquerna/otp":         {"server"},
	"github.com/wneessen/go-mail":    {"cases/casemail"},
}

// source is one Go file of the module.
type source struct {
	folder  string // "" for the root
	file    string
	test    bool // a test, or a package for tests: its name ends in "test"
	imports []string
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != "." {
				return filepath.SkipDir // a module of its own
			}
			if d.Name() == "node_modules" || d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{folder: strings.TrimPrefix(path.Dir(filepath.ToSlash(name)), "."), file: name}
		s.test = strings.HasSuffix(name, "_test.go") || strings.HasSuffix(s.folder, "test") || within(s.folder, "e2e")
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, p)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d files were found", len(all))
	}
	return all
}

// within says whether a folder is dir or below it.
func within(folder, dir string) bool { return folder == dir || strings.HasPrefix(folder, dir+"/") }

// part is the first folder of an import of this module, "" for others.
func part(imported string) string {
	inside, ok := strings.CutPrefix(imported, module+"/")
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(inside, "/")
	return first
}

func TestDriversStayBehindOneDoor(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue // a test may stand a whole server up
		}
		for _, i := range s.imports {
			if part(i) != "" && strings.HasSuffix(i, "test") {
				t.Errorf("%s imports %s, which is for tests", s.file, i)
			}
			for driver, homes := range drivers {
				if !strings.HasPrefix(i, driver) {
					continue
				}
				if !slices.ContainsFunc(homes, func(home string) bool { return within(s.folder, home) }) {
					t.Errorf("%s imports %s, which only %s may", s.file, i, strings.Join(homes, ", "))
				}
			}
		}
	}
}

func TestArrowsRunOneWay(t *testing.T) {
	leaves := []string{"fault", "seal"}
	for _, s := range sources(t) {
		from, _, _ := strings.Cut(s.folder, "/")
		for _, i := range s.imports {
			to := part(i)
			if to == "" {
				if from == "fault" && !s.test && strings.Contains(strings.Split(i, "/")[0], ".") {
					t.Errorf("%s imports %s: fault needs the standard library only", s.file, i)
				}
				continue
			}
			switch {
			case to == from:
			case s.test && strings.Contains(strings.TrimPrefix(i, module+"/"), "/"): // tests may share what they stand on
			case slices.Contains(leaves, from):
				t.Errorf("%s imports %s: %s is a leaf", s.file, i, from)
			case slices.Contains(subjects, from) && !slices.Contains(leaves, to):
				// cases judges by the checks, which do no input or output of their own.
				if !(from == "cases" && to == "checks") {
					t.Errorf("%s imports %s: subjects do not know each other or who uses them", s.file, i)
				}
			case from == "server" && (to == "cmd" || to == "web") && !s.test:
				t.Errorf("%s imports %s: what server needs is given to it", s.file, i)
			case to == "server" && from != "cmd" && !s.test:
				t.Errorf("%s imports %s: only cmd puts the server together", s.file, i)
			}
		}
		// server speaks to the subjects, not to their storage; its tests may build a whole server.
		if from == "server" && !s.test {
			for _, i := range s.imports {
				if inside, ok := strings.CutPrefix(i, module+"/"); ok && strings.Contains(inside, "/") {
					t.Errorf("%s imports %s: server knows subjects, not backends", s.file, i)
				}
			}
		}
	}
}

func TestPackageNamesAreUnique(t *testing.T) {
	folders := map[string]string{}
	for _, s := range sources(t) {
		if s.folder == "" || strings.HasPrefix(s.folder, "cmd/") {
			continue
		}
		name := path.Base(s.folder)
		if other, ok := folders[name]; ok && other != s.folder {
			t.Errorf("%s and %s share a name", other, s.folder)
		}
		folders[name] = s.folder
	}
}

// TestTheContainerGetsEveryPackage compares .dockerignore, which lists what may go in, with what the
// program is made of.
func TestTheContainerGetsEveryPackage(t *testing.T) {
	ignore, err := os.ReadFile(".dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(ignore), "\n")
	for _, s := range sources(t) {
		top, _, _ := strings.Cut(s.folder, "/")
		if !s.test && !slices.Contains(lines, "!"+top) {
			t.Errorf("%s is part of the program, and .dockerignore lacks !%s", s.file, top)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)

// TestLinksOfTheDocuments finds links of the documents to files that are not there.
func TestLinksOfTheDocuments(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("docs", func(name string, d os.DirEntry, err error) error {
		if strings.HasSuffix(name, ".md") {
			pages = append(pages, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			found++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), string(m[1]))); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
	if found < 10 {
		t.Fatalf("only %d links were found", found)
	}
}

var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// TestDocumentsNameTestsThatExist holds the pages about security, and the others that say what is tested, to the
// tests that they name.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	tests := map[string]bool{}
	for _, s := range sources(t) {
		if !strings.HasSuffix(s.file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), s.file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				tests[d.Name.Name] = true
			}
		}
	}
	pages, err := filepath.Glob("docs/security/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "docs/handoff.md", "docs/redis.md", "SECURITY.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		named := testName.FindAllSubmatch(text, -1)
		for _, m := range named {
			if name := string(m[1]); !tests[name] {
				t.Errorf("%s names %s, which does not exist", page, name)
			}
		}
		if base := filepath.Base(page); len(named) < 10 && (base == "handoff.md" || base == "limits.md") && strings.Contains(page, "security") {
			t.Errorf("%s names only %d tests", page, len(named))
		}
	}
}

// TestTheRepositoryStandsAlone looks for paths that exist on no other machine.
func TestTheRepositoryStandsAlone(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("this is not a git checkout: %v", err)
	}
	// Put together, so that this file is not its own finding.
	foreign := []string{"../sha" + "red/design", "../sha" + "red/facts", "/wo" + "rk/", "/ro" + "ot/", "/tmp/br" + "ief"}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // removed and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range foreign {
			if at := bytes.Index(text, []byte(word)); at >= 0 {
				t.Errorf("%s:%d mentions %s", name, 1+bytes.Count(text[:at], []byte("\n")), word)
			}
		}
	}
}
