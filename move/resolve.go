package move

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// The labels by which the owners of node groups tell whose a node is.
const (
	managedLabel = "eks.amazonaws.com/nodegroup"
	poolLabel    = "karpenter.sh/nodepool"
	stackLabel   = graph.GroupLabel
	eksctlLabel  = "alpha.eksctl.io/nodegroup-name"
)

// labelOf is the label of the kinds that one tells.
var labelOf = map[Kind]string{NodeGroup: managedLabel, NodePool: poolLabel, Group: stackLabel}

// fleet is what is asked about Auto Scaling groups beside what a move asks.
type fleet interface {
	Group(ctx context.Context, name string) (handover.Group, error)
	// GroupsOf tells of each instance which group it is in; one that is in none
	// is left out.
	GroupsOf(ctx context.Context, instances []string) (map[string]string, error)
	// Habits tells what a group does on its own.
	Habits(ctx context.Context, group string) (handover.Habits, error)
}

// found is what sets came to.
type found struct {
	nodes  []string          // sorted
	groups map[string]string // Auto Scaling group of each node that is of one
	whole  string            // … that all of them make up; empty: none
}

// resolve finds the nodes of sets. AWS is nil if it cannot be asked; then why
// says so, and only sets that need no answer of it can be found.
func resolve(ctx context.Context, v *handover.View, sets []Set, aws fleet, why string) (found, error) {
	f := found{groups: map[string]string{}}
	var wrong problem.List
	for _, s := range sets {
		names, err := nodesOf(ctx, v, s, aws, why)
		var p *problem.Error
		if errors.As(err, &p) {
			wrong = append(wrong, p)
			continue
		}
		if err != nil {
			return found{}, err
		}
		f.nodes = append(f.nodes, names...)
	}
	if err := wrong.Err(); err != nil {
		return found{}, err
	}
	slices.Sort(f.nodes)
	f.nodes = slices.Compact(f.nodes)
	if aws == nil {
		return f, nil
	}
	err := f.group(ctx, v, aws)
	return f, err
}

// nodesOf are the nodes of one set.
func nodesOf(ctx context.Context, v *handover.View, s Set, aws fleet, why string) ([]string, error) {
	switch s.Kind {
	case Node:
		if v.Nodes[s.Name] == nil {
			return nil, missing(s, "kubectl get nodes lists them")
		}
		return []string{s.Name}, nil
	case Nodes:
		return selected(v, s)
	case ASG:
		return inGroup(ctx, v, s, aws, why)
	case NodeGroup, NodePool, Group:
	}
	return labelled(v, s)
}

// ErrNoNodes is what Check and Run fail with if the cluster has none of the nodes.
var ErrNoNodes = errors.New("the cluster has no such nodes")

func missing(s Set, fix string) error {
	return &problem.Error{Kind: problem.Usage, Op: "find " + s.String(), Err: ErrNoNodes, Fix: fix}
}

func selected(v *handover.View, s Set) ([]string, error) {
	sel, err := labels.Parse(s.Name)
	if err != nil {
		return nil, badSet(s.String(), err, "see kubectl get nodes --show-labels")
	}
	var names []string
	for name, n := range v.Nodes {
		if sel.Matches(labels.Set(n.Labels)) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, missing(s, "see kubectl get nodes --show-labels")
	}
	return names, nil
}

// inGroup asks AWS which instances are in the group.
func inGroup(ctx context.Context, v *handover.View, s Set, aws fleet, why string) ([]string, error) {
	if aws == nil {
		return nil, &problem.Error{Kind: problem.Usage, Op: "find " + s.String(), Err: errors.New("AWS has to be asked for its instances: " + why),
			Fix: "set AWS_PROFILE and AWS_REGION, or name the nodes by a label: nodes/LABEL-SELECTOR"}
	}
	g, err := aws.Group(ctx, s.Name)
	if errors.Is(err, handover.ErrNotFound) {
		return nil, &problem.Error{Kind: problem.Usage, Op: "find " + s.String(), Err: errors.New("this account and region have no such Auto Scaling group"),
			Fix: "see aws autoscaling describe-auto-scaling-groups, and AWS_PROFILE and AWS_REGION"}
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", s, err)
	}
	in := map[string]bool{}
	for _, i := range g.Instances {
		in[i.ID] = true
	}
	var names []string
	for name, n := range v.Nodes {
		if in[n.Instance] || n.Group == s.Name {
			names = append(names, name)
		}
	}
	if len(names) == 0 && len(g.Instances) > 0 {
		return nil, missing(s, fmt.Sprintf("its %d instances are not nodes of this cluster: is it the right context?", len(g.Instances)))
	}
	return names, nil
}

// labelled are the nodes that carry the name as the label of its kind.
func labelled(v *handover.View, s Set) ([]string, error) {
	label := labelOf[s.Kind]
	by := map[string][]string{}
	for name, n := range v.Nodes {
		if value := n.Labels[label]; value != "" {
			by[value] = append(by[value], name)
		}
	}
	if names := by[s.Name]; len(names) > 0 {
		return names, nil
	}
	if s.Kind == Group {
		return logical(s, by)
	}
	return nil, missing(s, alternatives(v, s, by))
}

// logical finds a stack's group by the name that the stack file has. Its physical
// name is that and a suffix; while it is replaced there are two.
func logical(s Set, by map[string][]string) ([]string, error) {
	var names []string
	for physical := range by {
		if cut := strings.LastIndexByte(physical, '-'); cut > 0 && physical[:cut] == s.Name {
			names = append(names, physical)
		}
	}
	slices.Sort(names)
	switch len(names) {
	case 0:
		return nil, missing(s, oneOf(s.Kind, by))
	case 1:
		return by[names[0]], nil
	}
	return nil, &problem.Error{Kind: problem.Usage, Op: "find " + s.String(), Err: fmt.Errorf("there are %d of that name: %s", len(names), strings.Join(names, ", ")),
		Fix: "name one of them: group/" + names[0]}
}

// alternatives says what else there is, or how the nodes that were meant are named.
func alternatives(v *handover.View, s Set, by map[string][]string) string {
	for _, n := range v.Nodes {
		if s.Kind == NodeGroup && n.Labels[eksctlLabel] == s.Name {
			return fmt.Sprintf("eksctl made it, and it is not managed by EKS: nodes/%s=%s", eksctlLabel, s.Name)
		}
	}
	return oneOf(s.Kind, by)
}

// mostNamed is how many names an advice lists.
const mostNamed = 8

func oneOf(kind Kind, by map[string][]string) string {
	names := slices.Sorted(maps.Keys(by))
	if len(names) == 0 {
		return fmt.Sprintf("no node carries the label %s: name the nodes by another: nodes/LABEL-SELECTOR", labelOf[kind])
	}
	more := ""
	if len(names) > mostNamed {
		names, more = names[:mostNamed], " …"
	}
	return fmt.Sprintf("the cluster has %s/%s%s", kind, strings.Join(names, ", "), more)
}

// group finds the Auto Scaling groups of the nodes, and whether they are one
// whole group.
func (f *found) group(ctx context.Context, v *handover.View, aws fleet) error {
	var ids []string
	for _, name := range f.nodes {
		if id := v.Nodes[name].Instance; id != "" {
			ids = append(ids, id)
		}
	}
	of, err := aws.GroupsOf(ctx, ids)
	if err != nil {
		return fmt.Errorf("find the Auto Scaling groups of %d instances: %w", len(ids), err)
	}
	for _, name := range f.nodes {
		if g := of[v.Nodes[name].Instance]; g != "" {
			f.groups[name] = g
		}
	}
	names := f.groupNames()
	if len(names) != 1 || len(f.groups) != len(f.nodes) {
		return nil
	}
	g, err := aws.Group(ctx, names[0])
	if errors.Is(err, handover.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, i := range g.Instances {
		if !slices.Contains(ids, i.ID) && !strings.HasPrefix(i.Lifecycle, "Terminat") {
			return nil
		}
	}
	f.whole = names[0]
	return nil
}

// groupNames are the Auto Scaling groups concerned, sorted.
func (f *found) groupNames() []string {
	names := map[string]bool{}
	for _, g := range f.groups {
		names[g] = true
	}
	return slices.Sorted(maps.Keys(names))
}
