//go:build tools

// Package buildkitd pins the stock BuildKit daemon, and its client, that tests talk to. It is a
// module of its own: the program needs none of what the daemon alone imports.
package buildkitd

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
