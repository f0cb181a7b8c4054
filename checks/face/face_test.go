package face_test

import (
	"testing"

	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/checks/face/facetest"
)

func engine(t testing.TB, model string) *face.Engine { return facetest.Engine(t, model) }

// actor is the person of a still, who moves.
func actor(t testing.TB, still []byte) *facetest.Actor {
	t.Helper()
	a, err := facetest.NewActor(engine(t, face.MobileFaceNet), still)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
