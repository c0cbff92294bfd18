package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// dockerImage is an entry of a docker-archive's manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// isDocker says whether a tar is a docker-archive.
func isDocker(index []entry) bool {
	for _, e := range index {
		if e.off >= 0 && e.nth == 0 && e.name == "manifest.json" {
			return true
		}
	}
	return false
}

// docker compares the images of two docker-archives. Layers are named by the
// archiver as it likes, so they are paired by their order.
func (c *run) docker(f *Finding, path string, a, b tarLayout, depth int) error {
	ia, err := dockerImages(a)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	ib, err := dockerImages(b)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	for i := range min(len(ia), len(ib), c.lim.Findings) {
		sub := path
		if len(ia) > 1 {
			sub = fmt.Sprintf("%s/image[%d]", path, i)
		}
		for j := range min(len(ia[i].Layers), len(ib[i].Layers)) {
			if len(f.Parts) >= c.lim.Findings {
				f.More++
				continue
			}
			if err := c.named(f, sub, fmt.Sprintf("layer[%d]", j), a, b, ia[i].Layers[j], ib[i].Layers[j], depth); err != nil {
				return err
			}
		}
		if err := c.named(f, sub, "config", a, b, ia[i].Config, ib[i].Config, depth); err != nil {
			return err
		}
	}
	return c.named(f, path, "manifest.json", a, b, "manifest.json", "manifest.json", depth)
}

// named compares a file of A with one of B.
func (c *run) named(f *Finding, path, name string, a, b layout, nameA, nameB string, depth int) error {
	x, err := a.open(nameA)
	if err != nil {
		return fmt.Errorf("side A: %w", err)
	}
	y, err := b.open(nameB)
	if err != nil {
		return fmt.Errorf("side B: %w", err)
	}
	return c.document(f, path, name, x, y, depth)
}

func dockerImages(t tarLayout) ([]dockerImage, error) {
	m, err := t.open("manifest.json")
	if err != nil {
		return nil, err
	}
	if m.size > maxManifest {
		return nil, errors.New("manifest.json is too long")
	}
	p, err := io.ReadAll(m.reader())
	if err != nil {
		return nil, err
	}
	var list []dockerImage
	if err := json.Unmarshal(p, &list); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	for _, i := range list {
		if i.Config == "" || len(i.Layers) == 0 {
			return nil, errors.New("manifest.json is not that of a docker-archive")
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no image in it")
	}
	return list, nil
}
