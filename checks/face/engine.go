package face

import (
	"context"
	"fmt"
	"image"
)

// Engine holds the networks. It may be used by any number of goroutines.
type Engine struct{ model Model }

// Open reads the networks and the embedder of that name: MobileFaceNet, Dlib, or the path of a YAML file that
// describes the operator's own (docs/face.md). It fails with ErrNoWeights where the program was built
// without them.
func Open(name string, opt Options) (*Engine, error) {
	return nil, fmt.Errorf("%w: run make weights and build again", ErrNoWeights)
}

// Model returns the model whose embeddings the engine makes.
func (e *Engine) Model() Model { return e.model }

// Thresholds returns the defaults for the engine's model: those of Defaults, or those of the operator's own file.
func (e *Engine) Thresholds() Thresholds { t, _ := Defaults(e.model.Name); return t }

// Look examines one JPEG frame: at most MaxFrameBytes and MaxFramePixels, turned upright as its EXIF data say.
// A frame without a face is an observation without Faces, not an error. It waits for a free worker as long
// as ctx allows. Errors: ErrTooLarge, ErrUnreadable, ErrBusy, ctx's.
func (e *Engine) Look(ctx context.Context, jpeg []byte) (Observation, error) {
	return Observation{}, ErrBusy
}

// LookAll examines the frames of an attempt, on as many workers as are free, and returns what it saw in their
// order. It stops at the first error.
func (e *Engine) LookAll(ctx context.Context, jpegs [][]byte) ([]Observation, error) {
	return nil, ErrBusy
}

// Portrait finds the largest face on the photo of a document, whichever way up it lies, and
// whether it found one. Errors: ErrBusy, ctx's.
func (e *Engine) Portrait(ctx context.Context, photo image.Image) (Portrait, bool, error) {
	return Portrait{}, false, ErrBusy
}
