package checks

import (
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Spoken is a text as it sounds rather than as it is written, to be compared with what somebody said: its letters and
// digits alone, in small letters, with every number in digits. "Twenty-third" and "23rd" become 23, "二〇二六年十一月" becomes
// 2026年11月. Numbers in words are understood in English and in Chinese.
func Spoken(text string) string {
	var out strings.Builder
	var n englishNumber
	for _, m := range spokenWord.FindAllStringSubmatch(strings.ToLower(norm.NFKC.String(text)), -1) {
		switch {
		case m[1] != "":
			out.WriteString(n.end())
			out.WriteString(m[1])
		case m[2] != "":
			out.WriteString(n.end())
			out.WriteString(hanNumber(m[2]))
		case !n.take(m[0]):
			out.WriteString(n.end())
			out.WriteString(m[0])
		}
	}
	out.WriteString(n.end())
	return out.String()
}

// spokenWord is a run of digits, of Chinese numerals, or of Latin letters, or one other letter.
var spokenWord = regexp.MustCompile(`([0-9]+)(?:(?:st|nd|rd|th)\b)?|([〇零一二三四五六七八九十百两幺]+)|[\p{Latin}\p{M}]+|\p{L}`)

var hanValues = map[rune]int{'〇': 0, '零': 0, '一': 1, '二': 2, '三': 3, '四': 4, '五': 5, '六': 6, '七': 7, '八': 8, '九': 9, '两': 2, '幺': 1}

// hanNumber writes Chinese numerals as digits: one by one, or as a number where they count tens and hundreds.
func hanNumber(s string) string {
	if !strings.ContainsAny(s, "十百") {
		var b strings.Builder
		for _, r := range s {
			b.WriteString(strconv.Itoa(hanValues[r]))
		}
		return b.String()
	}
	sum, last := 0, 0
	for i, r := range s {
		switch unit := map[rune]int{'十': 10, '百': 100}[r]; {
		case unit == 0:
			last = hanValues[r]
		case i == 0: // 十 alone is ten
			sum = unit
		default:
			sum, last = sum+last*unit, 0
		}
	}
	return strconv.Itoa(sum + last)
}

var englishValues = map[string]int{
	"zero": 0, "oh": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
	"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
	"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
	"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10,
	"eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
	"twentieth": 20, "thirtieth": 30,
}

// englishNumber gathers the words of one number: tens and what follows them ("twenty three"), hundreds and thousands.
type englishNumber struct {
	out     strings.Builder // of numbers that ended
	open    bool
	sum, of int // of: what may still be added to, 100 after "hundred", 10 after tens; 0 for nothing
}

// take adds a word; false where it is no number.
func (n *englishNumber) take(w string) bool {
	v, ok := englishValues[w]
	scale := map[string]int{"hundred": 100, "thousand": 1000}[w]
	switch {
	case ok && n.open && v < n.of && v > 0:
		n.sum += v
		n.of = 0
		if v >= 20 {
			n.of = 10
		}
	case ok:
		n.close()
		n.open, n.sum, n.of = true, v, 0
		if v >= 20 {
			n.of = 10
		}
	case scale > 0 && n.open && n.sum > 0 && n.sum < scale:
		n.sum, n.of = n.sum*scale, 100
	default:
		return false
	}
	return true
}

func (n *englishNumber) close() {
	if n.open {
		n.out.WriteString(strconv.Itoa(n.sum))
	}
	n.open = false
}

// end returns the numbers that were taken since it was called last.
func (n *englishNumber) end() string {
	n.close()
	s := n.out.String()
	n.out.Reset()
	return s
}

// mostSpoken bounds what is compared.
const mostSpoken = 2000

// Said returns how much of a text was said, from 0 to 1: 1 less the share of its letters and digits (as Spoken has
// them) that were left out, put in or changed where what was heard is most like it. What was said before and after it does not
// count. A text without letters was said.
func Said(text, heard string) float64 {
	want, got := []rune(Spoken(text)), []rune(Spoken(heard))
	want, got = want[:min(len(want), mostSpoken)], got[:min(len(got), mostSpoken)]
	if len(want) == 0 {
		return 1
	}
	// The distance of Levenshtein, with any beginning and end of got for nothing (Sellers, 1980).
	above, row := make([]int, len(got)+1), make([]int, len(got)+1)
	for i, w := range want {
		row[0] = i + 1
		for j, g := range got {
			d := above[j]
			if w != g {
				d++
			}
			row[j+1] = min(d, above[j+1]+1, row[j]+1)
		}
		above, row = row, above
	}
	least := len(want)
	for _, d := range above {
		least = min(least, d)
	}
	return 1 - float64(least)/float64(len(want))
}
