package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
	"github.com/opencontainers/go-digest"
)

// goFlags are those of every released program. The identifier that Go's linker
// writes is a hash of its inputs and equal on both sides, so it stays.
var goFlags = []string{"-trimpath", "-buildvcs=true", "-mod=readonly", "-ldflags=-s -w"}

// side is one of the two builds.
type side struct {
	Dir   string // the clone
	Out   string
	Env   []string
	Shell string // what the build runs under
}

// sides clones the repository's commit twice.
func sides(ctx context.Context, r release) (a, b side, err error) {
	changed, err := git(ctx, r.Repo, "status", "--porcelain")
	if err != nil {
		return a, b, err
	}
	if changed != "" {
		return a, b, fault.Hint(fmt.Errorf("%s has changes that no commit holds", r.Repo), "commit them: a release is a function of its commit")
	}
	modules, err := output(ctx, r.Repo, nil, "go", "env", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN")
	if err != nil {
		return a, b, err
	}
	m := strings.Split(modules, "\n")
	shared := []string{"PATH=" + os.Getenv("PATH"), "GOMODCACHE=" + m[0], "GOPROXY=" + m[1], "GOSUMDB=" + m[2], "GOTOOLCHAIN=" + m[3],
		"GOFLAGS=", "GOENV=off", "GOWORK=off", "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0"}
	a = side{Dir: filepath.Join(r.Scratch, "a"), Shell: "umask 022"}
	b = side{Dir: filepath.Join(r.Scratch, "another", "path", "of", "the", "sources"), Shell: "umask 077"}
	for i, s := range []*side{&a, &b} {
		own := filepath.Join(r.Scratch, fmt.Sprintf("side-%c", 'a'+i))
		s.Out = filepath.Join(own, "out")
		s.Env = append(shared[:len(shared):len(shared)], "GOCACHE="+filepath.Join(own, "cache"), "HOME="+filepath.Join(own, "home"), "TMPDIR="+filepath.Join(own, "tmp"))
		for _, d := range []string{"out", "home", "tmp"} {
			if err := os.MkdirAll(filepath.Join(own, d), 0o755); err != nil {
				return a, b, err
			}
		}
		if _, err := git(ctx, r.Repo, "clone", "--quiet", "--no-hardlinks", r.Repo, s.Dir); err != nil {
			return a, b, err
		}
	}
	a.Env = append(a.Env, "TZ=UTC", "LC_ALL=C", "USER=a")
	b.Env = append(b.Env, "TZ=Asia/Kathmandu", "LC_ALL=C.UTF-8", "USER=somebody-else", "GOMAXPROCS=3", "A_VARIABLE=that nobody reads")
	return a, b, nil
}

// build builds for a platform and returns the program's path.
func (s side) build(ctx context.Context, pkg string, p platform) (string, error) {
	out := filepath.Join(s.Out, p.OS+"-"+p.Arch, path.Base(pkg)+p.exe())
	args := append([]string{"-c", s.Shell + ` && exec go "$@"`, "sh", "build", "-o", out}, goFlags...)
	_, err := output(ctx, s.Dir, append(s.Env[:len(s.Env):len(s.Env)], "GOOS="+p.OS, "GOARCH="+p.Arch), "sh", append(args, pkg)...)
	if err != nil {
		return "", fmt.Errorf("building for %s: %w", p, err)
	}
	return out, nil
}

// git speaks of a repository whoever owns it.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	env := append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	return output(ctx, dir, env, "git", args...)
}

func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return "", errors.New("interrupted")
		}
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// identify hashes a program.
func identify(name string) (artefact.Artefact, error) {
	f, err := os.Open(name)
	if err != nil {
		return artefact.Artefact{}, err
	}
	defer f.Close()
	d, err := digest.FromReader(f)
	if err != nil {
		return artefact.Artefact{}, err
	}
	return artefact.Artefact{Kind: verdict.Bin, Path: name, Digest: d}, nil
}

func copyFile(to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return verify.WriteFile(to, true, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}
