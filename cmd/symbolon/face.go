package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"image"
	_ "image/jpeg" // pictures to compare
	_ "image/png"  // pictures to compare
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/symbolon/symbolon/checks/face"
)

const faceWords = `write one of:
  symbolon face compare A B
  symbolon face calibrate PAIRS.csv [--out ROC.svg] [--distances]`

// faces compares pictures of faces outside of any case, so that an operator can measure before going live.
func faces(ctx context.Context, args []string, std stdio) error {
	return subcommand(ctx, args, std, faceWords, map[string]func(context.Context, []string, stdio) error{
		"compare": faceCompare, "calibrate": faceCalibrate,
	})
}

// errNoFace: a picture shows no face that could be compared.
var errNoFace = errors.New("no face was found")

// Limits of a picture that is compared: those of a document's photo.
const (
	maxPictureBytes  = 50 << 20
	maxPicturePixels = 50_000_000
)

// faceOn returns the largest face on a picture.
func faceOn(ctx context.Context, e *face.Engine, name string) (face.Portrait, error) {
	info, err := os.Stat(name)
	if err != nil {
		return face.Portrait{}, err
	}
	if info.Size() > maxPictureBytes {
		return face.Portrait{}, fmt.Errorf("%s is larger than 50 MiB", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return face.Portrait{}, err
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(f)
	if err != nil || c.Width <= 0 || c.Height <= 0 {
		return face.Portrait{}, fmt.Errorf("%s is no JPEG or PNG that can be read", name)
	}
	if c.Width > maxPicturePixels/c.Height {
		return face.Portrait{}, fmt.Errorf("%s has more than 50 megapixels", name)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return face.Portrait{}, err
	}
	m, _, err := image.Decode(f)
	if err != nil {
		return face.Portrait{}, fmt.Errorf("%s is no JPEG or PNG that can be read: %w", name, err)
	}
	p, ok, err := e.Portrait(ctx, m)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %w", name, errNoFace)
	}
	return p, err
}

// openFaces opens the model that the settings name.
func openFaces(c config) (*face.Engine, error) {
	if c.FaceModel == "off" {
		return nil, errors.New("--face-model is off; name a model to compare with")
	}
	return face.Open(c.FaceModel, face.Options{Workers: 1})
}

// inFront returns the n words that stand before the settings.
func inFront(args []string, n int) (words, rest []string, ok bool) {
	if len(args) < n || slices.ContainsFunc(args[:n], func(a string) bool { return strings.HasPrefix(a, "-") }) {
		return nil, nil, false
	}
	return args[:n], args[n:], true
}

// faceCompare says how far apart the faces on two pictures are.
func faceCompare(ctx context.Context, args []string, std stdio) error {
	pictures, rest, ok := inFront(args, 2)
	if !ok {
		return errors.New("write symbolon face compare A B, two pictures")
	}
	c, err := readConfig("face compare A B", rest, std.environ, std.out)
	if err != nil {
		return err
	}
	e, err := openFaces(c)
	if err != nil {
		return err
	}
	var found [2]face.Portrait
	for i, name := range pictures {
		if found[i], err = faceOn(ctx, e, name); err != nil {
			return err
		}
	}
	t := e.Thresholds()
	m, err := face.Compare(found[0].Embedding, found[1], t)
	if err != nil {
		return err
	}
	word := map[face.Verdict]string{
		face.Pass: "the same person", face.Review: "a person has to look", face.Fail: "two persons",
	}[m.Verdict]
	_, err = fmt.Fprintf(std.out, "%.4f  %s (the same up to %.2f, two above %.2f, by %s)\n", m.Distance, word, t.Accept, t.Reject, e.Model().Name)
	return err
}

// pair is two pictures, and whether they show one person.
type pair struct {
	a, b string
	same bool
}

const maxPairs = 5_000_000

// readPairs reads a CSV file with the columns a, b and same; names are relative to the file.
func readPairs(name string) ([]pair, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = 3
	r.ReuseRecord = true
	var pairs []pair
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := r.FieldPos(0)
		if line == 1 {
			if row[0] != "a" || row[1] != "b" || row[2] != "same" {
				return nil, fmt.Errorf("%s: the first line has to be a,b,same", name)
			}
			continue
		}
		p := pair{a: besideFile(name, row[0]), b: besideFile(name, row[1])}
		switch strings.ToLower(row[2]) {
		case "1", "yes", "true":
			p.same = true
		case "0", "no", "false":
		default:
			return nil, fmt.Errorf("%s:%d: same is %q; write 1 or 0", name, line, row[2])
		}
		if pairs = append(pairs, p); len(pairs) > maxPairs {
			return nil, fmt.Errorf("%s has more than %d pairs", name, maxPairs)
		}
	}
	return pairs, nil
}

func besideFile(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

// faceCalibrate measures how well a model tells the persons on the operator's own pictures apart.
func faceCalibrate(ctx context.Context, args []string, std stdio) error {
	files, rest, ok := inFront(args, 1)
	if !ok {
		return errors.New("write symbolon face calibrate PAIRS.csv, a file with the columns a,b,same")
	}
	var out string
	var distances bool
	c, err := readConfig("face calibrate PAIRS.csv", rest, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&out, "out", "", "the file for a picture of the curve, SVG; none where it is not given")
		fs.BoolVar(&distances, "distances", false, "print the distance of every pair")
	})
	if err != nil {
		return err
	}
	pairs, err := readPairs(files[0])
	if err != nil {
		return err
	}
	e, err := openFaces(c)
	if err != nil {
		return err
	}
	embeddings := map[string]face.Embedding{}
	without := 0
	for _, p := range pairs {
		for _, name := range []string{p.a, p.b} {
			if _, ok := embeddings[name]; ok {
				continue
			}
			found, err := faceOn(ctx, e, name)
			if errors.Is(err, errNoFace) {
				without++
				fmt.Fprintln(std.err, err)
			} else if err != nil {
				return err
			}
			embeddings[name] = found.Embedding
		}
	}
	var same, other []float64
	skipped := 0
	for _, p := range pairs {
		a, b := embeddings[p.a], embeddings[p.b]
		if a.Zero() || b.Zero() {
			skipped++
			continue
		}
		d, err := face.Distance(a, b)
		if err != nil {
			return err
		}
		if distances {
			fmt.Fprintf(std.out, "%.4f %t %s %s\n", d, p.same, p.a, p.b)
		}
		if p.same {
			same = append(same, d)
		} else {
			other = append(other, d)
		}
	}
	if len(same) == 0 || len(other) == 0 {
		return fmt.Errorf("there are %d pairs of one person and %d of two with a face on both pictures; some of each are needed", len(same), len(other))
	}
	m := measure(same, other)
	m.print(std.out, e, len(embeddings), without, skipped)
	if out == "" {
		return nil
	}
	if err := os.WriteFile(out, m.picture(e), 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, "The curve is in", out)
	return err
}

// measured is what distances of pairs of one person, and of two, amount to.
type measured struct{ same, other []float64 } // sorted

func measure(same, other []float64) measured {
	m := measured{slices.Clone(same), slices.Clone(other)}
	slices.Sort(m.same)
	slices.Sort(m.other)
	return m
}

// upTo counts the numbers that are not above a threshold.
func upTo(sorted []float64, t float64) int {
	n, _ := slices.BinarySearchFunc(sorted, t, func(v, t float64) int {
		if v <= t {
			return -1
		}
		return 1
	})
	return n
}

// at returns the shares of wrong decisions if pairs up to a threshold are taken for one person: two persons
// that are (false matches), and one person that is not (false non-matches).
func (m measured) at(t float64) (fmr, fnmr float64) {
	return float64(upTo(m.other, t)) / float64(len(m.other)), 1 - float64(upTo(m.same, t))/float64(len(m.same))
}

// auc is how often a pair of one person is nearer than a pair of two.
func (m measured) auc() float64 {
	var sum float64
	for _, d := range m.same {
		atMost := upTo(m.other, d)
		below := upTo(m.other, math.Nextafter(d, -1))
		sum += float64(len(m.other)-atMost) + float64(atMost-below)/2
	}
	return sum / float64(len(m.same)) / float64(len(m.other))
}

// eer is where both shares are equal, or nearest to it: their mean, and the threshold.
func (m measured) eer() (rate, threshold float64) {
	best := math.Inf(1)
	for _, t := range slices.Concat(m.same, m.other) {
		fmr, fnmr := m.at(t)
		if d := math.Abs(fmr - fnmr); d < best {
			best, rate, threshold = d, (fmr+fnmr)/2, t
		}
	}
	return rate, threshold
}

// strictest returns the highest threshold at which no more than a share of the pairs of two persons is taken for
// one, and whether there are enough pairs to say so.
func (m measured) strictest(share float64) (float64, bool) {
	if float64(len(m.other))*share < 1 {
		return 0, false
	}
	allowed := int(share * float64(len(m.other)))
	t := math.Nextafter(m.other[min(allowed, len(m.other)-1)], -1)
	return t, true
}

// print writes what was measured.
func (m measured) print(w io.Writer, e *face.Engine, pictures, without, skipped int) {
	model, t := e.Model(), e.Thresholds()
	fmt.Fprintf(w, "model %s %.12s, %d pictures, %d of them without a face\n", model.Name, model.Hash, pictures, without)
	fmt.Fprintf(w, "%d pairs of one person, %d of two, %d left out\n", len(m.same), len(m.other), skipped)
	rate, at := m.eer()
	fmt.Fprintf(w, "area under the curve %.4f, equal error rate %.2f %% at %.3f\n\n", m.auc(), 100*rate, at)
	fmt.Fprintf(w, "%9s  %-22s %s\n", "threshold", "two taken for one", "one taken for two")
	row := func(t float64, note string) {
		fmr, fnmr := m.at(t)
		fmt.Fprintf(w, "%9.2f  %8.4f %% (%d)%*s %8.2f %% (%d)%s\n", t, 100*fmr, upTo(m.other, t), max(0, 9-len(strconv.Itoa(upTo(m.other, t)))), "",
			100*fnmr, len(m.same)-upTo(m.same, t), note)
	}
	marks := map[float64]string{t.Accept: "  accept", t.Reject: "  reject above"}
	steps := []float64{t.Accept, t.Reject}
	for i := 20; i <= 70; i += 5 {
		steps = append(steps, float64(i)/100)
	}
	slices.Sort(steps)
	for _, s := range slices.Compact(steps) {
		row(s, marks[s])
	}
	fmt.Fprintln(w)
	for _, share := range []float64{1e-2, 1e-3, 1e-4} {
		if s, ok := m.strictest(share); ok {
			_, fnmr := m.at(s)
			fmt.Fprintf(w, "at most %g of the pairs of two: up to %.3f, which turns %.2f %% of the pairs of one away\n", share, s, 100*fnmr)
		} else {
			fmt.Fprintf(w, "at most %g of the pairs of two: needs %.0f such pairs at least\n", share, math.Ceil(1/share))
		}
	}
	fmt.Fprintf(w, "No false match among n pairs says no more than 3/n, with 95 %% confidence: here %.2g.\n", 3/float64(len(m.other)))
	fmt.Fprintln(w, "Pairs that share a person or a picture are not independent; the truth is less sure than these figures look.")
}
