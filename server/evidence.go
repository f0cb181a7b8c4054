package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/fault"
)

// Failures of the form of evidence.
var (
	errEvidenceType = fault.New(fault.Unsupported, "content_type_unsupported", "This address takes multipart/form-data.")
	errEvidenceForm = fault.New(fault.Malformed, "evidence_malformed", "The parts are not the ones that belong here.")
)

const (
	maxMeta        = 64 << 10
	maxEvidence    = cases.MaxFaceBytes + maxMeta + 64<<10 // with the lines between the parts
	maxAtMS        = 10 * 60 * 1000
	evidenceAtOnce = 8 // requests whose frames are in memory
)

// isEvidence reports whether a path takes the evidence of a step.
func isEvidence(path string) bool {
	return strings.HasPrefix(path, "/v1/cases/") && strings.HasSuffix(path, "/evidence")
}

// challengeView is a challenge as whoever asked for it gets it.
type challengeView struct {
	ID        string    `json:"id"`
	Nonce     string    `json:"nonce"`
	Actions   []string  `json:"actions,omitempty"`
	TriesLeft *int      `json:"tries_left,omitempty"`
	ExpiresAt time.Time `json:"expires_at"`

	Script *scriptView `json:"script,omitempty"`
}

// issueChallenge asks for something new on a step.
func (s *Server) issueChallenge(c *fiber.Ctx) error {
	p, err := s.caller(c)
	if err != nil {
		return err
	}
	id, step := param(c, "id"), param(c, "step")
	if _, err := s.stepFor(c.UserContext(), p, id, step); err != nil {
		return err
	}
	var in struct {
		Alternative string `json:"alternative"`
		Lang        string `json:"lang"`
	}
	body, err := decodeOptional(c, &in)
	if err != nil {
		return err
	}
	return s.once(c, p.owner(), body, func() (result, error) {
		ch, err := s.cfg.Cases.IssueChallenge(c.UserContext(), p.actor(), id, cases.ChallengeRequest{
			Step: step, Channel: p.channel(), Owner: p.owner(), Alternative: in.Alternative, Lang: in.Lang,
		})
		if err != nil {
			return result{}, err
		}
		v := challengeView{ID: ch.ID, Nonce: ch.Nonce, Actions: ch.Actions, ExpiresAt: ch.ExpiresAt.UTC(), Script: scriptOf(ch.Script)}
		if step == cases.Face {
			own, err := s.cfg.Cases.Get(c.UserContext(), id)
			if err != nil {
				return result{}, err
			}
			for _, st := range own.Steps {
				if left := s.cfg.Cases.TriesLeft(st); st.ID == step {
					v.TriesLeft = &left
				}
			}
		}
		return result{status: http.StatusCreated, body: v, secret: true}, nil
	})
}

// evidenceMeta is the part "meta" of a face's evidence. What the phone claims is kept and not believed.
type evidenceMeta struct {
	ChallengeID string          `json:"challenge_id"`
	Nonce       string          `json:"nonce"`
	Frames      []evidenceFrame `json:"frames"`
	Claims      json.RawMessage `json:"claims"`
}

type evidenceFrame struct {
	Part   string `json:"part"`
	Action string `json:"action"`
	AtMS   *int64 `json:"at_ms"`
}

// faceEvidence takes the frames of a face challenge and judges them.
func (s *Server) faceEvidence(c *fiber.Ctx) error {
	p, err := s.caller(c)
	if err != nil {
		return err
	}
	id, step := param(c, "id"), param(c, "step")
	if _, err := s.stepFor(c.UserContext(), p, id, step); err != nil {
		return err
	}
	if step != cases.Face {
		return cases.ErrNoChallenge
	}
	select {
	case s.evidence <- struct{}{}:
		defer func() { <-s.evidence }()
	default:
		return cases.ErrFaceBusy.After(2 * time.Second)
	}
	parts, err := s.readEvidence(c)
	if err != nil {
		return err
	}
	r, err := faceRequest(parts)
	if err != nil {
		return err
	}
	r.Channel, r.Owner = p.channel(), p.owner()
	h := sha256.New()
	h.Write(r.Meta)
	for _, f := range r.Frames {
		h.Write(f.JPEG)
	}
	return s.once(c, p.owner(), h.Sum(nil), func() (result, error) {
		verdict, err := s.cfg.Cases.AnswerFace(c.UserContext(), p.actor(), id, r)
		if err != nil {
			return result{}, err
		}
		return result{status: http.StatusOK, body: fiber.Map{"verdict": verdict, "reasons": []cases.Reason{}}}, nil
	})
}

// readEvidence reads the parts of a body, bounded in all.
func (s *Server) readEvidence(c *fiber.Ctx) (map[string][]byte, error) {
	kind, params, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil || kind != fiber.MIMEMultipartForm || params["boundary"] == "" {
		return nil, errEvidenceType
	}
	body, err := s.bodyReader(c)
	if err != nil {
		return nil, err
	}
	switch n := body.declared(); {
	case n > maxEvidence:
		return nil, errTooLarge
	case n == 0:
		return nil, errEvidenceForm
	}
	parts := map[string][]byte{}
	in := multipart.NewReader(&limited{r: body, left: maxEvidence}, params["boundary"])
	for {
		part, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, formError(err)
		}
		name, limit := part.FormName(), cases.MaxFaceFrameBytes
		if name == "meta" {
			limit = maxMeta
		}
		if name == "" || len(name) > 64 || parts[name] != nil || len(parts) > cases.MaxFaceFrames {
			return nil, errEvidenceForm
		}
		b, err := io.ReadAll(io.LimitReader(part, int64(limit)+1))
		switch {
		case err != nil:
			return nil, formError(err)
		case len(b) > limit:
			return nil, cases.ErrFrameTooLarge
		case len(b) == 0:
			return nil, errEvidenceForm
		}
		parts[name] = b
	}
	// What stands after the last boundary belongs to the body, and is nobody's.
	if n, err := io.Copy(io.Discard, io.LimitReader(body, maxMeta+1)); err != nil {
		return nil, err
	} else if n > maxMeta {
		return nil, errEvidenceForm
	}
	return parts, nil
}

// formError tells what happened to the body from what is wrong with its form.
func formError(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return errEvidenceForm.Because(err)
}

// limited fails with errTooLarge rather than ending like a whole body.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// faceRequest makes the evidence of its parts: every frame names one, and every part is named.
func faceRequest(parts map[string][]byte) (cases.FaceRequest, error) {
	var r cases.FaceRequest
	r.Meta = parts["meta"]
	if r.Meta == nil || wellFormed(r.Meta, true) != nil {
		return r, errEvidenceForm
	}
	var meta evidenceMeta
	dec := json.NewDecoder(bytes.NewReader(r.Meta))
	dec.DisallowUnknownFields()
	if dec.Decode(&meta) != nil || len(meta.Frames) != len(parts)-1 {
		return r, errEvidenceForm
	}
	r.ChallengeID, r.Nonce = meta.ChallengeID, meta.Nonce
	used := map[string]bool{"meta": true}
	for _, f := range meta.Frames {
		jpeg := parts[f.Part]
		if jpeg == nil || used[f.Part] || f.AtMS == nil || *f.AtMS < 0 || *f.AtMS > maxAtMS {
			return r, errEvidenceForm
		}
		used[f.Part] = true
		r.Frames = append(r.Frames, cases.FaceFrame{Action: f.Action, At: time.Duration(*f.AtMS) * time.Millisecond, JPEG: jpeg})
	}
	return r, nil
}
