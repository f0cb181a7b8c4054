package cases

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/crypto/argon2"
)

// Argon2id (RFC 9106) parameters of new passwords: 19 MiB, two passes, one lane. Those of a
// stored password stand with it, so these can grow.
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonSalt   = 16
	argonHash   = 32
	// argonMost bounds what a stored hash may ask for, so that a damaged one cannot take the memory.
	argonMostMemory, argonMostPasses = 256 << 10, 16
)

// passwords hashes with bounded memory: at most as many at once as there are processors, and
// nobody waits longer than a moment for a turn.
type passwords struct {
	turn  chan struct{}
	wait  time.Duration
	decoy string // what an unknown account's password is compared with
}

func newPasswords() passwords {
	p := passwords{turn: make(chan struct{}, runtime.GOMAXPROCS(0)), wait: 5 * time.Second}
	p.decoy = encodePassword(rand.Text(), argonMemory, argonPasses)
	return p
}

// hash returns the PHC string of a new password; ErrBusy when no turn came.
func (p passwords) hash(ctx context.Context, password string) (string, error) {
	done, err := p.take(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return encodePassword(password, argonMemory, argonPasses), nil
}

// matches compares a password with a PHC string, or for "" with the decoy, which takes as long
// and never matches.
func (p passwords) matches(ctx context.Context, phc, password string) (bool, error) {
	done, err := p.take(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	known := phc != ""
	if !known {
		phc = p.decoy
	}
	memory, passes, salt, want, err := decodePassword(phc)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, 1, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

func (p passwords) take(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, ErrBusy.After(time.Second)
	}
}

func encodePassword(password string, memory, passes uint32) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, memory, passes,
		b.EncodeToString(salt), b.EncodeToString(argon2.IDKey([]byte(password), salt, passes, memory, 1, argonHash)))
}

var errPasswordForm = errors.New("cases: stored password is not an argon2id hash")

func decodePassword(phc string) (memory, passes uint32, salt, hash []byte, err error) {
	var version int
	var salted, hashed string
	n, err := fmt.Sscanf(phc, "$argon2id$v=%d$m=%d,t=%d,p=1$%s", &version, &memory, &passes, &salted)
	if err != nil || n != 4 || version != argon2.Version || memory > argonMostMemory || passes > argonMostPasses || passes == 0 {
		return 0, 0, nil, nil, errPasswordForm
	}
	for i := range len(salted) {
		if salted[i] == '$' {
			salted, hashed = salted[:i], salted[i+1:]
			break
		}
	}
	b := base64.RawStdEncoding.Strict()
	if salt, err = b.DecodeString(salted); err == nil {
		hash, err = b.DecodeString(hashed)
	}
	if err != nil || len(hash) != argonHash || len(salt) < 8 {
		return 0, 0, nil, nil, errPasswordForm
	}
	return memory, passes, salt, hash, nil
}
