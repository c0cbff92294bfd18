package hostile

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"testing"

	"github.com/craton-co/twice/internal/layer"
)

// harmless are those that archive/tar and archive/zip read as a reader should, or
// refuse by themselves, and names that mean nothing on the systems that unpack.
var harmless = map[string]bool{
	"a global PAX name": true, "a hard link with content": true, "a size that the content hasn't": true, "a record with a length of its own": true,
	"a size of 8 EiB": true, "a negative size": true, "a name with a NUL": true, "a sparse map that goes back": true, "records of a megabyte": true,
	"a time of the year 292277026596": true, "a drive": true, "backslashes": true,
	"a directory that lies outside": true, "65,535 members that aren't there": true, "another name in front of the content": true, "two of a name": true,
}

// A reader without a check has to be found dangerous, or the check finds nothing.
func TestCheckFindsNaiveReaders(t *testing.T) {
	for _, a := range Tars("x/", "/outside") {
		var entries []layer.Entry
		r := tar.NewReader(bytes.NewReader(a.Data))
		for {
			h, err := r.Next()
			if err != nil {
				break
			}
			if h.Typeflag == tar.TypeXGlobalHeader {
				continue
			}
			if h.Typeflag == tar.TypeGNUSparse {
				h.Typeflag = tar.TypeReg
			}
			entries = append(entries, layer.Entry{Path: h.Name, Type: h.Typeflag, Mode: h.Mode, UID: h.Uid, GID: h.Gid, ModTime: h.ModTime.Unix(), Size: h.Size, Linkname: h.Linkname})
		}
		if found := Check(entries, Rules{}); len(found) == 0 && !harmless[a.Name] {
			t.Errorf("tar: %s: nothing is found in %+v", a.Name, entries)
		}
	}
	for _, a := range Zips("x/", "/outside") {
		r, err := zip.NewReader(bytes.NewReader(a.Data), int64(len(a.Data)))
		var entries []layer.Entry
		if err == nil {
			for _, f := range r.File {
				e := layer.Entry{Path: f.Name, Type: tar.TypeReg, Size: int64(f.UncompressedSize64)}
				switch {
				case f.Mode()&fs.ModeSymlink != 0:
					o, err := f.Open()
					if err != nil {
						t.Fatal(err)
					}
					b, err := io.ReadAll(o)
					if err != nil {
						t.Fatal(err)
					}
					e.Type, e.Linkname = tar.TypeSymlink, string(b)
				case f.Mode()&fs.ModeNamedPipe != 0:
					e.Type = tar.TypeFifo
				case f.Mode()&fs.ModeDevice != 0:
					e.Type = tar.TypeChar
				}
				if f.Mode()&fs.ModeSetuid != 0 {
					e.Mode = 0o4000
				}
				entries = append(entries, e)
			}
		}
		if found := Check(entries, Rules{}); len(found) == 0 && !harmless[a.Name] {
			t.Errorf("zip: %s: nothing is found in %+v, %v", a.Name, entries, err)
		}
	}
}

// What is no harm is not called one.
func TestCheckLetsOthersBe(t *testing.T) {
	fine := []layer.Entry{
		layer.Dir("x", 0o755, 0), layer.File("x/f", 0o644, 0, nil), layer.Symlink("x/l", "f", 0), layer.Link("x/h", "x/f"), layer.Symlink("x/m", "../y", 0),
	}
	if found := Check(fine, Rules{}); len(found) > 0 {
		t.Error(found)
	}
}
