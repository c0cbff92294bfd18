package normalize

import (
	"archive/tar"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/layer"
)

// A layer of 1 GiB, out of order so that it is both streamed (in vain) and
// sorted on disk, is normalized in less than 100 MB. A process of its own does
// it, as the peak is a process's.
func TestMemoryIsBounded(t *testing.T) {
	if in := os.Getenv("TWICE_TEST_NORMALIZE"); in != "" {
		if _, err := Normalize(t.Context(), in, filepath.Join(t.TempDir(), "out"), Options{Compression: layer.Zstd}); err != nil {
			t.Fatal(err)
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryIsBounded$", "-test.v")
	cmd.Env = append(os.Environ(), "TWICE_TEST_NORMALIZE="+hugeImage(t, memoryTestSize), "TWICE_TEST_STATUS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no peak in %s", out)
	}
	peak, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak: %d MB", peak/1000)
	if peak > memoryTestLimit {
		t.Errorf("peak %d kB, want less than %d", peak, memoryTestLimit)
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("TWICE_TEST_STATUS") != "" {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			panic(err)
		}
		os.Stdout.Write(status)
	}
	os.Exit(code)
}

// hugeImage writes an image with one layer, whose second entry should have come first.
func hugeImage(t testing.TB, size int64) string {
	t.Helper()
	f := newFixture(t)
	name := filepath.Join(t.TempDir(), "layer")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	blob := sha256.New()
	enc, err := layer.NewEncoder(io.MultiWriter(file, blob), layer.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(enc)
	for _, h := range []*tar.Header{{Typeflag: tar.TypeReg, Name: "big", Size: size}, {Typeflag: tar.TypeReg, Name: "a", Size: 1}} {
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		noise := io.LimitReader(rand.NewChaCha8([32]byte{1}), 64<<20)
		if _, err := io.CopyN(tw, io.MultiReader(noise, zeros{}), h.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerZstd, Digest: digest.NewDigest(digest.SHA256, blob), Size: fi.Size()}
	var m ocispec.Manifest
	m.SchemaVersion = 2
	m.Layers = []ocispec.Descriptor{d}
	m.Config = f.putJSON(t, ocispec.MediaTypeImageConfig, object{"os": "linux", "architecture": "amd64",
		"rootfs": object{"type": "layers", "diff_ids": []digest.Digest{enc.DiffID()}}})
	f.root(t, f.putJSON(t, ocispec.MediaTypeImageManifest, m), "")
	if err := os.Rename(name, filepath.Join(f.dir, "blobs", "sha256", d.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	return f.dir
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
