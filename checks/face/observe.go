package face

// Point is a place on a picture, in pixels from its top left corner.
type Point struct{ X, Y float64 }

// Box is where a face was found, in pixels, and how sure that is (0 to 1).
type Box struct {
	X, Y, W, H float64
	Score      float64
}

func (b Box) area() float64 { return b.W * b.H }

// Fingerprint is a picture so small that the same picture, saved again, has nearly the same one: 40 by 40
// brightnesses in equal contrast. It tells a frame that was sent twice from two frames that were taken.
type Fingerprint []byte

// Observation is what one picture shows.
type Observation struct {
	Digest        [32]byte // SHA-256 of the bytes
	Width, Height int      // pixels, upright, after it was made smaller
	Fingerprint   Fingerprint

	Faces []Box // the largest first; empty if there is none

	// Of the largest face.
	Landmarks []Point // 68, as in the iBUG scheme
	Mesh      []Point // 468, as MediaPipe numbers them
	Presence  float64 // how sure the mesh is that it lies on a face, 0 to 1
	Pose      Pose
	Embedding Embedding
}

// Pose is what the largest face does.
type Pose struct {
	// Turn is where the tip of the nose stands between the ends of the jaw: 0 in the middle, 1 at
	// the end on the person's left. About 0.18 for every ten degrees.
	Turn float64
	// Yaw is the turn of the head by the depth of the mesh, degrees, positive to the person's left.
	Yaw float64
	// Roll is how far the line between the eyes leans, degrees.
	Roll float64
	// Eyes is the height of the eyes' opening through its width, the mean of both: about 0.35 open, 0.16 closed.
	Eyes float64
	// Mouth is the height of the lips' opening through its width: about 0.02 closed.
	Mouth float64
}

// Portrait is the face on a document's photo.
type Portrait struct {
	Box       Box // on the picture turned by Quarters and made smaller to Width by Height
	Width     int
	Height    int
	Quarters  int // how often the photo was turned clockwise by a quarter until the face stood upright
	Presence  float64
	Embedding Embedding
}
