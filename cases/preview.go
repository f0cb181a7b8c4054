package cases

import "strings"

// notYet stands in a preview for the number that only a take has.
const notYet = "…"

// PreviewScript returns what a recording of this step will ask for in a language, without a number: that is issued
// for each take. ErrStepUnknown, ErrNoChallenge.
func (s *Service) PreviewScript(c Case, step, lang string) (IssuedScript, error) {
	st := c.step(step)
	switch {
	case st == nil:
		return IssuedScript{}, ErrStepUnknown
	case st.Kind != KindClip:
		return IssuedScript{}, ErrNoChallenge
	}
	var ch Challenge
	if err := s.askScript(&change{Document: c.Document, at: s.now()}, *st, lang, &ch); err != nil {
		return IssuedScript{}, err
	}
	out := *ch.Script
	for i := range out.Prompts {
		out.Prompts[i].Text = strings.ReplaceAll(out.Prompts[i].Text, spaced(out.Number), notYet)
	}
	out.Number = ""
	return out, nil
}

// Alternatives lists the other ways that people may choose for a step.
func (s *Service) Alternatives(st Step) []string {
	switch {
	case st.Kind == KindFace:
		return s.cfg.Policy.Face.Alternatives
	case st.ID == ClipStatement && s.cfg.Policy.Recordings.Written():
		return []string{ListenRepeat, Written}
	case st.ID == ClipStatement:
		return []string{ListenRepeat}
	}
	return nil
}
