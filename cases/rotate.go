package cases

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/symbolon/symbolon/seal"
)

// ErrReindexing is returned by New when Reindex was begun and not finished.
var ErrReindexing = errors.New("cases: the look-up values are being made anew; finish that first")

// KeyCount is what Rotate or Reindex changed, and what was right already.
type KeyCount struct{ Accounts, Cases, Right int64 }

// Rotate wraps every data key with the first key of the ring, where another key of it did so far. It may
// run beside servers that have the new key first and the old one too, and be run again after it was cut short.
// An error says whose key could not be opened; what was done until then stays.
func (s *Service) Rotate(ctx context.Context) (KeyCount, error) {
	var n KeyCount
	err := s.eachAccount(ctx, func(a *AccountDocument) (bool, error) {
		if len(a.WrappedKey) == 0 || s.cfg.Keys.Current(a.WrappedKey) {
			return false, nil
		}
		k, err := s.cfg.Keys.Unwrap(a.WrappedKey, seal.Bind("account", a.ID))
		if err != nil {
			return false, fmt.Errorf("unwrap the key of %s: %w", a.ID, err)
		}
		a.WrappedKey = s.cfg.Keys.Wrap(k, seal.Bind("account", a.ID))
		return true, nil
	}, &n)
	if err != nil {
		return n, err
	}
	id := s.cfg.Keys.ID()
	err = s.eachCase(ctx, func(c *change) error {
		if !s.cfg.Keys.Current(c.WrappedKey) {
			c.WrappedKey = s.cfg.Keys.Wrap(c.key, seal.Bind("case", c.ID))
			c.note(Entry{Event: "key_rewrapped", Data: map[string]string{"key": hex.EncodeToString(id[:])}})
		}
		return nil
	}, &n)
	if err != nil {
		return n, err
	}
	m, _, err := s.cfg.Accounts.Meta(ctx)
	if err != nil {
		return n, fmt.Errorf("read the store's record: %w", err)
	}
	if s.cfg.Keys.Current(m.WrappedIndex) {
		return n, s.scrub(ctx)
	}
	m.WrappedIndex = s.cfg.Keys.Wrap(s.index, boundIndex)
	if err := s.cfg.Accounts.SetMeta(ctx, m, false); err != nil {
		return n, fmt.Errorf("write the store's record: %w", err)
	}
	return n, s.scrub(ctx)
}

// Reindex makes a new look-up key and computes every look-up value again with it. Nobody may use the store
// meanwhile: halfway, some values belong to one key and some to the other. A Reindex that was
// cut short is finished by the next one; until then New refuses with ErrReindexing.
func Reindex(ctx context.Context, cfg Config) (KeyCount, error) {
	var n KeyCount
	cfg.reindexing = true
	s, err := New(ctx, cfg)
	if err != nil {
		return n, err
	}
	m, _, err := cfg.Accounts.Meta(ctx)
	if err != nil {
		return n, fmt.Errorf("read the store's record: %w", err)
	}
	next := seal.NewKey()
	if m.NextIndex == nil {
		m.NextIndex = s.cfg.Keys.Wrap(next, boundNextIndex)
		if err := cfg.Accounts.SetMeta(ctx, m, false); err != nil {
			return n, fmt.Errorf("write the store's record: %w", err)
		}
	} else if next, err = s.cfg.Keys.Unwrap(m.NextIndex, boundNextIndex); err != nil {
		return n, fmt.Errorf("unwrap the next look-up key: %w", err)
	}
	s.index = next
	err = s.eachAccount(ctx, func(a *AccountDocument) (bool, error) {
		if len(a.WrappedKey) == 0 {
			return false, nil
		}
		opened, err := s.openAccount(*a)
		if err != nil {
			return false, err
		}
		index := next.Index("email", opened.Email)
		if bytes.Equal(index, a.EmailIndex) {
			return false, nil
		}
		a.EmailIndex = index
		return true, nil
	}, &n)
	if err != nil {
		return n, err
	}
	err = s.eachCase(ctx, func(c *change) error {
		if c.DocumentIndex == nil {
			return nil
		}
		opened, err := s.open(c.Document)
		if err != nil {
			return err
		}
		c.DocumentIndex = s.lookUp(opened)
		return nil
	}, &n)
	if err != nil {
		return n, err
	}
	m.WrappedIndex, m.NextIndex = s.cfg.Keys.Wrap(next, boundIndex), nil
	if err := cfg.Accounts.SetMeta(ctx, m, false); err != nil {
		return n, fmt.Errorf("write the store's record: %w", err)
	}
	return n, s.scrub(ctx)
}

// Places that the look-up keys are bound to.
var (
	boundIndex     = seal.Bind("meta", "index")
	boundNextIndex = seal.Bind("meta", "next_index")
)

// keyPage is how many accounts or cases are listed at once.
const keyPage = 200

// eachAccount lets fn change every account; it says whether it did.
func (s *Service) eachAccount(ctx context.Context, fn func(*AccountDocument) (bool, error), n *KeyCount) error {
	for after := ""; ; {
		page, err := s.cfg.Accounts.Accounts(ctx, after, keyPage)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, a := range page {
			changed, err := s.changeAccount(ctx, a, fn)
			if err != nil {
				return err
			}
			if changed {
				n.Accounts++
			} else {
				n.Right++
			}
		}
		after = page[len(page)-1].ID
	}
}

// changeAccount lets fn change an account, again with a newer one when somebody else was faster.
func (s *Service) changeAccount(ctx context.Context, a AccountDocument, fn func(*AccountDocument) (bool, error)) (bool, error) {
	for try := 0; ; try++ {
		changed, err := fn(&a)
		if err != nil || !changed {
			return false, err
		}
		a.Version++
		err = s.cfg.Accounts.ReplaceAccount(ctx, a)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, ErrStaleVersion) || try >= maxReplaceTries {
			return false, fmt.Errorf("replace account: %w", err)
		}
		if a, err = s.cfg.Accounts.Account(ctx, a.ID); err != nil {
			return false, err
		}
	}
}

// eachCase lets fn change every case that is not erased, without a trace in the time of its last change:
// what an operator does to the keys is not what an applicant or reviewer waits for.
func (s *Service) eachCase(ctx context.Context, fn func(*change) error, n *KeyCount) error {
	for cursor := ""; ; {
		page, next, err := s.cfg.Store.Cases(ctx, "", cursor, keyPage)
		if err != nil {
			return fmt.Errorf("list cases: %w", err)
		}
		for _, sum := range page {
			before := int64(0)
			after, err := s.change(ctx, Actor{Kind: BySystem}, sum.ID, anyVersion, func(c *change) error {
				before, c.quiet = c.Version, true
				if c.Erased() {
					return nil
				}
				return fn(c)
			})
			switch {
			case err != nil:
				return fmt.Errorf("change %s: %w", sum.ID, err)
			case after.Version > before:
				n.Cases++
			default:
				n.Right++
			}
		}
		if cursor = next; next == "" {
			return nil
		}
	}
}

// scrubber is a store that keeps what was replaced for a while and can be told to let go of it now.
type scrubber interface {
	Scrub(ctx context.Context) error
}

// scrub makes the store let go of what was replaced, so that a key that was taken away is gone at once.
func (s *Service) scrub(ctx context.Context) error {
	if b, ok := s.cfg.Store.(scrubber); ok {
		if err := b.Scrub(ctx); err != nil {
			return fmt.Errorf("let go of what was replaced: %w", err)
		}
	}
	return nil
}
