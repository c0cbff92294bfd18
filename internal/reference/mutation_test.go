package reference

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/opencontainers/go-digest"
)

// tree reads a directory: what is compared after a mutation that is of no file.
func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		files[rel] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// release is what a build made, in the forms that it is released in: a directory
// with a binary, archives and a list of sums, an image's layout, and a verdict.
func release(t *testing.T, dir string) []Ours {
	t.Helper()
	program := append([]byte("\x7fELF\x02\x01\x01"), bytes.Repeat([]byte("the program "), 200)...)
	content := tarball(t, "some text ")
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	f, err := w.Create("app/app")
	if err == nil {
		_, err = f.Write(program)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"app": program, "app-1.tar.gz": pack(t, content, twice(layer.Gzip)), "app-1.tar.zst": pack(t, content, twice(layer.Zstd)), "app-1.zip": z.Bytes(),
	}
	var list []Ours
	var sums bytes.Buffer
	for _, name := range []string{"app", "app-1.tar.gz", "app-1.tar.zst", "app-1.zip"} {
		made := write(t, dir, "made/"+name, files[name])
		write(t, dir, "bare/"+name, files[name])
		write(t, dir, "summed/"+name, files[name])
		fmt.Fprintf(&sums, "%s  %s\n", digest.FromBytes(files[name]).Encoded(), name)
		list = append(list, ours(name, made))
	}
	write(t, dir, "summed/SHA256SUMS", sums.Bytes())
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, digest.FromBytes(content))
	gz := "application/vnd.oci.image.layer.v1.tar+gzip"
	mine, d := layoutOf(t, filepath.Join(dir, "made", "layout"), files["app-1.tar.gz"], gz, config)
	layoutOf(t, filepath.Join(dir, "image", "image"), files["app-1.tar.gz"], gz, config)
	list = append(list, Ours{Name: "image", Digest: d, Image: true, Open: func(context.Context) (string, error) { return mine, nil }})
	v := earlier()
	v.Artefacts = nil
	for _, o := range list {
		kind := verdict.Bin
		if o.Image {
			kind = verdict.Image
		}
		v.Artefacts = append(v.Artefacts, verdict.Artefact{Name: o.Name, Kind: kind, A: o.Digest, B: o.Digest, Same: true, SizeA: 1, SizeB: 1})
	}
	v.Settle()
	data, err := v.JSON()
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "verdict/verdict.json", data)
	return list
}

// reproduced says whether a reference is what the build made, all of it.
func reproduced(ctx context.Context, path string, list []Ours, v *verdict.Verdict) (bool, *verdict.Reference) {
	ref, err := Open(ctx, path)
	if err != nil {
		return false, nil
	}
	if ref.Verdict != nil && ref.Input(v) != nil {
		return false, nil
	}
	got, err := ref.Compare(ctx, list, cause.Context{})
	if err != nil {
		return false, nil
	}
	for _, c := range got.Artefacts {
		if !c.Same {
			return false, got
		}
	}
	return len(got.Artefacts) > 0, got
}

// A release that was changed in any byte, or of which parts were left out, doubled
// or moved, is never what the build made. What a layout or a verdict may say
// besides (white space, when it was reached) is no part of what was made.
func TestMutations(t *testing.T) {
	seed := uint64(20261127)
	r := rand.New(rand.NewPCG(seed, 1))
	n := 1200
	if testing.Short() {
		n = 300
	}
	pristine := t.TempDir()
	list := release(t, pristine)
	v := earlier()
	forms := []string{"bare", "summed", "image", "verdict"}
	for _, f := range forms {
		if ok, got := reproduced(t.Context(), filepath.Join(pristine, f), list, v); f != "verdict" && !ok {
			t.Fatalf("%s as it was made is not reproduced: %+v", f, got)
		}
	}
	if ok, got := reproduced(t.Context(), filepath.Join(pristine, "verdict", "verdict.json"), list, v); !ok {
		t.Fatalf("the verdict as it was reached is not reproduced: %+v", got)
	}
	harmless := 0
	for i := range n {
		form := forms[i%len(forms)]
		dir := filepath.Join(t.TempDir(), form)
		files := tree(t, filepath.Join(pristine, form))
		var names []string
		for name := range files {
			names = append(names, name)
		}
		slices.Sort(names)
		changed := names[r.IntN(len(names))]
		for name, data := range files {
			if name == changed {
				data = mutate.Bytes(r, data)
				files[name] = data
			}
			write(t, dir, name, data)
		}
		at := dir
		if form == "verdict" {
			at = filepath.Join(dir, "verdict.json")
		}
		ok, got := reproduced(t.Context(), at, list, v)
		if ok && !says(t, form, changed, files[changed], list, got) {
			t.Errorf("mutation %d: %s of %s was changed, and it counts as reproduced: %+v\n%.300q", i, changed, form, got, files[changed])
		}
		if ok {
			harmless++
		}
		_ = os.RemoveAll(dir)
	}
	t.Logf("%d mutations, %d of them in what is no part of the release", n, harmless)
	if harmless > n/3 {
		t.Errorf("%d of %d mutations were harmless: too few say anything", harmless, n)
	}
}

// says says whether a reference with a changed file still has all that it is
// judged by: then, and only then, it may count.
func says(t *testing.T, form, changed string, data []byte, list []Ours, got *verdict.Reference) bool {
	t.Helper()
	switch {
	case form == "image" && (changed == "image/index.json" || changed == "image/oci-layout"):
		// The manifest is named by its digest, and all blobs are as they were.
		return slices.ContainsFunc(got.Artefacts, func(c verdict.Compared) bool { return c.Same && c.Theirs == list[len(list)-1].Digest })
	case form == "summed" && changed == "SHA256SUMS":
		// A line that is no sum of a file claims nothing: all files are as they were.
		return true
	case form == "verdict":
		var was verdict.Verdict
		if err := json.Unmarshal(data, &was); err != nil {
			return false
		}
		for _, c := range got.Artefacts {
			i := slices.IndexFunc(was.Artefacts, func(a verdict.Artefact) bool { return a.Name == c.Name && a.A == c.Theirs })
			j := slices.IndexFunc(list, func(o Ours) bool { return o.Name == c.Name && o.Digest == c.Theirs })
			if i < 0 || j < 0 {
				return false
			}
		}
		return true
	}
	return false
}
