package cases

import (
	"bytes"
	_ "embed"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed reasons.yaml
var reasonsFile []byte

// ReasonType says what follows from a reason.
type ReasonType string

// The types of reason.
const (
	RedoReason   ReasonType = "again"  // the applicant can do it better
	FinalReason  ReasonType = "final"  // refused
	PersonReason ReasonType = "person" // somebody looks
)

// CatalogueReason is one reason of the catalogue (reasons.yaml).
type CatalogueReason struct {
	Code   string
	Type   ReasonType
	Redo   string // what is done again: "side", "both", "document", "level_1", a kind of step; "" for none
	Hidden bool   // the applicant reads the general text in its place
	// Says is, per language ("en", "zh-Hans"), what is wrong and how to do it better.
	Says map[string]ReasonText
	Maps map[string]string // the nearest code of other vendors
}

// ReasonText is what an applicant reads.
type ReasonText struct{ Wrong, Better string }

// Reasons returns the catalogue, in its order. Nobody may change what it returns.
func Reasons() []CatalogueReason { return catalogue }

// ReasonByCode returns a reason of the catalogue.
func ReasonByCode(code string) (CatalogueReason, bool) {
	r, ok := reasonByCode[code]
	return r, ok
}

var (
	catalogue    = readReasons()
	reasonByCode = func() map[string]CatalogueReason {
		m := map[string]CatalogueReason{}
		for _, r := range catalogue {
			m[r.Code] = r
		}
		return m
	}()
)

func readReasons() []CatalogueReason {
	var rows []struct {
		Code   string
		Type   ReasonType
		Redo   string
		Hidden bool
		En     [2]string
		Zh     [2]string `yaml:"zh-Hans"`
		Maps   map[string]string
	}
	d := yaml.NewDecoder(bytes.NewReader(reasonsFile))
	d.KnownFields(true)
	if err := d.Decode(&rows); err != nil {
		panic(fmt.Sprintf("cases: reasons.yaml: %v", err)) // embedded: a test would have failed
	}
	out := make([]CatalogueReason, len(rows))
	for i, r := range rows {
		out[i] = CatalogueReason{Code: r.Code, Type: r.Type, Redo: r.Redo, Hidden: r.Hidden, Maps: r.Maps, Says: map[string]ReasonText{
			"en": {r.En[0], r.En[1]}, "zh-Hans": {r.Zh[0], r.Zh[1]},
		}}
	}
	return out
}
