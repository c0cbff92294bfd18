package cuda

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/ulikunitz/xz"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/store"
)

// header has each way in which cuda.h names a function.
const header = `
#define CUDAAPI
#define CU_VERSION 12
    #define cuMemcpy                            __CUDA_API_PTDS(cuMemcpy)
    #define cuMemcpyAsync                       __CUDA_API_PTSZ(cuMemcpyAsync)
#define cuMemAlloc                          cuMemAlloc_v2
#define cuda_not_one cuda_not
CUresult CUDAAPI cuInit(unsigned int Flags);
CUresult CUDAAPI cuMemAlloc(CUdeviceptr *dptr, size_t bytesize);
CUresult CUDAAPI
cuGraphUpload(CUgraphExec hGraphExec, CUstream hStream);
/* cuComment(1) */
`

func TestSymbols(t *testing.T) {
	want := []string{"cuGraphUpload", "cuInit", "cuMemAlloc", "cuMemAlloc_v2", "cuMemcpy", "cuMemcpyAsync", "cuMemcpyAsync_ptsz", "cuMemcpy_ptds"}
	if d := cmp.Diff(want, Symbols([]byte(header))); d != "" {
		t.Error(d)
	}
}

func TestStub(t *testing.T) {
	stub, err := Stub([]byte(header))
	if err != nil {
		t.Fatal(err)
	}
	// The bytes are part of every builder with a toolkit: a change is a new version.
	const golden = "sha256:aee78dc8cdb83050433de2e0c631f2e8796b0561ef1bb7db536b70e63844d7b5"
	if got := digest.FromBytes(stub); got != golden {
		t.Errorf("the stub's digest is %s, was %s", got, golden)
	}
	f, err := elf.NewFile(bytes.NewReader(stub))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.DynString(elf.DT_SONAME); err != nil || !slices.Equal(n, []string{"libcuda.so.1"}) {
		t.Errorf("SONAME %q, %v", n, err)
	}
	if n, err := f.ImportedLibraries(); err != nil || len(n) > 0 {
		t.Errorf("needs %q, %v", n, err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range symbols {
		names = append(names, s.Name)
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || f.Sections[s.Section].Name != ".text" {
			t.Errorf("%+v is no function", s)
		}
	}
	if d := cmp.Diff(Symbols([]byte(header)), names); d != "" {
		t.Error(d)
	}
	if _, err := Stub([]byte("int main(void);")); err == nil {
		t.Error("a header without functions makes a stub")
	}
}

// A linker takes it, and the program that it makes needs the driver's library;
// the dynamic linker finds each function.
func TestLinkAgainstStub(t *testing.T) {
	stub, err := Stub([]byte(header))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"libcuda.so": stub, "libcuda.so.1": stub,
		"main.c": []byte("int cuInit(unsigned); int cuMemcpy_ptds(void); int main(void) { return cuInit(0) == 34 && cuMemcpy_ptds() == 34 ? 0 : 1; }\n"),
		"bad.c":  []byte("int cuNothing(void); int main(void) { return cuNothing(); }\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cc := func(args ...string) error {
		cmd := exec.Command("cc", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	if err := cc("main.c", "-o", "main", "-L.", "-lcuda"); err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(filepath.Join(dir, "main"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.ImportedLibraries(); err != nil || !slices.Contains(n, "libcuda.so.1") {
		t.Errorf("needs %q, %v", n, err)
	}
	run := exec.Command("./main")
	run.Dir, run.Env = dir, []string{"LD_LIBRARY_PATH=" + dir, "LD_BIND_NOW=1"}
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if err := cc("bad.c", "-o", "bad", "-L.", "-lcuda"); err == nil {
		t.Error("a function that cuda.h doesn't have is linked")
	}
}

// file is a member of a test's archive.
type file struct {
	name, text string
	mode       fs.FileMode
}

func wheel(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		h.SetMode(f.mode)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write([]byte(f.text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// archive makes a .tar.xz; a text that starts with -> is a link's target.
func archive(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	x, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(x)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: int64(f.mode), Size: int64(len(f.text)), Typeflag: tar.TypeReg}
		if to, ok := strings.CutPrefix(f.text, "->"); ok {
			h.Typeflag, h.Linkname, h.Size, f.text = tar.TypeSymlink, to, 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t *testing.T, st *store.Store, name, version, path string, data []byte) File {
	t.Helper()
	d, err := st.PutBytes(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	return File{Name: name, Version: version, Path: path, Size: int64(len(data)), SHA256: d}
}

func testStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// listing is a tree as text: kind and path, and of a link where it leads.
func listing(t *layer.Tree) []string {
	var out []string
	for _, e := range t.Entries() {
		switch {
		case e.Type == tar.TypeDir:
		case e.Type == tar.TypeSymlink:
			out = append(out, "l "+e.Path+" "+e.Linkname)
		case e.Mode&0o100 != 0:
			out = append(out, "x "+e.Path)
		default:
			out = append(out, "f "+e.Path)
		}
	}
	return out
}

var runtimeWheel = []file{
	{"nvidia/__init__.py", "", 0o644},
	{"nvidia/cuda_runtime/__init__.py", "", 0o644},
	{"nvidia/cuda_runtime/include/cuda.h", header, 0o644},
	{"nvidia/cuda_runtime/include/__init__.py", "", 0o644},
	{"nvidia/cuda_runtime/lib/libcudart.so.12", "\x7fELF", 0o644},
	{"nvidia/cuda_runtime/lib/libcudart_static.a", "!<arch>", 0o644},
	{"nvidia_cuda_runtime_cu12-12.9.79.dist-info/licenses/License.txt", "terms", 0o644},
	{"nvidia_cuda_runtime_cu12-12.9.79.dist-info/RECORD", "", 0o644},
}

var nvccWheel = []file{
	{"nvidia/cuda_nvcc/bin/ptxas", "\x7fELF…", 0o644},
	{"nvidia/cuda_nvcc/bin/crt/link.stub", "/* text */", 0o644},
	{"nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc", "BC", 0o644},
}

func TestToolkitOfWheels(t *testing.T) {
	st := testStore(t)
	pin := Pin{Form: Wheels, Version: "12.9", Wheels: []File{
		put(t, st, LibClang, "18.1.1", "c.whl", wheel(t, file{"libclang-18.1.1.data/platlib/clang/native/libclang.so", "\x7fELF", 0o755}, file{"libclang-18.1.1.data/platlib/clang/cindex.py", "", 0o644})),
		put(t, st, "nvidia-cuda-nvcc-cu12", "12.9.86", "n.whl", wheel(t, nvccWheel...)),
		put(t, st, "nvidia-cuda-runtime-cu12", "12.9.79", "r.whl", wheel(t, runtimeWheel...)),
	}}
	tree, done, err := Tree(t.Context(), st, pin)
	if err != nil {
		t.Fatal(err)
	}
	defer done.Close()
	if d := cmp.Diff([]string{
		"f bin/crt/link.stub", "x bin/ptxas", "f include/cuda.h", "l lib lib64",
		"l lib64/libcudart.so libcudart.so.12", "f lib64/libcudart.so.12", "f lib64/libcudart_static.a", "x lib64/stubs/libcuda.so",
		"f nvvm/libdevice/libdevice.10.bc", "f share/licenses/nvidia-cuda-runtime-cu12/License.txt",
		"l targets/x86_64-linux/include ../../include", "l targets/x86_64-linux/lib ../../lib64",
	}, listing(tree)); d != "" {
		t.Error(d)
	}
	const golden = "sha256:9f05418dab4d425838ce3b1784cd289baf6cde8b4c1886549021c15f4bea8224"
	if got, err := layer.TreeDigest(tree); err != nil || got != golden {
		t.Errorf("the tree's digest is %s, was %s (%v)", got, golden, err)
	}
	c, closer, err := ClangTree(t.Context(), st, pin)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	for _, want := range []string{"x lib/libclang.so", "f lib/clang/18/include/stddef.h"} {
		if !slices.Contains(listing(c), want) {
			t.Errorf("%s is missing in %q", want, listing(c))
		}
	}
}

// NVIDIA's archives give the same tree, with the links that they have, and
// their own stub where they have one.
func TestToolkitOfArchives(t *testing.T) {
	st := testStore(t)
	const top = "cuda_cudart-linux-x86_64-12.9.79-archive/"
	cudart := archive(t, file{top + "LICENSE", "terms", 0o644}, file{top + "include/cuda.h", header, 0o644},
		file{top + "lib/libcudart.so", "->libcudart.so.12", 0}, file{top + "lib/libcudart.so.12", "->libcudart.so.12.9.79", 0},
		file{top + "lib/libcudart.so.12.9.79", "\x7fELF", 0o755}, file{top + "lib/stubs/libcuda.so", "\x7fELF theirs", 0o755})
	pin := Pin{Form: Redist, Version: "12.9.1", Archives: []File{put(t, st, "cuda_cudart", "12.9.79", "cuda_cudart/linux-x86_64/a.tar.xz", cudart)}}
	tree, done, err := Tree(t.Context(), st, pin)
	if err != nil {
		t.Fatal(err)
	}
	defer done.Close()
	if d := cmp.Diff([]string{
		"f include/cuda.h", "l lib lib64", "l lib64/libcudart.so libcudart.so.12", "l lib64/libcudart.so.12 libcudart.so.12.9.79",
		"x lib64/libcudart.so.12.9.79", "x lib64/stubs/libcuda.so", "f share/licenses/cuda_cudart/LICENSE",
		"l targets/x86_64-linux/include ../../include", "l targets/x86_64-linux/lib ../../lib64",
	}, listing(tree)); d != "" {
		t.Error(d)
	}
	if e, _ := tree.Get(stubPath); e.Size != int64(len("\x7fELF theirs")) {
		t.Error("the archive's stub was replaced")
	}
}

func TestRefused(t *testing.T) {
	st := testStore(t)
	good := put(t, st, "nvidia-a", "1", "a.whl", wheel(t, runtimeWheel...))
	other := slices.Clone(runtimeWheel)
	other[2].text += "/* changed */"
	for want, files := range map[string][]File{
		"with other content":  {good, put(t, st, "nvidia-b", "1", "b.whl", wheel(t, other...))},
		"not below the root":  {put(t, st, "nvidia-c", "1", "c.whl", wheel(t, file{"../nvidia/x/include/a.h", "", 0o644}))},
		"no regular file":     {put(t, st, "nvidia-d", "1", "d.whl", wheel(t, file{"nvidia/x/include/a.h", "/etc/passwd", fs.ModeSymlink | 0o777}))},
		"not a valid zip":     {put(t, st, "nvidia-e", "1", "e.whl", []byte("no zip"))},
		"is not in the store": {{Name: "nvidia-f", Version: "1", Path: "f.whl", SHA256: digest.FromString("f")}},
	} {
		_, _, err := Tree(t.Context(), st, Pin{Form: Wheels, Wheels: files})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for want, data := range map[string][]byte{
		"is not below a": archive(t, file{"a/x/y", "", 0o644}, file{"b/x/y", "", 0o644}),
		"climbs":         archive(t, file{"a/../../x", "", 0o644}),
		"is empty":       archive(t),
	} {
		_, _, err := Tree(t.Context(), st, Pin{Form: Redist, Archives: []File{put(t, st, "cuda_x", "1", "x", data)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

var manifest = `{"release_date": "2025-06-05", "release_label": "12.9.1", "release_product": "cuda",
"cuda_cudart": {"name": "CUDA Runtime (cudart)", "license": "CUDA Toolkit", "license_path": "cuda_cudart/LICENSE.txt", "version": "12.9.79",
 "linux-x86_64": {"relative_path": "cuda_cudart/linux-x86_64/cuda_cudart-linux-x86_64-12.9.79-archive.tar.xz", "sha256": "` + strings.Repeat("a", 64) + `", "md5": "00", "size": "1450000"},
 "windows-x86_64": {"relative_path": "cuda_cudart/windows-x86_64/x.zip", "sha256": "00", "md5": "00", "size": "1"}},
"cuda_demo": {"version": "1", "linux-x86_64": {"relative_path": "../x", "sha256": "` + strings.Repeat("a", 64) + `", "size": "1"}},
"cuda_nohash": {"version": "1", "linux-x86_64": {"relative_path": "cuda_nohash/linux-x86_64/x", "sha256": "", "size": "1"}},
"cuda_windows": {"version": "1", "windows-x86_64": {}}}`

func TestManifest(t *testing.T) {
	got, err := ParseManifest([]byte(manifest), "12.9.1", []string{"cuda_cudart"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]File{{Name: "cuda_cudart", Version: "12.9.79", Size: 1450000,
		Path:   "cuda_cudart/linux-x86_64/cuda_cudart-linux-x86_64-12.9.79-archive.tar.xz",
		SHA256: digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat("a", 64))}}, got); d != "" {
		t.Error(d)
	}
	for want, c := range map[string][2]string{
		"release \"12.9.1\"":    {"12.9.0", "cuda_cudart"},
		"no component cuda_no":  {"12.9.1", "cuda_no"},
		"malformed":             {"12.9.1", "cuda_demo"},
		"its size or hash":      {"12.9.1", "cuda_nohash"},
		"not for linux-x86_64":  {"12.9.1", "cuda_windows"},
		"no component release_": {"12.9.1", "release_date"},
	} {
		if _, err := ParseManifest([]byte(manifest), c[0], c[1:]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", c, err, want)
		}
	}
}

// The hint of a component that isn't there names those that are.
func TestComponentHint(t *testing.T) {
	// follows: cuda: it has no component %s
	_, err := ParseManifest([]byte(manifest), "12.9.1", []string{"cuda_no"})
	have := strings.Split(strings.TrimPrefix(fault.HintOf(err), "it has "), ", ")
	if !slices.Contains(have, "cuda_cudart") {
		t.Fatalf("%v; hint %q", err, fault.HintOf(err))
	}
	if _, err := ParseManifest([]byte(manifest), "12.9.1", []string{"cuda_cudart"}); err != nil {
		t.Error(err)
	}
}

func FuzzParseManifest(f *testing.F) {
	mutate.Add(f, []byte(manifest))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := ParseManifest(data, "12.9.1", []string{"cuda_cudart"})
		if err != nil {
			return
		}
		for _, x := range files {
			if err := CheckArchive(x); err != nil {
				t.Error(err)
			}
		}
	})
}
