package scan

import (
	"path"
	"slices"
	"strings"
)

// minName is the length from which on a name is looked for, longName that
// from which on it is found inside a longer word too.
const (
	minName  = 5
	longName = 8
)

// everywhere are names that say nothing about a machine: those of accounts that
// distributions and CI services make, and of hosts that sandboxes have.
var everywhere = []string{
	"admin", "administrator", "buildkitsandbox", "builder", "build", "builds", "container", "dagger", "debian", "default",
	"docker", "fedora", "github", "gitlab", "gitlab-runner", "guest", "jenkins", "linux", "localhost", "localhost.localdomain", "machine", "nobody",
	"nonroot", "owner", "runner", "runneradmin", "server", "ubuntu", "vagrant", "vscode", "worker",
}

func nameNeedle(kind, form, name string) []Needle {
	name = strings.TrimSpace(name)
	if len(name) < minName || slices.Contains(everywhere, strings.ToLower(name)) {
		return nil
	}
	return []Needle{{Kind: kind, Text: name, Form: form, bytes: name, accept: boundary(name)}}
}

func boundary(name string) acceptor {
	if len(name) >= longName {
		return nil
	}
	return wholeWord
}

// homeNeedle takes a home directory that names its user: "/home/alice", but not
// "/root", "/home" or "/".
func homeNeedle(home string) []Needle {
	home = path.Clean(home)
	if !path.IsAbs(home) || strings.Count(home, "/") < 2 || len(home) < minName+1 {
		return nil
	}
	return []Needle{{Kind: "home", Text: home, Form: "home directory", bytes: home, accept: boundary(home)}}
}

func cpuNeedles(model string) []Needle {
	model = strings.TrimSpace(model)
	if len(model) < minName {
		return nil
	}
	out := []Needle{{Kind: "cpu", Text: model, Form: "processor model", bytes: model, accept: boundary(model)}}
	end := -1
	for _, mark := range []string{"(R)", "(TM)", "(r)", "(tm)"} {
		if i := strings.LastIndex(model, mark); i >= 0 {
			end = max(end, i+len(mark))
		}
	}
	if end > 0 && end < len(model) {
		out = append(out, Needle{Kind: "cpu", Text: model[:end], Form: "processor family", bytes: model[:end]})
	}
	return out
}
