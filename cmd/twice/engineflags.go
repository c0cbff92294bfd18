package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/verify"
	"github.com/spf13/cobra"
)

// The engines that --engine knows by a name. What is none of these is an address.
const (
	embeddedName = "embedded" // the one that the program has inside, as root
	rootlessName = "rootless" // the same without root, in a user namespace
	dockerName   = "docker"   // a BuildKit in a container
	podmanName   = "podman"
)

// defaultImage is what Docker and Podman run.
const defaultImage = address.BuildKitImage

// engineFlags choose the engine, or several.
type engineFlags struct {
	addrs   []string
	tls     engineTLS
	memory  int64
	timeout time.Duration
	image   string
}

// engineTLS are the certificates of engine.TLS.
type engineTLS struct{ CA, Cert, Key string }

func (e *engineFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	var def []string
	if h := os.Getenv("BUILDKIT_HOST"); h != "" {
		def = []string{h}
	}
	f.StringArrayVar(&e.addrs, "engine", def, "embedded, rootless, docker, podman, or the address of a BuildKit that runs already, such as unix:///run/buildkit/buildkitd.sock; repeated: one for each side (default $BUILDKIT_HOST, else the first that can run)")
	f.StringVar(&e.image, "engine-image", defaultImage, "image of the BuildKit that docker and podman run, by digest")
	f.StringVar(&e.tls.CA, "engine-ca", "", "certificate authority of tcp:// engines, a PEM file; for one alone: tcp://HOST:PORT?ca=FILE&cert=FILE&key=FILE")
	f.StringVar(&e.tls.Cert, "engine-cert", "", "client certificate for tcp:// engines, a PEM file")
	f.StringVar(&e.tls.Key, "engine-key", "", "key of the client certificate, a PEM file")
	f.DurationVar(&e.timeout, "engine-timeout", 0, "of several engines, count one as lost that takes longer for a build, such as 30m; default: never")
}

// names is what the engines were asked for as, for a key.
func (e *engineFlags) names() string { return strings.Join(e.addrs, " ") }

// sides are the names of the sides that these engines build, and of the tree that
// is compared without them.
func (e *engineFlags) sides() []string {
	return append(verify.SideNames(max(2, len(e.addrs))), "tree")
}

// engineRoot composes the root of the engine that Twice has inside.
func engineRoot(ctx context.Context, tools resolve.Tools) (dir string, err error) {
	def, err := images.Load(resolve.EngineImage)
	if err != nil {
		return "", err
	}
	if err := tools.Fetcher.Fetch(ctx, compose.Items(def, tools.Resolver)); err != nil {
		return "", err
	}
	if dir, err = cacheDir("engine-root"); err != nil {
		return "", err
	}
	return dir, compose.EngineRoot(ctx, tools.Store, def, dir)
}
