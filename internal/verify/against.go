package verify

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/craton-co/twice/internal/artefact"
	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/reference"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// openReference opens what the builds are to be compared with. If it is not
// what is claimed of it that is the verdict, and nothing is built.
func (r *Runner) openReference(ctx context.Context, opt Options) (*reference.Reference, *verdict.Verdict, error) {
	var (
		ref *reference.Reference
		err error
	)
	switch {
	case opt.Rebuild != nil:
		ref, err = opt.Rebuild.Reference(ctx, r)
	case opt.Against != "":
		ref, err = reference.Open(ctx, opt.Against)
	default:
		return nil, nil, nil
	}
	var bad *verdict.Incident
	if errors.As(err, &bad) {
		return nil, opt.incident(nil, bad), nil
	}
	return ref, nil, err
}

// incident is the verdict that something is not what is claimed of it; prep is
// nil if the run didn't come that far.
func (opt Options) incident(prep *Prepared, bad *verdict.Incident) *verdict.Verdict {
	v := &verdict.Verdict{Schema: verdict.Schema, Reached: time.Now().UTC().Truncate(time.Second), Subject: verdict.Subject{Spec: opt.Spec, Name: opt.Spec},
		Reference: &verdict.Reference{Path: opt.Against, Incident: bad}, Twice: opt.Version}
	if prep != nil && prep.Inputs != nil {
		v.Subject, v.Inputs, v.Steps = prep.subject(opt), prep.inputs(), prep.Steps
	}
	if opt.Rebuild != nil {
		v.Reference.Stated = opt.Rebuild.Stated
	}
	v.Settle()
	return v
}

// incidentOf finds in an error that an input is not what its hash says; nil if
// that is not what is wrong.
func incidentOf(err error) *verdict.Incident {
	var bad *verdict.Incident
	var fetched *fetch.MismatchError
	var stored *store.MismatchError
	switch {
	case errors.As(err, &bad):
		return bad
	case errors.As(err, &fetched):
		return &verdict.Incident{Of: "an input", What: fetched.Kind + " " + fetched.Name + ", from " + fetched.From, By: "the lock", Claimed: fetched.Expected, Found: fetched.Got,
			Why: fetched.Error()}
	case errors.As(err, &stored):
		return &verdict.Incident{Of: "an input", What: "a blob", By: "its name", Claimed: stored.Expected, Found: stored.Got, Why: err.Error()}
	}
	return nil
}

// Incident is the verdict that something is not what is claimed of it, of a run
// that didn't start.
func (opt Options) Incident(bad *verdict.Incident) *verdict.Verdict { return opt.incident(nil, bad) }

// IncidentOf is the verdict of a rebuild that failed with err because an input is not
// what its hash says; nil if that is not what is wrong.
func (opt Options) IncidentOf(err error) *verdict.Verdict {
	bad := incidentOf(err)
	if bad == nil || opt.Rebuild == nil {
		return nil
	}
	return opt.incident(nil, bad)
}

// expected is the verdict that what is known of a build decides before it runs,
// or nil.
func (prep *Prepared) expected(ctx context.Context, ref *reference.Reference, opt Options) (*verdict.Verdict, error) {
	if opt.Rebuild == nil {
		return nil, nil
	}
	bad, input, err := opt.Rebuild.Expected(ctx, prep)
	switch {
	case err != nil:
		return nil, err
	case bad != nil:
		return opt.incident(prep, bad), nil
	case input == nil:
		return nil, nil
	}
	v := &verdict.Verdict{Schema: verdict.Schema, Reached: time.Now().UTC().Truncate(time.Second), Subject: prep.subject(opt), Inputs: prep.inputs(),
		Steps: prep.Steps, Twice: opt.Version, Reference: &verdict.Reference{Path: ref.Path, Kind: ref.Kind, Input: input, Stated: opt.Rebuild.Stated}}
	v.Settle()
	return v, nil
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

// Layout writes an image of the store into the scratch folder, for a comparison to
// look into; the run removes it.
func (r *Runner) Layout(ctx context.Context, desc ocispec.Descriptor) (string, error) {
	dir, err := os.MkdirTemp(r.Scratch, "reference-")
	if err != nil {
		return "", err
	}
	r.layouts = append(r.layouts, dir)
	out := filepath.Join(dir, "layout")
	return out, image.WriteLayout(ctx, r.Tools.Store, desc, out, "")
}

// against compares build A of a verdict with the reference, and says so in v.
// Without artefacts only digests are compared; ok is false if that isn't enough.
func (r *Runner) against(ctx context.Context, ref *reference.Reference, v *verdict.Verdict, made []artefact.Artefact, known cause.Context) (ok bool, err error) {
	byName := map[string]artefact.Artefact{}
	for _, a := range made {
		byName[a.Name] = a
	}
	var ours []reference.Ours
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
				return r.Layout(ctx, x.Image)
			}
		}
		ours = append(ours, o)
	}
	defer func() {
		for _, d := range r.layouts {
			_ = os.RemoveAll(d)
		}
		r.layouts = nil
	}()
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
