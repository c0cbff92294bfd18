package resolve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/rust"
)

// UseLock sets p.Lock: from twice.lock, or without one from the built-in pins.
func (p *Project) UseLock(ctx context.Context, tools Tools) error {
	if p.given != nil {
		return p.useGiven()
	}
	data, err := fs.ReadFile(p.Source.FS(), path.Join(p.Workspace.Root, p.LockName()))
	if errors.Is(err, fs.ErrNotExist) {
		p.Lock, p.LockFrom, err = p.builtin(ctx, tools)
		return err
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", p.LockName(), err)
	}
	if p.Lock, err = lock.Parse(data); err != nil {
		if p.Profile != "" {
			text := strings.Replace(err.Error(), lock.Name, p.LockName(), 1)
			err = fault.Hintf(errors.New(text), "run `%s` to write it anew", p.lockCommand())
		}
		return err
	}
	p.LockFrom = p.LockName()
	if err := p.answers(data); err != nil {
		return err
	}
	return p.checkBindgen()
}

// answers refuses a lock that was made for other settings.
func (p *Project) answers(data []byte) error {
	stale := func(key, format string, a ...any) error {
		line := 1 + strings.Count(string(data[:max(strings.Index(string(data), key), 0)]), "\n")
		hint := "run `" + p.lockCommand() + "`"
		if p.given != nil {
			hint = "the statement is of another version of Twice, which knew other definitions: its run record may say which"
		}
		return fault.Hint(fmt.Errorf("%s:%d: is stale: %s", p.LockName(), line, fmt.Sprintf(format, a...)), hint)
	}
	l := p.Lock
	if c := p.Config.Toolchain.Channel; c != "" && !l.Toolchain.Answers(c) {
		return stale("channel = ", "it locks Rust %s, and the sources ask for %s", l.Toolchain.Channel, c)
	}
	if !p.IsDebian() && !hasTargets(l.Toolchain, p.stdTargets()) {
		return stale("components = ", "its toolchain has no rust-std for each of %s", strings.Join(p.stdTargets(), ", "))
	}
	names, err := p.ImageNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		im, ok := l.Image(name)
		if !ok {
			return stale("[[image]]", "it has no image %s", name)
		}
		def, err := images.Load(name)
		if err != nil {
			return err
		}
		if def.Identity() != im.Definition {
			return stale(fmt.Sprintf("name = %q", name), "it was made for another definition of image %s", name)
		}
	}
	for _, g := range p.GitDependencies() {
		if !slices.ContainsFunc(l.Git, func(x lock.Git) bool { return x.URL == g.URL && x.Commit == g.Commit }) {
			return stale("[[git]]", "it has no %s at %s", g.URL, g.Commit)
		}
	}
	if p.asked != l.Inputs {
		return stale("inputs = ", "%s asks for other inputs than it was made for", config.Name)
	}
	return nil
}

// ImageNames are the definitions of images/ that the project uses.
func (p *Project) ImageNames() ([]string, error) {
	names, err := p.BuilderLayers()
	if err != nil {
		return nil, err
	}
	names = append(names, EngineImage)
	if !p.Config.Builder.ByDigest() {
		names = append(names, p.Config.Builder.Image)
	} else if len(p.GitDependencies()) > 0 {
		names = append(names, p.GitBuilder())
	}
	for _, im := range p.Config.Images {
		if im.Base != Scratch && !strings.Contains(im.Base, "@") {
			names = append(names, im.Base)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// GitBuilder is the definition that vendoring git dependencies runs in: the
// builder's, or where that is an image by digest, which may have no git, ours.
func (p *Project) GitBuilder() string {
	if p.Config.Builder.ByDigest() {
		return DefaultBuilder
	}
	return p.Config.Builder.Image
}

// GitGroup is the builder's group of packages that steps with git in them have:
// vendoring git dependencies, and builds that ask git.
const GitGroup = "git"

// Scratch is the base that has nothing in it.
const Scratch = "scratch"

// EngineImage is the definition of the embedded engine's own root.
const EngineImage = "engine"

// builtin is the lock that everybody has: the images' own locks and the
// built-in toolchain.
func (p *Project) builtin(ctx context.Context, tools Tools) (*lock.Lock, string, error) {
	if len(p.Config.Builder.Packages) > 0 {
		return nil, "", fault.Hint(fmt.Errorf("%s: asks for more Debian packages (%s) and there is no %s",
			p.Config.Where("builder", "packages"), strings.Join(p.Config.Builder.Packages, ", "), p.LockName()), "run `"+p.lockCommand()+"`")
	}
	if p.Config.CUDA != nil {
		return nil, "", fault.Hint(fmt.Errorf("%s: there is a [cuda] table, and no %s says which bytes that is", p.Config.Where("cuda"), p.LockName()), "run `"+p.lockCommand()+"`")
	}
	l := &lock.Lock{Inputs: p.asked}
	from := "built-in pins"
	def, err := BuiltinToolchain()
	if err != nil {
		return nil, "", err
	}
	names, err := p.ImageNames()
	if err != nil {
		return nil, "", err
	}
	for _, name := range names {
		def, err := images.Load(name)
		if err != nil {
			return nil, "", err
		}
		l.Images = append(l.Images, lock.Image{Name: name, Definition: def.Identity(), Lock: def.Lock})
	}
	for _, ref := range p.Bases() {
		if b := base(ref); !slices.ContainsFunc(l.Bases, sameBase(b)) {
			l.Bases = append(l.Bases, b)
		}
	}
	if p.IsDebian() {
		l.Toolchain, err = p.debianToolchain(l)
		return l, from, err
	}
	channel := p.Config.Toolchain.Channel
	if means(channel, def) {
		// A source without a lock leaves the choice to whoever builds it.
		from, channel = fmt.Sprintf("built-in pins (the sources ask for %q)", channel), ""
	}
	if channel == "" {
		channel = def.Channel
	}
	known, ok, err := knownToolchain(channel, p.Config.Toolchain.Components, p.stdTargets())
	switch {
	case err != nil:
		return nil, "", err
	case ok:
		l.Toolchain = known
	case p.locked:
		return nil, "", fault.Hint(fmt.Errorf("the sources ask for Rust %s with %s, and no %s says which bytes that is",
			channel, strings.Join(append([]string{"rustc"}, p.Config.Toolchain.Components...), ", "), p.LockName()), "run `"+p.lockCommand()+"`, or `dagger call lock`, and commit the file")
	default:
		if l.Toolchain, err = p.toolchain(ctx, tools, channel); err != nil {
			return nil, "", err
		}
		from = "built-in pins, and Rust " + channel + " on first use"
	}
	return l, from, nil
}

// Bases are the images by digest that the project starts from: its builder, and
// what its images are made on, as config.Image.Input names them. Each is there once.
func (p *Project) Bases() []string {
	var refs []string
	if p.Config.Builder.ByDigest() {
		refs = append(refs, p.Config.Builder.Image)
	}
	for _, im := range p.Config.Images {
		if ref := im.Input(); strings.Contains(ref, "@") && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// means tells whether a moving channel is the built-in toolchain's: "stable",
// or "1.95" where that is 1.95.0.
func means(channel string, def lock.Toolchain) bool {
	return channel == "stable" || rust.IsMoving(channel) && strings.HasPrefix(def.Channel, channel+".")
}

// PinChannel names the toolchain that is used without a lock in f, where f names
// none, or a moving one that means it.
func PinChannel(f *config.File) error {
	def, err := BuiltinToolchain()
	if err != nil {
		return err
	}
	if c := f.Toolchain.Channel; c == "" || means(c, def) {
		f.Toolchain.Channel = def.Channel
	}
	return nil
}

// Definition is the image definition of that name with the locked packages.
func (p *Project) Definition(name string) (images.Definition, error) {
	def, err := images.Load(name)
	if err != nil {
		return images.Definition{}, err
	}
	im, ok := p.Lock.Image(name)
	if !ok {
		return images.Definition{}, fmt.Errorf("the lock has no image %s", name)
	}
	def.Lock = im.Lock
	if name != p.Config.Builder.Image {
		return def, nil
	}
	var groups []string
	if p.IsDebian() {
		if groups, err = p.debianGroups(); err != nil {
			return images.Definition{}, err
		}
	}
	if len(p.Config.Builder.Packages) > 0 {
		groups = append(groups, images.Extra)
	}
	if p.Config.Git {
		groups = append(groups, GitGroup)
	}
	return def.With(groups...)
}
