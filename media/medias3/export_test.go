package medias3

import "time"

// Pace changes how often a holder writes and when it is taken for dead.
func (s *Store) Pace(beat, dead time.Duration) { s.beatEvery, s.deadAfter = beat, dead }

// Decode reads the state out of an entry, as the store does.
func Decode(end []byte, seq int64) (again bool, err error) {
	_, more, err := decode(end, seq)
	return more != 0, err
}
