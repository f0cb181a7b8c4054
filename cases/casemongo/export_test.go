package casemongo

import "context"

// PretendNextSchema adds a migration as a later release would, until the returned func is called.
func PretendNextSchema() (undo func()) {
	before := migrations
	migrations = append(before[:len(before):len(before)], func(context.Context, *Store) error { return nil })
	return func() { migrations = before }
}

// DatabaseOf says which database an address leads to, without asking a server.
func DatabaseOf(uri string) (string, error) {
	s, err := connect(uri)
	if err != nil {
		return "", err
	}
	return s.db.Name(), s.Close()
}
