package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/droverhq/drover/internal/handover"
)

// around is what may select a pod: now, or once it has lost some labels.
type around struct {
	labels                                             map[string]string
	services, budgets, policies, watchers, controllers []*selector
}

func (w *world) around(p *corev1.Pod) around {
	return around{
		labels:   p.Labels,
		services: w.services.near(p.Namespace, p.Labels), budgets: w.budgets.near(p.Namespace, p.Labels),
		policies: w.policies.near(p.Namespace, p.Labels), watchers: w.watchers.near(p.Namespace, p.Labels),
		controllers: w.adopters.near(p.Namespace, p.Labels),
	}
}

// without are the pod's labels less some.
func (a around) without(keys []string) labels.Set {
	left := maps.Clone(a.labels)
	for _, k := range keys {
		delete(left, k)
	}
	return left
}

// selecting are those that select a pod with such labels.
func selecting(all []*selector, l map[string]string) []*selector {
	var found []*selector
	for _, s := range all {
		if s.match.Matches(labels.Set(l)) {
			found = append(found, s)
		}
	}
	return found
}

// changed are those that select the pod either only with or only without the labels.
func (a around) changed(all []*selector, left labels.Set) []*selector {
	var found []*selector
	for _, s := range all {
		if s.match.Matches(labels.Set(a.labels)) != s.match.Matches(left) {
			found = append(found, s)
		}
	}
	return found
}

// network reads what sends requests to a pod, and what selects it.
func (w *world) network(p *corev1.Pod, out *handover.Pod) {
	out.Paths = w.paths(p)
	a := w.around(p)
	for _, b := range selecting(a.budgets, p.Labels) {
		out.Budgets = append(out.Budgets, b.name)
	}
	slices.Sort(out.Budgets)
	out.Doors, out.NoDoor = a.doors()
	out.Veils = a.veils(out.Doors)
	if out.Alone == "" {
		out.Handle = a.handle(w.controller(p))
	}
}

// endpoint is what an EndpointSlice says of one pod.
type endpoint struct {
	service string // namespace/name
	ready   bool
	byHand  bool   // no controller will take it out
	ports   string // " 8080 8443 ", of one that names no pod
}

// keepers are the controllers that keep EndpointSlices in step with pods.
var keepers = []string{"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"}

// listed are a slice's endpoints by the pod that they name, as "uid/UID", or by
// their address alone, as "ip/10.0.0.1".
func listed(s *discoveryv1.EndpointSlice) map[string]endpoint {
	found := map[string]endpoint{}
	if s == nil {
		return found
	}
	kept := slices.Contains(keepers, s.Labels[discoveryv1.LabelManagedBy])
	service := s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]
	note := func(who string, e endpoint) {
		e.ready = e.ready || found[who].ready
		found[who] = e
	}
	for _, e := range s.Endpoints {
		at := endpoint{service: service, byHand: !kept, ready: e.Conditions.Ready == nil || *e.Conditions.Ready}
		switch {
		case e.TargetRef == nil:
			at.byHand, at.ports = true, ports(s)
			for _, address := range e.Addresses {
				note("ip/"+address, at)
			}
		case e.TargetRef.Kind == "Pod":
			note("uid/"+string(e.TargetRef.UID), at)
		}
	}
	return found
}

// paths are the ways by which requests reach the pod.
func (w *world) paths(p *corev1.Pod) []handover.Path {
	found := map[string]*handover.Path{}
	path := func(service string) *handover.Path {
		if found[service] == nil {
			found[service] = &handover.Path{Service: service}
		}
		return found[service]
	}
	for _, s := range selecting(w.services.near(p.Namespace, p.Labels), p.Labels) {
		at := path(s.name)
		at.Selected, at.Own = true, s.only(p)
	}
	who := []string{"uid/" + string(p.UID)}
	if !finished(p) {
		for _, ip := range p.Status.PodIPs {
			who = append(who, "ip/"+ip.IP)
		}
	}
	for _, id := range who {
		for _, key := range w.listing.of(id) {
			e := w.endpoints[key][id]
			if strings.HasPrefix(id, "ip/") && p.Spec.HostNetwork && !serves(p, e.ports) {
				continue // it is of another process on the node
			}
			at := path(strings.TrimPrefix(e.service, p.Namespace+"/"))
			at.Listed = true
			at.Ready = at.Ready || e.ready
			if e.byHand && at.ByHand == "" {
				at.ByHand = strings.TrimPrefix(key, p.Namespace+"/")
			}
		}
	}
	var all []handover.Path
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[name])
	}
	return all
}

func ports(s *discoveryv1.EndpointSlice) string {
	text := " "
	for _, p := range s.Ports {
		text += fmt.Sprint(value(p.Port)) + " "
	}
	return text
}

// serves: one of the ports is the pod's.
func serves(p *corev1.Pod, ports string) bool {
	return slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(have corev1.ContainerPort) bool {
			return strings.Contains(ports, fmt.Sprintf(" %d ", have.ContainerPort))
		})
	})
}

// mostKeys bounds how many labels are taken away where all sets of so many are
// tried. Beyond it only the set of all is.
const mostKeys = 3

// doors are labels without which no Service selects the pod. Networks and meshes
// must select it as before; budgets should, since they are then asked about its
// end as they stand, and what measures it should. Among what is equally good the
// fewest labels are chosen. Without a choice, it says what stands in the way.
func (a around) doors() (chosen []string, why string) {
	open := selecting(a.services, a.labels)
	if len(open) == 0 {
		return nil, ""
	}
	best := -1
	for _, keys := range choices(keysOf(open)) {
		left := a.without(keys)
		if len(selecting(a.services, left)) > 0 {
			continue
		}
		if lost := a.changed(a.policies, left); len(lost) > 0 {
			if why == "" {
				why = standing(lost, keys)
			}
			continue
		}
		cost := len(a.changed(a.budgets, left)) + len(a.changed(a.watchers, left))
		if best < 0 || cost < best {
			chosen, best = keys, cost
		}
		if cost == 0 {
			break
		}
	}
	if chosen != nil {
		return chosen, ""
	}
	return nil, cmp.Or(why, "no label takes it out of "+names(open))
}

func standing(lost []*selector, keys []string) string {
	return fmt.Sprintf("%s would treat it differently without its label %s, by which its Services select it", names(lost), strings.Join(keys, ", "))
}

func names(all []*selector) string {
	var found []string
	for _, s := range all {
		if !slices.Contains(found, s.object) {
			found = append(found, s.object)
		}
	}
	return strings.Join(found, ", ")
}

// veils are labels without which at most one budget selects the pod, which may
// have lost its doors by then.
func (a around) veils(doors []string) []string {
	if len(selecting(a.budgets, a.labels)) < 2 {
		return nil
	}
	var unprotected []string
	for _, keys := range choices(keysOf(selecting(a.budgets, a.labels))) {
		left := a.without(keys)
		both := a.without(slices.Concat(keys, doors))
		n := len(selecting(a.budgets, left))
		if n > 1 || len(selecting(a.budgets, both)) > 1 || len(a.changed(a.policies, both)) > 0 {
			continue
		}
		if n == 1 {
			return keys
		}
		if unprotected == nil {
			unprotected = keys
		}
	}
	return unprotected
}

// handle finds the label by which the pod can leave the controller while
// everything else selects it as before, and no other controller takes it; a
// Deployment's own is the first choice.
func (a around) handle(own *selector) string {
	if own == nil || !own.match.Matches(labels.Set(a.labels)) {
		return ""
	}
	keys := own.keys()
	slices.SortFunc(keys, func(x, y string) int {
		return strings.Compare(first(x)+x, first(y)+y)
	})
	for _, key := range keys {
		if _, has := a.labels[key]; !has {
			continue
		}
		left := a.without([]string{key})
		if own.match.Matches(left) || len(selecting(a.controllers, left)) > 0 ||
			len(a.changed(a.services, left)) > 0 || len(a.changed(a.budgets, left)) > 0 ||
			len(a.changed(a.policies, left)) > 0 || len(a.changed(a.watchers, left)) > 0 {
			continue
		}
		return key
	}
	return ""
}

// first sorts the label that Deployments add before all others.
func first(key string) string {
	if key == appsv1.DefaultDeploymentUniqueLabelKey {
		return "0"
	}
	return "1"
}

// controller is the selector of what controls the pod, if that takes pods by their
// labels and makes another one for each that it loses.
func (w *world) controller(p *corev1.Pod) *selector {
	above, known := w.owner(p)
	if !known || !above.forOwner {
		return nil
	}
	own := w.adopters.of[above.adopter(above.GetNamespace()+"/"+above.GetName())]
	if len(own) == 0 {
		return nil
	}
	return own[0]
}

// keysOf are all labels that they select by, in order.
func keysOf(all []*selector) []string {
	found := map[string]bool{}
	for _, s := range all {
		for _, k := range s.keys() {
			found[k] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// choices are the sets of some of the keys, the smallest first.
func choices(keys []string) [][]string {
	var all [][]string
	level := [][]string{nil}
	for range min(mostKeys, len(keys)) {
		var next [][]string
		for _, set := range level {
			for i, k := range keys {
				if len(set) == 0 || slices.Index(keys, set[len(set)-1]) < i {
					next = append(next, append(slices.Clone(set), k))
				}
			}
		}
		all = append(all, next...)
		level = next
	}
	if len(keys) > mostKeys {
		all = append(all, keys)
	}
	return all
}
