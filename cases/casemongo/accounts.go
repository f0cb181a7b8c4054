package casemongo

import (
	"context"
	"errors"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/symbolon/symbolon/cases"
)

// CreateAccount inserts a.
func (s *Store) CreateAccount(ctx context.Context, a cases.AccountDocument) error {
	a.EmailIndex = notNull(a.EmailIndex)
	_, err := s.accounts.InsertOne(ctx, a)
	if mongo.IsDuplicateKeyError(err) {
		return cases.ErrAccountExists
	}
	return failed(ctx, "create account", err)
}

// notNull gives "no e-mail" one form, so that the unique index sees it.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// ReplaceAccount stores a in place of the account one version older.
func (s *Store) ReplaceAccount(ctx context.Context, a cases.AccountDocument) error {
	a.EmailIndex = notNull(a.EmailIndex)
	res, err := s.accounts.ReplaceOne(ctx, bson.D{{Key: "_id", Value: a.ID}, {Key: "version", Value: a.Version - 1}}, a)
	switch {
	case mongo.IsDuplicateKeyError(err):
		return cases.ErrAccountExists
	case err != nil:
		return failed(ctx, "replace account", err)
	case res.MatchedCount == 1:
		return nil
	}
	if _, err := s.Account(ctx, a.ID); err != nil {
		return err
	}
	return cases.ErrStaleVersion
}

// Account returns an account.
func (s *Store) Account(ctx context.Context, id string) (cases.AccountDocument, error) {
	filter, ok := equal("_id", id)
	if !ok {
		return cases.AccountDocument{}, cases.ErrAccountUnknown
	}
	return one[cases.AccountDocument](ctx, s.accounts, cases.ErrAccountUnknown, filter)
}

// AccountByEmail finds an account by its e-mail index.
func (s *Store) AccountByEmail(ctx context.Context, index []byte) (cases.AccountDocument, error) {
	return one[cases.AccountDocument](ctx, s.accounts, cases.ErrAccountUnknown, bson.D{{Key: "email_index", Value: notNull(index)}})
}

// Accounts lists accounts in the order of their ids.
func (s *Store) Accounts(ctx context.Context, after string, limit int) ([]cases.AccountDocument, error) {
	if !utf8.ValidString(after) {
		return nil, nil
	}
	return list[cases.AccountDocument](ctx, s.accounts, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}},
		options.Find().SetSort(ascending("_id")).SetLimit(int64(cases.PageSize(limit))))
}

// record is the store's own record as a document of meta.
type record struct {
	ID         string `bson:"_id"` // recordID
	cases.Meta `bson:",inline"`
}

const recordID = "store"

// Meta returns the store's record.
func (s *Store) Meta(ctx context.Context) (cases.Meta, bool, error) {
	r, err := one[record](ctx, s.meta, errNone, bson.D{{Key: "_id", Value: recordID}})
	if errors.Is(err, errNone) {
		return cases.Meta{}, false, nil
	}
	return r.Meta, err == nil, err
}

// SetMeta stores the store's record.
func (s *Store) SetMeta(ctx context.Context, m cases.Meta, create bool) error {
	r := record{ID: recordID, Meta: m}
	if create {
		_, err := s.meta.InsertOne(ctx, r)
		if mongo.IsDuplicateKeyError(err) {
			return cases.ErrStaleVersion
		}
		return failed(ctx, "create record", err)
	}
	_, err := s.meta.ReplaceOne(ctx, bson.D{{Key: "_id", Value: recordID}}, r, options.Replace().SetUpsert(true))
	return failed(ctx, "set record", err)
}
