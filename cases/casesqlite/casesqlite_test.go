package casesqlite_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casesqlite"
	"github.com/symbolon/symbolon/cases/casetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	casetest.Run(t, func(t *testing.T) func(*testing.T) cases.Backend {
		path := filepath.Join(t.TempDir(), "cases.db")
		return func(t *testing.T) cases.Backend {
			s, err := casesqlite.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}
