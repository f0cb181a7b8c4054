package casesqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks the file as Symbolon's ("SYMB"), so that another program's database
// is refused instead of being migrated.
const applicationID = 0x53594d42

// migrations bring a file from schema i to i+1. One that was released is never changed.
//
// There are no foreign keys on purpose: every backend keeps the same promises, and the
// document database beside this one has none.
var migrations = []string{
	`
CREATE TABLE meta (
	one  INTEGER PRIMARY KEY CHECK (one = 1),
	body TEXT NOT NULL
) STRICT;

CREATE TABLE accounts (
	id          TEXT NOT NULL PRIMARY KEY,
	version     INTEGER NOT NULL,
	email_index BLOB NOT NULL UNIQUE,
	body        TEXT NOT NULL
) STRICT;

-- body is the whole document; the other columns repeat what is searched or guarded by.
-- Times are milliseconds since 1970. due_at is when the relay or a worker has to look
-- at the case, jobs_due_at the same without the relay.
CREATE TABLE cases (
	id             TEXT NOT NULL PRIMARY KEY,
	version        INTEGER NOT NULL,
	handoff_epoch  INTEGER NOT NULL,
	account_id     TEXT NOT NULL UNIQUE,
	state          TEXT NOT NULL,
	level          INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL,
	document_index BLOB,
	due_at         INTEGER,
	jobs_due_at    INTEGER,
	body           TEXT NOT NULL
) STRICT;
CREATE INDEX cases_by_time ON cases (updated_at, id);
CREATE INDEX cases_by_state ON cases (state, updated_at, id);
CREATE INDEX cases_by_document ON cases (document_index, id) WHERE document_index IS NOT NULL;
CREATE INDEX cases_by_due ON cases (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE history (
	case_id TEXT NOT NULL,
	n       INTEGER NOT NULL,
	body    TEXT NOT NULL,
	PRIMARY KEY (case_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE looks (
	case_id TEXT NOT NULL,
	n       INTEGER NOT NULL,
	body    TEXT NOT NULL,
	PRIMARY KEY (case_id, n)
) STRICT, WITHOUT ROWID;
`,
}

// schemaOf reads how far the file is. It is 0 for an empty file only.
func schemaOf(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (int, error) {
	var app, version, tables int
	err := q.QueryRowContext(ctx, `SELECT
		(SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`).Scan(&app, &version, &tables)
	switch {
	case err != nil:
		return 0, err
	case app == 0 && version == 0 && tables == 0:
		return 0, nil
	case app != applicationID || version < 1:
		return 0, errForeign
	}
	return version, nil
}

// upgrade runs the missing migrations in one transaction, so that a crash leaves the file
// as it was and a second process finds nothing left to do. With onlyEmpty it touches a new file only.
func upgrade(ctx context.Context, db *sql.DB, onlyEmpty bool) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	from, err := schemaOf(ctx, tx)
	if err != nil {
		return err
	}
	switch {
	case from > len(migrations):
		return newerError(from)
	case from == len(migrations):
		return nil
	case onlyEmpty && from > 0:
		return olderError(from)
	}
	for _, step := range migrations[from:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(migrations))
	if _, err := tx.ExecContext(ctx, mark); err != nil {
		return err
	}
	return tx.Commit()
}

type olderError int

func (e olderError) Error() string {
	return fmt.Sprintf("this store has schema %d and this program needs %d: run symbolon migrate", int(e), len(migrations))
}

type newerError int

func (e newerError) Error() string {
	return fmt.Sprintf("this store has schema %d, written by a newer symbolon; this one knows %d at most", int(e), len(migrations))
}
