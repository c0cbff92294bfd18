// Package cuda pins what building against CUDA takes, and makes layers of it.
//
// # Forms
//
// CUDA is distributed in three forms. Wheels of the Python package index
// (nvidia-cuda-runtime-cu12, nvidia-cuda-nvcc-cu12), NVIDIA's redistributable
// archives with their JSON manifest, and container images. The first two become
// a layer of the builder; an image is what the builder starts from. The libclang
// that bindgen reads cuda.h with is a wheel, too, and a layer of its own.
//
// # The toolkit's tree
//
// It is shaped like an installed toolkit, whatever it came from:
//
//	bin, include, nvvm, …   as they are
//	lib64                   the archives' and wheels' lib
//	lib64/stubs/libcuda.so  theirs, or one made from cuda.h: see Stub
//	lib, targets/x86_64-linux/{include,lib}   links
//	share/licenses/<name>   licence texts
//
// A wheel's files are those below nvidia/<folder>/; what Python needs is left
// out. A library that is only there under its version (libcudart.so.12) gets the
// link that a linker looks for. Two files of one path with different content are
// an error. Executable is what its mode says, and what is an ELF file or script in bin.
//
// # libclang
//
// lib/libclang.so, and lib/clang/<major>/include with the headers that C has
// the compiler supply (stddef.h, stdarg.h, …), of our own: the wheel has none.
//
// # What is pinned
//
// The output of bindgen depends silently on the versions of libclang and cuda.h,
// and on whether there is a rustfmt. The first two are here, by hash; the third is a
// component of the toolchain, and package resolve refuses a project with [cuda]
// and bindgen in Cargo.lock that doesn't pin it.
package cuda

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// The form of a toolkit.
const (
	Wheels = "wheels"
	Redist = "redist"
	Image  = "image"
)

// Where images have them, below the root.
const (
	Prefix      = "usr/local/cuda"
	ClangPrefix = "usr/local/libclang"
)

// version of the trees that are made from the same files: part of their keys.
const version = 1

// A Pin is a toolkit, or just a libclang.
type Pin struct {
	Form     string // of the toolkit; "" if there is none
	Version  string // of the toolkit: "12.9", "12.9.1"
	Wheels   []File // sorted by name; libclang among them
	Archives []File // sorted by name
}

// A File is a wheel or an archive.
type File struct {
	Name    string // the project or component: "nvidia-cuda-nvcc-cu12", "cuda_nvcc"
	Version string // "12.9.86"
	Path    string // of a wheel its file name; of an archive where it is below NVIDIA's root
	Size    int64  // bytes
	SHA256  digest.Digest
}

// LibClang is the project whose wheel has libclang.
const LibClang = "libclang"

// toolkit and clang divide the wheels.
func (p Pin) toolkit() (wheels []File) {
	for _, w := range p.Wheels {
		if w.Name != LibClang {
			wheels = append(wheels, w)
		}
	}
	return wheels
}

func (p Pin) clang() (File, bool) {
	for _, w := range p.Wheels {
		if w.Name == LibClang {
			return w, true
		}
	}
	return File{}, false
}

// HasToolkit tells whether the toolkit is a layer.
func (p Pin) HasToolkit() bool { return len(p.toolkit())+len(p.Archives) > 0 }

// HasClang tells whether there is a libclang.
func (p Pin) HasClang() bool { _, ok := p.clang(); return ok }

// Key identifies the toolkit's tree.
func (p Pin) Key() digest.Digest { return key("toolkit", append(p.toolkit(), p.Archives...)) }

// ClangKey identifies libclang's tree.
func (p Pin) ClangKey() digest.Digest {
	f, _ := p.clang()
	return key(LibClang, []File{f})
}

func key(what string, files []File) digest.Digest {
	var b strings.Builder
	fmt.Fprintf(&b, "twice %s %d\n", what, version)
	for _, f := range files {
		fmt.Fprintf(&b, "%s %s %s\n", f.Name, f.Version, f.SHA256)
	}
	return digest.FromString(b.String())
}

// String says it in the words of a verdict: "cuda 12.9 (wheels)".
func (p Pin) String() string {
	if p.Form == "" {
		if f, ok := p.clang(); ok {
			return "libclang " + f.Version
		}
		return ""
	}
	return strings.TrimSpace("cuda "+p.Version) + " (" + p.Form + ")"
}

// ToolkitEnv is what build scripts find a toolkit by.
func ToolkitEnv() []string {
	return []string{"CUDA_HOME=/" + Prefix, "CUDA_TOOLKIT_PATH=/" + Prefix}
}

// ClangEnv is what bindgen finds libclang by, and libclang its headers: it looks
// for them beside a program called clang, and there is none.
func (p Pin) ClangEnv() []string {
	f, _ := p.clang()
	return []string{
		"BINDGEN_EXTRA_CLANG_ARGS=-resource-dir=/" + ClangPrefix + "/lib/clang/" + resourceVersion(f.Version),
		"LIBCLANG_PATH=/" + ClangPrefix + "/lib",
	}
}

// IsEnv tells whether a variable of an image is one of those above.
func IsEnv(name string) bool {
	return slices.Contains([]string{"BINDGEN_EXTRA_CLANG_ARGS", "CUDA_HOME", "CUDA_TOOLKIT_PATH", "LIBCLANG_PATH"}, name)
}
