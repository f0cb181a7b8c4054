package casetesseract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/checks/checkstest"
	"github.com/symbolon/symbolon/seal"
)

type file struct{ *bytes.Reader }

func (f file) Size() int64  { return f.Reader.Size() }
func (f file) Close() error { return nil }

// The whole way with the real program: photos are sent, read, and held against Level 1.
func TestACaseIsReadToItsEnd(t *testing.T) {
	r := installed(t)
	front := checkstest.Document{Side: checkstest.Front, Number: "440308199901101512"}
	back := checkstest.Document{Side: checkstest.Back}
	other := front
	other.Number = "610104196209276908"
	for name, row := range map[string]struct {
		front, back checkstest.Document
		want        cases.LevelState
		reasons     string
	}{
		"as it should be": {front, back, cases.Approved, "[]"},
		"another's card":  {other, back, cases.InReview, "[{data.number_mismatch document_front 0}]"},
		"turned over":     {back, front, cases.Resubmit, "[{document.wrong_side document_front 0} {document.wrong_side document_back 0}]"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			store, err := casesqlite.Open(ctx, filepath.Join(t.TempDir(), "cases.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			policy := casetest.Photos()
			policy.Approve.Level2 = "rules"
			evidence := map[string][]byte{"upl_1": checkstest.Evidence(row.front), "upl_2": checkstest.Evidence(row.back)}
			s, err := cases.New(ctx, cases.Config{
				Store: store, History: store, Accounts: store, Keys: seal.NewKeyring(seal.NewKey()), Policy: policy, Reader: r,
				Now: func() time.Time { return today },
				Evidence: func(_ context.Context, id string) (cases.Evidence, error) {
					return file{bytes.NewReader(evidence[id])}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			must := func(c cases.Case, err error) cases.Case {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			a, err := s.SignUp(ctx, "a@example.com", "a rather long password")
			if err != nil {
				t.Fatal(err)
			}
			by := cases.Actor{Kind: cases.ByApplicant, ID: a.ID}
			c := casetest.Agree(t, s, must(s.Create(ctx, a, cases.Person)))
			c = must(s.PutIdentity(ctx, by, c.ID, c.Version, cases.Identity{
				Nationality: "CHN", Document: cases.DocumentFacts{Type: cases.CNResidentID, Number: front.Number, ExpiresOn: "2036-03-01"},
				Name: "样本", BirthDate: "1999-01-10", Address: "Specimen Road 1", ActingFor: cases.ActingFor{Who: "self"},
			}))
			must(s.Submit(ctx, by, c.ID, 1, c.Version))
			work := func() cases.Case {
				t.Helper()
				for range 3 {
					if err := s.Work(ctx); err != nil {
						t.Fatal(err)
					}
				}
				return must(s.Get(ctx, c.ID))
			}
			work()
			for id, step := range map[string]string{"upl_1": cases.DocumentFront, "upl_2": cases.DocumentBack} {
				b := evidence[id]
				if _, _, err := s.BeginTake(ctx, by, c.ID, cases.TakeRequest{UploadID: id, Step: step, Channel: "desk", Owner: "ses_1", Length: int64(len(b))}); err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(b)
				if _, err := s.TakeStored(ctx, c.ID, id, int64(len(b)), sum[:], b[:512]); err != nil {
					t.Fatal(err)
				}
				must(s.Accept(ctx, by, c.ID, step, id))
			}
			must(s.Submit(ctx, by, c.ID, 2, must(s.Get(ctx, c.ID)).Version))
			c = work()
			l := c.Levels[1]
			if got := fmt.Sprint(l.Reasons); l.State != row.want || got != row.reasons {
				t.Errorf("%s, %s, want %s, %s; checks %+v", l.State, got, row.want, row.reasons, l.Checks)
			}
			for _, f := range l.Checks {
				if f.Check == "read" && f.Verdict != checks.Pass {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
