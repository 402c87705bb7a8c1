package handover

import (
	"maps"
	"slices"
)

// Autoscalers end nodes: those that have been emptied, though a way back needs
// them, and those that are about to be filled, since they look idle. While a move
// is at work, nodes that leave and nodes of the groups that take pods carry the
// annotations by which Cluster Autoscaler and Karpenter let be.

// CalmAnnotation is on such nodes: a Calmed.
const CalmAnnotation = "drover.dev/calmed"

// Calming are annotations by which autoscalers let a node be, if their value is "true".
var Calming = []string{
	"cluster-autoscaler.kubernetes.io/scale-down-disabled", // Cluster Autoscaler FAQ, "How can I prevent Cluster Autoscaler from scaling down a particular node?"
	DoNotDisruptAnnotation,                                 // Karpenter, Disruption, "Node-Level Controls"
}

// Calmed records how a node is to be given back to its autoscaler.
type Calmed struct {
	Group  string            `json:"group"`            // whose move it is
	Before map[string]string `json:"before,omitempty"` // those of Calming that it had
}

// calmed reads the record on a node; ok is false if it carries none.
func (n *Node) calmed() (c Calmed, ok bool) {
	return noted[Calmed](n.Calmed)
}

// calm: it carries all that keeps autoscalers off.
func (n *Node) calm() bool {
	return !slices.ContainsFunc(Calming, func(key string) bool { return n.Calm[key] != "true" })
}

// stir gives a node back to its autoscaler.
func (n *Node) stir(c Calmed) ChangeNode {
	p := Patch{Annotations: map[string]*string{CalmAnnotation: nil}}
	for _, key := range Calming {
		p.Annotations[key] = nil
		if value, had := c.Before[key]; had {
			p.Annotations[key] = &value
		}
	}
	return ChangeNode{Node: n.Name, What: "give back to autoscalers", Patch: p}
}

// calmNodes keeps autoscalers off those of the nodes that the move rests on. It
// waits for none of them: a move goes on where that is refused, as it would
// without.
func (m *Move) calmNodes(names map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := m.view.Nodes[name]
		if n == nil || !m.leaves(name) && !m.takes(n) {
			continue
		}
		marked, ok := n.calmed()
		if ok && (n.calm() || marked.Group != m.Record.Group) {
			continue // done, or another move's to see to
		}
		before, known := m.Record.Calmed[name]
		if !known {
			before = maps.Clone(n.Calm)
			if ok {
				before = marked.Before
			}
			m.Record.Calmed[name] = before
			m.version++
		}
		p := Patch{Annotations: map[string]*string{CalmAnnotation: new(encode(Calmed{Group: m.Record.Group, Before: before}))}}
		for _, key := range Calming {
			p.Annotations[key] = new("true")
		}
		m.act(ChangeNode{Node: name, What: "keep autoscalers off", Patch: p})
		m.lookAt(name, m.view.Now.Add(askAgain))
	}
}

// takes: the node is of a group that stays, or takes pods.
func (m *Move) takes(n *Node) bool {
	return belongs(n, m.Record.Group, m.o.From) || slices.ContainsFunc(m.o.To, func(g Group) bool { return belongs(n, g.Name, g) })
}

// stirNodes gives nodes back to their autoscalers; it is true once all that it
// shall give back are seen to be so.
func (m *Move) stirNodes(which func(name string) bool) bool {
	done := true
	for name, n := range m.view.Nodes {
		c, marked := n.calmed()
		if marked && c.Group != m.Record.Group || !which(name) {
			continue
		}
		if !marked {
			before, known := m.Record.Calmed[name]
			if c.Before = before; !known || maps.Equal(n.Calm, before) {
				continue
			}
		}
		done = false
		m.act(n.stir(c))
	}
	return done
}

// stirred gives a node back that a move which is dead kept autoscalers off.
func (n *Node) stirred(records map[string]*Record, alive func(group string) bool) (a ChangeNode, is bool) {
	if c, marked := n.calmed(); marked {
		return n.stir(c), !alive(c.Group)
	}
	for _, group := range slices.Sorted(maps.Keys(records)) {
		before, known := records[group].Calmed[n.Name]
		if known && !alive(group) && !maps.Equal(n.Calm, before) {
			return n.stir(Calmed{Before: before}), true
		}
	}
	return ChangeNode{}, false
}
