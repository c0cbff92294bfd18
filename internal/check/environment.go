package check

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/rustsyntax"
)

// nativeCPU says whether flags ask for the processor of the builder.
func nativeCPU(flags string) bool {
	return strings.Contains(strings.ReplaceAll(flags, " ", ""), "target-cpu=native")
}

func environmentOwn(s *subject) outcome {
	var bad []Finding
	n := 0
	for _, f := range s.ws.Config.Files {
		n++
		data, err := s.read(f)
		if err != nil {
			continue
		}
		line := 0
		for l := range strings.Lines(string(data)) {
			line++
			if code, _, _ := strings.Cut(l, "#"); nativeCPU(code) || strings.Contains(code, `"native"`) && strings.Contains(code, "target-cpu") {
				bad = append(bad, at(f, line, "target-cpu=native builds for the builder's processor"))
			}
		}
	}
	for _, doc := range s.manifests {
		profiles := doc.Root.Get("profile")
		for _, name := range profiles.Keys() {
			if flags := profiles.Get(name, "rustflags"); flags != nil {
				for _, v := range flags.Array {
					if nativeCPU(v.String) {
						bad = append(bad, at(doc.Name, v.Line, "target-cpu=native builds for the builder's processor"))
					}
				}
			}
		}
	}
	for _, r := range s.recipes {
		all := slices.Clone(r.Env)
		for _, c := range r.Commands {
			all = append(all, c.Env...)
			if nativeCPU(strings.Join(c.Words, " ")) {
				all = append(all, variable{"", "target-cpu=native", c.Line})
			}
		}
		for _, v := range all {
			if nativeCPU(v.Value) {
				bad = append(bad, at(r.File, v.Line, "target-cpu=native builds for the builder's processor"))
			}
		}
	}
	for _, u := range s.own {
		built := map[string]bool{}
		for _, name := range u.buildTimeFiles() {
			built[name] = true
			if f := u.file(name); f != nil {
				n++
				for _, l := range leaks(f, true) {
					if l.Kind == machine {
						bad = append(bad, at(name, l.Line, "%s", l.Text))
					}
				}
			}
		}
		_ = fs.WalkDir(s.fsys, u.dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if d.IsDir() {
				if rel := relative(u.dir, name); slices.Contains([]string{"tests", "benches", "examples", "target", ".git"}, rel) || name != u.dir && isFile(s.fsys, path.Join(name, "Cargo.toml")) {
					return fs.SkipDir
				}
				return nil
			}
			if path.Ext(name) != ".rs" || built[name] {
				return nil
			}
			n++
			data, err := s.read(name)
			if err != nil || !slices.ContainsFunc(suspects, func(x string) bool { return strings.Contains(string(data), x) }) {
				return nil
			}
			if f, err := rustsyntax.Parse(string(data)); err == nil {
				for _, l := range leaks(f, false) {
					if l.Kind == machine {
						bad = append(bad, at(name, l.Line, "%s", l.Text))
					}
				}
			}
			return nil
		})
	}
	return judge(bad, []Finding{{Text: fmt.Sprintf("%d files read", n)}})
}
