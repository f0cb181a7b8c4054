package casesqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/symbolon/symbolon/cases"
)

// CreateAccount inserts a.
func (s *Store) CreateAccount(ctx context.Context, a cases.AccountDocument) error {
	r, err := accountRow(a)
	if err != nil {
		return err
	}
	return s.change(ctx, "create account", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO accounts (version, email_index, body, id) VALUES (?, ?, ?, ?)`, r...)
		if isDuplicate(err) {
			return cases.ErrAccountExists
		}
		return err
	})
}

// ReplaceAccount stores a in place of the account one version older.
func (s *Store) ReplaceAccount(ctx context.Context, a cases.AccountDocument) error {
	r, err := accountRow(a)
	if err != nil {
		return err
	}
	return s.change(ctx, "replace account", func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE accounts SET version = ?, email_index = ?, body = ? WHERE id = ? AND version = ?`,
			append(r, a.Version-1)...)
		if isDuplicate(err) {
			return cases.ErrAccountExists
		}
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM accounts WHERE id = ?`, a.ID).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return cases.ErrAccountUnknown
		}
		return cases.ErrStaleVersion
	})
}

// accountRow gives the columns of an account in the order of the statements above, the id last.
func accountRow(a cases.AccountDocument) ([]any, error) {
	a.CreatedAt, a.ConfirmedAt, a.DisabledAt = toMS(a.CreatedAt), toMS(a.ConfirmedAt), toMS(a.DisabledAt)
	body, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("encode account: %w", err)
	}
	index := a.EmailIndex
	if index == nil {
		index = []byte{} // one account without an e-mail is possible, two are not
	}
	return []any{a.Version, index, string(body), a.ID}, nil
}

// Account returns an account.
func (s *Store) Account(ctx context.Context, id string) (cases.AccountDocument, error) {
	return one[cases.AccountDocument](ctx, s, cases.ErrAccountUnknown, `SELECT body FROM accounts WHERE id = ?`, id)
}

// AccountByEmail finds an account by its e-mail index.
func (s *Store) AccountByEmail(ctx context.Context, index []byte) (cases.AccountDocument, error) {
	if index == nil {
		index = []byte{}
	}
	return one[cases.AccountDocument](ctx, s, cases.ErrAccountUnknown, `SELECT body FROM accounts WHERE email_index = ?`, index)
}

// Accounts lists accounts in the order of their ids.
func (s *Store) Accounts(ctx context.Context, after string, limit int) ([]cases.AccountDocument, error) {
	return list[cases.AccountDocument](ctx, s, `SELECT body FROM accounts WHERE id > ? ORDER BY id LIMIT ?`, after, cases.PageSize(limit))
}

// Meta returns the store's record.
func (s *Store) Meta(ctx context.Context) (cases.Meta, bool, error) {
	m, err := one[cases.Meta](ctx, s, errNone, `SELECT body FROM meta`)
	if errors.Is(err, errNone) {
		return cases.Meta{}, false, nil
	}
	return m, err == nil, err
}

// SetMeta stores the store's record.
func (s *Store) SetMeta(ctx context.Context, m cases.Meta, create bool) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	return s.change(ctx, "set record", func(tx *sql.Tx) error {
		query := `INSERT INTO meta (one, body) VALUES (1, ?)`
		if !create {
			query += ` ON CONFLICT (one) DO UPDATE SET body = excluded.body`
		}
		_, err := tx.ExecContext(ctx, query, string(body))
		if isDuplicate(err) {
			return cases.ErrStaleVersion
		}
		return err
	})
}
