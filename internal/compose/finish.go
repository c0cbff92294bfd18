package compose

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/layer"
)

// finish does what the packages' scripts would have done, as def has it, and
// takes away what def drops.
func finish(t *layer.Tree, def images.Definition, pkgs []unpacked) error {
	if err := database(t, def.Database, pkgs); err != nil {
		return err
	}
	if def.Certificates {
		if err := bundle(t); err != nil {
			return fmt.Errorf("writing the certificate bundle: %w", err)
		}
		d := dropper{drop: def.Drop, keep: def.Keep}
		for _, e := range t.Entries() {
			if strings.HasPrefix(e.Path, certificateDir) && d.dropped(e) {
				t.Remove(e.Path)
			}
		}
		if d.dropped(layer.Dir(strings.TrimSuffix(certificateDir, "/"), 0, 0)) {
			t.Remove(strings.TrimSuffix(certificateDir, "/"))
		}
	}
	for _, d := range def.Dirs {
		if err := t.Add(layer.Entry{Path: merged(d.Path), Type: tar.TypeDir, Mode: d.Mode, UID: d.UID, GID: d.GID}); err != nil {
			return err
		}
	}
	for _, to := range slices.Sorted(maps.Keys(def.Copies)) {
		from := merged(def.Copies[to])
		e, ok := t.Get(from)
		if !ok || e.Type != tar.TypeReg {
			return fmt.Errorf("copy %s: no package has the file %s", to, from)
		}
		e.Path = merged(to)
		if err := t.Add(e); err != nil {
			return fmt.Errorf("copy %s: %w", to, err)
		}
	}
	for _, f := range def.Files {
		e := layer.File(merged(f.Path), f.Mode, 0, []byte(f.Content))
		e.UID, e.GID = f.UID, f.GID
		if err := t.Add(e); err != nil {
			return err
		}
	}
	for _, l := range slices.Sorted(maps.Keys(def.Links)) {
		target := def.Links[l]
		if !exists(t, merged(l), target) {
			return fmt.Errorf("link %s: nothing is at its target %s", l, target)
		}
		if err := t.Add(layer.Symlink(merged(l), target, 0)); err != nil {
			return fmt.Errorf("link %s: %w", l, err)
		}
	}
	return nil
}

// exists reports whether a link at path finds something at target.
func exists(t *layer.Tree, from, target string) bool {
	p := strings.TrimPrefix(path.Clean(target), "/")
	if !path.IsAbs(target) {
		p = path.Join(path.Dir(from), target)
	}
	_, ok := t.Get(merged(p))
	return ok
}

// database writes the packages' control data in one of the two forms that
// scanners read.
func database(t *layer.Tree, form string, pkgs []unpacked) error {
	var status bytes.Buffer
	for _, u := range pkgs { // sorted by name, as the lock is
		control := append(bytes.TrimRight(u.deb.Control, "\n"), '\n')
		var err error
		switch form {
		case "status":
			first, rest, _ := bytes.Cut(control, []byte("\n"))
			if !bytes.HasPrefix(first, []byte("Package:")) {
				return fmt.Errorf("package %s: its control file begins with %.40q", u.pkg.Name, first)
			}
			fmt.Fprintf(&status, "%s\nStatus: install ok installed\n%s\n", first, rest)
			name := u.pkg.Name
			if u.deb.Fields["Multi-Arch"] == "same" {
				name += ":" + u.pkg.Architecture
			}
			err = errors.Join(
				t.Add(layer.File("var/lib/dpkg/info/"+name+".list", 0o644, 0, fileList(u.entries))),
				t.Add(layer.File("var/lib/dpkg/info/"+name+".md5sums", 0o644, 0, u.deb.MD5Sums)))
		case "status.d":
			err = errors.Join(
				t.Add(layer.File("var/lib/dpkg/status.d/"+u.pkg.Name, 0o644, 0, control)),
				t.Add(layer.File("var/lib/dpkg/status.d/"+u.pkg.Name+".md5sums", 0o644, 0, u.deb.MD5Sums)))
		}
		if err != nil {
			return err
		}
	}
	if form != "status" {
		return nil
	}
	return errors.Join(
		t.Add(layer.File("var/lib/dpkg/info/format", 0o644, 0, []byte("1\n"))), // names may have an architecture
		t.Add(layer.File("var/lib/dpkg/status", 0o644, 0, status.Bytes())))
}

// fileList returns a package's files as dpkg lists them.
func fileList(entries []layer.Entry) []byte {
	b := []byte("/.\n")
	for _, e := range entries {
		b = append(append(append(b, '/'), e.Path...), '\n')
	}
	return b
}

// bundle writes etc/ssl/certs/ca-certificates.crt.
func bundle(t *layer.Tree) error {
	var all bytes.Buffer
	for _, e := range t.Entries() { // sorted
		if e.Type != tar.TypeReg || !strings.HasPrefix(e.Path, certificateDir) || path.Ext(e.Path) != ".crt" {
			continue
		}
		r, err := e.Open()
		if err != nil {
			return err
		}
		pem, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		if !bytes.HasPrefix(pem, []byte("-----BEGIN CERTIFICATE-----")) {
			return fmt.Errorf("%s: not a PEM certificate", e.Path)
		}
		all.Write(append(bytes.TrimRight(pem, "\n"), '\n'))
	}
	if all.Len() == 0 {
		return errors.New("no certificates; the package is ca-certificates")
	}
	return t.Add(layer.File("etc/ssl/certs/ca-certificates.crt", 0o644, 0, all.Bytes()))
}
