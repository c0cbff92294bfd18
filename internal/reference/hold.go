package reference

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/verdict"
)

// Hold holds the reference to what a statement, called by, says of artefacts and of
// the files that go with them. The error is an *verdict.Incident if something is
// another. An item is the artefact of its name, else the one of its digest: it
// takes that one's name, so that a renamed file is still compared. Of files that go with them those that are as claimed are dropped. It is
// an error too if the statement is about nothing of the reference.
func (r *Reference) Hold(artefacts, files []Ours, by string) error {
	held := 0
	var kept []Item
	for _, it := range r.Items {
		o, ok := named(it, artefacts)
		if !ok {
			o, ok = find(it, artefacts)
		}
		if !ok {
			o, ok = r.match(it, artefacts)
		}
		if ok {
			if o.Digest != it.Digest {
				return &verdict.Incident{What: it.Name, By: by, Claimed: o.Digest, Found: it.Digest}
			}
			held++
			it.Name, it.held = o.Name, true
			kept = append(kept, it)
			continue
		}
		at := slices.IndexFunc(files, func(f Ours) bool { return filepath.Base(it.Name) == f.Name })
		switch {
		case at < 0:
			kept = append(kept, it)
		case files[at].Digest != it.Digest:
			return &verdict.Incident{What: it.Name, By: by, Claimed: files[at].Digest, Found: it.Digest}
		}
	}
	if held == 0 {
		var names []string
		for _, o := range artefacts {
			names = append(names, o.Name)
		}
		return fault.Hintf(fmt.Errorf("%s says nothing of %s", by, r.Path), "it is about %s", list(names))
	}
	r.Items = kept
	return nil
}

// find is the artefact of an item's digest, of its name if several are.
func find(it Item, ours []Ours) (Ours, bool) {
	var found []Ours
	for _, o := range ours {
		if o.Digest == it.Digest && o.Image == it.Image {
			if filepath.Base(o.Name) == filepath.Base(it.Name) {
				return o, true
			}
			found = append(found, o)
		}
	}
	if len(found) == 0 {
		return Ours{}, false
	}
	return found[0], true
}
