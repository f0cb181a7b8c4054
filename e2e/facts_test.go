package e2e

import (
	"strings"
	"testing"
)

// facts goes through Level 1 as people do who are not the usual case, in both languages.
func (w *world) facts(t *testing.T) {
	for _, lang := range []string{"en", "zh-CN"} {
		t.Run("a permit, for somebody else, "+lang, func(t *testing.T) {
			p := w.newPerson(t, lang, false)
			p.enter()
			p.forSomebodyElse()
			p.desk.calm()
		})
	}
}

// enter signs up and goes to the overview.
func (p *person) enter() {
	d := p.desk
	d.goTo(p.server.url + "/#/signup")
	d.screen("signup")
	d.typeIn("signup-email", p.email)
	d.typeIn("signup-password", password)
	d.press("signup-submit")
	d.screen("home")
	d.press("home-identity")
	d.screen("overview")
}

// forSomebodyElse is Level 1 of somebody from Hong Kong who acts for another person.
func (p *person) forSomebodyElse() {
	d := p.desk
	d.press("level-1-go")
	d.screen("level1")
	// Residents of mainland China are offered one document and told why; others choose of theirs.
	d.until(`!document.querySelector('[data-test="document.type-passport"]')`)
	d.choose("field-nationality", "FRA")
	d.seen("document.type-passport")
	d.choose("field-nationality", "HKG")
	d.until(`!document.querySelector('[data-test="document.type-passport"]')`)
	d.press("document.type-hk_macau_permit")
	d.typeIn("field-document.number", "T12345678")
	d.press("field-name")
	d.seen("error-document.number")
	d.typeIn("field-document.number", strings.Repeat("\b", 9)+"H12345678")
	d.typeIn("field-document.expires_on-year", "2020")
	d.typeIn("field-document.expires_on-month", "1")
	d.typeIn("field-document.expires_on-day", "9")
	d.press("field-name")
	d.seen("error-document.expires_on")
	d.paste("field-document.expires_on-month", "20361123")
	d.until(one("field-document.expires_on") + ".dataset.value === '2036-11-23'")
	d.typeIn("field-name", "陈大文")
	d.paste("field-birth_date-day", " 1990年3月7日 ")
	d.until(one("field-birth_date") + ".dataset.value === '1990-03-07'")
	d.typeIn("field-address", "样本省样本市样本路 1 号")

	d.press("acting_for.who-other")
	d.typeIn("field-acting_for.beneficiary.name", "李小样")
	d.choose("field-acting_for.beneficiary.nationality", "CHN")
	d.typeIn("field-acting_for.beneficiary.document.number", residentID)
	d.until(one("field-acting_for.beneficiary.birth_date") + ".dataset.value === '1949-12-31'")
	d.press("acting_for.controller-other")
	d.press("level1-check")
	d.seen("error-list")
	d.seen("error-link-acting_for.controller.name")
	d.shoot("level1-other")
	d.press("error-link-acting_for.controller.name")
	d.keys("王样")
	d.press("level1-check")
	d.screen("level1-check")
	d.shoot("level1-other-check")
	d.press("level1-send")
	d.until(`document.querySelector('[data-test=outcome]')?.dataset.state === "in_review"`)
	d.press("next-level")
	d.screen("level2")
	d.shoot("level2-permit")
}
