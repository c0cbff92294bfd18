package report

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/verdict"
)

// command is something to paste into a shell.
type command struct {
	Why, Text string
}

// reproduce are the commands that reach the verdict again.
func reproduce(v *verdict.Verdict) []command {
	s := v.Subject
	var out []command
	if s.Commit != "" && !remote(s.Spec) {
		out = append(out, command{"In a clone of the sources:", "git checkout " + quote(s.Commit)})
	}
	args := []string{"twice", "verify", "--fresh"}
	if s.Dirty {
		args = append(args, "--dirty")
	}
	if s.EpochFrom == source.FromOverride {
		args = append(args, "--epoch", strconv.FormatInt(s.Epoch, 10))
	}
	if v.Inputs.Profile != "" {
		args = append(args, "--profile", v.Inputs.Profile)
	}
	for _, b := range s.Builds {
		args = append(args, "--build", b)
	}
	if len(v.Builds) > 0 && v.Builds[0].Jobs > 0 {
		args = append(args, "--jobs", strconv.Itoa(v.Builds[0].Jobs))
	}
	for _, e := range v.Engines {
		args = append(args, "--engine", e.Name)
	}
	if v.Reference != nil {
		args = append(args, "--against", v.Reference.Path)
	}
	why := "Both builds again, with the same settings:"
	if s.Dirty {
		why = "Both builds again. Files were built that no commit holds: they have to be there as they were."
	}
	out = append(out, command{why, line(args, vary(v), s.Spec)})
	if axes := axesOf(v); len(axes) > 0 {
		out = append(out, command{"The same with only " + verdict.Clean(strings.Join(axes, ", ")) + " varied, and with nothing varied:",
			line(args, axes, s.Spec) + "\n" + line(args, []string{"none"}, s.Spec)})
	}
	if v.Word == verdict.Mismatch && len(v.Varied) > 0 && !v.Bisection.Finished() {
		out = append(out, command{"Which of the conditions it depends on, by building again:", line(append([]string{"twice", "bisect"}, args[3:]...), vary(v), s.Spec)})
	}
	out = append(out, command{"The exact commands that both builds run:", line([]string{"twice", "plan"}, nil, s.Spec)})
	if v.Word == verdict.Mismatch {
		out = append(out, command{"All that differs, in the terminal, and this page again:", "twice report twice-report"})
	}
	return out
}

// vary is the value of --vary; nil is all axes.
func vary(v *verdict.Verdict) []string {
	left := false
	for _, a := range v.NotVaried {
		left = left || a.Why == verdict.LeftOut
	}
	if !left {
		return nil
	}
	var names []string
	for _, a := range v.Varied {
		if nameable(a) {
			names = append(names, a.Name)
		}
	}
	if names == nil {
		return []string{"none"}
	}
	return names
}

// axesOf are the axes that matter, as builds showed or as causes imply.
func axesOf(v *verdict.Verdict) []string {
	if v.Bisection.Finished() {
		return slices.DeleteFunc(v.Bisection.Matter(), func(name string) bool { return !nameable(verdict.Axis{Name: name}) })
	}
	var out []string
	for _, a := range v.Artefacts {
		for _, c := range a.Causes {
			varied := slices.ContainsFunc(v.Varied, func(x verdict.Axis) bool { return x.Name == c.Axis })
			if c.Axis != "" && varied && !slices.Contains(out, c.Axis) {
				out = append(out, c.Axis)
			}
		}
	}
	return out
}

// nameable tells whether --vary knows an axis: the engines are named by --engine.
func nameable(a verdict.Axis) bool { return a.With == "" && a.Name != string(plan.Engine) }

func line(args, vary []string, spec string) string {
	out := slices.Clone(args)
	if len(vary) > 0 {
		out = append(out, "--vary", strings.Join(vary, ","))
	}
	out = append(out, spec)
	for i := range out {
		out[i] = quote(out[i])
	}
	return strings.Join(out, " ")
}

// remote sources have their commit in their name.
func remote(spec string) bool {
	return strings.HasPrefix(spec, "crate:") || strings.HasPrefix(spec, "git+")
}

var plain = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quote makes one word of a POSIX shell.
func quote(s string) string {
	s = verdict.Clean(s)
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// known are the causes that name something.
func known(list []cause.Cause) bool {
	return slices.ContainsFunc(list, func(c cause.Cause) bool { return c.Known })
}

// escapes are the colours and movements in a log.
var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\r$")
