package eks

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// What EKS takes for managed node groups, about a tenth of what it takes there.
const (
	drainUpdate = 90 * time.Second // a version update or a scale-in waits for the pods of a node: 15 min
	drainDelete = 30 * time.Second // the delete of a group: 5 min
	letGo       = 6 * time.Second  // from an empty node to its end, for load balancers: 60 s
	joinTime    = 2 * time.Minute  // nodes of a new group, to be Ready
	turnPause   = 250 * time.Millisecond
	excludes    = "node.kubernetes.io/exclude-from-external-load-balancers"
)

// Keeper is what EKS does with managed node groups in the cluster and with the Auto
// Scaling groups behind them: it lets nodes in, drains those that go, changes
// labels and taints, and replaces nodes for a new version.
type Keeper struct {
	store   *region.Store
	connect Connect
	now     func() time.Time
	scale   float64
	log     *slog.Logger
}

// Connect is EKS's own way into the cluster that a control plane has, as an administrator.
type Connect func(plane int) (kubernetes.Interface, error)

// NewKeeper makes a Keeper. Connect is asked once there is a group.
func NewKeeper(store *region.Store, connect Connect, now func() time.Time, scale float64,
	log *slog.Logger) *Keeper {
	return &Keeper{store: store, connect: connect, now: now, scale: scale, log: log}
}

func (k *Keeper) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * k.scale) }

// Run acts until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(max(k.scaled(turnPause), 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, id := range k.busy() {
			if err := k.turn(ctx, id); err != nil && ctx.Err() == nil {
				k.log.Warn("managed node group", "id", id, "err", err)
			}
		}
	}
}

// busy are the groups about which there is something to do.
func (k *Keeper) busy() (ids []string) {
	k.store.View(func(st *region.State) {
		for id, n := range st.Nodegroups {
			waits := slices.ContainsFunc(st.Members(n.Group), func(i *region.Instance) bool { return !i.Waits.IsZero() })
			steady := n.Status == region.NodegroupActive || n.Status == region.NodegroupDegraded
			if waits || !steady && n.Status != region.NodegroupCreateFailed || !slices.EqualFunc(n.Issues, st.NodegroupIssues(n), sameIssue) {
				ids = append(ids, id)
			}
		}
	})
	slices.Sort(ids)
	return ids
}

func sameIssue(a, b region.NodegroupIssue) bool { return a.Code == b.Code }

// scene is what one turn sees of a group.
type scene struct {
	group   region.Nodegroup
	plane   int // of its cluster
	members []region.Instance
	nodes   map[string]*corev1.Node // by instance
	zones   int
}

// turn brings one group a step further.
func (k *Keeper) turn(ctx context.Context, id string) error {
	s, ok := k.scene(id)
	if !ok {
		return nil
	}
	client, err := k.connect(s.plane)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	if s.nodes, err = nodes(ctx, client, s); err != nil {
		return err
	}
	d := drainer{client}
	if err := k.admit(ctx, d, s); err != nil {
		return err
	}
	if err := k.release(ctx, d, s); err != nil {
		return err
	}
	switch s.group.Status {
	case region.NodegroupCreating:
		return k.created(s)
	case region.NodegroupDeleting:
		return k.deleted(s)
	case region.NodegroupUpdating:
		return k.update(ctx, d, s)
	}
	return k.settle(s, func(st *region.State, n *region.Nodegroup) {
		n.Issues, n.Status = st.NodegroupIssues(n), region.NodegroupActive
		if len(n.Issues) > 0 {
			n.Status = region.NodegroupDegraded
		}
	})
}

// scene is what the model knows of a group.
func (k *Keeper) scene(id string) (s scene, ok bool) {
	k.store.View(func(st *region.State) {
		var n *region.Nodegroup
		if n, ok = st.Nodegroups[id]; !ok {
			return
		}
		s.group = *n
		if c := st.Clusters[n.ClusterName]; c != nil {
			s.plane = c.Plane
		}
		for _, i := range st.Members(n.Group) {
			s.members = append(s.members, *i)
		}
		if g := st.Groups[n.Group]; g != nil {
			s.zones = len(g.AvailabilityZones)
		}
	})
	return s, ok
}

// nodes are those of the cluster, by instance, if the group has any.
func nodes(ctx context.Context, client kubernetes.Interface, s scene) (map[string]*corev1.Node, error) {
	if len(s.members) == 0 {
		return nil, nil
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	found := map[string]*corev1.Node{}
	for n := range list.Items {
		provider := list.Items[n].Spec.ProviderID
		found[provider[strings.LastIndexByte(provider, '/')+1:]] = &list.Items[n]
	}
	return found, nil
}

// change changes the group of a scene, if it still stands.
func (k *Keeper) change(s scene, f func(*region.State, *region.Nodegroup)) error {
	return k.store.Update(func(st *region.State) error {
		if n, ok := st.Nodegroups[s.group.ID]; ok {
			f(st, n)
		}
		return nil
	})
}

// settle changes it, unless an update or a delete was asked for since it was seen.
func (k *Keeper) settle(s scene, f func(*region.State, *region.Nodegroup)) error {
	return k.change(s, func(st *region.State, n *region.Nodegroup) {
		if n.Status == s.group.Status {
			f(st, n)
		}
	})
}

// complete lets an instance go on that a hook holds.
func (k *Keeper) complete(s scene, instance string) error {
	return k.change(s, func(st *region.State, n *region.Nodegroup) {
		g, i := st.Groups[n.Group], st.Instances[instance]
		if g != nil && i != nil {
			st.Complete(g, i, region.Continue, region.Stamp(k.now()))
		}
	})
}

// admit lets new nodes into service that are Ready, labelled and tainted.
func (k *Keeper) admit(ctx context.Context, d drainer, s scene) error {
	for _, i := range s.members {
		node := s.nodes[i.ID]
		if i.Lifecycle != region.PendingWait || node == nil || !ready(node) {
			continue
		}
		if err := d.dress(ctx, node, s.group, nil); err != nil {
			return err
		}
		if err := k.complete(s, i.ID); err != nil {
			return err
		}
	}
	return nil
}

// release drains the nodes that the Auto Scaling group ends. A scale-in does not
// wait for disruption budgets; the delete of a group does, for a while, and then
// ends its nodes with whatever runs there.
func (k *Keeper) release(ctx context.Context, d drainer, s scene) error {
	how, limit := drain{past: true}, drainUpdate
	if s.group.Status == region.NodegroupDeleting {
		how, limit = drain{}, drainDelete
	}
	for _, i := range s.members {
		if i.Lifecycle != region.TerminatingWait {
			continue
		}
		left, err := d.drain(ctx, s.nodes[i.ID], how)
		if err != nil {
			return err
		}
		if len(left) > 0 && k.now().Before(i.Waits.Add(k.scaled(limit))) {
			continue
		}
		if err := k.complete(s, i.ID); err != nil {
			return err
		}
	}
	return nil
}

// created waits for the nodes of a new group.
func (k *Keeper) created(s scene) error {
	serving := 0
	var missing []string
	for _, i := range s.members {
		if i.Lifecycle == "InService" {
			serving++
		} else if i.Counts() {
			missing = append(missing, i.ID)
		}
	}
	switch {
	case serving >= s.group.Scaling.DesiredSize:
		return k.settle(s, func(_ *region.State, n *region.Nodegroup) { n.Status = region.NodegroupActive })
	case k.now().Before(s.group.Created.Add(k.scaled(joinTime))):
		return nil
	}
	return k.settle(s, func(st *region.State, n *region.Nodegroup) {
		n.Status = region.NodegroupCreateFailed
		n.Issues = st.NodegroupIssues(n)
		if len(n.Issues) == 0 {
			n.Issues = []region.NodegroupIssue{{Code: "NodeCreationFailure",
				Message: "Instances failed to join the kubernetes cluster", Resources: missing}}
		}
	})
}

// deleted ends a group that has no instances any more.
func (k *Keeper) deleted(s scene) error {
	if len(s.members) > 0 {
		return nil
	}
	return k.change(s, func(st *region.State, n *region.Nodegroup) { st.RemoveNodegroup(n) })
}

// update carries an update on.
func (k *Keeper) update(ctx context.Context, d drainer, s scene) error {
	u := s.group.Updating()
	if u == nil {
		return k.settle(s, func(_ *region.State, n *region.Nodegroup) { n.Status = region.NodegroupActive })
	}
	if u.Type == "VersionUpdate" {
		return k.upgrade(ctx, d, s)
	}
	for _, i := range s.members {
		if node := s.nodes[i.ID]; node != nil && i.Counts() {
			if err := d.dress(ctx, node, s.group, u.Gone); err != nil {
				return err
			}
		}
	}
	return k.finish(s)
}

func (k *Keeper) finish(s scene, errs ...region.NodegroupIssue) error {
	return k.change(s, func(st *region.State, n *region.Nodegroup) { st.FinishUpdate(n, errs, region.Stamp(k.now())) })
}

// Phases of the replacement of a group's nodes.
const (
	scaleUp   = "scale-up"
	replacing = "upgrade"
	scaleDown = "scale-down"
)

// upgrade replaces the nodes of a group: more of the new kind first, unless the
// strategy is MINIMAL; then batches of old nodes are drained and ended; then the
// group gets its size back.
func (k *Keeper) upgrade(ctx context.Context, d drainer, s scene) error {
	switch s.group.Updating().Phase {
	case "":
		return k.beginUpgrade(s)
	case scaleUp:
		return k.scaledUp(ctx, d, s)
	case replacing:
		return k.replace(ctx, d, s)
	}
	return k.scaledDown(s)
}

// batch is how many nodes may be unavailable at once.
func (s scene) batch() int {
	c := s.group.UpdateConfig
	if c.MaxUnavailablePercentage > 0 {
		return max(1, s.group.Scaling.DesiredSize*c.MaxUnavailablePercentage/100)
	}
	return max(1, c.MaxUnavailable)
}

func (s scene) minimal() bool { return s.group.UpdateConfig.UpdateStrategy == "MINIMAL" }

// old are the instances that start from what the group launched before.
func (s scene) old() []region.Instance {
	return slices.DeleteFunc(slices.Clone(s.members), func(i region.Instance) bool {
		return !i.Counts() || fmt.Sprint(i.TemplateVersion) == s.group.Updating().Launches
	})
}

func (k *Keeper) beginUpgrade(s scene) error {
	return k.change(s, func(st *region.State, n *region.Nodegroup) {
		u, g := n.Updating(), st.Groups[n.Group]
		u.Phase, u.Since = scaleUp, region.Stamp(k.now())
		if s.minimal() || len(s.members) == 0 || g == nil {
			u.Phase = replacing
			return
		}
		desired := *g.DesiredCapacity + region.Num(max(s.batch(), 2*s.zones))
		g.DesiredCapacity, g.MaxSize = &desired, max(g.MaxSize, desired)
	})
}

// scaledUp waits for the new nodes, and closes the old ones.
func (k *Keeper) scaledUp(ctx context.Context, d drainer, s scene) error {
	serving := 0
	for _, i := range s.members {
		if i.Lifecycle == "InService" && fmt.Sprint(i.TemplateVersion) == s.group.Updating().Launches {
			serving++
		}
	}
	if serving < max(s.batch(), 2*s.zones) {
		if k.now().After(s.group.Updating().Since.Add(k.scaled(joinTime))) {
			return k.fail(ctx, d, s, region.NodegroupIssue{Code: "NodeCreationFailure",
				Message: "Couldn't proceed with upgrade process as new nodes are not joining node group " + s.group.NodegroupName})
		}
		return nil
	}
	for _, i := range s.old() {
		if err := d.close(ctx, s.nodes[i.ID], true); err != nil {
			return err
		}
	}
	return k.change(s, func(_ *region.State, n *region.Nodegroup) { n.Updating().Phase = replacing })
}

// replace drains old nodes in batches. A node whose pods do not go in time stops
// the update, unless it is forced.
func (k *Keeper) replace(ctx context.Context, d drainer, s scene) error {
	u := s.group.Updating()
	old := s.old()
	if len(old) == 0 {
		return k.change(s, func(_ *region.State, n *region.Nodegroup) { n.Updating().Phase = scaleDown })
	}
	batch := maps.Clone(u.Draining)
	if batch == nil {
		batch = map[string]region.Drain{}
	}
	maps.DeleteFunc(batch, func(id string, _ region.Drain) bool {
		return !slices.ContainsFunc(old, func(i region.Instance) bool { return i.ID == id })
	})
	leaving := len(slices.DeleteFunc(slices.Clone(s.members), func(i region.Instance) bool { return i.Lifecycle == "InService" }))
	now := region.Stamp(k.now())
	for _, i := range old {
		if _, in := batch[i.ID]; !in && len(batch)+leaving < s.batch() {
			batch[i.ID] = region.Drain{Since: now}
		}
	}
	var ended []string
	for id, b := range batch {
		late := now.After(b.Since.Add(k.scaled(drainUpdate)))
		left, err := d.drain(ctx, s.nodes[id], drain{past: late && u.Force, exclude: true})
		if err != nil {
			return err
		}
		switch {
		case len(left) > 0 && late && !u.Force:
			return k.fail(ctx, d, s, region.NodegroupIssue{Code: "PodEvictionFailure",
				Message:   "Reached max retries while trying to evict pods from nodes in node group " + s.group.NodegroupName,
				Resources: []string{s.nodes[id].Name}})
		case len(left) > 0:
			b.Empty = time.Time{}
		case b.Empty.IsZero():
			b.Empty = now
		case now.After(b.Empty.Add(k.scaled(letGo))):
			ended = append(ended, id)
		}
		batch[id] = b
	}
	return k.change(s, func(st *region.State, n *region.Nodegroup) {
		n.Updating().Draining = batch
		for _, id := range ended {
			if g, i := st.Groups[n.Group], st.Instances[id]; g != nil && i != nil && i.Counts() {
				st.EndMember(g, i, now, "an instance was taken out of service in response to a user request")
			}
		}
	})
}

// fail gives an update up: old nodes take pods again, and those that were launched
// for it go.
func (k *Keeper) fail(ctx context.Context, d drainer, s scene, why region.NodegroupIssue) error {
	for _, i := range s.old() {
		if err := d.close(ctx, s.nodes[i.ID], false); err != nil {
			return err
		}
	}
	launches := s.group.Updating().Launches
	before := *s.group.Updating().Before
	now := region.Stamp(k.now())
	return k.change(s, func(st *region.State, n *region.Nodegroup) {
		st.FinishUpdate(n, []region.NodegroupIssue{why}, now)
		g := st.Groups[n.Group]
		if g == nil {
			return
		}
		resize(g, before)
		for _, i := range st.Members(n.Group) {
			if i.Counts() && fmt.Sprint(i.TemplateVersion) == launches {
				st.EndMember(g, i, now, "an instance was taken out of service in response to a user request")
			}
		}
	})
}

// scaledDown gives a group its size back, and waits for the nodes that are too many.
func (k *Keeper) scaledDown(s scene) error {
	before := *s.group.Updating().Before
	err := k.change(s, func(st *region.State, n *region.Nodegroup) {
		if g := st.Groups[n.Group]; g != nil && int(*g.DesiredCapacity) > before.DesiredSize {
			resize(g, before)
		}
	})
	serving := 0
	for _, i := range s.members {
		if i.Lifecycle == "InService" {
			serving++
		}
	}
	if err != nil || len(s.members) != before.DesiredSize || serving != before.DesiredSize {
		return err
	}
	return k.finish(s)
}

func resize(g *region.Group, to region.NodegroupScaling) {
	desired := region.Num(to.DesiredSize)
	g.MinSize, g.MaxSize, g.DesiredCapacity = region.Num(to.MinSize), region.Num(to.MaxSize), &desired
}
