package cases

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Moves that a face challenge asks for. Left and right are the person's own.
const (
	MoveNeutral   = "neutral" // look straight at the camera
	MoveTurnLeft  = "turn_left"
	MoveTurnRight = "turn_right"
	MoveMouthOpen = "mouth_open"
	MoveBlink     = "blink"
)

// Other ways to do the face step, for people who cannot do a move.
const (
	FewerMoves = "fewer_moves" // mouth or blink only
	KeepStill  = "still"       // look straight and keep still
	ByAPerson  = "person"      // no moves; somebody looks at it
)

// faceChallengeFor is how long the moves may take: three of them, done calmly and twice over.
const faceChallengeFor = 3 * time.Minute

// askMoves fills the challenge with moves. They begin with a look straight at the camera and are in an order that
// cannot be foreseen, so that a recording made before does not fit.
func (ch *Challenge) askMoves() error {
	ch.ExpiresAt = ch.IssuedAt.Add(faceChallengeFor)
	var moves []string
	switch ch.Alternative {
	case "":
		moves = []string{MoveTurnLeft, MoveTurnRight, MoveMouthOpen, MoveBlink}
		rand.Shuffle(len(moves), func(i, j int) { moves[i], moves[j] = moves[j], moves[i] })
		moves = moves[:3]
	case FewerMoves:
		moves = []string{MoveMouthOpen, MoveBlink}
		rand.Shuffle(len(moves), func(i, j int) { moves[i], moves[j] = moves[j], moves[i] })
	case KeepStill, ByAPerson:
	default:
		return ErrAlternative
	}
	ch.Actions = slices.Concat([]string{MoveNeutral}, moves)
	return nil
}
