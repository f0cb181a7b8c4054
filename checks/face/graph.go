package face

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// graph is a TensorFlow.js graph model, made ready to run: steps in an order in which each finds what it needs.
//
// It knows the operations that networks for faces are made of, on one picture at a time with its channels
// last. What it does not know is refused when it is opened.
type graph struct {
	side  int // of the square picture that goes in, three channels
	steps []step
	want  []int // the values that come out
}

// step makes the value of its own number from those before it; afterwards nobody needs those in done.
type step struct {
	run  func(s *scratch, v []*tensor) *tensor // nil for the picture that comes in
	done []int
}

// node is an operation as the file describes it.
type node struct {
	Name  string          `json:"name"`
	Op    string          `json:"op"`
	Input []string        `json:"input"`
	Attr  map[string]attr `json:"attr"`
}

type attr struct {
	S    string   `json:"s"` // base64
	F    *float64 `json:"f"`
	B    bool     `json:"b"`
	List struct {
		S []string `json:"s"` // base64
		I []string `json:"i"`
	} `json:"list"`
	Shape struct {
		Dim []struct {
			Size string `json:"size"`
		} `json:"dim"`
	} `json:"shape"`
}

func text(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return s
	}
	return string(b)
}

// openGraph reads a model, as far as it is needed for some of its values: its JSON file and the weights beside it.
func openGraph(from fs.FS, name string, hash *digest, want ...string) (*graph, error) {
	raw, err := readFile(from, name)
	if err != nil {
		return nil, err
	}
	hash.add(raw)
	var file struct {
		ModelTopology struct {
			Node []node `json:"node"`
		} `json:"modelTopology"`
		WeightsManifest []group `json:"weightsManifest"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", errModel, name, err)
	}
	weights, err := readWeights(from, path.Dir(name), file.WeightsManifest, hash)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	g, err := compile(file.ModelTopology.Node, weights, want)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return g, nil
}

// compiler turns nodes into steps.
type compiler struct {
	nodes   map[string]*node
	weights map[string]weight
	graph   *graph
	names   map[string]int // a value's number, by the name of its node
	last    []int          // of each value, the step that needs it last
	owner   []int          // of each value, the value whose memory it shares, itself where it has its own
	done    map[string]bool
	on      map[string]bool // being visited
}

func compile(nodes []node, weights map[string]weight, want []string) (*graph, error) {
	c := &compiler{
		nodes: map[string]*node{}, weights: weights, graph: &graph{}, names: map[string]int{},
		done: map[string]bool{}, on: map[string]bool{},
	}
	for i := range nodes {
		n := &nodes[i]
		for j, in := range n.Input {
			n.Input[j], _, _ = strings.Cut(strings.TrimPrefix(in, "^"), ":")
		}
		c.nodes[n.Name] = n
	}
	for _, name := range want {
		v, err := c.value(name)
		if err != nil {
			return nil, err
		}
		c.graph.want = append(c.graph.want, v)
	}
	if c.graph.side == 0 {
		return nil, fmt.Errorf("%w: it takes no square picture of three channels", errModel)
	}
	c.endings()
	return c.graph, nil
}

// endings notes after which step the memory of each value is free. The picture that came in and what goes out
// are the caller's.
func (c *compiler) endings() {
	free := make([]int, len(c.last)) // of each memory, the last step that needs it
	for v, o := range c.owner {
		free[o] = max(free[o], c.last[v])
	}
	for o, at := range free {
		kept := slices.ContainsFunc(c.graph.want, func(v int) bool { return c.owner[v] == o })
		if c.owner[o] == o && !kept && c.graph.steps[o].run != nil {
			c.graph.steps[at].done = append(c.graph.steps[at].done, o)
		}
	}
}

// value is what a step reads: one computed before, or weights.
func (c *compiler) value(name string) (int, error) {
	if err := c.visit(name); err != nil {
		return 0, err
	}
	v, ok := c.names[name]
	if !ok {
		return 0, fmt.Errorf("%w: %q has no value", errModel, name)
	}
	return v, nil
}

// emit adds a step that makes the value of a node from others. A shared one is the memory of its first input.
func (c *compiler) emit(n *node, in []int, shared bool, run func(s *scratch, x []*tensor) *tensor) {
	v := len(c.last)
	c.names[n.Name] = v
	at := len(c.graph.steps)
	c.last = append(c.last, at)
	c.owner = append(c.owner, v)
	if shared {
		c.owner[v] = c.owner[in[0]]
	}
	for _, i := range in {
		c.last[i] = at
	}
	if run == nil {
		c.graph.steps = append(c.graph.steps, step{})
		return
	}
	c.graph.steps = append(c.graph.steps, step{run: func(s *scratch, all []*tensor) *tensor {
		x := make([]*tensor, len(in))
		for k, i := range in {
			x[k] = all[i]
		}
		return run(s, x)
	}})
}

func (c *compiler) weight(n *node, input int) (weight, error) {
	if input < len(n.Input) {
		name := n.Input[input]
		for range 8 { // weights may be handed through
			if w, ok := c.weights[name]; ok {
				return w, nil
			}
			through, ok := c.nodes[name]
			if !ok || through.Op != "Identity" || len(through.Input) == 0 {
				break
			}
			name = through.Input[0]
		}
	}
	return weight{}, fmt.Errorf("%w: %s (%s) lacks its weights", errModel, n.Name, n.Op)
}

func (c *compiler) visit(name string) error {
	if c.done[name] {
		return nil
	}
	n, ok := c.nodes[name]
	if !ok {
		return fmt.Errorf("%w: there is no node %q", errModel, name)
	}
	if c.on[name] {
		return fmt.Errorf("%w: %q needs itself", errModel, name)
	}
	c.on[name] = true
	if err := c.node(n); err != nil {
		return err
	}
	c.done[name] = true
	return nil
}

func (c *compiler) node(n *node) error {
	if n.Op == "Const" {
		return nil
	}
	if n.Op == "Placeholder" {
		dim := n.Attr["shape"].Shape.Dim
		if len(dim) != 4 || dim[1].Size != dim[2].Size || dim[3].Size != "3" || c.graph.side != 0 {
			return fmt.Errorf("%w: %s is no square picture of three channels, or not the only one", errModel, n.Name)
		}
		side, err := strconv.Atoi(dim[1].Size)
		if err != nil || side < 16 || side > 1024 {
			return fmt.Errorf("%w: %s is %s pixels a side", errModel, n.Name, dim[1].Size)
		}
		c.graph.side = side
		c.emit(n, nil, false, nil) // run puts the picture there
		return nil
	}
	if len(n.Input) == 0 {
		return fmt.Errorf("%w: %s (%s) has no input", errModel, n.Name, n.Op)
	}
	if ok, err := c.activation(n); ok || err != nil {
		return err
	}
	switch n.Op {
	case "Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "RealDiv", "BiasAdd":
		return c.twoSided(n)
	}
	x, err := c.value(n.Input[0])
	if err != nil {
		return err
	}
	in := []int{x}
	switch n.Op {
	case "Identity", "Squeeze":
		c.emit(n, in, true, func(_ *scratch, x []*tensor) *tensor { return x[0] })
	case "Reshape":
		w, err := c.weight(n, 1)
		if err != nil {
			return err
		}
		c.emit(n, in, true, func(_ *scratch, x []*tensor) *tensor { return reshaped(x[0], w.d) })
	case "Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative":
		return c.convolution(n, in)
	case "MatMul", "_FusedMatMul":
		return c.product(n, in)
	case "MaxPool", "AvgPool":
		k, stride, pad, err := windowOf(n)
		if err != nil {
			return err
		}
		pool := (*scratch).maxPool
		if n.Op == "AvgPool" {
			pool = (*scratch).meanPool
		}
		c.emit(n, in, false, func(s *scratch, x []*tensor) *tensor { return pool(s, x[0], k, stride, pad) })
	case "Pad", "PadV2":
		w, err := c.weight(n, 1)
		if err != nil {
			return err
		}
		if len(w.d) != 8 || slices.ContainsFunc(w.d, func(v float32) bool { return v < 0 || v > 4096 }) || w.d[0]+w.d[1] != 0 {
			return fmt.Errorf("%w: padding of %s", errModel, n.Name)
		}
		c.emit(n, in, false, func(s *scratch, x []*tensor) *tensor { return padded(s, x[0], w.d) })
	case "Mean", "Sum":
		return c.reduction(n, in)
	default:
		f, ok := oneSided[n.Op]
		if !ok {
			return fmt.Errorf("%w: the operation %s of %s is not known", errModel, n.Op, n.Name)
		}
		share := float32(0.2) // LeakyRelu's usual one
		if a := n.Attr["alpha"].F; a != nil {
			share = float32(*a)
		}
		c.emit(n, in, false, func(s *scratch, x []*tensor) *tensor {
			y := s.copyOf(x[0])
			f(y.d, share)
			return y
		})
	}
	return nil
}

// oneSided are the operations on each number by itself, and Softmax.
var oneSided = map[string]func(d []float32, share float32){
	"Relu":      func(d []float32, _ float32) { relu(d) },
	"Relu6":     func(d []float32, _ float32) { each(d, func(v float32) float32 { return min(max(v, 0), 6) }) },
	"LeakyRelu": leaky,
	"Elu": func(d []float32, _ float32) {
		each(d, func(v float32) float32 {
			if v < 0 {
				return float32(math.Expm1(float64(v)))
			}
			return v
		})
	},
	"Sigmoid": func(d []float32, _ float32) { each(d, sigmoid) },
	"Abs":     func(d []float32, _ float32) { each(d, func(v float32) float32 { return max(v, -v) }) },
	"Square":  func(d []float32, _ float32) { each(d, func(v float32) float32 { return v * v }) },
	"Sqrt": func(d []float32, _ float32) {
		each(d, func(v float32) float32 { return float32(math.Sqrt(float64(v))) })
	},
	"Rsqrt": func(d []float32, _ float32) {
		each(d, func(v float32) float32 { return float32(1 / math.Sqrt(float64(v))) })
	},
	"Neg": func(d []float32, _ float32) { each(d, func(v float32) float32 { return -v }) },
	"Softmax": func(d []float32, _ float32) {
		var sum float64
		top := slices.Max(d)
		for i, v := range d {
			e := math.Exp(float64(v - top))
			d[i] = float32(e)
			sum += e
		}
		for i := range d {
			d[i] /= float32(sum)
		}
	},
}

func each(d []float32, f func(float32) float32) {
	for i, v := range d {
		d[i] = f(v)
	}
}

// activation recognises two ways to write a PReLU out, and makes one step of each; both are found in networks
// for faces, and cost five passes over a map of features as they stand:
//
//	relu(x) + c·(x − |x|), whose share below zero is 2c
//	max(x, 0) + c·min(x, 0), whose share is c
func (c *compiler) activation(n *node) (bool, error) {
	if n.Op == "Prelu" {
		w, err := c.weight(n, 1)
		if err != nil {
			return false, err
		}
		return true, c.prelu(n, n.Input[0], w.d)
	}
	if (n.Op != "Add" && n.Op != "AddV2") || len(n.Input) != 2 {
		return false, nil
	}
	above, scaled := c.nodes[n.Input[0]], c.nodes[n.Input[1]]
	if above != nil && above.Op == "Mul" {
		above, scaled = scaled, above
	}
	if above == nil || scaled == nil || scaled.Op != "Mul" || len(scaled.Input) != 2 {
		return false, nil
	}
	factor, ok := c.weights[scaled.Input[1]]
	below := c.nodes[scaled.Input[0]]
	if !ok {
		factor, ok = c.weights[scaled.Input[0]]
		below = c.nodes[scaled.Input[1]]
	}
	if !ok || below == nil {
		return false, nil
	}
	var x string
	share := slices.Clone(factor.d)
	switch {
	case above.Op == "Relu" && below.Op == "Sub" && len(below.Input) == 2:
		x = above.Input[0]
		abs := c.nodes[below.Input[1]]
		if abs == nil || abs.Op != "Abs" || below.Input[0] != x || abs.Input[0] != x {
			return false, nil
		}
		for i := range share {
			share[i] *= 2
		}
	case above.Op == "Maximum" && below.Op == "Minimum":
		a, b := c.besideZero(above), c.besideZero(below)
		if a == "" || a != b {
			return false, nil
		}
		x = a
	default:
		return false, nil
	}
	return true, c.prelu(n, x, share)
}

// besideZero returns what a node compares with zero.
func (c *compiler) besideZero(n *node) string {
	if len(n.Input) != 2 {
		return ""
	}
	for i, name := range n.Input {
		if w, ok := c.weights[name]; ok && len(w.d) == 1 && w.d[0] == 0 {
			return n.Input[1-i]
		}
	}
	return ""
}

func (c *compiler) prelu(n *node, of string, share []float32) error {
	x, err := c.value(of)
	if err != nil {
		return err
	}
	if len(share) == 0 {
		return fmt.Errorf("%w: %s lacks its weights", errModel, n.Name)
	}
	c.emit(n, []int{x}, false, func(s *scratch, x []*tensor) *tensor {
		y := s.tensor(x[0].h, x[0].w, x[0].c)
		fits(n, y.c%len(share), 0)
		prelu(y.d, x[0].d, share)
		return y
	})
	return nil
}

// twoSided are the operations on pairs of numbers; the smaller side is repeated.
func (c *compiler) twoSided(n *node) error {
	if len(n.Input) != 2 {
		return fmt.Errorf("%w: %s (%s) has %d inputs", errModel, n.Name, n.Op, len(n.Input))
	}
	f := map[string]func(a, b float32) float32{
		"Add": plus, "AddV2": plus, "BiasAdd": plus,
		"Sub":     func(a, b float32) float32 { return a - b },
		"Mul":     func(a, b float32) float32 { return a * b },
		"RealDiv": func(a, b float32) float32 { return a / b },
		"Maximum": func(a, b float32) float32 { return max(a, b) },
		"Minimum": func(a, b float32) float32 { return min(a, b) },
	}[n.Op]
	var in []int
	var fixed [2]*tensor
	for i, name := range n.Input {
		if w, err := c.weight(n, i); err == nil {
			fixed[i] = &tensor{1, 1, len(w.d), w.d}
			continue
		}
		v, err := c.value(name)
		if err != nil {
			return err
		}
		in = append(in, v)
	}
	if len(in) == 0 {
		return fmt.Errorf("%w: %s (%s) has nothing to compute", errModel, n.Name, n.Op)
	}
	c.emit(n, in, false, func(s *scratch, x []*tensor) *tensor {
		a, b := fixed[0], fixed[1]
		if a == nil {
			a, x = x[0], x[1:]
		}
		if b == nil {
			b = x[0]
		}
		large := a
		if len(b.d) > len(a.d) {
			large = b
		}
		if len(a.d) == 0 || len(b.d) == 0 || len(large.d)%len(a.d) != 0 || len(large.d)%len(b.d) != 0 {
			panic(fmt.Sprintf("%s: %d and %d numbers do not fit", n.Name, len(a.d), len(b.d)))
		}
		y := s.tensor(large.h, large.w, large.c)
		if strings.HasPrefix(n.Op, "Add") && len(a.d) == len(b.d) {
			copy(y.d, a.d)
			add(y.d, b.d)
			return y
		}
		for i := range y.d {
			y.d[i] = f(a.d[i%len(a.d)], b.d[i%len(b.d)])
		}
		return y
	})
	return nil
}

func plus(a, b float32) float32 { return a + b }

// windowOf reads the size, stride and padding of a node's windows.
func windowOf(n *node) (k, stride int, pad padding, err error) {
	number := func(name string, or int) int {
		l := n.Attr[name].List.I
		if len(l) == 0 {
			return or
		}
		if len(l) != 4 || l[0] != "1" || l[1] != l[2] || l[3] != "1" {
			return -1
		}
		v, err := strconv.Atoi(l[1])
		if err != nil || v < 1 || v > 1024 {
			return -1
		}
		return v
	}
	k, stride = number("ksize", 1), number("strides", 1)
	if k < 0 || stride < 0 || number("dilations", 1) != 1 {
		return 0, 0, 0, fmt.Errorf("%w: windows of %s", errModel, n.Name)
	}
	if f := n.Attr["data_format"].S; f != "" && text(f) != "NHWC" {
		return 0, 0, 0, fmt.Errorf("%w: %s has its channels first", errModel, n.Name)
	}
	switch p := text(n.Attr["padding"].S); p {
	case "SAME":
		pad = same
	case "VALID":
		pad = valid
	default:
		return 0, 0, 0, fmt.Errorf("%w: padding %q of %s", errModel, p, n.Name)
	}
	return k, stride, pad, nil
}

// after is what a fused node does with its result; the bias is a part of the kernel.
func (c *compiler) after(n *node) (bias []float32, f func(d []float32), err error) {
	next := 2
	for _, op := range n.Attr["fused_ops"].List.S {
		switch op = text(op); op {
		case "BiasAdd":
			w, err := c.weight(n, next)
			if err != nil {
				return nil, nil, err
			}
			bias = w.d
			next++
		case "Prelu":
			w, err := c.weight(n, next)
			if err != nil {
				return nil, nil, err
			}
			if len(w.d) == 0 {
				return nil, nil, fmt.Errorf("%w: weights of %s", errModel, n.Name)
			}
			f = func(d []float32) { prelu(d, d, w.d) }
		case "Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu":
			share := float32(0.2)
			if a := n.Attr["leakyrelu_alpha"].F; a != nil {
				share = float32(*a)
			}
			g := oneSided[op]
			f = func(d []float32) { g(d, share) }
		default:
			return nil, nil, fmt.Errorf("%w: %s is fused with %s", errModel, n.Name, op)
		}
	}
	if f == nil {
		f = func([]float32) {}
	}
	return bias, f, nil
}

func (c *compiler) convolution(n *node, in []int) error {
	w, err := c.weight(n, 1)
	if err != nil {
		return err
	}
	_, stride, pad, err := windowOf(n)
	if err != nil {
		return err
	}
	bias, after, err := c.after(n)
	if err != nil {
		return err
	}
	if len(w.shape) != 4 {
		return fmt.Errorf("%w: weights of %s", errModel, n.Name)
	}
	k := kernel{h: w.shape[0], w: w.shape[1], in: w.shape[2], out: w.shape[3], d: w.d, bias: bias}
	if strings.Contains(n.Op, "Depthwise") {
		if k.out != 1 || bias != nil && len(bias) != k.in {
			return fmt.Errorf("%w: weights of %s", errModel, n.Name)
		}
		c.emit(n, in, false, func(s *scratch, x []*tensor) *tensor {
			fits(n, x[0].c, k.in)
			y := s.depthwise(x[0], k, stride, pad)
			after(y.d)
			return y
		})
		return nil
	}
	if bias != nil && len(bias) != k.out {
		return fmt.Errorf("%w: weights of %s", errModel, n.Name)
	}
	k = k.ready()
	c.emit(n, in, false, func(s *scratch, x []*tensor) *tensor {
		fits(n, x[0].c, k.in)
		y := s.convolve(x[0], k, stride, pad)
		after(y.d)
		return y
	})
	return nil
}

// fits stops a run in which a map of features has another size than its weights; openModel makes an error of it.
func fits(n *node, have, want int) {
	if have != want {
		panic(fmt.Sprintf("%s: %d values meet weights for %d", n.Name, have, want))
	}
}

func (c *compiler) product(n *node, in []int) error {
	w, err := c.weight(n, 1)
	if err != nil {
		return err
	}
	bias, after, err := c.after(n)
	if err != nil {
		return err
	}
	if len(w.shape) != 2 || bias != nil && len(bias) != w.shape[1] || n.Attr["transpose_a"].B || n.Attr["transpose_b"].B {
		return fmt.Errorf("%w: weights of %s", errModel, n.Name)
	}
	k := kernel{h: 1, w: 1, in: w.shape[0], out: w.shape[1], d: w.d, bias: bias}.ready()
	c.emit(n, in, false, func(s *scratch, x []*tensor) *tensor {
		fits(n, len(x[0].d), k.in)
		y := s.convolve(&tensor{1, 1, k.in, x[0].d}, k, 1, valid)
		after(y.d)
		return y
	})
	return nil
}

// reduction is the mean or sum over a picture's pixels, or over the channels of a single one.
func (c *compiler) reduction(n *node, in []int) error {
	axes, err := c.weight(n, 1)
	if err != nil {
		return err
	}
	slices.Sort(axes.d)
	var overPixels bool
	switch {
	case slices.Equal(axes.d, []float32{1, 2}):
		overPixels = true
	case len(axes.d) == 1 && (axes.d[0] == 1 || axes.d[0] == 3 || axes.d[0] == -1):
	default:
		return fmt.Errorf("%w: axes of %s", errModel, n.Name)
	}
	c.emit(n, in, false, func(s *scratch, x []*tensor) *tensor {
		t, count := x[0], 1
		y := s.tensor(1, 1, 1)
		if overPixels {
			s.back(y)
			y, count = s.tensor(1, 1, t.c), t.h*t.w
		} else if count = t.c; t.h*t.w != 1 {
			panic(n.Name + ": the channels of many pixels")
		}
		clear(y.d)
		for i, v := range t.d {
			y.d[i%y.c] += v
		}
		if n.Op == "Mean" {
			each(y.d, func(v float32) float32 { return v / float32(count) })
		}
		return y
	})
	return nil
}

// reshaped sees the same numbers in another shape; only its last side matters to what follows.
func reshaped(x *tensor, shape []float32) *tensor {
	if len(shape) == 4 && shape[1] > 0 && shape[2] > 0 && shape[3] > 0 {
		if h, w, c := int(shape[1]), int(shape[2]), int(shape[3]); h*w*c == len(x.d) {
			return &tensor{h, w, c, x.d}
		}
	}
	c := len(x.d)
	if last := int(shape[len(shape)-1]); last > 0 && c%last == 0 {
		c = last
	}
	return &tensor{1, len(x.d) / c, c, x.d}
}

// padded returns a map with zeros around it, and after its channels.
//
//go:norace
func padded(s *scratch, x *tensor, p []float32) *tensor {
	y := s.tensor(x.h+int(p[2]+p[3]), x.w+int(p[4]+p[5]), x.c+int(p[6]+p[7]))
	clear(y.d)
	for row := range x.h {
		for col := range x.w {
			copy(y.d[((row+int(p[2]))*y.w+col+int(p[4]))*y.c+int(p[6]):][:x.c], x.d[(row*x.w+col)*x.c:])
		}
	}
	return y
}

// run computes the wanted values for a picture. The caller gives both back.
func (g *graph) run(s *scratch, picture *tensor) []*tensor {
	v := make([]*tensor, len(g.steps))
	for i, st := range g.steps {
		v[i] = picture
		if st.run != nil {
			v[i] = st.run(s, v)
		}
		for _, o := range st.done {
			s.back(v[o])
		}
	}
	out := make([]*tensor, len(g.want))
	for i, w := range g.want {
		out[i] = v[w]
	}
	return out
}
