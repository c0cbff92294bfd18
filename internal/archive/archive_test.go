package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
)

const epoch = 1_700_000_001 // 2023-11-14 22:13:21 UTC, an odd second

// golden are the digests of the archives of tree at epoch.
var golden = map[string]digest.Digest{
	"tar.gz":  "sha256:9c4d11c29a89f4a7638ed8954c5c43ed0e775afdc0f4d88bce5d33fae75ae444",
	"tar.zst": "sha256:a773c5c933f88b27c3bb3de6a0b6cd9792f6ae7c10464e6f3d038c6a92ce2634",
	"zip":     "sha256:e4c1326849c2656d2fab1f4a4bc4fbf42b3a9e325cff3a4f8de7639d702e8ed2",
}

func tree(t testing.TB) *layer.Tree {
	t.Helper()
	owned := layer.File("tool-1.0/bin/tool", 0o4755, 5, bytes.Repeat([]byte("all work and no play\n"), 100_000))
	owned.UID, owned.GID = 1000, 1000
	tr := layer.NewTree()
	for _, e := range []layer.Entry{
		owned,
		layer.Link("tool-1.0/bin/alias", "tool-1.0/bin/tool"),
		layer.Symlink("tool-1.0/latest", "bin/tool", 7),
		layer.File("tool-1.0/empty", 0o600, 9, nil),
		layer.File("tool-1.0/ünï", 0o644, 9, []byte("x")),
		layer.Dir("tool-1.0/share", 0o750, 9),
	} {
		if err := tr.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return tr
}

func archive(t testing.TB, format string, tr *layer.Tree, epoch int64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(t.Context(), &b, format, tr, epoch); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGoldenDigests(t *testing.T) {
	local := time.Local
	defer func() { time.Local = local }()
	time.Local = time.FixedZone("elsewhere", 9*3600+1800)
	for format, want := range golden {
		if got := digest.FromBytes(archive(t, format, tree(t), epoch)); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}

func TestTimesAndOwnersAreNotTheTrees(t *testing.T) {
	other := layer.NewTree()
	for _, e := range tree(t).Entries() {
		e.ModTime, e.UID, e.GID = 1_800_000_000, 7, 7
		if err := other.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	for format := range golden {
		if !bytes.Equal(archive(t, format, tree(t), epoch), archive(t, format, other, epoch)) {
			t.Errorf("%s: times or owners of the tree are in the archive", format)
		}
	}
}

func TestTar(t *testing.T) {
	want := []string{
		"tool-1.0/ 755", "tool-1.0/bin/ 755", "tool-1.0/bin/alias 4755 2100000", "tool-1.0/bin/tool = tool-1.0/bin/alias",
		"tool-1.0/empty 600 0", "tool-1.0/latest -> bin/tool", "tool-1.0/share/ 750", "tool-1.0/ünï 644 1",
	}
	for _, format := range []string{"tar.gz", "tar.zst"} {
		var r io.Reader = bytes.NewReader(archive(t, format, tree(t), epoch))
		if format == "tar.gz" {
			zr, err := gzip.NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			r = zr
		} else {
			zr, err := zstd.NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			defer zr.Close()
			r = zr
		}
		var got []string
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.ModTime.Unix() != epoch || h.Uid != 0 || h.Gid != 0 || h.Uname != "" {
				t.Errorf("%s: %s: time %v, owner %d:%d %q", format, h.Name, h.ModTime, h.Uid, h.Gid, h.Uname)
			}
			switch h.Typeflag {
			case tar.TypeDir:
				got = append(got, fmt.Sprintf("%s %o", h.Name, h.Mode))
			case tar.TypeSymlink:
				got = append(got, h.Name+" -> "+h.Linkname)
			case tar.TypeLink:
				got = append(got, h.Name+" = "+h.Linkname)
			default:
				got = append(got, fmt.Sprintf("%s %o %d", h.Name, h.Mode, h.Size))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

func TestZip(t *testing.T) {
	b := archive(t, "zip", tree(t), epoch)
	zr, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range zr.File {
		if len(f.Extra) > 0 || f.Comment != "" {
			t.Errorf("%s: extra field % x, comment %q", f.Name, f.Extra, f.Comment)
		}
		if want := time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC); !f.Modified.Equal(want) {
			t.Errorf("%s: time %v, want %v", f.Name, f.Modified, want)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r) // verifies the CRC
		if err != nil {
			t.Fatal(err)
		}
		s := f.Mode().String() + " " + f.Name
		switch {
		case f.Mode()&fs.ModeSymlink != 0:
			s += " -> " + string(content)
		case f.Mode().IsRegular():
			s += fmt.Sprintf(" %d", len(content))
		}
		got = append(got, s)
	}
	want := []string{
		"drwxr-xr-x tool-1.0/", "drwxr-xr-x tool-1.0/bin/", "urwxr-xr-x tool-1.0/bin/alias 2100000", "urwxr-xr-x tool-1.0/bin/tool 2100000",
		"-rw------- tool-1.0/empty 0", "Lrwxrwxrwx tool-1.0/latest -> bin/tool", "drwxr-x--- tool-1.0/share/", "-rw-r--r-- tool-1.0/ünï 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestZipTimesAreClamped(t *testing.T) {
	for epoch, want := range map[int64]string{
		0:             "1980-01-01 00:00:00",
		315532799:     "1980-01-01 00:00:00",
		315532802:     "1980-01-01 00:00:02",
		1_709_210_096: "2024-02-29 12:34:56",
		4_354_819_200: "2107-12-31 23:59:58",
	} {
		b := archive(t, "zip", tree(t), epoch)
		zr, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if got := zr.File[0].Modified.UTC().Format(time.DateTime); got != want {
			t.Errorf("epoch %d: %s, want %s", epoch, got, want)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	err := Write(t.Context(), io.Discard, "rar", tree(t), 0)
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("rar: %v, want an error with a hint", err)
	}
	if err := Write(t.Context(), io.Discard, "zip", tree(t), -1); err == nil {
		t.Error("a negative epoch passes")
	}
	broken := layer.File("dir/f", 0o644, 0, []byte("abc"))
	broken.Size = 4
	tr := layer.NewTree()
	if err := tr.Add(broken); err != nil {
		t.Fatal(err)
	}
	for format := range golden {
		if err := Write(t.Context(), io.Discard, format, tr, 0); err == nil || !strings.Contains(err.Error(), "dir/f") {
			t.Errorf("%s: content of another size: %v, want an error that names the file", format, err)
		}
		if err := Write(t.Context(), full{}, format, tree(t), 0); !errors.Is(err, errFull) {
			t.Errorf("%s: a writer that fails: %v", format, err)
		}
	}
}

type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }
