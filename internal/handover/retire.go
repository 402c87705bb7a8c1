package handover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// joinTime is how long a group's nodes may take from launch to Ready. eksctl
// waits 25 min for a node group; nodes of the AL2023 AMI take one to two.
const joinTime = 15 * time.Minute

// Ready returns when as many nodes of the host are Ready and set up as its
// group wants.
func (m *Mover) Ready(ctx context.Context, h engine.Host, wait func(string)) error {
	cluster, err := m.open(ctx, h)
	if err != nil {
		return err
	}
	defer cluster.Close()
	var g Group
	var v *View
	ready := func() (bool, error) {
		if g, err = m.scaling.Group(ctx, h.Name); err != nil {
			return false, err
		}
		if v, err = cluster.View(); err != nil {
			return false, err
		}
		n := 0
		for _, node := range v.Nodes {
			if belongs(node, h.Name, g) && node.Ready && node.Initialized {
				n++
			}
		}
		wait(fmt.Sprintf("%d of %d nodes Ready", n, g.Desired))
		return n >= g.Desired, nil
	}
	err = until(ctx, cluster, joinTime, ready)
	if !errors.Is(err, errLate) {
		return wrap(err, "wait for the nodes of "+h.Name)
	}
	states, stateErr := m.scaling.States(ctx, instances(h.Name, g, v))
	if stateErr != nil {
		return fmt.Errorf("wait for the nodes of %s: %w", h.Name, stateErr)
	}
	return &problem.Error{
		Kind: problem.Outside, Op: "wait for the nodes of " + h.Name,
		Err:   fmt.Errorf("not as many Ready as wanted (%d) after %s", g.Desired, joinTime),
		Fix:   "see the scaling activities of the group and the console output of an instance (aws ec2 get-console-output), then run the same command again",
		Notes: unready(g, v, states),
	}
}

// unready says of each instance how far it got.
func unready(g Group, v *View, states map[string]string) []string {
	var notes []string
	if missing := g.Desired - len(g.Instances); missing > 0 {
		notes = append(notes, fmt.Sprintf("the group has yet to launch %d instances: see its scaling activities for capacity, quota or launch template errors", missing))
	}
	for _, i := range g.Instances {
		n := v.byInstance[i.ID]
		switch {
		case n == nil:
			notes = append(notes, fmt.Sprintf("instance %s is %s and never joined the cluster: its user data, its role's access entry, or its way to the API server", i.ID, states[i.ID]))
		case !n.Ready:
			notes = append(notes, fmt.Sprintf("node %s joined and is not Ready: see kubectl describe node (network add-on)", n.Name))
		case !n.Initialized:
			notes = append(notes, fmt.Sprintf("node %s is Ready and still tainted by a controller that has to set it up", n.Name))
		}
	}
	return notes
}

// Retire takes the nodes of a host away, all but keep, each by name. DaemonSets
// (kube-proxy, the network add-on) serve to the end: a Node object is removed
// only after its instance is terminated.
func (m *Mover) Retire(ctx context.Context, r engine.Retirement) error {
	h, keep, wait := r.Host, r.Keep, r.Wait
	cluster, err := m.open(ctx, h)
	if err != nil {
		return err
	}
	defer cluster.Close()
	g, err := m.scaling.Group(ctx, h.Name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("retire %s: %w", h.Name, err)
	}
	v, err := cluster.View()
	if err != nil {
		return fmt.Errorf("retire %s: %w", h.Name, err)
	}
	ids, nodes := retiring(g, v, h.Name, keep)
	if err := m.shut(ctx, cluster, nodes); err != nil {
		return fmt.Errorf("retire %s: %w", h.Name, err)
	}
	if err := m.empty(ctx, cluster, h.Name, ids, nodes); err != nil {
		return err
	}
	if err := breached(r); err != nil {
		return err
	}
	if g.Name != "" && g.Min > keep {
		if err := m.scaling.SetMin(ctx, h.Name, keep); err != nil {
			return fmt.Errorf("retire %s: %w", h.Name, err)
		}
	}
	if err := m.terminate(ctx, r, g, ids); err != nil {
		return err
	}
	if err := m.terminated(ctx, cluster, h.Name, ids, wait); err != nil {
		return err
	}
	for _, node := range nodes {
		if err := breached(r); err != nil {
			return err
		}
		if err := cluster.DeleteNode(ctx, node); err != nil {
			return fmt.Errorf("remove node %s of %s: %w", node, h.Name, err)
		}
		m.events.Emit(event.NodeChanged{Node: node, Change: event.NodeRemoved})
	}
	return m.loosen(ctx, h.Name, keep)
}

// terminate ends instances that are still in their group, many in a call.
func (m *Mover) terminate(ctx context.Context, r engine.Retirement, g Group, ids []string) error {
	in := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return !slices.ContainsFunc(g.Instances, func(i Instance) bool { return i.ID == id })
	})
	for some := range slices.Chunk(in, Batch) {
		if err := breached(r); err != nil {
			return err
		}
		if err := m.scaling.Terminate(ctx, r.Host.Name, some); err != nil {
			return fmt.Errorf("terminate instances of %s: %w", r.Host.Name, err)
		}
	}
	return nil
}

// breached is asked before each call that cannot be undone.
func breached(r engine.Retirement) error {
	reason, yes := r.Breach()
	if !yes {
		return nil
	}
	return &problem.Error{Kind: problem.Guarded, Op: "take the nodes of " + r.Host.Name + " away", Err: errors.New(reason),
		Fix: "what is left of the group stays; find out why requests fail, then run the same command again"}
}

// retiring are the instances and the nodes that go: all of them, or those that
// the hand-over marked and then those that never joined, until keep are left.
// What has left the group already, because a run was cut short, goes anyway.
func retiring(g Group, v *View, group string, keep int) (ids, nodes []string) {
	room := -keep
	for _, i := range g.Instances {
		if !i.ends() {
			room++
		}
	}
	goes := func(instance string) bool {
		if keep == 0 || g.Left(instance) {
			return true
		}
		room--
		return room >= 0
	}
	pods := movable(v)
	first := surplusFirst(g, pods)
	unjoined := false // a node of the group without an instance's name may be any of them
	var members []*Node
	for _, n := range v.Nodes {
		if belongs(n, group, g) {
			members = append(members, n)
			unjoined = unjoined || keep > 0 && n.Instance == ""
		}
	}
	slices.SortFunc(members, func(a, b *Node) int {
		return cmp.Or(falseFirst(pods(a.Name) > 0, pods(b.Name) > 0), first(a, b))
	})
	for _, n := range members {
		if keep > 0 && n.Before == "" || !goes(n.Instance) {
			continue
		}
		nodes = append(nodes, n.Name)
		if n.Instance != "" {
			ids = append(ids, n.Instance)
		}
	}
	for _, i := range g.Instances {
		if v.byInstance[i.ID] == nil && !unjoined && goes(i.ID) {
			ids = append(ids, i.ID)
		}
	}
	slices.Sort(ids)
	slices.Sort(nodes)
	return ids, nodes
}

// shut cordons the nodes that go, once more, so that nothing lands there
// between the look and the end.
func (m *Mover) shut(ctx context.Context, cluster Cluster, nodes []string) error {
	for _, node := range nodes {
		if err := cluster.PatchNode(ctx, node, Patch{Unschedulable: new(true)}); err != nil {
			return fmt.Errorf("cordon node %s: %w", node, err)
		}
	}
	return nil
}

// empty asks again that nothing runs on the nodes and nothing is sent to them.
func (m *Mover) empty(ctx context.Context, cluster Cluster, group string, ids, nodes []string) error {
	v, err := cluster.View()
	if err != nil {
		return fmt.Errorf("look at %s once more: %w", group, err)
	}
	over, err := ended(ctx, m.scaling, ids)
	if err != nil {
		return fmt.Errorf("look at %s once more: %w", group, err)
	}
	var left []string
	for _, name := range nodes {
		n := v.Nodes[name]
		silent := n == nil || over[n.Instance] || !n.Ready && v.Now.Sub(n.ReadySince) >= deadAfter
		for _, p := range v.On(name) {
			if !p.stays() && (!silent || !p.Deleting) {
				left = append(left, "pod "+p.String()+" runs on node "+p.Node)
			}
		}
	}
	if len(ids) > 0 {
		q := inquiry(v, ids)
		q.All = true
		balancers, err := m.balancers.Balancers(ctx, q)
		if err != nil {
			return fmt.Errorf("look at %s once more: %w", group, err)
		}
		for _, b := range balancers {
			for _, g := range b.Targets {
				if g.State != Unused && (slices.Contains(ids, g.Instance) || slices.Contains(q.Addresses, g.Address)) {
					left = append(left, fmt.Sprintf("%s is %s in load balancer %s", g.id(), g.State, b.Name))
				}
			}
		}
	}
	if len(left) == 0 {
		return nil
	}
	return &problem.Error{
		Kind: problem.Outside, Op: "retire " + group, Err: errors.New("it is not empty: " + list(left)),
		Fix:   "nothing was ended. Run the same command again: it hands over what came since",
		Notes: left[1:],
	}
}

// terminated waits for the end of every instance. A lifecycle hook that holds
// one has a limit of its own (48 h at the most): that is waited for and told.
func (m *Mover) terminated(ctx context.Context, cluster Cluster, group string, ids []string, wait func(string)) error {
	left, held := ids, 0
	look := func() (bool, error) {
		g, err := m.scaling.Group(ctx, group)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		states, err := m.scaling.States(ctx, ids)
		if err != nil {
			return false, err
		}
		left, held = notEnded(g, ids, states)
		if err := m.pass(ctx, g, ids); err != nil {
			return false, err
		}
		wait(ending(len(ids), len(left), held))
		return len(left) == 0, nil
	}
	err := until(ctx, cluster, patience, look)
	for errors.Is(err, errLate) && held > 0 {
		err = until(ctx, cluster, patience, look)
	}
	if !errors.Is(err, errLate) {
		return wrap(err, "wait for the instances of "+group+" to end")
	}
	return &problem.Error{
		Kind: problem.Outside, Op: "wait for the instances of " + group + " to end",
		Err: fmt.Errorf("after %s: %s", patience, strings.Join(left, ", ")),
		Fix: "see the scaling activities of the group (its InstanceLifecyclePolicy may retain instances), then run the same command again",
	}
}

// pass lets instances through the fence of their group: the hook that holds them is
// Drover's own to answer, and one that was retained meanwhile is ended anew.
func (m *Mover) pass(ctx context.Context, g Group, ids []string) error {
	if _, fenced := g.Tags[FenceTag]; !fenced {
		return nil
	}
	var held, retained []string
	for _, i := range g.Instances {
		switch {
		case !slices.Contains(ids, i.ID):
		case i.Lifecycle == TerminatingWait:
			held = append(held, i.ID)
		case i.Lifecycle == Retained:
			retained = append(retained, i.ID)
		}
	}
	if len(held) > 0 {
		if err := m.scaling.Release(ctx, g.Name, held); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(retained, Batch) {
		if err := m.scaling.Terminate(ctx, g.Name, some); err != nil {
			return err
		}
	}
	return nil
}

// notEnded tells the instances that still stand, each with its state, and how
// many of them a lifecycle hook holds.
func notEnded(g Group, ids []string, states map[string]string) (left []string, held int) {
	lifecycle := map[string]string{}
	for _, i := range g.Instances {
		lifecycle[i.ID] = i.Lifecycle
	}
	for _, id := range ids {
		in, state := lifecycle[id], states[id]
		if in == "" && (state == "" || state == "terminated") {
			continue
		}
		left = append(left, strings.TrimSpace(id+" "+state+" "+in))
		if in == TerminatingWait {
			held++
		}
	}
	return left, held
}

func ending(all, left, held int) string {
	said := fmt.Sprintf("%d of %d instances terminated", all-left, all)
	if held > 0 {
		said += fmt.Sprintf("; a lifecycle hook of the group holds %d (%s)", held, TerminatingWait)
	}
	return said
}

// loosen lets a group that stays act on its own again. Its MinSize never
// rises above what is kept: that would launch instances.
func (m *Mover) loosen(ctx context.Context, group string, keep int) error {
	g, err := m.scaling.Group(ctx, group)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("retire %s: %w", group, err)
	}
	h, recorded := g.hold()
	if keep == 0 || !recorded {
		return nil // it is about to be deleted, or acts freely
	}
	if err := letLoose(ctx, m.scaling, Resume{Group: group, Processes: h.Processes, Min: min(h.Min, keep)}); err != nil {
		return fmt.Errorf("retire %s: %w", group, err)
	}
	return nil
}

var errLate = errors.New("took too long")

// until asks again, at the least every reread, until the answer is yes.
// Errors are forgiven until the limit: AWS throttles, API servers restart.
func until(ctx context.Context, cluster Cluster, limit time.Duration, is func() (bool, error)) error { //nolint:unparam // two limits that happen to be the same
	began := time.Now()
	ticks := time.NewTicker(reread)
	defer ticks.Stop()
	for {
		yes, err := is()
		switch {
		case yes:
			return nil
		case time.Since(began) >= limit && err != nil:
			return &problem.Error{Kind: problem.Outside, Op: fmt.Sprintf("the last look, after %s", limit), Err: err, Fix: "see that AWS and the cluster answer, then run the same command again"}
		case time.Since(began) >= limit:
			return errLate
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticks.C:
		case <-cluster.Changed():
			<-ticks.C // AWS is asked too: no faster than reread
		}
	}
}

func wrap(err error, op string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}
