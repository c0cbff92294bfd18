package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/bklog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	// Each of these adds the addresses of one scheme.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/nerdctlcontainer"
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"
	_ "github.com/moby/buildkit/client/connhelper/ssh"

	"github.com/craton-co/twice/internal/fault"
)

// TLS secures a tcp:// engine. CA alone makes the engine prove who it is; Cert
// and Key, always both, make the client do so too. All are paths of PEM files.
type TLS struct {
	CA, Cert, Key string
	ServerName    string // in the engine's certificate; "" is the address's host
}

// Schemes are those of addresses that Dial understands.
var Schemes = []string{
	"unix", "tcp", "docker-container", "podman-container", "nerdctl-container", "kube-pod", "ssh",
}

// dialTimeout bounds the time in which an engine must answer.
const dialTimeout = 20 * time.Second

// askAgain is after how much silence an engine on another machine is asked whether it
// is there: one that lost its power, or the way to it, doesn't say so. Servers refuse to be
// asked more often than every five minutes.
const askAgain = 5*time.Minute + 10*time.Second

// patience is how long it has for that answer, and for taking what it is sent: a network
// may be away for a while.
const patience = 2 * time.Minute

// Dial connects to a BuildKit that somebody else runs and asks it what it is.
// An address is what BUILDKIT_HOST holds: unix:///run/buildkit/buildkitd.sock,
// tcp://host:1234, docker-container://NAME, podman-container://NAME,
// nerdctl-container://NAME, kube-pod://POD, ssh://user@host. The query of a
// tcp:// address may say what t says, for this engine alone, in the parameters
// ca, cert, key and servername: tcp://host:1234?ca=/etc/buildkit/ca.pem.
func Dial(ctx context.Context, addr string, t TLS) (Engine, error) {
	u, err := url.Parse(addr)
	if err != nil || u.Scheme == "" || !slices.Contains(Schemes, u.Scheme) {
		return nil, fault.Hintf(fmt.Errorf("engine address %q is not one that can be dialled", addr),
			"give SCHEME://… with one of %s", strings.Join(Schemes, ", "))
	}
	t = t.of(u)
	shown := u.Redacted()
	opts, err := tlsOptions(u, t)
	if err != nil {
		return nil, fmt.Errorf("engine %s: %w", shown, err)
	}
	if u.Scheme == "tcp" {
		opts = append(opts, client.WithGRPCDialOption(grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: askAgain, Timeout: patience})))
	}
	ctx, cancel := context.WithTimeoutCause(bklog.WithLogger(ctx, silent), dialTimeout,
		fmt.Errorf("no answer within %s", dialTimeout))
	defer cancel()
	c, err := client.New(ctx, u.String(), opts...)
	if err != nil {
		return nil, dialError(ctx, u, err)
	}
	info, err := ask(ctx, c)
	if err != nil {
		c.Close()
		return nil, dialError(ctx, u, err)
	}
	info.Address = shown
	return Over(c, info), nil
}

// Shown is an address as it may be shown: without credentials, and without the
// names of files.
func Shown(addr string) string {
	u, err := url.Parse(addr)
	if err != nil {
		return addr
	}
	TLS{}.of(u)
	return u.Redacted()
}

// of takes the files that the address of a tcp:// engine names out of it.
func (t TLS) of(u *url.URL) TLS {
	if u.Scheme != "tcp" {
		return t
	}
	q := u.Query()
	for name, at := range map[string]*string{"ca": &t.CA, "cert": &t.Cert, "key": &t.Key, "servername": &t.ServerName} {
		if v := q.Get(name); v != "" {
			*at = v
		}
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return t
}

func tlsOptions(u *url.URL, t TLS) ([]client.ClientOpt, error) {
	if t == (TLS{}) {
		return nil, nil
	}
	if u.Scheme != "tcp" {
		return nil, fmt.Errorf("certificates are for tcp:// addresses only")
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, fmt.Errorf("a client certificate and its key go together: one is missing")
	}
	for _, path := range []string{t.CA, t.Cert, t.Key} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	name := t.ServerName
	if name == "" {
		name = u.Hostname()
	}
	var opts []client.ClientOpt
	if t.CA != "" {
		opts = append(opts, client.WithServerConfig(name, t.CA))
	} else {
		opts = append(opts, client.WithServerConfigSystem(name))
	}
	if t.Cert != "" {
		opts = append(opts, client.WithCredentials(t.Cert, t.Key))
	}
	return opts, nil
}

// ask returns what a remote engine says of itself.
// emulated is what qemu calls an architecture.
var emulated = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

func ask(ctx context.Context, c *client.Client) (Info, error) {
	got, err := c.Info(ctx)
	if err != nil {
		return Info{}, err
	}
	workers, err := c.ListWorkers(ctx)
	if err != nil {
		return Info{}, err
	}
	info := Info{
		Kind:        "remote",
		BuildKit:    got.BuildkitVersion.Version,
		Revision:    got.BuildkitVersion.Revision,
		Containment: "its limits are its own, and steps may see its trace socket",
	}
	want := platforms.MustParse(Platform)
	var have []string
	for _, w := range workers {
		for _, p := range w.Platforms {
			if platforms.Only(want).Match(p) {
				info.Worker = w.ID
				return info, nil
			}
			have = append(have, platforms.Format(p))
		}
	}
	return Info{}, fault.Hint(fmt.Errorf("it builds for %s, not for %s: its machine has no binfmt handler qemu-%s", strings.Join(have, ", "), Platform, emulated[want.Architecture]),
		fmt.Sprintf("on that machine run `docker run --privileged --rm tonistiigi/binfmt --install %s` and start BuildKit anew, or use an engine on an %s machine", want.Architecture, want.Architecture))
}

func dialError(ctx context.Context, u *url.URL, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	err = fmt.Errorf("engine %s: %w", u.Redacted(), err)
	if fault.HintOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	switch u.Scheme {
	case "unix":
		return fault.Hint(err, "is a buildkitd listening on that socket, and may you write to it? Without --engine Twice brings its own")
	case "tcp":
		if strings.Contains(err.Error(), "certificate has expired or is not yet valid") { // gRPC passes on the text alone
			return fault.Hint(err, "by this machine's clock the engine's certificate is not valid now: set the clock right (`date` says what it is), or have the certificate renewed")
		}
		return fault.Hint(err, "is a buildkitd listening there, and does it want TLS?")
	case "docker-container":
		return fault.Hint(err, "`docker buildx create --driver docker-container --name NAME --bootstrap` makes one; the container is buildx_buildkit_NAME0")
	}
	return err
}
