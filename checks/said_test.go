package checks_test

import (
	"math"
	"testing"

	"github.com/symbolon/symbolon/checks"
)

func TestSpokenIsTheSameHoweverItIsWritten(t *testing.T) {
	for _, same := range [][]string{
		{"Today is November twenty-third, twenty twenty-six.", "today is November 23rd, 2026", "Today is November 23, 2026!"},
		{"My account ends in 07 31, and my number is 4 8 1 5 3 9.", "My account ends in 0731 and my number is four eight one, five three nine", "my account ends in oh seven thirty one and my number is 481 539"},
		{"two thousand twenty-six", "2026", "２０２６"},
		{"one hundred five", "105", "一百零五", "一百〇五"},
		{"the twentieth", "the 20th"},
		{"今天是二〇二六年十一月二十三日。", "今天是2026年11月23日", "今天是二零二六年十一月二十三日"},
		{"验证数字是4 8 1 5 3 9。", "验证数字是四八幺五三九", "验证数字是四八一五三九。"},
		{"十月十日", "10月10日"},
		{"Müller’s naïve", "müllers naïve", "mu\u0308llers nai\u0308ve"},
		{"", " … ", "。"},
	} {
		for _, s := range same[1:] {
			if a, b := checks.Spoken(same[0]), checks.Spoken(s); a != b {
				t.Errorf("%q is %q, %q is %q", same[0], a, s, b)
			}
		}
	}
	for _, other := range [][2]string{
		{"twenty three", "twenty thirty"}, {"4 8 1 5 3 9", "4 8 1 5 9 3"}, {"五十", "五"}, {"second", "seconds"}, {"hundred", "100"},
	} {
		if checks.Spoken(other[0]) == checks.Spoken(other[1]) {
			t.Errorf("%q and %q are both %q", other[0], other[1], checks.Spoken(other[0]))
		}
	}
}

func TestSaid(t *testing.T) {
	for _, row := range []struct {
		text, heard string
		want        float64
	}{
		{"I do this of my own free will.", "i do this of my own free will", 1},
		{"I do this of my own free will.", "My number is 123. I do this of my own free will. Nobody", 1},
		{"abcdefghij", "abcdefghxj", 0.9},
		{"abcdefghij", "abcdefghj", 0.9},
		{"abcdefghij", "abcdefgh and i and j", 0.8},
		{"abcdefghij", "", 0},
		{"abcdefghij", "vwxyz", 0},
		{"我不会出售、出租或出借该账户。", "我不会出售出租或出借该账号", 12.0 / 13},
		{"。", "", 1},
	} {
		if got := checks.Said(row.text, row.heard); math.Abs(got-row.want) > 1e-9 {
			t.Errorf("%q in %q: %v, not %v", row.text, row.heard, got, row.want)
		}
	}
}

func FuzzSaid(f *testing.F) {
	f.Add("Today is November twenty-third, twenty twenty-six.", "November 23rd, 2026")
	f.Add("今天是二〇二六年十一月二十三日。", "今天是2026年11月23日")
	f.Add("百十", "hundred thousand thousand nineteen")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 2000 {
			return
		}
		if got := checks.Said(a, b); !(got >= 0 && got <= 1) {
			t.Errorf("%v", got)
		}
		if checks.Said(a, a) != 1 {
			t.Errorf("%q is not said by itself", a)
		}
	})
}
