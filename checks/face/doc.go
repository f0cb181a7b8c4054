// Package face finds a face on a picture, measures what it does, and says whether two pictures show
// the same person.
//
// The same networks run here and on the phone: TinyFaceDetector and the 68 landmarks of face-api,
// MediaPipe's mesh, and one embedder. A phone may guide with what it computes; only what this package
// computes from the frames counts.
//
//   - An Engine holds the networks. Look examines one frame of a challenge, Portrait the photo of a
//     document. Both are bounded: in pixels, in how many run at once, in how many wait.
//   - Judge is pure. It decides from what was observed whether the asked moves were made, by one person,
//     and whether that person is the one of the portrait.
//
// What it refuses to do: to say that a frame came from a camera, or that a face is not a mask, a screen
// or a computed picture. docs/face.md says what that means.
//
// Vocabulary. An observation is what one frame shows. An embedding is a vector that a network makes of a
// face: of one person they lie close together. It belongs to the model that made it (name and hash), and
// is never compared with another model's. "Left" is always the person's own left.
package face
