package casesqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// withWaiting appends the columns by which the queue and the figures find a case.
func withWaiting(row []any, d cases.Document) ([]any, error) {
	step, acted := any(nil), any(nil)
	if d.AtStep != "" {
		at := d.ActedAt
		if at.Before(d.CreatedAt) {
			at = d.CreatedAt
		}
		step, acted = d.AtStep, at.UnixMilli()
	}
	w := d.Waiting
	if w == nil {
		return append(row, nil, nil, nil, nil, nil, nil, nil, nil, step, acted), nil
	}
	doc, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encode what waits: %w", err)
	}
	return append(row, string(doc), string(w.State), w.Level, w.Since.UnixMilli(), string(w.Kind), w.Reason, w.Language, w.Reported, step, acted), nil
}

// waitingQuery is the statement for a page of the queue. The index is named, because without statistics SQLite would have to
// guess which member of the question leaves the fewest rows.
func waitingQuery(q cases.QueueQuery, at cases.Cursor) (string, []any, error) {
	index := "cases_waiting"
	where := []string{"waiting_since IS NOT NULL", "(waiting_since, id) > (?, ?)"}
	args := []any{at.UpdatedAt.UnixMilli(), at.ID}
	add := func(set bool, by, condition string, value any) {
		if !set {
			return
		}
		if by != "" {
			index = by
		}
		where, args = append(where, condition), append(args, value)
	}
	add(q.Kind != "", "", "waiting_kind = ?", string(q.Kind))
	add(q.Language != "", "", "waiting_language = ?", q.Language)
	add(q.State != "", "cases_waiting_state", "waiting_state = ?", string(q.State))
	add(q.Level != 0, "cases_waiting_level", "waiting_level = ?", q.Level)
	add(q.Reported, "cases_waiting_reported", "waiting_reported = ?", 1)
	add(q.Reason != "", "cases_waiting_reason", "waiting_reason = ?", q.Reason)
	hint := " INDEXED BY " + index
	for _, l := range []struct {
		ids  []string
		word string
	}{{q.Among, "IN"}, {q.Except, "NOT IN"}} {
		if l.ids == nil {
			continue
		}
		list, err := json.Marshal(l.ids)
		if err != nil {
			return "", nil, fmt.Errorf("encode ids: %w", err)
		}
		where, args = append(where, "id "+l.word+" (SELECT value FROM json_each(?))"), append(args, string(list))
		if l.word == "IN" {
			hint = "" // a few, each found by its id
		}
	}
	return `SELECT id, version, waiting FROM cases` + hint + ` WHERE ` + strings.Join(where, " AND ") + ` ORDER BY waiting_since, id LIMIT ?`,
		append(args, cases.PageSize(q.Limit)+1), nil
}

// Waiting lists what waits for people, the longest first.
func (s *Store) Waiting(ctx context.Context, q cases.QueueQuery) (page []cases.QueueItem, next string, err error) {
	at, err := cases.ParseCursor(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	if at.ID == "" {
		at.UpdatedAt = time.UnixMilli(-1 << 62)
	}
	query, args, err := waitingQuery(q, at)
	if err != nil {
		return nil, "", err
	}
	err = s.rows(ctx, func(r *sql.Rows) error {
		var item cases.QueueItem
		var doc []byte
		if err := r.Scan(&item.ID, &item.Version, &doc); err != nil {
			return err
		}
		if err := json.Unmarshal(doc, &item.Waiting); err != nil {
			return fmt.Errorf("decode what waits: %w", err)
		}
		page = append(page, item)
		return nil
	}, query, args...)
	if err != nil {
		return nil, "", err
	}
	if limit := cases.PageSize(q.Limit); len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = cases.Cursor{UpdatedAt: last.Waiting.Since, ID: last.ID}.String()
	}
	return page, next, nil
}

const (
	countWaiting = `SELECT waiting_state, waiting_level, count(*) FROM cases WHERE waiting_since IS NOT NULL
		GROUP BY waiting_state, waiting_level ORDER BY waiting_state, waiting_level`
	placeWaiting = `SELECT waiting_since FROM cases INDEXED BY cases_waiting WHERE waiting_since IS NOT NULL
		ORDER BY waiting_since, id LIMIT 1 OFFSET ?`
	countStalled = `SELECT at_step, count(*) FROM cases WHERE at_step IS NOT NULL AND acted_at < ? GROUP BY at_step`
	liveLeases   = `SELECT case_id, holder, taken_at, until FROM leases WHERE until > ? ORDER BY until, case_id LIMIT ?`
	happened     = `SELECT body FROM history WHERE counted_at IS NOT NULL AND counted_at >= ? AND counted_at < ?
		AND (counted_at, case_id, n) > (?, ?, ?) AND event IN (SELECT value FROM json_each(?)) ORDER BY counted_at, case_id, n LIMIT ?`
	// The index of staff has the same condition, or it would not be used.
	listStaff = `SELECT body FROM accounts WHERE json_array_length(body, '$.roles') > 0 AND id > ?
		AND EXISTS (SELECT 1 FROM json_each(body, '$.roles') WHERE value IN ('reviewer', 'supervisor', 'admin')) ORDER BY id LIMIT ?`
)

// WaitingCounts counts what waits, by state and level.
func (s *Store) WaitingCounts(ctx context.Context) (all []cases.QueueCount, err error) {
	err = s.rows(ctx, func(r *sql.Rows) error {
		var c cases.QueueCount
		if err := r.Scan(&c.State, &c.Level, &c.N); err != nil {
			return err
		}
		all = append(all, c)
		return nil
	}, countWaiting)
	return all, err
}

// WaitingSince returns since when the case at a place of the queue waits.
func (s *Store) WaitingSince(ctx context.Context, place int64) (time.Time, error) {
	var ms int64
	err := s.read.QueryRowContext(ctx, placeWaiting, max(place, 0)).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, failed(ctx, "read store", err)
	}
	return time.UnixMilli(ms).UTC(), nil
}

// Stalled counts cases in which nothing was done since before, by what is to do next.
func (s *Store) Stalled(ctx context.Context, before time.Time) (map[string]int64, error) {
	out := map[string]int64{}
	err := s.rows(ctx, func(r *sql.Rows) error {
		var step string
		var n int64
		if err := r.Scan(&step, &n); err != nil {
			return err
		}
		out[step] = n
		return nil
	}, countStalled, before.UnixMilli())
	return out, err
}

// TakeLease stores l unless somebody else's lease still runs.
func (s *Store) TakeLease(ctx context.Context, l cases.Lease, now time.Time) (cases.Lease, error) {
	var stands cases.Lease
	err := s.change(ctx, "take lease", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO leases (case_id, holder, taken_at, until) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (case_id) DO UPDATE SET
				taken_at = CASE WHEN holder = excluded.holder AND until > ?5 THEN taken_at ELSE excluded.taken_at END,
				holder = excluded.holder, until = excluded.until
			WHERE holder = excluded.holder OR until <= ?5`,
			l.CaseID, l.Holder, l.TakenAt.UnixMilli(), l.Until.UnixMilli(), now.UnixMilli())
		if err != nil {
			return err
		}
		stands, err = scanLease(tx.QueryRowContext(ctx, `SELECT case_id, holder, taken_at, until FROM leases WHERE case_id = ?`, l.CaseID))
		return err
	})
	return stands, err
}

func scanLease(r interface{ Scan(...any) error }) (l cases.Lease, err error) {
	var taken, until int64
	err = r.Scan(&l.CaseID, &l.Holder, &taken, &until)
	l.TakenAt, l.Until = time.UnixMilli(taken).UTC(), time.UnixMilli(until).UTC()
	return l, err
}

// Lease returns the lease of a case that runs at now.
func (s *Store) Lease(ctx context.Context, caseID string, now time.Time) (cases.Lease, bool, error) {
	l, err := scanLease(s.read.QueryRowContext(ctx, `SELECT case_id, holder, taken_at, until FROM leases WHERE case_id = ? AND until > ?`,
		caseID, now.UnixMilli()))
	if errors.Is(err, sql.ErrNoRows) {
		return cases.Lease{}, false, nil
	}
	if err != nil {
		return cases.Lease{}, false, failed(ctx, "read store", err)
	}
	return l, true, nil
}

// Leases returns the leases that run at now, the first to end first.
func (s *Store) Leases(ctx context.Context, now time.Time, limit int) (all []cases.Lease, err error) {
	err = s.rows(ctx, func(r *sql.Rows) error {
		l, err := scanLease(r)
		all = append(all, l)
		return err
	}, liveLeases, now.UnixMilli(), cases.PageSize(limit))
	return all, err
}

// DropLease ends a holder's lease of a case.
func (s *Store) DropLease(ctx context.Context, caseID, holder string) error {
	return s.change(ctx, "drop lease", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM leases WHERE case_id = ? AND holder = ?`, caseID, holder)
		return err
	})
}

// Happened returns counted history entries of all cases.
func (s *Store) Happened(ctx context.Context, events []string, from, to time.Time, after cases.Place, limit int) ([]cases.Entry, error) {
	names, err := json.Marshal(events)
	if err != nil {
		return nil, fmt.Errorf("encode events: %w", err)
	}
	at := after.At.UnixMilli()
	if after.CaseID == "" {
		at = -1 << 62
	}
	return list[cases.Entry](ctx, s, happened, from.UnixMilli(), to.UnixMilli(), at, after.CaseID, after.N, string(names), cases.PageSize(limit))
}

// Staff lists accounts with a role of staff.
func (s *Store) Staff(ctx context.Context, after string, limit int) ([]cases.AccountDocument, error) {
	return list[cases.AccountDocument](ctx, s, listStaff, after, cases.PageSize(limit))
}
