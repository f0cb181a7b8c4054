// Package seal holds the keys of Symbolon and what is sealed with them.
//
// The operator owns one Key (SYMBOLON_KEY). A Keyring of it, and of older ones while
// a rotation lasts, wraps the data keys: one of an account, one of a case, one of the
// look-up index. Destroying a wrapped data key erases what was sealed with it.
// Every sealed value is bound by associated data (see Bind) to the place it stands in,
// so that a value moved to another field, case or segment does not open.
//
// The primitives are Tink's: AES-256-GCM with a random 96-bit nonce, HKDF-SHA256 and
// HMAC-SHA256. Much data in a row is sealed by the standard library's AES-256-GCM, in the same form. One Key seals at most 2^32 values (NIST SP 800-38D §8.3); what could be
// more derives a key of its own first (a recording does).
//
// Nothing here prints a secret: Key formats as "[key]".
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	aead "github.com/tink-crypto/tink-go/v2/aead/subtle"
	prf "github.com/tink-crypto/tink-go/v2/prf/subtle"
)

// KeySize is the length of every key in bytes (AES-256).
const KeySize = 32

// Overhead is what Seal adds to a plaintext in bytes: a nonce of 12 and a tag of 16.
const Overhead = 12 + 16

// keyPrefix starts a written operator's key, so that a mistaken value is told apart at once.
const keyPrefix = "symk1_"

// Errors of this package. They carry no detail on purpose.
var (
	ErrOpen    = errors.New("seal: sealed value does not open")
	ErrKeyForm = errors.New(`seal: a key is "symk1_" followed by 43 base64url characters`)
	ErrNoKey   = errors.New("seal: wrapped with a key that is not in the keyring")
)

// Key is a 256-bit secret.
type Key struct{ b [KeySize]byte }

// NewKey returns a fresh random key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k.b[:]) // never fails: crypto/rand ends the process instead
	return k
}

// KeyFrom makes a Key of exactly KeySize secret bytes.
func KeyFrom(b []byte) (Key, error) {
	var k Key
	if len(b) != KeySize {
		return k, ErrKeyForm
	}
	copy(k.b[:], b)
	return k, nil
}

// ParseKey reads an operator's key as Encode writes it.
func ParseKey(s string) (Key, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), keyPrefix)
	if !ok {
		return Key{}, ErrKeyForm
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil {
		return Key{}, ErrKeyForm
	}
	return KeyFrom(b)
}

// Encode writes the key in the clear. Only what creates the operator's key file calls it.
func (k Key) Encode() string { return keyPrefix + base64.RawURLEncoding.EncodeToString(k.b[:]) }

// String keeps the key out of every format verb.
func (k Key) String() string { return "[key]" }

// GoString keeps the key out of %#v.
func (k Key) GoString() string { return "[key]" }

// LogValue keeps the key out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue("[key]") }

// IsZero reports whether k was never set.
func (k Key) IsZero() bool { return k == Key{} }

// Derive returns the subkey for a purpose and, if given, its context (RFC 5869, SHA-256).
func (k Key) Derive(purpose string, context ...string) Key {
	sub, err := hkdf.Key(sha256.New, k.b[:], nil, string(Bind(append([]string{purpose}, context...)...)), KeySize)
	if err != nil {
		panic(fmt.Sprintf("seal: hkdf with constant sizes: %v", err))
	}
	d, _ := KeyFrom(sub)
	return d
}

// Index returns the keyed pseudo-random value (HMAC-SHA256, 32 bytes) under which
// value is looked up in a domain such as "email". Without the key nobody can tell
// which value an index stands for, nor try values one by one.
func (k Key) Index(domain, value string) []byte {
	p, err := prf.NewHMACPRF("SHA256", k.b[:])
	if err != nil {
		panic(fmt.Sprintf("seal: hmac with constant sizes: %v", err))
	}
	out, err := p.ComputePRF(Bind(domain, value), sha256.Size)
	if err != nil {
		panic(fmt.Sprintf("seal: hmac with constant sizes: %v", err))
	}
	return out
}

// Box returns the sealer of this key. It is safe for concurrent use; keep it where
// more than one value is sealed.
func (k Key) Box() *Box {
	a, err := aead.NewAESGCM(k.b[:])
	if err != nil {
		panic(fmt.Sprintf("seal: aes-256-gcm with constant sizes: %v", err))
	}
	block, err := aes.NewCipher(k.b[:])
	if err != nil {
		panic(fmt.Sprintf("seal: aes-256 with constant sizes: %v", err))
	}
	random, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(fmt.Sprintf("seal: gcm with constant sizes: %v", err))
	}
	return &Box{a, random}
}

// Seal seals one value; see Box.Seal.
func (k Key) Seal(plaintext, bound []byte) []byte { return k.Box().Seal(plaintext, bound) }

// Open opens one value; see Box.Open.
func (k Key) Open(sealed, bound []byte) ([]byte, error) { return k.Box().Open(sealed, bound) }

// Box seals and opens with one key.
type Box struct {
	aead   *aead.AESGCM
	random cipher.AEAD // the same, by the standard library, which takes buffers
}

// Seal returns nonce ‖ ciphertext ‖ tag: len(plaintext) + Overhead bytes, with a new
// random nonce each call. bound is the associated data, made by Bind.
func (b *Box) Seal(plaintext, bound []byte) []byte {
	out, err := b.aead.Encrypt(plaintext, bound)
	if err != nil {
		panic(fmt.Sprintf("seal: %v", err)) // only a plaintext of 64 GiB gets here
	}
	return out
}

// Open returns the plaintext, or ErrOpen when the value, its place or the key is another.
func (b *Box) Open(sealed, bound []byte) ([]byte, error) {
	out, err := b.aead.Decrypt(sealed, bound)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// AppendSeal is Seal into a buffer: it appends the sealed value to dst, which must not overlap plaintext. It is for
// much data in a row, where a new value each time would be work for the garbage collector.
func (b *Box) AppendSeal(dst, plaintext, bound []byte) []byte {
	return b.random.Seal(dst, nil, plaintext, bound)
}

// AppendOpen is Open into a buffer; dst must not overlap sealed. With ErrOpen it returns nil, and what
// stands behind dst is of no meaning.
func (b *Box) AppendOpen(dst, sealed, bound []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, ErrOpen
	}
	out, err := b.random.Open(dst, nil, sealed, bound)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// Bind joins parts into associated data such that no two different lists of parts
// give the same bytes: each part is preceded by its length.
func Bind(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// KeyID names a key without telling anything about it: 8 bytes derived one way.
type KeyID [8]byte

// ID returns the name of the key.
func (k Key) ID() KeyID {
	var id KeyID
	copy(id[:], k.Index("key-id", ""))
	return id
}

// Keyring wraps and unwraps data keys. The first key wraps; all of them unwrap.
type Keyring struct {
	primary KeyID
	boxes   map[KeyID]*Box
	keys    map[KeyID]Key
}

// NewKeyring makes a ring of the operator's keys, the current one first.
func NewKeyring(current Key, older ...Key) *Keyring {
	r := &Keyring{primary: current.ID(), boxes: map[KeyID]*Box{}, keys: map[KeyID]Key{}}
	for _, k := range append([]Key{current}, older...) {
		r.boxes[k.ID()] = k.Derive("wrap").Box()
		r.keys[k.ID()] = k
	}
	return r
}

// Wrap seals a data key for the place that bound names. The result starts with the
// wrapping key's KeyID.
func (r *Keyring) Wrap(k Key, bound []byte) []byte {
	return append(r.primary[:len(r.primary):len(r.primary)], r.boxes[r.primary].Seal(k.b[:], bound)...)
}

// Unwrap opens what Wrap made: ErrNoKey when the ring lacks the key, ErrOpen when the
// value is damaged or belongs to another place.
func (r *Keyring) Unwrap(wrapped, bound []byte) (Key, error) {
	var id KeyID
	if len(wrapped) < len(id) {
		return Key{}, ErrOpen
	}
	copy(id[:], wrapped)
	box, ok := r.boxes[id]
	if !ok {
		return Key{}, ErrNoKey
	}
	b, err := box.Open(wrapped[len(id):], bound)
	if err != nil {
		return Key{}, err
	}
	return KeyFrom(b)
}

// Current reports whether wrapped was made with the ring's first key; rotation
// re-wraps what was not.
func (r *Keyring) Current(wrapped []byte) bool {
	return len(wrapped) >= len(r.primary) && KeyID(wrapped[:len(r.primary)]) == r.primary
}

// ID returns the name of the key that wraps.
func (r *Keyring) ID() KeyID { return r.primary }

// Derive returns a subkey of the current operator's key for what is short-lived and may
// be lost when the key is rotated (sessions, handoffs).
func (r *Keyring) Derive(purpose string) Key { return r.keys[r.primary].Derive(purpose) }
