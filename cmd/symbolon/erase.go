package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/symbolon/symbolon/cases"
	"github.com/symbolon/symbolon/media"
	"github.com/symbolon/symbolon/seal"
)

// certificateKind is the kind of a signed certificate of erasure.
const certificateKind = "symbolon-erasure"

// byOperator is who acts from the command line.
var byOperator = cases.Actor{Kind: cases.ByStaff, ID: "operator"}

// openTools opens the rules of cases on stored data, with the power to destroy photos, beside a server that
// may be running.
func openTools(ctx context.Context, c config) (*cases.Service, func() error, error) {
	ring, err := givenKeys(c)
	if err != nil {
		return nil, nil, err
	}
	backend, err := openStored(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*cases.Service, func() error, error) {
		return nil, nil, errors.Join(err, backend.Close())
	}
	files, err := openMedia(ctx, c)
	if err != nil {
		return fail(err)
	}
	var p program
	p.media, err = media.New(media.Config{
		Store: files.Store, Key: func(ctx context.Context, id string) (seal.Key, error) { return p.cases.Key(ctx, id) },
		Completed: func(context.Context, media.Status) error { return nil },
	})
	if err != nil {
		return fail(err)
	}
	p.cases, err = cases.New(ctx, cases.Config{
		Store: backend, History: backend, Accounts: backend, Keys: ring, Policy: c.Policy, Destroy: p.destroy,
		Evidence: func(ctx context.Context, id string) (cases.Evidence, error) { return p.media.Open(ctx, id) },
	})
	if err != nil {
		return fail(errors.Join(openWords(err), p.media.Close()))
	}
	return p.cases, func() error { return errors.Join(p.media.Close(), backend.Close()) }, nil
}

// erase destroys a case for good and, if asked, writes a signed certificate of it.
func erase(ctx context.Context, args []string, std stdio) (err error) {
	var id, out, key string
	var r cases.EraseRequest
	c, err := readConfig("erase", args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&id, "case", "", "the case (needed)")
		fs.StringVar(&r.Rule, "rule", "", "why, in a word that the history keeps, such as request or court_order (needed, but for a certificate alone)")
		fs.BoolVar(&r.Account, "account", false, "destroy the e-mail address and password of its account, too")
		fs.BoolVar(&r.Retained, "despite-retention", false, "also when it is a customer's and has to be kept for now")
		fs.StringVar(&out, "certificate", "", "the new file for a signed certificate; an erased case can be certified again")
		fs.StringVar(&key, "signing-key", "", "the key that symbolon audit key made")
	})
	if err != nil {
		return err
	}
	if id == "" {
		return errors.New("--case is missing; write symbolon erase --case ID --rule RULE")
	}
	if (out == "") != (key == "") {
		return errors.New("--certificate and --signing-key belong together; write both or neither")
	}
	var signer seal.SigningKey
	if key != "" {
		if signer, err = readSigningKey(key); err != nil {
			return err
		}
	}
	s, closeAll, err := openTools(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	left, err := s.Unfinished(ctx, id)
	if err != nil {
		return inWords(err)
	}
	cert, err := s.Certify(ctx, id)
	if errors.Is(err, cases.ErrUnknown) { // it is not erased yet
		if err := s.Erase(ctx, byOperator, id, r); err != nil {
			return inWords(err)
		}
		if left, err = removed(ctx, s, id); err != nil {
			return err
		}
		cert, err = s.Certify(ctx, id)
	} else if err == nil && r.Account {
		if err := s.EraseAccountOf(ctx, id); err != nil {
			return inWords(err)
		}
		cert, err = s.Certify(ctx, id)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s was erased on %s under the rule %q: its key, what was sealed with it, and %d photos.\n",
		id, cert.ErasedAt.Format("2006-01-02 15:04:05 MST"), cert.Rule, len(cert.Destroyed.Photos))
	if left > 0 {
		fmt.Fprintf(std.out, "The files of %d photos are still to be removed, which a running server does. Without their key they are noise.\n", left)
	}
	for _, k := range cert.Kept {
		fmt.Fprintf(std.out, "Kept: %s; until: %s.\n", k.What, k.Until)
	}
	if out == "" {
		return nil
	}
	paper, err := signer.Sign(certificateKind, cert)
	if err != nil {
		return err
	}
	if err := writeNew(out, string(paper)); err != nil {
		return fmt.Errorf("the certificate cannot be written: %w", err)
	}
	_, err = fmt.Fprintf(std.out, "Signed with key %s into %s.\n", signer.Public().ID(), out)
	return err
}

// removed removes the files of an erased case, or waits a moment for the server that does. It returns how many are left.
func removed(ctx context.Context, s *cases.Service, id string) (left int, err error) {
	for range 50 {
		if err := s.WorkOn(ctx, id); err != nil {
			return left, err
		}
		if left, err = s.Unfinished(ctx, id); err != nil || left == 0 {
			return left, err
		}
		select {
		case <-ctx.Done():
			return left, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return left, nil
}

const holdWords = `write one of:
  symbolon hold on --case ID --reason TEXT
  symbolon hold off --case ID --reason TEXT
  symbolon hold show --case ID`

// hold keeps a case from being erased, or lets go of it.
func hold(ctx context.Context, args []string, std stdio) error {
	set := func(on bool) func(context.Context, []string, stdio) error {
		return func(ctx context.Context, args []string, std stdio) error {
			var reason string
			return onCase(ctx, "hold", args, std, func(fs *flag.FlagSet) {
				fs.StringVar(&reason, "reason", "", "why; it stands sealed in the history (needed)")
			}, func(s *cases.Service, id string) error {
				if err := s.Hold(ctx, byOperator, id, on, reason); err != nil {
					return inWords(err)
				}
				words := "%s can be erased again when its time is over.\n"
				if on {
					words = "%s is held: nothing erases it.\n"
				}
				_, err := fmt.Fprintf(std.out, words, id)
				return err
			})
		}
	}
	return subcommand(ctx, args, std, holdWords, map[string]func(context.Context, []string, stdio) error{
		"on": set(true), "off": set(false),
		"show": func(ctx context.Context, args []string, std stdio) error {
			return onCase(ctx, "hold", args, std, nil, func(s *cases.Service, id string) error {
				held, notes, err := s.Holds(ctx, id)
				if err != nil {
					return inWords(err)
				}
				fmt.Fprintf(std.out, "%s is held: %s\n", id, yesNo(held))
				for _, n := range notes {
					fmt.Fprintf(std.out, "%s held: %s, because: %q\n", n.At.Format(time.RFC3339), yesNo(n.On), n.Reason)
				}
				return nil
			})
		},
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

const relationWords = `write one of:
  symbolon relation end --case ID [--on YYYY-MM-DD]
  symbolon relation resume --case ID`

// relation says when a customer left.
func relation(ctx context.Context, args []string, std stdio) error {
	return subcommand(ctx, args, std, relationWords, map[string]func(context.Context, []string, stdio) error{
		"end": func(ctx context.Context, args []string, std stdio) error {
			on := time.Now()
			return onCase(ctx, "relation", args, std, func(fs *flag.FlagSet) {
				fs.Func("on", "the day, YYYY-MM-DD; today where it is not given", func(v string) (err error) {
					if on, err = time.Parse(time.DateOnly, v); err != nil || on.After(time.Now()) {
						return errors.New("write a day that has come, as YYYY-MM-DD")
					}
					return nil
				})
			}, func(s *cases.Service, id string) error {
				if err := s.EndRelation(ctx, byOperator, id, on); err != nil {
					return inWords(err)
				}
				_, err := fmt.Fprintf(std.out, "%s is kept for %d years from %s on.\n", id, s.Policy().Retention.CustomerYears, on.Format(time.DateOnly))
				return err
			})
		},
		"resume": func(ctx context.Context, args []string, std stdio) error {
			return onCase(ctx, "relation", args, std, nil, func(s *cases.Service, id string) error {
				if err := s.EndRelation(ctx, byOperator, id, time.Time{}); err != nil {
					return inWords(err)
				}
				_, err := fmt.Fprintf(std.out, "%s is kept without an end.\n", id)
				return err
			})
		},
	})
}

// onCase runs fn for the case that --case names.
func onCase(ctx context.Context, name string, args []string, std stdio, more func(*flag.FlagSet), fn func(*cases.Service, string) error) (err error) {
	var id string
	c, err := readConfig(name, args, std.environ, std.out, func(fs *flag.FlagSet) {
		fs.StringVar(&id, "case", "", "the case (needed)")
		if more != nil {
			more(fs)
		}
	})
	if err != nil {
		return err
	}
	if id == "" {
		return errors.New("--case is missing")
	}
	s, closeAll, err := openTools(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	return fn(s, id)
}
