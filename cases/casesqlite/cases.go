package casesqlite

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/symbolon/symbolon/cases"
)

const (
	replaceCase = `UPDATE cases SET
		version = ?, handoff_epoch = ?, account_id = ?, state = ?, level = ?, updated_at = ?,
		document_index = ?, due_at = ?, jobs_due_at = ?,
		waiting = ?, waiting_state = ?, waiting_level = ?, waiting_since = ?, waiting_kind = ?, waiting_reason = ?, waiting_language = ?,
		waiting_reported = ?, at_step = ?, acted_at = ?, body = ?
		WHERE id = ? AND version = ? AND (? < 0 OR handoff_epoch = ?)`
	listed    = `SELECT id, version, state, level, updated_at FROM cases WHERE `
	listAll   = listed + `(updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT ?`
	listState = listed + `state = ? AND (updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT ?`
	backlog   = `SELECT count(*), min(nullif(due_at, 0)) FROM cases WHERE due_at <= ?`
	listDue   = `SELECT id FROM cases WHERE due_at <= ? ORDER BY due_at, id LIMIT ?`

	byFace = `SELECT id, json_extract(body, '$.wrapped_key'), json_extract(body, '$.face_entry') FROM cases
		WHERE json_extract(body, '$.face_entry.model') = ? AND id > ? ORDER BY id LIMIT ?`

	byDocument = `SELECT id FROM cases WHERE document_index = ? ORDER BY id LIMIT ?`
)

// CreateCase inserts d.
func (s *Store) CreateCase(ctx context.Context, d cases.Document) error {
	r, err := rowOf(d)
	if err != nil {
		return err
	}
	return s.change(ctx, "create case", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO cases
			(version, handoff_epoch, account_id, state, level, updated_at, document_index, due_at, jobs_due_at,
			waiting, waiting_state, waiting_level, waiting_since, waiting_kind, waiting_reason, waiting_language,
			waiting_reported, at_step, acted_at, body, id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r...)
		if isDuplicate(err) {
			return cases.ErrExists
		}
		return err
	})
}

// ReplaceCase stores d in place of the document one version older.
func (s *Store) ReplaceCase(ctx context.Context, d cases.Document, epoch int64) error {
	r, err := rowOf(d)
	if err != nil {
		return err
	}
	return s.change(ctx, "replace case", func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, replaceCase, append(r, d.Version-1, epoch, epoch)...)
		if isDuplicate(err) {
			return cases.ErrExists
		}
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		// Nobody else can write while this transaction runs, so this is why it did not match.
		var stored int64
		err = tx.QueryRowContext(ctx, `SELECT handoff_epoch FROM cases WHERE id = ?`, d.ID).Scan(&stored)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return cases.ErrUnknown
		case err != nil:
			return err
		case epoch >= 0 && stored != epoch:
			return cases.ErrStaleEpoch
		}
		return cases.ErrStaleVersion
	})
}

// rowOf gives the columns of a case in the order of the statements above, the id last.
func rowOf(d cases.Document) ([]any, error) {
	d = trimmed(d)
	body, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode case: %w", err)
	}
	row := []any{
		d.Version, d.HandoffEpoch, d.AccountID, string(d.State), d.Level, d.UpdatedAt.UnixMilli(),
		orNull(d.DocumentIndex), msOrNull(d.DueAt()), msOrNull(d.JobsDueAt()),
	}
	if row, err = withWaiting(row, d); err != nil {
		return nil, err
	}
	return append(row, string(body), d.ID), nil
}

func orNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

func msOrNull(t time.Time, ok bool) any {
	if !ok {
		return nil
	}
	return t.UnixMilli()
}

// Case returns the case.
func (s *Store) Case(ctx context.Context, id string) (cases.Document, error) {
	return one[cases.Document](ctx, s, cases.ErrUnknown, `SELECT body FROM cases WHERE id = ?`, id)
}

// CaseOf returns the case of an account.
func (s *Store) CaseOf(ctx context.Context, accountID string) (cases.Document, error) {
	return one[cases.Document](ctx, s, cases.ErrUnknown, `SELECT body FROM cases WHERE account_id = ?`, accountID)
}

// one reads one document; absent is the error for none.
func one[T any](ctx context.Context, s *Store, absent error, query string, args ...any) (T, error) {
	var body []byte
	var v T
	err := s.read.QueryRowContext(ctx, query, args...).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return v, absent
	}
	if err != nil {
		return v, failed(ctx, "read store", err)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("decode %T: %w", v, err)
	}
	return v, nil
}

// rows reads a list; scan is called for each row.
func (s *Store) rows(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return failed(ctx, "read store", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return failed(ctx, "read store", err)
		}
	}
	return failed(ctx, "read store", rows.Err())
}

func (s *Store) ids(ctx context.Context, query string, args ...any) (ids []string, err error) {
	err = s.rows(ctx, func(r *sql.Rows) error {
		var id string
		if err := r.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	}, query, args...)
	return ids, err
}

// Cases lists cases in the order of (updated_at, id).
func (s *Store) Cases(ctx context.Context, state cases.LevelState, cursor string, limit int) (page []cases.Summary, next string, err error) {
	at, err := cases.ParseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	limit = cases.PageSize(limit)
	query, args := listAll, []any{at.UpdatedAt.UnixMilli(), at.ID, limit + 1}
	if state != "" {
		query, args = listState, append([]any{string(state)}, args...)
	}
	err = s.rows(ctx, func(r *sql.Rows) error {
		var c cases.Summary
		var ms int64
		if err := r.Scan(&c.ID, &c.Version, &c.State, &c.Level, &ms); err != nil {
			return err
		}
		c.UpdatedAt = time.UnixMilli(ms).UTC()
		page = append(page, c)
		return nil
	}, query, args...)
	if err != nil {
		return nil, "", err
	}
	if len(page) > limit {
		page = page[:limit]
		next = cases.After(page[limit-1]).String()
	}
	return page, next, nil
}

// CasesByDocument lists the ids of cases with this document index.
func (s *Store) CasesByDocument(ctx context.Context, index []byte, limit int) ([]string, error) {
	if len(index) == 0 {
		return nil, nil
	}
	return s.ids(ctx, byDocument, index, cases.PageSize(limit))
}

// FaceEntries lists the faces of cases that a model made.
func (s *Store) FaceEntries(ctx context.Context, model, after string, limit int) ([]cases.FaceRow, error) {
	rows, err := s.read.QueryContext(ctx, byFace, model, after, cases.PageSize(limit))
	if err != nil {
		return nil, failed(ctx, "list faces", err)
	}
	defer func() { _ = rows.Close() }()
	var out []cases.FaceRow
	for rows.Next() {
		var r cases.FaceRow
		var key string
		var entry []byte
		if err := rows.Scan(&r.CaseID, &key, &entry); err != nil {
			return nil, failed(ctx, "list faces", err)
		}
		if r.WrappedKey, err = base64.StdEncoding.DecodeString(key); err == nil {
			err = json.Unmarshal(entry, &r.FaceEntry)
		}
		if err != nil {
			return nil, fmt.Errorf("decode the face of %s: %w", r.CaseID, err)
		}
		out = append(out, r)
	}
	return out, failed(ctx, "list faces", rows.Err())
}

// Due lists ids of cases that the relay or a worker should look at, the longest due first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	return s.ids(ctx, listDue, now.UnixMilli(), cases.PageSize(limit))
}

// Backlog counts the cases that have something to be done.
func (s *Store) Backlog(ctx context.Context, now time.Time) (n int, oldest time.Time, err error) {
	var since sql.NullInt64
	err = s.read.QueryRowContext(ctx, backlog, now.UnixMilli()).Scan(&n, &since)
	if err == nil && since.Valid {
		oldest = time.UnixMilli(since.Int64).UTC()
	}
	return n, oldest, failed(ctx, "count cases", err)
}

// Relayed notes that the pending entries of this version are in the history.
func (s *Store) Relayed(ctx context.Context, id string, version int64) error {
	return s.change(ctx, "note relayed", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE cases SET due_at = jobs_due_at WHERE id = ? AND version = ?`, id, version)
		return err
	})
}
