package casemongo

import (
	"context"
	"errors"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/symbolon/symbolon/cases"
)

// AppendHistory stores entries; those that are there already stay as they are.
func (s *Store) AppendHistory(ctx context.Context, entries []cases.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	// Not ordered: an entry that is there does not stop the others.
	_, err := s.history.InsertMany(ctx, entries, options.InsertMany().SetOrdered(false))
	if onlyDuplicates(err) {
		return nil
	}
	return failed(ctx, "append history", err)
}

// onlyDuplicates says that every failure of a bulk write is an entry that was there already.
func onlyDuplicates(err error) bool {
	bulk, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok || bulk.WriteConcernError != nil || len(bulk.WriteErrors) == 0 {
		return false
	}
	for _, e := range bulk.WriteErrors {
		if !mongo.IsDuplicateKeyError(e) {
			return false
		}
	}
	return true
}

// History returns entries with n > after in order.
func (s *Store) History(ctx context.Context, caseID string, after int64, limit int) ([]cases.Entry, error) {
	return lines[cases.Entry](ctx, s.history, caseID, after, limit)
}

// AppendLook stores the look that follows the newest one. Looks are never removed, so once its predecessor
// is there only another look of the same number can be in the way, and the unique index tells.
func (s *Store) AppendLook(ctx context.Context, l cases.Look) error {
	last, err := s.LastLook(ctx, l.CaseID)
	if err != nil {
		return err
	}
	if l.N != last.N+1 {
		return cases.ErrStaleVersion
	}
	_, err = s.looks.InsertOne(ctx, l)
	if mongo.IsDuplicateKeyError(err) {
		return cases.ErrStaleVersion
	}
	return failed(ctx, "append look", err)
}

// LastLook returns the newest look of the case; a zero Look when there is none.
func (s *Store) LastLook(ctx context.Context, caseID string) (cases.Look, error) {
	filter, ok := equal("case_id", caseID)
	if !ok {
		return cases.Look{}, nil
	}
	l, err := one[cases.Look](ctx, s.looks, errNone, filter, options.FindOne().SetSort(bson.D{{Key: "n", Value: -1}}))
	if errors.Is(err, errNone) {
		return cases.Look{}, nil
	}
	return l, err
}

// Looks returns looks with n > after in order.
func (s *Store) Looks(ctx context.Context, caseID string, after int64, limit int) ([]cases.Look, error) {
	return lines[cases.Look](ctx, s.looks, caseID, after, limit)
}

// HistoryCases returns the ids of cases that have history or looks. Each step is one seek in each index.
func (s *Store) HistoryCases(ctx context.Context, after string, limit int) (ids []string, err error) {
	if !utf8.ValidString(after) {
		return nil, nil
	}
	for range cases.PageSize(limit) {
		next := ""
		for _, c := range []*mongo.Collection{s.history, s.looks} {
			e, err := one[cases.Entry](ctx, c, errNone, bson.D{{Key: "case_id", Value: bson.D{{Key: "$gt", Value: after}}}},
				options.FindOne().SetSort(ascending("case_id", "n")).SetProjection(ascending("case_id")))
			if errors.Is(err, errNone) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if next == "" || e.CaseID < next {
				next = e.CaseID
			}
		}
		if next == "" {
			break
		}
		after = next
		ids = append(ids, after)
	}
	return ids, nil
}

func lines[T any](ctx context.Context, c *mongo.Collection, caseID string, after int64, limit int) ([]T, error) {
	filter, ok := equal("case_id", caseID)
	if !ok {
		return nil, nil
	}
	filter = append(filter, bson.E{Key: "n", Value: bson.D{{Key: "$gt", Value: after}}})
	return list[T](ctx, c, filter, options.Find().SetSort(ascending("n")).SetLimit(int64(cases.PageSize(limit))))
}
