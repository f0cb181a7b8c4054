package caseffmpeg

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// apart is what a program is kept from.
type apart struct {
	network  bool   // every network; where the server runs as root, being root too
	files    bool   // every file but programs and libraries
	programs string // folder of the programs
}

// task is one run of a program.
type task struct {
	program string
	args    []string
	files   []*os.File  // as descriptors 3 and on
	out     []io.Writer // standard output, then the descriptors after files
	said    io.Writer   // standard error; nobody keeps it, as it may hold what was read
	within  time.Duration
	most    int64 // bytes of a file that it may write; 0: none
}

// run runs a program within its limits. It is ended when its time is over or somebody who reads it has had enough.
func (i *Inspector) run(ctx context.Context, t task) error {
	ctx, cancel := context.WithTimeout(ctx, t.within)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	name, args := t.program, t.args
	if i.shell != "" {
		// A system that does not know one of the limits goes on without it. Shells count files in units of 512 or 1024 bytes.
		limits := fmt.Sprintf("ulimit -v %d; ulimit -t %d; ulimit -f %d; ulimit -n %d; ulimit -c 0", memoryKiB, int(t.within/time.Second)+1, (t.most+511)/512, openFiles)
		args = append([]string{"-c", "{ " + limits + "; } 2>/dev/null; exec \"$@\"", "sh", name}, args...)
		name = i.shell
	}
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // a program found at start, and arguments of ours
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	cmd.ExtraFiles = append(cmd.ExtraFiles, t.files...)
	cmd.WaitDelay = time.Second
	cmd.Stderr = t.said
	var reading sync.WaitGroup
	var theirs, ours []*os.File
	defer func() { // twice is harmless
		for _, f := range append(theirs, ours...) {
			f.Close()
		}
	}()
	for n, w := range t.out {
		r, p, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("caseffmpeg: %w", err)
		}
		ours, theirs = append(ours, r), append(theirs, p)
		if n == 0 {
			cmd.Stdout = p
		} else {
			cmd.ExtraFiles = append(cmd.ExtraFiles, p)
		}
		reading.Go(func() {
			if _, err := io.Copy(writer{w}, r); err != nil && ctx.Err() == nil {
				stop(err)
			}
			_, _ = io.Copy(io.Discard, r) // what is written while it is being ended
		})
	}
	err := start(cmd, i.apart)
	for _, p := range theirs {
		p.Close()
	}
	if err != nil {
		reading.Wait()
		return fmt.Errorf("caseffmpeg: %w", err)
	}
	err = cmd.Wait()
	for _, r := range ours { // a child of its that holds on is not waited for
		_ = r.SetReadDeadline(time.Now().Add(cmd.WaitDelay))
	}
	reading.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("caseffmpeg: %w", err)
	}
	return nil
}

// writer hides everything but Write: a ReadFrom would go round limits.
type writer struct{ io.Writer }

// text takes what a program says, so much and no more.
type text struct {
	b    bytes.Buffer
	most int
}

func (t *text) Write(p []byte) (int, error) {
	most := t.most
	if most == 0 {
		most = mostText
	}
	if t.b.Len()+len(p) > most {
		return 0, errTooMuch
	}
	return t.b.Write(p)
}

func (t *text) String() string { return t.b.String() }

// lines counts what a decoder complains of, and forgets it.
type lines struct{ n int }

func (l *lines) Write(p []byte) (int, error) {
	l.n += bytes.Count(p, []byte{'\n'})
	return len(p), nil
}
