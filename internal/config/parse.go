package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/tomldoc"
	"github.com/opencontainers/go-digest"
	"github.com/pelletier/go-toml/v2"
)

// Limits on names: they become paths, file names and labels.
var (
	nameRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// What names are filled in, which are Cargo's: one element of a path all the same.
	filledRE = regexp.MustCompile(`^[\p{L}\p{N}_][\p{L}\p{N}._+@-]{0,127}$`)
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
	f.Text = data
	for i := range f.Builds {
		f.Builds[i].Nth = i
	}
	for i := range f.Images {
		f.Images[i].Nth = i
	}
	doc, err := tomldoc.Parse(Name, data)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"build", "image"} { // the decoder takes one table for an array of one
		if v := doc.Root.Get(name); v != nil && v.Table != nil {
			return nil, fault.Hintf(fmt.Errorf("%s:%d: there can be several: [%s] is one", Name, v.Line, name), "write [[%s]]", name)
		}
	}
	if err := f.check(nameRE); err != nil {
		return nil, err
	}
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

// Valid is what Parse checks, of a file that was not parsed and whose defaults are
// filled in: in a statement, for instance.
func (f *File) Valid() error {
	if f == nil || len(f.Builds) == 0 {
		return fmt.Errorf("%s: there is no build", Name)
	}
	for i, b := range f.Builds {
		if b.Name == "" {
			return fmt.Errorf("%s: build %d has no name", Name, i)
		}
	}
	return f.check(filledRE)
}

func (f *File) check(names *regexp.Regexp) error {
	bad := func(at []any, format string, a ...any) error {
		return fmt.Errorf("%s: %s", f.Where(at...), fmt.Sprintf(format, a...))
	}
	if f.Epoch != nil && (*f.Epoch < 0 || *f.Epoch > 253402300799) {
		return bad(place("epoch"), "epoch %d is not a time between 1970 and 9999", *f.Epoch)
	}
	if f.Name != "" && !names.MatchString(f.Name) {
		return bad(place("name"), "%q can't be a name: letters, digits, dot, dash and underscore", f.Name)
	}
	if c := f.Check; c != nil {
		if !crateVersionRE.MatchString(c.CargoDeny.Version) || !hexRE.MatchString(c.CargoDeny.SHA256) {
			return fault.Hint(bad(place("check", "cargo-deny"), "cargo-deny must have a version and the sha256 of its .crate"), "docs/audit.md has the lines")
		}
		if !commitRE.MatchString(c.AdvisoryDB.Commit) {
			return fault.Hint(bad(place("check", "advisory-db"), "advisory-db must have a commit of 40 hexadecimal digits"), "`git ls-remote https://github.com/RustSec/advisory-db HEAD` has today's")
		}
	}
	if f.Source != nil && f.Source.Repository != "" && !IsRepository(f.Source.Repository) {
		return bad(place("source", "repository"), "repository %q is not a URL for everybody: https://HOST/PATH, or ssh:// or git://", f.Source.Repository)
	}
	if err := f.Toolchain.check(bad, place("toolchain")); err != nil {
		return err
	}
	if err := f.Builder.check(bad, place("builder")); err != nil {
		return err
	}
	for _, name := range f.ProfileNames() {
		p, at := f.Profiles[name], place("profile", name)
		if !profileRE.MatchString(name) {
			return bad(at, "%q can't be a profile: lower-case letters, digits and dashes", name)
		}
		if p.Toolchain != nil {
			if err := p.Toolchain.check(bad, in(at, "toolchain")); err != nil {
				return err
			}
		}
		if p.Builder != nil {
			if err := p.Builder.check(bad, in(at, "builder")); err != nil {
				return err
			}
		}
		if err := p.CUDA.check(bad, in(at, "cuda")); err != nil {
			return err
		}
		if err := checkImage("base", p.Base, bad, in(at, "base")); err != nil {
			return err
		}
	}
	if err := f.CUDA.check(bad, place("cuda")); err != nil {
		return err
	}
	builds := map[string]bool{}
	for i, b := range f.Builds {
		if err := b.check(names, bad, place("build", i)); err != nil {
			return err
		}
		if b.Name != "" && builds[b.Name] {
			return fault.Hint(bad(place("build", i, "name"), "two builds are called %q", b.Name), "give one of them another name = \"…\"")
		}
		builds[b.Name] = true
	}
	for i, im := range f.Images {
		if err := im.check(names, bad, place("image", i)); err != nil {
			return err
		}
		if im.Build != "" && len(im.Builds) > 0 {
			return bad(place("image", i, "build"), "an image has either build or builds")
		}
		if im.Build != "" && !builds[im.Build] {
			return fault.Hint(bad(place("image", i, "build"), "there is no build called %q", im.Build), namesOf(f.Builds))
		}
		for j, b := range im.Builds {
			if !builds[b] {
				return fault.Hint(bad(place("image", i, "builds", j), "there is no build called %q", b), namesOf(f.Builds))
			}
		}
	}
	for i, fm := range f.Archive.Formats {
		if !slices.Contains([]string{"tar.gz", "tar.zst", "zip"}, fm) {
			return bad(place("archive", "formats", i), "%q is not an archive format: tar.gz, tar.zst or zip", fm)
		}
	}
	for i, g := range f.Archive.Files {
		if _, err := path.Match(g, "x"); err != nil || !inside(g) {
			return bad(place("archive", "files", i), "%q is not a pattern inside the workspace", g)
		}
	}
	for i, p := range f.Archive.OutDir {
		if !inside(p) || !outDirRE.MatchString(p) {
			return bad(place("archive", "out-dir", i), "%q is not the path of a file in OUT_DIR: letters, digits, dots, dashes, underscores and slashes", p)
		}
	}
	return nil
}

// namesOf is the hint of a build that is none.
func namesOf(builds []Build) string {
	var names []string
	for _, b := range builds {
		if b.Name != "" {
			names = append(names, b.Name)
		}
	}
	if len(names) == 0 {
		return "name = \"…\" in a [[build]] table names one"
	}
	return "there are: " + strings.Join(names, ", ")
}

func (b Build) check(names *regexp.Regexp, bad reject, at []any) error {
	name := func(n string, at []any) error {
		if n != "" && !names.MatchString(n) {
			return bad(at, "%q can't be a name: letters, digits, dot, dash and underscore", n)
		}
		return nil
	}
	if err := cmp.Or(name(b.Name, in(at, "name")), name(b.Profile, in(at, "profile"))); err != nil {
		return err
	}
	for i, n := range b.Packages {
		if err := name(n, in(at, "packages", i)); err != nil {
			return err
		}
	}
	for i, n := range b.Bins {
		if err := name(n, in(at, "bins", i)); err != nil {
			return err
		}
	}
	if b.Target != "" && !tripleRE.MatchString(b.Target) {
		return bad(in(at, "target"), "%q is not a target triple", b.Target)
	}
	for i, ft := range b.Features {
		if !featureRE.MatchString(ft) {
			return bad(in(at, "features", i), "%q is not the name of a feature", ft)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(b.Env)) {
		if !envRE.MatchString(k) || reserved(k) {
			return bad(in(at, "env", k), "%s can't be set: %s", k, reservedWhy(k))
		}
		if strings.ContainsAny(b.Env[k], "\x00\n\r") {
			return bad(in(at, "env", k), "the value of %s has a line break or a NUL in it", k)
		}
	}
	return nil
}

func (t Toolchain) check(bad reject, at []any) error {
	if t.Channel == "" || t.Channel == rust.Debian {
		return nil
	}
	if err := rust.CheckChannel(t.Channel); err != nil {
		return fault.Hint(bad(in(at, "channel"), "%v", err), fault.HintOf(err))
	}
	return nil
}

func (b Builder) check(bad reject, at []any) error {
	for i, p := range b.Packages {
		if !debianRE.MatchString(p) {
			return bad(in(at, "packages", i), "%q is not the name of a Debian package", p)
		}
	}
	if b.ByDigest() && len(b.Packages) > 0 {
		return bad(in(at, "packages"), "packages are added to a definition, and not to an image by digest")
	}
	return checkImage("image", b.Image, bad, in(at, "image"))
}

func (im Image) check(names *regexp.Regexp, bad reject, at []any) error {
	if im.Name != "" && !names.MatchString(im.Name) {
		return bad(in(at, "name"), "name %q: letters, digits, dots, dashes and underscores", im.Name)
	}
	if im.User != "" && !userRE.MatchString(im.User) {
		return bad(in(at, "user"), "user %q: a number, or two with a colon between them", im.User)
	}
	for i, e := range im.Expose {
		if !exposeRE.MatchString(e) {
			return bad(in(at, "expose", i), "%q is not a port: 8080 or 8080/tcp", e)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(im.Files)) {
		to := im.Files[from]
		if !inside(from) {
			return bad(in(at, "files", from), "%q is not a path inside the workspace", from)
		}
		if !path.IsAbs(to) || path.Clean(to) != to {
			return bad(in(at, "files", from), "%q is not an absolute path in the image", to)
		}
	}
	return checkImage("base", im.Base, bad, in(at, "base"))
}

func checkImage(what, ref string, bad reject, at []any) error {
	if strings.Contains(ref, "@") {
		_, d, _ := strings.Cut(ref, "@")
		if _, err := digest.Parse(d); err != nil {
			return bad(at, "%s %q: %v", what, ref, err)
		}
	} else if ref != "" && !nameRE.MatchString(ref) {
		return bad(at, "%s %q: a definition's name, scratch, or name@sha256:…", what, ref)
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
