package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
)

// Error is what a Fetch couldn't bring.
type Error struct {
	Items []*ItemError
	Total int // items of the Fetch
}

// few is how many items an error names.
const few = 3

func (e *Error) Error() string {
	if len(e.Items) == 1 && len(e.Items[0].Causes) > 0 {
		return e.Items[0].Error()
	}
	var names []string
	for _, it := range e.Items[:min(few, len(e.Items))] {
		names = append(names, it.Item.String())
	}
	text := strings.Join(names, ", ")
	if more := len(e.Items) - few; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	for _, it := range e.Items {
		if len(it.Causes) > 0 {
			return fmt.Sprintf("%d of %d inputs can't be had: %s; %s", len(e.Items), e.Total, text, it)
		}
	}
	return fmt.Sprintf("%d of %d inputs are missing: %s", len(e.Items), e.Total, text)
}

func (e *Error) Unwrap() []error {
	var out []error
	for _, it := range e.Items {
		out = append(out, it)
	}
	return out
}

// ItemError says why one item can't be had: the last error of each place.
// Without causes no place was asked.
type ItemError struct {
	Item   Item
	Causes []error
}

func (e *ItemError) Error() string {
	if len(e.Causes) == 0 {
		return e.Item.String() + " is missing"
	}
	return e.Item.String() + ": " + causes(e.Causes).Error()
}

func (e *ItemError) Unwrap() error {
	if len(e.Causes) == 0 {
		return nil
	}
	return causes(e.Causes)
}

// network tells whether addresses were asked and none answered.
func (e *ItemError) network() bool {
	asked := false
	for _, err := range e.Causes {
		var a *addressError
		var s *statusError
		var unusable bad
		if errors.As(err, &s) || errors.As(err, &unusable) {
			return false
		}
		asked = asked || errors.As(err, &a)
	}
	return asked
}

type causes []error

func (c causes) Error() string {
	var texts []string
	for _, err := range c {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

func (c causes) Unwrap() []error { return c }

// Is makes what no address has an fs.ErrNotExist.
func (c causes) Is(target error) bool {
	if target != fs.ErrNotExist || len(c) == 0 {
		return false
	}
	for _, err := range c {
		var s *statusError
		if !errors.As(err, &s) || s.code != http.StatusNotFound && s.code != http.StatusGone {
			return false
		}
	}
	return true
}

// MismatchError says that a place has other content than the lock says.
type MismatchError struct {
	Kind, Name            string
	From                  string // an address, or "this machine"
	Expected, Got         digest.Digest
	ExpectedSize, GotSize int64 // Got is "" and GotSize a lower bound where the content was too long to be read
}

func (e *MismatchError) Error() string {
	got, want := fmt.Sprintf("%s (%d bytes)", short(e.Got), e.GotSize), short(e.Expected)
	if e.Got == "" {
		got = fmt.Sprintf("%d bytes or more", e.GotSize)
	}
	if e.ExpectedSize >= 0 {
		want += fmt.Sprintf(" (%d bytes)", e.ExpectedSize)
	}
	return fmt.Sprintf("%s has %s, the lock says %s", e.From, got, want)
}

func (e *MismatchError) hinted() error {
	u, err := url.Parse(e.From)
	switch {
	case err != nil || u.Scheme == "":
		return fault.Hint(e, "what is installed on this machine has been changed; it is not used")
	case address.IsDefault(e.From):
		return fault.Hint(e, "what is at this address isn't what was locked: look for a change of the lock in its history, and ask the publisher")
	}
	return fault.Hintf(e, "the mirror %s://%s served other bytes; remove it from [mirrors], or run `twice fetch --no-mirror`", u.Scheme, u.Host)
}

// short is a digest as people compare it.
func short(d digest.Digest) string {
	if len(d) < 20 {
		return string(d)
	}
	return string(d[:19]) + "…"
}

// addressError is what went wrong with an address.
type addressError struct {
	address string
	err     error
}

func (e *addressError) Error() string { return e.address + ": " + e.err.Error() }
func (e *addressError) Unwrap() error { return e.err }

// at names the address of an error that doesn't, and says what can be done.
func at(u string, err error) error {
	var (
		m    *MismatchError
		s    *statusError
		cert *tls.CertificateVerificationError
		dns  *net.DNSError
		op   *net.OpError
	)
	if errors.As(err, &m) {
		return err
	}
	err = &addressError{redact(u), err}
	switch {
	case errors.As(err, &cert) && outdated(cert.Err):
		return fault.Hint(err, "by this machine's clock the certificate is not valid now: set the clock right (`date` says what it is), or have the certificate renewed")
	case errors.As(err, &cert):
		return fault.Hint(err, "set TWICE_CA_FILE to the certificate of your proxy or mirror; a call of the Dagger module takes it as --ca")
	case errors.As(err, &dns), errors.As(err, &op), errors.Is(err, errStalled):
		return fault.Hint(err, "check the network and HTTPS_PROXY; `twice fetch` goes on where it stopped")
	case errors.As(err, &s) && (s.code == http.StatusUnauthorized || s.code == http.StatusForbidden):
		return fault.Hint(err, "it wants a login: a line for the host in .netrc, or for a registry a token in cargo's configuration; a call of the Dagger module takes them as --netrc and --cargo-credentials")
	case errors.As(err, &s) && s.code == http.StatusNotFound:
		return fault.Hint(err, "add a mirror that has it to [mirrors]")
	}
	return err
}

// outdated says whether a certificate is refused because of its dates alone.
func outdated(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.Expired
}

type statusError struct {
	code  int
	after time.Duration
}

func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.code, http.StatusText(e.code)))
}

// bad is an answer that won't get better.
type bad struct{ error }

func (b bad) Unwrap() error { return b.error }

// storeError is a failure of the store, which ends the whole Fetch.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }
