// Package linkage says whether a program starts on a base image: whether what
// its dynamic linker will look for is there.
//
// # What is checked
//
//   - the program is ELF, of the base's machine and byte order
//   - its interpreter is in the base
//   - so is every library that it needs (DT_NEEDED), and that those need in turn
//   - each library has the symbol versions that are asked of it (verneed
//     against verdef), unless they are asked for weakly; a library
//     without any versions has them all, as ld.so only warns
//
// A program without interpreter and libraries (static, static-pie) starts on
// anything of its machine, an empty base included.
//
// Libraries are looked for like glibc's ld.so does it: DT_RPATH where there is
// no DT_RUNPATH, LD_LIBRARY_PATH of the image's configuration, DT_RUNPATH, /etc/ld.so.cache, the
// default directories with Debian's multiarch ones and lib64. The directories of
// ld.so.conf count only through the cache. $ORIGIN is the directory of the file that has the path;
// that of the program is given or its paths with $ORIGIN are skipped. For
// musl the interpreter is libc itself. A file of another machine or
// class is passed over.
//
// Libraries on the allow list are the host's to supply (libcuda.so.1): they are
// taken as present with any version.
//
// # What is not
//
// Symbols without versions, libraries that a program opens by itself (dlopen),
// glibc-hwcaps, the kernel's version.
//
// ELF files are read through their program headers, as the kernel and ld.so do;
// section headers may be missing or wrong. Every table is read within limits.
// Sources: the System V gABI, the LSB's chapter on symbol versioning, ld.so(8).
package linkage

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// Result is what a program needs and where it is found.
type Result struct {
	Static      bool   // it needs nothing
	Interpreter string // "/lib64/ld-linux-x86-64.so.2"
	// Libraries are all that will be loaded, in the order in which they were met.
	Libraries []Library
	// Host are those of the allow list that the program needs.
	Host []string
}

// Library is a library and the path that it has in the base.
type Library struct{ Name, Path string }

// Refused is why a program does not start: one reason or more.
type Refused struct{ Reasons []string }

// maxReasons bounds the text of an error.
const maxReasons = 5

func (r *Refused) Error() string {
	if n := len(r.Reasons); n > maxReasons {
		return strings.Join(r.Reasons[:maxReasons], "; ") + fmt.Sprintf("; and %d more", n-maxReasons)
	}
	return strings.Join(r.Reasons, "; ")
}

// Check refuses a program that does not start on a base, with a hint. Those of
// its library paths that are relative to the program are skipped.
func Check(bin io.ReaderAt, base *Base, allow []string) (Result, error) {
	return CheckAt(bin, "", base, allow)
}

// CheckAt is Check for a program that will have a path in the image.
func CheckAt(bin io.ReaderAt, where string, base *Base, allow []string) (Result, error) {
	o, err := parse(bin)
	if err != nil {
		return Result{}, err
	}
	c := &check{base: base, allow: allow, loaded: map[string]*Object{}}
	if m := base.machine(); m != (Machine{}) && m != o.Machine {
		return c.result, refuse("build for the base's machine, or take the base for the program's",
			"it is for %s, the base for %s", o.Machine, m)
	}
	if o.Interpreter == "" {
		if len(o.Needed) > 0 || !o.Program {
			return c.result, refuse("", "it is a library, not a program: it has no interpreter")
		}
		c.result.Static = true
		return c.result, nil
	}
	c.result.Interpreter = o.Interpreter
	ld, _ := base.object(o.Interpreter)
	if ld == nil || ld.Machine != o.Machine {
		return c.result, refuse("take a base that has the C library, or link statically (the musl targets, or -C target-feature=+crt-static)",
			"its interpreter %s is not in %s", o.Interpreter, base.name())
	}
	c.musl = strings.HasPrefix(path.Base(o.Interpreter), "ld-musl-")
	c.loaded[path.Base(o.Interpreter)] = ld
	if ld.Soname != "" {
		c.loaded[ld.Soname] = ld
	}
	c.program = o
	c.walk(o, "it", where)
	if len(c.reasons) > 0 {
		return c.result, fault.Hint(&Refused{c.reasons}, c.hint)
	}
	return c.result, nil
}

func refuse(hint, format string, args ...any) error {
	err := error(&Refused{[]string{fmt.Sprintf(format, args...)}})
	if hint == "" {
		return err
	}
	return fault.Hint(err, hint)
}

// check is one walk through a program's libraries.
type check struct {
	base    *Base
	allow   []string
	musl    bool
	program *Object
	loaded  map[string]*Object // nil: the host's
	result  Result
	reasons []string
	hint    string
}

func (c *check) refuse(hint, format string, args ...any) {
	c.reasons = append(c.reasons, fmt.Sprintf(format, args...))
	if c.hint == "" {
		c.hint = hint
	}
}

// maxLibraries bounds a walk.
const maxLibraries = 4096

type waiting struct {
	o    *Object
	who  string // "it", "libfoo.so.1"
	path string
}

// walk loads breadth first, as ld.so does, then checks the versions.
func (c *check) walk(o *Object, who, where string) {
	queue := []waiting{{o, who, where}}
	for i := 0; i < len(queue); i++ {
		w := queue[i]
		for _, need := range w.o.Needed {
			if _, ok := c.loaded[need]; ok {
				continue
			}
			if slices.Contains(c.allow, need) {
				c.loaded[need] = nil
				c.result.Host = append(c.result.Host, need)
				continue
			}
			if c.musl && isMuslLibc(need) {
				c.loaded[need] = nil
				continue
			}
			lib, at := c.find(need, w)
			c.loaded[need] = lib
			if lib == nil {
				c.refuse("add the library's package to the base or link it statically; if the host's driver supplies it, list it in driver-libraries",
					"%s needs %s, which %s does not have", w.who, need, c.base.name())
				continue
			}
			c.result.Libraries = append(c.result.Libraries, Library{need, at})
			if len(queue) < maxLibraries {
				queue = append(queue, waiting{lib, need, at})
			}
		}
	}
	for _, w := range queue {
		c.versions(w)
	}
}

// isMuslLibc knows the names that musl's loader takes for itself.
func isMuslLibc(name string) bool {
	stem, _, ok := strings.Cut(name, ".so")
	return ok && slices.Contains([]string{"libc", "libpthread", "librt", "libm", "libdl", "libutil", "libxnet"}, stem)
}

func (c *check) versions(w waiting) {
	for _, v := range w.o.Versions {
		lib := c.loaded[v.Library]
		if lib == nil || v.Weak || len(lib.Defines) == 0 || slices.Contains(lib.Defines, v.Name) {
			continue
		}
		what := v.Name
		if v.Symbol != "" {
			what += " (for " + v.Symbol + ")"
		}
		has := "none of that name"
		if newest := newest(lib.Defines, v.Name); newest != "" {
			has = newest + " at most"
		}
		c.refuse("build where the library is as old as the base's, or take a newer base",
			"%s needs %s of %s, %s has %s", w.who, what, v.Library, c.base.name(), has)
	}
}

// newest is the highest version with the prefix of the one wanted: of
// GLIBC_2.38, GLIBC_2.36.
func newest(have []string, wanted string) string {
	prefix := wanted[:strings.LastIndexByte(wanted, '_')+1]
	best := ""
	for _, h := range have {
		if v, ok := strings.CutPrefix(h, prefix); ok && prefix != "" && v != "" && v[0] >= '0' && v[0] <= '9' &&
			(best == "" || compareVersions(v, best[len(prefix):]) > 0) {
			best = h
		}
	}
	return best
}

// compareVersions compares dotted numbers.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		if n := strings.Compare(x, y); n != 0 {
			return n
		}
	}
	return 0
}
