package cases

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/symbolon/symbolon/fault"
)

// Other ways to do a clip.
const (
	ListenRepeat = "listen_repeat" // each sentence is spoken first, and said again
	Written      = "written"       // the statement is written by hand and signed; its photo goes to a person
)

// Roles of a take in a step of several.
const (
	RoleStill   = "still"   // a photo taken while a clip was recorded
	RoleWritten = "written" // a photo of what was written, in place of the clip
)

// Bounds of a recording.
const (
	clipChallengeFor = time.Hour       // to begin to send the take
	promptAtLeast    = 2 * time.Second // that each prompt is shown
	clipAtMost       = 2 * clipFor     // a shown prompt cannot be later
)

// Shown is when a prompt was shown, since the recorder began.
type Shown struct {
	PromptID  string `json:"prompt_id" bson:"prompt_id"`
	ShownAtMS int64  `json:"shown_at_ms" bson:"shown_at_ms"`
}

// ErrStillMissing is returned when a clip is kept without the photo that its script asks for.
var ErrStillMissing = fault.New(fault.Conflict, "still_missing", "The photo that belongs to this recording is missing.")

// AcceptRequest says what the applicant looked at and keeps.
type AcceptRequest struct {
	UploadID      string
	StillUploadID string  // of a clip whose script asks for a photo
	Timeline      []Shown // of a clip: every prompt, in order
}

// askScript fills the challenge of a clip.
func (s *Service) askScript(c *change, st Step, lang string, ch *Challenge) error {
	section := clipStatement
	if st.ID == ClipDocument {
		section = documentCard
		if t := documentTypes[c.DocumentType]; t != nil && slices.Contains(t.steps, DocumentPage) {
			section = documentPage
		}
	}
	f := s.cfg.Script
	script := &IssuedScript{Template: f.Version, Number: newNumber(), AccountHint: AccountHint(c.AccountID)}
	script.Prompts = f.prompts(section, f.lang(lang), said{
		operator: s.cfg.Operator, hint: script.AccountHint, number: script.Number, day: c.at.In(s.cfg.Policy.zone),
	})
	switch ch.Alternative {
	case "":
	case ListenRepeat:
		script.say(PromptRepeat)
	case Written:
		if st.ID != ClipStatement || !s.cfg.Policy.Recordings.Written() {
			return ErrAlternative
		}
		script.say(PromptWrite)
		script.Prompts = slices.DeleteFunc(script.Prompts, func(p Prompt) bool { return p.Kind != PromptWrite })
	default:
		return ErrAlternative
	}
	ch.Script, ch.ExpiresAt = script, ch.IssuedAt.Add(clipChallengeFor)
	return nil
}

// say makes what is read aloud something else.
func (s *IssuedScript) say(kind string) {
	for i := range s.Prompts {
		if s.Prompts[i].Kind == PromptRead {
			s.Prompts[i].Kind = kind
		}
	}
}

// spoken reports whether something is heard when the prompt is done.
func (p Prompt) spoken() bool { return p.Kind == PromptRead || p.Kind == PromptRepeat }

// still returns the number of the prompt that takes a photo, -1 where none does.
func (s *IssuedScript) still() int {
	return slices.IndexFunc(s.Prompts, func(p Prompt) bool { return p.Still })
}

// limitsOfRole returns what a take of a step may be, by its role.
func limitsOfRole(st Step, role string) Limits {
	if role != "" {
		st.Kind = KindPhoto
	}
	return limitsOf(st)
}

// roleOf checks that a take may begin and returns its role, and the challenge that it answers, nil for none. A take
// of a clip answers a challenge, and a challenge is answered by one take; one that never was complete and left the case
// does not count. Its photo comes at any time while the take is there.
func (c *change) roleOf(st Step, r TakeRequest) (string, *Challenge, error) {
	if st.Kind != KindClip {
		if r.Role != "" {
			return "", nil, ErrNotForStep
		}
		return "", nil, nil
	}
	ch := c.challenge(r.Challenge)
	if ch == nil || ch.Step != st.ID || ch.Owner != r.Owner || ch.Epoch != c.HandoffEpoch {
		return "", nil, ErrChallengeUnknown
	}
	_, main := c.take(ch.UploadID)
	if r.Role == RoleStill {
		switch {
		case ch.Script.still() < 0:
			return "", nil, ErrNotForStep
		case slices.ContainsFunc(st.Takes, func(t Take) bool { return t.Challenge == ch.ID && t.Role == RoleStill }),
			main != nil && main.State == TakeAccepted:
			return "", nil, ErrTooManyTakes
		case main == nil && (!ch.UsedAt.IsZero() || !c.at.Before(ch.ExpiresAt)):
			return "", nil, ErrChallengeExpired
		}
		return RoleStill, ch, nil
	}
	switch {
	case !ch.UsedAt.IsZero() || main != nil:
		return "", nil, ErrChallengeUsed
	case !c.at.Before(ch.ExpiresAt):
		return "", nil, ErrChallengeExpired
	case ch.Alternative == Written:
		return RoleWritten, ch, nil
	}
	return "", ch, nil
}

// challenge returns a challenge by its id, nil where it is forgotten.
func (d *Document) challenge(id string) *Challenge {
	for i := range d.Challenges {
		if d.Challenges[i].ID == id && id != "" {
			return &d.Challenges[i]
		}
	}
	return nil
}

// follows reports whether a take answers a challenge.
func (d *Document) follows(challenge string) bool {
	return slices.ContainsFunc(d.Steps, func(st Step) bool {
		return slices.ContainsFunc(st.Takes, func(t Take) bool { return t.Challenge == challenge })
	})
}

// Script returns what a take was asked to follow; nil where it was asked for nothing.
func (d Document) Script(t Take) *IssuedScript {
	if ch := d.challenge(t.Challenge); ch != nil {
		return ch.Script
	}
	return nil
}

// keepClip adds to a take of a clip what belongs to it: when its prompts were shown, and the photo taken with it. It
// returns the digest of that photo, "" where there is none.
func (c *change) keepClip(st *Step, t *Take, r AcceptRequest) (still string, err error) {
	ch := c.challenge(t.Challenge)
	if st.Kind != KindClip {
		if r.StillUploadID != "" || len(r.Timeline) > 0 {
			return "", ErrNotForStep
		}
		return "", nil
	}
	if ch == nil || ch.Script == nil || ch.UploadID != t.UploadID || t.Role == RoleStill {
		return "", ErrNotForStep
	}
	if t.Role == RoleWritten {
		if r.StillUploadID != "" || len(r.Timeline) > 0 {
			return "", ErrNotForStep
		}
		return "", nil
	}
	if err := ch.Script.checkTimeline(r.Timeline); err != nil {
		return "", err
	}
	t.Timeline = r.Timeline
	i := ch.Script.still()
	switch {
	case i < 0 && r.StillUploadID == "":
		return "", nil
	case i < 0:
		return "", ErrNotForStep
	case r.StillUploadID == "":
		return "", ErrStillMissing
	}
	of, p := c.take(r.StillUploadID)
	if p == nil || of != st || p.Role != RoleStill || p.Challenge != t.Challenge || p.State != TakeStored || p.Epoch != t.Epoch {
		return "", ErrNotForStep
	}
	t.Parts = append(t.Parts, Part{
		UploadID: p.UploadID, MediaID: p.MediaID, Role: PartStill, AtMS: r.Timeline[i].ShownAtMS,
		Filetype: p.Filetype, Size: p.Size, SHA256: p.SHA256,
	})
	return hex.EncodeToString(p.SHA256), nil
}

// checkTimeline says what is wrong with when prompts were shown. Whether that is within the recording is seen when it
// is examined.
func (s *IssuedScript) checkTimeline(timeline []Shown) error {
	bad := func(field, code, detail string) error {
		return fault.Fields(fault.Field{Field: field, Code: code, Detail: detail})
	}
	if len(timeline) != len(s.Prompts) {
		return bad("timeline", "incomplete", "Every prompt once, in its order.")
	}
	before := -promptAtLeast.Milliseconds()
	for i, shown := range timeline {
		field := fmt.Sprintf("timeline.%d.", i)
		switch {
		case shown.PromptID != s.Prompts[i].ID:
			return bad(field+"prompt_id", "out_of_order", "Every prompt once, in its order.")
		case shown.ShownAtMS < 0 || shown.ShownAtMS > clipAtMost.Milliseconds():
			return bad(field+"shown_at_ms", "out_of_range", "Milliseconds since the recording began.")
		case shown.ShownAtMS < before+promptAtLeast.Milliseconds():
			return bad(field+"shown_at_ms", "too_soon", "A prompt is shown for two seconds at least.")
		}
		before = shown.ShownAtMS
	}
	return nil
}
