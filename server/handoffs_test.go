package server_test

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/symbolon/symbolon/server/servertest"
)

func TestAnOfferNamesStepsThatAPhoneCanDoNow(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := func(body map[string]any) *servertest.Answer { return p.Do("POST", p.Path("/handoffs"), body) }
	many := make([]string, 17)
	for i := range many {
		many[i] = "s" + strings.Repeat("x", i)
	}
	offer(map[string]any{}).Want(t, 422, "invalid_fields")
	offer(map[string]any{"steps": []string{}}).Want(t, 422, "invalid_fields")
	offer(map[string]any{"steps": many}).Want(t, 422, "invalid_fields")
	offer(map[string]any{"steps": []string{"document_front", "document_front"}}).Want(t, 422, "invalid_fields")
	offer(map[string]any{"steps": []string{"document_front"}, "provider": "alipay"}).Want(t, 409, "alipay_not_configured")
	offer(map[string]any{"steps": []string{"face"}}).Want(t, 404, "step_unknown")
	offer(map[string]any{"steps": []string{"document_front"}, "surprise": 1}).Want(t, 400, "json_malformed")
	offer(map[string]any{"steps": "document_front"}).Want(t, 400, "json_malformed")

	a := offer(map[string]any{"steps": []string{"document_front"}}).Want(t, 201)
	if a.Header.Get("Location") != "/v1/handoffs/"+a.String("id") || a.String("state") != "offered" || a.Get("epoch") != 1.0 {
		t.Errorf("offer %s", a.Body)
	}
	if !strings.HasPrefix(a.String("url"), s.URL+"/h#c=") || strings.Contains(a.String("url"), "?") {
		t.Errorf("the link %q keeps its secret out of the fragment", a.String("url"))
	}
	// A level that is not open is nobody's to hand over.
	fresh := s.Applicant(t)
	fresh.CaseID = fresh.Do("POST", "/v1/cases", map[string]any{"kind": "person"}).Want(t, 201).String("id")
	fresh.Do("POST", fresh.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}).Want(t, 409, "level_not_open")
}

func TestOffersReplaceWhatNobodyHolds(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	first := p.Offer()
	second := p.Offer()
	b := s.NewBrowser(t)
	open := func(offer *servertest.Answer) *servertest.Answer {
		return b.Do("POST", "/v1/handoffs/open", map[string]any{"code": offer.String("text_code")})
	}
	open(first).Want(t, 410, "handoff_expired")
	open(second).Want(t, 200)
	phone := p.Claim(second)
	steps := []string{"document_front"}
	p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": steps}).Want(t, 409, "handoff_active")
	phone.Do("GET", "/v1/capture", nil).Want(t, 200)
	p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": steps, "replace": true}).Want(t, 201)
	if a := phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended"); a.String("state") != "superseded" {
		t.Errorf("the former phone is told %s", a.Body)
	}
}

func TestOffersAreLimited(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	for range 20 {
		p.Offer()
	}
	p.Do("POST", p.Path("/handoffs"), map[string]any{"steps": []string{"document_front"}}).Want(t, 429, "too_many_requests")
}

func TestTheLandingSaysWhoAsksAndClaimsNothing(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	b := s.NewBrowser(t)
	for _, code := range []string{offer.String("text_code"), strings.ToLower(offer.String("text_code")), offer.String("url")} {
		a := b.Do("POST", "/v1/handoffs/open", map[string]any{"code": code}).Want(t, 200)
		if a.String("operator") != "Example Exchange" || a.String("account") != "p***@example.com" ||
			a.String("desk.browser") != "Chrome" || a.String("desk.os") != "Windows" || a.String("purpose") == "" {
			t.Errorf("landing %s", a.Body)
		}
		if strings.Contains(string(a.Body), p.Email) || strings.Contains(string(a.Body), p.CaseID) {
			t.Errorf("the landing tells too much: %s", a.Body)
		}
	}
	a := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil)
	if a.String("state") != "offered" || a.Get("opened") != true {
		t.Errorf("after looking: %s", a.Body)
	}
}

func TestCodesAreClaimedOnce(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	claim := func(body map[string]any, headers ...string) *servertest.Answer {
		return s.NewProgram(t).Do("POST", "/v1/handoffs/claim", body, headers...)
	}
	const key = "a-random-key-of-one-phone"
	code := offer.String("text_code")
	// A key that others think of too would make them this phone.
	claim(map[string]any{"code": code}, "Idempotency-Key", "1").Want(t, 400, "idempotency_key_invalid")
	first := claim(map[string]any{"code": code, "device": map[string]any{"kind": "phone", "os": "iOS", "browser": "Example App"}}, "Idempotency-Key", key).Want(t, 201)
	second := claim(map[string]any{"code": code}, "User-Agent", "Mozilla/5.0 (Linux; Android 15; Mobile) Firefox/140.0").Want(t, 409, "handoff_already_claimed")
	if strings.Contains(string(second.Body), "iOS") {
		t.Errorf("the second phone learns of the first: %s", second.Body)
	}
	// The winner may repeat it: the same claim, a fresh token.
	again := claim(map[string]any{"code": code}, "Idempotency-Key", key).Want(t, 201)
	if again.String("handoff.id") != first.String("handoff.id") || again.String("token") == first.String("token") {
		t.Errorf("repeated: %s", again.Body)
	}
	claim(map[string]any{"code": code}, "Idempotency-Key", "another-random-key").Want(t, 409, "handoff_already_claimed")

	a := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(t, 200)
	if a.String("device.os") != "iOS" || a.String("device.browser") != "Example App" || a.String("device.network") != "same" {
		t.Errorf("device %v", a.Get("device"))
	}
	if a.String("alerts.0.type") != "second_claim" || a.String("alerts.0.device.browser") != "Firefox" {
		t.Errorf("alerts %v", a.Get("alerts"))
	}
	// One that only looks leaves an alert as well, but not the phone that won: by its session, or by its key
	// where the answer got lost.
	look := func(from *servertest.Client, headers ...string) {
		from.Do("POST", "/v1/handoffs/open", map[string]any{"code": code}, headers...).Want(t, 409, "handoff_already_claimed")
	}
	alerts := func() int {
		return len(p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(t, 200).Get("alerts").([]any))
	}
	before := alerts()
	winner := s.NewProgram(t)
	winner.Token = first.String("token")
	look(winner)
	look(s.NewProgram(t), "Idempotency-Key", key)
	if n := alerts(); n != before {
		t.Errorf("the phone that won left %d alerts", n-before)
	}
	look(s.NewProgram(t))
	if n := alerts(); n != before+1 {
		t.Errorf("a phone that looked left %d alerts", n-before)
	}
	s.Clock.Advance(121 * time.Second)
	claim(map[string]any{"code": code}, "Idempotency-Key", key).Want(t, 410)
}

func TestADeviceIsShownInPlainWordsOnly(t *testing.T) {
	s := servertest.Start(t)
	code := s.Person(t).Offer().String("text_code")
	for _, device := range []map[string]any{
		{"kind": "toaster"}, {"os": "<b>iOS</b>"}, {"browser": strings.Repeat("x", 33)}, {"browser": "Sa\u202efari"}, {"os": " iOS"},
	} {
		s.NewProgram(t).Do("POST", "/v1/handoffs/claim", map[string]any{"code": code, "device": device}).Want(t, 422, "invalid_fields")
	}
}

// Whoever guesses too often is not told of a right guess either. Codes that nobody can guess pass all the same.
func TestGuessedCodesAreLimited(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	b := s.NewBrowser(t)
	guesses := []string{"AAAA-AAAA", "not a code", "", strings.Repeat("A", 5000), "0123456789.AAAAAAAAAAAAAAAAAAAAAA", offer.String("url") + "A"}
	for i := range 20 {
		call := []string{"/v1/handoffs/open", "/v1/handoffs/claim"}[i%2]
		b.Do("POST", call, map[string]any{"code": guesses[i%len(guesses)]}).Want(t, 404, "code_unknown")
	}
	a := b.Do("POST", "/v1/handoffs/open", map[string]any{"code": "AAAA-AAAA"}).Want(t, 429, "too_many_requests")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.Do("POST", "/v1/handoffs/open", map[string]any{"code": offer.String("text_code")}).Want(t, 429, "too_many_requests")
	b.Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("text_code")}).Want(t, 429, "too_many_requests")
	b.Do("POST", "/v1/handoffs/open", map[string]any{"code": offer.String("url")}).Want(t, 200)
	s.Clock.Advance(time.Minute)
	b.Do("POST", "/v1/handoffs/open", map[string]any{"code": "AAAA-AAAA"}).Want(t, 404)
	b.Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("url")}).Want(t, 201)
}

// Codes that were really shown do not use up what a network may try.
func TestKnownCodesDoNotCount(t *testing.T) {
	s := servertest.Start(t)
	offer := s.Person(t).Offer()
	b := s.NewBrowser(t)
	for range 30 {
		b.Do("POST", "/v1/handoffs/open", map[string]any{"code": offer.String("text_code")}).Want(t, 200)
	}
	for range 20 {
		b.Do("POST", "/v1/handoffs/open", map[string]any{"code": "AAAA-AAAA"}).Want(t, 404)
	}
	b.Do("POST", "/v1/handoffs/open", map[string]any{"code": offer.String("text_code")}).Want(t, 429)
}

func TestOffersExpire(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	s.Clock.Advance(10*time.Minute + time.Second)
	s.NewBrowser(t).Do("POST", "/v1/handoffs/claim", map[string]any{"code": offer.String("text_code")}).Want(t, 410, "handoff_expired")
	a := p.Do("GET", "/v1/handoffs/"+offer.String("id"), nil).Want(t, 200)
	if a.String("state") != "expired" || a.Get("url") != nil || a.Get("text_code") != nil || a.Get("qr") != nil {
		t.Errorf("expired: %s", a.Body)
	}
	p.Do("GET", "/v1/handoffs/"+offer.String("id")+"/qr.svg", nil).Want(t, 410, "handoff_over")
}

func TestThePictureIsTheCodeOfTheMoment(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	path := offer.String("qr.png")
	if path != "/v1/handoffs/"+offer.String("id")+"/qr.png" {
		t.Fatalf("png at %q", path)
	}
	read := func() (string, image.Rectangle) {
		a := p.Do("GET", path+"?size=300", nil).Want(t, 200)
		if a.Header.Get("Content-Type") != "image/png" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", a.Header)
		}
		m, err := png.Decode(bytes.NewReader(a.Body))
		if err != nil {
			t.Fatal(err)
		}
		return decodeQR(t, m), m.Bounds()
	}
	first, size := read()
	if size.Dx() != 300 || size.Dy() != 300 {
		t.Errorf("the picture is %v", size)
	}
	grid := func() string {
		a := p.Do("GET", offer.String("qr.svg"), nil).Want(t, 200)
		if a.Header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("headers %v", a.Header)
		}
		box, _, _ := strings.Cut(string(a.Body), ` shape-rendering`)
		return box
	}
	box := grid()
	s.Clock.Advance(20 * time.Second)
	second, _ := read()
	if first == second || !strings.HasPrefix(second, s.URL+"/h#c=") {
		t.Errorf("twenty seconds later the picture says %q after %q", second, first)
	}
	for range 20 { // the grid keeps its size whatever the code
		s.Clock.Advance(20 * time.Second)
		if got := grid(); got != box {
			t.Fatalf("the grid is %s after %s", got, box)
		}
	}
	s.NewBrowser(t).Do("POST", "/v1/handoffs/open", map[string]any{"code": first}).Want(t, 410, "handoff_expired")
	last, _ := read()
	s.NewBrowser(t).Do("POST", "/v1/handoffs/claim", map[string]any{"code": last}).Want(t, 201)
	p.Do("GET", path, nil).Want(t, 410, "handoff_over")
	for _, size := range []string{"0", "119", "1025", "big", "-5", "1e3"} {
		p.Do("GET", path+"?size="+size, nil).Want(t, 422, "invalid_fields")
	}
}

func decodeQR(t *testing.T, m image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	// The picture is no photo: looked at as one, gozxing overlooks one code in a hundred.
	r, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetText()
}

func TestSigningOutCancelsWhatThisSessionOffered(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	other := p.Other()
	phone, id := p.Phone()
	other.Do("DELETE", "/v1/session", nil).Want(t, 204)
	phone.Do("GET", "/v1/capture", nil).Want(t, 200)
	p.Do("DELETE", "/v1/session", nil).Want(t, 204)
	if a := phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended"); a.String("state") != "cancelled" {
		t.Errorf("the phone is told %s", a.Body)
	}
	p.SignIn()
	if got := p.Do("GET", "/v1/handoffs/"+id, nil).Want(t, 200).String("state"); got != "cancelled" {
		t.Errorf("state %q", got)
	}
}

func TestNotMyPhone(t *testing.T) {
	s := servertest.Start(t)
	p := s.Person(t)
	offer := p.Offer()
	phone := p.Claim(offer)
	path := "/v1/handoffs/" + offer.String("id") + "/deny"
	if a := p.Do("POST", path, nil).Want(t, 200); a.String("state") != "cancelled" {
		t.Errorf("denied: %s", a.Body)
	}
	phone.Do("GET", "/v1/capture", nil).Want(t, 401, "capture_ended")
	if a := p.Do("POST", path, map[string]any{"report": true}).Want(t, 200); a.String("state") != "reported" {
		t.Errorf("reported: %s", a.Body)
	}
	// After a report the password comes first.
	again := map[string]any{"steps": []string{"document_front"}}
	p.Do("POST", p.Path("/handoffs"), again).Want(t, 403, "password_confirmation_required")
	p.Do("POST", "/v1/session/confirm", map[string]any{"password": p.Password}).Want(t, 204)
	p.Do("POST", p.Path("/handoffs"), again).Want(t, 201)
}
