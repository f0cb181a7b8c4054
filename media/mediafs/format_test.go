package mediafs_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/media/mediafs"
	"github.com/symbolon/symbolon/seal"
)

// bound is Bind of docs/formats/media.md, written once more.
func bound(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return b
}

// TestStoredFormIsTheDescribedOne reads what is on the disk by docs/formats/media.md alone, with the
// standard library: what is stored today has to be readable for years.
func TestStoredFormIsTheDescribedOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "media")
	store, err := mediafs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, seal.KeySize)
	_, _ = rand.Read(secret)
	key, err := seal.KeyFrom(secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := media.New(media.Config{
		Store:     store,
		Key:       func(context.Context, string) (seal.Key, error) { return key, nil },
		Completed: func(context.Context, media.Status) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	id := "upl_" + ulid.Make().String()
	_, err = s.Create(t.Context(), media.Info{
		ID: id, CaseID: "case_1", Step: "document_front", Owner: "hnd_1", Epoch: 3, MaxBytes: 1 << 20, ExpiresAt: time.Now().Add(time.Hour),
	}, -1)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 2*65536+500)
	_, _ = rand.Read(plain)

	sub, err := hkdf.Key(sha256.New, secret, nil, string(bound("media", id)), 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(sub)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	open := func(sealed []byte, n int, kind string) []byte {
		t.Helper()
		out, err := gcm.Open(nil, sealed[:12], sealed[12:], bound(id, strconv.Itoa(n), kind))
		if err != nil {
			t.Fatalf("segment %d as %s: %v", n, kind, err)
		}
		return out
	}
	file := func(ext string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, id[len(id)-2:], id+ext))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}

	if _, err := s.Append(t.Context(), id, media.AppendRequest{Length: -1, Body: bytes.NewReader(plain[:65536+7])}); err != nil {
		t.Fatal(err)
	}
	tail := file(".tail")
	if n := binary.BigEndian.Uint64(tail); n != 1 || !bytes.Equal(open(tail[8:], 1, "tail"), plain[65536:65536+7]) {
		t.Fatalf("the tail is of segment %d, or other bytes", n)
	}

	if _, err := s.Append(t.Context(), id, media.AppendRequest{Offset: 65536 + 7, Length: int64(len(plain)), Body: bytes.NewReader(plain[65536+7:])}); err != nil {
		t.Fatal(err)
	}
	data := file(".data")
	if len(data) != len(plain)+28*3 {
		t.Fatalf("%d bytes of data", len(data))
	}
	got := append(open(data[:65564], 0, "more"), open(data[65564:2*65564], 1, "more")...)
	if got = append(got, open(data[2*65564:], 2, "final")...); !bytes.Equal(got, plain) {
		t.Fatal("other bytes")
	}

	var info struct {
		Schema int
		Info   map[string]any
		Length int64
		Final  struct {
			Length int64
			SHA256 string
		}
	}
	if err := json.Unmarshal(file(".info"), &info); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(plain)
	if info.Schema != 1 || info.Length != int64(len(plain)) || info.Final.Length != info.Length ||
		info.Final.SHA256 != base64.StdEncoding.EncodeToString(sum[:]) || info.Info["owner"] != "hnd_1" || info.Info["case_id"] != "case_1" {
		t.Fatalf("info: %s", file(".info"))
	}
	if _, err := os.Stat(filepath.Join(dir, id[len(id)-2:], id+".tail")); err == nil {
		t.Fatal("the tail is still there")
	}
}
