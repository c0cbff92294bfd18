package cargo

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

// Crate is a package of a registry.
type Crate struct {
	Name, Version string
	Checksum      string // SHA-256 of the .crate in hex
	Source        string // as in Cargo.lock: "registry+…" or "sparse+…"
}

// Dir is the name of the crate's directory in its archive and in a directory source.
func (c Crate) Dir() string { return c.Name + "-" + c.Version }

// Digest names the .crate in a store.
func (c Crate) Digest() digest.Digest { return digest.NewDigestFromEncoded(digest.SHA256, c.Checksum) }

// Check says what is wrong with a crate's name, version or checksum.
func (c Crate) Check() error {
	if err := checkName(c.Name, true); err != nil {
		return err
	}
	if err := checkVersion(c.Version); err != nil {
		return fmt.Errorf("crate %s: %w", c.Name, err)
	}
	if !isHex(c.Checksum, 64) {
		return fmt.Errorf("crate %s %s: checksum %.100q is not a SHA-256", c.Name, c.Version, c.Checksum)
	}
	return nil
}

// ModTime is the time of every file in a vendored tree. It is what Cargo itself
// writes into archives for files whose time doesn't matter: 2006-07-24T01:21:28Z.
const ModTime = 1153704088

const (
	maxCrateFiles = 100_000
	maxCrateBytes = 1 << 30 // Cargo's own limit is 512 MiB
)

// ReadCrate reads a crate's archive from the store, checks it against the
// checksum, and returns its entries below c.Dir(). Contents go to sp.
//
// Modes are 0644 and 0755, the owner is root. Newest is the newest time in the
// archive, for those who need one. Refused are paths that are absolute, climb,
// or lie outside c.Dir(); devices; hard links; symbolic links that leave
// c.Dir(); and a path that is there twice.
func ReadCrate(ctx context.Context, st *store.Store, sp *spool.Spool, c Crate) (entries []layer.Entry, newest int64, err error) {
	if err := c.Check(); err != nil {
		return nil, 0, err
	}
	f, err := st.Open(c.Digest())
	if err != nil {
		return nil, 0, fmt.Errorf("crate %s %s: %w", c.Name, c.Version, err)
	}
	defer f.Close()
	entries, newest, sum, err := readCrate(ctx, f, sp, c.Dir())
	if sum != c.Checksum && sum != "" {
		err = fmt.Errorf("checksum is %s, the lock says %s", sum, c.Checksum)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("crate %s %s: %w", c.Name, c.Version, err)
	}
	return entries, newest, nil
}

// readCrate returns the sum of what it read whenever r could be read to its end.
func readCrate(ctx context.Context, r io.Reader, sp *spool.Spool, dir string) (entries []layer.Entry, newest int64, sum string, err error) {
	h := sha256.New()
	raw := io.TeeReader(r, h)
	entries, newest, err = untar(ctx, raw, sp, dir)
	if _, copyErr := io.Copy(io.Discard, raw); copyErr != nil {
		return nil, 0, "", errors.Join(err, copyErr)
	}
	return entries, newest, hex.EncodeToString(h.Sum(nil)), err
}

func untar(ctx context.Context, r io.Reader, sp *spool.Spool, dir string) ([]layer.Entry, int64, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, 0, fmt.Errorf("unpacking: %w", err)
	}
	defer z.Close()
	var entries []layer.Entry
	var newest int64
	seen := map[string]bool{}
	limits := layer.Limits{Entries: maxCrateFiles, File: maxCrateBytes, Total: maxCrateBytes}
	err = layer.ReadTar(ctx, z, limits, func(h *tar.Header, r io.Reader) error {
		below, ok := strings.CutPrefix(h.Name, dir+"/")
		if !ok {
			if h.Name == dir && h.Typeflag == tar.TypeDir {
				return nil
			}
			return fmt.Errorf("%.200q is not below %s", h.Name, dir)
		}
		if seen[h.Name] {
			return fmt.Errorf("%.200q is there twice", h.Name)
		}
		seen[h.Name] = true
		if below == checksumFile || below == ".cargo-ok" {
			return nil // Cargo's own marks, which it ignores in an archive too
		}
		e := layer.Entry{Path: h.Name, Type: h.Typeflag, Mode: 0o644, ModTime: ModTime}
		switch h.Typeflag {
		case tar.TypeDir:
			e.Mode = 0o755
		case tar.TypeReg:
			newest = max(newest, h.ModTime.Unix())
			if h.Mode&0o111 != 0 {
				e.Mode = 0o755
			}
			e.Size = h.Size
			if e.Open, err = sp.Put(ctx, r, h.Size); err != nil {
				return err
			}
		case tar.TypeSymlink:
			if !staysInside(below, h.Linkname) {
				return fmt.Errorf("%.200q: symbolic link to %.200q leaves the crate", h.Name, h.Linkname)
			}
			e.Linkname = h.Linkname
		default:
			return fmt.Errorf("%.200q: entries of type %q can't be in a crate", h.Name, h.Typeflag)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	// What follows the archive in the compressed stream has to be intact, too.
	if _, err := io.Copy(io.Discard, io.LimitReader(z, maxCrateBytes)); err != nil {
		return nil, 0, fmt.Errorf("unpacking: %w", err)
	}
	return entries, newest, nil
}

// staysInside accepts relative targets that climb at their beginning only, and
// not above the root: no other link can then bend them outside.
func staysInside(link, target string) bool {
	if path.IsAbs(target) {
		return false
	}
	depth := strings.Count(link, "/")
	climbing := true
	for _, name := range strings.Split(target, "/") {
		switch {
		case name == "" || name == ".":
		case name != "..":
			climbing = false
		case !climbing || depth == 0:
			return false
		default:
			depth--
		}
	}
	return true
}
