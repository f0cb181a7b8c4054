package cases

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/symbolon/symbolon/checks"
)

// Company is what Level 1 of a company states besides its acting person.
type Company struct {
	LegalName         string       `json:"legal_name"`
	Registration      Registration `json:"registration"`
	Activity          string       `json:"activity"`
	RegisteredAddress string       `json:"registered_address"`
	// LegalRepresentative may be left out where the acting person is the one.
	LegalRepresentative *Representative `json:"legal_representative,omitempty"`
	ActingAs            string          `json:"acting_as"`
	// Who owns what: parties by their id; TheCompany stands for the company itself.
	Parties     []Party      `json:"parties"`
	Holdings    []Holding    `json:"holdings"`
	Controllers []Controller `json:"controllers"`
	// Beneficiary says whom the account is for; "self" is the company.
	Beneficiary ActingFor `json:"beneficiary"`
	// Exemption is a declaration for which owners need not be named.
	Exemption string `json:"exemption,omitempty"`
}

// Registration is a company's number in a register.
type Registration struct {
	Type    string `json:"type"` // "uscc", "lei", "other"
	Number  string `json:"number"`
	Country string `json:"country"` // ISO 3166-1 alpha-3
}

// Representative is the legal representative of a company (法定代表人).
type Representative struct {
	Name     string        `json:"name"`
	Document DocumentFacts `json:"document"`
}

// Party is a person or company that owns, or controls, a company.
type Party struct {
	ID           string         `json:"id"`
	Kind         string         `json:"kind"` // "person", "company"
	Name         string         `json:"name"`
	Nationality  string         `json:"nationality,omitempty"`
	BirthDate    string         `json:"birth_date,omitempty"`
	Document     *DocumentFacts `json:"document,omitempty"`
	Registration *Registration  `json:"registration,omitempty"`
}

// Holding is a share that a party holds in a company, such as "27%" or "1/3".
type Holding struct {
	Holder string `json:"holder"`
	In     string `json:"in"`
	Share  string `json:"share"`
}

// Controller is a person who controls the company otherwise than by shares.
type Controller struct {
	Party string `json:"party"`
	Basis string `json:"basis"` // "income", "votes", "control", "management"
}

// What a business states.
const (
	TheCompany = "company" // the id of the company itself among holders

	PartyPerson  = "person"
	PartyCompany = "company"

	ActingRepresentative = "legal_representative"
	ActingAgent          = "authorised_agent"

	// SmallCompany declares a registered capital of at most CNY 10 million and natural persons as the only
	// holders (Measures No. 3/2024 on beneficial owners, article 3).
	SmallCompany = "small_company"

	maxParties  = 50
	maxHoldings = 100
)

var (
	partyID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)
	// registerNumber is what other registers' numbers look like.
	registerNumber = regexp.MustCompile(`^[A-Z0-9./]{2,40}$`)
	bases          = []string{"income", "votes", "control", "management"}
)

// business checks what is said of a company. f are the facts of the acting person.
func (v *validation) business(in Company, f Identity) Company {
	const at = "business"
	b := in
	b.LegalName = v.text(at+".legal_name", in.LegalName, 2, 200, isTextRune)
	b.Registration = v.registration(at+".registration", in.Registration)
	b.Activity = v.text(at+".activity", in.Activity, 2, 500, isTextRune)
	b.RegisteredAddress = v.text(at+".registered_address", in.RegisteredAddress, 5, 300, isTextRune)
	b.LegalRepresentative = v.representative(at, in, f)
	b.Beneficiary = v.actingFor(at+".beneficiary", in.Beneficiary)
	b.Parties, b.Holdings, b.Controllers = slices.Clone(in.Parties), slices.Clone(in.Holdings), slices.Clone(in.Controllers)
	if len(in.Parties) > maxParties {
		v.bad(at+".parties", "too_many", fmt.Sprintf("At most %d.", maxParties))
		return b
	}
	if len(in.Holdings) > maxHoldings || len(in.Controllers) > maxParties {
		v.bad(at+".holdings", "too_many", fmt.Sprintf("At most %d.", maxHoldings))
		return b
	}
	for i := range b.Parties {
		v.party(fmt.Sprintf("%s.parties.%d", at, i), &b.Parties[i], b.Parties[:i])
	}
	v.controllers(b)
	v.ownership(b)
	return b
}

func (v *validation) registration(at string, r Registration) Registration {
	r.Country = v.nationality(at+".country", r.Country)
	var err error
	switch r.Type {
	case "uscc":
		if r.Country != "CHN" {
			v.bad(at+".country", "registration_country", "This kind of number is of mainland China.")
		}
		var n string
		if n, err = checks.ParseUSCC(r.Number); err == nil {
			r.Number = n
		}
	case "lei":
		var n string
		if n, err = checks.ParseLEI(r.Number); err == nil {
			r.Number = n
		}
	case "other":
		if r.Number = checks.NormalizeNumber(r.Number); !registerNumber.MatchString(r.Number) {
			err = checks.ErrNumberForm
		}
	default:
		v.bad(at+".type", "registration_unknown", "This is uscc, lei or other.")
	}
	switch {
	case errors.Is(err, checks.ErrNumberCheck):
		v.bad(at+".number", "registration_number_check", "One of the characters is not right. Compare them with the licence.")
	case err != nil:
		v.bad(at+".number", "registration_number_form", "This has not the form of such a number.")
	}
	return r
}

// representative checks who represents the company, and as what the acting person acts.
func (v *validation) representative(at string, b Company, f Identity) *Representative {
	switch b.ActingAs {
	case ActingRepresentative, ActingAgent:
	default:
		v.bad(at+".acting_as", "acting_as_unknown", "This is legal_representative or authorised_agent.")
	}
	at += ".legal_representative"
	if b.LegalRepresentative == nil {
		if b.ActingAs != ActingRepresentative {
			v.bad(at, "required", "This is needed.")
			return nil
		}
		return &Representative{f.Name, f.Document}
	}
	r := *b.LegalRepresentative
	r.Name = v.text(at+".name", r.Name, 1, 100, isNameRune)
	if kind := documentTypes[r.Document.Type]; kind == nil {
		v.bad(at+".document.type", "document_unknown", "This is not a known document.")
	} else {
		v.number(at+".document.number", &r.Document, kind)
		v.validity(at+".document", r.Document, kind)
	}
	if b.ActingAs == ActingRepresentative && (r.Name != f.Name || r.Document.Number != f.Document.Number) {
		v.bad(at, "representative_mismatch", "The person who acts is somebody else.")
	}
	return &r
}

// party checks a party; before are those that stand before it.
func (v *validation) party(at string, p *Party, before []Party) {
	switch {
	case !partyID.MatchString(p.ID) || p.ID == TheCompany:
		v.bad(at+".id", "party_id", "Use small letters and digits, and not company.")
	case slices.ContainsFunc(before, func(o Party) bool { return o.ID == p.ID }):
		v.bad(at+".id", "party_twice", "Another party has this id.")
	}
	switch p.Kind {
	case PartyPerson:
		if p.Registration != nil {
			v.bad(at+".registration", "party_contradiction", "A person has no registration.")
		}
		one := v.somebody(at, &Somebody{p.Name, p.Nationality, p.BirthDate, p.Document})
		p.Name, p.Nationality, p.BirthDate, p.Document = one.Name, one.Nationality, one.BirthDate, one.Document
		if p.Document != nil && slices.ContainsFunc(before, func(o Party) bool {
			return o.Document != nil && o.Document.Type == p.Document.Type && o.Document.Number == p.Document.Number
		}) {
			v.bad(at+".document.number", "party_twice", "Another party has this document.")
		}
	case PartyCompany:
		if p.Nationality != "" || p.BirthDate != "" || p.Document != nil {
			v.bad(at+".kind", "party_contradiction", "A company has neither nationality, birth date nor document.")
		}
		p.Name = v.text(at+".name", p.Name, 2, 200, isTextRune)
		if p.Registration != nil {
			r := v.registration(at+".registration", *p.Registration)
			p.Registration = &r
		}
	default:
		v.bad(at+".kind", "party_kind", "This is person or company.")
	}
}

func (v *validation) controllers(b Company) {
	for i, c := range b.Controllers {
		at := fmt.Sprintf("business.controllers.%d", i)
		n := b.party(c.Party)
		switch {
		case n < 0:
			v.bad(at+".party", "party_unknown", "No party has this id.")
		case b.Parties[n].Kind != PartyPerson:
			v.bad(at+".party", "controller_person", "Only a person can be named here.")
		case slices.ContainsFunc(b.Controllers[:i], func(o Controller) bool { return o.Party == c.Party }):
			v.bad(at+".party", "party_twice", "This party is named already.")
		default:
			v.ownerFacts(n, b.Parties[n])
		}
		if !slices.Contains(bases, c.Basis) {
			v.bad(at+".basis", "basis_unknown", "This is one of "+strings.Join(bases, ", ")+".")
		}
	}
}

// party returns the place of a party among the parties, or -1.
func (b Company) party(id string) int {
	return slices.IndexFunc(b.Parties, func(p Party) bool { return p.ID == id && id != TheCompany })
}

// isPerson reports whether the party is a natural person.
func (b Company) isPerson(id string) bool {
	n := b.party(id)
	return n >= 0 && b.Parties[n].Kind == PartyPerson
}

// ownerFacts asks for everything that has to be known of a beneficial owner.
func (v *validation) ownerFacts(n int, p Party) {
	at := fmt.Sprintf("business.parties.%d", n)
	needed := func(field string, there bool) {
		if !there {
			v.bad(at+field, "required", "This is needed of an owner.")
		}
	}
	needed(".nationality", p.Nationality != "")
	needed(".birth_date", p.BirthDate != "")
	needed(".document.number", p.Document != nil)
	needed(".document.expires_on", p.Document == nil || p.Document.ExpiresOn != "")
}

// ownership checks who owns the company in the end. Who owns as much as the policy names has to be
// known in full; a remainder as large as that needs somebody who controls the company otherwise.
func (v *validation) ownership(b Company) {
	holdings, ok := v.holdings(b)
	if !ok {
		return
	}
	if b.Exemption != "" {
		v.exemption(b)
		return
	}
	owners, unexplained, err := checks.Owners(TheCompany, holdings, b.isPerson)
	if err != nil {
		v.impossible(b, err)
		return
	}
	found := false
	for _, o := range owners {
		if v.policy.reaches(o.Share) || v.policy.reaches(o.Control) {
			n := b.party(o.Party)
			v.ownerFacts(n, b.Parties[n])
			found = true
		}
	}
	if len(b.Controllers) > 0 {
		return
	}
	switch {
	case v.policy.reaches(unexplained):
		v.bad("business.holdings", "owners_unexplained", "Too much of the company belongs to nobody who is named. Name its owners, or who controls it.")
	case !found:
		v.bad("business.controllers", "controllers_needed", "Nobody owns that much. Name who controls the company, or who manages it day to day.")
	}
}

// holdings reads the shares; ok is false where there is something wrong with one.
func (v *validation) holdings(b Company) (out []checks.Holding, ok bool) {
	ok = true
	for i, h := range b.Holdings {
		bad := func(name, code, detail string) {
			v.bad(fmt.Sprintf("business.holdings.%d.%s", i, name), code, detail)
			ok = false
		}
		known := func(id string) bool { return id == TheCompany || b.party(id) >= 0 }
		switch {
		case !known(h.Holder):
			bad("holder", "party_unknown", "No party has this id.")
		case !known(h.In):
			bad("in", "party_unknown", "No party has this id.")
		case b.isPerson(h.In):
			bad("in", "holding_in_person", "Nobody owns a person.")
		case slices.ContainsFunc(b.Holdings[:i], func(o Holding) bool { return o.Holder == h.Holder && o.In == h.In }):
			bad("holder", "holding_twice", "This share stands here already.")
		}
		share, is := checks.ParseShare(h.Share)
		if !is {
			bad("share", "share_form", "Write it as 27% or 1/3, above 0 and at most the whole.")
		}
		out = append(out, checks.Holding{Holder: h.Holder, In: h.In, Share: share})
	}
	return out, ok
}

// impossible tells of shares that cannot be, at the company or the entry.
func (v *validation) impossible(b Company, err error) {
	var e *checks.OwnershipError
	if !errors.As(err, &e) {
		return
	}
	if errors.Is(err, checks.ErrSharesOverWhole) {
		at := "business.holdings"
		if n := b.party(e.Company); n >= 0 {
			at = fmt.Sprintf("business.parties.%d.holdings", n)
		}
		v.bad(at, "shares_over_whole", "The shares in this company are more than the whole.")
		return
	}
	// The entry that closes the circle is the last one that is about this company.
	for i, h := range slices.Backward(b.Holdings) {
		if h.In == e.Company {
			v.bad(fmt.Sprintf("business.holdings.%d.share", i), "ownership_circle", "With this share, companies own each other wholly and nobody owns them.")
			return
		}
	}
}

func (v *validation) exemption(b Company) {
	switch {
	case b.Exemption != SmallCompany:
		v.bad("business.exemption", "exemption_unknown", "This is small_company or left out.")
	case slices.ContainsFunc(b.Parties, func(p Party) bool { return p.Kind != PartyPerson }):
		v.bad("business.exemption", "exemption_company", "A company is among the owners.")
	}
}
