package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// memory is a flat directory of small files that an engine may fetch.
//
// An engine keeps what it fetched last time and takes a file of the same name,
// mode, size and time for unchanged, without looking at its content. So each
// file's time is made from its content: two Dockerfiles of equal length would
// otherwise be one.
type memory map[string][]byte

var _ fsutil.FS = memory(nil)

func (m memory) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	clean := path.Clean("/" + target)
	for name, data := range m {
		if clean != "/" && clean != "/"+name {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		stat := &types.Stat{Path: name, Mode: 0o644, Size: int64(len(data)), ModTime: contentTime(data).UnixNano()}
		if err := fn(name, &fsutil.DirEntryInfo{Stat: stat}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (m memory) Open(name string) (io.ReadCloser, error) {
	data, ok := m[path.Clean("/" + name)[1:]]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// contentTime maps data to a time between 1970 and 2106, to the nanosecond.
func contentTime(data []byte) time.Time {
	sum := digest.SHA256.Hash()
	sum.Write(data)
	b := sum.Sum(nil)
	return time.Unix(int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:])%1e9)).UTC()
}
