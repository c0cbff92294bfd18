package address

import (
	"strings"
	"testing"
)

// noPip is a pip that nobody configured, whatever this machine's is.
const noPip = "/dev/null"

func TestWheelDefaults(t *testing.T) {
	r := machine{env: map[string]string{"PIP_CONFIG_FILE": noPip}}.must(t, Mirrors{})
	equal(t, "WheelIndex", r.WheelIndex("nvidia-cuda-nvcc-cu12"), defaultWheels+"/nvidia-cuda-nvcc-cu12/")
	equal(t, "WheelFile", r.WheelFile("a-1-py3-none-any.whl"))
	for _, hostile := range []string{"", "..", "a/b", "A", "a b", "a%2f", "-a"} {
		equal(t, hostile, r.WheelIndex(hostile))
	}
}

// pip's own configuration counts: the variable before the user's file, and what
// that sets before the system's. Mirrors of ours go before all.
func TestPipConfiguration(t *testing.T) {
	m := machine{
		files: map[string]string{"home/.config/pip/pip.conf": "# mine\n[global]\nindex-url = http://user.test/simple/\nextra_index_url: http://more.test/a\n    http://more.test/b\n" +
			"[list]\nindex-url = http://no.test\n[download]\nfind-links = /srv/wheels\n  http://links.test/page.html\n  relative\n"},
		env: map[string]string{"TWICE_MIRROR_PYPI": "/srv/mirror"},
	}
	r := m.must(t, Mirrors{PyPI: []string{"http://flag.test/simple"}})
	equal(t, "file", r.WheelIndex("a"), "http://flag.test/simple/a/", "file:///srv/mirror/a/",
		"http://user.test/simple/a/", "http://more.test/a/a/", "http://more.test/b/a/", defaultWheels+"/a/")
	equal(t, "folders", r.WheelFile("a-1+x-py3-none-any.whl"), "http://flag.test/simple/a-1%2Bx-py3-none-any.whl",
		"file:///srv/mirror/a-1%2Bx-py3-none-any.whl", "file:///srv/wheels/a-1%2Bx-py3-none-any.whl")

	m.env["PIP_INDEX_URL"] = "http://env.test"
	m.env["TWICE_NO_DEFAULTS"] = "1"
	r = m.must(t, Mirrors{})
	equal(t, "variable", r.WheelIndex("a"), "file:///srv/mirror/a/", "http://env.test/a/", "http://more.test/a/a/", "http://more.test/b/a/")

	m.env["PIP_NO_INDEX"], m.env["TWICE_NO_DEFAULTS"] = "true", ""
	equal(t, "no-index", m.must(t, Mirrors{}).WheelIndex("a"), "file:///srv/mirror/a/")
}

func TestBadPip(t *testing.T) {
	for text, want := range map[string]string{
		"[global\nindex-url = http://a.test\n":  "line 1: the section isn't closed",
		"index-url = http://a.test\n":           "line 1: is no key",
		"  x\n":                                 "line 1: is indented",
		"[global]\nindex-url = ftp://a.test\n":  "is not an address",
		"[global]\nindex-url = http://a.test?x": "is not an address",
	} {
		_, err := machine{files: map[string]string{"home/.pip/pip.conf": text}}.resolver(t, Mirrors{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
