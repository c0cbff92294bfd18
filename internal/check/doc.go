// Package check holds a workspace against a checklist: what makes that its
// builds can be repeated, and its inputs trusted. A verdict says that today's
// bits repeat; this says why tomorrow's should.
//
// # Results
//
// Each [Check] passes, fails, is not applicable, or could not be made, and names
// what it saw: a file, a line, a sentence. A check that can't see something says
// so in its Blind text rather than pass silently.
//
// # What is read
//
// The files of the source (of a directory: what git tracks, and what it would
// track if everything were added), and the sources of the crates in Cargo.lock,
// by hash, as for a build. Nothing is run. Commands are found in recipes: CI
// files (GitHub, GitLab, CircleCI, Azure and others in YAML), Dockerfiles, shell
// scripts, Makefiles and justfiles; their shell is parsed. Files below vendor,
// third_party, node_modules and target are left out, and recipes outside of the
// source are not seen: of a workspace in a folder of a larger repository that
// is the repository's CI.
//
// # Code that runs at build time
//
// A crate runs code if it has a build script or is a procedural macro. Its code is
// identified by the SHA-256 of "twice code 1\n" and of a record
// "path NUL size NUL sha256 NUL" for each file, sorted by path. The files are
//
//   - of a build script: its root file, the modules that it declares (also by
//     #[path]), and what it takes with include!, include_str! and include_bytes!
//     of a literal path, recursively;
//   - of a procedural macro: the same from the library's root file, and every
//     other .rs file below that file's directory.
//
// Left out is what these files read when they run, and the libraries that they
// link (syn, cc, bindgen): those are crates of their own. Paths are relative
// to the crate, so a new release with the same code is the same code.
//
// Twice.lock records what was reviewed, in [[reviewed]] rows: a crate, its
// version, where it came from, and the hash of its code. A row holds for every
// release with that code.
//
// # Git pins
//
// See [Pin] for the policy.
//
// # Unordered maps
//
// Found is the iteration of a HashMap or HashSet (std's, hashbrown's, ahash's,
// dashmap's), in the build scripts and procedural macros of the workspace: `for`
// loops, iterating methods, {:?}, extend, zip and chain, and serde's writers. A
// name is a map if its declaration says so: a `let` with a type or one of the
// constructors, a parameter, a field, a static, or the return type of a function
// of the same crate. What ends in an order-free result isn't reported: count,
// sum, min, max, any, all; collect into a set, a map, or a vector that is then
// sorted; a loop that only inserts into such a map. Maps with a fixed hasher are
// left alone.
//
// Not seen: maps behind generic parameters, trait objects, type inference across
// functions, or in the libraries that the code calls.
package check
