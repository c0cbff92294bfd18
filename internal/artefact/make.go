package artefact

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/archive"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/linkage"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verdict"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// onDisk is a file of the build's output as an entry of a tree.
func onDisk(p, name string, mode, mtime int64) (layer.Entry, error) {
	info, err := os.Stat(name)
	if err != nil {
		return layer.Entry{}, err
	}
	e := layer.File(p, mode, mtime, nil)
	e.Size = info.Size()
	e.Open = func() (io.ReadCloser, error) { return os.Open(name) }
	return e, nil
}

func (b Build) archives(ctx context.Context) ([]Artefact, error) {
	if len(b.Config.Bins) == 0 {
		return nil, nil
	}
	epoch := b.Project.Source.Epoch
	t := layer.NewTree()
	if err := t.Add(layer.Dir(b.title(), 0o755, epoch)); err != nil {
		return nil, err
	}
	for _, bin := range b.Config.Bins {
		e, err := onDisk(b.title()+"/"+bin, filepath.Join(b.Out, "bin", bin), 0o755, epoch)
		if err != nil {
			return nil, err
		}
		if err := t.Add(e); err != nil {
			return nil, err
		}
	}
	for _, name := range b.released() {
		e, _ := b.Project.Source.Tree.Get(name)
		e.Path, e.Mode = b.title()+"/"+path.Base(name), 0o644
		if _, taken := t.Get(e.Path); taken || e.Open == nil {
			continue
		}
		if err := t.Add(e); err != nil {
			return nil, err
		}
	}
	for i, name := range b.Project.Config.Archive.OutDir {
		where := b.Project.Config.Where("archive", "out-dir", i)
		e, err := onDisk(b.title()+"/"+name, filepath.Join(b.Out, "made", filepath.FromSlash(name)), 0o644, epoch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		if _, taken := t.Get(e.Path); taken {
			return nil, fmt.Errorf("%s: out-dir %s is in the archive already", where, name)
		}
		if err := t.Add(e); err != nil {
			return nil, err
		}
	}
	if err := b.addLicences(t, b.title()+"/third-party-licences"); err != nil {
		return nil, err
	}
	list, err := b.eachFormat(ctx, b.title(), t)
	if err != nil || !b.Config.SplitDebug {
		return list, err
	}
	debug, err := b.debugArchives(ctx)
	return append(list, debug...), err
}

// debugArchives hold the debug information that was taken out of the binaries.
func (b Build) debugArchives(ctx context.Context) ([]Artefact, error) {
	epoch, title := b.Project.Source.Epoch, b.title()+"-debuginfo"
	t := layer.NewTree()
	if err := t.Add(layer.Dir(title, 0o755, epoch)); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(b.Out, "debug"))
	if err != nil {
		return nil, fmt.Errorf("reading the debug information: %w", err)
	}
	for _, d := range entries {
		e, err := onDisk(title+"/"+d.Name(), filepath.Join(b.Out, "debug", d.Name()), 0o644, epoch)
		if err != nil {
			return nil, err
		}
		if err := t.Add(e); err != nil {
			return nil, err
		}
	}
	return b.eachFormat(ctx, title, t)
}

// eachFormat writes a tree as an archive of every configured format.
func (b Build) eachFormat(ctx context.Context, title string, t *layer.Tree) ([]Artefact, error) {
	epoch := b.Project.Source.Epoch
	var list []Artefact
	for _, format := range b.Project.Config.Archive.Formats {
		a := Artefact{Name: title + "." + format, Kind: verdict.Archive}
		a.Path = filepath.Join(b.Work, a.Name)
		if err := writeArchive(ctx, a.Path, format, t, epoch); err != nil {
			return nil, fmt.Errorf("writing %s: %w", a.Name, err)
		}
		var err error
		if a.Digest, a.Size, err = hash(ctx, a.Path); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

func writeArchive(ctx context.Context, name, format string, t *layer.Tree, epoch int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := archive.Write(ctx, w, format, t, epoch); err != nil {
		_ = f.Close()
		return err
	}
	if err := w.Flush(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func (b Build) images(ctx context.Context, tools resolve.Tools) ([]Artefact, error) {
	var list []Artefact
	for _, im := range b.Project.Config.Images {
		if im.Build != b.Config.Name {
			continue
		}
		made, err := b.image(ctx, tools, im)
		if err != nil {
			return nil, fmt.Errorf("making the image of %s: %w", b.Config.Name, err)
		}
		a := Artefact{Name: ImageName, Kind: verdict.Image, Digest: made.Desc.Digest, Image: made.Desc}
		if len(b.Project.Config.Images) > 1 {
			a.Name += "/" + im.Title()
		}
		if im.Index != "" {
			a.PartOf = indexName(b.Project, im.Index)
		}
		for _, l := range made.Manifest.Layers {
			a.Size += l.Size
		}
		list = append(list, a)
	}
	return list, nil
}

func (b Build) image(ctx context.Context, tools resolve.Tools, im config.Image) (image.Image, error) {
	var base *image.Image
	if im.Base != resolve.Scratch {
		r := b.Inputs.Runtimes[im.Input()]
		base = &r
	}
	if err := b.starts(ctx, tools, im, base); err != nil {
		return image.Image{}, err
	}
	epoch := b.Project.Source.Epoch
	t := layer.NewTree()
	for _, bin := range b.Config.Bins {
		e, err := onDisk(strings.TrimPrefix(resolve.BinDir, "/")+"/"+bin, filepath.Join(b.Out, "bin", bin), 0o755, epoch)
		if err != nil {
			return image.Image{}, err
		}
		if err := t.Add(e); err != nil {
			return image.Image{}, err
		}
	}
	for _, from := range slices.Sorted(maps.Keys(im.Files)) {
		if err := b.copyInto(t, from, strings.TrimPrefix(im.Files[from], "/")); err != nil {
			return image.Image{}, fmt.Errorf("%s: %w", b.Project.Config.Where("image", im.Nth, "files", from), err)
		}
	}
	if err := b.addLicences(t, "usr/share/doc/"+b.Config.Name+"/third-party-licences"); err != nil {
		return image.Image{}, err
	}
	l, err := layer.Write(ctx, tools.Store, t, layer.Gzip)
	if err != nil {
		return image.Image{}, err
	}
	return image.Write(ctx, tools.Store, base, []layer.Layer{l}, b.imageConfig(im))
}

// copyInto adds a file or folder of the workspace.
func (b Build) copyInto(t *layer.Tree, from, to string) error {
	root := path.Join(b.Project.Source.Dir, from)
	found := false
	for _, e := range b.Project.Source.Tree.Entries() {
		rest, below := strings.CutPrefix(e.Path, root)
		if !below || (rest != "" && rest[0] != '/') {
			continue
		}
		found = true
		e.Path = to + rest
		if e.Type == tar.TypeLink {
			return fmt.Errorf("%s is a hard link", from)
		}
		if err := t.Add(e); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("the workspace has no %s to put into the image", from)
	}
	return nil
}

// PlanImages are the images of a build as stages of a Dockerfile, for those who
// write images with an engine. What a single one is made on is called "runtime".
func PlanImages(p *resolve.Project, c config.Build) []plan.Image {
	b := Build{Project: p, Config: c}
	var list []plan.Image
	for _, im := range p.Config.Images {
		if im.Build != c.Name {
			continue
		}
		x := plan.Image{Stage: "image", Base: "runtime", BaseOf: im.Input(), BinDir: resolve.BinDir, Config: b.imageConfig(im)}
		if im.Base == resolve.Scratch {
			x.Base = im.Base
		}
		for _, from := range slices.Sorted(maps.Keys(im.Files)) {
			x.Files = append(x.Files, plan.ImageFile{From: from, To: im.Files[from]})
		}
		list = append(list, x)
	}
	if len(list) < 2 {
		return list
	}
	for i, im := range slices.DeleteFunc(slices.Clone(p.Config.Images), func(im config.Image) bool { return im.Build != c.Name }) {
		suffix := "-" + strings.ToLower(im.Title())
		list[i].Stage += suffix
		if list[i].Base != resolve.Scratch {
			list[i].Base += suffix
		}
	}
	return list
}

func (b Build) imageConfig(im config.Image) image.Config {
	labels := map[string]string{ocispec.AnnotationTitle: b.Config.Name}
	if v := b.Project.Version(); v != "" {
		labels[ocispec.AnnotationVersion] = v
	}
	if c := b.Project.Source.Commit; c != "" && !b.Project.Source.Dirty {
		labels[ocispec.AnnotationRevision] = c
	}
	maps.Copy(labels, im.Labels)
	var env []string
	for _, k := range slices.Sorted(maps.Keys(im.Env)) {
		env = append(env, k+"="+im.Env[k])
	}
	return image.Config{
		User: im.User, WorkingDir: im.WorkingDir, Env: env, Entrypoint: im.Entrypoint, Cmd: im.Cmd,
		ExposedPorts: im.Expose, Labels: labels, Epoch: b.Project.Source.Epoch,
		Platform: resolve.Platform(b.Config.Target),
	}
}

// starts refuses an image whose binaries the base can't start.
func (b Build) starts(ctx context.Context, tools resolve.Tools, im config.Image, base *image.Image) error {
	offer := &linkage.Base{}
	if base != nil {
		var err error
		if offer, err = linkage.Load(ctx, tools.Store, *base); err != nil {
			return err
		}
	}
	for _, bin := range b.Config.Bins {
		f, err := os.Open(filepath.Join(b.Out, "bin", bin))
		if err != nil {
			return err
		}
		_, err = linkage.Check(f, offer, im.DriverLibraries)
		_ = f.Close()
		if err != nil {
			return fault.Hintf(fmt.Errorf("%s can't start on %s: %w", bin, im.Base, err),
				"take another base, or name the library in driver-libraries if the host's driver supplies it")
		}
	}
	return nil
}
