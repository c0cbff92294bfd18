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
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/debian"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/rust"
)

// Pins are the words that `twice lock --update` takes.
var Pins = []string{"toolchain", "builder", "base", "cuda", "engine", "git", "all"}

// Vouch says for a lock who signed for a base image, or that nobody did: see
// vouch.Locked. What checks signatures is a third of all that Twice is compiled
// of, and only making a lock needs it.
type Vouch func(ctx context.Context, r *address.Resolver, image string) (string, error)

// Relock makes the lock that answers the project's settings. Of the project's
// present lock every pin stays that still answers them, except those named in
// update: they are moved to what upstream has now. A present lock that is
// damaged counts as none when all is to be updated or nothing in particular.
func (p *Project) Relock(ctx context.Context, tools Tools, vouch Vouch, update []string) (*lock.Lock, error) {
	for _, u := range update {
		if !slices.Contains(Pins, u) {
			return nil, fault.Hintf(fmt.Errorf("there is no pin called %q", u), "there are: %s", strings.Join(Pins, ", "))
		}
	}
	old, err := p.oldLock(len(update) > 0 && !slices.Contains(update, "all"))
	if err != nil {
		return nil, err
	}
	moves := func(pin string) bool { return slices.Contains(update, pin) || slices.Contains(update, "all") }
	l := &lock.Lock{Inputs: p.asked, Reviewed: old.Reviewed}
	names, err := p.ImageNames()
	if err != nil {
		return nil, err
	}
	layers, err := p.BuilderLayers()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		pin := "base"
		switch {
		case name == EngineImage:
			pin = "engine"
		case name == p.GitBuilder(), slices.Contains(layers, name):
			pin = "builder"
		}
		im, err := p.relockImage(ctx, tools, old, name, moves(pin))
		if err != nil {
			return nil, err
		}
		l.Images = append(l.Images, im)
	}
	if p.IsDebian() {
		l.Toolchain, err = p.debianToolchain(l)
	} else {
		l.Toolchain, err = p.relockToolchain(ctx, tools, old, moves("toolchain"))
	}
	if err != nil {
		return nil, err
	}
	for _, ref := range p.Bases() {
		pin := "base"
		if ref == p.Config.Builder.Image {
			pin = "builder"
		}
		b, err := p.relockBase(ctx, tools, vouch, old, ref, moves(pin))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(l.Bases, sameBase(b)) {
			l.Bases = append(l.Bases, b)
		}
	}
	if l.CUDA, err = p.relockCUDA(ctx, tools, old, moves("cuda")); err != nil {
		return nil, err
	}
	if l.Git, err = p.relockGit(ctx, tools, old, moves("git")); err != nil {
		return nil, err
	}
	locked := *p
	locked.Lock = l
	return l, locked.checkBindgen()
}

// relockBase finds out who signed for a base image by digest.
func (p *Project) relockBase(ctx context.Context, tools Tools, vouch Vouch, old *lock.Lock, ref string, move bool) (lock.Base, error) {
	b := base(ref)
	if i := slices.IndexFunc(old.Bases, sameBase(b)); i >= 0 && !move {
		return old.Bases[i], nil
	}
	var err error
	if b.Vouched, err = vouch(ctx, tools.Resolver, config.ParseInput(ref).Base); err != nil {
		return b, fmt.Errorf("%s: %w", p.WhereBase(ref), err)
	}
	return b, nil
}

// WhereBase says where an image by digest, as Bases has it, is asked for.
func (p *Project) WhereBase(ref string) string {
	if ref != p.Config.Builder.Image {
		for _, im := range p.Config.Images {
			if im.Input() == ref {
				return p.Config.WhereBase(im)
			}
		}
	}
	return p.Config.Where("builder", "image")
}

func sameBase(b lock.Base) func(lock.Base) bool {
	return func(o lock.Base) bool { return o.Name == b.Name && o.Digest == b.Digest }
}

// oldLock is the project's present lock, or an empty one.
func (p *Project) oldLock(needed bool) (*lock.Lock, error) {
	data, err := fs.ReadFile(p.Source.FS(), path.Join(p.Workspace.Root, p.LockName()))
	if err != nil {
		return &lock.Lock{}, nil
	}
	l, err := lock.Parse(data)
	if err == nil {
		return l, nil
	}
	if needed {
		return nil, fault.Hint(err, "run `twice lock` to write it anew")
	}
	return &lock.Lock{}, nil
}

func (p *Project) relockToolchain(ctx context.Context, tools Tools, old *lock.Lock, move bool) (lock.Toolchain, error) {
	def, err := BuiltinToolchain()
	if err != nil {
		return lock.Toolchain{}, err
	}
	channel := p.Config.Toolchain.Channel
	if channel == "" {
		channel = def.Channel
	}
	if t := old.Toolchain; !move && t.Answers(channel) && hasComponents(t, p.Config.Toolchain.Components) && hasTargets(t, p.stdTargets()) {
		return t, nil
	}
	if t, ok, err := knownToolchain(channel, p.Config.Toolchain.Components, p.stdTargets()); err != nil || ok && !move {
		return t, err
	}
	return p.toolchain(ctx, tools, channel)
}

func (p *Project) relockImage(ctx context.Context, tools Tools, old *lock.Lock, name string, move bool) (lock.Image, error) {
	def, err := images.Load(name)
	if err != nil {
		return lock.Image{}, err
	}
	im := lock.Image{Name: name, Definition: def.Identity(), Lock: def.Lock}
	var extra []string
	if name == p.Config.Builder.Image {
		extra = p.Config.Builder.Packages
	}
	if before, ok := old.Image(name); ok && before.Definition == def.Identity() {
		im.Lock = before.Lock
	}
	if !move && (len(extra) == 0 || old.Inputs == p.asked) {
		if len(extra) == 0 {
			im.Packages = slices.DeleteFunc(slices.Clone(im.Packages), func(p images.Package) bool {
				return slices.Equal(p.Groups, []string{images.Extra})
			})
		}
		return im, nil
	}
	opt := compose.LockOptions{Extra: extra}
	if !move {
		opt.Keep = &im.Lock
	}
	im.Lock, err = compose.Lock(ctx, tools.Fetcher, tools.Resolver, def, opt)
	var none *debian.NoPackage
	if errors.As(err, &none) {
		if i := slices.Index(extra, none.Name); i >= 0 {
			err = fmt.Errorf("%s: %w", p.Config.Where("builder", "packages", i), err)
		}
	}
	return im, err
}

// toolchain is Toolchain of what the project asks for.
func (p *Project) toolchain(ctx context.Context, tools Tools, channel string) (lock.Toolchain, error) {
	t, err := Toolchain(ctx, tools, channel, p.Config.Toolchain.Components, p.stdTargets())
	if err == nil || ctx.Err() != nil {
		return t, err
	}
	where := p.whereToolchain("channel", channel)
	var no *rust.NoComponent
	if errors.As(err, &no) {
		if where = p.whereToolchain("components", no.Name); no.Name == "rust-std" {
			where = p.whereTarget(no.Target)
		}
	}
	if where == config.Name { // Twice's own choice
		return t, err
	}
	return t, fmt.Errorf("%s: %w", where, err)
}

func (p *Project) relockGit(ctx context.Context, tools Tools, old *lock.Lock, move bool) ([]lock.Git, error) {
	var out []lock.Git
	for _, g := range p.GitDependencies() {
		i := slices.IndexFunc(old.Git, func(x lock.Git) bool { return x.URL == g.URL && x.Commit == g.Commit })
		if i >= 0 && !move {
			out = append(out, old.Git[i])
			continue
		}
		tree, err := GitTreeDigest(ctx, tools, g)
		if err != nil {
			return nil, err
		}
		out = append(out, lock.Git{URL: g.URL, Commit: g.Commit, Tree: tree})
	}
	return out, nil
}
