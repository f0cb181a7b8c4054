package e2e

import (
	"archive/zip"
	"bytes"
	"io/fs"
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
			p.myData()
			p.desk.calm()
		})
		t.Run("a company, "+lang, func(t *testing.T) {
			p := w.newPerson(t, lang, false)
			p.enter()
			p.company()
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

// agree reads what is asked before Level 1 and agrees to it.
func (p *tab) agree() {
	p.t.Helper()
	p.screen("consent")
	p.seen("consent-identity")
	p.seen("consent-documents")
	p.shoot("consent")
	p.press("consent-agree")
}

// myData looks at what is held of somebody who waits for a reviewer, withdraws a consent, takes everything along and has
// it erased with the account.
func (p *person) myData() {
	d := p.desk
	d.press("menu")
	d.press("menu-data")
	d.screen("data")
	d.until(one("data-held") + `.dataset.rule === "waiting"`)
	d.seen("data-identity")
	d.shoot("data")
	d.press("data-withdraw-documents")
	d.press("withdraw-yes")
	d.until(one("data-consent-documents") + `.dataset.state === "withdrawn"`)
	d.press("data-again-documents")
	d.press("give-yes")
	d.until(one("data-consent-documents") + `.dataset.state === "given"`)

	d.press("data-download")
	d.press("download-yes")
	d.seen("error-data.password")
	d.typeIn("data-password", password)
	d.press("download-yes")
	d.until("!" + one("download-dialog"))
	id := ask[struct {
		CaseID string `json:"case_id"`
	}](d, 200, "GET", "/v1/me", nil).CaseID
	all := d.download("/v1/cases/" + id + "/data.zip")
	z, err := zip.NewReader(bytes.NewReader(all), int64(len(all)))
	if err != nil {
		p.Fatal(err)
	}
	data, err := fs.ReadFile(z, "data.json")
	if err != nil || !bytes.Contains(data, []byte("陈大文")) || !bytes.Contains(data, []byte("H12345678")) {
		p.Errorf("the download holds %s, %v", data, err)
	}

	d.press("data-erase")
	d.typeIn("data-password", password)
	d.press("erase-account")
	d.shoot("data-erase")
	d.press("erase-yes")
	d.screen("signin")
	d.typeIn("signin-email", p.email)
	d.typeIn("signin-password", password)
	d.press("signin-submit")
	d.seen("signin-error")
}

// forSomebodyElse is Level 1 of somebody from Hong Kong who acts for another person.
func (p *person) forSomebodyElse() {
	d := p.desk
	d.press("level-1-go")
	d.agree()
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

	// What was typed outlives the page.
	d.until(one("draft-kept") + `.textContent !== ""`)
	d.reload()
	d.screen("level1")
	d.until(one("field-name") + `?.value === "陈大文"`)
	d.until(one("field-birth_date") + ".dataset.value === '1990-03-07'")

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

// company is Level 1 of a company: half of it belongs to another one, the rest to a person.
func (p *person) company() {
	d := p.desk
	d.press("kind-business")
	d.shoot("overview-company")
	d.press("level-1-go")
	// Who says no first is told what follows, and comes back.
	d.screen("consent")
	d.press("consent-decline")
	d.screen("consent-declined")
	d.shoot("consent-declined")
	d.press("consent-again")
	d.agree()
	d.screen("level1")
	d.typeIn("field-business.legal_name", "样本贸易有限公司")
	d.typeIn("field-business.registration.number", "91110000600037341M")
	d.press("field-business.activity")
	d.seen("error-business.registration.number")
	d.typeIn("field-business.registration.number", "\bL")
	d.typeIn("field-business.activity", "进出口贸易")
	d.typeIn("field-business.registered_address", "样本省样本市样本路 2 号")
	d.press("business.acting_as-authorised_agent")
	d.typeIn("field-business.legal_representative.name", "王样")
	d.press("business.legal_representative.document.type-passport")
	d.typeIn("field-business.legal_representative.document.number", "C01X00T47")

	d.press("owner-add")
	d.press("business.parties.0.kind-company")
	d.typeIn("field-business.parties.0.name", "Example Holding Ltd")
	d.typeIn("field-business.parties.0.share.0", "50")
	d.press("owner-add")
	d.typeIn("field-business.parties.1.share.0", "1/2")
	d.until(one("owners-known") + `.textContent.replace(/\s/g, "").includes("50")`)
	// Who owns that much has to be known in full.
	d.until(one("owner-1") + `.dataset.key === "true"`)
	d.typeIn("field-business.parties.1.name", "李雷")
	d.choose("field-business.parties.1.nationality", "CHN")
	d.typeIn("field-business.parties.1.document.number", residentID)
	d.until(one("field-business.parties.1.birth_date") + ".dataset.value === '1949-12-31'")

	d.choose("field-nationality", "CHN")
	d.typeIn("field-document.number", "11010119900307803X")
	d.press("field-long_term")
	d.typeIn("field-name", "张伟")
	d.typeIn("field-address", "样本省样本市样本路 1 号")
	d.press("level1-check")
	d.seen("error-list")
	d.seen("error-link-business.parties.1.document.expires_on")
	d.seen("error-link-business.holdings")
	d.shoot("level1-company-errors")
	d.press("field-business.parties.1.document.long_term")

	// More than the whole is said at once; with what is behind the other company everything is explained.
	d.press("owner-1-share")
	d.typeIn("field-business.parties.1.share.1", "100%")
	d.until(one("owners-known") + `.textContent.includes("100")`)
	d.press("level1-check")
	d.screen("level1-check")
	d.shoot("level1-company-check")
	d.press("level1-change")
	d.screen("level1")
	d.shoot("level1-company")
	d.press("level1-check")
	d.screen("level1-check")
	d.press("level1-send")
	d.until(`document.querySelector('[data-test=outcome]')?.dataset.state === "in_review"`)
	d.press("next-level")
	d.screen("level2")
	d.seen("step-business_licence")
	d.seen("step-authorisation")
	d.shoot("level2-company")
}
