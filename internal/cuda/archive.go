package cuda

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/therootcompany/xz"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

// platform is the builder's, as NVIDIA's manifests have it.
const platform = "linux-x86_64"

// MaxManifest bounds a manifest; they have 100 KB.
const MaxManifest = 16 << 20

// ManifestPath is where the manifest of a release is below NVIDIA's root.
func ManifestPath(release string) string { return "redistrib_" + release + ".json" }

var (
	// ReleaseRE is a release of the toolkit.
	ReleaseRE = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$`)
	// ComponentRE is a component of it.
	ComponentRE = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	sha256RE    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// DefaultComponents are what compiling and linking takes: cuda.h, the runtime,
// nvcc and ptxas.
var DefaultComponents = []string{"cuda_cudart", "cuda_nvcc"}

// ParseManifest picks components out of the manifest of a release. The format, as
// NVIDIA publishes it: an object with release_label "12.9.1" and, by component, an object with
// version and, by platform, relative_path, sha256, md5 and size, a decimal in a
// string.
func ParseManifest(data []byte, release string, components []string) ([]File, error) {
	files, err := parseManifest(data, release, components)
	if err != nil {
		return nil, fmt.Errorf("parsing the manifest of CUDA %s: %w", release, err)
	}
	return files, nil
}

func parseManifest(data []byte, release string, components []string) ([]File, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	var label string
	if raw, ok := all["release_label"]; ok {
		if err := json.Unmarshal(raw, &label); err != nil {
			return nil, err
		}
	}
	if label != release {
		return nil, fmt.Errorf("it is that of release %.20q", label)
	}
	var files []File
	for _, name := range components {
		raw, ok := all[name]
		var c struct {
			Version string `json:"version"`
		}
		var platforms map[string]json.RawMessage
		if !ok || json.Unmarshal(raw, &c) != nil || json.Unmarshal(raw, &platforms) != nil {
			return nil, fault.Hintf(fmt.Errorf("it has no component %s", name), "it has %s", names(all))
		}
		var f struct {
			Path   string `json:"relative_path"`
			SHA256 string `json:"sha256"`
			Size   any    `json:"size"`
		}
		if raw, ok = platforms[platform]; !ok {
			return nil, fmt.Errorf("component %s is not for %s", name, platform)
		}
		if err := json.Unmarshal(raw, &f); err != nil {
			return nil, fmt.Errorf("component %s: %w", name, err)
		}
		size, err := strconv.ParseInt(fmt.Sprint(f.Size), 10, 64)
		out := File{Name: name, Version: c.Version, Path: f.Path, Size: size}
		if err != nil || size <= 0 || !sha256RE.MatchString(f.SHA256) {
			return nil, fmt.Errorf("component %s: its size or hash is malformed", name)
		}
		out.SHA256 = digest.NewDigestFromEncoded(digest.SHA256, f.SHA256)
		if err := CheckArchive(out); err != nil {
			return nil, err
		}
		files = append(files, out)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// CheckArchive reports what an archive's row may not have.
func CheckArchive(f File) error {
	if !ComponentRE.MatchString(f.Name) || f.Version == "" || strings.ContainsAny(f.Version, " \n") ||
		!strings.HasPrefix(f.Path, f.Name+"/"+platform+"/") || path.Clean(f.Path) != f.Path || strings.ContainsAny(f.Path, "?#%\\ ") {
		return fmt.Errorf("component %.80q: version %.80q, path %.200q: malformed", f.Name, f.Version, f.Path)
	}
	return nil
}

func names(all map[string]json.RawMessage) string {
	var list []string
	for k, v := range all {
		if ComponentRE.MatchString(k) && len(v) > 0 && v[0] == '{' {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	if len(list) > 40 {
		list = append(list[:40], "…")
	}
	return strings.Join(list, ", ")
}

// archiveEntries reads a .tar.xz: one folder, named after the archive, with
// bin, include, lib, … in it.
func archiveEntries(ctx context.Context, st *store.Store, sp *spool.Spool, a File) ([]layer.Entry, error) {
	f, err := openVerified(ctx, st, a)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := xz.NewReader(bufio.NewReaderSize(f, 256<<10), 128<<20)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	var entries []layer.Entry
	top := ""
	err = layer.ReadTar(ctx, z, layer.Limits{Entries: maxFiles, File: maxFile, Total: maxTotal}, func(h *tar.Header, r io.Reader) error {
		first, rest, below := strings.Cut(h.Name, "/")
		if top == "" {
			top = first
		}
		if first != top || h.Name == "." {
			return fmt.Errorf("%.200q is not below %s", h.Name, top)
		}
		if !below || h.Typeflag == tar.TypeDir {
			return nil
		}
		to := installed(rest)
		if !strings.Contains(to, "/") { // LICENSE, version.txt
			to = "share/licenses/" + a.Name + "/" + to
		}
		e := layer.Entry{Path: to, Type: h.Typeflag, Mode: 0o777, Linkname: h.Linkname}
		switch h.Typeflag {
		case tar.TypeReg:
			open, err := sp.Put(ctx, r, h.Size)
			if err != nil {
				return err
			}
			if e, err = regular(to, h.Mode&0o100 != 0, h.Size, open); err != nil {
				return err
			}
		case tar.TypeLink:
			_, target, _ := strings.Cut(h.Linkname, "/")
			e.Linkname = installed(target)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(z, maxTotal)); err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, errors.New("the archive is empty")
	}
	return entries, nil
}
