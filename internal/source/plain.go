package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
)

// fromPlain takes all files of a directory that git knows nothing of, except
// .git and Cargo's target directories. If dir is a member of a workspace it is
// the workspace that is taken.
func (s *Source) fromPlain(ctx context.Context, sp *spool.Spool, dir string, opt Options) error {
	root, err := plainRoot(dir)
	if err != nil {
		return err
	}
	if s.Dir, err = below(root, dir); err != nil {
		return err
	}
	n := 0
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if name == root {
			return nil
		}
		if n++; n > maxEntries {
			return fmt.Errorf("more than %d files", maxEntries)
		}
		if d.IsDir() && (d.Name() == ".git" || isTarget(root, name)) {
			return fs.SkipDir
		}
		rel, err := below(root, name)
		if err != nil {
			return err
		}
		return addOnDisk(ctx, sp, s.Tree, name, rel)
	})
	if err != nil {
		return err
	}
	return s.setEpoch(opt, 0, FromNothing)
}

// isTarget says whether a directory is one that Cargo builds in.
func isTarget(root, dir string) bool {
	if filepath.Base(dir) != "target" {
		return false
	}
	if filepath.Dir(dir) == root {
		return true
	}
	_, err := os.Lstat(filepath.Join(dir, "CACHEDIR.TAG"))
	return err == nil
}

// plainRoot is the root of the workspace that dir belongs to.
func plainRoot(dir string) (string, error) {
	base := filepath.VolumeName(dir) + string(filepath.Separator)
	rel, err := below(base, dir)
	if err != nil || rel == "" {
		return dir, err
	}
	root, err := cargo.Root(os.DirFS(base), rel)
	if err != nil {
		return dir, nil // who asked will find out
	}
	abs := filepath.Join(base, filepath.FromSlash(root))
	if rel, err = below(abs, dir); err != nil {
		return dir, nil // a workspace elsewhere: Inspect says so
	}
	w, err := cargo.Inspect(os.DirFS(abs), path.Join(".", rel))
	if err != nil {
		return abs, nil
	}
	for _, m := range w.Members {
		for _, p := range m.Paths {
			if strings.HasPrefix(p, "../") || path.IsAbs(p) {
				return "", fault.Hintf(fmt.Errorf("package %s depends on %s, which is outside of the workspace", m.Name, p),
					"put both into a git repository, or move it below %s", abs)
			}
		}
	}
	return abs, nil
}

// addWorktree adds what is on disk of the files in r's directory that git
// tracks or that it would track. At is the directory's place in the tree.
func addWorktree(ctx context.Context, sp *spool.Spool, tree *layer.Tree, r repo, at string, depth int) error {
	if depth > maxModuleDeep {
		return fmt.Errorf("%s: submodules too deep", at)
	}
	out, err := r.git(ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", ".")
	if err != nil {
		return err
	}
	links := map[string]bool{} // directories: is it, or one above it, a link?
	for name := range strings.SplitSeq(string(out), "\x00") {
		if name = strings.TrimSuffix(name, "/"); name == "" {
			continue
		}
		full := filepath.Join(r.dir, filepath.FromSlash(name))
		info, err := os.Lstat(full)
		if errors.Is(err, fs.ErrNotExist) || err == nil && behindLink(links, r.dir, path.Dir(name)) {
			continue // deleted
		}
		if err != nil {
			return err
		}
		if info.IsDir() { // a submodule, or a repository inside this one
			if err := addWorktree(ctx, sp, tree, repo{full}, path.Join(at, name), depth+1); err != nil {
				return err
			}
			continue
		}
		if err := addOnDisk(ctx, sp, tree, full, path.Join(at, name)); err != nil {
			return err
		}
	}
	return nil
}

func behindLink(known map[string]bool, root, dir string) bool {
	if dir == "." {
		return false
	}
	v, ok := known[dir]
	if !ok {
		info, err := os.Lstat(filepath.Join(root, filepath.FromSlash(dir)))
		v = err != nil || info.Mode()&fs.ModeSymlink != 0 || behindLink(known, root, path.Dir(dir))
		known[dir] = v
	}
	return v
}

// addOnDisk adds what is at full, as it is now: it is read more than once, and somebody
// may be at work there.
func addOnDisk(ctx context.Context, sp *spool.Spool, tree *layer.Tree, full, at string) error {
	info, err := os.Lstat(full)
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return tree.Add(layer.Dir(at, 0o755, 0))
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(full)
		if err != nil {
			return err
		}
		return tree.Add(layer.Symlink(at, filepath.ToSlash(target), 0))
	case !mode.IsRegular():
		return fault.Hint(fmt.Errorf("%s is neither a file, a directory nor a link", at), "remove it")
	}
	if info.Size() < maxPointer {
		data, err := os.ReadFile(full)
		if err != nil {
			return err
		}
		if isPointer(data) {
			return fmt.Errorf("%s: %w", at, lfsError(hintPull))
		}
	}
	e := layer.File(at, 0o644, 0, nil)
	if info.Mode()&0o100 != 0 {
		e.Mode = 0o755
	}
	f, err := os.Open(full)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return err
	}
	e.Size = info.Size()
	if e.Open, err = sp.Put(ctx, f, e.Size); err != nil {
		return fmt.Errorf("reading %s: %w", at, err)
	}
	return tree.Add(e)
}
