package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	baseimage "github.com/craton-co/twice/internal/base"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/cuda"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/pypi"
)

// Pull brings a base image by digest, named as config.Image.Input does, into the
// store.
func Pull(ctx context.Context, tools Tools, ref string, offline bool) (image.Image, error) {
	im := config.ParseInput(ref)
	system, arch, _ := strings.Cut(cmp.Or(im.Platform, "linux/amd64"), "/")
	opt := baseimage.Options{Platform: ocispec.Platform{OS: system, Architecture: arch}, Offline: offline, Progress: tools.Fetcher.Progress}
	if opt.Other = tools.Fetcher.Other; opt.Other != nil && tools.Fetcher.Client != nil {
		opt.Transport = tools.Fetcher.Client.Transport
	}
	got, err := baseimage.Pull(ctx, tools.Store, tools.Resolver, im.Base, opt)
	if err == nil {
		tools.Remote.Use(append([]ocispec.Descriptor{got.Desc, got.Manifest.Config}, got.Manifest.Layers...)...)
		if d := digest.Digest(got.Desc.Annotations[baseimage.AnnotationIndex]); d != "" {
			tools.Remote.Use(ocispec.Descriptor{Digest: d})
		}
	}
	return got, err
}

// CUDAVersion is the release of CUDA that an image of NVIDIA's says it has.
func CUDAVersion(im image.Image) (string, bool) {
	for _, kv := range im.Config.Config.Env {
		if v, ok := strings.CutPrefix(kv, "CUDA_VERSION="); ok {
			return v, true
		}
	}
	return "", false
}

// relockCUDA pins what [cuda] asks for, and notes which CUDA the builder's image
// has. Rows of the present lock stay that still answer.
func (p *Project) relockCUDA(ctx context.Context, tools Tools, old *lock.Lock, move bool) (*lock.CUDA, error) {
	before := old.CUDA
	if before == nil || move {
		before = &lock.CUDA{}
	}
	c := &lock.CUDA{Vouched: lock.Unsigned}
	for _, r := range p.Config.CUDA.Requirements() {
		i := slices.IndexFunc(before.Wheels, func(f cuda.File) bool { return f.Name == r.Name && f.Version == r.Version })
		if i >= 0 {
			c.Wheels = append(c.Wheels, before.Wheels[i])
			continue
		}
		f, err := lockWheel(ctx, tools, r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.whereWheel(r), err)
		}
		c.Wheels = append(c.Wheels, f)
	}
	slices.SortFunc(c.Wheels, func(a, b cuda.File) int { return strings.Compare(a.Name, b.Name) })
	if c.HasToolkit() {
		c.Form, c.Version = cuda.Wheels, wheelsVersion(c.Wheels)
	}
	if x := p.Config.CUDA; x != nil && x.Redist != "" {
		var err error
		if c.Form, c.Version = cuda.Redist, x.Redist; before.Form == c.Form && before.Version == c.Version && hasArchives(before.Archives, components(x)) {
			c.Archives = before.Archives
		} else if c.Archives, err = lockRedist(ctx, tools, x); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Config.Where("cuda", "redist"), err)
		}
	}
	if ref := p.Config.Builder.Image; p.Config.Builder.ByDigest() {
		im, err := Pull(ctx, tools, ref, tools.Fetcher.Offline)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.WhereBase(ref), err)
		}
		v, ok := CUDAVersion(im)
		if ok && c.Form != "" {
			return nil, fault.Hintf(fmt.Errorf("%s: %s has CUDA %s, and [cuda] asks for another", p.Config.Where("cuda"), ref, v), "take one of them out")
		}
		if ok {
			c.Form, c.Version = cuda.Image, v
		}
	}
	if c.Form == "" && len(c.Wheels) == 0 {
		return nil, nil
	}
	return c, nil
}

// whereWheel says where a wheel is asked for.
func (p *Project) whereWheel(r pypi.Requirement) string {
	for i, w := range p.Config.CUDA.Wheels {
		if x, err := pypi.ParseRequirement(w); err == nil && x == r {
			return p.Config.Where("cuda", "wheels", i)
		}
	}
	return p.Config.Where("cuda", "wheels")
}

// wheelsVersion is the toolkit's, from the wheel of its runtime or else of the
// first of its parts: "12.9" of 12.9.79.
func wheelsVersion(wheels []cuda.File) string {
	version := ""
	for _, w := range wheels {
		runtime := strings.HasPrefix(w.Name, "nvidia-cuda-runtime")
		if w.Name == cuda.LibClang || version != "" && !runtime {
			continue
		}
		major, rest, _ := strings.Cut(w.Version, ".")
		minor, _, _ := strings.Cut(rest, ".")
		version = strings.TrimSuffix(major+"."+minor, ".")
		if runtime {
			break
		}
	}
	return version
}

// lockWheel finds the wheel that a requirement means, and fetches it.
func lockWheel(ctx context.Context, tools Tools, r pypi.Requirement) (cuda.File, error) {
	var errs []error
	for _, page := range tools.Resolver.WheelIndex(r.Name) {
		files, err := projectPage(ctx, tools, page)
		var f pypi.File
		if err == nil {
			f, err = pypi.Choose(files, r)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out := cuda.File{Name: r.Name, Version: r.Version, Path: f.Name, Size: f.Size, SHA256: f.SHA256}
		item := wheelItem(tools, out)
		item.URLs = append([]string{f.URL}, item.URLs...)
		if err := tools.Fetcher.Fetch(ctx, []fetch.Item{item}); err != nil {
			return cuda.File{}, err
		}
		out.Size, err = tools.Store.Size(f.SHA256)
		return out, err
	}
	if ctx.Err() != nil {
		return cuda.File{}, context.Cause(ctx)
	}
	if len(errs) == 0 {
		errs = append(errs, errors.New("no index is known"))
	}
	return cuda.File{}, fault.Hint(fmt.Errorf("finding the wheel %s: %w", r, errs[0]), "pip's configuration names the index; or set TWICE_MIRROR_PYPI to an index or a folder of wheels")
}

func projectPage(ctx context.Context, tools Tools, address string) ([]pypi.File, error) {
	page, err := tools.Fetcher.Get(ctx, []string{address}, pypi.MaxPage)
	if err != nil {
		return nil, err
	}
	return pypi.ParsePage(page, address)
}

func wheelItem(tools Tools, f cuda.File) fetch.Item {
	return fetch.Item{Kind: "wheel", Name: f.Name + " " + f.Version, Digest: f.SHA256, Size: f.Size, URLs: tools.Resolver.WheelFile(f.Path)}
}

// CUDAItems are the files of a toolkit.
func CUDAItems(tools Tools, pin cuda.Pin) []fetch.Item {
	var items []fetch.Item
	for _, f := range pin.Wheels {
		items = append(items, wheelItem(tools, f))
	}
	for _, f := range pin.Archives {
		items = append(items, fetch.Item{Kind: "CUDA archive", Name: f.Name + " " + f.Version, Digest: f.SHA256, Size: f.Size, URLs: tools.Resolver.CUDA(f.Path)})
	}
	return items
}

// LocateWheels adds to the items of pin's wheels that the store lacks their
// addresses in the first index that has them: an index may have its files anywhere.
func LocateWheels(ctx context.Context, tools Tools, items []fetch.Item, pin cuda.Pin) error {
	for _, f := range pin.Wheels {
		i := slices.IndexFunc(items, func(it fetch.Item) bool { return it.Kind == "wheel" && it.Digest == f.SHA256 })
		if i < 0 || tools.Fetcher.Offline || tools.Store.Has(f.SHA256) {
			continue
		}
		var errs []error
		found := false
		for _, address := range tools.Resolver.WheelIndex(f.Name) {
			files, err := projectPage(ctx, tools, address)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			for _, x := range files {
				if x.Name == f.Path && (x.SHA256 == "" || x.SHA256 == f.SHA256) {
					items[i].URLs = append([]string{x.URL}, items[i].URLs...)
					found = true
				}
			}
			if found {
				break
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !found && len(items[i].URLs) == 0 {
			err := fmt.Errorf("finding the wheel %s: no index has it with the locked hash", f.Path)
			if len(errs) > 0 {
				err = fmt.Errorf("finding the wheel %s: %w", f.Path, errs[0])
			}
			return fault.Hint(err, "pip's configuration names the index; or set TWICE_MIRROR_PYPI to an index or a folder of wheels")
		}
	}
	return nil
}

func components(c *config.CUDA) []string {
	if len(c.Components) == 0 {
		return cuda.DefaultComponents
	}
	return c.Components
}

func hasArchives(have []cuda.File, want []string) bool {
	if len(have) != len(want) {
		return false
	}
	for _, n := range want {
		if !slices.ContainsFunc(have, func(f cuda.File) bool { return f.Name == n }) {
			return false
		}
	}
	return true
}

// lockRedist takes the hashes from the manifest of a release.
func lockRedist(ctx context.Context, tools Tools, c *config.CUDA) ([]cuda.File, error) {
	data, err := tools.Fetcher.Get(ctx, tools.Resolver.CUDA(cuda.ManifestPath(c.Redist)), cuda.MaxManifest)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("finding CUDA %s: %w", c.Redist, err), "set TWICE_MIRROR_CUDA to a mirror of NVIDIA's redistributables")
	}
	return cuda.ParseManifest(data, c.Redist, components(c))
}

// checkBindgen refuses a project whose bindings nobody could repeat: bindgen
// formats its output if there is a rustfmt, and says nothing if there is none.
func (p *Project) checkBindgen() error {
	if c := p.Lock.CUDA; c == nil || p.BindgenWithoutRustfmt() == "" {
		return nil
	}
	return fault.Hintf(fmt.Errorf("%s is in Cargo.lock and rustfmt is not pinned: what it writes depends on whether there is one", p.BindgenWithoutRustfmt()),
		"add components = [\"rustfmt\"] to [toolchain] of %s, and run `%s`", config.Name, p.lockCommand())
}

// BindgenWithoutRustfmt is the bindgen in Cargo.lock ("bindgen 0.71.1") of a project
// whose toolchain has no rustfmt; else "".
func (p *Project) BindgenWithoutRustfmt() string {
	for _, x := range p.CargoLock.Packages {
		if x.Name == "bindgen" && !hasComponents(p.Lock.Toolchain, []string{"rustfmt"}) {
			return x.Name + " " + x.Version
		}
	}
	return ""
}
