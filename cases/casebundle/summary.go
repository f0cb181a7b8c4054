package casebundle

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// summary is the case for people: who, what was decided by whom and why, what was seen, and every event.
func summary(d cases.Dossier, m manifest) []byte {
	var p pdf
	head := func(text string) {
		p.gap(8)
		p.line(12, 0, true, text)
		p.gap(2)
	}
	say := func(format string, args ...any) { p.line(bodySize, 0, false, fmt.Sprintf(format, args...)) }
	in := func(format string, args ...any) { p.line(bodySize, 14, false, fmt.Sprintf(format, args...)) }
	when := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	who := func(a cases.Actor) string {
		if name := d.People[a.ID]; name != "" {
			return name
		}
		return strings.TrimSpace(string(a.Kind) + " " + a.ID)
	}
	p.line(17, 0, true, "Evidence of a case")
	say("%s, made by %s on %s", d.CaseID, m.Operator, when(m.MadeAt))
	say("A %s's case, begun %s. State: %s, level attained: %d. Policy %s, script %s.", d.Kind, when(d.CreatedAt), d.State, d.Level, d.Policy, d.Script)
	say("This summary is part of a signed archive; symbolon bundle verify checks it.")

	if f := d.Identity; f != nil {
		head("What was stated")
		for _, row := range [][2]string{
			{"Name", f.Name}, {"In Latin letters", f.LatinName}, {"Birth date", f.BirthDate}, {"Nationality", f.Nationality},
			{"Document", f.Document.Type + " " + f.Document.Number}, {"Valid until", f.Document.ExpiresOn}, {"Address", f.Address}, {"Occupation", f.Occupation},
		} {
			if strings.TrimSpace(row[1]) != "" {
				say("%s: %s", row[0], row[1])
			}
		}
		if b := f.Business; b != nil {
			say("Company: %s, %s %s (%s)", b.LegalName, b.Registration.Type, b.Registration.Number, b.Registration.Country)
		}
	}

	head("Levels")
	for _, l := range d.Levels {
		say("Level %d: %s. Submitted %s, decided %s.", l.Level, l.State, when(l.SubmittedAt), when(l.DecidedAt))
		for _, r := range l.Reasons {
			in("%s", reasonWords(r))
		}
		for _, a := range l.Approvals {
			in("approved by %s on %s", who(cases.Actor{Kind: cases.ByStaff, ID: a.By}), when(a.At))
		}
		for _, ch := range l.Checks {
			in("check %s of %s: %s %s", ch.Check, ch.Step, ch.Verdict, ch.Code)
		}
	}

	head("Decisions and notes")
	for _, e := range d.History {
		n, noted := d.Notes[fmt.Sprint(e.N)]
		if e.Event != "decision" && !noted {
			continue
		}
		say("%s, %s: %s, level %d %s", when(e.At), who(e.Actor), e.Event, e.Level, e.Data["verdict"])
		for _, r := range n.Reasons {
			in("%s", reasonWords(r))
		}
		if n.Text != "" {
			in("%s", n.Text)
		}
	}
	for _, o := range d.Objections {
		say("%s: the applicant objects to level %d: %s", when(o.At), o.Level, o.Text)
	}

	head("Evidence")
	for _, medium := range d.Media {
		say("%s %s: %s, %d bytes", medium.Step, medium.Role, medium.Filetype, medium.Size)
		in("%s  SHA-256 %s", medium.MediaID, hex.EncodeToString(medium.SHA256))
	}
	for _, con := range d.Consents {
		say("consent %s version %d: %s on %s (%s)", con.ID, con.Version, con.State, when(con.At), con.Language)
	}

	head("History")
	for _, e := range d.History {
		var data []string
		for _, name := range slices.Sorted(maps.Keys(e.Data)) {
			if name != "sha256" {
				data = append(data, name+"="+e.Data[name])
			}
		}
		say("%d  %s  %s  %s %s %s", e.N, when(e.At), e.Event, who(e.Actor), e.Step, strings.Join(append(data, e.Reasons...), " "))
	}
	head("Who looked")
	for _, l := range d.Looks {
		say("%d  %s  %s  %s %s", l.N, when(l.At), who(l.Actor), l.What, l.Subject)
	}
	return p.bytes(d.CaseID)
}

// reasonWords is a reason in words.
func reasonWords(r cases.Reason) string {
	words := r.Code
	if r.Step != "" {
		words += " (" + r.Step
		if r.Prompt > 0 {
			words += fmt.Sprintf(", prompt %d", r.Prompt)
		}
		words += ")"
	}
	if cr, ok := cases.ReasonByCode(r.Code); ok {
		words += ": " + cr.Says["en"].Wrong
	}
	return words
}
