// Package audit says what the code that runs at build time did: files outside
// of OUT_DIR, variables, programs, the network.
//
// # How it is seen
//
// A watched build is the plan's own, with [Program] between the step and cargo,
// and a library in /etc/ld.so.preload. Both are compiled in the step, from the
// plan's text. The program traces all processes of the build (ptrace), and is
// stopped by a seccomp filter at the calls that matter and at no others. A file
// is named by the descriptor that the kernel gave, not by what was asked for.
// The library tells which variables a program asks getenv for, and from which
// object: reading the environment makes no system call. Debug registers see a
// build script walk it. Nothing is in front of a
// build script, its path and its environment are those of an unwatched build,
// and so are the artefacts.
//
// # Whose it was
//
// A build script's are its own acts and those of every program that it started.
// Cargo's variables name its crate. Procedural macros run in rustc: the
// variables that one asks for are its own, by the object that asked. Its files,
// programs and connections are the compiler's, and stand at the crate that
// was compiled, less what rustc does itself.
//
// # What is folded
//
// Left out, and counted, are: OUT_DIR; the crate's own files, read; temporary
// files that were removed again; what the loader, the C library and Rust's
// runtime read; the variables that cargo documents; what compilers, linkers and
// archivers read of the system, and which of their parts they start. Of
// another crate's folder, and of another's OUT_DIR, only the folder is named.
//
// # What can't be seen
//
// See [Unseen].
//
// # The log
//
// Lines of fields, with tabs between them; in a field %xx is a byte. The first
// two are the kind and the number of a program, which is what one exec began.
//
//	P n parent exe cwd args…     an exec
//	V n NAME=value               one of cargo's variables
//	E n NAME object              asked for a variable; *: walked the environment
//	R n path                     opened to read; with a fourth field: a device
//	L n path                     a folder, opened
//	W n path                     opened to write, made, renamed to, changed
//	D n path                     removed, renamed from
//	F n path errno               a refused write
//	A n path errno               a file that could not be opened
//	X n path errno               a program that could not be started
//	N n call peer errno          a connection
//	H n host                     a name looked up
//	B n what                     what couldn't be seen
//	end status                   the last line
package audit

import (
	_ "embed"
	"strings"
)

// Program is the source of what watches, in C. It is called with the log, a
// command and its arguments.
//
//go:embed watch/watch.c
var Program string

// Library is the source of what is preloaded, in C.
//
//go:embed watch/tell.c
var Library string

// Unseen is what a build script could do without being seen.
var Unseen = []string{
	"which variables count where the environment was walked (std::env::vars, as some do only to hand it on): it says (all)",
	"that a procedural macro walked the environment",
	"variables that a static program reads, or any program that a build script starts",
	"what is only asked about a file: whether it exists, its size and its times (stat)",
	"which bytes of a file were read",
	"the clock, the processor and random numbers from the kernel: no file is opened for them",
	"files through io_uring, and system calls of another ABI: that they were used is said",
	"arguments that another thread changes while the kernel reads them; files are named by what was opened, so this concerns programs that couldn't be started, renamed and removed files, and addresses",
	"of a procedural macro: which of the files that the compiler reads are the macro's, in the folders of sources and targets",
	"code that notices that it is watched, in /proc/self/status or /etc/ld.so.preload, and behaves itself",
}

// unescape undoes the %xx of a field.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexDigit(c byte) int { return strings.IndexByte("0123456789abcdef", c) }
