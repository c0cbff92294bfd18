//go:build !ahead

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/resolve"
)

// candidates are the engines that are tried where none is named, in this order,
// and why.
func candidates() (names []string, why string) {
	switch {
	case runtime.GOOS != "linux":
		return []string{dockerName, podmanName}, "the engine that Twice has inside runs on Linux only"
	case embedded.CanRunHere() != nil:
		return []string{dockerName, podmanName}, "the engine that Twice has inside runs on amd64 only"
	case embedded.Privileged():
		return []string{embeddedName}, "this user is root"
	case os.Geteuid() == 0:
		return []string{rootlessName, dockerName, podmanName}, "root may not mount here"
	}
	return []string{rootlessName, dockerName, podmanName}, "this user is not root"
}

// find starts the first engine that can run here. What it is it says in one line.
func (e *engineFlags) find(ctx context.Context, tools resolve.Tools, p *progress) (engine.Engine, error) {
	names, why := candidates()
	var failed []error
	for _, name := range names {
		eng, err := e.open(ctx, name, tools, p)
		if err == nil {
			for _, f := range failed {
				p.message("not used: %s", oneLine(f.Error()))
			}
			p.say("engine", fmt.Sprintf("%s: %s; --engine names another", name, why))
			return eng, nil
		}
		if ctx.Err() != nil || len(names) == 1 {
			return nil, err
		}
		failed = append(failed, err)
	}
	return nil, fault.Hint(fmt.Errorf("no engine can run here: %w", oneError(failed)),
		"run it as root on Linux, install Docker or Podman, or name a BuildKit that runs elsewhere with --engine")
}

// oneError joins errors in one line, without their hints.
func oneError(list []error) error {
	var texts []string
	for _, err := range list {
		texts = append(texts, oneLine(err.Error()))
	}
	return errors.New(strings.Join(texts, "; "))
}

// container starts a BuildKit in a container.
func (e *engineFlags) container(ctx context.Context, program string) (engine.Engine, error) {
	image := e.image
	if !strings.Contains(image, "sha256:") {
		return nil, fault.Hint(fmt.Errorf("--engine-image %s: it is not named by its digest", image), "NAME@sha256:… or, of one that was loaded, sha256:…")
	}
	c := engine.Container{Program: program, Image: image}
	if err := c.Answers(ctx); err != nil {
		return nil, fault.Hintf(fmt.Errorf("engine %s: %w", program, err), "does `%s info` work?", program)
	}
	return c.Start(ctx)
}

// isContainer tells whether a name is that of a program that runs containers.
func isContainer(name string) bool { return slices.Contains([]string{dockerName, podmanName}, name) }
