package handover

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/problem"
)

// The severities of findings.
const (
	blocker = event.Blocker
	warning = event.Warning
	note    = event.Note
)

// check looks for one kind of trouble.
type check func(t *turn, replaced map[string]bool) []event.Finding

// checks are asked in this order, which is that of the report: what blocks
// first, then what may lose something, then what is good to know. Replaced are
// the workloads that the plan places anew before the hand-over begins.
var checks = []check{
	bare,
	pinned,
	twoBudgets,
	closedBudget,
	plainEviction,
	rollingOut,
	localStorage,
	noReadiness,
	longPreStop,
	noPreStop,
	noDraining,
	closedBudgetSurged,
	single,
}

// findings asks every check.
func findings(t *turn, replaced map[string]bool) []event.Finding {
	var all []event.Finding
	for _, c := range checks {
		all = append(all, c(t, replaced)...)
	}
	return all
}

// refusal is the reason not to start, nil if nothing blocks.
func refusal(group string, findings []event.Finding) *Reason {
	var r *Reason
	for _, f := range findings {
		switch line := f.Object + ": " + f.Effect; {
		case f.Severity != blocker:
		case r == nil:
			r = &Reason{Kind: problem.Refused, Op: "hand over " + group, Why: line, Fix: f.Fix}
		default:
			r.Notes = append(r.Notes, "also "+line+"; fix: "+f.Fix)
		}
	}
	return r
}

// each makes one finding for each workload, or bare pod, of which a pod on the
// old nodes is of the kind. Pods that are going already no longer matter.
func (t *turn) each(is func(Pod, Workload) bool, say func(Pod, Workload) event.Finding) []event.Finding {
	found := map[string]event.Finding{}
	for _, p := range t.pods {
		w, _ := t.o.Cluster.workload(p.owner())
		object := p.owner()
		if object == "" {
			object = "pod/" + p.String()
		}
		if _, known := found[object]; known || p.Deleting || !is(p, w) {
			continue
		}
		f := say(p, w)
		f.Object = object
		found[object] = f
	}
	var list []event.Finding
	for _, object := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[object])
	}
	return list
}

func bare(t *turn, _ map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool { return p.owner() == "" },
		func(p Pod, _ Workload) event.Finding {
			if p.Expendable {
				return event.Finding{Severity: warning, Effect: "nothing controls it: it ends for good, as its annotation allows"}
			}
			return event.Finding{
				Severity: blocker, Effect: "nothing controls it: once evicted it is gone for good",
				Fix: fmt.Sprintf("delete it, let a Deployment make it, or allow its end: kubectl -n %s annotate pod %s %s=true", p.Namespace, p.Name, ExpendableAnnotation),
			}
		})
}

func pinned(t *turn, replaced map[string]bool) []event.Finding {
	if t.s.Keep > 0 {
		return nil // nodes that its selectors name stay
	}
	return t.each(
		func(p Pod, w Workload) bool {
			return p.Group == t.s.Group && !replaced[p.owner()] && (p.Workload == "" || w.Settled)
		},
		func(p Pod, _ Workload) event.Finding {
			return event.Finding{
				Severity: blocker, Effect: "its own selector admits only nodes of " + t.s.Group + ": a replacement could run nowhere",
				Fix: "let its manifest name a node group that stays, or none (drover.yaml: workloads.<name>.nodeGroup)",
			}
		})
}

func twoBudgets(t *turn, replaced map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool { return len(p.Budgets) > 1 && !replaced[p.owner()] },
		func(p Pod, _ Workload) event.Finding {
			return event.Finding{
				Severity: blocker, Effect: "the Eviction API refuses a pod under two PodDisruptionBudgets: " + strings.Join(p.Budgets, ", "),
				Fix: fmt.Sprintf("keep one: kubectl -n %s get pdb %s", p.Namespace, strings.Join(p.Budgets, " ")),
			}
		})
}

// closed: its budget never allows an eviction of one of the wanted pods.
func (t *turn) closed(p Pod) bool {
	return len(p.Budgets) == 1 && slices.ContainsFunc(t.o.Cluster.Budgets, func(b Budget) bool {
		return b.Namespace == p.Namespace && b.Name == p.Budgets[0] && b.Never
	})
}

func closedBudget(t *turn, replaced map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool {
			return t.closed(p) && !p.surgeable() && p.Released == "" && !replaced[p.owner()]
		},
		func(p Pod, w Workload) event.Finding {
			return event.Finding{
				Severity: blocker, Effect: fmt.Sprintf("PodDisruptionBudget %q never allows an eviction, and a %s gets no extra pod first", p.Budgets[0], strings.ToLower(w.Kind)),
				Fix: fmt.Sprintf("let it allow one disruption: kubectl -n %s edit pdb %s", p.Namespace, p.Budgets[0]),
			}
		})
}

func closedBudgetSurged(t *turn, replaced map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool { return t.closed(p) && p.surgeable() && !replaced[p.owner()] },
		func(p Pod, _ Workload) event.Finding {
			return event.Finding{Severity: note, Effect: fmt.Sprintf("PodDisruptionBudget %q allows no eviction; the extra pod that comes first makes room for one", p.Budgets[0])}
		})
}

func plainEviction(t *turn, replaced map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool {
			return p.owner() != "" && p.Released == "" && !p.surgeable() && !replaced[p.owner()]
		},
		func(p Pod, w Workload) event.Finding {
			f := event.Finding{Severity: warning, Effect: "a pod is evicted before the next one starts, one at a time"}
			switch {
			case p.Alone != "":
				f.Effect += ": " + p.Alone
				f.Fix = "accept the gap, or change that"
			case w.Kind == "Deployment", w.Kind == "ReplicaSet":
				f.Effect += ": its Services or disruption budgets use every label that its ReplicaSet selects by"
				f.Fix = "let them select by other labels than the ReplicaSet alone needs"
			case w.Kind == "StatefulSet":
				f.Fix = "run more than one replica that can serve"
				if w.Replicas > 1 {
					f.Severity = note
				}
			case w.Kind == "Job":
				f.Effect = "a pod is evicted while it works, and its Job starts over"
				f.Fix = "let the Job finish before the move"
			}
			return f
		})
}

func rollingOut(t *turn, replaced map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, w Workload) bool { return p.surgeable() && !w.Settled && !replaced[p.owner()] },
		func(_ Pod, w Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: "its rollout is not complete; the move waits for it",
				Fix: fmt.Sprintf("kubectl -n %s rollout status %s/%s", w.Namespace, strings.ToLower(w.Kind), w.Name),
			}
		})
}

func localStorage(t *turn, _ map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool { return p.EmptyDir },
		func(Pod, Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: "what it keeps in emptyDir volumes ends with the pod",
				Fix: "nothing, if that is a cache; else put it on a PersistentVolume",
			}
		})
}

func noReadiness(t *turn, _ map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool { return len(p.Services) > 0 && !p.Probe },
		func(Pod, Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: "without a readiness probe a new pod gets requests before it can answer them",
				Fix: "give every container that listens a readinessProbe",
			}
		})
}

func longPreStop(t *turn, _ map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool { return p.PreStopTime > 0 && p.PreStopTime >= p.Grace },
		func(p Pod, _ Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("its preStop hook (%s) uses up its grace period (%s): requests under way are cut", p.PreStopTime, p.Grace),
				Fix: "make terminationGracePeriodSeconds longer than preStop and the longest request together",
			}
		})
}

// noPreStop matters where a pod is ended while proxies may still send to it;
// surge-first takes it out of its Services before.
func noPreStop(t *turn, replaced map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, _ Workload) bool {
			return len(p.Services) > 0 && !p.PreStop && (!p.surgeable() || replaced[p.owner()])
		},
		func(p Pod, _ Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: "without a preStop hook it stops listening while proxies still send it requests",
				Fix: "lifecycle.preStop.sleep of 5 to 20 s, shorter than its grace period",
			}
		})
}

func noDraining(t *turn, _ map[string]bool) []event.Finding {
	var found []event.Finding
	for _, b := range t.o.Balancers {
		if b.Draining == 0 && t.uses(b) {
			found = append(found, event.Finding{
				Severity: warning, Object: "load balancer " + b.Name, Effect: "connection draining is off: open connections through old nodes are cut",
				Fix: "annotate its Service: service.beta.kubernetes.io/aws-load-balancer-connection-draining-enabled=true, …-timeout=60",
			})
		}
	}
	return found
}

func single(t *turn, replaced map[string]bool) []event.Finding {
	return t.each(
		func(p Pod, w Workload) bool {
			return p.surgeable() && w.Replicas == 1 && len(p.Services) > 0 && !replaced[p.owner()]
		},
		func(Pod, Workload) event.Finding {
			return event.Finding{Severity: note, Effect: "one replica: it serves on until its replacement does"}
		})
}
