package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"regexp"

	"github.com/droverhq/drover/sandbox/internal/addons"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
	"github.com/droverhq/drover/sandbox/internal/ready"
)

// restoreClusters starts what belongs to the clusters whose records are in the folder.
func (s *supervisor) restoreClusters() error {
	for _, p := range s.planes {
		var c machine.Cluster
		err := folder.ReadJSON(p.dir.Cluster(), &c)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = s.createCluster(c)
		}
		if err != nil {
			return fmt.Errorf("restore the cluster %s: %w", c.Name, err)
		}
	}
	return nil
}

// orderCluster creates the cluster and returns when its API server is ready. The first
// control plane is, unless its last cluster was deleted just before.
func (s *supervisor) orderCluster(ctx context.Context, c machine.Cluster) (machine.Endpoint, error) {
	if err := s.createCluster(c); err != nil {
		return machine.Endpoint{}, err
	}
	p := s.planes[c.Plane]
	authority, err := os.ReadFile(p.dir.Authority())
	if err != nil {
		return machine.Endpoint{}, err
	}
	at := machine.Endpoint{Server: p.server("127.0.0.1"), Authority: string(authority)}
	if err := ready.Await(ctx, ready.Client(authority), at.Server+"/readyz", nil); err != nil {
		return at, err
	}
	return at, p.installAddons(ctx, c)
}

// installAddons gives a new cluster what EKS does, once.
func (p *plane) installAddons(ctx context.Context, c machine.Cluster) error {
	if _, err := os.Stat(p.dir.Addons()); c.Bare || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	cluster := addons.Cluster{Kubeconfig: p.dir.Kubeconfig()}
	if err := cluster.InstallAll(ctx); err != nil {
		return err
	}
	return os.WriteFile(p.dir.Addons(), nil, 0o600)
}

// clusterName is EKS's rule, and keeps an order from naming a file elsewhere.
var clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$`)

// createCluster records the cluster and starts its cloud-controller-manager, and its control
// plane unless that is the first one, which runs already. A control plane is started anew if
// it is to emulate another version.
func (s *supervisor) createCluster(c machine.Cluster) error {
	if !clusterName.MatchString(c.Name) {
		return fmt.Errorf("%q is no name of a cluster", c.Name)
	}
	if c.Plane < 0 || c.Plane >= len(s.planes) {
		return fmt.Errorf("a sandbox has no control plane number %d", c.Plane)
	}
	s.orders.Lock()
	defer s.orders.Unlock()
	if s.closed() {
		return errClosing
	}
	p := s.planes[c.Plane]
	if err := s.record(p, c); err != nil || p.ccm != nil {
		return err
	}
	if p.controlplane == nil {
		if err := s.raise(p, c.Name); err != nil {
			return err
		}
	}
	s.startCCM(p, c)
	slog.Info("cluster created", "cluster", c.Name)
	return nil
}

// startCCM starts a cluster's cloud-controller-manager.
func (s *supervisor) startCCM(p *plane, c machine.Cluster) {
	ccm := s.component("ccm", p.called("ccm", c.Name), []string{
		fmt.Sprintf("AWS_ENDPOINT_URL=http://127.0.0.1:%d", s.AWSPort),
		"AWS_ACCESS_KEY_ID=" + folder.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + folder.SecretAccessKey,
		"AWS_REGION=" + c.Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}, p.flag()...)
	ccm.run()
	s.mu.Lock()
	p.ccm = ccm
	s.mu.Unlock()
}

// record writes the cluster down. A control plane that has another cluster is refused;
// its own in another version is an upgrade.
func (s *supervisor) record(p *plane, c machine.Cluster) error {
	var old machine.Cluster
	if err := folder.ReadJSON(p.dir.Cluster(), &old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	was := old.Emulates
	old.Emulates = c.Emulates
	if p.ccm != nil && old != c {
		return fmt.Errorf("a control plane has one cluster at a time, and this one has %s", old.Name)
	}
	write := func() error {
		return errors.Join(p.dir.Create(), folder.WriteJSON(p.dir.Cluster(), c))
	}
	if was == c.Emulates || p.controlplane == nil {
		return write()
	}
	return s.withoutControlPlane(p, write)
}

// withoutControlPlane does something while a control plane is held. It reads
// anew what it emulates when it starts again.
func (s *supervisor) withoutControlPlane(p *plane, do func() error) error {
	s.disorders.Lock()
	defer s.disorders.Unlock()
	if f, ok := s.faults[p.controlplane.name]; ok {
		return fmt.Errorf("the control plane has a fault: %s", f.Kind)
	}
	p.controlplane.hold()
	defer p.controlplane.release()
	return do()
}

// deleteCluster stops the cloud-controller-manager, and ends the control plane or, of the
// first one, gives it an empty store. Repeated after a crash, it does what is left to do.
func (s *supervisor) deleteCluster(number int) error {
	if number < 0 || number >= len(s.planes) {
		return fmt.Errorf("a sandbox has no control plane number %d", number)
	}
	s.orders.Lock()
	defer s.orders.Unlock()
	if s.closed() {
		return errClosing
	}
	p := s.planes[number]
	if _, err := os.Stat(p.dir.Cluster()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s.end(&p.ccm)
	if number > 0 {
		s.end(&p.controlplane)
	} else {
		p.controlplane.stop()
		defer p.controlplane.run()
	}
	if err := p.dir.Clear(); err != nil {
		return err
	}
	slog.Info("cluster deleted", "plane", number)
	return nil
}

// end stops a component for good, if there is one, and its fault is over.
func (s *supervisor) end(of **component) {
	c := *of
	if c == nil {
		return
	}
	c.stop()
	s.mu.Lock()
	*of = nil
	s.mu.Unlock()
	s.disorders.Lock()
	defer s.disorders.Unlock()
	if d, ok := s.faults[c.name]; ok {
		if d.timer != nil {
			d.timer.Stop()
		}
		delete(s.faults, c.name)
	}
}

func (s *supervisor) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}
