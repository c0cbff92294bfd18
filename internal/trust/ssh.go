package trust

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// sshArmor begins a signature that ssh-keygen wrote.
const sshArmor = "-----BEGIN SSH SIGNATURE-----"

// AllowedSigner is a line of a file of allowed signers.
type AllowedSigner struct {
	Principals string // as the line has them: "alice@example.org,alice"
	Key        ssh.PublicKey
	namespaces []string // patterns; nil: any
	from, to   time.Time
}

// ParseAllowedSigners reads a file as ssh-keygen(1) describes it, "ALLOWED
// SIGNERS". The options namespaces, valid-after and valid-before are honoured;
// certificates (cert-authority) aren't supported, and are an error, as is any
// other option.
func ParseAllowedSigners(text []byte) ([]AllowedSigner, error) {
	var all []AllowedSigner
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		s, err := parseAllowed(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d of the allowed signers: %w", n, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func parseAllowed(line string) (AllowedSigner, error) {
	principals, rest, ok := strings.Cut(line, " ")
	if strings.HasPrefix(line, `"`) {
		if principals, rest, ok = strings.Cut(line[1:], `"`); ok {
			rest = strings.TrimLeft(rest, " \t")
		}
	}
	if !ok || principals == "" {
		return AllowedSigner{}, errors.New("it is not PRINCIPALS [OPTIONS] KEY")
	}
	s := AllowedSigner{Principals: principals}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest)) // the same form after the principals
	if err != nil {
		return s, errors.New("its key can't be read")
	}
	s.Key = key
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "namespaces":
			s.namespaces = strings.Split(value, ",")
		case "valid-after":
			s.from, err = sshTime(value)
		case "valid-before":
			s.to, err = sshTime(value)
		case "cert-authority":
			err = errors.New("certificates are not supported")
		default:
			err = fmt.Errorf("option %.100q is not known", name)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// sshTime is YYYYMMDD[HHMM[SS]][Z], in local time without the Z.
func sshTime(s string) (time.Time, error) {
	in := time.Local
	digits, utc := strings.CutSuffix(s, "Z")
	if utc {
		in = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) == len(digits) {
			return time.ParseInLocation(layout, digits, in)
		}
	}
	return time.Time{}, fmt.Errorf("%.100q is no time", s)
}

// allows tells whether a signer may make Twice's signatures now.
func (s AllowedSigner) allows(now time.Time) bool {
	if !s.from.IsZero() && now.Before(s.from) || !s.to.IsZero() && !now.Before(s.to) {
		return false
	}
	if s.namespaces == nil {
		return true
	}
	for _, n := range s.namespaces {
		if ok, err := path.Match(n, Namespace); ok && err == nil {
			return true
		}
	}
	return false
}

func (p Policy) ssh(e *envelope) (Identity, error) {
	sig, err := unarmor(e.signature)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrBad, err)
	}
	who := Identity{Kind: SSH, Fingerprint: ssh.FingerprintSHA256(sig.PublicKey)}
	for _, s := range p.SSH {
		if !bytes.Equal(s.Key.Marshal(), sig.PublicKey.Marshal()) || !s.allows(time.Now()) {
			continue
		}
		if err := checkSSH(sig, e.signed()); err != nil {
			return Identity{}, fmt.Errorf("%w: %w", ErrBad, err)
		}
		who.Name = s.Principals
		return who, nil
	}
	return Identity{}, fmt.Errorf("%w: it is %s", ErrUntrusted, who)
}

// unarmor reads an SSH signature.
func unarmor(text []byte) (sig *sshsig.Signature, err error) {
	defer func() { // it is a stranger's
		if recover() != nil {
			sig, err = nil, errors.New("the SSH signature is malformed")
		}
	}()
	sig, err = sshsig.Unarmor(text)
	if err == nil && (sig.PublicKey == nil || sig.Signature == nil) {
		err = errors.New("the SSH signature is malformed")
	}
	return sig, err
}

// checkSSH checks a signature with the key that it names.
func checkSSH(sig *sshsig.Signature, message []byte) error {
	if sig.Signature.Format == ssh.KeyAlgoRSA {
		return errors.New("it is of SHA-1")
	}
	return sshsig.Verify(bytes.NewReader(message), sig, sig.PublicKey, sig.HashAlgorithm, Namespace)
}
