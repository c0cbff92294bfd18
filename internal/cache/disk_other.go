//go:build !unix

package cache

import (
	"errors"
	"io/fs"
)

type inode struct{}

func onDisk(info fs.FileInfo) (size int64, id inode, several bool) {
	return info.Size(), inode{}, false
}

// Free is not known on this system.
func Free(string) (int64, error) { return 0, errors.ErrUnsupported }
