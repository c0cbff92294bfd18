package pypi

import (
	"github.com/craton-co/twice/internal/fault"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/mutate"
)

var (
	sumA = strings.Repeat("a", 64)
	sumB = strings.Repeat("b", 64)
)

// The same project in both forms of a page.
var (
	htmlPage = `<!DOCTYPE html><html><body><h1>Links</h1>
<a href="../../files/libclang-18.1.1-py2.py3-none-manylinux2010_x86_64.whl#sha256=` + sumA + `" data-requires-python="&gt;=3">x</a>
<a href="http://other.test/libclang-18.1.1-1-py2.py3-none-macosx_11_0_arm64.whl#sha256=` + sumB + `">y</a>
<a href="libclang-18.1.1-py2.py3-none-musllinux_1_2_x86_64.whl#md5=00">z</a>
<a href="libclang-18.1.1.tar.gz#sha256=` + sumB + `">sources</a>
<a name="nothing">no link</a></body></html>`
	jsonPage = `{"meta": {"api-version": "1.1"}, "files": [
 {"filename": "libclang-18.1.1-py2.py3-none-manylinux2010_x86_64.whl", "url": "../../files/libclang-18.1.1-py2.py3-none-manylinux2010_x86_64.whl",
  "hashes": {"sha256": "` + sumA + `"}, "size": 7, "yanked": false},
 {"filename": "libclang-18.1.1-1-py2.py3-none-macosx_11_0_arm64.whl", "url": "http://other.test/libclang-18.1.1-1-py2.py3-none-macosx_11_0_arm64.whl", "hashes": {"sha256": "` + sumB + `"}}]}`
)

func TestPage(t *testing.T) {
	want := File{Name: "libclang-18.1.1-py2.py3-none-manylinux2010_x86_64.whl", Size: -1,
		URL:    "http://index.test/files/libclang-18.1.1-py2.py3-none-manylinux2010_x86_64.whl",
		SHA256: digest.NewDigestFromEncoded(digest.SHA256, sumA)}
	for form, page := range map[string]string{"html": htmlPage, "json": jsonPage} {
		files, err := ParsePage([]byte(page), "http://index.test/simple/libclang/")
		if err != nil {
			t.Fatal(err)
		}
		got, err := Choose(files, Requirement{"libclang", "18.1.1"})
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		w := want
		if form == "json" {
			w.Size = 7
		}
		if d := cmp.Diff(w, got); d != "" {
			t.Errorf("%s: -want +got\n%s", form, d)
		}
	}
}

func TestChoice(t *testing.T) {
	sum := digest.NewDigestFromEncoded(digest.SHA256, sumA)
	list := func(names ...string) []File {
		var out []File
		for _, n := range names {
			out = append(out, File{Name: n, SHA256: sum})
		}
		return out
	}
	r := Requirement{"nvidia-cuda-nvcc-cu12", "12.9.86"}
	for _, c := range []struct {
		files []File
		want  string
	}{
		{list("nvidia_cuda_nvcc_cu12-12.9.86-py3-none-manylinux2014_aarch64.whl", "nvidia_cuda_nvcc_cu12-12.9.86-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl"), "manylinux2010_x86_64.manylinux_2_12_x86_64.whl"},
		{list("nvidia_cuda_nvcc_cu12-12.9.86-2-py3-none-any.whl", "nvidia_cuda_nvcc_cu12-12.9.86-10-py3-none-any.whl", "nvidia_cuda_nvcc_cu12-12.9.86-py3-none-any.whl"), "86-10-py3-none-any.whl"},
		{list("nvidia_cuda_nvcc_cu12-12.9.41-py3-none-any.whl"), "no wheel of nvidia-cuda-nvcc-cu12==12.9.86"},
		{list("nvidia_cuda_nvcc_cu12-12.9.86-py3-none-win_amd64.whl"), "no wheel for Linux on x86-64"},
		{[]File{{Name: "nvidia_cuda_nvcc_cu12-12.9.86-py3-none-any.whl"}}, "no SHA-256"},
		{list("nvidia_cuda_nvcc-12.9.86-py3-none-any.whl", "../nvidia_cuda_nvcc_cu12-12.9.86-py3-none-any.whl"), "no wheel of"},
	} {
		f, err := Choose(c.files, r)
		if err != nil {
			f.Name = err.Error()
		}
		if !strings.Contains(f.Name, c.want) {
			t.Errorf("%v: %s, want %s", c.files, f.Name, c.want)
		}
	}
}

// What the hint of a choice says to take is taken.
func TestHintsAreFollowed(t *testing.T) {
	sum := digest.NewDigestFromEncoded(digest.SHA256, sumA)
	file := func(version, tag string) File {
		return File{Name: "libclang-" + version + "-py3-none-" + tag + ".whl", SHA256: sum}
	}
	index := []File{file("18.1.1", "win_amd64"), file("17.0.6", "manylinux2010_x86_64")}
	// follows: pypi: %s has no wheel for Linux on x86-64
	if _, err := Choose(index, Requirement{"libclang", "18.1.1"}); fault.HintOf(err) != "name another version" {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	// follows: pypi: the index has no wheel of %s
	_, err := Choose(index, Requirement{"libclang", "16.0.0"})
	versions := strings.Split(strings.TrimPrefix(fault.HintOf(err), "it has "), ", ")
	if f, err := Choose(index, Requirement{"libclang", versions[len(versions)-1]}); err != nil || f.Name != index[1].Name {
		t.Errorf("%v, %v of %q", f, err, versions)
	}
	// follows: pypi: the index has no SHA-256 of %s
	bare := file("18.1.1", "any")
	bare.SHA256 = ""
	if _, err := Choose([]File{bare}, Requirement{"libclang", "18.1.1"}); !strings.HasPrefix(fault.HintOf(err), "take an index that has") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	if _, err := Choose([]File{file("18.1.1", "any")}, Requirement{"libclang", "18.1.1"}); err != nil {
		t.Error(err)
	}
}

func TestRequirement(t *testing.T) {
	r, err := ParseRequirement("NVIDIA_cuda.runtime-cu12 == 12.9.79")
	if err != nil || r.String() != "nvidia-cuda-runtime-cu12==12.9.79" {
		t.Errorf("%v, %v", r, err)
	}
	for _, s := range []string{"", "libclang", "libclang>=18", "libclang==", "libclang==18.*", "a[b]==1", "a==1;x", "-a==1", "a==../1"} {
		if r, err := ParseRequirement(s); err == nil {
			t.Errorf("%q is taken for %v", s, r)
		}
	}
}

func FuzzParsePage(f *testing.F) {
	mutate.Add(f, []byte(htmlPage))
	mutate.Add(f, []byte(jsonPage))
	f.Fuzz(func(t *testing.T, page []byte) {
		files, err := ParsePage(page, "http://index.test/simple/libclang/")
		if err != nil {
			return
		}
		if c, err := Choose(files, Requirement{"libclang", "18.1.1"}); err == nil {
			if err := CheckFile(c.Name, Requirement{"libclang", "18.1.1"}); err != nil {
				t.Error(err)
			}
		}
	})
}
