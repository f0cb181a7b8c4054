// Package liveredis is the live.Bus on Redis.
//
// A node subscribes once, to its own channel and to one for all, for as long as it runs. Which nodes hear
// of a case's changes stands beside the case's number, and the script that takes a number reads and writes
// both in one step. There is no subscription per case, so none can be lost while sockets come and go.
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
	caseKey        = "symbolon:live:case:" // seq.lua knows both this and the next
	seqTTL         = 24 * time.Hour
	nodeChannel    = "symbolon:live:to:"     // and the node: "seq case what", of one number or several
	relayedChannel = "symbolon:live:relayed" // "node payload"
	silence        = 10 * time.Second        // then the subscription is asked whether it lives
	retryFirst     = 50 * time.Millisecond
	retryMost      = 2 * time.Second
)

// What a number is taken for.
const (
	forChange = 1 << iota
	toHear
)

// Bus is one node's live.Bus.
type Bus struct {
	client redis.UniversalClient
	node   string // names our channel, and tells our own messages apart
	seq    *redis.Script
	spread bool // the keys of cases are on several servers

	hearFor time.Duration
}

var _ live.Bus = (*Bus)(nil)

// New returns the bus of a node on the client, which stays the caller's to close.
func New(client redis.UniversalClient) *Bus {
	_, spread := client.(*redis.ClusterClient)
	return &Bus{client: client, node: rand.Text(), seq: redis.NewScript(seqSource), spread: spread, hearFor: live.HearFor}
}

// Take is a method of live.Bus. One script serves all, but for a cluster, where each case may be
// on another server: there it is one for each, together on their way.
func (b *Bus) Take(ctx context.Context, asks []live.Ask) ([]live.Given, error) {
	if len(asks) == 0 {
		return nil, nil
	}
	numbers := make([]live.Given, len(asks))
	if !b.spread || len(asks) == 1 {
		keys, args := b.args(asks)
		return numbers, given(b.seq.Run(ctx, b.client, keys, args...), numbers)
	}
	replies := make([]*redis.Cmd, len(asks))
	pipe := b.client.Pipeline()
	for i := range asks {
		keys, args := b.args(asks[i : i+1])
		replies[i] = b.seq.EvalSha(ctx, pipe, keys, args...)
	}
	_, _ = pipe.Exec(ctx) // each reply says what became of it
	var failed error
	for i := range asks {
		if redis.HasErrorPrefix(replies[i].Err(), "NOSCRIPT") {
			// Redis was restarted, or it is another one.
			keys, args := b.args(asks[i : i+1])
			replies[i] = b.seq.Eval(ctx, b.client, keys, args...)
		}
		if err := given(replies[i], numbers[i:i+1]); err != nil {
			failed = err
		}
	}
	return numbers, failed
}

// args are the keys and arguments of seq.lua.
func (b *Bus) args(asks []live.Ask) (keys []string, args []any) {
	keys, args = make([]string, 0, len(asks)), make([]any, 0, 3+2*len(asks))
	args = append(args, b.node, b.hearFor.Milliseconds(), seqTTL.Milliseconds())
	for _, a := range asks {
		what := 0
		if a.Changed {
			what |= forChange
		}
		if a.Hear {
			what |= toHear
		}
		keys, args = append(keys, caseKey+a.CaseID), append(args, a.Floor, what)
	}
	return keys, args
}

// given reads the reply of seq.lua into numbers, or leaves them as they are.
func given(reply *redis.Cmd, numbers []live.Given) error {
	n, err := reply.Int64Slice()
	if err == nil && len(n) != 3*len(numbers) {
		err = errors.New("liveredis: not an answer of the script")
	}
	if err != nil {
		return fmt.Errorf("take a number: %w", err)
	}
	for i := range numbers {
		numbers[i] = live.Given{Seq: n[3*i], Before: n[3*i+1], Heard: n[3*i+2]&1 != 0, Alone: n[3*i+2]&2 != 0}
	}
	return nil
}

// Relay is a method of live.Bus.
func (b *Bus) Relay(ctx context.Context, payload []byte) error {
	if err := b.client.Publish(ctx, relayedChannel, b.node+" "+string(payload)).Err(); err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	return nil
}

// Run is a method of live.Bus.
func (b *Bus) Run(ctx context.Context, told func(live.News), relayed func(payload []byte), lost func()) error {
	wait := retryFirst
	for ctx.Err() == nil {
		if b.listen(ctx, told, relayed, lost) {
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
func (b *Bus) listen(ctx context.Context, told func(live.News), relayed func(payload []byte), lost func()) (worked bool) {
	sub := b.client.Subscribe(ctx, nodeChannel+b.node, relayedChannel)
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
			first, rest, _ := strings.Cut(m.Payload, " ")
			if m.Channel == relayedChannel {
				if first != b.node {
					relayed([]byte(rest))
				}
				continue
			}
			for id, what := "", ""; first != ""; first, rest, _ = strings.Cut(rest, " ") {
				id, rest, _ = strings.Cut(rest, " ")
				what, rest, _ = strings.Cut(rest, " ")
				seq, err := strconv.ParseInt(first, 10, 64)
				bits, err2 := strconv.ParseUint(what, 10, 8)
				if err == nil && err2 == nil {
					told(live.News{CaseID: id, Seq: seq, Changed: bits&forChange != 0, Hears: bits&toHear != 0})
				}
			}
		}
	}
}
