package redistest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/symbolon/symbolon/sessions/redistest"
)

func TestBothServersRunScripts(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		got, err := c.Eval(context.Background(), `redis.call('SET', KEYS[1], ARGV[1]); return redis.call('GET', KEYS[1])`,
			[]string{"{a}x"}, "1").Text()
		if err != nil || got != "1" {
			t.Fatal(got, err)
		}
	})
}

func TestARestartedServerIsEmptyAtTheSameAddress(t *testing.T) {
	redistest.EachServer(t, func(t *testing.T, s *redistest.Server) {
		ctx, c := context.Background(), s.Client()
		if err := c.Set(ctx, "k", "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		s.Stop()
		s.Stop()
		if err := c.Get(ctx, "k").Err(); err == nil || err == redis.Nil {
			t.Fatal("a stopped server answers:", err)
		}
		s.Restart()
		if err := c.Get(ctx, "k").Err(); err != redis.Nil {
			t.Fatal("want an empty server, got", err)
		}
	})
}

func TestAClusterSpreadsItsKeys(t *testing.T) {
	c := redistest.StartCluster(t)
	client := c.Client()
	for i := range 100 {
		if err := client.Set(t.Context(), fmt.Sprint("key", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	sum := int64(0)
	for i, n := range c.Keys() {
		if sum += n; n == 0 {
			t.Errorf("node %d holds nothing", i)
		}
	}
	// The rule that the clients' hook holds in every test is the cluster's.
	if err := client.Eval(t.Context(), `return redis.call('GET', KEYS[1])`, []string{"{a}1", "{a}2"}).Err(); err != redis.Nil {
		t.Errorf("two keys of one slot: %v", err)
	}
	c.Clear()
	if n := c.Keys(); sum != 100 || n[0]+n[1]+n[2] != 0 {
		t.Errorf("%d keys, and %v after all were cleared", sum, n)
	}
}
