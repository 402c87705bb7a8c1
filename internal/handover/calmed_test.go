package handover

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// quiet is what a node carries that autoscalers let be.
func quiet() map[string]string {
	all := map[string]string{}
	for _, key := range Calming {
		all[key] = "true"
	}
	return all
}

// Autoscalers are kept off the nodes that a move rests on, and what these were like is
// written down with it, as a person had left them.
func TestWhatIsWrittenForAutoscalers(t *testing.T) {
	first := Calming[0]
	mark := func(group string, before map[string]string) string {
		return encode(Calmed{Group: group, Before: before})
	}
	for _, row := range []struct {
		situation string
		scene     func(*traffic, *Node)
		want      string // what is written; empty: nothing
	}{
		{"a node that leaves", func(*traffic, *Node) {}, mark("old-group", nil)},
		{"… which a person had kept one off", func(_ *traffic, n *Node) { n.Calm = map[string]string{first: "true"} }, mark("old-group", map[string]string{first: "true"})},
		{"… it is so", func(_ *traffic, n *Node) { n.Calm, n.Calmed = quiet(), mark("old-group", nil) }, ""},
		{"… somebody has taken one away", func(_ *traffic, n *Node) {
			n.Calm, n.Calmed = map[string]string{first: "true"}, mark("old-group", map[string]string{first: "no"})
		}, mark("old-group", map[string]string{first: "no"})},
		{"… another one's mark: it is that move's to see to", func(_ *traffic, n *Node) { n.Calmed = mark("another", nil) }, ""},
		{"… its mark is lost, and the record tells", func(s *traffic, n *Node) {
			n.Calm = quiet()
			s.Record.Calmed["old"] = map[string]string{first: "no"}
		}, mark("old-group", map[string]string{first: "no"})},
		{"a node that stays, of the group that takes the pods", func(s *traffic, n *Node) { delete(s.Record.Nodes, "old"); n.Group = "new-group" }, mark("old-group", nil)},
		{"… of the group itself, which shrinks", func(s *traffic, n *Node) { delete(s.Record.Nodes, "old"); n.Group = "old-group" }, mark("old-group", nil)},
		{"… of no group that the move is about", func(s *traffic, n *Node) { delete(s.Record.Nodes, "old"); n.Group = "other" }, ""},
	} {
		t.Run(row.situation, func(t *testing.T) {
			s := newTraffic()
			row.scene(s, s.Nodes["old"])
			m := s.hear()
			clear(m.dueNodes)
			version := m.version
			_, known := m.Record.Calmed["old"]
			m.calmNodes(map[string]bool{"old": true, "gone": true})
			if len(m.actions) == 0 {
				if row.want != "" || len(m.dueNodes) > 0 {
					t.Errorf("nothing is written, and %v are due", m.dueNodes)
				}
				return
			}
			p := m.actions[0].(ChangeNode).Patch.Annotations
			if got := *p[CalmAnnotation]; got != row.want || len(m.actions) > 1 || len(p) != 1+len(Calming) {
				t.Errorf("\nwant %s\ngot  %s, of %v", row.want, got, m.actions)
			}
			for _, key := range Calming {
				if p[key] == nil || *p[key] != "true" {
					t.Errorf("%s is not written", key)
				}
			}
			if c, _ := noted[Calmed](row.want); !maps.Equal(m.Record.Calmed["old"], c.Before) || (m.version == version) != known {
				t.Errorf("the record has %v, version %d after %d", m.Record.Calmed["old"], m.version, version)
			}
		})
	}
}

// A call that may have been lost is looked after soon, and no later than anything else.
func TestWhatIsWrittenForAutoscalersIsLookedAfter(t *testing.T) {
	soon := noon.Add(askAgain)
	for at, want := range map[time.Time]time.Time{soon.Add(time.Minute): soon, noon: noon, {}: {}} {
		m := newTraffic().hear()
		m.dueNodes["old"] = at
		if m.calmNodes(map[string]bool{"old": true}); !m.dueNodes["old"].Equal(want) {
			t.Errorf("due at %s, then at %s", at, m.dueNodes["old"])
		}
	}
	m := newTraffic().hear()
	clear(m.dueNodes)
	if m.calmNodes(map[string]bool{"old": true}); !m.dueNodes["old"].Equal(soon) {
		t.Errorf("it is looked after at %s", m.dueNodes["old"])
	}
}

// Autoscalers have their nodes back as they were, by the marks or by the record, from the
// move itself, or from whoever puts back what a dead one left.
func TestAutoscalersHaveTheirNodesBack(t *testing.T) {
	const cluster, karpenter = "cluster-autoscaler.kubernetes.io/scale-down-disabled", DoNotDisruptAnnotation
	before := map[string]string{cluster: "false"}
	for _, row := range []struct {
		situation string
		n         Node
		record    bool
		alive     string
		moves     string // what the move itself gives back
		dead      string // what is given back when it is dead
	}{
		{"it was not touched", Node{}, false, "", "", ""},
		{"its mark tells", Node{Calmed: encode(Calmed{Group: "old-group", Before: before}), Calm: quiet()}, false, "", "false -", "false -"},
		{"… of another move", Node{Calmed: encode(Calmed{Group: "another", Before: before}), Calm: quiet()}, true, "", "", "false -"},
		{"… which is at work", Node{Calmed: encode(Calmed{Group: "another", Before: before}), Calm: quiet()}, true, "another", "", ""},
		{"its mark is lost: the record tells", Node{Calm: quiet()}, true, "", "false -", "false -"},
		{"… of a move that is at work", Node{Calm: quiet()}, true, "old-group", "false -", ""},
		{"… and it is as it was", Node{Calm: before}, true, "", "", ""},
		{"… and no record knows it", Node{Calm: quiet()}, false, "", "", ""},
	} {
		t.Run(row.situation, func(t *testing.T) {
			told := func(a Action) string {
				change, is := a.(ChangeNode)
				if !is || len(change.Patch.Annotations) != 3 || change.Patch.Annotations[CalmAnnotation] != nil {
					return ""
				}
				var values []string
				for _, key := range []string{cluster, karpenter} {
					if value := change.Patch.Annotations[key]; value != nil {
						values = append(values, *value)
					} else {
						values = append(values, "-")
					}
				}
				return strings.Join(values, " ")
			}
			s := newTraffic()
			row.n.Name = "old"
			s.PutNode(&row.n)
			if row.record {
				s.Record.Calmed["old"] = before
			}
			m := s.hear()
			got := ""
			if done := m.stirNodes(func(name string) bool { return name == "old" }); len(m.actions) > 0 {
				got = told(m.actions[0])
			} else if !done {
				t.Error("nothing is left to do, and it is not done")
			}
			if done := m.stirNodes(func(name string) bool { return name == "old" }); got != row.moves || done != (got == "") {
				t.Errorf("the move gives back %q, want %q; done: %t", got, row.moves, done)
			}
			if m.actions = nil; !m.stirNodes(func(string) bool { return false }) || len(m.actions) > 0 {
				t.Errorf("nodes that it shall not give back: %v", m.actions)
			}
			a, is := row.n.stirred(map[string]*Record{"old-group": m.Record}, func(group string) bool { return group == row.alive })
			if is != (row.dead != "") || is && told(a) != row.dead {
				t.Errorf("whoever puts back gives %q, want %q", told(a), row.dead)
			}
		})
	}
	for _, key := range []string{cluster, karpenter} {
		if !slices.Contains(Calming, key) {
			t.Errorf("%s is not among those that are written", key)
		}
	}
}
