package checks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MRZ is what the machine-readable zone of a travel document says (ICAO Doc 9303 parts 4 to 6),
// after every check digit passed.
type MRZ struct {
	Format       string // "TD1", "TD2" or "TD3"
	DocumentCode string // "P", "I", "ID", …
	Issuer       string // three-letter code of the issuing state, as printed ("D" for Germany)
	Number       string
	Nationality  string
	Birth        string // YYYY-MM-DD; YYYY-MM or YYYY where the rest is unknown, "" where nothing is
	Expires      string // YYYY-MM-DD
	Sex          Sex    // "" where it is not stated
	Surname      string
	GivenNames   string
	Optional     []string // the optional data elements that are not empty
	Repaired     []string // fields in which characters were exchanged by the field's type, see ParseMRZ
}

// ErrMRZForm is returned for text that has not the lines of a TD1, TD2 or TD3 zone.
var ErrMRZForm = errors.New("checks: no machine-readable zone")

// MRZCheckError says which check digit is wrong: "number", "birth", "expires", "optional" or "composite".
type MRZCheckError struct{ Field string }

func (e *MRZCheckError) Error() string { return "checks: wrong check digit of " + e.Field }

// Unwrap makes it an ErrNumberCheck.
func (e *MRZCheckError) Unwrap() error { return ErrNumberCheck }

// ParseMRZ reads a machine-readable zone of two or three lines. Spaces, lower case and surrounding
// lines are forgiven. Characters that optical reading confuses are exchanged where the
// field's type leaves no doubt (letters in dates and check digits, digits in names and country
// codes); the result counts only when every check digit then passes. Two-digit years are placed
// by asOf: a birth in the latest century that does not lie ahead, an expiry between 30 years
// before and 50 after. The error is ErrMRZForm, ErrNumberDate or an *MRZCheckError.
func ParseMRZ(text string, asOf time.Time) (MRZ, error) {
	lines := mrzLines(text)
	for _, f := range []mrzFormat{td3, td2, td1} {
		for i := 0; i+f.lines <= len(lines); i++ {
			zone := lines[i : i+f.lines]
			if slices.ContainsFunc(zone, func(l string) bool { return len(l) != f.width }) {
				continue
			}
			return parseZone(f, strings.Join(zone, ""), asOf)
		}
	}
	return MRZ{}, ErrMRZForm
}

// mrzLines returns the lines that consist of the alphabet A–Z, 0–9 and <.
func mrzLines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		l = strings.ToUpper(strings.Join(strings.Fields(l), ""))
		if l != "" && strings.Trim(l, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<") == "" {
			out = append(out, l)
		}
	}
	return out
}

// span is a run of positions in the joined lines, from 0.
type span struct{ from, to int }

// mrzFormat is where a format keeps what.
type mrzFormat struct {
	name         string
	lines, width int
	code, issuer span
	number       span // its check digit follows
	nationality  span
	birth        span // its check digit follows
	sex          int
	expires      span // its check digit follows
	optional     []span
	checked      bool // the optional data has a check digit of its own, which follows (TD3)
	names        span
	composite    []span
	compositeAt  int
	longNumber   bool // a number of more than nine characters goes on in the first optional data
}

var (
	td1 = mrzFormat{
		name: "TD1", lines: 3, width: 30, code: span{0, 2}, issuer: span{2, 5}, number: span{5, 14},
		optional: []span{{15, 30}, {48, 59}}, birth: span{30, 36}, sex: 37, expires: span{38, 44}, nationality: span{45, 48},
		names: span{60, 90}, composite: []span{{5, 30}, {30, 37}, {38, 45}, {48, 59}}, compositeAt: 59, longNumber: true,
	}
	td2 = mrzFormat{
		name: "TD2", lines: 2, width: 36, code: span{0, 2}, issuer: span{2, 5}, names: span{5, 36}, number: span{36, 45},
		nationality: span{46, 49}, birth: span{49, 55}, sex: 56, expires: span{57, 63}, optional: []span{{64, 71}},
		composite: []span{{36, 46}, {49, 56}, {57, 71}}, compositeAt: 71, longNumber: true,
	}
	td3 = mrzFormat{
		name: "TD3", lines: 2, width: 44, code: span{0, 2}, issuer: span{2, 5}, names: span{5, 44}, number: span{44, 53},
		nationality: span{54, 57}, birth: span{57, 63}, sex: 64, expires: span{65, 71}, optional: []span{{72, 86}}, checked: true,
		composite: []span{{44, 54}, {57, 64}, {65, 87}}, compositeAt: 87,
	}
)

// Optical reading confuses these; which one is meant follows from the field's type.
var (
	toDigits  = strings.NewReplacer("O", "0", "Q", "0", "D", "0", "I", "1", "L", "1", "B", "8", "S", "5", "Z", "2", "G", "6")
	toLetters = strings.NewReplacer("0", "O", "1", "I", "8", "B", "5", "S", "2", "Z", "6", "G")
)

// zone is a machine-readable zone while it is read.
type zone struct {
	f        mrzFormat
	text     []byte
	repaired []string
}

func (z *zone) get(s span) string { return string(z.text[s.from:s.to]) }

// retype exchanges the characters of a span by its type.
func (z *zone) retype(field string, s span, by *strings.Replacer) {
	was := z.get(s)
	if now := by.Replace(was); now != was {
		copy(z.text[s.from:], now)
		if !slices.Contains(z.repaired, field) {
			z.repaired = append(z.repaired, field)
		}
	}
}

func parseZone(f mrzFormat, text string, asOf time.Time) (MRZ, error) {
	z := &zone{f: f, text: []byte(text)}
	for field, s := range map[string]span{"issuer": f.issuer, "nationality": f.nationality, "names": f.names} {
		z.retype(field, s, toLetters)
	}
	for field, s := range map[string]span{
		"birth": {f.birth.from, f.birth.to + 1}, "expires": {f.expires.from, f.expires.to + 1}, "composite": {f.compositeAt, f.compositeAt + 1},
	} {
		z.retype(field, s, toDigits)
	}
	number, rest, err := z.number()
	if err != nil {
		return MRZ{}, err
	}
	if err := z.checks(); err != nil {
		return MRZ{}, err
	}
	m := MRZ{
		Format: f.name, DocumentCode: bare(z.get(f.code)), Issuer: bare(z.get(f.issuer)), Number: number,
		Nationality: bare(z.get(f.nationality)),
	}
	if m.Birth, err = birthOf(z.get(f.birth), asOf); err != nil {
		return MRZ{}, err
	}
	if m.Expires, err = expiryOf(z.get(f.expires), asOf); err != nil {
		return MRZ{}, err
	}
	switch z.text[f.sex] {
	case 'M':
		m.Sex = Male
	case 'F':
		m.Sex = Female
	case '<', 'X':
	default:
		return MRZ{}, ErrMRZForm
	}
	surname, given, _ := strings.Cut(z.get(f.names), "<<")
	m.Surname, m.GivenNames = words(surname), words(given)
	for i, o := range f.optional {
		s := z.get(o)
		if i == 0 && f.longNumber {
			s = s[rest:]
		}
		if s = bare(s); s != "" {
			m.Optional = append(m.Optional, s)
		}
	}
	slices.Sort(z.repaired)
	m.Repaired = z.repaired
	return m, nil
}

// number returns the document number after its check, and how much of the first optional data
// belongs to it: a long number goes on there, ends with its check digit, and has < in the check
// digit's usual place.
func (z *zone) number() (number string, rest int, err error) {
	s := z.f.number
	head := z.get(s)
	if z.text[s.to] == '<' && z.f.longNumber {
		opt := z.get(z.f.optional[0])
		end := strings.IndexByte(opt, '<')
		if end < 0 {
			end = len(opt)
		}
		if end >= 2 {
			whole := head + opt[:end-1]
			if !passes(whole, opt[end-1]) {
				return "", 0, &MRZCheckError{"number"}
			}
			return whole, end, nil
		}
	}
	z.retype("number", span{s.to, s.to + 1}, toDigits)
	if !passes(head, z.text[s.to]) {
		return "", 0, &MRZCheckError{"number"}
	}
	return bare(head), 0, nil
}

// checks verifies the check digits besides the number's.
func (z *zone) checks() error {
	f := z.f
	if !passes(z.get(f.birth), z.text[f.birth.to]) {
		return &MRZCheckError{"birth"}
	}
	if !passes(z.get(f.expires), z.text[f.expires.to]) {
		return &MRZCheckError{"expires"}
	}
	if f.checked {
		o := f.optional[0]
		z.retype("optional", span{o.to, o.to + 1}, toDigits)
		data, digit := z.get(o), z.text[o.to]
		if !passes(data, digit) && (bare(data) != "" || digit != '<') { // empty data may have < in place of 0
			return &MRZCheckError{"optional"}
		}
	}
	var all strings.Builder
	for _, s := range f.composite {
		all.WriteString(z.get(s))
	}
	if !passes(all.String(), z.text[f.compositeAt]) {
		return &MRZCheckError{"composite"}
	}
	return nil
}

// passes verifies a check digit (Doc 9303-3 §4.9: weights 7, 3, 1, sum modulo 10).
func passes(data string, digit byte) bool {
	sum := 0
	for i := range len(data) {
		if data[i] != '<' {
			sum += base36(data[i]) * [3]int{7, 3, 1}[i%3]
		}
	}
	return digit == byte('0'+sum%10)
}

func bare(s string) string { return strings.Trim(s, "<") }

// words turns fillers into spaces.
func words(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '<' }), " ")
}

// birthOf places a birth date YYMMDD, of which parts may be unknown (<<), in the latest century in
// which it does not lie after asOf.
func birthOf(s string, asOf time.Time) (string, error) {
	y, m, d := s[:2], s[2:4], s[4:]
	if y == "<<" {
		return "", nil
	}
	for _, century := range []int{asOf.Year() / 100, asOf.Year()/100 - 1} {
		day := fmt.Sprintf("%02d%s", century, y)
		layout := "2006"
		if m != "<<" {
			day, layout = day+"-"+m, "2006-01"
			if d != "<<" {
				day, layout = day+"-"+d, time.DateOnly
			}
		}
		at, err := time.Parse(layout, day)
		if err == nil && !at.After(asOf) {
			return day, nil
		}
	}
	return "", ErrNumberDate
}

// expiryOf places an expiry date in the century that puts it between 30 years before and 50 after asOf.
func expiryOf(s string, asOf time.Time) (string, error) {
	for c := asOf.Year()/100 - 1; c <= asOf.Year()/100+1; c++ {
		at, err := time.Parse("20060102", fmt.Sprintf("%02d%s", c, s))
		if err == nil && !at.Before(asOf.AddDate(-30, 0, 0)) && at.Before(asOf.AddDate(50, 0, 0)) {
			return at.Format(time.DateOnly), nil
		}
	}
	return "", ErrNumberDate
}
