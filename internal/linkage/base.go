package linkage

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// Base is what an image offers to a dynamic linker. The zero value is an empty
// image.
type Base struct {
	// Name is what error messages call it: "the base" if it is empty.
	Name string `json:"-"`
	// Platform is the machine that the image's configuration names.
	Platform Machine `json:"platform"`
	// Objects are the libraries by path, without a leading slash.
	Objects map[string]*Object `json:"objects"`
	// Links are symbolic and hard links: the target as it is in the tar, of a hard link with
	// a leading slash.
	Links map[string]string `json:"links"`
	// Cache is /etc/ld.so.cache: the paths of a name.
	Cache map[string][]string `json:"cache,omitempty"`
	// LibraryPath is the configuration's LD_LIBRARY_PATH.
	LibraryPath []string `json:"library_path,omitempty"`
}

const (
	maxFiles    = 1 << 20
	maxInMemory = 32 << 20
	maxCache    = 16 << 20
	maxLinks    = 40 // what the kernel follows
)

func (b *Base) name() string {
	if b.Name == "" {
		return "the base"
	}
	return b.Name
}

// machine is the one that the configuration names, else that of the libraries
// if they agree.
func (b *Base) machine() Machine {
	if b.Platform != (Machine{}) {
		return b.Platform
	}
	var m Machine
	for _, o := range b.Objects {
		if o == nil {
			continue
		}
		if m != (Machine{}) && m != o.Machine {
			return Machine{}
		}
		m = o.Machine
	}
	return m
}

// Collect makes a base of an image's files: walk calls its argument for each
// of them; the last of a path counts.
func Collect(ctx context.Context, walk func(fn func(h *tar.Header, r io.Reader) error) error) (*Base, error) {
	b := &Base{Objects: map[string]*Object{}, Links: map[string]string{}}
	n := 0
	err := walk(func(h *tar.Header, r io.Reader) error {
		if n++; n > maxFiles {
			return errors.New("too many files")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return b.add(h, r)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the base image: %w", err)
	}
	return b, nil
}

func (b *Base) add(h *tar.Header, r io.Reader) error {
	name := clean(h.Name)
	delete(b.Objects, name)
	delete(b.Links, name)
	switch h.Typeflag {
	case tar.TypeSymlink:
		b.Links[name] = h.Linkname
	case tar.TypeLink:
		b.Links[name] = "/" + clean(h.Linkname)
	case tar.TypeReg:
		if name == "etc/ld.so.cache" {
			data, err := io.ReadAll(io.LimitReader(r, maxCache))
			if err != nil {
				return err
			}
			b.Cache = parseCache(data)
			return nil
		}
		if !strings.Contains(path.Base(name), ".so") {
			return nil
		}
		o, err := readObject(r)
		if err != nil {
			return err
		}
		if o != nil {
			b.Objects[name] = o
		}
	}
	return nil
}

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// readObject reads a library from a stream. A file that is none, or a broken
// one, gives nil: it is not there for a dynamic linker either.
func readObject(r io.Reader) (*Object, error) {
	head, err := io.ReadAll(io.LimitReader(r, 4))
	if err != nil || string(head) != "\x7fELF" {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxInMemory))
	if err != nil {
		return nil, err
	}
	var at io.ReaderAt = bytes.NewReader(append(head, data...))
	if len(data) == maxInMemory {
		f, err := os.CreateTemp("", "twice-linkage-")
		if err != nil {
			return nil, err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		if _, err := io.Copy(f, io.MultiReader(bytes.NewReader(head), bytes.NewReader(data), r)); err != nil {
			return nil, err
		}
		at = f
	}
	o, err := parse(at)
	if err != nil {
		return nil, nil
	}
	return o, nil
}

// object is the library at an absolute path, and the path that it has after
// all links were followed.
func (b *Base) object(name string) (*Object, string) {
	at := clean(name)
	for range maxLinks {
		if o := b.Objects[at]; o != nil {
			return o, "/" + at
		}
		next, ok := b.follow(at)
		if !ok {
			return nil, ""
		}
		at = next
	}
	return nil, ""
}

// follow replaces the first link in a path.
func (b *Base) follow(name string) (string, bool) {
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		if target, ok := b.Links[name[:i]]; ok {
			if !path.IsAbs(target) {
				target = path.Join("/", path.Dir(name[:i]), target)
			}
			return clean(target + name[i:]), true
		}
	}
	return "", false
}

// parseCache reads the format that glibc has written since 2.2 (and alone since
// 2.32): a magic word, counts, and entries of 24 bytes whose key and value are
// offsets of strings from the magic word on. The older format in front of it, if there is one,
// is passed over.
func parseCache(p []byte) map[string][]string {
	const magic = "glibc-ld.so.cache1.1"
	i := bytes.Index(p, []byte(magic))
	if i < 0 || len(p)-i < 48 {
		return nil
	}
	p = p[i:]
	var order binary.ByteOrder = binary.LittleEndian
	if p[28] == 3 {
		order = binary.BigEndian
	}
	str := func(off uint32) string {
		if uint64(off) >= uint64(len(p)) {
			return ""
		}
		s, _, _ := bytes.Cut(p[off:min(len(p), int(off)+maxString)], []byte{0})
		return string(s)
	}
	out := map[string][]string{}
	n := min(uint64(order.Uint32(p[20:])), uint64(len(p)-48)/24)
	for k := range n {
		e := p[48+24*k:]
		key, value := str(order.Uint32(e[4:])), str(order.Uint32(e[8:]))
		if key != "" && path.IsAbs(value) {
			out[key] = append(out[key], value)
		}
	}
	return out
}
