package move

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/kube"
	"github.com/droverhq/drover/internal/kube/cluster"
	"github.com/droverhq/drover/plan"
)

// session is a cluster that is watched, and what is asked beside it.
type session struct {
	cluster   handover.Cluster
	scaling   handover.Scaling
	balancers handover.Balancers
	fleet     fleet   // nil: AWS cannot be asked, and why says why
	why       string  // empty: there is nothing to ask it about, or it is asked
	undo      undoer  // deletes Auto Scaling groups; nil: as fleet
	copies    copyist // makes groups like others; nil: as fleet
}

// undoer takes Auto Scaling groups away.
type undoer interface {
	DeleteGroup(ctx context.Context, e handover.Ending) error
}

// awsTime is how long AWS credentials may take to be found: outside of EC2 the
// chain waits for a metadata service that does not answer.
const awsTime = 15 * time.Second

// open watches the cluster. Its watches outlive ctx, since a move that is
// interrupted puts back what it changed.
func open(ctx context.Context, a Access, options ...cluster.Option) (*session, error) {
	config, err := kube.Kubeconfig(a.Kubeconfig, a.Context)
	if err != nil {
		return nil, err
	}
	c, err := cluster.Open(context.WithoutCancel(ctx), config, options...)
	if err != nil {
		return nil, err
	}
	v, err := c.View()
	if err != nil {
		c.Close()
		return nil, err
	}
	s := &session{cluster: c, scaling: handover.Nothing{}, balancers: handover.Nothing{}}
	s.askAWS(ctx, v)
	return s, nil
}

// askAWS finds out whether AWS can be asked about the cluster's nodes.
func (s *session) askAWS(ctx context.Context, v *handover.View) {
	instance, region := "", ""
	for _, n := range v.Nodes {
		if n.Instance != "" {
			instance, region = n.Instance, n.Labels["topology.kubernetes.io/region"]
			break
		}
	}
	if instance == "" {
		return
	}
	limited, cancel := context.WithTimeout(ctx, awsTime)
	defer cancel()
	cloud, err := aws.Load(limited, region)
	if err != nil {
		s.why = err.Error()
		return
	}
	scaling := cloud.Scaling() // it remembers what it was asked: one for all
	known, err := scaling.States(limited, []string{instance})
	switch {
	case err != nil:
		s.why = err.Error()
	case known[instance] == "":
		s.why = fmt.Sprintf("the account of these credentials knows no instance %s in %s", instance, cloud.Region())
	default:
		s.scaling, s.balancers, s.fleet, s.undo, s.copies = scaling, cloud.Balancers(), scaling, scaling, scaling
	}
}

func (s *session) close() { s.cluster.Close() }

// mover is the core in front of the session.
func (s *session) mover(events event.Sink) *handover.Mover {
	return handover.New(s.scaling, s.balancers, func(context.Context, plan.Props) (handover.Cluster, error) { return shared{s.cluster}, nil }, events)
}

// shared is a cluster that somebody else closes.
type shared struct{ handover.Cluster }

// Close leaves that to the session.
func (shared) Close() {}

// resolve finds nodes in the cluster as it is now.
func (s *session) resolve(ctx context.Context, sets []Set) (found, error) {
	v, err := s.cluster.View()
	if err != nil {
		return found{}, err
	}
	why := s.why
	if why == "" {
		why = "no node of this cluster is an instance of EC2"
	}
	return resolve(ctx, v, sets, s.fleet, why)
}

// hosts are the Auto Scaling groups of nodes that take pods, if they can be asked.
func (s *session) hosts(f found, but []string) []string {
	return slices.DeleteFunc(f.groupNames(), func(name string) bool { return slices.Contains(but, name) })
}

var errNothing = errors.New("say what to move: " + Grammar)
