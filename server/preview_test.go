package server_test

import (
	"fmt"
	"strings"
	"testing"
)

// What is going to be read can be seen before anybody records, without the number of a take; the phone is told
// which other ways there are.
func TestWhatIsGoingToBeReadCanBeSeenBefore(t *testing.T) {
	s := withClips(t)
	app := recorder(t, s)
	for lang, want := range map[string]string{"en": "Example Exchange", "zh-CN": "我本人", "": "I am the one"} {
		a := app.Do("GET", app.Path("/steps/clip_statement/script?lang="+lang), nil).Want(t, 200)
		prompts, _ := a.Get("prompts").([]any)
		all := fmt.Sprint(prompts)
		if len(prompts) < 4 || !strings.Contains(all, want) || !strings.Contains(all, a.String("account_hint")) || !strings.Contains(all, "…") {
			t.Errorf("%s: %s", lang, a.Body)
		}
		if strings.Contains(string(a.Body), "number\":") {
			t.Errorf("%s: it tells a number: %s", lang, a.Body)
		}
	}
	if got := app.Do("GET", app.Path("/steps/clip_document/script"), nil).Want(t, 200).String("prompts.0.kind"); got != "show" {
		t.Errorf("the document's first prompt is %q", got)
	}
	app.Do("GET", app.Path("/steps/document_front/script"), nil).Want(t, 409, "step_without_challenge")
	app.Do("GET", app.Path("/steps/face/script"), nil).Want(t, 404, "step_unknown")
	// A preview issues nothing: the same again is the same.
	first, again := app.Do("GET", app.Path("/steps/clip_statement/script"), nil), app.Do("GET", app.Path("/steps/clip_statement/script"), nil)
	if string(first.Body) != string(again.Body) {
		t.Errorf("%s, then %s", first.Body, again.Body)
	}
}
