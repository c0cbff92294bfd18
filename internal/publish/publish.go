// Package publish pushes images to registries, byte for byte as the store has
// them: no engine's exporter touches them on the way.
//
// Blobs go first, each by its digest and only if the registry lacks it, the
// manifest last: a push that is cut off leaves no tag that points at half an
// image. Layers are streamed, and checked against their digests as they are
// sent.
//
// With its evidence ([Complete]) an image goes by its digest; then what is
// attached to it, as package referrer has it: SBOMs, the statement and the verdict
// as they are, and in signed bundles the statement, a record of the run, SLSA's
// verification summary, and cosign's signature of the image; the tag last. So a
// push that is cut off leaves no tag that points at an image without its evidence
// either. What is there is not sent again; where a signature is another each
// time, the signer's own is looked for among those that are there.
//
// What verify -o left in a folder can be published later ([Folder]), if all of it
// still is what the verdict and the statement say.
//
// How a registry is reached is package registry's.
package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/registry"
)

// Options say who pushes and where.
type Options = registry.Options

// Address is a place that an image can be pushed to.
type Address struct{ tag name.Tag }

// String is the address as it was given.
func (a Address) String() string { return a.tag.String() }

// ParseAddress parses registry/name:tag. All three must be there.
func ParseAddress(s string) (Address, error) {
	const hint = "write registry/name:tag, such as registry.example.org/team/tool:1.2.3"
	if s == "" {
		return Address{}, fault.Hint(errors.New("the address is empty"), hint)
	}
	if _, err := name.NewDigest(s); err == nil {
		return Address{}, fault.Hint(fmt.Errorf("address %s has a digest: what is pushed decides that", s), hint)
	}
	t, err := name.NewTag(s, name.StrictValidation)
	if err != nil {
		loose, wrong := name.NewTag(s)
		if wrong == nil && loose.TagStr() == name.DefaultTag {
			return Address{}, fault.Hint(fmt.Errorf("address %s lacks its registry or its tag", s), hint)
		}
		if wrong != nil { // of what lacks its tag, too, this says what else is wrong
			err = wrong
		}
		return Address{}, fault.Hint(fmt.Errorf("address %q: %w", s, err), hint)
	}
	return Address{t}, nil
}

// Check finds out whether something could be pushed, before the work that leads there.
func Check(ctx context.Context, to Address, opt Options) error {
	r, err := registry.Open(to.tag.Context(), opt)
	if err != nil {
		return err
	}
	defer r.Close()
	return explain(r, to, r.MayPush(ctx))
}

func explain(r *registry.Repository, to Address, err error) error {
	return r.Explain("pushing to "+to.String(), err)
}
