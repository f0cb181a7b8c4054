package servertest

import (
	"net/http"
	"sync"
	"testing"

	apicontract "github.com/symbolon/symbolon/server/contract"
)

// One checker for all tests of a program, so that what they meet adds up.
var checker = sync.OnceValues(apicontract.New)

// contract returns the check of one answer against openapi.yaml.
func contract(t testing.TB) func(*Answer) error {
	t.Helper()
	k, err := checker()
	if err != nil {
		t.Fatal(err)
	}
	return func(a *Answer) error {
		return k.Check(a.Request, a.Sent, &http.Response{StatusCode: a.Status, Header: a.Header}, a.Body)
	}
}

// CheckMessage holds a message of a live socket against openapi.yaml.
func CheckMessage(t testing.TB, data []byte) {
	t.Helper()
	k, err := checker()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.CheckMessage(data); err != nil {
		t.Errorf("%v\n%s", err, data)
	}
}
