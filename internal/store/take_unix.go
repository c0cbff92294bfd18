//go:build unix && !solaris && !aix

package store

import (
	"io/fs"
	"os"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

// onlyOurs tells whether nobody but this user, and root, can write to a file or
// make it writable.
func onlyOurs(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && fi.Mode().Perm()&0o222 == 0
}
