package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/craton-co/twice/internal/fault"
)

// A repo is a git repository that commands run in.
type repo struct {
	dir string
}

// inherited are the variables that git commands get from the environment:
// what finds the user's settings, credentials, proxies and certificates.
// GIT_DIR and its like, which a hook that calls us would pass on, aren't among them.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
	"SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS",
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
	"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
	"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
}

// fixed are the settings of every command. Settings of the command line win
// over the repository's and the user's. No hook, no file-system monitor and no
// transport helper runs; nothing asks on the terminal; objects are what they
// say (no replacements); a repository of another user is read all the same,
// since it is what was asked for.
var fixed = []string{
	"-c", "core.hooksPath=/dev/null",
	"-c", "core.fsmonitor=false",
	"-c", "core.quotePath=false",
	"-c", "core.untrackedCache=false",
	"-c", "gc.auto=0",
	"-c", "maintenance.auto=false",
	"-c", "fetch.recurseSubmodules=false",
	"-c", "fetch.writeCommitGraph=false",
	"-c", "submodule.recurse=false",
	"-c", "protocol.ext.allow=never",
	"-c", "protocol.file.allow=always",
	"-c", "safe.directory=*",
	"-c", "advice.detachedHead=false",
	"-c", "http.lowSpeedLimit=1", // bytes a second: a host that says nothing any more is given up,
	"-c", "http.lowSpeedTime=300", // in seconds
}

func gitEnv() []string {
	env := []string{
		"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1",
		"GIT_LFS_SKIP_SMUDGE=1", "GIT_ATTR_NOSYSTEM=1", "GIT_PAGER=cat", "GCM_INTERACTIVE=never",
	}
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func (r repo) command(ctx context.Context, args ...string) *exec.Cmd {
	all := append([]string{"-C", r.dir}, fixed...)
	c := exec.CommandContext(ctx, "git", append(all, args...)...)
	c.Env = gitEnv()
	c.WaitDelay = 5 * time.Second
	detach(c)
	return c
}

// maxOutput bounds what a command may print, cat-file --batch excepted.
const maxOutput = 1 << 30

// git runs a command and returns what it printed.
func (r repo) git(ctx context.Context, args ...string) ([]byte, error) {
	c := r.command(ctx, args...)
	out := &limited{max: maxOutput}
	stderr := &limited{max: 64 << 10, drop: true}
	c.Stdout, c.Stderr = out, stderr
	if err := c.Run(); err != nil {
		return nil, gitError(ctx, err, args, stderr.Bytes())
	}
	return out.Bytes(), nil
}

// line is git for a command that prints one line.
func (r repo) line(ctx context.Context, args ...string) (string, error) {
	out, err := r.git(ctx, args...)
	return strings.TrimSuffix(string(out), "\n"), err
}

func gitError(ctx context.Context, err error, args []string, stderr []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fault.Hint(errors.New("git is not installed"), "install git")
	}
	if text := lastLines(stderr); text != "" {
		return fmt.Errorf("git %s: %s", args[0], text)
	}
	return fmt.Errorf("git %s: %w", args[0], err)
}

// lastLines is what git says, in one line, without "fatal: " and its like.
func lastLines(stderr []byte) string {
	var lines []string
	for line := range strings.Lines(string(stderr)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "hint:") || strings.HasPrefix(line, "warning:") || line == "" ||
			line == "Please make sure you have the correct access rights" || line == "and the repository exists." {
			continue
		}
		for _, p := range []string{"fatal: ", "error: "} {
			line = strings.TrimPrefix(line, p)
		}
		lines = append(lines, line)
	}
	text := strings.Join(lines[max(0, len(lines)-3):], "; ")
	if len(text) > 500 {
		text = text[:500] + "…"
	}
	return text
}

// limited is a buffer of at most max bytes. More of them is an error, or they
// are dropped.
type limited struct {
	bytes.Buffer
	max  int
	drop bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) <= l.max {
		return l.Buffer.Write(p)
	}
	if !l.drop {
		return 0, fmt.Errorf("more than %d bytes of output", l.max)
	}
	if _, err := l.Buffer.Write(p[:l.max-l.Len()]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// isCommit says whether s is a full commit id: 40 lower-case hex digits.
func isCommit(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == ""
}

// has says whether the repository has a commit.
func (r repo) has(ctx context.Context, commit string) bool {
	kind, err := r.line(ctx, "cat-file", "-t", commit)
	return err == nil && kind == "commit"
}

// HasCommit says whether the repository in dir has a commit.
func HasCommit(ctx context.Context, dir, commit string) bool {
	return isCommit(commit) && repo{dir}.has(ctx, commit)
}

// A commit is what a commit object says.
type commit struct {
	time    int64
	parents []string
}

// commit reads a commit object.
func (r repo) commit(ctx context.Context, id string) (commit, error) {
	raw, err := r.git(ctx, "cat-file", "commit", id)
	if err != nil {
		return commit{}, err
	}
	return parseCommit(raw)
}

func parseCommit(raw []byte) (commit, error) {
	var c commit
	head, _, _ := strings.Cut(string(raw), "\n\n")
	for line := range strings.Lines(head) {
		key, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "parent":
			if !isCommit(v) {
				return c, fmt.Errorf("commit: parent %.50q", v)
			}
			c.parents = append(c.parents, v)
		case "committer":
			f := strings.Fields(v[strings.LastIndexByte(v, '>')+1:])
			if len(f) == 0 {
				return c, errors.New("commit: no time")
			}
			if _, err := fmt.Sscan(f[0], &c.time); err != nil {
				return c, fmt.Errorf("commit: time %.50q", f[0])
			}
			return c, nil
		}
	}
	return c, errors.New("commit: no committer")
}
