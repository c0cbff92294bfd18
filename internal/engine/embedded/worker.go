//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/diff/apply"
	ctdmetadata "github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/diff/walking"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/cache/metadata"
	"github.com/moby/buildkit/cache/remotecache"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/control"
	"github.com/moby/buildkit/executor/oci"
	"github.com/moby/buildkit/executor/resources"
	"github.com/moby/buildkit/executor/runcexecutor"
	"github.com/moby/buildkit/frontend"
	dockerfile "github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/gateway/forwarder"
	"github.com/moby/buildkit/session"
	containerdsnapshot "github.com/moby/buildkit/snapshot/containerd"
	"github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/bboltcachestorage"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/source"
	localsource "github.com/moby/buildkit/source/local"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/util/leaseutil"
	"github.com/moby/buildkit/util/network"
	"github.com/moby/buildkit/version"
	"github.com/moby/buildkit/worker"
	"github.com/moby/buildkit/worker/base"
	wlabel "github.com/moby/buildkit/worker/label"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

const (
	snapshotter = "overlayfs"
	namespace   = "buildkit"
)

// newController makes a BuildKit of one worker, one frontend and no remote
// caches.
func newController(ctx context.Context, cfg childConfig, lim *limits) (*control.Controller, error) {
	sessions, err := session.NewManager()
	if err != nil {
		return nil, err
	}
	opt, err := workerOpt(cfg, lim)
	if err != nil {
		return nil, err
	}
	w, err := base.NewWorker(ctx, opt)
	if err != nil {
		return nil, err
	}
	if err := inputsOnly(w); err != nil {
		return nil, err
	}
	workers := &worker.Controller{}
	if err := workers.Add(w); err != nil {
		return nil, err
	}
	cacheStore, err := bboltcachestorage.NewStore(filepath.Join(rootState, "cache.db"))
	if err != nil {
		return nil, err
	}
	history, err := boltutil.SafeOpen(filepath.Join(rootState, "history.db"), 0o600,
		&bolt.Options{FreelistType: bolt.FreelistMapType, NoSync: true})
	if err != nil {
		return nil, err
	}
	return control.NewController(control.Opt{
		SessionManager:   sessions,
		WorkerController: workers,
		Frontends: map[string]frontend.Frontend{
			"dockerfile.v0": forwarder.NewGatewayForwarder(workers.Infos(), dockerfile.Build),
		},
		CacheManager:              solver.NewCacheManager(ctx, "local", cacheStore, worker.NewCacheResultStorage(workers)),
		ResolveCacheExporterFuncs: map[string]remotecache.ResolveCacheExporterFunc{},
		ResolveCacheImporterFuncs: map[string]remotecache.ResolveCacheImporterFunc{},
		HistoryDB:                 history,
		HistoryConfig:             &config.HistoryConfig{MaxAge: config.Duration{Duration: 24 * time.Hour}, MaxEntries: 20},
		CacheStore:                cacheStore,
		LeaseManager:              w.LeaseManager(),
		ContentStore:              w.ContentStore(),
		GarbageCollect:            w.GarbageCollect,
		GracefulStop:              ctx.Done(),
	})
}

// inputsOnly leaves the worker only those kinds of source that come from the
// client: OCI layouts and the text of the Dockerfile.
func inputsOnly(w *base.Worker) error {
	m, err := source.NewManager()
	if err != nil {
		return err
	}
	files, err := localsource.NewSource(localsource.Opt{CacheAccessor: w.CacheMgr})
	if err != nil {
		return err
	}
	m.Register(files)
	m.Register(w.OCILayoutSource)
	w.SourceManager = m
	return nil
}

func noRegistry(host string) ([]docker.RegistryHost, error) {
	return nil, fmt.Errorf("this engine pulls nothing, not from %s either", host)
}

func workerOpt(cfg childConfig, lim *limits) (base.WorkerOpt, error) {
	var opt base.WorkerOpt
	root := filepath.Join(rootState, "runc-"+snapshotter)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return opt, err
	}
	monitor, err := resources.NewMonitor()
	if err != nil {
		return opt, err
	}
	exec, err := newExecutor(filepath.Join(root, "executor"), cfg, monitor, lim)
	if err != nil {
		return opt, err
	}
	blobs, err := local.NewStore(filepath.Join(root, "content"))
	if err != nil {
		return opt, err
	}
	snaps, err := overlay.NewSnapshotter(filepath.Join(root, "snapshots"), overlay.AsynchronousRemove)
	if err != nil {
		return opt, err
	}
	db, err := bolt.Open(filepath.Join(root, "containerdmeta.db"), 0o644,
		&bolt.Options{FreelistType: bolt.FreelistMapType, Timeout: 5 * time.Second, NoSync: true})
	if err != nil {
		return opt, err
	}
	mdb := ctdmetadata.NewDB(db, forgetful{blobs}, map[string]snapshots.Snapshotter{snapshotter: snaps})
	if err := mdb.Init(context.Background()); err != nil {
		return opt, err
	}
	meta, err := metadata.NewStore(filepath.Join(root, "metadata_v2.db"))
	if err != nil {
		return opt, err
	}
	id, err := base.ID(root)
	if err != nil {
		return opt, err
	}
	content := containerdsnapshot.NewContentStore(mdb.ContentStore(), namespace)
	var applier diff.Applier = apply.NewFileSystemApplier(content)
	if cfg.OneUser {
		applier = oneOwner{content}
	}
	return base.WorkerOpt{
		ID:               id,
		Root:             root,
		Labels:           map[string]string{wlabel.Executor: "oci", wlabel.Snapshotter: snapshotter, wlabel.Network: "none"},
		Platforms:        []ocispec.Platform{platforms.Normalize(platforms.DefaultSpec())},
		GCPolicy:         []client.PruneInfo{{All: true, MaxUsedSpace: cfg.CacheMax}},
		BuildkitVersion:  buildkitVersion(),
		NetworkProviders: networks(),
		Executor:         exec,
		Snapshotter:      containerdsnapshot.NewSnapshotter(snapshotter, mdb.Snapshotter(snapshotter), namespace, nil),
		ContentStore:     content,
		Applier:          applier,
		Differ:           walking.NewWalkingDiff(content),
		RegistryHosts:    noRegistry,
		LeaseManager:     leaseutil.WithNamespace(ctdmetadata.NewLeaseManager(mdb), namespace),
		GarbageCollect:   mdb.GarbageCollect,
		MetadataStore:    meta,
		MountPoolRoot:    filepath.Join(root, "cachemounts"),
		ResourceMonitor:  monitor,
	}, nil
}

// networks are the modes that a step may ask for: none, and none.
func networks() map[pb.NetMode]network.Provider {
	none := network.NewNoneProvider()
	return map[pb.NetMode]network.Provider{pb.NetMode_UNSET: none, pb.NetMode_NONE: none}
}

// newExecutor makes what runs steps. Bundles that a killed engine left are
// removed: nothing is mounted in them in this namespace.
func newExecutor(root string, cfg childConfig, monitor *resources.Monitor, lim *limits) (*stepExecutor, error) {
	if err := os.RemoveAll(root); err != nil {
		return nil, err
	}
	runc := cfg.Runc
	if cfg.OneUser {
		if err := os.Setenv(runcVariable, runc); err != nil {
			return nil, err
		}
		runc = selfAsRunc
	}
	e, err := runcexecutor.New(runcexecutor.Opt{
		Root:                root,
		CommandCandidates:   []string{runc},
		Rootless:            cfg.Rootless,
		DefaultCgroupParent: "/build",
		ProcessMode:         oci.ProcessSandbox,
		ResourceMonitor:     monitor,
	}, networks())
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errors.New("no executor")
	}
	return &stepExecutor{Executor: e, limits: lim}, nil
}

// buildkitVersion is the version of the module that this program was built
// with: BuildKit's own variable is set by its release builds only.
func buildkitVersion() client.BuildkitVersion {
	v := client.BuildkitVersion{Package: version.Package, Version: version.Version, Revision: version.Revision}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == version.Package {
				v.Version = m.Version
			}
		}
	}
	return v
}
