package cases

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/symbolon/symbolon/checks"
)

// Inspector examines recordings: it decodes what somebody sent, so it does it apart from this program.
type Inspector interface {
	// Inspect plays a recording of a sniffed type. That it cannot be played is no error: then there is neither picture
	// nor sound. An error is for what may work when it is tried again.
	Inspect(ctx context.Context, clip Evidence, filetype string) (Inspected, error)
}

// Inspected is what an Inspector found.
type Inspected struct {
	By            string // name and version of what played it
	Picture       bool   // there is one
	Sound         bool
	Width, Height int // as it is shown: turned upright
	Rotation      int // degrees clockwise by which it is turned to be shown
	Codecs        string
	Faults        int // what the decoder complained of
	Moving        checks.Moving
	Heard         checks.Sound
	Samples       []byte // what was heard: 16-bit samples, little endian, one channel, checks.SoundRate

	Copy         []byte // the same pictures and sound, made seekable; nil where that did not work
	CopyFiletype string
	Sheet        []byte // JPEG: small pictures, left to right and down, one each SheetEvery
	SheetColumns int
	SheetEvery   time.Duration
	Stills       [][]byte // JPEG: some pictures in their order, to look for faces
}

// Duration is how long the recording plays.
func (i Inspected) Duration() time.Duration { return max(i.Moving.Duration(), i.Heard.Duration) }

// Inspection is what is kept of an inspection, for who decides. Its copy and its small pictures are parts of the
// take: PartCopy, PartThumb.
type Inspection struct {
	By           string        `json:"by" bson:"by"`
	DurationMS   int64         `json:"duration_ms" bson:"duration_ms"`
	Width        int           `json:"width,omitempty" bson:"width,omitempty"`
	Height       int           `json:"height,omitempty" bson:"height,omitempty"`
	Rotation     int           `json:"rotation,omitempty" bson:"rotation,omitempty"`
	Codecs       string        `json:"codecs,omitempty" bson:"codecs,omitempty"`
	Peaks        []byte        `json:"peaks,omitempty" bson:"peaks,omitempty"` // loudness, 255 for full scale
	PeakEveryMS  int64         `json:"peak_every_ms,omitempty" bson:"peak_every_ms,omitempty"`
	SheetColumns int           `json:"sheet_columns,omitempty" bson:"sheet_columns,omitempty"`
	SheetEveryMS int64         `json:"sheet_every_ms,omitempty" bson:"sheet_every_ms,omitempty"`
	Prompts      []PromptFound `json:"prompts,omitempty" bson:"prompts,omitempty"`
}

// PromptFound is what stands in a recording between one prompt and the next.
type PromptFound struct {
	PromptID string         `json:"prompt_id" bson:"prompt_id"`
	FromMS   int64          `json:"from_ms" bson:"from_ms"`
	ToMS     int64          `json:"to_ms" bson:"to_ms"`
	SpokenMS int64          `json:"spoken_ms" bson:"spoken_ms"` // of what could be speech
	Speech   checks.Verdict `json:"speech" bson:"speech"`       // Skipped where nothing is to be said
	// Said is how much of the prompt a Recogniser heard, from 0 to 1; nil where none listened.
	Said *float64 `json:"said,omitempty" bson:"said,omitempty"`
}

// The checks of recordings.
const (
	checkContainer  = "container"  // the file is whole, and one
	checkInspected  = "inspected"  // it was played at all
	checkPicture    = "picture"    // there is one
	checkSound      = "sound"      // something can be heard, where something is to be said
	checkLoudness   = "loudness"   // loud enough
	checkSpeech     = "speech"     // something like speech in every prompt that is to be said
	checkTimeline   = "timeline"   // every prompt was shown before the end
	checkDuration   = "duration"   // no longer than can be, and as long as the file says
	checkBrightness = "brightness" // neither too dark nor too bright
	checkBlack      = "black"      // not black
	checkSharpness  = "sharpness"  // sharp
	checkStill      = "still"      // the picture moves
	checkCuts       = "cuts"       // in one piece
	checkFaults     = "faults"     // nothing of it is broken
	checkWritten    = "written"    // written in place of spoken
	stillPrefix     = "still_"     // and a check of photos: of the one taken with a clip
)

// Limits of what is sure. Beyond them a recording cannot be of use to anybody.
const (
	silentDB      = -50                    // loudest moment
	blackShare    = 0.9                    // of all frames
	endTolerance  = 500 * time.Millisecond // between a phone's clock and its recorder
	lastPromptFor = time.Second            // that is left for the last prompt
	stateDiffers  = 3 * time.Second        // between what a file states and what it holds
	spokenAtLeast = 600 * time.Millisecond // in a prompt
	manyFaults    = 20
)

// clipFindings is what the checks of one recording found.
type clipFindings struct {
	step  string
	found []Check
}

func (f *clipFindings) add(check string, v checks.Verdict, code string, measures map[string]float64) {
	if v != checks.Fail {
		code = ""
	}
	for name, m := range measures {
		measures[name] = math.Round(m*100) / 100
	}
	f.found = append(f.found, Check{Step: f.step, Check: check, Verdict: v, Code: code, Measures: measures})
}

func verdict(pass bool, otherwise checks.Verdict) checks.Verdict {
	if pass {
		return checks.Pass
	}
	return otherwise
}

// judgeClip holds a recording against its script and the policy's limits, and returns what reviewers are shown of it.
func judgeClip(f *clipFindings, in Inspected, states time.Duration, script *IssuedScript, timeline []Shown, limits ClipLimits) *Inspection {
	long := in.Duration()
	out := &Inspection{
		By: in.By, DurationMS: long.Milliseconds(), Width: in.Width, Height: in.Height, Rotation: in.Rotation, Codecs: in.Codecs,
		Peaks: in.Heard.Peaks, SheetColumns: in.SheetColumns, SheetEveryMS: in.SheetEvery.Milliseconds(),
	}
	if len(out.Peaks) > 0 {
		out.PeakEveryMS = checks.PeakWindow.Milliseconds()
	}
	f.add(checkInspected, checks.Pass, "", nil)
	f.add(checkPicture, verdict(in.Picture && len(in.Moving.Brightness) > 0, checks.Fail), "video.unreadable", nil)
	if !in.Picture || len(in.Moving.Brightness) == 0 {
		return out
	}
	f.add(checkFaults, verdict(in.Faults <= manyFaults, checks.Unsure), "", map[string]float64{"faults": float64(in.Faults)})
	f.add(checkDuration, verdict(long <= clipAtMost && (states == 0 || (long-states).Abs() <= stateDiffers), checks.Unsure), "",
		map[string]float64{"seconds": long.Seconds(), "states": states.Seconds()})

	light := in.Moving.Light()
	f.add(checkBrightness, verdict(light >= limits.Dark && light <= limits.Bright, checks.Unsure), "", map[string]float64{"mean": light})
	black, share := in.Moving.Black()
	v := verdict(black.Seconds() <= limits.BlackSeconds, checks.Unsure)
	if share >= blackShare {
		v = checks.Fail
	}
	f.add(checkBlack, v, "video.unclear", map[string]float64{"longest_seconds": black.Seconds(), "share": share})
	blur := in.Moving.Blurred()
	f.add(checkSharpness, verdict(blur > 0 && blur <= limits.Blur, checks.Unsure), "", map[string]float64{"edge_width": blur})
	still := in.Moving.Still()
	f.add(checkStill, verdict(still.Seconds() <= limits.FreezeSeconds, checks.Unsure), "", map[string]float64{"longest_seconds": still.Seconds()})
	f.add(checkCuts, verdict(in.Moving.Cuts() == 0, checks.Unsure), "", map[string]float64{"cuts": float64(in.Moving.Cuts())})

	judgeSound(f, in, script, limits)
	out.Prompts = judgePrompts(f, in, script, timeline)
	return out
}

// says reports whether anything of a script is to be heard.
func (s *IssuedScript) says() bool { return slices.ContainsFunc(s.Prompts, Prompt.spoken) }

func judgeSound(f *clipFindings, in Inspected, script *IssuedScript, limits ClipLimits) {
	if !script.says() {
		return
	}
	heard := in.Sound && in.Heard.Duration > 0 && in.Heard.PeakDB >= silentDB
	measures := map[string]float64{"mean_db": in.Heard.MeanDB, "peak_db": in.Heard.PeakDB}
	if !in.Sound {
		measures = nil
	}
	f.add(checkSound, verdict(heard, checks.Fail), "video.silent", measures)
	if heard {
		f.add(checkLoudness, verdict(in.Heard.MeanDB >= limits.MeanDB && in.Heard.PeakDB >= limits.PeakDB, checks.Unsure), "", map[string]float64{
			"mean_db": in.Heard.MeanDB, "peak_db": in.Heard.PeakDB, "noise_db": in.Heard.Noise(),
		})
	}
}

// judgePrompts looks for speech between one prompt and the next: a hint for the reviewer, who hears what is said.
func judgePrompts(f *clipFindings, in Inspected, script *IssuedScript, timeline []Shown) []PromptFound {
	long := in.Duration()
	if len(timeline) != len(script.Prompts) { // kept under another version of this program
		f.add(checkTimeline, checks.Unsure, "", nil)
		return nil
	}
	last := time.Duration(timeline[len(timeline)-1].ShownAtMS) * time.Millisecond
	v := verdict(last+lastPromptFor <= long, checks.Unsure)
	if last > long+endTolerance {
		v = checks.Fail
	}
	f.add(checkTimeline, v, "video.script_incomplete", map[string]float64{"last_seconds": last.Seconds(), "seconds": long.Seconds()})
	var out []PromptFound
	silent := 0
	for i, p := range script.Prompts {
		to := long
		if i+1 < len(timeline) {
			to = time.Duration(timeline[i+1].ShownAtMS) * time.Millisecond
		}
		from := time.Duration(timeline[i].ShownAtMS) * time.Millisecond
		n := PromptFound{PromptID: p.ID, FromMS: from.Milliseconds(), ToMS: max(from, to).Milliseconds(), Speech: checks.Skipped}
		if p.spoken() {
			spoken := in.Heard.Spoken(from, to)
			n.SpokenMS = spoken.Milliseconds()
			if n.Speech = verdict(spoken >= spokenAtLeast, checks.Unsure); n.Speech != checks.Pass {
				silent++
			}
		}
		out = append(out, n)
	}
	if script.says() {
		f.add(checkSpeech, verdict(silent == 0, checks.Unsure), "", map[string]float64{"prompts_without": float64(silent)})
	}
	return out
}

// clipMade is what was made of a recording, to be kept with it.
type clipMade struct {
	step, upload string
	inspection   *Inspection
	heard        map[string]string // by prompt
	uploads      []string          // promised
	parts        []Part
}

// checkClips checks the recordings of a level. What they surely lack sends them back, as far as the policy says so; with
// everything else a person decides.
func (s *Service) checkClips(ctx context.Context, c Case, level int) (func(*change) error, error) {
	var found []Check
	var made []clipMade
	undo := func(err error) (func(*change) error, error) {
		s.forsake(ctx, c.ID, made)
		return nil, err
	}
	for _, st := range c.Steps {
		if st.Level != level {
			continue
		}
		for _, t := range st.Takes {
			if t.State != TakeAccepted {
				continue
			}
			f := clipFindings{step: st.ID}
			if t.Role == RoleWritten {
				f.add(checkWritten, checks.Unsure, "", nil)
				found = append(found, f.found...)
				continue
			}
			if err := s.examineStill(ctx, t, &f); err != nil {
				return undo(fmt.Errorf("look at the photo of %s: %w", st.ID, err))
			}
			in, err := s.inspectClip(ctx, c, t, &f)
			if err != nil {
				return undo(fmt.Errorf("inspect %s: %w", st.ID, err))
			}
			found = append(found, f.found...)
			if in.inspection == nil {
				continue
			}
			m := clipMade{step: st.ID, upload: t.UploadID, inspection: in.inspection, heard: in.heard}
			err = s.keepMade(ctx, c.ID, in.Inspected, &m)
			made = append(made, m)
			if err != nil {
				return undo(err)
			}
		}
	}
	if s.cfg.ClipChecked != nil {
		for _, f := range found {
			s.cfg.ClipChecked(f.Check, string(f.Verdict))
		}
	}
	return func(c *change) error {
		if l := c.level(level); l.State == Checking {
			l.Checks = found
		}
		for _, m := range made {
			c.attach(m)
		}
		back := failures(found, func(code string) bool {
			return slices.Contains(clipReasons, code) && slices.Contains(s.cfg.Policy.Recordings.SendBack, code)
		})
		if back != nil {
			return s.decide(c, level, again, back...)
		}
		return s.decide(c, level, review, failures(found, func(string) bool { return true })...)
	}, nil
}

// examineStill looks at the photo that was taken with a clip. It is small, and taken in passing: nothing in it is sure.
func (s *Service) examineStill(ctx context.Context, t Take, f *clipFindings) error {
	for _, p := range t.Parts {
		if p.Role != PartStill {
			continue
		}
		err := s.decodePhoto(ctx, p.UploadID, func(d checks.Photo) {
			for _, found := range checks.Examine(d.Image).Findings {
				f.add(stillPrefix+found.Check, verdict(found.Verdict == checks.Pass, checks.Unsure), "", found.Measures)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inspectedClip is a recording that was looked at.
type inspectedClip struct {
	Inspected
	inspection *Inspection       // nil where it was not played
	heard      map[string]string // by prompt; nil where nobody listened
}

// inspectClip looks at one recording: at its file here, at what it shows where there is an Inspector.
func (s *Service) inspectClip(ctx context.Context, c Case, t Take, f *clipFindings) (inspectedClip, error) {
	e, err := s.cfg.Evidence(ctx, t.UploadID)
	if err != nil {
		return inspectedClip{}, fmt.Errorf("open evidence: %w", err)
	}
	defer e.Close()
	file, err := checks.ReadContainer(e, e.Size(), t.Filetype)
	switch {
	case errors.Is(err, checks.ErrContainer):
		f.add(checkContainer, checks.Fail, "video.unreadable", nil)
		return inspectedClip{}, nil
	case err != nil:
		return inspectedClip{}, fmt.Errorf("read the file: %w", err)
	case file.Truncated:
		f.add(checkContainer, checks.Fail, "video.unreadable", map[string]float64{"truncated": 1})
	case file.Pieces > 1:
		f.add(checkContainer, checks.Fail, "video.edited", map[string]float64{"pieces": float64(file.Pieces)})
	default:
		f.add(checkContainer, checks.Pass, "", nil)
	}
	script := c.Script(t)
	if s.cfg.Inspector == nil || script == nil {
		f.add(checkInspected, checks.Skipped, "", nil)
		return inspectedClip{}, nil
	}
	in, err := s.cfg.Inspector.Inspect(ctx, e, t.Filetype)
	if err != nil {
		return inspectedClip{}, err
	}
	inspection := judgeClip(f, in, file.States, script, t.Timeline, s.cfg.Policy.Recordings.Unclear)
	out := inspectedClip{in, inspection, s.hear(ctx, c.ID, f, in, script, inspection)}
	return out, s.findFaces(ctx, c, f, in.Stills)
}

// keepMade stores what was made of a recording. m has what was promised, also after an error.
func (s *Service) keepMade(ctx context.Context, caseID string, in Inspected, m *clipMade) error {
	type file struct {
		role, filetype string
		bytes          []byte
	}
	var files []file
	if in.Copy != nil {
		files = append(files, file{PartCopy, in.CopyFiletype, in.Copy})
	}
	if in.Sheet != nil {
		files = append(files, file{PartThumb, "image/jpeg", in.Sheet})
	}
	if len(files) == 0 {
		return nil
	}
	uploads := newUploads(len(files))
	_, err := s.change(ctx, Actor{Kind: BySystem}, caseID, anyVersion, func(c *change) error { c.promise(uploads); return nil })
	if err != nil {
		return err
	}
	m.uploads = uploads
	for i, f := range files {
		p, err := s.keep(ctx, KeepRequest{UploadID: uploads[i], CaseID: caseID, Step: m.step, Role: f.role, Filetype: f.filetype, Bytes: f.bytes})
		if err != nil {
			return err
		}
		m.parts = append(m.parts, p)
	}
	return nil
}

// forsake has destroyed what was stored for nothing.
func (s *Service) forsake(ctx context.Context, caseID string, made []clipMade) {
	_, err := s.change(context.WithoutCancel(ctx), Actor{Kind: BySystem}, caseID, anyVersion, func(c *change) error {
		for _, m := range made {
			if m.uploads != nil {
				c.breakPromise(m.uploads)
			}
		}
		return nil
	})
	if err != nil {
		s.cfg.Log.Warn("parts_not_forsaken", "case", caseID, "error", err) // they go when their promise runs out
	}
}

// attach adds what was made of a recording to its take, if the take is there still; what was made before goes.
func (c *change) attach(m clipMade) {
	st, t := c.take(m.upload)
	if t == nil || st.ID != m.step || t.State != TakeAccepted || m.uploads != nil && !c.fulfil(m.uploads) {
		if m.uploads != nil {
			c.breakPromise(m.uploads)
		}
		return
	}
	var gone []string
	t.Parts = slices.DeleteFunc(t.Parts, func(p Part) bool {
		made := p.Role == PartCopy || p.Role == PartThumb
		if made {
			gone = append(gone, p.UploadID)
		}
		return made
	})
	if gone != nil {
		c.queue(Job{Kind: JobDestroy, Uploads: gone})
	}
	t.Parts, t.Inspection = append(t.Parts, m.parts...), m.inspection
	c.keepReadings([]string{m.step}, []Reading{{Step: m.step, Heard: m.heard}})
}
