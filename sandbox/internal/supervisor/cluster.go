package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/addons"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
	"github.com/droverhq/drover/sandbox/internal/ready"
)

// restoreCluster starts the cloud-controller-manager if the folder holds the
// record of a cluster.
func (s *supervisor) restoreCluster() error {
	var c machine.Cluster
	err := folder.ReadJSON(s.Dir.Cluster(), &c)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.createCluster(c)
	}
	if err != nil {
		return fmt.Errorf("restore the cluster: %w", err)
	}
	return nil
}

// orderCluster creates the cluster and returns when its API server is ready,
// which it is, unless a cluster was deleted just before.
func (s *supervisor) orderCluster(ctx context.Context, c machine.Cluster) error {
	if err := s.createCluster(c); err != nil {
		return err
	}
	if err := ready.Await(ctx, ready.Client(s.ca.PEM), fmt.Sprintf("https://127.0.0.1:%d/readyz", s.APIPort), nil); err != nil {
		return err
	}
	return s.installAddons(ctx, c)
}

// installAddons gives a new cluster what EKS does, once.
func (s *supervisor) installAddons(ctx context.Context, c machine.Cluster) error {
	if _, err := os.Stat(s.Dir.Addons()); c.Bare || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	cluster := addons.Cluster{Kubeconfig: s.Dir.Kubeconfig()}
	if err := cluster.InstallAll(ctx); err != nil {
		return err
	}
	return os.WriteFile(s.Dir.Addons(), nil, 0o600)
}

// createCluster records the cluster and starts its cloud-controller-manager.
// A sandbox has one cluster at a time: its control plane runs already, and is
// started anew if it is to emulate another version.
func (s *supervisor) createCluster(c machine.Cluster) error {
	if c.Name == "" || strings.ContainsAny(c.Name+c.Region+c.VPCID+c.SubnetID+c.RoleARN, "\n\r") {
		return fmt.Errorf("%q is no name of a cluster", c.Name)
	}
	s.orders.Lock()
	defer s.orders.Unlock()
	if s.closed() {
		return errClosing
	}
	if err := s.record(c); err != nil || s.ccm != nil {
		return err
	}
	ccm := s.component("ccm", []string{
		fmt.Sprintf("AWS_ENDPOINT_URL=http://127.0.0.1:%d", s.AWSPort),
		"AWS_ACCESS_KEY_ID=" + folder.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + folder.SecretAccessKey,
		"AWS_REGION=" + c.Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	})
	ccm.run()
	s.mu.Lock()
	s.ccm = ccm
	s.mu.Unlock()
	slog.Info("cluster created", "cluster", c.Name)
	return nil
}

// record writes the cluster down. A second cluster beside the first is refused;
// the first in another version is an upgrade.
func (s *supervisor) record(c machine.Cluster) error {
	var old machine.Cluster
	if err := folder.ReadJSON(s.Dir.Cluster(), &old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	was := old.Emulates
	old.Emulates = c.Emulates
	if s.ccm != nil && old != c {
		return fmt.Errorf("a sandbox has one cluster at a time, and this one has %s", old.Name)
	}
	write := func() error { return folder.WriteJSON(s.Dir.Cluster(), c) }
	if was == c.Emulates {
		return write()
	}
	return s.withoutControlPlane(write)
}

// withoutControlPlane does something while the control plane is held. It reads
// anew what it emulates when it starts again.
func (s *supervisor) withoutControlPlane(do func() error) error {
	s.disorders.Lock()
	defer s.disorders.Unlock()
	if f, ok := s.faults[s.controlplane.name]; ok {
		return fmt.Errorf("the control plane has a fault: %s", f.Kind)
	}
	s.controlplane.hold()
	defer s.controlplane.release()
	return do()
}

// deleteCluster stops the cloud-controller-manager and gives the control plane
// an empty store. Repeated after a crash, it does what is left to do.
func (s *supervisor) deleteCluster() error {
	s.orders.Lock()
	defer s.orders.Unlock()
	if s.closed() {
		return errClosing
	}
	if _, err := os.Stat(s.Dir.Cluster()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if s.ccm != nil {
		s.ccm.stop()
		s.mu.Lock()
		s.ccm = nil
		s.mu.Unlock()
	}
	s.controlplane.stop()
	defer s.controlplane.run()
	if err := errors.Join(folder.RemoveAll(s.Dir.Etcd()), folder.RemoveAll(s.Dir.Addons())); err != nil {
		return err
	}
	// The record goes last: as long as it is there, the store may be the old one.
	if err := os.Remove(s.Dir.Cluster()); err != nil {
		return err
	}
	slog.Info("cluster deleted")
	return os.MkdirAll(s.Dir.Etcd(), 0o700)
}

func (s *supervisor) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}
