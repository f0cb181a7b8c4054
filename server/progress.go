package server

import (
	"fmt"
	"slices"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/live"
)

// What a phone or desk may say it is doing. Both lists are closed: the other side translates
// the codes and never shows text that somebody sent.
var (
	phases = []string{"camera", "aiming", "checking_take", "moves", "countdown", "recording", "sending", "paused"}
	hints  = []string{"closer", "hold_still", "more_light", "glare", "only_you", "neutral", "turn_left", "turn_right", "mouth_open", "blink"}
)

// maxPrompt is the highest number of a prompt; a script has fewer.
const maxPrompt = 64

// Bounds of what else is told of a take.
const (
	maxTakeNumber = 1000
	maxElapsedMS  = 3_600_000
)

// progressNote is the body of a progress call, and most of the message on a socket.
type progressNote struct {
	Phase       string `json:"phase"`
	PromptIndex *int   `json:"prompt_index"`
	PromptCount int    `json:"prompt_count"`
	Take        int    `json:"take"`
	ElapsedMS   int64  `json:"elapsed_ms"`
	Hint        string `json:"hint"`
}

// check returns the note as it is shown, or fault.Fields for every member that is not acceptable.
func (n progressNote) check(step string) (live.Progress, error) {
	var bad []fault.Field
	if !slices.Contains(phases, n.Phase) {
		bad = append(bad, fault.Field{Field: "phase", Code: "unknown", Detail: "There is no such phase."})
	}
	if n.Hint != "" && !slices.Contains(hints, n.Hint) {
		bad = append(bad, fault.Field{Field: "hint", Code: "unknown", Detail: "There is no such hint."})
	}
	if n.PromptIndex != nil && (*n.PromptIndex < 0 || *n.PromptIndex > maxPrompt) {
		bad = append(bad, fault.Field{Field: "prompt_index", Code: "out_of_range", Detail: "A prompt's number is between 0 and 64."})
	}
	outside := func(field string, v, most int64) {
		if v < 0 || v > most {
			bad = append(bad, fault.Field{Field: field, Code: "out_of_range", Detail: fmt.Sprintf("It is between 0 and %d.", most)})
		}
	}
	outside("prompt_count", int64(n.PromptCount), maxPrompt)
	outside("take", int64(n.Take), maxTakeNumber)
	outside("elapsed_ms", n.ElapsedMS, maxElapsedMS)
	if len(bad) > 0 {
		return live.Progress{}, fault.Fields(bad...)
	}
	return live.Progress{Step: step, Phase: n.Phase, PromptIndex: n.PromptIndex, PromptCount: n.PromptCount, Take: n.Take, ElapsedMS: n.ElapsedMS, Hint: n.Hint}, nil
}

// showProgress shows what is being done. It is never stored.
func (s *Server) showProgress(c *fiber.Ctx) error {
	ctx := c.UserContext()
	p, err := s.caller(c)
	if err != nil {
		return err
	}
	caseID, step := param(c, "id"), param(c, "step")
	if _, err := s.stepFor(ctx, p, caseID, step); err != nil {
		return err
	}
	var note progressNote
	if _, err := decode(c, &note); err != nil {
		return err
	}
	shown, err := note.check(step)
	if err != nil {
		return err
	}
	s.cfg.Hub.Progress(ctx, caseID, shown)
	return c.SendStatus(fiber.StatusNoContent)
}
