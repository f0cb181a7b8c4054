package cases

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

//go:embed script.yaml
var defaultScript []byte

// ScriptFile is what applicants show and read aloud in recordings, as an operator writes it. script.yaml explains
// each field.
type ScriptFile struct {
	Version       string            `yaml:"version"`
	Spoken        map[string]Spoken `yaml:"spoken"` // by BCP 47 tag
	ClipDocument  DocumentScript    `yaml:"clip_document"`
	ClipStatement []PromptText      `yaml:"clip_statement"`

	languages []string // of Spoken, in the order of the file
}

// Spoken is how names are said in a language.
type Spoken struct {
	Operator string `yaml:"operator"`
	Purpose  string `yaml:"purpose"`
}

// DocumentScript is what is shown of a document, by its shape.
type DocumentScript struct {
	Card []PromptText `yaml:"card"`
	Page []PromptText `yaml:"page"`
}

// PromptText is one thing to show or to read, in every language of its file.
type PromptText struct {
	ID    string            `yaml:"id"`
	Still bool              `yaml:"still"`
	Show  map[string]string `yaml:"show"`
	Read  map[string]string `yaml:"read"`
}

// IssuedScript is what one take was asked to follow.
type IssuedScript struct {
	Template    string   `json:"template" bson:"template"`         // version of the ScriptFile
	Number      string   `json:"number" bson:"number"`             // six digits, of this take only
	AccountHint string   `json:"account_hint" bson:"account_hint"` // four digits
	Prompts     []Prompt `json:"prompts" bson:"prompts"`
}

// Prompt is one thing to do in a take.
type Prompt struct {
	ID    string `json:"id" bson:"id"`
	Text  string `json:"text" bson:"text"`
	Lang  string `json:"lang" bson:"lang"` // BCP 47
	Kind  string `json:"kind" bson:"kind"` // PromptShow …
	Still bool   `json:"still,omitempty" bson:"still,omitempty"`
}

// Kinds of prompt.
const (
	PromptShow   = "show"   // do what the text says
	PromptRead   = "read"   // read it aloud
	PromptRepeat = "repeat" // it is spoken first, then said again
	PromptWrite  = "write"  // write it down and sign it
)

// Bounds of a script. A prompt fits four lines beside a lens, and is read in a breath.
const (
	promptHan    = 28 // Chinese characters
	promptLatin  = 72 // letters, spaces and points
	promptFor    = 12 * time.Second
	clipFor      = 60 * time.Second
	showFor      = 6 * time.Second // doing what a prompt asks for
	maxPrompts   = 16
	maxSaid      = 600 // characters of a text in a file
	maxScript    = 64 << 10
	numberDigits = 6
)

// DefaultScript returns the script that is used where no other is given.
func DefaultScript() ScriptFile {
	f, err := ReadScript(bytes.NewReader(defaultScript))
	if err != nil {
		panic(fmt.Sprintf("cases: the default script: %v", err))
	}
	return f
}

// DefaultScriptFile returns the default script as a file to start from.
func DefaultScriptFile() []byte { return slices.Clone(defaultScript) }

// ReadScript reads a script file. The error is for the operator: it lists every mistake. What does not fit is said by
// Check, as it depends on the operator's name.
func ReadScript(r io.Reader) (ScriptFile, error) {
	var f ScriptFile
	b, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return f, err
	}
	if len(b) > maxScript {
		return f, fmt.Errorf("the file is longer than %d bytes", maxScript)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return f, errors.New("the file is empty")
		}
		return f, err
	}
	f.languages = inOrder(b, f.Spoken)
	return f, f.mistakes()
}

// inOrder returns the languages as the file has them: the first one is the one that is used for everybody else.
func inOrder(b []byte, of map[string]Spoken) []string {
	var doc struct {
		Spoken yaml.Node `yaml:"spoken"`
	}
	if yaml.Unmarshal(b, &doc) != nil {
		return slices.Sorted(maps.Keys(of))
	}
	var tags []string
	for i := 0; i < len(doc.Spoken.Content); i += 2 {
		if _, ok := of[doc.Spoken.Content[i].Value]; ok {
			tags = append(tags, doc.Spoken.Content[i].Value)
		}
	}
	return tags
}

var (
	promptID = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)
	variable = regexp.MustCompile(`\{[^}]*\}?`)
	// variables are what may stand in a text.
	variables = []string{"{operator}", "{purpose}", "{account_hint}", "{date}", "{number}"}
)

// mistakes lists what is wrong with the file itself.
func (f ScriptFile) mistakes() error {
	var bad []error
	say := func(format string, args ...any) { bad = append(bad, fmt.Errorf(format, args...)) }
	if strings.TrimSpace(f.Version) == "" || len(f.Version) > 64 {
		say("version is missing or long; write a name such as 2026-12-01")
	}
	if len(f.languages) == 0 {
		say("spoken: name at least one language, such as en or zh-Hans")
	}
	for _, l := range f.languages {
		if t, err := language.Parse(l); err != nil || t == language.Und {
			say("spoken: %q is no language; write a tag such as en or zh-Hans", l)
		}
	}
	for name, prompts := range f.sections() {
		if len(prompts) == 0 {
			say("%s: there is nothing to do; write at least one prompt", name)
		}
		if len(prompts) > maxPrompts {
			say("%s: more than %d prompts", name, maxPrompts)
		}
		ids := map[string]bool{}
		stills := 0
		for _, p := range prompts {
			where := name + ", " + p.ID
			if !promptID.MatchString(p.ID) || ids[p.ID] {
				say("%s: %q is no id of its own; write a short name of small letters, digits and _", name, p.ID)
			}
			ids[p.ID] = true
			if p.Still {
				stills++
			}
			if (p.Show == nil) == (p.Read == nil) {
				say("%s: write either show or read", where)
			}
			if p.Read != nil && (p.Still || name != clipStatement) {
				say("%s: what is read aloud stands in clip_statement, without a photo", where)
			}
			for tag := range p.texts() {
				if !slices.Contains(f.languages, tag) {
					say("%s: %q is not among the languages of spoken", where, tag)
				}
			}
			for _, tag := range f.languages {
				text := p.texts()[tag]
				if strings.TrimSpace(text) == "" {
					say("%s: the words in %s are missing", where, tag)
				}
				if utf8.RuneCountInString(text) > maxSaid {
					say("%s: the words in %s are longer than %d characters", where, tag, maxSaid)
				}
				for _, v := range variable.FindAllString(text, -1) {
					if !slices.Contains(variables, v) {
						say("%s: %s is not known; write one of %s", where, v, strings.Join(variables, ", "))
					}
				}
			}
		}
		if stills > 1 {
			say("%s: only one prompt can take a photo", name)
		}
	}
	return errors.Join(bad...)
}

// Names of the parts of a file.
const (
	documentCard  = "clip_document.card"
	documentPage  = "clip_document.page"
	clipStatement = "clip_statement"
)

func (f ScriptFile) sections() map[string][]PromptText {
	return map[string][]PromptText{documentCard: f.ClipDocument.Card, documentPage: f.ClipDocument.Page, clipStatement: f.ClipStatement}
}

// texts are the words of a prompt, of whichever kind.
func (p PromptText) texts() map[string]string {
	if p.Read != nil {
		return p.Read
	}
	return p.Show
}

func (p PromptText) kind() string {
	if p.Read != nil {
		return PromptRead
	}
	return PromptShow
}

// lang returns the file's language for what somebody asked for: a BCP 47 tag, or "".
func (f ScriptFile) lang(asked string) string {
	if len(asked) > 35 {
		asked = ""
	}
	var tags []language.Tag
	for _, l := range f.languages {
		tags = append(tags, language.Make(l))
	}
	_, i, _ := language.NewMatcher(tags).Match(language.Make(asked))
	return f.languages[i]
}

// said is what variables stand for in one take.
type said struct {
	operator, hint, number string
	day                    time.Time
}

// prompts fills in a part of the file in a language and splits what is too long.
func (f ScriptFile) prompts(section, lang string, s said) []Prompt {
	operator := f.Spoken[lang].Operator
	if operator == "" {
		operator = s.operator
	}
	fill := strings.NewReplacer("{operator}", operator, "{purpose}", f.Spoken[lang].Purpose,
		"{account_hint}", s.hint, "{number}", spaced(s.number), "{date}", dateInWords(s.day, lang))
	var out []Prompt
	for _, p := range f.sections()[section] {
		for i, text := range split(strings.Join(strings.Fields(fill.Replace(p.texts()[lang])), " ")) {
			n := Prompt{ID: p.ID, Text: text, Lang: lang, Kind: p.kind(), Still: p.Still && i == 0}
			if i > 0 {
				n.ID = fmt.Sprintf("%s_%d", p.ID, i+1)
			}
			out = append(out, n)
		}
	}
	return out
}

// Check lists what an applicant could not read in time, at a glance, or aloud: nothing where all is well. The
// operator is named as applicants know it. Every day of the year of from is tried, as some are longer in words.
func (f ScriptFile) Check(operator string, from time.Time) []string {
	var bad []string
	say := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !slices.Contains(bad, s) {
			bad = append(bad, s)
		}
	}
	for _, section := range slices.Sorted(maps.Keys(f.sections())) {
		for _, lang := range f.languages {
			for day := range 366 {
				prompts := f.prompts(section, lang, said{operator: operator, hint: "48 21", number: "482107", day: from.AddDate(0, 0, day)})
				where := section + " in " + lang
				if n := len(prompts); n > maxPrompts {
					say("%s: %d prompts after splitting; %d are the most", where, n, maxPrompts)
				}
				var whole time.Duration
				ids := map[string]bool{}
				for _, p := range prompts {
					if ids[p.ID] {
						say("%s: after splitting there are two prompts %q; give one another id", where, p.ID)
					}
					ids[p.ID] = true
					if width(p.Text) > 1 {
						say("%s, %s: %q is too long for four lines, and there is nowhere to split it; shorten it or write a comma", where, p.ID, p.Text)
					}
					took := p.takes()
					if took > promptFor {
						say("%s, %s: %q takes %v; %v are the most", where, p.ID, p.Text, took.Round(time.Second), promptFor)
					}
					whole += took
					if p.Kind == PromptRead {
						if what := unspeakable(p.Text); what != "" {
							say("%s, %s: %q cannot be read aloud: %s", where, p.ID, p.Text, what)
						}
					}
				}
				if whole > clipFor {
					say("%s: all of it takes %v; a recording has %v", where, whole.Round(time.Second), clipFor)
				}
			}
		}
	}
	return bad
}

// Show writes what an applicant would read on a day, in every language.
func (f ScriptFile) Show(w io.Writer, operator string, day time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Script %s.\n", f.Version)
	for _, section := range []string{documentCard, documentPage, clipStatement} {
		for _, lang := range f.languages {
			fmt.Fprintf(&b, "\n%s in %s:\n", section, lang)
			var whole time.Duration
			for _, p := range f.prompts(section, lang, said{operator: operator, hint: "48 21", number: "482107", day: day}) {
				whole += p.takes()
				photo := ""
				if p.Still {
					photo = ", with a photo"
				}
				fmt.Fprintf(&b, "  %-15s %s%s, about %d s: %s\n", p.ID, p.Kind, photo, int(p.takes().Seconds()+0.5), p.Text)
			}
			fmt.Fprintf(&b, "  about %d s in all\n", int(whole.Seconds()+0.5))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// takes is how long a prompt takes somebody who reads slowly.
func (p Prompt) takes() time.Duration {
	if p.Kind == PromptShow {
		return showFor
	}
	took := time.Second // to find it
	for _, r := range p.Text {
		switch {
		case wide(r):
			took += 280 * time.Millisecond
		case unicode.IsDigit(r):
			took += 450 * time.Millisecond
		default:
			took += 90 * time.Millisecond
		}
	}
	return took
}

// wide reports whether a character takes the room of a Chinese one.
func wide(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || 0x3000 <= r && r <= 0x303f || 0xff00 <= r && r <= 0xff60
}

// width is how much of a prompt's room a text takes; more than 1 does not fit.
func width(text string) float64 {
	han, latin := 0, 0
	for _, r := range text {
		if wide(r) {
			han++
		} else {
			latin++
		}
	}
	return float64(han)/promptHan + float64(latin)/promptLatin
}

// Where a text may be split, the best places first.
var places = []string{"。！？；.!?;", "，、：,:—–", " "}

// split splits a text that is too long for one prompt, at as few places as possible.
func split(text string) []string {
	pieces := []string{text}
	for _, after := range places {
		var next []string
		for _, p := range pieces {
			if width(p) <= 1 {
				next = append(next, p)
				continue
			}
			next = append(next, packed(cut(p, after))...)
		}
		pieces = next
	}
	return pieces
}

// cut cuts a text after each of some characters. A point between two digits or letters is none.
func cut(text, after string) []string {
	var out []string
	runes := []rune(text)
	from := 0
	for i, r := range runes {
		if !strings.ContainsRune(after, r) || i+1 < len(runes) && r < 0x80 && r != ' ' && runes[i+1] != ' ' {
			continue
		}
		out = append(out, string(runes[from:i+1]))
		from = i + 1
	}
	if from < len(runes) {
		out = append(out, string(runes[from:]))
	}
	return out
}

// packed joins neighbouring pieces as long as they fit.
func packed(pieces []string) []string {
	var out []string
	for _, p := range pieces {
		if n := len(out) - 1; n >= 0 && width(strings.TrimSpace(out[n]+p)) <= 1 {
			out[n] += p
		} else {
			out = append(out, p)
		}
	}
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// unspeakable says what in a text nobody can read aloud, "" where there is nothing.
func unspeakable(text string) string {
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && r != ' ' && r != '〇' && !strings.ContainsRune(`.,:;!?'"()-–—’‘“”·。，、：；！？（）《》`, r) {
			return fmt.Sprintf("the character %q", r)
		}
	}
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		latin := strings.ContainsFunc(w, func(r rune) bool { return unicode.IsLetter(r) && !wide(r) })
		if latin && strings.ContainsFunc(w, unicode.IsDigit) {
			return fmt.Sprintf("%q, letters and digits mixed", w)
		}
	}
	return ""
}

// spaced puts spaces between digits, so that they are read one by one.
func spaced(digits string) string { return strings.Join(strings.Split(digits, ""), " ") }

// newNumber is a number that nobody can foresee.
func newNumber() string {
	n, err := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(numberDigits), nil))
	if err != nil {
		panic(fmt.Sprintf("cases: no randomness: %v", err)) // the runtime ends the program before
	}
	return fmt.Sprintf("%0*d", numberDigits, n)
}

// AccountHint is four digits by which somebody tells an account from another of theirs, in two groups. They say
// nothing of who it is.
func AccountHint(accountID string) string {
	sum := sha256.Sum256([]byte("account hint " + accountID))
	n := binary.BigEndian.Uint64(sum[:]) % 10000
	return fmt.Sprintf("%02d %02d", n/100, n%100)
}

var (
	months   = []string{"", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	upTo19   = []string{"", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}
	tens     = []string{"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}
	ordinals = []string{"", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
		"thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"}
	hanDigits = []rune("〇一二三四五六七八九")
)

// dateInWords is a day as it is said: in Chinese for Chinese, in English for every other language.
func dateInWords(day time.Time, lang string) string {
	y, m, d := day.Date()
	if base, _ := language.Make(lang).Base(); base.String() == "zh" {
		var year []rune
		for _, c := range fmt.Sprint(y) {
			year = append(year, hanDigits[c-'0'])
		}
		return string(year) + "年" + hanNumber(int(m)) + "月" + hanNumber(d) + "日"
	}
	nth := ""
	switch {
	case d <= 20:
		nth = ordinals[d]
	case d == 30:
		nth = "thirtieth"
	default:
		nth = tens[d/10] + "-" + ordinals[d%10]
	}
	return months[m] + " " + nth + ", " + yearInWords(y)
}

func yearInWords(y int) string {
	if y < 2010 || y > 2099 {
		return fmt.Sprint(y)
	}
	return "twenty " + below100(y%100)
}

func below100(n int) string {
	if n < 20 {
		return upTo19[n]
	}
	return strings.TrimSuffix(tens[n/10]+"-"+upTo19[n%10], "-")
}

// hanNumber writes 1 to 99 in Chinese.
func hanNumber(n int) string {
	s := ""
	if n >= 20 {
		s = string(hanDigits[n/10])
	}
	if n >= 10 {
		s += "十"
	}
	if n%10 > 0 {
		s += string(hanDigits[n%10])
	}
	return s
}
