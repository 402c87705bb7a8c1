// Package node is one machine of the sandbox: a real kubelet and a real
// kube-proxy in one process, over the container runtime of package cri. The
// supervisor starts it as the first process of new PID, network, mount, UTS
// and IPC namespaces, so its end is the end of everything that ran on it.
package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/sandbox/internal/cri"
	"github.com/droverhq/drover/sandbox/internal/ebs"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
	"github.com/droverhq/drover/sandbox/internal/podnet"
)

// uplink is the machine's link to the VPC, which the supervisor sets up.
const uplink = "eth0"

// Config is what a node needs to know. In the machine's folder lie
// kubelet.kubeconfig, proxy.kubeconfig, kubelet.crt, kubelet.key and ca.crt.
type Config struct {
	Dir        folder.Folder
	Machine    machine.Machine
	API        string // URL of the API server
	Program    string // path of drover-sandbox
	PodProgram string // path of drover-sandbox-pod
	AWS        string // URL of the AWS endpoint, seen from pods
	Region     string
}

// aws is the environment of images that call AWS.
func (c Config) aws() []string {
	return []string{"AWS_ENDPOINT_URL=" + c.AWS, "AWS_REGION=" + c.Region, "AWS_DEFAULT_REGION=" + c.Region,
		"AWS_ACCESS_KEY_ID=" + folder.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + folder.SecretAccessKey, "AWS_EC2_METADATA_DISABLED=true"}
}

func (c Config) file(name string) string { return filepath.Join(c.Dir.Machine(c.Machine.ID), name) }

// Run is the machine's life. It begins when the supervisor has set up the
// machine's link, and ends with everything on it when ctx is done, or when
// kube-proxy fails.
func Run(ctx context.Context, c Config) (err error) {
	if err := setVersion(c.Machine.KubeletVersion); err != nil {
		return err
	}
	unix.Umask(0o022) // whatever the sandbox's user has: pods' volumes are theirs to enter
	if err := unix.Sethostname([]byte(c.Machine.NodeName)); err != nil {
		return fmt.Errorf("set hostname: %w", err)
	}
	if err := prepareMounts(c); err != nil {
		return fmt.Errorf("prepare the machine's file system: %w", err)
	}
	network, err := c.network()
	if err != nil {
		return err
	}
	runtime, err := cri.New(ctx, cri.Config{
		Network: network, Program: c.Program, PodProgram: c.PodProgram, Pullable: c.pullable, AWS: c.aws(), Scratch: scratchDir,
	})
	if err != nil {
		return fmt.Errorf("start the container runtime: %w", err)
	}
	defer func() { err = errors.Join(err, runtime.Close(context.WithoutCancel(ctx))) }()
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error { return startKubelet(ctx, c, runtime) })
	tasks.Go(func() error { return runProxy(ctx, c) })
	volumes := &ebs.Driver{Dir: c.Dir, Machine: c.Machine, KubeletDir: kubeletDir}
	tasks.Go(func() error { return volumes.Run(ctx) })
	tasks.Go(func() error { return runtime.ServeStreams(ctx) })
	if err := tasks.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// network connects pods over the machine's link.
func (c Config) network() (*podnet.Network, error) {
	prefix, err := netip.ParsePrefix(c.Machine.PodCIDR)
	if err != nil {
		return nil, fmt.Errorf("pod range of %s: %w", c.Machine.ID, err)
	}
	pool, err := podnet.OpenPool(prefix, c.file("pod-addresses.json"), time.Now)
	if err != nil {
		return nil, err
	}
	return podnet.New(uplink, pool)
}

// Fixed paths in the machine's own mount namespace, whatever the sandbox's
// folder is called: unix sockets below them must not get too long.
const (
	kubeletDir = "/run/kubelet"
	scratchDir = "/run/scratch"
	podLogsDir = "/var/log/pods" // where a kubelet's logs are looked for
	localDisk  = "/run/disks/0"  // the instance's own, for local volumes; it ends with the instance
)

// prepareMounts gives the machine its own /proc, /run and /var/log. A kubelet
// writes to the latter two wherever it is told to keep its files.
func prepareMounts(c Config) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// Where /proc is masked, as in some containers, the kernel refuses a fresh one; the one there will do.
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, dir := range []string{"/run", "/var/log"} {
		if err := replace(dir, c.Dir.String(), filepath.Dir(c.PodProgram)); err != nil {
			return fmt.Errorf("replace %s: %w", dir, err)
		}
	}
	for inside, outside := range map[string]string{kubeletDir: c.file("kubelet"), podLogsDir: c.file("pods"), localDisk: c.file("disk")} {
		if err := bindDir(outside, inside); err != nil {
			return err
		}
	}
	return os.Mkdir(scratchDir, 0o700)
}

// replace mounts an empty directory in memory over dir. What of keep lies in
// it stays reachable.
func replace(dir string, keep ...string) error {
	kept := map[string]*os.File{}
	for _, path := range keep {
		rel, err := filepath.Rel(dir, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		kept[path] = f
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for path, f := range kept {
		if err := bindDir(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), path); err != nil {
			return err
		}
	}
	return nil
}

func bindDir(source, target string) error {
	for _, dir := range []string{source, target} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", source, target, err)
	}
	return nil
}
