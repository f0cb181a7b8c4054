package caseffmpeg

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"

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

// nobody is the user that a server which runs as root starts programs as.
const nobody = 65534

// start starts a command, kept apart from what it does not need.
func start(cmd *exec.Cmd, a apart) error {
	if a.network {
		// A network of its own leads nowhere.
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC}
		if os.Getuid() == 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		} else {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		}
	}
	if !a.files {
		return cmd.Start()
	}
	done := make(chan error, 1)
	go func() {
		// What is forbidden to a thread is forbidden to what it starts. The thread is not given back: it ends with this function.
		runtime.LockOSThread()
		err := forbidFiles(filepath.Dir(cmd.Path), a.programs)
		if err == nil {
			err = cmd.Start()
		}
		done <- err
	}()
	return <-done
}

// Rights of files as Landlock has them.
const (
	mayRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayRun   = mayRead | unix.LANDLOCK_ACCESS_FS_EXECUTE
	mayWrite = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	ofFiles  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE
	allOfV1  = 1<<13 - 1
)

// forbidFiles takes every file from this thread for good but programs and their libraries (Landlock, Linux 5.13).
func forbidFiles(programs ...string) error {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: allOfV1}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0) //nolint:gosec // as the call is
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	rules := int(fd)
	defer unix.Close(rules)
	allow := map[string]uint64{"/dev/null": mayWrite, "/etc/ld.so.cache": mayRead, "/etc/alternatives": mayRead, "/proc": mayRead}
	if os.Getuid() != 0 {
		allow["/proc"] |= mayWrite // the map of users is written there, before the program starts
	}
	for _, dir := range append(programs, "/usr", "/bin", "/lib", "/lib64", "/nix/store") {
		allow[dir] = mayRun
	}
	for name, rights := range allow {
		if err := allowFile(rules, name, rights); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(rules), 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_restrict_self", errno)
	}
	return nil
}

// allowFile adds a file, or a folder and all below, to a set of rules. What is not there needs none.
func allowFile(rules int, name string, rights uint64) error {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= ofFiles
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0) //nolint:gosec // as the call is
	if errno != 0 {
		return os.NewSyscallError("landlock_add_rule", errno)
	}
	return nil
}
