package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
)

// Container is a BuildKit in a container that Docker or Podman runs: for
// machines whose kernel is not Linux's, and for users without root.
//
// The container is privileged, has no network, and is called after its image.
// It stays when Twice ends, as its cache does, in a volume of the same name:
// `docker rm --force NAME` and `docker volume rm NAME` remove both.
type Container struct {
	Program string // "docker" or "podman"
	Image   string // with the digest that it must have: "docker.io/moby/buildkit@sha256:…"
	PIDs    int64  // limit of processes; 0 is 8192
}

// containerStart is how long a BuildKit may take to answer in its container.
const containerStart = 30 * time.Second

// Answers says whether the program is there and can run containers; nil if so.
func (c Container) Answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("no answer within 10 s"))
	defer cancel()
	_, err := c.run(ctx, "info", "--format", "{{.ID}}")
	if err != nil && c.Program == "podman" { // which has no identifier
		_, err = c.run(ctx, "info", "--format", "{{.Host.Arch}}")
	}
	return err
}

// Name is the container's, and its volume's.
func (c Container) Name() string {
	return "twice-buildkit-" + digest.FromString(c.Image).Encoded()[:12]
}

// Start starts the container if it doesn't run, and connects to it.
func (c Container) Start(ctx context.Context) (Engine, error) {
	e, err := c.start(ctx)
	if err != nil {
		return nil, fault.Hintf(fmt.Errorf("engine %s: %w", c.Program, err),
			"does `%s run --privileged --rm %s --version` work? `%s logs %s` may say more", c.Program, c.Image, c.Program, c.Name())
	}
	return e, nil
}

func (c Container) start(ctx context.Context) (Engine, error) {
	running, err := c.run(ctx, "container", "inspect", "--format", "{{.State.Running}}", c.Name())
	switch {
	case err != nil:
		if err = c.create(ctx); err != nil && c.exists(ctx) { // another run made it meanwhile
			_, err = c.run(ctx, "start", c.Name())
		}
	case running != "true":
		_, err = c.run(ctx, "start", c.Name())
	}
	if err != nil {
		return nil, err
	}
	e, err := c.await(ctx)
	if err != nil {
		return nil, err
	}
	r := e.(*remote)
	r.info.Kind = c.Program
	r.info.Contained, r.info.Containment = c.contained(ctx)
	return r, nil
}

func (c Container) exists(ctx context.Context) bool {
	_, err := c.run(ctx, "container", "inspect", c.Name())
	return err == nil
}

func (c Container) create(ctx context.Context) error {
	args := []string{"run", "--detach", "--privileged", "--network", "none", "--name", c.Name(), "--volume", c.Name() + ":/var/lib/buildkit"}
	if !c.rootless(ctx) { // else limits need cgroups that users seldom have
		pids := c.PIDs
		if pids == 0 {
			pids = 8192
		}
		args = append(args, "--pids-limit", strconv.FormatInt(pids, 10))
		if m := c.memory(ctx); m > 0 {
			args = append(args, "--memory", strconv.FormatInt(m/8*7, 10))
		}
	}
	_, err := c.run(ctx, append(args, c.Image)...)
	return err
}

func (c Container) rootless(ctx context.Context) bool {
	ask := "{{.SecurityOptions}}"
	if c.Program == "podman" {
		ask = "{{.Host.Security.Rootless}}"
	}
	got, err := c.run(ctx, "info", "--format", ask)
	return err == nil && (got == "true" || strings.Contains(got, "name=rootless"))
}

// memory is that of the machine the containers run on, in bytes; 0 if it isn't known.
func (c Container) memory(ctx context.Context) int64 {
	ask := "{{.MemTotal}}"
	if c.Program == "podman" {
		ask = "{{.Host.MemTotal}}"
	}
	got, err := c.run(ctx, "info", "--format", ask)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(got, 10, 64)
	return n
}

// contained says what limits the container has, by its own word.
func (c Container) contained(ctx context.Context) (bool, string) {
	got, err := c.run(ctx, "container", "inspect", "--format", "{{.HostConfig.PidsLimit}} {{.HostConfig.Memory}}", c.Name())
	var pids, memory int64
	if err == nil {
		_, err = fmt.Sscan(got, &pids, &memory)
	}
	if err != nil || pids <= 0 || memory <= 0 {
		return false, "its container has no limits of processes and memory, and steps may see its trace socket"
	}
	return true, fmt.Sprintf("its container: %d processes, %.1f GiB of memory", pids, float64(memory)/(1<<30))
}

// await connects as soon as BuildKit answers in the container. A connection that
// is made before would fail only after its timeout.
func (c Container) await(ctx context.Context) (Engine, error) {
	deadline := time.Now().Add(containerStart)
	for {
		_, err := c.run(ctx, "exec", c.Name(), "buildctl", "debug", "workers")
		if err == nil {
			e, err := Dial(ctx, c.Program+"-container://"+c.Name(), TLS{})
			if err != nil {
				err = errors.New(err.Error()) // its hint is for containers of other people
			}
			return e, err
		}
		running, rerr := c.run(ctx, "container", "inspect", "--format", "{{.State.Running}}", c.Name())
		if rerr == nil && running != "true" {
			logs, _ := c.run(ctx, "logs", "--tail", "5", c.Name())
			return nil, fmt.Errorf("its container has ended: %s", strings.Join(strings.Fields(logs), " "))
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// run runs the program and returns what it prints. Its error is what it says
// on standard error.
func (c Container) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Program, args...)
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	err := cmd.Run()
	if err == nil {
		return strings.TrimSpace(out.String()), nil
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s is not installed", c.Program)
	}
	text := strings.TrimSpace(bad.String())
	if i := strings.LastIndex(text, "\n"); i >= 0 {
		text = text[i+1:]
	}
	return "", fmt.Errorf("%s %s: %w: %s", c.Program, args[0], err, text)
}
