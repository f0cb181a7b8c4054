package casetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/symbolon/symbolon/cases"
)

func newAccount() cases.AccountDocument {
	id := newID("acc")
	return cases.AccountDocument{
		ID: id, Schema: 1, Version: 1, CreatedAt: start, WrappedKey: []byte{1}, Email: []byte{2},
		EmailIndex: []byte("index of " + id), Password: "$argon2id$", Roles: []string{"applicant"},
	}
}

func entry(caseID string, n int64) cases.Entry {
	return cases.Entry{CaseID: caseID, N: n, At: start.Add(time.Duration(n) * time.Second), Version: n, Event: "created",
		Actor: cases.Actor{Kind: cases.BySystem}, Hash: []byte{byte(n)}}
}

func numbers[T any](all []T, n func(T) int64) (got []int64) {
	for _, v := range all {
		got = append(got, n(v))
	}
	return got
}

func sameNumbers(t *testing.T, got []int64, want ...int64) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func testHistory(t *testing.T, s *store) {
	ctx := t.Context()
	d, other := newCase(), newCase()
	noErr(t, s.AppendHistory(ctx, nil))
	noErr(t, s.AppendHistory(ctx, []cases.Entry{entry(d.ID, 2), entry(d.ID, 1), entry(other.ID, 1)}))
	noErr(t, s.AppendHistory(ctx, []cases.Entry{entry(d.ID, 1)}))

	changed := entry(d.ID, 2)
	changed.Event, changed.Hash = "forged", []byte("other")
	noErr(t, s.AppendHistory(ctx, []cases.Entry{changed, entry(d.ID, 3), entry(d.ID, 10)})) // the new ones around an old one are stored

	of := func(after int64, limit int) []int64 {
		t.Helper()
		all, err := s.History(ctx, d.ID, after, limit)
		noErr(t, err)
		for _, e := range all {
			if want := entry(d.ID, e.N); !reflect.DeepEqual(e, want) {
				t.Fatalf("got %+v, want %+v", e, want)
			}
		}
		return numbers(all, func(e cases.Entry) int64 { return e.N })
	}
	sameNumbers(t, of(0, 10), 1, 2, 3, 10)
	sameNumbers(t, of(-1, 3), 1, 2, 3)
	sameNumbers(t, of(2, 10), 3, 10)
	sameNumbers(t, of(10, 10))
}

func testHistoryRace(t *testing.T, s *store) {
	d := newCase()
	handles := s.handles(t, 4)
	var all []cases.Entry
	for n := range int64(20) {
		all = append(all, entry(d.ID, n+1))
	}
	noErr(t, errors.Join(race(t, 16, func(ctx context.Context, i int) error {
		from := i % 10
		return handles[i%len(handles)].AppendHistory(ctx, all[from:from+11])
	})...))
	got, err := s.History(t.Context(), d.ID, 0, 100)
	noErr(t, err)
	if !reflect.DeepEqual(got, all) {
		t.Fatalf("got %d entries, want %d", len(got), len(all))
	}
}

func look(caseID string, n int64) cases.Look {
	return cases.Look{CaseID: caseID, N: n, At: start.Add(time.Duration(n) * time.Second), What: "media", Subject: "med_1",
		Actor: cases.Actor{Kind: cases.ByStaff, ID: "acc_1"}, Hash: []byte{byte(n)}}
}

func testLooks(t *testing.T, s *store) {
	ctx := t.Context()
	d := newCase()
	last, err := s.LastLook(ctx, d.ID)
	noErr(t, err)
	equal(t, "look before the first", last.N, 0)

	for _, n := range []int64{-1, 0, 2} {
		wantErr(t, s.AppendLook(ctx, look(d.ID, n)), cases.ErrStaleVersion)
	}
	for n := int64(1); n <= 12; n++ {
		noErr(t, s.AppendLook(ctx, look(d.ID, n)))
	}
	for _, n := range []int64{1, 12, 14} {
		wantErr(t, s.AppendLook(ctx, look(d.ID, n)), cases.ErrStaleVersion)
	}
	noErr(t, s.AppendLook(ctx, look(newID("cas"), 1))) // another case counts for itself

	last, err = s.LastLook(ctx, d.ID)
	noErr(t, err)
	if !reflect.DeepEqual(last, look(d.ID, 12)) {
		t.Fatalf("got %+v", last)
	}
	some, err := s.Looks(ctx, d.ID, 8, 3)
	noErr(t, err)
	sameNumbers(t, numbers(some, func(l cases.Look) int64 { return l.N }), 9, 10, 11)
}

func testLookRace(t *testing.T, s *store) {
	d := newCase()
	handles := s.handles(t, 4)
	for n := int64(1); n <= 3; n++ {
		oneWinner(t, race(t, writers, func(ctx context.Context, i int) error {
			return handles[i%len(handles)].AppendLook(ctx, look(d.ID, n))
		}), cases.ErrStaleVersion)
	}
	all, err := s.Looks(t.Context(), d.ID, 0, 100)
	noErr(t, err)
	sameNumbers(t, numbers(all, func(l cases.Look) int64 { return l.N }), 1, 2, 3)
}

func testAccounts(t *testing.T, s *store) {
	ctx := t.Context()
	a := newAccount()
	noErr(t, s.CreateAccount(ctx, a))
	got, err := s.Account(ctx, a.ID)
	noErr(t, err)
	if !reflect.DeepEqual(got, a) {
		t.Fatalf("got %+v, want %+v", got, a)
	}
	got, err = s.AccountByEmail(ctx, a.EmailIndex)
	noErr(t, err)
	equal(t, "by e-mail", got.ID, a.ID)
	for _, index := range [][]byte{nil, {}, a.EmailIndex[:5]} {
		_, err = s.AccountByEmail(ctx, index)
		wantErr(t, err, cases.ErrAccountUnknown)
	}

	twin := newAccount()
	twin.EmailIndex = a.EmailIndex
	wantErr(t, s.CreateAccount(ctx, twin), cases.ErrAccountExists)
	_, err = s.Account(ctx, twin.ID)
	wantErr(t, err, cases.ErrAccountUnknown)

	next := a
	next.Version, next.Password = 2, "new"
	noErr(t, s.ReplaceAccount(ctx, next))
	wantErr(t, s.ReplaceAccount(ctx, next), cases.ErrStaleVersion)
	got, err = s.Account(ctx, a.ID)
	noErr(t, err)
	equal(t, "password", got.Password, "new")
	absent := newAccount()
	absent.Version = 2
	wantErr(t, s.ReplaceAccount(ctx, absent), cases.ErrAccountUnknown)

	next.Version, next.EmailIndex = 3, []byte("another address")
	noErr(t, s.ReplaceAccount(ctx, next))
	got, err = s.AccountByEmail(ctx, next.EmailIndex)
	noErr(t, err)
	equal(t, "by the new e-mail", got.ID, a.ID)
	_, err = s.AccountByEmail(ctx, a.EmailIndex)
	wantErr(t, err, cases.ErrAccountUnknown)
}

func testAccountPages(t *testing.T, s *store) {
	ctx := t.Context()
	var want []string
	for range 5 {
		a := newAccount()
		noErr(t, s.CreateAccount(ctx, a))
		want = append(want, a.ID)
	}
	slices.Sort(want)
	var got []string
	for after := ""; ; {
		page, err := s.Accounts(ctx, after, 2)
		noErr(t, err)
		if len(page) == 0 {
			break
		}
		if len(page) > 2 {
			t.Fatalf("a page of %d", len(page))
		}
		for _, a := range page {
			got = append(got, a.ID)
			if string(a.EmailIndex) != "index of "+a.ID {
				t.Fatalf("got %+v", a)
			}
		}
		after = got[len(got)-1]
	}
	sameIDs(t, got, want...)
	none, err := s.Accounts(ctx, "\xff", 2)
	noErr(t, err)
	equal(t, "accounts after no text", len(none), 0)
}

func testHistoryCases(t *testing.T, s *store) {
	ctx := t.Context()
	ids := []string{newID("cas"), newID("cas"), newID("cas")}
	slices.Sort(ids)
	noErr(t, s.AppendHistory(ctx, []cases.Entry{entry(ids[2], 1), entry(ids[0], 1), entry(ids[0], 2)}))
	noErr(t, s.AppendLook(ctx, look(ids[1], 1)))
	noErr(t, s.AppendLook(ctx, look(ids[0], 1)))
	for after, want := range map[string][]string{"": ids[:2], ids[0]: ids[1:], ids[1]: ids[2:], ids[2]: nil, "\xff": nil} {
		got, err := s.HistoryCases(ctx, after, 2)
		noErr(t, err)
		sameIDs(t, got, want...)
	}
}

func testTakeOverEmail(t *testing.T, s *store) {
	ctx := t.Context()
	a, other := newAccount(), newAccount()
	noErr(t, s.CreateAccount(ctx, a))
	noErr(t, s.CreateAccount(ctx, other))
	other.Version, other.EmailIndex = 2, a.EmailIndex
	wantErr(t, s.ReplaceAccount(ctx, other), cases.ErrAccountExists)
	got, err := s.AccountByEmail(ctx, a.EmailIndex)
	noErr(t, err)
	equal(t, "by e-mail", got.ID, a.ID)
}

func testAccountRace(t *testing.T, s *store) {
	handles := s.handles(t, 4)
	oneWinner(t, race(t, writers, func(ctx context.Context, i int) error {
		a := newAccount()
		a.EmailIndex = []byte("the same")
		return handles[i%len(handles)].CreateAccount(ctx, a)
	}), cases.ErrAccountExists)

	a, err := s.AccountByEmail(t.Context(), []byte("the same"))
	noErr(t, err)
	a.Version++
	oneWinner(t, race(t, writers, func(ctx context.Context, i int) error {
		return handles[i%len(handles)].ReplaceAccount(ctx, a)
	}), cases.ErrStaleVersion)
}

func testMeta(t *testing.T, s *store) {
	ctx := t.Context()
	_, ok, err := s.Meta(ctx)
	noErr(t, err)
	equal(t, "a new store has a record", ok, false)
	m := cases.Meta{Schema: 1, WrappedIndex: []byte{0, 1, 255}}
	noErr(t, s.SetMeta(ctx, m, true))
	wantErr(t, s.SetMeta(ctx, cases.Meta{Schema: 2}, true), cases.ErrStaleVersion)
	check := func() {
		t.Helper()
		got, ok, err := s.Meta(ctx)
		noErr(t, err)
		if !ok || !reflect.DeepEqual(got, m) {
			t.Fatalf("got %+v %v, want %+v", got, ok, m)
		}
	}
	check()
	m.WrappedIndex = bytes.Repeat([]byte{9}, 60)
	noErr(t, s.SetMeta(ctx, m, false))
	check()
	noErr(t, s.Migrate(ctx))
	check()
}

func testMetaRace(t *testing.T, s *store) {
	handles := s.handles(t, 4)
	oneWinner(t, race(t, writers, func(ctx context.Context, i int) error {
		return handles[i%len(handles)].SetMeta(ctx, cases.Meta{Schema: i + 1}, true)
	}), cases.ErrStaleVersion)
}

// testRoundTrip fills every field that exists, also those that are added one day, with a value
// of its own and times that are too exact and of another zone.
func testRoundTrip(t *testing.T, s *store) {
	ctx := t.Context()
	made := func() cases.Document { return filled[cases.Document]() }
	d := made()
	d.Version, d.HandoffEpoch = 1, 0
	noErr(t, s.CreateCase(ctx, d))
	want := made()
	want.Version, want.HandoffEpoch = 1, 0
	if !reflect.DeepEqual(d, want) {
		t.Fatal("storing a document changed the caller's")
	}
	sameAs(t, s.get(t, d.ID), want)

	d = made()
	d.Version, d.HandoffEpoch = 2, 1
	noErr(t, s.ReplaceCase(ctx, d, 0))
	want.Version, want.HandoffEpoch = 2, 1
	sameAs(t, s.get(t, d.ID), want)
	of, err := s.CaseOf(ctx, d.AccountID)
	noErr(t, err)
	sameAs(t, of, want)

	noErr(t, s.AppendHistory(ctx, []cases.Entry{filled[cases.Entry]()}))
	entries, err := s.History(ctx, filled[cases.Entry]().CaseID, 0, 10)
	noErr(t, err)
	sameAs(t, entries, []cases.Entry{filled[cases.Entry]()})

	l := filled[cases.Look]()
	l.N = 1
	noErr(t, s.AppendLook(ctx, l))
	got, err := s.LastLook(ctx, l.CaseID)
	noErr(t, err)
	sameAs(t, got, l)

	noErr(t, s.CreateAccount(ctx, filled[cases.AccountDocument]()))
	a, err := s.Account(ctx, filled[cases.AccountDocument]().ID)
	noErr(t, err)
	sameAs(t, a, filled[cases.AccountDocument]())

	noErr(t, s.SetMeta(ctx, filled[cases.Meta](), true))
	m, _, err := s.Meta(ctx)
	noErr(t, err)
	sameAs(t, m, filled[cases.Meta]())
}

// testEmpty: a backend may give nil for an empty list and the other way round, and keeps zero times zero.
func testEmpty(t *testing.T, s *store) {
	ctx := t.Context()
	for _, d := range []cases.Document{
		{ID: newID("cas"), AccountID: newID("acc"), Version: 1},
		{ID: newID("cas"), AccountID: newID("acc"), Version: 1, WrappedKey: []byte{}, Levels: []cases.Level{}, Identity: []byte{}, DocumentIndex: []byte{},
			Steps: []cases.Step{{Channels: []string{}, Takes: []cases.Take{{}}, Reasons: []cases.Reason{}}}, Pending: []cases.Entry{}, Jobs: []cases.Job{}},
	} {
		s.create(t, d)
		got := s.get(t, d.ID)
		sameAs(t, got, d)
		for _, at := range []time.Time{got.CreatedAt, got.UpdatedAt, got.ReportedAt} {
			equal(t, "zero time", at.IsZero(), true)
		}
		sameIDs(t, s.due(t, start))
	}
	equal(t, "cases of no time", len(s.allPages(t, "", 1)), 2)
	a := cases.AccountDocument{ID: newID("acc"), Version: 1}
	noErr(t, s.CreateAccount(ctx, a))
	got, err := s.Account(ctx, a.ID)
	noErr(t, err)
	sameAs(t, got, a)
}

// sameAs compares what came back with what was given, whose times count to the millisecond.
func sameAs[T any](t *testing.T, got, given T) {
	t.Helper()
	walk(reflect.ValueOf(&got).Elem(), nilEmpty)
	walk(reflect.ValueOf(&given).Elem(), nilEmpty, func(v reflect.Value) {
		if at, ok := v.Interface().(time.Time); ok {
			v.Set(reflect.ValueOf(at.UTC().Truncate(time.Millisecond)))
		}
	})
	if !reflect.DeepEqual(got, given) {
		t.Fatalf("got  %+v\nwant %+v", got, given)
	}
}

func nilEmpty(v reflect.Value) {
	if (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0 {
		v.SetZero()
	}
}

// filled gives every stored field of T a value that is not zero.
func filled[T any]() T {
	var v T
	n := 0
	zone := time.FixedZone("somewhere", 5*3600+45*60)
	walk(reflect.ValueOf(&v).Elem(), func(v reflect.Value) {
		n++
		switch v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(start.Add(time.Duration(n)*time.Hour + 123_456_789).In(zone)))
			return
		case []byte:
			v.SetBytes([]byte{byte(n), 0, 0xff})
			return
		}
		switch v.Kind() {
		case reflect.String:
			v.SetString(fmt.Sprintf("text %d “姓名” \u2028 <&> \\", n))
		case reflect.Int, reflect.Int64:
			v.SetInt(int64(n) + 1<<40)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		case reflect.Map:
			switch v.Interface().(type) {
			case map[string]float64:
				v.Set(reflect.ValueOf(map[string]float64{"key": 0.125, "whole": 3, "none": 0}))
			default:
				v.Set(reflect.ValueOf(map[string]string{"key": "value", "other": ""}))
			}
		}
	})
	return v
}

// walk calls each f for every settable value of v that is stored, outside in.
func walk(v reflect.Value, fs ...func(reflect.Value)) {
	for _, f := range fs {
		f(v)
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name != "-" {
				walk(v.Field(i), fs...)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		for i := range v.Len() {
			walk(v.Index(i), fs...)
		}
	}
}
