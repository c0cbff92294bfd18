package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
)

// archiveNames are what the names of archives end with.
var archiveNames = []string{".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst"}

// openArchive opens a file: a .crate, which is the published crate if it has that
// one's bytes, or a tar archive of a workspace, as release pages have them.
func openArchive(ctx context.Context, spec, name string, opt Options) (*Source, error) {
	if strings.HasSuffix(name, ".crate") {
		return openCrateFile(ctx, name, opt)
	}
	ext := ""
	for _, e := range archiveNames {
		if strings.HasSuffix(name, e) && len(e) > len(ext) {
			ext = e
		}
	}
	if ext == "" {
		return nil, fault.Hintf(errors.New("not a directory, a .crate or a tar archive"), "name %s, or unpack it and name the directory", filepath.Dir(spec))
	}
	sp, err := spool.New(opt.spoolDir())
	if err != nil {
		return nil, err
	}
	s := &Source{Spec: spec, Kind: KindArchive, Name: strings.TrimSuffix(filepath.Base(name), ext), closers: []io.Closer{sp}}
	if err = s.fromArchive(ctx, sp, name, opt); err == nil {
		err = checkLinks(s.Tree)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openCrateFile takes a .crate of this machine into the store and opens it as
// the crate that it is.
func openCrateFile(ctx context.Context, name string, opt Options) (*Source, error) {
	if opt.Store == nil {
		return nil, errors.New("a crate needs a store")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	pkg, version, err := crateFileName(ctx, name)
	if err != nil {
		return nil, fault.Hint(err, "`cargo package` writes a .crate")
	}
	d, _, err := opt.Store.Put(ctx, f, "", -1)
	if err != nil {
		return nil, err
	}
	return readCrate(ctx, cargo.Crate{Name: pkg, Version: version, Checksum: d.Encoded()}, opt)
}

// crateFileName reads which crate a file holds: its manifest says so.
func crateFileName(ctx context.Context, name string) (pkg, version string, err error) {
	err = untarFile(ctx, name, func(h *tar.Header, r io.Reader) error {
		dir, rest, _ := strings.Cut(h.Name, "/")
		if rest != "Cargo.toml" || pkg != "" {
			return nil
		}
		data, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if err != nil {
			return err
		}
		if pkg, version, err = cargo.PackageOf(h.Name, data); err == nil && dir != pkg+"-"+version {
			err = fmt.Errorf("its folder is %.100q, and its manifest is that of %s %s", dir, pkg, version)
		}
		return err
	})
	if err == nil && pkg == "" {
		err = errors.New("it has no Cargo.toml")
	}
	return pkg, version, err
}

// Bounds of an archive of sources: what it becomes is kept on this disk.
var archiveLimits = layer.Limits{Entries: 1 << 20, File: 4 << 30, Total: 16 << 30}

// untarFile reads a tar archive, compressed in whatever way.
func untarFile(ctx context.Context, name string, fn func(h *tar.Header, r io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	kind := "x.tar.gz"
	switch {
	case strings.HasSuffix(name, ".tar"):
		return layer.ReadTar(ctx, f, archiveLimits, fn)
	case strings.HasSuffix(name, "xz"):
		kind = "x.tar.xz"
	case strings.HasSuffix(name, ".zst"):
		kind = "x.tar.zst"
	}
	z, err := debian.Decompress(ctx, kind, f)
	if err != nil {
		return err
	}
	defer z.Close()
	return layer.ReadTar(ctx, z, archiveLimits, fn)
}

// fromArchive takes the files of an archive. A folder that everything lies in is
// the archive's own, and is left out. Owners, times and all of the modes but
// the executable bit are dropped.
func (s *Source) fromArchive(ctx context.Context, sp *spool.Spool, name string, opt Options) error {
	sum, err := fileDigest(name)
	if err != nil {
		return err
	}
	s.Checksum = sum.Encoded()
	var entries []layer.Entry
	var newest int64
	top, single := "", true
	err = untarFile(ctx, name, func(h *tar.Header, r io.Reader) error {
		if h.Name == "." {
			return nil
		}
		first, rest, _ := strings.Cut(h.Name, "/")
		if top == "" {
			top = first
		}
		single = single && top == first && (rest != "" || h.Typeflag == tar.TypeDir)
		if hasDotGit(h.Name) {
			return nil
		}
		e := layer.Entry{Path: h.Name, Type: h.Typeflag, Mode: 0o644, Linkname: h.Linkname, Size: h.Size}
		switch h.Typeflag {
		case tar.TypeDir:
			e.Mode, e.Linkname = 0o755, ""
		case tar.TypeReg:
			newest = max(newest, h.ModTime.Unix())
			if h.Mode&0o100 != 0 {
				e.Mode = 0o755
			}
			if e.Open, err = sp.Put(ctx, r, h.Size); err != nil {
				return err
			}
		case tar.TypeSymlink:
		default:
			return fault.Hint(fmt.Errorf("%s is a hard link", h.Name), "unpack it, and name the directory")
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return err
	}
	s.Tree = layer.NewTree()
	for _, e := range entries {
		if single {
			if e.Path == top {
				continue
			}
			e.Path = strings.TrimPrefix(e.Path, top+"/")
		}
		if err := addWithParents(s.Tree, e); err != nil {
			return err
		}
	}
	if s.Tree.Len() == 0 {
		return errors.New("no files are in it")
	}
	return s.setEpoch(opt, clampTime(newest), FromArchive)
}

func fileDigest(name string) (digest.Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digest.SHA256.FromReader(f)
}
