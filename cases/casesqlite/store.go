// Package casesqlite keeps accounts, cases and their history in one SQLite file.
//
// What was acknowledged survives kill -9 and a power cut: the file is in WAL mode with
// synchronous=FULL. Several processes may share it. Each opens one connection that writes
// (SQLite has one writer at a time anyway; waiting in Go is cheaper than polling the file's lock)
// and a few that only read. A document is JSON in a column, beside the columns that are searched.
package casesqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/symbolon/symbolon/cases"
)

var errForeign = errors.New("this file is a database, but not one of Symbolon's")

const (
	readers = 4
	// lockWait is how long a writer waits for another process's.
	lockWait = 10 * time.Second
)

// Store is a cases.Backend on one SQLite file.
type Store struct {
	write *sql.DB // one connection; every transaction begins IMMEDIATE
	read  *sql.DB // several, query_only
}

var _ cases.Backend = (*Store)(nil)

// Open opens the store at path and makes it (mode 0600) when there is none; its directory must
// exist. A store of an older schema is refused with a sentence that says to run "symbolon
// migrate", one of a newer schema or another program's database is refused too.
func Open(ctx context.Context, path string) (*Store, error) {
	return open(ctx, path, true)
}

// Migrate brings the store at path to the current schema. It is safe to run twice and in
// several processes at once.
func Migrate(ctx context.Context, path string) error {
	s, err := open(ctx, path, false)
	if err != nil {
		return err
	}
	return s.Close()
}

func open(ctx context.Context, path string, onlyEmpty bool) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := private(path); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{}
	if s.write, err = sql.Open("sqlite", address(path, "_txlock=immediate&_journal_mode=WAL&_synchronous=FULL")); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", address(path, "_query_only=1")); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.write.Close())
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	if err := s.settle(ctx, onlyEmpty); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.Close())
	}
	return s, nil
}

// settle makes the first connection and checks or makes the schema. Turning WAL on needs the
// file for itself and does not wait for its lock, so two processes that make one store at the same
// moment try again.
func (s *Store) settle(ctx context.Context, onlyEmpty bool) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		err := upgrade(ctx, s.write, onlyEmpty)
		if !isCode(err, sqlite3.SQLITE_BUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// making keeps a second Open of this process from using the file while private has it open: closing
// a file drops the locks that the whole process holds on it, SQLite's too.
var making sync.Mutex

// private makes the file, or takes an existing one away from group and others. SQLite gives
// its side files the same mode.
func private(path string) error {
	making.Lock()
	defer making.Unlock()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", path)
		}
		if info.Mode().Perm()&0o077 != 0 {
			return os.Chmod(path, 0o600)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// SQLite syncs the directory for the files it makes itself; this one it finds.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// address is the driver's name for a file; the path is escaped because it may hold ? or %.
// fullfsync makes macOS write through its disk cache, as fsync does elsewhere. What is deleted is overwritten,
// because a destroyed key must not stay in the file.
func address(path, query string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	return fmt.Sprintf("%s?_busy_timeout=%d&_pragma=fullfsync(1)&_pragma=checkpoint_fullfsync(1)&_pragma=secure_delete(1)&_dqs=0&_defensive=1&%s",
		u.String(), lockWait.Milliseconds(), query)
}

// Migrate brings the stored schema to the current one.
func (s *Store) Migrate(ctx context.Context) error {
	return failed(ctx, "migrate", upgrade(ctx, s.write, false))
}

// Ping reports whether the store answers.
func (s *Store) Ping(ctx context.Context) error {
	var n int
	return failed(ctx, "ping", s.read.QueryRowContext(ctx, `SELECT count(*) FROM meta`).Scan(&n))
}

// CopyTo writes the store as it is at one moment into a new file (mode 0600), while others go on using it.
func (s *Store) CopyTo(ctx context.Context, path string) error {
	const verb = "copy store"
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %s exists", verb, path)
	}
	if err := private(path); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	if _, err := s.write.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		return failed(ctx, verb, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Scrub moves what stands in the write-ahead log into the file and empties the log, so that what was
// replaced or deleted is in neither. It waits for readers of old versions for a while.
func (s *Store) Scrub(ctx context.Context) error {
	const verb = "empty the write-ahead log"
	wait := time.After(lockWait)
	for {
		var busy, pages, moved int
		if err := s.write.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved); err != nil {
			return failed(ctx, verb, err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return failed(ctx, verb, ctx.Err())
		case <-wait:
			return fmt.Errorf("%s: %w", verb, cases.ErrUnavailable)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Close closes the store; twice is fine.
func (s *Store) Close() error {
	return errors.Join(s.read.Close(), s.write.Close())
}

// change runs f in one write transaction and commits it when f returns nil.
func (s *Store) change(ctx context.Context, verb string, f func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return failed(ctx, verb, err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		return failed(ctx, verb, err)
	}
	return failed(ctx, verb, tx.Commit())
}

// failed words an error of the database for the caller. An error of cases stays what it is.
func failed(ctx context.Context, verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", verb, ctx.Err())
	case isCode(err, sqlite3.SQLITE_FULL):
		err = cases.ErrFull.Because(err)
	case isCode(err, sqlite3.SQLITE_BUSY), isCode(err, sqlite3.SQLITE_LOCKED):
		err = cases.ErrUnavailable.Because(err)
	}
	return fmt.Errorf("%s: %w", verb, err)
}

// isCode tells the class of a SQLite error; the extended codes share their low byte.
func isCode(err error, code int) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == code
}

func isDuplicate(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
