package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// Axis is one thing that may not matter, and that the second build changes.
type Axis string

// The axes, in the order in which they are listed.
const (
	BuildPath   Axis = "build-path"
	CargoHome   Axis = "cargo-home"
	Home        Axis = "home"
	User        Axis = "user"
	HostName    Axis = "host-name"
	Environment Axis = "environment"
	Path        Axis = "path"
	Locale      Axis = "locale"
	TimeZone    Axis = "time-zone"
	Umask       Axis = "umask"
	Jobs        Axis = "jobs"
	CPUCount    Axis = "cpu-count"
	Mtime       Axis = "mtime"
	FileOrder   Axis = "file-order"
	Kernel      Axis = "kernel"
)

// Engine is one more axis where each side is built by an engine of its own. It
// is not among AllAxes: no setting of a build says it.
const Engine Axis = "engine"

// AllAxes are the axes that the second build varies.
func AllAxes() []Axis {
	return []Axis{BuildPath, CargoHome, Home, User, HostName, Environment, Path, Locale, TimeZone, Umask, Jobs, CPUCount, Mtime, FileOrder, Kernel}
}

// NotVaried are things that can matter and that no default sandbox varies,
// with the reason. They are part of every verdict.
func NotVaried() []Unvaried {
	return []Unvaried{
		{"date", "both builds run today; the artefacts are searched for today's date instead"},
		{"cpu", "both builds run on this processor; the artefacts are searched for its name instead"},
		{"address-space", "randomised by the kernel in both builds; a sandbox can't switch it off"},
		{"compiler", "both builds use the same toolchain"},
		{"kernel-build", "both builds run on this kernel; only the release it reports is varied"},
		{"domain-name", "the sandbox has none in both builds; only the host name is varied"},
		{"gpu", "no build step is given one, whether the machine has any or not"},
		{"codegen-units", "they decide the bits by design, as the profile's other settings: both builds use the project's"},
	}
}

// Unvaried is something that the two builds have in common.
type Unvaried struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// ParseAxes reads a --vary value: all, none, or names with commas.
func ParseAxes(s string) ([]Axis, error) {
	switch s {
	case "", "all":
		return AllAxes(), nil
	case "none":
		return nil, nil
	}
	var out []Axis
	for _, n := range strings.Split(s, ",") {
		a := Axis(strings.TrimSpace(n))
		if !slices.Contains(AllAxes(), a) {
			names := make([]string, 0, len(AllAxes()))
			for _, x := range AllAxes() {
				names = append(names, string(x))
			}
			return nil, fault.Hintf(fmt.Errorf("no axis is called %q", n), "there are %s, all and none", strings.Join(names, ", "))
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out, nil
}

// Side is one of the builds: its name, what keeps its steps apart from the
// other's, and which axes it varies.
type Side struct {
	Name string // "A", "B"
	Run  string // unique to this run and side: engines merge equal steps
	Jobs int    // cargo's --jobs before the axis is applied
	Vary []Axis
}

// canonical is the side that a plan's digest is computed with.
var canonical = Side{Name: "A", Jobs: 1}

// Settings are the values of the axes on one side.
type Settings struct {
	Source    string `json:"build_path"`
	CargoHome string `json:"cargo_home"`
	Home      string `json:"home"`
	User      string `json:"user"`
	UID       int    `json:"uid"`
	HostName  string `json:"host_name"`
	Extra     string `json:"environment,omitempty"` // one more variable
	Path      string `json:"path"`
	Lang      string `json:"lang"`
	LCAll     string `json:"lc_all"`
	TZ        string `json:"tz"`
	Umask     string `json:"umask"`
	Jobs      int    `json:"jobs"`
	FewerCPUs bool   `json:"fewer_cpus"` // one fewer than there are
	Mtime     int64  `json:"mtime"`
	Reversed  bool   `json:"reversed_file_order"`
	Kernel26  bool   `json:"kernel_2_6"`
}

const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Settings gives the values of the axes: the plain ones, changed by each
// axis that the side varies. Changed values are fixed, so that a report can
// be repeated.
func (s Side) Settings(p *Plan) Settings {
	v := Settings{
		Source: "/build/" + p.Name, CargoHome: "/cargo", Home: "/root", User: "root", HostName: "first-builder",
		Path: standardPath, Lang: "C.UTF-8", LCAll: "C.UTF-8", TZ: "UTC", Umask: "0022",
		Jobs: max(s.Jobs, 1), Mtime: p.Epoch,
	}
	for _, a := range s.Vary {
		switch a {
		case BuildPath:
			if !p.SamePath {
				v.Source = "/b/another/path/of/" + p.Name
			}
		case CargoHome:
			v.CargoHome = "/b/cargo-home"
		case Home:
			v.Home = "/b/home/second"
		case User:
			v.User, v.UID = "second", 4711
		case HostName:
			v.HostName = "second-builder"
		case Environment:
			v.Extra = "TWICE_SECOND_BUILD=1"
		case Path:
			v.Path = standardPath + ":/usr/games"
		case Locale:
			v.Lang, v.LCAll = "fr_CH.UTF-8", "C"
		case TimeZone:
			v.TZ = "Asia/Kathmandu"
		case Umask:
			v.Umask = "0077"
		case Jobs:
			v.Jobs++
		case CPUCount:
			v.FewerCPUs = true
		case Mtime:
			v.Mtime = p.Epoch + 400*24*3600 + 12345
		case FileOrder:
			v.Reversed = true
		case Kernel:
			v.Kernel26 = true
		}
	}
	return v
}

func sideOf(p *Plan, s Side) sideText { return sideText{s, s.Settings(p)} }

type sideText struct {
	Side
	Settings
}

// Value is an axis's value, for people.
func (v Settings) Value(a Axis) string {
	switch a {
	case BuildPath:
		return v.Source
	case CargoHome:
		return v.CargoHome
	case Home:
		return v.Home
	case User:
		return fmt.Sprintf("%s (%d)", v.User, v.UID)
	case HostName:
		return v.HostName
	case Environment:
		if v.Extra == "" {
			return "plain"
		}
		return v.Extra
	case Path:
		return v.Path
	case Locale:
		return "LANG=" + v.Lang + " LC_ALL=" + v.LCAll
	case TimeZone:
		return v.TZ
	case Umask:
		return v.Umask
	case Jobs:
		return fmt.Sprint(v.Jobs)
	case CPUCount:
		if v.FewerCPUs {
			return "all but one"
		}
		return "all"
	case Mtime:
		return fmt.Sprint(v.Mtime)
	case FileOrder:
		if v.Reversed {
			return "reversed"
		}
		return "as the file system has it"
	case Kernel:
		if v.Kernel26 {
			return "2.6"
		}
		return "this one"
	}
	return ""
}
