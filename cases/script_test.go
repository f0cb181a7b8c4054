package cases_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// small is a script with the parts that one row of a test does not change.
const small = `
version: v1
spoken:
  en: {operator: "", purpose: open an account}
  zh-Hans: {operator: 范例, purpose: 开户}
clip_document:
  card: [{id: show, still: true, show: {en: Show it., zh-Hans: 请出示。}}]
  page: [{id: show, show: {en: Show it., zh-Hans: 请出示。}}]
clip_statement:
  - {id: say, read: {en: "I want to {purpose} with {operator}.", zh-Hans: "我在{operator}{purpose}。"}}
`

func read(t *testing.T, text string) cases.ScriptFile {
	t.Helper()
	f, err := cases.ReadScript(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func shown(t *testing.T, f cases.ScriptFile, operator string) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Show(&b, operator, monday); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheDefaultScriptFits(t *testing.T) {
	f := cases.DefaultScript()
	for _, operator := range []string{"Symbolon", "Example Exchange", "范例交易所"} {
		if bad := f.Check(operator, monday); bad != nil {
			t.Errorf("%s: %v", operator, bad)
		}
	}
	text := shown(t, f, "Example Exchange")
	for _, want := range []string{
		"Today is November twenty-third, twenty twenty-six.", "今天是二〇二六年十一月二十三日。", "我本人申请在Example Exchange开立账户。",
		"My account ends in 48 21, and my number is 4 8 2 1 0 7.", "I am the one who wants to open an account with Example Exchange.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestDatesAreSaid(t *testing.T) {
	f := read(t, strings.ReplaceAll(strings.ReplaceAll(small, "I want to {purpose} with {operator}.", "{date}"), "我在{operator}{purpose}。", "{date}"))
	for day, want := range map[string][2]string{
		"2027-01-01": {"January first, twenty twenty-seven", "二〇二七年一月一日"},
		"2030-02-20": {"February twentieth, twenty thirty", "二〇三〇年二月二十日"},
		"2026-05-30": {"May thirtieth, twenty twenty-six", "二〇二六年五月三十日"},
		"2041-12-31": {"December thirty-first, twenty forty-one", "二〇四一年十二月三十一日"},
		"2019-10-10": {"October tenth, twenty nineteen", "二〇一九年十月十日"},
	} {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		_ = f.Show(&b, "X", at)
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: %q is missing in\n%s", day, w, b.String())
			}
		}
	}
}

func TestALongPromptIsSplit(t *testing.T) {
	f := read(t, strings.Replace(strings.Replace(small, "I want to {purpose} with {operator}.",
		"I want to {purpose} with {operator}. I know what for, and nobody else is going to use it, now or at any later time.", 1),
		"我在{operator}{purpose}。", "我在{operator}{purpose}，我知道用途。现在以及以后任何时候都不会有其他人使用这个账户。", 1))
	if bad := f.Check("Example Exchange", monday); bad != nil {
		t.Error(bad)
	}
	text := shown(t, f, "Example Exchange")
	for _, want := range []string{
		": I want to open an account with Example Exchange.\n", "say_2           read, about", ": I know what for, and nobody else is going to use it,\n", ": now or at any later time.\n",
		": 我在范例开户，我知道用途。\n", ": 现在以及以后任何时候都不会有其他人使用这个账户。\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestWhatDoesNotFitIsSaid(t *testing.T) {
	change := func(from, to string) string { return strings.Replace(small, from, to, 1) }
	for name, row := range map[string]struct{ text, operator, want string }{
		"a long name":       {small, strings.Repeat("Longname", 12), "too long for four lines"},
		"Chinese, no comma": {change("我在{operator}{purpose}。", strings.Repeat("我", 40)), "X", "nowhere to split"},
		"an address":        {change("with {operator}", "as a@example.com"), "X", `the character '@'`},
		"a code":            {change("with {operator}", "with code A1B2"), "X", "letters and digits mixed"},
		"an unreadable one": {small, "A&B", `the character '&'`},
		"too long a clip":   {change("I want to {purpose} with {operator}.", strings.Repeat("I want to read this aloud. ", 22)), "X", "a recording has 1m0s"},
		"ids that meet":     {change("  - {id: say, ", "  - {id: say_2, read: {en: a, zh-Hans: 一}}\n  - {id: say, ") + "", strings.Repeat("Example ", 12), "two prompts \"say_2\""},
	} {
		bad := read(t, row.text).Check(row.operator, monday)
		if !strings.Contains(strings.Join(bad, "\n"), row.want) {
			t.Errorf("%s: %q, want %q", name, bad, row.want)
		}
	}
}

func TestMistakesInAScriptAreSaid(t *testing.T) {
	for name, row := range map[string]struct{ from, to, want string }{
		"no version":      {"version: v1", "", "version is missing"},
		"an unknown key":  {"version: v1", "version: v1\nverson: v2", "verson"},
		"no language":     {"spoken:\n  en: {operator: \"\", purpose: open an account}\n  zh-Hans: {operator: 范例, purpose: 开户}", "", "name at least one language"},
		"a bad language":  {"  en: {operator", "  e: {operator", "no language"},
		"words missing":   {"{en: Show it., zh-Hans: 请出示。}}]\n  page", "{en: Show it.}}]\n  page", "the words in zh-Hans are missing"},
		"a variable":      {"{operator}.", "{opreator}.", "{opreator} is not known"},
		"half a variable": {"{operator}.", "{operator.", "is not known"},
		"both":            {"id: say, read", "id: say, show: {en: a, zh-Hans: b}, read", "either show or read"},
		"read by a card":  {"id: show, still: true, show", "id: show, read", "stands in clip_statement"},
		"the same id":     {"  - {id: say,", "  - {id: say, show: {en: a, zh-Hans: b}}\n  - {id: say,", "no id of its own"},
		"a bad id":        {"id: say", "id: Say!", "no id of its own"},
		"another tongue":  {"read: {en:", "read: {fr: a, en:", "not among the languages"},
		"nothing to do":   {"card: [{id: show, still: true, show: {en: Show it., zh-Hans: 请出示。}}]", "card: []", "there is nothing to do"},
	} {
		if !strings.Contains(small, row.from) {
			t.Fatalf("%s: nothing to change", name)
		}
		_, err := cases.ReadScript(strings.NewReader(strings.Replace(small, row.from, row.to, 1)))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
	for _, text := range []string{"", "[", strings.Repeat("# long\n", 20_000)} {
		if _, err := cases.ReadScript(strings.NewReader(text)); err == nil {
			t.Errorf("%.20q is read", text)
		}
	}
}

func FuzzScript(f *testing.F) {
	f.Add(small)
	f.Add(strings.Replace(small, "I want", strings.Repeat("。a b, ", 80), 1))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := cases.ReadScript(strings.NewReader(text))
		if err != nil {
			return
		}
		// What was read can be shown, and what is said not to fit is all that does not.
		if fmt.Sprint(s.Check("X", monday)) == "" || shown(t, s, "X") == "" {
			t.Error("nothing is said")
		}
	})
}

func TestTheHintOfAnAccountIsFourDigits(t *testing.T) {
	seen := map[string]bool{}
	for i := range 50 {
		h := cases.AccountHint(fmt.Sprintf("acc_%d", i))
		if len(h) != 5 || h[2] != ' ' || h != cases.AccountHint(fmt.Sprintf("acc_%d", i)) {
			t.Errorf("%q", h)
		}
		seen[h] = true
	}
	if len(seen) < 45 {
		t.Errorf("only %d of 50 differ", len(seen))
	}
}

func TestThePolicySaysHowRecordingsAreChecked(t *testing.T) {
	file := string(cases.DefaultPolicyFile())
	with := func(from, to string) (cases.Policy, error) {
		t.Helper()
		if !strings.Contains(file, from) {
			t.Fatalf("the policy has no %q", from)
		}
		return cases.ReadPolicy(strings.NewReader(strings.Replace(file, from, to, 1)))
	}
	for _, row := range [][3]string{
		{"send_back: [video.unreadable", "send_back: [video.coached", `"video.coached" is nothing that is found in recordings`},
		{"dark: 50", "dark: 5000", "recordings.unclear.dark: 5000 is not between"},
		{"mean_db: -45", "mean_db: 3", "recordings.unclear.mean_db: 3 is not between"},
		{"blur: 7", "blurr: 7", "blurr"},
	} {
		if _, err := with(row[0], row[1]); err == nil || !strings.Contains(err.Error(), row[2]) {
			t.Errorf("%s: %v", row[1], err)
		}
	}
	p, err := with("recordings:\n  written_statement: true", "recordings:\n  written_statement: false")
	if err != nil || p.Recordings.Written() || p.Recordings.Unclear.FreezeSeconds != 2 {
		t.Errorf("%+v, %v", p.Recordings, err)
	}
	p.Requires.Level3 = []string{cases.ClipStatement}
	var b bytes.Buffer
	if err := p.Explain(&b); err != nil || !strings.Contains(b.String(), "Recordings are sent back at once for: video.unreadable,") || strings.Contains(b.String(), "write the statement") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
