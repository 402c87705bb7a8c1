package handover

import (
	"context"
	"slices"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
)

// A rollout that the plan begins before a hand-over ends pods of the old template
// as soon as those of the new one are Ready, whatever load balancers and proxies
// say. So the move begins before it: it closes its nodes and lets the pods there go
// from their ReplicaSets, as surge-first does, all of a workload at once. Of the old
// template the ReplicaSet then has pods that find no node, which the rollout ends;
// those that serve stand beside it until the hand-over, which begins with them.
// Both templates serve for a while, each on nodes of its own.

// shelterFor is how long a pod may go without word from its move that waits for a
// rollout: however long that takes, nobody renews its mark meanwhile.
const shelterFor = 6 * time.Hour

// Shelter lets the pods of workloads that are about to be rolled out go from their
// controllers, as far as they can move surge-first. The hand-over of the same host
// goes on from there; a rollout that fails is followed by Reopen.
func (m *Mover) Shelter(ctx context.Context, mv engine.Move, s engine.Sheltering) error {
	cluster, err := m.open(context.WithoutCancel(ctx), mv.From)
	if err != nil {
		return err
	}
	defer cluster.Close()
	mv.Events = silent{mv.Events}
	r := newRun(m, cluster, mv)
	r.rollouts, r.replaced = s.Rollouts, s.Replaced
	return r.loop(ctx)
}

// silent keeps back the phases of a move, which are told once it goes on.
type silent struct{ event.Sink }

func (s silent) Emit(f event.Fact) {
	if _, is := f.(event.PhaseChanged); !is {
		s.Sink.Emit(f)
	}
}

// shelter lets the workloads' pods go, and is true once all of them are seen to be.
func (m *Move) shelter() bool {
	through := true
	for _, key := range m.Options.Shelter {
		r := m.recordOf(key)
		d := ShelterWorkload(m.workloadCase(key, m.view.Of(key)), *r)
		m.tellWorkload(key, *r, d.Record)
		*r = d.Record
		m.note(key, d)
		through = through && len(d.Actions) == 0
	}
	m.keepOff()
	return through
}

// ShelterWorkload decides one turn for a workload that is about to be rolled out,
// as NextWorkload does for others. Without actions there is nothing left to do.
// What is left to the rollout: pods that serve nobody, that cannot move
// surge-first, or that others of the old template could replace elsewhere.
func ShelterWorkload(c Case, r WorkloadRecord) Decision {
	h := newHerd(c, r)
	for _, p := range h.fresh {
		pr := h.promised(p)
		if !p.Ready || p.Group != h.Move || pr.how != SurgeFirst || !pr.byOwner || h.tempt(p) {
			continue
		}
		h.letGo(p, pr, Release{Until: h.now.Add(shelterFor), Rollout: true})
	}
	if len(h.beside) > 0 {
		h.to(WorkloadSurging)
	}
	return h.d
}

// sheltered are the workloads that are about to be rolled out.
func (r *run) sheltered() []string {
	all := []string{}
	v, err := r.cluster.View()
	if err != nil {
		return all // the first turn meets the same error
	}
	for key := range placedAnew(r.rollouts) {
		if v.Workloads[key] != nil {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}
