package ec2

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// Machines runs instances as processes.
type Machines interface {
	Run(ctx context.Context, m machine.Machine) error
	Stop(ctx context.Context, id string) error
	Reboot(ctx context.Context, id string) error
	Terminate(ctx context.Context, id string) error
}

const (
	hardware = 200 * time.Millisecond // from a launch to the running instance
	retry    = time.Second            // between attempts to join or to end a machine
	visible  = 5 * time.Minute        // how long a terminated instance is shown; about an hour on EC2
)

// Hypervisor makes the model's instances real: it starts the machine of each that
// shall run, stops those that shall not for now, and ends those that never shall again.
type Hypervisor struct {
	store    *region.Store
	machines Machines
	now      func() time.Time
	scale    float64
	log      *slog.Logger
}

// NewHypervisor makes a Hypervisor.
func NewHypervisor(store *region.Store, machines Machines, now func() time.Time, scale float64,
	log *slog.Logger) *Hypervisor {
	return &Hypervisor{store: store, machines: machines, now: now, scale: scale, log: log}
}

// power is what decides what a machine has to do.
type power struct {
	state     region.InstanceState
	rebooting bool
}

// life is the goroutine of an instance, from its launch (or from the start of this
// process) until it has vanished.
type life struct {
	power
	changed chan struct{} // there is a new power; closed: there is no instance any more
}

// Run acts on every change until ctx ends.
func (h *Hypervisor) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	known := map[string]*life{}
	for changed := h.store.Watch(); ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		h.store.View(func(st *region.State) {
			for id, i := range st.Instances {
				now := power{i.State, i.Rebooting}
				l, ok := known[id]
				if !ok {
					l = &life{now, make(chan struct{}, 1)}
					known[id] = l
					wg.Go(func() { h.live(ctx, id, l.changed) })
				}
				if l.power != now {
					l.power = now
					l.tell()
				}
			}
			for id, l := range known {
				if st.Instances[id] == nil {
					delete(known, id)
					close(l.changed)
				}
			}
		})
	}
}

func (l *life) tell() {
	select {
	case l.changed <- struct{}{}:
	default: // it has yet to hear of the change before
	}
}

// live is the life of one instance: it does what its state asks for until that changes.
func (h *Hypervisor) live(ctx context.Context, id string, changed <-chan struct{}) {
	for there := true; there; {
		turn, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.turn(turn, id)
		}()
		select {
		case <-ctx.Done():
			there = false
		case _, there = <-changed:
		}
		cancel()
		<-done
	}
}

// turn is what an instance's state asks for. It may be done again.
func (h *Hypervisor) turn(ctx context.Context, id string) {
	var i *region.Instance
	h.store.View(func(st *region.State) {
		if found, ok := st.Instances[id]; ok {
			copied := *found
			i = &copied
		}
	})
	if i == nil {
		return
	}
	switch i.State {
	case region.Pending:
		h.powerOn(ctx, *i)
	case region.Running:
		if i.Rebooting {
			h.order(ctx, i, "reboot machine", h.machines.Reboot, func(_ *region.State, i *region.Instance) { i.Rebooting = false })
			return // the change has it booted
		}
		h.boot(ctx, id)
	case region.Stopping:
		h.order(ctx, i, "stop machine", h.machines.Stop, func(_ *region.State, i *region.Instance) { i.HasStopped() })
	case region.Stopped:
	case region.ShuttingDown:
		h.order(ctx, i, "end machine", h.machines.Terminate, func(st *region.State, i *region.Instance) { st.EndInstance(i, region.Stamp(h.now())) })
	case region.Terminated:
		h.vanish(ctx, id)
	}
}

// powerOn makes a pending instance a running one.
func (h *Hypervisor) powerOn(ctx context.Context, i region.Instance) {
	if !sleep(ctx, i.Launched.Add(time.Duration(float64(hardware)*h.scale)).Sub(h.now())) {
		return
	}
	h.update(i.ID, func(_ *region.State, i *region.Instance) {
		if i.State == region.Pending {
			i.State = region.Running
		}
	})
}

// boot starts the instance's machine as soon as it may join its cluster, as
// nodeadm and kubelet would: they try again until they are let in.
func (h *Hypervisor) boot(ctx context.Context, id string) {
	said := ""
	for ctx.Err() == nil {
		m, err := h.describe(id)
		if err == nil {
			err = h.machines.Run(ctx, m)
		}
		if err == nil {
			h.log.Info("instance joins", "instance", id, "node", m.NodeName, "podCIDR", m.PodCIDR, "kubelet",
				m.KubeletVersion)
			return
		}
		if text := err.Error(); text != said && ctx.Err() == nil {
			said = text
			h.log.Warn("instance cannot join its cluster", "instance", id, "err", err)
		}
		sleep(ctx, retry)
	}
}

// describe says how to run an instance, or why it would not come up as a node.
func (h *Hypervisor) describe(id string) (m machine.Machine, err error) {
	err = h.store.Read(func(st *region.State) (err error) {
		i := st.Instances[id]
		if !i.Alive() {
			return fmt.Errorf("the instance is %s", i.State)
		}
		m, err = machineOf(st, i)
		return err
	})
	return m, err
}

// machineOf is the machine of an instance that may join its cluster.
func machineOf(st *region.State, i *region.Instance) (machine.Machine, error) {
	image, _ := st.Image(i.ImageID)
	parse := parseUserData
	if image.OS == region.Bottlerocket {
		parse = parseSettings
	}
	config, err := parse(i.UserData)
	if err != nil {
		return machine.Machine{}, err
	}
	labels, err := config.labels()
	if err != nil {
		return machine.Machine{}, err
	}
	cluster, err := config.cluster(st)
	if err != nil {
		return machine.Machine{}, err
	}
	typ, _ := region.LookupType(i.Type)
	if typ.Arch != image.Arch {
		return machine.Machine{}, fmt.Errorf("the architecture of %s is %s, that of %s is %s", i.Type, typ.Arch,
			image.Name, image.Arch)
	}
	pods := typ.MaxPods
	if n := config.Spec.Kubelet.Config.MaxPods; n > 0 {
		pods = n
	}
	return machine.Machine{ID: i.ID, PrivateIP: i.PrivateIP, PodCIDR: i.PodCIDR, NodeName: st.NodeName(i.PrivateIP),
		ProviderID: fmt.Sprintf("aws:///%s/%s", i.Zone, i.ID), KubeletVersion: image.Kubelet, Labels: labels,
		Taints: config.taints(),
		CPU:    typ.CPU, MemoryMiB: typ.MemoryMiB, MaxPods: pods, Plane: cluster.Plane}, mayJoin(st, i, cluster)
}

// cluster is the one that the NodeConfig names, if it is as that says.
func (c nodeConfig) cluster(st *region.State) (*region.Cluster, error) {
	want := c.Spec.Cluster
	cluster, ok := st.Clusters[want.Name]
	switch {
	case !ok:
		return nil, fmt.Errorf("NodeConfig: there is no cluster %q", want.Name)
	case cluster.Status != "ACTIVE":
		return nil, fmt.Errorf("cluster %s is %s", cluster.Name, cluster.Status)
	case want.APIServerEndpoint != cluster.Endpoint:
		return nil, fmt.Errorf("NodeConfig: apiServerEndpoint is %q, the cluster's is %q", want.APIServerEndpoint,
			cluster.Endpoint)
	case want.CertificateAuthority != cluster.CertificateAuthorityData:
		return nil, fmt.Errorf("NodeConfig: certificateAuthority is not that of cluster %s", cluster.Name)
	case want.CIDR != cluster.Kubernetes.ServiceIPv4Cidr:
		return nil, fmt.Errorf("NodeConfig: cidr is %q, the cluster's Services are in %s", want.CIDR,
			cluster.Kubernetes.ServiceIPv4Cidr)
	}
	return cluster, nil
}

// mayJoin asks for an access entry of the instance's role in the cluster.
func mayJoin(st *region.State, i *region.Instance, c *region.Cluster) error {
	role := st.ProfileRole(i.ProfileARN)
	if role == nil {
		return fmt.Errorf("unauthorized: the instance has no instance profile with a role (%q)", i.ProfileARN)
	}
	if e := st.AccessEntries[role.Arn+"|"+c.Name]; e != nil && e.Type == "EC2_LINUX" {
		return nil
	}
	return fmt.Errorf("unauthorized: no access entry of type EC2_LINUX for %s in cluster %s", role.Arn, c.Name)
}

// order has something done to a machine, and does not give up. Then it says so, unless
// the instance's state has changed meanwhile.
func (h *Hypervisor) order(ctx context.Context, i *region.Instance, what string, do func(context.Context, string) error, then func(*region.State, *region.Instance)) {
	for {
		err := do(ctx, i.ID)
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			h.log.Warn(what, "instance", i.ID, "err", err)
		}
		if !sleep(ctx, retry) {
			return
		}
	}
	state := i.State
	h.update(i.ID, func(st *region.State, i *region.Instance) {
		if i.State == state {
			then(st, i)
		}
	})
}

// vanish takes a terminated instance out of the model after a while.
func (h *Hypervisor) vanish(ctx context.Context, id string) {
	var ended time.Time
	h.store.View(func(st *region.State) { ended = st.Instances[id].Ended })
	if sleep(ctx, ended.Add(visible).Sub(h.now())) {
		h.update(id, func(st *region.State, i *region.Instance) { delete(st.Instances, i.ID) })
	}
}

func (h *Hypervisor) update(id string, f func(*region.State, *region.Instance)) {
	err := h.store.Update(func(st *region.State) error {
		if i, ok := st.Instances[id]; ok {
			f(st, i)
		}
		return nil
	})
	if err != nil {
		h.log.Error("change instance", "instance", id, "err", err)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
