package verify

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/reference"
	"github.com/craton-co/twice/internal/verdict"
)

// openReference opens what the builds are to be compared with. If it is not
// what is claimed of it that is the verdict, and nothing is built.
func (r *Runner) openReference(ctx context.Context, opt Options) (*reference.Reference, *verdict.Verdict, error) {
	if opt.Against == "" {
		return nil, nil, nil
	}
	ref, err := reference.Open(ctx, opt.Against)
	var bad *verdict.Incident
	if errors.As(err, &bad) {
		v := &verdict.Verdict{Schema: verdict.Schema, Reached: time.Now().UTC().Truncate(time.Second), Subject: verdict.Subject{Spec: opt.Spec, Name: opt.Spec},
			Reference: &verdict.Reference{Path: opt.Against, Incident: bad}, Twice: opt.Version}
		v.Settle()
		return nil, v, nil
	}
	return ref, nil, err
}

// otherInputs is the verdict that the reference was built from other inputs,
// which needs no build; nil if it was not.
func (prep *Prepared) otherInputs(ref *reference.Reference, opt Options) *verdict.Verdict {
	if ref == nil {
		return nil
	}
	v := &verdict.Verdict{Schema: verdict.Schema, Reached: time.Now().UTC().Truncate(time.Second), Subject: prep.subject(opt), Inputs: prep.inputs(),
		Steps: prep.Steps, Twice: opt.Version}
	input := ref.Input(v)
	if input == nil {
		return nil
	}
	v.Reference = &verdict.Reference{Path: ref.Path, Kind: ref.Kind, Input: input}
	v.Settle()
	return v
}

// against compares build A of a verdict with the reference, and says so in v.
// Without artefacts only digests are compared; ok is false if that isn't enough.
func (r *Runner) against(ctx context.Context, ref *reference.Reference, v *verdict.Verdict, made []artefact.Artefact, known cause.Context) (ok bool, err error) {
	byName := map[string]artefact.Artefact{}
	for _, a := range made {
		byName[a.Name] = a
	}
	var ours []reference.Ours
	var dirs []string
	defer func() {
		for _, d := range dirs {
			_ = os.RemoveAll(d)
		}
	}()
	for _, a := range v.Artefacts {
		if a.A == "" {
			continue
		}
		o := reference.Ours{Name: a.Name, Digest: a.A, Image: a.Kind.IsImage()}
		if x, have := byName[a.Name]; have {
			o.Open = func(ctx context.Context) (string, error) {
				if !o.Image {
					return x.Path, nil
				}
				dir, err := os.MkdirTemp(r.Scratch, "reference-")
				if err != nil {
					return "", err
				}
				dirs = append(dirs, dir)
				out := filepath.Join(dir, "layout")
				return out, image.WriteLayout(ctx, r.Tools.Store, x.Image, out, "")
			}
		}
		ours = append(ours, o)
	}
	got, err := ref.Compare(ctx, ours, known)
	if err != nil {
		return false, err
	}
	if made == nil {
		for _, c := range got.Artefacts {
			if !c.Same && ref.Kind != reference.Verdict {
				return false, nil
			}
		}
	}
	v.Reference = got
	v.Settle()
	return true, nil
}
