package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/publish"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
)

// Build twice and, if the builds agree, push the image: the result is its name by digest
//
// +cache="never"
func (m *Twice) Publish(
	ctx context.Context,
	// Where to: registry/name:tag
	address string,
	// Who logs in, if not whom --docker-config has
	// +optional
	username string,
	// The password, or a token
	// +optional
	password *dagger.Secret,
	// The registry as a service, for one that only the caller reaches: tcp://localhost:5000
	// +optional
	registry *dagger.Service,
	// Which image, of a project with several; without it each is pushed, with -NAME after the tag
	// +optional
	image string,
	// Publish what a profile's inputs made, which are not the project's own
	// +optional
	allowProfile bool,
) (name string, err error) {
	to, err := publish.ParseAddress(address)
	if err != nil {
		return "", failure(err)
	}
	opt, err := login(ctx, username, password, registry)
	if err != nil {
		return "", failure(err)
	}
	opt.Docker = m.DockerConfig != nil
	back, err := m.lendDocker(ctx)
	if err != nil {
		return "", failure(err)
	}
	defer func() { err = errors.Join(err, back()) }()
	if err := publish.Check(ctx, to, opt); err != nil { // before the builds, not after
		return "", failure(err)
	}
	r, how, err := m.start(ctx)
	if err != nil {
		return "", err
	}
	if err := r.publishes(ctx, how, image, allowProfile); err != nil {
		return "", failure(err)
	}
	v, err := r.verify(ctx, how)
	if err != nil {
		return "", failure(err)
	}
	name, err = publish.All(ctx, r.tools.Store, v, to, image, opt)
	return name, failure(err)
}

// publishes refuses what must not be published whatever the verdict is.
func (r *run) publishes(ctx context.Context, opt verify.Options, image string, allowProfile bool) error {
	p, err := resolve.Open(ctx, r.tools, opt.Spec, opt.Resolve)
	if err != nil {
		return err
	}
	defer p.Close()
	return publish.Allow(p, image, allowProfile)
}

func login(ctx context.Context, username string, password *dagger.Secret, registry *dagger.Service) (publish.Options, error) {
	opt := publish.Options{Username: username}
	if (username == "") != (password == nil) {
		return opt, fault.Hint(errors.New("a login is a user name and a password"), "give both, or neither: --username NAME --password env://TOKEN")
	}
	var err error
	if password != nil {
		if opt.Password, err = password.Plaintext(ctx); err != nil {
			return opt, fmt.Errorf("reading the password: %w", err)
		}
	}
	if registry == nil {
		return opt, nil
	}
	if registry, err = registry.Start(ctx); err != nil {
		return opt, fmt.Errorf("reaching the registry: %w", err)
	}
	at, err := registry.Endpoint(ctx)
	if err != nil {
		return opt, fmt.Errorf("reaching the registry: %w", err)
	}
	opt.At = at
	return opt, nil
}
