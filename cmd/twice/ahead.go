//go:build ahead

// With the tag "ahead" this is a program that does of verify and of build what
// comes before the engine: inputs are resolved, fetched and composed, and nothing is
// written but into the cache; of what is printed scripts/twice passes the warnings on. It takes a third of the time to compile, and
// what it is compiled of is a part of the whole: scripts/twice runs it while Go
// compiles the rest. Files that it doesn't need and whose packages take long have the
// opposite tag.
package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"

	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

func commands(g *global) []*cobra.Command {
	return []*cobra.Command{newVerify(g), newBuild(g)}
}

// errAhead is how each run ends, so that no verdict and no report of it is written.
var errAhead = errors.New("the inputs are there, as far as they can be had")

func withRunner[T any](ctx context.Context, g *global, eng *engineFlags, _ []string, f func(*verify.Runner) (T, error)) (T, error) {
	var none T
	quiet := g.quiet || g.progress == "none"
	g.quiet, g.progress = true, "lines" // what the start warns of the whole program says again
	// The whole program uses the same inputs, and keeps them there.
	g.to = ""
	_ = os.Unsetenv("TWICE_STORE_TO")
	r, p, err := g.newRunner(ctx)
	if err != nil {
		return none, errAhead
	}
	p.mu.Lock()
	p.quiet = quiet
	p.mu.Unlock()
	r.Engine = func(ctx context.Context) (verify.Builder, error) {
		eng.fetch(ctx, r.Tools)
		return nil, errAhead
	}
	_, _ = f(r) // the whole program says it, if it comes to the same end
	keepInputs(ctx, r.Tools, p)
	return none, errAhead
}

// fetch brings the root of the engine that will be tried first, if it is the one
// inside. One that can't be had is an error when it is started.
func (e *engineFlags) fetch(ctx context.Context, tools resolve.Tools) {
	inside := func(name string) bool { return name == embeddedName || name == rootlessName }
	if runtime.GOOS == "linux" && (len(e.addrs) == 0 || slices.ContainsFunc(e.addrs, inside)) {
		_, _ = engineRoot(ctx, tools)
	}
}

// asEngine is false: there is no engine inside.
func asEngine() (status int, is bool) { return 0, false }
