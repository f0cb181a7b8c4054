// Command symbolon is the server, its pages and its tools.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set at build time.
var version = "dev"

// commands is what symbolon can do, in the order in which help lists it.
var commands = []struct {
	name, help string
	run        func(ctx context.Context, args []string, std stdio) error
}{
	{"serve", "run the server", serve},
	{"account", "account create --email ADDRESS [--role ROLE]: make an account; account disable, enable, forget-second-factor", account},
	{"policy", "policy check FILE: explain a policy file or say what is wrong with it; policy show: print the default one", policy},
	{"script", "script check [FILE]: show what applicants read in recordings, and what does not fit; script show: print the default one", script},
	{"face", "face compare A B, face calibrate PAIRS.csv: compare pictures of faces, and measure on your own how well that works", faces},
	{"audit", "audit verify, audit checkpoint, audit key: check every history, sign their ends", audit},
	{"bundle", "bundle create --case ID --out FILE: the evidence of a case as one signed archive; bundle verify FILE: check one", bundle},
	{"erase", "erase --case ID --rule RULE: destroy a case, and certify it", erase},
	{"hold", "hold on, hold off, hold show: keep a case from being erased", hold},
	{"relation", "relation end, relation resume: say when a customer left, from which retention counts", relation},
	{"keys", "keys new, keys rotate, keys reindex: change the operator's key, or the key of look-ups", keys},
	{"backup", "backup --out FOLDER: copy cases and photos, while the server runs", backup},
	{"restore", "restore --from FOLDER: bring a backup into an empty data folder, and prove it", restore},
	{"migrate", "bring the stored data to this version's form", migrate},
	{"dev-alipay", "run a TEST GATEWAY in place of Alipay, to try its way without a contract", devAlipay},
	{"check-config", "read the settings, say what is wrong with them, and stop", checkConfig},
	{"health", "ask the running server whether it is alive", health},
	{"version", "print the version", func(_ context.Context, _ []string, s stdio) error {
		_, err := fmt.Fprintln(s.out, version)
		return err
	}},
}

// stdio is the standard streams and the environment, which tests replace.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr, os.Environ()}))
}

// run runs one command and returns the exit status: 0, 1 for a failure, 2 for words that
// are not understood.
func run(ctx context.Context, args []string, std stdio) int {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(std.out, "Usage: symbolon COMMAND [settings]\n\n")
		for _, c := range commands {
			fmt.Fprintf(std.out, "  %-13s %s\n", c.name, c.help)
		}
		fmt.Fprint(std.out, "\nsymbolon COMMAND -h lists the settings.\n")
		return 0
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, args[1:], std)
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		default:
			fmt.Fprintln(std.err, "symbolon:", err)
			return 1
		}
	}
	fmt.Fprintf(std.err, "symbolon: there is no command %q; see symbolon help\n", args[0])
	return 2
}
