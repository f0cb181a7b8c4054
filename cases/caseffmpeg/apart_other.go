//go:build !linux

package caseffmpeg

import (
	"errors"
	"io"
	"os"
	"os/exec"
)

// inMemory is only there on Linux: elsewhere a recording would have to stand on a disk in the clear.
func inMemory(io.Reader) (*os.File, error) {
	return nil, errors.New("caseffmpeg: recordings are played on Linux only")
}

func start(cmd *exec.Cmd, a apart) error {
	if a.network || a.files {
		return errors.ErrUnsupported
	}
	return cmd.Start()
}
