package address

import (
	"path/filepath"
	"slices"
	"strings"
)

// aptSource is one URI of apt's sources, with what is to be had there.
type aptSource struct {
	uri                string
	suites, components []string
}

// readApt reads apt's sources as sources.list(5) has them. What can't be read
// or understood is left out, as other addresses can take its place.
func readApt(dir string) []aptSource {
	lists, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*.list"))
	deb822, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*.sources"))
	var out []aptSource
	for _, name := range append([]string{filepath.Join(dir, "sources.list")}, lists...) {
		if b, err := readFile(name); err == nil {
			out = append(out, parseSourcesList(string(b))...)
		}
	}
	for _, name := range deb822 {
		if b, err := readFile(name); err == nil {
			out = append(out, parseDeb822(string(b))...)
		}
	}
	return expand(out)
}

// parseSourcesList parses lines of the form
//
//	deb [option=value …] uri suite component…
func parseSourcesList(text string) []aptSource {
	var out []aptSource
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || strings.TrimLeft(rest, " \t") == rest {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			_, rest, ok = strings.Cut(rest, "]")
			if !ok {
				continue
			}
		}
		if f := strings.Fields(rest); len(f) > 2 {
			out = append(out, aptSource{uri: f[0], suites: f[1:2], components: f[2:]})
		}
	}
	return out
}

// parseDeb822 parses paragraphs with the fields Types, URIs, Suites,
// Components and Enabled.
func parseDeb822(text string) []aptSource {
	var out []aptSource
	fields := map[string][]string{}
	flush := func() {
		off := slices.ContainsFunc(fields["enabled"], func(v string) bool {
			return slices.Contains([]string{"no", "false", "0", "off", "without", "disable"}, strings.ToLower(v))
		})
		if slices.Contains(fields["types"], "deb") && !off {
			for _, uri := range fields["uris"] {
				out = append(out, aptSource{uri, fields["suites"], fields["components"]})
			}
		}
		fields = map[string][]string{}
	}
	last := ""
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
			last = ""
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				fields[last] = append(fields[last], strings.Fields(line)...)
			}
		default:
			key, value, ok := strings.Cut(line, ":")
			if last = ""; ok {
				last = strings.ToLower(strings.TrimSpace(key))
				fields[last] = strings.Fields(value)
			}
		}
	}
	flush()
	return out
}

// expand keeps the sources with an address that can be fetched from, and puts
// the lines of a mirror list (mirror+file:/…) in its place.
func expand(in []aptSource) []aptSource {
	var out []aptSource
	keep := func(s aptSource, uri string) {
		if path, ok := cutScheme(uri, "file:", "copy:"); ok {
			uri = fileAddress(path)
		}
		if a, err := checkAddress("apt", uri); err == nil && !strings.ContainsAny(a, "{}$") {
			s.uri = a
			out = append(out, s)
		}
	}
	for _, s := range in {
		path, ok := cutScheme(s.uri, "mirror+file:")
		if !ok {
			keep(s, s.uri)
			continue
		}
		b, err := readFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(f[0], "#") {
				keep(s, f[0])
			}
		}
	}
	return out
}

// cutScheme returns the path of a URI of apt's, which has one slash or three.
func cutScheme(uri string, schemes ...string) (string, bool) {
	for _, scheme := range schemes {
		if path, ok := strings.CutPrefix(uri, scheme); ok {
			return "/" + strings.TrimLeft(path, "/"), true
		}
	}
	return "", false
}
