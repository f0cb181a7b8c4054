package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/sessions"
	"github.com/symbolon/symbolon/sessions/sessionredis"
)

// uploadPlan is what the uploads are asked.
type uploadPlan struct {
	count, size, chunk int // uploads at once, the bytes of each, and of each request
	rounds             int
	phones             int           // slow ones, for memory
	slowFor            time.Duration // how long they send
	cuts               int           // uploads whose connection falls silent
	bare               bool          // also without sealing and hashing, for which a server is built
}

const (
	slowRate = 500_000 // bytes a second and phone
	slowStep = 100 * time.Millisecond
	cutWait  = 300 * time.Millisecond // before a phone comes back over another connection
)

// sink is a server that takes uploads.
type sink struct {
	name    string
	address string
	token   string // "" where nobody asks
	parts   []*process
	paths   []string // of uploads to fill
	tokens  []string // who may, if not token
	stop    func() error
}

// kind starts a fresh server with n empty uploads of size bytes.
type kind struct {
	name  string
	start func(ctx context.Context, dir string, n, size int) (*sink, error)
}

func uploads(ctx context.Context, dir, program, tusd string, plan uploadPlan) (err error) {
	ours := symbolonSink("symbolon", program)
	all := []kind{ours}
	if plan.bare {
		plain, err := buildPlain(ctx, dir)
		if err != nil {
			return fmt.Errorf("build the server without sealing: %w", err)
		}
		all = append(all, symbolonSink("symbolon, neither sealing nor hashing", plain))
	}
	peer := kind{"tusd", func(ctx context.Context, dir string, n, size int) (*sink, error) {
		return tusdSink(ctx, tusd, dir, n, size)
	}}
	fmt.Printf("Uploads: %d at once, %d MiB each in requests of %d KiB, rounds: %d\n", plan.count, plan.size>>20, plan.chunk>>10, plan.rounds)
	all = append(all, peer)
	speed, cpu := map[string][]float64{}, map[string][]float64{}
	for range plan.rounds {
		for _, k := range all {
			r, err := fill(ctx, dir, k, plan)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			speed[k.name], cpu[k.name] = append(speed[k.name], r.speed), append(cpu[k.name], r.cpu)
		}
	}
	for _, k := range all {
		fmt.Printf("  %-44s %8.0f MB/s %8.2f s of processor for a GB\n", k.name, median(speed[k.name]), median(cpu[k.name]))
	}
	ratio := func(m map[string][]float64, a kind) float64 { return median(m[a.name]) / median(m[peer.name]) }
	verdictAtLeast("speed, sealed, hashed and synced, against tusd plain", ratio(speed, ours), 1)
	verdict("processor for a GB, the same", ratio(cpu, ours), 1)
	if plan.bare {
		verdictAtLeast("speed without sealing and hashing, still synced", ratio(speed, all[1]), 1.5)
		verdict("processor for a GB, the same", ratio(cpu, all[1]), 0.6)
	}

	fmt.Printf("Memory while %d phones send %d kB/s each\n", plan.phones, slowRate/1000)
	var peaks, resting [2]float64
	for i, k := range []kind{ours, peer} {
		if resting[i], peaks[i], err = crawl(ctx, dir, k, plan); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		fmt.Printf("  %-44s %8.1f MiB, %.1f before\n", k.name, peaks[i]/(1<<20), resting[i]/(1<<20))
	}
	verdict("memory of the whole server against tusd's", peaks[0]/peaks[1], 1)
	note("what the phones add to it, against tusd's", (peaks[0]-resting[0])/(peaks[1]-resting[1]))

	fmt.Printf("Going on over a new connection while the old one is silent, %d uploads one after the other\n", plan.cuts)
	var slow [2]float64
	for i, k := range []kind{ours, peer} {
		took, err := cut(ctx, dir, k, plan)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		slow[i] = float64(quantile(took, 0.99))
		fmt.Printf("  %-44s %8.1f ms p99 %8.1f ms p50, from asking for the offset to the next request's answer\n", k.name, slow[i]/1e6, float64(quantile(took, 0.5))/1e6)
	}
	verdict("resume after a cut, p99, against tusd's", slow[0]/slow[1], 0.1)
	return nil
}

// filled is what filling a server's uploads showed.
type filled struct{ speed, cpu float64 } // MB/s; seconds for a GB

func fill(ctx context.Context, dir string, k kind, plan uploadPlan) (r filled, err error) {
	s, err := k.start(ctx, dir, plan.count, plan.size)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	body := bodyOf(plan.size)
	unix.Sync() // what others wrote is not written out meanwhile
	began, used := time.Now(), cpuOfAll(s.parts...)
	var g errgroup.Group
	for i := range plan.count {
		g.Go(func() error {
			c, err := s.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			for at := 0; at < plan.size; at += plan.chunk {
				if err := c.patch(i, at, body[at:min(at+plan.chunk, plan.size)]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	mb := float64(plan.count) * float64(plan.size) / 1e6
	r.speed = mb / time.Since(began).Seconds()
	r.cpu = (cpuOfAll(s.parts...) - used).Seconds() / mb * 1000
	return r, nil
}

// crawl lets slow phones send, and returns the anonymous memory before and the most that was seen.
func crawl(ctx context.Context, dir string, k kind, plan uploadPlan) (before, peak float64, err error) {
	size := int(slowRate * (plan.slowFor + 5*time.Second).Seconds())
	s, err := k.start(ctx, dir, plan.phones, size)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	before = anonymous(s.parts)
	body := bodyOf(size)
	end := time.Now().Add(plan.slowFor)
	var g errgroup.Group
	for i := range plan.phones {
		g.Go(func() error {
			time.Sleep(time.Duration(i) * slowStep / time.Duration(plan.phones))
			c, err := s.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			tick := time.NewTicker(slowStep)
			defer tick.Stop()
			step := slowRate * int(slowStep) / int(time.Second)
			for at := 0; time.Now().Before(end); {
				n := min(plan.chunk, size-at)
				if err := c.head(i, at, n); err != nil {
					return err
				}
				for sent := 0; sent < n; sent += step {
					<-tick.C
					if _, err := c.Write(body[at+sent : at+min(sent+step, n)]); err != nil {
						return err
					}
				}
				if err := c.answer(at + n); err != nil {
					return err
				}
				at += n
			}
			return nil
		})
	}
	for time.Now().Before(end) {
		time.Sleep(100 * time.Millisecond)
		peak = max(peak, anonymous(s.parts))
	}
	return before, peak, g.Wait()
}

// cut stops sending in the middle of a request, without closing the connection, and goes on over another one.
func cut(ctx context.Context, dir string, k kind, plan uploadPlan) (took []int64, err error) {
	size := 2 * plan.chunk
	s, err := k.start(ctx, dir, plan.cuts, size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	body := bodyOf(size)
	for i := range plan.cuts {
		old, err := s.dial()
		if err != nil {
			return nil, err
		}
		defer old.Close()
		if err := old.head(i, 0, plan.chunk); err != nil {
			return nil, err
		}
		if _, err := old.Write(body[:plan.chunk/2]); err != nil {
			return nil, err
		}
		time.Sleep(cutWait)
		c, err := s.dial()
		if err != nil {
			return nil, err
		}
		defer c.Close()
		began := time.Now()
		for {
			at, err := c.offset(i)
			if err != nil {
				return nil, err
			}
			// On a busy machine the old request may be let in after the offset was told; clients ask again.
			err = c.patch(i, at, body[at:at+4096])
			if err == nil {
				break
			}
			if !errors.Is(err, errOffset) {
				return nil, err
			}
		}
		took = append(took, time.Since(began).Nanoseconds())
	}
	return took, nil
}

// bodyOf is n bytes that begin as a photo does.
func bodyOf(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	copy(b, "\xff\xd8\xff\xe0")
	return b
}

// anonymous is the memory of processes that is no file's.
func anonymous(all []*process) float64 {
	var sum float64
	for _, p := range all {
		sum += float64(p.status("RssAnon:"))
	}
	return sum
}

// sender is one connection of a client that costs as little as possible: both share the processors.
type sender struct {
	net.Conn
	s   *sink
	in  *bufio.Reader
	out []byte
}

func (s *sink) dial() (*sender, error) {
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		return nil, err
	}
	return &sender{Conn: c, s: s, in: bufio.NewReaderSize(c, 4<<10)}, nil
}

func (c *sender) begin(method string, i int) {
	c.out = fmt.Appendf(c.out[:0], "%s %s HTTP/1.1\r\nHost: %s\r\nTus-Resumable: 1.0.0\r\n", method, c.s.paths[i], c.s.address)
	if c.s.tokens != nil {
		c.out = fmt.Appendf(c.out, "Authorization: Bearer %s\r\n", c.s.tokens[i])
	}
}

// head writes the head of a PATCH of n bytes.
func (c *sender) head(i, at, n int) error {
	c.begin("PATCH", i)
	c.out = fmt.Appendf(c.out, "Content-Type: application/offset+octet-stream\r\nUpload-Offset: %d\r\nContent-Length: %d\r\n\r\n", at, n)
	_, err := c.Write(c.out)
	return err
}

func (c *sender) patch(i, at int, b []byte) error {
	c.begin("PATCH", i)
	c.out = fmt.Appendf(c.out, "Content-Type: application/offset+octet-stream\r\nUpload-Offset: %d\r\nContent-Length: %d\r\n\r\n", at, len(b))
	parts := net.Buffers{c.out, b}
	if _, err := parts.WriteTo(c.Conn); err != nil {
		return err
	}
	return c.answer(at + len(b))
}

// answer reads the answer to a PATCH.
func (c *sender) answer(want int) error {
	status, header, err := c.read()
	if err != nil {
		return err
	}
	if status == 409 && header["content-length"] != "" {
		n, err := strconv.Atoi(header["content-length"])
		if err != nil {
			return err
		}
		if _, err := c.in.Discard(n); err != nil {
			return err
		}
		return errOffset
	}
	if got := header["upload-offset"]; status != 204 || got != strconv.Itoa(want) {
		return fmt.Errorf("a PATCH to %d was answered %d, offset %q", want, status, got)
	}
	return nil
}

// errOffset says that an upload is not where its sender believes.
var errOffset = errors.New("the offset is another one")

// offset asks how far an upload is.
func (c *sender) offset(i int) (int, error) {
	c.begin("HEAD", i)
	if _, err := c.Write(append(c.out, "\r\n"...)); err != nil {
		return 0, err
	}
	status, header, err := c.read()
	if err != nil {
		return 0, err
	}
	if status != 200 && status != 204 {
		return 0, fmt.Errorf("a HEAD was answered %d", status)
	}
	return strconv.Atoi(header["upload-offset"])
}

// read reads an answer without a body.
func (c *sender) read() (status int, header map[string]string, err error) {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	line, err := c.in.ReadString('\n')
	if err != nil {
		return 0, nil, err
	}
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return 0, nil, fmt.Errorf("an answer begins with %q", line)
	}
	if status, err = strconv.Atoi(fields[1]); err != nil {
		return 0, nil, err
	}
	header = map[string]string{}
	for {
		if line, err = c.in.ReadString('\n'); err != nil {
			return 0, nil, err
		}
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !ok {
			return status, header, nil
		}
		header[strings.ToLower(name)] = strings.TrimSpace(value)
	}
}

// tusdSink starts tusd as it comes, on a folder, and makes uploads on it.
func tusdSink(ctx context.Context, program, dir string, n, size int) (s *sink, err error) {
	home, err := os.MkdirTemp(dir, "tusd-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(address)
	p, err := start("tusd", program, io.Discard, nil, "-host", host, "-port", port, "-upload-dir", home, "-verbose=false", "-show-greeting=false")
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, p.out) }()
	s = &sink{name: "tusd", address: address, parts: []*process{p}}
	s.stop = func() error { return errors.Join(p.stop(), os.RemoveAll(home)) }
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if err := answers(ctx, address); err != nil {
		return nil, err
	}
	c, err := s.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for range n {
		if _, err := fmt.Fprintf(c, "POST /files/ HTTP/1.1\r\nHost: %s\r\nTus-Resumable: 1.0.0\r\nUpload-Length: %d\r\nContent-Length: 0\r\n\r\n", address, size); err != nil {
			return nil, err
		}
		status, header, err := c.read()
		if err != nil || status != 201 {
			return nil, fmt.Errorf("a creation was answered %d, %w", status, err)
		}
		_, path, _ := strings.Cut(strings.TrimPrefix(header["location"], "http://"), "/")
		s.paths = append(s.paths, "/"+path)
	}
	return s, nil
}

// symbolonSink starts the server's own program on a real Redis, with cases that wait for the bytes of their photos.
func symbolonSink(name, program string) kind {
	return kind{name, func(ctx context.Context, dir string, n, size int) (s *sink, err error) {
		home, err := os.MkdirTemp(dir, "symbolon-")
		if err != nil {
			return nil, err
		}
		s = &sink{name: name}
		s.stop = func() error {
			var err error
			for i := len(s.parts) - 1; i >= 0; i-- {
				err = errors.Join(err, s.parts[i].stop())
			}
			return errors.Join(err, os.RemoveAll(home))
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, s.stop())
			}
		}()
		redis, redisAddress, err := startRedis(ctx, home)
		if err != nil {
			return nil, err
		}
		s.parts = append(s.parts, redis)
		key := seal.NewKey()
		if err := s.prepare(ctx, home, redisAddress, key, n, size); err != nil {
			return nil, err
		}
		if s.address, err = freeAddress(); err != nil {
			return nil, err
		}
		log, err := os.Create(filepath.Join(home, "log"))
		if err != nil {
			return nil, err
		}
		defer log.Close()
		p, err := start("symbolon", program, log, []string{"SYMBOLON_KEY=" + key.Encode()}, "serve",
			"--listen", s.address, "--public-url", "http://"+s.address, "--data", home, "--redis-url", "redis://"+redisAddress)
		if err != nil {
			return nil, err
		}
		go func() { _, _ = io.Copy(io.Discard, p.out) }()
		s.parts = append(s.parts, p)
		if err := answers(ctx, s.address); err != nil {
			said, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("%w\n%s", err, said)
		}
		// Its door is open before everything behind it is; an answer says that it is.
		res, err := http.Get("http://" + s.address + "/readyz")
		if err != nil {
			return nil, err
		}
		return s, res.Body.Close()
	}}
}

// prepare stores cases with one open take each, as the server would, for the server to find.
func (s *sink) prepare(ctx context.Context, home, redis string, key seal.Key, n, size int) (err error) {
	keys := seal.NewKeyring(key)
	backend, err := casesqlite.Open(ctx, filepath.Join(home, "cases.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	book, err := cases.New(ctx, cases.Config{
		Store: backend, History: backend, Accounts: backend, Keys: keys, Changed: func(context.Context, string) {},
		Evidence: func(context.Context, string) (cases.Evidence, error) { return nil, errors.New("there is none") },
		Destroy:  func(context.Context, string) error { return nil },
	})
	if err != nil {
		return err
	}
	client, err := sessionredis.Open(ctx, "redis://"+redis)
	if err != nil {
		return err
	}
	defer client.Close()
	people, err := sessions.New(sessions.Config{Store: sessionredis.New(client), Key: keys.Derive("sessions")})
	if err != nil {
		return err
	}
	files, err := mediafs.Open(filepath.Join(home, "media"))
	if err != nil {
		return err
	}
	store, err := media.New(media.Config{Store: files, Key: book.Key, Completed: func(context.Context, media.Status) error { return nil }})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for i := range n {
		account := fmt.Sprintf("acc_%026d", i)
		c, err := book.Create(ctx, cases.Account{ID: account}, cases.Person)
		if err != nil {
			return err
		}
		token, session, err := people.Start(ctx, sessions.Session{Kind: sessions.Bearer, AccountID: account})
		if err != nil {
			return err
		}
		now := time.Now().UTC()
		id := "upl_" + ulid.Make().String()
		d, err := backend.Case(ctx, c.ID)
		if err != nil {
			return err
		}
		for l := range d.Levels {
			d.Levels[l].State = cases.Open
		}
		for st := range d.Steps {
			if d.Steps[st].ID == cases.DocumentFront {
				d.Steps[st].Takes = append(d.Steps[st].Takes, cases.Take{
					UploadID: id, Epoch: d.HandoffEpoch, Owner: session.ID, State: cases.TakeOpen, Reserved: int64(size), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
				})
			}
		}
		d.Version++
		if err := backend.ReplaceCase(ctx, d, -1); err != nil {
			return err
		}
		_, err = store.Create(ctx, media.Info{
			ID: id, CaseID: c.ID, Step: cases.DocumentFront, Epoch: d.HandoffEpoch, Owner: session.ID, MaxBytes: int64(size), CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		}, int64(size))
		if err != nil {
			return err
		}
		s.paths, s.tokens = append(s.paths, "/v1/uploads/"+id), append(s.tokens, token)
	}
	return nil
}

// plainly is what is taken out of the server to see what sealing and hashing cost: the two functions through which
// uploads are sealed and opened, and the reading back with the digest. The server that runs for people has no such switch.
var plainly = []struct{ file, from, to string }{
	{"seal/seal.go", "return b.random.Seal(dst, nil, plaintext, bound)",
		"return append(append(append(dst, make([]byte, 12)...), plaintext...), make([]byte, 16)...)"},
	{"seal/seal.go", "out, err := b.random.Open(dst, nil, sealed, bound)",
		"out, err := append(dst, sealed[12:len(sealed)-16]...), error(nil)"},
	{"media/writer.go", "sum, err := g.digest()", "sum, err := make([]byte, 32), error(nil); _ = g"},
}

// buildPlain builds the server with those lines replaced.
func buildPlain(ctx context.Context, dir string) (program string, err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, p := range plainly {
		name := filepath.Join(root, p.file)
		from := name
		if r, ok := replace[name]; ok {
			from = r
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if bytes.Count(text, []byte(p.from)) != 1 {
			return "", fmt.Errorf("%s has not the line %q once", p.file, p.from)
		}
		replace[name] = filepath.Join(dir, fmt.Sprintf("plain-%d.go", i))
		if err := os.WriteFile(replace[name], bytes.Replace(text, []byte(p.from), []byte(p.to), 1), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return "", err
	}
	program = filepath.Join(dir, "symbolon-plain")
	build := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/symbolon")
	build.Dir, build.Stderr = root, os.Stderr
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	return program, build.Run()
}
