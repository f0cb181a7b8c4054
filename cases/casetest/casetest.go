// Package casetest is the contract of cases.Backend as tests. Every backend runs it.
//
// Run holds the whole contract. Serial is the part without races, for a store that stands in for
// a real one but is known not to keep its promises under parallel writers.
package casetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/cases"
)

// Fresh makes a new empty store and returns how to open it. Each call of open gives another
// handle on the same store, as another process would have; the suite closes them.
type Fresh func(t *testing.T) (open func(t *testing.T) cases.Backend)

// Run runs the whole contract.
func Run(t *testing.T, fresh Fresh) {
	Serial(t, fresh)
	for name, test := range map[string]func(*testing.T, *store){
		"of 32 writers each round one wins":             testWritersRace,
		"one case an account, also when many try":       testCaseRace,
		"one account an e-mail, also when many try":     testAccountRace,
		"one lease of a job, also when many try":        testLeaseRace,
		"one look a number, also when many try":         testLookRace,
		"one record of the store, also when many try":   testMetaRace,
		"a list stays complete while cases are added":   testPagingUnderInserts,
		"history is copied once, also when many do it":  testHistoryRace,
		"giving up halfway breaks nothing":              testCancelHalfway,
		"one holder a case, also when many take it":     testLeaseOfOne,
		"migrating from several handles at once":        testMigrateRace,
		"a case cannot move to an account that has one": testTakeOverCase,
		"an account cannot take another's e-mail":       testTakeOverEmail,
	} {
		t.Run(name, func(t *testing.T) { test(t, newStore(t, fresh)) })
	}
}

// Serial runs the part of the contract that one caller at a time can see; see the package comment.
func Serial(t *testing.T, fresh Fresh) {
	for name, test := range map[string]func(*testing.T, *store){
		"a case is stored and found":                  testCase,
		"a replace needs the version before":          testStaleVersion,
		"a stale epoch is refused before the version": testStaleEpoch,
		"an account has one case":                     testOneCase,
		"every field comes back":                      testRoundTrip,
		"nothing and empty are the same":              testEmpty,
		"a case of a megabyte":                        testBig,
		"a list has stable pages":                     testPaging,
		"cases by document":                           testByDocument,
		"cases by face":                               testFaces,
		"what is due":                                 testDue,
		"what waits for people":                       testQueue,
		"what waits has stable pages":                 testQueuePages,
		"where applicants stand still":                testStalled,
		"who has taken what":                          testLeases,
		"what happened, of all cases":                 testHappened,
		"who works here":                              testStaff,
		"an expired lease is due again":               testLeaseExpires,
		"relayed history is not due":                  testRelayed,
		"history is ordered and never changes":        testHistory,
		"looks are numbered without gaps":             testLooks,
		"accounts":                                    testAccounts,
		"accounts in pages":                           testAccountPages,
		"whose history there is":                      testHistoryCases,
		"what a service wrote passes its audit":       testService,
		"the store's record":                          testMeta,
		"hostile ids find nothing":                    testHostileIDs,
		"hostile cursors are refused":                 testHostileCursors,
		"who gave up gets no answer":                  testCancelled,
		"another handle sees what was acknowledged":   testReopen,
		"migrating twice and pinging":                 testMigrate,
	} {
		t.Run(name, func(t *testing.T) { test(t, newStore(t, fresh)) })
	}
}

// writers is how many race.
const writers = 32

// store is a fresh store and one handle on it.
type store struct {
	cases.Backend
	open func(t *testing.T) cases.Backend
}

func newStore(t *testing.T, fresh Fresh) *store {
	t.Helper()
	s := &store{open: fresh(t)}
	s.Backend = s.another(t)
	return s
}

// another opens one more handle and closes it with the test.
func (s *store) another(t *testing.T) cases.Backend {
	t.Helper()
	b := s.open(t)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("close again: %v", err)
		}
	})
	return b
}

// handles gives n handles; the first is the store's own.
func (s *store) handles(t *testing.T, n int) []cases.Backend {
	all := []cases.Backend{s.Backend}
	for len(all) < n {
		all = append(all, s.another(t))
	}
	return all
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newID(prefix string) string { return prefix + "_" + ulid.Make().String() }

// newCase is a small case of a new account at version 1.
func newCase() cases.Document {
	return cases.Document{
		ID: newID("cas"), Schema: cases.SchemaVersion, Version: 1, AccountID: newID("acc"), Kind: cases.Person,
		CreatedAt: start, UpdatedAt: start, WrappedKey: []byte{1, 2, 3}, State: cases.Collecting, Level: 1,
	}
}

func (s *store) create(t *testing.T, d cases.Document) cases.Document {
	t.Helper()
	if err := s.CreateCase(t.Context(), d); err != nil {
		t.Fatalf("create case: %v", err)
	}
	return d
}

// replace stores d as the next version and returns it.
func (s *store) replace(t *testing.T, d cases.Document, epoch int64) cases.Document {
	t.Helper()
	d.Version++
	if err := s.ReplaceCase(t.Context(), d, epoch); err != nil {
		t.Fatalf("replace case at version %d: %v", d.Version, err)
	}
	return d
}

func (s *store) get(t *testing.T, id string) cases.Document {
	t.Helper()
	d, err := s.Case(t.Context(), id)
	if err != nil {
		t.Fatalf("case: %v", err)
	}
	return d
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func noErr(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// race starts n callers of f at the same moment and returns their errors.
func race(t *testing.T, n int, f func(ctx context.Context, i int) error) []error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	errs := make([]error, n)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-gate
			errs[i] = f(ctx, i)
		})
	}
	close(gate)
	wg.Wait()
	return errs
}

// oneWinner fails unless exactly one of the racers succeeded and every other was told lost.
func oneWinner(t *testing.T, errs []error, lost error) {
	t.Helper()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost):
			t.Errorf("racer %d: got %v, want %v", i, err, lost)
		}
	}
	if won != 1 {
		t.Fatalf("%d racers won, want 1", won)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func sameIDs(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got ids %v, want %v", got, want)
	}
}
