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

// afterPlace continues a list that is ordered by a time and then by other fields: what stands behind a place.
func afterPlace(at string, t time.Time, then bson.D) bson.A {
	both := bson.A{}
	for i := range then { // (a, b) > (x, y): a > x, or a = x and b > y
		row := append(bson.D{{Key: at, Value: t}}, then[:i]...)
		both = append(both, append(row, bson.E{Key: then[i].Key, Value: bson.D{{Key: "$gt", Value: then[i].Value}}}))
	}
	return append(bson.A{bson.D{{Key: at, Value: bson.D{{Key: "$gt", Value: t}}}}}, both...)
}

// The indexes of the queue. Each begins with what a filter names and goes on in the order of the queue, so that what it finds
// needs no sorting. They are named in the questions, because a planner that guesses may well sort 100,000 cases instead.
var (
	byWaiting         = ascending("waiting.since", "_id")
	byWaitingState    = ascending("waiting.state", "waiting.since", "_id")
	byWaitingLevel    = ascending("waiting.level", "waiting.since", "_id")
	byWaitingReason   = ascending("waiting.reason", "waiting.since", "_id")
	byWaitingReported = ascending("waiting.reported", "waiting.since", "_id")
	byWaitingCounts   = ascending("waiting.state", "waiting.level")
)

// anyTime is a bound of the right type, so that cases that do not wait are not even looked at.
func anyTime() time.Time { return time.UnixMilli(0).AddDate(-1000, 0, 0) }

// waitingQuery is the filter of a page of the queue, and the index that it goes through; nil where a list of cases is shorter than any.
func waitingQuery(q cases.QueueQuery, at cases.Cursor) (filter, index bson.D) {
	from := anyTime()
	if at.ID != "" {
		from = at.UpdatedAt
	}
	filter, index = bson.D{{Key: "waiting.since", Value: bson.D{{Key: "$gte", Value: from}}}}, byWaiting
	add := func(set bool, field string, by bson.D, value any) {
		if !set {
			return
		}
		filter = append(filter, bson.E{Key: "waiting." + field, Value: value})
		if by != nil {
			index = by
		}
	}
	// The last that is asked for counts: the rarer the later.
	add(q.Kind != "", "kind", nil, q.Kind)
	add(q.Language != "", "language", nil, q.Language)
	add(q.State != "", "state", byWaitingState, q.State)
	add(q.Level != 0, "level", byWaitingLevel, q.Level)
	add(q.Reported, "reported", byWaitingReported, true)
	add(q.Reason != "", "reason", byWaitingReason, q.Reason)
	if q.Among != nil {
		index = nil
	}
	var both bson.A
	if q.Among != nil {
		both = append(both, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: q.Among}}}})
	}
	if q.Except != nil {
		both = append(both, bson.D{{Key: "_id", Value: bson.D{{Key: "$nin", Value: q.Except}}}})
	}
	if at.ID != "" {
		both = append(both, bson.D{{Key: "$or", Value: afterPlace("waiting.since", at.UpdatedAt, bson.D{{Key: "_id", Value: at.ID}})}})
	}
	if both != nil {
		filter = append(filter, bson.E{Key: "$and", Value: both})
	}
	return filter, index
}

// Waiting lists what waits for people, the longest first.
func (s *Store) Waiting(ctx context.Context, q cases.QueueQuery) (page []cases.QueueItem, next string, err error) {
	at, err := cases.ParseCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	for _, text := range []string{string(q.State), string(q.Kind), q.Reason, q.Language} {
		if !utf8.ValidString(text) {
			return nil, "", nil
		}
	}
	filter, index := waitingQuery(q, at)
	limit := cases.PageSize(q.Limit)
	how := options.Find().SetProjection(ascending("version", "waiting")).SetSort(byWaiting).SetLimit(int64(limit) + 1)
	if index != nil {
		how.SetHint(index)
	}
	found, err := list[cases.Document](ctx, s.cases, filter, how)
	if err != nil {
		return nil, "", err
	}
	for _, d := range found[:min(len(found), limit)] {
		page = append(page, cases.QueueItem{ID: d.ID, Version: d.Version, Waiting: *d.Waiting})
	}
	if len(found) > limit {
		last := page[limit-1]
		next = cases.Cursor{UpdatedAt: last.Waiting.Since, ID: last.ID}.String()
	}
	return page, next, nil
}

// WaitingCounts counts what waits, by state and level.
func (s *Store) WaitingCounts(ctx context.Context) (all []cases.QueueCount, err error) {
	for _, state := range []cases.LevelState{cases.AwaitingSecond, cases.Escalated, cases.InReview, cases.Reported, cases.Suspended} {
		for level := range 4 {
			n, err := s.cases.CountDocuments(ctx, bson.D{{Key: "waiting.state", Value: state}, {Key: "waiting.level", Value: level}},
				options.Count().SetHint(byWaitingCounts))
			if err != nil {
				return nil, failed(ctx, "count the queue", err)
			}
			if n > 0 {
				all = append(all, cases.QueueCount{State: state, Level: level, N: n})
			}
		}
	}
	return all, nil
}

// WaitingSince returns since when the case at a place of the queue waits.
func (s *Store) WaitingSince(ctx context.Context, place int64) (time.Time, error) {
	d, err := one[cases.Document](ctx, s.cases, errNone, bson.D{{Key: "waiting.since", Value: bson.D{{Key: "$gte", Value: anyTime()}}}},
		options.FindOne().SetProjection(ascending("waiting.since")).SetSort(byWaiting).SetHint(byWaiting).SetSkip(max(place, 0)))
	if errors.Is(err, errNone) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return d.Waiting.Since, nil
}

// Stalled counts cases in which nothing was done since before, by what is to do next.
func (s *Store) Stalled(ctx context.Context, before time.Time) (map[string]int64, error) {
	c, err := s.cases.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "at_step", Value: bson.D{{Key: "$gt", Value: ""}}}, {Key: "stalled_since", Value: bson.D{{Key: "$lt", Value: before}}}}}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$at_step"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
	})
	if err != nil {
		return nil, failed(ctx, "count what stands still", err)
	}
	var rows []struct {
		Step string `bson:"_id"`
		N    int64  `bson:"n"`
	}
	if err := c.All(ctx, &rows); err != nil {
		return nil, failed(ctx, "count what stands still", err)
	}
	out := map[string]int64{}
	for _, r := range rows {
		out[r.Step] = r.N
	}
	return out, nil
}

// TakeLease stores l unless somebody else's lease still runs. The holder's own is renewed, one that ran out replaced; where
// neither is there, an insert meets the unique id, and then another lease stands.
func (s *Store) TakeLease(ctx context.Context, l cases.Lease, now time.Time) (cases.Lease, error) {
	if !utf8.ValidString(l.CaseID) || !utf8.ValidString(l.Holder) {
		return cases.Lease{}, cases.ErrUnknown
	}
	id := bson.E{Key: "_id", Value: l.CaseID}
	for range 3 {
		kept, err := s.leases.UpdateOne(ctx, bson.D{id, {Key: "holder", Value: l.Holder}, {Key: "until", Value: bson.D{{Key: "$gt", Value: now}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "until", Value: l.Until}}}})
		if err != nil {
			return cases.Lease{}, failed(ctx, "renew lease", err)
		}
		if kept.MatchedCount == 0 {
			over, err := s.leases.ReplaceOne(ctx, bson.D{id, {Key: "until", Value: bson.D{{Key: "$lte", Value: now}}}}, l)
			if err != nil {
				return cases.Lease{}, failed(ctx, "take lease", err)
			}
			if over.MatchedCount == 0 {
				if _, err := s.leases.InsertOne(ctx, l); err != nil && !mongo.IsDuplicateKeyError(err) {
					return cases.Lease{}, failed(ctx, "take lease", err)
				}
			}
		}
		stands, err := one[cases.Lease](ctx, s.leases, errNone, bson.D{id})
		if err == nil && (stands.Holder == l.Holder || stands.Until.After(now)) {
			return stands, nil
		}
		if err != nil && !errors.Is(err, errNone) {
			return cases.Lease{}, err
		}
		// It was handed back, or ran out, between two of these steps: once more.
	}
	return cases.Lease{}, cases.ErrBusy
}

// Lease returns the lease of a case that runs at now.
func (s *Store) Lease(ctx context.Context, caseID string, now time.Time) (cases.Lease, bool, error) {
	filter, ok := equal("_id", caseID)
	if !ok {
		return cases.Lease{}, false, nil
	}
	l, err := one[cases.Lease](ctx, s.leases, errNone, append(filter, bson.E{Key: "until", Value: bson.D{{Key: "$gt", Value: now}}}))
	if errors.Is(err, errNone) {
		return cases.Lease{}, false, nil
	}
	return l, err == nil, err
}

// Leases returns the leases that run at now, the first to end first.
func (s *Store) Leases(ctx context.Context, now time.Time, limit int) ([]cases.Lease, error) {
	return list[cases.Lease](ctx, s.leases, bson.D{{Key: "until", Value: bson.D{{Key: "$gt", Value: now}}}},
		options.Find().SetSort(ascending("until", "_id")).SetLimit(int64(cases.PageSize(limit))))
}

// DropLease ends a holder's lease of a case.
func (s *Store) DropLease(ctx context.Context, caseID, holder string) error {
	if !utf8.ValidString(caseID) || !utf8.ValidString(holder) {
		return nil
	}
	_, err := s.leases.DeleteOne(ctx, bson.D{{Key: "_id", Value: caseID}, {Key: "holder", Value: holder}})
	return failed(ctx, "drop lease", err)
}

// Happened returns history entries of all cases.
func (s *Store) Happened(ctx context.Context, events []string, from, to time.Time, after cases.Place, limit int) ([]cases.Entry, error) {
	filter := bson.D{
		{Key: "event", Value: bson.D{{Key: "$in", Value: events}}},
		{Key: "at", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: to}}},
	}
	if after.CaseID != "" {
		filter = append(filter, bson.E{Key: "$or", Value: afterPlace("at", after.At, bson.D{{Key: "case_id", Value: after.CaseID}, {Key: "n", Value: after.N}})})
	}
	return list[cases.Entry](ctx, s.history, filter, options.Find().SetSort(ascending("at", "case_id", "n")).SetLimit(int64(cases.PageSize(limit))))
}

// Staff lists accounts with a role of staff.
func (s *Store) Staff(ctx context.Context, after string, limit int) ([]cases.AccountDocument, error) {
	if !utf8.ValidString(after) {
		return nil, nil
	}
	return list[cases.AccountDocument](ctx, s.accounts, bson.D{
		{Key: "roles", Value: bson.D{{Key: "$in", Value: cases.StaffRoles()}}}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}},
	}, options.Find().SetSort(ascending("_id")).SetLimit(int64(cases.PageSize(limit))))
}
