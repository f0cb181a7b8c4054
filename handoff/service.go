package handoff

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/seal"
)

// Config is what a Service needs.
type Config struct {
	Store Store
	Key   seal.Key         // codes, numbers and sealed fields derive from it
	Now   func() time.Time // time.Now where nil
	Log   *slog.Logger     // discarded where nil
	// Origin is the https origin that phones reach, e.g. "https://kyc.example.com".
	Origin string

	// RaiseEpoch raises handoff_epoch of the case in the case store and returns the new one.
	// cause is "offer", "cancel", "takeback", "lock" or "report". (A superseding offer raises
	// once, as "offer": that alone makes the old handoff stale.)
	RaiseEpoch func(ctx context.Context, caseID, cause string) (int64, error)
	// Ended is called once after a handoff left its last live state; it may be called again
	// after a crash, so it must be idempotent. It is called once more, with Reported, when a
	// cancelled one became a report.
	Ended func(ctx context.Context, h Handoff) error
	// Changed is called after every change that a desk or phone shall see.
	Changed func(ctx context.Context, caseID string)
}

const (
	// keepLive bounds how long a handoff and its codes stay in the store.
	keepLive = OfferFor + ClaimFor + AbsoluteFor + KeepEndedFor
	// keepReport is how long a report asks for the password, if nobody gives it.
	keepReport = 30 * 24 * time.Hour
	// announceFor bounds one announcement (RaiseEpoch, Ended, Changed); leaseFor is a little
	// longer, so that no second one starts while the first runs.
	announceFor = 10 * time.Second
	leaseFor    = 15 * time.Second
)

// Service runs handoffs. It is safe for concurrent use, on any number of nodes.
type Service struct {
	cfg   Config
	index seal.Key  // keys what is only compared
	box   *seal.Box // seals what is read again
}

// New checks the configuration and returns the service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.RaiseEpoch == nil || cfg.Ended == nil || cfg.Changed == nil {
		return nil, errors.New("handoff: Store, RaiseEpoch, Ended and Changed are needed")
	}
	if cfg.Key.IsZero() {
		return nil, errors.New("handoff: a key is needed")
	}
	u, err := url.Parse(cfg.Origin)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.String() != u.Scheme+"://"+u.Host {
		return nil, errors.New(`handoff: the origin is "https://" and a host, without a path`)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, index: cfg.Key.Derive("handoff index"), box: cfg.Key.Derive("handoff seal").Box()}, nil
}

// now is the clock, in the precision that is stored.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// finishing returns a context in which a change that has begun is brought to its end even
// when the caller has gone.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), announceFor)
}

// OfferRequest asks for a new handoff.
type OfferRequest struct {
	CaseID, AccountID, SessionID string
	Steps                        []string
	Provider                     string
	Desk                         Device
	Network                      string // the desk's address, hashed before it is kept
	Replace                      bool   // supersede one that is claimed or active
	Confirmed                    bool   // the desk gave its password lately
}

func (r OfferRequest) check() error {
	if r.CaseID == "" || r.AccountID == "" || r.SessionID == "" {
		return errors.New("handoff: an offer without a case, an account or a session")
	}
	var bad []fault.Field
	if len(r.Steps) == 0 || len(r.Steps) > MaxSteps {
		bad = append(bad, fault.Field{Field: "steps", Code: "count", Detail: fmt.Sprintf("Name 1 to %d steps.", MaxSteps)})
	}
	for i, step := range r.Steps {
		graphic := !strings.ContainsFunc(step, func(c rune) bool { return !unicode.IsGraphic(c) })
		if step == "" || len(step) > MaxStepLength || !graphic || slices.Index(r.Steps, step) != i {
			bad = append(bad, fault.Field{Field: fmt.Sprintf("steps.%d", i), Code: "step", Detail: "This is not the name of a step, or it is there twice."})
		}
		if i == MaxSteps {
			break
		}
	}
	if r.Provider != "" && r.Provider != "alipay" {
		bad = append(bad, fault.Field{Field: "provider", Code: "unknown", Detail: "This provider is not known."})
	}
	if len(bad) > 0 {
		return fault.Fields(bad...)
	}
	return nil
}

// Offer makes a new handoff at the next epoch. One that is only offered is replaced without
// being asked; one that is claimed or active gives ErrActive unless r.Replace.
//
// Errors: ErrActive, ErrPaused, ErrConfirmFirst, ErrStaleEpoch (a still newer offer or the
// end of another handoff came between), an Invalid fault naming the bad field.
func (s *Service) Offer(ctx context.Context, r OfferRequest) (Handoff, error) {
	if err := r.check(); err != nil {
		return Handoff{}, err
	}
	former, found, err := s.current(ctx, r.CaseID)
	if err != nil {
		return Handoff{}, err
	}
	if found && (former.State == Claimed || former.State == Active) && !r.Replace {
		return Handoff{}, ErrActive
	}
	if err := s.admit(ctx, r, found && former.State == Reported); err != nil {
		return Handoff{}, err
	}

	ctx, cancel := finishing(ctx)
	defer cancel()
	epoch, err := s.cfg.RaiseEpoch(ctx, r.CaseID, "offer")
	if err != nil {
		return Handoff{}, fmt.Errorf("raise the epoch for an offer: %w", err)
	}
	if found && !former.State.Ended() {
		if _, err := s.end(ctx, former.ID, ActSupersede, Superseded, ""); err != nil {
			return Handoff{}, err
		}
	}
	rec, err := s.create(ctx, r, epoch)
	if err != nil {
		return Handoff{}, err
	}
	before, ok, err := s.cfg.Store.Point(ctx, r.CaseID, rec.ID, epoch, keepLive)
	if err != nil {
		return Handoff{}, err
	}
	stale := before // an offer that was made while this one was: of the two, the older epoch goes
	if !ok {
		stale = rec.ID
	}
	if stale != "" && stale != former.ID {
		if _, err := s.end(ctx, stale, ActSupersede, Superseded, ""); err != nil && !errors.Is(err, ErrUnknown) {
			return Handoff{}, err
		}
	}
	if !ok {
		return Handoff{}, ErrStaleEpoch
	}
	s.cfg.Changed(ctx, r.CaseID)
	return s.open(rec)
}

// admit refuses an offer after a report or too many locks.
func (s *Service) admit(ctx context.Context, r OfferRequest, lastReported bool) error {
	now := s.now()
	locks, reported, err := s.cfg.Store.Trouble(ctx, r.CaseID, now.Add(-LockWindow-LockPause))
	if err != nil {
		return err
	}
	if n := len(locks); n >= MaxLocks && locks[n-1].Sub(locks[n-MaxLocks]) < LockWindow {
		if wait := locks[n-1].Add(LockPause).Sub(now); wait > 0 {
			return ErrPaused.After(wait)
		}
	}
	if !reported && !lastReported {
		return nil
	}
	if !r.Confirmed {
		return ErrConfirmFirst
	}
	return s.cfg.Store.ClearReport(ctx, r.CaseID)
}

// create keeps a new record. A code that is in use already (40 random bits) is drawn again.
func (s *Service) create(ctx context.Context, r OfferRequest, epoch int64) (Record, error) {
	now := s.now()
	for range 3 {
		id := "hnd_" + ulid.Make().String()
		secret := seal.NewKey()
		desk, err := s.sealDevice(id, "desk", r.Desk)
		if err != nil {
			return Record{}, err
		}
		wrapped := []byte(secret.Encode())
		rec := Record{
			ID: id, CaseID: r.CaseID, AccountID: r.AccountID, SessionID: r.SessionID, Epoch: epoch,
			State: Offered, Steps: slices.Clone(r.Steps), Provider: r.Provider,
			Locator: newLocator(), TextIndex: s.mac("text", offerKey{secret}.text()),
			OfferKey: s.box.Seal(wrapped, seal.Bind("handoff", id, "offer key")),
			Desk:     desk, DeskNetwork: s.mac("network", network(r.Network)),
			OfferedAt: now, ExpiresAt: now.Add(OfferFor),
		}
		if ok, err := s.cfg.Store.Create(ctx, rec, keepLive); err != nil || ok {
			return rec, err
		}
	}
	return Record{}, errors.New("handoff: three codes in a row were in use")
}

// Get returns a handoff by id, with expiry judged now; ErrUnknown when lost or never there.
func (s *Service) Get(ctx context.Context, id string) (Handoff, error) {
	rec, err := s.load(ctx, id)
	if err != nil {
		return Handoff{}, err
	}
	return s.open(rec)
}

// Current returns the newest handoff of the case, ended or not; ErrUnknown when there is none.
func (s *Service) Current(ctx context.Context, caseID string) (Handoff, error) {
	rec, found, err := s.current(ctx, caseID)
	if err != nil {
		return Handoff{}, err
	}
	if !found {
		return Handoff{}, ErrUnknown
	}
	return s.open(rec)
}

func (s *Service) current(ctx context.Context, caseID string) (Record, bool, error) {
	id, err := s.cfg.Store.Pointed(ctx, caseID)
	if err != nil || id == "" {
		return Record{}, false, err
	}
	rec, err := s.load(ctx, id)
	if errors.Is(err, ErrUnknown) {
		return Record{}, false, nil
	}
	return rec, err == nil, err
}

// load reads a record as it stands now: one whose time has run out is ended first, by
// whoever sees it first, so that nobody ever sees a live handoff beyond its time.
func (s *Service) load(ctx context.Context, id string) (Record, error) {
	rec, ok, err := s.cfg.Store.Load(ctx, id)
	if err != nil {
		return Record{}, err
	}
	now := s.now()
	if ok && rec.due(now) {
		if err := s.sweep(ctx, id); err != nil {
			return Record{}, err
		}
		if rec, ok, err = s.cfg.Store.Load(ctx, id); err != nil {
			return Record{}, err
		}
	}
	if !ok || (rec.State.Ended() && now.Sub(rec.EndedAt) >= KeepEndedFor) {
		return Record{}, ErrUnknown
	}
	return rec, nil
}

// QR returns the address that the picture shows now and when the next one is due. ErrOver
// unless the handoff is offered.
func (s *Service) QR(ctx context.Context, id string) (url string, next time.Time, err error) {
	rec, err := s.load(ctx, id)
	if err != nil {
		return "", time.Time{}, err
	}
	if rec.State != Offered {
		return "", time.Time{}, ErrOver
	}
	key, err := s.offerKey(rec)
	if err != nil {
		return "", time.Time{}, err
	}
	n, next := pictureAt(rec.OfferedAt, s.now())
	return s.address(rec, key.picture(n)), next, nil
}

func (s *Service) address(rec Record, secret []byte) string {
	return s.cfg.Origin + fragment + rec.Locator + "." + secretCoding.EncodeToString(secret)
}

// lookup is what a presented code leads to.
type lookup struct {
	rec Record
	judged
}

// find looks a code up: ErrCodeUnknown when it never was one.
func (s *Service) find(ctx context.Context, presented string) (lookup, error) {
	c, ok := parseCode(presented)
	if !ok {
		return lookup{}, ErrCodeUnknown
	}
	var id string
	var err error
	if c.text != "" {
		id, err = s.cfg.Store.ByText(ctx, s.mac("text", c.text))
	} else {
		id, err = s.cfg.Store.ByLocator(ctx, c.locator)
	}
	if err != nil {
		return lookup{}, err
	}
	if id == "" {
		return lookup{}, ErrCodeUnknown
	}
	rec, err := s.load(ctx, id)
	if errors.Is(err, ErrUnknown) {
		return lookup{}, ErrCodeUnknown
	}
	if err != nil {
		return lookup{}, err
	}
	if c.text != "" {
		return lookup{rec, judged{known: true, fresh: true, picture: -1}}, nil
	}
	key, err := s.offerKey(rec)
	if errors.Is(err, ErrUnknown) {
		return lookup{}, ErrCodeUnknown
	}
	if err != nil {
		return lookup{}, err
	}
	j := rec.judge(key, c.secret, s.now())
	if !j.known {
		return lookup{}, ErrCodeUnknown
	}
	return lookup{rec, j}, nil
}

// spent says why a known code of an ended handoff does not work: to a phone that was never
// in, a code that nobody claimed is just an old code.
func spent(rec Record) error {
	if rec.State == Expired || rec.ClaimedAt.IsZero() {
		return ErrExpired
	}
	return ErrOver
}

// Open looks at a code (rotating, link or text) without claiming it. It prolongs a rotating code.
//
// Errors: ErrCodeUnknown, ErrExpired, ErrClaimed (and which handoff it is), ErrOver.
func (s *Service) Open(ctx context.Context, code string) (Landing, error) {
	f, err := s.find(ctx, code)
	if err != nil {
		return Landing{}, err
	}
	switch {
	case f.rec.State.Ended():
		return Landing{}, spent(f.rec)
	case f.rec.State != Offered:
		return Landing{HandoffID: f.rec.ID}, ErrClaimed
	case !f.fresh:
		return Landing{}, ErrExpired
	}
	now := s.now()
	outcome, rec, err := s.cfg.Store.Open(ctx, f.rec.ID, f.picture, now.Add(OpenedFor), now)
	if err != nil {
		return Landing{}, err
	}
	switch outcome {
	case OutUnknown:
		return Landing{}, ErrCodeUnknown
	case OutDue:
		return Landing{}, ErrExpired
	case OutState:
		if rec.State.Ended() {
			return Landing{}, spent(rec)
		}
		return Landing{HandoffID: rec.ID}, ErrClaimed
	case OutOK:
		s.cfg.Changed(ctx, rec.CaseID)
	}
	desk, err := s.openDevice(rec.ID, "desk", rec.Desk)
	if err != nil {
		return Landing{}, err
	}
	return Landing{HandoffID: rec.ID, CaseID: rec.CaseID, AccountID: rec.AccountID, Provider: rec.Provider, Desk: desk, State: rec.State, ExpiresAt: rec.ExpiresAt}, nil
}

// ClaimRequest claims a code for a phone.
type ClaimRequest struct {
	Code    string
	Device  Device
	Network string // the phone's address
	Key     string // Idempotency-Key, or ""
}

// Claim gives the handoff to exactly one phone; the others get ErrClaimed and the desk an alert.
// The same Key within RepeatClaim gets the same claim again.
//
// Errors: ErrCodeUnknown, ErrExpired, ErrClaimed, ErrOver.
func (s *Service) Claim(ctx context.Context, r ClaimRequest) (Handoff, error) {
	f, err := s.find(ctx, r.Code)
	if err != nil {
		return Handoff{}, err
	}
	if f.rec.State.Ended() {
		return Handoff{}, spent(f.rec)
	}
	id, now := f.rec.ID, s.now()
	phone := r.Device
	phone.Network = "other"
	if s.mac("network", network(r.Network)) == f.rec.DeskNetwork {
		phone.Network = "same"
	}
	sealed, err := s.sealDevice(id, "phone", phone)
	if err != nil {
		return Handoff{}, err
	}
	alert, err := s.sealJSON(id, "alert", Alert{Type: "second_claim", Device: phone.clean(), At: now})
	if err != nil {
		return Handoff{}, err
	}
	number, mac := s.sealNumber(id, newNumber(""))
	step := ClaimStep{
		Now: now, Fresh: f.fresh, ExpiresAt: now.Add(ClaimFor), AbsoluteAt: now.Add(AbsoluteFor),
		Phone: sealed, RepeatAfter: now.Add(-RepeatClaim), Number: number, NumberMAC: mac, Alert: alert,
	}
	if r.Key != "" {
		step.Key = s.mac("claim key", id, r.Key)
	}
	ctx, cancel := finishing(ctx)
	defer cancel()
	outcome, rec, err := s.cfg.Store.Claim(ctx, id, step)
	if err != nil {
		return Handoff{}, err
	}
	switch outcome {
	case OutOK:
		s.cfg.Changed(ctx, rec.CaseID)
		return s.open(rec)
	case OutRepeat:
		return s.open(rec)
	case OutClaimed:
		s.cfg.Changed(ctx, rec.CaseID)
		return Handoff{}, ErrClaimed
	case OutState:
		return Handoff{}, spent(rec)
	case OutUnknown:
		return Handoff{}, ErrCodeUnknown
	default: // OutStale, OutDue
		return Handoff{}, ErrExpired
	}
}

// Match checks the number typed on the phone: ErrWrongNumber once (a new number is made), then ErrLocked.
// What is not two digits is an Invalid fault and does not count.
//
// Errors: ErrUnknown, ErrNotClaimed, ErrWrongNumber, ErrLocked, ErrActive (matched with
// another number before), ErrExpired, ErrOver.
func (s *Service) Match(ctx context.Context, id, number string) (Handoff, error) {
	if len(number) != 2 || strings.Trim(number, "0123456789") != "" {
		return Handoff{}, fault.Fields(fault.Field{Field: "number", Code: "two_digits", Detail: "Type the two digits on the computer."})
	}
	rec, err := s.load(ctx, id)
	if err != nil {
		return Handoff{}, err
	}
	old, err := s.openNumber(rec)
	if err != nil {
		return Handoff{}, err
	}
	now := s.now()
	next, mac := s.sealNumber(id, newNumber(old))
	ctx, cancel := finishing(ctx)
	defer cancel()
	outcome, rec, err := s.cfg.Store.Match(ctx, id, MatchStep{
		Now: now, MAC: s.mac("number", id, number), IdleAt: now.Add(IdleFor),
		NewNumber: next, NewMAC: mac, Lease: now.Add(leaseFor),
	})
	if err != nil {
		return Handoff{}, err
	}
	switch outcome {
	case OutOK:
		s.cfg.Changed(ctx, rec.CaseID)
		return s.open(rec)
	case OutRepeat:
		return s.open(rec)
	case OutWrong:
		s.cfg.Changed(ctx, rec.CaseID)
		return Handoff{}, ErrWrongNumber
	case OutLocked:
		s.announce(ctx, rec)
		if _, err := s.raise(ctx, rec.CaseID, "lock"); err != nil {
			// The phone was never let in, so an epoch that stays harms nobody.
			s.cfg.Log.ErrorContext(ctx, "handoff_raise_failed", "handoff", id, "error", err)
		}
		return Handoff{}, ErrLocked
	case OutDue:
		return Handoff{}, ErrExpired
	case OutUnknown:
		return Handoff{}, ErrUnknown
	default:
		return Handoff{}, refusal(rec.State, ActMatch)
	}
}

// Deny stops the handoff at once; by is "phone" or "desk". With report it ends Reported. Called again within 5 minutes of
// a deny without report, report=true turns Cancelled into Reported. A repeated deny changes nothing.
//
// Errors: ErrUnknown, and ErrExpired, ErrLocked or ErrOver when there is nothing left to report.
func (s *Service) Deny(ctx context.Context, id, by string, report bool) (Handoff, error) {
	if by != "phone" && by != "desk" {
		return Handoff{}, fmt.Errorf("handoff: denied by %q", by)
	}
	rec, err := s.load(ctx, id)
	if err != nil {
		return Handoff{}, err
	}
	action, to, cause := ActCancel, Cancelled, "cancel"
	if report {
		action, to, cause = ActReport, Reported, "report"
	}
	if !rec.State.Ended() {
		h, err := s.stop(ctx, rec, action, to, cause, by)
		if err == nil && report && h.State != Reported {
			return Handoff{}, refusal(h.State, action) // it ended otherwise in the same moment
		}
		return h, err
	}
	if !report || rec.State == Reported {
		return s.open(rec)
	}
	now := s.now()
	if rec.State != Cancelled || rec.DeniedBy != by || now.Sub(rec.EndedAt) >= ReportFor {
		return Handoff{}, refusal(rec.State, ActReport)
	}
	ctx, cancel := finishing(ctx)
	defer cancel()
	// Whoever started this is not to go on with a newer offer either.
	if _, err := s.raise(ctx, rec.CaseID, cause); err != nil {
		return Handoff{}, err
	}
	outcome, rec, err := s.cfg.Store.Report(ctx, id, by, now.Add(-ReportFor), now, now.Add(leaseFor))
	if err != nil {
		return Handoff{}, err
	}
	switch {
	case outcome == OutOK:
		s.announce(ctx, rec)
	case outcome == OutUnknown:
		return Handoff{}, ErrUnknown
	case rec.State != Reported:
		return Handoff{}, refusal(rec.State, ActReport)
	}
	return s.open(rec)
}

// Cancel ends it from the desk ("cancel" while offered, else "takeback"). Cancelling an ended one changes nothing.
func (s *Service) Cancel(ctx context.Context, id string) (Handoff, error) {
	rec, err := s.load(ctx, id)
	if err != nil {
		return Handoff{}, err
	}
	if rec.State.Ended() {
		return s.open(rec)
	}
	cause := "takeback"
	if rec.State == Offered {
		cause = "cancel"
	}
	return s.stop(ctx, rec, ActCancel, Cancelled, cause, "")
}

// CancelOf cancels the live handoff that a desk session offered, at its sign-out. There being
// none is no error.
func (s *Service) CancelOf(ctx context.Context, caseID, sessionID string) error {
	rec, ok, err := s.current(ctx, caseID)
	if err != nil || !ok || rec.State.Ended() || rec.SessionID != sessionID {
		return err
	}
	_, err = s.Cancel(ctx, rec.ID)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// stop raises the epoch, so that no write of the phone is accepted from then on whatever
// happens to the store, and ends the handoff.
func (s *Service) stop(ctx context.Context, rec Record, a Action, to State, cause, by string) (Handoff, error) {
	ctx, cancel := finishing(ctx)
	defer cancel()
	if _, err := s.raise(ctx, rec.CaseID, cause, rec.ID); err != nil {
		return Handoff{}, err
	}
	rec, err := s.end(ctx, rec.ID, a, to, by)
	if err != nil {
		return Handoff{}, err
	}
	return s.open(rec)
}

// raise raises the case's epoch outside of an offer. A live handoff that this makes stale
// (one that was offered in the same moment) is ended, except those the caller ends itself.
func (s *Service) raise(ctx context.Context, caseID, cause string, except ...string) (int64, error) {
	epoch, err := s.cfg.RaiseEpoch(ctx, caseID, cause)
	if err != nil {
		return 0, fmt.Errorf("raise the epoch for %s: %w", cause, err)
	}
	// An offer with a smaller epoch that has not got this far yet is refused by this.
	id, _, err := s.cfg.Store.Point(ctx, caseID, "", epoch, keepLive)
	if err != nil || id == "" || slices.Contains(except, id) {
		return epoch, err
	}
	rec, ok, err := s.cfg.Store.Load(ctx, id)
	if err != nil || !ok || rec.State.Ended() || rec.Epoch >= epoch {
		return epoch, err
	}
	_, err = s.end(ctx, id, ActSupersede, Superseded, "")
	return epoch, err
}

// Finish ends an active handoff as Done. Finishing a done one changes nothing.
//
// Errors: ErrUnknown, ErrNotClaimed, ErrNotMatched, ErrExpired, ErrLocked, ErrOver.
func (s *Service) Finish(ctx context.Context, id string) (Handoff, error) {
	rec, err := s.load(ctx, id)
	if err != nil {
		return Handoff{}, err
	}
	if rec.State == Active {
		ctx, cancel := finishing(ctx)
		defer cancel()
		if rec, err = s.end(ctx, id, ActFinish, Done, ""); err != nil {
			return Handoff{}, err
		}
	}
	if rec.State != Done {
		return Handoff{}, refusal(rec.State, ActFinish)
	}
	return s.open(rec)
}

// end ends a handoff where a can happen, and announces it. Where it cannot, the record is
// returned as it is.
func (s *Service) end(ctx context.Context, id string, a Action, to State, by string) (Record, error) {
	now := s.now()
	outcome, rec, err := s.cfg.Store.End(ctx, id, EndStep{Now: now, To: to, From: From(a), By: by, Lease: now.Add(leaseFor)})
	if err != nil {
		return Record{}, err
	}
	switch outcome {
	case OutUnknown:
		return Record{}, ErrUnknown
	case OutOK:
		s.announce(ctx, rec)
	}
	return rec, nil
}

// announce tells everybody that a handoff ended, and notes that they know. What fails is
// tried again by Run, on this node or another, when the lease is over.
func (s *Service) announce(ctx context.Context, rec Record) {
	ctx, cancel := finishing(ctx)
	defer cancel()
	if err := s.tell(ctx, rec); err != nil {
		s.cfg.Log.ErrorContext(ctx, "handoff_announce_failed", "handoff", rec.ID, "state", rec.State, "error", err)
	}
	// Those who watch see the new state even when something behind it is still to be done.
	s.cfg.Changed(ctx, rec.CaseID)
}

func (s *Service) tell(ctx context.Context, rec Record) error {
	switch rec.State {
	case Locked:
		if err := s.cfg.Store.NoteLock(ctx, rec.CaseID, rec.ID, rec.EndedAt); err != nil {
			return err
		}
	case Reported:
		if err := s.cfg.Store.NoteReport(ctx, rec.CaseID, keepReport); err != nil {
			return err
		}
	}
	h, err := s.open(rec)
	if err != nil {
		return err
	}
	if err := s.cfg.Ended(ctx, h); err != nil {
		return fmt.Errorf("ended: %w", err)
	}
	return s.cfg.Store.Told(ctx, rec.ID, rec.State)
}

// Seen notes a sign of the phone: it prolongs the idle time (written at most every 10 s).
// A handoff that is over changes nothing and is no error; ErrUnknown when it is lost.
func (s *Service) Seen(ctx context.Context, id string) error {
	now := s.now()
	outcome, before, err := s.cfg.Store.Seen(ctx, id, now.Add(IdleFor), now)
	if err != nil {
		return err
	}
	switch {
	case outcome == OutUnknown:
		return ErrUnknown
	case outcome == OutOK && now.Sub(before.SeenAt) > AwayAfter:
		s.cfg.Changed(ctx, before.CaseID) // it was away and is back
	}
	return nil
}

// open turns a record into what callers see.
func (s *Service) open(rec Record) (Handoff, error) {
	h := Handoff{
		ID: rec.ID, CaseID: rec.CaseID, AccountID: rec.AccountID, SessionID: rec.SessionID,
		Epoch: rec.Epoch, State: rec.State, Steps: rec.Steps, Provider: rec.Provider,
		DeskNetwork: rec.DeskNetwork, WrongNumbers: rec.WrongNumbers, Opened: rec.Opened,
		OfferedAt: rec.OfferedAt, ClaimedAt: rec.ClaimedAt, ActiveAt: rec.ActiveAt,
		EndedAt: rec.EndedAt, SeenAt: rec.SeenAt, ExpiresAt: rec.ExpiresAt,
	}
	var err error
	if h.Desk, err = s.openDevice(rec.ID, "desk", rec.Desk); err != nil {
		return Handoff{}, err
	}
	if rec.Phone != nil {
		phone, err := s.openDevice(rec.ID, "phone", rec.Phone)
		if err != nil {
			return Handoff{}, err
		}
		h.Device = &phone
	}
	for _, sealed := range rec.Alerts {
		var a Alert
		if err := s.openJSON(rec.ID, "alert", sealed, &a); err != nil {
			return Handoff{}, err
		}
		h.Alerts = append(h.Alerts, a)
	}
	switch rec.State {
	case Offered:
		key, err := s.offerKey(rec)
		if err != nil {
			return Handoff{}, err
		}
		h.URL = s.address(rec, key.link())
		h.TextCode = showText(key.text())
		_, h.CodeExpiresAt = pictureAt(rec.OfferedAt, s.now())
	case Claimed:
		if h.Number, err = s.openNumber(rec); err != nil {
			return Handoff{}, err
		}
		h.NumberExpiresAt = rec.ExpiresAt
	}
	return h, nil
}

// mac is the keyed hash, in hex, under which something is compared in the store.
func (s *Service) mac(domain string, parts ...string) string {
	return hex.EncodeToString(s.index.Index(domain, string(seal.Bind(parts...))))
}

func (s *Service) sealJSON(id, field string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("handoff: seal %s: %w", field, err)
	}
	return s.box.Seal(b, seal.Bind("handoff", id, field)), nil
}

func (s *Service) openJSON(id, field string, sealed []byte, v any) error {
	b, err := s.box.Open(sealed, seal.Bind("handoff", id, field))
	if err != nil {
		return lost(field, err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("handoff: open %s: %w", field, err)
	}
	return nil
}

// lost is the error of a sealed field that does not open: the operator's key was changed, and a
// handoff from before that is lost like one that the store forgot.
func lost(field string, err error) error {
	return ErrUnknown.Because(fmt.Errorf("open %s: %w", field, err))
}

func (s *Service) sealDevice(id, field string, d Device) ([]byte, error) {
	return s.sealJSON(id, field, d.clean())
}

func (s *Service) openDevice(id, field string, sealed []byte) (Device, error) {
	var d Device
	err := s.openJSON(id, field, sealed, &d)
	return d, err
}

func (s *Service) sealNumber(id, number string) (sealed []byte, mac string) {
	return s.box.Seal([]byte(number), seal.Bind("handoff", id, "number")), s.mac("number", id, number)
}

// openNumber returns "" where there is none.
func (s *Service) openNumber(rec Record) (string, error) {
	if rec.Number == nil {
		return "", nil
	}
	b, err := s.box.Open(rec.Number, seal.Bind("handoff", rec.ID, "number"))
	if err != nil {
		return "", lost("number", err)
	}
	return string(b), nil
}

func (s *Service) offerKey(rec Record) (offerKey, error) {
	b, err := s.box.Open(rec.OfferKey, seal.Bind("handoff", rec.ID, "offer key"))
	if err != nil {
		return offerKey{}, lost("offer key", err)
	}
	k, err := seal.ParseKey(string(b))
	if err != nil {
		return offerKey{}, fmt.Errorf("handoff: open offer key: %w", err)
	}
	return offerKey{k}, nil
}

// clean bounds what a browser says of itself: it is shown on the other side's screen.
func (d Device) clean() Device {
	switch d.Kind {
	case "phone", "tablet", "computer":
	default:
		d.Kind = "unknown"
	}
	d.OS, d.Browser = cleanText(d.OS), cleanText(d.Browser)
	if d.Network != "same" && d.Network != "other" {
		d.Network = ""
	}
	return d
}

func cleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.TrimSpace(s)
	if r := []rune(s); len(r) > maxDeviceField {
		s = string(r[:maxDeviceField])
	}
	if s == "" {
		return "unknown"
	}
	return s
}

// network is the part of an address that two devices in one place usually share: the
// whole of a public IPv4 address, /24 of a private one, /56 of IPv6.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	a = a.Unmap().WithZone("")
	bits := 32
	switch {
	case a.Is6():
		bits = 56
	case a.IsLoopback():
		bits = 8
	case a.IsPrivate(), a.IsLinkLocalUnicast():
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return address
	}
	return p.String()
}
