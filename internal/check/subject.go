package check

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/audit"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/deny"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/tomldoc"
	"github.com/craton-co/twice/internal/verdict"
)

// subject is what the checks look at.
type subject struct {
	src   *source.Source
	fsys  fs.FS
	ws    *cargo.Workspace
	dir   string // Cargo runs in it
	files []layer.Entry

	config    *config.File // nil without twice.toml
	twiceLock *lock.Lock   // nil without twice.lock
	cargoLock *cargo.LockFile
	verdict   *verdict.Verdict // given by hand, or nil
	audit     *audit.Report    // likewise
	denied    *deny.Report     // of cargo-deny, nil if denyErr says why not
	denyErr   error

	manifests []*tomldoc.Document // the root's first
	deny      *tomldoc.Document   // nil without deny.toml
	recipes   []*recipe
	pins      []Pin
	own       []*unit  // the workspace's members
	graph     []*Crate // what Cargo.lock has besides
	graphErr  error    // why graph isn't complete
}

// open reads everything that is in the source itself.
func openSubject(ctx context.Context, src *source.Source) (*subject, error) {
	s := &subject{src: src, fsys: src.FS(), dir: path.Clean(src.Dir), files: src.Tree.Entries()}
	var err error
	if s.ws, err = cargo.Inspect(s.fsys, s.dir); err != nil {
		return nil, fault.Hint(err, "`cargo metadata` shows what cargo makes of the workspace")
	}
	if data, err := s.read(s.below("Cargo.lock")); err != nil {
		return nil, err
	} else if data != nil {
		if s.cargoLock, err = cargo.ParseLock(data); err != nil {
			return nil, fault.Hint(err, "`cargo generate-lockfile` writes it anew")
		}
	}
	if data, err := s.read(s.below(config.Name)); err != nil {
		return nil, err
	} else if data != nil {
		if s.config, err = config.Parse(data); err != nil {
			return nil, err
		}
		if err := resolve.Fill(s.config, s.ws, ""); err != nil {
			return nil, err
		}
	}
	if data, err := s.read(s.below(lock.Name)); err != nil {
		return nil, err
	} else if data != nil {
		if s.twiceLock, err = lock.Parse(data); err != nil {
			return nil, err
		}
	}
	if err := s.readTOML(); err != nil {
		return nil, err
	}
	for _, e := range s.files {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if e.Type != tar.TypeReg || !mayBeRecipe(e.Path, e.Size, e.Mode&0o100 != 0) {
			continue
		}
		data, err := s.read(e.Path)
		if err != nil {
			return nil, err
		}
		if r := readRecipe(e.Path, data); r != nil {
			s.recipes = append(s.recipes, r)
		}
	}
	s.pins = s.readPins()
	s.own = s.readOwn()
	return s, nil
}

// below is a path in the workspace's root.
func (s *subject) below(name string) string { return path.Join(s.ws.Root, name) }

// read returns a file's content, nil if there is none.
func (s *subject) read(name string) ([]byte, error) {
	data, err := fs.ReadFile(s.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return append([]byte{}, data...), nil
}

func (s *subject) readTOML() error {
	names := []string{s.below("Cargo.toml")}
	for _, m := range s.ws.Members {
		names = append(names, path.Join(m.Dir, "Cargo.toml"))
	}
	slices.Sort(names[1:])
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		data, err := s.read(name)
		if err != nil {
			return err
		}
		doc, err := tomldoc.Parse(name, data)
		if err != nil {
			return fault.Hint(err, "`cargo metadata` shows what cargo makes of it")
		}
		s.manifests = append(s.manifests, doc)
	}
	for _, name := range []string{"deny.toml", ".deny.toml", ".cargo/deny.toml"} {
		data, err := s.read(s.below(name))
		if err != nil {
			return err
		}
		if data == nil {
			continue
		}
		if s.deny, err = tomldoc.Parse(s.below(name), data); err != nil {
			return fault.Hint(err, "`cargo deny check` shows what cargo-deny makes of it")
		}
		if v := s.deny.Root.Get("sources", "allow-git"); v != nil && (v.Array == nil && v.String != "" || v.Table != nil) {
			return fault.Hint(fmt.Errorf("%s:%d: sources.allow-git is no array", s.deny.Name, v.Line), "write allow-git = [\"https://…\"]")
		}
		break
	}
	return nil
}

// lineOf finds the first line of a file that has a text, 0 if none has.
func (s *subject) lineOf(name, text string) int {
	data, err := s.read(name)
	if err != nil {
		return 0
	}
	i := strings.Index(string(data), text)
	if i < 0 {
		return 0
	}
	return 1 + strings.Count(string(data[:i]), "\n")
}

// builtByTwice says whether the project says how twice builds it.
func (s *subject) builtByTwice() (Finding, bool) {
	for _, name := range []string{config.Name, lock.Name} {
		if _, err := fs.Stat(s.fsys, s.below(name)); err == nil {
			return at(s.below(name), 0, "built by twice"), true
		}
	}
	return Finding{}, false
}
