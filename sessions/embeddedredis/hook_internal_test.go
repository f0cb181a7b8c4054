package embeddedredis

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/symbolon/symbolon/seal"
)

// dialing calls meanwhile before each new connection.
type dialing struct{ meanwhile func() }

func (d dialing) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		d.meanwhile()
		return next(ctx, network, addr)
	}
}
func (dialing) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (dialing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A command that has to open a connection greets the server with commands of its own, while a
// snapshot may be waiting for the first to end.
func TestConnectionOpenedWhileASnapshotWaits(t *testing.T) {
	s, err := Start(Config{Dir: t.TempDir(), Key: seal.NewKey()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	client := s.client
	idle := client.Conn() // takes the only connection away
	if err := idle.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	saved := make(chan struct{})
	client.AddHook(dialing{func() {
		go func() {
			s.quiet.Lock() // the lock is all that a snapshot shows here
			defer s.quiet.Unlock()
			close(saved)
		}()
		for s.quiet.TryRLock() { // until the snapshot waits
			s.quiet.RUnlock()
			if ctx.Err() != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}})
	done := make(chan error, 1)
	go func() { done <- client.Set(ctx, "a", "b", 0).Err() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done(): // nothing can be closed then either
		t.Fatal("the command and the snapshot wait for each other")
	}
	<-saved
	_ = idle.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
