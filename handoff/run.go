package handoff

import (
	"context"
	"errors"
	"time"
)

const (
	sweepEvery = time.Second
	sweepBatch = 500
)

// Run ends what expired, about once a second, until ctx ends. Any number of nodes may run it.
// A store that does not answer is tried again; Run itself never fails.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.WarnContext(ctx, "handoff_sweep_failed", "error", err)
			}
		}
	}
}

// Sweep is one round of Run: it ends what has expired and announces what was left
// unannounced. One handoff that fails does not keep the others waiting.
func (s *Service) Sweep(ctx context.Context) error {
	ids, err := s.cfg.Store.Due(ctx, s.now(), sweepBatch)
	if err != nil {
		return err
	}
	var failed error
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		if err := s.sweep(ctx, id); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (s *Service) sweep(ctx context.Context, id string) error {
	now := s.now()
	outcome, rec, err := s.cfg.Store.Sweep(ctx, id, now, now.Add(leaseFor))
	if err != nil {
		return err
	}
	if outcome == OutEnded || outcome == OutAgain {
		s.announce(ctx, rec)
	}
	return nil
}
