package trust

import (
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/craton-co/twice/internal/vouch"
)

// envelope is a bundle, taken apart.
type envelope struct {
	*bundle.Bundle
	payload, signature []byte
	hint               string
}

// parse reads a bundle of an envelope.
func parse(data []byte) (*envelope, error) {
	if len(data) > MaxBundle {
		return nil, fmt.Errorf("parsing the bundle: it has %d bytes, more than %d", len(data), MaxBundle)
	}
	e := &envelope{Bundle: &bundle.Bundle{Bundle: &protobundle.Bundle{}}}
	err := vouch.Guard(func() error {
		if err := e.UnmarshalJSON(data); err != nil {
			return err
		}
		d := e.GetDsseEnvelope()
		switch {
		case d == nil:
			return errors.New("it has no envelope")
		case d.GetPayloadType() != PayloadType:
			return fmt.Errorf("its payload is a %.100q", d.GetPayloadType())
		case len(d.GetSignatures()) != 1:
			return fmt.Errorf("it has %d signatures", len(d.GetSignatures()))
		}
		e.payload, e.signature = d.GetPayload(), d.GetSignatures()[0].GetSig()
		e.hint = e.GetVerificationMaterial().GetPublicKey().GetHint()
		_, err := e.VerificationContent()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("parsing the bundle: %w", err)
	}
	return e, nil
}

// signed is what the signature is of.
func (e *envelope) signed() []byte { return dsse.PAE(PayloadType, e.payload) }

func (e *envelope) certified() bool {
	c, err := e.VerificationContent()
	return err == nil && c.Certificate() != nil
}

// certified checks a signature that was made with a certificate.
func (p Policy) certified(e *envelope) (Identity, error) {
	if p.Instance == nil {
		return Identity{}, fmt.Errorf("%w: it is made with a certificate, and no trusted root is given", ErrUntrusted)
	}
	if c, err := e.VerificationContent(); err != nil || !p.Instance.Knows(c.Certificate()) {
		return Identity{}, fmt.Errorf("%w: its certificate is another instance's", ErrUntrusted)
	}
	id, err := p.Instance.Verify(e, nil, verify.WithoutArtifactUnsafe())
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrBad, err)
	}
	who := Identity{Kind: Keyless, Name: id.Subject, Issuer: id.Issuer}
	if p.Certified {
		return who, nil
	}
	for _, want := range p.Identities {
		if want == id {
			return who, nil
		}
	}
	return Identity{}, fmt.Errorf("%w: it is %s", ErrUntrusted, who)
}
