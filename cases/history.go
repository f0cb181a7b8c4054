package cases

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrHistoryBroken is returned when a history or access log is not the unbroken chain it was written as.
var ErrHistoryBroken = errors.New("cases: the chain is broken")

// digest is the hash of an entry: SHA-256 over its JSON without the hash itself. The entry before
// it is bound by Prev.
func (e Entry) digest() []byte {
	e.Hash = nil
	sum := sha256.Sum256(mustJSON(e))
	return sum[:]
}

func (l Look) digest() []byte {
	l.Hash = nil
	sum := sha256.Sum256(mustJSON(l))
	return sum[:]
}

// VerifyHistory checks that entries, from the first on, are an unbroken chain that ends in head.
func VerifyHistory(entries []Entry, head HistoryHead) error {
	var prev []byte
	for i, e := range entries {
		if e.N != int64(i)+1 || !bytes.Equal(e.Prev, prev) || !bytes.Equal(e.Hash, e.digest()) {
			return fmt.Errorf("%w at entry %d", ErrHistoryBroken, i+1)
		}
		prev = e.Hash
	}
	if head.N != int64(len(entries)) || !bytes.Equal(head.Hash, prev) {
		return fmt.Errorf("%w: it ends at %d, not at %d", ErrHistoryBroken, len(entries), head.N)
	}
	return nil
}

// Events returns the history after entry n, pending entries included, at most limit.
func (s *Service) Events(ctx context.Context, id string, after int64, limit int) ([]Entry, error) {
	// The case first: what it holds pending can only move to the history meanwhile, so
	// that nothing falls between the two reads.
	d, err := s.cfg.Store.Case(ctx, id)
	if err != nil {
		return nil, err
	}
	out, err := s.cfg.History.History(ctx, id, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	last := after
	if len(out) > 0 {
		last = out[len(out)-1].N
	}
	for _, e := range d.Pending {
		if e.N == last+1 && len(out) < limit {
			out, last = append(out, e), e.N
		}
	}
	return out, nil
}

// Look writes into the access log that evidence was seen.
func (s *Service) Look(ctx context.Context, id string, by Actor, what, subject string) error {
	return s.look(ctx, Look{CaseID: id, Actor: by, What: what, Subject: subject})
}

func (s *Service) look(ctx context.Context, l Look) error {
	for range maxReplaceTries {
		last, err := s.cfg.History.LastLook(ctx, l.CaseID)
		if err != nil {
			return fmt.Errorf("read access log: %w", err)
		}
		l.N, l.At, l.Prev = last.N+1, s.now(), last.Hash
		l.Hash = l.digest()
		err = s.cfg.History.AppendLook(ctx, l)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrStaleVersion) {
			return fmt.Errorf("write access log: %w", err)
		}
	}
	return fmt.Errorf("write access log: %w", ErrBusy)
}

func (s *Service) takeRelayed(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.relayed[id]
	delete(s.relayed, id)
	return n
}

func (s *Service) setRelayed(id string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.relayed) > 10_000 {
		clear(s.relayed) // forgetting costs one idempotent copy a case
	}
	s.relayed[id] = n
}
