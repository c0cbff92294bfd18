package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/vouch"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/crypto/ssh"
)

// Rebuilder is a row of the list: somebody whose records count, and how they sign.
type Rebuilder struct {
	Person       string `toml:"person"`
	Organisation string `toml:"organisation"`
	// Keys are files with public keys in PEM, below the list's own folder.
	Keys []string `toml:"keys"`
	// SSH are public keys as in authorized_keys: "ssh-ed25519 AAAA…".
	SSH []string `toml:"ssh"`
	// Identities are those of an OpenID Connect issuer.
	Identities []OIDC `toml:"identities"`
}

// OIDC is a certified identity.
type OIDC struct {
	Subject string `toml:"subject"`
	Issuer  string `toml:"issuer"`
}

// List says who is who. The zero List knows nobody.
type List struct {
	who    map[string]Rebuilder // by trust.Identity's ID
	policy trust.Policy
}

// ReadList reads a list, a TOML file of [[rebuilder]] tables. An identity stands
// in one row only.
func ReadList(name string) (*List, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	l, err := parseList(text, filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return l, nil
}

func parseList(text []byte, dir string) (*List, error) {
	var file struct {
		Rebuilders []Rebuilder `toml:"rebuilder"`
	}
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		var strict *toml.StrictMissingError
		var at *toml.DecodeError
		switch {
		case errors.As(err, &strict):
			row, _ := strict.Errors[0].Position()
			return nil, fmt.Errorf("line %d: nothing is called %q", row, strings.Join(strict.Errors[0].Key(), "."))
		case errors.As(err, &at):
			row, _ := at.Position()
			return nil, fmt.Errorf("line %d: %s", row, strings.TrimPrefix(at.Error(), "toml: "))
		}
		return nil, err
	}
	l := &List{who: map[string]Rebuilder{}}
	for i, r := range file.Rebuilders {
		if err := l.add(r, dir); err != nil {
			return nil, fmt.Errorf("rebuilder %d: %w", i+1, err)
		}
	}
	if len(l.who) == 0 {
		return nil, errors.New("it names nobody")
	}
	return l, nil
}

func (l *List) add(r Rebuilder, dir string) error {
	if r.Person == "" {
		return errors.New("it has no person")
	}
	var ids []trust.Identity
	for _, name := range r.Keys {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		k, err := vouch.ParseKey(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		l.policy.Keys = append(l.policy.Keys, k)
		ids = append(ids, trust.Identity{Kind: trust.Key, Fingerprint: "SHA256:" + k.Hash})
	}
	for _, key := range r.SSH {
		if strings.ContainsAny(key, "\r\n") {
			return errors.New("an SSH key is one line")
		}
		signers, err := trust.ParseAllowedSigners([]byte(fmt.Sprintf("%q %s\n", label(r.Person), key)))
		if err != nil {
			return err
		}
		l.policy.SSH = append(l.policy.SSH, signers...)
		for _, s := range signers {
			ids = append(ids, trust.Identity{Kind: trust.SSH, Fingerprint: ssh.FingerprintSHA256(s.Key)})
		}
	}
	for _, id := range r.Identities {
		if id.Subject == "" || id.Issuer == "" {
			return errors.New("an identity has a subject and an issuer")
		}
		l.policy.Identities = append(l.policy.Identities, vouch.Identity{Subject: id.Subject, Issuer: id.Issuer})
		ids = append(ids, trust.Identity{Kind: trust.Keyless, Name: id.Subject, Issuer: id.Issuer})
	}
	if len(ids) == 0 {
		return fmt.Errorf("%s has no way to sign: keys, ssh or identities", r.Person)
	}
	for _, id := range ids {
		if other, ok := l.who[id.ID()]; ok {
			return fmt.Errorf("%s is %s's and %s's", id, other.Person, r.Person)
		}
		l.who[id.ID()] = r
	}
	return nil
}

// label is a person's name where quotes and control characters can't be.
func label(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == ',' || r > '~' {
			return '_'
		}
		return r
	}, s)
}

// Policy trusts who is on the list, identities as instance certifies them.
func (l *List) Policy(instance *vouch.Instance) trust.Policy {
	p := l.policy
	if len(p.Identities) > 0 {
		p.Instance = instance
	}
	return p
}
