package casesqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/symbolon/symbolon/cases"
)

// AppendHistory stores entries; those that are there already stay as they are.
func (s *Store) AppendHistory(ctx context.Context, entries []cases.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	return s.change(ctx, "append history", func(tx *sql.Tx) error {
		for _, e := range entries {
			e.At = toMS(e.At)
			body, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("encode entry: %w", err)
			}
			event, counted := any(nil), any(nil)
			if slices.Contains(cases.CountedEvents(), e.Event) {
				event, counted = e.Event, e.At.UnixMilli()
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO history (case_id, n, body, event, counted_at) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (case_id, n) DO NOTHING`, e.CaseID, e.N, string(body), event, counted); err != nil {
				return err
			}
		}
		return nil
	})
}

// History returns entries with n > after in order.
func (s *Store) History(ctx context.Context, caseID string, after int64, limit int) ([]cases.Entry, error) {
	return list[cases.Entry](ctx, s, `SELECT body FROM history WHERE case_id = ? AND n > ? ORDER BY n LIMIT ?`,
		caseID, after, cases.PageSize(limit))
}

// AppendLook stores the look that follows the newest one.
func (s *Store) AppendLook(ctx context.Context, l cases.Look) error {
	l.At = toMS(l.At)
	body, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode look: %w", err)
	}
	return s.change(ctx, "append look", func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO looks (case_id, n, body) SELECT ?1, ?2, ?3
			WHERE ?2 = 1 + (SELECT coalesce(max(n), 0) FROM looks WHERE case_id = ?1)`, l.CaseID, l.N, string(body))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return cases.ErrStaleVersion
	})
}

// LastLook returns the newest look of the case; a zero Look when there is none.
func (s *Store) LastLook(ctx context.Context, caseID string) (cases.Look, error) {
	l, err := one[cases.Look](ctx, s, errNone, `SELECT body FROM looks WHERE case_id = ? ORDER BY n DESC LIMIT 1`, caseID)
	if errors.Is(err, errNone) {
		return cases.Look{}, nil
	}
	return l, err
}

var errNone = errors.New("none")

// Looks returns looks with n > after in order.
func (s *Store) Looks(ctx context.Context, caseID string, after int64, limit int) ([]cases.Look, error) {
	return list[cases.Look](ctx, s, `SELECT body FROM looks WHERE case_id = ? AND n > ? ORDER BY n LIMIT ?`,
		caseID, after, cases.PageSize(limit))
}

// HistoryCases returns the ids of cases that have history or looks. Each step is two seeks in an index.
func (s *Store) HistoryCases(ctx context.Context, after string, limit int) (ids []string, err error) {
	for range cases.PageSize(limit) {
		var id sql.NullString
		err := s.read.QueryRowContext(ctx, nextHistory, after).Scan(&id)
		if err != nil {
			return nil, failed(ctx, "read store", err)
		}
		if !id.Valid {
			break
		}
		after = id.String
		ids = append(ids, after)
	}
	return ids, nil
}

const nextHistory = `SELECT min(id) FROM (SELECT min(case_id) AS id FROM history WHERE case_id > ?1
	UNION ALL SELECT min(case_id) FROM looks WHERE case_id > ?1)`

func list[T any](ctx context.Context, s *Store, query string, args ...any) (all []T, err error) {
	err = s.rows(ctx, func(r *sql.Rows) error {
		var body []byte
		var v T
		if err := r.Scan(&body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return fmt.Errorf("decode %T: %w", v, err)
		}
		all = append(all, v)
		return nil
	}, query, args...)
	return all, err
}
