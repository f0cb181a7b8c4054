package handofftest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/symbolon/symbolon/fault"
	"github.com/symbolon/symbolon/handoff"
	"github.com/symbolon/symbolon/seal"
)

// Origin is where the codes of the tests lead.
const Origin = "https://kyc.example.com"

// World is a Service with a clock that stands still and cases that only have an epoch.
type World struct {
	*testing.T
	*handoff.Service
	Store handoff.Store

	mu      sync.Mutex
	now     time.Time
	epochs  map[string]int64
	causes  []string
	ended   []handoff.Handoff
	changed int
	endErr  error // what Ended answers
}

// NewWorld returns a world on the store.
func NewWorld(t *testing.T, store handoff.Store) *World {
	t.Helper()
	w := &World{T: t, Store: store, now: Start, epochs: map[string]int64{}}
	w.Service = w.Node()
	return w
}

// Node returns one more service of this world, as another server process has.
func (w *World) Node() *handoff.Service {
	w.Helper()
	key, err := seal.KeyFrom([]byte("a key of exactly 32 bytes, yes.."))
	if err != nil {
		w.Fatal(err)
	}
	s, err := handoff.New(handoff.Config{
		Store: w.Store, Key: key, Now: w.Now, Origin: Origin,
		RaiseEpoch: func(_ context.Context, caseID, cause string) (int64, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.epochs[caseID]++
			w.causes = append(w.causes, cause)
			return w.epochs[caseID], nil
		},
		Ended: func(_ context.Context, h handoff.Handoff) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.endErr == nil {
				w.ended = append(w.ended, h)
			}
			return w.endErr
		},
		Changed: func(context.Context, string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changed++
		},
	})
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// Now is the world's clock.
func (w *World) Now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

// Pass lets time pass.
func (w *World) Pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

// Epoch is that of the case of Request.
func (w *World) Epoch() int64 { w.mu.Lock(); defer w.mu.Unlock(); return w.epochs["case_1"] }

func (w *World) failEnded(err error) { w.mu.Lock(); defer w.mu.Unlock(); w.endErr = err }

// takeEnded returns "<state>" of every end announced since the last call, and takeCauses
// the causes of raised epochs.
func (w *World) takeEnded() []handoff.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	var states []handoff.State
	for _, h := range w.ended {
		states = append(states, h.State)
	}
	w.ended = nil
	return states
}

func (w *World) takeCauses() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.causes, " ")
	w.causes = nil
	return s
}

func (w *World) takeChanged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.changed
	w.changed = 0
	return n
}

// Request is what the tests offer.
func Request() handoff.OfferRequest {
	return handoff.OfferRequest{
		CaseID: "case_1", AccountID: "acc_1", SessionID: "ses_1", Steps: []string{"id_front", "id_back"},
		Desk: handoff.Device{Kind: "computer", OS: "Windows", Browser: "Deskfox"}, Network: "203.0.113.7",
	}
}

// Phone is a phone that claims a code.
func Phone(code string) handoff.ClaimRequest {
	return handoff.ClaimRequest{Code: code, Device: handoff.Device{Kind: "phone", OS: "HarmonyOS", Browser: "Phonari"}, Network: "203.0.113.7"}
}

// MustOffer, MustClaim and MustMatch bring a handoff forward.
func (w *World) MustOffer(r handoff.OfferRequest) handoff.Handoff {
	w.Helper()
	h, err := w.Offer(w.Context(), r)
	return w.state(handoff.Offered, h, err)
}

// MustClaim claims h by its text code.
func (w *World) MustClaim(h handoff.Handoff) handoff.Handoff {
	w.Helper()
	h, err := w.Claim(w.Context(), Phone(h.TextCode))
	return w.state(handoff.Claimed, h, err)
}

// MustMatch types the right number.
func (w *World) MustMatch(h handoff.Handoff) handoff.Handoff {
	w.Helper()
	h, err := w.Match(w.Context(), h.ID, h.Number)
	return w.state(handoff.Active, h, err)
}

func (w *World) state(want handoff.State, h handoff.Handoff, err error) handoff.Handoff {
	w.Helper()
	if err != nil || h.State != want {
		w.Fatalf("state %q, %v; want %q", h.State, err, want)
	}
	return h
}

func (w *World) is(id string, want handoff.State) handoff.Handoff {
	w.Helper()
	h, err := w.Get(w.Context(), id)
	return w.state(want, h, err)
}

func (w *World) fails(want error, err error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("error %v, want %v", err, want)
	}
}

func (w *World) sweep() {
	w.Helper()
	if err := w.Sweep(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func wrong(number string) string {
	n, _ := strconv.Atoi(number)
	return strconv.Itoa(10 + (n-10+1)%90)
}

func codeOf(url string) string { _, code, _ := strings.Cut(url, "#c="); return code }

// Protocol runs the rules of the protocol on a store. open returns an empty store; wipe
// makes it lose everything.
func Protocol(t *testing.T, open func(t *testing.T) handoff.Store, wipe func(t *testing.T)) {
	tests := map[string]func(w *World){
		"the straight way": straightWay,
		"a picture counts for 120 s after the screen":     pictureAges,
		"opening prolongs a picture for 5 min":            openedPicture,
		"the link and the text code live with the offer":  linkAndText,
		"typing mistakes are forgiven":                    typingMistakes,
		"codes that never were":                           unknownCodes,
		"one of 100 phones wins":                          hundredPhones,
		"a claim with the same key is the same claim":     sameKey,
		"codes of an ended handoff say why":               endedCodes,
		"a wrong number changes it, a second one locks":   wrongNumbers,
		"what is no number does not count":                noNumbers,
		"a third lock within an hour pauses":              lockPause,
		"deny stops, report asks for the password":        denyAndReport,
		"a wrong tap can become a report for 5 min":       reportLater,
		"a late report ends a newer offer":                reportEndsNewer,
		"cancel and take back":                            cancelling,
		"sign-out cancels only its own":                   signOut,
		"a newer offer asks before it supersedes":         superseding,
		"offers in the same moment leave one":             offersRace,
		"times run out":                                   timesRunOut,
		"signs of the phone keep it alive":                keptAlive,
		"finishing":                                       finishing,
		"an announcement that failed is made again":       announceAgain,
		"Run ends what expired, on one of many nodes":     running,
		"what is asked for is checked":                    checkedRequests,
		"what a browser says is bounded":                  boundedDevices,
		"networks are compared":                           networks,
		"an ended handoff is forgotten after an hour":     forgotten,
		"another key finds nothing":                       otherKey,
		"any order of events keeps what must always hold": anyOrder,
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) { tests[name](NewWorld(t, open(t))) })
	}
	t.Run("a store that lost everything", func(t *testing.T) { lostStore(NewWorld(t, open(t)), wipe) })
}

func straightWay(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	if h.Epoch != 1 || w.takeCauses() != "offer" || h.Desk.Browser != "Deskfox" || !h.ExpiresAt.Equal(Start.Add(handoff.OfferFor)) || h.Number != "" || h.Device != nil {
		w.Errorf("offered: %+v", h)
	}
	picture, next, err := w.QR(ctx, h.ID)
	if err != nil || !strings.HasPrefix(picture, Origin+"/h#c=") || !next.Equal(Start.Add(handoff.RotateEvery)) || !next.Equal(h.CodeExpiresAt) {
		w.Fatalf("picture %q until %v, %v", picture, next, err)
	}
	landing, err := w.Open(ctx, codeOf(picture))
	if err != nil || landing.HandoffID != h.ID || landing.AccountID != "acc_1" || landing.CaseID != "case_1" || landing.Desk.OS != "Windows" {
		w.Fatalf("landing %+v, %v", landing, err)
	}
	if !w.is(h.ID, handoff.Offered).Opened {
		w.Error("the desk does not see that a phone looks")
	}
	h, err = w.Claim(ctx, Phone(codeOf(picture)))
	w.state(handoff.Claimed, h, err)
	if n, err := strconv.Atoi(h.Number); err != nil || n < 10 || n > 99 || h.URL != "" || h.TextCode != "" || h.Opened ||
		!h.NumberExpiresAt.Equal(Start.Add(handoff.ClaimFor)) || h.Device == nil || h.Device.OS != "HarmonyOS" {
		w.Errorf("claimed: %+v", h)
	}
	if _, _, err := w.QR(ctx, h.ID); !errors.Is(err, handoff.ErrOver) {
		w.Errorf("a picture after the claim: %v", err)
	}
	w.Pass(time.Second)
	h = w.MustMatch(h)
	if h.Number != "" || !h.ActiveAt.Equal(Start.Add(time.Second)) {
		w.Errorf("active: %+v", h)
	}
	if again, err := w.Current(ctx, "case_1"); err != nil || again.ID != h.ID {
		w.Errorf("current: %+v, %v", again, err)
	}
	if ended := w.takeEnded(); ended != nil {
		w.Errorf("announced while it lives: %v", ended)
	}
	h, err = w.Finish(ctx, h.ID)
	w.state(handoff.Done, h, err)
	if ended := w.takeEnded(); !slices.Equal(ended, []handoff.State{handoff.Done}) {
		w.Errorf("announced: %v", ended)
	}
	if w.Epoch() != 1 || w.takeChanged() != 5 {
		w.Errorf("epoch %d", w.Epoch())
	}
}

func pictureAges(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	w.Pass(3 * handoff.RotateEvery)
	picture, next, err := w.QR(ctx, h.ID)
	if err != nil {
		w.Fatal(err)
	}
	w.Pass(handoff.RotateEvery - time.Millisecond)
	if same, _, _ := w.QR(ctx, h.ID); same != picture {
		w.Error("the picture changed early")
	}
	w.Pass(time.Millisecond)
	if other, _, _ := w.QR(ctx, h.ID); other == picture || !w.Now().Equal(next) {
		w.Error("the picture did not change")
	}
	w.Pass(handoff.GoodAfter)
	_, err = w.Open(ctx, codeOf(picture))
	w.fails(handoff.ErrExpired, err)
	_, err = w.Claim(ctx, Phone(codeOf(picture)))
	w.fails(handoff.ErrExpired, err)
	w.is(h.ID, handoff.Offered)
	w.Pass(-time.Millisecond)
	h, err = w.Claim(ctx, Phone(codeOf(picture)))
	w.state(handoff.Claimed, h, err)
}

func openedPicture(w *World) {
	ctx := w.Context()
	w.MustOffer(Request())
	h, _ := w.Current(ctx, "case_1")
	first, _, _ := w.QR(ctx, h.ID)
	w.Pass(handoff.RotateEvery)
	second, _, _ := w.QR(ctx, h.ID)
	w.takeChanged()
	for range 2 { // a landing page that is loaded again changes nothing
		if _, err := w.Open(ctx, codeOf(first)); err != nil {
			w.Fatal(err)
		}
	}
	if n := w.takeChanged(); n != 1 {
		w.Errorf("told %d times that a phone looks", n)
	}
	w.Pass(handoff.OpenedFor - time.Millisecond)
	_, err := w.Open(ctx, codeOf(second))
	w.fails(handoff.ErrExpired, err)
	if _, err := w.Open(ctx, codeOf(first)); err != nil {
		w.Errorf("the opened picture: %v", err)
	}
	w.Pass(time.Millisecond)
	_, err = w.Claim(ctx, Phone(codeOf(first)))
	w.fails(handoff.ErrExpired, err)
}

func linkAndText(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	w.Pass(handoff.OfferFor - time.Millisecond)
	for _, code := range []string{h.URL, codeOf(h.URL), h.TextCode} {
		if l, err := w.Open(ctx, code); err != nil || l.HandoffID != h.ID {
			w.Errorf("open %q: %v", code, err)
		}
	}
	w.Pass(time.Millisecond)
	for _, code := range []string{h.URL, h.TextCode} {
		_, err := w.Claim(ctx, Phone(code))
		w.fails(handoff.ErrExpired, err)
	}
}

func typingMistakes(w *World) {
	h := w.MustOffer(Request())
	bare := strings.ReplaceAll(h.TextCode, "-", "")
	full := strings.Map(func(r rune) rune { return r - '!' + 0xFF01 }, h.TextCode)
	for _, typed := range []string{
		bare, strings.ToLower(bare), " " + bare[:2] + " " + bare[2:] + "\n", full, bare[:4] + "\u3000" + bare[4:],
		strings.NewReplacer("0", "o", "1", "l", "V", "u").Replace(bare), strings.NewReplacer("0", "O", "1", "I", "V", "U").Replace(bare),
	} {
		if l, err := w.Open(w.Context(), typed); err != nil || l.HandoffID != h.ID {
			w.Errorf("typed %q for %q: %v", typed, h.TextCode, err)
		}
	}
}

func unknownCodes(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	code := codeOf(h.URL)
	flip := func(i int) string {
		b := []byte(code)
		if b[i]++; b[i] > 'Z' {
			b[i] = '2'
		}
		return string(b)
	}
	for _, c := range []string{
		"", "-", "7K3M-9QX", "7K3M-9QXTT", "7K3M-9QXT", flip(0), flip(12), code[:len(code)-1], code + "A", code[:11], code[11:],
		"." + code, code + ".", strings.ReplaceAll(code, ".", ""), "c=", "#c=", strings.Repeat("7", 600), "ÄÖÜÄÖÜÄÖ", "\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		_, err := w.Open(ctx, c)
		w.fails(handoff.ErrCodeUnknown, err)
		_, err = w.Claim(ctx, Phone(c))
		w.fails(handoff.ErrCodeUnknown, err)
	}
	w.is(h.ID, handoff.Offered)
}

func hundredPhones(w *World) {
	h := w.MustOffer(Request())
	picture, _, _ := w.QR(w.Context(), h.ID)
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			r := Phone([]string{picture, h.URL, h.TextCode}[i%3])
			r.Device.Browser, r.Key = fmt.Sprintf("Browser %d", i), fmt.Sprintf("key %d", i)
			_, err := w.Claim(w.Context(), r)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, handoff.ErrClaimed) {
				w.Errorf("claim: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		w.Fatalf("%d phones won", won.Load())
	}
	got := w.is(h.ID, handoff.Claimed)
	if len(got.Alerts) != handoff.MaxAlerts {
		w.Errorf("%d alerts", len(got.Alerts))
	}
	for _, a := range got.Alerts {
		if a.Type != "second_claim" || a.Device.Browser == got.Device.Browser || a.Device.Network != "same" || !a.At.Equal(Start) {
			w.Errorf("alert %+v while %+v is in", a, got.Device)
		}
	}
	w.MustMatch(got)
	_, err := w.Claim(w.Context(), Phone(h.TextCode))
	w.fails(handoff.ErrClaimed, err)
	_, err = w.Open(w.Context(), h.TextCode)
	w.fails(handoff.ErrClaimed, err)
}

func sameKey(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	picture, _, _ := w.QR(ctx, h.ID)
	r := Phone(codeOf(picture))
	r.Key = "retry"
	w.Pass(handoff.GoodAfter) // the picture dies between the claim and its repetition
	first, err := w.Claim(ctx, r)
	w.state(handoff.Claimed, first, err)
	w.Pass(handoff.RepeatClaim - time.Millisecond)
	again, err := w.Claim(ctx, r)
	w.state(handoff.Claimed, again, err)
	if again.ID != first.ID || again.Number != first.Number || len(again.Alerts) != 0 {
		w.Errorf("repeated: %+v", again)
	}
	r.Key = "another"
	_, err = w.Claim(ctx, r)
	w.fails(handoff.ErrClaimed, err)
}

func endedCodes(w *World) {
	ctx := w.Context()
	unclaimed := w.MustOffer(Request())
	if _, err := w.Cancel(ctx, unclaimed.ID); err != nil {
		w.Fatal(err)
	}
	_, err := w.Claim(ctx, Phone(unclaimed.URL))
	w.fails(handoff.ErrExpired, err)

	done := w.MustOffer(Request())
	if _, err := w.Finish(ctx, w.MustMatch(w.MustClaim(done)).ID); err != nil {
		w.Fatal(err)
	}
	_, err = w.Claim(ctx, Phone(done.URL))
	w.fails(handoff.ErrOver, err)
	_, err = w.Open(ctx, done.TextCode)
	w.fails(handoff.ErrOver, err)
}

func wrongNumbers(w *World) {
	ctx := w.Context()
	h := w.MustClaim(w.MustOffer(Request()))
	_, err := w.Match(ctx, h.ID, wrong(h.Number))
	w.fails(handoff.ErrWrongNumber, err)
	after := w.is(h.ID, handoff.Claimed)
	if after.Number == h.Number || after.WrongNumbers != 1 || !after.NumberExpiresAt.Equal(h.NumberExpiresAt) {
		w.Errorf("after a wrong number: %+v", after)
	}
	w.takeCauses()
	_, err = w.Match(ctx, h.ID, wrong(after.Number))
	w.fails(handoff.ErrLocked, err)
	w.is(h.ID, handoff.Locked)
	if causes, ended := w.takeCauses(), w.takeEnded(); causes != "lock" || !slices.Equal(ended, []handoff.State{handoff.Locked}) {
		w.Errorf("a lock raised %q and announced %v", causes, ended)
	}
	_, err = w.Match(ctx, h.ID, after.Number)
	w.fails(handoff.ErrLocked, err)

	second := w.MustClaim(w.MustOffer(Request()))
	_, err = w.Match(ctx, second.ID, wrong(second.Number))
	w.fails(handoff.ErrWrongNumber, err)
	second = w.MustMatch(w.is(second.ID, handoff.Claimed))
	if second.Epoch <= h.Epoch {
		w.Errorf("epochs %d, %d", h.Epoch, second.Epoch)
	}
}

func noNumbers(w *World) {
	h := w.MustClaim(w.MustOffer(Request()))
	for _, typed := range []string{"", "4", "047", "4a", "٤٧", "-1", " 4", "4\x00"} {
		if _, err := w.Match(w.Context(), h.ID, typed); fault.KindOf(err) != fault.Invalid {
			w.Errorf("typed %q: %v", typed, err)
		}
	}
	w.MustMatch(w.is(h.ID, handoff.Claimed))
}

// lock locks a handoff of the case.
func (w *World) lock(caseID string) {
	w.Helper()
	r := Request()
	r.CaseID = caseID
	h := w.MustClaim(w.MustOffer(r))
	for range handoff.MaxWrong {
		now := w.is(h.ID, handoff.Claimed)
		if _, err := w.Match(w.Context(), h.ID, wrong(now.Number)); err == nil {
			w.Fatal("a wrong number matched")
		}
	}
	w.is(h.ID, handoff.Locked)
}

func lockPause(w *World) {
	ctx := w.Context()
	for range handoff.MaxLocks {
		w.lock("case_3")
	}
	three := Request()
	three.CaseID = "case_3"
	_, err := w.Offer(ctx, three)
	w.fails(handoff.ErrPaused, err)

	w.lock("case_1")
	w.Pass(handoff.LockWindow)
	w.lock("case_1")
	w.Pass(time.Minute)
	w.lock("case_1") // the third, but the first is more than an hour ago
	w.Pass(time.Minute)
	w.lock("case_1")
	w.Pass(time.Minute)
	_, err = w.Offer(ctx, Request())
	w.fails(handoff.ErrPaused, err)
	var e *fault.Error
	if !errors.As(err, &e) || e.RetryAfter != handoff.LockPause-time.Minute {
		w.Errorf("told to come back after %v", e.RetryAfter)
	}
	other := Request()
	other.CaseID = "case_2"
	w.MustOffer(other)
	w.Pass(handoff.LockPause - time.Minute)
	w.MustOffer(Request())
}

func denyAndReport(w *World) {
	ctx := w.Context()
	h := w.MustMatch(w.MustClaim(w.MustOffer(Request())))
	w.takeCauses()
	h, err := w.Deny(ctx, h.ID, "phone", false)
	w.state(handoff.Cancelled, h, err)
	if again, err := w.Deny(ctx, h.ID, "phone", false); err != nil || again.State != handoff.Cancelled || !again.EndedAt.Equal(h.EndedAt) {
		w.Errorf("denied again: %+v, %v", again, err)
	}
	if causes := w.takeCauses(); causes != "cancel" {
		w.Errorf("a deny raised %q", causes)
	}
	h = w.MustClaim(w.MustOffer(Request()))
	w.takeCauses()
	h, err = w.Deny(ctx, h.ID, "phone", true)
	w.state(handoff.Reported, h, err)
	if causes := w.takeCauses(); causes != "report" {
		w.Errorf("a report raised %q", causes)
	}
	if ended := w.takeEnded(); !slices.Equal(ended, []handoff.State{handoff.Cancelled, handoff.Reported}) {
		w.Errorf("announced %v", ended)
	}
	w.Pass(24 * time.Hour) // the handoff is forgotten by then, the report is not
	_, err = w.Offer(ctx, Request())
	w.fails(handoff.ErrConfirmFirst, err)
	confirmed := Request()
	confirmed.Confirmed = true
	h = w.MustOffer(confirmed)
	w.MustOffer(Request()) // once is enough

	if _, err = w.Deny(ctx, h.ID, "nobody", true); err == nil {
		w.Error("anybody may deny")
	}
}

func reportLater(w *World) {
	ctx := w.Context()
	h := w.MustClaim(w.MustOffer(Request()))
	if _, err := w.Deny(ctx, h.ID, "phone", false); err != nil {
		w.Fatal(err)
	}
	_, err := w.Deny(ctx, h.ID, "desk", true)
	w.fails(handoff.ErrOver, err)
	w.Pass(handoff.ReportFor - time.Millisecond)
	h, err = w.Deny(ctx, h.ID, "phone", true)
	w.state(handoff.Reported, h, err)
	h, err = w.Deny(ctx, h.ID, "phone", true)
	w.state(handoff.Reported, h, err)
	if ended := w.takeEnded(); !slices.Equal(ended, []handoff.State{handoff.Cancelled, handoff.Reported}) {
		w.Errorf("announced %v", ended)
	}
	_, err = w.Offer(ctx, Request())
	w.fails(handoff.ErrConfirmFirst, err)

	r := Request()
	r.Confirmed = true
	late := w.MustClaim(w.MustOffer(r))
	if _, err := w.Deny(ctx, late.ID, "phone", false); err != nil {
		w.Fatal(err)
	}
	w.Pass(handoff.ReportFor)
	_, err = w.Deny(ctx, late.ID, "phone", true)
	w.fails(handoff.ErrOver, err)
}

func reportEndsNewer(w *World) {
	ctx := w.Context()
	denied := w.MustClaim(w.MustOffer(Request()))
	if _, err := w.Deny(ctx, denied.ID, "phone", false); err != nil {
		w.Fatal(err)
	}
	newer := w.MustClaim(w.MustOffer(Request()))
	h, err := w.Deny(ctx, denied.ID, "phone", true)
	w.state(handoff.Reported, h, err)
	w.is(newer.ID, handoff.Superseded)
}

func cancelling(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	h, err := w.Cancel(ctx, h.ID)
	w.state(handoff.Cancelled, h, err)
	claimed := w.MustClaim(w.MustOffer(Request()))
	h, err = w.Cancel(ctx, claimed.ID)
	w.state(handoff.Cancelled, h, err)
	active := w.MustMatch(w.MustClaim(w.MustOffer(Request())))
	h, err = w.Cancel(ctx, active.ID)
	w.state(handoff.Cancelled, h, err)
	epoch := w.Epoch()
	h, err = w.Cancel(ctx, active.ID)
	w.state(handoff.Cancelled, h, err)
	if causes := w.takeCauses(); causes != "offer cancel offer takeback offer takeback" || w.Epoch() != epoch {
		w.Errorf("raised by %q", causes)
	}
	if ended := w.takeEnded(); len(ended) != 3 {
		w.Errorf("announced %v", ended)
	}
	_, err = w.Match(ctx, claimed.ID, claimed.Number)
	w.fails(handoff.ErrOver, err)
}

func signOut(w *World) {
	ctx := w.Context()
	if err := w.CancelOf(ctx, "case_1", "ses_1"); err != nil {
		w.Errorf("without any: %v", err)
	}
	h := w.MustMatch(w.MustClaim(w.MustOffer(Request())))
	if err := w.CancelOf(ctx, "case_1", "ses_2"); err != nil {
		w.Fatal(err)
	}
	w.is(h.ID, handoff.Active)
	for range 2 {
		if err := w.CancelOf(ctx, "case_1", "ses_1"); err != nil {
			w.Fatal(err)
		}
	}
	w.is(h.ID, handoff.Cancelled)
	if ended := w.takeEnded(); len(ended) != 1 {
		w.Errorf("announced %v", ended)
	}
}

func superseding(w *World) {
	ctx := w.Context()
	first := w.MustOffer(Request())
	second := w.MustOffer(Request())
	w.is(first.ID, handoff.Superseded)
	_, err := w.Claim(ctx, Phone(first.URL))
	w.fails(handoff.ErrExpired, err)
	claimed := w.MustClaim(second)
	for _, active := range []bool{false, true} {
		if active {
			w.MustMatch(claimed)
		}
		epoch := w.Epoch()
		_, err = w.Offer(ctx, Request())
		w.fails(handoff.ErrActive, err)
		if w.Epoch() != epoch {
			w.Error("a refused offer raised the epoch")
		}
	}
	replace := Request()
	replace.Replace = true
	third := w.MustOffer(replace)
	w.is(second.ID, handoff.Superseded)
	if third.Epoch != second.Epoch+1 || w.takeCauses() != "offer offer offer" {
		w.Errorf("epochs %d, %d", second.Epoch, third.Epoch)
	}
	if ended := w.takeEnded(); !slices.Equal(ended, []handoff.State{handoff.Superseded, handoff.Superseded}) {
		w.Errorf("announced %v", ended)
	}
}

func offersRace(w *World) {
	nodes := []*handoff.Service{w.Service, w.Node(), w.Node()}
	var mu sync.Mutex
	var ids []string
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			h, err := nodes[i%len(nodes)].Offer(w.Context(), Request())
			switch {
			case err == nil:
				mu.Lock()
				ids = append(ids, h.ID)
				mu.Unlock()
				if i%4 == 0 {
					if _, err := nodes[i%len(nodes)].Cancel(w.Context(), h.ID); err != nil {
						w.Errorf("cancel: %v", err)
					}
				}
			case !errors.Is(err, handoff.ErrStaleEpoch):
				w.Errorf("offer: %v", err)
			}
		})
	}
	wg.Wait()
	live := 0
	for _, id := range ids {
		h, err := w.Get(w.Context(), id)
		if err != nil {
			w.Fatal(err)
		}
		if !h.State.Ended() {
			live++
			if h.Epoch != w.Epoch() {
				w.Errorf("a live handoff of epoch %d, the case is at %d", h.Epoch, w.Epoch())
			}
		}
	}
	if live > 1 {
		w.Errorf("%d live handoffs of one case", live)
	}
	if last := w.MustOffer(Request()); last.Epoch != w.Epoch() {
		w.Errorf("the last offer has epoch %d, the case %d", last.Epoch, w.Epoch())
	}
}

func timesRunOut(w *World) {
	for name, c := range map[string]struct {
		get  func() handoff.Handoff
		life time.Duration
	}{
		"offered": {func() handoff.Handoff { return w.MustOffer(Request()) }, handoff.OfferFor},
		"claimed": {func() handoff.Handoff { return w.MustClaim(w.MustOffer(Request())) }, handoff.ClaimFor},
		"active":  {func() handoff.Handoff { return w.MustMatch(w.MustClaim(w.MustOffer(Request()))) }, handoff.IdleFor},
	} {
		w.takeEnded()
		h := c.get()
		end := w.Now().Add(c.life)
		if !h.ExpiresAt.Equal(end) {
			w.Errorf("%s expires at %v, want %v", name, h.ExpiresAt, end)
		}
		w.Pass(c.life - time.Millisecond)
		w.sweep()
		w.is(h.ID, h.State)
		w.Pass(time.Millisecond)
		if got := w.is(h.ID, handoff.Expired); !got.EndedAt.Equal(end) { // nobody swept
			w.Errorf("%s ended at %v", name, got.EndedAt)
		}
		w.sweep()
		if ended := w.takeEnded(); !slices.Equal(ended, []handoff.State{handoff.Expired}) {
			w.Errorf("%s: announced %v", name, ended)
		}
		_, err := w.Match(w.Context(), h.ID, "47")
		w.fails(handoff.ErrExpired, err)
		_, err = w.Finish(w.Context(), h.ID)
		w.fails(handoff.ErrExpired, err)
	}
}

func keptAlive(w *World) {
	ctx := w.Context()
	h := w.MustMatch(w.MustClaim(w.MustOffer(Request())))
	w.takeChanged()
	for w.Now().Before(Start.Add(handoff.AbsoluteFor - time.Minute)) {
		w.Pass(time.Minute)
		if err := w.Seen(ctx, h.ID); err != nil {
			w.Fatal(err)
		}
		w.sweep()
	}
	if n := w.takeChanged(); n != 59 {
		w.Errorf("a phone that was away and is back is told %d times", n)
	}
	w.Pass(15 * time.Second)
	if err := w.Seen(ctx, h.ID); err != nil || w.takeChanged() != 0 {
		w.Errorf("a phone that was not away: %v", err)
	}
	w.is(h.ID, handoff.Active)
	w.Pass(45 * time.Second)
	w.sweep()
	w.is(h.ID, handoff.Expired)
	if err := w.Seen(ctx, h.ID); err != nil {
		w.Errorf("a sign after the end: %v", err)
	}
}

func finishing(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	_, err := w.Finish(ctx, h.ID)
	w.fails(handoff.ErrNotClaimed, err)
	_, err = w.Match(ctx, h.ID, "47")
	w.fails(handoff.ErrNotClaimed, err)
	h = w.MustClaim(h)
	_, err = w.Finish(ctx, h.ID)
	w.fails(handoff.ErrNotMatched, err)
	number := h.Number
	w.MustMatch(h)
	again, err := w.Match(ctx, h.ID, number)
	w.state(handoff.Active, again, err)
	_, err = w.Match(ctx, h.ID, wrong(number))
	w.fails(handoff.ErrActive, err)
	for range 2 {
		h, err = w.Finish(ctx, h.ID)
		w.state(handoff.Done, h, err)
	}
	if ended := w.takeEnded(); len(ended) != 1 {
		w.Errorf("announced %v", ended)
	}
	w.MustOffer(Request())
}

func announceAgain(w *World) {
	ctx := w.Context()
	h := w.MustMatch(w.MustClaim(w.MustOffer(Request())))
	w.failEnded(errors.New("the session store is away"))
	h, err := w.Cancel(ctx, h.ID)
	w.state(handoff.Cancelled, h, err) // it has ended, whoever could not be told yet
	for range 20 {
		w.Pass(time.Second)
		w.sweep()
	}
	w.failEnded(nil)
	other := w.Node()
	for range 20 {
		w.Pass(time.Second)
		if err := other.Sweep(ctx); err != nil {
			w.Fatal(err)
		}
	}
	if ended := w.takeEnded(); !slices.Equal(ended, []handoff.State{handoff.Cancelled}) {
		w.Errorf("announced %v", ended)
	}
}

func running(w *World) {
	for i := range 20 {
		r := Request()
		r.CaseID = "case_run" + strconv.Itoa(i)
		w.MustOffer(r)
	}
	ctx, stop := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	for range 3 {
		node := w.Node()
		wg.Go(func() {
			if err := node.Run(ctx); err != nil {
				w.Errorf("run: %v", err)
			}
		})
	}
	w.Pass(handoff.OfferFor)
	count := func() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.ended) }
	for end := time.Now().Add(10 * time.Second); count() < 20 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	wg.Wait()
	if n := count(); n != 20 {
		w.Errorf("%d of 20 ends announced", n)
	}
}

func checkedRequests(w *World) {
	for name, change := range map[string]func(r *handoff.OfferRequest){
		"no steps":       func(r *handoff.OfferRequest) { r.Steps = nil },
		"too many steps": func(r *handoff.OfferRequest) { r.Steps = strings.Split(strings.Repeat("s", 17), "") },
		"an empty step":  func(r *handoff.OfferRequest) { r.Steps = []string{"a", ""} },
		"a step twice":   func(r *handoff.OfferRequest) { r.Steps = []string{"a", "a"} },
		"a long step":    func(r *handoff.OfferRequest) { r.Steps = []string{strings.Repeat("a", 65)} },
		"a control":      func(r *handoff.OfferRequest) { r.Steps = []string{"a\nb"} },
		"no UTF-8":       func(r *handoff.OfferRequest) { r.Steps = []string{"a\x00"} },
		"a provider":     func(r *handoff.OfferRequest) { r.Provider = "paypal" },
	} {
		r := Request()
		change(&r)
		if _, err := w.Offer(w.Context(), r); fault.KindOf(err) != fault.Invalid {
			w.Errorf("%s: %v", name, err)
		}
	}
	many := Request()
	for i := range handoff.MaxSteps {
		many.Steps = append(many.Steps, strings.Repeat("s", handoff.MaxStepLength-2)+strconv.Itoa(10+i))
	}
	many.Steps = many.Steps[2:]
	if h := w.MustOffer(many); !slices.Equal(h.Steps, many.Steps) {
		w.Errorf("steps %q", h.Steps)
	}
	for _, r := range []handoff.OfferRequest{{}, {CaseID: "case_1", Steps: []string{"a"}}} {
		if _, err := w.Offer(w.Context(), r); err == nil {
			w.Errorf("offered %+v", r)
		}
	}
	if w.takeCauses() != "offer" {
		w.Error("a refused offer raised the epoch")
	}
}

func boundedDevices(w *World) {
	r := Request()
	r.Desk = handoff.Device{Kind: "toaster", OS: strings.Repeat("长", 1000), Browser: "Evil\u202e\n\x00\xffBrowser  "}
	h := w.MustOffer(r)
	if d := h.Desk; d.Kind != "unknown" || len([]rune(d.OS)) != 64 || d.Browser != "EvilBrowser" {
		w.Errorf("desk %+v", d)
	}
	phone := Phone(h.URL)
	phone.Device = handoff.Device{Network: "same; drop table"}
	phone.Network = "not an address"
	h, err := w.Claim(w.Context(), phone)
	w.state(handoff.Claimed, h, err)
	if *h.Device != (handoff.Device{Kind: "unknown", OS: "unknown", Browser: "unknown", Network: "other"}) {
		w.Errorf("phone %+v", h.Device)
	}
}

func networks(w *World) {
	for _, c := range []struct{ desk, phone, want string }{
		{"203.0.113.7", "203.0.113.7", "same"},
		{"203.0.113.7", "203.0.113.8", "other"},
		{"203.0.113.7", "::ffff:203.0.113.7", "same"},
		{"192.168.1.5", "192.168.1.77", "same"},
		{"192.168.1.5", "192.168.2.5", "other"},
		{"127.0.0.1", "127.0.0.2", "same"},
		{"2001:db8:1:200::1", "2001:db8:1:2ff:a::2", "same"},
		{"2001:db8:1:200::1", "2001:db8:1:300::1", "other"},
		{"203.0.113.7", "2001:db8::1", "other"},
	} {
		r := Request()
		r.Network, r.Replace = c.desk, true
		p := Phone(w.MustOffer(r).URL)
		p.Network = c.phone
		h, err := w.Claim(w.Context(), p)
		w.state(handoff.Claimed, h, err)
		if h.Device.Network != c.want {
			w.Errorf("%s and %s are %q, want %q", c.desk, c.phone, h.Device.Network, c.want)
		}
	}
}

func forgotten(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	if _, err := w.Cancel(ctx, h.ID); err != nil {
		w.Fatal(err)
	}
	w.Pass(handoff.KeepEndedFor - time.Millisecond)
	w.is(h.ID, handoff.Cancelled)
	w.Pass(time.Millisecond)
	_, err := w.Get(ctx, h.ID)
	w.fails(handoff.ErrUnknown, err)
	_, err = w.Current(ctx, "case_1")
	w.fails(handoff.ErrUnknown, err)
	_, err = w.Open(ctx, h.URL)
	w.fails(handoff.ErrCodeUnknown, err)
	w.MustOffer(Request())
}

func otherKey(w *World) {
	ctx := w.Context()
	h := w.MustOffer(Request())
	cfg := handoff.Config{
		Store: w.Store, Key: seal.NewKey(), Now: w.Now, Origin: Origin,
		RaiseEpoch: func(context.Context, string, string) (int64, error) { return 9, nil },
		Ended:      func(context.Context, handoff.Handoff) error { return nil },
		Changed:    func(context.Context, string) {},
	}
	s, err := handoff.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	_, err = s.Get(ctx, h.ID)
	w.fails(handoff.ErrUnknown, err)
	for _, code := range []string{h.URL, h.TextCode} {
		_, err = s.Open(ctx, code)
		w.fails(handoff.ErrCodeUnknown, err)
	}
	if _, err = s.Offer(ctx, Request()); err != nil {
		w.Errorf("an offer after the key was changed: %v", err)
	}
}

func lostStore(w *World, wipe func(t *testing.T)) {
	ctx := w.Context()
	h := w.MustMatch(w.MustClaim(w.MustOffer(Request())))
	codes := w.is(h.ID, handoff.Active)
	wipe(w.T)
	_, err := w.Get(ctx, h.ID)
	w.fails(handoff.ErrUnknown, err)
	_, err = w.Current(ctx, h.CaseID)
	w.fails(handoff.ErrUnknown, err)
	_, _, err = w.QR(ctx, h.ID)
	w.fails(handoff.ErrUnknown, err)
	_, err = w.Match(ctx, h.ID, "47")
	w.fails(handoff.ErrUnknown, err)
	_, err = w.Deny(ctx, h.ID, "phone", true)
	w.fails(handoff.ErrUnknown, err)
	_, err = w.Cancel(ctx, h.ID)
	w.fails(handoff.ErrUnknown, err)
	_, err = w.Finish(ctx, h.ID)
	w.fails(handoff.ErrUnknown, err)
	w.fails(handoff.ErrUnknown, w.Seen(ctx, h.ID))
	_, err = w.Claim(ctx, Phone("7K3M-9QXT"))
	w.fails(handoff.ErrCodeUnknown, err)
	if err := w.CancelOf(ctx, h.CaseID, h.SessionID); err != nil {
		w.Errorf("sign-out: %v", err)
	}
	w.Pass(time.Hour)
	w.sweep()
	if next := w.MustOffer(Request()); next.Epoch != codes.Epoch+1 {
		w.Errorf("the next offer has epoch %d, the lost one had %d", next.Epoch, codes.Epoch)
	}
}

// anyOrder does random things in a random order and checks after each what must always
// hold: one phone an offer, an epoch that only grows, ended stays ended, at most one live
// handoff, and it has the case's epoch; every end is announced exactly once.
func anyOrder(w *World) {
	seed := uint64(time.Now().UnixNano())
	w.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	ctx := w.Context()
	type known struct {
		handoff.Handoff
		codes  []string
		winner string
	}
	var all []*known
	pick := func() *known {
		if len(all) == 0 {
			return nil
		}
		if random.IntN(3) > 0 {
			return all[len(all)-1]
		}
		return all[random.IntN(len(all))]
	}
	epoch := int64(0)
	for step := range 400 {
		k := pick()
		did := random.IntN(12)
		if k == nil {
			did = 0
		}
		switch did {
		case 0, 1:
			r := Request()
			r.Replace, r.Confirmed = random.IntN(2) == 0, random.IntN(2) == 0
			if h, err := w.Offer(ctx, r); err == nil {
				all = append(all, &known{Handoff: h, codes: []string{h.URL, h.TextCode}})
			}
		case 2:
			if url, _, err := w.QR(ctx, k.ID); err == nil {
				k.codes = append(k.codes, url)
			}
		case 3:
			_, _ = w.Open(ctx, k.codes[random.IntN(len(k.codes))])
		case 4, 5:
			p := Phone(k.codes[random.IntN(len(k.codes))])
			p.Device.Browser = fmt.Sprintf("Browser %d", step)
			if _, err := w.Claim(ctx, p); err == nil {
				if k.winner != "" {
					w.Fatalf("step %d: %s and %s both claimed", step, k.winner, p.Device.Browser)
				}
				k.winner = p.Device.Browser
			}
		case 6, 7:
			number := strconv.Itoa(10 + random.IntN(90))
			if h, err := w.Get(ctx, k.ID); err == nil && h.Number != "" && random.IntN(2) == 0 {
				number = h.Number
			}
			_, _ = w.Match(ctx, k.ID, number)
		case 8:
			_, _ = w.Deny(ctx, k.ID, []string{"phone", "desk"}[random.IntN(2)], random.IntN(2) == 0)
		case 9:
			_, _ = []func(context.Context, string) (handoff.Handoff, error){w.Cancel, w.Finish}[random.IntN(2)](ctx, k.ID)
		case 10:
			_ = w.Seen(ctx, k.ID)
		case 11:
			w.Pass(time.Duration(random.IntN(200)) * time.Second)
			w.sweep()
		}
		if now := w.Epoch(); now < epoch {
			w.Fatalf("step %d: the epoch fell from %d to %d", step, epoch, now)
		} else {
			epoch = now
		}
		live := 0
		for _, k := range all {
			h, err := w.Get(ctx, k.ID)
			if errors.Is(err, handoff.ErrUnknown) {
				continue
			}
			if err != nil {
				w.Fatal(err)
			}
			if k.State.Ended() && h.State != k.State && !(k.State == handoff.Cancelled && h.State == handoff.Reported) {
				w.Fatalf("step %d: %s became %s", step, k.State, h.State)
			}
			if h.Device != nil && h.Device.Browser != k.winner {
				w.Fatalf("step %d: claimed by %q, in is %q", step, k.winner, h.Device.Browser)
			}
			if !h.State.Ended() {
				if live++; h.Epoch != epoch {
					w.Fatalf("step %d: live at epoch %d, the case is at %d", step, h.Epoch, epoch)
				}
			}
			k.Handoff = h
		}
		if live > 1 {
			w.Fatalf("step %d: %d live handoffs", step, live)
		}
	}
	w.Pass(2 * time.Hour)
	w.sweep()
	announced := map[string]int{}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.ended {
		announced[h.ID+string(h.State)]++
	}
	for what, n := range announced {
		if n != 1 {
			w.Errorf("%s was announced %d times", what, n)
		}
	}
	for _, k := range all {
		if k.State.Ended() && announced[k.ID+string(k.State)] == 0 {
			w.Errorf("%s was never announced as %s", k.ID, k.State)
		}
	}
}
