// Package debian reads Debian's archive: signed release files, package
// indexes, dependencies, versions and .deb files. It installs nothing and runs
// nothing, and it takes every byte for hostile: what it reads is bounded, and
// nothing it is given makes it panic.
//
// # Trust
//
// An InRelease file is clear-signed OpenPGP (RFC 9580, section 7). One good
// signature by a key in the keyring that the caller gives is enough; text outside the
// signed part is an error, and only the signed part is parsed. The file lists
// the SHA-256 and size of every index of its suite, an index those of every
// package; so one signature vouches for a .deb. MD5 and SHA-1 lists are
// ignored.
//
// # Formats
//
// deb822 paragraphs (Debian Policy 5.1), version order (5.6.12), dependencies
// (7.1) with architecture qualifiers ":any" and versioned Provides, and .deb
// files of format 2.0 (deb(5)): control.tar and data.tar, each uncompressed or
// with gzip, xz or zstd.
//
// # Resolving
//
// Resolve follows Pre-Depends and Depends, never Recommends. It looks only at
// the newest version of each package. An alternative that is already chosen
// wins; else the first that a real package meets; else the first that a package
// provides: of those the one of the highest Priority, then the first by name.
// A set in which packages break or conflict with each other is an error, not
// something to search a way around: the answer for a stable suite needs no
// solver, and this one can be followed by hand.
package debian

import (
	"time"

	"github.com/opencontainers/go-digest"
)

// A Release is what a suite's InRelease file says.
type Release struct {
	Origin, Suite, Codename, Version string
	Date                             time.Time
	ValidUntil                       time.Time // zero: for ever
	Components, Architectures        []string
	Files                            map[string]File // by path below dists/<suite>
}

// A File is an index as a release file lists it.
type File struct {
	Digest digest.Digest
	Size   int64
}

// A Signer is whose signature made a release file good.
type Signer struct {
	Fingerprint string // of the primary key, upper-case hex
	Key         string // fingerprint of the (sub)key that signed
	Name        string // the primary key's user id
	Time        time.Time
}

// A Package is a paragraph of a Packages index.
type Package struct {
	Name, Version, Arch string
	Source              string // name of the source package
	Priority            string
	Essential           bool
	Path                string // "pool/main/g/gcc-12/…"
	Size                int64
	SHA256              digest.Digest

	// Dependency fields as they stand; ParseRelations reads them.
	PreDepends, Depends, Provides, Conflicts, Breaks string
}
