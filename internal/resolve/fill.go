package resolve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/rust"
)

// Defaults of what neither twice.toml nor the workspace says.
const (
	DefaultTarget  = "x86_64-unknown-linux-gnu"
	DefaultBuilder = "builder-rust"
	DefaultRuntime = "runtime-cc"
	DefaultProfile = "release"
	// NonRoot is the user of distroless images' nonroot variants.
	NonRoot = "65532:65532"
)

// Fill completes a configuration from the workspace, with the inputs of a
// profile ("": its own). The result says everything that shapes the build.
func Fill(f *config.File, ws *cargo.Workspace, profile string) error {
	if f.Toolchain.Channel == "" {
		f.Toolchain.Channel = ws.Toolchain.Channel
	}
	f.Toolchain.Components = union(f.Toolchain.Components, ws.Toolchain.Components)
	if ws.Toolchain.Profile == "complete" {
		return fault.Hint(fmt.Errorf("%s: the profile %q is whatever components a day's toolchain has", ws.Toolchain.File, ws.Toolchain.Profile),
			"take the profile minimal, and name the components that the build needs")
	}
	f.Toolchain.Components = union(f.Toolchain.Components, profileComponents(ws.Toolchain.Profile))
	f.Toolchain.Targets = union(f.Toolchain.Targets, ws.Toolchain.Targets)
	defaultBase := DefaultRuntime
	if p, ok := f.Profiles[profile]; ok && p.Base != "" {
		defaultBase = p.Base
	}
	if err := f.Use(profile); err != nil {
		return err
	}
	if f.Builder.Image == "" {
		f.Builder.Image = DefaultBuilder
		if f.Toolchain.Channel == rust.Debian {
			f.Builder.Image = DebianBuilder
		}
	}
	if !f.Builder.ByDigest() {
		if _, err := images.Load(f.Builder.Image); err != nil {
			return fault.Hintf(fmt.Errorf("%s: builder: %w", f.Where("builder", "image"), err), "there are: %s; or an image by digest", strings.Join(images.Names(), ", "))
		}
	}
	if len(f.Builds) == 0 {
		f.Builds = []config.Build{{}}
	}
	for i := range f.Builds {
		if err := fillBuild(f, &f.Builds[i], ws); err != nil {
			return err
		}
	}
	if f.Images == nil {
		for _, b := range f.Builds {
			if len(b.Bins) > 0 {
				f.Images = append(f.Images, config.Image{Build: b.Name})
			}
		}
	}
	names := map[string]bool{}
	if err := takeApart(f, ws, names); err != nil {
		return err
	}
	for i := range f.Images {
		if err := fillImage(&f.Images[i], f, defaultBase); err != nil {
			return err
		}
		name := f.Images[i].Title()
		if names[name] {
			return fault.Hint(fmt.Errorf("%s: two images are called %q", f.Where("image", f.Images[i].Nth, "name"), name), "give one of them another name = \"…\"")
		}
		names[name] = true
	}
	if f.Archive.Formats == nil {
		f.Archive.Formats = []string{"tar.gz"}
	}
	if f.Archive.Files == nil {
		f.Archive.Files = []string{"LICENSE*", "LICENCE*", "COPYING*", "UNLICENSE*", "NOTICE*", "README*"}
	}
	return nil
}

// takeApart makes one image a build of those that name several, and puts the
// titles of their indexes into names.
func takeApart(f *config.File, ws *cargo.Workspace, names map[string]bool) error {
	var all []config.Image
	for _, im := range f.Images {
		if len(im.Builds) == 0 {
			all = append(all, im)
			continue
		}
		title := cmp.Or(im.Name, f.Name, contentName(ws))
		if names[title] {
			return fault.Hint(fmt.Errorf("%s: two images are called %q", f.Where("image", im.Nth, "name"), title), "give one of them another name = \"…\"")
		}
		names[title] = true
		for i, name := range im.Builds {
			b, ok := f.Build(name)
			if !ok {
				return fmt.Errorf("%s: there is no build called %q", f.Where("image", im.Nth, "builds", i), name)
			}
			part := im
			part.Build, part.Builds, part.Index = name, nil, title
			part.Name = title + "-" + Platform(b.Target).Architecture
			if slices.ContainsFunc(all, func(x config.Image) bool { return x.Index == title && x.Name == part.Name }) {
				return fault.Hint(fmt.Errorf("%s: image %s: two of its builds are for %s", f.Where("image", im.Nth, "builds", i), title, Platform(b.Target).Architecture),
					"an index has one image for each platform: give the other build an [[image]] of its own")
			}
			all = append(all, part)
		}
	}
	f.Images = all
	return nil
}

// union is a with what it lacks of b.
func union(a, b []string) []string {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

// profileComponents are the components of a profile of rustup beside rustc,
// cargo and rust-std that a build can see: its documentation is none.
func profileComponents(profile string) []string {
	if profile == "default" {
		return []string{"rustfmt", "clippy"}
	}
	return nil
}

// only keeps the builds of these names, and their images.
func only(f *config.File, names []string) error {
	if len(names) == 0 {
		return nil
	}
	var all []string
	for _, b := range f.Builds {
		all = append(all, b.Name)
	}
	for _, n := range names {
		if !slices.Contains(all, n) {
			return fault.Hintf(fmt.Errorf("there is no build called %q", n), "there are: %s", strings.Join(all, ", "))
		}
	}
	f.Builds = slices.DeleteFunc(f.Builds, func(b config.Build) bool { return !slices.Contains(names, b.Name) })
	cut := map[string]bool{} // indexes that lack a part
	f.Images = slices.DeleteFunc(f.Images, func(im config.Image) bool {
		gone := !slices.Contains(names, im.Build)
		cut[im.Index] = cut[im.Index] || gone
		return gone
	})
	for i := range f.Images {
		if cut[f.Images[i].Index] {
			f.Images[i].Index = ""
		}
	}
	return nil
}

func fillBuild(f *config.File, b *config.Build, ws *cargo.Workspace) error {
	if b.Name == "" {
		b.Name = contentName(ws)
	}
	if b.Target == "" {
		b.Target = DefaultTarget
	}
	if b.Profile == "" {
		b.Profile = DefaultProfile
	}
	if _, err := ws.Profile(b.Profile); err != nil {
		return fmt.Errorf("%s: build %s: %w", f.Where("build", b.Nth, "profile"), b.Name, err)
	}
	bins, err := binaries(f, b, ws)
	if err != nil {
		return err
	}
	if err := checkFeatures(f, b, ws); err != nil {
		return err
	}
	if len(b.Bins) == 0 {
		for _, x := range bins {
			b.Bins = append(b.Bins, x.Name)
		}
		return nil
	}
	for i, want := range b.Bins {
		if !slices.ContainsFunc(bins, func(x cargo.Bin) bool { return x.Name == want }) {
			return fault.Hintf(fmt.Errorf("%s: build %s: no binary is called %q", f.Where("build", b.Nth, "bins", i), b.Name, want),
				"there are: %s", strings.Join(binNames(bins), ", "))
		}
	}
	return nil
}

func fillImage(im *config.Image, f *config.File, base string) error {
	if im.Build == "" {
		if len(f.Builds) != 1 {
			return fault.Hint(fmt.Errorf("%s: an image doesn't say which build it is of", f.Where("image", im.Nth)), "add build = \"NAME\" to it")
		}
		im.Build = f.Builds[0].Name
	}
	b, ok := f.Build(im.Build)
	if !ok {
		return fmt.Errorf("%s: there is no build called %q", f.Where("image", im.Nth, "build"), im.Build)
	}
	if im.Base == "" {
		im.Base = base
	}
	platform := Platform(b.Target)
	if platform.Architecture != "amd64" {
		im.Platform = platform.OS + "/" + platform.Architecture
	}
	if im.Base != Scratch && !strings.Contains(im.Base, "@") {
		var err error
		if im.Base, err = baseFor(f, *im, platform.Architecture); err != nil {
			return err
		}
	}
	if im.User == "" {
		im.User = NonRoot
	}
	for i, port := range im.Expose {
		if !strings.Contains(port, "/") {
			im.Expose[i] = port + "/tcp" // as every tool writes it
		}
	}
	if len(im.Entrypoint) == 0 {
		if len(b.Bins) == 0 {
			return fault.Hint(fmt.Errorf("%s: the image of %s has no binary to start", f.Where("image", im.Nth), b.Name), "remove the [[image]] table, or name the entrypoint")
		}
		im.Entrypoint = []string{BinDir + "/" + b.Bins[0]}
	}
	return nil
}

// BinDir is where an image has its binaries.
const BinDir = "/usr/bin"

// contentName names the build after its content; see the package comment.
func contentName(ws *cargo.Workspace) string {
	if ws.Name != "" {
		return ws.Name
	}
	if len(ws.Bins) == 1 {
		return ws.Bins[0].Name
	}
	return "workspace"
}

// binaries are those that `cargo build` with the build's settings makes.
func binaries(f *config.File, b *config.Build, ws *cargo.Workspace) ([]cargo.Bin, error) {
	candidates := ws.Bins
	if len(b.Packages) > 0 {
		candidates = nil
		for nth, name := range b.Packages {
			i := slices.IndexFunc(ws.Members, func(m cargo.Member) bool { return m.Name == name })
			if i < 0 {
				return nil, fault.Hintf(fmt.Errorf("%s: build %s: the workspace has no package %q", f.Where("build", b.Nth, "packages", nth), b.Name, name),
					"there are: %s", strings.Join(memberNames(ws), ", "))
			}
			candidates = append(candidates, ws.Members[i].Bins...)
		}
	}
	var out []cargo.Bin
	for _, c := range candidates {
		if i := slices.IndexFunc(ws.Members, func(m cargo.Member) bool { return m.Name == c.Package }); i >= 0 && !enabled(c.Required, b, ws.Members[i]) {
			continue
		}
		out = append(out, c)
	}
	return out, nil
}

// checkFeatures finds a feature that no package of the build has. Those of packages
// that are not of the workspace are left to cargo.
func checkFeatures(f *config.File, b *config.Build, ws *cargo.Workspace) error {
	for nth, feature := range b.Features {
		pkg, name, of := strings.Cut(feature, "/")
		if !of {
			name = feature
		}
		member := !of
		var all []string
		for _, m := range ws.Members {
			if of && m.Name != pkg || !of && len(b.Packages) > 0 && !slices.Contains(b.Packages, m.Name) {
				continue
			}
			member = true
			all = append(append(all, slices.Collect(maps.Keys(m.Features))...), m.Optional...)
		}
		slices.Sort(all)
		if !member || name == "default" || slices.Contains(all, name) {
			continue
		}
		hint := "there are none"
		if len(all) > 0 {
			hint = "there are: " + strings.Join(slices.Compact(all), ", ")
		}
		return fault.Hint(fmt.Errorf("%s: build %s: no package that is built has the feature %q", f.Where("build", b.Nth, "features", nth), b.Name, feature), hint)
	}
	return nil
}

// enabled reports whether all required features are on.
func enabled(required []string, b *config.Build, m cargo.Member) bool {
	if len(required) == 0 {
		return true
	}
	on := map[string]bool{}
	var turnOn func(string)
	turnOn = func(f string) {
		f = strings.TrimPrefix(f, m.Name+"/")
		if on[f] {
			return
		}
		on[f] = true
		for _, g := range m.Features[f] {
			turnOn(g)
		}
	}
	if !b.NoDefaultFeatures() {
		turnOn("default")
	}
	for _, f := range b.Features {
		turnOn(f)
	}
	for _, r := range required {
		if !on[r] {
			return false
		}
	}
	return true
}

func binNames(bins []cargo.Bin) []string {
	var n []string
	for _, b := range bins {
		n = append(n, b.Name)
	}
	return n
}

func memberNames(ws *cargo.Workspace) []string {
	var n []string
	for _, m := range ws.Members {
		n = append(n, m.Name)
	}
	return n
}
