package casemongo

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/symbolon/symbolon/cases"
)

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

// WaitingQuery is the filter of a page of the queue, and the index that it names.
func WaitingQuery(q cases.QueueQuery) (filter, index bson.D, err error) {
	at, err := cases.ParseCursor(q.Cursor)
	if err != nil {
		return nil, nil, err
	}
	filter, index = waitingQuery(q, at)
	return filter, index, nil
}

// Plan returns what a real server says about how it finds a page of the queue, counting what it looks at.
func (s *Store) Plan(ctx context.Context, q cases.QueueQuery) (bson.Raw, error) {
	filter, index, err := WaitingQuery(q)
	if err != nil {
		return nil, err
	}
	find := bson.D{{Key: "find", Value: s.cases.Name()}, {Key: "filter", Value: filter}, {Key: "sort", Value: byWaiting}, {Key: "limit", Value: int64(cases.PageSize(q.Limit)) + 1}}
	if index != nil {
		find = append(find, bson.E{Key: "hint", Value: index})
	}
	return s.db.RunCommand(ctx, bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "executionStats"}}).Raw()
}

// PutWaiting writes documents of cases as they are.
func (s *Store) PutWaiting(ctx context.Context, all []cases.Document) error {
	_, err := s.cases.InsertMany(ctx, all)
	return err
}
