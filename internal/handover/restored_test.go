package handover

import (
	"strings"
	"testing"
	"time"
)

// dead is what a move that nobody is at work on has left: the scene's web-1 is released
// on node old, which is closed, and web-2 and web-3 serve on node new. A row changes
// what is different.
type dead struct {
	*scene
	old     *Node
	three   *Pod
	records map[string]*Record
	alive   map[string]bool
}

func newDead() *dead {
	d := &dead{scene: newScene(), records: map[string]*Record{}, alive: map[string]bool{}}
	d.three = d.pod("web-3", "new")
	d.old = &Node{Name: "old", Group: "old-group", Cordoned: true, Exclude: new("true"), Before: encode(before{})}
	d.released(d.one, time.Minute, nil)
	return d
}

// view is what whoever looks at the cluster sees.
func (d *dead) view() *View {
	d.PutNode(d.old)
	d.PutNode(&Node{Name: "new", Group: "new-group", Ready: true})
	d.decide()
	return d.View
}

func lines(actions []Action) string {
	var all []string
	for _, a := range actions {
		all = append(all, a.String())
	}
	return strings.Join(all, "; ")
}

// What a restoration does about a node.
func TestRestorationOfANode(t *testing.T) {
	remembered := func(d *dead, b before) {
		d.old.Before, d.records["old-group"] = "", &Record{Nodes: map[string]*NodeRecord{"old": {Before: b}}}
	}
	for situation, row := range map[string]struct {
		scene func(*dead)
		want  string
	}{
		"its mark says what it was like":              {func(*dead) {}, "put back node old"},
		"a move is at work on its group":              {func(d *dead) { d.alive["old-group"] = true }, ""},
		"a move is at work on another group":          {func(d *dead) { d.alive["new-group"] = true }, "put back node old"},
		"it is open, and its mark is left":            {func(d *dead) { d.old.Cordoned, d.old.Exclude = false, nil }, "put back node old"},
		"somebody else closed it, no mark, no record": {func(d *dead) { d.old.Before = "" }, ""},
		"its mark is lost, and a record tells":        {func(d *dead) { remembered(d, before{}) }, "put back node old"},
		"… that it was closed before":                 {func(d *dead) { remembered(d, before{Unschedulable: true, Exclude: new("true")}) }, ""},
		"… that it was cordoned before, and in its load balancers": {func(d *dead) {
			remembered(d, before{Unschedulable: true})
		}, "put back node old"},
		"… that it was out of load balancers before, and not cordoned": {func(d *dead) {
			remembered(d, before{Exclude: new("true")})
		}, "put back node old"},
		"… and nothing but the taint is left": {func(d *dead) {
			remembered(d, before{})
			d.old.Cordoned, d.old.Exclude, d.old.Leaving = false, nil, true
		}, "put back node old"},
		"… and it is as it was": {func(d *dead) { remembered(d, before{}); d.old.Cordoned, d.old.Exclude = false, nil }, ""},
		"… of a move that is at work": {func(d *dead) {
			d.old.Before, d.records["nodes/a"], d.alive["nodes/a"] = "", &Record{Nodes: map[string]*NodeRecord{"old": {}}}, true
		}, ""},
		"a move that is at work has it, whatever its group": {func(d *dead) {
			d.records["nodes/a"], d.alive["nodes/a"] = &Record{Nodes: map[string]*NodeRecord{"old": {}}}, true
		}, ""},
		"a move that is at work has others": {func(d *dead) {
			d.records["nodes/a"], d.alive["nodes/a"] = &Record{Nodes: map[string]*NodeRecord{"new": {}}}, true
		}, "put back node old"},
		"autoscalers are kept off it": {func(d *dead) {
			d.old.Cordoned, d.old.Exclude, d.old.Before, d.old.Calmed = false, nil, "", encode(Calmed{Group: "old-group"})
		}, "give back to autoscalers node old"},
		"… by a move at work": {func(d *dead) {
			d.old.Cordoned, d.old.Exclude, d.old.Before, d.old.Calmed, d.alive["old-group"] = false, nil, "", encode(Calmed{Group: "old-group"}), true
		}, ""},
		"a descheduler is off": {func(d *dead) {
			d.PutEvictor(&Evictor{Kind: "Deployment", Namespace: "x", Name: "d", Calmed: encode(Calmed{Group: "old-group"})})
		}, "put back node old; let evict again deployment/x/d"},
		"… for a move at work": {func(d *dead) {
			d.PutEvictor(&Evictor{Kind: "Deployment", Namespace: "x", Name: "d", Calmed: encode(Calmed{Group: "new-group"})})
			d.alive["new-group"] = true
		}, "put back node old"},
		"it was registered elsewhere: it is opened first": {func(d *dead) {
			d.old.Before = encode(before{Registered: []string{"tg"}})
		}, "open node old"},
		"… and once it is open, registered": {func(d *dead) {
			d.old.Before, d.old.Cordoned, d.old.Exclude = encode(before{Registered: []string{"tg"}}), false, nil
		}, "put back node old"},
	} {
		d := newDead()
		d.one.Released = ""
		row.scene(d)
		if got := lines(Restore(d.view(), d.records, func(group string) bool { return d.alive[group] })); got != row.want {
			t.Errorf("%s:\nwant %s\ngot  %s", situation, row.want, got)
		}
	}
}

// What a restoration does about a pod that a move released: one in whose place others
// serve goes the rest of its way, any other is given back. No step loses a request.
func TestRestorationOfAPod(t *testing.T) {
	const home, wait = "give back pod apps/web-1", "wait: pod apps/web-1: "
	for situation, row := range map[string]struct {
		scene func(*dead)
		want  string
	}{
		"as many serve in its place":                     {func(*dead) {}, "take out pod apps/web-1"},
		"its move is at work":                            {func(d *dead) { d.alive["old-group"] = true }, ""},
		"another move is at work":                        {func(d *dead) { d.alive["new-group"] = true }, "take out pod apps/web-1"},
		"it ends":                                        {func(d *dead) { d.one.Deleting = true }, ""},
		"it has ended, and a finalizer keeps it":         {func(d *dead) { d.one.Deleting, d.one.Finalizers = true, []string{"x"} }, "forget pod apps/web-1"},
		"one too few is there":                           {func(d *dead) { d.three.Deleting = true }, home},
		"one of the others is not Ready":                 {func(d *dead) { d.three.Ready = false }, home},
		"… is Ready, and not listed":                     {func(d *dead) { d.three.Paths[0].Ready = false }, home},
		"… was released as well":                         {func(d *dead) { d.released(d.three, time.Hour, func(r *Release) { r.Group = "x" }); d.alive["x"] = true }, home},
		"… has not been Ready for minReadySeconds":       {func(d *dead) { d.web.MinReady, d.three.ReadySince = time.Minute, noon.Add(-59*time.Second) }, home},
		"… has been, just":                               {func(d *dead) { d.web.MinReady, d.three.ReadySince = time.Minute, noon.Add(-time.Minute) }, "take out pod apps/web-1"},
		"… is in a Service that it does not serve yet":   {func(d *dead) { d.three.Paths = append(d.three.Paths, Path{Service: "b", Selected: true}) }, home},
		"its workload wants fewer":                       {func(d *dead) { d.web.Wants, d.three.Deleting = 1, true }, "take out pod apps/web-1"},
		"its workload is gone":                           {func(d *dead) { d.c.Workload = nil }, home},
		"its ReplicaSet was not changed":                 {func(d *dead) { d.released(d.one, time.Minute, func(r *Release) { r.Owner = nil }) }, home},
		"a load balancer sends to its node for its sake": {func(d *dead) { d.service.Local = true }, home},
		"no label takes it out of its Services":          {func(d *dead) { d.one.Doors = nil }, home},
		"it is a DaemonSet's":                            {func(d *dead) { d.one.Daemon = true }, home},
		"it is out, and its last requests end":           {func(d *dead) { d.out(d.one, settleProxies-time.Second) }, wait + "out of its Services, its last requests end"},
		"… and they have":                                {func(d *dead) { d.out(d.one, settleProxies) }, "evict pod apps/web-1"},
		"… a target group that nobody can ask had its address": {func(d *dead) {
			d.out(d.one, settleTargets-time.Second)
			d.service.TargetGroups = []string{"arn"}
		}, wait + "out of its Services, its last requests end"},
		"… which had its time": {func(d *dead) {
			d.out(d.one, settleTargets)
			d.service.TargetGroups = []string{"arn"}
		}, "evict pod apps/web-1"},
		"… and it is still listed":                              {func(d *dead) { d.out(d.one, time.Hour); d.one.Paths = []Path{{Service: "web", Listed: true}} }, wait + "out of its Services, its last requests end"},
		"… and somebody let it in again":                        {func(d *dead) { d.out(d.one, time.Hour); d.one.Paths = []Path{{Service: "web", Selected: true}} }, "let in pod apps/web-1"},
		"it is out, and too few serve: into its Services first": {func(d *dead) { d.out(d.one, time.Hour); d.three.Ready = false }, "let in pod apps/web-1"},
		"… where it serves nobody: to its ReplicaSet at once":   {func(d *dead) { d.out(d.one, time.Hour); d.three.Ready, d.one.Ready = false, false }, home},
		"… as soon as it is out": {func(d *dead) {
			d.out(d.one, time.Second)
			d.released(d.one, time.Hour, func(r *Release) { r.Out, r.OutAt, r.Services = true, noon.Add(-time.Second), []string{"web"} })
			d.three.Ready, d.one.Ready = false, false
		}, home},
		"it was let in, and is not listed yet": {func(d *dead) {
			d.letIn(readmit-time.Second, Path{Service: "web", Selected: true, Ready: true})
		}, wait + "its Services list it again"},
		"… is listed, and not as one that serves": {func(d *dead) {
			d.letIn(readmit-time.Second, Path{Service: "web", Selected: true, Listed: true})
		}, wait + "its Services list it again"},
		"… is listed by another one": {func(d *dead) {
			d.letIn(readmit-time.Second, Path{Service: "b", Selected: true, Listed: true, Ready: true})
		}, wait + "its Services list it again"},
		"… has had its time": {func(d *dead) { d.letIn(readmit, Path{Service: "web", Selected: true}) }, home},
		"… is listed":        {func(d *dead) { d.letIn(time.Second, Path{Service: "web", Selected: true, Listed: true, Ready: true}) }, home},
		"it was given back, and its ReplicaSet has one too many": {func(d *dead) { d.back(time.Minute) }, wait + "its controller takes it back"},
		"… which has ended one":                                  {func(d *dead) { d.back(time.Minute); d.three.Deleting = true }, "forget pod apps/web-1"},
		"… let go of one": {func(d *dead) {
			d.back(time.Minute)
			d.released(d.three, time.Hour, func(r *Release) { r.Group = "x" })
			d.alive["x"] = true
		}, "forget pod apps/web-1"},
		"… has none too many, and has not taken it yet": {func(d *dead) { d.back(time.Minute); d.three.Deleting, d.one.Workload = true, "" }, wait + "its controller takes it back"},
		"… should have long ago":                        {func(d *dead) { d.back(2 * backLimit) }, "forget pod apps/web-1"},
		"… should soon":                                 {func(d *dead) { d.back(2*backLimit - time.Second) }, wait + "its controller takes it back"},
		"… is gone":                                     {func(d *dead) { d.back(time.Minute); d.c.Workload = nil }, "forget pod apps/web-1"},
		"a sentinel":                                    {func(d *dead) { d.one.Released, d.one.Sentinel = "", true }, "take sentinel from node old"},
		"a sentinel of a move at work":                  {func(d *dead) { d.one.Released, d.one.Sentinel, d.alive["old-group"] = "", true, true }, ""},
	} {
		d := newDead()
		d.old.Before = ""
		row.scene(d)
		if got := lines(Restore(d.view(), d.records, func(group string) bool { return d.alive[group] })); got != row.want {
			t.Errorf("%s:\nwant %s\ngot  %s", situation, row.want, got)
		}
	}
}

// What is told of a restoration names the object, and what became of it.
func TestWhatARestorationTells(t *testing.T) {
	ref := Ref{"apps", "web-1", "1"}
	for _, row := range []struct {
		action       Action
		object, what string
	}{
		{ChangeNode{Node: "old", What: "put back"}, "node/old", "put back"},
		{ChangeEvictor{Evictor: Evictor{Kind: "Deployment", Namespace: "x", Name: "d"}, What: "let evict again"}, "deployment/x/d", "let evict again"},
		{ChangePod{Pod: ref, What: "give back"}, "pod/apps/web-1", "give back"},
		{Evict{Pod: ref}, "pod/apps/web-1", "end, since its replacement serves"},
		{Unguard{Node: "old"}, "node/old", "take the sentinel away"},
		{Resume{Group: "web", Processes: []string{"Launch", "AZRebalance"}, Min: 2}, "group/web", "resume Launch AZRebalance, min 2"},
	} {
		var told []Restored
		r := &Rescue{told: map[Restored]bool{}, Tell: func(d Restored) { told = append(told, d) }}
		r.list([]Action{row.action, Wait{For: "something"}, row.action})
		if len(told) != 1 || told[0] != (Restored{Object: row.object, What: row.what}) {
			t.Errorf("%s: %+v", row.action, told)
		}
	}
}

// Deschedulers are off until the last node is open: they would evict what is on it.
func TestDeschedulersAreTurnedOnLast(t *testing.T) {
	node, evictor, pod := ChangeNode{Node: "old", What: "put back"}, ChangeEvictor{Evictor: Evictor{Kind: "Deployment", Namespace: "x", Name: "d"}, What: "let evict again"}, Evict{Pod: Ref{"apps", "web-1", "1"}}
	for _, row := range []struct {
		actions []Action
		now     string
	}{
		{[]Action{evictor, node, pod}, "put back node old; evict pod apps/web-1"},
		{[]Action{evictor, pod}, "let evict again deployment/x/d; evict pod apps/web-1"},
	} {
		if now := lines(nodesFirst(row.actions)); now != row.now {
			t.Errorf("%s, want %s", now, row.now)
		}
	}
}

// letIn makes web-1 one that was let into its Services again a while ago; others do
// not serve in its place.
func (d *dead) letIn(ago time.Duration, path Path) {
	d.released(d.one, time.Hour, func(r *Release) { r.OutAt, r.Services = noon.Add(-ago), []string{"web"} })
	d.one.Paths, d.three.Ready = []Path{path}, false
}

// back makes web-1 one that was given back a while ago.
func (d *dead) back(ago time.Duration) {
	d.released(d.one, time.Hour, func(r *Release) { r.Back, r.OutAt = true, noon.Add(-ago) })
}

// Any run sees to what a dead move released, once nobody has renewed its mark for too
// long, and not before.
func TestWhatHasExpired(t *testing.T) {
	for situation, row := range map[string]struct {
		scene func(*dead)
		want  string
	}{
		"its time is over":       {func(d *dead) { d.released(d.one, expiry, nil) }, "take out pod apps/web-1"},
		"… in a moment":          {func(d *dead) { d.released(d.one, expiry-time.Second, nil) }, ""},
		"… and it ends":          {func(d *dead) { d.released(d.one, expiry, nil); d.one.Deleting = true }, ""},
		"… and none replaces it": {func(d *dead) { d.released(d.one, expiry, nil); d.three.Ready = false }, "give back pod apps/web-1"},
		"it was given back": {func(d *dead) {
			d.released(d.one, expiry, func(r *Release) { r.Back, r.OutAt = true, noon.Add(-2*backLimit) })
		}, "forget pod apps/web-1"},
		"a sentinel":            {func(d *dead) { d.one.Released, d.one.Sentinel = "", true }, ""},
		"one that says nothing": {func(d *dead) { d.one.Released = "{" }, ""},
	} {
		d := newDead()
		row.scene(d)
		if got := lines(Expired(d.view())); got != row.want {
			t.Errorf("%s:\nwant %s\ngot  %s", situation, row.want, got)
		}
	}
}

// A restoration that is decided about anew says the same in the same order: that nothing
// has changed is seen by that.
func TestARestorationSaysTheSameTwice(t *testing.T) {
	d := newDead()
	for _, name := range []string{"web-7", "web-4", "web-6", "web-5"} {
		d.released(d.pod(name, "old"), time.Minute, nil)
	}
	d.web.Wants = 9
	v := d.view()
	const want = "put back node old; give back pod apps/web-1; give back pod apps/web-4; give back pod apps/web-5; give back pod apps/web-6; give back pod apps/web-7"
	for range 10 {
		if got := lines(Restore(v, nil, func(string) bool { return false })); got != want {
			t.Fatalf("want %s\ngot  %s", want, got)
		}
	}
}

// A node gets back what it had: the label, the taint and the mark go, or the label's
// value of before comes.
func TestWhatANodeGetsBack(t *testing.T) {
	for _, b := range []before{{}, {Unschedulable: true, Exclude: new("true")}} {
		for _, leaving := range []bool{false, true} {
			n := Node{Name: "old", Cordoned: true, Leaving: leaving, Before: encode(b)}
			p := n.putBack(b).Patch
			mark, marked := p.Annotations[BeforeAnnotation]
			if label, is := p.Labels[excludeLabel]; !is || label != b.Exclude || *p.Unschedulable != b.Unschedulable || !marked || mark != nil {
				t.Errorf("%+v: %+v", b, p)
			}
			if (p.Leaving != nil) != leaving || leaving && *p.Leaving {
				t.Errorf("leaving %t: %+v", leaving, p.Leaving)
			}
		}
	}
}
