package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// script shows the script of recordings as an applicant would read it, or prints the default one.
func script(_ context.Context, args []string, std stdio) error {
	switch {
	case len(args) == 1 && args[0] == "show":
		_, err := std.out.Write(cases.DefaultScriptFile())
		return err
	case len(args) > 0 && args[0] == "check":
		name, rest := "", args[1:]
		if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
			name, rest = rest[0], rest[1:]
		}
		// The operator's name stands in the words; the other settings are not looked at.
		c, err := readConfig("script check FILE", rest, std.environ, std.out, func(*flag.FlagSet) {})
		if err != nil {
			return err
		}
		f := c.Script
		if name != "" {
			if f, err = readScript(name); err != nil {
				return err
			}
		}
		now := time.Now()
		if err := f.Show(std.out, c.OperatorName, now); err != nil {
			return err
		}
		if bad := f.Check(c.OperatorName, now); bad != nil {
			return fmt.Errorf("this does not fit:\n%s", strings.Join(bad, "\n"))
		}
		_, err = fmt.Fprintln(std.out, "\nEverything fits, on every day of the coming year.")
		return err
	}
	return errors.New("write symbolon script check [FILE], or symbolon script show")
}

// readScript reads a script file; without a name it is the default script.
func readScript(name string) (cases.ScriptFile, error) {
	if name == "" {
		return cases.DefaultScript(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return cases.ScriptFile{}, fmt.Errorf("the script cannot be read: %w", err)
	}
	defer f.Close()
	s, err := cases.ReadScript(f)
	if err != nil {
		return s, fmt.Errorf("%s cannot be used:\n%w", name, err)
	}
	return s, nil
}
