package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a bare machine has none, and a verdict needs the zones of both sides
)

// Machine finds out what there is to know of this machine. The zones are left
// to the caller. What the system does not tell is left out.
func Machine() (Facts, error) {
	var f Facts
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	f.CPUs = Models(string(cpu))
	if h, err := os.Hostname(); err == nil {
		f.Hosts = []string{h}
	}
	if u, err := user.Current(); err == nil {
		f.Users, f.Homes = []string{u.Username}, []string{u.HomeDir}
	}
	return f, nil
}

// Models are the distinct model names in the text of /proc/cpuinfo: the line
// "model name" on x86, "Model" or "Hardware" on arm boards.
func Models(cpuinfo string) []string {
	var out []string
	for line := range strings.Lines(cpuinfo) {
		k, v, ok := strings.Cut(line, ":")
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		if ok && v != "" && (k == "model name" || k == "Model" || k == "Hardware") && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// Zone is the time zone that a TZ value means: a name of the time zone
// database, or POSIX's form without a daylight saving rule: "UTC0", "EST5",
// "<+1345>-13:45".
func Zone(tz string) (*time.Location, error) {
	tz = strings.TrimPrefix(tz, ":")
	if z, ok := posixZone(tz); ok {
		return z, nil
	}
	z, err := time.LoadLocation(tz)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", tz, err)
	}
	return z, nil
}

func posixZone(tz string) (*time.Location, bool) {
	name, offset, ok := strings.Cut(strings.TrimPrefix(tz, "<"), ">")
	if !ok || !strings.HasPrefix(tz, "<") {
		i := strings.IndexFunc(tz, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' })
		if i < 3 {
			return nil, false
		}
		name, offset = tz[:i], tz[i:]
	}
	sign := -1 // POSIX counts westwards
	switch {
	case strings.HasPrefix(offset, "-"):
		sign, offset = 1, offset[1:]
	case strings.HasPrefix(offset, "+"):
		offset = offset[1:]
	}
	seconds := 0
	fields := strings.Split(offset, ":")
	if len(fields) > 3 {
		return nil, false
	}
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 8)
		if err != nil || i == 0 && n > 24 || i > 0 && n > 59 {
			return nil, false
		}
		seconds += int(n) * []int{3600, 60, 1}[i]
	}
	return time.FixedZone(name, sign*seconds), true
}
