package casetest

import (
	"bytes"
	"fmt"

	"github.com/symbolon/symbolon/cases"
)

// Photos is the default policy of an operator who asks for photos alone: no face, no recordings.
func Photos() cases.Policy {
	p := cases.DefaultPolicy()
	p.Version = "photos-1"
	p.Requires = cases.Requires{Level2: []string{cases.AskDocuments}}
	return p
}

// PolicyFile is the default policy's file with other things asked for, such as "[documents, face]".
func PolicyFile(level2, level3 string) []byte {
	out := []byte{}
	found := 0
	for line := range bytes.Lines(cases.DefaultPolicyFile()) {
		switch {
		case bytes.HasPrefix(line, []byte("  level_2: [")):
			line, found = []byte("  level_2: "+level2+"\n"), found+1
		case bytes.HasPrefix(line, []byte("  level_3: [")):
			line, found = []byte("  level_3: "+level3+"\n"), found+1
		}
		out = append(out, line...)
	}
	if found != 2 {
		panic(fmt.Sprintf("casetest: the default policy names what levels ask for %d times", found))
	}
	return out
}
