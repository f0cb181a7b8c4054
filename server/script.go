package server

import (
	"encoding/hex"
	"slices"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// scriptView is what a recording follows.
type scriptView struct {
	Template    string         `json:"template"`
	Number      string         `json:"number"`
	AccountHint string         `json:"account_hint"`
	Prompts     []cases.Prompt `json:"prompts"`
}

func scriptOf(s *cases.IssuedScript) *scriptView {
	if s == nil {
		return nil
	}
	return &scriptView{Template: s.Template, Number: s.Number, AccountHint: s.AccountHint, Prompts: list(s.Prompts)}
}

// keptView is a step with a take that was just kept.
type keptView struct {
	stepView
	Receipt receiptView `json:"receipt"`
}

// receiptView is what the applicant has in hand of a take: what was received, by its digest.
type receiptView struct {
	UploadID   string        `json:"upload_id"`
	MediaID    string        `json:"media_id"`
	SHA256     string        `json:"sha256"`
	Size       int64         `json:"size"`
	AcceptedAt time.Time     `json:"accepted_at"`
	Still      *stillReceipt `json:"still,omitempty"`
}

type stillReceipt struct {
	MediaID string `json:"media_id"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

func receiptOf(t cases.Take) receiptView {
	r := receiptView{
		UploadID: t.UploadID, MediaID: t.MediaID, SHA256: hex.EncodeToString(t.SHA256), Size: t.Size, AcceptedAt: t.AcceptedAt.UTC(),
	}
	if i := slices.IndexFunc(t.Parts, func(p cases.Part) bool { return p.Role == cases.PartStill }); i >= 0 {
		p := t.Parts[i]
		r.Still = &stillReceipt{MediaID: p.MediaID, SHA256: hex.EncodeToString(p.SHA256), Size: p.Size}
	}
	return r
}
