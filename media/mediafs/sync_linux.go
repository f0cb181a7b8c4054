package mediafs

import (
	"os"
	"syscall"
)

// syncData is fdatasync: it leaves out the times of the file, which nobody needs.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR { //nolint:errorlint // a bare errno
			return err
		}
	}
}
