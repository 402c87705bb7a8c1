package handover

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
)

const (
	blocker = event.Blocker // a pod could not be moved: the move does not start, or parks its workload
	warning = event.Warning
	note    = event.Note
)

// Question is what an inspection looks at.
type Question struct {
	Observed
	Options
	Group      string
	Keep       int
	Leaving    []string                     // nodes, in their order
	Coming     bool                         // a group that takes their pods is yet to be made
	Types      []string                     // of instances that such groups have
	Arches     []string                     // of the nodes of such groups; empty: not known
	Replaced   map[string]bool              // workloads that the plan places anew before the move
	Denied     map[string]map[string]string // dry runs that were refused: workload -> call -> why
	Closing    string                       // what must be done to nodes and was refused as a dry run, and why; empty: nothing
	Placements map[string]Placement         // by UID; nil: not asked
	Host       string                       // this machine's name; a pod's, where this process runs in one
	Around     Surroundings                 // what else has a say
	Unseen     string                       // why that could not be told; empty: it was
}

// check looks for one kind of trouble.
type check func(q *inspection) []event.Finding

// checks are asked in this order, which is that of the report: what blocks
// first, then what may lose something, then what is good to know. One
// more is a function here, a row in docs/hand-over.md and one in a test.
var checks = []check{
	cannotClose,
	itself,
	cannotMove,
	frozen,
	daemonsReplaced,
	pinned,
	noPlace,
	twoBudgets,
	brokenBudget,
	closedBudget,
	noNodesAdmitted,
	emptyZone,
	attached,
	hostPorts,
	webhookDown,
	noScheduler,
	unmetBudget,
	operatorsBudget,
	soleServer,
	lacksMember,
	unaskedBalancers,
	fewForZones,
	ailingDaemons,
	daemonServices,
	webhookMoves,
	imageGone,
	endsLate,
	laterPods,
	otherArchitecture,
	descheduled,
	gated,
	oneAtATime,
	rollsUnasked,
	onDelete,
	rollingOut,
	localStorage,
	noReadiness,
	longPreStop,
	noPreStop,
	noDraining,
	keptByBalancer,
	outlived,
	autoscaled,
	waitsForJob,
	tolerant,
	closedBudgetSurged,
	single,
	probeStops,
	nodeLocal,
	finalized,
	unseen,
}

// inspection is a question with what follows from it.
type inspection struct {
	Question
	v       *View
	leaving map[string]bool
	pods    []*Pod // that leave
}

func inspect(q Question) *inspection {
	i := &inspection{Question: q, v: q.View, leaving: map[string]bool{}}
	i.v.hear(q.Balancers)
	for _, name := range q.Leaving {
		i.leaving[name] = true
		for _, p := range q.View.On(name) {
			if !p.stays() && q.Scope.concerns(p, q.View.Now) {
				i.pods = append(i.pods, p)
			}
		}
	}
	slices.SortStableFunc(i.pods, func(a, b *Pod) int { return cmpRef(a.Ref, b.Ref) })
	return i
}

func cmpRef(a, b Ref) int {
	return strings.Compare(a.Namespace+"/"+a.Name+"/"+a.UID, b.Namespace+"/"+b.Name+"/"+b.UID)
}

// Findings asks every check.
func Findings(q Question) []event.Finding {
	i := inspect(q)
	var all []event.Finding
	for _, c := range checks {
		all = append(all, c(i)...)
	}
	return event.GravestFirst(all)
}

// refusal is the reason not to start, nil if nothing blocks.
func refusal(group string, findings []event.Finding) *Reason {
	p := event.Refused("hand over "+group, findings)
	if p == nil {
		return nil
	}
	reason := reasonOf(p, p.Op)
	return &reason
}

// each makes one finding for each workload of which a leaving pod is of the
// kind. Pods that are going already no longer matter.
func (i *inspection) each(is func(*Pod, *Workload) bool, say func(*Pod, *Workload) event.Finding) []event.Finding {
	found := map[string]event.Finding{}
	for _, p := range i.pods {
		key := p.owner()
		if _, known := found[key]; known || p.Deleting {
			continue
		}
		w := i.v.Workloads[key]
		if w == nil {
			w = &Workload{Namespace: p.Namespace}
		}
		if !is(p, w) {
			continue
		}
		f := say(p, w)
		f.Object = key
		found[key] = f
	}
	var all []event.Finding
	for _, key := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[key])
	}
	return all
}

// promised says how a pod would move.
func (i *inspection) promised(p *Pod) promise {
	if w := i.v.Workloads[p.owner()]; p.KeptUntil.Sub(i.v.Now) >= patience && (w == nil || w.Nature != Runs) {
		return promise{how: Never, why: "its annotation " + DoNotDisruptAnnotation + " forbids to disrupt it until " + p.KeptUntil.UTC().Format(time.RFC3339),
			fix: "wait for that, or remove the annotation"}
	}
	return promised(p, i.v.Workloads[p.owner()], i.Denied[p.owner()], i.v.settle(p, i.Settle), i.v.shared)
}

// leftToMove: the workload is left to the move; the plan does not place it anew.
func (i *inspection) leftToMove(p *Pod) bool { return !i.Replaced[p.owner()] }

// cannotClose: without that nothing begins.
func cannotClose(i *inspection) []event.Finding {
	if i.Closing == "" || len(i.Leaving) == 0 {
		return nil
	}
	return []event.Finding{{
		Severity: blocker, Object: "node/" + i.Leaving[0], Effect: "it may not be closed: " + i.Closing,
		Fix: cure(i.Closing),
	}}
}

// itself: the move would end the process that moves.
func itself(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool { return p.Name == i.Host },
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{Severity: blocker, Effect: "this very command runs in its pod " + p.Name + ": to move that would end the move",
				Fix: "run it on a node that stays, or outside of the cluster"}
		})
}

func cannotMove(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool { return i.leftToMove(p) && i.promised(p).how == Never },
		func(p *Pod, _ *Workload) event.Finding {
			pr := i.promised(p)
			return event.Finding{Severity: blocker, Effect: pr.why, Fix: pr.fix}
		})
}

// frozen: the plan changes the template, and nothing would follow.
func frozen(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, w *Workload) bool {
			return !i.leftToMove(p) && (w.Paused || w.Partition > 0 && p.Group == i.Group && w.ordinal(p) < w.Partition)
		},
		func(p *Pod, w *Workload) event.Finding {
			switch {
			case w.Paused:
				return event.Finding{Severity: blocker, Effect: "it is paused: the new placement would never roll out", Fix: w.rollout("resume")}
			case !w.Ordinals:
				return event.Finding{Severity: blocker,
					Effect: fmt.Sprintf("its update strategy has a partition (%d): so many pods come back by the old template, which fits only %s", w.Partition, i.Group),
					Fix:    "set the partition to 0: " + w.edit()}
			}
			return event.Finding{Severity: blocker,
				Effect: fmt.Sprintf("its update strategy has a partition (%d): pods below it come back by the old template, which fits only %s", w.Partition, i.Group),
				Fix:    "set the partition to 0: " + w.unpartition()}
		})
}

// unpartition is the command that has all its pods follow its template. Only of
// Kubernetes' own kind is it known where the partition stands.
func (w *Workload) unpartition() string {
	if w.API != "apps/v1" {
		return w.edit()
	}
	return fmt.Sprintf("kubectl -n %s patch %s %s --type merge -p '{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0}}}}'",
		w.Namespace, strings.ToLower(w.Kind), w.Name)
}

func pinned(i *inspection) []event.Finding {
	if i.Keep > 0 {
		return nil // nodes that its selectors name stay
	}
	return i.each(
		func(p *Pod, w *Workload) bool {
			return i.pin(p) != "" && i.leftToMove(p) && w.Rolling == "" && !w.OnDelete && !p.beside()
		},
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{
				Severity: blocker, Effect: "its own selector admits only " + i.pin(p) + ": a replacement could run nowhere",
				Fix: "let its manifest name a node group that stays, or none (drover.yaml: workloads.<name>.nodeGroup)",
			}
		})
}

// pin is what nodes a pod's own selectors admit, if all of them leave, and none that is
// yet to come will be one. Where all are there, placement tells.
func (i *inspection) pin(p *Pod) string {
	if i.promised(p).how == AfterJob {
		return "" // it ends where it is, and what comes after it has the template of then
	}
	return i.admitsOnly(p.Group, p.Pins)
}

// admitsOnly is what pin tells of selectors that ask for a group, and for labels.
func (i *inspection) admitsOnly(group string, pins map[string]string) string {
	switch {
	case group == i.Group:
		return "nodes of " + i.Group
	case !i.Coming:
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(pins)) {
		stays := func(n *Node) bool { return n.Labels[key] == pins[key] && !i.leaving[n.Name] }
		if !slices.Contains(i.Types, pins[key]) && !slices.ContainsFunc(slices.Collect(maps.Values(i.v.Nodes)), stays) {
			return "nodes with label " + key + "=" + pins[key]
		}
	}
	return ""
}

func noPlace(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			where, asked := i.Placements[p.UID]
			return asked && (where.Node == "" || where.Preempts != "") && !p.beside()
		},
		func(p *Pod, _ *Workload) event.Finding {
			where := i.Placements[p.UID]
			f := event.Finding{Severity: blocker, Effect: "a replacement would find no node: " + where.Why, Fix: where.Fix}
			if where.Preempts != "" {
				f.Effect = "a replacement would find room only by ending pod " + where.Preempts + ", which has a lower priority"
			}
			if f.Fix == "" {
				f.Fix = "make the node groups that stay larger, or let one of them fit its selectors, tolerations and volumes"
			}
			return f
		})
}

// twoBudgets: the Eviction API refuses pods under more than one, unless the pod
// can leave all but one of them once it is replaced.
func twoBudgets(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			how := i.promised(p).how
			return len(p.Budgets) > 1 && i.leftToMove(p) && ways[how].budgets && (how != SurgeFirst || len(p.Veils) == 0 && len(p.Doors) == 0)
		},
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{
				Severity: blocker, Effect: "it is under the PodDisruptionBudgets " + strings.Join(p.Budgets, " and ") + ": the Eviction API refuses such pods",
				Fix: "keep one of them: kubectl -n " + p.Namespace + " get pdb",
			}
		})
}

// budgets are those that have a say in how the pod goes.
func (i *inspection) budgets(p *Pod) []*Budget {
	var all []*Budget
	if !ways[i.promised(p).how].budgets {
		return nil
	}
	for _, name := range p.Budgets {
		if b := i.v.Budgets[p.Namespace+"/"+name]; b != nil {
			all = append(all, b)
		}
	}
	return all
}

func brokenBudget(i *inspection) []event.Finding {
	broken := func(b *Budget) bool { return b.Broken != "" }
	return i.each(
		func(p *Pod, _ *Workload) bool { return slices.ContainsFunc(i.budgets(p), broken) && i.leftToMove(p) },
		func(p *Pod, _ *Workload) event.Finding {
			all := i.budgets(p)
			b := all[slices.IndexFunc(all, broken)]
			return event.Finding{
				Severity: blocker, Effect: fmt.Sprintf("PodDisruptionBudget %q cannot be computed and allows nothing: %s", b.Name, b.Broken),
				Fix: fmt.Sprintf("give it an absolute minAvailable, or a selector of pods whose controller has a scale: kubectl -n %s edit pdb %s", b.Namespace, b.Name),
			}
		})
}

// closed: its budget never allows an eviction of one of the wanted pods.
func (i *inspection) closed(p *Pod) (*Budget, bool) {
	all := i.budgets(p)
	if len(all) != 1 || !all[0].never() {
		return nil, false
	}
	return all[0], true
}

// closedFor: that is so, and no extra pod comes first that would change it.
func (i *inspection) closedFor(p *Pod) (*Budget, bool) {
	b, closed := i.closed(p)
	return b, closed && !p.beside() && i.leftToMove(p) && ways[i.promised(p).how].endsFirst
}

// operatorsBudget: who keeps the budget is to move the pod by itself.
func operatorsBudget(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			b, closed := i.closedFor(p)
			return closed && b.keptFor(p)
		},
		func(p *Pod, w *Workload) event.Finding {
			b, _ := i.closed(p)
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("PodDisruptionBudget %q, which the operator of its %s keeps, allows no eviction: the operator is to move the pod once its node is closed, and is given %s for it", b.Name, strings.ToLower(p.Owner.Kind), patience),
				Fix: fmt.Sprintf("see that the operator runs; if it does not move pods off closed nodes, do it by its own means: kubectl -n %s get pdb %s", p.Namespace, b.Name),
			}
		})
}

func closedBudget(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			b, closed := i.closedFor(p)
			return closed && !b.keptFor(p)
		},
		func(p *Pod, w *Workload) event.Finding {
			b, _ := i.closed(p)
			return event.Finding{
				Severity: blocker, Effect: fmt.Sprintf("PodDisruptionBudget %q never allows an eviction (it wants %d of %d healthy), and a pod of this %s gets no extra pod first", b.Name, b.Desired, b.Expected, strings.ToLower(w.Kind)),
				Fix: fmt.Sprintf("let it allow one disruption: kubectl -n %s edit pdb %s", p.Namespace, b.Name),
			}
		})
}

// noNodesAdmitted: a load balancer that takes only nodes with some labels
// would be left with none.
func noNodesAdmitted(i *inspection) []event.Finding {
	var found []event.Finding
	for _, key := range slices.Sorted(maps.Keys(i.v.Services)) {
		s := i.v.Services[key]
		if !s.Balanced || len(s.NodeLabels) == 0 || i.Replaced["service/"+key] {
			continue // one that the plan changes is looked at again once it has
		}
		old, others := false, false
		for _, n := range i.v.Nodes {
			if s.admits(n) {
				old, others = old || i.leaving[n.Name], others || !i.leaving[n.Name]
			}
		}
		if !old || others {
			continue
		}
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(s.NodeLabels)) {
			labels = append(labels, k+"="+s.NodeLabels[k])
		}
		f := event.Finding{
			Severity: blocker, Object: "service/" + key,
			Effect: "its annotation service.beta.kubernetes.io/aws-load-balancer-target-node-labels (" + strings.Join(labels, ",") + ") fits nodes of " + i.Group + " only: ",
			Fix:    "give the new nodes these labels (drover.yaml: nodeGroups.<name>.labels), or change the annotation",
		}
		if i.Coming {
			f.Severity = warning
			f.Effect += "unless the group that is made has these labels, too, the move is refused once its nodes are there"
		} else {
			f.Effect += "its load balancer would be left without targets"
		}
		found = append(found, f)
	}
	return found
}

// unmetBudget: a budget that is not met refuses even pods that serve nobody.
func unmetBudget(i *inspection) []event.Finding {
	unmet := func(b *Budget) bool { return b.Seen && b.Healthy < b.Desired && !b.AlwaysAllow }
	return i.each(
		func(p *Pod, _ *Workload) bool { return slices.ContainsFunc(i.budgets(p), unmet) && i.leftToMove(p) },
		func(p *Pod, _ *Workload) event.Finding {
			all := i.budgets(p)
			b := all[slices.IndexFunc(all, unmet)]
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("PodDisruptionBudget %q is not met (%d of %d healthy): it refuses broken pods too, until a replacement is Ready", b.Name, b.Healthy, b.Desired),
				Fix: fmt.Sprintf("repair the pods, or set unhealthyPodEvictionPolicy: AlwaysAllow: kubectl -n %s edit pdb %s", b.Namespace, b.Name),
			}
		})
}

// soleServer: of several pods, of one workload or more, one alone serves a Service, as a database's primary does
// behind one that asks for its role. Nobody but its controller has another do so.
func soleServer(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			return ways[i.promised(p).how].consent && !p.AcceptGap && i.servedByItAlone(p) != ""
		},
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("pod %s alone serves Service %s: it goes only once its controller has another one serve it, and is parked if none does for %s", p.Name, i.servedByItAlone(p), patience),
				Fix: fmt.Sprintf("see that its operator switches over when its node is closed, do so by hand, or accept the gap: kubectl -n %s annotate pod %s %s=true", p.Namespace, p.Name, AcceptGapAnnotation),
			}
		})
}

// servedByItAlone is a Service that others may serve as well, and do not.
func (i *inspection) servedByItAlone(p *Pod) string {
	return p.behind(func(x Path) bool { return x.Ready && !x.Own && i.v.servers(p.serviceKey(x.Service)) == 1 })
}

// lacksMember: while one of those that know each other does not work, none of the
// others is ended.
func lacksMember(i *inspection) []event.Finding {
	lacks := func(w *Workload) string {
		return w.missesMember(i.v.Of(w.Key()), func(string) bool { return false })
	}
	return i.each(
		func(p *Pod, w *Workload) bool {
			return i.leftToMove(p) && ways[i.promised(p).how].consent && p.Ready && !p.AcceptGap && lacks(w) != ""
		},
		func(_ *Pod, w *Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("it lacks a pod that works (%s): none of its others is ended until it has that, and it is parked if nothing of it moves for %s", lacks(w), patience),
				Fix: w.repair(),
			}
		})
}

// unaskedBalancers: somebody sends requests, and cannot be asked through what.
func unaskedBalancers(i *inspection) []event.Finding {
	var found []event.Finding
	for _, key := range slices.Sorted(maps.Keys(i.v.Services)) {
		s := i.v.Services[key]
		for _, host := range i.unasked(s) {
			found = append(found, event.Finding{
				Severity: warning, Object: "service/" + key,
				Effect: fmt.Sprintf("its load balancer %s cannot be asked whether it has let go of a node, or sends through a new one: the move waits %s instead, for each", host, i.unaskedTime()),
				Fix:    "see that it needs no longer for either (a deregistration delay of 300 s); --balancer-settle of migrate says another time",
			})
		}
		if hosts := i.v.senders.unaskedToPods(s); len(hosts) > 0 && len(i.v.behind[key]) > 0 {
			found = append(found, event.Finding{
				Severity: warning, Object: "service/" + key,
				Effect: fmt.Sprintf("what sends to its pods themselves cannot be asked (%s): the move waits %s for each pod instead, and, of a target group, for each node", list(hosts), settleTargets),
				Fix:    "see that its deregistration delay is not longer than 300 s, and that pods have its readiness gate",
			})
		}
	}
	return found
}

// unasked are the hosts of the Service's load balancers that send through nodes
// which leave, and that nobody here can ask.
func (i *inspection) unasked(s *Service) []string {
	if !s.Balanced || !i.admitsLeaving(s) {
		return nil
	}
	return i.v.senders.unasked(s)
}

func (i *inspection) admitsLeaving(s *Service) bool {
	return slices.ContainsFunc(i.Leaving, func(name string) bool { n := i.v.Nodes[name]; return n != nil && n.registers() && s.admits(n) })
}

// ailingDaemons: a DaemonSet that has no Ready pod anyway holds nobody up.
func ailingDaemons(i *inspection) []event.Finding {
	found := map[string]bool{}
	for _, name := range i.Leaving {
		if n := i.v.Nodes[name]; n != nil {
			for _, daemons := range n.Daemons {
				found[daemons] = true
			}
		}
	}
	var all []event.Finding
	for _, daemons := range slices.Sorted(maps.Keys(found)) {
		if !i.v.ails(daemons, func(node string) bool { return i.leaving[node] }) {
			continue
		}
		all = append(all, event.Finding{
			Severity: warning, Object: daemons, Effect: "it has no Ready pod on the nodes that leave: new nodes are taken for whole without one",
			Fix: "see what it lacks, or delete it if it is not used any more",
		})
	}
	return all
}

// daemonServices: requests go to pods that stay with their nodes.
func daemonServices(i *inspection) []event.Finding {
	var found []event.Finding
	seen := map[string]bool{}
	for _, name := range i.Leaving {
		for _, p := range i.v.On(name) {
			if !p.daemon() || !p.selected() || seen[p.owner()] {
				continue
			}
			seen[p.owner()] = true
			f := event.Finding{Severity: note, Object: p.owner(), Effect: "Service " + p.service() + " sends to its pods: they are taken out of it before their nodes end"}
			if len(p.Doors) == 0 {
				f.Severity, f.Effect = warning, "Service "+p.service()+" sends to its pods, and they cannot be taken out of it before their nodes end: "+p.NoDoor
				f.Fix = "let the Service select by a label of its own"
			}
			found = append(found, f)
		}
	}
	return found
}

// nodeLocal: pods of a node reach a Service through pods of the same node alone.
func nodeLocal(i *inspection) []event.Finding {
	local := func(p *Pod) *Service { return i.v.serviceOf(p, (*Service).nodeLocal) }
	return i.each(
		func(p *Pod, _ *Workload) bool { return i.leftToMove(p) && local(p) != nil },
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{Severity: note, Effect: "Service " + local(p).Name + " has internalTrafficPolicy Local: its pods leave a node after those that they may serve there; DaemonSets' pods stay, and reach none there then",
				Fix: "where DaemonSets need it, make it a DaemonSet too, or let the policy be Cluster while the move goes on"}
		})
}

// finalized: a pod of a Job has a finalizer of Kubernetes' own, which goes by itself.
func finalized(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			return i.leftToMove(p) && len(p.Finalizers) > 0 && i.promised(p).how != AfterJob
		},
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{Severity: note, Effect: fmt.Sprintf("finalizer %s keeps it after its end until its controller takes that away: its node stays for so long", list(p.Finalizers)),
				Fix: "see that the controller runs"}
		})
}

// endsLate: what has been told to end and does not keeps its node, whatever is done for
// the others. On a node whose kubelet is silent it counts as gone.
func endsLate(i *inspection) []event.Finding {
	var found []event.Finding
	told := map[string]bool{}
	for _, p := range i.pods {
		n := i.v.Nodes[p.Node]
		if !p.Deleting || told[p.owner()] || n == nil || !n.Ready || i.v.Now.Sub(p.GoneBy) < overdue {
			continue
		}
		told[p.owner()] = true
		f := event.Finding{
			Severity: warning, Object: p.owner(), Effect: fmt.Sprintf("pod %s was to have ended by %s and is there yet: node %s is kept if it does not end within %s", p.Name, p.GoneBy.UTC().Format(time.RFC3339), p.Node, patience),
			Fix: fmt.Sprintf("see what keeps it (kubectl -n %[1]s describe pod %[2]s); once its processes are gone for certain: kubectl -n %[1]s delete pod %[2]s --force", p.Namespace, p.Name),
		}
		if len(p.Finalizers) > 0 {
			f.Effect += ": finalizer " + list(p.Finalizers)
			f.Fix = fmt.Sprintf("see why the controller of the finalizer does not clear it: kubectl -n %s get pod %s -o yaml", p.Namespace, p.Name)
		}
		found = append(found, f)
	}
	return found
}

func oneAtATime(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, w *Workload) bool {
			return i.leftToMove(p) && ways[i.promised(p).how].endsFirst && p.Workload != ""
		},
		func(p *Pod, w *Workload) event.Finding {
			pr := i.promised(p)
			f := event.Finding{Severity: warning, Effect: "a pod is ended before the next one starts, one at a time: " + pr.why, Fix: "run more than one replica that can serve"}
			switch {
			case pr.how == Gap:
				f.Effect, f.Fix = "nothing serves while it moves, as was accepted: "+pr.why, ""
			case w.Nature == Ordered && w.Wants > 1:
				f.Severity = note
			case pr.how == ByOperator && w.Wants > 1:
				f.Fix = "see that its controller brings members back one by one, or protect them by a PodDisruptionBudget"
			}
			return f
		})
}

func onDelete(i *inspection) []event.Finding {
	return i.each(
		func(_ *Pod, w *Workload) bool { return w.OnDelete },
		func(*Pod, *Workload) event.Finding {
			return event.Finding{Severity: warning, Effect: "its update strategy is OnDelete: its pods come back by its present template as they move, one at a time"}
		})
}

func rollingOut(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, w *Workload) bool { return w.Rolling != "" && i.leftToMove(p) },
		func(_ *Pod, w *Workload) event.Finding {
			f := event.Finding{
				Severity: warning, Effect: "its rollout is not complete (" + w.Rolling + "); the move waits for it",
				Fix: w.rollout("status"),
			}
			if w.Paused || w.Stalled {
				f.Effect = "its rollout is paused in the middle (" + w.Rolling + "): each pod is replaced by one of its own revision"
				f.Fix = w.rollout("resume") + ", if that was forgotten"
			}
			if w.Stalled {
				f.Effect = "its rollout has failed (" + w.Rolling + "): each pod is replaced by one of its own revision"
				f.Fix = w.rollout("undo") + ", or repair it"
			}
			return f
		})
}

// rollout is the command for a rollout of it. kubectl has it for Kubernetes' own kinds.
func (w *Workload) rollout(verb string) string {
	if strings.Contains(w.API, ".") {
		return verb + " it, by the tool for its kind or in its spec: " + w.edit()
	}
	return fmt.Sprintf("kubectl -n %s rollout %s %s/%s", w.Namespace, verb, strings.ToLower(w.Kind), w.Name)
}

// edit is the command to change it by hand.
func (w *Workload) edit() string {
	return fmt.Sprintf("kubectl -n %s edit %s %s", w.Namespace, w.resource(), w.Name)
}

// resource is its kind, with its group, as kubectl takes it.
func (w *Workload) resource() string {
	kind, _, _ := strings.Cut(w.Key(), "/")
	return kind
}

func localStorage(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool { return p.EmptyDir || p.HostPath != "" },
		func(p *Pod, _ *Workload) event.Finding {
			f := event.Finding{
				Severity: warning, Effect: "what it keeps in emptyDir volumes ends with the pod",
				Fix: "nothing, if that is a cache; else put it on a PersistentVolume",
			}
			if p.HostPath != "" {
				f.Effect = "what it writes to " + p.HostPath + " of its node (hostPath) stays there and ends with the node: its replacement finds none of it"
				f.Fix = "nothing, if that is a cache; else copy it, or put it on a PersistentVolume that moves"
			}
			return f
		})
}

func noReadiness(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool { return p.selected() && !p.Probe },
		func(*Pod, *Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: "without a readiness probe a new pod gets requests before it can answer them",
				Fix: "give every container that listens a readinessProbe",
			}
		})
}

func longPreStop(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool { return p.LongestHook > 0 && p.LongestHook >= p.Grace },
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("its preStop hook (%s) uses up its grace period (%s): requests under way are cut", p.LongestHook, p.Grace),
				Fix: "make terminationGracePeriodSeconds longer than preStop and the longest request together",
			}
		})
}

// noPreStop matters where a pod is ended while proxies may still send to it;
// surge-first takes it out of its Services before.
func noPreStop(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			return p.selected() && !p.PreStop && (i.promised(p).how != SurgeFirst || !i.leftToMove(p))
		},
		func(*Pod, *Workload) event.Finding {
			return event.Finding{
				Severity: warning, Effect: "without a preStop hook it stops listening while proxies still send it requests",
				Fix: "lifecycle.preStop.sleep of 5 to 20 s, shorter than its grace period",
			}
		})
}

func noDraining(i *inspection) []event.Finding {
	var found []event.Finding
	for _, b := range i.Balancers {
		if !b.cutsAtOnce() || !i.sends(b) {
			continue
		}
		f := event.Finding{
			Severity: warning, Object: "load balancer " + b.Name, Effect: "connection draining is off: open connections through old nodes are cut",
			Fix: "annotate its Service: service.beta.kubernetes.io/aws-load-balancer-connection-draining-enabled=true, …-timeout=60",
		}
		if b.Group != "" {
			to := "through old nodes"
			if b.ByAddress {
				to = "to old pods"
			}
			f.Effect, f.Fix = "its deregistration delay is 0: open connections "+to+" are cut", "set the target group's attribute deregistration_delay.timeout_seconds to 60 or so"
		}
		found = append(found, f)
	}
	return found
}

// sends: the load balancer sends to nodes that leave, or to pods on them.
func (i *inspection) sends(b Balancer) bool {
	return slices.ContainsFunc(b.Targets, func(t Target) bool {
		n := i.v.nodeOf(t)
		return t.State != Unused && n != nil && i.leaving[n.Name]
	})
}

func waitsForJob(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool { return i.promised(p).how == AfterJob },
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{
				Severity: note, Effect: fmt.Sprintf("a pod of it works there: the move waits for its end, up to %s; ended before, %s", jobPatience, i.promised(p).why),
				Fix: i.promised(p).fix,
			}
		})
}

func tolerant(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool { return p.Tolerates && i.leftToMove(p) && p.Workload != "" },
		func(*Pod, *Workload) event.Finding {
			return event.Finding{Severity: note, Effect: "its tolerations let its pods start on cordoned nodes: sentinels keep them off while it moves"}
		})
}

func closedBudgetSurged(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			_, closed := i.closed(p)
			return closed && i.promised(p).how == SurgeFirst && i.leftToMove(p)
		},
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{Severity: note, Effect: fmt.Sprintf("PodDisruptionBudget %q allows no eviction; the extra pod that comes first makes room for one", p.Budgets[0])}
		})
}

func single(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, w *Workload) bool {
			return i.promised(p).how == SurgeFirst && w.Wants == 1 && p.selected() && i.leftToMove(p)
		},
		func(*Pod, *Workload) event.Finding {
			return event.Finding{Severity: note, Effect: "one replica: it serves on until its replacement does"}
		})
}

// rehearsals are the calls to try before anything changes, with one pod of each
// workload: they find policies, quotas, webhooks and what is gone.
func rehearsals(i *inspection) []rehearsal {
	var all []rehearsal
	seen := map[string]bool{}
	for _, p := range i.pods {
		key := p.owner()
		if seen[key] || p.Deleting || p.Released != "" || p.Workload == "" || !i.leftToMove(p) {
			continue
		}
		w := i.v.Workloads[key]
		if w == nil || w.Nature == Runs {
			continue
		}
		seen[key] = true
		all = append(all, rehearsal{key, verbCreate, Rehearsal{Pod: p.Ref, Create: true}})
		all = append(all, rehearsal{key, verbEvict, Rehearsal{Pod: p.Ref, Evict: true}})
		if w.Nature != Replicated || p.Alone != "" || !w.surges() {
			continue
		}
		if w.Holder != nil {
			all = append(all, rehearsal{key, verbHold, Rehearsal{Pod: p.Ref, Patch: &Patch{Owner: w.Holder}}})
		}
		if p.Handle != "" {
			all = append(all, rehearsal{key, verbRelease, Rehearsal{Pod: p.Ref, Patch: &Patch{Labels: map[string]*string{p.Handle: nil}}}})
		}
		if len(p.Doors) > 0 {
			gone := map[string]*string{}
			for _, door := range p.Doors {
				gone[door] = nil
			}
			all = append(all, rehearsal{key, verbTakeOut, Rehearsal{Pod: p.Ref, Patch: &Patch{Labels: gone}}})
		}
	}
	return all
}

// rehearsal is one call to try for a workload.
type rehearsal struct {
	workload, verb string
	Rehearsal
}
