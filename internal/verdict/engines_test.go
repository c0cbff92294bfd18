package verdict

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// several gives a verdict an engine for each side, and each side the result that
// results says: "aab" is one where C stands alone.
func several(v *Verdict, results string) *Verdict {
	v.Engine = "engines"
	v.Builds = v.Builds[:min(2, len(results))]
	for len(v.Builds) < len(results) {
		v.Builds = append(v.Builds, v.Builds[1])
	}
	for i := range results {
		b := &v.Builds[i]
		b.Side, b.Result = string(rune('A'+i)), sum(results[i:i+1])
		e := Engine{Name: "tcp://10.0.0." + string(rune('1'+i)) + ":1234", BuildKit: "v0.32.2", Worker: "w" + b.Side, Kernel: "Linux 6.18.44 #1 SMP", CPU: "Xeon", Boot: "b" + b.Side, Sides: []string{b.Side}}
		b.Engine = e.Name
		v.Engines = append(v.Engines, e)
	}
	v.Varied = append(v.Varied, Axis{Name: "engine", A: "a", B: "b"}, Axis{Name: "cpu", A: "x", B: "y", With: "engine"})
	return v
}

func alone() *Verdict {
	v := several(mismatch(), "aba")
	v.Artefacts = v.Artefacts[2:3]
	v.Builds[1].Differs = []string{"bin/code"}
	return v
}

func TestTextOfEngines(t *testing.T) {
	lost := several(reproducible(), "aa")
	lost.Engines = append(lost.Engines, Engine{Name: "unix:///run/\x1b.sock", Lost: "engine unix:///run/\x1b.sock: the connection broke"})
	two := several(mismatch(), "ab")
	two.Artefacts = two.Artefacts[2:3]
	for name, c := range map[string]struct {
		v    *Verdict
		o    TextOptions
		want string
	}{
		"engines-lost":    {v: lost},
		"engines-verbose": {v: lost, o: TextOptions{Verbose: true}},
		"engines-two":     {v: two},
		"engines-alone":   {v: alone()},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := c.v.Text(&out, c.o); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", out.Bytes())
			data, err := c.v.JSON()
			if err != nil {
				t.Fatal(err)
			}
			back, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.v.Engines, back.Engines); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAlone(t *testing.T) {
	for results, want := range map[string]string{
		"aa": "", "ab": "", "aaa": "",
		"aba":  "B", // C has B's settings
		"abb":  "",  // A's settings may matter
		"abc":  "",
		"abaa": "B", "abba": "", "abac": "",
	} {
		if got := several(reproducible(), results).Alone(); got != want {
			t.Errorf("%s: %q stands alone, want %q", results, got, want)
		}
	}
}

// A verdict whose builds left different things doesn't say REPRODUCIBLE.
func TestResultsContradict(t *testing.T) {
	for _, v := range []*Verdict{several(reproducible(), "aab"), several(mismatch(), "aa")} {
		if _, err := v.JSON(); err == nil || !strings.Contains(err.Error(), "contradict") {
			t.Errorf("%s: error %v", v.Word, err)
		}
	}
}
