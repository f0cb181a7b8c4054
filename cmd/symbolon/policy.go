package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/symbolon/symbolon/cases"
)

// policy explains a policy file, or prints the default one to start from.
func policy(_ context.Context, args []string, std stdio) error {
	switch {
	case len(args) == 1 && args[0] == "show":
		_, err := std.out.Write(cases.DefaultPolicyFile())
		return err
	case len(args) == 2 && args[0] == "check":
		p, err := readPolicy(args[1])
		if err != nil {
			return err
		}
		return p.Explain(std.out)
	}
	return errors.New("write symbolon policy check FILE, or symbolon policy show")
}

// readPolicy reads a policy file; without a name it is the default policy.
func readPolicy(name string) (cases.Policy, error) {
	if name == "" {
		return cases.DefaultPolicy(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return cases.Policy{}, fmt.Errorf("the policy cannot be read: %w", err)
	}
	defer f.Close()
	p, err := cases.ReadPolicy(f)
	if err != nil {
		return p, fmt.Errorf("%s cannot be used:\n%w", name, err)
	}
	return p, nil
}
