package cases

import "time"

// TakeTurns takes every turn at hashing until release is called, so that whoever would hash a password
// waits, for no longer than wait.
func (s *Service) TakeTurns(wait time.Duration) (release func()) {
	s.passwords.wait = wait
	for range cap(s.passwords.turn) {
		s.passwords.turn <- struct{}{}
	}
	return func() {
		for range cap(s.passwords.turn) {
			<-s.passwords.turn
		}
	}
}

// Cost returns what checking a password costs whom: memory in KiB and passes, from the hash that
// is compared with. phc is "" for an unknown account.
func (s *Service) Cost(phc string) (memory, passes uint32, err error) {
	if phc == "" {
		phc = s.passwords.decoy
	}
	memory, passes, _, _, err = decodePassword(phc)
	return memory, passes, err
}

// Follows reports whether any action leads from one state of a level to another.
func Follows(from, to LevelState) bool {
	for _, s := range transitions[from] {
		if s == to {
			return true
		}
	}
	return false
}
