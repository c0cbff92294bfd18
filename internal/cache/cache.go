// Package cache knows what is in Twice's cache directory, how much of the disk
// it takes, and how to make it smaller.
//
//	store            inputs, composed layers and results, by hash
//	git              repositories that commits were fetched into
//	engine           the embedded engine's own cache
//	engine-rootless  the same without root
//	engine-root      what the embedded engine runs on
//	scratch          outputs of a run, for as long as it lasts
//	others           the rest, all of it small
//
// All of it can be had again: from the network, from a bundle, or by building.
// Removing costs time, and offline it costs the build.
//
// # What Clear removes
//
// What no running command has: every command that uses the directory holds a
// lock (store.Use), and Clear waits until it is alone. Then what dead runs left
// in scratch and in the store's ingest goes in any case, and of the rest what was
// used longest ago, until what remains is no more than was asked for. A blob is
// one thing, the repositories are one, the engine's cache is one. Remembered
// verdicts stay. So does the engine's cache of users that are not root: in it are files
// of users that they are lent, which they can't remove. It doesn't count.
//
// The directory may be a store that others write to, brought back between jobs. One
// whose folders lead somewhere else is refused: nothing outside of it is removed.
package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
)

// Part is one of the directories.
type Part struct {
	Name  string    `json:"name"`
	Size  int64     `json:"size"`  // bytes of the disk
	Files int       `json:"files"` // regular ones
	Used  time.Time `json:"used"`  // last, within an hour; zero: never
}

// parts in the order in which they are listed.
var parts = []string{"store", "git", "engine", rootless, "engine-root", "scratch"}

const rootless = "engine-rootless"

// List measures what is in the directory.
func List(ctx context.Context, dir string) ([]Part, error) {
	var out []Part
	for _, name := range parts {
		p, err := measure(ctx, name, filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("measuring the cache: %w", err)
		}
		// What an engine unpacks has times of its own.
		if mark := map[string]string{"engine": "lock", rootless: "lock", "engine-root": ".twice-root"}[name]; mark != "" {
			p.Used = time.Time{}
			if info, err := os.Stat(filepath.Join(dir, name, mark)); err == nil {
				p.Used = info.ModTime()
			}
		}
		out = append(out, p)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("measuring the cache: %w", err)
	}
	rest := Part{Name: "others"}
	for _, e := range entries {
		if slices.Contains(parts, e.Name()) {
			continue
		}
		p, err := measure(ctx, e.Name(), filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("measuring the cache: %w", err)
		}
		rest.Size, rest.Files = rest.Size+p.Size, rest.Files+p.Files
		if p.Used.After(rest.Used) {
			rest.Used = p.Used
		}
	}
	return append(out, rest), nil
}

// measure adds up what is below a directory. What disappears meanwhile doesn't count, nor
// does what an engine without root keeps of other users.
func measure(ctx context.Context, name, dir string) (Part, error) {
	p := Part{Name: name}
	seen := map[inode]bool{} // a file with several names takes its place once
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || name == rootless && errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		size, id, several := onDisk(info)
		if several && seen[id] {
			return nil
		}
		seen[id] = seen[id] || several
		p.Size += size
		if info.Mode().IsRegular() {
			p.Files++
			if info.ModTime().After(p.Used) {
				p.Used = info.ModTime()
			}
		}
		return nil
	})
	return p, err
}

// Cleared is what Clear did.
type Cleared struct {
	Before, After int64    // bytes of the disk
	Removed       []string `json:",omitempty"` // the blobs' digests, and the names of parts
}

// thing is what is removed as a whole.
type thing struct {
	name  string
	paths []string
	size  int64
	used  time.Time
}

// Clear removes what was used longest ago until no more than keep bytes are
// left. With dry nothing is removed. The caller has the directory alone.
func Clear(ctx context.Context, dir string, keep int64, dry bool) (*Cleared, error) {
	if err := within(dir); err != nil {
		return nil, err
	}
	all, err := List(ctx, dir)
	if err != nil {
		return nil, err
	}
	out := &Cleared{}
	for _, p := range all {
		if p.Name != rootless {
			out.Before += p.Size
		}
	}
	out.After = out.Before
	st, err := openIfThere(filepath.Join(dir, "store"))
	if err != nil {
		return nil, err
	}
	things, left, err := inventory(st, dir, all)
	if err != nil {
		return nil, err
	}
	remove := func(t thing) error {
		out.After -= t.size
		out.Removed = append(out.Removed, t.name)
		if dry {
			return nil
		}
		for _, p := range t.paths {
			if err := os.RemoveAll(p); err != nil {
				return fault.Hint(fmt.Errorf("clearing the cache: %w", err), "is something mounted there? `twice doctor` looks")
			}
		}
		return nil
	}
	for _, t := range left {
		if err := remove(t); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(things, func(a, b thing) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(b.size, a.size)) })
	for _, t := range things {
		if out.After <= keep {
			break
		}
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		if err := remove(t); err != nil {
			return out, err
		}
	}
	if st != nil && !dry {
		return out, st.DropBroken(ctx)
	}
	return out, nil
}

// within refuses a directory in which a folder that is looked into is a link.
func within(dir string) error {
	for _, name := range []string{"store", "store/blobs", "store/blobs/sha256", "store/ingest", "git", "engine", "engine/buildkit", "scratch"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if fi, err := os.Lstat(path); err == nil && !fi.IsDir() {
			return fault.Hint(fmt.Errorf("clearing the cache: %s is not a directory", path),
				"what a link leads to isn't cleared: remove it, or set TWICE_CACHE to where the whole cache is")
		}
	}
	return nil
}

func openIfThere(dir string) (*store.Store, error) {
	if !store.IsStore(dir) {
		return nil, nil
	}
	return store.Open(dir)
}

// inventory lists what can be removed, and what dead runs left.
func inventory(st *store.Store, dir string, all []Part) (things, left []thing, err error) {
	if st != nil {
		blobs, err := st.Blobs()
		if err != nil {
			return nil, nil, err
		}
		for _, b := range blobs {
			if b.Digest == "" && strings.HasPrefix(filepath.Base(b.Path), "tmp-") {
				left = append(left, thing{filepath.Base(b.Path), []string{b.Path}, b.Size, b.Used})
				continue
			}
			things = append(things, thing{cmp.Or(b.Digest, digest.Digest(filepath.Base(b.Path))).String(), []string{b.Path}, b.Size, b.Used})
		}
	}
	for _, p := range all {
		switch p.Name {
		case "git":
			if p.Size > 0 {
				things = append(things, thing{"git", []string{filepath.Join(dir, "git")}, p.Size, p.Used})
			}
		case "engine":
			if info, err := os.Stat(filepath.Join(dir, "engine", "buildkit")); err == nil {
				used := p.Used
				if used.IsZero() {
					used = info.ModTime()
				}
				things = append(things, thing{"engine", []string{filepath.Join(dir, "engine", "buildkit")}, p.Size, used})
			}
		case "scratch":
			entries, _ := os.ReadDir(filepath.Join(dir, "scratch"))
			t := thing{name: "scratch", size: p.Size}
			for _, e := range entries {
				t.paths = append(t.paths, filepath.Join(dir, "scratch", e.Name()))
			}
			if len(t.paths) > 0 {
				left = append(left, t)
			}
		}
	}
	return things, left, nil
}

// ParseSize reads a number of bytes with a unit: "10GB", "512MiB", "0".
func ParseSize(s string) (int64, error) {
	units := []struct {
		name string
		n    float64
	}{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"B", 1}, {"", 1},
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || n*u.n > 1<<60 {
			break
		}
		return int64(n * u.n), nil
	}
	return 0, fault.Hint(fmt.Errorf("%q is not a size", s), "write 10GB, 512MiB or 0")
}
