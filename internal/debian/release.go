package debian

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
)

// maxInRelease bounds an InRelease file: bookworm's has 150 KB.
const maxInRelease = 16 << 20

// VerifyInRelease checks the signatures of an InRelease file against keyring, a
// binary OpenPGP keyring, and parses what was signed. One good signature is
// enough; the first one is returned. Keys that have expired or were revoked
// sign nothing.
func VerifyInRelease(data, keyring []byte) (*Release, Signer, error) {
	rel, signer, err := verifyInRelease(data, keyring)
	if err != nil {
		return nil, Signer{}, fmt.Errorf("verifying release file: %w", err)
	}
	return rel, signer, nil
}

func verifyInRelease(data, keyring []byte) (*Release, Signer, error) {
	if len(data) > maxInRelease {
		return nil, Signer{}, fmt.Errorf("%d bytes, more than %d", len(data), maxInRelease)
	}
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(keyring))
	if err != nil {
		return nil, Signer{}, fmt.Errorf("reading keyring: %w", err)
	}
	if !bytes.HasPrefix(data, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
		return nil, Signer{}, fault.Hint(errors.New("it is not a clear-signed message"),
			"is the mirror's address right? it must have dists/<suite>/InRelease")
	}
	block, rest := clearsign.Decode(data)
	if block == nil {
		return nil, Signer{}, errors.New("the signed message is cut off or malformed")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, Signer{}, errors.New("there is text after the signature")
	}
	signer, err := goodSignature(keys, block)
	if err != nil {
		return nil, Signer{}, err
	}
	// Bytes is what was signed, Plaintext isn't: it has its trailing blanks.
	rel, err := parseRelease(bytes.NewReader(block.Bytes))
	if err != nil {
		return nil, Signer{}, err
	}
	return rel, signer, nil
}

// goodSignature returns who made the first good signature on block.
func goodSignature(keys openpgp.EntityList, block *clearsign.Block) (Signer, error) {
	armored, err := io.ReadAll(io.LimitReader(block.ArmoredSignature.Body, maxInRelease))
	if err != nil {
		return Signer{}, fmt.Errorf("reading signature: %w", err)
	}
	sig, entity, err := openpgp.VerifyDetachedSignature(keys, bytes.NewReader(block.Bytes), bytes.NewReader(armored), &packet.Config{})
	if err != nil {
		return Signer{}, fault.Hint(fmt.Errorf("no good signature by a known archive key: %w", err),
			"the mirror may serve another archive or a changed file; try another mirror")
	}
	s := Signer{
		Fingerprint: fingerprint(entity.PrimaryKey),
		Key:         strings.ToUpper(hex.EncodeToString(sig.IssuerFingerprint)),
		Time:        sig.CreationTime.UTC(),
	}
	if id := entity.PrimaryIdentity(); id != nil {
		s.Name = id.Name
	}
	for _, k := range entity.Subkeys {
		if sig.IssuerKeyId != nil && k.PublicKey.KeyId == *sig.IssuerKeyId {
			s.Key = fingerprint(k.PublicKey)
		}
	}
	if s.Key == "" {
		s.Key = s.Fingerprint
	}
	return s, nil
}

func fingerprint(k *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(k.Fingerprint))
}

// parseRelease reads a Release file; of the lists of files only SHA256's.
func parseRelease(r io.Reader) (*Release, error) {
	rel := &Release{Files: map[string]File{}}
	inList := false
	var ended bool
	field := func(name, value []byte) (err error) {
		if ended {
			return errors.New("a second paragraph")
		}
		if name == nil {
			if inList {
				return rel.addFile(string(value))
			}
			return nil
		}
		inList = string(name) == "SHA256"
		switch string(name) {
		case "Origin":
			rel.Origin = string(value)
		case "Suite":
			rel.Suite = string(value)
		case "Codename":
			rel.Codename = string(value)
		case "Version":
			rel.Version = string(value)
		case "Components":
			rel.Components = strings.Fields(string(value))
		case "Architectures":
			rel.Architectures = strings.Fields(string(value))
		case "Date":
			rel.Date, err = parseDate(string(value))
		case "Valid-Until":
			rel.ValidUntil, err = parseDate(string(value))
		}
		return err
	}
	if err := paragraphs(r, field, func() error { ended = true; return nil }); err != nil {
		return nil, fmt.Errorf("parsing release file: %w", err)
	}
	if rel.Codename == "" || rel.Date.IsZero() || len(rel.Files) == 0 {
		return nil, errors.New("parsing release file: no Codename, Date or SHA256")
	}
	return rel, nil
}

func (rel *Release) addFile(line string) error {
	f := strings.Fields(line)
	if len(f) != 3 {
		return fmt.Errorf("%.80q is not a hash, a size and a path", line)
	}
	size, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil || size < 0 {
		return fmt.Errorf("size %.40q of %.80q", f[1], f[2])
	}
	d := digest.NewDigestFromEncoded(digest.SHA256, f[0])
	if err := d.Validate(); err != nil {
		return fmt.Errorf("%.80q: %w", f[2], err)
	}
	if path.Clean(f[2]) != f[2] || strings.HasPrefix(f[2], "/") || strings.HasPrefix(f[2], "..") {
		return fmt.Errorf("path %.80q", f[2])
	}
	rel.Files[f[2]] = File{Digest: d, Size: size}
	return nil
}

// parseDate reads "Sat, 11 Jul 2026 10:16:37 UTC"; Policy has no other zone.
func parseDate(s string) (time.Time, error) {
	for _, zone := range []string{" UTC", " GMT", " +0000"} {
		if rest, ok := strings.CutSuffix(s, zone); ok {
			return time.Parse("Mon, _2 Jan 2006 15:04:05", rest)
		}
	}
	return time.Time{}, fmt.Errorf("date %.80q is not in UTC", s)
}
