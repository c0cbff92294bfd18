package base

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
)

// place is where a repository may be had: at a registry, or in a layout.
type place struct {
	url    string // of a registry "https://host/v2/path/name", of a layout "file:///dir"
	repo   name.Repository
	plain  bool // HTTP will do
	layout bool
}

func (p place) blob(d digest.Digest) string {
	if p.layout {
		return p.url + "/blobs/" + d.Algorithm().String() + "/" + d.Encoded()
	}
	return p.url + "/blobs/" + d.String()
}

// manifest is "" where a layout is asked for a tag.
func (p place) manifest(reference string) string {
	if d := digest.Digest(reference); p.layout && d.Validate() == nil {
		return p.blob(d)
	} else if p.layout {
		return ""
	}
	return p.url + "/manifests/" + reference
}

// dockerHub's registry has two names. Users write the short one.
const dockerHub = "docker.io"

// places returns where a repository may be had, mirrors first.
func places(r *address.Resolver, repo name.Repository) ([]place, error) {
	host := repo.RegistryStr()
	names := []string{host}
	if host == name.DefaultRegistry {
		names = append(names, dockerHub)
	}
	var addresses []string
	itself := false
	for _, n := range names {
		for _, a := range r.Registry(n) {
			if slices.Contains(names, a) {
				itself = true
			} else if !slices.Contains(addresses, a) {
				addresses = append(addresses, a)
			}
		}
	}
	if itself {
		addresses = append(addresses, host)
	}
	var out []place
	for _, a := range addresses {
		p, err := newPlace(a, repo.RepositoryStr())
		if err != nil {
			if i := strings.LastIndexByte(a, '@'); i >= 0 {
				a = "…" + a[i:] // what is before it may be a password
			}
			return nil, fault.Hint(fmt.Errorf("%q, for images of %s, is no registry: %w", a, host, err), "write it as host:port, host:port/path or the path of an OCI layout in [mirrors.registries]")
		}
		out = append(out, p)
	}
	return out, nil
}

func newPlace(a, repo string) (place, error) {
	if dir, ok := strings.CutPrefix(a, "file://"); ok || filepath.IsAbs(a) {
		return place{url: (&url.URL{Scheme: "file", Path: strings.TrimRight(filepath.ToSlash(dir), "/")}).String(), layout: true}, nil
	}
	rest, plain := strings.CutPrefix(a, "http://")
	rest = strings.TrimRight(strings.TrimPrefix(rest, "https://"), "/")
	host, prefix, _ := strings.Cut(rest, "/")
	if prefix != "" {
		repo = prefix + "/" + repo
	}
	if path.Clean("/"+repo) != "/"+repo {
		return place{}, errors.New("its path is malformed")
	}
	options := []name.Option{}
	if plain {
		options = append(options, name.Insecure)
	}
	reg, err := name.NewRegistry(host, options...)
	if err != nil {
		return place{}, errors.New("its host is malformed")
	}
	p := place{repo: reg.Repo(repo), plain: plain || isLoopback(host)}
	u := url.URL{Scheme: "https", Host: reg.RegistryStr(), Path: "/v2/" + p.repo.RepositoryStr()}
	if p.plain {
		u.Scheme = "http"
	}
	p.url = u.String()
	if _, err := name.NewRepository(p.repo.Name()); err != nil {
		return place{}, errors.New("its path is malformed")
	}
	if again, err := url.Parse(p.url); err != nil || *again != u || strings.HasPrefix(host, ".") {
		return place{}, errors.New("its host is malformed")
	}
	return p, nil
}

func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
