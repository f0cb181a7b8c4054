// Package live tells every open websocket of a case that something changed, on this
// node and on the others.
//
// A change is a hint, not the truth: it carries only the case's id and a number (seq)
// that grows. Whoever listens reads the case again; several changes may be answered with
// one snapshot, the last is never lost. Progress and presence are fleeting: they are
// relayed, merged and dropped freely, never stored.
//
// Publishing never waits for a listener: a Listener holds at most one pending snapshot
// number, one progress a step and one presence; its owner's goroutine takes them when it can.
package live

import (
	"context"
	"time"
)

// Role says which side a listener is on.
type Role string

// The roles.
const (
	Desk  Role = "desk"
	Phone Role = "phone"
)

// Progress is what the phone is doing now. Everything in it comes from closed lists
// (package server checks) or is the server's own count.
type Progress struct {
	Step        string `json:"step"`
	Phase       string `json:"phase,omitempty"`
	SentBytes   int64  `json:"sent_bytes,omitempty"`
	TotalBytes  int64  `json:"total_bytes,omitempty"`
	PromptIndex *int   `json:"prompt_index,omitempty"`
	Hint        string `json:"hint,omitempty"`
}

// Presence says which sides have shown a sign of life within 25 s.
type Presence struct {
	Phone bool `json:"phone"`
	Desk  bool `json:"desk"`
}

// Bus carries hints between nodes. It may lose everything at any time; then Lost is
// called and every listener is told to read again.
type Bus interface {
	// Next returns the next seq of the case: max(last+1, the bus's clock in ms). It never repeats.
	Next(ctx context.Context, caseID string) (int64, error)
	// Changed takes the next seq and publishes {case_id, seq} to every node, this one included.
	Changed(ctx context.Context, caseID string) (int64, error)
	// Relay publishes a fleeting message (≤ 1 KiB) to every other node; best effort.
	Relay(ctx context.Context, payload []byte) error
	// Run delivers until ctx ends. Every (re)subscription calls lost first, because
	// messages may have been missed before it.
	Run(ctx context.Context, changed func(caseID string, seq int64), relayed func(payload []byte), lost func()) error
}

// Config is what a Hub needs.
type Config struct {
	Bus Bus
	Now func() time.Time
}

// Hub fans out on one node.
type Hub struct{ cfg Config }

// New returns a hub; Run must run for other nodes' changes to arrive.
func New(cfg Config) (*Hub, error) { panic("unwritten") }

// Run serves until ctx ends.
func (h *Hub) Run(ctx context.Context) error { panic("unwritten") }

// Next returns a seq to read a snapshot under: take it before reading.
func (h *Hub) Next(ctx context.Context, caseID string) (int64, error) { panic("unwritten") }

// Changed announces a change that is already stored. Listeners on this node are told
// before the bus is. It never blocks on a listener; a failing bus is counted and retried,
// local listeners are told all the same.
func (h *Hub) Changed(ctx context.Context, caseID string) { panic("unwritten") }

// Progress shows what the phone does, at most ten a second a step (later ones win).
func (h *Hub) Progress(ctx context.Context, caseID string, p Progress) { panic("unwritten") }

// Seen notes a sign of life of one side: a request, a pong, received bytes.
func (h *Hub) Seen(ctx context.Context, caseID string, r Role) { panic("unwritten") }

// Present says who has shown a sign of life within handoff's 25 s.
func (h *Hub) Present(caseID string) Presence { panic("unwritten") }

// Join adds a listener. A phone's newer listener replaces the older (its Replaced is closed).
// The first Take of a listener always asks for a snapshot.
func (h *Hub) Join(caseID string, r Role) *Listener { panic("unwritten") }

// End closes every listener of a role of the case with the reason "over" (the handoff ended).
func (h *Hub) End(caseID string, r Role) { panic("unwritten") }

// Close closes every listener with the reason "going"; Join after it returns a closed one.
func (h *Hub) Close() { panic("unwritten") }

// Reason says why a listener was closed.
type Reason string

// The reasons.
const (
	Replaced Reason = "replaced"
	Over     Reason = "over"
	Going    Reason = "going"
)

// Pending is what a listener has not told its socket yet.
type Pending struct {
	Snapshot bool  // read the case and send it
	Seq      int64 // the newest seq known; 0: take one with Hub.Next before reading
	Progress []Progress
	Presence *Presence
}

// Listener is one open socket's ear.
type Listener struct{}

// Ready is signalled when Take has something.
func (l *Listener) Ready() <-chan struct{} { panic("unwritten") }

// Take returns and clears what is pending.
func (l *Listener) Take() Pending { panic("unwritten") }

// Done is closed when the hub closed the listener; Why then says why.
func (l *Listener) Done() <-chan struct{} { panic("unwritten") }

// Why returns the reason after Done.
func (l *Listener) Why() Reason { panic("unwritten") }

// Leave removes the listener. Twice is fine.
func (l *Listener) Leave() { panic("unwritten") }
