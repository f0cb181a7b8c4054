package server

import (
	"testing"

	"go.uber.org/goleak"
)

// Whatever the tests start has to end with them.
func TestMain(m *testing.M) {
	// fasthttp keeps the date of its answers for as long as the process lives.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}
