package verify

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/verdict"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// VerdictName is the file of the verdict beside artefacts that were kept.
const VerdictName = "verdict.json"

// Made are the artefacts of a verdict that was reached of this project, without
// their files: by digest. It is an error if the verdict is of other inputs.
func (prep *Prepared) Made(v *verdict.Verdict) ([]artefact.Artefact, error) {
	if v.Inputs != prep.inputs() || v.Subject.Commit != prep.Project.Source.Commit || v.Subject.Epoch != prep.Project.Source.Epoch {
		return nil, errors.New("the sources or inputs have changed since the verdict was reached")
	}
	var made []artefact.Artefact
	for _, a := range v.Artefacts {
		x := artefact.Artefact{Name: a.Name, Kind: a.Kind, Build: a.Build, PartOf: a.PartOf, Digest: a.A, Size: a.SizeA}
		if a.Kind.IsImage() {
			x.Image = ImageDescriptor(a)
		}
		made = append(made, x)
	}
	return made, nil
}

// ImageDescriptor is that of an image or index among a verdict's artefacts, but
// for its size, which the verdict gives with its layers.
func ImageDescriptor(a verdict.Artefact) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: a.A}
	if a.Kind == verdict.Index {
		d.MediaType = ocispec.MediaTypeImageIndex
	}
	return d
}

// keepVerdict writes the verdict beside the artefacts.
func keepVerdict(dir string, v *verdict.Verdict) error {
	data, err := v.JSON()
	if err != nil {
		return err
	}
	err = WriteFile(filepath.Join(dir, VerdictName), false, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", VerdictName, err)
	}
	return nil
}
