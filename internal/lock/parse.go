package lock

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/cuda"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/pypi"
	"github.com/craton-co/twice/internal/rust"
	"github.com/opencontainers/go-digest"
	"github.com/pelletier/go-toml/v2"
)

// maxSize bounds a lock file: a thousand packages take 300 KiB.
const maxSize = 16 << 20

type file struct {
	Version   int           `toml:"version"`
	Inputs    digest.Digest `toml:"inputs"`
	Toolchain struct {
		Channel    string        `toml:"channel"`
		Date       string        `toml:"date"`
		Rustc      string        `toml:"rustc"`
		Host       string        `toml:"host"`
		Tree       digest.Digest `toml:"tree"`
		Vouched    string        `toml:"vouched"`
		Components []struct {
			Name   string `toml:"name"`
			Target string `toml:"target"`
			Path   string `toml:"path"`
			SHA256 string `toml:"sha256"`
		} `toml:"components"`
	} `toml:"toolchain"`
	CUDA *struct {
		Form     string     `toml:"form"`
		Version  string     `toml:"version"`
		Vouched  string     `toml:"vouched"`
		Wheels   []cudaFile `toml:"wheels"`
		Archives []cudaFile `toml:"archives"`
	} `toml:"cuda"`
	Image []struct {
		Name         string           `toml:"name"`
		Definition   digest.Digest    `toml:"definition"`
		Suite        string           `toml:"suite"`
		Release      string           `toml:"release"`
		Date         time.Time        `toml:"date"`
		Component    string           `toml:"component"`
		Architecture string           `toml:"architecture"`
		InRelease    images.InRelease `toml:"in-release"`
		Index        images.Index     `toml:"index"`
		Packages     []images.Package `toml:"packages"`
	} `toml:"image"`
	Base []struct {
		Name    string        `toml:"name"`
		Digest  digest.Digest `toml:"digest"`
		Vouched string        `toml:"vouched"`
	} `toml:"base"`
	Git []struct {
		URL    string        `toml:"url"`
		Commit string        `toml:"commit"`
		Tree   digest.Digest `toml:"tree"`
	} `toml:"git"`
	Reviewed []struct {
		Name    string        `toml:"name"`
		Version string        `toml:"version"`
		From    string        `toml:"from"`
		Code    digest.Digest `toml:"code"`
		Did     *[]string     `toml:"did"`
	} `toml:"reviewed"`
	Check struct {
		Lines string `toml:"lines"`
		Whole string `toml:"whole"`
	} `toml:"check"`
}

type cudaFile struct {
	Name    string `toml:"name"`
	Version string `toml:"version"`
	File    string `toml:"file"`
	Path    string `toml:"path"`
	Size    int64  `toml:"size"`
	SHA256  string `toml:"sha256"`
}

const mend = "run `twice lock` to write it anew, or `twice lock --update WHAT` to move one pin"

// Parse reads a twice.lock. Errors name the line and carry the hint that mends it.
func Parse(data []byte) (*Lock, error) {
	if len(data) > maxSize {
		return nil, fault.Hint(fmt.Errorf("%s: %d bytes are more than a lock can have", Name, len(data)), mend)
	}
	l, err := parse(string(data))
	return l, fault.Hint(err, mend)
}

func parse(text string) (*Lock, error) {
	var f file
	if err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&f); err != nil {
		return nil, tomlError(err)
	}
	if f.Version != 1 {
		return nil, at(text, "version", "version %d is not one that this twice reads (1)", f.Version)
	}
	if err := intact(text, f.Check.Lines, f.Check.Whole); err != nil {
		return nil, err
	}
	l, err := f.lock(text)
	if err != nil {
		return nil, err
	}
	if string(l.Format()) != text {
		return nil, at(text, "version", "is not in the form that `twice lock` writes")
	}
	return l, nil
}

// intact compares the check table with the lines above it.
func intact(text, lines, whole string) error {
	body, _, found := strings.Cut(text, "\n"+checkHeader)
	if !found {
		return fmt.Errorf("%s:%d: ends before its [check] table: it was cut off", Name, 1+strings.Count(text, "\n"))
	}
	body += "\n"
	if digest.FromString(body).Encoded() == whole {
		return nil
	}
	now := lineChecks(body)
	n := 0
	for n+2 <= min(len(now), len(lines)) && now[n:n+2] == lines[n:n+2] {
		n += 2
	}
	return fmt.Errorf("%s:%d: was changed by hand", Name, n/2+1)
}

func tomlError(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		line, _ := strict.Errors[0].Position()
		return fmt.Errorf("%s:%d: unknown key %s", Name, line, strings.Join(strict.Errors[0].Key(), "."))
	}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		line, _ := de.Position()
		return fmt.Errorf("%s:%d: %s", Name, line, strings.TrimPrefix(de.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", Name, err)
}

func at(text, value, format string, a ...any) error {
	line := 1
	if i := strings.Index(text, value); i >= 0 {
		line += strings.Count(text[:i], "\n")
	}
	return fmt.Errorf("%s:%d: %s", Name, line, fmt.Sprintf(format, a...))
}

var (
	hexRE    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	commitRE = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// lock checks what the check table can't: that the rows make sense.
func (f *file) lock(text string) (*Lock, error) {
	bad := func(value, format string, a ...any) error { return at(text, strconv.Quote(value), format, a...) }
	l := &Lock{Inputs: f.Inputs}
	t := f.Toolchain
	for _, d := range []digest.Digest{f.Inputs, t.Tree} {
		if d.Validate() != nil && (d == f.Inputs || d != "") {
			return nil, bad(string(d), "%q is not a digest", d)
		}
	}
	if t.Tree == "" && len(t.Components) == 0 && t.Channel != rust.Debian {
		return nil, bad(t.Channel, "toolchain %s has neither a tree nor components", t.Channel)
	}
	l.Toolchain = Toolchain{Pin: rust.Pin{Channel: t.Channel, Date: t.Date, Rustc: t.Rustc, Host: t.Host, Tree: t.Tree}, Vouched: t.Vouched}
	if t.Channel == "" || rust.IsMoving(t.Channel) {
		return nil, bad(t.Channel, "channel %q means another toolchain tomorrow", t.Channel)
	}
	for _, c := range t.Components {
		if !hexRE.MatchString(c.SHA256) || !relative(c.Path) {
			return nil, bad(c.SHA256, "component %s: its path or hash is malformed", c.Name)
		}
		l.Toolchain.Components = append(l.Toolchain.Components, rust.Component{
			Name: c.Name, Target: c.Target, Path: c.Path, SHA256: digest.NewDigestFromEncoded(digest.SHA256, c.SHA256), Size: -1})
	}
	var err error
	if l.CUDA, err = f.cuda(bad); err != nil {
		return nil, err
	}
	for _, im := range f.Image {
		if _, twice := l.Image(im.Name); twice {
			return nil, bad(im.Name, "image %s is locked twice", im.Name)
		}
		if im.Definition.Validate() != nil {
			return nil, bad(string(im.Definition), "image %s: %q is not a digest", im.Name, im.Definition)
		}
		out := Image{im.Name, im.Definition, images.Lock{Version: 1, Suite: im.Suite, Release: im.Release, Date: im.Date,
			Component: im.Component, Architecture: im.Architecture, InRelease: im.InRelease, Index: im.Index, Packages: im.Packages}}
		if err := out.Check(); err != nil {
			return nil, bad(im.Name, "image %s: %v", im.Name, err)
		}
		l.Images = append(l.Images, out)
	}
	for _, x := range f.Base {
		if x.Digest.Validate() != nil {
			return nil, bad(string(x.Digest), "base %s: %q is not a digest", x.Name, x.Digest)
		}
		l.Bases = append(l.Bases, Base(x))
	}
	for _, g := range f.Git {
		if !commitRE.MatchString(g.Commit) || g.Tree.Validate() != nil {
			return nil, bad(g.Commit, "git %s: its commit or tree hash is malformed", g.URL)
		}
		l.Git = append(l.Git, Git(g))
	}
	for _, r := range f.Reviewed {
		if r.Name == "" || r.Code.Validate() != nil {
			return nil, bad(string(r.Code), "reviewed %q: its name or code is malformed", r.Name)
		}
		row := Reviewed{Name: r.Name, Version: r.Version, From: r.From, Code: r.Code}
		if r.Did != nil {
			row.Did = append([]string{}, *r.Did...)
		}
		l.Reviewed = append(l.Reviewed, row)
	}
	return l, nil
}

func (f *file) cuda(bad func(value, format string, a ...any) error) (*CUDA, error) {
	c := f.CUDA
	if c == nil {
		return nil, nil
	}
	out := &CUDA{Pin: cuda.Pin{Form: c.Form, Version: c.Version}, Vouched: c.Vouched}
	if !slices.Contains([]string{"", cuda.Wheels, cuda.Redist, cuda.Image}, c.Form) {
		return nil, bad(c.Form, "cuda: %q is not a form in which it is distributed", c.Form)
	}
	for _, w := range c.Wheels {
		r := pypi.Requirement{Name: w.Name, Version: w.Version}
		if err := pypi.CheckFile(w.File, r); err != nil {
			return nil, bad(w.File, "cuda: %v", err)
		}
		out.Wheels = append(out.Wheels, w.file(w.File))
	}
	for _, a := range c.Archives {
		if err := cuda.CheckArchive(a.file(a.Path)); err != nil {
			return nil, bad(a.Path, "cuda: %v", err)
		}
		out.Archives = append(out.Archives, a.file(a.Path))
	}
	for _, x := range slices.Concat(c.Wheels, c.Archives) {
		if !hexRE.MatchString(x.SHA256) || x.Size <= 0 {
			return nil, bad(x.SHA256, "cuda: the size or hash of %s is malformed", x.Name)
		}
	}
	return out, nil
}

func (f cudaFile) file(path string) cuda.File {
	return cuda.File{Name: f.Name, Version: f.Version, Path: path, Size: f.Size, SHA256: digest.NewDigestFromEncoded(digest.SHA256, f.SHA256)}
}

func relative(p string) bool {
	return p != "" && !path.IsAbs(p) && path.Clean(p) == p && p != ".." && !strings.HasPrefix(p, "../")
}
