package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/seal"
)

// checkpointKind is the kind of a signed list of heads.
const checkpointKind = "symbolon-checkpoint"

// checkpoint is the content of a signed list of heads (docs/formats/audit.md).
type checkpoint struct {
	Schema int          `json:"schema"`
	At     time.Time    `json:"at"`
	Count  int          `json:"count"`
	Heads  []cases.Head `json:"heads"`
}

const auditWords = `write one of:
  symbolon audit verify [--case ID] [--checkpoint FILE --public-key FILE]
  symbolon audit checkpoint --out FILE --signing-key FILE
  symbolon audit key --out FILE`

// errBroken ends an audit that found something; what it found is printed already.
var errBroken = errors.New("the audit found something wrong; see the lines above")

// audit reads the histories and access logs of all cases, or signs their ends.
func audit(ctx context.Context, args []string, std stdio) error {
	return subcommand(ctx, args, std, auditWords, map[string]func(context.Context, []string, stdio) error{
		"verify": auditVerify, "checkpoint": auditCheckpoint, "key": auditKey,
	})
}

// subcommand runs the command that the first word names; words lists them for who wrote another one.
func subcommand(ctx context.Context, args []string, std stdio, words string, all map[string]func(context.Context, []string, stdio) error) error {
	if len(args) > 0 {
		if f, ok := all[args[0]]; ok {
			return f(ctx, args[1:], std)
		}
		if args[0] == "-h" || args[0] == "--help" {
			fmt.Fprintln(std.out, strings.ToUpper(words[:1])+words[1:])
			return flag.ErrHelp
		}
	}
	return errors.New(words)
}

// openStored opens a store of cases that must be there already.
func openStored(ctx context.Context, c config) (cases.Backend, error) {
	if c.MongoURL == "" {
		if _, err := os.Stat(casesFile(c)); err != nil {
			return nil, fmt.Errorf("there is no data in %s", c.Data)
		}
	}
	backend, err := openCases(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("the store of cases does not open: %w", err)
	}
	return backend, nil
}

func auditVerify(ctx context.Context, args []string, std stdio) (err error) {
	var id, file, key string
	c, err := readConfig("audit verify", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&id, "case", "", "one case alone; all of them where it is not given")
		fs.StringVar(&file, "checkpoint", "", "a signed checkpoint whose heads must still be in the chains")
		fs.StringVar(&key, "public-key", "", "the public key of the checkpoint's signature")
	})
	if err != nil {
		return err
	}
	if (file == "") != (key == "") {
		return errors.New("--checkpoint and --public-key belong together; write both or neither")
	}
	a := cases.Auditor{}
	if file != "" {
		p, err := readCheckpoint(file, key)
		if err != nil {
			return err
		}
		a.Against = map[string]cases.Head{}
		for _, h := range p.Heads {
			a.Against[h.CaseID] = h
		}
		fmt.Fprintf(std.out, "Checkpoint of %s with %d cases: its signature fits.\n", p.At.Format(time.RFC3339), p.Count)
	}
	backend, err := openStored(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	a.Store, a.History = backend, backend
	return runAudit(ctx, a, id, std.out)
}

// runAudit audits one case, or all where id is "", and prints what came of it; errBroken when something
// is wrong.
func runAudit(ctx context.Context, a cases.Auditor, id string, w io.Writer) error {
	found := 0
	a.Found = func(f cases.Finding) {
		found++
		fmt.Fprintln(w, "WRONG", f)
	}
	var n cases.AuditCount
	var err error
	if id != "" {
		n, err = a.Case(ctx, id)
	} else {
		n, err = a.All(ctx)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Read %d cases, %d history entries, %d looks: ", n.Cases, n.Entries, n.Looks)
	if found > 0 {
		fmt.Fprintf(w, "%d things are wrong.\n", found)
		return errBroken
	}
	fmt.Fprintln(w, "nothing is wrong.")
	return nil
}

func auditCheckpoint(ctx context.Context, args []string, std stdio) (err error) {
	var out, key string
	c, err := readConfig("audit checkpoint", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&out, "out", "", "the new file for the checkpoint; keep it where this machine's operators cannot change it (needed)")
		fs.StringVar(&key, "signing-key", "", "the key that symbolon audit key made (needed)")
	})
	if err != nil {
		return err
	}
	if out == "" || key == "" {
		return errors.New("--out or --signing-key is missing; write symbolon audit checkpoint --out FILE --signing-key FILE")
	}
	signer, err := readSigningKey(key)
	if err != nil {
		return err
	}
	backend, err := openStored(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	p := checkpoint{Schema: 1, At: time.Now().UTC().Truncate(time.Second), Heads: []cases.Head{}}
	a := cases.Auditor{Store: backend, History: backend, Each: func(h cases.Head) { p.Heads = append(p.Heads, h) }}
	if err := runAudit(ctx, a, "", std.out); err != nil {
		return err // a broken chain is not signed
	}
	slices.SortFunc(p.Heads, func(a, b cases.Head) int { return strings.Compare(a.CaseID, b.CaseID) })
	p.Count = len(p.Heads)
	paper, err := signer.Sign(checkpointKind, p)
	if err != nil {
		return err
	}
	if err := writeNew(out, string(paper)); err != nil {
		return fmt.Errorf("the checkpoint cannot be written: %w", err)
	}
	_, err = fmt.Fprintf(std.out, "Signed the heads of %d cases with key %s into %s.\n", p.Count, signer.Public().ID(), out)
	return err
}

func auditKey(_ context.Context, args []string, std stdio) error {
	var out string
	_, err := readConfig("audit key", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&out, "out", "", "the new file for the signing key; FILE.pub beside it gets the public key (needed)")
	})
	if err != nil {
		return err
	}
	if out == "" {
		return errors.New("--out is missing; write symbolon audit key --out FILE")
	}
	k := seal.NewSigningKey()
	if err := writeNew(out, string(k.Encode())); err != nil {
		return fmt.Errorf("the signing key cannot be written: %w", err)
	}
	if err := writeNew(out+".pub", string(k.Public().Encode())); err != nil {
		return fmt.Errorf("the public key cannot be written: %w", err)
	}
	_, err = fmt.Fprintf(std.out, "Made the signing key %s: %s, and %s.pub to check with. Keep the first one where the server is not.\n", k.Public().ID(), out, out)
	return err
}

func readSigningKey(name string) (seal.SigningKey, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return seal.SigningKey{}, fmt.Errorf("the signing key cannot be read: %w", err)
	}
	k, err := seal.ParseSigningKey(b)
	if err != nil {
		return k, fmt.Errorf("%s does not hold a signing key; symbolon audit key makes one", name)
	}
	return k, nil
}

// readCheckpoint reads a checkpoint whose signature fits the public key in a file.
func readCheckpoint(name, keyName string) (checkpoint, error) {
	var p checkpoint
	b, err := os.ReadFile(keyName)
	if err != nil {
		return p, fmt.Errorf("the public key cannot be read: %w", err)
	}
	key, err := seal.ParsePublicKey(b)
	if err != nil {
		return p, fmt.Errorf("%s does not hold a public key; symbolon audit key writes one beside the signing key", keyName)
	}
	if b, err = os.ReadFile(name); err != nil {
		return p, fmt.Errorf("the checkpoint cannot be read: %w", err)
	}
	switch err := key.Open(checkpointKind, b, &p); {
	case errors.Is(err, seal.ErrSignature):
		return p, fmt.Errorf("%s was not signed with this key, or was changed since", name)
	case err != nil, p.Schema != 1, p.Count != len(p.Heads):
		return p, fmt.Errorf("%s is not a checkpoint", name)
	}
	return p, nil
}
