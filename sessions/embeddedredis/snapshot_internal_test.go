package embeddedredis

import (
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Whatever a snapshot says, loading it ends in a keyspace that can be written down and
// loaded again, or in an error.
func FuzzSnapshot(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[]}`, `{}`, `null`,
		`{"keys":[{"name":"YQ==","type":"string","values":["AP8="]}]}`,
		`{"keys":[{"name":"YQ==","type":"string","values":[]}]}`,
		`{"keys":[{"name":"YQ==","expires_at":99999999999999,"type":"hash","values":["YQ==","Yg=="]}]}`,
		`{"keys":[{"name":"YQ==","type":"hash","values":["YQ=="]}]}`,
		`{"keys":[{"name":"YQ==","type":"list","values":["YQ=="]},{"name":"YQ==","type":"set","values":["YQ=="]}]}`,
		`{"keys":[{"name":"YQ==","type":"zset","values":["YQ==","MS41"]}]}`,
		`{"keys":[{"name":"YQ==","type":"zset","values":["YQ==","TmFO"]}]}`,
		`{"keys":[{"name":"YQ==","type":"stream","values":["YQ=="]}]}`,
		`{"keys":[{"name":null,"expires_at":-1,"type":"string","values":[null]}]}`,
	} {
		f.Add([]byte(seed))
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, plain []byte) {
		var snap snapshot
		if json.Unmarshal(plain, &snap) != nil {
			return
		}
		fresh := func() *Server {
			return &Server{
				cfg:   Config{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)},
				redis: miniredis.NewMiniRedis(),
			}
		}
		first := fresh()
		if first.load(snap) != nil {
			return
		}
		want := first.copy()
		second := fresh()
		if err := second.load(want); err != nil {
			t.Fatalf("what was written does not load: %v", err)
		}
		if got := second.copy(); !reflect.DeepEqual(sorted(got), sorted(want)) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// sorted puts the members of what has no order into one.
func sorted(s snapshot) snapshot {
	for i, k := range s.Keys {
		if k.Type != "zset" {
			continue
		}
		var pairs []string
		for j := 0; j+1 < len(k.Values); j += 2 {
			pairs = append(pairs, string(k.Values[j])+"\x00"+string(k.Values[j+1]))
		}
		slices.Sort(pairs)
		s.Keys[i].Values = [][]byte{[]byte(strings.Join(pairs, "\x01"))}
	}
	return s
}
