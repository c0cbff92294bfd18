package main

import (
	"context"
	"path/filepath"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/buildcontext"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/verify"
)

// The hermetic builder, with the sources where a build has them: for `terminal`
func (m *Twice) Builder(ctx context.Context) (*dagger.Container, error) {
	r, prep, err := m.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer prep.Project.Close()
	p, e := prep.Plans[0], engine{run: r}
	job := verify.Job{Plan: p, Side: plan.Side{Name: "A", Jobs: 1}, Inputs: prep.Inputs}
	c := e.context(job)
	s := job.Side.Settings(p)
	stage := func(name string) *dagger.Container {
		return c.DockerBuild(dagger.DirectoryDockerBuildOpts{Target: name, NoInit: true})
	}
	vendor, config := stage("vendor").Rootfs(), p.CargoConfig(s)
	if len(p.GitRepos) > 0 {
		vendor = stage("gitvendor").Directory("/vendor")
		more, err := vendor.File("git-sources.toml").Contents(ctx)
		if err != nil {
			return nil, failure(err)
		}
		config += more
	}
	return stage("builder").
		WithDirectory(s.Source, stage("source").Rootfs()).
		WithDirectory(s.CargoHome+"/registry/src", vendor).
		WithEnvVariable("PATH", s.Path).WithEnvVariable("HOME", s.Home).WithEnvVariable("CARGO_HOME", s.CargoHome).
		WithEnvVariable("CARGO_NET_OFFLINE", "true").
		WithNewFile(s.CargoHome+"/config.toml", config).
		WithWorkdir(filepath.Join(s.Source, p.Dir)), nil
}

// The context and Dockerfile that a build runs, as a directory
func (m *Twice) Plan(ctx context.Context) (*dagger.Directory, error) {
	r, prep, err := m.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer prep.Project.Close()
	d, e := dag.Directory(), engine{run: r}
	for i, p := range prep.Plans {
		at := "."
		if len(prep.Plans) > 1 {
			at = prep.Project.Config.Builds[i].Name
		}
		job := verify.Job{Plan: p, Side: plan.Side{Name: "A", Jobs: 1}, Inputs: prep.Inputs}
		d = d.WithDirectory(at, e.context(job).WithNewFile("Dockerfile", buildcontext.Dockerfile(p, job.Side, prep.Inputs)))
	}
	return d, nil
}

// One build: binaries, rlibs, release archives, image.tar, SHA256SUMS, SBOMs and the provenance statement. It proves nothing: verify does
func (m *Twice) Build(ctx context.Context) (*dagger.Directory, error) {
	r, err := m.build(ctx)
	if err != nil {
		return nil, err
	}
	return dag.CurrentModule().Workdir(r.path("out")), nil
}

// build leaves the artefacts in the run's folder out.
func (m *Twice) build(ctx context.Context) (*run, error) {
	r, opt, err := m.start(ctx)
	if err != nil {
		return nil, err
	}
	opt.Keep = r.path("out")
	_, err = r.runner().Build(ctx, opt)
	return r, failure(err)
}

// The canonical image as an OCI archive, which docker load reads too
func (m *Twice) Image(
	ctx context.Context,
	// Which image, of a project with several
	// +optional
	name string,
) (*dagger.File, error) {
	r, err := m.build(ctx)
	if err != nil {
		return nil, err
	}
	file := "image*.tar"
	if name != "" {
		file = "image-" + name + ".tar"
	}
	found, err := filepath.Glob(r.path("out", file))
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, failure(fault.Hintf(errImages(len(found)), "name one of them: --name; `build` has them all, as image-NAME.tar"))
	}
	return dag.CurrentModule().WorkdirFile(found[0]), nil
}

// The image as a container, to run or to chain. Its digest is not the image's: Dagger writes its own configuration
func (m *Twice) Container(
	ctx context.Context,
	// Which image, of a project with several
	// +optional
	name string,
) (*dagger.Container, error) {
	f, err := m.Image(ctx, name)
	if err != nil {
		return nil, err
	}
	return dag.Container().Import(f), nil
}

type errImages int

func (n errImages) Error() string {
	if n == 0 {
		return "the project has no such image"
	}
	return "the project has several images"
}
