package redistest_test

import (
	"context"
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
