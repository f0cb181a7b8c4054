package cases

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Auditor reads the histories and access logs of cases and says where they are not what was written. It
// needs no key: nothing personal is read.
type Auditor struct {
	Store   Store
	History HistoryStore
	// Against are the heads of a checkpoint by case; every one of them must still be in its chain.
	Against map[string]Head
	// Found is called for everything that is wrong.
	Found func(Finding)
	// Each is called with the head of every case that was read, once a case. It may be nil.
	Each func(Head)
}

// Head is the end of a case's history and of its access log.
type Head struct {
	CaseID    string `json:"case"`
	N         int64  `json:"n"` // of the newest history entry
	Hash      []byte `json:"hash"`
	Looks     int64  `json:"looks"` // number of the newest look, 0 without any
	LooksHash []byte `json:"looks_hash,omitempty"`
}

// Finding is something that is wrong with a case. It holds nothing personal.
type Finding struct {
	CaseID string
	Log    string // "history", "access log" or "case"
	N      int64  // of the entry, 0 when it is about the whole
	What   string
}

// String is the finding as one line.
func (f Finding) String() string {
	if f.N == 0 {
		return fmt.Sprintf("%s: %s: %s", f.CaseID, f.Log, f.What)
	}
	return fmt.Sprintf("%s: %s: entry %d %s", f.CaseID, f.Log, f.N, f.What)
}

// AuditCount is how much an audit read.
type AuditCount struct{ Cases, Entries, Looks int64 }

// auditPage is how many entries are read at once.
const auditPage = 500

// auditTries bounds how often a case is read that keeps changing meanwhile.
const auditTries = 20

// All audits every case, and looks for histories without a case. Cases may change meanwhile.
func (a Auditor) All(ctx context.Context) (AuditCount, error) {
	var sum AuditCount
	seen := map[string]bool{}
	one := func(id string) error {
		if seen[id] {
			return nil // it changed while the list was read and came again
		}
		seen[id] = true
		n, err := a.Case(ctx, id)
		sum.Cases, sum.Entries, sum.Looks = sum.Cases+n.Cases, sum.Entries+n.Entries, sum.Looks+n.Looks
		return err
	}
	for cursor := ""; ; {
		page, next, err := a.Store.Cases(ctx, "", cursor, auditPage)
		if err != nil {
			return sum, fmt.Errorf("list cases: %w", err)
		}
		for _, c := range page {
			if err := one(c.ID); err != nil {
				return sum, err
			}
		}
		if cursor = next; next == "" {
			break
		}
	}
	for after := ""; ; {
		ids, err := a.History.HistoryCases(ctx, after, auditPage)
		if err != nil {
			return sum, fmt.Errorf("list histories: %w", err)
		}
		for _, id := range ids {
			if err := one(id); err != nil {
				return sum, err
			}
		}
		if len(ids) == 0 {
			break
		}
		after = ids[len(ids)-1]
	}
	for id := range a.Against {
		if err := one(id); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// Case audits one case.
func (a Auditor) Case(ctx context.Context, id string) (AuditCount, error) {
	for try := 1; ; try++ {
		d, err := a.Store.Case(ctx, id)
		if errors.Is(err, ErrUnknown) {
			what := "there is no such case"
			if _, ok := a.Against[id]; ok {
				what = "the case of the checkpoint is gone"
			} else if e, err := a.History.History(ctx, id, 0, 1); err != nil || len(e) > 0 {
				what = "a history without its case"
			}
			a.Found(Finding{CaseID: id, Log: "case", What: what})
			return AuditCount{}, nil
		}
		if err != nil {
			if a.interrupted(ctx, err) {
				return AuditCount{}, fmt.Errorf("read case: %w", err)
			}
			a.Found(Finding{CaseID: id, Log: "case", What: "cannot be read"})
			return AuditCount{Cases: 1}, nil
		}
		walk, err := a.walk(ctx, d)
		if err != nil {
			return AuditCount{}, err
		}
		if len(walk.found) > 0 || walk.head.N > d.History.N {
			now, err := a.Store.Case(ctx, id)
			// What is wrong with a case that changed while it was read, or went, is read again.
			if (err != nil || len(walk.found) > 0 && now.Version != d.Version) && try < auditTries {
				continue
			}
			// What its history holds beyond what was read of it was added meanwhile, if the case knows of it by now.
			known := now.History.N > walk.head.N || now.History.N == walk.head.N && bytes.Equal(now.History.Hash, walk.head.Hash)
			if walk.head.N > d.History.N && !known {
				walk.say("history", d.History.N+1, "is not known to its case")
			}
		}
		for _, f := range walk.found {
			a.Found(f)
		}
		if a.Each != nil {
			a.Each(walk.head)
		}
		return AuditCount{Cases: 1, Entries: walk.entries, Looks: walk.head.Looks}, nil
	}
}

// interrupted tells a store that does not answer from something stored that cannot be read.
func (a Auditor) interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrUnavailable)
}

// auditWalk is one reading of a case.
type auditWalk struct {
	head    Head
	entries int64
	found   []Finding
}

func (w *auditWalk) say(log string, n int64, what string) {
	w.found = append(w.found, Finding{CaseID: w.head.CaseID, Log: log, N: n, What: what})
}

func (a Auditor) walk(ctx context.Context, d Document) (auditWalk, error) {
	w := auditWalk{head: Head{CaseID: d.ID}}
	against, checked := a.Against[d.ID]
	r := replay{levels: map[int]LevelState{}, kept: map[string]string{}}
	read := func(e Entry) bool {
		w.entries++
		n := w.head.N + 1
		switch what := follows(e.CaseID == d.ID, e.N, n, e.Prev, w.head.Hash, e.Hash, e.digest()); {
		case what != "":
			w.say("history", n, what)
			return false
		case checked && n == against.N && !bytes.Equal(e.Hash, against.Hash):
			w.say("history", n, "is not the one of the checkpoint")
		}
		if what := r.entry(e); what != "" {
			w.say("history", n, what)
		}
		if w.head.N, w.head.Hash = n, e.Hash; n == d.History.N { // what follows was added since the case was read
			a.judge(d, &w, r)
		}
		return true
	}
	whole := true
	for after := int64(-1 << 62); whole; { // from before the first, so that what is in front of it is seen
		page, err := a.History.History(ctx, d.ID, after, auditPage)
		if err != nil {
			if a.interrupted(ctx, err) {
				return w, fmt.Errorf("read history: %w", err)
			}
			w.say("history", w.head.N+1, "or one of those after it cannot be read")
			whole = false
			break
		}
		for _, e := range page {
			if whole = read(e); !whole {
				break
			}
		}
		if len(page) == 0 {
			break
		}
		after = w.head.N
	}
	for _, e := range d.Pending {
		switch {
		case !whole:
		case e.N > w.head.N:
			whole = read(e)
		case !bytes.Equal(e.Hash, e.digest()):
			w.say("history", e.N, "was changed in the case's outbox")
		}
	}
	if whole {
		if w.head.N < d.History.N {
			w.say("history", w.head.N+1, "is missing")
		}
		if checked && w.head.N < against.N {
			w.say("history", against.N, "of the checkpoint is missing")
		}
	}
	return w, a.looks(ctx, d.ID, &w)
}

// judge compares the case with what its history told up to the entry that the case names.
func (a Auditor) judge(d Document, w *auditWalk, r replay) {
	if !bytes.Equal(w.head.Hash, d.History.Hash) {
		w.say("history", w.head.N, "is not the one that the case names")
		return
	}
	if r.version > d.Version {
		w.say("case", 0, "it has an older version than its history")
	}
	for _, l := range d.Levels {
		if s := r.state(l.Level); s != l.State {
			w.say("case", 0, fmt.Sprintf("level %d is %s, its history says %s", l.Level, l.State, s))
		}
	}
	for _, st := range d.Steps {
		for _, t := range st.Takes {
			if t.State == TakeAccepted && r.kept[t.MediaID] != st.ID+" "+hex.EncodeToString(t.SHA256) {
				w.say("case", 0, "the photo kept for "+st.ID+" is not one that its history knows")
			}
		}
	}
}

// looks reads the access log. Its end is bound by checkpoints only.
func (a Auditor) looks(ctx context.Context, id string, w *auditWalk) error {
	against, checked := a.Against[id]
	for after := int64(-1 << 62); ; after = w.head.Looks {
		page, err := a.History.Looks(ctx, id, after, auditPage)
		if err != nil {
			if a.interrupted(ctx, err) {
				return fmt.Errorf("read access log: %w", err)
			}
			w.say("access log", w.head.Looks+1, "or one of those after it cannot be read")
			return nil
		}
		for _, l := range page {
			n := w.head.Looks + 1
			if what := follows(l.CaseID == id, l.N, n, l.Prev, w.head.LooksHash, l.Hash, l.digest()); what != "" {
				w.say("access log", n, what)
				return nil
			}
			if checked && n == against.Looks && !bytes.Equal(l.Hash, against.LooksHash) {
				w.say("access log", n, "is not the one of the checkpoint")
			}
			w.head.Looks, w.head.LooksHash = n, l.Hash
		}
		if len(page) == 0 {
			break
		}
	}
	if checked && w.head.Looks < against.Looks {
		w.say("access log", against.Looks, "of the checkpoint is missing")
	}
	return nil
}

// follows says what is wrong with an entry in the n-th place, "" for nothing.
func follows(own bool, is, n int64, prev, before, hash, digest []byte) string {
	switch {
	case !own:
		return "belongs to another case"
	case is > n:
		return "is missing"
	case is < n, !bytes.Equal(prev, before):
		return "does not follow the one before it"
	case !bytes.Equal(hash, digest):
		return "was changed"
	}
	return ""
}

// replay is what a history tells of a case, entry by entry.
type replay struct {
	levels  map[int]LevelState
	kept    map[string]string // media id → step and digest
	version int64
}

func (r *replay) state(level int) LevelState {
	if s, ok := r.levels[level]; ok {
		return s
	}
	return Locked
}

// entry takes one more entry and says what cannot be true of it, "" for nothing.
func (r *replay) entry(e Entry) string {
	if e.Version < max(r.version, 1) {
		return "has an older version than the one before it"
	}
	r.version = e.Version
	if e.Event == "take_accepted" {
		r.kept[e.Data["media_id"]] = e.Step + " " + e.Data["sha256"]
	}
	name, ok := strings.CutPrefix(e.Event, "level_")
	to := LevelState(name)
	if !ok {
		return ""
	}
	from := r.state(e.Level)
	r.levels[e.Level] = to
	var can []LevelState
	for _, s := range transitions[from] {
		can = append(can, s)
	}
	if !slices.Contains(can, to) {
		return fmt.Sprintf("moves a level from %s to %s, which cannot happen", from, to)
	}
	return ""
}
