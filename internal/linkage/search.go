package linkage

import (
	"path"
	"strings"
)

// triplets are Debian's names of the library directories.
var triplets = map[uint16]string{
	3:   "i386-linux-gnu",
	21:  "powerpc64le-linux-gnu",
	22:  "s390x-linux-gnu",
	40:  "arm-linux-gnueabihf",
	62:  "x86_64-linux-gnu",
	183: "aarch64-linux-gnu",
	243: "riscv64-linux-gnu",
}

// find looks for a library on behalf of a file.
func (c *check) find(name string, w waiting) (*Object, string) {
	try := func(p string) (*Object, string) {
		o, at := c.base.object(p)
		if o == nil || o.Machine != c.program.Machine {
			return nil, ""
		}
		return o, at
	}
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) { // relative to whatever directory it is started in
			return nil, ""
		}
		return try(name)
	}
	var dirs []string
	if len(w.o.Runpath) == 0 {
		dirs = append(dirs, expand(w.o.Rpath, w.path, w.o.Machine)...)
		if w.o != c.program && len(c.program.Runpath) == 0 {
			dirs = append(dirs, expand(c.program.Rpath, "", w.o.Machine)...)
		}
	}
	dirs = append(dirs, c.base.LibraryPath...)
	dirs = append(dirs, expand(w.o.Runpath, w.path, w.o.Machine)...)
	for _, d := range dirs {
		if o, at := try(path.Join(d, name)); o != nil {
			return o, at
		}
	}
	for _, p := range c.base.Cache[name] {
		if o, at := try(p); o != nil {
			return o, at
		}
	}
	for _, d := range c.defaults() {
		if o, at := try(path.Join(d, name)); o != nil {
			return o, at
		}
	}
	return nil, ""
}

func (c *check) defaults() []string {
	if c.musl {
		return []string{"/lib", "/usr/local/lib", "/usr/lib"}
	}
	var out []string
	if t := triplets[c.program.Machine.ID]; t != "" {
		out = append(out, "/lib/"+t, "/usr/lib/"+t)
	}
	if c.program.Machine.Bits == 64 {
		out = append(out, "/lib64", "/usr/lib64")
	}
	return append(out, "/lib", "/usr/lib")
}

// expand replaces $ORIGIN, $LIB and $PLATFORM; a path with $ORIGIN is left out
// where the origin is not known, one that is not absolute always.
func expand(paths []string, file string, m Machine) []string {
	var out []string
	lib := "lib"
	if t := triplets[m.ID]; t != "" {
		lib += "/" + t
	}
	for _, p := range paths {
		for _, v := range []struct{ name, value string }{{"ORIGIN", path.Dir(file)}, {"LIB", lib}} {
			if v.name == "ORIGIN" && file == "" && (strings.Contains(p, "$ORIGIN") || strings.Contains(p, "${ORIGIN}")) {
				p = ""
			}
			p = strings.ReplaceAll(strings.ReplaceAll(p, "${"+v.name+"}", v.value), "$"+v.name, v.value)
		}
		if path.IsAbs(p) && !strings.Contains(p, "$") {
			out = append(out, p)
		}
	}
	return out
}
