package cases

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// Faces recognises faces: *face.Engine.
type Faces interface {
	Model() face.Model
	Thresholds() face.Thresholds
	LookAll(ctx context.Context, jpegs [][]byte) ([]face.Observation, error)
	Portrait(ctx context.Context, photo image.Image) (face.Portrait, bool, error)
}

// Limits of the evidence of a face.
const (
	MinFaceFrames     = 4
	MaxFaceFrames     = 30
	MaxFaceBytes      = 12 << 20 // of all frames
	MaxFaceFrameBytes = face.MaxFrameBytes
	faceChallengeFor  = 3 * time.Minute // the moves, done calmly and twice over, and the way here
	busyFor           = 3 * time.Second // until others' faces are done
	seenOfEachTry     = 4               // frames of a try that are remembered, so that they are not sent again
)

// Errors of the evidence of a face.
var (
	ErrPortraitMissing = fault.New(fault.Conflict, "portrait_missing", "Keep a photo of the side with your portrait first.")
	ErrFaceFrames      = fault.New(fault.Invalid, "face_frames_invalid", "The frames do not fit what was asked for.")
	// ErrFaceFailed has the members reasons and tries_left.
	ErrFaceFailed = fault.New(fault.Invalid, "face_failed", "The face could not be verified.")
	// What the engine refuses.
	ErrFaceBusy        = face.ErrBusy
	ErrFrameTooLarge   = face.ErrTooLarge
	ErrFrameUnreadable = face.ErrUnreadable
	ErrFaceTries       = fault.New(fault.Conflict, "face_tries_used", "This did not work several times. Choose another way.")
)

// FacePolicy says how faces are verified.
type FacePolicy struct {
	// Tries is how often moves may fail before only a person is left to look.
	Tries int `yaml:"tries"`
	// Alternatives are the other ways that people may choose; see face.Alternative.
	Alternatives []string `yaml:"alternatives"`
	// Models has thresholds by the name of a model; what is left out is the model's own.
	Models map[string]faceThresholds `yaml:"models"`
	// Declined is what a person needs beside the photos to decide about somebody who declined the comparison: DeclinedRecordings,
	// where the policy asks for any, or DeclinedNothing.
	Declined string `yaml:"declined"`
	// Duplicates says whether a person is looked for in other cases.
	Duplicates FaceDuplicates `yaml:"duplicates"`
}

// faceThresholds is the part of a model's thresholds that the policy sets, as YAML over the model's own.
type faceThresholds struct{ over func(*face.Thresholds) error }

var faceAlternatives = []face.Alternative{face.FewerMoves, face.Still, face.PersonLooks}

// check fills what was left out and says what is wrong.
func (p *FacePolicy) check(say func(format string, args ...any)) {
	if p.Tries == 0 {
		p.Tries = 3
	}
	if p.Tries < 1 || p.Tries > 20 {
		say("face.tries: %d is not between 1 and 20", p.Tries)
	}
	if p.Alternatives == nil {
		for _, a := range faceAlternatives {
			p.Alternatives = append(p.Alternatives, string(a))
		}
	}
	for _, a := range p.Alternatives {
		if !slices.Contains(faceAlternatives, face.Alternative(a)) {
			say("face.alternatives: %q is not known; write some of %v", a, faceAlternatives)
		}
	}
	if p.Declined == "" {
		p.Declined = DeclinedRecordings
	}
	if p.Declined != DeclinedRecordings && p.Declined != DeclinedNothing {
		say("face.declined: %q is not known; write recordings or nothing", p.Declined)
	}
	p.Duplicates.check(say)
	for name, t := range p.Models {
		base, _ := face.Defaults(name)
		err := t.over(&base)
		if err == nil {
			err = base.Check()
		}
		if err != nil {
			say("face.models.%s: %v", name, err)
		}
	}
}

// thresholds returns what a model is judged by.
func (p FacePolicy) thresholds(f Faces) (face.Thresholds, error) {
	t := f.Thresholds()
	if set, ok := p.Models[f.Model().Name]; ok {
		if err := set.over(&t); err != nil {
			return t, err
		}
	}
	return t, t.Check()
}

// FaceResult is what came of a face: for who decides, never for the applicant.
type FaceResult struct {
	Verdict     string     `json:"verdict" bson:"verdict"` // "pass" or "review": one that failed is not kept
	Alternative string     `json:"alternative,omitempty" bson:"alternative,omitempty"`
	Actions     []string   `json:"actions" bson:"actions"` // that the challenge asked for
	Model       face.Model `json:"model,omitzero" bson:"model,omitempty"`
	Checks      []Check    `json:"checks,omitempty" bson:"checks,omitempty"`
	Chosen      []int      `json:"chosen,omitempty" bson:"chosen,omitempty"` // the frames that the person's template is the mean of
	// Compared says whether the person was held against the portrait, on the photo with this digest.
	Compared bool   `json:"compared" bson:"compared"`
	Portrait []byte `json:"portrait,omitempty" bson:"portrait,omitempty"`
	// PortraitAt is where the portrait is on that photo.
	PortraitAt *Area   `json:"portrait_at,omitempty" bson:"portrait_at,omitempty"`
	Distance   float64 `json:"distance" bson:"distance"`
	Accept     float64 `json:"accept" bson:"accept"`
	Reject     float64 `json:"reject" bson:"reject"`
	// Template is the sealed embedding of the person, bound to case and upload.
	Template []byte `json:"template,omitempty" bson:"template,omitempty"`
}

// Area is a part of a photo, in pixels of the photo as it was looked at: turned clockwise by so many quarters, and made
// smaller to so many pixels.
type Area struct {
	X        float64 `json:"x" bson:"x"`
	Y        float64 `json:"y" bson:"y"`
	Width    float64 `json:"width" bson:"width"`
	Height   float64 `json:"height" bson:"height"`
	OfWidth  int     `json:"of_width" bson:"of_width"`
	OfHeight int     `json:"of_height" bson:"of_height"`
	Quarters int     `json:"quarters" bson:"quarters"`
}

// The checks of a face that are made here; the others are package face's.
const (
	checkFace  = "face"       // it was examined at all
	checkMatch = "face_match" // the person is the one of the portrait
)

// FaceFrame is one frame of evidence.
type FaceFrame struct {
	Action string
	At     time.Duration // by the phone's clock, from any beginning
	JPEG   []byte
}

// FaceRequest is the evidence for a face challenge.
type FaceRequest struct {
	ChallengeID string
	Nonce       string
	Channel     string // "desk" or "phone"
	Owner       string // session or handoff id
	Frames      []FaceFrame
	Meta        []byte // what came with the frames, as it was sent; kept as evidence
}

// askMoves fills the challenge with moves. They begin with a look straight at the camera and are in an order that
// cannot be foreseen, so that a recording made before does not fit.
func (ch *Challenge) askMoves() error {
	ch.ExpiresAt = ch.IssuedAt.Add(faceChallengeFor)
	var moves []face.Action
	switch face.Alternative(ch.Alternative) {
	case face.AllMoves:
		moves = []face.Action{face.TurnLeft, face.TurnRight, face.MouthOpen, face.Blink}
	case face.FewerMoves:
		moves = []face.Action{face.MouthOpen, face.Blink}
	case face.Still, face.PersonLooks:
	default:
		return ErrAlternative
	}
	rand.Shuffle(len(moves), func(i, j int) { moves[i], moves[j] = moves[j], moves[i] })
	ch.Actions = []string{string(face.Neutral)}
	for _, m := range moves[:min(len(moves), 3)] {
		ch.Actions = append(ch.Actions, string(m))
	}
	return nil
}

// askFace fills a challenge of the face step: ErrPortraitMissing, ErrAlternative, ErrFaceTries.
func (s *Service) askFace(c *change, st *Step, ch *Challenge) error {
	p := s.cfg.Policy.Face
	if c.portrait() == nil {
		return ErrPortraitMissing
	}
	if ch.Alternative != "" && !slices.Contains(p.Alternatives, ch.Alternative) {
		return ErrAlternative
	}
	if st.Tries >= p.Tries && ch.Alternative != string(face.PersonLooks) {
		return ErrFaceTries
	}
	return ch.askMoves()
}

// TriesLeft returns how often the moves of a step may still fail.
func (s *Service) TriesLeft(st Step) int { return max(s.cfg.Policy.Face.Tries-st.Tries, 0) }

// portrait returns the take that shows the document's portrait; nil where none is kept.
func (d *Document) portrait() *Take {
	for _, id := range []string{DocumentFront, DocumentPage} {
		if st := d.step(id); st != nil {
			for i := range st.Takes {
				if st.Takes[i].State == TakeAccepted {
					return &st.Takes[i]
				}
			}
		}
	}
	return nil
}

// AnswerFace judges the evidence of a face challenge and keeps it if it passes or a person has to look.
// Everything is computed from the frames. ErrPortraitMissing, ErrFaceFailed (members reasons, tries_left), face.ErrBusy,
// face.ErrTooLarge, face.ErrUnreadable, ErrFaceFrames, and the errors of IssueChallenge and of challenges.
//
// Nothing is stored before it was judged; a challenge is spent by what was judged, not by a refusal that
// came before, so that evidence which met a busy server or a full disk can be sent again.
func (s *Service) AnswerFace(ctx context.Context, by Actor, id string, r FaceRequest) (string, error) {
	if len(r.Frames) < MinFaceFrames || len(r.Frames) > MaxFaceFrames {
		return "", ErrFaceFrames
	}
	d, err := s.cfg.Store.Case(ctx, id)
	if err != nil {
		return "", err
	}
	if by.Kind == ByPhone && d.HandoffEpoch != by.Epoch {
		return "", ErrStaleEpoch
	}
	if d.Erased() {
		return "", ErrUnknown
	}
	key, err := s.keyOf(d)
	if err != nil {
		return "", err
	}
	look := change{Document: d, key: key, by: by, at: s.now(), asks: s.cfg.Policy.Consents}
	ch, _, err := look.faceChallenge(r)
	if err != nil {
		return "", err
	}
	portrait := look.portrait()
	if portrait == nil {
		return "", ErrPortraitMissing
	}
	for _, f := range r.Frames {
		if !slices.Contains(ch.Actions, f.Action) {
			return "", ErrFaceFrames
		}
	}
	judged, err := s.judgeFace(ctx, &look, *ch, *portrait, r)
	if err != nil {
		return "", err
	}
	if judged.failed != nil {
		return "", s.failFace(ctx, by, id, r, judged)
	}
	return judged.result.Verdict, s.keepFace(ctx, by, id, r, judged)
}

// faceChallenge is the challenge that evidence answers, and its step.
func (c *change) faceChallenge(r FaceRequest) (*Challenge, *Step, error) {
	st, err := c.workOn(Face)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(st.Channels, r.Channel) {
		return nil, nil, ErrChannel
	}
	ch, err := c.answer(Face, r.ChallengeID, r.Owner)
	if err != nil {
		return nil, nil, err
	}
	if subtle.ConstantTimeCompare([]byte(ch.Nonce), []byte(r.Nonce)) != 1 {
		return nil, nil, ErrChallengeUnknown
	}
	return ch, st, nil
}

// judgedFace is what judgeFace found.
type judgedFace struct {
	result FaceResult
	failed []string    // reasons; nil where the evidence is kept
	seen   []face.Seen // to know the frames again
}

// judgeFace computes everything anew from the frames and the portrait.
func (s *Service) judgeFace(ctx context.Context, c *change, ch Challenge, portrait Take, r FaceRequest) (judgedFace, error) {
	out := judgedFace{result: FaceResult{Verdict: string(face.Review), Alternative: ch.Alternative, Actions: ch.Actions}}
	if s.cfg.Faces == nil {
		out.result.Checks = []Check{{Step: Face, Check: checkFace, Verdict: checks.Skipped}}
		return out, nil
	}
	limits, err := s.cfg.Policy.Face.thresholds(s.cfg.Faces)
	if err != nil {
		return out, fmt.Errorf("thresholds of faces: %w", err)
	}
	attempt := face.Attempt{Alternative: face.Alternative(ch.Alternative), Elapsed: c.at.Sub(ch.IssuedAt)}
	for _, a := range ch.Actions {
		attempt.Ask = append(attempt.Ask, face.Action(a))
	}
	if attempt.Earlier, err = c.seen(); err != nil {
		return out, err
	}
	found, ok, err := s.findPortrait(ctx, portrait)
	if err != nil {
		return out, err
	}
	if ok {
		attempt.Portrait = &found
	}
	jpegs := make([][]byte, len(r.Frames))
	for i, f := range r.Frames {
		jpegs[i] = f.JPEG
	}
	observed, err := s.cfg.Faces.LookAll(ctx, jpegs)
	if errors.Is(err, face.ErrBusy) {
		err = ErrFaceBusy.After(busyFor)
	}
	if err != nil {
		return out, err
	}
	for i, o := range observed {
		attempt.Frames = append(attempt.Frames, face.Frame{Action: face.Action(r.Frames[i].Action), At: r.Frames[i].At, Observation: o})
	}
	for i := range min(seenOfEachTry, len(observed)) {
		out.seen = append(out.seen, observed[i*len(observed)/seenOfEachTry].Seen())
	}
	j, err := face.Judge(attempt, limits)
	if err != nil {
		return out, fmt.Errorf("judge a face: %w", err)
	}
	f := &out.result
	f.Verdict, f.Model, f.Chosen = string(j.Verdict), j.Model, j.Chosen
	f.Compared, f.Distance, f.Accept, f.Reject, f.Portrait = j.Compared, j.Distance, j.Accept, j.Reject, portrait.SHA256
	if p := attempt.Portrait; p != nil {
		f.PortraitAt = &Area{p.Box.X, p.Box.Y, p.Box.W, p.Box.H, p.Width, p.Height, p.Quarters}
	}
	for _, n := range j.Findings {
		f.Checks = append(f.Checks, Check{Step: Face, Check: n.Check, Verdict: n.Verdict, Code: n.Code, Measures: n.Measures})
	}
	if !j.Template.Zero() {
		f.Template = mustJSON(j.Template) // sealed when it has the name of its upload
	}
	if j.Verdict == face.Fail {
		if out.failed = j.Reasons; out.failed == nil {
			out.failed = []string{"liveness.failed"}
		}
	}
	return out, nil
}

// findPortrait looks for the face on the photo of a document.
func (s *Service) findPortrait(ctx context.Context, t Take) (p face.Portrait, ok bool, err error) {
	var found error
	err = s.decodePhoto(ctx, t.UploadID, func(photo checks.Photo) { p, ok, found = s.cfg.Faces.Portrait(ctx, photo.Image) })
	if err != nil {
		return p, false, fmt.Errorf("decode the portrait: %w", err)
	}
	return p, ok, found
}

// failFace spends the challenge and counts the try.
func (s *Service) failFace(ctx context.Context, by Actor, id string, r FaceRequest, judged judgedFace) error {
	left := 0
	_, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		ch, st, err := c.faceChallenge(r)
		if err != nil {
			return err
		}
		ch.UsedAt = c.at
		st.Tries++
		left = s.TriesLeft(*st)
		seen, err := c.seen()
		if err != nil {
			return err
		}
		c.FaceSeen = c.key.Seal(mustJSON(append(seen, judged.seen...)), boundSeen(c.ID))
		c.note(Entry{
			Event: "challenge_answered", Level: st.Level, Step: st.ID, Epoch: ch.Epoch, Reasons: judged.failed,
			Data: map[string]string{"challenge": ch.ID, "verdict": string(face.Fail), "model": judged.result.Model.Name},
		})
		return nil
	})
	if err != nil {
		return err
	}
	return ErrFaceFailed.With("reasons", reasonsOf(judged.failed)).With("tries_left", left)
}

// reasonsOf is what is told of a face that failed: nothing of what is hidden.
func reasonsOf(codes []string) []Reason {
	var out []Reason
	for _, code := range codes {
		if cr, ok := reasonByCode[code]; ok && !cr.Hidden {
			out = append(out, Reason{Code: code, Step: Face})
		}
	}
	if out == nil {
		out = []Reason{{Code: "liveness.failed", Step: Face}}
	}
	return out
}

// keepFace stores the frames and makes them the step's take.
func (s *Service) keepFace(ctx context.Context, by Actor, id string, r FaceRequest, judged judgedFace) error {
	uploads := newUploads(1 + len(r.Frames))
	_, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		if _, _, err := c.faceChallenge(r); err != nil {
			return err
		}
		c.promise(uploads)
		return nil
	})
	if err != nil {
		return err
	}
	err = s.storeFace(ctx, by, id, r, judged, uploads)
	if err != nil { // what was stored goes
		_, _ = s.change(context.WithoutCancel(ctx), Actor{Kind: BySystem}, id, anyVersion, func(c *change) error { c.breakPromise(uploads); return nil })
	}
	return err
}

func (s *Service) storeFace(ctx context.Context, by Actor, id string, r FaceRequest, judged judgedFace, uploads []string) error {
	whole, err := s.keep(ctx, KeepRequest{UploadID: uploads[0], CaseID: id, Step: Face, Filetype: "application/json", Bytes: r.Meta})
	if err != nil {
		return err
	}
	size := whole.Size
	var parts []Part
	for i, f := range r.Frames {
		p, err := s.keep(ctx, KeepRequest{UploadID: uploads[i+1], CaseID: id, Step: Face, Role: PartFrame, Filetype: "image/jpeg", Bytes: f.JPEG})
		if err != nil {
			return err
		}
		p.Action, p.AtMS = f.Action, f.At.Milliseconds()
		size += p.Size
		parts = append(parts, p)
	}
	_, err = s.change(ctx, by, id, anyVersion, func(c *change) error {
		ch, st, err := c.faceChallenge(r)
		if err != nil {
			return err
		}
		if !c.fulfil(uploads) {
			return ErrBusy // it took so long that they are being destroyed
		}
		ch.UsedAt = c.at
		result := judged.result
		if result.Template != nil {
			result.Template = c.key.Seal(result.Template, boundTemplate(c.ID, whole.UploadID))
		}
		c.dropTakes(st, func(Take) bool { return true })
		st.Takes = append(st.Takes, Take{
			UploadID: whole.UploadID, MediaID: whole.MediaID, Epoch: c.HandoffEpoch, Owner: r.Owner, Challenge: ch.ID, State: TakeAccepted,
			Filetype: whole.Filetype, Size: size, SHA256: whole.SHA256, CreatedAt: c.at, AcceptedAt: c.at, Parts: parts, Face: &result,
		})
		st.Reasons, st.Tries, c.FaceSeen = nil, 0, nil
		st.State = stepState(*st)
		c.note(Entry{Event: "challenge_answered", Level: st.Level, Step: st.ID, Epoch: ch.Epoch, Data: map[string]string{
			"challenge": ch.ID, "verdict": result.Verdict, "media_id": whole.MediaID, "model": result.Model.Name,
		}})
		return nil
	})
	return err
}

// seen is what is remembered of frames that came before: of tries that failed, and of the take that is kept.
func (c *change) seen() ([]face.Seen, error) {
	var out []face.Seen
	if c.FaceSeen != nil {
		b, err := c.key.Open(c.FaceSeen, boundSeen(c.ID))
		if err != nil {
			return nil, fmt.Errorf("open the frames seen of %s: %w", c.ID, err)
		}
		if err := json.Unmarshal(b, &out); err != nil {
			return nil, fmt.Errorf("read the frames seen of %s: %w", c.ID, errUnreadable)
		}
	}
	if st := c.step(Face); st != nil {
		for _, t := range st.Takes {
			for _, p := range t.Parts {
				if len(p.SHA256) == sha256.Size {
					out = append(out, face.Seen{Digest: [sha256.Size]byte(p.SHA256)})
				}
			}
		}
	}
	return out, nil
}

// checkFaceStep is what the check of a level says of its face. A portrait that was taken again since is compared anew.
func (s *Service) checkFaceStep(ctx context.Context, c Case, t Take) ([]Check, error) {
	f := t.Face
	if t.Alipay != nil {
		of, err := s.checkAlipayTake(c, t)
		return []Check{of}, err
	}
	if f == nil {
		return nil, nil // done in another way, which says so itself
	}
	found := slices.Clone(f.Checks)
	portrait := c.portrait()
	same := portrait != nil && slices.Equal(portrait.SHA256, f.Portrait)
	if !same && f.Template != nil && portrait != nil && s.cfg.Faces != nil {
		again, err := s.compareAgain(ctx, c, t, *portrait)
		if err != nil {
			return nil, err
		}
		return append(found, again), nil
	}
	match := Check{Step: Face, Check: checkMatch, Verdict: checks.Unsure}
	if f.Compared && same {
		match.Measures = map[string]float64{"distance": f.Distance, "accept": f.Accept, "reject": f.Reject}
		if f.Distance <= f.Accept {
			match.Verdict = checks.Pass
		}
	}
	found = append(found, match)
	if f.Verdict != string(face.Pass) { // whatever the single findings say
		found = append(found, Check{Step: Face, Check: checkFace, Verdict: checks.Unsure})
	}
	return found, nil
}

// compareAgain holds the person of a take against another portrait than before.
func (s *Service) compareAgain(ctx context.Context, c Case, t Take, portrait Take) (Check, error) {
	out := Check{Step: Face, Check: checkMatch, Verdict: checks.Unsure}
	person, err := s.template(c, t)
	if err != nil {
		return out, err
	}
	p, ok, err := s.findPortrait(ctx, portrait)
	if err != nil || !ok {
		return out, err
	}
	limits, err := s.cfg.Policy.Face.thresholds(s.cfg.Faces)
	if err != nil {
		return out, err
	}
	m, err := face.Compare(person, p, limits)
	if errors.Is(err, face.ErrOtherModel) {
		return out, nil // the operator changed the model meanwhile: a person compares
	}
	if err != nil {
		return out, err
	}
	out.Measures = map[string]float64{"distance": m.Distance, "accept": limits.Accept, "reject": limits.Reject}
	switch m.Verdict {
	case face.Pass:
		out.Verdict = checks.Pass
	case face.Fail:
		out.Verdict, out.Code = checks.Fail, "face.mismatch"
	}
	return out, nil
}

// template opens the embedding of a take's person; it is empty where none was made.
func (s *Service) template(c Case, t Take) (face.Embedding, error) {
	var e face.Embedding
	if t.Face == nil || t.Face.Template == nil {
		return e, nil
	}
	k, err := s.keyOf(c.Document)
	if err != nil {
		return e, err
	}
	b, err := k.Open(t.Face.Template, boundTemplate(c.ID, t.UploadID))
	if err != nil {
		return e, fmt.Errorf("open a template of %s: %w", c.ID, err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("read a template of %s: %w", c.ID, errUnreadable)
	}
	return e, nil
}

func boundTemplate(caseID, uploadID string) []byte {
	return seal.Bind("case", caseID, "face", uploadID)
}

func boundSeen(caseID string) []byte { return seal.Bind("case", caseID, "face_seen") }

// UnmarshalYAML keeps what the policy says of a model's thresholds, to be laid over the model's own.
func (t *faceThresholds) UnmarshalYAML(n *yaml.Node) error {
	b, err := yaml.Marshal(n)
	if err != nil {
		return err
	}
	t.over = func(of *face.Thresholds) error {
		d := yaml.NewDecoder(bytes.NewReader(b))
		d.KnownFields(true)
		return d.Decode(of)
	}
	return nil
}
