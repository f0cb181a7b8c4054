package main

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/symbolon/symbolon/live"
)

// Whoever still holds the live view of a program that stops is told, and nobody new is let in.
func TestAStopEndsTheLiveView(t *testing.T) {
	c, err := readConfig("serve", []string{"--listen", "127.0.0.1:0", "--data", t.TempDir()}, nil, io.Discard)
	must(t, err)
	p, err := build(t.Context(), c, slog.New(slog.DiscardHandler))
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	open := p.hub.Join("case", live.Desk)
	stop()
	must(t, p.run(ctx))
	for _, l := range []*live.Listener{open, p.hub.Join("case", live.Desk)} {
		if l.Why() != live.Going {
			t.Errorf("ended for %q", l.Why())
		}
	}
}
