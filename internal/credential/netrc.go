package credential

import (
	"errors"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// HostLogin is a login at a host.
type HostLogin struct{ User, Password string }

// ParseNetrc returns the logins of a .netrc, see curl(1), by host. A "default"
// entry and macros are left out.
func ParseNetrc(text string) map[string]HostLogin {
	out := map[string]HostLogin{}
	host, macro := "", false
	for line := range strings.Lines(text) {
		if macro = macro && strings.TrimSpace(line) != ""; macro {
			continue
		}
		words := strings.Fields(line)
		for i := 0; i < len(words); i++ {
			if strings.HasPrefix(words[i], "#") {
				break
			}
			value := ""
			if i+1 < len(words) {
				value = words[i+1]
			}
			n := out[host]
			switch words[i] {
			case "machine":
				host = value
				if _, known := out[host]; known { // the first counts
					host = ""
				}
			case "default":
				host = ""
				continue
			case "macdef":
				macro = true
			case "login":
				n.User = value
			case "password":
				n.Password = value
			}
			i++
			if host != "" && words[i-1] != "machine" {
				out[host] = n
			}
		}
	}
	return out
}

// netrc is a .netrc that has a login.
func netrc(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	for _, l := range ParseNetrc(text) {
		if l.User != "" && l.Password != "" {
			return []byte(text), nil
		}
	}
	return nil, fault.Hint(errors.New("the .netrc has no login"), "a line is: machine HOST login USER password TOKEN")
}
