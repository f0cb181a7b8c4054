package e2e

import (
	"regexp"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases/casemail/mailtest"
)

var mailedLink = regexp.MustCompile(`https?://\S+/#/(confirm|reset|forgot)\S*`)

// mailed waits for a mail whose link is of a kind, and returns the link.
func mailed(t *testing.T, s mailtest.Server, kind string) string {
	t.Helper()
	late := time.After(waitFor)
	for {
		select {
		case m := <-s.Mails:
			if link := mailedLink.FindStringSubmatch(m.Text); link != nil && link[1] == kind {
				return link[0]
			}
		case <-late:
			t.Fatalf("no mail leads to %s within %v", kind, waitFor)
		}
	}
}

// byMail confirms an address and sets a new password by the links of mails, opened on a phone while somebody is signed in at a desk.
func (w *world) byMail(t *testing.T) {
	mails := mailtest.Start(t, "250 ok")
	server := newProgram(t, w.binary, false, "SYMBOLON_SMTP_URL="+mails.URL)
	d, ph := w.browser.open(t, deskDevice, "en"), w.browser.open(t, phoneDevice, "zh-CN")
	const email, second = "lin@example.com", "another horse battery"

	d.goTo(server.url + "/#/signup")
	d.screen("signup")
	d.typeIn("signup-email", email)
	d.typeIn("signup-password", password)
	d.press("signup-submit")
	d.screen("home")
	d.seen("confirm-notice")
	first := mailed(t, mails, "confirm")
	d.shoot("mail-notice")
	d.press("confirm-again")
	d.until(one("confirm-sent") + " === document.activeElement")
	if again := mailed(t, mails, "confirm"); again == first {
		t.Error("both mails have the same link")
	}

	ph.goTo(first)
	ph.screen("confirm")
	ph.shoot("mail-confirm")
	ph.press("confirm-submit")
	ph.screen("confirmed")
	ph.shoot("mail-confirmed")
	ph.press("confirm-on")
	ph.screen("signin")
	// Who comes back from their mail is not asked any more.
	eval[bool](d, `document.dispatchEvent(new Event("visibilitychange"))`)
	d.until("!" + one("confirm-notice"))
	d.press("home-identity")
	d.press("level-1-go")
	d.screen("consent")
	d.press("consent-agree")
	d.screen("level1")

	ph.typeIn("signin-email", email)
	ph.press("to-forgot")
	ph.screen("forgot")
	if typed := eval[string](ph, one("forgot-email")+".value"); typed != email {
		t.Errorf("the address that was typed is now %q", typed)
	}
	ph.clear("forgot-email")
	ph.press("forgot-submit")
	ph.seen("error-email")
	ph.shoot("mail-forgot")
	ph.typeIn("forgot-email", email)
	ph.press("forgot-submit")
	ph.screen("forgot-sent")
	ph.shoot("mail-sent")
	reset := mailed(t, mails, "reset")
	ph.goTo(reset)
	ph.screen("reset")
	ph.typeIn("reset-password", "short")
	ph.press("reset-submit")
	ph.seen("error-password")
	ph.shoot("mail-reset")
	ph.clear("reset-password")
	ph.typeIn("reset-password", second)
	ph.press("reset-submit")
	ph.screen("signin")
	ph.seen("password-changed")
	ph.shoot("mail-changed")
	mailed(t, mails, "forgot") // that it was changed

	// Nobody asked the desk: what the old password opened has ended.
	d.screen("signin")
	d.shoot("mail-signed-out")
	d.typeIn("signin-email", email)
	d.typeIn("signin-password", password)
	d.press("signin-submit")
	d.seen("signin-error")
	d.clear("signin-password")
	d.typeIn("signin-password", second)
	d.press("signin-submit")
	d.screen("home")

	// A link works once, and one that was cut off does not work at all.
	ph.goTo("about:blank")
	ph.goTo(reset)
	ph.screen("reset")
	ph.typeIn("reset-password", password)
	ph.press("reset-submit")
	ph.screen("link-over")
	ph.shoot("mail-link-over")
	ph.press("link-over-on")
	ph.screen("forgot")
	d.goTo(first[:len(first)-4])
	d.press("confirm-submit")
	d.screen("link-over")
	d.shoot("mail-link-over")
	d.press("link-over-on")
	d.screen("home")
	for _, tab := range []*tab{d, ph} {
		tab.still()
		tab.calm()
	}
}
