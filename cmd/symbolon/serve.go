package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/symbolon/symbolon/server"
)

// serve runs the server until it is told to stop.
func serve(ctx context.Context, args []string, std stdio) error {
	c, err := readConfig("serve", args, std.environ, std.out)
	if err != nil {
		return err
	}
	log := newLog(c, std.err)
	p, err := build(ctx, c, log)
	if err != nil {
		return err
	}
	// What many idle sockets need is stacks and small values that stay: collecting twice as often
	// costs little time and gives a quarter of the memory back. GOGC decides where it is set.
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(50))
	}
	debug.FreeOSMemory() // what only the start needed, half of it all
	p.greet(c, std.out)
	return p.run(ctx)
}

// greet says where to go, once everything listens.
func (p *program) greet(c config, w io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "Symbolon %s is ready.\n\n", version)
	for _, l := range p.listeners {
		if !l.secure {
			fmt.Fprintf(&b, "  Desk    http://localhost:%s\n", portOf(l))
		}
	}
	fmt.Fprintf(&b, "  Phones  %s/h\n", p.publicURL)
	if len(p.addresses) > 1 && c.PublicURL == "" {
		fmt.Fprintf(&b, "          also %s\n", strings.Join(p.addresses[1:], " "))
	}
	if c.TLS == "local" {
		fmt.Fprintf(&b, "          A phone has to trust this machine once: %s/trust shows how.\n", p.publicURL)
		fmt.Fprintf(&b, "          Its certificate's SHA-256 fingerprint: %s\n", server.Fingerprint(p.ca))
	}
	fmt.Fprintf(&b, "  Data    %s\n", c.Data)
	if c.Key == "" {
		fmt.Fprintf(&b, "  Key     %s (keep a copy elsewhere: without it nobody can read the data)\n", c.KeyFile)
	}
	fmt.Fprintf(&b, "  Reading %s\n", p.reading)
	fmt.Fprintf(&b, "  Playing %s\n", p.playing)
	if c.SpeechURL != "" {
		fmt.Fprintf(&b, "  Hearing %s\n", p.hearing)
	}
	if p.alipay != nil {
		fmt.Fprintf(&b, "  Alipay  %s\n", p.alipay)
	}
	b.WriteString("\nStop it with Ctrl+C.\n")
	_, _ = io.WriteString(w, b.String())
}

func newLog(c config, w io.Writer) *slog.Logger {
	if c.Log == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// lock makes sure that one process at a time keeps its sessions in a data folder. With a Redis of
// its own nothing in the folder is one process's alone.
func lock(c config) (unlock func() error, err error) {
	if c.RedisURL != "" {
		return func() error { return nil }, nil
	}
	f, err := os.OpenFile(filepath.Join(c.Data, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data folder cannot be locked: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another symbolon runs on %s; stop it, or give this one another --data", c.Data)
		}
		return nil, fmt.Errorf("the data folder cannot be locked: %w", err)
	}
	return f.Close, nil
}
