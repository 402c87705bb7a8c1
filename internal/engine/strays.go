package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// Stray is an object in a cluster that no stack file made and that has
// something outside of the cluster: once the cluster is gone, nobody removes it.
// Or it is that something, whose object is not there any more.
type Stray struct {
	Object string // "service default/legacy"
	Owner  string // the object that it is, or was made for or by: v1/Service/default/legacy; empty: nobody can tell
	Leaves string // "a load balancer, which stays, costs money and blocks the subnets"
	Blocks bool   // the network, or the cluster itself, cannot be deleted before it is gone
	Fix    string // the command that removes it
}

// Strayer is what a Provider adds that can find strays. Known are the objects of the stack
// in the cluster (v1/Service/apps/nginx), and its node groups (AWS::EKS::Nodegroup/shop/web).
type Strayer interface {
	Strays(ctx context.Context, conn plan.Props, known []string) ([]Stray, error)
}

// strays looks for what a destroy would leave behind of the clusters that go. What
// blocks it is refused before anything is deleted; the rest is told.
func (e *Engine) strays(ctx context.Context, g *graph.Graph, s *state.Snapshot, seen sightings) error {
	goes := func(r *state.Resource) bool { return !g.Frozen[keyOf(r.URN)] }
	var blocking []Stray
	for _, conn := range clusters(s, seen, goes) {
		found, err := e.straysIn(ctx, conn, s)
		if err != nil {
			e.Events.Emit(event.Finding{Severity: event.Warning, Object: "cluster", Effect: fmt.Sprintf(
				"it cannot be seen whether load balancers of others would be left behind: %v", err)})
		}
		for _, f := range found {
			if f.Blocks {
				blocking = append(blocking, f)
				continue
			}
			e.Events.Emit(event.Finding{Severity: event.Warning, Object: f.Object, Effect: "leaves " + f.Leaves, Fix: f.Fix})
		}
	}
	if len(blocking) == 0 {
		return nil
	}
	refused := &problem.Error{Kind: problem.Refused, Op: "destroy",
		Err: fmt.Errorf("%s is not in the stack and leaves %s", blocking[0].Object, blocking[0].Leaves), Fix: blocking[0].Fix}
	for _, f := range blocking[1:] {
		refused.Notes = append(refused.Notes, f.Object+" leaves "+f.Leaves+"; "+f.Fix)
	}
	return refused
}

func (e *Engine) straysIn(ctx context.Context, conn plan.Props, s *state.Snapshot) ([]Stray, error) {
	var known []string
	for _, r := range s.Resources {
		switch {
		case r.Gone:
		case inCluster(&r):
			known = append(known, r.Type+"/"+r.URN.Name())
		case r.Hosts != nil:
			known = append(known, r.Type+"/"+r.ID)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	found, err := e.straysOf(ctx, "v1/Service", conn, known)
	for _, f := range found {
		known = append(known, f.Owner) // what AWS has for it is told with it
	}
	made, errMade := e.straysOf(ctx, "AWS::EKS::Cluster", conn, known)
	return append(found, made...), errors.Join(err, errMade)
}

// straysOf asks the provider of a type: Kubernetes what is in the cluster, AWS what
// the cluster's controllers made there.
func (e *Engine) straysOf(ctx context.Context, typ string, conn plan.Props, known []string) ([]Stray, error) {
	provider, err := e.Providers(typ)
	if err != nil {
		return nil, err
	}
	strayer, ok := provider.(Strayer)
	if !ok {
		return nil, nil
	}
	return strayer.Strays(ctx, conn, known)
}

// clusters are the connections to such clusters of the stack as still stand.
func clusters(s *state.Snapshot, seen sightings, such func(*state.Resource) bool) []plan.Props {
	var conns []plan.Props
	for _, r := range s.Resources {
		conn := r.Conn.Resolved
		if r.Hosts != nil {
			conn = r.Hosts.Conn.Resolved
		}
		same := func(o plan.Props) bool { return state.Equal(o, conn) }
		if len(conn) > 0 && !r.Gone && !seen.gone(r) && ownCluster(s, r, such) && !slices.ContainsFunc(conns, same) {
			conns = append(conns, conn)
		}
	}
	return conns
}

// ownCluster reports that the resource's cluster is one of the stack's, and such a one.
func ownCluster(s *state.Snapshot, r state.Resource, such func(*state.Resource) bool) bool {
	return slices.ContainsFunc(s.Resources, func(o state.Resource) bool {
		return dependsOn(&r, &o) && strings.HasSuffix(o.Type, "::Cluster") && !o.Gone && such(&o)
	})
}
