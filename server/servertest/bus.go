package servertest

import (
	"context"
	"sync/atomic"

	"github.com/symbolon/symbolon/live"
)

// bus is that of a server that has no other nodes.
type bus struct{ seq atomic.Int64 }

var _ live.Bus = (*bus)(nil)

func (b *bus) Next(context.Context, string) (int64, error)    { return b.seq.Add(1), nil }
func (b *bus) Changed(context.Context, string) (int64, error) { return b.seq.Add(1), nil }
func (b *bus) Relay(context.Context, []byte) error            { return nil }

func (b *bus) Run(ctx context.Context, _ func(string, int64), _ func([]byte), lost func()) error {
	lost()
	<-ctx.Done()
	return nil
}
