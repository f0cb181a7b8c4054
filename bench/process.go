package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is something this benchmark started and will end.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// start runs a program whose output is read line by line; what it complains of goes to complaints.
func start(name, program string, complaints io.Writer, env []string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(program, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = complaints
	// Whatever becomes of us, what we started ends too.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 64<<10)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// role runs this program again as one of the roles of roles.go, and reads what it says first into said.
func role(name string, settings, said any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	p, err := start(name, self, os.Stderr, nil, "role", name, string(text))
	if err != nil {
		return nil, err
	}
	if err := p.read(said); err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not start: %w", name, err), p.stop())
	}
	return p, nil
}

// read reads one line of JSON.
func (p *process) read(v any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

// ask writes a line and reads the answer.
func (p *process) ask(line string, v any) error {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return err
	}
	return p.read(v)
}

// stop ends the process, kindly first.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	_ = p.in.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	kill := time.AfterFunc(15*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	_, _ = io.Copy(io.Discard, p.out)
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// cpu is the processor time a process has used, in user and system mode.
func (p *process) cpu() time.Duration { return cpuOf(p.cmd.Process.Pid) }

func cpuOf(pid int) time.Duration {
	var ts unix.Timespec
	// The clock of another process, as clock_getcpuclockid(3) makes it.
	if unix.ClockGettime(int32(^pid<<3|2), &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func cpuOfAll(all ...*process) (d time.Duration) {
	for _, p := range all {
		if p != nil {
			d += p.cpu()
		}
	}
	return d
}

// memory is the resident set in bytes.
func (p *process) memory() int64 { return p.status("VmRSS:") }

// status is a line of /proc/PID/status, in bytes; 0 when there is none.
func (p *process) status(field string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, field); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// startRedis starts a Redis that keeps nothing, on a free port of this machine.
func startRedis(ctx context.Context, dir string) (*process, string, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	_, port, _ := net.SplitHostPort(address)
	home := filepath.Join(dir, "redis-"+port)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, "", err
	}
	p, err := start("redis", "redis-server", os.Stderr, nil, "--port", port, "--bind", "127.0.0.1", "--dir", home,
		"--save", "", "--appendonly", "no", "--loglevel", "warning", "--maxclients", "4000")
	if err != nil {
		return nil, "", err
	}
	if err := answers(ctx, address); err != nil {
		return nil, "", errors.Join(err, p.stop())
	}
	return p, address, nil
}

// answers waits until somebody accepts connections there.
func answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody answers at %s: %w", address, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// say is how a role answers its starter.
func say(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
