package registry

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/craton-co/twice/internal/fault"
)

// Explain says what to do about a refusal met while doing something, such as
// "pushing to registry.example.org/tool:1". Of what a registry says only its
// codes are passed on.
func (r *Repository) Explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	opt, host, repository := r.opt, r.Name.RegistryStr(), r.Name.RepositoryStr()
	var refused *transport.Error
	if !errors.As(err, &refused) {
		var net net.Error
		err = fmt.Errorf("%s: %w", doing, fit(err))
		if errors.As(err, &net) {
			return fault.Hintf(err, "is %s the right registry, and can it be reached from here?", host)
		}
		return err
	}
	err = &Refused{Doing: doing, Status: refused.StatusCode}
	for _, d := range refused.Errors {
		err.(*Refused).Codes = append(err.(*Refused).Codes, string(d.Code))
	}
	push := strings.HasPrefix(doing, "pushing")
	switch {
	case refused.StatusCode == http.StatusUnauthorized && opt.Username == "" && opt.Docker:
		return fault.Hintf(err, "it wants another login: Docker's configuration has none for %s that it takes", host)
	case refused.StatusCode == http.StatusUnauthorized && opt.Username == "":
		return fault.Hint(err, "it wants a login: give a user name and a password")
	case refused.StatusCode == http.StatusUnauthorized:
		return fault.Hintf(err, "it does not know this password of user %s", opt.Username)
	case refused.StatusCode == http.StatusForbidden && push:
		return fault.Hintf(err, "who logs in must be allowed to push to %s", repository)
	case refused.StatusCode == http.StatusForbidden:
		return fault.Hintf(err, "who logs in must be allowed to read %s", repository)
	case refused.StatusCode == http.StatusNotFound && push:
		return fault.Hintf(err, "some registries want a repository to be made before: make %s", repository)
	case refused.StatusCode == http.StatusNotFound:
		return fault.Hintf(err, "is it in %s, and may it be seen without another login?", r)
	case refused.StatusCode == http.StatusTooManyRequests || refused.StatusCode >= 500:
		return fault.Hint(err, "try again later, or ask whoever runs the registry")
	case push:
		return fault.Hint(err, "the registry does not take such an image: ask whoever runs it why")
	}
	return fault.Hint(err, "ask whoever runs the registry why")
}

// Refused is what a registry answered.
type Refused struct {
	Doing  string
	Status int // of HTTP
	Codes  []string
}

func (r *Refused) Error() string {
	text := fmt.Sprintf("%s: the registry answers %d %s", r.Doing, r.Status, http.StatusText(r.Status))
	for _, c := range r.Codes {
		text += ", " + c
	}
	return text
}

// fit is an error that everybody may read: without the queries of URLs, which
// registries keep the state of an upload in, and without what stands below its
// first line, which is what a login server said.
func fit(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	var at *url.Error
	if errors.As(err, &at) {
		u, bad := url.Parse(at.URL)
		if bad != nil {
			u = &url.URL{}
		}
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		line = strings.ReplaceAll(line, strconv.Quote(at.URL), strconv.Quote(u.String()))
	}
	return &cut{err, strings.TrimRight(line, ": ")}
}

// cut is an error of which a part of the text is left out.
type cut struct {
	error
	text string
}

func (c *cut) Error() string { return c.text }
func (c *cut) Unwrap() error { return c.error }
