package world

// hashes are the pod-template-hash of an app's first template, and of the one that
// RollOut gives it.
var hashes = []string{"abc", "def"}

// rollout is the Deployment controller at work: how many pods each ReplicaSet is
// to have. It is as strict as it may be (maxUnavailable 0), and asks no balancer.
type rollout struct{ old, fresh int }

// RollOut gives an app another template.
func (h *Hand) RollOut(app string) {
	for _, a := range h.w.apps {
		if a.Name == app {
			a.rollout = &rollout{old: a.Replicas}
		}
	}
}

// RolledOut: all pods of the app's controllers are of its new template, and Ready.
func (h *Hand) RolledOut(app string) bool {
	ready := 0
	for _, p := range h.pods(app) {
		if p.Labels["pod-template-hash"] == hashes[1] && p.Ready && !p.Deleting && p.Owner != nil {
			ready++
		}
	}
	for _, a := range h.w.apps {
		if a.Name == app {
			return a.rollout != nil && a.rollout.old == 0 && ready >= a.Replicas
		}
	}
	return false
}

// of makes the pod one of a template.
func (p *pod) of(hash string) {
	a := p.app
	if !a.hashed() {
		return
	}
	p.Labels["pod-template-hash"], p.Owner = hash, set(a, hash)
	if p.Group = ""; a.Placed {
		p.Group = map[string]string{hashes[0]: Old, hashes[1]: New}[hash]
	}
}

// most is how many pods of an app may be there: one template's and those of its
// strategy, and while those of the other one serve as well, or stand beside others
// that find no node, these too.
func (a *App) most() int {
	if a.Placed {
		return 2*a.Replicas + a.Surge
	}
	return a.Replicas + a.Surge
}

// roll moves the app on from its old ReplicaSet to the new one, as the Deployment
// controller does: first unhealthy pods of the old one go, then others as far as
// enough are available.
func (w *World) roll(a *App, mine []*pod) {
	of := map[string][]*pod{}
	ready := map[string]int{}
	for _, p := range mine {
		hash := p.Labels["pod-template-hash"]
		of[hash] = append(of[hash], p)
		if p.Ready {
			ready[hash]++
		}
	}
	r, was, is := a.rollout, hashes[0], hashes[1]
	r.fresh = max(r.fresh, min(a.Replicas, a.Replicas+a.Surge-r.old))
	spare := r.old + r.fresh - a.Replicas - (r.fresh - ready[is])
	r.old -= max(0, min(spare, r.old-ready[was]))
	if surplus := ready[was] + ready[is] - a.Replicas; surplus > 0 {
		r.old = max(0, min(r.old, ready[was]-surplus))
	}
	w.scale(a, was, of[was], r.old)
	w.scale(a, is, of[is], r.fresh)
}
