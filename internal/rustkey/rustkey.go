// Package rustkey verifies what Rust's release key signs. The manifest of a
// release has a detached OpenPGP signature beside it, in a file of the same
// name with ".asc" after it.
package rustkey

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/craton-co/twice/internal/fault"
)

//go:embed rust-release.gpg
var rustKey []byte

// rustFingerprint is that of the primary key; a subkey signs.
const rustFingerprint = "108F66205EAEB0AAA8DD5E1C85AB96E6FA1BE5FE"

// maxSignature bounds a detached signature: Rust's have 800 bytes.
const maxSignature = 64 << 10

// Manifest verifies the signature of a release manifest, byte for byte as
// the distribution server has it: the copy that rustup keeps is another text.
func Manifest(manifest, asc []byte) (signer string, err error) {
	fingerprint, err := detached(manifest, asc, rustKey)
	if err == nil && fingerprint != rustFingerprint {
		err = fmt.Errorf("key %s is not Rust's release key", fingerprint)
	}
	if err != nil {
		return "", fault.Hint(fmt.Errorf("verifying Rust's release manifest: %w", err),
			"the manifest or its signature was changed, or is another release's: remove the mirror that has it")
	}
	return "OpenPGP key " + fingerprint, nil
}

// detached returns the fingerprint of the key that signed text.
func detached(text, asc, keyring []byte) (fingerprint string, err error) {
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(keyring))
	if err != nil {
		return "", fmt.Errorf("reading keyring: %w", err)
	}
	if len(asc) > maxSignature {
		return "", fmt.Errorf("the signature has %d bytes, more than %d", len(asc), maxSignature)
	}
	block, err := armor.Decode(bytes.NewReader(asc))
	if err != nil || block.Type != openpgp.SignatureType {
		return "", errors.New("the signature file holds no OpenPGP signature")
	}
	sig, signer, err := openpgp.VerifyDetachedSignature(keys, bytes.NewReader(text), block.Body, &packet.Config{})
	if err != nil {
		return "", err
	}
	if sig.SigType != packet.SigTypeBinary {
		return "", errors.New("the signature is not one of a file")
	}
	return fmt.Sprintf("%X", signer.PrimaryKey.Fingerprint), nil
}
