// Package cargo reads what Cargo reads: lock files, manifests, configuration
// and crates. It runs nothing.
//
// # Lock files
//
// Versions 1 to 4. Cargo 1.95 refuses an explicit version 1, 2 or 5, and so
// does [ParseLock]; a file without a version is of version 1 if it has
// [metadata], else of version 2. Everything that would leave a crate without a
// hash, or let Cargo change the file, is an error that names the line.
//
// # Vendored crates
//
// [VendorTree] makes a directory source for each registry: every file of every
// .crate, and a .cargo-checksum.json of {"files":{},"package":"<SHA-256>"},
// which Cargo takes. Dropped are a .cargo-ok and a .cargo-checksum.json that an
// archive brings. Modes are 0644 and 0755, times 2006-07-24T01:21:28Z, which is
// what Cargo gives the files that it generates.
//
// # Workspaces
//
// [Inspect] follows Cargo 1.95: which packages are members, what they inherit,
// which binaries there are. It sees just the file system that it is given. The
// exceptions: symbolic links to member directories are not followed by globs,
// and `package.metadata` is not read.
//
// # Configuration
//
// .cargo/config.toml (or .cargo/config, which wins) of the directory that Cargo
// runs in and of those above it, with `include`. The nearest value counts, and
// arrays are joined with the nearest last. Flags: RUSTFLAGS, if set, replaces
// all; else the tables of the target, [target.<triple>] then the matching
// [target.'cfg(…)'] in the order of their keys, joined; else build.rustflags.
// Cargo ignores a cfg expression that it can't parse, and so does
// [Config.RustFlags]. What a cfg means is known for the triples of
// [KnownTriple]; a test compares it with what rustc prints.
package cargo
