package handover

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
)

// budgeted puts the pod under a budget.
func budgeted(b Budget) func(q *Question, p *Pod, w *Workload) {
	return func(q *Question, p *Pod, _ *Workload) {
		of := b
		of.Namespace, of.Name = "apps", "spare"
		q.View.PutBudget(&of)
		p.Budgets = []string{"spare"}
	}
}

// replaced has the plan place the workload anew.
func replaced(q *Question, _ *Pod, w *Workload) { q.Replaced = map[string]bool{w.Key(): true} }

// lacking breaks another pod of the workload, whose pods know each other.
func lacking(q *Question, p *Pod, w *Workload) {
	w.Nature, w.Wants = Ordered, 3
	q.View.PutPod(&Pod{Ref: Ref{"apps", "web-3", "3"}, Node: "new", Workload: p.Workload, Trouble: "CrashLoopBackOff"})
}

// alone has the pod alone serve a Service, as a primary does.
func alone(q *Question, p *Pod, w *Workload) {
	w.Nature, p.Paths[0].Service = Operated, "db-rw"
	q.View.PutPod(&Pod{Ref: Ref{"apps", "web-2", "2"}, Node: "new", Workload: p.Workload, Ready: true})
}

// picky has the Service's load balancer take nodes with a label alone that leave.
func picky(q *Question, p *Pod, w *Workload) {
	q.View.Nodes["old"].Labels = map[string]string{"edge": "yes"}
	served(Service{Balanced: true, NodeLabels: map[string]string{"edge": "yes"}})(q, p, w)
}

// cuts has a load balancer that does not drain send to the node.
func cuts(q *Question, _ *Pod, _ *Workload) {
	q.Balancers = []Balancer{{Name: "edge", Targets: []Target{{Instance: "i-old", State: InService}}}}
	q.View.PutNode(&Node{Name: "old", Instance: "i-old", Group: "web", Ready: true, Initialized: true})
}

// daemonsAnew makes the pod a DaemonSet's that the plan places anew.
func daemonsAnew(q *Question, p *Pod, _ *Workload) {
	p.Daemon, p.Group, p.Workload, q.Replaced = true, "web", "daemonset/apps/web", map[string]bool{"daemonset/apps/web": true}
}

// served puts the pod behind a Service.
func served(s Service) func(q *Question, p *Pod, w *Workload) {
	return func(q *Question, _ *Pod, _ *Workload) {
		of := s
		of.Namespace, of.Name = "apps", "web"
		q.View.PutService(&of)
	}
}

// Each check of what is seen of pods, workloads, Services and budgets has a row here:
// what it finds, how grave that is, of what, and the remedy; and it finds nothing where
// all is in order. Those of the surroundings are in TestFindingsOfTheSurroundings, and
// those of zones in zones_test.go.
func TestFindingsOfPods(t *testing.T) {
	const web, service = "deployment/apps/web", "service/apps/web"
	closed := Budget{Seen: true, Expected: 2, Desired: 2, Healthy: 2}
	rows := []struct {
		check    check
		change   func(q *Question, p *Pod, w *Workload)
		severity event.Severity
		object   string
		effect   string
		fix      string
	}{
		{cannotClose, func(q *Question, _ *Pod, _ *Workload) { q.Closing = "cordon is refused: policy" }, blocker, "node/old", "may not be closed: cordon is refused: policy", "run the same command again"},
		{itself, func(q *Question, p *Pod, _ *Workload) { q.Host = p.Name }, blocker, web, "this very command runs in its pod", "outside of the cluster"},
		{cannotMove, func(q *Question, p *Pod, _ *Workload) { p.KeptUntil = q.View.Now.Add(time.Hour) }, blocker, web, "forbids to disrupt it until", "wait for that"},
		{cannotMove, func(q *Question, p *Pod, _ *Workload) { p.KeptUntil, p.Workload = q.View.Now.Add(patience), "" }, blocker, "pod/apps/web-1", "forbids to disrupt it until", "wait for that"},
		{cannotMove, func(_ *Question, p *Pod, _ *Workload) { p.DoNotDisrupt = "example.com/keep" }, blocker, web, "its annotation example.com/keep forbids to disrupt it", "remove the annotation"},
		{frozen, func(q *Question, _ *Pod, w *Workload) { q.Replaced, w.Paused = map[string]bool{web: true}, true }, blocker, web, "it is paused", "rollout resume deployment/web"},
		{frozen, func(q *Question, p *Pod, w *Workload) {
			p.Name, p.Group, w.Partition, w.Ordinals, q.Replaced = "web-0", "web", 1, true, map[string]bool{web: true}
		}, blocker, web, "has a partition (1)", "set the partition to 0: kubectl -n apps patch"},
		{frozen, func(q *Question, p *Pod, w *Workload) {
			w.API = "apps.example.com/v1"
			p.Workload, p.Name, p.Group, w.Partition, w.Ordinals, q.Replaced = w.Key(), "web-0", "web", 1, true, map[string]bool{w.Key(): true}
		}, blocker, "deployment.apps.example.com/apps/web", "has a partition (1)", "set the partition to 0: kubectl -n apps edit deployment.apps.example.com web"},
		{frozen, func(q *Question, p *Pod, w *Workload) {
			p.Group, w.Partition, q.Replaced = "web", 1, map[string]bool{web: true}
		}, blocker, web, "so many pods come back by the old template", "edit deployment"},
		{pinned, func(_ *Question, p *Pod, _ *Workload) { p.Group = "web" }, blocker, web, "its own selector admits only nodes of web", "a node group that stays"},
		{pinned, func(q *Question, p *Pod, _ *Workload) {
			q.Coming, p.Pins = true, map[string]string{"kubernetes.io/hostname": "old"}
		}, blocker, web, "nodes with label kubernetes.io/hostname=old", "a node group that stays"},
		{noPlace, func(q *Question, _ *Pod, _ *Workload) {
			q.Placements = map[string]Placement{"1": {Why: "0 of 3 nodes fit"}}
		}, blocker, web, "no node: 0 of 3 nodes fit", "larger"},
		{noPlace, func(q *Question, _ *Pod, _ *Workload) {
			q.Placements = map[string]Placement{"1": {Node: "new", Preempts: "apps/batch", Fix: "more nodes"}}
		}, blocker, web, "only by ending pod apps/batch", "more nodes"},
		{twoBudgets, func(_ *Question, p *Pod, _ *Workload) { p.Budgets, p.Doors = []string{"a", "b"}, nil }, blocker, web, "PodDisruptionBudgets a and b", "keep one"},
		{brokenBudget, budgeted(Budget{Broken: "no scale"}), blocker, web, "cannot be computed and allows nothing: no scale", "minAvailable"},
		{closedBudget, func(q *Question, p *Pod, w *Workload) { w.Nature = Ordered; budgeted(closed)(q, p, w) }, blocker, web, "never allows an eviction (it wants 2 of 2 healthy)", "allow one disruption"},
		{noNodesAdmitted, picky, blocker, service, "(edge=yes) fits nodes of web only", "give the new nodes these labels"},
		{noNodesAdmitted, func(q *Question, p *Pod, w *Workload) { q.Coming = true; picky(q, p, w) }, warning, service, "the move is refused once its nodes are there", "give the new nodes these labels"},
		{unmetBudget, budgeted(Budget{Seen: true, Expected: 2, Desired: 2, Healthy: 1}), warning, web, "is not met (1 of 2 healthy)", "AlwaysAllow"},
		{operatorsBudget, func(q *Question, p *Pod, w *Workload) {
			w.Nature, p.Owner = Operated, &Owner{Kind: "Cluster", Name: "db", UID: "db"}
			budgeted(Budget{Seen: true, Expected: 1, Desired: 1, Healthy: 1, Owner: p.Owner.UID})(q, p, w)
		}, warning, web, "the operator is to move the pod once its node is closed", "see that the operator runs"},
		{soleServer, alone, warning, web, "alone serves Service db-rw", "switches over"},
		{lacksMember, lacking, warning, web, "it lacks a pod that works (pod web-3 is not Ready: CrashLoopBackOff)", "repair it first"},
		{unaskedBalancers, served(Service{Balanced: true, Hosts: []string{"lb.example.com"}}), warning, service, "lb.example.com cannot be asked", "300 s"},
		{unaskedBalancers, served(Service{Hosts: []string{"lb.example.com"}, ToPods: true}), warning, service, "cannot be asked (lb.example.com): the move waits 7m0s for each pod", "300 s"},
		{ailingDaemons, func(q *Question, _ *Pod, _ *Workload) {
			q.View.PutNode(&Node{Name: "old", Group: "web", Ready: true, Initialized: true, Daemons: []string{"daemonset/ops/logs"}})
		}, warning, "daemonset/ops/logs", "no Ready pod on the nodes that leave", "see what it lacks"},
		{daemonServices, func(_ *Question, p *Pod, _ *Workload) { p.Daemon = true }, note, web, "taken out of it before their nodes end", ""},
		{daemonServices, func(_ *Question, p *Pod, _ *Workload) { p.Daemon, p.Doors, p.NoDoor = true, nil, "a policy needs app" }, warning, web, "cannot be taken out of it before their nodes end: a policy needs app", "a label of its own"},
		{endsLate, func(q *Question, p *Pod, _ *Workload) {
			p.Deleting, p.GoneBy = true, q.View.Now.Add(-overdue)
		}, warning, web, "is there yet: node old is kept if it does not end within 15m0s", "delete pod web-1 --force"},
		{endsLate, func(q *Question, p *Pod, _ *Workload) {
			p.Deleting, p.GoneBy, p.Finalizers = true, q.View.Now.Add(-time.Hour), []string{"example.com/deregister"}
		}, warning, web, "finalizer example.com/deregister", "get pod web-1 -o yaml"},
		{oneAtATime, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Ordered }, note, web, "one at a time: each of its pods goes before the next one comes", "more than one replica"},
		{oneAtATime, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Operated }, warning, web, "only its controller (Deployment) knows", "PodDisruptionBudget"},
		{oneAtATime, func(_ *Question, p *Pod, w *Workload) { w.Nature, w.Wants, p.Paths = Ordered, 1, nil }, warning, web, "one at a time", "more than one replica"},
		{oneAtATime, func(_ *Question, p *Pod, w *Workload) { w.Nature, w.Wants, p.Paths = Operated, 1, nil }, warning, web, "one at a time", "more than one replica"},
		{oneAtATime, func(_ *Question, p *Pod, w *Workload) { w.Nature, w.Wants, p.AcceptGap = Ordered, 1, true }, warning, web, "nothing serves while it moves, as was accepted", ""},
		{rollsUnasked, func(q *Question, p *Pod, w *Workload) {
			p.Group, w.Nature, w.Kind, w.Ordinals, q.Replaced = "web", Ordered, "StatefulSet", true, map[string]bool{"statefulset/apps/web": true}
			p.Workload = w.Key()
			q.View.PutService(&Service{Namespace: "apps", Name: "web", TargetGroups: []string{"arn:web"}})
			q.Balancers = []Balancer{{Name: "edge", Group: "arn:web", ByAddress: true, Draining: time.Minute}}
		}, warning, "statefulset/apps/web", "a pod ends while load balancer edge, which drains for 1m0s, may still send to it", "kubectl -n apps patch statefulset web --type merge"},
		{rollsUnasked, func(q *Question, _ *Pod, w *Workload) { // no selector of its own names the group
			q.Replaced = map[string]bool{web: true}
			q.View.PutService(&Service{Namespace: "apps", Name: "web", Local: true, Balanced: true, Hosts: []string{"edge.elb"}})
			q.Balancers = []Balancer{{Name: "edge", Host: "edge.elb"}}
		}, warning, web, "goes on to send to a node when the pod on it has ended", "labels of both groups"},
		{daemonsReplaced, daemonsAnew, blocker, "daemonset/apps/web", "ends its pods on nodes of web all at once: nothing would serve Service web", AcceptGapAnnotation},
		{onDelete, func(_ *Question, _ *Pod, w *Workload) { w.OnDelete = true }, warning, web, "OnDelete", ""},
		{rollingOut, func(_ *Question, _ *Pod, w *Workload) { w.Rolling = "1 of 2 pods are new" }, warning, web, "not complete (1 of 2 pods are new); the move waits", "rollout status deployment/web"},
		{rollingOut, func(_ *Question, p *Pod, w *Workload) {
			w.Rolling, w.API = "1 of 2 pods are new", "apps.example.com/v1"
			p.Workload = w.Key()
		}, warning, "deployment.apps.example.com/apps/web", "the move waits", "status it, by the tool for its kind"},
		{rollingOut, func(_ *Question, _ *Pod, w *Workload) { w.Rolling, w.Stalled = "1 of 2 pods are new", true }, warning, web, "has failed", "rollout undo deployment/web"},
		{rollingOut, func(_ *Question, _ *Pod, w *Workload) { w.Rolling, w.Paused = "1 of 2 pods are new", true }, warning, web, "is paused in the middle", "rollout resume deployment/web"},
		{localStorage, func(_ *Question, p *Pod, _ *Workload) { p.HostPath = "/data" }, warning, web, "writes to /data of its node (hostPath) stays there", "PersistentVolume"},
		{localStorage, func(_ *Question, p *Pod, _ *Workload) { p.EmptyDir = true }, warning, web, "emptyDir volumes ends with the pod", "PersistentVolume"},
		{noReadiness, func(_ *Question, p *Pod, _ *Workload) { p.Probe = false }, warning, web, "without a readiness probe", "readinessProbe"},
		{longPreStop, func(_ *Question, p *Pod, _ *Workload) {
			p.PreStop, p.LongestHook, p.Grace = true, 30*time.Second, 30*time.Second
		}, warning, web, "preStop hook (30s) uses up its grace period (30s)", "terminationGracePeriodSeconds"},
		{noPreStop, func(_ *Question, p *Pod, w *Workload) { p.PreStop, w.Nature = false, Ordered }, warning, web, "without a preStop hook", "lifecycle.preStop.sleep"},
		{noPreStop, replaced, warning, web, "without a preStop hook", "lifecycle.preStop.sleep"},
		{noDraining, cuts, warning, "load balancer edge", "connection draining is off", "annotate its Service"},
		{noDraining, func(q *Question, p *Pod, _ *Workload) {
			p.Address = "10.0.0.1"
			q.View.PutPod(&Pod{Ref: Ref{"apps", "web-2", "2"}, Node: "new", Address: "10.0.0.2"})
			q.Balancers = []Balancer{{Name: "edge", Group: "arn:edge", ByAddress: true, Targets: []Target{{Address: p.Address, State: InService}}}}
		}, warning, "load balancer edge", "open connections to old pods are cut", "deregistration_delay"},
		{waitsForJob, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Runs }, note, web, "a pod of it works there", "let it finish"},
		{tolerant, func(_ *Question, p *Pod, _ *Workload) { p.Tolerates = true }, note, web, "sentinels keep them off", ""},
		{closedBudgetSurged, budgeted(closed), note, web, "the extra pod that comes first makes room", ""},
		{single, func(_ *Question, _ *Pod, w *Workload) { w.Wants = 1 }, note, web, "one replica", ""},
		{finalized, func(_ *Question, p *Pod, _ *Workload) { p.Finalizers = []string{"example.com/deregister"} }, note, web, "finalizer example.com/deregister", "controller"},
		{nodeLocal, served(Service{NodeLocal: true}), note, web, "internalTrafficPolicy Local", "DaemonSet"},
	}
	tried := map[string]bool{}
	for _, tt := range rows {
		name, _ := placeOf(tt.check)
		tried[name] = true
		t.Run(name, func(t *testing.T) {
			found := tt.check(inspect(asked(tt.change)))
			if len(found) != 1 || found[0].Severity != tt.severity || found[0].Object != tt.object || !strings.Contains(found[0].Effect, tt.effect) || !strings.Contains(found[0].Fix, tt.fix) {
				t.Errorf("found %+v", found)
			}
			if found := tt.check(inspect(asked(func(_ *Question, p *Pod, _ *Workload) { p.PreStop = true }))); len(found) > 0 {
				t.Errorf("where all is in order: %+v", found)
			}
		})
	}
	mustTry(t, "check.go", tried)
	mustTry(t, "rollouts.go", tried)
}

// What has not ended is told of when it is late, where its node's kubelet would end it.
func TestOfWhatEndsItIsToldWhenItIsLate(t *testing.T) {
	for name, change := range map[string]func(q *Question, p *Pod){
		"not late yet":    func(q *Question, p *Pod) { p.GoneBy = q.View.Now.Add(time.Second - overdue) },
		"a silent node's": func(q *Question, _ *Pod) { q.View.PutNode(&Node{Name: "old", Group: "web"}) },
		"not told to end": func(_ *Question, p *Pod) { p.Deleting = false },
	} {
		i := inspect(asked(func(q *Question, p *Pod, _ *Workload) {
			p.Deleting, p.GoneBy = true, q.View.Now.Add(-time.Hour)
			change(q, p)
		}))
		if found := endsLate(i); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// A label that a pod asks for and that only nodes have which leave is none of those that
// are yet to come; their type is, if it is one of theirs.
func TestLabelsThatNoNewNodeHas(t *testing.T) {
	const kind = "node.kubernetes.io/instance-type"
	for name, c := range map[string]struct {
		change func(q *Question)
		found  bool
	}{
		"of old nodes":              {func(*Question) {}, true},
		"all are there":             {func(q *Question) { q.Coming = false }, false},
		"one stays":                 {func(q *Question) { q.View.PutNode(&Node{Name: "other", Labels: map[string]string{kind: "t3.large"}}) }, false},
		"new ones are of that type": {func(q *Question) { q.Types = []string{"t3.large"} }, false},
		"of another":                {func(q *Question) { q.Types = []string{"c5.large"} }, true},
	} {
		i := inspect(asked(func(q *Question, p *Pod, _ *Workload) {
			q.View.PutNode(&Node{Name: "old", Group: "web", Ready: true, Labels: map[string]string{kind: "t3.large"}})
			q.Coming, p.Pins = true, map[string]string{kind: "t3.large"}
			c.change(q)
		}))
		if found := pinned(i); (len(found) > 0) != c.found {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// An image that has run on one architecture alone may not be built for another: told if
// all nodes that take the pods are of that, and no pod of the workload is there yet.
func TestOtherArchitecture(t *testing.T) {
	node := func(name, arch string) *Node {
		return &Node{Name: name, Group: "web", Ready: true, Labels: map[string]string{ArchLabel: arch}}
	}
	for name, c := range map[string]struct {
		arches []string
		stays  string // the architecture of a node that stays
		there  bool   // with a pod of the workload
		to     bool   // that node is in the group that takes the pods, another one of amd64 is not
		job    bool
		found  bool
	}{
		"another":               {arches: []string{"arm64"}, found: true},
		"the same":              {arches: []string{"amd64"}},
		"both":                  {arches: []string{"arm64", "amd64"}},
		"not known":             {arches: []string{""}},
		"one is not known":      {arches: []string{"arm64", ""}},
		"runs there already":    {arches: []string{"arm64"}, stays: "arm64", there: true},
		"ends by itself":        {arches: []string{"arm64"}, job: true},
		"none is yet to come":   {stays: "arm64", found: true},
		"… nor of another":      {stays: "amd64"},
		"a group that is there": {stays: "arm64", to: true, found: true},
		"… of the same":         {stays: "amd64", to: true},
	} {
		q := asked(func(q *Question, _ *Pod, w *Workload) {
			if c.to {
				q.View.PutNode(node("elsewhere", "amd64"))
				q.To = []Group{{Name: "web-2", Instances: []Instance{{ID: "i-new"}, {ID: "i-unknown"}}}}
			}
			q.View.PutNode(node("old", "amd64"))
			taking := node("new", c.stays)
			taking.Instance = "i-new"
			q.View.PutNode(taking)
			if q.Arches, q.Coming = c.arches, len(c.arches) > 0; c.job {
				w.Nature = Runs
			}
		})
		if !c.there {
			q.View.DropPod("2")
		}
		i := inspect(q)
		if all := otherArchitecture(i); (len(all) > 0) != c.found || c.found && !strings.Contains(all[0].Effect, "amd64 alone") {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

// A Job of a CronJob that names the old group ends there: it is in nobody's way.
func TestWorkThatNamesTheOldGroupIsWaitedFor(t *testing.T) {
	for nature, found := range map[Nature]bool{Runs: false, Replicated: true} {
		i := inspect(asked(func(_ *Question, p *Pod, w *Workload) { p.Group, w.Nature = "web", nature }))
		if all := pinned(i); (len(all) > 0) != found {
			t.Errorf("%s: %+v", nature, all)
		}
	}
}

// Who asks for no eviction need not be let: budgets over Jobs and pipelines, which
// protect their work, are in nobody's way.
func TestBudgetsOfWhatIsWaitedForAreNoBlockers(t *testing.T) {
	for _, b := range []Budget{{Broken: "no scale"}, {Seen: true, Expected: 1, Desired: 1, Healthy: 1}, {Seen: true, Expected: 2, Desired: 2, Healthy: 1}} {
		for _, expendable := range []bool{false, true} {
			i := inspect(asked(func(q *Question, p *Pod, w *Workload) {
				budgeted(b)(q, p, w)
				w.Nature, p.Expendable = Runs, expendable
			}))
			if found := slices.Concat(brokenBudget(i), closedBudget(i), unmetBudget(i), twoBudgets(i)); (len(found) > 0) != expendable {
				t.Errorf("%+v, expendable %t: %+v", b, expendable, found)
			}
		}
	}
}

// mustTry fails for each check of a file that has no row.
func mustTry(t *testing.T, of string, tried map[string]bool) {
	t.Helper()
	for _, c := range checks {
		if name, file := placeOf(c); file == of && !tried[name] {
			t.Errorf("%s has no row", name)
		}
	}
}

// A check of a file without such a table is called by a test that names it.
func TestEveryCheckIsTried(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if id, is := n.(*ast.Ident); is {
				named[id.Name] = true
			}
			return true
		})
	}
	for _, c := range checks {
		if name, _ := placeOf(c); !named[name] {
			t.Errorf("no test tries %s", name)
		}
	}
}

// placeOf is a check's name, and the file that it is in.
func placeOf(c check) (name, file string) {
	at := runtime.FuncForPC(reflect.ValueOf(c).Pointer())
	file, _ = at.FileLine(at.Entry())
	return at.Name()[strings.LastIndexByte(at.Name(), '.')+1:], filepath.Base(file)
}

// Two pods of one owner are told of once.
func TestWhatIsToldIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		check  check
		change func(*Question, *Pod, *Workload)
	}{
		"what ends late":                  {endsLate, func(q *Question, p *Pod, _ *Workload) { p.Deleting, p.GoneBy = true, q.View.Now.Add(-time.Hour) }},
		"a DaemonSet":                     {daemonServices, func(_ *Question, p *Pod, _ *Workload) { p.Daemon = true }},
		"what keeps data":                 {localStorage, func(_ *Question, p *Pod, _ *Workload) { p.EmptyDir = true }},
		"a DaemonSet that is placed anew": {daemonsReplaced, daemonsAnew},
	} {
		found := c.check(inspect(asked(func(q *Question, p *Pod, w *Workload) {
			q.Leaving = []string{"old", "new"}
			c.change(q, p, w)
		})))
		if len(found) != 1 {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// unlike is a situation that a check tells of, and a change after which it does not.
type unlike struct {
	check        check
	base, change func(*Question, *Pod, *Workload)
}

func mustTellNothing(t *testing.T, rows map[string]unlike) {
	t.Helper()
	for situation, row := range rows {
		if found := row.check(inspect(asked(row.base))); len(found) == 0 {
			t.Errorf("%s: without that, nothing is told either", situation)
		}
		found := row.check(inspect(asked(func(q *Question, p *Pod, w *Workload) {
			row.base(q, p, w)
			row.change(q, p, w)
		})))
		if len(found) > 0 {
			t.Errorf("%s: %+v", situation, found)
		}
	}
}

// What is told of a situation is not told where it is only like it.
func TestWhatIsNotTold(t *testing.T) {
	unmet := Budget{Seen: true, Expected: 2, Desired: 2, Healthy: 1}
	budgetIs := func(change func(*Budget)) func(*Question, *Pod, *Workload) {
		return func(q *Question, _ *Pod, _ *Workload) { change(q.View.Budgets["apps/spare"]) }
	}
	both := func(_ *Question, p *Pod, w *Workload) {
		p.Budgets, p.Doors, w.Nature = []string{"a", "b"}, nil, Ordered
	}
	parted := func(q *Question, p *Pod, w *Workload) {
		p.Name, p.Group, w.Partition, w.Ordinals = "web-0", "web", 1, true
		replaced(q, p, w)
	}
	named := func(_ *Question, p *Pod, _ *Workload) { p.Group = "web" }
	unhooked := func(_ *Question, _ *Pod, w *Workload) { w.Nature = Ordered }
	one := func(_ *Question, _ *Pod, w *Workload) { w.Wants = 1 }
	longHook := func(_ *Question, p *Pod, _ *Workload) { p.LongestHook, p.Grace = 30*time.Second, 30*time.Second }
	through := served(Service{Balanced: true, Hosts: []string{"lb.example.com"}})
	kept := func(q *Question, p *Pod, _ *Workload) { p.KeptUntil = q.View.Now.Add(patience) }
	mustTellNothing(t, map[string]unlike{
		"a broken member: its user lets one more be missing":     {lacksMember, lacking, func(_ *Question, p *Pod, _ *Workload) { p.AcceptGap = true }},
		"a broken member: of a Deployment any other will do":     {lacksMember, lacking, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Replicated }},
		"a broken member: the pod that leaves is the broken one": {lacksMember, lacking, func(_ *Question, p *Pod, _ *Workload) { p.Ready = false }},
		"a sole server: its user accepts the gap":                {soleServer, alone, func(_ *Question, p *Pod, _ *Workload) { p.AcceptGap = true }},
		"a sole server: its replacement comes first":             {soleServer, alone, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Replicated }},
		"a sole server: it does not serve":                       {soleServer, alone, func(_ *Question, p *Pod, _ *Workload) { p.Paths[0].Ready = false }},
		"an unmet budget: it is met":                             {unmetBudget, budgeted(unmet), budgetIs(func(b *Budget) { b.Healthy = 2 })},
		"an unmet budget: nobody has worked it out":              {unmetBudget, budgeted(unmet), budgetIs(func(b *Budget) { b.Seen = false })},
		"an unmet budget: broken pods may go":                    {unmetBudget, budgeted(unmet), budgetIs(func(b *Budget) { b.AlwaysAllow = true })},
		"an unmet budget: the pod works until it is done":        {unmetBudget, budgeted(unmet), func(_ *Question, _ *Pod, w *Workload) { w.Nature = Runs }},
		"a partition: the pod is above it":                       {frozen, parted, func(_ *Question, p *Pod, _ *Workload) { p.Name = "web-1" }},
		"a partition: the pod asks for another group":            {frozen, parted, func(_ *Question, p *Pod, _ *Workload) { p.Group = "web-2" }},
		"a partition: there is none":                             {frozen, parted, func(_ *Question, p *Pod, w *Workload) { w.Partition = 0 }},
		"a partition: the plan lets the workload be":             {frozen, parted, func(q *Question, _ *Pod, _ *Workload) { q.Replaced = nil }},
		"the group's name: some of its nodes stay":               {pinned, named, func(q *Question, _ *Pod, _ *Workload) { q.Keep = 1 }},
		"the group's name: the plan changes it":                  {pinned, named, replaced},
		"the group's name: a rollout is about to change it":      {pinned, named, func(_ *Question, _ *Pod, w *Workload) { w.Rolling = "1 of 2 pods are new" }},
		"the group's name: pods come back by another template":   {pinned, named, func(_ *Question, _ *Pod, w *Workload) { w.OnDelete = true }},
		"the group's name: one beside its replacement":           {pinned, named, func(_ *Question, p *Pod, _ *Workload) { p.Released = encode(Release{Group: "web"}) }},
		"two budgets: there is one":                              {twoBudgets, both, func(_ *Question, p *Pod, _ *Workload) { p.Budgets = []string{"a"} }},
		"two budgets: the plan changes the workload":             {twoBudgets, both, replaced},
		"two budgets: nobody asks for an eviction":               {twoBudgets, both, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Runs }},
		"two budgets: once replaced it leaves its Service's":     {twoBudgets, both, func(_ *Question, p *Pod, w *Workload) { w.Nature, p.Doors = Replicated, []string{"app"} }},
		"two budgets: once replaced it leaves them":              {twoBudgets, both, func(_ *Question, p *Pod, w *Workload) { w.Nature, p.Veils = Replicated, []string{"app"} }},
		"labels of nodes: nobody sends through nodes":            {noNodesAdmitted, picky, func(q *Question, _ *Pod, _ *Workload) { q.View.Services["apps/web"].Balanced = false }},
		"labels of nodes: the plan changes the Service":          {noNodesAdmitted, picky, func(q *Question, _ *Pod, _ *Workload) { q.Replaced = map[string]bool{"service/apps/web": true} }},
		"labels of nodes: one that stays has them":               {noNodesAdmitted, picky, func(q *Question, _ *Pod, _ *Workload) { q.View.Nodes["new"].Labels = map[string]string{"edge": "yes"} }},
		"labels of nodes: the old ones lack them, too":           {noNodesAdmitted, picky, func(q *Question, _ *Pod, _ *Workload) { q.View.Nodes["old"].Labels = nil }},
		"no preStop hook: its replacement comes first":           {noPreStop, unhooked, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Replicated }},
		"no preStop hook: nothing sends to it":                   {noPreStop, unhooked, func(_ *Question, p *Pod, _ *Workload) { p.Paths = nil }},
		"a long preStop hook: there is time after it":            {longPreStop, longHook, func(_ *Question, p *Pod, _ *Workload) { p.LongestHook -= time.Second }},
		"a balancer that cuts: it sends to nodes that stay":      {noDraining, cuts, func(q *Question, _ *Pod, _ *Workload) { q.Leaving = []string{"new"} }},
		"a balancer that cuts: it has no use for the node":       {noDraining, cuts, func(q *Question, _ *Pod, _ *Workload) { q.Balancers[0].Targets[0].State = Unused }},
		"a balancer that cuts: it drains":                        {noDraining, cuts, func(q *Question, _ *Pod, _ *Workload) { q.Balancers[0].Draining = time.Minute }},
		"one replica: nothing sends to it":                       {single, one, func(_ *Question, p *Pod, _ *Workload) { p.Paths = nil }},
		"one replica: the plan changes it":                       {single, one, replaced},
		"one replica: it is ended first":                         {single, one, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Ordered }},
		"a sole server: it is another one": {soleServer, alone, func(q *Question, p *Pod, _ *Workload) {
			other := *q.View.Pods["2"]
			other.Paths = slices.Clone(p.Paths)
			p.Paths[0].Ready = false
			q.View.PutPod(&other)
		}},
		"a sole server: its Service has no other pods ever": {soleServer, alone, func(_ *Question, p *Pod, _ *Workload) { p.Paths[0].Own = true }},
		"a broken member: the plan changes the workload":    {lacksMember, lacking, replaced},
		"nobody can ask: it sends through other nodes": {unaskedBalancers, through, func(q *Question, _ *Pod, _ *Workload) {
			q.View.Services["apps/web"].NodeLabels = map[string]string{"edge": "yes"}
		}},
		"nobody can ask: the node has no instance":          {unaskedBalancers, through, func(q *Question, _ *Pod, _ *Workload) { q.View.Nodes["old"].Cloud = "aws" }},
		"nobody can ask: nothing stands behind its Service": {unaskedBalancers, served(Service{Hosts: []string{"lb.example.com"}, ToPods: true}), func(_ *Question, p *Pod, _ *Workload) { p.Paths = nil }},
		"an annotation until then: that is soon":            {cannotMove, kept, func(_ *Question, p *Pod, _ *Workload) { p.KeptUntil = p.KeptUntil.Add(-time.Second) }},
		"an annotation until then: its work is waited for":  {cannotMove, kept, func(_ *Question, _ *Pod, w *Workload) { w.Nature = Runs }},
		"a pod of a scope: others are not asked about":      {localStorage, func(_ *Question, p *Pod, _ *Workload) { p.EmptyDir = true }, func(q *Question, _ *Pod, _ *Workload) { q.Scope.In = func(*Pod, time.Time) bool { return false } }},
		"a pod that goes already":                           {localStorage, func(_ *Question, p *Pod, _ *Workload) { p.EmptyDir = true }, func(_ *Question, p *Pod, _ *Workload) { p.Deleting = true }},
		"a pod that stays with its node":                    {localStorage, func(_ *Question, p *Pod, _ *Workload) { p.EmptyDir = true }, func(_ *Question, p *Pod, _ *Workload) { p.Mirror = true }},
	})
}
