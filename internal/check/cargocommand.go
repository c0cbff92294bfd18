package check

import (
	"path"
	"slices"
	"strings"
)

// cargoCall is a call of cargo, or of a program that stands in for it.
type cargoCall struct {
	Line      int
	Sub       string   // "build"
	Args      []string // all after cargo
	Toolchain string   // of +toolchain, "" if there is none
	Env       []variable
}

// wrappers are commands that run the command after them.
var wrappers = strings.Fields("env sudo doas time nice nohup exec command xvfb-run stdbuf timeout retry")

// cargo finds the call in a command.
func (c command) cargo() (cargoCall, bool) {
	call := cargoCall{Line: c.Line, Env: slices.Clone(c.Env)}
	w := c.Words
	for len(w) > 0 && slices.Contains(wrappers, path.Base(w[0])) {
		w = w[1:]
		for len(w) > 0 && (strings.HasPrefix(w[0], "-") || strings.Contains(w[0], "=") || strings.Trim(w[0], "0123456789smh") == "") {
			if name, value, ok := strings.Cut(w[0], "="); ok && !strings.HasPrefix(w[0], "-") {
				call.Env = append(call.Env, variable{name, value, c.Line})
			}
			w = w[1:]
		}
	}
	if len(w) > 3 && path.Base(w[0]) == "rustup" && w[1] == "run" {
		call.Toolchain, w = w[2], w[3:]
	}
	if len(w) == 0 {
		return call, false
	}
	switch name := strings.Trim(w[0], `"${}`); {
	case path.Base(name) == "cargo", name == "CARGO", path.Base(name) == "cross":
	default:
		return call, false
	}
	w = w[1:]
	if len(w) > 0 && strings.HasPrefix(w[0], "+") {
		call.Toolchain, w = w[0][1:], w[1:]
	}
	if i := slices.Index(w, "--"); i >= 0 {
		w = w[:i]
	}
	call.Args = w
	for i := 0; i < len(w); i++ {
		switch {
		case slices.Contains([]string{"-Z", "-C", "--config", "--color", "--manifest-path"}, w[i]):
			i++
		case strings.HasPrefix(w[i], "-"):
		case w[i] == "auditable" || w[i] == "hack" || w[i] == "xwin":
		default:
			call.Sub = w[i]
			return call, true
		}
	}
	return call, true
}

func (c cargoCall) has(flags ...string) bool {
	return slices.ContainsFunc(c.Args, func(a string) bool { return slices.Contains(flags, a) })
}

// builds says whether the call makes something that may be kept.
func (c cargoCall) builds() bool {
	return slices.Contains([]string{"build", "b", "install", "run", "r", "rustc", "package", "publish", "zigbuild", "dist", "deb", "ndk"}, c.Sub)
}

// releases says whether what it makes is meant for others.
func (c cargoCall) releases() bool {
	if !c.builds() || c.Sub == "package" || c.Sub == "publish" {
		return false
	}
	if c.Sub == "install" || c.Sub == "dist" || c.Sub == "deb" || c.has("--release", "-r") {
		return true
	}
	for i, a := range c.Args {
		v, ok := strings.CutPrefix(a, "--profile=")
		if a == "--profile" && i+1 < len(c.Args) {
			v, ok = c.Args[i+1], true
		}
		if ok && v != "dev" && v != "test" {
			return true
		}
	}
	return false
}

// locked says whether cargo may not change Cargo.lock.
func (c cargoCall) locked() bool { return c.has("--locked", "--frozen") }

// text is the call for people.
func (c cargoCall) text() string {
	s := "cargo " + strings.Join(c.Args, " ")
	if r := []rune(s); len(r) > 80 {
		s = string(r[:79]) + "…"
	}
	return s
}

// cargoCalls are the calls of a recipe.
func (r *recipe) cargoCalls() []cargoCall {
	var all []cargoCall
	for _, c := range r.Commands {
		if call, ok := c.cargo(); ok {
			all = append(all, call)
		}
	}
	return all
}

// verifies finds the line that builds twice: twice verify, or dagger call verify.
func (r *recipe) verifies() (int, bool) {
	for _, c := range r.Commands {
		i := slices.IndexFunc(c.Words, func(w string) bool { b := path.Base(w); return b == "twice" || b == "dagger" })
		if i >= 0 && slices.ContainsFunc(c.Words[i+1:], func(w string) bool { return w == "verify" || w == "publish" }) {
			return c.Line, true
		}
	}
	return 0, false
}
