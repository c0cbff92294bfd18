// Package rust pins Rust toolchains.
//
// # What a pin is
//
// A toolchain comes from a distribution server as one tarball a component and
// target. Its manifest (version 2, "channel-rust-1.95.0.toml") gives the
// SHA-256 of each. A [Pin] is the set of tarballs that a build needs, and the
// digest of the tree that they make when they are installed, so that a
// toolchain that rustup installed can serve in their place: rustup keeps the
// manifest that it installed from, which finds the toolchain, and the tree's
// digest decides whether it is used.
//
// # What the tree is
//
// Just the files that the pin's components name: in an installed toolchain
// lib/rustlib/manifest-COMPONENT-TARGET, in a tarball
// NAME-VERSION-TARGET/COMPONENT/manifest.in, both of lines "file:PATH" and
// "dir:PATH". The books that rustup keeps (lib/rustlib/components, manifest-*,
// rust-installer-version, multirust-*.toml) aren't in it: they depend on what
// else was installed, and when. Modes are 0755 and 0644, as rustup sets them:
// a file is executable if its owner could read, write and execute it in the
// tarball, or if it is listed by name and lies in a directory called bin. The
// owner is root, times are 0, symbolic links stay.
//
// # Channels
//
// "1.95.0", "nightly-2026-04-03" and "beta-2026-04-03" say what they are for
// all time; "stable", "beta", "nightly" and "1.95" move, and a pin never names
// one of them: it names what they were.
package rust

import (
	"github.com/opencontainers/go-digest"
)

// A Pin is a complete toolchain.
type Pin struct {
	Channel    string        // never a moving one: "1.95.0", "nightly-2026-04-03", "beta-2026-04-03"
	Date       string        // of the manifest: "2026-04-16"
	Rustc      string        // "1.95.0 (59807616e 2026-04-14)"
	Host       string        // the triple that rustc and cargo run on
	Components []Component   // sorted by name, then target
	Tree       digest.Digest // layer.TreeDigest of the installed components; "" until somebody computed it
}

// Answers tells whether the pin is the channel's: a dated stable channel is
// pinned under its release.
func (p Pin) Answers(channel string) bool {
	name, date := splitChannel(channel)
	return channel == p.Channel || name == "stable" && date != "" && date == p.Date
}

// A Component is one tarball of a toolchain.
type Component struct {
	Name   string        // as in the manifest: "rustc", "rust-std", "rustfmt-preview"
	Target string        // triple, or "*"
	Path   string        // below a distribution server's root: "dist/2026-04-16/rustc-1.95.0-x86_64-unknown-linux-gnu.tar.xz"
	SHA256 digest.Digest // of the tarball
	Size   int64         // -1: unknown, since manifests have no sizes
}

// installedName is the component's name in lib/rustlib/components.
func (c Component) installedName() string {
	if c.Target == "*" {
		return c.Name
	}
	return c.Name + "-" + c.Target
}
