package source

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// resolveURL makes a submodule's URL absolute, as git does: "./" and "../" are
// taken off the superproject's.
func resolveURL(super, u string) (string, error) {
	if !strings.HasPrefix(u, "./") && !strings.HasPrefix(u, "../") {
		return u, CheckGitURL(u)
	}
	base := strings.TrimSuffix(super, "/")
	for {
		if rest, ok := strings.CutPrefix(u, "./"); ok {
			u = rest
			continue
		}
		rest, ok := strings.CutPrefix(u, "../")
		if !ok {
			break
		}
		cut := strings.LastIndexAny(base, "/:")
		if cut < 0 || strings.HasSuffix(base[:cut], ":/") || strings.HasSuffix(base[:cut], "://") {
			return "", fmt.Errorf("URL %.200q leaves %.200q", u, redact(super))
		}
		sep := base[cut]
		base, u = base[:cut], rest
		if sep == ':' && !strings.HasPrefix(u, "../") {
			return base + ":" + u, CheckGitURL(base + ":" + u)
		}
	}
	return base + "/" + u, CheckGitURL(base + "/" + u)
}

var scpURL = regexp.MustCompile(`^([A-Za-z0-9._][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:[^-:/][^:]*$`)

// CheckGitURL accepts https, http, ssh, git and file URLs, and ssh's short
// form "user@host:path". What git would take for an option or for a command to
// run is refused.
func CheckGitURL(s string) error {
	if u, err := url.Parse(s); err == nil && !strings.ContainsAny(s, " \t\r\n\x00") {
		switch u.Scheme {
		case "https", "http", "ssh", "git":
			if u.Host != "" && u.Host[0] != '-' && len(u.Path) > 1 {
				return nil
			}
		case "file":
			if u.Host == "" && strings.HasPrefix(u.Path, "/") {
				return nil
			}
		}
	}
	if !strings.Contains(s, "://") && scpURL.MatchString(s) {
		return nil
	}
	return fault.Hint(fmt.Errorf("%.200q is not the URL of a git repository", redact(s)), "use https://, ssh:// or file:///")
}

// public is an address as it can be shown to everybody: an http user may be a token.
func public(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil || u.Scheme != "http" && u.Scheme != "https" {
		return redact(s)
	}
	u.User = nil
	return u.String()
}

// OverSSH tells whether git asks a repository's URL by way of ssh.
func OverSSH(s string) bool {
	if strings.Contains(s, "://") {
		return strings.HasPrefix(s, "ssh://")
	}
	return scpURL.MatchString(s)
}

// redact takes the password out of a URL.
func redact(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return s
	}
	if _, has := u.User.Password(); has {
		return u.Redacted()
	}
	return s
}
