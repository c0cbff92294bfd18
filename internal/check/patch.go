package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/tomldoc"
	"github.com/rogpeppe/go-internal/diff"
)

// The comment of a pin that nobody has given a reason yet. What is in < > fails
// the check until it is filled in.
var template = []string{"RFC: <link to the decision>.", "Remove when <what has happened>."}

// Patch is a unified diff, which `git apply` takes in the source's root, of what
// can be written for the checks: twice.toml, rust-toolchain.toml, comments of
// git pins and their rows in deny.toml, and profiles that aren't incremental.
// Nothing is changed by it; it is empty if there is nothing to write. Left are
// sentences about what only people can decide.
func Patch(ctx context.Context, spec string) (patch string, left []string, err error) {
	src, err := source.Open(ctx, spec, source.Options{Dirty: true})
	if err != nil {
		return "", nil, err
	}
	defer src.Close()
	s, err := openSubject(ctx, src)
	if err != nil {
		return "", nil, err
	}
	e := &edits{s: s, now: map[string][]byte{}}
	for _, step := range []func() error{e.settings, e.toolchain, e.profiles, e.comments, e.deny} {
		if err := step(); err != nil {
			return "", nil, err
		}
	}
	return e.diff(), e.left, nil
}

// edits are files with other content.
type edits struct {
	s    *subject
	now  map[string][]byte
	left []string
}

func (e *edits) content(name string) []byte {
	if data, ok := e.now[name]; ok {
		return data
	}
	data, _ := e.s.read(name)
	return data
}

func (e *edits) diff() string {
	var names []string
	for n := range e.now {
		names = append(names, n)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range names {
		before, _ := e.s.read(n)
		from, mode := "a/"+n, ""
		if before == nil {
			from, mode = "/dev/null", "new file mode 100644\n"
		}
		d := string(diff.Diff(from, before, "b/"+n, e.now[n]))
		if d == "" {
			continue
		}
		_, d, _ = strings.Cut(d, "\n") // the line that names the command
		fmt.Fprintf(&b, "diff --git a/%s b/%s\n%s%s", n, n, mode, d)
	}
	return b.String()
}

// settings writes the twice.toml that init writes.
func (e *edits) settings() error {
	if e.s.config != nil {
		return nil
	}
	f := &config.File{}
	if err := resolve.Fill(f, e.s.ws, ""); err != nil {
		return err
	}
	if err := resolve.PinChannel(f); err != nil {
		return err
	}
	data, err := f.Format()
	e.now[e.s.below(config.Name)] = data
	return err
}

// toolchain names the built-in release where none is named, or one that means it.
func (e *edits) toolchain() error {
	t := e.s.ws.Toolchain
	f := &config.File{Toolchain: config.Toolchain{Channel: t.Channel}}
	if err := resolve.PinChannel(f); err != nil {
		return err
	}
	channel := f.Toolchain.Channel
	switch {
	case t.File == "":
		e.now[e.s.below("rust-toolchain.toml")] = fmt.Appendf(nil, "[toolchain]\nchannel = %q\n", channel)
	case t.Channel == "" || t.Channel == channel && !rust.IsMoving(channel):
	case rust.IsMoving(channel):
		e.left = append(e.left, fmt.Sprintf("%s: name the date or the release that %q shall mean", t.File, t.Channel))
	default:
		data := string(e.content(t.File))
		e.now[t.File] = []byte(strings.Replace(data, t.Channel, channel, 1))
	}
	return nil
}

// profiles switches incremental compilation off where it is switched on.
func (e *edits) profiles() error {
	root := e.s.manifests[0]
	profiles := root.Root.Get("profile")
	for _, name := range profiles.Keys() {
		v := profiles.Get(name, "incremental")
		if name == "dev" || name == "test" || v == nil || v.String != "true" {
			continue
		}
		lines := splitLines(e.content(root.Name))
		lines[v.Line-1] = strings.Replace(lines[v.Line-1], "true", "false", 1)
		e.now[root.Name] = []byte(strings.Join(lines, ""))
	}
	return nil
}

func splitLines(data []byte) []string { return slices.Collect(strings.Lines(string(data))) }

// comments writes a template above each git pin that has no comment.
func (e *edits) comments() error {
	pins := slices.Clone(e.s.pins)
	slices.Reverse(pins) // from below, so that lines stay where they are
	for i, p := range pins {
		if p.Comment != "" {
			continue
		}
		// The first of several with one reason gets the comment.
		if i+1 < len(pins) && pins[i+1].File == p.File && pins[i+1].URL == p.URL && pins[i+1].Commit == p.Commit && pins[i+1].Line == p.Line-1 {
			continue
		}
		lines := splitLines(e.content(p.File))
		var comment []string
		for _, t := range template {
			comment = append(comment, "# "+t+"\n")
		}
		e.now[p.File] = []byte(strings.Join(slices.Insert(lines, p.Line-1, comment...), ""))
		e.left = append(e.left, fmt.Sprintf("%s:%d: say why %s comes from git, and when the pin goes away", p.File, p.Line, p.Crate))
	}
	return nil
}

// deny writes rows of allow-git.
func (e *edits) deny() error {
	name := e.s.below("deny.toml")
	if e.s.deny != nil {
		name = e.s.deny.Name
	}
	var rows []string
	for _, r := range e.s.repositories() {
		if e.s.allows(r.URL) {
			continue
		}
		comment := template
		if len(r.comments) > 0 {
			comment = wrap(r.comments[0], 96)
		}
		for _, c := range comment {
			rows = append(rows, "  # "+c+"\n")
		}
		rows = append(rows, fmt.Sprintf("  %q,\n", strings.TrimSuffix(r.URL, ".git")))
	}
	if len(rows) == 0 {
		return nil
	}
	array := slices.Concat([]string{"allow-git = [\n"}, rows, []string{"]\n"})
	switch {
	case e.s.deny == nil:
		e.now[name] = []byte("[sources]\nunknown-registry = \"deny\"\nunknown-git = \"deny\"\n" + strings.Join(array, ""))
	default:
		lines := splitLines(e.content(name))
		if n := len(lines); n > 0 && !strings.HasSuffix(lines[n-1], "\n") {
			lines[n-1] += "\n"
		}
		lines, ok := insertRows(lines, e.s.deny.Root, rows, array)
		// A file can be laid out in more ways than are known here.
		if _, err := tomldoc.Parse(name, []byte(strings.Join(lines, ""))); !ok || err != nil {
			e.left = append(e.left, name+": add to sources.allow-git: "+strings.TrimSpace(strings.Join(rows, "")))
			return nil
		}
		e.now[name] = []byte(strings.Join(lines, ""))
	}
	return nil
}

// insertRows adds rows to an allow-git with an item on each line, or an empty one,
// or writes the array.
func insertRows(lines []string, root *tomldoc.Value, rows, array []string) ([]string, bool) {
	v := root.Get("sources", "allow-git")
	switch {
	case v != nil && len(v.Array) == 0:
		if code, _, _ := strings.Cut(lines[v.Line-1], "#"); !strings.Contains(code, "]") {
			return nil, false
		}
		return slices.Concat(lines[:v.Line-1], array, lines[v.Line:]), true
	case v != nil:
		last := v.Array[len(v.Array)-1].Line
		if last == v.Line || slices.ContainsFunc(v.Array[:len(v.Array)-1], func(x *tomldoc.Value) bool { return x.Line == last }) {
			return nil, false
		}
		code, comment, has := strings.Cut(lines[last-1], " #")
		code = strings.TrimRight(code, " \n")
		if strings.HasSuffix(code, "]") {
			return nil, false
		}
		if !strings.HasSuffix(code, ",") {
			code += ","
		}
		if has {
			code += " #" + strings.TrimRight(comment, "\n")
		}
		return slices.Concat(lines[:last-1], []string{code + "\n"}, rows, lines[last:]), true
	case root.Get("sources") != nil:
		at := root.Get("sources").Line
		if !strings.HasPrefix(strings.TrimSpace(lines[at-1]), "[sources]") {
			return nil, false
		}
		return slices.Concat(lines[:at], array, lines[at:]), true
	}
	return slices.Concat(lines, []string{"\n[sources]\n"}, array), true
}

// allows says whether deny.toml has a row for a repository.
func (s *subject) allows(repo string) bool {
	if s.deny == nil {
		return false
	}
	v := s.deny.Root.Get("sources", "allow-git")
	return v != nil && slices.ContainsFunc(v.Array, func(x *tomldoc.Value) bool { return sameRepo(x.String, repo) })
}

// wrap breaks a text into lines of at most width bytes, where it can.
func wrap(text string, width int) []string {
	var all []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > width {
			all = append(all, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(all, line)
}
