package inputs

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/cuda"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/resolve"
)

// builder composes what the builds run in: Debian packages or an image by digest,
// then the layers.
func builder(ctx context.Context, tools resolve.Tools, p *resolve.Project, layers []compose.Input) (image.Image, error) {
	if !p.Config.Builder.ByDigest() {
		def, err := p.Definition(p.Config.Builder.Image)
		if err != nil {
			return image.Image{}, err
		}
		names, err := p.BuilderLayers()
		if err != nil {
			return image.Image{}, err
		}
		var more []images.Definition
		for _, name := range names {
			d, err := p.Definition(name)
			if err != nil {
				return image.Image{}, err
			}
			more = append(more, d)
		}
		return compose.Builder(ctx, tools.Store, def, more, layers...)
	}
	base, err := resolve.Pull(ctx, tools, p.Config.Builder.Image, true)
	if err != nil {
		return image.Image{}, err
	}
	var env []string
	if _, ok := resolve.CUDAVersion(base); ok {
		env = cuda.ToolkitEnv()
	}
	return compose.On(ctx, tools.Store, base, env, layers...)
}

// cudaLayers are the builder's layers after the toolchain. The second result is
// called when they are made.
func cudaLayers(tools resolve.Tools, p *resolve.Project) ([]compose.Input, func()) {
	var open []io.Closer
	done := func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	c := p.Lock.CUDA
	if c == nil {
		return nil, done
	}
	var layers []compose.Input
	if c.HasToolkit() {
		layers = append(layers, compose.Input{
			Name: c.String(), Key: c.Key(), Prefix: cuda.Prefix, Env: cuda.ToolkitEnv(),
			Tree: func(ctx context.Context) (*layer.Tree, error) {
				t, closer, err := cuda.Tree(ctx, tools.Store, c.Pin)
				if err == nil {
					open = append(open, closer)
				}
				return t, err
			},
		})
	}
	if c.HasClang() {
		layers = append(layers, compose.Input{
			Name: cuda.LibClang, Key: c.ClangKey(), Prefix: cuda.ClangPrefix, Env: c.ClangEnv(),
			Tree: func(ctx context.Context) (*layer.Tree, error) {
				t, closer, err := cuda.ClangTree(ctx, tools.Store, c.Pin)
				if err == nil {
					open = append(open, closer)
				}
				return t, err
			},
		})
	}
	return layers, done
}

// countCUDA is how many layers those are.
func countCUDA(p *resolve.Project) int {
	n := 0
	if c := p.Lock.CUDA; c != nil && c.HasToolkit() {
		n++
	}
	if c := p.Lock.CUDA; c != nil && c.HasClang() {
		n++
	}
	return n
}

// Env is what the builder tells build scripts about CUDA: nothing where it has
// none, so that other plans stay what they are.
func (set *Set) Env() map[string]string { return cudaEnv(set.Builder.Config.Config.Env) }

// LockedEnv is what the builder of a lock would tell them, for whoever writes
// down a build and composes nothing.
func LockedEnv(p *resolve.Project) map[string]string {
	var env []string
	if c := p.Lock.CUDA; c != nil {
		if c.HasToolkit() || c.Form == cuda.Image {
			env = cuda.ToolkitEnv()
		}
		if c.HasClang() {
			env = append(env, c.ClangEnv()...)
		}
	}
	return cudaEnv(env)
}

func cudaEnv(list []string) map[string]string {
	env := map[string]string{}
	for _, kv := range list {
		if name, value, ok := strings.Cut(kv, "="); ok && cuda.IsEnv(name) && !slices.Contains([]string{"", "/"}, value) {
			env[name] = value
		}
	}
	return env
}
