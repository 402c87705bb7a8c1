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
	o := Observed{View: v, From: r.aws.from, To: r.aws.to, Balancers: r.aws.balancers, Asked: r.aws.at, Refused: maps.Clone(r.refused)}
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
	if now.from, err = r.scaling.Group(ctx, group); err != nil && !errors.Is(err, ErrNotFound) {
		return outside{}, fmt.Errorf("read Auto Scaling group %s: %w", group, err)
	}
	for _, host := range r.move.To {
		g, err := r.scaling.Group(ctx, host.Name)
		if errors.Is(err, ErrNotFound) {
			continue // somebody deleted it: its nodes are missed soon enough
		}
		if err != nil {
			return outside{}, fmt.Errorf("read Auto Scaling group %s: %w", host.Name, err)
		}
		now.to = append(now.to, g)
	}
	var known []string
	if rec != nil {
		known = rec.Balancers
	}
	ids := instances(group, now.from, v)
	if len(ids) == 0 && len(known) == 0 {
		return now, nil
	}
	if now.balancers, err = r.balancers.Balancers(ctx, ids, known); err != nil {
		return outside{}, fmt.Errorf("read the load balancers of %s: %w", group, err)
	}
	return now, nil
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
