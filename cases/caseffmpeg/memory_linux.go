package caseffmpeg

import (
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// inMemory is a file that stands in memory only and has no name; it is gone when nobody has it open.
func inMemory(from io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate("clip", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "clip")
	if _, err := io.Copy(f, from); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// takeNetwork starts a command with a network of its own that leads nowhere.
func takeNetwork(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
	}
}
