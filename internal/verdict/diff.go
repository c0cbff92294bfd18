package verdict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
)

// Diff is what `twice diff` found out about two files or directories. Its JSON
// is one object: "same" first, "schema" second.
type Diff struct {
	Same   bool   `json:"same"`
	Schema int    `json:"schema"`
	A      string `json:"a"` // as the user named it
	B      string `json:"b"`
	// Finding is where they differ; nil if they are the same.
	Finding *compare.Finding `json:"finding,omitempty"`
	Causes  []cause.Cause    `json:"causes,omitempty"`
}

// JSON is the diff as data, with a line feed at the end.
func (d *Diff) JSON() ([]byte, error) {
	c := *d
	c.Schema, c.Same = Schema, d.Finding == nil
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&c); err != nil {
		return nil, fmt.Errorf("encoding the differences: %w", err)
	}
	return out.Bytes(), nil
}

// shownPlaces is how many places are shown unless Verbose.
const shownPlaces = 5

// Text shows where the sides differ, then why, and last the answer: "same" or
// "differs".
func (d *Diff) Text(w io.Writer, o TextOptions) error {
	p := &page{o: o}
	if d.Finding != nil && !o.Quiet {
		n := shownPlaces
		if o.Verbose {
			n = 1000
		}
		all := d.Finding.Differences(n + 1)
		for i := range all {
			if i == n {
				p.line("  and more; --json has them")
				break
			}
			p.place(&all[i])
		}
		p.gap()
		p.causes(d.Causes)
		p.gap()
	}
	word := p.color(bold+green, "same")
	if d.Finding != nil {
		word = p.color(bold+red, "differs")
	}
	p.line("%s  %s  %s", word, clean(d.A), clean(d.B))
	_, err := w.Write(p.out.Bytes())
	return err
}
