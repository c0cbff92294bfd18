package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/ci/inputs/internal/dagger"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/inputs"
	"github.com/craton-co/twice/internal/lastline"
	"github.com/craton-co/twice/internal/source"
)

// What only somebody with a login can fetch, as a bundle: git repositories and base images.
//
// It is apart from Compose, so that another login, which is another argument,
// composes nothing again: what it fetches is the same.
func (*TwiceInputs) Private(
	ctx context.Context,
	// The text of Cargo.lock, for its git dependencies
	// +optional
	cargoLock string,
	// Base images by digest
	// +optional
	bases []string,
	// An SSH agent
	// +optional
	agent *dagger.Socket,
	// The keys of the hosts that are spoken to over SSH
	// +optional
	knownHosts *dagger.File,
	// Logins as git stores them, one a line
	// +optional
	gitCredentials *dagger.Secret,
	// Logins as Docker stores them
	// +optional
	dockerConfig *dagger.Secret,
	// Mirrors, KIND=URL each
	// +optional
	mirrors []string,
	// The text of Cargo.lock, for its crates of registries other than crates.io
	// +optional
	crates string,
	// What those registries are called, NAME=INDEX each
	// +optional
	registries []string,
	// Their tokens: a credentials.toml of cargo's
	// +optional
	cargoCredentials *dagger.Secret,
	// Certificates to trust besides the system's, as PEM
	// +optional
	ca string,
	// Logins by host: a .netrc
	// +optional
	netrc *dagger.Secret,
) (*dagger.Directory, error) {
	what := inputs.Private{CargoLock: cargoLock, Bases: bases, Crates: crates, Registries: registries}
	net := network{mirrors: mirrors, ca: ca, git: gitCredentials, docker: dockerConfig, cargo: cargoCredentials, netrc: netrc}
	out, err := private(ctx, what, overSSH{agent: agent, hosts: knownHosts}, net)
	if err != nil {
		return nil, lastline.Error(err)
	}
	return dag.CurrentModule().Workdir(out), nil
}

// private returns the bundle's place below the module's working directory.
func private(ctx context.Context, what inputs.Private, ssh overSSH, net network) (out string, err error) {
	work, tools, back, err := net.open(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, back()) }()
	ssh.work = filepath.Join(work, "ssh")
	tools.BringGit = ssh.bring
	out = filepath.Join(work, "private")
	return out, what.Write(ctx, tools, out)
}

// overSSH has the engine's git ask repositories by way of ssh: the process of a
// module can't reach the caller's agent, the engine can. The commit's id says
// whether what it brings is the right thing.
type overSSH struct {
	agent *dagger.Socket
	hosts *dagger.File // in the form of known_hosts, see sshd(8)
	work  string       // a folder for what comes
}

// bring implements resolve.Tools.BringGit.
func (s overSSH) bring(ctx context.Context, url, commit string) (string, error) {
	if !source.OverSSH(url) {
		return "", nil
	}
	const give = "give an SSH agent and the keys of its hosts: --ssh $SSH_AUTH_SOCK --known-hosts ~/.ssh/known_hosts"
	if s.agent == nil || s.hosts == nil {
		return "", fault.Hint(errors.New("it is asked by way of SSH, for which the call has no agent or no known hosts"), give)
	}
	known, err := s.hosts.Contents(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the known hosts: %w", err)
	}
	if strings.TrimSpace(known) == "" { // the engine would take any key then
		return "", fault.Hint(errors.New("the file of known hosts is empty"), give)
	}
	repo := dag.Git(url, dagger.GitOpts{SSHAuthSocket: s.agent, SSHKnownHosts: known})
	to := filepath.Join(s.work, commit)
	if _, err = repo.Commit(commit).Tree().Directory(".git").Export(ctx, to); err == nil {
		return to, nil
	}
	if more, found := s.search(ctx, repo, commit); found {
		return more, nil
	}
	return "", fault.Hint(fmt.Errorf("the engine's git: %w", err), "the known hosts must have the host's key, the agent a key that the host takes, and the repository the commit")
}

// search looks for a commit behind every name that the repository has: some
// servers give only what has a name.
func (s overSSH) search(ctx context.Context, repo *dagger.GitRepository, commit string) (dir string, found bool) {
	names := []string{"HEAD"}
	for _, list := range []func(context.Context) ([]string, error){
		func(ctx context.Context) ([]string, error) { return repo.Branches(ctx) },
		func(ctx context.Context) ([]string, error) { return repo.Tags(ctx) },
	} {
		more, err := list(ctx)
		if err != nil {
			return "", false
		}
		names = append(names, more...)
	}
	for i, name := range names {
		to := filepath.Join(s.work, fmt.Sprintf("%s-%d", commit, i))
		all := dagger.GitRefTreeOpts{Depth: -1}
		if _, err := repo.Ref(name).Tree(all).Directory(".git").Export(ctx, to); err != nil {
			return "", false
		}
		if source.HasCommit(ctx, to, commit) {
			return to, true
		}
	}
	return "", false
}
