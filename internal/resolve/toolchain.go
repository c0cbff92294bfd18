package resolve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/rustkey"
	"github.com/opencontainers/go-digest"
)

// hasTargets tells whether a toolchain can compile for every target.
func hasTargets(t lock.Toolchain, targets []string) bool {
	for _, want := range targets {
		if !slices.ContainsFunc(t.Components, func(c rust.Component) bool { return c.Name == "rust-std" && c.Target == want }) {
			return false
		}
	}
	return true
}

func hasComponents(t lock.Toolchain, names []string) bool {
	for _, n := range names {
		if !slices.ContainsFunc(t.Components, func(c rust.Component) bool { return c.Name == n || c.Name == n+"-preview" }) {
			return false
		}
	}
	return true
}

// Toolchain resolves a channel to a pin with its tree digest: from a toolchain
// installed on this machine, else from the distribution server's manifest and
// tarballs.
func Toolchain(ctx context.Context, tools Tools, channel string, components, targets []string) (lock.Toolchain, error) {
	if rust.IsMoving(channel) {
		return lock.Toolchain{}, fault.Hintf(fmt.Errorf("the channel %q means another toolchain tomorrow", channel),
			"name a release (1.95.0) or a day (nightly-2026-04-03) in rust-toolchain.toml, or as channel in [toolchain] of twice.toml")
	}
	m, err := manifest(ctx, tools, channel)
	if err != nil {
		return lock.Toolchain{}, err
	}
	pin, err := m.Pin(channel, hostTriple, components, targets)
	if err != nil {
		return lock.Toolchain{}, err
	}
	installed := false
	if pin.Tree, installed, err = firstTree(ctx, tools, pin); err != nil {
		return lock.Toolchain{}, fmt.Errorf("hashing Rust %s: %w", channel, err)
	}
	vouched, err := vouchToolchain(ctx, tools, pin, components, targets)
	if err != nil {
		return lock.Toolchain{}, err
	}
	if installed && !strings.HasPrefix(vouched, lock.Unsigned) {
		vouched += installedHere
	}
	return lock.Toolchain{Pin: pin, Vouched: vouched}, nil
}

// installedHere follows who signed for the tarballs, where the files whose digest is locked
// came from a toolchain on this machine: nobody signed for what it has become since. Who has
// only the tarballs gets an error if it is something else.
const installedHere = ", for the tarballs; the files are those that were installed where this was locked"

// vouchToolchain finds out who signed for a pin: it has to be what the signed
// manifest of the distribution server says. rustup's copy is another text.
func vouchToolchain(ctx context.Context, tools Tools, pin rust.Pin, components, targets []string) (string, error) {
	p, err := rust.ManifestPath(pin.Channel)
	if err != nil {
		return "", err
	}
	data, err := tools.Fetcher.Get(ctx, tools.Resolver.Rust(p), 64<<20)
	var asc []byte
	if err == nil {
		asc, err = tools.Fetcher.Get(ctx, tools.Resolver.Rust(p+".asc"), 64<<10)
	}
	if err != nil {
		return lock.Unsigned + " (the signed manifest can't be had)", ctx.Err()
	}
	signer, err := rustkey.Manifest(data, asc)
	if err != nil {
		return "", err
	}
	m, err := rust.ParseManifest(data)
	if err != nil {
		return "", err
	}
	signed, err := m.Pin(pin.Channel, pin.Host, components, targets)
	if err != nil {
		return "", err
	}
	if signed.Date != pin.Date || signed.Rustc != pin.Rustc || !slices.EqualFunc(signed.Components, pin.Components, func(a, b rust.Component) bool {
		return a.Name == b.Name && a.Target == b.Target && a.SHA256 == b.SHA256
	}) {
		return "", fault.Hintf(fmt.Errorf("the Rust %s that is installed here is not what %s signed", pin.Channel, signer),
			"run `rustup toolchain uninstall %s`, then `twice lock --update toolchain`", pin.Channel)
	}
	return signer, nil
}

// hostTriple is what the builder's rustc and cargo run on.
const hostTriple = "x86_64-unknown-linux-gnu"

// manifest finds the distribution manifest of a channel.
func manifest(ctx context.Context, tools Tools, channel string) (*rust.Manifest, error) {
	found, err := rust.Toolchains(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range found {
		if m, err := t.Manifest(); err == nil && m.Is(channel) == nil {
			return m, nil
		}
	}
	p, err := rust.ManifestPath(channel)
	if err != nil {
		return nil, err
	}
	data, err := tools.Fetcher.Get(ctx, tools.Resolver.Rust(p), 64<<20)
	if err != nil {
		return nil, fault.Hintf(fmt.Errorf("finding Rust %s: %w", channel, err),
			"install it with `rustup toolchain install %s`, or set a mirror of Rust's distribution server", channel)
	}
	return rust.ParseManifest(data)
}

// firstTree is the digest of a toolchain that no lock has hashed yet: of an
// installed one, else of its tarballs.
func firstTree(ctx context.Context, tools Tools, pin rust.Pin) (d digest.Digest, installed bool, err error) {
	if dir, err := rust.Installed(ctx, pin); err == nil {
		t, err := rust.InstalledTree(ctx, dir, pin)
		if err != nil {
			return "", true, err
		}
		d, err := layer.TreeDigest(t)
		return d, true, err
	}
	t, done, err := unpackedTree(ctx, tools, pin)
	if err != nil {
		return "", false, fault.Hintf(err, "`rustup toolchain install %s` brings the same files", pin.Channel)
	}
	defer done()
	d, err = layer.TreeDigest(t)
	return d, false, err
}

// ToolchainTree is the files of a pinned toolchain: from an installed one, else
// from an image in the store that a bundle brought, both only if they have the
// pin's digest; else from its tarballs, which are fetched. The caller compares
// the tree with the pin's digest where there is one, and calls done when it has
// been read.
func ToolchainTree(ctx context.Context, tools Tools, pin rust.Pin) (t *layer.Tree, done func(), err error) {
	if pin.Tree == "" {
		// Nothing tells whether an installed toolchain is what the tarballs make.
		t, done, err = unpackedTree(ctx, tools, pin)
		return t, done, fault.Hintf(err, "set a mirror of Rust's distribution server; where this toolchain is installed, `twice lock --update toolchain` locks the digest of its files, and it can serve")
	}
	if dir, err := rust.Installed(ctx, pin); err == nil {
		t, err := rust.InstalledTree(ctx, dir, pin)
		if err != nil {
			return nil, nil, err
		}
		got, err := layer.TreeDigest(t)
		if err != nil {
			return nil, nil, err
		}
		if got == pin.Tree {
			return t, func() {}, nil
		}
		// An installed toolchain with other files is no error: the tarballs decide.
	}
	if err := takeToolchain(ctx, tools, pin.Tree); err != nil {
		return nil, nil, err
	}
	t, done, bundled := bundledToolchain(ctx, tools, pin)
	if bundled == nil {
		return t, done, nil
	}
	if t, done, err = unpackedTree(ctx, tools, pin); err != nil && !errors.Is(bundled, fs.ErrNotExist) {
		err = bundled // what was given is nearer to the cause
	}
	return t, done, fault.Hintf(err, "`rustup toolchain install %s` brings the same files", pin.Channel)
}

// unpackedTree is the files of a toolchain's tarballs.
func unpackedTree(ctx context.Context, tools Tools, pin rust.Pin) (*layer.Tree, func(), error) {
	if err := tools.Fetcher.Fetch(ctx, ToolchainItems(tools, pin)); err != nil {
		return nil, nil, err
	}
	t, c, err := rust.ComponentTree(ctx, tools.Store, pin)
	if err != nil {
		return nil, nil, err
	}
	return t, func() { _ = c.Close() }, nil
}

// ToolchainItems are the tarballs of a pinned toolchain.
func ToolchainItems(tools Tools, pin rust.Pin) []fetch.Item {
	var items []fetch.Item
	for _, c := range pin.Components {
		items = append(items, fetch.Item{Kind: "toolchain", Name: c.Name + " " + pin.Channel, Digest: c.SHA256, Size: c.Size,
			URLs: tools.Resolver.Rust(c.Path)})
	}
	return items
}
