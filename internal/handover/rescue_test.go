package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/problem"
)

// yard is Auto Scaling with such groups, of which calls are kept.
type yard struct {
	Scaling
	groups map[string]Group
	fails  error
	calls  []string
}

func (y *yard) Group(_ context.Context, name string) (Group, error) {
	g, is := y.groups[name]
	switch {
	case y.fails != nil:
		return Group{}, y.fails
	case !is:
		return Group{}, fmt.Errorf("group %s: %w", name, ErrNotFound)
	}
	g.Name = name
	return g, nil
}

func (y *yard) Resume(_ context.Context, group string, processes []string) error {
	y.calls = append(y.calls, "resume "+group+" "+strings.Join(processes, " "))
	return nil
}

func (y *yard) SetMin(_ context.Context, group string, n int) error {
	y.calls = append(y.calls, fmt.Sprintf("min %s %d", group, n))
	return nil
}

func (y *yard) Untag(_ context.Context, group string, keys []string) error {
	y.calls = append(y.calls, "untag "+group+" "+strings.Join(keys, " "))
	return nil
}

// rescue is a restoration in the middle: what it tells is kept.
func rescue(told *[]Restored) *Rescue {
	return &Rescue{
		Cluster: &desk{view: NewView()}, Tell: func(d Restored) { *told = append(*told, d) },
		records: map[string]*Record{}, alive: map[string]time.Time{}, resting: map[string]bool{}, failed: map[string]Restored{}, held: map[string]bool{}, told: map[Restored]bool{},
	}
}

// A group that a move held still, and emptied, acts on its own again, with none to keep.
func TestLettingAnEmptiedGroupGo(t *testing.T) {
	away := errors.New("throttled")
	held := hold{Processes: []string{"AZRebalance", "InstanceRefresh"}, Min: 2}
	for situation, row := range map[string]struct {
		yard  *yard
		calls string
		err   error
	}{
		"it is held":          {&yard{groups: map[string]Group{"old": {Tags: held.tags()}}}, "resume old AZRebalance InstanceRefresh; min old 0; untag old " + suspendedTag + " " + minTag, nil},
		"it is not":           {&yard{groups: map[string]Group{"old": {Suspended: held.Processes}}}, "", nil},
		"it is gone":          {&yard{}, "", nil},
		"AWS does not answer": {&yard{fails: away}, "", away},
	} {
		err := New(row.yard, nil, nil, nil).LetGo(t.Context(), "old")
		if got := strings.Join(row.yard.calls, "; "); got != row.calls || !errors.Is(err, row.err) {
			t.Errorf("%s: %s, %v", situation, got, err)
		}
	}
}

// Where nobody can be asked nothing of AWS is said to have been done.
func TestWithoutAWSNothingOfItIsDone(t *testing.T) {
	var n Nothing
	ctx := t.Context()
	for what, err := range map[string]error{
		"suspend": n.Suspend(ctx, "g", nil), "resume": n.Resume(ctx, "g", nil), "min": n.SetMin(ctx, "g", 0), "terminate": n.Terminate(ctx, "g", nil),
		"release": n.Release(ctx, "g", nil), "tag": n.Tag(ctx, "g", nil), "untag": n.Untag(ctx, "g", nil), "deregister": n.Deregister(ctx, "t", "i"), "register": n.Register(ctx, "t", "i"),
	} {
		if err == nil {
			t.Errorf("%s: it is said to be done", what)
		}
	}
	if _, err := n.States(ctx, []string{"i"}); err == nil {
		t.Error("every instance is said to be gone")
	}
	if g, err := n.Group(ctx, "g"); !errors.Is(err, ErrNotFound) || g.Name != "" {
		t.Errorf("%+v, %v", g, err)
	}
}

// What a restoration lets go of: the groups of nodes, those of records and those that the
// caller names, but none that a move at work, or one whose nodes are kept, holds.
func TestWhichGroupsARestorationLooksAt(t *testing.T) {
	holds := func(groups ...string) *Record {
		r := &Record{Holds: map[string]hold{}}
		for _, g := range groups {
			r.Holds[g] = hold{}
		}
		return r
	}
	for situation, row := range map[string]struct {
		scene func(*Rescue)
		want  string
	}{
		"the nodes'":                        {func(*Rescue) {}, "a b"},
		"only one move's":                   {func(r *Rescue) { r.Only = "a" }, "a"},
		"one that the caller names":         {func(r *Rescue) { r.Groups = []string{"c"} }, "a b c"},
		"one that is held":                  {func(r *Rescue) { r.records["c"] = holds("d") }, "a b c d"},
		"a dead move's that held none":      {func(r *Rescue) { r.records["c"] = &Record{} }, "a b c"},
		"no group of a set of nodes":        {func(r *Rescue) { r.records["nodes/x"] = &Record{Order: []byte("{}")} }, "a b"},
		"… but those that it holds":         {func(r *Rescue) { r.records["nodes/x"] = holds("c"); r.records["nodes/x"].Order = []byte("{}") }, "a b c nodes/x"},
		"not one that a move is at work on": {func(r *Rescue) { r.records["a"], r.alive["a"] = holds("a"), time.Now() }, "b"},
		"… nor what it holds":               {func(r *Rescue) { r.records["a"], r.alive["a"] = holds("a", "b", "c"), time.Now() }, ""},
		"nor one whose nodes are kept":      {func(r *Rescue) { r.records["a"], r.resting["a"] = holds("a"), true }, "b"},
		"a dead move's, though another is at work": {func(r *Rescue) {
			r.records["b"] = holds("b", "c")
			r.records["a"], r.alive["a"] = holds("a"), time.Now()
		}, "b c"},
	} {
		r := rescue(new([]Restored))
		v := r.Cluster.(*desk).view
		v.PutNode(&Node{Name: "1", Group: "a"})
		v.PutNode(&Node{Name: "2", Group: "b"})
		v.PutNode(&Node{Name: "3"})
		row.scene(r)
		if got, err := r.groups(); err != nil || strings.Join(got, " ") != row.want {
			t.Errorf("%s: %v, %v", situation, got, err)
		}
	}
}

// How a restoration lets a group go: as its tags say, or else as a dead move's record
// does; of more instances than there are it keeps none.
func TestRestorationOfAGroup(t *testing.T) {
	held := hold{Processes: []string{"AZRebalance"}, Min: 2}
	const done = "resume g AZRebalance; min g 2; untag g " + suspendedTag + " " + minTag
	recorded := func(r *Rescue) { r.records["old"] = &Record{Holds: map[string]hold{"g": held}} }
	for situation, row := range map[string]struct {
		group Group
		scene func(*Rescue)
		calls string
		told  bool
	}{
		"its tags say so":                      {Group{Desired: 3, Tags: held.tags()}, func(*Rescue) {}, done, true},
		"… and it has fewer":                   {Group{Desired: 1, Tags: held.tags()}, func(*Rescue) {}, strings.Replace(done, "min g 2", "min g 1", 1), true},
		"… and it is only asked what would be": {Group{Desired: 3, Tags: held.tags()}, func(r *Rescue) { r.DryRun = true }, "", true},
		"nothing says so":                      {Group{Desired: 3, Suspended: held.Processes}, func(*Rescue) {}, "", false},
		"a record says so":                     {Group{Desired: 3, Suspended: held.Processes}, recorded, done, true},
		"… and somebody has let it go":         {Group{Desired: 3}, recorded, "", false},
		"… of a move at work":                  {Group{Desired: 3, Suspended: held.Processes}, func(r *Rescue) { recorded(r); r.alive["old"] = time.Now() }, "", false},
	} {
		var told []Restored
		r, y := rescue(&told), &yard{groups: map[string]Group{"g": row.group}}
		row.scene(r)
		err := r.resumeGroup(t.Context(), y, "g")
		if got := strings.Join(y.calls, "; "); err != nil || got != row.calls || (len(told) == 1) != row.told {
			t.Errorf("%s: %s, told %v, %v", situation, got, told, err)
		}
	}
}

// What cannot be given back is given up at once where it is refused for good, and else
// once nothing has changed for long; a wait never is.
func TestWhatARestorationGivesUp(t *testing.T) {
	change := ChangePod{Pod: Ref{"apps", "web-1", "1"}, What: "give back"}
	for situation, row := range map[string]struct {
		action Action
		err    error
		stuck  bool
		told   string // empty: nothing is
		failed bool
	}{
		"it is done":                {change, nil, false, "", false},
		"… again and again":         {change, nil, true, "it is undone again and again by somebody else", true},
		"it is refused for good":    {change, &Refusal{Why: "a policy"}, false, "a policy", true},
		"it is refused for now":     {change, &Refusal{Why: "a budget", Passing: true}, false, "-", false},
		"… for long":                {change, &Refusal{Why: "a budget", Passing: true}, true, "a budget", true},
		"nobody answers":            {change, errors.New("no route"), false, "-", false},
		"… and nobody has for long": {change, errors.New("no route"), true, "no route", true},
		"a wait":                    {Wait{}, nil, true, "-", false},
	} {
		var told []Restored
		r := rescue(&told)
		r.Cluster.(*desk).fails = row.err
		r.carryOut(t.Context(), row.action, row.stuck)
		r.carryOut(t.Context(), row.action, row.stuck && !row.failed)
		_, failed := r.failed["pod/1"]
		if failed != row.failed || (row.told == "-") != (len(told) == 0) || len(told) > 0 && told[0].Error != row.told {
			t.Errorf("%s: %v, told %+v", situation, r.failed, told)
		}
	}
}

// Each thing is told once, however often it is asked for until it is seen; a wait is none.
func TestARestorationTellsOfEachThingOnce(t *testing.T) {
	var told []Restored
	r := rescue(&told)
	pod, node := ChangePod{Pod: Ref{"apps", "web-1", "1"}, What: "give back"}, ChangeNode{Node: "old", What: "put back"}
	r.list([]Action{Wait{For: "a node"}, pod, node, pod})
	r.carryOut(t.Context(), node, false)
	if len(told) != 2 || told[0].Object != "pod/apps/web-1" || told[0].What == "" || told[1].Object != "node/old" || told[1].What == "" {
		t.Errorf("%+v", told)
	}
}

// A record stays as long as something that it tells of is not given back.
func TestWhichRecordsARestorationKeeps(t *testing.T) {
	rec := func() *Record {
		return &Record{Holds: map[string]hold{"g": {}}, Nodes: map[string]*NodeRecord{"n": {}}, Rested: map[string]map[string]string{"deployment/x/d": {}}}
	}
	for situation, row := range map[string]struct {
		scene func(*Rescue)
		kept  bool
	}{
		"all is given back":         {func(*Rescue) {}, false},
		"a group is held":           {func(r *Rescue) { r.held["g"] = true }, true},
		"its own group is held":     {func(r *Rescue) { r.held["old"] = true }, true},
		"another group is held":     {func(r *Rescue) { r.held["x"] = true }, false},
		"a node is closed":          {func(r *Rescue) { r.failed["node/n"] = Restored{} }, true},
		"another node is closed":    {func(r *Rescue) { r.failed["node/x"] = Restored{} }, false},
		"a descheduler is off":      {func(r *Rescue) { r.failed["deployment/x/d"] = Restored{} }, true},
		"a move is at work on it":   {func(r *Rescue) { r.alive["old"] = time.Now() }, true},
		"its nodes are kept closed": {func(r *Rescue) { r.resting["old"] = true }, true},
	} {
		var told []Restored
		for _, dry := range []bool{true, false} {
			r := rescue(&told)
			d := r.Cluster.(*desk)
			r.records["old"], r.DryRun, told = rec(), dry, nil
			row.scene(r)
			if err := r.forget(t.Context()); err != nil || (len(told) == 0) != row.kept || len(d.calls) > 0 != (!row.kept && !dry) {
				t.Errorf("%s: %v, told %v, %v", situation, d.calls, told, err)
			}
		}
	}
}

// How a restoration ends that could not give everything back, or left alone what a move
// is at work on.
func TestEndOfARestoration(t *testing.T) {
	r := rescue(new([]Restored))
	if err := errors.Join(r.leftBehind(), r.leftAlone()); err != nil {
		t.Error(err)
	}
	r.failed["node/b"], r.failed["node/a"] = Restored{Object: "node/b", Error: "no route"}, Restored{Object: "node/a", Error: "a policy"}
	r.alive["old"] = time.Now()
	var told *problem.Error
	if err := r.leftBehind(); !errors.As(err, &told) || told.Kind != problem.Outside || !strings.Contains(err.Error(), "node/a: a policy") || !slices.Equal(told.Notes, []string{"node/b: no route"}) {
		t.Errorf("%v", err)
	}
	if err := r.leftAlone(); !errors.As(err, &told) || told.Kind != problem.Refused || !strings.Contains(err.Error(), "old (heard of 0s ago)") {
		t.Errorf("%v", err)
	}
	if err := outsideError("read", errors.New("no route")); !errors.As(err, &told) || told.Kind != problem.Outside || told.Fix == "" {
		t.Errorf("%v", err)
	}
	if err := outsideError("read", Barred(&problem.Error{Kind: problem.Refused, Err: errors.New("a right"), Fix: RightsFix})); !errors.As(err, &told) || told.Fix != RightsFix {
		t.Errorf("%v", err)
	}
}

// Groups of which AWS says nothing are errors where a move is known to have held them.
func TestGroupsThatCouldNotBeSeenTo(t *testing.T) {
	for situation, row := range map[string]struct {
		scene  func(*Rescue)
		failed bool
	}{
		"no record names it":       {func(*Rescue) {}, false},
		"the caller knows it":      {func(r *Rescue) { r.Groups = []string{"g"} }, true},
		"a record is its own":      {func(r *Rescue) { r.records["g"] = &Record{} }, true},
		"a record has it held":     {func(r *Rescue) { r.records["x"] = &Record{Holds: map[string]hold{"g": {}}} }, true},
		"a record has others held": {func(r *Rescue) { r.records["x"] = &Record{Holds: map[string]hold{"y": {}}} }, false},
	} {
		var told []Restored
		r := rescue(&told)
		row.scene(r)
		r.notResumed("g", errors.New("no credentials"))
		if failed := len(r.failed) > 0; failed != row.failed || !r.held["g"] || len(told) != 1 {
			t.Errorf("%s: failed %v, held %v, told %v", situation, r.failed, r.held, told)
		}
	}
}

// A pod that is let into its Services again gets their labels, and not yet that by which
// its ReplicaSet would have it; what others have set since stays.
func TestLabelsOfAPodThatIsLetIn(t *testing.T) {
	labels := map[string]string{"app": "web", "tier": "front", hashLabel: "abc"}
	for owner, want := range map[*Owner]map[string]string{nil: {"app": "web"}, {Name: "web-abc"}: {"app": "web", hashLabel: "abc"}} {
		p := &Pod{Labels: map[string]string{"tier": "back"}}
		a := letIn(p, Release{Owner: owner, Labels: labels, Out: true, OutAt: noon.Add(-time.Hour)}, noon)
		got := map[string]string{}
		for key, value := range a.Patch.Labels {
			got[key] = *value
		}
		r, _ := (&Pod{Released: *a.Patch.Annotations[ReleasedAnnotation]}).release()
		if left := r.Labels[hashLabel]; !maps.Equal(got, want) || r.Out || !r.OutAt.Equal(noon) || (left == "abc") != (owner == nil) || len(r.Labels) > 1 {
			t.Errorf("%v: gives %v, keeps %v, out %t", owner, got, r.Labels, r.Out)
		}
	}
}

// Deschedulers are turned on again once no node is left to be opened.
func TestNodesAreOpenedBeforeDeschedulersAreTurnedOn(t *testing.T) {
	node, evictor, pod := ChangeNode{Node: "n", What: "put back"}, ChangeEvictor{What: "let evict again"}, Evict{}
	if got := nodesFirst([]Action{node, evictor, pod}); len(got) != 2 || got[0].String() != node.String() || got[1] != Action(pod) {
		t.Errorf("%v", got)
	}
	if got := nodesFirst([]Action{evictor, pod}); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// Groups that are gone are left out of what is read; that AWS does not answer is no answer.
func TestGroupsThatAreGone(t *testing.T) {
	got, err := readGroups(t.Context(), &yard{groups: map[string]Group{"a": {}, "c": {}}}, []string{"a", "b", "c"})
	if err != nil || len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" {
		t.Errorf("%v, %v", got, err)
	}
	away := errors.New("throttled")
	if _, err := readGroups(t.Context(), &yard{fails: away}, []string{"a"}); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
	if of, set := named("web"), named("nodes/web"); of != "nodegroup/web" || set != "nodes/web" {
		t.Errorf("they are named %s and %s", of, set)
	}
}

// vault is a cluster that keeps records and locks.
type vault struct {
	desk
	kept    map[string][]byte
	locks   map[string]Lock
	away    string // the call that fails
	unlocks []string
}

var errAway = errors.New("no route to host")

func (v *vault) answer(call string) error {
	if v.away == call {
		return errAway
	}
	return nil
}

func (v *vault) View() (*View, error) {
	w, _ := v.desk.View()
	return w, v.answer("view")
}

func (v *vault) Records(context.Context) (map[string][]byte, error) {
	return v.kept, v.answer("records")
}
func (v *vault) Locks(context.Context) (map[string]Lock, error) { return v.locks, v.answer("locks") }

func (v *vault) Unlock(_ context.Context, move, holder string) error {
	v.unlocks = append(v.unlocks, move+" of "+holder)
	return v.answer("unlock")
}

// Whom a restoration leaves alone: moves that somebody is at work on, unless that is
// forced, those that are not asked about, and those whose nodes are kept closed.
func TestWhomARestorationLeavesAlone(t *testing.T) {
	for situation, row := range map[string]struct {
		scene   func(*Rescue, *vault)
		alive   string
		resting string
		unlocks string
	}{
		"a dead one is not":                            {func(*Rescue, *vault) {}, "lives", "kept", ""},
		"nor one that is asked about":                  {func(r *Rescue, _ *vault) { r.Only = "dead" }, "lives", "kept nodes/odd", ""},
		"nor one whose nodes are kept, if it is to be": {func(r *Rescue, _ *vault) { r.Kept = true }, "lives", "", ""},
		"nor one at work, if it is forced":             {func(r *Rescue, _ *vault) { r.Force = true }, "", "", "lives of bob"},
		"… which is only asked what would be":          {func(r *Rescue, _ *vault) { r.Force, r.DryRun = true, true }, "", "", ""},
	} {
		v := &vault{desk: desk{view: NewView()}, locks: map[string]Lock{"lives": {Holder: "bob", Renewed: time.Now(), For: time.Minute}, "dead": {Holder: "", Renewed: time.Now(), For: time.Minute}}}
		v.kept = map[string][]byte{
			"lives": []byte(encode(newRecord("lives", 0, noon))), "dead": []byte(encode(newRecord("dead", 0, noon))), "nodes/odd": []byte("{"),
			"kept": []byte(encode(&Record{Group: "kept", Kept: true})),
		}
		r := &Rescue{Cluster: v}
		row.scene(r, v)
		if err := r.begin(t.Context()); err != nil {
			t.Error(err)
		}
		alive, resting := strings.Join(slices.Sorted(maps.Keys(r.alive)), " "), strings.Join(slices.Sorted(maps.Keys(r.resting)), " ")
		if alive != row.alive || resting != row.resting || strings.Join(v.unlocks, " ") != row.unlocks || len(r.records) != 4 || r.records["nodes/odd"].Group != "nodes/odd" {
			t.Errorf("%s: alive %s, left alone %s, unlocked %v, records %v", situation, alive, resting, v.unlocks, r.records)
		}
	}
}

// A restoration that cannot read what it needs ends so, and gives nothing back by half.
func TestRestorationThatCannotRead(t *testing.T) {
	for _, call := range []string{"view", "records", "locks", "unlock"} {
		v := &vault{desk: desk{view: NewView()}, away: call, locks: map[string]Lock{"a": {Holder: "bob"}}, kept: map[string][]byte{"a": []byte("{}")}}
		v.view.PutNode(&Node{Name: "old", Group: "a", Cordoned: true, Before: encode(before{})})
		err := (&Rescue{Cluster: v, Force: true}).Run(t.Context())
		var told *problem.Error
		if !errors.Is(err, errAway) || call != "view" && (!errors.As(err, &told) || told.Kind != problem.Outside) || len(v.calls) > 0 {
			t.Errorf("%s: %v, %v", call, err, v.calls)
		}
	}
}

// Where records are lost, marks on nodes are as good: of those groups that a restoration
// is about.
func TestMarksThatNoRecordTellsOf(t *testing.T) {
	for _, only := range []string{"", "a"} {
		r := rescue(new([]Restored))
		r.Only = only
		r.records["nodes/x"] = &Record{Group: "nodes/x", Nodes: map[string]*NodeRecord{"5": {}}}
		v := NewView()
		for name, n := range map[string]Node{
			"1": {Group: "a", Before: encode(before{Unschedulable: true})}, "2": {Group: "a", Before: encode(before{})}, "3": {Group: "a", Cordoned: true},
			"4": {Group: "b", Before: encode(before{})}, "5": {Group: "a", Before: encode(before{})}, "6": {Before: encode(before{})},
		} {
			n.Name = name
			v.PutNode(&n)
		}
		r.gather(v)
		var got []string
		for _, group := range slices.Sorted(maps.Keys(r.records)) {
			got = append(got, group+": "+strings.Join(slices.Sorted(maps.Keys(r.records[group].Nodes)), " "))
		}
		want := []string{"a: 1 2", "b: 4", "nodes/x: 5"}
		if only != "" {
			want = []string{"a: 1 2", "nodes/x: 5"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("only %q: %v", only, got)
		}
		if a := r.records["a"]; a.Group != "a" || !a.Nodes["1"].Before.Unschedulable || a.Nodes["2"].Before.Unschedulable || a.Nodes["1"].State != NodeClosed {
			t.Errorf("%+v", a)
		}
	}
}
