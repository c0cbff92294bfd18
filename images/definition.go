package images

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// A Definition is an image.toml: what an image is to be.
type Definition struct {
	Name        string `toml:"name"`
	Description string `toml:"description"`

	// Like names the image whose definition this one starts from: every key
	// that this one has takes the place of that one's, but for groups, which
	// are added.
	Like string `toml:"like,omitempty" json:"-"`

	// Where the packages come from: one component of one suite of Debian's
	// archive, for one architecture.
	Suite        string `toml:"suite"`
	Component    string `toml:"component"`
	Architecture string `toml:"architecture"`

	// Essential asks for every package marked Essential. Packages are wanted
	// by name; what they depend on comes along, except for the names in
	// Without, whose absence is meant.
	Essential bool     `toml:"essential"`
	Packages  []string `toml:"packages"`
	Without   []string `toml:"without,omitempty"`

	// Groups are packages that an image has only when asked for (see With).
	Groups map[string]Group `toml:"group,omitempty"`

	// Drop names files, or directories with all they hold, that the packages
	// ship and the image doesn't need; patterns as in path.Match. What matches
	// Keep, or lies below it, stays all the same; a pattern to keep that ends
	// in "@" names symbolic links only.
	Drop []string `toml:"drop,omitempty"`
	Keep []string `toml:"keep,omitempty"`

	// Database is how the image says what it is made of: "status" is dpkg's
	// own, "status.d" has one file a package, as distroless images do, and
	// "none" is none.
	Database string `toml:"database"`

	// Certificates writes /etc/ssl/certs/ca-certificates.crt, the
	// certificates of ca-certificates concatenated in the order of their paths.
	Certificates bool `toml:"certificates,omitempty"`

	// Compression is that of the image's layers: none, gzip or zstd.
	Compression string `toml:"compression"`

	// What maintainer scripts would make, applied in this order. A copy's key
	// is the new file, its value a file of a package. A link's key is the
	// link, its value the target, which must exist.
	Dirs   []Dir             `toml:"dir,omitempty"`
	Copies map[string]string `toml:"copies,omitempty"`
	Files  []File            `toml:"file,omitempty"`
	Links  map[string]string `toml:"links,omitempty"`

	Config Config `toml:"config"`

	// Rust is set of a builder that has a Rust toolchain among its packages.
	Rust *Rust `toml:"rust,omitempty" json:",omitempty"`

	// Lock is the image's lock.toml.
	Lock Lock `toml:"-"`
	// Selected holds the groups that With chose, sorted.
	Selected []string `toml:"-"`
}

// A Group is a set of packages that an image has only when asked for.
type Group struct {
	Packages []string `toml:"packages"`
	Without  []string `toml:"without,omitempty"`
}

// Rust is a toolchain that comes in packages.
type Rust struct {
	// Prefix is where it lies, relative to the root: "usr".
	Prefix string `toml:"prefix"`
	// Host is the triple that it runs on and compiles for.
	Host string `toml:"host"`
	// Package is the one whose version is the toolchain's.
	Package string `toml:"package"`
	// Std are the images that hold the standard library of other targets, by triple.
	Std map[string]string `toml:"std,omitempty"`
	// Components are the groups of packages that hold what rustup calls a
	// component, by its name there.
	Components map[string]string `toml:"components,omitempty"`
}

// Version of the toolchain, without what only Debian means by it: "1.85.0" of
// "1.85.0+dfsg3-1~deb12u3".
func (d Definition) RustVersion() string {
	if d.Rust == nil {
		return ""
	}
	for _, p := range d.Lock.Packages {
		if p.Name == d.Rust.Package {
			v, _, _ := strings.Cut(p.Version, "+")
			v, _, _ = strings.Cut(v, "-")
			return v
		}
	}
	return ""
}

// A Dir is a directory to make.
type Dir struct {
	Path string `toml:"path"`
	Mode int64  `toml:"mode"`
	UID  int    `toml:"uid,omitempty"`
	GID  int    `toml:"gid,omitempty"`
}

// A File is a file to write.
type File struct {
	Path    string `toml:"path"`
	Mode    int64  `toml:"mode"`
	UID     int    `toml:"uid,omitempty"`
	GID     int    `toml:"gid,omitempty"`
	Content string `toml:"content"`
}

// Config is what goes into the OCI image's configuration.
type Config struct {
	User       string            `toml:"user,omitempty"`
	WorkingDir string            `toml:"working-dir,omitempty"`
	Env        []string          `toml:"env,omitempty"`
	Labels     map[string]string `toml:"labels,omitempty"`
}

// Extra is the group of packages that a project asks for beside those of the
// definition.
const Extra = "extra"

// Parse reads an image.toml and its lock. An empty lock is an image that was
// never locked.
func Parse(definition, lock []byte) (Definition, error) {
	var d Definition
	var like struct{ Like string }
	if err := toml.Unmarshal(definition, &like); err == nil && like.Like != "" {
		if d, err = Load(like.Like); err != nil {
			return Definition{}, fmt.Errorf("parsing image definition: like: %w", err)
		}
		d.Lock = Lock{}
	}
	dec := toml.NewDecoder(bytes.NewReader(definition)).DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return Definition{}, fmt.Errorf("parsing image definition: %w", err)
	}
	if err := d.check(); err != nil {
		return Definition{}, fmt.Errorf("parsing image definition %s: %w", d.Name, err)
	}
	if len(lock) > 0 {
		l, err := ParseLock(lock)
		if err != nil {
			return Definition{}, fmt.Errorf("image %s: %w", d.Name, err)
		}
		d.Lock = *l
	}
	return d, nil
}

// With returns d with these groups' packages beside its own.
func (d Definition) With(groups ...string) (Definition, error) {
	for _, g := range groups {
		if _, ok := d.Groups[g]; !ok && g != Extra {
			return Definition{}, fmt.Errorf("image %s has no group %q", d.Name, g)
		}
	}
	d.Selected = append(slices.Clone(d.Selected), groups...)
	slices.Sort(d.Selected)
	d.Selected = slices.Compact(d.Selected)
	return d, nil
}

// Locked returns the packages that d, with its selected groups, is made of,
// sorted by name.
func (d Definition) Locked() []Package {
	var out []Package
	for _, p := range d.Lock.Packages {
		if len(p.Groups) == 0 || slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(d.Selected, g) }) {
			out = append(out, p)
		}
	}
	return out
}

func (d *Definition) check() error {
	for _, f := range []struct{ key, value string }{
		{"name", d.Name}, {"suite", d.Suite}, {"component", d.Component}, {"architecture", d.Architecture},
	} {
		if !isToken(f.value) {
			return fmt.Errorf("%s %q: expected lower-case letters, digits, dots and hyphens", f.key, f.value)
		}
	}
	if !slices.Contains([]string{"status", "status.d", "none"}, d.Database) {
		return fmt.Errorf("database %q: expected status, status.d or none", d.Database)
	}
	if !slices.Contains([]string{"none", "gzip", "zstd"}, d.Compression) {
		return fmt.Errorf("compression %q: expected none, gzip or zstd", d.Compression)
	}
	if len(d.Packages) == 0 && !d.Essential {
		return errors.New("packages: none")
	}
	if _, ok := d.Groups[Extra]; ok {
		return fmt.Errorf("group %q: the name is taken by what projects ask for", Extra)
	}
	for _, p := range slices.Concat(d.Drop, d.Keep) {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", p, err)
		}
	}
	return nil
}

func isToken(s string) bool {
	return s != "" && !strings.HasPrefix(s, ".") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}
