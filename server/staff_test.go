package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casetest"
	"github.com/symbolon/symbolon/server"
	"github.com/symbolon/symbolon/server/servertest"
)

func signIn(c *servertest.Client) *servertest.Answer {
	return c.Do("POST", "/v1/session", map[string]any{"email": c.Email, "password": c.Password})
}

func second(c *servertest.Client, challenge, code string) *servertest.Answer {
	return c.Do("POST", "/v1/session/second-factor", map[string]any{"challenge": challenge, "code": code})
}

func TestStaffNeedASecondFactor(t *testing.T) {
	s := servertest.Start(t)
	r := s.Staff(t, "reviewer")
	r.Do("GET", "/v1/review/cases", nil).Want(t, 200)

	thief := s.NewBrowser(t) // who knows the password
	thief.Email, thief.Password = r.Email, r.Password
	first := signIn(thief).Want(t, 401, "second_factor_required")
	if len(thief.Cookies) != 0 || first.Get("enrol") != false || first.Get("methods").([]any)[0] != "totp" {
		t.Fatalf("after the password: %s", first.Body)
	}
	challenge := first.String("challenge")
	second(thief, challenge, "000000").Want(t, 401, "second_factor_wrong")
	second(thief, challenge, "").Want(t, 401, "second_factor_wrong")
	second(thief, challenge+"A", "000000").Want(t, 401, "second_factor_over")
	// The password alone adds no factor to the one that is there.
	thief.Do("POST", "/v1/session/second-factor/enrol", map[string]any{"challenge": challenge, "method": "totp"}).Want(t, 401, "second_factor_over")
	thief.Do("POST", "/v1/tokens", map[string]any{"email": r.Email, "password": r.Password}).Want(t, 403, "staff_sign_in_by_browser")
	thief.Do("GET", "/v1/review/cases", nil).Want(t, 401, "session_unknown")

	// A code counts once, a challenge too.
	s.Clock.Advance(30 * time.Second)
	code := s.Code(t, r.Secret)
	second(thief, challenge, code).Want(t, 200)
	again := signIn(thief).Want(t, 401, "second_factor_required").String("challenge")
	second(thief, again, code).Want(t, 401, "second_factor_wrong")
	s.Clock.Advance(30 * time.Second)
	second(thief, challenge, s.Code(t, r.Secret)).Want(t, 401, "second_factor_over")
	s.Clock.Advance(5 * time.Minute)
	second(thief, again, s.Code(t, r.Secret)).Want(t, 401, "second_factor_over")
}

func TestGuessingASecondFactorIsLimited(t *testing.T) {
	s := servertest.Start(t)
	r := s.Staff(t, "reviewer")
	challenge := signIn(r).Want(t, 401).String("challenge")
	refused := 0
	for range 12 {
		if second(r, challenge, "123456").Status == 429 {
			refused++
		}
	}
	if refused < 2 {
		t.Errorf("%d of 12 guesses were too many", refused)
	}
}

func TestSessionsOfStaffAreShort(t *testing.T) {
	s := servertest.Start(t)
	r := s.Staff(t, "reviewer")
	s.Clock.Advance(29 * time.Minute)
	r.Do("GET", "/v1/me", nil).Want(t, 200)
	s.Clock.Advance(31 * time.Minute)
	r.Do("GET", "/v1/me", nil).Want(t, 401, "session_unknown")
	r.SignInStaff().Want(t, 200)
	for range 17 { // never idle, for eight hours and a half
		s.Clock.Advance(29 * time.Minute)
		r.Do("GET", "/v1/me", nil)
	}
	r.Do("GET", "/v1/me", nil).Want(t, 401, "session_unknown")
}

func TestWithoutThePolicyStaffMayGoWithoutASecondFactor(t *testing.T) {
	policy := casetest.Photos()
	policy.Staff.SecondFactor = cases.FactorOptional
	s := servertest.StartWith(t, func(c *cases.Config) { c.Policy = policy })
	c := s.NewBrowser(t)
	c.Email, c.Password = "plain@example.com", servertest.Password
	if _, err := s.Cases.SignUp(t.Context(), c.Email, c.Password, "supervisor"); err != nil {
		t.Fatal(err)
	}
	signIn(c).Want(t, 200)
	c.Do("GET", "/v1/review/cases", nil).Want(t, 200)
	// Who sets one up needs it from then on.
	c.Do("POST", "/v1/session/second-factor/enrol", map[string]any{"method": "totp"}).Want(t, 403, "password_confirmation_required")
	c.Do("POST", "/v1/session/confirm", map[string]any{"password": c.Password}).Want(t, 204)
	setup := c.Do("POST", "/v1/session/second-factor/enrol", map[string]any{"method": "totp"}).Want(t, 200)
	second(c, setup.String("challenge"), s.Code(t, setup.String("totp.secret"))).Want(t, 200)
	signIn(c).Want(t, 401, "second_factor_required")
}

func TestAnAdminKeepsTheAccountsOfStaff(t *testing.T) {
	s := servertest.Start(t)
	admin, r := s.Staff(t, "admin"), s.Staff(t, "reviewer")
	path := "/v1/review/staff"
	made := admin.Do("POST", path, map[string]any{"email": "new@example.com", "password": servertest.Password, "roles": []string{"reviewer", "supervisor"}}).Want(t, 201)
	admin.Do("POST", path, map[string]any{"email": "new@example.com", "password": servertest.Password, "roles": []string{"reviewer"}}).Want(t, 409, "account_exists")
	for _, bad := range []map[string]any{
		{"email": "x@example.com", "password": servertest.Password, "roles": []string{}},
		{"email": "x@example.com", "password": servertest.Password, "roles": []string{"root"}},
		{"email": "x", "password": "short", "roles": []string{"admin"}},
	} {
		admin.Do("POST", path, bad).Want(t, 422, "invalid_fields")
	}
	list := admin.Do("GET", path, nil).Want(t, 200)
	if n := len(list.Get("staff").([]any)); n != 3 || strings.Contains(string(list.Body), r.Secret) {
		t.Errorf("%d people: %s", n, list.Body)
	}

	id := r.Do("GET", "/v1/me", nil).String("account.id")
	self := admin.Do("GET", "/v1/me", nil).String("account.id")
	admin.Do("PATCH", path+"/"+self, map[string]any{"disabled": true}).Want(t, 409, "own_account")
	admin.Do("DELETE", path+"/"+self+"/second-factor", nil).Want(t, 409, "own_account")
	admin.Do("PATCH", path+"/"+id, map[string]any{"roles": []string{"root"}}).Want(t, 422, "invalid_fields")
	// At once, whatever the session says.
	admin.Do("PATCH", path+"/"+id, map[string]any{"roles": []string{"supervisor"}}).Want(t, 200)
	r.Do("GET", "/v1/review/figures", nil).Want(t, 200)
	admin.Do("PATCH", path+"/"+id, map[string]any{"disabled": true}).Want(t, 200)
	r.Do("GET", "/v1/review/cases", nil).Want(t, 401, "session_unknown")
	signIn(r).Want(t, 401, "account_disabled")
	admin.Do("PATCH", path+"/"+id, map[string]any{"disabled": false}).Want(t, 200)
	r.SignInStaff().Want(t, 200)
	// A lost phone: the next sign-in sets up anew.
	admin.Do("DELETE", path+"/"+id+"/second-factor", nil).Want(t, 204)
	first := signIn(r).Want(t, 401, "second_factor_required")
	if first.Get("enrol") != true {
		t.Errorf("after it was forgotten: %s", first.Body)
	}
	second(r, first.String("challenge"), "123456").Want(t, 401, "second_factor_over") // there is nothing to hold it against
	setup := r.Do("POST", "/v1/session/second-factor/enrol", map[string]any{"challenge": first.String("challenge"), "method": "totp"}).Want(t, 200)
	if png, err := base64.StdEncoding.DecodeString(setup.String("totp.qr_png")); err != nil || !strings.HasPrefix(string(png), "\x89PNG") || !strings.HasPrefix(setup.String("totp.url"), "otpauth://totp/") {
		t.Errorf("what is set up: %s", setup.Body)
	}
	second(r, setup.String("challenge"), s.Code(t, r.Secret)).Want(t, 401, "second_factor_wrong") // of the former phone
	second(r, setup.String("challenge"), s.Code(t, setup.String("totp.secret"))).Want(t, 200)
	r.Do("GET", "/v1/review/cases", nil).Want(t, 200)
	if made.String("email") != "new@example.com" || made.Get("disabled_at") != nil {
		t.Errorf("made: %s", made.Body)
	}
}

// key is a passkey in software: an ES256 key that signs what an authenticator does.
type key struct {
	id      []byte
	private *ecdsa.PrivateKey
	rpID    string
	origin  string
	count   uint32
}

func raw64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (k *key) clientData(kind, challenge string) []byte {
	b, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.origin, "crossOrigin": false})
	return b
}

func (k *key) authData(flags byte, more []byte) []byte {
	hash := sha256.Sum256([]byte(k.rpID))
	k.count++
	return append(binary.BigEndian.AppendUint32(append(hash[:], flags), k.count), more...)
}

func (k *key) create(t *testing.T, challenge string) map[string]any {
	t.Helper()
	pub, err := k.private.PublicKey.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	xy := pub.Bytes()[1:]
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: xy[:32], -3: xy[32:]})
	if err != nil {
		t.Fatal(err)
	}
	more := append(make([]byte, 16), binary.BigEndian.AppendUint16(nil, uint16(len(k.id)))...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": k.authData(0x45, append(append(more, k.id...), cose...))})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"id": raw64(k.id), "client_data": raw64(k.clientData("webauthn.create", challenge)), "attestation": raw64(object)}
}

func (k *key) get(t *testing.T, challenge string) map[string]any {
	t.Helper()
	client, auth := k.clientData("webauthn.get", challenge), k.authData(0x05, nil)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(auth[:len(auth):len(auth)], hash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, k.private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"id": raw64(k.id), "client_data": raw64(client), "authenticator_data": raw64(auth), "signature": raw64(sig)}
}

func TestAPasskeySignsStaffIn(t *testing.T) {
	host := ""
	s := servertest.Start(t, func(c *server.Config) {
		host = strings.Replace(strings.TrimPrefix(c.PublicURL, "http://"), "127.0.0.1", "localhost", 1)
		c.Hosts = []string{host}
	})
	c := s.NewBrowser(t)
	c.Email, c.Password = "keys@example.com", servertest.Password
	if _, err := s.Cases.SignUp(t.Context(), c.Email, c.Password, "reviewer"); err != nil {
		t.Fatal(err)
	}
	do := func(path string, body map[string]any) *servertest.Answer {
		return c.Do("POST", path, body, "Host", host)
	}
	password := map[string]any{"email": c.Email, "password": c.Password}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &key{id: []byte("a passkey's id"), private: private, rpID: "localhost", origin: "http://" + host}

	first := do("/v1/session", password).Want(t, 401, "second_factor_required")
	// An address without a name has none.
	c.Do("POST", "/v1/session/second-factor/enrol", map[string]any{"challenge": first.String("challenge"), "method": "passkey"}).Want(t, 409, "passkeys_unavailable")
	setup := do("/v1/session/second-factor/enrol", map[string]any{"challenge": first.String("challenge"), "method": "passkey"}).Want(t, 200)
	finish := func(challenge string, answer map[string]any) *servertest.Answer {
		return do("/v1/session/second-factor", map[string]any{"challenge": challenge, "passkey": answer})
	}
	foreign := *k
	foreign.origin = "http://evil.example"
	finish(setup.String("challenge"), foreign.create(t, setup.String("passkey.challenge"))).Want(t, 401, "second_factor_wrong")
	finish(setup.String("challenge"), k.create(t, setup.String("passkey.challenge"))).Want(t, 200)
	c.Do("GET", "/v1/review/cases", nil, "Host", host).Want(t, 200)

	next := do("/v1/session", password).Want(t, 401, "second_factor_required")
	if next.String("passkey.allow.0") != raw64(k.id) || next.String("passkey.rp_id") != "localhost" {
		t.Fatalf("what is asked for: %s", next.Body)
	}
	finish(next.String("challenge"), k.get(t, "another challenge")).Want(t, 401, "second_factor_wrong")
	bad := k.get(t, next.String("passkey.challenge"))
	bad["signature"] = raw64([]byte("no signature"))
	finish(next.String("challenge"), bad).Want(t, 401, "second_factor_wrong")
	finish(next.String("challenge"), map[string]any{"id": "%", "client_data": ""}).Want(t, 401, "second_factor_wrong")
	answer := k.get(t, next.String("passkey.challenge"))
	finish(next.String("challenge"), answer).Want(t, 200)
	finish(next.String("challenge"), answer).Want(t, 401) // once
	// A copy of the key, whose counter lags behind.
	next = do("/v1/session", password).Want(t, 401, "second_factor_required")
	k.count = 0
	finish(next.String("challenge"), k.get(t, next.String("passkey.challenge"))).Want(t, 401, "second_factor_wrong")
}
