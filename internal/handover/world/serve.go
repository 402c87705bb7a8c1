package world

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/handover"
)

var (
	_ handover.Scaling   = (*World)(nil)
	_ handover.Balancers = (*World)(nil)
)

var errFault = errors.New("connection reset by peer")

// call carries a call out once it has arrived, unless it is lost; its answer may
// be lost too.
func (w *World) call(what string, down *bool, do func() error) error {
	w.Travel(what)
	w.mu.Lock()
	defer w.mu.Unlock()
	if *down || w.loses("call", what) {
		w.note("%s: lost", what)
		return errFault
	}
	if err := do(); err != nil {
		w.note("%s: %s", what, err)
		return err
	}
	if w.loses("answer", what) {
		w.note("%s: done, and the answer is lost", what)
		return errFault
	}
	w.note("%s", what)
	return nil
}

// farthest is the longest that a call takes to arrive.
const farthest = 10 * time.Millisecond

// Travel returns when a call has arrived. How long that takes is drawn for each
// of them, so that calls that are under way side by side arrive one after the
// other, and in the same order in each run of the same world.
func (w *World) Travel(what string) {
	w.mu.Lock()
	d := time.Duration(1 + w.draw("travel", what)%uint64(farthest))
	w.mu.Unlock()
	time.Sleep(d)
}

// loses: this is one of the calls, or answers, that are lost.
func (w *World) loses(part, what string) bool {
	return w.Faults > 0 && w.draw(part, what)%uint64(w.Faults) == 0
}

// draw is a number that rests on what it is for and how often that was asked
// for, and not on what else is under way.
func (w *World) draw(purpose, of string) uint64 {
	key := purpose + " " + of
	w.drawn[key]++
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", w.seed, key, w.drawn[key])
	return mix(h.Sum64())
}

// mix spreads the bits of a hash (the last step of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// note keeps what was done to the world from outside.
func (w *World) note(format string, args ...any) {
	w.diary = append(w.diary, fmt.Sprintf("%s: ", time.Since(w.began))+fmt.Sprintf(format, args...))
}

// Diary tells all that was asked of the world but to look at it, in the order in
// which it was done.
func (w *World) Diary() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.diary)
}

// ask is a call that only looks.
func (w *World) ask(what string, down *bool, do func() error) error {
	w.Travel(what)
	w.mu.Lock()
	defer w.mu.Unlock()
	if *down || w.loses("call", what) {
		return errFault
	}
	return do()
}

// snap keeps the pods as they are now, for views that are old.
func (w *World) snap() {
	now := map[string]*handover.Pod{}
	for uid, p := range w.pods {
		pod := p.Pod
		pod.Labels = maps.Clone(p.Labels)
		now[uid] = &pod
	}
	w.shown = append(w.shown, now)
	if old := len(w.shown) - w.Stale - 1; old > 0 {
		w.shown, w.seen = w.shown[old:], max(0, w.seen-old)
	}
}

// View shows the pods of some ticks ago, and all else as it is.
func (w *World) View() (*handover.View, error) { return w.look(w.view) }

// Another is a second look at the same world: a view belongs to one reader.
func (w *World) Another() handover.Cluster { return another{w, handover.NewView()} }

type another struct {
	*World
	view *handover.View
}

func (a another) View() (*handover.View, error) { return a.look(a.view) }

func (w *World) look(v *handover.View) (*handover.View, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchOff {
		return nil, errFault
	}
	v.Now = w.now()
	for _, n := range w.nodes {
		if have := v.Nodes[n.Name]; have == nil || !reflect.DeepEqual(*have, n.Node) {
			copied := n.Node
			v.PutNode(&copied)
		}
	}
	for name := range v.Nodes {
		if w.nodes[name] == nil {
			v.DropNode(name)
		}
	}
	w.viewPods(v)
	w.viewEvictor(v)
	for _, a := range w.apps {
		w.viewApp(v, a)
	}
	return v, nil
}

func (w *World) viewPods(v *handover.View) {
	if len(w.shown) == 0 {
		w.snap()
	}
	w.seen += w.rng.IntN(len(w.shown) - w.seen) // a watch never goes back
	seen := w.shown[w.seen]
	for uid, p := range seen {
		if have := v.Pods[uid]; have == nil || !reflect.DeepEqual(have, p) {
			v.PutPod(p)
		}
	}
	for uid := range v.Pods {
		if seen[uid] == nil {
			v.DropPod(uid)
		}
	}
}

func (w *World) viewApp(v *handover.View, a *App) {
	w.viewLoad(v, a)
	w.viewService(v, a)
	for i := range 1 + a.Budgets {
		if a.Budget == 0 {
			break
		}
		b := w.budget(a)
		b.Name = fmt.Sprintf("%s-%d", a.Name, i)
		if have := v.Budgets[b.Key()]; have == nil || !reflect.DeepEqual(*have, b) {
			v.PutBudget(&b)
		}
	}
}

func (w *World) viewLoad(v *handover.View, a *App) {
	if a.bare() || a.daemon() {
		return
	}
	api, kind := named(a.kind())
	load := handover.Workload{
		Kind: kind, API: api, Namespace: "apps", Name: a.Name, UID: a.Name, Nature: a.nature(), Wants: a.Replicas, Counted: true,
		Surge: a.Surge, StartsWithin: 10 * time.Minute, Paused: a.Paused, FailsIfEnded: a.nature() == handover.Runs, Ordinals: a.makes().Ordinals, OnDelete: a.OnDelete,
		Together: a.Group > 0 && a.Replicas <= a.Group,
	}
	if a.nature() == handover.Operated { // it has no scale to ask: what it wants is what is there
		load.Counted, load.Wants = false, 0
		for _, p := range v.Of(load.Key()) {
			if !p.Finished {
				load.Wants++
			}
		}
	}
	if a.Rolling || a.Paused || a.rollout != nil && a.rollout.old > 0 {
		load.Rolling = "1 of 3 pods are new"
	}
	if a.kind() == "Deployment" || a.kind() == "Rollout" {
		load.Holder = &handover.Owner{API: api, Kind: kind, Name: a.Name, UID: a.Name}
	}
	if have := v.Workloads[load.Key()]; have == nil || !reflect.DeepEqual(*have, load) {
		v.PutWorkload(&load)
	}
}

func (w *World) viewService(v *handover.View, a *App) {
	if a.NoService || a.Behind != "" {
		return
	}
	s := handover.Service{Namespace: "apps", Name: a.Name, Local: a.Local, NodeLocal: a.NodeLocal, Balanced: a.own() && a.kindOfBalancer().Hosted || a.Host != ""}
	if a.Attached {
		s.Balanced, s.NodePorts = false, []int{w.port(a)}
	}
	if s.Balanced && a.own() {
		s.Hosts, s.ToPods = []string{a.Name + ".elb"}, a.ByAddress
	}
	if a.bound() && !a.Attached {
		s.TargetGroups = []string{"arn:" + a.Name}
	}
	if a.Host != "" {
		s.Hosts = append(s.Hosts, a.Host)
	}
	if a.Ingress > 0 {
		s.Routes = []string{"ingress/apps/" + a.Name}
	}
	if have := v.Services[s.Key()]; have == nil || !reflect.DeepEqual(*have, s) {
		v.PutService(&s)
	}
}

// port is an app's node port.
func (w *World) port(a *App) int { return 30000 + slices.Index(w.apps, a) }

// budget counts what a disruption budget of the app counts: all pods that it
// selects, and as many as their controllers want.
func (w *World) budget(a *App) handover.Budget {
	b := handover.Budget{Namespace: "apps", Desired: a.Budget, Expected: a.Replicas, Seen: true, Keys: []string{"app"}}
	for _, p := range w.pods {
		if p.app == a && p.Ready && !p.Deleting && len(p.Budgets) > 0 {
			b.Healthy++
		}
	}
	if a.Yields > 0 {
		b.Owner = a.Name
	}
	if a.BrokenBudget {
		b.Broken = "found no controllers for pod"
	}
	return b
}

// Changed, Close, Place and Rehearse are the rest of handover.Cluster's reads.
func (w *World) Changed() <-chan struct{} { return w.changed }
func (w *World) Close()                   {}

// Place says that there is room outside, unless every other node is gone.
func (w *World) Place(_ context.Context, leaving []string, pods, _ []handover.Ref, _ []handover.Size) ([]handover.Placement, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var where []handover.Placement
	for _, p := range pods {
		at := handover.Placement{Pod: p, Why: fmt.Sprintf("0/%d nodes are available", len(w.nodes))}
		for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
			if !slices.Contains(leaving, name) && w.nodes[name].deadSince.IsZero() {
				at.Node, at.Why = name, ""
			}
		}
		where = append(where, at)
	}
	return where, nil
}

// Sizes knows no instance type: there is room in the model.
func (w *World) Sizes(context.Context, []string) (map[string]handover.Size, error) { return nil, nil }

// Surroundings is empty: nothing else has a say in the model.
func (w *World) Surroundings(context.Context) (handover.Surroundings, error) {
	return handover.Surroundings{}, nil
}

// Rehearse asks the app's policies.
func (w *World) Rehearse(_ context.Context, r handover.Rehearsal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pods[r.Pod.UID]
	switch {
	case r.Node != "" && w.Told:
		return w.nodeRefused(*r.Patch)
	case p == nil:
		return nil
	case r.Create:
		return denied(p.app, "create")
	case r.Evict:
		return denied(p.app, "evict")
	}
	return patchDenied(p.app, p, *r.Patch)
}

func denied(a *App, what string) error {
	if slices.Contains(a.Denies, what) {
		return &handover.Refusal{Why: "policy no-" + what + " forbids it"}
	}
	return nil
}

// refused: a policy refuses the call itself, whether or not a dry run showed it.
func refused(a *App, what string) error {
	if slices.Contains(a.DeniesLate, what) {
		return &handover.Refusal{Why: "policy no-" + what + " forbids it"}
	}
	return nil
}

// relabels: the patch changes labels; giving one the value that it has is no change.
func (p *pod) relabels(patch handover.Patch) bool {
	for key, value := range patch.Labels {
		if was, is := p.Labels[key]; is != (value != nil) || is && was != *value {
			return true
		}
	}
	return false
}

func patchDenied(a *App, p *pod, patch handover.Patch) error {
	if p.relabels(patch) {
		if err := denied(a, "labels"); err != nil {
			return err
		}
	}
	if patch.Owner != nil {
		return denied(a, "owner")
	}
	return nil
}

func patchRefused(a *App, p *pod, patch handover.Patch) error {
	if p.relabels(patch) {
		if err := refused(a, "labels"); err != nil {
			return err
		}
	}
	if patch.Owner != nil {
		return refused(a, "owner")
	}
	return nil
}

// nodeRefused asks the policies that look after nodes.
func (w *World) nodeRefused(p handover.Patch) error {
	for what, is := range map[string]bool{
		"cordon": p.Unschedulable != nil && *p.Unschedulable, "open": p.Unschedulable != nil && !*p.Unschedulable,
		"exclude": len(p.Labels) > 0 && p.Unschedulable == nil, "taint": p.Leaving != nil && *p.Leaving,
	} {
		if is && slices.Contains(w.Closed, what) {
			return &handover.Refusal{Why: "policy no-" + what + " forbids it"}
		}
	}
	return nil
}

// PatchNode changes a node.
func (w *World) PatchNode(_ context.Context, name string, p handover.Patch) error {
	defer w.alone("node " + name)()
	return w.call("patch node "+name, &w.apiDown, func() error {
		n := w.nodes[name]
		if n == nil {
			return nil
		}
		if err := w.nodeRefused(p); err != nil {
			return err
		}
		if value, ok := p.Labels["node.kubernetes.io/exclude-from-external-load-balancers"]; ok {
			w.exclude(n, value)
		}
		if value, ok := p.Annotations[handover.BeforeAnnotation]; ok {
			n.Before = text(value)
		}
		n.annotate(p.Annotations)
		if p.Unschedulable != nil {
			if n.Cordoned = *p.Unschedulable; n.Cordoned {
				n.closedAt = w.now()
			}
		}
		if p.Leaving != nil {
			n.Leaving = *p.Leaving
		}
		return nil
	})
}

// annotate changes what autoscalers are told.
func (n *node) annotate(annotations map[string]*string) {
	if value, ok := annotations[handover.CalmAnnotation]; ok {
		n.Calmed = text(value)
	}
	n.Calm = maps.Clone(n.Calm) // views hold the former one
	for _, key := range handover.Calming {
		switch value, ok := annotations[key]; {
		case !ok:
		case value == nil:
			delete(n.Calm, key)
		case n.Calm == nil:
			n.Calm = map[string]string{key: *value}
		default:
			n.Calm[key] = *value
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// alone breaks a promise where a thing is changed while another change of it is
// under way: each writes a record as it knew it, and which is the last is chance.
func (w *World) alone(thing string) (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changing[thing]++; w.changing[thing] > 1 {
		w.fail("two changes of %s are under way at once", thing)
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changing[thing]--
	}
}

// PatchPod changes a pod.
func (w *World) PatchPod(_ context.Context, r handover.Ref, patch handover.Patch) error {
	defer w.alone("pod " + r.Name)()
	return w.call("patch pod "+r.Name, &w.apiDown, func() error {
		p := w.pods[r.UID]
		if p == nil {
			return nil
		}
		if err := errors.Join(patchDenied(p.app, p, patch), patchRefused(p.app, p, patch)); err != nil {
			return err
		}
		if enough, _ := patch.Spare.Enough(func(r handover.Ref) (bool, error) { return w.ready(r), nil }); !enough {
			return &handover.Refusal{Why: "its replacement serves by now", Passing: true}
		}
		if key, yes := patch.Outrun(p.Labels); yes {
			return &handover.Refusal{Why: key + " has changed", Passing: true}
		}
		p.Labels = maps.Clone(p.Labels)
		for key, value := range patch.Labels {
			if value == nil {
				delete(p.Labels, key)
			} else {
				p.Labels[key] = *value
			}
		}
		if value, ok := patch.Annotations[handover.ReleasedAnnotation]; ok {
			p.Released = text(value)
		}
		if value, ok := patch.Annotations[handover.CostAnnotation]; ok {
			p.Cost = value
			p.app.returned = p.app.returned || value != nil
		}
		if patch.Owner != nil {
			p.Owner = patch.Owner
		}
		return nil
	})
}

func (w *World) ready(r handover.Ref) bool {
	p := w.pods[r.UID]
	return p == nil || p.Ready || p.Deleting
}

// Evict is the Eviction API.
func (w *World) Evict(_ context.Context, r handover.Ref) error {
	return w.call("evict pod "+r.Name, &w.apiDown, func() error {
		p := w.pods[r.UID]
		if p == nil || p.Deleting {
			return nil
		}
		if err := errors.Join(denied(p.app, "evict"), refused(p.app, "evict")); err != nil {
			return err
		}
		if p.app.Busy > 0 {
			if p.app.evictable.IsZero() {
				p.app.evictable = w.now().Add(p.app.Busy)
			}
			if w.now().Before(p.app.evictable) {
				return &handover.Refusal{Why: "webhook: the machine is being moved", Passing: true}
			}
			p.app.evictable = time.Time{}
		}
		switch b := w.budget(p.app); {
		case len(p.Budgets) == 1 && b.Broken != "":
			return &handover.Refusal{Budget: p.Budgets[0], Why: b.Broken, Passing: true}
		case len(p.Budgets) > 1:
			return &handover.Refusal{Budget: p.Budgets[0], Why: "This pod has more than one PodDisruptionBudget", Passing: true}
		case len(p.Budgets) == 1 && p.Ready && b.Healthy-1 < b.Desired, len(p.Budgets) == 1 && !p.Ready && b.Healthy < b.Desired:
			return &handover.Refusal{Budget: p.Budgets[0], Why: fmt.Sprintf("PodDisruptionBudget %s needs %d healthy pods and has %d currently", p.Budgets[0], b.Desired, b.Healthy), Passing: true}
		}
		if w.checking && p.app.nature() == handover.Runs && !p.Finished {
			w.fail("pod %s of a Job was evicted while it worked", p.Name)
		}
		if p.DoNotDisrupt != "" || p.app.bare() && !p.Expendable {
			w.fail("pod %s was evicted, and must not be", p.Name)
		}
		w.moved++
		p.Evicted = true
		w.tell(p)
		return nil
	})
}

// TouchBudget does nothing: the model's budgets are always counted anew.
func (w *World) TouchBudget(context.Context, string, string) error { return nil }

// Guard puts a sentinel on a node.
func (w *World) Guard(_ context.Context, name string, repels []handover.Repelled) error {
	return w.call("guard node "+name, &w.apiDown, func() error {
		uid := "sentinel-" + name
		w.put(&pod{app: &App{NoService: true}, Pod: handover.Pod{
			Ref: handover.Ref{Namespace: "kube-system", Name: uid, UID: uid}, Node: name, Sentinel: true, Repels: handover.Repels(repels), Created: w.now()}, repels: repels})
		return nil
	})
}

// Unguard takes it away.
func (w *World) Unguard(_ context.Context, name string) error {
	return w.call("unguard node "+name, &w.apiDown, func() error { w.remove("sentinel-" + name); return nil })
}

// DeleteNode removes a node.
func (w *World) DeleteNode(_ context.Context, name string) error {
	return w.call("delete node "+name, &w.apiDown, func() error { delete(w.nodes, name); return nil })
}

// SaveRecord and Records keep the records of moves.
func (w *World) SaveRecord(_ context.Context, group string, record []byte) error {
	return w.call("save the record of "+group, &w.apiDown, func() error {
		if record == nil {
			delete(w.records, group)
		} else {
			w.records[group] = record
		}
		return nil
	})
}

func (w *World) Records(context.Context) (map[string][]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.records), nil
}

// Lock, Unlock, Locks and Ask keep who works on a move.
func (w *World) Lock(_ context.Context, move, holder string, d time.Duration) (l handover.Lock, err error) {
	err = w.call("lock "+move, &w.apiDown, func() error {
		l = w.locks[move]
		switch now := w.now(); {
		case l.Holder != holder && l.Live(now):
			return &handover.Held{Lock: l}
		case l.Holder != holder:
			l = handover.Lock{Holder: holder, Since: now, Renewed: now, For: d}
		default:
			l.Renewed, l.For = now, d
		}
		w.locks[move] = l
		return nil
	})
	return l, err
}

func (w *World) Unlock(_ context.Context, move, holder string) error {
	return w.call("unlock "+move, &w.apiDown, func() error {
		if w.locks[move].Holder == holder {
			delete(w.locks, move)
		}
		return nil
	})
}

func (w *World) Locks(context.Context) (map[string]handover.Lock, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.locks), nil
}

func (w *World) Ask(_ context.Context, move string, wish handover.Wish) error {
	return w.call("ask of "+move, &w.apiDown, func() error {
		if l, is := w.locks[move]; is {
			l.Wish = wish
			w.locks[move] = l
		}
		return nil
	})
}

// Group reads an Auto Scaling group.
func (w *World) Group(_ context.Context, name string) (g handover.Group, err error) {
	err = w.ask("read group "+name, &w.awsDown, func() error {
		have := w.groups[name]
		if have == nil {
			return handover.ErrNotFound
		}
		w.letGo(have)
		g = *have
		g.Tags, g.Suspended, g.Instances = maps.Clone(g.Tags), slices.Clone(g.Suspended), slices.Clone(g.Instances)
		return nil
	})
	return g, err
}

// States of instances.
func (w *World) States(_ context.Context, ids []string) (map[string]string, error) {
	states := map[string]string{}
	err := w.ask("read instances", &w.awsDown, func() error {
		for _, id := range ids {
			states[id] = "terminated"
			if !w.instanceGone(id) {
				states[id] = "running"
			}
		}
		return nil
	})
	return states, err
}

func (w *World) change(what, name string, do func(*handover.Group)) error {
	return w.call(what+" "+name, &w.awsDown, func() error {
		g := w.groups[name]
		if g == nil {
			return handover.ErrNotFound
		}
		do(g)
		return nil
	})
}

// Suspend, Resume, SetMin, Tag and Untag change a group.
func (w *World) Suspend(_ context.Context, group string, processes []string) error {
	return w.change("suspend", group, func(g *handover.Group) {
		for _, p := range processes {
			if !slices.Contains(g.Suspended, p) {
				g.Suspended = append(g.Suspended, p)
			}
		}
	})
}

func (w *World) Resume(_ context.Context, group string, processes []string) error {
	return w.change("resume", group, func(g *handover.Group) {
		g.Suspended = slices.DeleteFunc(g.Suspended, func(p string) bool { return slices.Contains(processes, p) })
	})
}

func (w *World) SetMin(_ context.Context, group string, n int) error {
	return w.change("set the minimum of", group, func(g *handover.Group) { g.Min = n })
}

func (w *World) Tag(_ context.Context, group string, tags map[string]string) error {
	return w.change("tag", group, func(g *handover.Group) { maps.Copy(g.Tags, tags) })
}

func (w *World) Untag(_ context.Context, group string, keys []string) error {
	return w.change("untag", group, func(g *handover.Group) {
		for _, k := range keys {
			delete(g.Tags, k)
		}
	})
}

// Terminate ends instances, each once a lifecycle hook lets it go.
func (w *World) Terminate(_ context.Context, group string, instances []string) error {
	return w.change("end instances of", group, func(g *handover.Group) {
		for _, id := range instances {
			w.terminate(g, id)
		}
	})
}

func (w *World) terminate(g *handover.Group, instance string) {
	at := slices.IndexFunc(g.Instances, func(i handover.Instance) bool { return i.ID == instance })
	if at < 0 || g.Instances[at].Lifecycle == handover.TerminatingWait {
		return
	}
	g.Desired--
	if w.Fence {
		g.Instances[at].Lifecycle = handover.TerminatingWait
		return
	}
	if w.Hook > 0 {
		g.Instances[at].Lifecycle = handover.TerminatingWait
		w.held[instance] = w.now().Add(w.Hook)
		return
	}
	w.end(g, instance)
}

// Release ends instances that the fence holds.
func (w *World) Release(_ context.Context, group string, instances []string) error {
	return w.change("release instances of", group, func(g *handover.Group) {
		for _, i := range slices.Clone(g.Instances) {
			if w.Fence && i.Lifecycle == handover.TerminatingWait && slices.Contains(instances, i.ID) {
				w.end(g, i.ID)
			}
		}
	})
}

// end takes an instance away; its pods and connections go with it.
func (w *World) end(g *handover.Group, instance string) {
	w.sends(instance)
	g.Instances = slices.DeleteFunc(g.Instances, func(i handover.Instance) bool { return i.ID == instance })
	maps.DeleteFunc(w.nodes, func(_ string, n *node) bool { return n.Instance == instance })
}

// letGo ends the instances of a group that the hook has held long enough.
func (w *World) letGo(g *handover.Group) {
	for _, i := range slices.Clone(g.Instances) {
		if until, is := w.held[i.ID]; is && !w.now().Before(until) {
			delete(w.held, i.ID)
			w.end(g, i.ID)
		}
	}
}

// hostTakes is how long a load balancer that nobody can ask (App.Host) takes, at the
// most, to take a node up or to let it go.
const hostTakes = 5 * time.Minute

// exclude labels a node, or takes the label from it, and says which load balancer
// that nobody can ask may have no other that it can send through.
func (w *World) exclude(n *node, value *string) {
	switch {
	case n.Exclude == nil && value != nil:
		n.excludedAt = w.now()
	case n.Exclude != nil && value == nil:
		n.admitted = w.now()
	}
	n.Exclude = value
	for _, a := range w.apps {
		serves := w.nodesOf(a)
		if a.Host == "" || value == nil || len(serves) == 0 || a.Local && !serves[n.Name] || w.lostNode() {
			continue
		}
		if delete(serves, n.Name); !w.hostReaches(func(name string) bool { return !a.Local || len(serves) == 0 || serves[name] }) {
			w.fail("node %s is excluded, and load balancer %s may have no other yet", n.Name, a.Host)
		}
	}
}

// nodesOf are the nodes with pods of the app that requests are sent to.
func (w *World) nodesOf(a *App) map[string]bool {
	nodes := map[string]bool{}
	for _, uid := range w.sentTo(a) {
		if p := w.pods[uid]; p != nil && w.answers(p) {
			nodes[p.Node] = true
		}
	}
	return nodes
}

// hostReaches: a load balancer that nobody can ask has had the time to take up one of
// such nodes.
func (w *World) hostReaches(such func(node string) bool) bool {
	for _, n := range w.nodes {
		if n.Ready && n.Exclude == nil && such(n.Name) && w.now().Sub(n.admitted) >= hostTakes {
			return true
		}
	}
	return false
}

// sends says who still sends through an instance that ends.
func (w *World) sends(instance string) {
	for lb, targets := range w.targets {
		if targets[instance] != nil {
			w.fail("instance %s ended, and load balancer %s sends through it", instance, lb)
		}
	}
	for _, n := range w.nodes {
		if n.Instance != instance {
			continue
		}
		for _, a := range w.apps {
			if a.Host != "" && (n.Exclude == nil || w.now().Sub(n.excludedAt) < hostTakes) {
				w.fail("node %s ended, and load balancer %s may send through it", n.Name, a.Host)
			}
			for _, uid := range w.sentTo(a) {
				if p := w.pods[uid]; p != nil && p.Node == n.Name {
					w.fail("node %s ended, and proxies send to pod %s on it", n.Name, p.Name)
				}
			}
		}
	}
}

// Balancers answers for every load balancer that it is asked about.
func (w *World) Balancers(_ context.Context, q handover.Inquiry) ([]handover.Balancer, error) {
	var all []handover.Balancer
	err := w.ask("read load balancers", &w.awsDown, func() error {
		for _, name := range slices.Sorted(maps.Keys(w.targets)) {
			a := w.owner(name)
			b := a.says(name, w.Draining)
			if a.Attached {
				b.Port = w.port(a)
			}
			concerns := slices.Contains(q.Known, name) || slices.Contains(q.Groups, b.Group) || b.Group != "" && slices.Contains(q.Hosts, b.Host)
			for _, id := range slices.Sorted(maps.Keys(w.targets[name])) {
				t := w.targets[name][id]
				state := handover.InService
				switch {
				case t.gone(w.now()):
					continue // it says nothing, and sends on
				case !t.until.IsZero():
					state = handover.Draining
				case w.now().Before(t.since):
					state = handover.OutOfService
				}
				concerns = concerns || slices.Contains(q.Instances, id) || slices.Contains(q.Addresses, id)
				if a.ByAddress {
					b.Targets = append(b.Targets, handover.Target{Address: id, State: state})
				} else {
					b.Targets = append(b.Targets, handover.Target{Instance: id, State: state})
				}
			}
			if !concerns {
				b = handover.Balancer{Name: name, Host: b.Host}
			}
			all = append(all, b)
		}
		return nil
	})
	return all, err
}

// Deregister and Register change what an Auto Scaling group has registered.
func (w *World) Deregister(_ context.Context, from, instance string) error {
	return w.call("deregister "+instance+" from "+from, &w.awsDown, func() error {
		lb := strings.TrimPrefix(from, "arn:")
		if w.out[lb] == nil {
			w.out[lb] = map[string]bool{}
		}
		w.out[lb][instance] = true
		return nil
	})
}

func (w *World) Register(_ context.Context, with, instance string) error {
	return w.call("register "+instance+" with "+with, &w.awsDown, func() error {
		if slices.Contains(w.Closed, "register") {
			return errFault
		}
		delete(w.out[strings.TrimPrefix(with, "arn:")], instance)
		return nil
	})
}

// String tells a world in one line, for a failed test.
func (w *World) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, p := range w.sorted() {
		fmt.Fprintf(&b, "%s@%s ready=%t deleting=%t released=%t %s\n", p.Name, p.Node, p.Ready, p.Deleting, p.Released != "", p.Trouble)
	}
	return b.String()
}
