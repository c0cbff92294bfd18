// Package pypi names wheels of the Python package index: what a requirement
// asks for, and which file of an index's page that is.
//
// # Requirements
//
// "nvidia-cuda-nvcc-cu12==12.9.86": a project, "==" and one version. Ranges,
// extras and markers are refused: they mean something else tomorrow. Names are
// compared as PEP 503 has it, versions as text.
//
// # Pages
//
// A project's page is <index>/<project>/, in HTML (PEP 503: a link to each file,
// with its SHA-256 as fragment) or in JSON (PEP 691); which of them is seen
// from the text. Links may be relative to the page.
//
// # Choice
//
// Of a version's files the wheel for Linux on x86-64 with glibc is taken
// (platform tags manylinux…_x86_64, linux_x86_64 or any; the Python tags don't
// matter, nothing of it is run by Python). Of several the one with the highest
// build number, then the first by name.
package pypi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/net/html"

	"github.com/craton-co/twice/internal/fault"
)

// A Requirement is a project at a version.
type Requirement struct{ Name, Version string }

func (r Requirement) String() string { return r.Name + "==" + r.Version }

// A File is one that a page lists.
type File struct {
	Name   string
	URL    string        // absolute
	SHA256 digest.Digest // "" if the page has none
	Size   int64         // bytes; -1: the page doesn't say
}

// MaxPage bounds a page; the longest on the public index have 20 MB.
const MaxPage = 64 << 20

var (
	nameRE    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$`)
	versionRE = regexp.MustCompile(`^[0-9][0-9A-Za-z.+!]{0,63}$`)
	runRE     = regexp.MustCompile(`[-_.]+`)
	wheelRE   = regexp.MustCompile(`^([A-Za-z0-9_.]+)-([^-]+)(?:-([0-9][^-]*))?-([^-]+)-([^-]+)-([^-]+)\.whl$`)
	hexRE     = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// NormalName is a project's name as PEP 503 has it in addresses.
func NormalName(name string) string { return strings.ToLower(runRE.ReplaceAllString(name, "-")) }

// ParseRequirement reads "name==version"; the name comes back normalised.
func ParseRequirement(s string) (Requirement, error) {
	name, version, ok := strings.Cut(s, "==")
	name, version = strings.TrimSpace(name), strings.TrimSpace(version)
	if !ok || !nameRE.MatchString(name) || !versionRE.MatchString(version) {
		return Requirement{}, fmt.Errorf("%.100q is not a wheel at one version: name==1.2.3", s)
	}
	return Requirement{NormalName(name), version}, nil
}

// CheckFile reports why a file's name is not that of a wheel of r.
func CheckFile(name string, r Requirement) error {
	m := wheelRE.FindStringSubmatch(name)
	if m == nil || len(name) > 200 || path.Base(name) != name || strings.ContainsAny(name, "?#%\\ ") {
		return fmt.Errorf("%.100q is not the name of a wheel", name)
	}
	if NormalName(m[1]) != NormalName(r.Name) || m[2] != r.Version {
		return fmt.Errorf("%s is a wheel of %s, not of %s", name, m[1]+"=="+m[2], r)
	}
	return nil
}

// ParsePage reads a project's page that came from an address.
func ParsePage(page []byte, from string) ([]File, error) {
	base, err := url.Parse(from)
	if err != nil {
		return nil, fmt.Errorf("parsing an index's page: %w", err)
	}
	var files []File
	if t := bytes.TrimLeft(page, "\xef\xbb\xbf \t\r\n"); len(t) > 0 && t[0] == '{' {
		files, err = parseJSON(t)
	} else {
		files, err = parseHTML(page)
	}
	if err != nil {
		return nil, fmt.Errorf("parsing an index's page: %w", err)
	}
	for i := range files {
		u, err := base.Parse(files[i].URL)
		if err != nil {
			return nil, fmt.Errorf("parsing an index's page: the address of %.100q is malformed", files[i].Name)
		}
		u.Fragment, u.RawFragment = "", ""
		files[i].URL = u.String()
	}
	return files, nil
}

func parseJSON(page []byte) ([]File, error) {
	var p struct {
		Files []struct {
			Filename string            `json:"filename"`
			URL      string            `json:"url"`
			Hashes   map[string]string `json:"hashes"`
			Size     *int64            `json:"size"`
		} `json:"files"`
	}
	if err := json.Unmarshal(page, &p); err != nil {
		return nil, err
	}
	var files []File
	for _, f := range p.Files {
		out := File{Name: f.Filename, URL: f.URL, SHA256: sha256(f.Hashes["sha256"]), Size: -1}
		if f.Size != nil && *f.Size >= 0 {
			out.Size = *f.Size
		}
		files = append(files, out)
	}
	return files, nil
}

func parseHTML(page []byte) ([]File, error) {
	var files []File
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() == io.EOF {
				return files, nil
			}
			return nil, z.Err()
		case html.StartTagToken:
			t := z.Token()
			i := slices.IndexFunc(t.Attr, func(a html.Attribute) bool { return a.Key == "href" })
			if t.Data != "a" || i < 0 {
				continue
			}
			u, err := url.Parse(t.Attr[i].Val)
			if err != nil {
				continue // a link to nowhere is none
			}
			hash, _ := strings.CutPrefix(u.Fragment, "sha256=")
			files = append(files, File{Name: path.Base(u.Path), URL: t.Attr[i].Val, SHA256: sha256(hash), Size: -1})
		}
	}
}

func sha256(hex string) digest.Digest {
	if !hexRE.MatchString(hex) {
		return ""
	}
	return digest.NewDigestFromEncoded(digest.SHA256, hex)
}

// Choose returns the file of a page that a requirement means.
func Choose(files []File, r Requirement) (File, error) {
	var found []File
	versions := []string{}
	for _, f := range files {
		m := wheelRE.FindStringSubmatch(f.Name)
		if m == nil || NormalName(m[1]) != r.Name {
			continue
		}
		if !slices.Contains(versions, m[2]) {
			versions = append(versions, m[2])
		}
		if m[2] == r.Version && forHost(m[6]) && CheckFile(f.Name, r) == nil {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		if slices.Contains(versions, r.Version) {
			return File{}, fault.Hint(fmt.Errorf("%s has no wheel for Linux on x86-64", r), "name another version")
		}
		return File{}, fault.Hintf(fmt.Errorf("the index has no wheel of %s", r), "it has %s", last(versions, 5))
	}
	f := slices.MinFunc(found, func(a, b File) int {
		return cmp.Or(cmp.Compare(build(b.Name), build(a.Name)), strings.Compare(a.Name, b.Name))
	})
	if f.SHA256 == "" {
		return File{}, fault.Hint(fmt.Errorf("the index has no SHA-256 of %s", f.Name), "take an index that has: PEP 503 and PEP 691 say how")
	}
	return f, nil
}

// forHost tells whether one of the platform tags, which dots separate, is the
// builder's.
func forHost(tags string) bool {
	return slices.ContainsFunc(strings.Split(tags, "."), func(t string) bool {
		return t == "any" || t == "linux_x86_64" || strings.HasPrefix(t, "manylinux") && strings.HasSuffix(t, "_x86_64")
	})
}

func build(name string) int {
	digits := wheelRE.FindStringSubmatch(name)[3]
	n, _ := strconv.Atoi(strings.TrimRight(digits, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"))
	return n
}

func last(list []string, n int) string {
	if len(list) == 0 {
		return "no wheel of it at all"
	}
	return strings.Join(list[max(len(list)-n, 0):], ", ")
}
