package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/rebuild"
	"github.com/craton-co/twice/internal/reference"
	"github.com/craton-co/twice/internal/registry"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Build again what was released, from its digest or its statement alone, and compare: it fails with the verdict when it isn't the same
//
// +cache="never"
func (m *Twice) Rebuild(
	ctx context.Context,
	// What was released: an image, registry/name@sha256:…
	// +optional
	image string,
	// Or files: an archive, a binary, or a folder with such and their SHA256SUMS
	// +optional
	files *dagger.Directory,
	// The provenance statement, bare or signed, in the place of the one that is attached to the image
	// +optional
	statement *dagger.File,
	// Take the commit from the repository that dagger is called in, as with --source, and not from where the statement says it is
	// +optional
	clone bool,
	// Who logs in, if not whom --docker-config has
	// +optional
	username string,
	// The password, or a token
	// +optional
	password *dagger.Secret,
	// The registry as a service, for one that only the caller reaches: tcp://localhost:5000
	// +optional
	registry *dagger.Service,
	// Trust who has the key to this public one, in PEM
	// +optional
	key *dagger.File,
	// Trust the SSH keys in this file, as ssh-keygen(1) describes it
	// +optional
	allowedSigners *dagger.File,
	// Trust this identity, as its certificate names it
	// +optional
	identity string,
	// The OpenID Connect issuer of --identity
	// +optional
	issuer string,
	// The trusted_root.json of another Sigstore instance than the public one
	// +optional
	trustedRoot *dagger.File,
) (text string, err error) {
	who := trusted{key: key, signers: allowedSigners, identity: identity, issuer: issuer, root: trustedRoot}
	policy, err := who.policy(ctx)
	if err != nil {
		return "", failure(err)
	}
	login, err := login(ctx, username, password, registry)
	if err != nil {
		return "", failure(err)
	}
	login.Docker = m.DockerConfig != nil
	back, err := m.lendDocker(ctx)
	if err != nil {
		return "", failure(err)
	}
	defer func() { err = errors.Join(err, back()) }()
	r, err := m.newRun(ctx)
	if err != nil {
		return "", failure(err)
	}
	v, err := r.rebuild(ctx, released{image, files, statement, clone || m.Given}, policy, login)
	if err != nil {
		return "", failure(err)
	}
	if v.ExitCode() != 0 {
		return "", v.Refusal("")
	}
	return textOf(v)
}

// released is what is built again, and where it is from.
type released struct {
	image     string
	files     *dagger.Directory
	statement *dagger.File
	clone     bool
}

func (r *run) rebuild(ctx context.Context, what released, policy trust.Policy, login registry.Options) (*verdict.Verdict, error) {
	opt := verify.Options{Vary: plan.AllAxes(), Fresh: true, Version: version, Explain: verify.Quick}
	claim, open, err := r.claim(ctx, what, policy, login, &opt)
	if err == nil {
		var from string
		if from, err = r.commits(ctx, what); err == nil {
			var spec string
			if spec, opt.Resolve, err = claim.Source(ctx, from); err == nil {
				opt.Spec = spec
			}
		}
	}
	if bad := new(verdict.Incident); errors.As(err, &bad) {
		return opt.Incident(bad), nil
	} else if err != nil {
		return nil, err
	}
	opt.Rebuild = claim.Rebuild(version, open)
	v, err := r.runner().Verify(ctx, opt)
	if v == nil {
		if bad := opt.IncidentOf(err); bad != nil {
			return bad, nil
		}
		return nil, err
	}
	if v.Reference != nil {
		v.Reference.Path = opt.Against // the folder here is nobody's business
	}
	return v, err
}

// claim is what is said of what was released, and how that is opened.
func (r *run) claim(ctx context.Context, what released, policy trust.Policy, login registry.Options, opt *verify.Options) (*rebuild.Claim, func(context.Context, *verify.Runner) (*reference.Reference, error), error) {
	if (what.image == "") == (what.files == nil) {
		return nil, nil, fault.Hint(errors.New("what was released is an image or files"), "give one: --image registry/name@sha256:…, or --files DIR with --statement FILE")
	}
	var said *rebuild.Claim
	if what.statement != nil {
		text, err := what.statement.Contents(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("taking the statement: %w", err)
		}
		if said, err = rebuild.Read([]byte(text), policy); err != nil {
			return nil, nil, err
		}
	}
	if what.files != nil {
		opt.Against, opt.Spec = "the files", "the files"
		if said == nil {
			return nil, nil, fault.Hint(errors.New("what are the files claimed to be?"), "give their provenance statement: --statement FILE")
		}
		at := r.path("released")
		if _, err := what.files.Export(ctx, at); err != nil {
			return nil, nil, fmt.Errorf("taking what was released: %w", err)
		}
		return said, func(ctx context.Context, _ *verify.Runner) (*reference.Reference, error) {
			return reference.Open(ctx, at)
		}, nil
	}
	opt.Against, opt.Spec = what.image, what.image
	repo, d, err := rebuild.ParseReference(ctx, what.image, login)
	if err != nil {
		return nil, nil, err
	}
	open := func(ctx context.Context, v *verify.Runner) (*reference.Reference, error) {
		return rebuild.Image(ctx, repo, v.Tools.Store, d, func(ctx context.Context, desc ocispec.Descriptor) (string, error) { return v.Layout(ctx, desc) })
	}
	if said == nil {
		said, err = rebuild.Find(ctx, repo, d, policy, "")
	}
	return said, open, err
}

// commits is where a commit is taken from: a folder here, or "" for what the
// statement names.
func (r *run) commits(ctx context.Context, what released) (string, error) {
	if !what.clone {
		return "", nil
	}
	at := filepath.Join(r.dir, "source")
	if _, err := r.twice.Source.Export(ctx, at); err != nil {
		return "", fmt.Errorf("taking the source: %w", err)
	}
	return at, nil
}
