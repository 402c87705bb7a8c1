package eks

import (
	"context"
	"encoding/base64"
	"log/slog"
	"sync"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// ControlPlane is run by the supervisor. A cluster that is created again with
// another version is brought to it.
type ControlPlane interface {
	CreateCluster(ctx context.Context, c machine.Cluster) (machine.Endpoint, error)
	DeleteCluster(ctx context.Context, plane int) error
}

// retry is the pause after the supervisor said no.
const retry = time.Second

// Operator makes the model's clusters real.
type Operator struct {
	store *region.Store
	plane ControlPlane
	log   *slog.Logger
}

// NewOperator makes an Operator.
func NewOperator(store *region.Store, plane ControlPlane, log *slog.Logger) *Operator {
	return &Operator{store: store, plane: plane, log: log}
}

// Run acts on every change until ctx ends, for each cluster by itself. A cluster that was
// active before this process started is announced again, which changes nothing if it runs.
func (o *Operator) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	announced, busy, done := map[string]bool{}, map[string]bool{}, make(chan string)
	for changed := o.store.Watch(); ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case name := <-done:
			delete(busy, name)
		}
		for _, c := range o.clusters() {
			what, do := o.due(c, announced[c.Name])
			if do == nil || busy[c.Name] {
				continue
			}
			busy[c.Name], announced[c.Name] = true, c.Status != "DELETING"
			tasks.Go(func() {
				o.insist(ctx, what, c.Name, func() error { return do(ctx, c) })
				select {
				case done <- c.Name:
				case <-ctx.Done():
				}
			})
		}
	}
}

func (o *Operator) clusters() (list []region.Cluster) {
	o.store.View(func(st *region.State) {
		for _, c := range region.Sorted(st.Clusters) {
			list = append(list, *c)
		}
	})
	return list
}

// due is what has to be done about a cluster, if anything.
func (o *Operator) due(c region.Cluster, announced bool) (what string, do func(context.Context, region.Cluster) error) {
	switch {
	case c.Status == "DELETING":
		return "delete", o.delete
	case c.Status == "UPDATING":
		return "upgrade", o.upgrade
	case !announced:
		return "create", o.create
	}
	return "", nil
}

func (o *Operator) create(ctx context.Context, c region.Cluster) error {
	at, err := o.plane.CreateCluster(ctx, o.ordered(c, c.Version))
	if err != nil {
		return err
	}
	return o.store.Update(func(st *region.State) error {
		if c, ok := st.Clusters[c.Name]; ok && c.Status == "CREATING" {
			c.Status, c.Endpoint = "ACTIVE", at.Server
			c.CertificateAuthorityData = base64.StdEncoding.EncodeToString([]byte(at.Authority))
		}
		return nil
	})
}

// ordered is what the supervisor hears of a cluster.
func (o *Operator) ordered(c region.Cluster, version string) machine.Cluster {
	cluster := machine.Cluster{Name: c.Name, Plane: c.Plane, VPCID: c.VpcID, SubnetID: c.Network.SubnetIDs[0], RoleARN: c.RoleArn,
		Bare: c.Rest["BootstrapSelfManagedAddons"] == false}
	if version != region.KubernetesVersion {
		cluster.Emulates = region.Patched(version)
	}
	o.store.View(func(st *region.State) { cluster.Region = st.Region })
	return cluster
}

// upgrade brings the control plane to the cluster's next version.
func (o *Operator) upgrade(ctx context.Context, c region.Cluster) error {
	if _, err := o.plane.CreateCluster(ctx, o.ordered(c, c.Next)); err != nil {
		return err
	}
	return o.store.Update(func(st *region.State) error {
		if c, ok := st.Clusters[c.Name]; ok && c.Status == "UPDATING" {
			c.Upgraded()
		}
		return nil
	})
}

func (o *Operator) delete(ctx context.Context, c region.Cluster) error {
	if err := o.plane.DeleteCluster(ctx, c.Plane); err != nil {
		return err
	}
	return o.store.Update(func(st *region.State) error {
		if c, ok := st.Clusters[c.Name]; ok {
			st.RemoveCluster(c)
		}
		return nil
	})
}

// insist repeats what must succeed in the end.
func (o *Operator) insist(ctx context.Context, what, cluster string, f func() error) {
	for ctx.Err() == nil {
		err := f()
		if err == nil {
			return
		}
		o.log.Warn(what+" cluster", "cluster", cluster, "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}
