// Package liveredis is the live.Bus on Redis.
//
// A node subscribes once, to two fixed channels, for as long as it runs. There is no
// subscription per case, so none can be lost while sockets come and go.
package liveredis

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/symbolon/symbolon/live"
)

//go:embed seq.lua
var seqSource string

const (
	seqKey         = "symbolon:seq:"
	seqTTL         = 24 * time.Hour
	changedChannel = "symbolon:live:changed" // "node seq case"
	relayedChannel = "symbolon:live:relayed" // "node payload"
	silence        = 10 * time.Second        // then the subscription is asked whether it lives
	retryFirst     = 50 * time.Millisecond
	retryMost      = 2 * time.Second
)

// Bus is one node's live.Bus.
type Bus struct {
	client redis.UniversalClient
	node   string // tells our own messages apart
	seq    *redis.Script
}

var _ live.Bus = (*Bus)(nil)

// New returns the bus of a node on the client, which stays the caller's to close.
func New(client redis.UniversalClient) *Bus {
	return &Bus{client: client, node: rand.Text(), seq: redis.NewScript(seqSource)}
}

// Next is a method of live.Bus.
func (b *Bus) Next(ctx context.Context, caseID string, floor int64) (int64, error) {
	g, err := given(b.seq.Run(ctx, b.client, []string{seqKey + caseID}, b.args(live.Change{CaseID: caseID, Floor: floor}, "")...))
	return g.Seq, err
}

// Changed is a method of live.Bus.
func (b *Bus) Changed(ctx context.Context, changes []live.Change) ([]live.Given, error) {
	if len(changes) == 1 { // which is usual, and cheaper without a pipeline
		g, err := given(b.seq.Run(ctx, b.client, []string{seqKey + changes[0].CaseID}, b.args(changes[0], changedChannel)...))
		return []live.Given{g}, err
	}
	numbers := make([]live.Given, len(changes))
	replies := make([]*redis.Cmd, len(changes))
	pipe := b.client.Pipeline()
	for i, c := range changes {
		replies[i] = b.seq.EvalSha(ctx, pipe, []string{seqKey + c.CaseID}, b.args(c, changedChannel)...)
	}
	_, _ = pipe.Exec(ctx) // each reply says what became of it
	var failed error
	for i, c := range changes {
		if redis.HasErrorPrefix(replies[i].Err(), "NOSCRIPT") {
			// Redis was restarted, or it is another one.
			replies[i] = b.seq.Eval(ctx, b.client, []string{seqKey + c.CaseID}, b.args(c, changedChannel)...)
		}
		var err error
		if numbers[i], err = given(replies[i]); err != nil {
			failed = err
		}
	}
	return numbers, failed
}

// args are those of seq.lua; an empty channel publishes nothing.
func (b *Bus) args(c live.Change, channel string) []any {
	return []any{c.Floor, seqTTL.Milliseconds(), channel, b.node, c.CaseID}
}

func given(reply *redis.Cmd) (live.Given, error) {
	text, err := reply.Text()
	if err != nil {
		return live.Given{}, fmt.Errorf("take a number: %w", err)
	}
	seq, before, _ := strings.Cut(text, " ")
	var g live.Given
	if g.Seq, err = strconv.ParseInt(seq, 10, 64); err == nil {
		g.Before, err = strconv.ParseInt(before, 10, 64)
	}
	if err != nil {
		return live.Given{}, fmt.Errorf("take a number: %w", err)
	}
	return g, nil
}

// Relay is a method of live.Bus.
func (b *Bus) Relay(ctx context.Context, payload []byte) error {
	if err := b.client.Publish(ctx, relayedChannel, b.node+" "+string(payload)).Err(); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	return nil
}

// Run is a method of live.Bus.
func (b *Bus) Run(ctx context.Context, changed func(caseID string, seq int64), relayed func(payload []byte), lost func()) error {
	wait := retryFirst
	for ctx.Err() == nil {
		if b.listen(ctx, changed, relayed, lost) {
			wait = retryFirst
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			wait = min(2*wait, retryMost)
		}
	}
	return nil
}

// listen delivers from one subscription until it breaks. worked says that it stood.
func (b *Bus) listen(ctx context.Context, changed func(caseID string, seq int64), relayed func(payload []byte), lost func()) (worked bool) {
	sub := b.client.Subscribe(ctx, changedChannel, relayedChannel)
	defer sub.Close()
	// Receiving does not look at ctx once it waits.
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer stop()

	// Both channels must be confirmed before anything counts as heard.
	confirmed := map[string]bool{}
	asked := false
	for {
		m, err := sub.ReceiveTimeout(ctx, silence)
		if err != nil {
			var timeout net.Error
			if ctx.Err() != nil || !errors.As(err, &timeout) || !timeout.Timeout() || asked || sub.Ping(ctx) != nil {
				return worked // a new subscription says lost itself
			}
			asked = true
			continue
		}
		asked = false
		switch m := m.(type) {
		case *redis.Subscription:
			if m.Kind == "subscribe" {
				// go-redis may have reconnected by itself: each confirmation of both counts.
				if confirmed[m.Channel] {
					clear(confirmed)
				}
				if confirmed[m.Channel] = true; len(confirmed) == 2 {
					worked = true
					lost()
				}
			}
		case *redis.Message:
			node, rest, _ := strings.Cut(m.Payload, " ")
			if node == b.node {
				continue
			}
			switch m.Channel {
			case relayedChannel:
				relayed([]byte(rest))
			case changedChannel:
				number, caseID, _ := strings.Cut(rest, " ")
				if seq, err := strconv.ParseInt(number, 10, 64); err == nil {
					changed(caseID, seq)
				}
			}
		}
	}
}
