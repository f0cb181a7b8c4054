// Package ferrettest runs casemongo against FerretDB 1.24, which speaks MongoDB's protocol in this
// process. It shows that the calls are well-formed, one at a time: FerretDB reads and then writes without
// a transaction around both, so it loses changes that race, and a replace that breaks a unique index is to it an
// inner error. It is no place to keep cases. The whole contract runs against a real server where
// SYMBOLON_TEST_MONGO_URL names one.
package ferrettest

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/FerretDB/FerretDB/ferretdb"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casemongo"
	"github.com/symbolon/symbolon/cases/casetest"
)

func TestCallsOneAtATime(t *testing.T) {
	f, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: "file:" + t.TempDir() + "/",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	var databases atomic.Int64
	casetest.Serial(t, func(t *testing.T) func(*testing.T) cases.Backend {
		uri := fmt.Sprintf("%stest%d", f.MongoDBURI(), databases.Add(1))
		return func(t *testing.T) cases.Backend {
			s, err := casemongo.Open(t.Context(), uri)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}
