package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/symbolon/symbolon/checks"
)

// PersonalField is one value of what Level 1 states ("document.number", "business.parties.0.name") or of what was read
// on a photo ("read.document_front.number") or heard in a recording ("read.clip_statement.heard.PROMPT").
type PersonalField struct {
	Name     string
	Value    string
	Personal bool // who looks at a case sees Masked until they reveal it

	// Region warns of the first digits of a resident identity number; without a warning of everything else.
	Region checks.Region
}

// notPersonal are the last parts of names whose values tell nothing about a person by themselves.
var notPersonal = map[string]bool{
	"nationality": true, "type": true, "issued_on": true, "expires_on": true, "sex": true, "who": true, "kind": true, "country": true,
	"activity": true, "acting_as": true, "id": true, "holder": true, "in": true, "share": true, "party": true, "basis": true,
	"exemption": true, "legal_name": true, "mrz": true, "occupation": true,
}

// Fields lists what Level 1 states and what was read on photos, value by value, in the order of the form.
func (s *Service) Fields(c Case) ([]PersonalField, error) {
	var out []PersonalField
	if c.Facts != nil {
		if err := flatten(&out, "", mustJSON(c.Facts)); err != nil {
			return nil, err
		}
		warnOfRegions(out)
	}
	read, err := s.Readings(c)
	if err != nil {
		return nil, err
	}
	for _, r := range read {
		heard := r.Heard
		r.Heard = nil
		if err := flatten(&out, "read."+r.Step, mustJSON(r)); err != nil {
			return nil, err
		}
		for _, prompt := range slices.Sorted(maps.Keys(heard)) { // whatever an operator named it
			out = append(out, PersonalField{Name: "read." + r.Step + ".heard." + prompt, Value: heard[prompt], Personal: true})
		}
	}
	return out, nil
}

// warnOfRegions sets Region of the resident identity numbers, the applicant's and those of others, by the type that
// stands beside them.
func warnOfRegions(fields []PersonalField) {
	resident := map[string]bool{}
	for _, f := range fields {
		if at, ok := strings.CutSuffix(f.Name, "document.type"); ok {
			resident[at+"document.number"] = f.Value == CNResidentID
		}
	}
	for i, f := range fields {
		if resident[f.Name] {
			fields[i].Region = regionOf(f.Value)
		}
	}
}

// RegionWarning is what deserves a second look about the region in the number of a document, if anything does.
func (d DocumentFacts) RegionWarning() checks.Warning {
	if d.Type != CNResidentID {
		return ""
	}
	return regionOf(d.Number).Warning
}

// regionOf is of a resident identity number as it is stored.
func regionOf(number string) checks.Region { return checks.RegionOf(number[:min(6, len(number))]) }

// flatten appends the values of a JSON document by their paths.
func flatten(out *[]PersonalField, path string, doc []byte) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var walk func(path string) error
	walk = func(path string) error {
		tok, err := d.Token()
		if err != nil {
			return errUnreadable
		}
		join := func(name string) string {
			if path == "" {
				return name
			}
			return path + "." + name
		}
		switch v := tok.(type) {
		case json.Delim:
			for i := 0; d.More(); i++ {
				name := fmt.Sprint(i)
				if v == '{' {
					key, err := d.Token()
					if err != nil {
						return errUnreadable
					}
					name = key.(string) // of an object
				}
				if err := walk(join(name)); err != nil {
					return err
				}
			}
			_, err := d.Token()
			return err
		case nil:
		default:
			last := path[strings.LastIndexByte(path, '.')+1:]
			*out = append(*out, PersonalField{Name: path, Value: fmt.Sprint(v), Personal: !notPersonal[last]})
		}
		return nil
	}
	return walk(path)
}

// Masked is the value as it is shown to who has not revealed it: enough to tell two apart.
func (f PersonalField) Masked() string {
	if !f.Personal {
		return f.Value
	}
	last := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
	r := []rune(f.Value)
	keep := 0
	switch {
	case strings.Contains(f.Name, ".heard."):
	case last == "number" || strings.Contains(f.Name, ".numbers."):
		if len(r) > 6 {
			return string(r[:1]) + strings.Repeat("*", len(r)-3) + string(r[len(r)-2:])
		}
	case strings.HasSuffix(last, "name") || last == "given_names":
		words := strings.Fields(f.Value)
		if len(words) == 1 && utf8.RuneCountInString(words[0]) == 1 {
			return "*"
		}
		for i, w := range words {
			_, first := utf8.DecodeRuneInString(w)
			words[i] = w[:first] + strings.Repeat("*", max(utf8.RuneCountInString(w)-1, 0))
		}
		return strings.Join(words, " ")
	case strings.Contains(last, "address") && len(r) > 6:
		keep = 3
	}
	return string(r[:keep]) + strings.Repeat("*", min(len(r)-keep, 12))
}
