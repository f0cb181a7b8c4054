package cases

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/symbolon/symbolon/checks"
)

// Steps that this build knows. The sides of a card are named by what is on them: document_front carries the
// portrait (人像面), document_back the other one (on the PRC card the emblem, 国徽面).
const (
	DocumentFront = "document_front"
	DocumentBack  = "document_back"
	DocumentPage  = "document_page"

	BusinessLicence = "business_licence"
	Authorisation   = "authorisation"

	Face          = "face"
	ClipDocument  = "clip_document"
	ClipStatement = "clip_statement"
)

// Kinds of step.
const (
	KindPhoto = "photo" // one picture, uploaded
	KindFace  = "face"  // moves in front of a camera, asked for by a challenge
	KindClip  = "clip"  // a recording of what a script asks for, uploaded while it is made
)

// kindOf returns the kind of a step.
func kindOf(step string) string {
	switch step {
	case Face:
		return KindFace
	case ClipDocument, ClipStatement:
		return KindClip
	}
	return KindPhoto
}

// Document types of Level 1.
const (
	CNResidentID           = "cn_resident_id"
	HKMacauPermit          = "hk_macau_permit"
	HKMacauResidencePermit = "hk_macau_residence_permit"
	TaiwanPermit           = "taiwan_permit"
	TaiwanResidencePermit  = "taiwan_residence_permit"
	CNForeignerCard        = "cn_foreigner_card"
	Passport               = "passport"
)

// documentType is what is particular to a kind of document.
type documentType struct {
	steps    []string // the photos it asks for
	longTerm bool     // it can be valid without an end
	// read checks the number and returns it normalised, with what it says of its holder, if it does.
	read func(number string, today time.Time) (normal string, says *checks.ResidentID, err error)
}

// firstGeneration is the length of a resident ID number before 1999.
const firstGeneration = 15

var twoSides = []string{DocumentFront, DocumentBack}

var documentTypes = map[string]*documentType{
	CNResidentID: {steps: twoSides, longTerm: true, read: func(n string, today time.Time) (string, *checks.ResidentID, error) {
		if n = checks.NormalizeNumber(n); len(n) == firstGeneration { // as people remember it from their first card
			up, err := checks.UpgradeResidentID(n)
			if err != nil {
				return "", nil, err
			}
			n = up
		}
		id, err := checks.ParseResidentID(n, today)
		return id.Number, &id, err
	}},
	HKMacauPermit: {steps: twoSides, read: func(n string, _ time.Time) (string, *checks.ResidentID, error) {
		n, _, err := checks.ParsePermitHKMacau(n)
		return n, nil, err
	}},
	HKMacauResidencePermit: {steps: twoSides, read: residencePermit(checks.RegionHongKong, checks.RegionMacau)},
	TaiwanPermit: {steps: twoSides, read: func(n string, _ time.Time) (string, *checks.ResidentID, error) {
		n, err := checks.ParsePermitTaiwan(n)
		return n, nil, err
	}},
	TaiwanResidencePermit: {steps: twoSides, read: residencePermit(checks.RegionTaiwan)},
	CNForeignerCard: {steps: twoSides, read: func(n string, _ time.Time) (string, *checks.ResidentID, error) {
		n, err := checks.ParseForeignerCard(n)
		return n, nil, err
	}},
	Passport: {steps: []string{DocumentPage}, read: func(n string, _ time.Time) (string, *checks.ResidentID, error) {
		n = checks.NormalizeNumber(n)
		if !passportNumber.MatchString(n) {
			return "", nil, checks.ErrNumberForm
		}
		return n, nil, nil
	}},
}

// passportNumber is what travel documents' numbers consist of (ICAO Doc 9303-3: letters and digits); longer ones
// than nine characters exist.
var passportNumber = regexp.MustCompile(`^[A-Z0-9]{5,20}$`)

func residencePermit(regions ...string) func(string, time.Time) (string, *checks.ResidentID, error) {
	return func(n string, today time.Time) (string, *checks.ResidentID, error) {
		id, err := checks.ParseResidencePermit(n, today, regions...)
		return id.Number, &id, err
	}
}

func knownDocuments() []string { return slices.Sorted(maps.Keys(documentTypes)) }

// number checks and normalises a document's number, and returns what it says of its holder, if it does.
func (v *validation) number(field string, d *DocumentFacts, kind *documentType) *checks.ResidentID {
	normal, says, err := kind.read(d.Number, v.today)
	switch {
	case errors.Is(err, checks.ErrNumberForm):
		v.bad(field, "document_number_form", "This has not the form of such a document's number.")
		return nil
	case errors.Is(err, checks.ErrNumberCheck):
		v.bad(field, "document_number_check", "One of the characters is not right. Compare them with the card.")
		return nil
	case err != nil:
		v.bad(field, "document_number_date", "The birth date in this number is impossible.")
		return nil
	}
	d.Number = normal
	return says
}
