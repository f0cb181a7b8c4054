package cases

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/fault"
)

// Challenge is what somebody was asked to do for one take of a step: moves in front of the camera, or a
// script to follow. It is issued by this server in an order that nobody can foresee, belongs to the session or handoff that
// asked for it, and is used once.
type Challenge struct {
	ID          string   `json:"id" bson:"id"`       // "chl_…"
	Nonce       string   `json:"nonce" bson:"nonce"` // comes back with the evidence
	Step        string   `json:"step" bson:"step"`
	Owner       string   `json:"owner" bson:"owner"` // session or handoff id
	Epoch       int64    `json:"epoch" bson:"epoch"`
	Alternative string   `json:"alternative,omitempty" bson:"alternative,omitempty"`
	Actions     []string `json:"actions,omitempty" bson:"actions,omitempty"` // of a face, in their order
	// Script is what a recording follows, and UploadID the take that follows it.
	Script    *IssuedScript `json:"script,omitempty" bson:"script,omitempty"`
	UploadID  string        `json:"upload_id,omitempty" bson:"upload_id,omitempty"`
	IssuedAt  time.Time     `json:"issued_at" bson:"issued_at"`
	ExpiresAt time.Time     `json:"expires_at" bson:"expires_at"`
	UsedAt    time.Time     `json:"used_at,omitzero" bson:"used_at,omitempty"`
}

// ChallengeRequest asks for a challenge.
type ChallengeRequest struct {
	Step        string
	Channel     string // "desk" or "phone"
	Owner       string // session or handoff id
	Alternative string // another way to do it, "" for the usual one
	Lang        string // BCP 47 tag in which a script is wanted
}

// Errors of challenges.
var (
	ErrNoChallenge      = fault.New(fault.Conflict, "step_without_challenge", "This step asks for no challenge.")
	ErrAlternative      = fault.New(fault.Invalid, "alternative_unknown", "There is no such other way to do this step.")
	ErrChallengeUnknown = fault.New(fault.Conflict, "challenge_unknown", "This was not asked for here. Begin the step again.")
	ErrChallengeUsed    = fault.New(fault.Conflict, "challenge_used", "This was answered before. Begin the step again.")
	ErrChallengeExpired = fault.New(fault.Gone, "challenge_expired", "This took too long. Begin the step again.")
)

const keepChallenges = 3 // of one step, the newest

// IssueChallenge asks for something new on a step that is open for work. ErrStepUnknown, ErrLevelNotOpen,
// ErrChannel, ErrNoChallenge, ErrAlternative, ErrStaleEpoch.
func (s *Service) IssueChallenge(ctx context.Context, by Actor, id string, r ChallengeRequest) (Challenge, error) {
	var out Challenge
	_, err := s.change(ctx, by, id, anyVersion, func(c *change) error {
		st, err := c.workOn(r.Step)
		if err != nil {
			return err
		}
		if !slices.Contains(st.Channels, r.Channel) {
			return ErrChannel
		}
		out = Challenge{
			ID: "chl_" + ulid.Make().String(), Nonce: rand.Text(), Step: r.Step, Owner: r.Owner, Epoch: c.HandoffEpoch,
			Alternative: r.Alternative, IssuedAt: c.at,
		}
		switch st.Kind {
		case KindFace:
			err = s.askFace(c, st, &out)
		case KindClip:
			err = s.askScript(c, *st, r.Lang, &out)
		default:
			err = ErrNoChallenge
		}
		if err != nil {
			return err
		}
		c.keepChallenge(out)
		c.note(Entry{Event: "challenge_issued", Level: st.Level, Step: st.ID, Epoch: c.HandoffEpoch, Data: map[string]string{"challenge": out.ID}})
		return nil
	})
	return out, err
}

// keepChallenge adds a challenge and forgets the oldest of its step. Those of takes that are there stay.
func (c *change) keepChallenge(n Challenge) {
	c.Challenges = append(c.Challenges, n)
	of := 0
	for i := len(c.Challenges) - 1; i >= 0; i-- {
		if c.Challenges[i].Step != n.Step || c.follows(c.Challenges[i].ID) {
			continue
		}
		if of++; of > keepChallenges {
			c.Challenges = slices.Delete(c.Challenges, i, i+1)
		}
	}
}

// answer returns the challenge that evidence of a step answers: ErrChallengeUnknown unless owner and epoch
// are those that it was issued to, ErrChallengeUsed, ErrChallengeExpired. The caller marks it used.
func (c *change) answer(step, id, owner string) (*Challenge, error) {
	i := slices.IndexFunc(c.Challenges, func(ch Challenge) bool { return ch.ID == id && ch.Step == step })
	if i < 0 {
		return nil, ErrChallengeUnknown
	}
	ch := &c.Challenges[i]
	switch {
	case ch.Owner != owner || ch.Epoch != c.HandoffEpoch:
		return nil, ErrChallengeUnknown
	case !ch.UsedAt.IsZero():
		return nil, ErrChallengeUsed
	case !c.at.Before(ch.ExpiresAt):
		return nil, ErrChallengeExpired
	}
	return ch, nil
}
