package casemongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/symbolon/symbolon/cases"
)

// migrations bring a database from schema i to i+1. Each may run twice, and on two nodes at once:
// the number is raised only when it is done. One that was released is never changed.
var migrations = []func(context.Context, *Store) error{
	func(ctx context.Context, s *Store) error {
		unique := options.Index().SetUnique(true)
		for _, step := range []struct {
			in      *mongo.Collection
			indexes []mongo.IndexModel
		}{
			{s.accounts, []mongo.IndexModel{{Keys: ascending("email_index"), Options: unique}}},
			{s.cases, []mongo.IndexModel{
				{Keys: ascending("account_id"), Options: unique},
				{Keys: ascending("updated_at", "_id")},
				{Keys: ascending("state", "updated_at", "_id")},
				{Keys: ascending("document_index", "_id")},
				{Keys: ascending("due_at", "_id")},
			}},
			{s.history, []mongo.IndexModel{{Keys: ascending("case_id", "n"), Options: unique}}},
			{s.looks, []mongo.IndexModel{{Keys: ascending("case_id", "n"), Options: unique}}},
		} {
			if _, err := step.in.Indexes().CreateMany(ctx, step.indexes); err != nil {
				return fmt.Errorf("index %s: %w", step.in.Name(), err)
			}
		}
		return nil
	},
	// What waits for people, who has taken what, what figures are made of, who works here.
	func(ctx context.Context, s *Store) error {
		for _, step := range []struct {
			in      *mongo.Collection
			indexes []mongo.IndexModel
		}{
			{s.cases, []mongo.IndexModel{
				{Keys: byWaiting}, {Keys: byWaitingState}, {Keys: byWaitingLevel}, {Keys: byWaitingReason}, {Keys: byWaitingReported}, {Keys: byWaitingCounts},
				{Keys: ascending("at_step", "stalled_since")},
			}},
			{s.leases, []mongo.IndexModel{{Keys: ascending("until", "_id")}}},
			{s.history, []mongo.IndexModel{{Keys: ascending("event", "at", "case_id", "n")}}},
			{s.accounts, []mongo.IndexModel{{Keys: ascending("roles", "_id")}}},
		} {
			if _, err := step.in.Indexes().CreateMany(ctx, step.indexes); err != nil {
				return fmt.Errorf("index %s: %w", step.in.Name(), err)
			}
		}
		return s.fillWaiting(ctx)
	},
	// The faces that may be found from other cases.
	func(ctx context.Context, s *Store) error {
		_, err := s.cases.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: ascending("face_entry.model", "_id"), Options: options.Index().SetSparse(true)})
		if err != nil {
			return fmt.Errorf("index %s: %w", s.cases.Name(), err)
		}
		return nil
	},
}

// fillWaiting says of cases that a former version left to people that they wait.
func (s *Store) fillWaiting(ctx context.Context) error {
	filter := bson.D{{Key: "waiting", Value: nil}, {Key: "erased_at", Value: nil}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "levels.state", Value: cases.InReview}}, bson.D{{Key: "reported_at", Value: bson.D{{Key: "$ne", Value: nil}}}},
	}}}
	for {
		found, err := list[cases.Document](ctx, s.cases, filter, options.Find().SetLimit(int64(cases.PageSize(100))))
		if err != nil || len(found) == 0 {
			return err
		}
		for _, d := range found {
			w := cases.WaitingOf(d)
			if w == nil {
				return fmt.Errorf("case %s cannot be queued", d.ID)
			}
			// The version guards against a node of the former version that still writes.
			if _, err := s.cases.UpdateOne(ctx, bson.D{{Key: "_id", Value: d.ID}, {Key: "version", Value: d.Version}},
				bson.D{{Key: "$set", Value: bson.D{{Key: "waiting", Value: w}}}}); err != nil {
				return err
			}
		}
	}
}

// schemaMark is the document of meta that says how far the database is.
type schemaMark struct {
	ID      string `bson:"_id"` // schemaID
	Version int    `bson:"version"`
}

const schemaID = "schema"

// Migrate brings the stored schema to the current one.
func (s *Store) Migrate(ctx context.Context) error {
	return failed(ctx, "migrate", s.upgrade(ctx, false))
}

// upgrade runs the missing migrations; with onlyEmpty it touches a new database only.
func (s *Store) upgrade(ctx context.Context, onlyEmpty bool) error {
	for {
		var mark schemaMark
		err := s.meta.FindOne(ctx, bson.D{{Key: "_id", Value: schemaID}}).Decode(&mark)
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return err
		}
		from := mark.Version
		switch {
		case from == len(migrations):
			return nil
		case from > len(migrations):
			return fmt.Errorf("this store has schema %d, written by a newer symbolon; this one knows %d at most", from, len(migrations))
		case onlyEmpty && from > 0:
			return fmt.Errorf("this store has schema %d and this program needs %d: run symbolon migrate", from, len(migrations))
		}
		for _, step := range migrations[from:] {
			if err := step(ctx, s); err != nil {
				return err
			}
		}
		next := schemaMark{ID: schemaID, Version: len(migrations)}
		if from == 0 {
			_, err = s.meta.InsertOne(ctx, next)
		} else {
			_, err = s.meta.ReplaceOne(ctx, bson.D{{Key: "_id", Value: schemaID}, {Key: "version", Value: from}}, next)
		}
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return err
		}
		// Read again: another node, perhaps a newer one, may have been first.
	}
}
