package live

import "github.com/oklog/ulid/v2"

// Listener is one open socket's ear. One goroutine at a time takes from it.
type Listener struct {
	hub   *Hub
	role  Role
	stamp ulid.ULID // orders the phone's listeners of all nodes
	// Either wake, or both channels.
	wake  func()
	ready chan struct{}
	done  chan struct{}

	// Guarded by hub.mu.
	room     *room // nil once it left or was closed
	why      Reason
	snapshot bool
	seq      int64
	progress []Progress
	presence *Presence
}

// Ready is signalled when Take has something; nil where the listener has a function for that.
func (l *Listener) Ready() <-chan struct{} { return l.ready }

// Take returns and clears what is pending.
func (l *Listener) Take() Pending {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	p := Pending{Snapshot: l.snapshot, Progress: l.progress, Presence: l.presence}
	// Only the newest number of all may be used: this listener may have sent any that is
	// older, or a newer one that it took with Next. Without hearing, Next asks for that first.
	if l.seq > 0 && l.snapshot && l.room != nil && l.seq == l.room.high && l.room.hearing() {
		p.Seq = l.seq
	}
	l.snapshot, l.seq, l.progress, l.presence = false, 0, nil, nil
	return p
}

// Done is closed when the hub closed the listener; Why then says why. It is nil where the listener
// has a function for that.
func (l *Listener) Done() <-chan struct{} { return l.done }

// Why returns the reason after Done, before it "".
func (l *Listener) Why() Reason {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	return l.why
}

// Leave removes the listener. Twice is fine.
func (l *Listener) Leave() {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	if r := l.room; r != nil {
		l.room = nil
		delete(r.listeners, l)
		l.hub.tidy(r)
	}
}

// end closes the listener; hub.mu is held.
func (l *Listener) end(why Reason) {
	delete(l.room.listeners, l)
	l.room = nil
	l.why = why
	if l.wake != nil {
		l.wake()
	} else {
		close(l.done)
	}
}

// signal says that something is pending; hub.mu is held.
func (l *Listener) signal() {
	if l.wake != nil {
		l.wake()
	} else {
		signal(l.ready)
	}
}

// addProgress keeps one progress a step; hub.mu is held.
func (l *Listener) addProgress(p Progress) {
	l.signal()
	for i := range l.progress {
		if l.progress[i].Step == p.Step {
			l.progress[i] = l.progress[i].merge(p)
			return
		}
	}
	if len(l.progress) < maxSteps {
		l.progress = append(l.progress, p)
	}
}
