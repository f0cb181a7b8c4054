package cases

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
)

// orphanedAfter is how long parts that were stored for a take may wait for it: longer than the work that
// makes them.
const orphanedAfter = 15 * time.Minute

// newUploads names n uploads that do not exist yet.
func newUploads(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = "upl_" + ulid.Make().String()
	}
	return ids
}

// promise queues the destruction of parts before the first of them is stored, so that none is left over when
// the program dies in between. A take that keeps them calls fulfil.
func (c *change) promise(uploads []string) {
	c.queue(Job{Kind: JobDestroy, Uploads: uploads, RunAfter: c.at.Add(orphanedAfter)})
}

// fulfil takes back what promise queued for these uploads, because a take has them now. It reports false when
// they are destroyed already.
func (c *change) fulfil(uploads []string) bool {
	n := len(c.Jobs)
	c.Jobs = slices.DeleteFunc(c.Jobs, func(j Job) bool {
		return j.Kind == JobDestroy && j.State == JobQueued && slices.Equal(j.Uploads, uploads)
	})
	return len(c.Jobs) < n
}

// breakPromise has promised parts destroyed now.
func (c *change) breakPromise(uploads []string) {
	for i, j := range c.Jobs {
		if j.Kind == JobDestroy && slices.Equal(j.Uploads, uploads) {
			c.Jobs[i].RunAfter = c.at
		}
	}
}

// keep stores the bytes of a part.
func (s *Service) keep(ctx context.Context, r KeepRequest) (Part, error) {
	if s.cfg.Keep == nil {
		return Part{}, fmt.Errorf("cases: nothing keeps parts")
	}
	p, err := s.cfg.Keep(ctx, r)
	if err != nil {
		return Part{}, fmt.Errorf("keep a part of %s: %w", r.Step, err)
	}
	return p, nil
}
