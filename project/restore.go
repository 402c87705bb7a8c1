package project

import (
	"context"
	"errors"
	"os"
	"slices"

	"k8s.io/client-go/rest"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/kube"
	"github.com/droverhq/drover/internal/kube/cluster"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// RestoreOptions say what to give back.
type RestoreOptions struct {
	DryRun bool           // only tell
	Force  bool           // also what a move is at work on
	Tell   func(Restored) // hears of each thing; nil: nobody does
}

// Restored is one thing that was given back, or would be.
type Restored = handover.Restored

// Restore gives back what runs that died left in the stack's clusters: nodes
// that are closed, pods that were released, Auto Scaling groups that are held
// still. It asks the clusters alone; of the stack's state it only needs to know
// which those are. The stack is locked meanwhile.
func (p *Project) Restore(ctx context.Context, o RestoreOptions) (err error) {
	stack, err := p.selected()
	if err != nil {
		return err
	}
	config, problems := spec.ReadConfig(os.DirFS(p.dir), stack)
	if err := problems.Err(); err != nil {
		return err
	}
	snapshot, err := p.store.Read(ctx, stack)
	if err != nil {
		return err
	}
	if !o.DryRun {
		var session *state.Session
		if session, err = p.store.Lock(ctx, stack, "restore"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, session.Unlock(context.WithoutCancel(ctx))) }()
		snapshot = session.Snapshot()
	}
	cloud, err := aws.Load(ctx, config.Region())
	if err != nil {
		return err
	}
	if _, err := locate(ctx, cloud, snapshot, event.Discard); err != nil {
		return err
	}
	for _, host := range hosts(snapshot) {
		config, err := kube.Connect(host.conn, cloud.Token)
		if err != nil {
			return err
		}
		known := func(context.Context) (*aws.Cloud, error) { return cloud, nil }
		if err := rescue(ctx, o, config, host.groups, known); err != nil {
			return err
		}
	}
	return nil
}

func rescue(ctx context.Context, o RestoreOptions, config *rest.Config, groups []string, load func(context.Context) (*aws.Cloud, error)) error {
	c, err := cluster.Open(ctx, config)
	if err != nil {
		return err
	}
	defer c.Close()
	r := handover.Rescue{
		Cluster: c, Groups: groups, Force: o.Force, DryRun: o.DryRun, Tell: o.Tell,
		AWS: func(ctx context.Context) (handover.Scaling, handover.Balancers, error) {
			cloud, err := load(ctx)
			if err != nil {
				return nil, nil, err
			}
			return cloud.Scaling(), cloud.Balancers(), nil
		},
	}
	return r.Run(ctx)
}

// host is one cluster of a stack, and the node groups that the stack has there.
type host struct {
	conn   plan.Props
	groups []string
}

// hosts are the clusters that a stack's resources live in or make nodes for.
func hosts(s *state.Snapshot) []host {
	var all []host
	at := func(conn plan.Props) *host {
		i := slices.IndexFunc(all, func(h host) bool { return h.conn["endpoint"] == conn["endpoint"] })
		if i < 0 {
			all = append(all, host{conn: conn})
			i = len(all) - 1
		}
		return &all[i]
	}
	for _, r := range s.Resources {
		if len(r.Conn.Resolved) > 0 && r.Hosts == nil {
			at(r.Conn.Resolved)
		}
		if r.Hosts != nil && len(r.Hosts.Conn.Resolved) > 0 {
			h := at(r.Hosts.Conn.Resolved)
			h.groups = append(h.groups, r.Name)
		}
	}
	return all
}
