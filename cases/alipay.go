package cases

import (
	"context"
	"log/slog"

	"github.com/symbolon/symbolon/fault"
)

// Alipay recognises a person's face in Alipay's own app and tells the result. What it says is believed only from an
// answer that this server asked for itself and whose signature was verified; see casealipay.
type Alipay interface {
	// Begin opens a verification and returns Alipay's id of it. order names the try: 32 letters and digits that are
	// never used for another one; asking again with the same order is safe. Alipay's app opens returnTo when the
	// person is through with it. ErrAlipayUnavailable when it may work later, ErrAlipayRefused when Alipay does
	// not verify this person.
	Begin(ctx context.Context, order string, who AlipayPerson, returnTo string) (certifyID string, err error)
	// Address returns where the person goes: the page that works inside Alipay, and the link that opens it there from
	// any other browser. Both are signed anew with each call, without asking anybody.
	Address(certifyID string) (page, link string, err error)
	// Result asks what became of a verification. ErrAlipayUnavailable when the answer cannot be had or not be
	// believed, ErrAlipayRefused when Alipay says that there will be none.
	Result(ctx context.Context, certifyID string) (AlipayResult, error)
}

// AlipayPerson is whom Alipay verifies. It is personal and does not print.
type AlipayPerson struct {
	CertType string // in Alipay's words, such as "IDENTITY_CARD"
	Name     string
	Number   string
}

// String, GoString and LogValue keep a person out of logs.
func (AlipayPerson) String() string { return "[person]" }

// GoString is String.
func (AlipayPerson) GoString() string { return "[person]" }

// LogValue is String.
func (AlipayPerson) LogValue() slog.Value { return slog.StringValue("[person]") }

// AlipayOutcome is what Alipay says of a person.
type AlipayOutcome string

// The outcomes. Failed may also be said before the person did anything.
const (
	AlipayPassed  AlipayOutcome = "passed"
	AlipayFailed  AlipayOutcome = "failed"
	AlipayPending AlipayOutcome = "pending"
)

// AlipayResult is a verified answer.
type AlipayResult struct {
	Outcome AlipayOutcome
	Answer  []byte // the whole answer with its signature, as it was received; evidence, at most 16 KiB
}

// Errors of Alipay's way.
var (
	ErrAlipayUnavailable = fault.New(fault.Unavailable, "alipay_unavailable", "Alipay does not answer now. Try again in a moment, or use the other way.")
	ErrAlipayRefused     = fault.New(fault.Conflict, "alipay_refused", "Alipay does not verify this person. Use the other way.")
)
