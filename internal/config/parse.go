package config

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/opencontainers/go-digest"
	"github.com/pelletier/go-toml/v2"
)

// Limits on names: they become paths, file names and labels.
var (
	nameRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// cargo's rule for features, with the dep:, crate/feature and ?/ forms.
	featureRE = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_+.?/:-]{0,127}$`)
	envRE     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	userRE    = regexp.MustCompile(`^[0-9]{1,10}(:[0-9]{1,10})?$`)
	exposeRE  = regexp.MustCompile(`^[0-9]{1,5}(/(tcp|udp))?$`)
	tripleRE  = regexp.MustCompile(`^[a-z0-9_]+(-[a-z0-9_.]+){1,3}$`)
	profileRE = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	outDirRE  = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,128}$`)
	hexRE     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	commitRE  = regexp.MustCompile(`^[0-9a-f]{40}$`)

	crateVersionRE = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]{0,32}$`)

	debianRE = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

	// Without a password or a query.
	repositoryRE = regexp.MustCompile(`^(https|ssh|git)://([A-Za-z0-9_-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?(/[A-Za-z0-9._~+-]+)+/?$`)
)

// Parse decodes a twice.toml. Names are checked, defaults are not filled in.
func Parse(data []byte) (*File, error) {
	var f File
	d := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fault.Hint(tomlError(err), "the keys are listed by `twice init --help`")
	}
	if err := f.check(data); err != nil {
		return nil, err
	}
	f.Text = data
	return &f, nil
}

// tomlError turns go-toml's errors into `twice.toml:LINE: what`.
func tomlError(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		e := strict.Errors[0]
		line, _ := e.Position()
		return fmt.Errorf("%s:%d: unknown key %s", Name, line, strings.Join(e.Key(), "."))
	}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		line, _ := de.Position()
		return fmt.Errorf("%s:%d: %s", Name, line, strings.TrimPrefix(de.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", Name, err)
}

func (f *File) check(data []byte) error {
	bad := func(value, format string, a ...any) error {
		return fmt.Errorf("%s:%d: %s", Name, lineOf(data, value), fmt.Sprintf(format, a...))
	}
	if f.Epoch != nil && (*f.Epoch < 0 || *f.Epoch > 253402300799) {
		return bad("epoch", "epoch %d is not a time between 1970 and 9999", *f.Epoch)
	}
	if f.Name != "" && !nameRE.MatchString(f.Name) {
		return bad(f.Name, "%q can't be a name: letters, digits, dot, dash and underscore", f.Name)
	}
	if c := f.Check; c != nil {
		if !crateVersionRE.MatchString(c.CargoDeny.Version) || !hexRE.MatchString(c.CargoDeny.SHA256) {
			return fault.Hint(bad("cargo-deny", "cargo-deny must have a version and the sha256 of its .crate"), "docs/audit.md has the lines")
		}
		if !commitRE.MatchString(c.AdvisoryDB.Commit) {
			return fault.Hint(bad("advisory-db", "advisory-db must have a commit of 40 hexadecimal digits"), "`git ls-remote https://github.com/RustSec/advisory-db HEAD` has today's")
		}
	}
	if f.Source != nil && f.Source.Repository != "" && !IsRepository(f.Source.Repository) {
		return bad(f.Source.Repository, "repository %q is not a URL for everybody: https://HOST/PATH, or ssh:// or git://", f.Source.Repository)
	}
	if err := f.Builder.check(bad); err != nil {
		return err
	}
	for name, p := range f.Profiles {
		if !profileRE.MatchString(name) {
			return bad(name, "%q can't be a profile: lower-case letters, digits and dashes", name)
		}
		if p.Builder != nil {
			if err := p.Builder.check(bad); err != nil {
				return err
			}
		}
		if err := p.CUDA.check(bad); err != nil {
			return err
		}
		if err := (Image{Base: p.Base}).check(bad); err != nil {
			return err
		}
	}
	if err := f.CUDA.check(bad); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, b := range f.Builds {
		for _, n := range append([]string{b.Name, b.Profile}, append(slices.Clone(b.Packages), b.Bins...)...) {
			if n != "" && !nameRE.MatchString(n) {
				return bad(n, "%q can't be a name: letters, digits, dot, dash and underscore", n)
			}
		}
		if b.Name != "" && names[b.Name] {
			return bad(b.Name, "two builds are called %q", b.Name)
		}
		names[b.Name] = true
		if b.Target != "" && !tripleRE.MatchString(b.Target) {
			return bad(b.Target, "%q is not a target triple", b.Target)
		}
		for _, ft := range b.Features {
			if !featureRE.MatchString(ft) {
				return bad(ft, "%q is not the name of a feature", ft)
			}
		}
		for k, v := range b.Env {
			if !envRE.MatchString(k) || reserved(k) {
				return bad(k, "%s can't be set: %s", k, reservedWhy(k))
			}
			if strings.ContainsAny(v, "\x00\n\r") {
				return bad(k, "the value of %s has a line break or a NUL in it", k)
			}
		}
	}
	for _, im := range f.Images {
		if err := im.check(bad); err != nil {
			return err
		}
		if im.Build != "" && len(im.Builds) > 0 {
			return bad(im.Build, "an image has either build or builds")
		}
		for _, b := range append(slices.Clone(im.Builds), im.Build) {
			if b != "" && !names[b] {
				return bad(b, "there is no build called %q", b)
			}
		}
	}
	for _, fm := range f.Archive.Formats {
		if !slices.Contains([]string{"tar.gz", "tar.zst", "zip"}, fm) {
			return bad(fm, "%q is not an archive format: tar.gz, tar.zst or zip", fm)
		}
	}
	for _, g := range f.Archive.Files {
		if _, err := path.Match(g, "x"); err != nil || !inside(g) {
			return bad(g, "%q is not a pattern inside the workspace", g)
		}
	}
	for _, p := range f.Archive.OutDir {
		if !inside(p) || !outDirRE.MatchString(p) {
			return bad(p, "%q is not the path of a file in OUT_DIR: letters, digits, dots, dashes, underscores and slashes", p)
		}
	}
	return nil
}

func (b Builder) check(bad func(value, format string, a ...any) error) error {
	for _, p := range b.Packages {
		if !debianRE.MatchString(p) {
			return bad(p, "%q is not the name of a Debian package", p)
		}
	}
	if b.ByDigest() && len(b.Packages) > 0 {
		return bad(b.Packages[0], "packages are added to a definition, and not to an image by digest")
	}
	return checkImage("image", b.Image, bad)
}

func (im Image) check(bad func(value, format string, a ...any) error) error {
	if im.Name != "" && !nameRE.MatchString(im.Name) {
		return bad(im.Name, "name %q: letters, digits, dots, dashes and underscores", im.Name)
	}
	if im.User != "" && !userRE.MatchString(im.User) {
		return bad(im.User, "user %q: a number, or two with a colon between them", im.User)
	}
	for _, e := range im.Expose {
		if !exposeRE.MatchString(e) {
			return bad(e, "%q is not a port: 8080 or 8080/tcp", e)
		}
	}
	for from, to := range im.Files {
		if !inside(from) {
			return bad(from, "%q is not a path inside the workspace", from)
		}
		if !path.IsAbs(to) || path.Clean(to) != to {
			return bad(to, "%q is not an absolute path in the image", to)
		}
	}
	return checkImage("base", im.Base, bad)
}

func checkImage(what, ref string, bad func(value, format string, a ...any) error) error {
	if strings.Contains(ref, "@") {
		_, d, _ := strings.Cut(ref, "@")
		if _, err := digest.Parse(d); err != nil {
			return bad(ref, "%s %q: %v", what, ref, err)
		}
	} else if ref != "" && !nameRE.MatchString(ref) {
		return bad(ref, "%s %q: a definition's name, scratch, or name@sha256:…", what, ref)
	}
	return nil
}

func inside(p string) bool {
	return p != "" && !path.IsAbs(p) && path.Clean(p) == p && p != ".." && !strings.HasPrefix(p, "../")
}

// reserved names are those that the plan itself sets.
func reserved(k string) bool {
	switch k {
	case "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "LANG", "SOURCE_DATE_EPOCH", "RUSTC", "RUSTFLAGS",
		"CFLAGS", "CXXFLAGS", "TMPDIR", "LD_PRELOAD", "LD_LIBRARY_PATH":
		return true
	}
	for _, p := range []string{"LC_", "CARGO", "RUSTUP_", "RUSTC_", "TWICE_"} {
		if strings.HasPrefix(k, p) {
			return true
		}
	}
	return false
}

func reservedWhy(k string) string {
	if envRE.MatchString(k) {
		return "the build's fixed environment has it"
	}
	return "not the name of an environment variable"
}

// lineOf finds the line on which a value stands: semantic checks run on the
// decoded file, which has lost its positions.
func lineOf(data []byte, value string) int {
	text := string(data)
	for _, needle := range []string{strconv.Quote(value), "'" + value + "'", value} {
		if i := strings.Index(text, needle); i >= 0 {
			return 1 + strings.Count(text[:i], "\n")
		}
	}
	return 1
}
