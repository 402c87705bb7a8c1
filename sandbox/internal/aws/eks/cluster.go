package eks

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// ControlPlane is run by the supervisor. A cluster that is created again with
// another version is brought to it.
type ControlPlane interface {
	CreateCluster(ctx context.Context, c machine.Cluster) error
	DeleteCluster(ctx context.Context) error
}

// retry is the pause after the supervisor said no.
const retry = time.Second

// Operator makes the model's cluster real.
type Operator struct {
	store    *region.Store
	plane    ControlPlane
	endpoint string // https URL of the API server
	caFile   string // PEM
	log      *slog.Logger
}

// NewOperator makes an Operator.
func NewOperator(store *region.Store, plane ControlPlane, endpoint, caFile string, log *slog.Logger) *Operator {
	return &Operator{store: store, plane: plane, endpoint: endpoint, caFile: caFile, log: log}
}

// Run acts on every change until ctx ends. A cluster that was active before
// this process started is announced again, which changes nothing if it runs.
func (o *Operator) Run(ctx context.Context) {
	announced := ""
	for changed := o.store.Watch(); ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		var c region.Cluster
		o.store.View(func(st *region.State) {
			for _, one := range st.Clusters {
				c = *one
			}
		})
		switch {
		case c.Name == "":
			announced = ""
		case c.Status == "DELETING":
			o.insist(ctx, "delete", func() error { return o.delete(ctx, c.Name) })
			announced = ""
		case c.Status == "UPDATING":
			o.insist(ctx, "upgrade", func() error { return o.upgrade(ctx, c) })
			announced = c.Name
		case announced != c.Name:
			o.insist(ctx, "create", func() error { return o.create(ctx, c) })
			announced = c.Name
		}
	}
}

func (o *Operator) create(ctx context.Context, c region.Cluster) error {
	ca, err := os.ReadFile(o.caFile)
	if err != nil {
		return fmt.Errorf("read the cluster's certificate authority: %w", err)
	}
	if err := o.plane.CreateCluster(ctx, o.ordered(c, c.Version)); err != nil {
		return err
	}
	return o.store.Update(func(st *region.State) error {
		if c, ok := st.Clusters[c.Name]; ok && c.Status == "CREATING" {
			c.Status, c.Endpoint = "ACTIVE", o.endpoint
			c.CertificateAuthorityData = base64.StdEncoding.EncodeToString(ca)
		}
		return nil
	})
}

// ordered is what the supervisor hears of a cluster.
func (o *Operator) ordered(c region.Cluster, version string) machine.Cluster {
	cluster := machine.Cluster{Name: c.Name, VPCID: c.VpcID, SubnetID: c.Network.SubnetIDs[0], RoleARN: c.RoleArn,
		Bare: c.Rest["BootstrapSelfManagedAddons"] == false}
	if version != region.KubernetesVersion {
		cluster.Emulates = region.Patched(version)
	}
	o.store.View(func(st *region.State) { cluster.Region = st.Region })
	return cluster
}

// upgrade brings the control plane to the cluster's next version.
func (o *Operator) upgrade(ctx context.Context, c region.Cluster) error {
	if err := o.plane.CreateCluster(ctx, o.ordered(c, c.Next)); err != nil {
		return err
	}
	return o.store.Update(func(st *region.State) error {
		if c, ok := st.Clusters[c.Name]; ok && c.Status == "UPDATING" {
			c.Upgraded()
		}
		return nil
	})
}

func (o *Operator) delete(ctx context.Context, name string) error {
	if err := o.plane.DeleteCluster(ctx); err != nil {
		return err
	}
	return o.store.Update(func(st *region.State) error {
		if c, ok := st.Clusters[name]; ok {
			st.RemoveCluster(c)
		}
		return nil
	})
}

// insist repeats what must succeed in the end.
func (o *Operator) insist(ctx context.Context, what string, f func() error) {
	for ctx.Err() == nil {
		err := f()
		if err == nil {
			return
		}
		o.log.Warn(what+" cluster", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}
