package world

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/droverhq/drover/internal/handover"
)

// descheduler is what runs it.
func (w *World) descheduler() *handover.Evictor {
	if w.evictor == nil && w.Deschedules > 0 {
		w.looked = w.now()
		w.evictor = &handover.Evictor{Kind: "Deployment", API: "apps/v1", Namespace: "kube-system", Name: "descheduler", Replicas: 2}
		if w.Timed {
			w.evictor = &handover.Evictor{Kind: "CronJob", API: "batch/v1", Namespace: "kube-system", Name: "descheduler"}
		}
	}
	return w.evictor
}

// evicts: it is not turned off.
func evicts(e *handover.Evictor) bool {
	return e != nil && (e.Kind == "CronJob" && !e.Suspended || e.Kind == "Deployment" && e.Replicas > 0)
}

// deschedule breaks a promise where a descheduler finds a pod on a node that a move has
// closed: what moves is then evicted by somebody who waits for nothing.
func (w *World) deschedule() {
	if !evicts(w.descheduler()) || w.now().Sub(w.looked) < w.Deschedules {
		return
	}
	w.looked = w.now()
	for _, p := range w.sorted() {
		if n := w.nodes[p.Node]; n != nil && n.Cordoned && n.Before != "" && !p.app.daemon() && !p.app.Tolerates && !p.Sentinel && !p.Finished && !p.Deleting {
			w.fail("the descheduler finds pod %s on %s, which a move has closed", p.Name, p.Node)
			return
		}
	}
}

func (w *World) viewEvictor(v *handover.View) {
	e := w.descheduler()
	if e == nil {
		return
	}
	if have := v.Evictors[e.Key()]; have == nil || !reflect.DeepEqual(have, e) {
		copied := *e
		v.PutEvictor(&copied)
	}
}

// PatchEvictor changes what runs the descheduler.
func (w *World) PatchEvictor(_ context.Context, e handover.Evictor, p handover.Patch) error {
	defer w.alone(e.Key())()
	return w.call("patch "+e.Key(), &w.apiDown, func() error {
		if slices.Contains(w.Closed, "evictor") {
			return &handover.Refusal{Why: "policy no-evictor forbids it"}
		}
		is := w.descheduler()
		if value, ok := p.Annotations[handover.CalmAnnotation]; ok {
			is.Calmed = text(value)
		}
		if p.Replicas != nil {
			is.Replicas = *p.Replicas
		}
		if p.Suspended != nil {
			is.Suspended = *p.Suspended
		}
		return nil
	})
}

// Descheduler says how what runs the descheduler stands, if it is not as it was.
func (h *Hand) Descheduler() string {
	e := h.w.descheduler()
	switch {
	case e == nil || evicts(e) && e.Calmed == "" && (e.Replicas == 2 || h.w.Timed):
		return ""
	case evicts(e):
		return "the descheduler is not as it was"
	}
	return fmt.Sprintf("the descheduler is off: %s", e.Calmed)
}

// TurnOn has a person start the descheduler, or end it, so many times.
func (h *Hand) TurnOn(replicas int) { h.w.descheduler().Replicas = replicas }

// Replicas is how many pods the descheduler wants.
func (h *Hand) Replicas() int { return h.w.descheduler().Replicas }
