package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/cases/casebundle"
	"github.com/symbolon/symbolon/seal"
)

const bundleWords = `write one of:
  symbolon bundle create --case ID --out FILE
  symbolon bundle verify FILE [--key FILE]`

// bundle makes the evidence of a case into one signed archive, or checks such an archive.
func bundle(ctx context.Context, args []string, std stdio) error {
	return subcommand(ctx, args, std, bundleWords, map[string]func(context.Context, []string, stdio) error{
		"create": bundleCreate, "verify": bundleVerify,
	})
}

func bundleCreate(ctx context.Context, args []string, std stdio) (err error) {
	var id, out string
	c, err := readConfig("bundle create", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&id, "case", "", "the case (needed)")
		fs.StringVar(&out, "out", "", "the new file for the archive; what it holds is personal and not sealed (needed)")
	})
	if err != nil {
		return err
	}
	if id == "" || out == "" {
		return errors.New("--case or --out is missing; write symbolon bundle create --case ID --out FILE")
	}
	service, closeAll, err := openTools(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	if _, err := service.Get(ctx, id); err != nil {
		return inWords(err)
	}
	key, err := bundleKey(c)
	if err != nil {
		return err
	}
	// Who made it stands in the access log of the case, and so in the archive itself.
	if err := service.Look(ctx, id, byOperator, cases.LookBundle, id); err != nil {
		return err
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the archive cannot be written: %w", err)
	}
	err = casebundle.Write(ctx, casebundle.Config{Cases: service, Key: key, Operator: c.OperatorName}, id, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(inWords(err), os.Remove(out))
	}
	_, err = fmt.Fprintf(std.out, "Wrote %s, signed with key %s. Check it with symbolon bundle verify %s --key %s.pub\n", out, key.Public().ID(), out, c.BundleKey)
	return err
}

// bundleKey reads the key that signs bundles, or makes it where there is none yet, with its public half beside it.
func bundleKey(c config) (seal.SigningKey, error) {
	key, err := readSigningKey(c.BundleKey)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = seal.NewSigningKey()
	if err := writeNew(c.BundleKey, string(key.Encode())); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was first
			return readSigningKey(c.BundleKey)
		}
		return key, fmt.Errorf("the key for bundles cannot be written: %w", err)
	}
	if err := writeNew(c.BundleKey+".pub", string(key.Public().Encode())); err != nil && !errors.Is(err, fs.ErrExist) {
		return key, fmt.Errorf("the public key for bundles cannot be written: %w", err)
	}
	return key, nil
}

// bundleVerify checks an archive. It needs nothing but the file, and the operator's public key to say whose it is.
func bundleVerify(_ context.Context, args []string, std stdio) error {
	fs := flag.NewFlagSet("symbolon bundle verify", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	keyFile := fs.String("key", "", "the operator's public key")
	var name string
	for len(args) > 0 { // the file may stand before or after the flag
		if err := fs.Parse(args); err != nil {
			return errors.New(bundleWords)
		}
		if args = fs.Args(); len(args) > 0 {
			if name != "" {
				return errors.New(bundleWords)
			}
			name, args = args[0], args[1:]
		}
	}
	if name == "" {
		return errors.New(bundleWords)
	}
	var key *seal.PublicKey
	if *keyFile != "" {
		b, err := os.ReadFile(*keyFile)
		if err != nil {
			return fmt.Errorf("the public key cannot be read: %w", err)
		}
		k, err := seal.ParsePublicKey(b)
		if err != nil {
			return fmt.Errorf("%s does not hold a public key", *keyFile)
		}
		key = &k
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("the archive cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("the archive cannot be read: %w", err)
	}
	v, err := casebundle.Verify(f, info.Size(), key)
	switch {
	case errors.Is(err, seal.ErrSignature):
		return fmt.Errorf("%s was not signed with this key, or was changed since", name)
	case errors.Is(err, casebundle.ErrForm), errors.Is(err, seal.ErrPaperForm):
		return fmt.Errorf("%s is not a bundle, or was changed since it was signed", name)
	case errors.Is(err, cases.ErrHistoryBroken):
		return fmt.Errorf("%s: the signature fits, and what it signed is broken: %w", name, err)
	case err != nil:
		return err
	}
	whose := "This is the key that was given."
	if !v.Trusted {
		whose = "That key came with the file: compare its id with the operator's, or give --key."
	}
	_, err = fmt.Fprintf(std.out, "%s\nmade by %s on %s\n%d files, %d of them evidence; %d events and %d looks, each chain unbroken\nNothing was changed since it was signed with key %s. %s\n",
		v.CaseID, printable(v.Operator), v.MadeAt.Format(time.RFC3339), v.Files, v.Media, v.Events, v.Looks, v.Key, whose)
	return err
}

// printable is a text without what could move a terminal's cursor.
func printable(s string) string { return fmt.Sprintf("%+q", s) }
