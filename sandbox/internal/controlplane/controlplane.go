// Package controlplane runs the Kubernetes control plane in one process:
// etcd, kube-apiserver, kube-controller-manager and kube-scheduler. The
// supervisor starts it as a child. None of the four can be restarted alone:
// they share feature gates and logging, so when one ends the process ends and
// the supervisor starts all of them again on the same store.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/ready"
)

// Config is what the control plane needs to know.
type Config struct {
	Dir       folder.Plane
	Number    int    // which of the sandbox's it is
	APIPort   int    // of the API server, on every address of the network namespace
	AWSPort   int    // of the AWS endpoint, which reviews EKS tokens
	Advertise string // the API server's address for nodes
	Emulates  string // 1.35.6: the version whose APIs and features it has; empty: its own
}

// Run serves until ctx is done, or until one of the four ends.
func Run(ctx context.Context, c Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := writeTokenReviewConfig(c); err != nil {
		return err
	}
	etcd, err := startEtcd(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer etcd.Close()

	ended := make(chan error, 4)
	start := func(name string, run func(context.Context) error) {
		go func() { ended <- fmt.Errorf("%s ended: %w", name, errors.Join(run(ctx), ctx.Err())) }()
	}
	go func() { ended <- fmt.Errorf("etcd ended: %w", <-etcd.Err()) }()
	start("kube-apiserver", func(ctx context.Context) error { return runAPIServer(ctx, c) })
	up := make(chan error, 1)
	go func() { up <- awaitAPIServer(ctx, c) }()
	for {
		select {
		case <-ctx.Done():
			// etcd closes its store; the rest is left to the end of the process, which loses nothing.
			return nil
		case err := <-ended:
			return err
		case err := <-up:
			if err != nil {
				return err
			}
			start("kube-controller-manager", func(ctx context.Context) error { return runControllers(ctx, c) })
			start("kube-scheduler", func(ctx context.Context) error { return runScheduler(ctx, c) })
		}
	}
}

func awaitAPIServer(ctx context.Context, c Config) error {
	ca, err := os.ReadFile(c.Dir.Authority())
	if err != nil {
		return err
	}
	return ready.Await(ctx, ready.Client(ca), fmt.Sprintf("https://127.0.0.1:%d/readyz", c.APIPort), nil)
}

func startEtcd(ctx context.Context, dir folder.Plane) (*embed.Etcd, error) {
	cfg := embed.NewConfig()
	cfg.Name = "sandbox"
	cfg.Dir = dir.Etcd()
	cfg.LogLevel = "warn"
	cfg.WarningUnaryRequestDuration = time.Second // embed's own zero warns of every request
	cfg.UnsafeNoFsync = true                      // a power cut may lose a sandbox
	cfg.TickMs, cfg.ElectionMs = 10, 100
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = "5m" // kube-apiserver's own rhythm
	// Only a unix socket is listened on; etcd still wants URLs with a port to advertise, which nobody dials.
	cfg.ListenPeerUrls = nil
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: dir.EtcdSocket()}}
	cfg.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2379"}}
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:2380"}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err = <-etcd.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	etcd.Close()
	return nil, fmt.Errorf("start etcd: %w", err)
}
