package media

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// recordSchema is the version of the info that this program writes.
const recordSchema = 1

// record is the info of an upload as it is stored (docs/formats/media.md).
type record struct {
	Schema int    `json:"schema"`
	Info   Info   `json:"info"`
	Length int64  `json:"length"`          // -1 while deferred
	Final  *final `json:"final,omitempty"` // set when the upload is complete
	// GoneAt marks an upload that was ended: its bytes are destroyed, its info remembers whose it was.
	GoneAt time.Time `json:"gone_at,omitzero"`
}

// final is what is fixed at completion. It belongs to the plaintext.
type final struct {
	Length int64  `json:"length"`
	SHA256 []byte `json:"sha256"`
}

func (s *Service) load(ctx context.Context, id string) (record, error) {
	var rec record
	if !validID(id) {
		return rec, ErrUnknown
	}
	b, err := s.cfg.Store.Load(ctx, id)
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(b, &rec); err != nil {
		return rec, ErrDamaged.Because(fmt.Errorf("info of %s: %w", id, err))
	}
	if rec.Schema != recordSchema || rec.Info.ID != id || rec.Length < -1 {
		return rec, ErrDamaged.Because(fmt.Errorf("info of %s: schema %d, id %q, length %d", id, rec.Schema, rec.Info.ID, rec.Length))
	}
	return rec, nil
}

func (s *Service) save(ctx context.Context, rec record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("info of %s: %w", rec.Info.ID, err)
	}
	return s.cfg.Store.Save(ctx, rec.Info.ID, b)
}

// gone reports whether the upload is over: ended, or incomplete and past its time.
func (s *Service) gone(rec record) bool {
	return !rec.GoneAt.IsZero() || rec.Final == nil && !s.cfg.Now().Before(rec.Info.ExpiresAt)
}

// limit is the number of bytes the upload may have.
func (rec record) limit() int64 {
	if rec.Length >= 0 {
		return rec.Length
	}
	return rec.Info.MaxBytes
}

func (rec record) status(offset int64) Status {
	st := Status{Info: rec.Info, Offset: offset, Length: rec.Length}
	if rec.Final != nil {
		st.Offset, st.Complete, st.SHA256 = rec.Final.Length, true, rec.Final.SHA256
	}
	return st
}

// validID reports whether id has the form of an upload's id. It guards the store's names.
func validID(id string) bool {
	if len(id) != 4+26 || id[:4] != "upl_" {
		return false
	}
	for _, c := range []byte(id[4:]) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
