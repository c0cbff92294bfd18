// Package lock reads and writes twice.lock: every byte that a build takes from
// outside, by hash.
//
// # Format
//
// TOML 1.0, written in one way only: tables and rows in a fixed order, one
// input a line, so that a diff of two locks is a list of moved pins. Crates
// are not in it: Cargo.lock is their lock. Inputs are named by ecosystem,
// name, version, path and hash, never by a host.
//
//	version = 1
//	inputs  = "sha256:…"      # the settings that this lock answers (config.File.InputsDigest)
//
//	[toolchain]               # a Rust toolchain, see package rust
//	channel, date, rustc, host, tree, vouched
//	components = [ { name, target, path, sha256 }, … ]
//
//	[[image]]                 # a definition of images/, by digest, and its packages
//	name, definition, suite, release, date, component, architecture
//	in-release = { sha256, signed-by, key, signer, signed-at }
//	index      = { path, size, sha256 }
//	packages = [ { name, version, architecture, source, groups, path, size, sha256 }, … ]
//
//	[cuda]                    # a CUDA toolkit and a libclang, see package cuda
//	form, version, vouched
//	wheels   = [ { name, version, file, size, sha256 }, … ]
//	archives = [ { name, version, path, size, sha256 }, … ]
//
//	[[base]]                  # a base image by digest
//	name, digest, vouched
//
//	[[git]]                   # a repository that Cargo.lock takes crates from
//	url, commit, tree
//
//	[[reviewed]]              # code that runs at build time, see package check
//	name, version, from, code, did
//
//	[check]
//	lines, whole
//
// "vouched" says who signed for the bytes, or "nobody: trust on first use"; for
// an image's packages that is the key that signed in-release.
//
// "from" is the SHA-256 of the reviewed .crate, or a repository and a commit
// ("git+https://…#<40 hex>"). The [[reviewed]] rows are no inputs: `twice check
// --accept` writes them, and `twice lock` leaves them as they are. "did" is what
// the code did in a watched build, one act a line (`twice audit --accept`).
//
// "tree" may be absent: the toolchain's tarballs are known by hash, and nobody has
// hashed the files that they install. Then only the tarballs can serve, and
// `twice lock --update toolchain` fills it in where they can be had.
//
// The channel "debian" is the toolchain among the builder's own packages: rustc is
// the version of that package, and there is neither a tree nor a component.
//
// # Integrity
//
// The check table makes an edit by hand visible and names its line: lines
// holds two base64 digits (12 bits of SHA-256) for every line above the table,
// whole is the SHA-256 of all of them. It is no signature: whoever can write
// the file can write the check as well. What it refuses is a merge conflict
// resolved by hand, a truncated file, a half-moved pin.
package lock

import (
	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/cuda"
	"github.com/craton-co/twice/internal/rust"
	"github.com/opencontainers/go-digest"
)

// Name is the file's name, beside twice.toml.
const Name = "twice.lock"

// FileName is the name of the lock that answers a profile of twice.toml: a
// profile has other inputs, and so a lock of its own.
func FileName(profile string) string {
	if profile == "" {
		return Name
	}
	return "twice." + profile + ".lock"
}

// Unsigned is what Vouched says of bytes that nobody signed for.
const Unsigned = "nobody: trust on first use"

// Lock is a decoded twice.lock.
type Lock struct {
	Inputs    digest.Digest // of the settings that it answers
	Toolchain Toolchain
	CUDA      *CUDA // nil: none is asked for
	Images    []Image
	Bases     []Base
	Git       []Git
	Reviewed  []Reviewed
}

// Toolchain is a pinned Rust toolchain.
type Toolchain struct {
	rust.Pin
	Vouched string
}

// CUDA is a pinned toolkit, or a libclang alone.
type CUDA struct {
	cuda.Pin
	Vouched string
}

// Image is a composed image: which definition, and its packages.
type Image struct {
	Name       string        // "builder-rust"
	Definition digest.Digest // of the definition's text
	images.Lock
}

// Base is a base image that is not composed from packages.
type Base struct {
	Name    string // as in twice.toml, "gcr.io/distroless/cc-debian12"
	Digest  digest.Digest
	Vouched string
}

// Git is a commit of a repository, and what its files hash to: Cargo.lock
// has no checksum for it.
type Git struct {
	URL    string
	Commit string        // 40 hex
	Tree   digest.Digest // layer.TreeDigest of the commit's files
}

// Reviewed is code that somebody has read.
type Reviewed struct {
	Name, Version string
	From          string        // "sha256:…" of the .crate, or "git+URL#COMMIT"
	Code          digest.Digest // as package check defines it
	Did           []string      // what it did in a watched build, as package audit writes it; nil: not recorded
}

// Image returns the image of that name.
func (l *Lock) Image(name string) (Image, bool) {
	for _, im := range l.Images {
		if im.Name == name {
			return im, true
		}
	}
	return Image{}, false
}

// DidOf returns what is recorded that a crate did, nil if nothing is. A row of
// this release counts before one of another.
func DidOf(l *Lock, name, version string) []string {
	var other []string
	if l == nil {
		return nil
	}
	for _, r := range l.Reviewed {
		switch {
		case r.Name != name || r.Did == nil:
		case r.Version == version:
			return r.Did
		default:
			other = r.Did
		}
	}
	return other
}
