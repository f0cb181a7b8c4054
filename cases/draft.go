package cases

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// MaxDraft is the largest draft of Level 1, in bytes.
const MaxDraft = 32 << 10

// ErrDraft is returned for a draft that is no JSON object or too large.
var ErrDraft = fault.New(fault.Invalid, "draft_invalid", "A draft is a JSON object of at most 32 KiB.")

// PutDraft keeps what was typed of Level 1 so far, as the JSON object that the applicant's program makes of it; an
// empty one drops it. It is not checked, it is kept sealed, and it goes when Level 1 is stored or submitted. Whoever
// writes last wins. ErrLevelNotOpen unless Level 1 may be changed, ErrDraft.
func (s *Service) PutDraft(ctx context.Context, by Actor, id string, draft []byte) (Case, error) {
	var members map[string]json.RawMessage
	if len(draft) > MaxDraft || json.Unmarshal(draft, &members) != nil || members == nil {
		return Case{}, ErrDraft
	}
	return s.change(ctx, by, id, anyVersion, func(c *change) error {
		if !editable(c.level(1).State) {
			return ErrLevelNotOpen
		}
		if len(members) == 0 {
			c.IdentityDraft = nil
			return nil
		}
		if err := c.notFrozen(); err != nil {
			return err
		}
		if err := c.needConsent(subjectLevel1); err != nil {
			return err
		}
		if c.IdentityDraft != nil {
			if old, err := c.key.Open(c.IdentityDraft, boundDraft(c.ID)); err == nil && bytes.Equal(old, draft) {
				return nil // each sealing differs; the same draft is no change
			}
		}
		c.IdentityDraft = c.key.Seal(draft, boundDraft(c.ID))
		return nil
	})
}

func boundDraft(caseID string) []byte { return seal.Bind("case", caseID, "identity_draft") }
