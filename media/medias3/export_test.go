package medias3

import (
	"context"
	"net/http"
	"time"
)

// OpenThrough is Open without a network.
func OpenThrough(ctx context.Context, c Config, through http.RoundTripper) (*Store, error) {
	return open(ctx, c, through)
}

// Pace changes how often a holder writes and when it is taken for dead.
func (s *Store) Pace(beat, dead time.Duration) { s.beatEvery, s.deadAfter = beat, dead }

// Decode reads the state out of an entry, as the store does.
func Decode(end []byte, seq int64) (again bool, err error) {
	_, more, err := decode(end, seq)
	return more != 0, err
}
