package casemongo

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/symbolon/symbolon/cases"
)

// stored is a case with what is searched beside it.
type stored struct {
	cases.Document `bson:",inline"`

	// DueAt is when the relay or a worker has to look at the case; null when neither has to.
	DueAt *time.Time `bson:"due_at"`
	// StalledSince is since when the applicant has done nothing, while it is their turn.
	StalledSince *time.Time `bson:"stalled_since,omitempty"`
}

func storedOf(d cases.Document) stored {
	acted := d.ActedAt
	if acted.Before(d.CreatedAt) {
		acted = d.CreatedAt
	}
	return stored{Document: d, DueAt: orNull(d.DueAt()), StalledSince: orNull(acted, d.AtStep != "")}
}

func orNull(t time.Time, ok bool) *time.Time {
	if !ok {
		return nil
	}
	return &t
}

// CreateCase inserts d.
func (s *Store) CreateCase(ctx context.Context, d cases.Document) error {
	_, err := s.cases.InsertOne(ctx, storedOf(d))
	if mongo.IsDuplicateKeyError(err) {
		return cases.ErrExists
	}
	return failed(ctx, "create case", err)
}

// ReplaceCase stores d in place of the document one version older.
func (s *Store) ReplaceCase(ctx context.Context, d cases.Document, epoch int64) error {
	filter := bson.D{{Key: "_id", Value: d.ID}, {Key: "version", Value: d.Version - 1}}
	if epoch >= 0 {
		filter = append(filter, bson.E{Key: "handoff_epoch", Value: epoch})
	}
	res, err := s.cases.ReplaceOne(ctx, filter, storedOf(d))
	switch {
	case mongo.IsDuplicateKeyError(err):
		return cases.ErrExists
	case err != nil:
		return failed(ctx, "replace case", err)
	case res.MatchedCount == 1:
		return nil
	}
	// Versions and epochs only grow, so what is read now still says why it did not match.
	now, err := one[cases.Document](ctx, s.cases, cases.ErrUnknown, bson.D{{Key: "_id", Value: d.ID}},
		options.FindOne().SetProjection(ascending("handoff_epoch")))
	switch {
	case err != nil:
		return err
	case epoch >= 0 && now.HandoffEpoch != epoch:
		return cases.ErrStaleEpoch
	}
	return cases.ErrStaleVersion
}

// Case returns the case.
func (s *Store) Case(ctx context.Context, id string) (cases.Document, error) {
	return s.find(ctx, "_id", id)
}

// CaseOf returns the case of an account.
func (s *Store) CaseOf(ctx context.Context, accountID string) (cases.Document, error) {
	return s.find(ctx, "account_id", accountID)
}

func (s *Store) find(ctx context.Context, field, value string) (cases.Document, error) {
	filter, ok := equal(field, value)
	if !ok {
		return cases.Document{}, cases.ErrUnknown
	}
	return one[cases.Document](ctx, s.cases, cases.ErrUnknown, filter)
}

// Cases lists cases in the order of (updated_at, id).
func (s *Store) Cases(ctx context.Context, state cases.LevelState, cursor string, limit int) (page []cases.Summary, next string, err error) {
	at, err := cases.ParseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	limit = cases.PageSize(limit)
	filter := bson.D{}
	if state != "" {
		if !utf8.ValidString(string(state)) {
			return nil, "", nil
		}
		filter = append(filter, bson.E{Key: "state", Value: state})
	}
	if at.ID != "" {
		filter = append(filter,
			bson.E{Key: "updated_at", Value: bson.D{{Key: "$gte", Value: at.UpdatedAt}}}, // where the index starts
			bson.E{Key: "$or", Value: bson.A{
				bson.D{{Key: "updated_at", Value: bson.D{{Key: "$gt", Value: at.UpdatedAt}}}},
				bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: at.ID}}}},
			}})
	}
	found, err := list[cases.Document](ctx, s.cases, filter, options.Find().
		SetProjection(ascending("version", "state", "level", "updated_at")).
		SetSort(ascending("updated_at", "_id")).SetLimit(int64(limit)+1))
	if err != nil {
		return nil, "", err
	}
	for _, d := range found[:min(len(found), limit)] {
		page = append(page, cases.Summary{ID: d.ID, Version: d.Version, State: d.State, Level: d.Level, UpdatedAt: d.UpdatedAt})
	}
	if len(found) > limit {
		next = cases.After(page[limit-1]).String()
	}
	return page, next, nil
}

// CasesByDocument lists the ids of cases with this document index.
func (s *Store) CasesByDocument(ctx context.Context, index []byte, limit int) ([]string, error) {
	if len(index) == 0 {
		return nil, nil
	}
	return s.ids(ctx, bson.D{{Key: "document_index", Value: index}}, limit, "_id")
}

// FaceEntries lists the faces of cases that a model made.
func (s *Store) FaceEntries(ctx context.Context, model, after string, limit int) ([]cases.FaceRow, error) {
	found, err := list[cases.Document](ctx, s.cases,
		bson.D{{Key: "face_entry.model", Value: model}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}},
		options.Find().SetProjection(ascending("wrapped_key", "face_entry")).SetSort(ascending("_id")).SetLimit(int64(cases.PageSize(limit))))
	if err != nil {
		return nil, err
	}
	out := make([]cases.FaceRow, len(found))
	for i, d := range found {
		out[i] = cases.FaceRow{CaseID: d.ID, WrappedKey: d.WrappedKey, FaceEntry: *d.FaceEntry}
	}
	return out, nil
}

// Due lists ids of cases that the relay or a worker should look at, the longest due first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return s.ids(ctx, bson.D{{Key: "due_at", Value: bson.D{{Key: "$lte", Value: now}}}}, limit, "due_at", "_id")
}

// Backlog counts the cases that have something to be done.
func (s *Store) Backlog(ctx context.Context, now time.Time) (n int, oldest time.Time, err error) {
	due := bson.D{{Key: "due_at", Value: bson.D{{Key: "$lte", Value: now}}}}
	all, err := s.cases.CountDocuments(ctx, due)
	if err != nil || all == 0 {
		return 0, time.Time{}, failed(ctx, "count cases", err)
	}
	jobs := bson.D{{Key: "due_at", Value: bson.D{{Key: "$lte", Value: now}, {Key: "$gt", Value: time.UnixMilli(0)}}}}
	first, err := one[stored](ctx, s.cases, errNone, jobs, options.FindOne().SetProjection(ascending("due_at")).SetSort(ascending("due_at")))
	switch {
	case errors.Is(err, errNone):
		return int(all), time.Time{}, nil
	case err != nil:
		return 0, time.Time{}, err
	case first.DueAt != nil:
		oldest = first.DueAt.UTC()
	}
	return int(all), oldest, nil
}

func (s *Store) ids(ctx context.Context, filter bson.D, limit int, order ...string) (ids []string, err error) {
	found, err := list[cases.Document](ctx, s.cases, filter, options.Find().
		SetProjection(ascending("_id")).SetSort(ascending(order...)).SetLimit(int64(cases.PageSize(limit))))
	for _, d := range found {
		ids = append(ids, d.ID)
	}
	return ids, err
}

var errNone = errors.New("none")

// Relayed notes that the pending entries of this version are in the history.
func (s *Store) Relayed(ctx context.Context, id string, version int64) error {
	filter, ok := equal("_id", id)
	if !ok {
		return nil
	}
	filter = append(filter, bson.E{Key: "version", Value: version})
	d, err := one[cases.Document](ctx, s.cases, errNone, filter, options.FindOne().SetProjection(ascending("jobs")))
	if errors.Is(err, errNone) {
		return nil
	}
	if err != nil {
		return err
	}
	// The jobs of one version never change, so what was read is right as long as the filter matches.
	_, err = s.cases.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "due_at", Value: orNull(d.JobsDueAt())}}}})
	return failed(ctx, "note relayed", err)
}
