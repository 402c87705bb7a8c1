package handover

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
)

// heard are the facts that a move tells, in words.
func (m *Move) heard() string {
	var lines []string
	for _, f := range m.Facts() {
		switch f := f.(type) {
		case event.NodeChanged:
			lines = append(lines, f.Node+" "+string(f.Change))
		case event.PodMoved:
			lines = append(lines, f.Pod+" on "+f.Node+" "+string(f.Change))
		case event.TargetChanged:
			lines = append(lines, fmt.Sprintf("%s in %s %s", f.Instance, f.Balancer, f.State))
		case event.WorkloadChanged:
			lines = append(lines, fmt.Sprintf("%s %s to %s", f.Workload, f.From, f.To))
		}
	}
	return strings.Join(lines, "; ")
}

func TestWhatIsToldOfNodes(t *testing.T) {
	plain := Node{Name: "old", Instance: "i-old"}
	with := func(change func(*Node)) *Node { n := plain; change(&n); return &n }
	cordoned, out := with(func(n *Node) { n.Cordoned = true }), with(func(n *Node) { n.Exclude = new("true") })
	for name, c := range map[string]struct {
		was, is *Node
		want    string
	}{
		"it is new":           {nil, cordoned, ""},
		"it is cordoned":      {&plain, cordoned, "old cordoned"},
		"it is opened":        {cordoned, &plain, "old uncordoned"},
		"it is excluded":      {&plain, out, "old excluded from load balancers"},
		"it is included":      {out, &plain, "old back in load balancers"},
		"both at once":        {cordoned, out, "old uncordoned; old excluded from load balancers"},
		"it is as it was":     {cordoned, cordoned, ""},
		"it stays excluded":   {out, out, ""},
		"it is gone":          {cordoned, nil, "old removed"},
		"it is not to leave":  {&Node{Name: "new"}, &Node{Name: "new", Cordoned: true}, ""},
		"one that stays goes": {&Node{Name: "new"}, nil, ""},
	} {
		for _, begun := range []bool{true, false} {
			m := moving()
			m.begun = begun
			m.tell(Changes{NodeLog: []Change[Node]{{c.was, c.is}}})
			if got := m.heard(); got != c.want && begun || !begun && got != "" {
				t.Errorf("%s, after the first look %t: %q, want %q", name, begun, got, c.want)
			}
		}
	}
}

func TestWhatIsToldOfPods(t *testing.T) {
	none := func(*Pod) {}
	released := func(change func(*Release)) func(*Pod) {
		return func(p *Pod) {
			r := Release{Group: "old", Workload: p.Workload}
			change(&r)
			p.Released = encode(r)
		}
	}
	beside, out, back := released(func(*Release) {}), released(func(r *Release) { r.Out = true }), released(func(r *Release) { r.Back = true })
	on := func(node string, change func(*Pod)) func(*Pod) { return func(p *Pod) { p.Node = node; change(p) } }
	unready := func(p *Pod) { p.Ready = false }
	for name, c := range map[string]struct {
		was, is func(*Pod) // nil: it is not there
		want    string
	}{
		"nothing":                                   {none, none, ""},
		"it is let go":                              {none, beside, "web-1 on old released"},
		"it is let go and taken out":                {none, out, "web-1 on old out of its Services"},
		"it is taken out":                           {beside, out, "web-1 on old out of its Services"},
		"it is out":                                 {out, out, ""},
		"it is given back":                          {out, back, "web-1 on old given back"},
		"it was given back":                         {back, back, ""},
		"it is evicted":                             {none, func(p *Pod) { p.Deleting, p.Evicted = true, true }, "web-1 on old evicted"},
		"somebody ends it":                          {none, func(p *Pod) { p.Deleting = true }, "web-1 on old ending"},
		"it ends":                                   {func(p *Pod) { p.Deleting = true }, func(p *Pod) { p.Deleting = true }, ""},
		"it is gone":                                {none, nil, "web-1 on old gone"},
		"it comes to a node that leaves":            {nil, none, ""},
		"a node's own pod is gone":                  {func(p *Pod) { p.Mirror = true }, nil, ""},
		"a node's own pod is let go":                {none, func(p *Pod) { p.Mirror, p.Deleting = true, true }, ""},
		"a DaemonSet's pod leaves":                  {func(p *Pod) { p.Daemon = true }, func(p *Pod) { p.Daemon = true; out(p) }, "web-1 on old out of its Services"},
		"a sentinel":                                {func(p *Pod) { p.Sentinel = true }, func(p *Pod) { p.Sentinel, p.Deleting = true, true }, ""},
		"one that stays is gone":                    {on("new", none), nil, ""},
		"another takes its place":                   {nil, on("new", none), "web-1 on new replaced"},
		"… once it is Ready":                        {on("new", unready), on("new", none), "web-1 on new replaced"},
		"… once it is listed":                       {on("new", func(p *Pod) { p.Paths[0].Ready = false }), on("new", none), "web-1 on new replaced"},
		"it serves on":                              {on("new", none), on("new", none), ""},
		"it is not Ready":                           {nil, on("new", unready), ""},
		"it is not listed":                          {nil, on("new", func(p *Pod) { p.Paths[0].Ready = false }), ""},
		"it is not listed where it is not selected": {nil, on("new", func(p *Pod) { p.Paths[0].Ready, p.Paths[0].Selected = false, false }), "web-1 on new replaced"},
		"it ends at once":                           {nil, on("new", func(p *Pod) { p.Deleting = true }), ""},
		"a pod of what does not move":               {nil, on("new", func(p *Pod) { p.Workload = "deployment/apps/api" }), ""},
		"a pod that ended of one elsewhere":         {nil, on("new", func(p *Pod) { p.Finished = true }), ""},
	} {
		pod := func(change func(*Pod)) *Pod {
			if change == nil {
				return nil
			}
			p := newScene().one
			change(p)
			return p
		}
		m := moving()
		m.Record.Workloads["deployment/apps/web"] = &WorkloadRecord{}
		m.tell(Changes{PodLog: []Change[Pod]{{pod(c.was), pod(c.is)}}})
		if got := m.heard(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if again := m.heard(); again != "" {
			t.Errorf("%s: told twice: %q", name, again)
		}
	}
}

func TestWhatIsToldOfTargets(t *testing.T) {
	b := func(name string, targets ...Target) Balancer { return Balancer{Name: name, Targets: targets} }
	in, drains := Target{Instance: "i-1", State: InService}, Target{Instance: "i-1", State: Draining}
	pod := Target{Address: "10.0.0.1", State: OutOfService}
	for name, c := range map[string]struct {
		was, is []Balancer
		want    string
	}{
		"nothing":                      {[]Balancer{b("a", in)}, []Balancer{b("a", in)}, ""},
		"it drains":                    {[]Balancer{b("a", in)}, []Balancer{b("a", drains)}, "i-1 in a draining"},
		"it is out":                    {[]Balancer{b("a", drains)}, []Balancer{b("a")}, "i-1 in a out"},
		"its load balancer is deleted": {[]Balancer{b("a", drains)}, nil, "i-1 in a out"},
		"a pod comes":                  {[]Balancer{b("a", in)}, []Balancer{b("a", in, pod)}, "10.0.0.1 in a OutOfService"},
		"it drains in one of two":      {[]Balancer{b("a", in), b("b", in)}, []Balancer{b("a", in), b("b", drains)}, "i-1 in b draining"},
	} {
		for _, begun := range []bool{true, false} {
			m := moving()
			m.o.Balancers = c.was
			m.sortTargets()
			m.begun = begun
			m.tellTargets(c.is)
			if got := m.heard(); begun && got != c.want || !begun && got != "" {
				t.Errorf("%s, after the first look %t: %q, want %q", name, begun, got, c.want)
			}
		}
	}
}

// What cannot be seen again is saved once it changes, and else nothing is.
func TestWhatIsKeptOfAWorkload(t *testing.T) {
	at := func(change func(*WorkloadRecord)) WorkloadRecord {
		w := WorkloadRecord{State: WorkloadWaiting, Wants: 2, Floors: map[string]int{"web": 2}, Released: map[string]PodRecord{"1": {Left: Left{"lb": noon}}}}
		if change != nil {
			change(&w)
		}
		return w
	}
	for name, c := range map[string]struct {
		change func(*WorkloadRecord)
		news   bool
	}{
		"nothing":                        {nil, false},
		"its state":                      {func(w *WorkloadRecord) { w.State = WorkloadParked }, true},
		"what it wants":                  {func(w *WorkloadRecord) { w.Wants = 3 }, true},
		"what it is owed":                {func(w *WorkloadRecord) { w.Floors = map[string]int{"web": 3} }, true},
		"what is refused of it":          {func(w *WorkloadRecord) { w.Denied = map[string]string{"evict": "no"} }, true},
		"a pod under way":                {func(w *WorkloadRecord) { w.Released = nil }, true},
		"since when a pod has been left": {func(w *WorkloadRecord) { w.Released = map[string]PodRecord{"1": {}} }, true},
		"what is seen on a pod":          {func(w *WorkloadRecord) { w.Released = map[string]PodRecord{"1": {Left: Left{"lb": noon}, Gone: noon}} }, false},
	} {
		m := moving()
		m.tellWorkload("w", at(nil), at(c.change))
		if news := m.version > 0; news != c.news {
			t.Errorf("%s: saved %t", name, news)
		}
		if told := slices.ContainsFunc(m.Facts(), func(f event.Fact) bool { _, is := f.(event.WorkloadChanged); return is }); told != (name == "its state") {
			t.Errorf("%s: told %t", name, told)
		}
	}
}
