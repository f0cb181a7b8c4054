package face

import (
	"io/fs"
	"math"
)

// mesher is MediaPipe's face mesh: 468 points with their depth, on a square around a face.
type mesher struct{ graph *graph }

const (
	meshPoints   = "Identity_2"
	meshPresence = "Identity_1"
)

func openMesher(from fs.FS, hash *digest) (*mesher, error) {
	g, err := openGraph(from, fileMesh+".json", hash, meshPoints, meshPresence)
	if err != nil {
		return nil, err
	}
	return &mesher{g}, nil
}

// crop fills the square that the mesh sees: half as wide again as the landmarks, a little above them, with level eyes.
func (m *mesher) crop(s *scratch, p *pixels, landmarks []Point) (*tensor, frame) {
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, q := range landmarks {
		x0, y0, x1, y1 = min(x0, q.X), min(y0, q.Y), max(x1, q.X), max(y1, q.Y)
	}
	side := 1.6 * max(x1-x0, y1-y0)
	f := around(Point{(x0 + x1) / 2, (y0+y1)/2 - 0.08*side}, side, roll(landmarks), m.graph.side)
	in := s.tensor(m.graph.side, m.graph.side, 3)
	p.sample(in, f)
	for i := range in.d {
		in.d[i] /= 255
	}
	return in, f
}

// find lays the mesh on a face: its points in the picture's pixels, what it measures, and how sure it is that it
// lies on a face.
func (m *mesher) find(s *scratch, p *pixels, landmarks []Point) (points []Point, pose Pose, presence float64) {
	in, f := m.crop(s, p, landmarks)
	out := m.graph.run(s, in)
	s.back(in)
	defer s.back(out[0])
	defer s.back(out[1])
	v := out[0].d
	points = make([]Point, len(v)/3)
	for i := range points {
		x, y := float64(v[3*i])*f.step, float64(v[3*i+1])*f.step
		points[i] = Point{f.x + f.cos*x - f.sin*y, f.y + f.sin*x + f.cos*y}
	}
	pose.Eyes, pose.Mouth = eyesOf(points), mouthOf(points)
	const right, left = 33, 263 // the outer corners of the person's own eyes
	pose.Yaw = degrees(math.Atan2(float64(v[3*left+2]-v[3*right+2]), float64(v[3*left]-v[3*right])))
	pose.Roll = degrees(roll(landmarks))
	pose.Turn = turn(landmarks)
	return points, pose, float64(out[1].d[0])
}

func degrees(radians float64) float64 { return radians * 180 / math.Pi }

func apart(a, b Point) float64 { return math.Hypot(a.X-b.X, a.Y-b.Y) }

// eyes are the middles of the two eyes among 68 landmarks: the one on the picture's left first, which is the person's right.
func eyes(landmarks []Point) (Point, Point) {
	return middle(landmarks[36:42]), middle(landmarks[42:48])
}

// roll is the angle of the line between the eyes.
func roll(landmarks []Point) float64 {
	l, r := eyes(landmarks)
	return math.Atan2(r.Y-l.Y, r.X-l.X)
}

// turn is where the tip of the nose stands between the ends of the jaw, along the line of the eyes.
func turn(landmarks []Point) float64 {
	sin, cos := math.Sincos(roll(landmarks))
	along := func(p Point) float64 { return p.X*cos + p.Y*sin }
	a, nose, b := along(landmarks[0]), along(landmarks[30]), along(landmarks[16])
	if b <= a {
		return 0
	}
	return (2*nose - a - b) / (b - a)
}

// By MediaPipe's numbers: the corners of the eyes and two pairs of points on the lids of each; the lips' inner edges.

func eyesOf(mesh []Point) float64 {
	eye := func(outer, inner, up1, low1, up2, low2 int) float64 {
		return (apart(mesh[up1], mesh[low1]) + apart(mesh[up2], mesh[low2])) / (2 * apart(mesh[outer], mesh[inner]))
	}
	return (eye(33, 133, 159, 145, 158, 153) + eye(263, 362, 386, 374, 385, 380)) / 2
}

func mouthOf(mesh []Point) float64 { return apart(mesh[13], mesh[14]) / apart(mesh[78], mesh[308]) }

// stiff are points that neither the mouth nor the eyes move: forehead, temples, bridge and tip of the nose, cheekbones.
var stiff = []int{
	10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 67, 297, 109, 338, 54, 284, 103, 332, 21, 251, 127, 356, 234, 454,
	116, 345, 117, 346, 118, 347, 101, 330, 50, 280, 48, 278, 98, 327, 2, 33, 133, 263, 362,
}

// flatten undoes what stretching, shearing, turning and shifting can do to a flat picture: it finds the affine map that
// brings the stiff points of a mesh nearest to those of a resting one (least squares), and returns the whole mesh
// so mapped. Relief is by how much they still differ, root of the mean square, as a share of the distance of the
// resting eyes. It reports false where no such map can be found.
func flatten(resting, mesh []Point) (flat []Point, relief float64, ok bool) {
	if len(resting) != 468 || len(mesh) != 468 {
		return mesh, 0, false
	}
	var from, to []Point
	for _, i := range stiff {
		from, to = append(from, mesh[i]), append(to, resting[i])
	}
	a, b := middle(from), middle(to)
	var xx, xy, yy, xu, yu, xv, yv float64
	for i := range from {
		x, y := from[i].X-a.X, from[i].Y-a.Y
		u, v := to[i].X-b.X, to[i].Y-b.Y
		xx, xy, yy = xx+x*x, xy+x*y, yy+y*y
		xu, yu, xv, yv = xu+x*u, yu+y*u, xv+x*v, yv+y*v
	}
	det := xx*yy - xy*xy
	eyes := apart(resting[33], resting[263])
	if !(det > 1e-9*xx*yy) || !(eyes > 0) {
		return mesh, 0, false
	}
	ux, uy := (xu*yy-yu*xy)/det, (yu*xx-xu*xy)/det
	vx, vy := (xv*yy-yv*xy)/det, (yv*xx-xv*xy)/det
	flat = make([]Point, len(mesh))
	for i, p := range mesh {
		x, y := p.X-a.X, p.Y-a.Y
		flat[i] = Point{b.X + ux*x + uy*y, b.Y + vx*x + vy*y}
	}
	var sum float64
	for _, i := range stiff {
		d := apart(flat[i], resting[i])
		sum += d * d
	}
	return flat, math.Sqrt(sum/float64(len(stiff))) / eyes, true
}
