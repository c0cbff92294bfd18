// Builds a Cargo workspace hermetically, twice, and proves that the results are
// the same bits: binaries, rlibs, release archives and a distroless image.
//
// In a clone of Twice itself the workspace is the reference project in
// examples/tensor-wasm; anywhere else it is the repository that dagger is
// called in.
package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/craton-co/twice/ci/internal/dagger"
)

// Twice is a Cargo workspace to build, with all that its builds take.
type Twice struct {
	// +private
	Source *dagger.Directory
	// Given says that the source is not the caller's workspace
	//
	// +private
	Given bool
	// +private
	Path string
	// +private
	Config *dagger.File
	// +private
	Profile string
	// +private
	Builds []string
	// +private
	Dirty bool
	// +private
	Epoch int
	// +private
	Bundle *dagger.File
	// +private
	Store *dagger.Directory
	// +private
	Mirrors []string
	// +private
	SSH *dagger.Socket
	// +private
	KnownHosts *dagger.File
	// +private
	GitCredentials *dagger.Secret
	// +private
	DockerConfig *dagger.Secret
	// +private
	CargoCredentials *dagger.Secret
	// +private
	Netrc *dagger.Secret
	// +private
	CA *dagger.File
}

func New(
	ctx context.Context,
	// The repository that dagger is called in
	ws *dagger.Workspace,
	// A repository in its place: a directory with its .git, which has the commit, its time and what is tracked
	// +optional
	source *dagger.Directory,
	// The Cargo workspace's folder in the repository
	// +optional
	path string,
	// A twice.toml in the place of the workspace's own
	// +optional
	config *dagger.File,
	// Take the inputs of this profile of twice.toml
	// +optional
	profile string,
	// Only these builds of twice.toml, and their images
	// +optional
	builds []string,
	// Build files that no commit holds; the verdict says so
	// +optional
	dirty bool,
	// SOURCE_DATE_EPOCH in seconds since 1970, in the place of the commit's
	// +optional
	// +default=-1
	epoch int,
	// All inputs in one file, as `twice bundle` writes it
	// +optional
	bundle *dagger.File,
	// All inputs in a directory: a bundle, or a store of Twice's
	// +optional
	store *dagger.Directory,
	// Where inputs may be had, KIND=URL each, KIND being crates, debian, snapshot, rust, cuda, pypi, git or registries
	// +optional
	mirrors []string,
	// An SSH agent, for git dependencies by ssh: $SSH_AUTH_SOCK
	// +optional
	ssh *dagger.Socket,
	// The keys of the hosts that are spoken to over SSH: ~/.ssh/known_hosts
	// +optional
	knownHosts *dagger.File,
	// Logins for git dependencies by https, as git stores them: https://USER:TOKEN@HOST, one a line
	// +optional
	gitCredentials *dagger.Secret,
	// Logins for base images, and for publish: a config.json of Docker's
	// +optional
	dockerConfig *dagger.Secret,
	// Tokens of registries other than crates.io: a credentials.toml of cargo's
	// +optional
	cargoCredentials *dagger.Secret,
	// Logins by host, for mirrors, git dependencies by https and registries of crates: a .netrc
	// +optional
	netrc *dagger.Secret,
	// Certificates to trust besides the engine's, as PEM: of a proxy or a mirror
	// +optional
	ca *dagger.File,
) (*Twice, error) {
	given := source != nil
	if !given {
		// What cargo leaves behind at the usual places is big, and tracked by
		// nobody. Patterns that match anywhere would match tracked folders too.
		exclude := []string{"target", "node_modules"}
		if path != "" {
			exclude = append(exclude, path+"/target")
		}
		source = ws.Directory("/", dagger.WorkspaceDirectoryOpts{Exclude: exclude})
	}
	if path == "" {
		own, err := isTwice(ctx, source)
		if err != nil {
			return nil, err
		}
		if own {
			path = "examples/tensor-wasm"
		}
	}
	return &Twice{
		Source: source, Given: given, Path: path, Config: config, Profile: profile, Builds: builds, Dirty: dirty, Epoch: epoch, Bundle: bundle, Store: store, Mirrors: mirrors,
		SSH: ssh, KnownHosts: knownHosts, GitCredentials: gitCredentials, DockerConfig: dockerConfig, CargoCredentials: cargoCredentials, Netrc: netrc, CA: ca,
	}, nil
}

// isTwice tells whether a repository is Twice's own.
func isTwice(ctx context.Context, d *dagger.Directory) (bool, error) {
	have, err := d.Exists(ctx, "go.mod")
	if err != nil || !have {
		return false, err
	}
	text, err := d.File("go.mod").Contents(ctx)
	if err != nil {
		return false, fmt.Errorf("reading go.mod: %w", err)
	}
	return strings.HasPrefix(text, "module github.com/craton-co/twice\n"), nil
}
