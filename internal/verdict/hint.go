package verdict

import (
	"strconv"
	"strings"

	"github.com/craton-co/twice/internal/compare"
)

// hint says what to change, where the bytes alone tell. It claims nothing that
// they don't show: each side's bytes hold something that is known of that
// side's build, or the place itself has one meaning.
func (v *Verdict) hint(a Artefact) string {
	d := a.Difference
	if d == nil {
		return ""
	}
	var ba, bb *Build
	for i := range v.Builds {
		switch v.Builds[i].Side {
		case "A":
			ba = &v.Builds[i]
		case "B":
			bb = &v.Builds[i]
		}
	}
	if ba != nil && bb != nil {
		if h := v.settingHint(d, ba, bb); h != "" {
			return h
		}
		if timeIn(d.A, d.Before, ba) && timeIn(d.B, d.Before, bb) {
			return "each value lies between that build's own start and end: let what writes it read SOURCE_DATE_EPOCH"
		}
	}
	switch {
	case d.Section == ".note.gnu.build-id":
		return "only the linker's build id differs: link with -C link-arg=-Wl,--build-id=sha1"
	case d.Section == ".comment":
		return "the compilers differ: pin the toolchain by date and hash"
	case strings.Contains(d.Note, "the compression differs"):
		return "the content is the same: pin the compressor, its version and its level"
	}
	return ""
}

// settingHint knows the settings that differ between the builds and that can
// be recognised by their value; of axes that it does not know it names the axis.
func (v *Verdict) settingHint(d *compare.Difference, a, b *Build) string {
	const remap = "remap it with --remap-path-prefix, and for C code with -ffile-prefix-map"
	settings := []struct{ what, a, b, fix string }{
		{"source directory", a.Path, b.Path, remap},
		{"Cargo home", a.CargoHome, b.CargoHome, remap},
		{"home directory", a.Home, b.Home, "don't use HOME in the build"},
		{"host name", a.Host, b.Host, "don't use the host name in the build"},
		{"user name", a.User, b.User, "don't use USER in the build"},
		{"time zone", a.TZ, b.TZ, "use UTC in the build"},
		{"time zone", zone(a.TZ), zone(b.TZ), "use UTC in the build"},
		{"locale", a.Locale, b.Locale, "set LC_ALL=C where the output is used"},
	}
	for _, x := range v.Varied {
		settings = append(settings, struct{ what, a, b, fix string }{x.Name, x.A, x.B, "make the build independent of it"})
	}
	for _, s := range settings {
		if len(s.a) > 2 && len(s.b) > 2 && s.a != s.b &&
			strings.Contains(string(d.A), s.a) && strings.Contains(string(d.B), s.b) {
			return "each side holds its own build's " + clean(s.what) + ": " + s.fix
		}
	}
	return ""
}

// timeIn says whether the number at the first difference is a time between the
// build's start and end, in seconds since 1970 or a finer unit.
func timeIn(p []byte, at int, b *Build) bool {
	digit := func(i int) bool { return i >= 0 && i < len(p) && p[i] >= '0' && p[i] <= '9' }
	from, to := at, at
	for digit(from - 1) {
		from--
	}
	for digit(to) {
		to++
	}
	if n := to - from; n != 10 && n != 13 && n != 16 && n != 19 {
		return false
	}
	sec, err := strconv.ParseInt(string(p[from:from+10]), 10, 64)
	return err == nil && sec >= b.Start.Unix() && sec <= b.Start.Unix()+int64(b.Seconds)+1
}
