package main

import (
	"context"
	"fmt"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/resolve"
)

// private is what of a project's inputs was fetched with the logins that the
// call has, as a bundle; nil without logins, or where nothing needs one.
func (r *run) private(ctx context.Context, p *resolve.Project) (*dagger.Directory, error) {
	m := r.twice
	what := inputs.NewPrivate(p, m.SSH != nil || m.GitCredentials != nil || m.Netrc != nil, m.DockerConfig != nil, m.CargoCredentials != nil || m.Netrc != nil)
	if what.Empty() {
		return nil, nil
	}
	d, err := dag.TwiceInputs().Private(dagger.TwiceInputsPrivateOpts{
		CargoLock: what.CargoLock, Bases: what.Bases, Mirrors: m.Mirrors,
		Crates: what.Crates, Registries: what.Registries, CargoCredentials: m.CargoCredentials,
		Agent: m.SSH, KnownHosts: m.KnownHosts, GitCredentials: m.GitCredentials, DockerConfig: m.DockerConfig, Ca: r.ca, Netrc: m.Netrc,
	}).Sync(ctx)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// takePrivate brings that into the run's own store.
func (r *run) takePrivate(ctx context.Context, p *resolve.Project) error {
	d, err := r.private(ctx, p)
	if err != nil || d == nil {
		return err
	}
	at := r.path("private")
	if _, err := d.Export(ctx, at); err != nil {
		return fmt.Errorf("taking what took a login: %w", err)
	}
	return inputs.ReadBundle(ctx, r.tools, at)
}

// mirrorLogins are the logins that composing needs: where there is no mirror,
// nothing that it fetches takes one, and what is composed stays the same
// whoever logs in.
func (m *Twice) mirrorLogins() *dagger.Secret {
	if len(m.Mirrors) == 0 {
		return nil
	}
	return m.Netrc
}

// lendDocker gives Docker's logins to what this process asks of registries,
// until back is called.
func (m *Twice) lendDocker(ctx context.Context) (back func() error, err error) {
	var l credential.Logins
	if m.DockerConfig != nil {
		if l.Docker, err = m.DockerConfig.Plaintext(ctx); err != nil {
			return nil, fmt.Errorf("reading the Docker configuration: %w", err)
		}
	}
	return l.Lend()
}
