package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// What a turn rests on: the view, which the watches keep, and what AWS says.

// outside is what AWS said at a time.
type outside struct {
	at        time.Time
	from      Group
	to        []Group
	beside    []Group
	ended     map[string]bool // instances that EC2 has ended, or is ending
	balancers []Balancer
	err       error
}

// observe reads everything that a turn rests on. What AWS said may be as old as
// reread; if it does not answer, what it said last counts, and nothing is begun
// that rests on it.
func (r *run) observe(ctx context.Context, rec *Record) (Observed, error) {
	v, err := r.cluster.View()
	if err != nil {
		return Observed{}, err
	}
	if r.aws.at.IsZero() || time.Since(r.aws.at) >= reread {
		r.ask(ctx, rec, v)
		if r.aws.err != nil && rec == nil {
			return Observed{}, r.aws.err
		}
	}
	o := Observed{View: v, From: r.aws.from, To: r.aws.to, Beside: r.aws.beside, Ended: r.aws.ended, Balancers: r.aws.balancers, Asked: r.aws.at, Refused: maps.Clone(r.refused)}
	if r.aws.err != nil {
		o.Stale = r.aws.err.Error()
	}
	if r.move.Breach != nil {
		if reason, yes := r.move.Breach(); yes {
			o.Breach = reason
		}
	}
	return o, nil
}

// ask reads the groups and the load balancers.
func (r *run) ask(ctx context.Context, rec *Record, v *View) {
	now, err := r.read(ctx, rec, v)
	if err != nil {
		r.aws.at, r.aws.err = time.Now(), err
		if r.awsOff.IsZero() {
			r.awsOff = time.Now()
		}
		return
	}
	r.aws, r.awsOff = now, time.Time{}
}

func (r *run) read(ctx context.Context, rec *Record, v *View) (outside, error) {
	now := outside{at: time.Now()}
	group := r.move.From.Name
	var err error
	if name := r.fromGroup(); name != "" {
		if now.from, err = r.scaling.Group(ctx, name); err != nil && !errors.Is(err, ErrNotFound) {
			return outside{}, fmt.Errorf("read Auto Scaling group %s: %w", name, err)
		}
	}
	var names []string
	for _, host := range r.move.To {
		names = append(names, host.Name)
	}
	if now.to, err = readGroups(ctx, r.scaling, names); err != nil {
		return outside{}, err
	}
	if now.beside, err = readGroups(ctx, r.scaling, r.scope.Beside); err != nil {
		return outside{}, err
	}
	if now.ended, err = r.endedOf(ctx, rec, now, v); err != nil {
		return outside{}, err
	}
	q := inquiry(v, r.instances(rec, now.from, v))
	q.Addresses = append(q.Addresses, r.beyond(rec, v)...)
	if rec != nil {
		q.Known = rec.Balancers
	}
	for _, g := range slices.Concat([]Group{now.from}, now.to, now.beside) {
		q.Groups = append(q.Groups, g.Attached...) // one may be attached at any time, and registers its nodes then
	}
	if q.idle() {
		return now, nil
	}
	if now.balancers, err = r.balancers.Balancers(ctx, q); err != nil {
		return outside{}, fmt.Errorf("read the load balancers of %s: %w", group, err)
	}
	return now, nil
}

// endedOf asks EC2 about the nodes whose instance no group counts any more. That
// alone says little: one that was detached, or that a lifecycle hook holds, runs on.
func (r *run) endedOf(ctx context.Context, rec *Record, now outside, v *View) (map[string]bool, error) {
	all := maps.Clone(r.aws.ended)
	var ids []string
	for _, id := range r.missing(rec, now, v) {
		if !all[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return all, nil
	}
	found, err := ended(ctx, r.scaling, ids)
	if err != nil {
		return nil, err
	}
	maps.Copy(found, all)
	return found, nil
}

// missing are instances of nodes that leave, and of those that a group counted a
// moment ago, which no group counts now.
func (r *run) missing(rec *Record, now outside, v *View) []string {
	groups := slices.Concat([]Group{now.from}, now.to, now.beside)
	if !slices.ContainsFunc(groups, func(g Group) bool { return g.Name != "" }) {
		return nil // nobody counts them
	}
	ids := r.instances(rec, now.from, v)
	for _, g := range slices.Concat([]Group{r.aws.from}, r.aws.to, r.aws.beside) {
		for _, i := range g.Instances {
			ids = append(ids, i.ID)
		}
	}
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool {
		return v.byInstance[id] == nil || slices.ContainsFunc(groups, func(g Group) bool { return !g.Left(id) })
	})
}

// ended are those of the instances of which EC2 says that they end, or have ended:
// from there none comes back, whatever its node's conditions say. One that EC2 does
// not know is not among them.
func ended(ctx context.Context, scaling Scaling, instances []string) (map[string]bool, error) {
	states, err := scaling.States(ctx, instances)
	if err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	for id, state := range states {
		if state == "shutting-down" || state == "terminated" {
			gone[id] = true
		}
	}
	return gone, nil
}

// fromGroup is the Auto Scaling group that is handed over; empty: there is none.
func (r *run) fromGroup() string {
	if r.scope.Nodes == nil {
		return r.move.From.Name
	}
	return r.scope.Group
}

// instances are those of which load balancers are asked: the group's, or those
// of the nodes that leave.
func (r *run) instances(rec *Record, g Group, v *View) []string {
	if r.scope.Nodes == nil {
		return instances(r.move.From.Name, g, v)
	}
	var ids []string
	for _, name := range r.named(rec) {
		if n := v.Nodes[name]; n != nil && n.Instance != "" {
			ids = append(ids, n.Instance)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// named are the nodes that leave, if they are named one by one.
func (r *run) named(rec *Record) []string {
	names := slices.Clone(r.scope.Nodes)
	if rec != nil && names != nil {
		names = append(names, rec.leaving()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// beyond are the addresses of pods on nodes that are no instances, as Fargate's.
func (r *run) beyond(rec *Record, v *View) (addresses []string) {
	for _, name := range r.named(rec) {
		if n := v.Nodes[name]; n != nil && n.Instance == "" {
			addresses = append(addresses, v.addressesOn(name)...)
		}
	}
	return addresses
}

// addressesOn are those of the pods on a node.
func (v *View) addressesOn(node string) (addresses []string) {
	for _, p := range v.on[node] {
		if p.Address != "" {
			addresses = append(addresses, p.Address)
		}
	}
	return addresses
}

// inquiry asks about instances and the pods on them.
func inquiry(v *View, instances []string) Inquiry {
	q := Inquiry{Instances: instances}
	for _, id := range instances {
		if n := v.byInstance[id]; n != nil {
			q.Addresses = append(q.Addresses, v.addressesOn(n.Name)...)
		}
	}
	for _, s := range v.Services {
		q.about(s)
	}
	return q
}

// instances of a group: those in it, and those of nodes that carry its name.
func instances(group string, g Group, v *View) []string {
	var ids []string
	for _, i := range g.Instances {
		ids = append(ids, i.ID)
	}
	for _, n := range v.Nodes {
		if n.Instance != "" && belongs(n, group, g) {
			ids = append(ids, n.Instance)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
