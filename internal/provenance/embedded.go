package provenance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// EmbeddedVariable is the environment variable in which a build that asks for it
// gets its own provenance: the JSON of an Embedded, in one line.
const EmbeddedVariable = "TWICE_PROVENANCE"

// Embedded is what a program can say of itself. It is known before the program is
// built, so it has no digest of it. It begins with a member that nothing else has, so
// that it can be found in a file of any format.
type Embedded struct {
	Marker     int    `json:"twice-provenance"` // 1
	Name       string `json:"name"`             // of the build
	Version    string `json:"version,omitempty"`
	Crate      string `json:"crate,omitempty"`  // NAME@VERSION
	SHA256     string `json:"sha256,omitempty"` // of the crate or the archive of sources
	Commit     string `json:"commit,omitempty"`
	Repository string `json:"repository,omitempty"`
	Dirty      bool   `json:"dirty,omitempty"`
	Epoch      int64  `json:"epoch"`
	Rustc      string `json:"rustc"`
	Target     string `json:"target"`
	Profile    string `json:"profile"`
	OptLevel   string `json:"opt_level"`
	// Features are those that were asked for beside the default ones.
	Features        []string `json:"features"`
	DefaultFeatures bool     `json:"default_features"`
}

const embeddedMarker = `{"twice-provenance":1,`

// JSON is the one line.
func (e Embedded) JSON() (string, error) {
	e.Marker = 1
	e.Features = append([]string{}, e.Features...)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return "", fmt.Errorf("writing the provenance to embed: %w", err)
	}
	return string(bytes.TrimSpace(out.Bytes())), nil
}

// maxEmbedded bounds the line, in bytes.
const maxEmbedded = 64 << 10

// ErrNotEmbedded is of a file that says nothing of itself.
var ErrNotEmbedded = errors.New("it has no provenance of Twice's in it")

// FindEmbedded searches a file of any format, in one pass and in little memory. What
// looks like the beginning of one and isn't is passed over. A file with several that
// differ, such as a library of programs, is an error.
func FindEmbedded(ctx context.Context, r io.Reader) (*Embedded, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	marker := []byte(embeddedMarker)
	var found []*Embedded
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		window, err := in.Peek(in.Size())
		if len(window) == 0 && err == io.EOF {
			break
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		at := bytes.Index(window, marker)
		switch {
		case at < 0 && err == io.EOF:
			at = len(window)
		case at < 0:
			at = len(window) - len(marker) + 1
		case at > 0 && len(window)-at < maxEmbedded && err == nil: // the rest comes with what follows
		default:
			if e := parseEmbedded(window[at:]); e != nil && !slices.ContainsFunc(found, func(x *Embedded) bool { return same(x, e) }) {
				found = append(found, e)
			}
			at += len(marker)
		}
		if _, err := in.Discard(at); err != nil {
			return nil, err
		}
	}
	switch len(found) {
	case 0:
		return nil, ErrNotEmbedded
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("it has the provenance of %d programs in it", len(found))
}

func parseEmbedded(text []byte) *Embedded {
	d := json.NewDecoder(bytes.NewReader(text[:min(len(text), maxEmbedded)]))
	d.DisallowUnknownFields()
	e := new(Embedded)
	if d.Decode(e) != nil || e.Target == "" {
		return nil
	}
	// Just what Twice writes.
	if line, err := e.JSON(); err != nil || !bytes.HasPrefix(text, []byte(line)) {
		return nil
	}
	return e
}

func same(a, b *Embedded) bool {
	x, errX := a.JSON()
	y, errY := b.JSON()
	return errX == nil && errY == nil && x == y
}

// Embedded is what the statement says that a build's programs say of themselves; nil
// if they don't.
func (s *Statement) Embedded(build string) *Embedded {
	for _, p := range s.Predicate.BuildDefinition.InternalParameters.Plans {
		if p.Build == build {
			return p.Embedded
		}
	}
	return nil
}
