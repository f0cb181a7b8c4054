package sessionredis

import (
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestParse(t *testing.T) {
	one, _, err := parse("rediss://user:pass@host:1/3")
	if err != nil || one == nil || one.Addr != "host:1" || one.DB != 3 || one.Username != "user" || one.Password != "pass" || one.TLSConfig == nil {
		t.Errorf("one server: %+v, %v", one, err)
	}
	one, _, err = parse("unix:///run/redis.sock")
	if err != nil || one == nil || one.Network != "unix" || one.Addr != "/run/redis.sock" {
		t.Errorf("a socket: %+v, %v", one, err)
	}

	one, several, err := parse("redis://:pass@a:1, redis://b:2")
	if err != nil || one != nil || !slices.Equal(several.Addrs, []string{"a:1", "b:2"}) || several.Password != "pass" || several.MasterName != "" {
		t.Errorf("a cluster: %+v, %v", several, err)
	}
	cluster := redis.NewUniversalClient(several)
	defer cluster.Close()
	if _, ok := cluster.(*redis.ClusterClient); !ok {
		t.Errorf("two addresses give a %T", cluster)
	}

	_, several, err = parse("redis://:pass@a:1?master_name=main,redis://b:2?master_name=main")
	if err != nil || several.MasterName != "main" || several.SentinelPassword != "pass" || len(several.Addrs) != 2 {
		t.Errorf("sentinels: %+v, %v", several, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"redis://user:hunter2@a:1/2", "rediss://a", "unix:///x?db=1", "redis://a:1,redis://b:2", "redis://a?master_name=m", ",", "redis://:hunter2@[::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		one, several, err := parse(address)
		if err != nil {
			if err != ErrAddress { // anything else could repeat the password
				t.Errorf("%q: %v", address, err)
			}
			return
		}
		if (one == nil) == (several == nil) || several != nil && len(several.Addrs) == 0 {
			t.Errorf("%q: %+v, %+v", address, one, several)
		}
	})
}
