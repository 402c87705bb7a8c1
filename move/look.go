package move

import (
	"context"
	"fmt"
	"slices"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover"
)

// What check, migrate and drain tell beside what a hand-over would meet (the checks of
// package handover): what follows from how they were called, and what only they can
// know. Who is told can cure it by another call.

// look tells of one thing.
type look func(j *job, ctx context.Context, f handover.Foresight) []event.Finding

// sights are asked in this order. Each has a row in docs/migrate.md.
var sights = []look{(*job).elsewhere, (*job).habits, (*job).unasked, (*job).nameless, (*job).hurried, (*job).roleless, (*job).begun}

// elsewhere tells of pods that would not go where the user wants them.
func (j *job) elsewhere(_ context.Context, f handover.Foresight) []event.Finding {
	if len(j.To) == 0 {
		return nil
	}
	v, err := j.cluster.View()
	if err != nil {
		return nil
	}
	open := slices.ContainsFunc(j.to.nodes, func(name string) bool { n := v.Nodes[name]; return n != nil && n.Ready && !n.Cordoned })
	if !open {
		return []event.Finding{{Severity: event.Blocker, Object: names(j.To), Effect: "no node of it is Ready and takes pods", Fix: "make it larger, or uncordon its nodes"}}
	}
	told := map[string]bool{}
	var found []event.Finding
	for _, p := range f.Pods {
		if p.To == "" || told[p.Workload] || slices.Contains(j.to.nodes, p.To) {
			continue
		}
		told[p.Workload] = true
		found = append(found, event.Finding{
			Severity: event.Warning, Object: p.Workload, Effect: fmt.Sprintf("a replacement would go to node %s, which is not of %s", p.To, names(j.To)),
			Fix: "give it a nodeSelector, or cordon the other nodes while it moves",
		})
	}
	return found
}

// habits tells what the groups concerned do on their own. That it may not be read is
// no more than a note: nothing of it is needed for the move.
func (j *job) habits(ctx context.Context, _ handover.Foresight) []event.Finding {
	if j.fleet == nil {
		return nil
	}
	var found []event.Finding
	look := func(groups []string, takes bool) {
		for _, g := range groups {
			h, err := j.fleet.Habits(ctx, g)
			found = append(found, h.Findings(g, takes)...)
			if err != nil {
				found = append(found, event.Finding{Severity: event.Note, Object: "asg/" + g, Effect: "not all that it does on its own could be read: " + err.Error(), Fix: "see what drover rbac check --iam lists"})
			}
		}
	}
	look(j.from.groupNames(), false)
	look(j.hosts(j.to, j.from.groupNames()), true)
	return found
}

// unasked says what cannot be known without AWS.
func (j *job) unasked(context.Context, handover.Foresight) []event.Finding {
	v, err := j.cluster.View()
	if err != nil || j.fleet != nil {
		return nil
	}
	settle := j.BalancerSettle
	if settle == 0 {
		settle = handover.UnaskedTime
	}
	if j.why == "" {
		if !slices.ContainsFunc(j.from.nodes, func(name string) bool { return v.Nodes[name] != nil }) {
			return nil
		}
		return []event.Finding{{
			Severity: event.Note, Object: "load balancers", Fix: "--balancer-settle, if yours let go sooner or later",
			Effect: fmt.Sprintf("no node is an instance of EC2, so no load balancer can be asked: they are judged by what the Services say, and get %s to let go of a node", settle),
		}}
	}
	return []event.Finding{{
		Severity: event.Warning, Object: "aws", Fix: "set AWS_PROFILE and AWS_REGION; or --balancer-settle, if load balancers let go sooner or later",
		Effect: fmt.Sprintf("the nodes are instances of EC2, and AWS is not asked (%s): Auto Scaling groups are not kept from ending nodes while pods move, and load balancers get %s to let go of a node instead of being asked", j.why, settle),
	}}
}

// nameless tells of names that no pod on the nodes has. It is no blocker: a run that goes
// on where another was meets nodes that some of the named pods have left.
func (j *job) nameless(context.Context, handover.Foresight) []event.Finding {
	v, err := j.cluster.View()
	if err != nil {
		return nil
	}
	var found []event.Finding
	for _, n := range j.Only.namings() {
		anywhere, here := false, false
		for _, p := range v.Pods {
			named := n.of(p)
			anywhere, here = anywhere || named, here || named && slices.Contains(j.from.nodes, p.Node)
		}
		switch {
		case !anywhere:
			found = append(found, event.Finding{Severity: event.Warning, Object: n.text, Effect: "no pod of the cluster is called so: the name selects nothing",
				Fix: "write a workload as deployment/apps/nginx, deployment/nginx or nginx; kubectl get pods --all-namespaces --show-labels tells what there is"})
		case !here:
			found = append(found, event.Finding{Severity: event.Note, Object: n.text, Effect: "none of its pods is on these nodes: the name selects nothing there", Fix: "name the nodes that they are on, if they are to move"})
		}
	}
	return found
}

// hurried tells of a grace period that was cut by the user.
func (j *job) hurried(context.Context, handover.Foresight) []event.Finding {
	if j.Grace == nil {
		return nil
	}
	return []event.Finding{{Severity: event.Warning, Object: "--grace-period", Fix: "leave it out: each pod gets its own time",
		Effect: fmt.Sprintf("every pod gets %s to end: requests that take longer, and preStop hooks, are cut", *j.Grace)}}
}

// roleless tells of nodes that may lose the cluster when EKS deletes the managed group:
// it takes the group's role out of aws-auth, whatever nodes of no managed group have it
// (aws/containers-roadmap#755).
func (j *job) roleless(context.Context, handover.Foresight) []event.Finding {
	v, err := j.cluster.View()
	managed := func(name string) bool { n := v.Nodes[name]; return n != nil && n.Labels[managedLabel] != "" }
	if err != nil || j.Then != Delete || !slices.ContainsFunc(j.from.nodes, managed) {
		return nil
	}
	var stay []string
	for name, n := range v.Nodes {
		if n.Instance != "" && !managed(name) && !slices.Contains(j.from.nodes, name) {
			stay = append(stay, name)
		}
	}
	if len(stay) == 0 {
		return nil
	}
	return []event.Finding{{Severity: event.Warning, Object: names(j.From), Fix: "see that they have another role, or that theirs has an access entry (aws eks list-access-entries)",
		Effect: fmt.Sprintf("when EKS deletes it, it takes its role out of aws-auth, if no other managed group has that: nodes of none that have the same role would not be Ready any more (%s is of none)", slices.Min(stay))}}
}

// begun tells of an earlier run that has done all but the end.
func (j *job) begun(context.Context, handover.Foresight) []event.Finding {
	if !j.ends {
		return nil
	}
	return []event.Finding{{Severity: event.Note, Object: names(j.From), Effect: "an earlier run has moved all that ran there, and its nodes have ended: what is left is the end of the group"}}
}
