package sessionredis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Client is the client of one Redis server, its sentinels or a cluster.
type Client = redis.UniversalClient

// Open connects to the Redis that an operator names, and checks that it answers:
//
//	redis://[user:password@]host:port[/db]    one server
//	rediss://…                                the same over TLS
//	unix://[user:password@]/path/to/socket    one server of this machine
//	redis://a:6379,redis://b:6379,…           a cluster, by some of its nodes
//	redis://s1:26379,redis://s2:26379?master_name=NAME   a master, by its sentinels
//
// Of several addresses the first one's user, password and scheme hold for all. The
// client is the caller's to close. Errors never repeat the password. A command of the client, or a
// pipeline, ends within two seconds even where Redis does not answer, and those after it end at once for a while: the calls
// of one request do not wait one after the other.
func Open(ctx context.Context, address string) (redis.UniversalClient, error) {
	one, several, err := parse(address)
	if err != nil {
		return nil, err
	}
	// Without this a caller's deadline would not reach a connection that hangs.
	var client redis.UniversalClient
	if one != nil {
		one.ContextTimeoutEnabled = true
		client = redis.NewClient(one)
	} else {
		several.ContextTimeoutEnabled = true
		client = redis.NewUniversalClient(several)
	}
	client.AddHook(&patience{})
	if err := Ping(ctx, client); err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("reach Redis: %w", err)
	}
	return client, nil
}

// Ping reports whether the Redis behind client serves: the server or the master answers, or a cluster that
// does says that it is whole enough for its own rules.
func Ping(ctx context.Context, client Client) error {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return client.Ping(ctx).Err()
	}
	// A PING goes to any node, and each answers it whatever became of the others.
	info, err := cluster.ClusterInfo(ctx).Result()
	if err == nil && !strings.Contains(info, "cluster_state:ok\r\n") {
		err = errors.New("sessionredis: the cluster does not serve: too many of its nodes are gone")
	}
	return err
}

// LogTo sends what the driver has to say of its connections to log, for every client of this process.
func LogTo(log *slog.Logger) { redis.SetLogger(said{log}) }

type said struct{ log *slog.Logger }

func (s said) Printf(ctx context.Context, format string, v ...any) {
	s.log.WarnContext(ctx, "redis", "said", fmt.Sprintf(strings.TrimPrefix(format, "redis: "), v...))
}

// ErrAddress is returned for an address that Open cannot read.
var ErrAddress = errors.New(`sessionredis: write the address of Redis as redis://host:port, rediss://host:port or unix:///path, several separated by commas`)

// parse returns the options of one server, or else of several.
func parse(address string) (one *redis.Options, several *redis.UniversalOptions, err error) {
	several = &redis.UniversalOptions{}
	parts := strings.Split(address, ",")
	for i, part := range parts {
		part, master, err := cutMaster(strings.TrimSpace(part))
		if err != nil {
			return nil, nil, err
		}
		o, err := redis.ParseURL(part)
		if err != nil || slices.Contains(several.Addrs, o.Addr) {
			return nil, nil, ErrAddress // not err: it can quote the address, and so the password
		}
		if len(parts) == 1 && master == "" {
			return o, nil, nil
		}
		if o.Network == "unix" {
			return nil, nil, ErrAddress
		}
		several.Addrs = append(several.Addrs, o.Addr)
		if master != "" {
			several.MasterName = master
		}
		if i == 0 {
			several.Username, several.Password, several.DB, several.TLSConfig = o.Username, o.Password, o.DB, o.TLSConfig
			if o.TLSConfig != nil {
				several.TLSConfig.ServerName = "" // each node is checked by its own name
			}
		}
	}
	if several.MasterName != "" {
		// Sentinels commonly share the password of the servers they watch.
		several.SentinelUsername, several.SentinelPassword = several.Username, several.Password
	}
	return nil, several, nil
}

// cutMaster takes master_name out of an address.
func cutMaster(address string) (rest, name string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", ErrAddress
	}
	q := u.Query()
	if !q.Has("master_name") {
		return address, "", nil
	}
	name = q.Get("master_name")
	q.Del("master_name")
	u.RawQuery = q.Encode()
	return u.String(), name, nil
}
