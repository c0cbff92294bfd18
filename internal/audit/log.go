package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// program is what one exec began.
type program struct {
	id     int
	parent *program
	exe    string
	args   []string
	vars   map[string]string
	acts   []act
}

// act is a line of the log.
type act struct {
	kind byte
	what string
	more []string
}

func (a act) detail() string {
	if len(a.more) == 0 {
		return ""
	}
	return a.more[0]
}

// maxLine bounds a line: paths have 4096 bytes at most, arguments 300.
const maxLine = 1 << 20

// parse reads a log. All programs but the first have a parent.
func parse(r io.Reader) ([]*program, error) {
	all := []*program{{vars: map[string]string{}}}
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	ended := false
	for n := 1; s.Scan(); n++ {
		bad := func(what string) error { return fmt.Errorf("log:%d: %s", n, what) }
		if ended {
			return nil, bad("goes on after its end")
		}
		f := strings.Split(s.Text(), "\t")
		if f[0] == "end" {
			ended = true
			continue
		}
		if len(f) < 3 || len(f[0]) != 1 {
			return nil, bad("is malformed")
		}
		id, err := strconv.Atoi(f[1])
		if err != nil || id < 0 || id > len(all) || f[0] != "P" && id == len(all) {
			return nil, bad("is of a program that didn't begin")
		}
		for i := 2; i < len(f); i++ {
			f[i] = unescape(f[i])
		}
		if f[0] == "P" {
			parent, err := strconv.Atoi(f[2])
			if err != nil || id != len(all) || parent < 0 || parent >= id || len(f) < 5 {
				return nil, bad("is malformed")
			}
			all = append(all, &program{id: id, parent: all[parent], exe: strings.TrimSuffix(f[3], " (deleted)"), args: f[5:], vars: map[string]string{}})
			continue
		}
		p := all[id]
		if f[0] == "V" {
			k, v, _ := strings.Cut(f[2], "=")
			p.vars[k] = v
			continue
		}
		p.acts = append(p.acts, act{f[0][0], f[2], f[3:]})
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	if !ended {
		return nil, errors.New("the log has no end: the watching program was stopped")
	}
	return all, nil
}

func (p *program) base() string { return path.Base(p.exe) }

func (p *program) arg(i int) string {
	if i < len(p.args) {
		return p.args[i]
	}
	return ""
}

// isScript says whether p is a build script that cargo started.
func (p *program) isScript() bool {
	b := p.base()
	return (strings.HasPrefix(b, "build-script-") || strings.HasPrefix(b, "build_script_")) && p.vars["OUT_DIR"] != "" && p.vars["CARGO_PKG_NAME"] != ""
}

// isCompile says whether p is a rustc that cargo started for a crate.
func (p *program) isCompile() bool { return p.base() == "rustc" && p.vars["CARGO_CRATE_NAME"] != "" }

// root is the build script that p belongs to, else the compiler, else nil: then
// it is cargo's own.
func (p *program) root() *program {
	var compile *program
	for x := p; x != nil; x = x.parent {
		if x.isScript() {
			return x
		}
		if x.isCompile() {
			compile = x
		}
	}
	return compile
}
