package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/symbolon/symbolon/fault"
)

var errGone = fault.New(fault.Gone, "thing_gone", "It is over.")

func TestCopiesMatchTheirSentinelAndLeaveItAlone(t *testing.T) {
	cause := errors.New("connection refused by 10.0.0.1")
	err := fmt.Errorf("load thing: %w", errGone.Because(cause).With("id", "x").After(time.Second))
	if !errors.Is(err, errGone) || !errors.Is(err, cause) || fault.KindOf(err) != fault.Gone {
		t.Errorf("%v", err)
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.Members["id"] != "x" || e.RetryAfter != time.Second || e.Detail != "It is over." {
		t.Errorf("%+v", e)
	}
	if errGone.Members != nil || errGone.RetryAfter != 0 || errors.Unwrap(errGone) != nil {
		t.Errorf("the sentinel changed: %+v", errGone)
	}
	if errors.Is(err, fault.New(fault.Gone, "other", "")) {
		t.Error("another code matches")
	}
	first := errGone.With("a", 1)
	first.With("b", 2)
	if len(first.Members) != 1 {
		t.Error("copies share their members")
	}
}

func TestWhatNobodyClassifiedIsInternal(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), fmt.Errorf("y: %w", errors.New("x"))} {
		if fault.KindOf(err) != fault.Internal {
			t.Errorf("%v is %d", err, fault.KindOf(err))
		}
	}
}

func TestFieldsListsThemAll(t *testing.T) {
	e := fault.Fields(fault.Field{Field: "a", Code: "x"}, fault.Field{Field: "b", Code: "y"})
	if e.Kind != fault.Invalid || e.Code != "invalid_fields" || len(e.Fields) != 2 {
		t.Errorf("%+v", e)
	}
}
