package casemongo_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/goleak"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casemongo"
	"github.com/symbolon/symbolon/cases/casetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the address of a MongoDB 6 or later for tests, whose databases symbolon_test_… come and go.
func server(t testing.TB) string {
	t.Helper()
	uri := os.Getenv("SYMBOLON_TEST_MONGO_URL")
	if uri == "" {
		t.Skip("SKIPPED: the MongoDB contract needs a server; set SYMBOLON_TEST_MONGO_URL=mongodb://host:27017")
	}
	return uri
}

// newDatabase gives the address of a new database, which is dropped with the test.
func newDatabase(t testing.TB) string {
	t.Helper()
	uri := server(t)
	name := "symbolon_test_" + strings.ToLower(ulid.Make().String())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		client, err := mongo.Connect(options.Client().ApplyURI(uri))
		if err != nil {
			t.Error(err)
			return
		}
		if err := errors.Join(client.Database(name).Drop(ctx), client.Disconnect(ctx)); err != nil {
			t.Error(err)
		}
	})
	base, query, _ := strings.Cut(uri, "?")
	scheme, hosts, _ := strings.Cut(base, "://")
	hosts, login, _ := strings.Cut(hosts, "/")
	if strings.Contains(hosts, "@") && !strings.Contains(query, "authSource=") {
		// Where the user is known is, unless said, the database of the address, which changes here.
		if login == "" {
			login = "admin"
		}
		query += "&authSource=" + login
	}
	return scheme + "://" + hosts + "/" + name + "?" + query
}

func open(t testing.TB, uri string) *casemongo.Store {
	t.Helper()
	s, err := casemongo.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	server(t)
	casetest.Run(t, func(t *testing.T) func(*testing.T) cases.Backend {
		uri := newDatabase(t)
		return func(t *testing.T) cases.Backend { return open(t, uri) }
	})
}

func TestSchemaChanges(t *testing.T) {
	uri := newDatabase(t)
	s := open(t, uri)
	d := cases.Document{ID: "cas_1", AccountID: "acc_1", Version: 1}
	if err := s.CreateCase(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	undo := casemongo.PretendNextSchema()
	if _, err := casemongo.Open(t.Context(), uri); err == nil || !strings.Contains(err.Error(), "run symbolon migrate") {
		t.Fatalf("an older store: got %v", err)
	}
	ends := make(chan error)
	for range 4 {
		go func() { ends <- casemongo.Migrate(t.Context(), uri) }()
	}
	for range 4 {
		if err := <-ends; err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, uri)
	if _, err := s.Case(t.Context(), d.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	undo()
	for name, err := range map[string]error{
		"open":    func() error { _, err := casemongo.Open(t.Context(), uri); return err }(),
		"migrate": casemongo.Migrate(t.Context(), uri),
	} {
		if err == nil || !strings.Contains(err.Error(), "written by a newer symbolon") {
			t.Errorf("%s a newer store: got %v", name, err)
		}
	}
}

func TestTheAddressNamesTheDatabase(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://a.example": "symbolon", "mongodb://a.example/": "symbolon", "mongodb://a.example/?": "symbolon",
		"mongodb://a.example,b.example:27018/kyc?replicaSet=r": "kyc", "mongodb://u:p@a.example/kyc?&authSource=admin": "kyc",
	} {
		if got, err := casemongo.DatabaseOf(uri); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", uri, got, err, want)
		}
	}
}

func TestABadAddressIsRefusedWithoutRepeatingIt(t *testing.T) {
	for _, uri := range []string{
		"", "localhost", "http://user:secret@host/db", "mongodb://", "mongodb://user:se/cret@host/db", "mongodb://user:secret@host/db?w=-3",
		"mongodb://user:secret@host:port/db", "mongodb://user:secret@host/db?authMechanism=secret",
	} {
		_, err := casemongo.Open(t.Context(), uri)
		if err == nil || !strings.Contains(err.Error(), "mongodb://user:password@host") || strings.Contains(err.Error(), "cret") {
			t.Errorf("%q: got %v", uri, err)
		}
		if err := casemongo.Migrate(t.Context(), uri); err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("migrate %q: got %v", uri, err)
		}
	}
}

func TestAServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil { // nobody listens there any more
		t.Fatal(err)
	}
	_, err = casemongo.Open(t.Context(), "mongodb://"+ln.Addr().String()+"/?serverSelectionTimeoutMS=50")
	if !errors.Is(err, cases.ErrUnavailable) {
		t.Fatalf("got %v, want %v", err, cases.ErrUnavailable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = casemongo.Open(ctx, "mongodb://"+ln.Addr().String()+"/?serverSelectionTimeoutMS=50")
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
}
