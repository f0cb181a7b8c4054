//go:build !linux

package mediafs

import "os"

func syncData(f *os.File) error { return f.Sync() }
