//go:build !linux

package embedded

import (
	"context"
	"errors"

	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/fault"
)

// Start fails: the embedded engine needs Linux.
func Start(context.Context, Options) (engine.Engine, error) {
	return nil, fault.Hint(errors.New("the embedded engine runs on Linux only"),
		"install Docker or Podman, whose BuildKit is found by itself, or name one with --engine")
}

func isRunc() bool { return false }

// Rootless fails: the embedded engine needs Linux.
func Rootless() error { return errors.New("the embedded engine runs on Linux only") }

// Privileged is false: the embedded engine needs Linux.
func Privileged() bool { return false }

// ServeMain is never called: IsChild is false here.
func ServeMain() int { return 1 }
