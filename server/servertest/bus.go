package servertest

import (
	"context"
	"sync/atomic"

	"github.com/symbolon/symbolon/live"
)

// bus is that of a server that has no other nodes.
type bus struct{ seq atomic.Int64 }

var _ live.Bus = (*bus)(nil)

func (b *bus) Next(_ context.Context, _ string, floor int64) (int64, error) {
	for {
		last := b.seq.Load()
		if next := max(last, floor) + 1; b.seq.CompareAndSwap(last, next) {
			return next, nil
		}
	}
}

func (b *bus) Changed(ctx context.Context, caseID string, floor int64) (int64, error) {
	return b.Next(ctx, caseID, floor)
}

func (b *bus) Relay(context.Context, []byte) error { return nil }

func (b *bus) Run(ctx context.Context, _ func(string, int64), _ func([]byte), lost func()) error {
	lost()
	<-ctx.Done()
	return nil
}
