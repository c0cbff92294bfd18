package cause

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/compare"
)

// known is a context of two builds that differ in everything.
func known() Context {
	start := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	return Context{
		A: Build{Path: "/build/demo", CargoHome: "/cargo", Home: "/root", User: "root", Host: "first-builder", TZ: "UTC", Locale: "C.UTF-8 C.UTF-8",
			Umask: "0022", Jobs: 2, Mtime: 1700000000, Start: start, End: start.Add(time.Minute)},
		B: Build{Path: "/b/another/path/of/demo", CargoHome: "/b/cargo-home", Home: "/b/home/second", User: "second", UID: 4711, Host: "second-builder",
			TZ: "Asia/Kathmandu", Locale: "fr_CH.UTF-8 C", Umask: "0077", Jobs: 3, Mtime: 1734572345, Extra: "TWICE_SECOND_BUILD=1",
			Start: start.Add(10 * time.Second), End: start.Add(2 * time.Minute)},
		Epoch: 1700000000,
	}
}

func compared(t testing.TB, name string, a, b []byte) *compare.Finding {
	t.Helper()
	f, err := compare.Readers(t.Context(), name, bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), int64(len(b)), compare.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// names are the rules of causes.
func names(list []Cause) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Rule)
	}
	return strings.Join(out, " ")
}

// A cause is claimed only where each side holds its own build's value.
func TestProof(t *testing.T) {
	c := known()
	at := func(d time.Duration) string { return fmt.Sprintf("at %d.", c.A.Start.Add(d).Unix()) }
	for _, x := range []struct{ name, a, b, want string }{
		{"each its own path", "\x00in /build/demo/x", "\x00in /b/another/path/of/demo/x", "build-path"},
		{"the paths are swapped", "\x00in /b/another/path/of/demo/x", "\x00in /build/demo/x", "unknown"},
		{"only A has its path", "\x00in /build/demo/x", "\x00in /build/demi/x", "unknown"},
		{"each its own time", "\x00" + at(time.Second), "\x00" + at(30*time.Second), "time"},
		{"A's time is after its end", "\x00" + at(100*time.Second), "\x00" + at(30*time.Second), "unknown"},
		{"the same", "x", "x", ""},
	} {
		if got := names(Explain(compared(t, "bin/x", []byte(x.a), []byte(x.b)), c)); got != x.want {
			t.Errorf("%s: %q, want %q", x.name, got, x.want)
		}
	}
}

func TestUnknownShowsEvidence(t *testing.T) {
	list := Explain(compared(t, "bin/x", []byte("\x00one"), []byte("\x00two")), Context{})
	if len(list) != 1 || list[0].Known || list[0].Rule != Unknown || list[0].Path != "bin/x:+0x1" ||
		strings.Join(list[0].Proof, "|") != `bin/x:+0x1: "one" in A, "two" in B` {
		t.Errorf("%+v", list)
	}
}
