package address

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// Where wheels come from.
type wheelSources struct {
	indexes []string // of simple indexes: "<index>/<project>/" lists the files
	folders []string // of files, flat
	noIndex bool     // pip asks no index here
}

var projectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?$`)

// WheelIndex returns the addresses of a project's page in the simple indexes. The
// name is normalised as in PEP 503.
func (r *Resolver) WheelIndex(name string) []string {
	if !projectName.MatchString(name) {
		return nil
	}
	var out []string
	for _, i := range r.wheels.indexes {
		out = add(out, join(i, name+"/"))
	}
	return out
}

// WheelFile returns the addresses of a wheel in folders that have them flat: a
// mirror may be one, and pip's find-links are.
func (r *Resolver) WheelFile(name string) []string {
	if strings.Contains(name, "/") {
		return nil
	}
	return joinAll(r.wheels.folders, name)
}

func (w *wheelSources) addMirrors(list []string) {
	for _, a := range list {
		w.indexes, w.folders = append(w.indexes, a), append(w.folders, a)
	}
}

// addPip takes what pip is configured to use: its environment variables, else
// the files that it reads, the user's before the system's. What is set in one
// replaces what a later one says.
func (w *wheelSources) addPip(env func(string) string) error {
	c, err := pipSettings(env)
	if err != nil {
		return err
	}
	mirrors := w.indexes
	for _, k := range []string{"index-url", "extra-index-url"} {
		for _, a := range strings.Fields(c[k]) {
			if _, err := checkAddress("pip's "+k, a); err != nil {
				return err
			}
			w.indexes = append(w.indexes, a)
		}
	}
	for _, a := range strings.Fields(c["find-links"]) {
		// It may be a page of links too, or a path from where pip is started.
		if full, err := checkAddress("pip's find-links", a); err == nil && !strings.HasSuffix(a, ".html") {
			w.folders = append(w.folders, full)
		}
	}
	switch strings.ToLower(c["no-index"]) {
	case "1", "true", "yes", "on", "y", "t":
		w.noIndex, w.indexes = true, mirrors
	}
	return nil
}

var pipKeys = []string{"index-url", "extra-index-url", "find-links", "no-index"}

func pipSettings(env func(string) string) (map[string]string, error) {
	out := map[string]string{}
	set := func(from map[string]string) {
		for _, k := range pipKeys {
			if _, ok := out[k]; !ok && from[k] != "" {
				out[k] = from[k]
			}
		}
	}
	vars := map[string]string{}
	for _, k := range pipKeys {
		vars[k] = env("PIP_" + strings.ToUpper(strings.ReplaceAll(k, "-", "_")))
	}
	set(vars)
	for _, name := range pipFiles(env) {
		b, err := readFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var c map[string]string
		if err == nil {
			c, err = parsePip(b)
		}
		if err != nil {
			return nil, fault.Hintf(fmt.Errorf("reading pip's configuration: %w", err), "correct %s", name)
		}
		set(c)
	}
	return out, nil
}

// pipFiles are the files that pip reads, the one that wins first.
func pipFiles(env func(string) string) []string {
	var files []string
	given := env("PIP_CONFIG_FILE")
	if given == "/dev/null" {
		return nil // as pip has it: none is read
	}
	if given != "" {
		files = append(files, given)
	}
	if v := env("VIRTUAL_ENV"); v != "" {
		files = append(files, filepath.Join(v, "pip.conf"))
	}
	home, dir := homeDir(env), env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(home, ".config")
	}
	files = append(files, filepath.Join(dir, "pip", "pip.conf"), filepath.Join(home, ".pip", "pip.conf"))
	files = append(files, "/etc/pip.conf")
	dirs := filepath.SplitList(env("XDG_CONFIG_DIRS"))
	if len(dirs) == 0 {
		dirs = []string{"/etc/xdg"}
	}
	for _, d := range dirs {
		files = append(files, filepath.Join(d, "pip", "pip.conf"))
	}
	return files
}

// parsePip reads the INI form of Python's configparser: sections, "key = value"
// or "key: value", values that go on in indented lines. Of the sections
// [global], and [install] and [download], which say otherwise.
func parsePip(b []byte) (map[string]string, error) {
	sections := map[string]map[string]string{}
	section, key := "", ""
	for i, line := range strings.Split(string(b), "\n") {
		text := strings.TrimSpace(line)
		switch {
		case text == "":
			continue
		case text[0] == '#' || text[0] == ';':
			continue
		case line[0] == ' ' || line[0] == '\t':
			if key != "" {
				sections[section][key] += "\n" + text
				continue
			}
			return nil, fmt.Errorf("line %d: is indented and goes on nothing", i+1)
		case text[0] == '[':
			end := strings.IndexByte(text, ']')
			if end < 0 {
				return nil, fmt.Errorf("line %d: the section isn't closed", i+1)
			}
			section, key = text[1:end], ""
			if sections[section] == nil {
				sections[section] = map[string]string{}
			}
			continue
		}
		at := strings.IndexAny(text, "=:")
		if at < 0 || section == "" {
			return nil, fmt.Errorf("line %d: is no key = value of a section", i+1)
		}
		key = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text[:at])), "_", "-")
		sections[section][key] = strings.TrimSpace(text[at+1:])
	}
	out := map[string]string{}
	for _, s := range []string{"global", "install", "download"} {
		for k, v := range sections[s] {
			out[k] = v
		}
	}
	return out, nil
}
