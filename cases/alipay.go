package cases

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/symbolon/symbolon/checks"
	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
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
	// Offline reports whether a TEST GATEWAY answers, which recognises nobody.
	Offline() bool
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
	ErrAlipayUnavailable   = fault.New(fault.Unavailable, "alipay_unavailable", "Alipay does not answer now. Try again in a moment, or use the other way.")
	ErrAlipayRefused       = fault.New(fault.Conflict, "alipay_refused", "Alipay does not verify this person. Use the other way.")
	ErrAlipayNotConfigured = fault.New(fault.Conflict, "alipay_not_configured", "Alipay is not set up here.")
	ErrAlipayDocument      = fault.New(fault.Conflict, "alipay_document_unsupported", "Alipay does not know this kind of document. Use the other way.")
	ErrAlipayTries         = fault.New(fault.Conflict, "alipay_tries_used", "This did not work several times. Use the other way.")
	ErrStepDone            = fault.New(fault.Conflict, "step_done", "This step is done.")
)

// Times and limits of a try.
const (
	AlipayFor        = 15 * time.Minute // until a try without a result is given up
	alipayFirstAsk   = 3 * time.Second
	alipayLastAsk    = 10 * time.Second // between two questions, later on
	alipaySettles    = 3 * time.Second  // after the person came back a "failed" may still become "passed"
	alipayAskFor     = 6 * time.Second  // one question
	alipayRest       = 10 * time.Second // without questions, when nothing was heard
	maxAlipayTries   = 10               // on one UTC day
	maxAlipayReturn  = 512              // characters of a reference
	reasonAlipayFail = "provider.alipay_failed"
	reasonTimeout    = "provider.timeout"
	reasonNoProvider = "provider.unavailable"
	checkAlipay      = "alipay"
)

// alipayCertTypes are Alipay's names of the documents that it knows.
var alipayCertTypes = map[string]string{
	CNResidentID:           "IDENTITY_CARD",
	HKMacauPermit:          "HOME_VISIT_PERMIT_HK_MC",
	TaiwanPermit:           "HOME_VISIT_PERMIT_TAIWAN",
	HKMacauResidencePermit: "RESIDENCE_PERMIT_HK_MC",
	TaiwanResidencePermit:  "RESIDENCE_PERMIT_TAIWAN",
}

// AlipayTry is the newest try to be recognised by Alipay. It holds nothing personal.
type AlipayTry struct {
	Order     string `json:"order" bson:"order"`                               // outer_order_no, never used again
	CertifyID string `json:"certify_id,omitempty" bson:"certify_id,omitempty"` // Alipay's id, once it answered
	// Epoch, Owner and Who are what the try is for: a handoff, and the person of that time. A result for another one of
	// either is worth nothing.
	Epoch int64  `json:"epoch" bson:"epoch"`
	Owner string `json:"owner" bson:"owner"`
	Who   []byte `json:"who" bson:"who"` // keyed hash of document type, name and number
	// Offline: a TEST GATEWAY was asked.
	Offline bool `json:"offline,omitempty" bson:"offline,omitempty"`
	// Reference stands in the address that Alipay opens afterwards. It stays the same, because what is asked for again
	// under one order has to.
	Reference string `json:"reference" bson:"reference"`

	StartedAt  time.Time `json:"started_at" bson:"started_at"`
	ReturnedAt time.Time `json:"returned_at,omitzero" bson:"returned_at,omitempty"` // the person came back, which proves nothing
	EndedAt    time.Time `json:"ended_at,omitzero" bson:"ended_at,omitempty"`
	Outcome    string    `json:"outcome,omitempty" bson:"outcome,omitempty"` // once ended: passed, failed, timeout, refused, void
	// Tries counts those of the day on which this one began.
	Tries int `json:"tries" bson:"tries"`
}

func (t *AlipayTry) open() bool { return t != nil && t.EndedAt.IsZero() }

// AlipayTake is what a take of the face step says that was made by Alipay. The take's bytes are Alipay's answer.
type AlipayTake struct {
	Order     string `json:"order" bson:"order"`
	CertifyID string `json:"certify_id" bson:"certify_id"`
	Who       []byte `json:"who" bson:"who"`
	Offline   bool   `json:"offline,omitempty" bson:"offline,omitempty"`
}

// AlipayPhase is how far a try is, as desk and phone show it.
type AlipayPhase string

// The phases.
const (
	AlipayOpened  AlipayPhase = "alipay_opened" // the person may go to Alipay
	AlipayWaiting AlipayPhase = "waiting"       // back from there, and the result is awaited
	AlipayDone    AlipayPhase = "done"
	AlipayMissed  AlipayPhase = "failed" // the step's reasons say why; the phone may try again
)

// AlipayPhase returns how far the case's newest try is, "" where there is none that counts.
func (c Case) AlipayPhase() AlipayPhase {
	if st := c.step(Face); st != nil && slices.ContainsFunc(st.Takes, func(t Take) bool { return t.Alipay != nil }) {
		return AlipayDone
	} else if st != nil && slices.ContainsFunc(st.Reasons, func(r Reason) bool { return strings.HasPrefix(r.Code, "provider.") }) {
		return AlipayMissed
	}
	switch t := c.Alipay; {
	case !t.open() || t.CertifyID == "" || t.Epoch != c.HandoffEpoch:
		return ""
	case t.ReturnedAt.IsZero():
		return AlipayOpened
	}
	return AlipayWaiting
}

// HasAlipay reports whether Alipay's way is set up at all.
func (s *Service) HasAlipay() bool { return s.cfg.Alipay != nil }

// OffersAlipay reports whether the case's face may be verified by Alipay: ErrAlipayNotConfigured, ErrAlipayDocument,
// ErrStepUnknown.
func (s *Service) OffersAlipay(c Case) error {
	switch {
	case s.cfg.Alipay == nil:
		return ErrAlipayNotConfigured
	case c.step(Face) == nil:
		return ErrStepUnknown
	case c.Facts == nil || alipayCertTypes[c.Facts.Document.Type] == "":
		return ErrAlipayDocument
	}
	return nil
}

// AlipayRequest asks for a try.
type AlipayRequest struct {
	Owner    string // handoff id
	ReturnTo string // where Alipay's app opens a page afterwards; a reference is added to it
}

// StartAlipay has Alipay begin to verify the person of a case for a phone, and returns where the phone goes. As long as the
// phone's try is open it is the same one, whatever is asked again; after it ended a new one begins. ErrPortraitMissing,
// ErrStepDone, ErrAlipayTries, ErrAlipayUnavailable, ErrAlipayRefused, and the errors of OffersAlipay and of work on a step.
func (s *Service) StartAlipay(ctx context.Context, by Actor, id string, r AlipayRequest) (page, link string, err error) {
	var who AlipayPerson
	var try AlipayTry
	_, err = s.change(ctx, by, id, anyVersion, func(c *change) error {
		st, err := c.workOn(Face)
		if err != nil {
			return err
		}
		opened, err := s.open(c.Document)
		if err != nil {
			return err
		}
		switch err := s.OffersAlipay(opened); {
		case err != nil:
			return err
		case !slices.Contains(st.Channels, "phone"):
			return ErrChannel
		case c.portrait() == nil:
			return ErrPortraitMissing
		case st.State == Accepted || st.State == Checked:
			return ErrStepDone
		}
		who = alipayPerson(*opened.Facts)
		hash := c.hashOf(who)
		if t := c.Alipay; t.open() && t.Epoch == by.Epoch && t.Owner == r.Owner && bytes.Equal(t.Who, hash) && c.at.Before(t.StartedAt.Add(AlipayFor)) {
			try = *t
			return nil
		}
		tries := 1
		if t := c.Alipay; t != nil && t.StartedAt.Format(time.DateOnly) == c.at.Format(time.DateOnly) {
			tries += t.Tries
		}
		if tries > maxAlipayTries {
			return ErrAlipayTries
		}
		c.endAlipay("void", nil)
		order := newAlipayOrder()
		try = AlipayTry{
			Order: order, Reference: s.alipayReference(id, order), Epoch: by.Epoch, Owner: r.Owner, Who: hash, Offline: s.cfg.Alipay.Offline(), StartedAt: c.at, Tries: tries,
		}
		c.Alipay = &try
		return nil
	})
	if err != nil {
		return "", "", err
	}
	if try.CertifyID == "" {
		if try.CertifyID, err = s.beginAlipay(ctx, by, id, try.Order, who, r.ReturnTo+"?r="+try.Reference); err != nil {
			return "", "", err
		}
	}
	return s.cfg.Alipay.Address(try.CertifyID)
}

// beginAlipay asks Alipay to begin, and has the result asked for from then on.
func (s *Service) beginAlipay(ctx context.Context, by Actor, id, order string, who AlipayPerson, returnTo string) (string, error) {
	certifyID, err := s.cfg.Alipay.Begin(ctx, order, who, returnTo)
	if err != nil {
		s.cfg.Log.Warn("alipay_not_begun", "case", id, "error", err)
		if errors.Is(err, ErrAlipayRefused) {
			_, ended := s.change(ctx, by, id, anyVersion, func(c *change) error {
				if c.Alipay.open() && c.Alipay.Order == order {
					c.endAlipay("refused", nil)
				}
				return nil
			})
			err = errors.Join(err, ended)
		}
		return "", err
	}
	_, err = s.change(ctx, by, id, anyVersion, func(c *change) error {
		t := c.Alipay
		switch {
		case !t.open() || t.Order != order:
			return ErrAlipayUnavailable.After(time.Second) // another call of the same phone began a newer one
		case t.CertifyID == certifyID:
			return nil
		}
		t.CertifyID = certifyID
		c.Jobs = slices.DeleteFunc(c.Jobs, func(j Job) bool { return j.Kind == JobAlipay && j.State == JobQueued })
		c.queue(Job{Kind: JobAlipay, RunAfter: c.at.Add(alipayFirstAsk)})
		if st := c.step(Face); st != nil && st.Reasons != nil {
			st.Reasons = nil
			st.State = stepState(*st)
		}
		c.note(Entry{Event: "alipay_opened", Level: c.step(Face).Level, Step: Face, Epoch: t.Epoch, Data: t.data()})
		return nil
	})
	return certifyID, err
}

// data are the ids of a try for the history.
func (t *AlipayTry) data() map[string]string {
	out := map[string]string{"order": t.Order, "certify_id": t.CertifyID}
	if t.Offline {
		out["test_gateway"] = "true"
	}
	return out
}

const orderLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newAlipayOrder names a try: 32 letters and digits, 145 bits of which nobody can guess.
func newAlipayOrder() string {
	b := make([]byte, 29)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = orderLetters[b[i]%32]
	}
	return "KYC" + string(b)
}

func alipayPerson(f Identity) AlipayPerson {
	return AlipayPerson{CertType: alipayCertTypes[f.Document.Type], Name: f.Name, Number: f.Document.Number}
}

// hashOf binds a try to a person. It is keyed by the case, so that it tells nothing about the person.
func (c *change) hashOf(who AlipayPerson) []byte { return alipayHash(c.key, who) }

func alipayHash(k seal.Key, who AlipayPerson) []byte {
	return k.Index("alipay person", string(mustJSON([]string{who.CertType, who.Name, who.Number})))
}

// endAlipay ends the open try, if there is one. The answer that ended it, if any, goes sealed into the history.
func (c *change) endAlipay(outcome string, answer []byte) {
	t := c.Alipay
	if !t.open() {
		return
	}
	t.EndedAt, t.Outcome = c.at, outcome
	if t.CertifyID == "" {
		return // nothing was begun that anybody could look for
	}
	e := Entry{Event: "alipay_ended", Step: Face, Epoch: t.Epoch, Data: t.data()}
	e.Data["outcome"] = outcome
	if answer != nil {
		sum := sha256.Sum256(answer)
		e.Data["answer_sha256"] = hex.EncodeToString(sum[:])
		e.Sealed = c.key.Seal(answer, boundAlipay(c.ID, t.Order))
	}
	if st := c.step(Face); st != nil {
		e.Level = st.Level
	}
	c.note(e)
}

func boundAlipay(caseID, order string) []byte { return seal.Bind("case", caseID, "alipay", order) }

// alipayReference names a try in the address that Alipay opens afterwards: sealed, so that it says nothing and nobody
// can make one.
func (s *Service) alipayReference(id, order string) string {
	return base64.RawURLEncoding.EncodeToString(s.references().Seal([]byte(id+" "+order), seal.Bind("alipay return")))
}

func (s *Service) references() *seal.Box { return s.cfg.Keys.Derive("alipay return").Box() }

// AlipayReturned notes that somebody came back from Alipay, and has the result asked for at once. It proves nothing and
// changes nothing else. ErrUnknown for a reference that was not given out.
func (s *Service) AlipayReturned(ctx context.Context, reference string) error {
	b, err := base64.RawURLEncoding.DecodeString(reference)
	if err != nil || len(reference) > maxAlipayReturn {
		return ErrUnknown
	}
	if b, err = s.references().Open(b, seal.Bind("alipay return")); err != nil {
		return ErrUnknown
	}
	id, order, _ := strings.Cut(string(b), " ")
	_, err = s.change(ctx, Actor{Kind: BySystem}, id, anyVersion, func(c *change) error {
		if !c.Alipay.open() || c.Alipay.Order != order || !c.Alipay.ReturnedAt.IsZero() {
			return nil
		}
		c.Alipay.ReturnedAt = c.at
		for i, j := range c.Jobs {
			if j.Kind == JobAlipay && j.State == JobQueued {
				c.Jobs[i].RunAfter = c.at
			}
		}
		return nil
	})
	return err
}

// alipayHolds reports whether a try is still for this phone and this person.
func (c *change) alipayHolds(t *AlipayTry, f *Identity) bool {
	return t.Epoch == c.HandoffEpoch && !slices.Contains(c.Ended, t.Owner) && f != nil && bytes.Equal(t.Who, c.hashOf(alipayPerson(*f)))
}

// willAskAgain takes up the job that asks for a result. It is no lease: the job is queued for the next question before this one
// is asked, so that a question without a result changes nothing more. A try that is over, or for nobody, ends it.
func (s *Service) willAskAgain(c *change, j *Job) error {
	t := c.Alipay
	if t.open() && t.CertifyID != "" {
		later := alipayFirstAsk + min(time.Duration(j.Attempts)*time.Second, alipayLastAsk-alipayFirstAsk)
		if !t.ReturnedAt.IsZero() {
			later = alipaySettles
		}
		j.State, j.LeaseOwner, j.LeaseUntil, j.RunAfter = JobQueued, "", time.Time{}, c.at.Add(later)
		if err := s.ofTry(*t, func(*change) error { return nil })(c); err != nil {
			return err
		}
	}
	if !c.Alipay.open() || c.Alipay.CertifyID == "" {
		c.Jobs = slices.DeleteFunc(c.Jobs, func(other Job) bool { return other.ID == j.ID })
	}
	return nil
}

// askAlipay asks once for a result; what comes of it is nil as long as there is none.
func (s *Service) askAlipay(ctx context.Context, id string) (func(*change) error, error) {
	c, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !c.Alipay.open() || c.Alipay.CertifyID == "" {
		return nil, nil
	}
	t, asked := *c.Alipay, s.now()
	overdue := !asked.Before(t.StartedAt.Add(AlipayFor))
	var retry func(*change) error
	if overdue {
		retry = s.ofTry(t, func(c *change) error { return c.failAlipay("timeout", reasonTimeout, nil) })
	}
	if s.cfg.Alipay == nil { // it was switched off meanwhile
		return s.ofTry(t, func(c *change) error { return c.failAlipay("refused", reasonNoProvider, nil) }), nil
	}
	if asked.Before(time.UnixMilli(s.alipayRest.Load())) && !overdue {
		return retry, nil
	}
	within, cancel := context.WithTimeout(ctx, alipayAskFor)
	defer cancel()
	r, err := s.cfg.Alipay.Result(within, t.CertifyID)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		s.cfg.Log.Warn("alipay_not_answered", "case", id, "error", err)
		if errors.Is(err, ErrAlipayRefused) {
			return s.ofTry(t, func(c *change) error { return c.failAlipay("refused", reasonNoProvider, nil) }), nil
		}
		s.alipayRest.Store(asked.Add(alipayRest).UnixMilli()) // the others need not all wait for it to time out
		return retry, nil
	}
	switch {
	case r.Outcome == AlipayPassed:
		return s.keepAlipay(ctx, id, t, r)
	case r.Outcome == AlipayFailed && !t.ReturnedAt.IsZero() && !asked.Before(t.ReturnedAt.Add(alipaySettles)):
		return s.ofTry(t, func(c *change) error { return c.failAlipay("failed", reasonAlipayFail, r.Answer) }), nil
	}
	return retry, nil
}

// ofTry makes a change only while a try is open and still for whom and what it was begun. One that is not ends.
func (s *Service) ofTry(t AlipayTry, then func(*change) error) func(*change) error {
	return func(c *change) error {
		if !c.Alipay.open() || c.Alipay.Order != t.Order {
			return nil
		}
		opened, err := s.open(c.Document)
		if err != nil {
			return err
		}
		if _, err := c.workOn(Face); err != nil || !c.alipayHolds(&t, opened.Facts) {
			c.endAlipay("void", nil)
			return nil
		}
		return then(c)
	}
}

// failAlipay ends the try and says so on the step, whose phone may try again.
func (c *change) failAlipay(outcome, reason string, answer []byte) error {
	c.endAlipay(outcome, answer)
	st := c.step(Face)
	st.Reasons = []Reason{{Code: reason, Step: Face}}
	st.State = stepState(*st)
	return nil
}

// keepAlipay stores the answer and makes it the step's take.
func (s *Service) keepAlipay(ctx context.Context, id string, t AlipayTry, r AlipayResult) (func(*change) error, error) {
	uploads := newUploads(1)
	system := Actor{Kind: BySystem, ID: t.Owner}
	if _, err := s.change(ctx, system, id, anyVersion, func(c *change) error { c.promise(uploads); return nil }); err != nil {
		return nil, err
	}
	p, err := s.keep(ctx, KeepRequest{UploadID: uploads[0], CaseID: id, Step: Face, Filetype: "application/json", Bytes: r.Answer})
	if err != nil {
		_, _ = s.change(context.WithoutCancel(ctx), system, id, anyVersion, func(c *change) error { c.breakPromise(uploads); return nil })
		return nil, err
	}
	kept := s.ofTry(t, func(c *change) error {
		if !c.fulfil(uploads) {
			return ErrBusy // it took so long that they are being destroyed
		}
		st := c.step(Face)
		c.dropTakes(st, func(Take) bool { return true })
		st.Takes = append(st.Takes, Take{
			UploadID: p.UploadID, MediaID: p.MediaID, Epoch: c.HandoffEpoch, Owner: t.Owner, State: TakeAccepted, Filetype: p.Filetype,
			Size: p.Size, SHA256: p.SHA256, CreatedAt: c.at, AcceptedAt: c.at,
			Alipay: &AlipayTake{Order: t.Order, CertifyID: t.CertifyID, Who: t.Who, Offline: t.Offline},
		})
		st.Reasons, st.Tries, c.FaceSeen = nil, 0, nil
		st.State = stepState(*st)
		c.endAlipay("passed", r.Answer)
		return nil
	})
	return func(c *change) error {
		if err := kept(c); err != nil {
			return err
		}
		c.breakPromise(uploads) // of a try that was over by now; nothing is left to break otherwise
		return nil
	}, nil
}

// checkAlipayTake is what the check of a level says of a face that Alipay recognised.
func (s *Service) checkAlipayTake(c Case, t Take) (Check, error) {
	k, err := s.keyOf(c.Document)
	if err != nil {
		return Check{}, err
	}
	out := Check{Step: Face, Check: checkAlipay, Verdict: checks.Pass}
	switch {
	case c.Facts == nil || !bytes.Equal(t.Alipay.Who, alipayHash(k, alipayPerson(*c.Facts))):
		out.Verdict, out.Code = checks.Fail, reasonAlipayFail // for somebody else
	case t.Alipay.Offline:
		out.Verdict = checks.Unsure // nobody was recognised: a person looks, whatever the policy says
	}
	return out, nil
}

// AlipayAnswer opens the answer that ended a try, from its history entry; ErrUnknown where the entry holds none.
func (s *Service) AlipayAnswer(ctx context.Context, e Entry) ([]byte, error) {
	if e.Event != "alipay_ended" || e.Sealed == nil {
		return nil, ErrUnknown
	}
	k, err := s.Key(ctx, e.CaseID)
	if err != nil {
		return nil, err
	}
	b, err := k.Open(e.Sealed, boundAlipay(e.CaseID, e.Data["order"]))
	if err != nil {
		return nil, fmt.Errorf("open an answer of %s: %w", e.CaseID, err)
	}
	return b, nil
}
