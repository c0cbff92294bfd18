package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/craton-co/twice/ci/inputs/internal/dagger"
	"github.com/craton-co/twice/internal/credential"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/resolve"
)

// network is what a call says of the network. Of the logins each may be nil.
type network struct {
	mirrors                   []string
	ca                        string
	git, docker, cargo, netrc *dagger.Secret
}

// open opens an empty store in a folder below the module's working directory,
// and lends the logins until back is called.
func (n network) open(ctx context.Context) (work string, tools resolve.Tools, back func() error, err error) {
	var l credential.Logins
	for _, s := range []struct {
		from *dagger.Secret
		to   *string
		name string
	}{{n.git, &l.Git, "git credentials"}, {n.docker, &l.Docker, "Docker configuration"}, {n.cargo, &l.Cargo, "cargo credentials"}, {n.netrc, &l.Netrc, ".netrc"}} {
		if s.from == nil {
			continue
		}
		if *s.to, err = s.from.Plaintext(ctx); err != nil {
			return "", tools, nil, fmt.Errorf("reading the %s: %w", s.name, err)
		}
	}
	if work, err = os.MkdirTemp(".", "work-"); err != nil {
		return "", tools, nil, err
	}
	if back, err = l.Lend(); err != nil {
		return "", tools, nil, err
	}
	given := inputs.Network{Mirrors: n.mirrors, CA: n.ca, Warn: func(err error) { fmt.Fprintln(os.Stderr, "warning:", err) }}
	if tools, err = given.Tools(ctx, work); err != nil {
		return "", tools, nil, errors.Join(err, back())
	}
	return work, tools, back, nil
}
