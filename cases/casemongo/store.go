// Package casemongo keeps accounts, cases and their history in MongoDB.
//
// Every change is one write of one document, guarded by its filter, so no transactions are needed and a
// single server will do as well as a replica set. What is acknowledged is journaled on a majority.
// Reads go to the primary: a change is seen by whoever reads after it. The indexes are plain ones.
package casemongo

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"

	"github.com/symbolon/symbolon/cases"
)

const (
	// defaultDatabase is used when the address names none.
	defaultDatabase = "symbolon"
	// patience bounds an operation whose caller set no earlier end, and Close.
	patience = 10 * time.Second
	// outOfDisk is MongoDB's OutOfDiskSpace.
	outOfDisk = 14031
)

// errAddress does not say what was wrong: an address may hold a password.
var errAddress = errors.New("the MongoDB address cannot be read: it looks like mongodb://user:password@host:27017/database")

// Store is a cases.Backend on one MongoDB database.
type Store struct {
	client *mongo.Client
	db     *mongo.Database

	cases, history, looks, accounts, leases, meta *mongo.Collection
}

var _ cases.Backend = (*Store)(nil)

// Open opens the store at a mongodb:// or mongodb+srv:// address; its path is the name of the database,
// "symbolon" when there is none. A new database gets the current schema. One of an older schema is
// refused with a sentence that says to run "symbolon migrate", one of a newer schema is refused too.
func Open(ctx context.Context, uri string) (*Store, error) {
	s, err := connect(uri)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.upgrade(ctx, true); err != nil {
		return nil, errors.Join(failed(ctx, "open store", err), s.Close())
	}
	return s, nil
}

// Migrate brings the store at an address to the current schema. It is safe to run twice and on
// several nodes at once.
func Migrate(ctx context.Context, uri string) error {
	s, err := connect(uri)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}

func connect(uri string) (*Store, error) {
	place, err := connstring.ParseAndValidate(uri)
	if err != nil {
		return nil, errAddress
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).
		SetAppName("symbolon").
		SetTimeout(patience).
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(durable()))
	if err != nil {
		return nil, errAddress
	}
	name := place.Database
	if name == "" {
		name = defaultDatabase
	}
	db := client.Database(name)
	return &Store{
		client: client, db: db,
		cases:    db.Collection("cases"),
		history:  db.Collection("history"),
		looks:    db.Collection("looks"),
		accounts: db.Collection("accounts"),
		leases:   db.Collection("leases"),
		meta:     db.Collection("meta"),
	}, nil
}

// durable asks for a majority and for the journal, whatever the server's defaults are.
func durable() *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &journal}
}

// Ping reports whether the primary answers.
func (s *Store) Ping(ctx context.Context) error {
	return failed(ctx, "ping", s.client.Ping(ctx, readpref.Primary()))
}

// Close ends the connections; twice is fine.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.client.Disconnect(ctx); !errors.Is(err, mongo.ErrClientDisconnected) {
		return err
	}
	return nil
}

// failed words an error of the database for the caller. An error of cases stays what it is.
func failed(ctx context.Context, verb string, err error) error {
	server, isServer := errors.AsType[mongo.ServerError](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", verb, ctx.Err())
	case isServer && server.HasErrorCode(outOfDisk):
		err = cases.ErrFull.Because(err)
	case mongo.IsTimeout(err), mongo.IsNetworkError(err):
		err = cases.ErrUnavailable.Because(err)
	}
	return fmt.Errorf("%s: %w", verb, err)
}

// equal matches documents whose field has this text. The second result is false for text that no
// document can hold, which a server may refuse to look for.
func equal(field, text string) (bson.D, bool) {
	return bson.D{{Key: field, Value: text}}, utf8.ValidString(text)
}

// one reads one document; absent is the error for none.
func one[T any](ctx context.Context, c *mongo.Collection, absent error, filter bson.D, opts ...options.Lister[options.FindOneOptions]) (T, error) {
	var v T
	err := c.FindOne(ctx, filter, opts...).Decode(&v)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return v, absent
	}
	return v, failed(ctx, "read store", err)
}

// list reads documents.
func list[T any](ctx context.Context, c *mongo.Collection, filter bson.D, opts ...options.Lister[options.FindOptions]) ([]T, error) {
	cursor, err := c.Find(ctx, filter, opts...)
	if err != nil {
		return nil, failed(ctx, "read store", err)
	}
	var all []T
	if err := cursor.All(ctx, &all); err != nil {
		return nil, failed(ctx, "read store", err)
	}
	return all, nil
}

func ascending(fields ...string) bson.D {
	var d bson.D
	for _, f := range fields {
		d = append(d, bson.E{Key: f, Value: 1})
	}
	return d
}
