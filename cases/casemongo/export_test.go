package casemongo

import "context"

// PretendNextSchema adds a migration as a later release would, until the returned func is called.
func PretendNextSchema() (undo func()) {
	before := migrations
	migrations = append(before[:len(before):len(before)], func(context.Context, *Store) error { return nil })
	return func() { migrations = before }
}
