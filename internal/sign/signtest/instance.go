// Package signtest is a Sigstore instance on the loopback interface, for tests.
// Its certificate authority and its log are those of sigstore-go's tests; they
// speak Fulcio's and Rekor's protocols, and believe every token.
package signtest

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-openapi/runtime"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1" // an entry's type
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

// Instance signs for everybody.
type Instance struct {
	URL         string // of Fulcio and of Rekor
	TrustedRoot []byte
	log         *ca.VirtualSigstore
	parent      *x509.Certificate
	key         crypto.Signer
}

// New starts an instance that ends with the test.
func New(t *testing.T) *Instance {
	t.Helper()
	i, end, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return i
}

// Start starts an instance, and returns what ends it.
func Start() (*Instance, func(), error) {
	i := &Instance{}
	var err error
	if i.log, err = ca.NewVirtualSigstore(); err != nil {
		return nil, nil, err
	}
	top, topKey, err := ca.GenerateRootCa()
	if err != nil {
		return nil, nil, err
	}
	if i.parent, i.key, err = ca.GenerateFulcioIntermediate(top, topKey); err != nil {
		return nil, nil, err
	}
	logs := map[string]*root.TransparencyLog{}
	for id, l := range i.log.RekorLogs() {
		if l.ID, err = hex.DecodeString(id); err != nil {
			return nil, nil, err
		}
		logs[id] = l
	}
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{&root.FulcioCertificateAuthority{
		Root: top, Intermediates: []*x509.Certificate{i.parent}, ValidityPeriodStart: time.Now().Add(-time.Hour), ValidityPeriodEnd: time.Now().Add(time.Hour),
	}}, nil, nil, logs)
	if err != nil {
		return nil, nil, err
	}
	if i.TrustedRoot, err = tr.MarshalJSON(); err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/signingCert", answer(i.certify))
	mux.HandleFunc("POST /api/v1/log/entries", answer(i.enter))
	s := httptest.NewServer(mux)
	i.URL = s.URL
	return i, s.Close, nil
}

// Token is an identity token, which nobody signed.
func Token(email, issuer string) string {
	claims := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":%q,"sub":"1","email":%q,"email_verified":true,"aud":"sigstore"}`, issuer, email))
	return "e30." + claims + ".c2lnbmF0dXJl"
}

func answer(f func(w http.ResponseWriter, r *http.Request) (int, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, a, err := f(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(a)
	}
}

// public is a key of which only the public half is here.
type public struct {
	crypto.Signer
	key crypto.PublicKey
}

func (p public) Public() crypto.PublicKey { return p.key }

func (i *Instance) certify(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	parts := strings.Split(r.Header.Get("Authorization"), ".")
	if len(parts) != 3 {
		return 0, nil, fmt.Errorf("no token")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return 0, nil, err
	}
	var claims struct{ Iss, Email string }
	if err := json.Unmarshal(text, &claims); err != nil {
		return 0, nil, err
	}
	var asked struct {
		PublicKeyRequest struct {
			PublicKey struct{ Content string }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return 0, nil, err
	}
	key, err := cryptoutils.UnmarshalPEMToPublicKey([]byte(asked.PublicKeyRequest.PublicKey.Content))
	if err != nil {
		return 0, nil, err
	}
	cert, err := ca.GenerateLeafCert(claims.Email, claims.Iss, time.Now().Add(-time.Minute), public{key: key}, i.parent, i.key)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{
		"certificates": []string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))},
	}}}, nil
}

func (i *Instance) enter(w http.ResponseWriter, r *http.Request) (int, any, error) {
	proposed, err := models.UnmarshalProposedEntry(io.LimitReader(r.Body, 32<<20), runtime.JSONConsumer())
	if err != nil {
		return 0, nil, err
	}
	entry, err := types.CreateVersionedEntry(proposed)
	if err != nil {
		return 0, nil, err
	}
	body, err := types.CanonicalizeEntry(context.Background(), entry)
	if err != nil {
		return 0, nil, err
	}
	id, err := i.log.RekorLogID()
	if err != nil {
		return 0, nil, err
	}
	p := tlog.RekorPayload{Body: base64.StdEncoding.EncodeToString(body), IntegratedTime: time.Now().Unix(), LogIndex: 0, LogID: id}
	promise, err := i.log.RekorSignPayload(p)
	if err != nil {
		return 0, nil, err
	}
	proof, err := i.log.GetInclusionProof(body)
	if err != nil {
		return 0, nil, err
	}
	uuid := hex.EncodeToString(sum(append([]byte{0}, body...)))
	w.Header().Set("ETag", uuid)
	w.Header().Set("Location", "/api/v1/log/entries/"+uuid)
	return http.StatusCreated, map[string]models.LogEntryAnon{uuid: {
		Body: p.Body, IntegratedTime: &p.IntegratedTime, LogID: &p.LogID, LogIndex: &p.LogIndex,
		Verification: &models.LogEntryAnonVerification{InclusionProof: proof, SignedEntryTimestamp: promise},
	}}, nil
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}
