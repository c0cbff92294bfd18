package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/cuda"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/ulikunitz/xz"
)

// cudaHeader declares what the examples call.
func cudaHeader() string {
	header := "#define CUDAAPI\n#define CUDA_VERSION 12090\n"
	for _, f := range []string{
		"cuInit", "cuDeviceGetCount", "cuDriverGetVersion", "cuGetErrorString", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent",
		"cuModuleLoadData", "cuModuleGetFunction", "cuMemAlloc_v2", "cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2", "cuLaunchKernel",
	} {
		header += "CUresult CUDAAPI " + f + "(void);\n"
	}
	return header
}

// assembler stands for ptxas: it takes the same arguments and writes into its
// output what it was given.
const assembler = `#!/bin/sh
set -eu
while [ $# -gt 1 ]; do
    case $1 in -o) out=$2; shift ;; esac
    shift
done
{ stat -c '%n %Y' "$1"; cat "$1"; } > "$out"
`

func cudaStub(ts *testscript.TestScript) []byte {
	stub, err := cuda.Stub([]byte(cudaHeader()))
	ts.Check(err)
	return stub
}

// cuda-driver DIR writes a libcuda.so.1 in which every function of the examples
// gives the error of a stub: a machine whose driver has no device.
func cmdCUDADriver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cuda-driver DIR")
	}
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o755))
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), "libcuda.so.1"), cudaStub(ts), 0o755))
}

// cuda-redist DIR writes a tree of the shape of NVIDIA's redistributable
// archives: redistrib_12.9.1.json and two components.
func cmdCUDARedist(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cuda-redist DIR")
	}
	manifest := map[string]any{"release_date": "2025-06-05", "release_label": "12.9.1", "release_product": "cuda"}
	for name, files := range map[string]map[string]string{
		"cuda_cudart": {"LICENSE": "terms\n", "include/cuda.h": cudaHeader(), "lib/libcudart.so.12.9.79": "\x7fELF", "lib/libcudart.so.12": "->libcudart.so.12.9.79", "lib/libcudart.so": "->libcudart.so.12", "lib/stubs/libcuda.so": string(cudaStub(ts))},
		"cuda_nvcc":   {"LICENSE": "terms\n", "bin/ptxas": assembler, "nvvm/libdevice/libdevice.10.bc": "BC"},
	} {
		top := name + "-linux-x86_64-12.9.79-archive"
		rel := path.Join(name, "linux-x86_64", top+".tar.xz")
		data := packXZ(ts, top, files)
		file := filepath.Join(ts.MkAbs(args[0]), filepath.FromSlash(rel))
		ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
		ts.Check(os.WriteFile(file, data, 0o644))
		manifest[name] = map[string]any{
			"name": name, "license": "CUDA Toolkit", "license_path": name + "/LICENSE.txt", "version": "12.9.79",
			"linux-x86_64": map[string]string{"relative_path": rel, "sha256": fmt.Sprintf("%x", sha256.Sum256(data)), "md5": "", "size": strconv.Itoa(len(data))},
		}
	}
	text, err := json.Marshal(manifest)
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), "redistrib_12.9.1.json"), text, 0o644))
}

// packXZ packs files, by path; a content that starts with -> is where a link leads.
func packXZ(ts *testscript.TestScript, top string, files map[string]string) []byte {
	var b bytes.Buffer
	x, err := xz.NewWriter(&b)
	ts.Check(err)
	w := tar.NewWriter(x)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: top + "/" + name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if strings.HasPrefix(name, "bin/") {
			h.Mode = 0o755
		}
		text := files[name]
		if to, ok := strings.CutPrefix(text, "->"); ok {
			h.Typeflag, h.Linkname, h.Size, text = tar.TypeSymlink, to, 0, ""
		}
		ts.Check(w.WriteHeader(h))
		_, err := w.Write([]byte(text))
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(x.Close())
	return b.Bytes()
}

// cuda-image DIR writes, as an OCI layout, an image of the shape of nvidia/cuda's devel
// images: a distribution with a C compiler, a toolkit in a folder of its version,
// /usr/local/cuda that leads there, and CUDA_VERSION in its environment.
func cmdCUDAImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cuda-image DIR")
	}
	ctx, tools := context.Background(), scriptTools(ts)
	def, err := images.Load("builder-rust")
	ts.Check(err)
	ts.Check(tools.Fetcher.Fetch(ctx, compose.Items(def, tools.Resolver)))
	distribution, err := compose.Runtime(ctx, tools.Store, def)
	ts.Check(err)
	const dir = "usr/local/cuda-12.9/"
	t := layer.NewTree()
	for _, e := range []layer.Entry{
		layer.File(dir+"bin/ptxas", 0o755, 1, []byte(assembler)),
		layer.File(dir+"include/cuda.h", 0o644, 1, []byte(cudaHeader())),
		layer.File(dir+"lib64/stubs/libcuda.so", 0o644, 1, cudaStub(ts)),
		layer.Symlink("etc/alternatives/cuda", "/usr/local/cuda-12.9", 1),
		layer.Symlink("usr/local/cuda", "/etc/alternatives/cuda", 1),
	} {
		ts.Check(t.Add(e))
	}
	l, err := layer.Write(ctx, tools.Store, t, layer.Gzip)
	ts.Check(err)
	im, err := image.Write(ctx, tools.Store, &distribution, []layer.Layer{l}, image.Config{Epoch: 1749000000, Env: []string{
		"CUDA_VERSION=12.9.1", "LD_LIBRARY_PATH=/usr/local/nvidia/lib64", "LIBRARY_PATH=/usr/local/cuda/lib64/stubs",
	}})
	ts.Check(err)
	ts.Check(image.WriteLayout(ctx, tools.Store, im.Desc, ts.MkAbs(args[0]), ""))
}
