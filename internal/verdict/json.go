package verdict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
)

// JSON is the canonical form that the package comment describes.
func (v *Verdict) JSON() ([]byte, error) {
	c := v.canonical()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("encoding verdict: %w", err)
	}
	data, err := c.encode()
	if err != nil || !bytes.Contains(data, []byte(`\ufffd`)) {
		return data, err
	}
	// A name that is no UTF-8 is written as an escape, and read as a character.
	var again Verdict
	if err := json.Unmarshal(data, &again); err != nil {
		return nil, fmt.Errorf("encoding verdict: %w", err)
	}
	return again.encode()
}

func (v *Verdict) encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding verdict: %w", err)
	}
	return out.Bytes(), nil
}

// VersionError says that a verdict was written in another schema.
type VersionError struct{ Schema int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("it has schema %d, this program reads %d", e.Schema, Schema)
}

// Parse reads what JSON wrote, and nothing else: not another schema, not a
// member it does not know, not a word that its artefacts contradict.
func Parse(data []byte) (*Verdict, error) {
	var version struct{ Schema int }
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("parsing verdict: %w", err)
	}
	if version.Schema != Schema {
		return nil, fmt.Errorf("parsing verdict: %w", &VersionError{version.Schema})
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	v := new(Verdict)
	if err := d.Decode(v); err != nil {
		return nil, fmt.Errorf("parsing verdict: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("parsing verdict: something follows it")
	}
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("parsing verdict: %w", err)
	}
	again, err := v.canonical().encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) { // members twice, in another case or order
		return nil, errors.New("parsing verdict: it is not in the canonical form")
	}
	return v, nil
}

// canonical is a copy in which what has several spellings has one.
func (v *Verdict) canonical() *Verdict {
	c := *v
	c.Schema = Schema
	c.Reached = c.Reached.UTC().Round(0)
	if c.FromCache != nil {
		t := c.FromCache.UTC().Round(0)
		c.FromCache = &t
	}
	c.Artefacts = append([]Artefact{}, v.Artefacts...)
	c.Builds = append([]Build{}, v.Builds...)
	for i := range c.Builds {
		c.Builds[i].Start = c.Builds[i].Start.UTC().Round(0)
		c.Builds[i].Seconds = milliseconds(c.Builds[i].Seconds)
	}
	c.Bisection = v.Bisection.canonical()
	c.Steps = append([]Step{}, v.Steps...)
	for i := range c.Steps {
		c.Steps[i].Seconds = milliseconds(c.Steps[i].Seconds)
	}
	return &c
}

func milliseconds(s float64) float64 { return math.Round(s*1000) / 1000 }

// check refuses a verdict that contradicts itself.
func (v *Verdict) check() error {
	seen := map[string]bool{}
	for _, a := range v.Artefacts {
		if err := a.check(); err != nil {
			return fmt.Errorf("artefact %q: %w", a.Name, err)
		}
		if seen[a.Name] {
			return fmt.Errorf("artefact %q is there twice", a.Name)
		}
		seen[a.Name] = true
	}
	if err := v.checkEngines(); err != nil && v.Word != NoVerdict {
		return err
	}
	switch v.Word {
	case NoVerdict:
		if v.Reason == "" {
			return errors.New("no verdict, and no reason why")
		}
	case Reproducible, Mismatch, Alarm, SameContent, OtherInputs:
		w, c := v.classify()
		if w != v.Word {
			return fmt.Errorf("it says %s, its artefacts say %s", v.Word, w)
		}
		if c != v.Class {
			return fmt.Errorf("its class is %q, what it found is %q", string(v.Class), string(c))
		}
	default:
		return fmt.Errorf("%q is not a verdict", string(v.Word))
	}
	if v.Reference != nil {
		if err := v.Reference.check(); err != nil {
			return fmt.Errorf("reference: %w", err)
		}
	}
	if v.Bisection != nil {
		if Decide(v.Artefacts) != Mismatch {
			return errors.New("a bisection of no mismatch")
		}
		if err := v.Bisection.check(); err != nil {
			return fmt.Errorf("bisection: %w", err)
		}
	}
	for name, d := range map[string]interface{ Validate() error }{
		"image": v.Image, "toolchain": v.Inputs.Toolchain, "builder": v.Inputs.Builder, "source": v.Inputs.Source,
		"vendor": v.Inputs.Vendor, "runtime": v.Inputs.Runtime, "lock": v.Inputs.Lock, "plan": v.Inputs.Plan,
	} {
		if s := fmt.Sprint(d); s != "" {
			if err := d.Validate(); err != nil {
				return fmt.Errorf("%s: digest %.100q: %w", name, s, err)
			}
		}
	}
	for _, a := range v.Attachments {
		if a.Name != path.Base(a.Name) && a.Name != "" || a.Name == ".." || a.Name == "." {
			return fmt.Errorf("attachment %.100q is not the name of a file", a.Name)
		}
	}
	if y := v.Reached.Year(); y < 0 || y > 9999 {
		return errors.New("it was reached at no possible time")
	}
	return nil
}

func (a Artefact) check() error {
	if a.A == "" && a.B == "" {
		return errors.New("neither side has it")
	}
	if a.Same != (a.A == a.B) {
		return errors.New("its digests contradict what it says")
	}
	if a.SizeA < 0 || a.SizeB < 0 || a.A == "" && a.SizeA != 0 || a.B == "" && a.SizeB != 0 || a.Same && a.SizeA != a.SizeB {
		return errors.New("its sizes are impossible")
	}
	if a.Difference != nil {
		if err := a.Difference.Check(); err != nil {
			return err
		}
	}
	if a.Finding != nil {
		if err := a.Finding.Check(); err != nil {
			return err
		}
	}
	if a.A != "" {
		if err := a.A.Validate(); err != nil {
			return fmt.Errorf("digest of A: %w", err)
		}
	}
	if a.B != "" {
		if err := a.B.Validate(); err != nil {
			return fmt.Errorf("digest of B: %w", err)
		}
	}
	return nil
}
