package cases_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casetest"
)

func (b *bench) company() (cases.Case, cases.Actor) {
	b.t.Helper()
	a, err := b.SignUp(b.t.Context(), fmt.Sprintf("c%s@example.com", newUpload()), goodPassword)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.Create(b.t.Context(), a, cases.Business)
	if err != nil {
		b.t.Fatal(err)
	}
	return casetest.Agree(b.t, b.Service, c), cases.Actor{Kind: cases.ByApplicant, ID: a.ID}
}

// owner is a person of whom everything is known.
func owner(id, number, birth string) cases.Party {
	return cases.Party{ID: id, Kind: "person", Name: "样本" + id, Nationality: "CHN", BirthDate: birth, Document: &cases.DocumentFacts{Type: cases.CNResidentID, Number: number, ExpiresOn: cases.LongTerm}}
}

func goodCompany() cases.Identity {
	f := goodFacts()
	f.ActingFor = cases.ActingFor{}
	f.Business = &cases.Company{
		LegalName: "样本贸易有限公司", Registration: cases.Registration{Type: "uscc", Number: "9111 0000 6000 3734 1l", Country: "chn"},
		Activity: "进出口贸易", RegisteredAddress: "样本省样本市样本路 2 号", ActingAs: "legal_representative",
		Parties:     []cases.Party{owner("anna", "11010119900307803X", "1990-03-07"), {ID: "bo", Kind: "person", Name: "李雷"}, {ID: "holding", Kind: "company", Name: "Example Holding Ltd"}},
		Holdings:    []cases.Holding{{"holding", "company", "60%"}, {"anna", "holding", "100 %"}, {"bo", "company", "24.9%"}},
		Beneficiary: cases.ActingFor{Who: "self"},
	}
	return f
}

func TestACompanyGoesToAPersonAndItsStepsAreItsOwn(t *testing.T) {
	b := newBench(t)
	c, by := b.company()
	steps := func(c cases.Case) string {
		var s []string
		for _, st := range c.Steps {
			s = append(s, st.ID)
		}
		return strings.Join(s, " ")
	}
	if got := steps(c); got != "document_front document_back business_licence" {
		t.Errorf("at first: %s", got)
	}
	c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, goodCompany())
	if err != nil {
		t.Fatalf("%v: %s", err, complaints(err))
	}
	if got := c.Facts.Business; got.Registration.Number != "91110000600037341L" || got.LegalRepresentative == nil || got.LegalRepresentative.Name != "张三" {
		t.Errorf("stored %+v", got)
	}
	agent := goodCompany()
	agent.Business.ActingAs = "authorised_agent"
	agent.Business.LegalRepresentative = &cases.Representative{Name: "王样", Document: cases.DocumentFacts{Type: cases.Passport, Number: "c01x00t47"}}
	if c, err = b.PutIdentity(t.Context(), by, c.ID, c.Version, agent); err != nil {
		t.Fatalf("%v: %s", err, complaints(err))
	}
	if got := steps(c); got != "document_front document_back business_licence authorisation" {
		t.Errorf("of an agent: %s", got)
	}
	if c, err = b.Submit(t.Context(), by, c.ID, 1, c.Version); err != nil {
		t.Fatal(err)
	}
	b.work()
	if l := b.get(c.ID).Levels[0]; l.State != cases.InReview || len(l.Reasons) > 0 {
		t.Errorf("level 1 is %s for %v", l.State, l.Reasons)
	}

	// Whoever acts for a company may have an account of their own; the same company twice is seen.
	_, own, person := b.applicant()
	if own = b.levelOne(own, person); own.Levels[0].State != cases.Approved {
		t.Errorf("the acting person's own level 1 is %s", own.Levels[0].State)
	}
	again, by2 := b.company()
	if again, err = b.PutIdentity(t.Context(), by2, again.ID, again.Version, goodCompany()); err != nil {
		t.Fatal(err)
	}
	if _, err = b.Submit(t.Context(), by2, again.ID, 1, again.Version); err != nil {
		t.Fatal(err)
	}
	b.work()
	if l := b.get(again.ID).Levels[0]; l.State != cases.InReview || !slices.Equal(l.Reasons, []cases.Reason{{Code: "duplicate.identity"}}) {
		t.Errorf("the second case of a company is %s for %v", l.State, l.Reasons)
	}
	b.store.Close()
	stored, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"样本贸易", "91110000600037341L", "C01X00T47", "李雷"} {
		if bytes.Contains(stored, []byte(personal)) {
			t.Errorf("%s stands in the database", personal)
		}
	}
}

func TestACompanyIsCheckedAtEachField(t *testing.T) {
	b := newBench(t)
	c, by := b.company()
	for _, row := range []struct {
		name   string
		change func(*cases.Identity)
		want   string
	}{
		{"nothing of it", func(f *cases.Identity) { f.Business = nil }, "business required"},
		{"for whom, in the wrong place", func(f *cases.Identity) { f.ActingFor.Who = "self" }, "acting_for case_kind"},
		{"for nobody", func(f *cases.Identity) { f.Business.Beneficiary = cases.ActingFor{} }, "business.beneficiary.who acting_for_unknown"},
		{"all texts", func(f *cases.Identity) {
			f.Business.LegalName, f.Business.Activity, f.Business.RegisteredAddress = "", "x", strings.Repeat("a", 301)
		}, "business.legal_name required, business.activity text_too_short, business.registered_address text_too_long"},
		{"a mistyped code", func(f *cases.Identity) { f.Business.Registration.Number = "91110000600037341M" }, "business.registration.number registration_number_check"},
		{"a short code", func(f *cases.Identity) { f.Business.Registration.Number = "9111" }, "business.registration.number registration_number_form"},
		{"a code of another country", func(f *cases.Identity) { f.Business.Registration.Country = "DEU" }, "business.registration.country registration_country"},
		{"an LEI", func(f *cases.Identity) {
			f.Business.Registration = cases.Registration{"lei", "5493001KJTIIGC8Y1R12", "USA"}
		}, ""},
		{"a mistyped LEI", func(f *cases.Identity) {
			f.Business.Registration = cases.Registration{"lei", "5493001KJTIIGC8Y1R17", "USA"}
		}, "business.registration.number registration_number_check"},
		{"another register", func(f *cases.Identity) { f.Business.Registration = cases.Registration{"other", "hrb 12345", "DEU"} }, ""},
		{"no register", func(f *cases.Identity) { f.Business.Registration = cases.Registration{"none", "1", "DEU"} }, "business.registration.type registration_unknown"},
		{"an agent of nobody", func(f *cases.Identity) { f.Business.ActingAs = "authorised_agent" }, "business.legal_representative required"},
		{"another role", func(f *cases.Identity) { f.Business.ActingAs = "owner" }, "business.acting_as acting_as_unknown, business.legal_representative required"},
		{"somebody else than the one who acts", func(f *cases.Identity) {
			f.Business.LegalRepresentative = &cases.Representative{Name: "王样", Document: cases.DocumentFacts{Type: cases.Passport, Number: "C01X00T47"}}
		}, "business.legal_representative representative_mismatch"},
		{"a party twice", func(f *cases.Identity) { f.Business.Parties[1].ID = "anna" }, "business.parties.1.id party_twice, business.holdings.2.holder party_unknown"},
		{"a person twice", func(f *cases.Identity) {
			p := owner("bo", "11010119900307803x", "1990-03-07")
			f.Business.Parties[1] = p
		}, "business.parties.1.document.number party_twice"},
		{"the company among its parties", func(f *cases.Identity) { f.Business.Parties[1].ID = "company" }, "business.parties.1.id party_id, business.holdings.2.holder party_unknown"},
		{"a share of nobody", func(f *cases.Identity) { f.Business.Holdings[2].Holder = "cai" }, "business.holdings.2.holder party_unknown"},
		{"a share in nothing", func(f *cases.Identity) { f.Business.Holdings[2].In = "cai" }, "business.holdings.2.in party_unknown"},
		{"a share in a person", func(f *cases.Identity) { f.Business.Holdings[2].In = "anna" }, "business.holdings.2.in holding_in_person"},
		{"a share twice", func(f *cases.Identity) { f.Business.Holdings[2] = f.Business.Holdings[0] }, "business.holdings.2.holder holding_twice"},
		{"a share that is none", func(f *cases.Identity) { f.Business.Holdings[2].Share = "25" }, "business.holdings.2.share share_form"},
		{"more than the whole", func(f *cases.Identity) { f.Business.Holdings[2].Share = "40.1%" }, "business.holdings shares_over_whole"},
		{"more than the whole of an owner", func(f *cases.Identity) { f.Business.Holdings[2].In = "holding" }, "business.parties.2.holdings shares_over_whole"},
		{"a company that owns itself", func(f *cases.Identity) { f.Business.Holdings = []cases.Holding{{"company", "company", "100%"}} }, "business.holdings.0.share ownership_circle"},
		{"companies that own each other", func(f *cases.Identity) {
			f.Business.Holdings = []cases.Holding{{"holding", "company", "100%"}, {"company", "holding", "100%"}}
		}, "business.holdings.1.share ownership_circle"},
		{"an owner of a quarter of whom little is known", func(f *cases.Identity) { f.Business.Holdings[2].Share = "25%" },
			"business.parties.1.nationality required, business.parties.1.birth_date required, business.parties.1.document.number required"},
		{"an owner whose document has no end", func(f *cases.Identity) { f.Business.Parties[0].Document.ExpiresOn = "" }, "business.parties.0.document.expires_on required"},
		{"too little known", func(f *cases.Identity) { f.Business.Holdings[0].Share = "50%" }, "business.holdings owners_unexplained"},
		{"a remainder just under the threshold", func(f *cases.Identity) { f.Business.Holdings[0].Share = "50.11%" }, ""},
		{"nobody with as much as a quarter", func(f *cases.Identity) {
			f.Business.Parties, f.Business.Holdings = nil, nil
			for i := range 5 {
				f.Business.Parties = append(f.Business.Parties, cases.Party{ID: fmt.Sprint("p", i), Kind: "person", Name: "李雷"})
				f.Business.Holdings = append(f.Business.Holdings, cases.Holding{fmt.Sprint("p", i), "company", "1/5"})
			}
		}, "business.controllers controllers_needed"},
		{"a controller of whom little is known", func(f *cases.Identity) {
			f.Business.Holdings, f.Business.Controllers = nil, []cases.Controller{{"bo", "management"}}
		}, "business.parties.1.nationality required, business.parties.1.birth_date required, business.parties.1.document.number required"},
		{"controllers that cannot be", func(f *cases.Identity) {
			f.Business.Controllers = []cases.Controller{{"holding", "votes"}, {"cai", "votes"}, {"anna", "charm"}, {"anna", "votes"}}
		}, "business.controllers.0.party controller_person, business.controllers.1.party party_unknown, business.controllers.2.basis basis_unknown, business.controllers.3.party party_twice"},
		{"an exemption with a company", func(f *cases.Identity) { f.Business.Exemption = "small_company" }, "business.exemption exemption_company"},
		{"another exemption", func(f *cases.Identity) { f.Business.Exemption = "friend" }, "business.exemption exemption_unknown"},
		{"a person with a registration", func(f *cases.Identity) {
			f.Business.Parties[1].Registration = &cases.Registration{"other", "1234", "DEU"}
		}, "business.parties.1.registration party_contradiction"},
		{"a company with a birth date", func(f *cases.Identity) { f.Business.Parties[2].BirthDate = "1990-01-01" }, "business.parties.2.kind party_contradiction"},
		{"neither person nor company", func(f *cases.Identity) { f.Business.Parties[1].Kind = "trust" }, "business.parties.1.kind party_kind, business.holdings owners_unexplained"},
		{"too many parties", func(f *cases.Identity) { f.Business.Parties = make([]cases.Party, 51) }, "business.parties too_many"},
		{"too many shares", func(f *cases.Identity) { f.Business.Holdings = make([]cases.Holding, 101) }, "business.holdings too_many"},
	} {
		f := goodCompany()
		row.change(&f)
		_, err := b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, f)
		if got := complaints(err); got != row.want || row.want == "" && err != nil {
			t.Errorf("%s: %v\ngot  %s\nwant %s", row.name, err, got, row.want)
		}
	}
	_, own, person := b.applicant()
	f := goodFacts()
	f.Business = goodCompany().Business
	if _, err := b.PutIdentity(t.Context(), person, own.ID, own.Version, f); complaints(err) != "business case_kind" {
		t.Errorf("a person with a company: %v", err)
	}
}

func TestWhatACompanyDeclaresIsLookedAt(t *testing.T) {
	b := newBench(t)
	for n, row := range []struct {
		change func(*cases.Company)
		want   []cases.Reason
	}{
		{func(c *cases.Company) {
			c.Exemption, c.Parties, c.Holdings = "small_company", c.Parties[:2], []cases.Holding{{"bo", "company", "100%"}}
		}, []cases.Reason{{Code: "company.exemption_declared"}}},
		{func(c *cases.Company) {
			c.Holdings, c.Controllers = nil, []cases.Controller{{"anna", "management"}}
		}, []cases.Reason{{Code: "company.controllers_named"}}},
		{func(c *cases.Company) {
			c.Beneficiary = cases.ActingFor{Who: "other", Beneficiary: &cases.Somebody{Name: "李雷"}}
		}, []cases.Reason{{Code: "account.for_other"}}},
	} {
		c, by := b.company()
		f := goodCompany()
		f.Business.Registration = cases.Registration{"other", fmt.Sprint("HRB", n), "DEU"}
		row.change(f.Business)
		c, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f)
		if err != nil {
			t.Fatalf("%v: %s", err, complaints(err))
		}
		if _, err = b.Submit(t.Context(), by, c.ID, 1, c.Version); err != nil {
			t.Fatal(err)
		}
		b.work()
		if l := b.get(c.ID).Levels[0]; l.State != cases.InReview || !slices.Equal(l.Reasons, row.want) {
			t.Errorf("level 1 is %s for %v, want %v", l.State, l.Reasons, row.want)
		}
	}
}

func TestTheThresholdIsThePolicys(t *testing.T) {
	file := strings.Replace(string(cases.DefaultPolicyFile()), "at_least: true", "at_least: false", 1)
	policy, err := cases.ReadPolicy(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	if err := policy.Explain(&said); err != nil || !strings.Contains(said.String(), "Who owns more than 25% of a company") {
		t.Errorf("%v in %s", err, said.String())
	}
	b := newBench(t)
	b.policy = policy
	b.store.Close()
	b.open()
	c, by := b.company()
	f := goodCompany()
	f.Business.Holdings[2].Share = "25%" // of bo, of whom only the name is known
	if _, err := b.PutIdentity(t.Context(), by, c.ID, c.Version, f); err != nil {
		t.Errorf("a quarter counts: %v %s", err, complaints(err))
	}
	f.Business.Holdings[2].Share = "25.000000001%"
	if _, err := b.PutIdentity(t.Context(), by, c.ID, b.get(c.ID).Version, f); complaints(err) == "" {
		t.Error("a little more than a quarter does not count")
	}
}
