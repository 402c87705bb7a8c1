package handover

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Surge-first: the new pod serves before the old one is told to go, and neither
// replicas nor template of the workload are touched.
//
//	in its ReplicaSet ─release▶ beside it ─take out▶ out of its Services ─settle, evict▶ gone
//
// Released, a pod keeps serving while its ReplicaSet makes another in its place,
// which the cordon keeps off the old nodes. It is taken out of its Services
// only when enough others serve by each of its paths, and evicted only when
// everybody who sent to it has let go.

// surge lets a pod go, if its workload may have one more. It is true if another
// pod of the workload may begin as well.
func (h *herd) surge(p *Pod, pr promise) bool {
	under := len(h.beside) + len(h.out)
	path, is := h.short()
	is = is && !h.broken(p) // one that serves nobody leaves nobody short, and its successor may end that
	switch {
	case is && under == 0 && len(h.ending) == 0:
		h.wait("%s: %d of %d pods serve%s%s", h.Key, h.serving[path], h.floor(path), by(path), after(h.trouble()))
		return false
	case is:
		return false
	case !p.Ready && !h.broken(p):
		h.wait("%s: pod %s is not Ready yet%s", h.Key, p.Name, after(p.Trouble))
		return true
	case h.extra()+h.unseen(p) >= h.w.Surge:
		if len(h.others) > 0 {
			h.wait("%s: another move has let go of pod %s, and one comes in its place", h.Key, h.others[0].Name)
		}
		return h.unseen(p) > 0 // the others may be those
	case h.d.Surged >= h.Room:
		h.d.InLine = true
		h.wait("%s: replacements of others find no room; until they do, or are given up, one workload at a time tries", h.Key)
		return false
	}
	h.letGo(p, pr, Release{Until: h.now.Add(expiry)})
	h.beside = append(h.beside, p) // so that it counts
	h.d.Surged++
	h.d.Unreplaced = true
	return true
}

// briefly is the longest settle time for which a pod that has left its Services
// counts as one that ends: what waits for minutes needs its share of quotas meanwhile.
const briefly = time.Minute

// extra counts the pods under way, of whatever move, as maxSurge does. The Deployment controller
// leaves out what ends, whatever its preStop hook waits for; a pod that has left
// its Services and waits for its senders is no different. As many as maxSurge may
// be in that state beside as many that serve, so that a move that stops has no
// more than that to bring to an end.
func (h *herd) extra() int {
	leaving := 0
	for _, p := range h.out {
		if h.soonGone(p) {
			leaving++
		}
	}
	return len(h.beside) + len(h.others) + len(h.out) - min(leaving, h.w.Surge)
}

// unseen counts others that were let go of a moment ago, and that the view does not
// show so yet.
func (h *herd) unseen(p *Pod) int {
	n := 0
	for _, q := range h.fresh {
		if _, is := h.r.letGo[q.UID]; is && q != p && !slices.Contains(h.beside, q) {
			n++
		}
	}
	return n
}

// soonGone: nothing but its settle time keeps a pod that has left its Services: none
// lists it (Gone), and no target group has it, or had it (Left).
func (h *herd) soonGone(p *Pod) bool {
	rec, settle := h.r.Released[p.UID], h.settleOf(p)
	return len(rec.Left) == 0 && settle <= briefly && h.now.Sub(rec.Gone) < settle
}

// letGo releases a pod from its ReplicaSet. The record, of which r is the
// beginning, and the change are one write.
func (h *herd) letGo(p *Pod, pr promise, r Release) {
	if h.r.letGo == nil {
		h.r.letGo = map[string]time.Time{}
	}
	h.r.letGo[p.UID] = h.now
	r.Group, r.Workload, r.At, r.Cost, r.Floors = h.Move, h.Key, h.now, p.Cost, maps.Clone(h.r.Floors)
	a := ChangePod{Pod: p.Ref, Workload: h.Key, What: verbHold}
	if pr.byOwner {
		r.Owner, a.Patch.Owner = p.Owner, h.w.Holder
	} else {
		r.Labels = map[string]string{p.Handle: p.Labels[p.Handle]}
		a.What, a.Patch.Labels, a.Patch.Was = verbRelease, map[string]*string{p.Handle: nil}, r.Labels
	}
	a.Patch.Annotations = map[string]*string{ReleasedAnnotation: new(encode(r))}
	h.act(a)
}

// replace takes a released pod out once it is not missed, and waits for its
// replacement as long as the workload's author would.
func (h *herd) replace(p *Pod) {
	r, released := p.release()
	if !released {
		return // released in this very turn
	}
	missed := !h.asked(p) && h.missed(p)
	h.d.Unreplaced = h.d.Unreplaced || missed
	if h.Next(p.Node) && !h.asked(p) && !h.broken(p) {
		h.wait("%s: %s serves on until the first node is through", h.Key, p.Name)
		return
	}
	if !missed || p.AcceptGap && h.standsBy() {
		h.takeOut(p)
		return
	}
	why := h.trouble()
	began := r.At
	if r.Rollout && h.Closed.After(began) {
		began = h.Closed // the rollout's own time does not count
	}
	waited, limit := h.now.Sub(began), h.startLimit()
	h.d.Crowded = h.d.Crowded || h.crowded()
	if waited < limit {
		h.wait("%s: %s serves on until its replacement does%s", h.Key, p.Name, after(why))
		h.again(limit - waited)
		return
	}
	h.park(fmt.Sprintf("the replacement of pod %s does not serve after %s%s", p.Name, limit, after(why)), h.cure())
}

// trouble is why the workload has too few pods that serve.
func (h *herd) trouble() string {
	if h.w.Trouble != "" {
		return h.w.Trouble
	}
	why := ""
	for _, p := range h.Pods {
		switch {
		case p.Deleting || p.stays() || p.beside():
		case p.Ready:
			if why == "" && h.w.proof(p) > h.w.MinReady && p.selected() && h.proof(p, p.Paths[0].Service) > 0 {
				why = fmt.Sprintf("pod %s has no readiness probe, and counts once it has run for %s", p.Name, unproven)
			}
		case p.Trouble != "":
			return fmt.Sprintf("pod %s: %s", p.Name, p.Trouble)
		case len(p.Gates) > 0:
			why = fmt.Sprintf("pod %s: readiness gate %s is not met", p.Name, p.Gates[0])
		case p.Node == "" && p.Scheduler != "":
			why = fmt.Sprintf("pod %s: its scheduler %s has not placed it", p.Name, p.Scheduler)
		case why == "":
			why = fmt.Sprintf("pod %s is not Ready", p.Name)
		}
	}
	return why
}

// crowded: a replacement finds no room.
func (h *herd) crowded() bool {
	return slices.ContainsFunc(h.Pods, func(p *Pod) bool { return p.Node == "" && p.Crowded && !p.Deleting })
}

// cure is what would help a replacement that does not serve.
func (h *herd) cure() string {
	for _, p := range h.Pods {
		if !p.Ready && !p.Deleting && p.Trouble == "" && p.Node != "" && !p.beside() && h.activePassive() {
			return fmt.Sprintf("only one of its pods is Ready at a time, it seems: let it be missing while it moves (annotation %s=true on the workload), then run the same command again", AcceptGapAnnotation)
		}
	}
	return fmt.Sprintf("nothing is lost, the pod goes back to %s. See kubectl -n %s describe pods for what the new pod needs, then run the same command again", h.Key, h.w.Namespace)
}

// standsBy: a pod on a node that stays is up for long, and only waits for the one
// that serves to go.
func (h *herd) standsBy() bool {
	if !h.activePassive() {
		return false
	}
	for _, p := range h.Pods {
		if p.Node == "" || h.Leaves(p.Node) || p.Deleting || p.Ready || p.Trouble != "" || len(p.Gates) > 0 {
			continue
		}
		up := h.now.Sub(p.Created)
		if up >= brokenAfter {
			return true
		}
		h.again(brokenAfter - up)
	}
	return false
}

// activePassive: several pods run, and fewer were Ready from the start.
func (h *herd) activePassive() bool {
	most := 0
	for _, n := range h.r.Floors {
		most = max(most, n)
	}
	return most > 0 && most < h.w.Wants
}

// takeOut makes every Service let go of a released pod. Where a load balancer
// sends to the pod's node for the sake of this very pod (externalTrafficPolicy
// Local), the node leaves the load balancer first; that is the node's part.
func (h *herd) takeOut(p *Pod) {
	lb, last := h.lastOnNode(p)
	switch why := h.Needed(p); {
	case h.Ended(p.Node): // nobody is served there
	case last:
		h.wait("load balancer %s: node %s is in it for the sake of pod %s", lb, p.Node, p.Name)
		h.again(reread)
		return
	case h.neededOnNode(p):
		return
	case why != "" && !h.asked(p) && p.selected():
		h.wait("%s", why)
		h.again(reread)
		return
	}
	h.spend(p)
	if !p.selected() && len(p.listed()) == 0 {
		if h.leftLately(p) || h.deregistering(p) {
			return // no Service needs to know of it: who registers addresses by itself may send to it
		}
		h.evict(p)
		return
	}
	pr := h.wayOut(p)
	if pr.how == Never {
		h.park(pr.why, pr.fix)
		return
	}
	if pr.direct {
		if !h.comingBack(p) {
			h.evict(p)
		}
		return
	}
	r, _ := p.release()
	r.Until, r.Settle = h.now.Add(expiry), h.View.settleUnasked(p, h.Settle)
	a := takeOut(p, r, slices.Concat(p.Doors, h.veils(p)), h.now)
	h.act(a)
	h.recount(p, a.Patch.Labels)
}

// leftLately: the pod had a Service when it was released, which let go of it for
// another's sake a moment ago: who sends for them may do so yet.
func (h *herd) leftLately(p *Pod) bool {
	rec := h.r.Released[p.UID]
	services := slices.DeleteFunc(slices.Collect(maps.Keys(rec.Release.Floors)), func(path string) bool { return path == "" })
	rest := h.View.settleOf(p, services) - h.now.Sub(rec.Gone)
	if rest <= 0 {
		return false
	}
	h.wait("pod %s: its Services have let go of it, its last requests end", p.Ref)
	h.again(rest)
	return true
}

// takeOut takes labels away from a released pod by which its Services select it.
func takeOut(p *Pod, r Release, keys []string, now time.Time) ChangePod {
	r.Labels, r.Services, r.Out, r.OutAt = maps.Clone(r.Labels), slices.Clone(r.Services), true, now
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	gone, was := map[string]*string{}, map[string]string{}
	for _, key := range keys {
		r.Labels[key], gone[key] = p.Labels[key], nil
		if value, is := p.Labels[key]; is {
			was[key] = value
		}
	}
	for _, x := range p.Paths {
		if !slices.Contains(r.Services, x.Service) {
			r.Services = append(r.Services, x.Service)
		}
	}
	return ChangePod{Pod: p.Ref, Workload: r.Workload, What: verbTakeOut, Patch: Patch{
		Labels: gone, Was: was, Annotations: map[string]*string{ReleasedAnnotation: new(encode(r))},
	}}
}

// veils are labels that a pod under several budgets loses, because the Eviction
// API refuses such pods. Its budgets must be met without it.
func (h *herd) veils(p *Pod) []string {
	if len(p.Budgets) < 2 {
		return nil
	}
	for _, name := range p.Budgets {
		b := h.View.Budgets[p.Namespace+"/"+name]
		if b == nil || b.Healthy-1 < b.Desired {
			return nil
		}
	}
	return p.Veils
}

// recount has the budgets counted anew that may have stopped selecting the pod:
// their controller does not notice that by itself, and would allow one
// disruption too many.
func (h *herd) recount(p *Pod, gone map[string]*string) {
	for _, name := range p.Budgets {
		b := h.View.Budgets[p.Namespace+"/"+name]
		if b != nil && slices.ContainsFunc(b.Keys, func(k string) bool { _, is := gone[k]; return is }) {
			h.act(Recount{Namespace: p.Namespace, Budget: name})
		}
	}
}

// lastOnNode finds a load balancer that would send requests into nothing if the
// pod left its Services now: no other pod on the node serves for it.
func (h *herd) lastOnNode(p *Pod) (balancer string, is bool) {
	for _, x := range p.Paths {
		s := h.View.Services[p.serviceKey(x.Service)]
		if !x.Selected || !x.Ready || s == nil || !s.Local {
			continue
		}
		lb, sends := h.Sender(p.Node, s)
		if sends && !h.localOther(p, x.Service) {
			return lb, true
		}
	}
	return "", false
}

// neededOnNode: a Service with internalTrafficPolicy Local has no other pod on
// the node, and pods that may be its clients are there yet.
func (h *herd) neededOnNode(p *Pod) bool {
	for _, x := range p.Paths {
		s := h.View.Services[p.serviceKey(x.Service)]
		if !x.Selected || !x.Ready || s == nil || !s.NodeLocal || h.asked(p) || h.localOther(p, x.Service) {
			continue
		}
		if client := h.Clients(p); client != "" {
			h.wait("%s: pod %s alone serves Service %s on node %s, which pod %s has yet to leave", h.Key, p.Name, x.Service, p.Node, client)
			h.again(reread)
			return true
		}
	}
	return false
}

// localOther: another pod on the same node serves for the Service.
func (h *herd) localOther(p *Pod, service string) bool {
	for _, q := range h.View.on[p.Node] {
		if q.UID == p.UID || h.asked(q) || q.Namespace != p.Namespace || q.Deleting || !q.Ready {
			continue
		}
		if slices.ContainsFunc(q.Paths, func(x Path) bool { return x.Service == service && x.Selected && x.Ready }) {
			return true
		}
	}
	return false
}

// finish ends a pod that was taken out, once everybody has let go of it.
func (h *herd) finish(p *Pod) {
	switch {
	case p.selected():
		h.takeOut(p) // a Service that selects it came, or changed
	case h.quiet(p) && !h.comingBack(p):
		h.evict(p)
	default:
		h.renew(p)
	}
}

// comingBack: a load balancer would lead the clients that keep connections to
// the pod, and that it sends away, back through a node that leaves.
func (h *herd) comingBack(p *Pod) bool {
	for _, name := range h.servicesOf(p) {
		if why := h.WouldComeBack(p, p.serviceKey(name)); why != "" {
			h.wait("pod %s: its last clients would come back by %s", p.Ref, why)
			h.again(reread)
			return true
		}
	}
	return false
}

// servicesOf are the Services that the pod is in, or was taken out of.
func (h *herd) servicesOf(p *Pod) (names []string) {
	if r, _ := p.release(); r.Out {
		return r.Services
	}
	for _, x := range p.Paths {
		if x.Selected {
			names = append(names, x.Service)
		}
	}
	return names
}

// quiet: nobody who sent to a pod that was taken out does so any more.
func (h *herd) quiet(p *Pod) bool {
	rec := h.r.Released[p.UID]
	settle, quiet := h.settleOf(p), h.now.Sub(rec.Gone)
	switch {
	case len(p.listed()) > 0:
		h.wait("pod %s: EndpointSlices of %s still list it", p.Ref, list(p.listed()))
		return false
	case quiet < settle:
		h.wait("pod %s: out of its Services, its last requests end", p.Ref)
		h.again(settle - quiet)
		return false
	}
	return !h.deregistering(p)
}

// settleOf is how long those who sent to a pod that was taken out are given.
func (h *herd) settleOf(p *Pod) time.Duration {
	return max(h.r.Released[p.UID].Release.Settle, h.View.settleUnaskedGroups(p))
}

// deregistering: a target group still sends to the pod's address, drains it, or
// has let go of it so lately that it may send on.
func (h *herd) deregistering(p *Pod) bool {
	if why := h.Unheard(p); why != "" {
		h.wait("pod %s: %s", p.Ref, why)
		h.again(reread)
		return true
	}
	targets := h.Targets(p)
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		if t := targets[name]; t.State != Unused {
			h.wait("load balancer %s: pod %s is %s there (its draining time is %s)", name, p.Ref, t.State, h.Balancer(name).Draining)
			h.again(reread)
			return true
		}
	}
	left := h.r.Released[p.UID].Left
	for _, name := range slices.Sorted(maps.Keys(left)) {
		if rest := left.rest(name, h.Balancer(name).Lag, h.now); rest > 0 {
			h.wait("load balancer %s: it let go of pod %s, and may send to it for %s more", name, p.Ref, rest.Round(time.Second))
			h.again(min(rest, tellEvery))
			return true
		}
	}
	return false
}

// renew tells that the move is alive, so that nobody gives the pod back.
func (h *herd) renew(p *Pod) {
	if a, due := renewal(p, expiry, h.now); due {
		h.act(a)
	}
}

// renewal gives a released pod another term; due: only half an expiry is left.
func renewal(p *Pod, term time.Duration, now time.Time) (a ChangePod, due bool) {
	r, released := p.release()
	if !released || r.Until.Sub(now) > expiry/2 {
		return ChangePod{}, false
	}
	r.Until = now.Add(term)
	return ChangePod{Pod: p.Ref, Workload: r.Workload, What: "renew", Patch: Patch{Annotations: map[string]*string{ReleasedAnnotation: new(encode(r))}}}, true
}

// restore ends what is under way for a workload that is parked, or whose move
// stops. A released pod whose replacement serves goes the rest of its way, which
// loses nothing. Any other returns to its ReplicaSet, which then has a pod too
// many: only as long as one that is not Ready is there for it to end, for it
// ranks those first. A move that stops waits backLimit before it does so, because
// a replacement that becomes Ready just then would be ended while proxies send
// to it.
func (h *herd) restore() {
	if since := h.now.Sub(h.StopsSince); !h.StopsSince.IsZero() && since < backLimit {
		h.again(backLimit - since)
	}
	_, short := h.short()
	for _, p := range h.out {
		switch {
		case h.mayNotEnd(p):
			h.giveUp(p)
		case short && h.spares():
			h.giveBack(p)
		default:
			h.finish(p)
		}
	}
	for _, p := range h.beside {
		h.goOnOrBack(p)
	}
	for _, p := range h.back {
		h.forget(p)
	}
	for _, p := range h.ending {
		if r, released := p.release(); released && p.heldBack() { // its mark would stay for as long as it is kept
			h.act(forget(p, r))
		}
	}
	if h.r.State == WorkloadParked && !h.r.GaveBack && len(h.fresh)+len(h.beside)+len(h.out)+len(h.ending)+len(h.back) == 0 {
		h.to(WorkloadMoved) // somebody else saw to it
	}
}

// goOnOrBack decides about a pod that is in its Services yet.
func (h *herd) goOnOrBack(p *Pod) {
	_, local := h.lastOnNode(p)
	late := h.StopsSince.IsZero() || h.now.Sub(h.StopsSince) >= backLimit
	switch pr := h.wayOut(p); {
	case h.missed(p) && !h.asked(p) && (!late && !local || !h.spares() && (!h.overdue() || h.Unheard(p) != "")):
		h.wait("%s: pod %s serves until its replacement does", h.Key, p.Name)
		h.again(time.Second)
	case h.missed(p) && !h.asked(p), local:
		h.giveBack(p)
	case pr.how == SurgeFirst && (pr.direct || !p.selected() && len(p.listed()) == 0) && h.mayNotEnd(p):
		h.giveUp(p)
	case pr.how == SurgeFirst:
		h.takeOut(p)
	case late:
		h.giveBack(p)
	default:
		h.wait("%s: pod %s serves on: %s", h.Key, p.Name, pr.why)
	}
}

// spares: with one pod more the ReplicaSet has none too many, or ends one that
// is not Ready.
func (h *herd) spares() bool {
	s := h.spare()
	return h.Workload == nil || s.Least <= len(s.Pods)
}

func (h *herd) spare() Spare {
	s := Spare{Least: h.owned + 1 - h.w.Wants}
	for _, p := range h.Pods {
		if _, released := p.release(); !p.Ready && !p.Deleting && !p.stays() && !released {
			s.Pods = append(s.Pods, p.Ref)
		}
	}
	return s
}

// overdue: what is missed has been missed for too long, though every pod is Ready.
func (h *herd) overdue() bool {
	since := h.StopsSince
	if since.IsZero() {
		since = h.r.Since
	}
	return h.now.Sub(since) >= 3*backLimit
}

// wayOut says how the pod may leave its Services, whoever ends it after that.
func (h *herd) wayOut(p *Pod) promise {
	denied := maps.Clone(h.r.Denied)
	delete(denied, verbEvict)
	delete(denied, verbKeepOff)
	return promised(p, h.Workload, denied, h.View.settle(p, h.Settle), h.Shared)
}

// giveUp returns a pod that nobody sends to, and that may not be evicted, to its
// ReplicaSet as the first to end: its replacement serves, and it does not.
func (h *herd) giveUp(p *Pod) {
	if h.r.Released[p.UID].Release.Out && !h.quiet(p) {
		return
	}
	a := h.toItsSet(p)
	a.Patch.Annotations[CostAnnotation] = new(lowestCost)
	h.act(a)
}

// mayNotEnd: the pod's eviction is denied, or has been refused for longer than it
// is worth waiting.
func (h *herd) mayNotEnd(p *Pod) bool {
	r, refused := h.Refused[p.UID]
	return h.r.Denied[verbEvict] != "" || refused && h.now.Sub(r.Since) >= backLimit
}

// giveBack returns a pod to its ReplicaSet and Services. Where another one is to
// end in its place, that must be as far from serving as it was seen to be: a view
// is old by as much as the watches lag.
func (h *herd) giveBack(p *Pod) {
	s := h.spare()
	a := h.toItsSet(p)
	if s.Least > 0 && h.Workload != nil && s.Least <= len(s.Pods) {
		a.Patch.Spare = &s
	}
	h.act(a)
}

func (h *herd) toItsSet(p *Pod) ChangePod {
	r, _ := p.release()
	delete(h.r.asked, p.UID)
	h.r.GaveBack = true
	h.owned++
	h.again(time.Second)
	return giveBack(p, r, h.now)
}

// giveBack returns a pod to its ReplicaSet, with all its labels. What takes some of
// them away may have been asked for a moment ago, by a run that is gone or with an
// answer that was lost: so those that could be taken are given again. A label that
// others have set meanwhile stays as they set it.
func giveBack(p *Pod, r Release, now time.Time) ChangePod {
	labels := map[string]*string{}
	for _, key := range slices.Concat(p.Doors, p.Veils) {
		if value, is := p.Labels[key]; is {
			labels[key] = new(value)
		}
	}
	for key, value := range r.Labels {
		if labels[key] == nil { // else others have set it since
			labels[key] = new(value)
		}
	}
	owner := r.Owner
	r.Back, r.Out, r.OutAt = true, false, now
	return ChangePod{Pod: p.Ref, Workload: r.Workload, What: "give back", Patch: Patch{
		Labels: labels, Owner: owner,
		Annotations: map[string]*string{ReleasedAnnotation: new(encode(r)), CostAnnotation: new(highestCost)},
	}}
}

// forget removes the last trace from a pod once its ReplicaSet has taken it
// back and has no pod too many, or should have long ago.
func (h *herd) forget(p *Pod) {
	r, _ := p.release()
	adopted := p.Workload == r.Workload && h.owned <= h.w.Wants
	if !adopted && h.now.Sub(r.Until) < 0 && h.now.Sub(r.OutAt) < 2*backLimit {
		h.wait("pod %s: its ReplicaSet takes it back", p.Ref)
		h.again(time.Second)
		return
	}
	h.act(forget(p, r))
}

func forget(p *Pod, r Release) ChangePod {
	return ChangePod{Pod: p.Ref, Workload: r.Workload, What: "forget", Patch: Patch{
		Annotations: map[string]*string{ReleasedAnnotation: nil, CostAnnotation: r.Cost},
	}}
}

// by names a path of traffic.
func by(path string) string {
	if path == "" {
		return ""
	}
	return " behind Service " + path
}

// after puts text behind a colon, if there is any.
func after(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
