package main

import "github.com/craton-co/twice/internal/layer"

// rows are all there is to measure, in the order of the table.
var rows = []row{
	{"cold-verify", `twice verify --fresh crate:ripgrep@15.1.0, and hyperfine 1.20.0, and with -full cargo-deny 0.18.3,
which has 380 dependencies, all inputs
fetched and the builder imported, nothing of the build cached: the command starts the
engine, builds twice, compares, and writes archives and images. Against two plain
cargo build --release of the same crate, one after the other, each in a clean target
directory, by the same toolchain, dependencies downloaded and unpacked.
"The first verify" is the same with a new engine, which imports the builder.`, coldVerify},
	{"unchanged", `The same command without --fresh, the verdict being stored: the whole command.`, unchanged},
	{"one-crate", `twice verify of a workspace of two crates and 32 dependencies, whose files no commit holds, after a
change to one of them: the dependencies have been compiled before, by either side. Against cargo
build --release after the same change, with the target directory of before.`, oneCrate},
	{"first-run", `twice verify of the crates of cold-verify with an empty cache: everything is fetched and composed,
and built twice. Against cargo install of the same with an empty CARGO_HOME, which builds it once. The program is compiled before, as a released one is, and rustup has the toolchain for both.`, firstRun},
	{"first-checkout", `scripts/twice verify crate:ripgrep@15.1.0 in a checkout of which nothing is compiled, its modules being
downloaded, with an empty cache: it fetches while Go compiles it. Against compiling it, and then the same verify with another
empty cache. "Alone" is what compiling takes, by scripts/twice --version.`, firstCheckout},
	{"fetch-400", `twice fetch of cargo-deny 0.18.3 (a lock of 381 crates), whose builder is in the cache and none of its
crates: the whole command, which composes them into a layer, too. Against cargo fetch --locked with an
empty CARGO_HOME, which unpacks them. At least three pairs, for the network.`, fetchMany},
	{"fresh-runner", `twice verify --fresh --store-from with an empty cache, no Rust toolchain and mirrors of Debian and Rust
that are dead: the whole command. Against the same with the store kept; both with a new engine, which
imports the builder. The store elsewhere is a directory on the same disk, then a registry on
loopback (go-containerregistry's, on disk, in another process). One "twice fetch --store-to" filled it.`, freshRunner},
	{"audit", `twice audit, which watches the build, against twice build of the same crate with -o (it
writes the release too), each the whole command, nothing of the build cached.`, auditBuild},
	{"audit-cargo", `Plain cargo build --release of that crate under the program that watches, against the same
without, in processor time of all processes: on a machine with other work that says more.`, auditCargo},
	{"import", `A solve whose one step runs in the builder image, on an engine with empty state, less a
solve that differs only in the text of the step; over the size of the unpacked image.`, importBuilder},
	{"normalize-none", `twice normalize of an image of 1 GB (files of the builder, with times of today) to an
archive with uncompressed layers: the whole command. Against BuildKit's OCI exporter with
rewrite-timestamp and force-compression: a solve of the image, on a running engine with
empty state. "Alone" is less the time of its import: when, on another such engine, a
solve that exports the image as it is to nowhere says that all of the image has come.
Then against SHA-256 of the same uncompressed bytes in one thread.`, normalizeTo(layer.None)},
	{"normalize-zstd", `The same with zstd layers, and against the bare compressor on as many threads. BuildKit
compresses twice, once for "compression" and once after rewriting, as it does after a
build; with -input zstd it finds the layers compressed by that already.`, normalizeTo(layer.Zstd)},
	{"normalize-gzip", `The same with gzip.`, normalizeTo(layer.Gzip)},
	{"buildah", `The image of the normalize rows by twice normalize, against buildah 1.43 (of Debian forky, unpacked and
not installed), which has it in its storage before: build --squash --rewrite-timestamp
--source-date-epoch, and a push to an OCI archive, which it compresses in any case. The buildahs of Debian bookworm (1.28) and
trixie (1.39) have no --rewrite-timestamp.`, buildahRewrite},
	{"diff-27mb", `twice diff of two binaries of one crate (ripgrep 15.1.0, 27 MB with debug information), built
by plain cargo in two directories: until it has named the place, the cause and the fix.
Against diffoscope, which names places, installed from PyPI.`, diff27},
	{"builders", `twice verify --fresh with 4 --engine, stock BuildKits in namespaces of their own, a side on each: the
whole command. Against the slowest of them alone, with both sides. The builder is imported. The
build sleeps for a minute, since builders on other machines don't share this one's processors.`, remoteBuilders},
	{"diff-1gb", `twice diff of two OCI archives of 1 GB (files of the builder, gzip layers) that differ in one byte of
their largest file. Against diffoci, built by Go, which has both images in its own store before.`, diffImages},
	{"release", `twice verify --profile local examples/tensor-wasm: three backends, their libraries, archives in
three formats and three images, all built twice, with the nightly that rustup has. All inputs
fetched; the first run imports the builder into a new engine. What is outside of the two
builds, by the verdict's own times, is the start of the command and the engine, archives, images and
comparing; what a build does but compile (the import, copying the sources, cargo itself) counts as building.`, release},
	{"memory", `Peak resident memory (VmHWM) of twice normalize on an image of one layer of 2 GB, or 10 GB
with -full: zeros in four files, and 50,000 small files, in an order that isn't canonical.
Once with an uncompressed layer and once with gzip; the output is gzip.`, memory},
	{"publish-memory", `Peak resident memory (VmHWM) of twice publish --from of a release whose image has one layer
of 2 GB, to a registry (go-containerregistry's, on disk, in another process) where the image
has 1,000 referrers of others. It signs with an ECDSA SSH key, whose signatures are never the
same: it looks for its own among theirs. "Again" is the same when all of it is there.`, publishMemory},
	{"rebuild-memory", `Peak resident memory (VmHWM) of twice rebuild IMAGE@sha256:… of examples/hello with a file of 2 GB
in its image, which has 1,000 referrers of others: the statement is found, the image pulled, both
sides built, normalised and compared. The engine is another process.`, rebuildMemory},
}
