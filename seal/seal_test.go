package seal_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/symbolon/symbolon/seal"
)

func TestAValueOpensOnlyWithItsKeyAndInItsPlace(t *testing.T) {
	k, place := seal.NewKey(), seal.Bind("case", "case_1", "identity")
	sealed := k.Seal([]byte("张三"), place)
	if len(sealed) != len("张三")+seal.Overhead {
		t.Errorf("%d bytes", len(sealed))
	}
	if got, err := k.Open(sealed, place); err != nil || string(got) != "张三" {
		t.Fatalf("%q, %v", got, err)
	}
	if bytes.Equal(sealed, k.Seal([]byte("张三"), place)) {
		t.Error("the same value is sealed the same way twice")
	}
	for name, open := range map[string]func() ([]byte, error){
		"another key":   func() ([]byte, error) { return seal.NewKey().Open(sealed, place) },
		"another field": func() ([]byte, error) { return k.Open(sealed, seal.Bind("case", "case_1", "email")) },
		"another case":  func() ([]byte, error) { return k.Open(sealed, seal.Bind("case", "case_2", "identity")) },
		"no place":      func() ([]byte, error) { return k.Open(sealed, nil) },
		"cut":           func() ([]byte, error) { return k.Open(sealed[:len(sealed)-1], place) },
		"nothing":       func() ([]byte, error) { return k.Open(nil, place) },
	} {
		if got, err := open(); !errors.Is(err, seal.ErrOpen) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := k.Open(bad, place); err == nil {
			t.Fatalf("byte %d changed, and it opens", i)
		}
	}
}

func TestPlacesDoNotRunIntoEachOther(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"a", "bc"}, {"ab", "c"}, {"abc"}, {"a", "b", "c"}, {"\x00\x00\x00\x01a"}, {"a", ""}, {"", "a"}} {
		b := string(seal.Bind(parts...))
		if other, ok := seen[b]; ok {
			t.Errorf("%q and %q are one place", parts, other)
		}
		seen[b] = parts
	}
}

// What was stored yesterday must open tomorrow. The values were computed by another implementation of
// HMAC-SHA256 and HKDF (RFC 5869) from the description in docs/formats/keys.md.
func TestDerivedValuesStayWhatTheyAre(t *testing.T) {
	k, err := seal.ParseKey("symk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
	if err != nil {
		t.Fatal(err)
	}
	id := k.ID()
	for what, row := range map[string]struct{ got, want string }{
		"index":  {hex.EncodeToString(k.Index("email", "anna@example.com")), "0f3135f5b1a4c7c6c18b4ef3b54f530b702837eefd30fc9736bbf57ac4d44a36"},
		"id":     {hex.EncodeToString(id[:]), "b52aa27f6d606088"},
		"encode": {k.Encode(), "symk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"},
		"derive": {k.Derive("media", "upl_1").Encode(), "symk1_nuJC0CyrsoHg2c2ELsClj7g9deYhuFkaj9_tVk6QLgU"},
	} {
		if row.got != row.want {
			t.Errorf("%s: %s, want %s", what, row.got, row.want)
		}
	}
}

func TestAKeyIsReadAsItIsWritten(t *testing.T) {
	k := seal.NewKey()
	if got, err := seal.ParseKey(" " + k.Encode() + "\n"); err != nil || got != k {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "symk1_", k.Encode()[6:], k.Encode() + "A", k.Encode()[:48], "symk1_" + strings.Repeat("=", 43), "symk2_" + k.Encode()[6:], "symk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9"} {
		if _, err := seal.ParseKey(bad); !errors.Is(err, seal.ErrKeyForm) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAKeyIsNeverPrinted(t *testing.T) {
	k := seal.NewKey()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "in", struct{ K seal.Key }{k})
	out := log.String() + fmt.Sprint(k) + fmt.Sprintf("%v %+v %#v %s %x %q", k, k, k, k, k, k) + fmt.Sprintf("%+v", struct{ K *seal.Key }{&k})
	raw := k.Encode()[6:]
	for _, secret := range []string{raw, raw[:12]} {
		if strings.Contains(out, secret) {
			t.Errorf("the key is printed: %s", out)
		}
	}
	if strings.Count(out, "[key]") < 4 {
		t.Errorf("%s", out)
	}
}

func TestKeyring(t *testing.T) {
	old, current, place := seal.NewKey(), seal.NewKey(), seal.Bind("case", "case_1")
	data := seal.NewKey()
	before := seal.NewKeyring(old).Wrap(data, place)
	during := seal.NewKeyring(current, old)
	if got, err := during.Unwrap(before, place); err != nil || got != data {
		t.Fatalf("with both keys: %v", err)
	}
	if during.Current(before) {
		t.Error("what the old key wrapped is called current")
	}
	after := during.Wrap(data, place)
	if !during.Current(after) {
		t.Error("what the new key wrapped is not called current")
	}
	if _, err := seal.NewKeyring(old).Unwrap(after, place); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("with the old key alone: %v", err)
	}
	if _, err := seal.NewKeyring(current).Unwrap(after, seal.Bind("case", "case_2")); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("in another case: %v", err)
	}
	if bytes.Contains(after, []byte(data.Encode()[6:])) || len(after) != 8+seal.KeySize+seal.Overhead {
		t.Errorf("%d bytes", len(after))
	}
	for _, bad := range [][]byte{nil, {1}, after[:8], after[:len(after)-1]} {
		if _, err := during.Unwrap(bad, place); err == nil {
			t.Errorf("%x unwraps", bad)
		}
	}
	if during.Derive("sessions") != seal.NewKeyring(current).Derive("sessions") || during.Derive("sessions") == during.Derive("handoff") {
		t.Error("derived keys do not follow key and purpose")
	}
}

func FuzzOpen(f *testing.F) {
	k, place := seal.NewKey(), seal.Bind("x")
	f.Add(k.Seal([]byte("value"), place))
	f.Fuzz(func(t *testing.T, b []byte) {
		ring := seal.NewKeyring(k)
		_, _ = ring.Unwrap(b, place)
		if _, err := k.Open(b, seal.Bind("y")); err == nil {
			t.Error("a forged value opens")
		}
	})
}

func BenchmarkSeal64KiB(b *testing.B) {
	box, place, plain := seal.NewKey().Box(), seal.Bind("upl_1", "1", ""), make([]byte, 64<<10)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		box.Seal(plain, place)
	}
}

// What is sealed into a buffer opens as any other value does, and the other way round.
func TestBuffersHoldTheSameForm(t *testing.T) {
	b, bound := seal.NewKey().Box(), seal.Bind("case_1", "7")
	for _, n := range []int{0, 1, 65536} {
		plain := bytes.Repeat([]byte{7}, n)
		dst := append(make([]byte, 0, n+100), "before"...)
		out := b.AppendSeal(dst, plain, bound)
		if !bytes.HasPrefix(out, []byte("before")) || len(out) != 6+n+seal.Overhead {
			t.Fatalf("%d bytes became %d", n, len(out))
		}
		if got, err := b.Open(out[6:], bound); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("open: %v", err)
		}
		got, err := b.AppendOpen(dst, b.Seal(plain, bound), bound)
		if err != nil || !bytes.Equal(got[6:], plain) {
			t.Fatalf("open into a buffer: %v", err)
		}
		if again := b.AppendSeal(nil, plain, bound); bytes.Equal(again, out[6:]) {
			t.Fatal("the nonce is not new")
		}
		for _, at := range []int{6, 6 + 12, len(out) - 1} {
			out[at] ^= 1
			if got, err := b.AppendOpen(nil, out[6:], bound); err != seal.ErrOpen || got != nil {
				t.Fatalf("changed at %d: %v", at, err)
			}
			out[at] ^= 1
		}
		if _, err := b.AppendOpen(nil, out[6:], seal.Bind("case_1", "8")); err != seal.ErrOpen {
			t.Fatalf("another place: %v", err)
		}
	}
	if _, err := b.AppendOpen(nil, make([]byte, seal.Overhead-1), nil); err != seal.ErrOpen {
		t.Fatalf("too short: %v", err)
	}
}
