//go:build linux

package embedded

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/moby/buildkit/control"
	"github.com/moby/buildkit/util/bklog"
	"github.com/moby/buildkit/util/grpcerrors"
	_ "github.com/moby/buildkit/util/grpcutil/encoding/proto" // the codec
	"github.com/moby/buildkit/version"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// ServeMain is the engine's main function. It returns the exit status.
func ServeMain() int {
	if isRunc() {
		fmt.Fprintf(os.Stderr, "%s: %v\n", argv0, runcMain())
		return 1
	}
	if len(os.Args) > 1 && os.Args[1] == rootlessArg {
		err := becomeRoot()
		fmt.Fprintf(os.Stderr, "%s: becoming root of a user namespace: %v\n", argv0, err)
		return 1
	}
	logrus.SetOutput(os.Stderr)
	logrus.SetFormatter(quietFormatter{&logrus.TextFormatter{DisableColors: true, FullTimestamp: true}})
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", argv0, err)
		return 1
	}
	return 0
}

// quietFormatter drops containerd's complaint about kernels and file systems
// without fs-verity, of which it makes one for each store that it opens.
type quietFormatter struct{ logrus.Formatter }

func (f quietFormatter) Format(e *logrus.Entry) ([]byte, error) {
	if strings.Contains(e.Message, "fsverity") || strings.Contains(e.Message, "fs-verity") {
		return nil, nil
	}
	return f.Formatter.Format(e)
}

func serve() error {
	// A caught signal is back to its default in the programs that runc
	// starts, even when the caller ignored it, as nohup does.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	parent, err := unixConn(os.NewFile(3, "control"))
	if err != nil {
		return err
	}
	var cfg childConfig
	if err := receive(parent, &cfg); err != nil {
		return fmt.Errorf("reading the config: %w", err)
	}
	if cfg.Rootless {
		if err := afterBecoming(); err != nil {
			return err
		}
	}
	if err := fixProcess(cfg); err != nil {
		bklog.L.Warn(err) // limits that stay lower than wished
	}
	var reply childReply
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := ready(ctx, cfg, &reply)
	if err != nil || c == nil {
		if err != nil {
			reply.Error = err.Error()
		}
		if err := send(parent, reply); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, parent)
		return err
	}
	if err := send(parent, reply); err != nil {
		return err
	}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(logErrors, grpcerrors.UnaryServerInterceptor),
		grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor),
		grpc.MaxRecvMsgSize(maxGRPC), grpc.MaxSendMsgSize(maxGRPC),
	)
	healthv1.RegisterHealthServer(server, health.NewServer())
	c.Register(server)
	// Serve ends when the parent has closed its side of the connection.
	err = server.Serve(&listener{control: parent})
	bklog.L.Infof("stopping: %v", err)
	cancel()
	stopServer(server)
	return c.Close()
}

const maxGRPC = 16 << 20

// stopServer lets cancelled solves release what they hold, for a moment: the
// databases survive without that, only some cache is lost.
func stopServer(server *grpc.Server) {
	done := make(chan struct{})
	go func() {
		server.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(stopTimeout / 2):
		server.Stop()
	}
}

// ready does all that comes before the first connection.
func ready(ctx context.Context, cfg childConfig, reply *childReply) (*control.Controller, error) {
	if err := enterRoot(cfg); err != nil {
		reply.Hint = privilegedHint
		return nil, fmt.Errorf("making its root: %w", err)
	}
	if cfg.Empty {
		return nil, emptyDir(rootState)
	}
	tried := make(chan error, 1)
	go func() {
		var err error
		reply.Runtime, err = runcVersion(ctx, cfg.Runc)
		tried <- err
	}()
	if err := overlayutils.Supported(filepath.Join(rootState, "check")); err != nil {
		<-tried
		reply.Hint = "the kernel needs overlayfs, and TWICE_CACHE a local file system such as ext4, xfs or btrfs"
		return nil, err
	}
	os.Remove(filepath.Join(rootState, "check"))
	limits, err := watchLimits(cfg.Cgroups)
	if err != nil {
		bklog.L.Warn(err)
	}
	c, err := newController(ctx, cfg, limits)
	if rerr := <-tried; rerr != nil {
		reply.Hint = "remove " + cfg.RootDir + ": it is made anew"
		return nil, rerr
	}
	if err != nil {
		reply.State = true
		return nil, err
	}
	reply.BuildKit, reply.Revision = buildkitVersion().Version, version.Revision
	return c, nil
}

// runcVersion runs runc once, to know that its libraries are there.
func runcVersion(ctx context.Context, path string) (string, error) {
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running runc: %w: %s", err, strings.TrimSpace(string(out)))
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.Replace(line, " version ", " ", 1), nil
}

func logErrors(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	resp, err := next(ctx, req)
	if err != nil {
		bklog.G(ctx).Errorf("%s: %v", info.FullMethod, err)
	}
	return resp, err
}

var _ net.Listener = (*listener)(nil)
