// Bench compares Symbolon with others that do the same work, on this machine and in one run, and
// prints ratios. See README.md beside it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// roles is what this program runs itself as: the parts that need a process of their own.
var roles = map[string]func(settings []byte) error{
	"symbolon":   func(b []byte) error { return with(b, symbolonNode) },
	"contrib":    func(b []byte) error { return with(b, contribNode) },
	"hold":       func(b []byte) error { return with(b, holder) },
	"centrifuge": func(b []byte) error { return with(b, centrifugeNode) },
}

func with[T any](b []byte, f func(T) error) error {
	var set T
	if err := json.Unmarshal(b, &set); err != nil {
		return err
	}
	return f(set)
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "role" {
		signal.Ignore(os.Interrupt, syscall.SIGTERM) // a role ends when its input does
		stop := profile(os.Args[2])
		defer stop()
		if err := roles[os.Args[2]]([]byte(os.Args[3])); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[2], err)
			os.Exit(1)
		}
		return
	}
	quick := flag.Bool("quick", false, "less of everything, within a minute: figures are rough")
	only := flag.String("only", "fan,idle,churn,uploads", "which parts, separated by commas")
	program := flag.String("symbolon", "../bin/symbolon", "the server's program")
	tusd := flag.String("tusd", "../bin/tusd", "the program of tusd")
	profiles := flag.String("profile", "", "a folder for processor profiles of the parts that run as processes of their own")
	flag.IntVar(&rounds, "rounds", 0, "rounds of the fan-out; 0 for the usual number")
	flag.Func("rate", "changes a second of the fan-out, in place of the usual rates", func(s string) (err error) {
		rate, err = strconv.Atoi(s)
		return err
	})
	flag.Func("place", "where the sockets of the fan-out are, in place of one after the other: both, same, other", func(s string) error {
		for _, p := range []place{both, same, away} {
			if p.name == s {
				where = &p
				return nil
			}
		}
		return fmt.Errorf("no place %q", s)
	})
	flag.Parse()
	_ = os.Setenv(profileFolder, *profiles)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, *program, *tusd, strings.Split(*only, ","), *quick); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if missed > 0 {
		fmt.Printf("\n%d goals missed in this run.\n", missed)
	}
}

const profileFolder = "BENCH_PROFILES"

// profile writes a profile of this process until the function it returns is called, where one is wanted.
func profile(name string) (stop func()) {
	folder := os.Getenv(profileFolder)
	if folder == "" {
		return func() {}
	}
	f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%s-%d.pprof", name, os.Getpid())))
	if err != nil || pprof.StartCPUProfile(f) != nil {
		fmt.Fprintln(os.Stderr, "no profile:", err)
		return func() {}
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }
}

func bench(ctx context.Context, program, tusd string, only []string, quick bool) error {
	dir, err := os.MkdirTemp("", "symbolon-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%s, %s, %d processors, load before: %s\n", time.Now().UTC().Format("2 January 2006 15:04 UTC"), runtime.Version(), runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:3], " "))
	parts := []struct {
		name string
		run  func() error
	}{
		{"fan", func() error {
			plan := fanPlan{sessions: 1000, rates: []int{1000, 4000, 12000}, places: []place{both, same, away}, rounds: 3, each: 2 * time.Second}
			if quick {
				plan = fanPlan{sessions: 500, rates: []int{4000}, places: []place{both}, rounds: 1, each: 2 * time.Second}
			}
			if rounds > 0 {
				plan.rounds = rounds
			}
			if where != nil {
				plan.places = []place{*where}
			}
			if rate > 0 {
				plan.rates = []int{rate}
			}
			if err := mapFanStore(dir, plan.sessions); err != nil {
				return err
			}
			return fanOut(ctx, dir, plan)
		}},
		{"idle", func() error {
			plan := idlePlan{compared: 5000, most: 19000, rounds: 1}
			if quick {
				plan, idleFor = idlePlan{compared: 2500, rounds: 1}, 6*time.Second
			}
			return idle(ctx, dir, program, plan)
		}},
		{"churn", func() error {
			if quick {
				return churn(ctx, dir, 100_000)
			}
			return churn(ctx, dir, 1_000_000)
		}},
		{"uploads", func() error {
			plan := uploadPlan{count: 50, size: 20 << 20, chunk: 1 << 20, rounds: 3, phones: 300, slowFor: 6 * time.Second, cuts: 5, bare: true}
			if quick {
				plan.rounds, plan.slowFor, plan.cuts, plan.bare = 1, 3*time.Second, 1, false
			}
			if rounds > 0 {
				plan.rounds = rounds
			}
			return uploads(ctx, dir, program, tusd, plan)
		}},
	}
	for _, p := range parts {
		if !slices.Contains(only, p.name) {
			continue
		}
		fmt.Println()
		if err := p.run(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

var (
	missed, rounds, rate int
	where                *place
)

// verdict prints a ratio and whether it keeps its goal.
func verdict(what string, ratio, goal float64) {
	word := "kept"
	if !(ratio <= goal) {
		word = "MISSED"
		missed++
	}
	fmt.Printf("  = %-56s %5.2f  (goal ≤ %.2f: %s)\n", what, ratio, goal, word)
}

// verdictAtLeast is verdict for what should be large.
func verdictAtLeast(what string, ratio, goal float64) {
	word := "kept"
	if !(ratio >= goal) {
		word = "MISSED"
		missed++
	}
	fmt.Printf("  = %-56s %5.2f  (goal ≥ %.2f: %s)\n", what, ratio, goal, word)
}

// note prints a ratio that has no goal.
func note(what string, ratio float64) { fmt.Printf("  = %-56s %5.2f\n", what, ratio) }
