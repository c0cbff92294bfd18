package address

import (
	"net/url"
	"strings"
)

// The addresses that stand in where neither the machine nor Twice's settings
// name any. No other file of the product names a host.
const (
	defaultCrates     = "https://static.crates.io/crates"
	defaultCrateIndex = "https://index.crates.io"
	defaultDebian     = "https://deb.debian.org/{archive}"
	defaultSnapshot   = "https://snapshot.debian.org/archive/{archive}/{time}"
	defaultOldDebian  = "https://archive.debian.org/{archive}" // suites that are out of support
	defaultRust       = "https://static.rust-lang.org"
	defaultCUDA       = "https://developer.download.nvidia.com/compute/cuda/redist"
	defaultWheels     = "https://pypi.org/simple"
)

// The public Sigstore instance: who certifies, and the log of signatures.
const (
	Fulcio = "https://fulcio.sigstore.dev"
	Rekor  = "https://rekor.sigstore.dev"
)

// BuildKitImage is the engine that Docker and Podman are asked to run: BuildKit
// v0.32.2, the version that is built into Twice, as an index of several platforms.
const BuildKitImage = "docker.io/moby/buildkit@sha256:28a898719c18a33f4e8000685287fa36fd0dd9560c6440227d3a732d79bb41d8"

// IsDefault tells whether an address is at one of the built-in hosts, rather
// than at a mirror.
func IsDefault(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	for _, d := range []string{
		defaultCrates, defaultCrateIndex, defaultDebian, defaultSnapshot, defaultOldDebian, defaultRust, defaultCUDA, defaultWheels,
	} {
		_, rest, _ := strings.Cut(d, "://")
		host, _, _ := strings.Cut(rest, "/")
		if strings.EqualFold(u.Hostname(), host) {
			return true
		}
	}
	return false
}
