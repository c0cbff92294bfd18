package rust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

// Toolchain is one that rustup installed. Nothing in it is to be trusted.
type Toolchain struct {
	Name       string   // "stable-x86_64-unknown-linux-gnu"; of several names for a directory the first
	Dir        string   // without symbolic links
	Host       string   // the triple that its rustc runs on
	Date       string   // of its manifest
	Components []string // as lib/rustlib/components names them: "rust-std-x86_64-unknown-linux-gnu"
}

const (
	rustlib      = "lib/rustlib"
	manifestName = "multirust-channel-manifest.toml"
)

// Manifest reads the manifest that the toolchain was installed from.
func (t Toolchain) Manifest() (*Manifest, error) {
	data, err := readLimited(filepath.Join(t.Dir, rustlib, manifestName), maxManifest)
	if err != nil {
		return nil, fmt.Errorf("toolchain %s: %w", t.Name, err)
	}
	m, err := ParseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("toolchain %s: %w", t.Name, err)
	}
	return m, nil
}

// Toolchains lists the toolchains below $RUSTUP_HOME or ~/.rustup, sorted by
// name. Those without a manifest (linked ones, custom builds) are left out.
func Toolchains(ctx context.Context) ([]Toolchain, error) {
	home := os.Getenv("RUSTUP_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("finding rustup's toolchains: %w", err)
		}
		home = filepath.Join(user, ".rustup")
	}
	return toolchainsIn(ctx, filepath.Join(home, "toolchains"))
}

func toolchainsIn(ctx context.Context, dir string) ([]Toolchain, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding rustup's toolchains: %w", err)
	}
	var all []Toolchain
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		real, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
		if err != nil || slices.ContainsFunc(all, func(t Toolchain) bool { return t.Dir == real }) {
			continue
		}
		t := Toolchain{Name: e.Name(), Dir: real}
		if t.Date = manifestDate(filepath.Join(real, rustlib, manifestName)); t.Date == "" {
			continue
		}
		list, err := readLimited(filepath.Join(real, rustlib, "components"), 1<<20)
		if err != nil {
			continue
		}
		t.Components = strings.Fields(string(list))
		for _, c := range t.Components {
			if host, ok := strings.CutPrefix(c, "rustc-"); ok && strings.Count(host, "-") >= 2 && !strings.HasPrefix(host, "dev-") && !strings.HasPrefix(host, "docs-") {
				t.Host = host
				break
			}
		}
		all = append(all, t)
	}
	return all, nil
}

// manifestDate reads the date from the beginning of a manifest, "" when there is none.
func manifestDate(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, _ := io.ReadFull(f, head)
	for line := range bytes.Lines(head[:n]) {
		if v, ok := bytes.CutPrefix(line, []byte(`date = "`)); ok {
			date, _, _ := bytes.Cut(v, []byte(`"`))
			return string(date)
		}
	}
	return ""
}

// Installed finds a toolchain on this machine whose manifest has the pin's
// date and hashes, and that has all the pin's components; its name doesn't
// matter. The caller checks pin.Tree. The error wraps fs.ErrNotExist when
// there is none.
func Installed(ctx context.Context, pin Pin) (string, error) {
	all, err := Toolchains(ctx)
	if err != nil {
		return "", err
	}
	var incomplete string
	var lacks []string
	for _, t := range all {
		if t.Date != pin.Date {
			continue
		}
		m, err := t.Manifest()
		if err != nil || !m.holds(pin) {
			continue
		}
		missing := t.lacks(pin)
		if len(missing) == 0 {
			return t.Dir, nil
		}
		incomplete, lacks = t.Name, missing
	}
	err = fmt.Errorf("no installed toolchain is %s: %w", pin.Channel, fs.ErrNotExist)
	if incomplete != "" {
		return "", fault.Hintf(fmt.Errorf("toolchain %s lacks %s: %w", incomplete, strings.Join(lacks, ", "), err),
			"run `rustup component add --toolchain %s %s`", incomplete, strings.Join(lacks, " "))
	}
	return "", fault.Hintf(err, "run `rustup toolchain install %s --profile minimal`", pin.Channel)
}

// holds says whether the manifest has the pin's tarballs.
func (m *Manifest) holds(pin Pin) bool {
	for _, c := range pin.Components {
		own, err := m.component(c.Name, c.Target)
		if err != nil || own.SHA256 != c.SHA256 || own.Target != c.Target {
			return false
		}
	}
	return m.Date == pin.Date && len(pin.Components) > 0
}

func (t Toolchain) lacks(pin Pin) []string {
	var missing []string
	for _, c := range pin.Components {
		if !slices.Contains(t.Components, c.installedName()) && !slices.Contains(t.Components, c.Name) {
			missing = append(missing, c.installedName())
		}
	}
	return missing
}

// InstalledTree is the files of pin's components in the toolchain in dir.
// Their content is read when an entry is opened.
func InstalledTree(ctx context.Context, dir string, pin Pin) (*layer.Tree, error) {
	tree := layer.NewTree()
	for _, c := range pin.Components {
		if err := addInstalled(ctx, tree, dir, c); err != nil {
			return nil, fmt.Errorf("reading installed toolchain: component %s: %w", c.installedName(), err)
		}
	}
	return tree, nil
}

func addInstalled(ctx context.Context, tree *layer.Tree, dir string, c Component) error {
	data, err := readLimited(filepath.Join(dir, rustlib, "manifest-"+c.installedName()), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = readLimited(filepath.Join(dir, rustlib, "manifest-"+c.Name), maxManifest)
	}
	if err != nil {
		return err
	}
	parts, err := parseParts(data)
	if err != nil {
		return err
	}
	for _, p := range parts {
		full := filepath.Join(dir, filepath.FromSlash(p.path))
		if !p.dir {
			info, err := os.Lstat(full)
			if err == nil {
				err = addFile(tree, full, p.path, info, true)
			}
			if err != nil {
				return err
			}
			continue
		}
		err := filepath.WalkDir(full, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				return err
			}
			return addFile(tree, name, filepath.ToSlash(rel), info, false)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addFile adds what is at full. Named says that a component lists the file itself.
func addFile(tree *layer.Tree, full, at string, info fs.FileInfo, named bool) error {
	switch {
	case info.IsDir():
		if named {
			return fmt.Errorf("%s: a directory where a file should be", at)
		}
		return tree.Add(layer.Dir(at, 0o755, 0))
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(full)
		if err != nil {
			return err
		}
		return tree.Add(layer.Symlink(at, target, 0))
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a file", at)
	}
	e := layer.File(at, partMode(at, int64(info.Mode().Perm()), named), 0, nil)
	e.Size = info.Size()
	e.Open = func() (io.ReadCloser, error) { return os.Open(full) }
	return tree.Add(e)
}

func readLimited(name string, max int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(data)) > max {
		err = fmt.Errorf("%s: more than %d bytes", name, max)
	}
	return data, err
}
