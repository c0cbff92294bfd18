package main

import "github.com/craton-co/twice/internal/layer"

// rows are all there is to measure, in the order of the table.
var rows = []row{
	{"cold-verify", `twice verify --fresh crate:ripgrep@15.1.0 (with -full hyperfine 1.20.0 too), all inputs
fetched and the builder imported, nothing of the build cached: the command starts the
engine, builds twice, compares, and writes archives and images. Against two plain
cargo build --release of the same crate, one after the other, each in a clean target
directory, by the same toolchain, dependencies downloaded and unpacked.
"The first verify" is the same with a new engine, which imports the builder.`, coldVerify},
	{"unchanged", `The same command without --fresh, the verdict being stored: the whole command.`, unchanged},
	{"import", `A solve whose one step runs in the builder image, on an engine with empty state, less a
solve that differs only in the text of the step; over the size of the unpacked image.`, importBuilder},
	normalizeRow(layer.None),
	normalizeRow(layer.Zstd),
	normalizeRow(layer.Gzip),
	{"memory", `Peak resident memory (VmHWM) of twice normalize on an image of one layer of 2 GB, or 10 GB
with -full: zeros in four files, and 50,000 small files. Once with an uncompressed
layer and once with gzip; the output is gzip.`, memory},
}

func normalizeRow(c layer.Compression) row {
	return row{"normalize-" + string(c), `twice normalize of an image of 1 GB (files of the builder, with times of today) to an
archive with ` + string(c) + ` layers: the whole command. Against BuildKit's OCI exporter with
rewrite-timestamp and force-compression: a solve of the image, on a running engine with
empty state. "Alone" is without the time in which it imports the image, which is
measured on another such engine: a solve that exports the image as it is, to nowhere.
Then against SHA-256 of the same uncompressed bytes in one thread, and against the
bare compressor, with as many threads.`,
		func(b *bench) []line { return normalizeImage(b, c) }}
}
