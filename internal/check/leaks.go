package check

import (
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/rustsyntax"
)

// leakKind is what code takes from outside.
type leakKind uint8

const (
	machine leakKind = iota // user, host, processor, time zone, …
	clock                   // the time of the build
	epoch                   // SOURCE_DATE_EPOCH, as it should be
)

// leak is a place where code looks at the machine.
type leak struct {
	Kind leakKind
	Line int
	Text string
}

// machineNames are variables that another machine, or another shell, sets to
// something else. Those that cargo sets (HOST, TARGET, OUT_DIR) aren't in it.
var machineNames = strings.Fields(`USER LOGNAME USERNAME USERPROFILE HOME HOMEDRIVE HOMEPATH HOSTNAME COMPUTERNAME PWD OLDPWD PATH SHELL TMPDIR TEMP TMP
	TZ LANG LANGUAGE LC_ALL LC_CTYPE LC_TIME DISPLAY TERM SSH_CLIENT SUDO_USER HOSTTYPE MACHTYPE NUMBER_OF_PROCESSORS PROCESSOR_IDENTIFIER NUM_JOBS`)

var machineFiles = []string{"/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/proc/sys/kernel", "/proc/version", "/etc/hostname", "/etc/localtime", "/etc/timezone",
	"/etc/machine-id", "/etc/passwd", "/etc/os-release", "/usr/share/zoneinfo", "/sys/devices/system/cpu"}

var machinePrograms = strings.Fields("hostname whoami id uname nproc lscpu hostnamectl timedatectl getent")

// machineCalls are functions by the last two names of their path.
var machineCalls = map[string]string{
	"thread::available_parallelism": "the number of processors", "num_cpus::get": "the number of processors", "num_cpus::get_physical": "the number of processors",
	"gethostname::gethostname": "the host's name", "hostname::get": "the host's name", "whoami::username": "the user's name", "whoami::hostname": "the host's name",
	"whoami::fallible": "the user or host", "process::id": "the process's number", "env::home_dir": "the home directory", "dirs::home_dir": "the home directory",
	"env::vars": "every environment variable", "env::vars_os": "every environment variable", "env::temp_dir": "the directory for temporary files",
}

var clockCalls = []string{"SystemTime::now", "Utc::now", "Local::now", "OffsetDateTime::now_utc", "OffsetDateTime::now_local", "Zoned::now", "Timestamp::now", "UtcDateTime::now"}

// leaks finds what a file takes from the machine. What runs only when the
// program does is no leak: of code that isn't for build time just env! and option_env!
// count.
func leaks(f *rustsyntax.File, buildTime bool) []leak {
	var all []leak
	imports := callAliases(f)
	f.Walk(func(n rustsyntax.Node) bool {
		switch n := n.(type) {
		case *rustsyntax.Item:
			return !n.Test()
		case *rustsyntax.Chain:
			if n.Kind == rustsyntax.MacroBase && slices.Contains([]string{"include", "include_str", "include_bytes"}, n.Path[len(n.Path)-1]) {
				return false // a path of the build, to a file that is taken in
			}
			all = append(all, chainLeaks(n, imports, buildTime)...)
		}
		return true
	})
	return all
}

// callAliases maps names that a file imports to the path that they mean.
func callAliases(f *rustsyntax.File) map[string][]string {
	all := map[string][]string{}
	f.Walk(func(n rustsyntax.Node) bool {
		if i, ok := n.(*rustsyntax.Item); ok {
			for _, u := range i.Uses {
				if u.As != "*" && u.As != "_" {
					all[u.As] = u.Path
				}
			}
		}
		return true
	})
	return all
}

// fullPath puts an imported name's path in its place.
func fullPath(p []string, imports map[string][]string) []string {
	if len(p) == 0 {
		return p
	}
	if full, ok := imports[p[0]]; ok && p[0] != full[0] {
		return append(slices.Clone(full), p[1:]...)
	}
	return p
}

func lastTwo(p []string) string { return strings.Join(p[max(0, len(p)-2):], "::") }

func firstString(args []*rustsyntax.Expr) string {
	if len(args) == 0 || len(args[0].Terms) == 0 {
		return ""
	}
	if c, ok := args[0].Terms[0].(*rustsyntax.Chain); ok && c.Kind == rustsyntax.LitBase {
		s, _ := rustsyntax.StringValue(c.Lit)
		return s
	}
	return ""
}

func chainLeaks(c *rustsyntax.Chain, imports map[string][]string, buildTime bool) []leak {
	var all []leak
	add := func(k leakKind, text string) { all = append(all, leak{k, c.Line, text}) }
	switch c.Kind {
	case rustsyntax.MacroBase:
		name := c.Path[len(c.Path)-1]
		if v := firstString(c.Args); name == "env" || name == "option_env" {
			switch {
			case v == "SOURCE_DATE_EPOCH":
				add(epoch, "reads SOURCE_DATE_EPOCH")
			case slices.Contains(machineNames, v):
				add(machine, name+"!(\""+v+"\") embeds a value of the machine")
			}
		}
		if name == "is_x86_feature_detected" && buildTime {
			add(machine, "asks what the builder's processor can do")
		}
	case rustsyntax.LitBase:
		s, _ := rustsyntax.StringValue(c.Lit)
		if s == "SOURCE_DATE_EPOCH" {
			add(epoch, "reads SOURCE_DATE_EPOCH")
		}
		if !buildTime {
			break
		}
		for _, f := range machineFiles {
			if s == f || strings.HasPrefix(s, f+"/") || strings.HasPrefix(s, f) && strings.HasPrefix(f, "/usr/share/zoneinfo") {
				add(machine, "reads "+s)
				break
			}
		}
	case rustsyntax.PathBase:
		if !buildTime {
			break
		}
		p := fullPath(c.Path, imports)
		two := lastTwo(p)
		call := len(c.Links) > 0 && c.Links[0].Kind == rustsyntax.Call
		switch {
		case call && (two == "env::var" || two == "env::var_os"):
			if v := firstString(c.Links[0].Args); slices.Contains(machineNames, v) {
				add(machine, "reads the variable "+v)
			}
		case call && two == "Command::new":
			prog := path.Base(firstString(c.Links[0].Args))
			if slices.Contains(machinePrograms, prog) {
				add(machine, "runs "+prog)
			}
			if prog == "date" {
				add(clock, "runs date")
			}
		case slices.Contains(clockCalls, two):
			add(clock, "reads the clock: "+two)
		case machineCalls[two] != "":
			add(machine, "takes "+machineCalls[two])
		}
	}
	return all
}
