package artefact

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/layer"
)

// nvidiaNotice is what goes with a program that NVIDIA's headers are compiled
// into; %s is the toolkit.
const nvidiaNotice = `This software contains source code provided by NVIDIA Corporation.

It was built with %s. The CUDA Toolkit is licensed under the
NVIDIA Software License Agreement and the CUDA Supplement to it:
https://docs.nvidia.com/cuda/eula/
`

// addLicences adds what the build collected in /out/licences below a folder of
// a tree, where the configuration asks for it.
func (b Build) addLicences(t *layer.Tree, to string) error {
	if !b.Project.Config.Archive.ThirdParty {
		return nil
	}
	epoch := b.Project.Source.Epoch
	dir := filepath.Join(b.Out, "licences")
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		at := strings.TrimSuffix(to+"/"+filepath.ToSlash(rel), "/.")
		if d.IsDir() {
			return addFolders(t, at, epoch)
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a file", rel)
		}
		e, err := onDisk(at, name, 0o644, epoch)
		if err != nil {
			return err
		}
		return t.Add(e)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("collecting licences: the build left none")
	}
	if err != nil {
		return fmt.Errorf("collecting licences: %w", err)
	}
	if l := b.Project.Lock; l != nil && l.CUDA != nil && l.CUDA.Form != "" { // libclang alone is nothing of NVIDIA's
		return t.Add(layer.File(to+"/NVIDIA-NOTICE.txt", 0o644, epoch, fmt.Appendf(nil, nvidiaNotice, l.CUDA)))
	}
	return nil
}

// addFolders adds a folder, and those above it that aren't there.
func addFolders(t *layer.Tree, p string, epoch int64) error {
	for i, c := range p + "/" {
		if c != '/' {
			continue
		}
		if _, ok := t.Get(p[:i]); !ok {
			if err := t.Add(layer.Dir(p[:i], 0o755, epoch)); err != nil {
				return err
			}
		}
	}
	return nil
}
