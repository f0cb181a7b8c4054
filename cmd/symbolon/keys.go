package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/seal"
)

const keysWords = `write one of:
  symbolon keys new            print a fresh operator's key
  symbolon keys rotate         wrap every data key with the first of SYMBOLON_KEY=NEW,OLD (or of two lines of the key file)
  symbolon keys reindex        make a new look-up key; the server must not run`

// keys makes keys and changes those of stored data.
func keys(ctx context.Context, args []string, std stdio) error {
	return subcommand(ctx, args, std, keysWords, map[string]func(context.Context, []string, stdio) error{
		"new": keysNew, "rotate": keysRotate, "reindex": keysReindex,
	})
}

func keysNew(_ context.Context, args []string, std stdio) error {
	if len(args) > 0 {
		return errors.New(keysWords)
	}
	_, err := fmt.Fprintln(std.out, seal.NewKey().Encode())
	return err
}

// openKeyed opens a store of cases that must be there, with the operator's keys that are given.
func openKeyed(ctx context.Context, c config) (*seal.Keyring, cases.Backend, error) {
	ring, err := givenKeys(c)
	if err != nil {
		return nil, nil, err
	}
	backend, err := openStored(ctx, c)
	return ring, backend, err
}

// keysRotate wraps every data key with the newest operator's key.
func keysRotate(ctx context.Context, args []string, std stdio) (err error) {
	c, err := readConfig("keys rotate", args, std.environ, std.out)
	if err != nil {
		return err
	}
	ring, backend, err := openKeyed(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	s, err := cases.New(ctx, cases.Config{Store: backend, History: backend, Accounts: backend, Keys: ring, Policy: c.Policy})
	if err != nil {
		return openWords(err)
	}
	n, err := s.Rotate(ctx)
	fmt.Fprintf(std.out, "Wrapped anew: %d accounts, %d cases. Right already: %d.\n", n.Accounts, n.Cases, n.Right)
	if errors.Is(err, seal.ErrNoKey) {
		return fmt.Errorf("a key is wrapped by an operator's key that was not given; add it after the new one and run this again (%w)", err)
	}
	if err != nil {
		return fmt.Errorf("not finished, run it again: %w", err)
	}
	_, err = fmt.Fprintln(std.out, "Nothing needs an older operator's key any more, but for backups.")
	return err
}

// keysReindex makes a new look-up key while nobody else uses the store.
func keysReindex(ctx context.Context, args []string, std stdio) (err error) {
	var offline bool
	c, err := readConfig("keys reindex", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.BoolVar(&offline, "offline", false, "no server uses the store; needed with MongoDB or a Redis of its own, where this cannot be seen")
	})
	if err != nil {
		return err
	}
	if (c.MongoURL != "" || c.RedisURL != "") && !offline {
		return errors.New("whether a server runs cannot be seen here; stop every one of them and write --offline")
	}
	ring, backend, err := openKeyed(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	unlock, err := lock(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	n, err := cases.Reindex(ctx, cases.Config{Store: backend, History: backend, Accounts: backend, Keys: ring, Policy: c.Policy})
	if err != nil {
		return fmt.Errorf("not finished, run it again before the server: %w", openWords(err))
	}
	_, err = fmt.Fprintf(std.out, "Made the look-up values anew of %d accounts and %d cases.\n", n.Accounts, n.Cases)
	return err
}
