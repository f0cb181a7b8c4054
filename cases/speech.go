package cases

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/symbolon/symbolon/checks"
)

// Recogniser writes down speech, without any promise that it is right.
type Recogniser interface {
	// Recognise returns what is said in sound: 16-bit samples, little endian, one channel, checks.SoundRate. lang is a BCP 47 tag.
	Recognise(ctx context.Context, sound []byte, lang string) (string, error)
}

// The checks of what is said.
const (
	checkSaid       = "said"        // the sentences that were to be read
	checkSaidNumber = "said_number" // the number of this take among them, which no earlier recording knows
)

const (
	hearFor    = 90 * time.Second       // one recording, however many sentences
	hearBeside = 300 * time.Millisecond // of the sentence's neighbours: nobody keeps to a prompt exactly
	saidEnough = 0.7                    // of a sentence's letters and digits
	mostHeard  = 1000                   // characters of one sentence
)

// bytesAt is where a moment stands in sound.
func bytesAt(at time.Duration, sound []byte) int {
	return int(min(max(at, 0)*checks.SoundRate/time.Second*2, time.Duration(len(sound)/2*2)))
}

// hear has written down what is said under each prompt that is to be read, and says how much of it was. It is a hint
// for the reviewer: a recogniser that fails leaves one less. The words are returned by prompt; they are personal.
func (s *Service) hear(ctx context.Context, caseID string, f *clipFindings, in Inspected, script *IssuedScript, found *Inspection) map[string]string {
	if s.cfg.Recogniser == nil || !script.says() || len(found.Prompts) != len(script.Prompts) {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, hearFor)
	defer cancel()
	heard := map[string]string{}
	said := make([]float64, len(script.Prompts))
	least := 1.0
	var asked, told bool // the number
	for i, p := range script.Prompts {
		if !p.spoken() {
			continue
		}
		text := ""
		if at := found.Prompts[i]; at.Speech == checks.Pass { // of silence, recognisers make something up
			from := bytesAt(time.Duration(at.FromMS)*time.Millisecond-hearBeside, in.Samples)
			to := bytesAt(time.Duration(at.ToMS)*time.Millisecond+hearBeside, in.Samples)
			var err error
			if text, err = s.cfg.Recogniser.Recognise(within, in.Samples[from:to], p.Lang); err != nil {
				s.cfg.Log.Warn("speech_not_recognised", "case", caseID, "error", err)
				f.add(checkSaid, checks.Skipped, "", nil)
				return nil
			}
		}
		if r := []rune(strings.TrimSpace(text)); len(r) > 0 {
			heard[p.ID] = string(r[:min(len(r), mostHeard)])
		}
		said[i] = math.Round(checks.Said(p.Text, text)*100) / 100
		least = min(least, said[i])
		if strings.Contains(checks.Spoken(p.Text), script.Number) {
			asked, told = true, told || strings.Contains(checks.Spoken(text), script.Number)
		}
	}
	for i, p := range script.Prompts {
		if p.spoken() {
			found.Prompts[i].Said = &said[i]
		}
	}
	f.add(checkSaid, verdict(least >= saidEnough, checks.Unsure), "", map[string]float64{"least": least})
	if asked {
		f.add(checkSaidNumber, verdict(told, checks.Unsure), "", nil)
	}
	return heard
}
