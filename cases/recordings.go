package cases

import (
	"fmt"
	"slices"
	"strings"
)

// Recordings says how clips are checked. Only people approve them.
type Recordings struct {
	// WrittenStatement lets people who cannot speak aloud write the statement and sign it; true where it is left out.
	WrittenStatement *bool `yaml:"written_statement"`
	// SendBack are the reasons for which rules send a recording back; all of them where it is left out.
	SendBack []string `yaml:"send_back"`
	// Unclear is from where on a reviewer is told of something; what is left out is as in the default policy.
	Unclear ClipLimits `yaml:"unclear"`
}

// ClipLimits are from where on something in a recording is worth a reviewer's look.
type ClipLimits struct {
	Dark          float64 `yaml:"dark"`           // mean brightness below, of 255
	Bright        float64 `yaml:"bright"`         // mean brightness above
	Blur          float64 `yaml:"blur"`           // mean width of edges above, in pixels of a picture of 640
	BlackSeconds  float64 `yaml:"black_seconds"`  // black in one piece for longer
	FreezeSeconds float64 `yaml:"freeze_seconds"` // the picture standing still for longer
	MeanDB        float64 `yaml:"mean_db"`        // loudness below, of the whole
	PeakDB        float64 `yaml:"peak_db"`        // loudest moment below
}

// clipReasons are the reasons of what checks are sure of in recordings.
var clipReasons = []string{"video.unreadable", "video.unclear", "video.silent", "video.script_incomplete"}

// Written reports whether a statement may be written in place of being spoken.
func (r Recordings) Written() bool { return r.WrittenStatement == nil || *r.WrittenStatement }

// explain writes it in sentences.
func (r Recordings) explain(b *strings.Builder) {
	if len(r.SendBack) > 0 {
		fmt.Fprintf(b, "Recordings are sent back at once for: %s.\n", strings.Join(r.SendBack, ", "))
	} else {
		b.WriteString("No recording is sent back by the rules.\n")
	}
	b.WriteString("A person watches every other one.\n")
	if r.Written() {
		b.WriteString("Who cannot speak aloud may write the statement by hand and sign it.\n")
	}
}

// check fills what was left out and says what is wrong.
func (r *Recordings) check(say func(format string, args ...any)) {
	if r.SendBack == nil {
		r.SendBack = slices.Clone(clipReasons)
	}
	for _, code := range r.SendBack {
		if !slices.Contains(clipReasons, code) {
			say("recordings.send_back: %q is nothing that is found in recordings; write some of %s", code, strings.Join(clipReasons, ", "))
		}
	}
	u := &r.Unclear
	for _, f := range []struct {
		name               string
		value              *float64
		usual, least, most float64
	}{
		{"dark", &u.Dark, 50, 10, 200}, {"bright", &u.Bright, 225, 60, 255}, {"blur", &u.Blur, 7, 1, 50},
		{"black_seconds", &u.BlackSeconds, 0.5, 0.1, 60}, {"freeze_seconds", &u.FreezeSeconds, 2, 0.4, 60},
		{"mean_db", &u.MeanDB, -45, -90, -1}, {"peak_db", &u.PeakDB, -30, -90, -1},
	} {
		if *f.value == 0 {
			*f.value = f.usual
		}
		if v := *f.value; v < f.least || v > f.most {
			say("recordings.unclear.%s: %v is not between %v and %v", f.name, v, f.least, f.most)
		}
	}
}
