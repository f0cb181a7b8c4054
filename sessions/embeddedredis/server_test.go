package embeddedredis_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/symbolon/symbolon/seal"
	"github.com/symbolon/symbolon/sessions"
	"github.com/symbolon/symbolon/sessions/embeddedredis"
	"github.com/symbolon/symbolon/sessions/sessionredis"
	"github.com/symbolon/symbolon/sessions/sessiontest"
)

const childDir, childKey = "EMBEDDEDREDIS_TEST_DIR", "EMBEDDEDREDIS_TEST_KEY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		countForEver(dir)
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

func start(t *testing.T, c embeddedredis.Config) *embeddedredis.Server {
	t.Helper()
	s, err := embeddedredis.Start(c)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T) sessions.Store {
		return sessionredis.New(start(t, embeddedredis.Config{Dir: t.TempDir(), Key: seal.NewKey()}).Client())
	})
}

// fill writes a key of each kind; contents reads them back.
func fill(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	odd := string([]byte{0, 1, 255, 254, '\n', '"'})
	must(t, c.Set(ctx, "string", odd, 0).Err())
	must(t, c.Set(ctx, odd, "odd name", 0).Err())
	must(t, c.Set(ctx, "empty", "", 0).Err())
	must(t, c.HSet(ctx, "hash", "a", odd, "b", "2", "", "empty field").Err())
	must(t, c.RPush(ctx, "list", "x", "y", "x").Err())
	must(t, c.SAdd(ctx, "set", "m", "n").Err())
	must(t, c.ZAdd(ctx, "zset", redis.Z{Score: 1.5, Member: "a"}, redis.Z{Score: 1763871234567, Member: "b"}).Err())
	must(t, c.Set(ctx, "short", "gone in an hour", time.Hour).Err())
	must(t, c.HSet(ctx, "long", "f", "v").Err())
	must(t, c.PExpire(ctx, "long", 48*time.Hour).Err())
}

func contents(t *testing.T, c redis.UniversalClient) map[string]any {
	t.Helper()
	names, err := c.Keys(ctx, "*").Result()
	must(t, err)
	all := map[string]any{}
	for _, name := range names {
		kind, err := c.Type(ctx, name).Result()
		must(t, err)
		switch kind {
		case "string":
			all[name], err = c.Get(ctx, name).Result()
		case "hash":
			all[name], err = c.HGetAll(ctx, name).Result()
		case "list":
			all[name], err = c.LRange(ctx, name, 0, -1).Result()
		case "set":
			all[name], err = c.SMembers(ctx, name).Result()
		case "zset":
			all[name], err = c.ZRangeWithScores(ctx, name, 0, -1).Result()
		}
		must(t, err)
	}
	return all
}

func TestARestartKeepsEverythingButWhatExpired(t *testing.T) {
	dir, key, now := t.TempDir(), seal.NewKey(), time.Now()
	clock := func() time.Time { return now }
	first := start(t, embeddedredis.Config{Dir: dir, Key: key, Now: clock})
	fill(t, first.Client())
	before := contents(t, first.Client())
	if len(before) != 9 {
		t.Fatalf("filled %d keys", len(before))
	}
	must(t, first.Close())
	must(t, first.Close())

	now = now.Add(time.Hour - time.Second)
	second := start(t, embeddedredis.Config{Dir: dir, Key: key, Now: clock})
	if after := contents(t, second.Client()); !reflect.DeepEqual(after, before) {
		t.Errorf("before %v\nafter  %v", before, after)
	}
	for name, want := range map[string]time.Duration{"short": time.Second, "long": 47*time.Hour + time.Second, "string": -1} {
		if ttl, err := second.Client().PTTL(ctx, name).Result(); err != nil || ttl > want || ttl < want-time.Millisecond {
			t.Errorf("%s lives for %v, want %v (%v)", name, ttl, want, err)
		}
	}
	must(t, second.Close())

	now = now.Add(time.Second)
	third := start(t, embeddedredis.Config{Dir: dir, Key: key, Now: clock})
	if n, err := third.Client().Exists(ctx, "short", "long").Result(); err != nil || n != 1 {
		t.Errorf("%d keys of 1 are there after the hour: %v", n, err)
	}
}

// Nothing is closed here: the file alone must be enough.
func TestAChangeIsOnDiskWithoutAClose(t *testing.T) {
	dir, key := t.TempDir(), seal.NewKey()
	s := start(t, embeddedredis.Config{Dir: dir, Key: key})
	fill(t, s.Client())
	want := contents(t, s.Client())
	began := time.Now()
	for {
		copied := t.TempDir()
		if data, err := os.ReadFile(filepath.Join(dir, "sessions.snapshot")); err == nil {
			must(t, os.WriteFile(filepath.Join(copied, "sessions.snapshot"), data, 0o600))
		}
		next := start(t, embeddedredis.Config{Dir: copied, Key: key})
		got := contents(t, next.Client())
		must(t, next.Close())
		if reflect.DeepEqual(got, want) {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("on disk: %v\nwant: %v", got, want)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "sessions.snapshot"))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	data, _ := os.ReadFile(filepath.Join(dir, "sessions.snapshot"))
	if bytes.Contains(data, []byte("zset")) {
		t.Error("the snapshot can be read without the key")
	}
}

// countForEver is the process that TestAKilledProcess kills.
func countForEver(dir string) {
	key, err := seal.ParseKey(os.Getenv(childKey))
	if err != nil {
		panic(err)
	}
	s, err := embeddedredis.Start(embeddedredis.Config{Dir: dir, Key: key})
	if err != nil {
		panic(err)
	}
	for i := 1; ; i++ {
		_, err := s.Client().TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, "a", i, time.Hour)
			p.HSet(ctx, "b", "n", i)
			return nil
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(i) // acknowledged
		time.Sleep(time.Millisecond)
	}
}

func TestAKilledProcess(t *testing.T) {
	dir, key := t.TempDir(), seal.NewKey()
	for range 2 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childKey+"="+key.Encode())
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines, began := bufio.NewScanner(out), time.Now()
		old := 0 // acknowledged well before the kill
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			must(t, err)
			// 200 ms are promised; this machine may be busy.
			if time.Since(began) < 500*time.Millisecond {
				old = n
			}
			if time.Since(began) > 1500*time.Millisecond {
				break
			}
		}
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()

		s := start(t, embeddedredis.Config{Dir: dir, Key: key})
		a, errA := s.Client().Get(ctx, "a").Int()
		b, errB := s.Client().HGet(ctx, "b", "n").Int()
		if errA != nil || errB != nil || a != b || old == 0 || a < old {
			t.Errorf("kept a=%d b=%d, acknowledged long before: %d (%v, %v)", a, b, old, errA, errB)
		}
		if ttl, _ := s.Client().TTL(ctx, "a").Result(); ttl <= 59*time.Minute || ttl > time.Hour {
			t.Errorf("TTL after the kill: %v", ttl)
		}
		must(t, s.Close())
	}
}

func TestTheClockExpiresKeys(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, embeddedredis.Config{Dir: dir, Key: seal.NewKey()})
		must(t, s.Client().Set(ctx, "k", "v", 10*time.Second).Err())
		time.Sleep(9 * time.Second)
		if err := s.Client().Get(ctx, "k").Err(); err != nil {
			t.Error("gone too early:", err)
		}
		time.Sleep(2 * time.Second)
		if err := s.Client().Get(ctx, "k").Err(); err != redis.Nil {
			t.Error("still there:", err)
		}
		must(t, s.Close())
	})
}

func TestAnUnusableSnapshotIsMovedAside(t *testing.T) {
	key := seal.NewKey()
	good := func(t *testing.T, dir string) []byte {
		s := start(t, embeddedredis.Config{Dir: dir, Key: key})
		fill(t, s.Client())
		must(t, s.Close())
		data, err := os.ReadFile(filepath.Join(dir, "sessions.snapshot"))
		must(t, err)
		return data
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"cut":           func(b []byte) []byte { return b[:len(b)-1] },
		"only its head": func(b []byte) []byte { return b[:20] },
		"flipped":       func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"another form":  func(b []byte) []byte { return append([]byte("symbolon sessions 2\n"), b[20:]...) },
		"foreign":       func([]byte) []byte { return []byte("SQLite format 3\x00") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := damage(good(t, dir))
			must(t, os.WriteFile(filepath.Join(dir, "sessions.snapshot"), bad, 0o600))
			checkStartsEmpty(t, dir, key, bad)
		})
	}
	t.Run("another key's", func(t *testing.T) {
		dir := t.TempDir()
		checkStartsEmpty(t, dir, seal.NewKey(), good(t, dir))
	})
}

func checkStartsEmpty(t *testing.T, dir string, key seal.Key, bad []byte) {
	t.Helper()
	var log bytes.Buffer
	s := start(t, embeddedredis.Config{Dir: dir, Key: key, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if got := contents(t, s.Client()); len(got) != 0 {
		t.Errorf("started with %v", got)
	}
	if !strings.Contains(log.String(), "moved aside") {
		t.Errorf("log: %s", log.String())
	}
	aside, err := filepath.Glob(filepath.Join(dir, "sessions.snapshot.unusable-*"))
	if err != nil || len(aside) != 1 {
		t.Fatal(aside, err)
	}
	if data, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(data, bad) {
		t.Error("what was moved aside is not what was there", err)
	}
	fill(t, s.Client())
	must(t, s.Close())
	if s := start(t, embeddedredis.Config{Dir: dir, Key: key}); len(contents(t, s.Client())) != 9 {
		t.Error("the next snapshot does not work")
	}
}

func TestASnapshotNeverHoldsHalfOfATransaction(t *testing.T) {
	dir, key := t.TempDir(), seal.NewKey()
	s := start(t, embeddedredis.Config{Dir: dir, Key: key})
	between := make([]any, 0, 16000) // they take time to copy after the a's and before the b's
	for i := range 8000 {
		between = append(between, fmt.Sprint("az", i), "x")
	}
	must(t, s.Client().MSet(ctx, between...).Err())
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, err := s.Client().TxPipelined(ctx, func(p redis.Pipeliner) error {
					p.Set(ctx, fmt.Sprint("a", w), i, 0)
					p.Set(ctx, fmt.Sprint("b", w), i, 0)
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	seen := map[string]bool{}
	for end := time.Now().Add(30 * time.Second); len(seen) < 4 && time.Now().Before(end); {
		data, err := os.ReadFile(filepath.Join(dir, "sessions.snapshot"))
		if err != nil || seen[string(data)] {
			time.Sleep(time.Millisecond)
			continue
		}
		seen[string(data)] = true
		copied := t.TempDir()
		must(t, os.WriteFile(filepath.Join(copied, "sessions.snapshot"), data, 0o600))
		next := start(t, embeddedredis.Config{Dir: copied, Key: key})
		for w := range 4 {
			got, err := next.Client().MGet(ctx, fmt.Sprint("a", w), fmt.Sprint("b", w)).Result()
			if err != nil || got[0] != got[1] {
				t.Errorf("half a transaction: %v, %v", got, err)
			}
		}
		must(t, next.Close())
	}
	close(stop)
	wg.Wait()
	if len(seen) < 4 {
		t.Errorf("only %d snapshots in 30 s", len(seen))
	}
}

func TestASnapshotThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	dir, key := t.TempDir(), seal.NewKey()
	s := start(t, embeddedredis.Config{Dir: dir, Key: key, Log: slog.New(slog.DiscardHandler)})
	blocked := filepath.Join(dir, "sessions.snapshot.tmp")
	must(t, os.Mkdir(blocked, 0o700))
	must(t, s.Client().Set(ctx, "k", "v", 0).Err())
	if err := s.Client().Get(ctx, "k").Err(); err != nil {
		t.Error("a full disk stops the server:", err)
	}
	path := filepath.Join(dir, "sessions.snapshot")
	time.AfterFunc(100*time.Millisecond, func() { _ = os.Remove(blocked) })
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("never written")
		}
	}
	must(t, os.Mkdir(blocked, 0o700))
	must(t, s.Client().Set(ctx, "k", "w", 0).Err())
	if err := s.Close(); err == nil {
		t.Error("the last snapshot failed and Close says nothing")
	}
}

func TestStartRefusesAnIncompleteConfig(t *testing.T) {
	if _, err := embeddedredis.Start(embeddedredis.Config{Key: seal.NewKey()}); err == nil {
		t.Error("no directory")
	}
	if _, err := embeddedredis.Start(embeddedredis.Config{Dir: t.TempDir()}); err == nil {
		t.Error("no key")
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := embeddedredis.Start(embeddedredis.Config{Dir: file, Key: seal.NewKey()}); err == nil {
		t.Error("a file for a directory")
	}
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "sessions.snapshot"), 0o700))
	if _, err := embeddedredis.Start(embeddedredis.Config{Dir: dir, Key: seal.NewKey()}); err == nil {
		t.Error("a snapshot that cannot be read is not an empty one")
	}
}
