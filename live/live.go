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
//
// Hearing. The bus tells a node of a case's changes once the node asked to hear of them. It asks with the
// number that a listener's first snapshot is read under, in one step of the bus: what was stored before that
// number is in the snapshot, what comes after it is told. While somebody listens, the node asks again in time.
//
// Numbers. A socket's seq only grows, and a snapshot is never older than its seq, because
// the number is always taken before the case is read: either with Hub.Next, or by the one
// who made the change, after it was stored. A number is never a reason to drop a hint.
//
// Between two numbers of the bus there is room for a node's own. Listeners on the node that made a change
// do not wait for the bus: they are served under a number that follows the newest one known there. It claims no more
// than that one did, so it is true whatever others do. But somebody may hold a higher number by
// then, of another node, and take the snapshot for an old one; the bus tells when it gives the
// change its own number, and the listeners send once more under that.
//
// Silence. Where the bus said that no other node hears of a case, a change that listeners here were
// served needs no trip: nobody is left to tell. The node remembers that it was silent. When another
// node takes a number of the case, whether it begins to hear or only read the case once, the bus tells that, and what
// was kept silent is announced then: who took the number first may have read too early, who took
// it afterwards has read it. It is announced as well when the last listener leaves, the subscription broke, or the bus
// fails; and what such a message did not bring, the next time to ask to hear on does.
package live

import (
	"context"
	"time"
)

// Times of the package.
const (
	AwayAfter     = 25 * time.Second       // without a sign of life a side counts as away
	ProgressEvery = 100 * time.Millisecond // at most one progress of a step in this time
	RelaySeen     = 5 * time.Second        // signs of life go to other nodes at most this often
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
	PromptCount int    `json:"prompt_count,omitempty"` // how many there are in this take
	Take        int    `json:"take,omitempty"`         // which try of the step this is, from 1
	ElapsedMS   int64  `json:"elapsed_ms,omitempty"`   // of the recording
	Hint        string `json:"hint,omitempty"`
}

// Presence says which sides have shown a sign of life within 25 s.
type Presence struct {
	Phone bool `json:"phone"`
	Desk  bool `json:"desk"`
}

// MaxBatch is how much a Bus is asked at once. An embedded Redis answers while it is still
// being written to, over a connection without buffers: more would wait for each other.
const MaxBatch = 16

// HearFor is how long a node hears of a case's changes after it asked to.
const HearFor = 90 * time.Second

// Ask asks a Bus for the next number of a case, and says what it is for.
type Ask struct {
	CaseID  string // without a space in it
	Floor   int64  // the newest number this node knows
	Changed bool   // the number stands for a change: other nodes that hear of the case are told
	Hear    bool   // this node wants to hear of the case's changes, of those after this number, for HearFor
}

// Step is how far apart the hub keeps the numbers of the bus: it multiplies by this, so that the numbers
// between two are its own. A JSON reader's 53 bits hold a clock in ms that is multiplied so.
const Step = 256

// Given is the number that was asked for.
type Given struct {
	Seq    int64
	Before int64 // the number that was given last, for whatever reason; 0 where the bus knows of none
	Heard  bool  // this node heard of every change until now since it first asked to
	Alone  bool  // no other node hears of the case
}

// News is what a node that hears of a case is told: that another one took a number of it.
type News struct {
	CaseID  string
	Seq     int64
	Changed bool // the number stands for a change
	Hears   bool // the other node hears of the case from this number on
}

// Bus carries hints between nodes. It may lose everything at any time. What a node may have missed
// because it did not listen, lost tells it; what the bus forgot to tell it, Given.Heard at its next Ask.
// A Bus value belongs to one node.
type Bus interface {
	// Take takes the next seq for each of asks, at most MaxBatch, in their order and all in one trip. It is
	// above the last and the floor; the first, and each that is not for a change, is not below the bus's
	// clock in ms either. It never repeats while the bus keeps its memory; the floor makes it grow on even when
	// the bus lost its memory and its clock. With an error, the zero Given stands for those that may not have
	// been answered.
	Take(ctx context.Context, asks []Ask) ([]Given, error)
	// Relay publishes a fleeting message (≤ 1 KiB) to every other node; best effort.
	Relay(ctx context.Context, payload []byte) error
	// Run delivers what other nodes publish, of cases that this node wants to hear of, until ctx ends, then
	// returns nil: every change, and every other number that was taken by a node that did not hear of the case until then.
	// Every (re)subscription calls lost first, because messages may have been missed before it.
	// The functions are called from one goroutine and never block.
	Run(ctx context.Context, told func(News), relayed func(payload []byte), lost func()) error
}

// Reason says why a listener was closed.
type Reason string

// The reasons.
const (
	Replaced Reason = "replaced" // a newer phone socket took its place
	Over     Reason = "over"     // the handoff ended
	Going    Reason = "going"    // this node is going down
)

// Pending is what a listener has not told its socket yet.
type Pending struct {
	Snapshot bool  // read the case and send it
	Seq      int64 // the number to send it under; 0: take one with Hub.Next before reading
	Progress []Progress
	Presence *Presence
}

// Stats counts what a Hub did since it was made, and what it holds now.
type Stats struct {
	Listeners, Cases  int   // now
	Unpublished       int   // changes that wait for the bus, now
	Changes           int64 // published to other nodes
	BusErrors         int64
	RelaysDropped     int64 // fleeting messages that the bus was too slow for
	Losses            int64 // times that everybody had to read again
	Replaced, Refused int64 // phone sockets closed for a newer one; Joins after Close
}
