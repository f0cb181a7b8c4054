package face

import (
	"embed"
	"io/fs"
)

// The folder holds .gitkeep only until scripts/weights.mjs has filled it, so that the package builds without.
//
//go:embed all:weights
var embedded embed.FS

// Weights returns the files of the networks that the program was built with, for the phone: model files as
// TensorFlow.js loads them, and manifest.json with the SHA-256 of each. It is empty where the program was
// built without them.
func Weights() fs.FS {
	sub, err := fs.Sub(embedded, "weights")
	if err != nil {
		// "weights" is a constant and a valid path: fs.Sub cannot refuse it.
		panic(err)
	}
	return sub
}
