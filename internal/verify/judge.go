package verify

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/report"
	"github.com/craton-co/twice/internal/scan"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

// judge compares the sides and says everything that the run found out.
func (r *Runner) judge(ctx context.Context, prep *Prepared, opt Options, sides []*side, window [2]time.Time, fixed []plan.Unvaried) (*verdict.Verdict, error) {
	start := time.Now()
	r.Progress.Start("compare")
	a, b := sides[0], sides[1]
	list, err := r.compare(ctx, prep, a, b)
	if err != nil {
		return nil, err
	}
	v := &verdict.Verdict{
		Schema: verdict.Schema, Reached: time.Now().UTC().Truncate(time.Second),
		Subject: prep.subject(opt), Inputs: prep.inputs(), Artefacts: list, Twice: opt.Version,
		Steps: prep.Steps,
	}
	for _, s := range sides {
		v.Builds = append(v.Builds, s.verdict())
	}
	v.Settle()
	if i := slices.IndexFunc(list, func(x verdict.Artefact) bool { return x.Name == artefact.ImageName }); i >= 0 && v.Word == verdict.Reproducible {
		v.Image = list[i].A
	}
	v.Varied, v.NotVaried = axes(opt.Vary, fixed, a.settings, b.settings)
	if v.Warnings, err = r.warnings(ctx, prep, opt, sides, window); err != nil {
		return nil, err
	}
	took := time.Since(start)
	v.Steps = append(v.Steps, verdict.Step{Name: "compare", Seconds: took.Seconds()})
	r.Progress.Done("compare", "", took)
	return v, nil
}

// compare pairs artefacts by name. What only one side has is a difference.
func (r *Runner) compare(ctx context.Context, prep *Prepared, a, b *side) ([]verdict.Artefact, error) {
	other, seen := map[string]artefact.Artefact{}, map[string]bool{}
	for _, y := range b.artefacts {
		other[y.Name] = y
	}
	for _, x := range a.artefacts {
		if seen[x.Name] {
			return nil, fmt.Errorf("two artefacts are called %s: this is a bug in Twice", x.Name)
		}
		seen[x.Name] = true
	}
	var list []verdict.Artefact
	found := map[int]*compare.Finding{}
	for _, x := range a.artefacts {
		v := verdict.Artefact{Name: x.Name, Kind: x.Kind, Build: x.Build, PartOf: x.PartOf, SizeA: x.Size, A: x.Digest}
		if y, ok := other[x.Name]; ok {
			delete(other, x.Name)
			v.SizeB, v.B, v.Same = y.Size, y.Digest, x.Digest == y.Digest
			if !v.Same {
				f, err := r.locate(ctx, x, y, a.dir, b.dir)
				if err != nil {
					return nil, fmt.Errorf("comparing %s: %w", x.Name, err)
				}
				found[len(list)], v.Difference = f, f.First()
			}
		}
		list = append(list, v)
	}
	for _, y := range b.artefacts {
		if _, alone := other[y.Name]; alone {
			list = append(list, verdict.Artefact{Name: y.Name, Kind: y.Kind, Build: y.Build, PartOf: y.PartOf, SizeB: y.Size, B: y.Digest})
		}
	}
	alone(list)
	if len(found) > 0 {
		known, opened := r.causeContext(ctx, prep, a, b, list)
		defer opened.Close()
		left := keptFindings
		for i := range list {
			if f := found[i]; f != nil {
				list[i].Causes = cause.Explain(f, known)
				list[i].Finding = f.Trim(left / len(found))
				left -= list[i].Finding.Count()
				delete(found, i)
			}
		}
	}
	return list, nil
}

// keptFindings is how many findings and ranges a verdict holds, in all: it and
// its report stay below a few megabytes.
const keptFindings = 1000

// locate finds where two artefacts differ.
func (r *Runner) locate(ctx context.Context, x, y artefact.Artefact, dirA, dirB string) (*compare.Finding, error) {
	if x.Kind.IsImage() {
		var err error
		if x.Path, err = r.layout(ctx, x, dirA); err != nil {
			return nil, err
		}
		if y.Path, err = r.layout(ctx, y, dirB); err != nil {
			return nil, err
		}
	}
	return compare.Paths(ctx, x.Name, x.Path, y.Path, compare.Limits{})
}

// differing hands over the artefacts that differ and that both sides have:
// binaries and rlibs if there are such, for archives and images hold the same.
func (r *Runner) differing(ctx context.Context, v *verdict.Verdict, sides []*side, opt Options) ([]verdict.Attachment, error) {
	var pairs []report.Pair
	inner := slices.ContainsFunc(v.Artefacts, func(d verdict.Artefact) bool {
		return !d.Same && d.A != "" && d.B != "" && (d.Kind == verdict.Bin || d.Kind == verdict.Rlib)
	})
	for _, d := range v.Artefacts {
		if d.Same || d.A == "" || d.B == "" || inner && d.Kind != verdict.Bin && d.Kind != verdict.Rlib {
			continue
		}
		p := report.Pair{Name: d.Name}
		for i, at := range []*string{&p.A, &p.B} {
			for _, x := range sides[i].artefacts {
				if x.Name != d.Name {
					continue
				}
				if *at = x.Path; x.Kind.IsImage() {
					var err error
					if *at, err = r.layout(ctx, x, sides[i].dir); err != nil {
						return nil, err
					}
				}
			}
		}
		pairs = append(pairs, p)
	}
	if len(pairs) == 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp(filepath.Dir(sides[0].dir), "differing-")
	if err != nil {
		return nil, err
	}
	return opt.Differing(ctx, dir, pairs)
}

// layout writes an image below dir, for the comparison to look into.
func (r *Runner) layout(ctx context.Context, x artefact.Artefact, dir string) (string, error) {
	out, err := os.MkdirTemp(dir, "image-")
	if err != nil {
		return "", err
	}
	return out, image.WriteLayout(ctx, r.Tools.Store, x.Image, out, "")
}

// warnings are what two builds on one day and one machine can't show.
func (r *Runner) warnings(ctx context.Context, prep *Prepared, opt Options, sides []*side, window [2]time.Time) ([]verdict.Warning, error) {
	var out []verdict.Warning
	src := prep.Project.Source
	if src.Dirty {
		out = append(out, verdict.Warning{Kind: "dirty", Text: fmt.Sprintf("the sources are not those of commit %.12s: %s", src.Commit, strings.Join(src.DirtyFiles, ", "))})
	}
	if opt.Rebuild == nil && src.Claimed(r.Tools.Store) {
		out = append(out, verdict.Warning{Kind: "crate", Text: fmt.Sprintf("that crate %s %s has SHA-256 %.12s… is the bundle's word: no index was asked", src.Name, src.Version, src.Checksum)})
	}
	for _, name := range prep.Project.Others() {
		out = append(out, verdict.Warning{Kind: "settings", Text: "the sources have another " + name + " than the statement, whose is used"})
	}
	if b := prep.Project.BindgenWithoutRustfmt(); b != "" {
		out = append(out, verdict.Warning{Kind: "bindgen", Text: b + " is in Cargo.lock and rustfmt is not pinned: with one, what it writes would be other text; add components = [\"rustfmt\"] to [toolchain] of twice.toml"})
	}
	if what := prep.Project.MissesGit(); what != "" {
		out = append(out, verdict.Warning{Kind: "git", Text: what + " asks git, and the build has none: git = true in twice.toml gives it the commit and its tags"})
	}
	if src.EpochFrom == source.FromNothing {
		out = append(out, verdict.Warning{Kind: "epoch", Text: "the sources have no time of their own: SOURCE_DATE_EPOCH is 0; set epoch in twice.toml or commit them to git"})
	}
	out = append(out, limits(prep.Project)...)
	machine, err := scan.Machine()
	if err != nil {
		return nil, err
	}
	for _, s := range sides {
		machine.Hosts = append(machine.Hosts, s.settings.HostName)
		zone, err := scan.Zone(s.settings.TZ)
		if err != nil {
			return nil, err
		}
		machine.Zones = append(machine.Zones, zone)
	}
	needles := scan.Needles(window, src.Epoch, machine)
	for _, w := range sides[0].compiled() { // A's artefacts are searched
		needles = append(needles, scan.Needles(w, src.Epoch, scan.Facts{Zones: machine.Zones})...)
	}
	// Archives and images hold these same files, compressed.
	for _, x := range sides[0].artefacts {
		if x.Kind != verdict.Bin && x.Kind != verdict.Rlib && x.Kind != verdict.Debug {
			continue
		}
		hits, err := scanFile(ctx, x.Path, needles)
		if err != nil {
			return nil, fmt.Errorf("searching %s: %w", x.Name, err)
		}
		for _, h := range hits {
			out = append(out, verdict.Warning{Kind: h.Kind, Artefact: x.Name, Text: h.String()})
		}
	}
	return out, nil
}

func scanFile(ctx context.Context, name string, needles []scan.Needle) ([]scan.Hit, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return scan.Scan(ctx, f, needles)
}

func (prep *Prepared) subject(opt Options) verdict.Subject {
	p, b := prep.Project, prep.Project.Config.Builds[0]
	var packages []verdict.Package
	for _, m := range p.Workspace.Members {
		packages = append(packages, verdict.Package{Name: m.Name, Version: m.Version, Dir: strings.TrimPrefix(path.Clean(m.Dir), ".")})
	}
	return verdict.Subject{
		Builds: opt.Resolve.Builds, Packages: packages, Dir: strings.TrimPrefix(path.Clean(p.Source.Dir), "."),
		Spec: opt.Spec, Name: p.Name(), Version: p.Version(), Commit: p.Source.Commit, Epoch: p.Source.Epoch, EpochFrom: p.Source.EpochFrom,
		Dirty: p.Source.Dirty, DirtyFiles: p.Source.DirtyFiles, Triple: targetsOf(p.Config.Builds), Profile: b.Profile, Features: b.Features,
	}
}

// targetsOf names each target once.
func targetsOf(builds []config.Build) string {
	var all []string
	for _, b := range builds {
		all = append(all, b.Target)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

func (prep *Prepared) inputs() verdict.Inputs {
	p, in := prep.Project, prep.Inputs
	v := verdict.Inputs{
		Profile: p.Profile, Crates: in.Crates, GitCrates: in.GitCrates, DebianPackages: in.Packages,
		Rustc: p.RustVersion(), RustcFrom: p.RustFrom(), Toolchain: p.Lock.Toolchain.Tree,
		Builder: in.Builder.Desc.Digest, Source: in.Source.Desc.Digest, Vendor: in.Vendor.Desc.Digest,
		Lock: p.Lock.Digest(), Plan: prep.planDigest(),
	}
	if im, ok := p.Lock.Image(p.Config.Builder.Image); ok {
		v.DebianSuite = im.Suite
	}
	if c := p.Lock.CUDA; c != nil {
		v.CUDA = c.String()
	}
	if len(p.Config.Images) > 0 {
		if r, ok := in.Runtimes[p.Config.Images[0].Input()]; ok {
			v.Runtime = r.Desc.Digest
		}
	}
	return v
}

// planDigest identifies all that runs: the one plan, or all of them in order.
func (prep *Prepared) planDigest() digest.Digest {
	if len(prep.Plans) == 1 {
		return prep.Plans[0].Digest()
	}
	var all strings.Builder
	for _, p := range prep.Plans {
		fmt.Fprintln(&all, p.Digest())
	}
	return digest.FromString(all.String())
}

func (s *side) verdict() verdict.Build {
	x := s.settings
	return verdict.Build{
		Side: s.Name, Path: x.Source, UID: x.UID, GID: x.UID, User: x.User, Home: x.Home, CargoHome: x.CargoHome,
		TZ: x.TZ, Locale: x.Lang + " " + x.LCAll, Umask: x.Umask, Host: x.HostName, Jobs: x.Jobs,
		Start: s.start.UTC(), Seconds: s.took.Seconds(), Dependencies: s.kept, NetworkTries: s.network,
	}
}

// fixed are the axes that the project itself keeps from being varied.
func (prep *Prepared) fixed() []plan.Unvaried {
	out := prep.Project.Outside()
	if len(out) == 0 {
		return nil
	}
	return []plan.Unvaried{{Name: string(plan.BuildPath), Why: fmt.Sprintf(
		"%s is a path dependency outside of the workspace's root, and Cargo names its symbols after its absolute path (rust-lang/cargo#7645); both sides build in /build", out[0])}}
}

// axes describes what was varied, with both values, and what was not.
func axes(vary []plan.Axis, fixed []plan.Unvaried, a, b plan.Settings) (varied, not []verdict.Axis) {
	on := map[plan.Axis]bool{}
	for _, x := range vary {
		on[x] = true
	}
	for _, x := range plan.AllAxes() {
		if on[x] {
			varied = append(varied, verdict.Axis{Name: string(x), A: a.Value(x), B: b.Value(x)})
		} else {
			why := verdict.LeftOut
			if i := slices.IndexFunc(fixed, func(f plan.Unvaried) bool { return f.Name == string(x) }); i >= 0 {
				why = fixed[i].Why
			}
			not = append(not, verdict.Axis{Name: string(x), Why: why})
		}
	}
	for _, u := range plan.NotVaried() {
		not = append(not, verdict.Axis{Name: u.Name, Why: u.Why})
	}
	return varied, not
}

// keep copies a side's artefacts to a directory of the user's, with their sums.
func (r *Runner) keep(ctx context.Context, engine Builder, prep *Prepared, s *side, dir string) error {
	var sums bytes.Buffer
	for _, x := range s.artefacts {
		name := x.Name
		if x.Kind.IsImage() {
			name = strings.ReplaceAll(x.Name, "/", "-") + ".tar"
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		if err := WriteFile(to, x.Kind == verdict.Bin, func(w io.Writer) error {
			if x.Kind.IsImage() {
				return image.WriteArchive(ctx, r.Tools.Store, x.Image, w, prep.imageName(x.Name))
			}
			f, err := os.Open(x.Path)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(w, f)
			return err
		}); err != nil {
			return fmt.Errorf("writing %s: %w", to, err)
		}
		if !x.Kind.IsImage() {
			fmt.Fprintf(&sums, "%s  %s\n", x.Digest.Encoded(), name)
		}
	}
	if !prep.Project.Config.Archive.Sums { // else it is an artefact
		if err := WriteFile(filepath.Join(dir, artefact.SumsName), false, func(w io.Writer) error {
			_, err := w.Write(sums.Bytes())
			return err
		}); err != nil {
			return err
		}
	}
	if r.Release == nil {
		return nil
	}
	return r.Release(ctx, r, engine, prep, s.artefacts, dir)
}

// imageName is the name that `docker load` gives an image: one of several has
// its own name in the tag.
func (prep *Prepared) imageName(artefact string) string {
	tag := cmp.Or(prep.Project.Version(), "latest")
	if _, title, several := strings.Cut(artefact, "/"); several {
		tag += "-" + title
	}
	return strings.ToLower(prep.Project.Name()) + ":" + tag
}

// WriteFile replaces a file in one step, with mode 0644 or 0755: a run that is cut off leaves none
// half written.
func WriteFile(name string, executable bool, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".twice-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	mode := os.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Chmod(mode); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
