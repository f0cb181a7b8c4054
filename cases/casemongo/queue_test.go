package casemongo_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casemongo"
	"github.com/symbolon/symbolon/cases/casetest"
)

// pages are questions to the queue, by the index that each has to go through.
var pages = []struct {
	index []string // the fields that it begins with, before the order of the queue
	q     cases.QueueQuery
}{
	{nil, cases.QueueQuery{}},
	{nil, cases.QueueQuery{Kind: cases.Person, Language: "en", Except: []string{"a"}}},
	{nil, cases.QueueQuery{Cursor: cases.Cursor{UpdatedAt: time.UnixMilli(700).UTC(), ID: casetest.WaitingCase(700).ID}.String()}},
	{[]string{"waiting.state"}, cases.QueueQuery{State: cases.InReview, Kind: cases.Person}},
	{[]string{"waiting.level"}, cases.QueueQuery{State: cases.InReview, Level: 3}},
	{[]string{"waiting.reported"}, cases.QueueQuery{Reported: true, State: cases.InReview, Level: 1}},
	{[]string{"waiting.reason"}, cases.QueueQuery{State: cases.InReview, Level: 2, Reason: "duplicate.identity"}},
}

func fields(d bson.D) (out []string) {
	for _, e := range d {
		out = append(out, e.Key)
	}
	return out
}

// Every page names an index that begins with what its filter asks to be equal and goes on in the order of the queue. With such
// a one MongoDB neither reads what does not wait nor sorts what it found.
func TestPagesOfTheQueueNameTheIndexThatFiltersAndSorts(t *testing.T) {
	for _, p := range pages {
		filter, index, err := casemongo.WaitingQuery(p.q)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fields(index), append(slices.Clone(p.index), "waiting.since", "_id"); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v goes through %v, want %v", p.q, got, want)
		}
		for _, f := range append([]string{"waiting.since"}, p.index...) {
			if !slices.Contains(fields(filter), f) {
				t.Errorf("%+v names an index by %s, which %v does not ask for", p.q, f, filter)
			}
		}
	}
	if _, index, err := casemongo.WaitingQuery(cases.QueueQuery{Among: []string{"a"}, State: cases.InReview}); err != nil || index != nil {
		t.Errorf("a few cases go through %v, %v", index, err)
	}
}

// A real server keeps these indexes and says that it used them: nothing but what the page holds is read, nothing sorted.
func TestAServerFindsTheQueueThroughItsIndexes(t *testing.T) {
	s := open(t, newDatabase(t))
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	const n, limit = 6000, 50
	all := make([]cases.Document, n)
	for i := range all {
		all[i] = casetest.WaitingCase(i)
	}
	if err := s.PutWaiting(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		p.q.Limit = limit
		plan, err := s.Plan(t.Context(), p.q)
		if err != nil {
			t.Fatal(err)
		}
		looked, err := plan.LookupErr("executionStats", "totalDocsExamined")
		if err != nil {
			t.Skip("SKIPPED: this server does not explain how it finds the queue")
		}
		text := plan.String()
		read, ok := looked.AsInt64OK()
		if !ok || read > 2*limit || !strings.Contains(text, `"IXSCAN"`) || strings.Contains(text, `"COLLSCAN"`) || strings.Contains(text, `"SORT"`) {
			t.Errorf("%+v reads %d cases by %s", p.q, read, text)
		}
	}
	if page, _, err := s.Waiting(t.Context(), cases.QueueQuery{Reason: "duplicate.identity", Level: 2, Limit: limit}); err != nil || len(page) == 0 {
		t.Errorf("%d cases, %v", len(page), err)
	}
}

func BenchmarkQueue(b *testing.B) {
	s := open(b, newDatabase(b))
	defer func() { _ = s.Close() }()
	const n = 100_000
	all := make([]cases.Document, n)
	for i := range all {
		all[i] = casetest.WaitingCase(i)
	}
	if err := s.PutWaiting(b.Context(), all); err != nil {
		b.Fatal(err)
	}
	casetest.BenchmarkQueue(b, s, n)
}
