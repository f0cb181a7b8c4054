package face_test

import (
	"bytes"
	"image/jpeg"
	"testing"

	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/checks/face/facetest"
)

// BenchmarkAttempt examines ten frames and a portrait, and reports the processors' time that it takes, which a
// busy machine does not change.
func BenchmarkAttempt(b *testing.B) {
	for _, model := range []string{face.MobileFaceNet, face.Dlib} {
		b.Run(model, func(b *testing.B) {
			e := engine(b, model)
			still := facetest.Still(b)
			a := actor(b, still)
			var frames [][]byte
			for _, s := range a.Attempt([]face.Action{face.TurnLeft, face.MouthOpen, face.Blink}) {
				frames = append(frames, s.JPEG)
			}
			document, err := facetest.Document(still)
			if err != nil {
				b.Fatal(err)
			}
			m, err := jpeg.Decode(bytes.NewReader(document))
			if err != nil {
				b.Fatal(err)
			}
			before := face.CPUTime(b)
			for b.Loop() {
				if _, err := e.LookAll(b.Context(), frames); err != nil {
					b.Fatal(err)
				}
				if _, ok, err := e.Portrait(b.Context(), m); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
			b.ReportMetric(float64((face.CPUTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(len(frames)), "frames")
		})
	}
}
