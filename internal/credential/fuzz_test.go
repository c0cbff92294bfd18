package credential

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/mutate"
)

// What is handed on is what the files are for, and no error repeats them.
func FuzzLogins(f *testing.F) {
	const secret = "s3cr3t-p4ss"
	mutate.Add(f, `{"auths":{"registry.test":{"auth":"`+secret+`"},"b.test":{"identitytoken":"`+secret+`"}},"credsStore":"x"}`)
	mutate.Add(f, "# mine\nhttps://bob:"+secret+"@git.test\n\nhttp://a:"+secret+"@[::1]:80/x\n")
	mutate.Add(f, "[registries.my-own]\ntoken = \""+secret+"\"\n[registry]\ntoken = \""+secret+"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		says := func(err error) {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the secret is in %q", err)
			}
		}
		if b, err := dockerAuths(text); err != nil {
			says(err)
		} else if b != nil && !json.Valid(b) {
			t.Errorf("%s is no JSON", b)
		}
		if b, err := gitLines(text); err != nil {
			says(err)
		} else {
			for line := range strings.Lines(string(b)) {
				if u, err := url.Parse(strings.TrimSpace(line)); err != nil || u.User == nil || u.Scheme != "https" && u.Scheme != "http" {
					t.Errorf("%q is no login", line)
				}
			}
		}
		if m, err := cargoTokens(text); err != nil {
			says(err)
		} else {
			for k, v := range m {
				if !strings.HasPrefix(k, "CARGO_REGISTRIES_") || !strings.HasSuffix(k, "_TOKEN") || v == "" {
					t.Errorf("%s=%s", k, v)
				}
			}
		}
	})
}
