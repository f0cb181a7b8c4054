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
	// By MediaPipe's numbers: the corners of the eyes, two pairs of points on the lids of each; the lips' inner edges.
	eye := func(outer, inner, up1, low1, up2, low2 int) float64 {
		return (apart(points[up1], points[low1]) + apart(points[up2], points[low2])) / (2 * apart(points[outer], points[inner]))
	}
	const right, left = 33, 263 // the outer corners of the person's own eyes
	pose.Eyes = (eye(right, 133, 159, 145, 158, 153) + eye(left, 362, 386, 374, 385, 380)) / 2
	pose.Mouth = apart(points[13], points[14]) / apart(points[78], points[308])
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
