package inputs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/remotestore"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pinned are the layers of the project's images whose digests are known before
// they are made.
func pinned(tools resolve.Tools, p *resolve.Project) ([]compose.Pin, error) {
	var pins []compose.Pin
	add := func(pin compose.Pin, ok bool) {
		if ok && !slices.Contains(pins, pin) {
			pins = append(pins, pin)
		}
	}
	addImage := func(name string, c layer.Compression, groups ...string) (layer.Compression, error) {
		def, err := p.Definition(name)
		if err == nil && len(groups) > 0 {
			def, err = def.With(groups...)
		}
		if err != nil {
			return "", err
		}
		if c == "" {
			c = layer.Compression(def.Compression)
		}
		add(compose.PinOf(def, c))
		return c, nil
	}
	builder := layer.Zstd
	if !p.Config.Builder.ByDigest() {
		var err error
		if builder, err = addImage(p.Config.Builder.Image, ""); err != nil {
			return nil, err
		}
		more, err := p.BuilderLayers()
		if err != nil {
			return nil, err
		}
		for _, name := range more {
			if _, err := addImage(name, builder); err != nil {
				return nil, err
			}
		}
	}
	if !p.IsDebian() {
		in, _ := rust(tools, p)
		add(compose.PinOfInput(in, builder))
	}
	if len(p.GitDependencies()) > 0 {
		c, err := addImage(p.GitBuilder(), "", resolve.GitGroup)
		if err != nil {
			return nil, err
		}
		if !p.IsDebian() {
			in, _ := rust(tools, p)
			add(compose.PinOfInput(in, c))
		}
	}
	for _, im := range p.Config.Images {
		if im.Base == resolve.Scratch || strings.Contains(im.Base, "@") {
			continue
		}
		if _, err := addImage(im.Base, ""); err != nil {
			return nil, err
		}
	}
	return pins, nil
}

// adopt takes those of the pinned layers that another store has, or that a
// bundle brought.
func adopt(ctx context.Context, tools resolve.Tools, pins []compose.Pin) error {
	var missing []compose.Pin
	var items []fetch.Item
	for _, pin := range pins {
		if !pin.Made(tools.Store) {
			missing = append(missing, pin)
			items = append(items, fetch.Item{Kind: "layer", Name: pin.Name, Digest: pin.Digest, Size: pin.Size})
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if tools.Remote.Reads() {
		_ = tools.Fetcher.Nearby(ctx, items...) // what isn't there is made
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	for _, pin := range missing {
		if err := pin.Adopt(ctx, tools.Store); err != nil {
			return err
		}
	}
	return nil
}

// keep notes what a machine with the same lock would otherwise have to make:
// pinned layers, the toolchain, repositories. The files of the lock are noted as
// they are fetched.
func (set *Set) keep(tools resolve.Tools, p *resolve.Project, pins []compose.Pin, toolchain *image.Image) {
	for _, pin := range pins {
		if pin.Made(tools.Store) {
			tools.Remote.Use(pin.Desc())
		}
	}
	if toolchain != nil {
		say(tools, resolve.ToolchainClaim, p.Lock.Toolchain.Tree, *toolchain)
	}
	if len(set.GitRepos) > 0 {
		say(tools, gitClaim, gitKey(p.GitDependencies()), set.Git)
	}
	tools.Remote.Ready()
}

// say claims that an image is what a key is of.
func say(tools resolve.Tools, kind string, key digest.Digest, im image.Image) {
	desc := im.Desc
	desc.Annotations = nil
	value, err := json.Marshal(desc)
	if err != nil {
		panic(err) // plain data
	}
	tools.Remote.Say(remotestore.Claim{Kind: kind, Key: key, Value: value,
		Blobs: append([]ocispec.Descriptor{im.Desc, im.Manifest.Config}, im.Manifest.Layers...)})
}

// gitClaim says which image has the repositories of a project's git dependencies.
const gitClaim = "git-image"

func gitKey(deps []cargo.GitDep) digest.Digest {
	var lines []string
	for _, d := range deps {
		lines = append(lines, d.URL+" "+d.Commit+"\n")
	}
	slices.Sort(lines)
	return digest.FromString("git\n" + strings.Join(slices.Compact(lines), ""))
}

// takeGit takes the commits of git dependencies from another store, if one isn't
// here. Commits are vouched for by their ids, and compared with the lock where
// they are used.
func takeGit(ctx context.Context, tools resolve.Tools, deps []cargo.GitDep) error {
	if !tools.Remote.Reads() || len(deps) == 0 {
		return nil
	}
	local := *tools.Fetcher
	local.Offline = true
	here := tools
	here.Fetcher = &local
	if !slices.ContainsFunc(deps, func(d cargo.GitDep) bool {
		_, err := resolve.FetchGit(ctx, here, d)
		return err != nil
	}) {
		return nil
	}
	desc, ok, err := resolve.TakeClaimed(ctx, tools, gitClaim, gitKey(deps))
	if err != nil || !ok {
		return err
	}
	if err := unpackGit(ctx, tools, desc); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		tools.Remote.Bad(fmt.Errorf("the git repositories: %w", err))
	}
	return nil
}
