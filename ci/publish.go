package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/craton-co/twice/ci/internal/dagger"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/publish"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
)

// Build twice and, if the builds agree, push the image with its evidence: the result is its name by digest
//
// +cache="never"
func (m *Twice) Publish(
	ctx context.Context,
	// Where to: registry/name:tag
	address string,
	// Publish this in the place of a build: the folder out of `report`, or what `twice verify -o` wrote
	// +optional
	from *dagger.Directory,
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
	// Let the tag point at this image even if it is another's
	// +optional
	moveTag bool,
	// Sign with this key: PEM, or cosign's
	// +optional
	key *dagger.Secret,
	// What opens the key, if it is encrypted
	// +optional
	keyPassword *dagger.Secret,
	// Sign with this SSH key, a private one without a passphrase
	// +optional
	sshKey *dagger.Secret,
	// Sign as whom this OpenID Connect token names, which is for the audience "sigstore"; the identity is published
	// +optional
	identityToken *dagger.Secret,
	// Sign nothing
	// +optional
	noSign bool,
	// The certificate authority of --identity-token
	// +optional
	fulcio string,
	// The transparency log of --identity-token
	// +optional
	rekor string,
	// The signing_config.json of a Sigstore instance, in the place of --fulcio and --rekor
	// +optional
	signingConfig *dagger.File,
	// The trusted_root.json of another Sigstore instance than the public one
	// +optional
	trustedRoot *dagger.File,
	// Where this runs, for the run record: "build farm 2"
	// +optional
	where string,
) (name string, err error) {
	to, err := publish.ParseAddress(address)
	if err != nil {
		return "", failure(err)
	}
	who := signing{key: key, password: keyPassword, ssh: sshKey, token: identityToken, none: noSign, fulcio: fulcio, rekor: rekor, config: signingConfig, root: trustedRoot}
	how := publish.How{MoveTag: moveTag, Step: func(text string) { fmt.Fprintln(os.Stderr, text) }}
	if how.Signer, err = who.signer(ctx); err != nil {
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
	r, err := m.newRun(ctx)
	if err != nil {
		return "", failure(err)
	}
	dir, err := r.released(ctx, from, image, allowProfile)
	if err != nil {
		return "", err
	}
	e, err := publish.Folder(ctx, r.tools.Store, dir)
	if err != nil {
		return "", failure(err)
	}
	if err := publish.AllowFolder(e.Verdict, allowProfile); err != nil {
		return "", failure(err)
	}
	e.Where = where
	pushes, err := publish.Pushes(e.Verdict, to, image)
	if err != nil {
		return "", failure(err)
	}
	done, err := publish.Complete(ctx, r.tools.Store, pushes, e, how, opt)
	if err != nil {
		return "", failure(err)
	}
	fmt.Fprintln(os.Stderr, "signed by", cmp.Or(done.Signer, "nobody"))
	var names []string
	for _, im := range done.Images {
		names = append(names, im.Name)
	}
	return strings.Join(names, "\n"), nil
}

// released is a folder with what is published: what was given, or what two
// builds here made.
func (r *run) released(ctx context.Context, from *dagger.Directory, image string, allowProfile bool) (string, error) {
	if from != nil {
		at := r.path("from")
		if _, err := from.Export(ctx, at); err != nil {
			return "", failure(fmt.Errorf("taking what is published: %w", err))
		}
		return at, nil
	}
	opt, err := r.options(ctx)
	if err != nil {
		return "", failure(err)
	}
	if err := r.publishes(ctx, opt, image, allowProfile); err != nil {
		return "", failure(err)
	}
	opt.Keep = r.path("report", "out")
	v, err := r.verify(ctx, opt)
	if err != nil {
		return "", failure(err)
	}
	if v.ExitCode() != 0 {
		return "", v.Refusal("nothing is published")
	}
	return opt.Keep, nil
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
