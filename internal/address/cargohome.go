package address

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/craton-co/twice/internal/fault"
)

// cargoHome is what the user's own Cargo configuration says about registries
// and the network: $CARGO_HOME/config.toml and credentials.toml. That of the
// sources is never asked: it could have any command run.
type cargoHome struct {
	Registries map[string]struct {
		Index    string `toml:"index"`
		Token    string `toml:"token"`
		Provider any    `toml:"credential-provider"`
	} `toml:"registries"`
	Registry struct {
		Providers []string `toml:"global-credential-providers"`
	} `toml:"registry"`
	Alias map[string]any `toml:"credential-alias"`
	HTTP  struct {
		CAInfo string `toml:"cainfo"`
		Proxy  string `toml:"proxy"`
	} `toml:"http"`

	dir    string
	tokens map[string]string // of credentials.toml, by name
	env    func(string) string
}

func readCargoHome(env func(string) string) (*cargoHome, error) {
	h := &cargoHome{dir: env("CARGO_HOME"), env: env, tokens: map[string]string{}}
	if h.dir == "" {
		h.dir = filepath.Join(homeDir(env), ".cargo")
	}
	if err := readFirst(h.dir, []string{"config", "config.toml"}, h); err != nil {
		return nil, err
	}
	var c cargoHome
	if err := readFirst(h.dir, []string{"credentials", "credentials.toml"}, &c); err != nil {
		return nil, err
	}
	for name, r := range c.Registries {
		h.tokens[name] = r.Token
	}
	for name, r := range h.Registries {
		if h.tokens[name] == "" {
			h.tokens[name] = r.Token
		}
	}
	if v := env("CARGO_HTTP_CAINFO"); v != "" {
		h.HTTP.CAInfo = v
	} else if v := h.HTTP.CAInfo; v != "" && !filepath.IsAbs(v) {
		h.HTTP.CAInfo = filepath.Join(filepath.Dir(h.dir), v) // cargo: relative to the directory that has .cargo
	}
	if v := env("CARGO_HTTP_PROXY"); v != "" {
		h.HTTP.Proxy = v
	}
	return h, nil
}

// readFirst decodes the first of the files that is there; its words may hold a
// secret, so an error names no more than the line.
func readFirst(dir string, names []string, v any) error {
	for _, base := range names {
		name := filepath.Join(dir, base)
		b, err := readFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = toml.Unmarshal(b, v)
			var bad *toml.DecodeError
			if errors.As(err, &bad) {
				line, _ := bad.Position()
				err = fmt.Errorf("line %d can't be read", line)
			}
		}
		if err != nil {
			return fault.Hintf(fmt.Errorf("reading cargo's configuration: %w", err), "correct %s", name)
		}
		return nil
	}
	return nil
}

// names are those of the registry with that index, here and in the sources.
func (h *cargoHome) names(index string, known []string) []string {
	names := slices.Clone(known)
	for name, r := range h.Registries {
		at := r.Index
		if v := h.env(registryVariable(name, "INDEX")); v != "" {
			at = v
		}
		if strings.TrimPrefix(at, "registry+") == index {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func registryVariable(name, what string) string {
	return "CARGO_REGISTRIES_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_" + what
}

// token asks cargo's credential providers, as cargo does: the registry's own,
// else the global ones, the last first. "cargo:token" (the environment, then
// credentials.toml), "cargo:token-from-stdout" and programs with cargo's
// protocol are known.
func (h *cargoHome) token(ctx context.Context, index string, names []string) (string, error) {
	providers := [][]string{{"cargo:token"}}
	if len(h.Registry.Providers) > 0 {
		providers = nil
		for _, p := range slices.Backward(h.Registry.Providers) {
			providers = append(providers, h.provider(p))
		}
	}
	for _, n := range names {
		p := h.Registries[n].Provider
		if v := h.env(registryVariable(n, "CREDENTIAL_PROVIDER")); v != "" {
			p = v
		}
		if p != nil {
			providers = [][]string{h.provider(p)}
		}
	}
	name := ""
	if len(names) > 0 {
		name = names[0]
	}
	var foreign []string
	for _, p := range providers {
		if len(p) == 0 {
			continue
		}
		switch {
		case p[0] == "cargo:token":
			for _, n := range names {
				if v := h.env(registryVariable(n, "TOKEN")); v != "" {
					return v, nil
				}
				if v := h.tokens[n]; v != "" {
					return v, nil
				}
			}
		case p[0] == "cargo:token-from-stdout" && len(p) > 1:
			return h.fromStdout(ctx, p[1:], index, name)
		case strings.HasPrefix(p[0], "cargo:"):
			foreign = append(foreign, p[0])
		default:
			v, ok, err := h.fromProgram(ctx, p, index, name)
			if err != nil || ok {
				return v, err
			}
		}
	}
	if len(foreign) > 0 { // cargo would ask that provider alone; here the variable stands in for it
		for _, n := range names {
			if v := h.env(registryVariable(n, "TOKEN")); v != "" {
				return v, nil
			}
		}
	}
	return "", noToken(index, name, foreign)
}

// moduleToken ends what is said to whoever has no token.
const moduleToken = "a call of the Dagger module takes the token as --cargo-credentials"

func noToken(index, name string, foreign []string) error {
	err := fmt.Errorf("the registry %s wants a login", index)
	if name != "" {
		err = fmt.Errorf("the registry %s (%s) wants a login", name, index)
	}
	if len(foreign) > 0 {
		return fault.Hintf(fmt.Errorf("%w, and its credential provider %s is not one that can be asked here", err, foreign[0]),
			"set %s, or use cargo:token-from-stdout", registryVariable(cmpOr(name, "NAME"), "TOKEN"))
	}
	if name == "" {
		return fault.Hint(err, "give it a name: registries.NAME.index = \"…\" in cargo's configuration; then `cargo login --registry NAME` or "+registryVariable("NAME", "TOKEN")+"; "+moduleToken)
	}
	return fault.Hintf(err, "run `cargo login --registry %s`, or set %s; "+moduleToken, name, registryVariable(name, "TOKEN"))
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// provider is a provider's words, an alias resolved.
func (h *cargoHome) provider(v any) []string {
	var words []string
	switch v := v.(type) {
	case string:
		words = strings.Fields(v)
		if alias, ok := h.Alias[v]; ok && len(words) == 1 {
			if s, isText := alias.(string); isText {
				return strings.Fields(s)
			}
			return h.provider(alias)
		}
	case []any:
		for _, w := range v {
			if s, ok := w.(string); ok {
				words = append(words, s)
			}
		}
	}
	return words
}

const (
	providerTimeout = time.Minute
	maxToken        = 64 << 10
)

func (h *cargoHome) command(ctx context.Context, words []string, index, name string) *exec.Cmd {
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Env = append(os.Environ(), "CARGO_REGISTRY_INDEX_URL="+index, "CARGO_REGISTRY_NAME_OPT="+name)
	c.Dir = h.dir
	if _, err := os.Stat(h.dir); err != nil {
		c.Dir = ""
	}
	c.Stderr = os.Stderr
	c.WaitDelay = 5 * time.Second
	return c
}

// fromStdout runs a program that prints the token.
func (h *cargoHome) fromStdout(ctx context.Context, words []string, index, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	out, err := h.command(ctx, words, index, name).Output()
	value := strings.TrimSpace(string(out))
	switch {
	case err != nil:
		err = fmt.Errorf("asking %s for a token: %w", words[0], err)
	case value == "" || strings.ContainsAny(value, "\r\n") || len(value) > maxToken:
		err = fmt.Errorf("asking %s for a token: it printed no token, or more than one line", words[0])
	default:
		return value, nil
	}
	return "", fault.Hint(err, "it is the registry's credential provider cargo:token-from-stdout in cargo's configuration")
}

// fromProgram asks a credential provider in cargo's protocol, version 1. It is
// not ok if the program has no token for the registry.
func (h *cargoHome) fromProgram(ctx context.Context, words []string, index, name string) (string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	c := h.command(ctx, append(slices.Clone(words[:1]), "--cargo-plugin"), index, name)
	in, err := c.StdinPipe()
	if err != nil {
		return "", false, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return "", false, err
	}
	hinted := func(err error) (string, bool, error) {
		return "", false, fault.Hint(fmt.Errorf("asking the credential provider %s: %w", words[0], err), "cargo's configuration names it; `cargo login` shows whether it works")
	}
	if err := c.Start(); err != nil {
		return hinted(err)
	}
	lines := bufio.NewReader(io.LimitReader(out, 2*maxToken))
	answer, err := converse(in, lines, index, name, words[1:])
	in.Close()
	if waitErr := c.Wait(); err == nil && answer.Ok.Token == "" && answer.Err.Kind == "" {
		err = errors.Join(waitErr, errors.New("no answer"))
	}
	switch {
	case err != nil:
		return hinted(err)
	case answer.Err.Kind == "not-found" || answer.Err.Kind == "url-not-supported":
		return "", false, nil
	case answer.Err.Kind != "":
		return hinted(errors.New(cmpOr(answer.Err.Message, answer.Err.Kind)))
	}
	return answer.Ok.Token, true, nil
}

type providerAnswer struct {
	Ok struct {
		Token string `json:"token"`
	}
	Err struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	}
}

func converse(in io.Writer, out *bufio.Reader, index, name string, args []string) (providerAnswer, error) {
	var hello struct {
		V []int `json:"v"`
	}
	var answer providerAnswer
	line, err := out.ReadBytes('\n')
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(line, &hello); err != nil || !slices.Contains(hello.V, 1) {
		return answer, errors.New("it doesn't speak version 1 of the protocol")
	}
	registry := map[string]any{"index-url": index}
	if name != "" {
		registry["name"] = name
	}
	ask, err := json.Marshal(map[string]any{"v": 1, "registry": registry, "kind": "get", "operation": "read", "args": args})
	if err != nil {
		return answer, err
	}
	if _, err := in.Write(append(ask, '\n')); err != nil {
		return answer, err
	}
	line, err = out.ReadBytes('\n')
	if err != nil && len(bytes.TrimSpace(line)) == 0 {
		return answer, err
	}
	if err := json.Unmarshal(line, &answer); err != nil { // its words may hold the token
		return answer, errors.New("its answer can't be read")
	}
	return answer, nil
}
