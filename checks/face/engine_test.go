package face_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/symbolon/symbolon/checks/face"
	"github.com/symbolon/symbolon/checks/face/facetest"
	"github.com/symbolon/symbolon/fault"
)

// withEXIF returns a JPEG that says which way up it is, in either order of bytes.
func withEXIF(b []byte, orientation int, order binary.AppendByteOrder) []byte {
	head := "II*\x00"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		head = "MM\x00*"
	}
	tiff := order.AppendUint32([]byte(head), 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, e := range [][3]uint32{{0x010f, 3, 7}, {0x0112, 3, uint32(orientation)}} {
		tiff = order.AppendUint16(tiff, uint16(e[0]))
		tiff = order.AppendUint16(tiff, uint16(e[1]))
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, uint16(e[2]))
		tiff = order.AppendUint16(tiff, 0)
	}
	payload := append([]byte("Exif\x00\x00"), order.AppendUint32(tiff, 0)...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(payload)+2))...)
	return append(append(out, payload...), b[2:]...)
}

// stored returns a picture as a camera stores it that is held so that EXIF says orientation.
func stored(m image.Image, orientation int) image.Image {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			// Where the stored pixel belongs on the upright picture, as EXIF's table has it.
			ux, uy := [...]int{x, w - 1 - x, w - 1 - x, x, y, w - 1 - y, w - 1 - y, y}[orientation-1],
				[...]int{y, y, h - 1 - y, h - 1 - y, x, x, h - 1 - x, h - 1 - x}[orientation-1]
			out.Set(x, y, m.At(ux, uy))
		}
	}
	return out
}

func TestFramesAreTurnedUpright(t *testing.T) {
	e := engine(t, face.MobileFaceNet)
	m, err := jpeg.Decode(bytes.NewReader(facetest.Still(t)))
	if err != nil {
		t.Fatal(err)
	}
	want, err := e.Look(t.Context(), facetest.Encode(m, 95))
	if err != nil {
		t.Fatal(err)
	}
	for orientation := 1; orientation <= 8; orientation++ {
		order := binary.AppendByteOrder(binary.LittleEndian)
		if orientation%2 == 0 {
			order = binary.BigEndian
		}
		got, err := e.Look(t.Context(), withEXIF(facetest.Encode(stored(m, orientation), 95), orientation, order))
		if err != nil {
			t.Fatal(err)
		}
		if got.Width != want.Width || got.Height != want.Height || len(got.Faces) != 1 {
			t.Errorf("orientation %d: %d by %d with %d faces", orientation, got.Width, got.Height, len(got.Faces))
			continue
		}
		if d, err := face.Distance(want.Embedding, got.Embedding); err != nil || d > 0.01 {
			t.Errorf("orientation %d: at %g from the upright one, %v", orientation, d, err)
		}
		// A mirror image is nearly the same face; its fingerprint is not the same picture.
		var apart float64
		for i, v := range want.Fingerprint {
			apart += math.Abs(float64(v)-float64(got.Fingerprint[i])) / float64(len(want.Fingerprint))
		}
		if apart > 1 {
			t.Errorf("orientation %d: the picture differs by %.1f grey levels", orientation, apart)
		}
	}
}

// bomb is a small JPEG whose header says that it has other sides.
func bomb(t *testing.T, w, h int) []byte {
	t.Helper()
	b := facetest.Encode(image.NewGray(image.Rect(0, 0, 16, 16)), 50)
	at := bytes.Index(b, []byte{0xff, 0xc0})
	if at < 0 {
		t.Fatal("there is no header")
	}
	binary.BigEndian.PutUint16(b[at+5:], uint16(h))
	binary.BigEndian.PutUint16(b[at+7:], uint16(w))
	return b
}

func TestLookRefusesHostileFrames(t *testing.T) {
	e := engine(t, face.MobileFaceNet)
	still := facetest.Still(t)
	var asPNG bytes.Buffer
	if err := png.Encode(&asPNG, image.NewGray(image.Rect(0, 0, 100, 100))); err != nil {
		t.Fatal(err)
	}
	// A progressive picture may come in any number of scans; each costs a pass over all of it.
	start := bytes.Index(still, []byte{0xff, 0xda})
	scan := still[start : start+2+int(binary.BigEndian.Uint16(still[start+2:]))]
	scans := append(bytes.Clone(still[:start]), bytes.Repeat(scan, 100)...)
	for name, c := range map[string]struct {
		frame []byte
		want  error
	}{
		"nothing":                  {nil, face.ErrUnreadable},
		"text":                     {[]byte("not a picture, but long enough to be one"), face.ErrUnreadable},
		"a PNG":                    {asPNG.Bytes(), face.ErrUnreadable},
		"a header only":            {still[:200], face.ErrUnreadable},
		"broken off":               {still[:len(still)/2], face.ErrUnreadable},
		"100 megapixels":           {bomb(t, 10000, 10000), face.ErrTooLarge},
		"just above 4 megapixels":  {bomb(t, 2001, 2000), face.ErrTooLarge},
		"no pixels":                {bomb(t, 0, 10), face.ErrUnreadable},
		"more than its bytes":      {bomb(t, 1999, 2000), face.ErrUnreadable},
		"a hundred scans":          {scans, face.ErrUnreadable},
		"more than a MiB":          {append(bytes.Clone(still), make([]byte, face.MaxFrameBytes)...), face.ErrTooLarge},
		"a segment beyond its end": {[]byte("\xff\xd8\xff\xe1\xff\xff" + "Exif\x00\x00"), face.ErrUnreadable},
	} {
		o, err := e.Look(t.Context(), c.frame)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, ok := errors.AsType[*fault.Error](err); !ok || len(o.Faces) != 0 {
			t.Errorf("%s: %T with %d faces", name, err, len(o.Faces))
		}
	}
}

func TestPicturesWithoutAFace(t *testing.T) {
	e := engine(t, face.MobileFaceNet)
	noise := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for i := range noise.Pix {
		noise.Pix[i] = byte(i * i >> 3)
	}
	for name, m := range map[string]image.Image{
		"one pixel":     image.NewGray(image.Rect(0, 0, 1, 1)),
		"one line":      image.NewGray(image.Rect(0, 0, 3000, 1)),
		"a thin strip":  image.NewGray(image.Rect(0, 0, 60, 4000)),
		"four channels": image.NewCMYK(image.Rect(0, 0, 300, 300)),
		"a pattern":     noise,
	} {
		o, err := e.Look(t.Context(), facetest.Encode(m, 90))
		if err != nil || len(o.Faces) != 0 || !o.Embedding.Zero() {
			t.Errorf("%s: %d faces, %v", name, len(o.Faces), err)
		}
		if p, ok, err := e.Portrait(t.Context(), m); err != nil || ok {
			t.Errorf("%s: a portrait at %v, %v", name, p.Box, err)
		}
	}
}

func TestPortraitIsFoundWhicheverWayUp(t *testing.T) {
	e := engine(t, face.MobileFaceNet)
	still := facetest.Still(t)
	person, err := e.Look(t.Context(), still)
	if err != nil {
		t.Fatal(err)
	}
	document, err := facetest.Document(still)
	if err != nil {
		t.Fatal(err)
	}
	card, err := jpeg.Decode(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	for orientation, quarters := range map[int]int{6: 1, 3: 2} {
		p, ok, err := e.Portrait(t.Context(), stored(card, orientation))
		if err != nil || !ok {
			t.Errorf("turned %d times: no face, %v", quarters, err)
			continue
		}
		if p.Quarters != quarters || p.Box.X < float64(p.Width)/2 || p.Width != 1200 {
			t.Errorf("turned %d times: found after %d at %v of %d", quarters, p.Quarters, p.Box, p.Width)
		}
		if d, err := face.Distance(person.Embedding, p.Embedding); err != nil || d > 0.1 {
			t.Errorf("turned %d times: %g from the person, %v", quarters, d, err)
		}
	}
	// A passport's portrait may be all that is on the photo, and it may be grey.
	tight, err := jpeg.Decode(bytes.NewReader(still))
	if err != nil {
		t.Fatal(err)
	}
	grey := image.NewGray(tight.Bounds())
	for y := range grey.Rect.Dy() {
		for x := range grey.Rect.Dx() {
			grey.Set(x, y, tight.At(x, y))
		}
	}
	if p, ok, err := e.Portrait(t.Context(), grey); err != nil || !ok {
		t.Errorf("a grey portrait alone: %v", err)
	} else if d, err := face.Distance(person.Embedding, p.Embedding); err != nil || d > 0.2 {
		t.Errorf("a grey portrait alone: %g from the person, %v", d, err)
	}
}

func TestModelsTellPersonsApart(t *testing.T) {
	still := facetest.Still(t)
	strangers := facetest.Strangers(t)[:2]
	for _, model := range []string{face.MobileFaceNet, face.Dlib} {
		e := engine(t, model)
		l, ok := face.Defaults(model)
		if !ok || e.Thresholds() != l {
			t.Errorf("%s has thresholds %v", model, e.Thresholds())
		}
		person, err := e.Look(t.Context(), still)
		if err != nil {
			t.Fatal(err)
		}
		if m := e.Model(); m.Name != model || len(m.Hash) != 64 || person.Embedding.Model != m {
			t.Errorf("the model is %v, the embedding's %v", m, person.Embedding.Model)
		}
		for i, s := range strangers {
			o, err := e.Look(t.Context(), s.JPEG)
			if err != nil || len(o.Faces) == 0 {
				t.Fatalf("stranger %d: %d faces, %v", i, len(o.Faces), err)
			}
			if d, err := face.Distance(person.Embedding, o.Embedding); err != nil || d <= l.Reject {
				t.Errorf("%s: stranger %d is at %g, reject begins above %g", model, i, d, l.Reject)
			}
		}
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	_, err := face.Open(face.MobileFaceNet, face.Options{Weights: fstest.MapFS{"facemesh.json": {}}})
	if !errors.Is(err, face.ErrNoWeights) {
		t.Fatal(err)
	}
	for _, word := range []string{"tiny_face_detector_model.bin", "mobilefacenet.json", "make weights"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not name %s", err, word)
		}
	}
	if strings.Contains(err.Error(), "facemesh.json") || strings.Contains(err.Error(), "face_recognition") {
		t.Errorf("%q names what is not missing", err)
	}
}

// TestWeightsAreThoseOfTheManifest: what the phone is told of a file is true.
func TestWeightsAreThoseOfTheManifest(t *testing.T) {
	engine(t, face.MobileFaceNet) // skips where there are none
	b, err := fs.ReadFile(face.Weights(), "manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]struct {
		SHA256 string `json:"sha256"`
		Bytes  int    `json:"bytes"`
	}
	if err := json.Unmarshal(b, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 10 {
		t.Errorf("%d files are listed", len(manifest))
	}
	for name, m := range manifest {
		b, err := fs.ReadFile(face.Weights(), name)
		if err != nil || len(b) != m.Bytes || fmt.Sprintf("%x", sha256.Sum256(b)) != m.SHA256 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

func TestDamagedWeightsAreRefused(t *testing.T) {
	engine(t, face.MobileFaceNet)
	damaged := func(name string, change func(b []byte) []byte) fs.FS {
		all := fstest.MapFS{}
		files, err := fs.ReadDir(face.Weights(), ".")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := fs.ReadFile(face.Weights(), f.Name())
			if err != nil {
				t.Fatal(err)
			}
			if f.Name() == name {
				b = change(bytes.Clone(b))
			}
			all[f.Name()] = &fstest.MapFile{Data: b}
		}
		return all
	}
	replace := func(old, new string) func(b []byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("there is no %s", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	half := func(b []byte) []byte { return b[:len(b)/2] }
	for name, c := range map[string]struct {
		file   string
		change func(b []byte) []byte
	}{
		"a detector broken off":           {"tiny_face_detector_model.bin", half},
		"a list broken off":               {"face_landmark_68_model-weights_manifest.json", half},
		"a layer under another name":      {"face_landmark_68_model-weights_manifest.json", replace("dense0/conv0/filters", "dense0/conv0/filter")},
		"an embedder broken off":          {"mobilefacenet.bin", half},
		"an operation that is not known":  {"facemesh.json", replace(`"MaxPool"`, `"FindFace"`)},
		"a network without its result":    {"mobilefacenet.json", replace(`{"name":"embeddings",`, `{"name":"embedding",`)},
		"weights of another size":         {"mobilefacenet.json", replace(`[1,1,64,128]`, `[1,1,128,64]`)},
		"weights from outside the folder": {"mobilefacenet.json", replace(`"mobilefacenet.bin"`, `"../../secret.bin"`)},
	} {
		if _, err := face.Open(face.MobileFaceNet, face.Options{Weights: damaged(c.file, c.change)}); err == nil {
			t.Errorf("%s: nothing was said", name)
		}
	}
}

// ownModel writes a model as an operator brings it: MobileFaceNet's files under another name.
func ownModel(t *testing.T, text string) string {
	t.Helper()
	engine(t, face.MobileFaceNet) // skips without weights
	dir := t.TempDir()
	for _, name := range []string{"mobilefacenet.json", "mobilefacenet.bin"} {
		b, err := fs.ReadFile(face.Weights(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "own.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const goodOwn = `
name: ours
model: mobilefacenet.json
output: embeddings
metric: cosine
preparation: {align: arcface, mean: 127.5, scale: 0.0078125}
thresholds: {accept: 0.3, reject: 0.6}
`

func TestOperatorsOwnModel(t *testing.T) {
	still := facetest.Still(t)
	known := engine(t, face.MobileFaceNet)
	e, err := face.Open(ownModel(t, goodOwn), face.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	l := e.Thresholds()
	if m := e.Model(); m.Name != "ours" || m.Metric != face.Cosine || m.Hash == known.Model().Hash {
		t.Errorf("the model is %v", m)
	}
	if l.Accept != 0.3 || l.Reject != 0.6 || l.Moves != face.DefaultMoves() {
		t.Errorf("the thresholds are %+v", l)
	}
	a, err := known.Look(t.Context(), still)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Look(t.Context(), still)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range a.Embedding.Vector {
		if v != b.Embedding.Vector[i] {
			t.Fatalf("number %d is %g with the operator's file, %g without", i, b.Embedding.Vector[i], v)
		}
	}
	if _, err := face.Distance(a.Embedding, b.Embedding); !errors.Is(err, face.ErrOtherModel) {
		t.Errorf("the two were compared: %v", err)
	}
	// Without measured thresholds nobody passes or fails by a distance.
	e, err = face.Open(ownModel(t, strings.Replace(goodOwn, "thresholds: {accept: 0.3, reject: 0.6}", "", 1)), face.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if l := e.Thresholds(); l.Accept != 0 || l.Reject < 2 {
		t.Errorf("without thresholds: %+v", l)
	}
}

func TestBadDescriptionsOfModels(t *testing.T) {
	for name, c := range map[string]struct{ old, new, word string }{
		"a word that is not known": {"name: ours", "nom: ours", "nom"},
		"a name that is taken":     {"name: ours", "name: dlib", "name"},
		"no name":                  {"name: ours", "", "name"},
		"a model elsewhere":        {"model: mobilefacenet.json", "model: ../../etc/model.json", "model"},
		"a model that is not here": {"model: mobilefacenet.json", "model: other.json", "other.json"},
		"no output":                {"output: embeddings", "", "output"},
		"an output that is not":    {"output: embeddings", "output: face", "face"},
		"another metric":           {"metric: cosine", "metric: city", "metric"},
		"another alignment":        {"align: arcface", "align: eyes", "align"},
		"a scale of nothing":       {"scale: 0.0078125", "scale: 0", "scale"},
		"thresholds upside down":   {"accept: 0.3, reject: 0.6", "accept: 0.6, reject: 0.3", "invalid_fields"},
		"no YAML":                  {"preparation: {", "preparation: [", "yaml"},
	} {
		_, err := face.Open(ownModel(t, strings.Replace(goodOwn, c.old, c.new, 1)), face.Options{Workers: 1})
		if err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v does not say %q", name, err, c.word)
		}
	}
	if _, err := face.Open("/nowhere/own.yaml", face.Options{}); err == nil || !strings.Contains(err.Error(), "mobilefacenet") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestThresholdsAreChecked(t *testing.T) {
	for _, model := range []string{face.MobileFaceNet, face.Dlib, "any other"} {
		l, known := face.Defaults(model)
		if err := l.Check(); err != nil || known != (model != "any other") {
			t.Errorf("%s: %v, known %v", model, err, known)
		}
	}
	for field, change := range map[string]func(l *face.Thresholds){
		"accept":          func(l *face.Thresholds) { l.Accept = math.NaN() },
		"reject":          func(l *face.Thresholds) { l.Reject = l.Accept - 0.1 },
		"continuity":      func(l *face.Thresholds) { l.Continuity = -1 },
		"moves.turn":      func(l *face.Thresholds) { l.Moves.Turn = 0.01 },
		"moves.blink":     func(l *face.Thresholds) { l.Moves.Blink = 1.5 },
		"moves.neutral":   func(l *face.Thresholds) { l.Moves.Neutral = 0 },
		"moves.frame_gap": func(l *face.Thresholds) { l.Moves.FrameGap = 0 },
		"moves.still":     func(l *face.Thresholds) { l.Moves.Still = l.Moves.Longest * 2 },
		"moves.move_gap":  func(l *face.Thresholds) { l.Moves.MoveGap = 0 },
		"moves.same":      func(l *face.Thresholds) { l.Moves.Same = math.Inf(1) },
		"moves.relief":    func(l *face.Thresholds) { l.Moves.Relief = -0.1 },
	} {
		l := limits(t)
		change(&l)
		e, ok := errors.AsType[*fault.Error](l.Check())
		if !ok || len(e.Fields) == 0 || e.Fields[0].Field != field {
			t.Errorf("%s: %v", field, l.Check())
		}
	}
}
