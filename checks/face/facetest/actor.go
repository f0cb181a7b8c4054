package facetest

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"github.com/symbolon/symbolon/checks/face"
)

// Pose is what an actor's face does.
type Pose struct {
	Yaw   float64 // degrees, positive to the person's left; the picture holds up to 35
	Mouth float64 // 0 closed to 1 wide open
	Blink float64 // 0 open to 1 closed
}

// Actor is a person made of a still picture.
type Actor struct {
	source
	points []face.Point // 68, on the still

	middle, radius float64 // of the head as a cylinder, across
	brow, chin     float64 // between which the head turns as a whole, down
}

// NewActor finds the face on a still, which has to be frontal, alone and at rest.
func NewActor(e *face.Engine, still []byte) (*Actor, error) {
	o, err := e.Look(context.Background(), still)
	if err != nil {
		return nil, err
	}
	m, err := jpeg.Decode(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	if len(o.Faces) == 0 || m.Bounds().Dx() != o.Width {
		return nil, errors.New("facetest: the still shows no face, or is too large")
	}
	a := &Actor{source: source{toRGBA(m)}, points: o.Landmarks}
	left, right := a.points[0].X, a.points[16].X
	a.middle, a.radius = (left+right)/2, (right-left)/2*1.12
	eyes := (a.points[36].Y + a.points[45].Y) / 2
	a.chin = a.points[8].Y
	a.brow = eyes - 0.8*(a.chin-eyes)
	return a, nil
}

// Draw draws a pose, the still fitted into w by h pixels. Frames with different n differ as those of a camera in
// a hand do: by a little movement and noise.
//
//go:norace
func (a *Actor) Draw(w, h int, p Pose, n int) *image.RGBA {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	sw, sh := float64(a.m.Rect.Dx()), float64(a.m.Rect.Dy())
	// The hand sways slowly and trembles.
	t := float64(n)
	scale := min(float64(w)/sw, float64(h)/sh) * (1 + 0.012*math.Sin(t/7))
	dx := 0.012*sw*math.Sin(t/5) + 0.002*sw*(r.Float64()-0.5)
	dy := 0.010*sh*math.Cos(t/6) + 0.002*sh*(r.Float64()-0.5)
	light := 1 + 0.01*math.Sin(t/11)
	for j := range h {
		for i := range w {
			x := (float64(i)+0.5-float64(w)/2)/scale + sw/2 + dx
			y := (float64(j)+0.5-float64(h)/2)/scale + sh/2 + dy
			c := a.colour(x, y, p)
			noise := (r.Float64() - 0.5) * 5
			for k := range c {
				c[k] = c[k]*light + noise
			}
			out.SetRGBA(i, j, c.rgba())
		}
	}
	return out
}

// JPEG is Draw, encoded.
func (a *Actor) JPEG(w, h int, p Pose, n int) []byte { return encode(a.Draw(w, h, p, n), 90) }

// colour is what stands at a place of the still once the face has taken a pose.
//
//go:norace
func (a *Actor) colour(x, y float64, p Pose) colour {
	if p.Yaw != 0 {
		x = a.turned(x, y, p.Yaw*math.Pi/180)
	}
	if p.Mouth > 0 {
		var inside bool
		if y, inside = a.opened(x, y, p.Mouth); inside {
			return colour{48, 16, 20}
		}
	}
	if p.Blink > 0 {
		if c, ok := a.lid(x, y, p.Blink); ok {
			return c
		}
	}
	return a.at(x-0.5, y-0.5)
}

// turned says what of the head stands at x after it has turned: a cylinder with a nose on it.
//
//go:norace
func (a *Actor) turned(x, y, yaw float64) float64 {
	u := (x - a.middle) / a.radius
	weight := 1.0 // of the turn: it fades out in the hair and along the neck
	switch face := a.chin - a.brow; {
	case y > a.chin:
		weight = 1 - (y-a.chin)/(0.2*face)
	case y < a.brow:
		weight = 1 - (a.brow-y)/(0.3*face)
	}
	if math.Abs(u) >= 1 || weight <= 0 {
		return x
	}
	sin := math.Sin(yaw)
	nose := a.points[30]
	from := a.middle + a.radius*math.Sin(math.Asin(u)-yaw)
	for range 4 { // the nose stands out, so it moves farther; where it is depends on how far it moves
		ex, ey := (from-nose.X)/(0.30*a.radius), (y-nose.Y)/(0.35*a.radius)
		out := 0.28 * a.radius * math.Exp(-(ex*ex + ey*ey))
		from = a.middle + a.radius*math.Sin(math.Asin(min(max((x-a.middle-out*sin)/a.radius, -1), 1))-yaw)
	}
	edge := min(1, (1-math.Abs(u))/0.15)
	return x + (from-x)*weight*edge
}

// opened says what of the lower face stands at y after the jaw has gone down, and whether that is the mouth's inside.
//
//go:norace
func (a *Actor) opened(x, y, mouth float64) (float64, bool) {
	corner, other := a.points[48], a.points[54]
	lip := (a.points[62].Y + a.points[66].Y) / 2
	half := (other.X - corner.X) / 2
	far := math.Abs(x - (corner.X+other.X)/2)
	depth := mouth * (a.chin - lip) * 0.45
	if y <= lip || far >= 2.2*half || y >= a.chin+1.2*depth {
		return y, false
	}
	gap := depth * max(0, 1-(far/(0.95*half))*(far/(0.95*half)))
	if y < lip+gap {
		return y, true
	}
	drop := depth * max(0, 1-(far/(2.2*half))*(far/(2.2*half)))
	along := min(max((y-lip-drop)/(a.chin-lip), 0), 1)
	return max(lip+1, y-drop*(1-0.25*along)), false
}

// lid is the colour of an eyelid where one covers the eye: skin as below the eye, with lashes along its edge.
//
//go:norace
func (a *Actor) lid(x, y, blink float64) (colour, bool) {
	for _, eye := range [][]face.Point{a.points[36:42], a.points[42:48]} {
		cx := (eye[0].X + eye[3].X) / 2
		cy := (eye[1].Y + eye[2].Y + eye[4].Y + eye[5].Y) / 4
		half := (eye[3].X - eye[0].X) / 2 * 1.6
		height := (eye[3].X - eye[0].X) / 2 * 0.5
		u := (x - cx) / half
		if math.Abs(u) >= 1 {
			continue
		}
		arch := 1 - u*u
		top, bottom := cy-height*arch*1.6, cy+height*arch*1.2
		edge := top + (bottom-top)*blink
		if y < top || y >= edge {
			continue
		}
		down := (y - top) / (bottom - top) // 0 at the crease, 1 at the lower lid
		c := a.at(x, cy+height*(1.9-0.5*down))
		seam := min(1, (y-top)/(0.25*height)) // into the skin above
		above := a.at(x, top-1)
		lash := 1.0
		if d := (edge - y) / height; d < 0.5 {
			lash = 0.2 + 0.8*d/0.5
		}
		for k := range c {
			c[k] = (c[k]*0.97*seam + above[k]*(1-seam)) * lash
		}
		return c, true
	}
	return colour{}, false
}

// Peak is the pose in which a move is plainest.
func Peak(action face.Action) Pose {
	switch action {
	case face.TurnLeft:
		return Pose{Yaw: 28}
	case face.TurnRight:
		return Pose{Yaw: -28}
	case face.MouthOpen:
		return Pose{Mouth: 1}
	case face.Blink:
		return Pose{Blink: 1}
	}
	return Pose{}
}

// Script returns the poses of a face that is at rest, then makes each move and returns to rest, at so many
// frames a second: about a second a move.
func Script(actions []face.Action, perSecond int) []Pose {
	var poses []Pose
	hold := func(seconds float64, p Pose) {
		for range int(seconds*float64(perSecond) + 0.5) {
			poses = append(poses, p)
		}
	}
	hold(1.2, Pose{})
	for _, action := range actions {
		peak := Peak(action)
		n := max(1, perSecond*3/10)
		part := func(i int) Pose {
			k := float64(i) / float64(n+1)
			return Pose{peak.Yaw * k, peak.Mouth * k, peak.Blink * k}
		}
		for i := range n {
			poses = append(poses, part(i+1))
		}
		hold(0.5, peak)
		for i := range n {
			poses = append(poses, part(n-i))
		}
		hold(0.6, Pose{})
	}
	return poses
}

// MJPEG writes the poses as a film that Chromium plays as its camera with
// --use-file-for-fake-video-capture=FILE.mjpeg: pictures, one after the other.
func (a *Actor) MJPEG(to io.Writer, w, h int, poses []Pose) error {
	for i, p := range poses {
		if _, err := to.Write(a.JPEG(w, h, p, i)); err != nil {
			return err
		}
	}
	return nil
}

// Sent is one frame of what a phone sends.
type Sent struct {
	Action face.Action
	At     time.Duration
	JPEG   []byte
}

// Attempt is what an honest phone sends for a challenge: four frames at rest, then two of each move.
func (a *Actor) Attempt(ask []face.Action) []Sent {
	var out []Sent
	at := 400 * time.Millisecond
	take := func(action face.Action, p Pose) {
		out = append(out, Sent{action, at, a.JPEG(400, 400, p, int(at/(40*time.Millisecond)))})
		at += 250 * time.Millisecond
	}
	for range 4 {
		take(face.Neutral, Pose{})
	}
	for _, action := range ask {
		if action == face.Neutral {
			continue
		}
		at += 600 * time.Millisecond
		peak := Peak(action)
		take(action, Pose{peak.Yaw * 0.95, peak.Mouth * 0.95, peak.Blink})
		take(action, peak)
	}
	return out
}

// Flat draws the still as a picture that somebody holds up and moves: shifted, turned and made smaller, but flat.
func (a *Actor) Flat(w, h int, shift, lean, squeeze float64, n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 11))
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	sw, sh := float64(a.m.Rect.Dx()), float64(a.m.Rect.Dy())
	scale := min(float64(w)/sw, float64(h)/sh) * 0.92
	sin, cos := math.Sincos(lean)
	for j := range h {
		for i := range w {
			u := (float64(i) + 0.5 - float64(w)/2) / scale / squeeze
			v := (float64(j) + 0.5 - float64(h)/2) / scale
			x, y := cos*u-sin*v+sw/2+shift*sw, sin*u+cos*v+sh/2
			c := colour{90, 90, 90}
			if x >= 0 && y >= 0 && x < sw && y < sh {
				c = a.at(x-0.5, y-0.5)
			}
			noise := (r.Float64() - 0.5) * 5
			out.SetRGBA(i, j, color.RGBA(colour{c[0] + noise, c[1] + noise, c[2] + noise}.rgba()))
		}
	}
	return encode(out, 90)
}
