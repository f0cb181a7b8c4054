package cases

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
)

// OpenCount is how much OpenAll opened.
type OpenCount struct{ Accounts, Cases, Takes int64 }

// OpenAll opens everything that is sealed: the key and e-mail of every account, the key and identity of every case, and
// every stored take, whose digest must be the one of its case. found is told what does not open.
// known names uploads whose loss is known; they are passed over.
func (s *Service) OpenAll(ctx context.Context, known map[string]bool, found func(Finding)) (OpenCount, error) {
	var n OpenCount
	for after := ""; ; {
		page, err := s.cfg.Accounts.Accounts(ctx, after, keyPage)
		if err != nil {
			return n, fmt.Errorf("list accounts: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			n.Accounts++
			if _, err := s.openAccount(a); err != nil && !errors.Is(err, ErrAccountUnknown) {
				found(Finding{CaseID: a.ID, Log: "account", What: "does not open"})
			}
		}
		after = page[len(page)-1].ID
	}
	for cursor := ""; ; {
		page, next, err := s.cfg.Store.Cases(ctx, "", cursor, keyPage)
		if err != nil {
			return n, fmt.Errorf("list cases: %w", err)
		}
		for _, sum := range page {
			n.Cases++
			takes, err := s.openCase(ctx, sum.ID, known, found)
			if err != nil {
				return n, err
			}
			n.Takes += takes
		}
		if cursor = next; next == "" {
			return n, nil
		}
	}
}

func (s *Service) openCase(ctx context.Context, id string, known map[string]bool, found func(Finding)) (takes int64, err error) {
	d, err := s.cfg.Store.Case(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("read case: %w", err)
	}
	if d.Erased() {
		return 0, nil
	}
	if _, err := s.keyOf(d); err != nil {
		found(Finding{CaseID: id, Log: "case", What: "its key does not open"})
		return 0, nil
	}
	if _, err := s.open(d); err != nil {
		found(Finding{CaseID: id, Log: "case", What: "its identity does not open"})
	}
	steps := slices.Clone(d.Steps)
	for _, old := range d.Superseded {
		steps = append(steps, old.Steps...)
	}
	for _, st := range steps {
		for _, t := range st.Takes {
			if t.State == TakeOpen || known[t.UploadID] {
				continue
			}
			takes++
			switch sum, err := s.digestTake(ctx, t.UploadID); {
			case ctx.Err() != nil:
				return takes, ctx.Err()
			case err != nil:
				found(Finding{CaseID: id, Log: "case", What: t.UploadID + " does not open"})
			case !bytes.Equal(sum, t.SHA256):
				found(Finding{CaseID: id, Log: "case", What: t.UploadID + " is not what the case knows"})
			}
		}
	}
	return takes, nil
}

// digestTake is the SHA-256 of a take's bytes, opened.
func (s *Service) digestTake(ctx context.Context, uploadID string) ([]byte, error) {
	e, err := s.cfg.Evidence(ctx, uploadID)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	h := sha256.New()
	_, err = io.Copy(h, io.NewSectionReader(e, 0, e.Size()))
	return h.Sum(nil), err
}
