// Package credential lends logins, given as texts, to the programs and
// libraries that look for them in files: Docker's, git's, cargo's and a .netrc.
//
// Docker's is a config.json. Of it the table auths is used, nothing else: a
// credential helper is a program of the machine that the file is from.
//
// Git's are lines as git-credential-store(1) has them, one for each host:
//
//	https://user:token@git.example.org
//
// Empty lines, and lines that begin with #, are left out. A login goes to its
// own protocol and host only.
//
// Cargo's is a credentials.toml, as cargo login writes it: the tokens of its
// registries are lent by way of CARGO_REGISTRIES_<NAME>_TOKEN.
//
// A .netrc is lent as what it is, see curl(1): to git and to what is fetched by
// https.
//
// The texts are written to files that this user alone may read (mode 0600 in a
// folder of 0700), in memory where the machine has /dev/shm, and are gone when
// they are given back. No error holds a part of them.
package credential

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/craton-co/twice/internal/fault"
)

// Logins are the texts; "" is none.
type Logins struct {
	Docker string // a config.json
	Git    string // lines of a git-credentials file
	Cargo  string // a credentials.toml
	Netrc  string // a .netrc
}

// Lend gives the logins to what this process does next, by way of
// DOCKER_CONFIG, GIT_CONFIG_GLOBAL, NETRC and HOME (git's own reader of .netrc
// knows no other), until back is called. Only one caller at a time may do so.
func (l Logins) Lend() (back func() error, err error) {
	docker, err := dockerAuths(l.Docker)
	if err != nil {
		return nil, err
	}
	git, err := gitLines(l.Git)
	if err != nil {
		return nil, err
	}
	tokens, err := cargoTokens(l.Cargo)
	if err != nil {
		return nil, err
	}
	hosts, err := netrc(l.Netrc)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(inMemory(), "twice-credential-") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("making a place for credentials: %w", err)
	}
	r := &returned{dir: dir}
	if docker != nil {
		err = errors.Join(r.write("config.json", docker), r.setenv("DOCKER_CONFIG", dir))
	}
	if git != nil {
		err = errors.Join(err, r.write("git-credentials", git),
			r.write("gitconfig", []byte(fmt.Sprintf(gitConfig, filepath.Join(dir, "git-credentials")))),
			r.setenv("GIT_CONFIG_GLOBAL", filepath.Join(dir, "gitconfig")))
	}
	if hosts != nil {
		file := filepath.Join(dir, ".netrc")
		err = errors.Join(err, r.write(".netrc", hosts), r.setenv("NETRC", file), r.setenv("HOME", dir))
	}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		err = errors.Join(err, r.setenv(name, tokens[name]))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("writing credentials: %w", err), r.back())
	}
	return r.back, nil
}

// gitConfig has the file as the only helper, for reading alone: git would
// else take a refused login out of it, and say of the next try that there is
// none.
const gitConfig = `[credential]
	helper =
	helper = "!f() { test \"$1\" = get && git credential-store --file=%s get; }; f"
`

// returned is what back undoes.
type returned struct {
	dir string
	env []variable
}

type variable struct {
	name, value string
	set         bool
}

func (r *returned) write(name string, data []byte) error {
	return os.WriteFile(filepath.Join(r.dir, name), data, 0o600)
}

func (r *returned) setenv(name, value string) error {
	old, set := os.LookupEnv(name)
	r.env = append(r.env, variable{name, old, set})
	return os.Setenv(name, value)
}

func (r *returned) back() error {
	var errs []error
	for _, v := range r.env {
		if v.set {
			errs = append(errs, os.Setenv(v.name, v.value))
		} else {
			errs = append(errs, os.Unsetenv(v.name))
		}
	}
	if err := os.RemoveAll(r.dir); err != nil {
		errs = append(errs, fmt.Errorf("removing credentials: %w", err))
	}
	return errors.Join(errs...)
}

// inMemory is a folder whose files never reach a disk, or "" for the usual one.
func inMemory() string {
	const shm = "/dev/shm"
	probe, err := os.CreateTemp(shm, "twice-")
	if err != nil {
		return ""
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return shm
}

// dockerAuths is a config.json with the logins of the given one.
func dockerAuths(text string) ([]byte, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var given struct {
		Auths       map[string]auth   `json:"auths"`
		CredsStore  string            `json:"credsStore"`
		CredHelpers map[string]string `json:"credHelpers"`
	}
	const hint = `it must be as docker login writes it: {"auths":{"registry.example.org":{"auth":"…"}}}`
	if err := json.Unmarshal([]byte(text), &given); err != nil { // the decoder's words may quote the text
		return nil, fault.Hint(errors.New("the Docker configuration is not what Docker writes"), hint)
	}
	keep := map[string]auth{}
	for host, a := range given.Auths {
		if a != (auth{}) {
			keep[host] = a
		}
	}
	if len(keep) == 0 {
		if given.CredsStore != "" || len(given.CredHelpers) > 0 {
			return nil, fault.Hint(errors.New("the Docker configuration leaves its logins to a credential helper, which is only on the machine that it is from"), hint)
		}
		return nil, fault.Hint(errors.New("the Docker configuration has no login"), hint)
	}
	return json.Marshal(map[string]any{"auths": keep})
}

// auth is one login of a config.json; see Docker's types.AuthConfig.
type auth struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	Auth          string `json:"auth,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// gitLines are the lines of a git-credentials file that say something.
func gitLines(text string) ([]byte, error) {
	var lines []string
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		u, err := url.Parse(line)
		ok := err == nil && slices.Contains([]string{"https", "http"}, u.Scheme) && u.Host != "" && u.User != nil
		if ok {
			_, ok = u.User.Password()
		}
		if !ok {
			return nil, fault.Hint(fmt.Errorf("line %d of the git credentials is no login", i+1), "write https://USER:TOKEN@HOST, one a line")
		}
		lines = append(lines, line)
	}
	if lines == nil {
		if text != "" {
			return nil, fault.Hint(errors.New("the git credentials are empty"), "write https://USER:TOKEN@HOST, one a line")
		}
		return nil, nil
	}
	return []byte(strings.Join(lines, "\n") + "\n"), nil
}

// cargoTokens are the variables of a credentials.toml's registries.
func cargoTokens(text string) (map[string]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var given struct {
		Registries map[string]struct {
			Token string `toml:"token"`
		} `toml:"registries"`
	}
	const hint = `it needs what cargo login writes, a line for each registry: registries.NAME.token = "…"`
	if err := toml.Unmarshal([]byte(text), &given); err != nil { // the decoder's words may quote the text
		return nil, fault.Hint(errors.New("the cargo credentials are not what cargo login writes"), hint)
	}
	out := map[string]string{}
	for name, r := range given.Registries {
		if r.Token != "" {
			out["CARGO_REGISTRIES_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"_TOKEN"] = r.Token
		}
	}
	if len(out) == 0 {
		return nil, fault.Hint(errors.New("the cargo credentials have no registry's token"), hint)
	}
	return out, nil
}
