package sign

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/hiddeco/sshsig"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/trust"
)

// OpenSSH is a signer with an SSH key: a private key's file, or a public one's
// whose private key an agent has, at the socket agentSocket.
func OpenSSH(file, agentSocket string) (Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		return openAgent(public, agentSocket)
	}
	key, err := ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked) && locked.PublicKey != nil:
		return openAgent(locked.PublicKey, agentSocket)
	case errors.As(err, &locked):
		return nil, fault.Hintf(fmt.Errorf("SSH key %s has a passphrase", file), "ssh-add it, and give %s.pub", file)
	case err != nil: // its words may quote the key
		return nil, fault.Hint(fmt.Errorf("%s is no SSH key that can be read", file), "give what ssh-keygen made, the private key or the .pub of one that the agent has")
	}
	return &sshSigner{key: key}, nil
}

// SSHKey is a signer with the private key that a file would hold, one without a
// passphrase.
func SSHKey(data []byte) (Signer, error) {
	key, err := ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, fault.Hint(errors.New("the SSH key has a passphrase"), "give a key without one, from where secrets are kept")
	case err != nil: // its words may quote the key
		return nil, fault.Hint(errors.New("the SSH key can't be read"), "give the private key that ssh-keygen made")
	}
	return &sshSigner{key: key}, nil
}

// openAgent signs with a key that an agent has.
func openAgent(public ssh.PublicKey, socket string) (Signer, error) {
	print := ssh.FingerprintSHA256(public)
	if socket == "" {
		return nil, fault.Hint(fmt.Errorf("SSH key %s is not at hand, and there is no agent", print), "start ssh-agent and ssh-add the key")
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("reaching the SSH agent: %w", err), "is SSH_AUTH_SOCK the agent's socket?")
	}
	list, err := agent.NewClient(c).Signers()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking the SSH agent: %w", err), c.Close())
	}
	for _, s := range list {
		if bytes.Equal(s.PublicKey().Marshal(), public.Marshal()) {
			return &sshSigner{key: s}, nil // the connection lasts as long as the program
		}
	}
	return nil, errors.Join(fault.Hint(fmt.Errorf("the SSH agent does not have key %s", print), "ssh-add it; ssh-add -l lists those that it has"), c.Close())
}

type sshSigner struct{ key ssh.Signer }

func (s *sshSigner) String() string {
	return trust.Identity{Kind: trust.SSH, Fingerprint: ssh.FingerprintSHA256(s.key.PublicKey())}.String()
}

func (s *sshSigner) Own() trust.Policy {
	return trust.Policy{SSH: []trust.AllowedSigner{{Key: s.key.PublicKey()}}}
}

// Deterministic is so for the keys of which the format says so.
func (s *sshSigner) Deterministic() bool {
	t := s.key.PublicKey().Type()
	return t == ssh.KeyAlgoED25519 || t == ssh.KeyAlgoRSA
}

func (s *sshSigner) Sign(ctx context.Context, statement []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	sig, err := sshsig.SignWithRand(bytes.NewReader(dsse.PAE(trust.PayloadType, statement)), rand.Reader, s.key, sshsig.HashSHA512, trust.Namespace)
	if err != nil {
		return nil, fmt.Errorf("signing with %s: %w", s, err)
	}
	return encode(&protobundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_PublicKey{
			PublicKey: &protocommon.PublicKeyIdentifier{Hint: ssh.FingerprintSHA256(s.key.PublicKey())},
		}},
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: statement, PayloadType: trust.PayloadType,
			Signatures: []*protodsse.Signature{{Sig: sshsig.Armor(sig)}},
		}},
	})
}
