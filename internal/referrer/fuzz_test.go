package referrer

import (
	"net/url"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/mutate"
)

// A registry's list ends, and its next page is its own.
func FuzzList(f *testing.F) {
	mutate.Add(f, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:`+strings.Repeat("a", 64)+`","size":7,"artifactType":"x/y","annotations":{"a":"b"}},{}]}`, `</v2/a/referrers/x?n=2&last=3>; rel="next"`)
	mutate.Add(f, `{"manifests":null,"annotations":{"a":[1,{"b":null}]}}`, `<http://elsewhere.test/v2/>; rel="next"`)
	f.Fuzz(func(t *testing.T, body, link string) {
		n := 0
		for _, err := range entries(strings.NewReader(body)) {
			if n++; n > len(body) {
				t.Fatal("more entries than bytes")
			}
			if err != nil {
				break
			}
		}
		const at = "https://registry.test/v2/a/referrers/x"
		next, err := nextPage(at, link)
		if err != nil || next == "" {
			return
		}
		if u, err := url.Parse(next); err != nil || u.Host != "registry.test" || u.Scheme != "https" || u.User != nil || next == at {
			t.Errorf("the next page of %q is %q", link, next)
		}
	})
}
