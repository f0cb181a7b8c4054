package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long several servers may take to find each other.
const patience = 30 * time.Second

// Cluster is a running Redis Cluster of three masters, which share the slots evenly.
type Cluster struct {
	// URL names its nodes, as sessionredis.Open reads it.
	URL string

	t     testing.TB
	addrs []string
	nodes []*process
}

// StartCluster starts a cluster for this test. Without redis-server on the PATH the test is
// skipped, or fails when CI=true.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	program := realRedis(t)
	const nodes = 3
	var last error
	for range 3 { // a port that was free may be taken by the time it is used
		ports := freePorts(t, 2*nodes)
		c := &Cluster{t: t}
		var running []*process
		var urls []string
		for i := range nodes {
			port, bus := ports[i], ports[nodes+i]
			running = append(running, start(t, program, port, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(bus),
				"--cluster-node-timeout", "1000", "--cluster-config-file", "nodes.conf"))
			c.addrs = append(c.addrs, fmt.Sprintf("127.0.0.1:%d", port))
			urls = append(urls, "redis://"+c.addrs[i])
		}
		c.URL = strings.Join(urls, ",")
		if last = c.join(ports[nodes:]); last == nil {
			c.nodes = running
			return c
		}
		for _, p := range running {
			p.stop()
		}
	}
	t.Fatalf("no cluster came to stand: %v", last)
	return nil
}

// join makes one cluster of the nodes and waits until each of them says so.
func (c *Cluster) join(buses []int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var nodes []*redis.Client
	for _, addr := range c.addrs {
		node := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
		defer node.Close()
		if err := until(ctx, func() error { return node.Ping(ctx).Err() }); err != nil {
			return err
		}
		nodes = append(nodes, node)
	}
	const slots = 16384
	for i, node := range nodes {
		from, to := i*slots/len(nodes), (i+1)*slots/len(nodes)-1
		if err := node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return err
		}
		if err := node.ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
			return err
		}
		if i > 0 {
			host, port, _ := net.SplitHostPort(c.addrs[i])
			if err := nodes[0].Do(ctx, "CLUSTER", "MEET", host, port, buses[i]).Err(); err != nil {
				return err
			}
		}
	}
	return until(ctx, func() error {
		for _, node := range nodes {
			info, err := node.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			for _, want := range []string{"cluster_state:ok", fmt.Sprint("cluster_known_nodes:", len(nodes)), fmt.Sprint("cluster_slots_ok:", slots)} {
				if !strings.Contains(info, want+"\r\n") {
					return errors.New(info)
				}
			}
		}
		return nil
	})
}

// Client returns a new client of the cluster, closed at the end of the test.
func (c *Cluster) Client() redis.UniversalClient {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.addrs})
	client.AddHook(oneSlot{c.t})
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// Kill kills one of the three nodes, which takes its share of the slots with it.
func (c *Cluster) Kill(node int) { c.nodes[node].stop() }

// Clear empties every node.
func (c *Cluster) Clear() {
	c.t.Helper()
	for _, addr := range c.addrs {
		node := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
		err := node.FlushAll(context.Background()).Err()
		_ = node.Close()
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// Keys returns how many keys each node holds.
func (c *Cluster) Keys() (n []int64) {
	c.t.Helper()
	for _, addr := range c.addrs {
		node := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
		size, err := node.DBSize(context.Background()).Result()
		_ = node.Close()
		if err != nil {
			c.t.Fatal(err)
		}
		n = append(n, size)
	}
	return n
}

// Sentinel is a master with one replica, watched by three sentinels that take the master for dead after
// half a second.
type Sentinel struct {
	// URL names the sentinels and the master, as sessionredis.Open reads it.
	URL string

	t      testing.TB
	master *process
	first  string // the address of the master at the start
	watch  []string
}

const masterName = "main"

// StartSentinel starts all five for this test. Without redis-server on the PATH the test is
// skipped, or fails when CI=true.
func StartSentinel(t testing.TB) *Sentinel {
	t.Helper()
	program := realRedis(t)
	var last error
	for range 3 { // as StartCluster
		ports := freePorts(t, 5)
		s := &Sentinel{t: t}
		s.master, s.first = start(t, program, ports[0], "--repl-diskless-sync-delay", "0"), fmt.Sprintf("127.0.0.1:%d", ports[0])
		running := []*process{s.master, start(t, program, ports[1], "--replicaof", "127.0.0.1 "+fmt.Sprint(ports[0]))}
		// The sentinels start when the replica follows: they ask the master at once, and then only every ten seconds.
		if last = s.follows(); last == nil {
			var urls []string
			for _, port := range ports[2:] {
				running = append(running, startSentinel(t, program, port, ports[0]))
				addr := fmt.Sprintf("127.0.0.1:%d", port)
				s.watch = append(s.watch, addr)
				urls = append(urls, "redis://"+addr+"?master_name="+masterName)
			}
			s.URL = strings.Join(urls, ",")
			if last = s.settled(); last == nil {
				return s
			}
		}
		for _, p := range running {
			p.stop()
		}
	}
	t.Fatalf("no sentinels came to stand: %v", last)
	return nil
}

// startSentinel starts a sentinel that watches the master.
func startSentinel(t testing.TB, program string, port, master int) *process {
	t.Helper()
	conf := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 2\nsentinel down-after-milliseconds %[1]s 500\n"+
		"sentinel failover-timeout %[1]s 3000\nsentinel parallel-syncs %[1]s 1\n", masterName, master)
	p := &process{t: t, dir: t.TempDir()}
	file := filepath.Join(p.dir, "sentinel.conf") // it writes what it learns into it
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(program, file, "--sentinel", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", p.dir, "--loglevel", "warning")
	return p
}

// follows waits until the replica follows the master.
func (s *Sentinel) follows() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m := redis.NewClient(&redis.Options{Addr: s.first, DisableIdentity: true})
	defer m.Close()
	return until(ctx, func() error {
		info, err := m.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "state=online") {
			err = errors.New(info)
		}
		return err
	})
}

// settled waits until every sentinel knows the master, the replica and the other two.
func (s *Sentinel) settled() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, addr := range s.watch {
		w := redis.NewSentinelClient(&redis.Options{Addr: addr, DisableIdentity: true})
		err := until(ctx, func() error {
			v, err := w.Master(ctx, masterName).Result()
			if err == nil && (v["num-slaves"] != "1" || v["num-other-sentinels"] != "2" || v["flags"] != "master") {
				err = fmt.Errorf("%v", v)
			}
			return err
		})
		_ = w.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// Client returns a new client of whichever server is the master, closed at the end of the test.
func (s *Sentinel) Client() redis.UniversalClient {
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: masterName, SentinelAddrs: s.watch})
	client.AddHook(oneSlot{s.t})
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// Replicated waits until the replica has everything that was written so far.
func (s *Sentinel) Replicated() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m := redis.NewClient(&redis.Options{Addr: s.first, DisableIdentity: true})
	defer m.Close()
	err := until(ctx, func() error {
		info, err := m.Info(ctx, "replication").Result()
		if err != nil {
			return err
		}
		_, mine, _ := strings.Cut(info, "master_repl_offset:")
		mine, _, _ = strings.Cut(mine, "\r\n")
		if !strings.Contains(info, "state=online,offset="+mine+",") {
			return errors.New(info)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal("the replica is behind: ", err)
	}
}

// KillMaster kills the master as a power cut would. The sentinels raise the replica in its place.
func (s *Sentinel) KillMaster() { s.master.stop() }

// process is a redis-server of several.
type process struct {
	t    testing.TB
	dir  string
	stop func() // twice is fine
}

// start starts a redis-server that keeps nothing on a port of this machine.
func start(t testing.TB, program string, port int, args ...string) *process {
	t.Helper()
	p := &process{t: t, dir: t.TempDir()}
	p.run(program, append([]string{"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", p.dir, "--loglevel", "warning"}, args...)...)
	return p
}

// run starts the program. The shell ends it when its stdin closes: by stop, or by the death of the test's process.
func (p *process) run(program string, args ...string) {
	p.t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", `"$@" & p=$!; read _; kill -9 $p; wait $p`, "sh", program}, args...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait() // its error only says that it was killed
		p.stop = func() {}
	}
	p.t.Cleanup(func() { p.stop() })
}

// freePorts returns n ports that nobody listens on now.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// until asks again until the answer is nil.
func until(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
