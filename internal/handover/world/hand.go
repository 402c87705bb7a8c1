package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/handover"
)

// Hand is what a person, or another controller, does to a world.
type Hand struct{ w *World }

// Kill makes a node's kubelet, and all that runs there, silent.
func (h *Hand) Kill(name string) { h.w.nodes[name].deadSince = h.w.now() }

// Lose ends a node's instance as a broken machine does: Auto Scaling, which
// launches another one, and EC2 know at once, and Kubernetes when the kubelet has
// been silent for long enough.
func (h *Hand) Lose(name string) {
	h.Kill(name)
	h.w.nodes[name].ended = true
	h.Detach(name)
}

// Detach takes a node's instance out of its group, which launches another one. It
// runs on.
func (h *Hand) Detach(name string) {
	n := h.w.nodes[name]
	g := h.w.groups[n.Group]
	g.Instances = slices.DeleteFunc(g.Instances, func(i handover.Instance) bool { return i.ID == n.Instance })
	g.Desired--
	h.w.launch(n.Group)
}

// Remove takes a node away as if its instance had been ended.
func (h *Hand) Remove(name string) { delete(h.w.nodes, name) }

// Break makes the i-th pod of an app never Ready again.
func (h *Hand) Break(app string, i int) { h.pods(app)[i].broken = true }

// Sicken makes pods of that name never Ready, those too that come in the place of one:
// what they keep on their volume is broken, say. Heal ends that.
func (h *Hand) Sicken(name string) { h.w.ill[name] = true }

func (h *Hand) Heal(name string) { delete(h.w.ill, name) }

// Stick puts a finalizer on the i-th pod of an app; Free clears all of them. On one
// that has been told to end the API server takes none.
func (h *Hand) Stick(app string, i int) {
	if p := h.pods(app)[i]; !p.Deleting {
		p.stuck, p.Finalizers = true, []string{"example.com/deregister"}
	}
}

func (h *Hand) Free() {
	for _, p := range h.w.pods {
		p.stuck, p.Finalizers = false, nil
	}
}

// End deletes the i-th pod of an app.
func (h *Hand) End(app string, i int) { h.w.tell(h.pods(app)[i]) }

func (h *Hand) pods(app string) []*pod {
	return slices.DeleteFunc(slices.Clone(h.w.sorted()), func(p *pod) bool { return p.app.Name != app })
}

// Forgive takes the world as it is now for the one that must not get worse.
func (h *Hand) Forgive() {
	h.w.compare()
	h.w.broken = nil
}

// Scale is what an autoscaler does.
func (h *Hand) Scale(app string, n int) {
	for _, a := range h.w.apps {
		if a.Name == app {
			a.Replicas, a.scaled = n, true
		}
	}
}

// Deselect changes an app's Service so that it selects none of its pods.
func (h *Hand) Deselect(app string) {
	for _, a := range h.w.apps {
		if a.Name == app {
			a.apart = true
		}
	}
}

// Cherish takes an app's consent to the end of its pods back.
func (h *Hand) Cherish(app string) {
	for _, p := range h.pods(app) {
		p.app.Expendable, p.Expendable = false, false
	}
}

// Down makes AWS or the API server answer nothing.
func (h *Hand) Down(aws, api bool) { h.w.awsDown, h.w.apiDown = aws, api }

// Blind breaks the watches for good: a move that never ends does then.
func (h *Hand) Blind() { h.w.watchOff = true }

// See mends them.
func (h *Hand) See() { h.w.watchOff = false }

// Uncordon opens every old node, and Unmark removes the marks of a move.
func (h *Hand) Uncordon() {
	for _, n := range h.w.nodes {
		n.Cordoned = false
	}
}

func (h *Hand) Unmark() {
	for _, n := range h.w.nodes {
		n.Before = ""
		n.Calmed = ""
	}
	if e := h.w.descheduler(); e != nil {
		e.Calmed = ""
	}
	for _, g := range h.w.groups {
		g.Tags = map[string]string{}
	}
}

// On are the names of an app's pods on the nodes of a group that are not ending.
func (h *Hand) On(group, app string) []string {
	var names []string
	for _, p := range h.pods(app) {
		if n := h.w.nodes[p.Node]; n != nil && n.Group == group && !p.Deleting && !p.Finished {
			names = append(names, p.Name)
		}
	}
	return names
}

// Ready is how many pods of an app are Ready.
func (h *Hand) Ready(app string) int {
	n := 0
	for _, p := range h.pods(app) {
		if p.Ready && !p.Deleting {
			n++
		}
	}
	return n
}

// Taken is how many pods of an app no Service selects or lists though they are Ready.
func (h *Hand) Taken(app string) int {
	n := 0
	for _, p := range h.pods(app) {
		if p.Ready && !p.Deleting && !p.selects() {
			n++
		}
	}
	return n
}

// Group is an Auto Scaling group as it is; nil: it is gone.
func (h *Hand) Group(name string) *handover.Group { return h.w.groups[name] }

// Attach has a group register its instances with an app's load balancer, or no more.
func (h *Hand) Attach(group, app string, is bool) {
	g := h.w.groups[group]
	before := false
	for _, o := range h.w.groups {
		before = before || slices.Contains(o.Attached, "arn:"+app)
	}
	g.Attached = slices.DeleteFunc(g.Attached, func(id string) bool { return id == "arn:"+app })
	if is {
		if !before {
			h.w.attached[app] = time.Now()
		}
		g.Attached = append(g.Attached, "arn:"+app)
	}
}

// DeleteGroup deletes an Auto Scaling group; its nodes stay until they are removed.
func (h *Hand) DeleteGroup(name string) { delete(h.w.groups, name) }

// Act lets an Auto Scaling group do on its own what AWS does by that process:
// it ends its first instance, with all that runs there, and launches another.
// A process that is suspended does nothing.
func (h *Hand) Act(group, process string) {
	g := h.w.groups[group]
	if g == nil || len(g.Instances) == 0 || slices.Contains(g.Suspended, process) {
		return
	}
	ended := g.Instances[0].ID
	for name, n := range h.w.nodes {
		if n.Instance == ended {
			h.w.fail("%s of group %s ended node %s, on which %d pods ran", process, group, name, h.w.holds(name))
			delete(h.w.nodes, name)
		}
	}
	g.Instances, g.Desired = g.Instances[1:], g.Desired-1
	h.w.launch(group)
}

// Replace ends a node's instance past its group, which launches another one, as
// Auto Scaling does.
func (h *Hand) Replace(name string) {
	n := h.w.nodes[name]
	g := h.w.groups[n.Group]
	g.Instances = slices.DeleteFunc(g.Instances, func(i handover.Instance) bool { return i.ID == n.Instance })
	g.Desired--
	delete(h.w.nodes, name)
	h.w.launch(n.Group)
}

// Evictions is how many pods were evicted.
func (h *Hand) Evictions() int { return h.w.moved }

// Left is all that a move has left closed, held or marked, on nodes and groups
// that are still there.
func (h *Hand) Left() []string {
	var left []string
	add := func(is bool, format string, args ...any) {
		if is {
			left = append(left, fmt.Sprintf(format, args...))
		}
	}
	for name, n := range h.w.nodes {
		add(n.Cordoned, "node %s is cordoned", name)
		add(n.Exclude != nil, "node %s is excluded", name)
		add(n.Leaving, "node %s is tainted", name)
		add(n.Before != "", "node %s carries a record", name)
		add(n.Calmed != "" || len(n.Calm) > 0 && !n.tended, "autoscalers are kept off node %s", name)
	}
	for name, g := range h.w.groups {
		add(len(g.Suspended) > 0, "group %s: %v suspended", name, g.Suspended)
		add(len(g.Tags) > 0, "group %s: tags %v", name, g.Tags)
		add(g.Min != h.w.mins[name], "group %s: min %d, was %d", name, g.Min, h.w.mins[name])
	}
	for lb, instances := range h.w.out {
		for id := range instances {
			add(!h.w.instanceGone(id), "instance %s is out of load balancer %s", id, lb)
		}
	}
	for _, p := range h.w.sorted() {
		n := h.w.nodes[p.Node]
		hangs := p.Deleting && (p.stuck && !h.w.now().After(p.GoneBy) || n != nil && !n.deadSince.IsZero()) // it ends, and what it carries with it
		add(p.Released != "" && !hangs, "pod %s is released: %s", p.Name, p.Released)
		add(p.Sentinel, "a sentinel stands on %s", p.Node)
	}
	if off := h.Descheduler(); off != "" {
		left = append(left, off)
	}
	for group := range h.w.records {
		left = append(left, "record of "+group)
	}
	for move, l := range h.w.locks {
		add(l.Live(h.w.now()), "%s holds the lock of %s", l.Holder, move)
	}
	slices.SortFunc(left, strings.Compare)
	return left
}

// Tend has a person keep one kind of autoscaler off a node.
func (h *Hand) Tend(name string) {
	n := h.w.nodes[name]
	n.tended, n.Calm = true, map[string]string{handover.Calming[0]: "true"}
}

// Calmed are the nodes that a move keeps autoscalers off.
func (h *Hand) Calmed() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(h.w.nodes)), func(name string) bool { return h.w.nodes[name].Calmed == "" })
}

// Tended: that is so, and nothing else keeps autoscalers off.
func (h *Hand) Tended(name string) bool {
	n := h.w.nodes[name]
	return n.Calmed == "" && len(n.Calm) == 1 && n.Calm[handover.Calming[0]] == "true"
}

// Exclude keeps a node out of load balancers, or lets it in again.
func (h *Hand) Exclude(name string, out bool) {
	yes := "true"
	if h.w.nodes[name].Exclude = &yes; !out {
		h.w.nodes[name].Exclude = nil
	}
}

// Shift puts a group's nodes of one zone into another.
func (h *Hand) Shift(group, from, to string) {
	for _, n := range h.w.nodes {
		if n.Group == group && n.Labels[zoneLabel] == from {
			n.Labels = map[string]string{zoneLabel: to}
		}
	}
}

// Nodes are the names of a group's nodes.
func (h *Hand) Nodes(group string) []string {
	var names []string
	for name, n := range h.w.nodes {
		if n.Group == group {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

var _ handover.Cluster = (*World)(nil)

// Forget removes the records of moves, as if a run had begun anew.
func (h *Hand) Forget() { clear(h.w.records) }

// PodsOn is how many pods of an app are on a node.
func (h *Hand) PodsOn(app, node string) int {
	n := 0
	for _, p := range h.pods(app) {
		if p.Node == node && !p.Finished {
			n++
		}
	}
	return n
}

// Retarget changes what an app's load balancer sends to, from nodes to its pods or
// back: its controller makes another target group, whose targets begin anew.
func (h *Hand) Retarget(app string) {
	for _, a := range h.w.apps {
		if a.Name == app {
			a.ByAddress = !a.ByAddress
			h.w.targets[app] = map[string]*target{}
		}
	}
}
