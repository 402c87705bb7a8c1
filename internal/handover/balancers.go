package handover

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What load balancers have to do with a move: through which nodes requests come,
// whether they can do without one, and which of them nobody can ask.

// foreign is a load balancer that no provider here knows.
type foreign struct {
	service *Service
	host    string
}

// hear takes in what AWS says, which is mostly what it said before.
func (m *Move) hear(o Observed) {
	same := m.begun && o.Stale == m.stale && slices.EqualFunc(m.said, o.Balancers, func(a, b Balancer) bool {
		return a.Name == b.Name && a.alike(b) && slices.Equal(a.Targets, b.Targets)
	})
	if !same {
		m.tellTargets(o.Balancers)
		m.sortTargets()
	}
	m.said, m.asked = o.Balancers, o.Asked
}

// sortTargets makes the load balancers' answers easy to ask. Due are the nodes
// of which they say something new; all nodes, if what they say of the nodes that
// stay is new, or of themselves: on that rests whether any node can be spared.
func (m *Move) sortTargets() {
	before, lbs, first := m.targets, m.lbs, m.asked.IsZero()
	m.asked = m.o.Asked
	m.targets, m.lbs, m.hosts = map[string]map[string]Target{}, map[string]Balancer{}, map[string]string{}
	for _, b := range m.o.Balancers {
		m.lbs[b.Name] = b
		if b.Host != "" {
			m.hosts[strings.ToLower(b.Host)] = b.Name
		}
		for _, t := range b.Targets {
			if m.targets[t.Instance] == nil {
				m.targets[t.Instance] = map[string]Target{}
			}
			m.targets[t.Instance][b.Name] = t
		}
	}
	all := first || m.o.Stale != m.stale || !maps.EqualFunc(lbs, m.lbs, Balancer.alike) || m.stayersDiffer(before)
	m.stale = m.o.Stale
	for name := range m.Record.Nodes {
		if n := m.view.Nodes[name]; n != nil && (all || !maps.Equal(before[n.Instance], m.targets[n.Instance])) {
			m.targetsChanged(name)
		}
	}
}

// alike: nothing but their targets may differ.
func (b Balancer) alike(o Balancer) bool { return b.Host == o.Host && b.Draining == o.Draining }

// stayersDiffer: load balancers say something new of a node that stays.
func (m *Move) stayersDiffer(before map[string]map[string]Target) bool {
	if len(before) != len(m.targets) {
		return true
	}
	for instance, now := range m.targets {
		n := m.view.byInstance[instance]
		if (n == nil || !m.leaves(n.Name)) && !maps.Equal(before[instance], now) {
			return true
		}
	}
	return false
}

// targetsChanged makes the node due, and the workloads that load balancers reach
// through it alone.
func (m *Move) targetsChanged(node string) {
	m.dueNodes[node] = time.Time{}
	m.remember(node)
	for _, p := range m.view.on[node] {
		if !p.stays() && m.local(p) {
			m.dueWorkloads[p.owner()] = time.Time{}
		}
	}
}

// remember keeps the names of the load balancers that send through a node, so
// that they can be asked when they no longer list it.
func (m *Move) remember(node string) {
	n := m.view.Nodes[node]
	if n == nil {
		return
	}
	for name := range m.targets[n.Instance] {
		if !slices.Contains(m.Record.Balancers, name) {
			m.version++
			m.Record.Balancers = append(m.Record.Balancers, name)
			slices.Sort(m.Record.Balancers)
		}
	}
}

// local: a Service that sends through the pod's own node only selects it.
func (m *Move) local(p *Pod) bool {
	return slices.ContainsFunc(p.Paths, func(x Path) bool {
		s := m.view.Services[p.Namespace+"/"+x.Service]
		return s != nil && s.Local
	})
}

// reached: requests to a Service with local traffic reach pods through the
// node: a load balancer that belongs to it has the node in service. Where none
// can be asked, every node counts.
func (m *Move) reached(node string, s *Service) bool {
	n, known := m.view.Nodes[node], false
	if r := m.Record.Nodes[node]; n == nil || m.Record.Phase != Stop && (n.excluded() || r != nil && r.asked) {
		return false
	}
	for _, host := range s.Hosts {
		lb, ok := m.hosts[strings.ToLower(host)]
		if !ok {
			continue
		}
		known = true
		if t, in := m.targets[n.Instance][lb]; in && t.State == InService {
			return true
		}
	}
	return !known
}

// sender is a load balancer that sends through the node for the Service.
func (m *Move) sender(node, service string) (string, bool) {
	n, s := m.view.Nodes[node], m.view.Services[service]
	if n == nil || s == nil {
		return "", false
	}
	for _, host := range s.Hosts {
		lb, ok := m.hosts[strings.ToLower(host)]
		if !ok {
			if !n.excluded() {
				return host, true // nobody can be asked: as long as the node is not excluded
			}
			if r := m.Record.Nodes[node]; r != nil && (r.Excluded.IsZero() || m.view.Now.Sub(r.Excluded) < m.Options.unasked()) {
				return host, true
			}
			continue
		}
		if _, in := m.targets[n.Instance][lb]; in {
			return lb, true
		}
	}
	return "", false
}

// strangers are the load balancers of Services that no provider here knows.
func (m *Move) strangers() []foreign {
	var all []foreign
	for _, s := range m.view.Services {
		if !s.Balanced {
			continue
		}
		for _, host := range s.Hosts {
			if _, known := m.hosts[strings.ToLower(host)]; !known {
				all = append(all, foreign{s, host})
			}
		}
	}
	slices.SortFunc(all, func(a, b foreign) int { return strings.Compare(a.host, b.host) })
	return all
}

// unasked are the load balancers that may send through the node, and that
// nobody can ask.
func (m *Move) unasked(n *Node) []string {
	var hosts []string
	for _, f := range m.foreign {
		if n.registers() && f.service.admits(n) {
			hosts = append(hosts, f.host)
		}
	}
	return hosts
}

// cannotSpare says which load balancer could not do without the node yet.
func (m *Move) cannotSpare(n *Node) string {
	if m.o.Stale != "" {
		return "AWS does not answer: " + m.o.Stale
	}
	for _, name := range slices.Sorted(maps.Keys(m.targets[n.Instance])) {
		if s := m.owns(m.lbs[name]); s != nil && s.Local && !m.serves(n, s) {
			continue // it is registered there, and nothing is sent through it
		}
		if _, known := m.lack[name]; !known {
			m.lack[name] = m.lacks(m.lbs[name])
		}
		if why := m.lack[name]; why != "" {
			return why
		}
	}
	return m.localShort(n)
}

// serves: a pod that the Service selects is on the node.
func (m *Move) serves(n *Node, s *Service) bool {
	for _, p := range m.view.on[n.Name] {
		if p.Namespace == s.Namespace && slices.ContainsFunc(p.Paths, func(x Path) bool { return x.Service == s.Name && (x.Selected || x.Listed) }) {
			return true
		}
	}
	return false
}

// owns is the Service that a load balancer belongs to, nil if there is none.
func (m *Move) owns(b Balancer) *Service {
	for _, s := range m.view.Services {
		if slices.ContainsFunc(s.Hosts, func(h string) bool { return h != "" && strings.EqualFold(h, b.Host) }) {
			return s
		}
	}
	return nil
}

// lacks says what a load balancer still lacks of the nodes that stay.
func (m *Move) lacks(b Balancer) string {
	in := map[string]bool{}
	going := map[string]bool{}
	for name := range m.Record.Nodes {
		if n := m.view.Nodes[name]; n != nil && n.Instance != "" {
			going[n.Instance] = true
		}
	}
	for _, t := range b.Targets {
		if t.State == InService && !going[t.Instance] {
			in[t.Instance] = true
		}
	}
	if len(in) == 0 {
		return fmt.Sprintf("load balancer %s: no node outside %s is InService", b.Name, m.Record.Group)
	}
	s := m.owns(b)
	if s == nil || s.Local {
		return "" // one healthy node outside, and for local traffic enough pods: see localShort
	}
	want, have := 0, 0
	for _, g := range m.o.To {
		for _, i := range g.Instances {
			n := m.view.byInstance[i.ID]
			if going[i.ID] || n == nil || !n.usable() || n.excluded() || !s.admits(n) {
				continue
			}
			want++
			if in[i.ID] {
				have++
			}
		}
	}
	if have < want {
		return fmt.Sprintf("load balancer %s: %d of %d new nodes InService", b.Name, have, want)
	}
	return ""
}

// localShort says which Service with local traffic would lose more than it may
// if the node left its load balancer: the pods on it would serve no more.
func (m *Move) localShort(n *Node) string {
	for _, p := range m.view.On(n.Name) {
		if p.stays() || p.Deleting || !m.local(p) {
			continue
		}
		r := m.Record.Workloads[p.owner()]
		if r == nil || r.State == WorkloadMoved {
			continue
		}
		h := newHerd(m.workloadCase(p.owner(), m.view.Of(p.owner())), *r)
		for _, x := range p.Paths {
			s := m.view.Services[p.Namespace+"/"+x.Service]
			if !x.Selected || s == nil || !s.Local {
				continue
			}
			off, on := h.serving[x.Service], 0
			for _, q := range m.view.Of(p.owner()) {
				if q.Deleting || h.asked(q) || !h.serves(q, x.Service) {
					continue
				}
				switch {
				case q.Node == n.Name:
					off--
					on++
				case h.isYoung(q):
					off-- // proxies have yet to send to it, and the node goes at once
				}
			}
			floor := h.floor(x.Service)
			if h.promised(p).how != SurgeFirst && !p.beside() && on <= 1 {
				floor-- // one at a time, and this is the one
			}
			if off < floor {
				return fmt.Sprintf("load balancer of Service %s: %d of %d pods serve beside those on node %s", x.Service, max(0, off), floor, n.Name)
			}
		}
	}
	return ""
}
