package vouch

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// What cosign notes at a layer.
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationLog         = "dev.sigstore.cosign/bundle"
	annotationTime        = "dev.sigstore.cosign/rfc3161timestamp"
)

// simple is a signature of cosign's first form: of a small document that
// names the image.
type simple struct {
	payload, sig []byte
	entity       *bundle.Bundle // of one with a certificate
}

func parseSimple(payload []byte, annotations map[string]string) (simple, error) {
	s := simple{payload: payload}
	var err error
	if s.sig, err = base64.StdEncoding.DecodeString(annotations[annotationSignature]); err != nil || len(s.sig) == 0 {
		return s, errors.New("it is no base64")
	}
	if annotations[annotationCertificate] != "" {
		s.entity, err = s.bundle(annotations)
	}
	return s, err
}

// bundle puts together what a Sigstore bundle has in one file.
func (s simple) bundle(annotations map[string]string) (*bundle.Bundle, error) {
	block, _ := pem.Decode([]byte(annotations[annotationCertificate]))
	if block == nil {
		return nil, errors.New("its certificate is no PEM")
	}
	sum := sha256.Sum256(s.payload)
	material := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: []*protocommon.X509Certificate{{RawBytes: block.Bytes}},
		}},
	}
	if text := annotations[annotationLog]; text != "" {
		entry, err := logEntry([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("its log entry: %w", err)
		}
		material.TlogEntries = append(material.TlogEntries, entry)
	}
	if text := annotations[annotationTime]; text != "" {
		var stamp struct{ SignedRFC3161Timestamp []byte }
		if err := json.Unmarshal([]byte(text), &stamp); err != nil {
			return nil, fmt.Errorf("its time stamp: %w", err)
		}
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp.SignedRFC3161Timestamp}},
		}
	}
	return newBundle(&protobundle.Bundle{
		MediaType:            "application/vnd.dev.sigstore.bundle+json;version=0.1",
		VerificationMaterial: material,
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]},
			Signature:     s.sig,
		}},
	})
}

// logEntry reads what the transparency log answered when the signature was
// entered.
func logEntry(text []byte) (*protorekor.TransparencyLogEntry, error) {
	var e struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	var body struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal(e.Payload.Body, &body); err != nil {
		return nil, err
	}
	id, err := hex.DecodeString(e.Payload.LogID)
	if err != nil {
		return nil, err
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex:          e.Payload.LogIndex,
		LogId:             &protocommon.LogId{KeyId: id},
		KindVersion:       &protorekor.KindVersion{Kind: body.Kind, Version: body.APIVersion},
		IntegratedTime:    e.Payload.IntegratedTime,
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: e.SignedEntryTimestamp},
		CanonicalizedBody: e.Payload.Body,
	}, nil
}

func (s simple) certified() bool { return s.entity != nil }

func (s simple) byKey(k Key, d digest.Digest) error {
	if err := k.VerifySignature(bytes.NewReader(s.sig), bytes.NewReader(s.payload)); err != nil {
		return fmt.Errorf("key SHA256:%s didn't make it", k.Hash)
	}
	return s.names(d)
}

func (s simple) byCertificate(c *Instance, ids []Identity, d digest.Digest) (Identity, error) {
	id, err := c.Verify(s.entity, ids, verify.WithArtifact(bytes.NewReader(s.payload)))
	if err != nil {
		return Identity{}, err
	}
	return id, s.names(d)
}

// names checks that the payload is about the image.
func (s simple) names(d digest.Digest) error {
	var p struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
			Type string `json:"type"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(s.payload, &p); err != nil {
		return fmt.Errorf("what it signs is malformed: %w", err)
	}
	if p.Critical.Type != "cosign container image signature" {
		return fmt.Errorf("what it signs is a %.100q", p.Critical.Type)
	}
	if p.Critical.Image.Digest != d.String() {
		return fmt.Errorf("it is of another image, %.100s", p.Critical.Image.Digest)
	}
	return nil
}
