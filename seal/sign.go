package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
)

// Errors of signed papers.
var (
	ErrSigningKeyForm = errors.New("seal: a signing key is an Ed25519 key in a PEM file")
	ErrPaperForm      = errors.New("seal: not a signed paper of this kind")
	ErrSignature      = errors.New("seal: the signature does not fit the paper and the key")
)

// SigningKey signs papers that leave the server: checkpoints and certificates. It is Ed25519, and apart from
// the operator's key, so that it can be kept where the server is not.
type SigningKey struct{ k ed25519.PrivateKey }

// PublicKey checks what a SigningKey signed.
type PublicKey struct{ k ed25519.PublicKey }

// NewSigningKey returns a fresh random key.
func NewSigningKey() SigningKey {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("seal: ed25519: %v", err)) // rand.Reader never fails
	}
	return SigningKey{k}
}

// ParseSigningKey reads a PKCS #8 PEM file, as Encode and "openssl genpkey -algorithm ed25519" write it.
func ParseSigningKey(b []byte) (SigningKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return SigningKey{}, ErrSigningKeyForm
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	k, ok := any.(ed25519.PrivateKey)
	if err != nil || !ok {
		return SigningKey{}, ErrSigningKeyForm
	}
	return SigningKey{k}, nil
}

// ParsePublicKey reads a PKIX PEM file, as PublicKey.Encode and "openssl pkey -pubout" write it.
func ParsePublicKey(b []byte) (PublicKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PUBLIC KEY" {
		return PublicKey{}, ErrSigningKeyForm
	}
	any, err := x509.ParsePKIXPublicKey(block.Bytes)
	k, ok := any.(ed25519.PublicKey)
	if err != nil || !ok {
		return PublicKey{}, ErrSigningKeyForm
	}
	return PublicKey{k}, nil
}

// Encode writes the key in the clear, as PEM. Only what creates the key's file calls it.
func (s SigningKey) Encode() []byte {
	b, err := x509.MarshalPKCS8PrivateKey(s.k)
	if err != nil {
		panic(fmt.Sprintf("seal: encode an ed25519 key: %v", err))
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
}

// Encode writes the key as PEM.
func (p PublicKey) Encode() []byte {
	b, err := x509.MarshalPKIXPublicKey(p.k)
	if err != nil {
		panic(fmt.Sprintf("seal: encode an ed25519 key: %v", err))
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b})
}

// String keeps the key out of every format verb.
func (s SigningKey) String() string { return "[signing key]" }

// GoString keeps the key out of %#v.
func (s SigningKey) GoString() string { return "[signing key]" }

// LogValue keeps the key out of logs.
func (s SigningKey) LogValue() slog.Value { return slog.StringValue("[signing key]") }

// Public returns the key that checks what s signs.
func (s SigningKey) Public() PublicKey { return PublicKey{s.k.Public().(ed25519.PublicKey)} }

// ID names the key: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes.
func (p PublicKey) ID() string {
	sum := sha256.Sum256(p.k)
	return hex.EncodeToString(sum[:8])
}

// paper is a signed JSON file (docs/formats/audit.md).
type paper struct {
	Kind      string          `json:"kind"`
	Content   json.RawMessage `json:"content"`
	Key       string          `json:"key"`
	Signature []byte          `json:"signature"`
}

// Sign returns v as a signed paper of a kind: an indented JSON file.
func (s SigningKey) Sign(kind string, v any) ([]byte, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("seal: encode a paper: %w", err)
	}
	b, err := json.MarshalIndent(paper{kind, content, s.Public().ID(), ed25519.Sign(s.k, signed(kind, content))}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("seal: encode a paper: %w", err)
	}
	return append(b, '\n'), nil
}

// Open checks a signed paper of a kind and reads its content into v: ErrPaperForm, ErrSignature.
func (p PublicKey) Open(kind string, b []byte, v any) error {
	var in paper
	if err := json.Unmarshal(b, &in); err != nil || in.Kind != kind {
		return ErrPaperForm
	}
	var content bytes.Buffer
	if err := json.Compact(&content, in.Content); err != nil {
		return ErrPaperForm
	}
	if len(p.k) != ed25519.PublicKeySize || !ed25519.Verify(p.k, signed(kind, content.Bytes()), in.Signature) {
		return ErrSignature
	}
	if err := json.Unmarshal(content.Bytes(), v); err != nil {
		return ErrPaperForm
	}
	return nil
}

// OpenExact is Open for a paper of which not one byte may be another: its form has to be the one that Sign writes.
func (p PublicKey) OpenExact(kind string, b []byte, v any) error {
	if err := p.Open(kind, b, v); err != nil {
		return err
	}
	var in paper
	if err := json.Unmarshal(b, &in); err != nil || in.Key != p.ID() {
		return ErrPaperForm
	}
	again, err := json.MarshalIndent(in, "", " ")
	if err != nil || !bytes.Equal(append(again, '\n'), b) {
		return ErrPaperForm
	}
	return nil
}

// signed is what a signature is over: the kind, a line break, and the content without white space
// between its tokens.
func signed(kind string, content []byte) []byte { return append([]byte(kind+"\n"), content...) }
