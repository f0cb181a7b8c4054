package handoff_test

import (
	"context"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/seal"
)

func lines(s string) (rows [][]string) {
	for line := range strings.Lines(strings.TrimSpace(s)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

// silent is a store that New does not call.
type silent struct{ handoff.Store }

func TestNewChecksItsConfiguration(t *testing.T) {
	good := func() handoff.Config {
		return handoff.Config{
			Store: silent{}, Key: seal.NewKey(), Origin: "https://kyc.example.com:8443",
			RaiseEpoch: func(context.Context, string, string) (int64, error) { return 0, nil },
			Ended:      func(context.Context, handoff.Handoff) error { return nil },
			Changed:    func(context.Context, string) {},
		}
	}
	if _, err := handoff.New(good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(c *handoff.Config){
		"no store":              func(c *handoff.Config) { c.Store = nil },
		"no key":                func(c *handoff.Config) { c.Key = seal.Key{} },
		"nobody raises":         func(c *handoff.Config) { c.RaiseEpoch = nil },
		"nobody hears of ends":  func(c *handoff.Config) { c.Ended = nil },
		"nobody hears":          func(c *handoff.Config) { c.Changed = nil },
		"no origin":             func(c *handoff.Config) { c.Origin = "" },
		"an origin with a path": func(c *handoff.Config) { c.Origin += "/kyc" },
		"a trailing slash":      func(c *handoff.Config) { c.Origin += "/" },
		"another scheme":        func(c *handoff.Config) { c.Origin = "ftp://kyc.example.com" },
		"a host alone":          func(c *handoff.Config) { c.Origin = "kyc.example.com" },
	} {
		c := good()
		spoil(&c)
		if _, err := handoff.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
