package casesqlite

import (
	"context"

	"github.com/symbolon/symbolon/cases"
)

// PretendNextSchema adds a migration as a later release would, until the returned func is called.
func PretendNextSchema(step string) (undo func()) {
	before := migrations
	migrations = append(before[:len(before):len(before)], step)
	return func() { migrations = before }
}

// CurrentSchema is the schema this program writes.
func CurrentSchema() int { return len(migrations) }

// LimitPages makes the store's disk as good as full.
func (s *Store) LimitPages(ctx context.Context) error {
	_, err := s.write.ExecContext(ctx, `PRAGMA max_page_count = 1`)
	return err
}

// Plan tells how SQLite finds what a query asks for.
func (s *Store) Plan(ctx context.Context, query string, args ...any) (steps []string, err error) {
	rows, err := s.read.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		steps = append(steps, detail)
	}
	return steps, rows.Err()
}

// The queries whose plans are tested.
const (
	ListAll     = listAll
	ListState   = listState
	ListDue     = listDue
	ByDocument  = byDocument
	ByFace      = byFace
	ReplaceCase = replaceCase

	CountWaiting = countWaiting
	PlaceWaiting = placeWaiting
	CountStalled = countStalled
	LiveLeases   = liveLeases
	Happened     = happened
	ListStaff    = listStaff
)

// WaitingQuery is the query for a page of the queue.
func WaitingQuery(q cases.QueueQuery) (string, []any, error) { return waitingQuery(q, cases.Cursor{}) }

// Schema is the step that brings a file from schema i to i+1.
func Schema(i int) string { return migrations[i] }
