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
	`
-- What waits for people, what applicants have to do next, who has taken what, and what figures are made of. The
-- waiting columns are empty where nobody has to look, so that the queue's indexes hold the queue and nothing else.
ALTER TABLE cases ADD COLUMN waiting TEXT;
ALTER TABLE cases ADD COLUMN waiting_state TEXT;
ALTER TABLE cases ADD COLUMN waiting_level INTEGER;
ALTER TABLE cases ADD COLUMN waiting_since INTEGER;
ALTER TABLE cases ADD COLUMN waiting_kind TEXT;
ALTER TABLE cases ADD COLUMN waiting_reason TEXT;
ALTER TABLE cases ADD COLUMN waiting_language TEXT;
ALTER TABLE cases ADD COLUMN waiting_reported INTEGER;
ALTER TABLE cases ADD COLUMN at_step TEXT;
ALTER TABLE cases ADD COLUMN acted_at INTEGER;

WITH waits AS (
	SELECT id, (SELECT json_object(
			'state', 'in_review', 'level', json_extract(l.value, '$.level'), 'since', json_extract(l.value, '$.submitted_at'),
			'kind', json_extract(body, '$.kind'), 'reason', coalesce(json_extract(l.value, '$.reasons[0].code'), ''),
			'reported', json(iif(json_extract(body, '$.reported_at') IS NULL, 'false', 'true')))
		FROM json_each(body, '$.levels') l WHERE json_extract(l.value, '$.state') = 'in_review'
		ORDER BY json_extract(l.value, '$.level') LIMIT 1) AS w
	FROM cases)
UPDATE cases SET waiting = w FROM waits WHERE waits.id = cases.id AND w IS NOT NULL;
UPDATE cases SET waiting = json_object('state', 'reported', 'level', 0, 'since', json_extract(body, '$.reported_at'),
		'kind', json_extract(body, '$.kind'), 'reason', 'handoff.reported', 'reported', json('true'))
	WHERE waiting IS NULL AND json_extract(body, '$.reported_at') IS NOT NULL AND json_extract(body, '$.erased_at') IS NULL;
UPDATE cases SET
	body = json_set(body, '$.waiting', json(waiting)),
	waiting_state = json_extract(waiting, '$.state'), waiting_level = json_extract(waiting, '$.level'),
	waiting_since = CAST((julianday(json_extract(waiting, '$.since')) - 2440587.5) * 86400000 + 0.5 AS INTEGER),
	waiting_kind = json_extract(waiting, '$.kind'), waiting_reason = json_extract(waiting, '$.reason'),
	waiting_language = '', waiting_reported = json_extract(waiting, '$.reported')
	WHERE waiting IS NOT NULL;

CREATE INDEX cases_waiting ON cases (waiting_since, id) WHERE waiting_since IS NOT NULL;
CREATE INDEX cases_waiting_state ON cases (waiting_state, waiting_since, id) WHERE waiting_since IS NOT NULL;
CREATE INDEX cases_waiting_level ON cases (waiting_level, waiting_since, id) WHERE waiting_since IS NOT NULL;
CREATE INDEX cases_waiting_reason ON cases (waiting_reason, waiting_since, id) WHERE waiting_since IS NOT NULL;
CREATE INDEX cases_waiting_reported ON cases (waiting_reported, waiting_since, id) WHERE waiting_since IS NOT NULL;
CREATE INDEX cases_waiting_counts ON cases (waiting_state, waiting_level, waiting_since) WHERE waiting_since IS NOT NULL;
CREATE INDEX cases_stalled ON cases (at_step, acted_at) WHERE at_step IS NOT NULL;

CREATE TABLE leases (
	case_id  TEXT NOT NULL PRIMARY KEY,
	holder   TEXT NOT NULL,
	taken_at INTEGER NOT NULL,
	until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_until ON leases (until, case_id);

-- Both are empty for entries that no figure is made of.
ALTER TABLE history ADD COLUMN event TEXT;
ALTER TABLE history ADD COLUMN counted_at INTEGER;
UPDATE history SET event = json_extract(body, '$.event'),
	counted_at = CAST((julianday(json_extract(body, '$.at')) - 2440587.5) * 86400000 + 0.5 AS INTEGER)
	WHERE json_extract(body, '$.event') IN ('level_submitted', 'level_approved', 'level_resubmit', 'level_rejected');
CREATE INDEX history_counted ON history (counted_at, case_id, n) WHERE counted_at IS NOT NULL;

CREATE INDEX accounts_staff ON accounts (id) WHERE json_array_length(body, '$.roles') > 0;
`,
	`
-- The faces that may be found from other cases.
CREATE INDEX cases_by_face ON cases (json_extract(body, '$.face_entry.model'), id)
	WHERE json_extract(body, '$.face_entry.model') IS NOT NULL;
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
