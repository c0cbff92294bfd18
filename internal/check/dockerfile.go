package check

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// instruction is one of a Dockerfile, with its continuation lines.
type instruction struct {
	Name string // upper case
	Args string // line breaks stay, so that lines can be counted
	Line int
	Here []string // its here-documents
	At   []int    // their first lines
}

var hereRE = regexp.MustCompile(`<<-?\s*["']?([A-Za-z_][A-Za-z0-9_]*)["']?`)

// instructions reads a Dockerfile.
func instructions(text string) []instruction {
	var all []instruction
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		l := strings.TrimSpace(lines[i])
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		in := instruction{Line: i + 1}
		args := lines[i]
		for strings.HasSuffix(strings.TrimRight(args, " \t\r"), `\`) && i+1 < len(lines) {
			i++
			next := lines[i]
			if strings.HasPrefix(strings.TrimSpace(next), "#") {
				next = `\` // a comment between continuation lines is dropped
			}
			args = strings.TrimRight(args, " \t\r") + "\n" + next
		}
		args = strings.TrimSpace(args)
		name, rest, _ := strings.Cut(args, " ")
		if j := strings.IndexAny(args, " \t\n"); j >= 0 {
			name, rest = args[:j], args[j:]
		}
		in.Name, in.Args = strings.ToUpper(strings.TrimSuffix(name, `\`)), rest
		if in.Name == "RUN" || in.Name == "COPY" {
			for _, m := range hereRE.FindAllStringSubmatch(in.Args, -1) {
				start := min(i+1, len(lines)) // a document may have no end, and another follow
				for i+1 < len(lines) && strings.TrimSpace(lines[i+1]) != m[1] {
					i++
				}
				in.Here = append(in.Here, strings.Join(lines[start:max(start, min(i+1, len(lines)))], "\n"))
				in.At = append(in.At, start+1)
				i++
			}
		}
		all = append(all, in)
	}
	return all
}

var dockerVarRE = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}?`)

func readDockerfile(name string, data []byte) *recipe {
	r := &recipe{File: name, Kind: "Dockerfile"}
	var stages []string
	for _, in := range instructions(string(data)) {
		flat := strings.Join(strings.Fields(strings.ReplaceAll(in.Args, "\\\n", " ")), " ")
		switch in.Name {
		case "ARG", "ENV":
			r.dockerEnv(flat, in.Line)
		case "FROM":
			f := strings.Fields(flat)
			for len(f) > 0 && strings.HasPrefix(f[0], "--") {
				f = f[1:]
			}
			if len(f) == 0 {
				continue
			}
			ref := dockerVarRE.ReplaceAllStringFunc(f[0], func(s string) string {
				m := dockerVarRE.FindStringSubmatch(s)
				if v, ok := r.value(m[1]); ok && v.Value != "" {
					return v.Value
				}
				if m[2] != "" {
					return m[2]
				}
				return s
			})
			if !slices.Contains(stages, strings.ToLower(ref)) && ref != "scratch" {
				r.Images = append(r.Images, imageRef{ref, in.Line})
			}
			if len(f) == 3 && strings.EqualFold(f[1], "as") {
				stages = append(stages, strings.ToLower(f[2]))
			}
		case "RUN":
			r.dockerRun(in)
		}
	}
	return r
}

func (r *recipe) dockerEnv(args string, line int) {
	if name, value, ok := strings.Cut(args, " "); ok && !strings.Contains(name, "=") {
		r.Env = append(r.Env, variable{name, value, line}) // ENV NAME value
		return
	}
	before := len(r.Commands)
	r.shell("export "+args, line)
	r.Commands = r.Commands[:before]
}

func (r *recipe) dockerRun(in instruction) {
	args := in.Args
	for { // --mount=… and the like, which are not the shell's
		t := strings.TrimLeft(args, " \t\\\r\n")
		if !strings.HasPrefix(t, "--") {
			break
		}
		end := strings.IndexAny(t, " \t\n")
		if end < 0 {
			end = len(t)
		}
		args = strings.Repeat("\n", strings.Count(args[:len(args)-len(t)], "\n")) + t[end:]
	}
	line := in.Line
	for strings.HasPrefix(args, "\n") {
		args, line = args[1:], line+1
	}
	var words []string
	if t := strings.TrimSpace(args); strings.HasPrefix(t, "[") && json.Unmarshal([]byte(t), &words) == nil {
		r.Commands = append(r.Commands, command{Line: line, Words: words})
		return
	}
	if len(in.Here) == 0 {
		r.shell(args, line)
		return
	}
	for i, h := range in.Here {
		r.shell(h, in.At[i])
	}
}
