//go:build !unix

package source

import (
	"context"
	"os/exec"
)

func detach(*exec.Cmd) {}

// lockDir does nothing here: git's own locks make a second process fail.
func lockDir(context.Context, string) (func(), error) { return func() {}, nil }
