package handover

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/engine"
)

// rehearsed is a cluster that answers dry runs, and says where pods would go.
type rehearsed struct {
	Cluster
	refuses func(Rehearsal) error
	where   []Placement
	fails   error
	pods    []Ref
	anew    []Ref
}

func (c *rehearsed) Surroundings(context.Context) (Surroundings, error) {
	return Surroundings{}, c.fails
}

func (c *rehearsed) Rehearse(_ context.Context, r Rehearsal) error { return c.refuses(r) }

func (c *rehearsed) Place(_ context.Context, _ []string, pods, anew []Ref, _ []Size) ([]Placement, error) {
	c.pods, c.anew = pods, anew
	return c.where, c.fails
}

// Only a refusal that lasts counts: what cannot be asked, or passes, says nothing of a move.
func TestWhatDryRunsRefuse(t *testing.T) {
	tries := []rehearsal{
		{workload: "a", verb: "evict", Rehearsal: Rehearsal{Pod: Ref{UID: "no"}}}, {workload: "a", verb: "make", Rehearsal: Rehearsal{Pod: Ref{UID: "no"}}},
		{workload: "b", verb: "evict", Rehearsal: Rehearsal{Pod: Ref{UID: "busy"}}}, {workload: "c", verb: "evict", Rehearsal: Rehearsal{Pod: Ref{UID: "away"}}}, {workload: "d", verb: "evict"},
	}
	r := newRun(nil, &rehearsed{refuses: func(r Rehearsal) error {
		return map[string]error{"no": &Refusal{Why: "policy"}, "busy": &Refusal{Why: "budget", Passing: true}, "away": errors.New("away")}[r.Pod.UID]
	}}, moveOf("old"))
	denied := r.rehearse(t.Context(), tries)
	if len(denied) != 1 || !maps.Equal(denied["a"], map[string]string{"evict": "policy", "make": "policy"}) {
		t.Errorf("%v", denied)
	}
}

// Of what is done to every node that leaves, one is tried, as it will be done.
func TestWhatIsRefusedOfNodes(t *testing.T) {
	for name, c := range map[string]struct {
		leaving []string
		cordon  error
		exclude error
		want    string
	}{
		"nothing":                   {[]string{"a", "b"}, nil, nil, ""},
		"no node leaves":            {nil, &Refusal{Why: "policy"}, nil, ""},
		"a cordon":                  {[]string{"a"}, &Refusal{Why: "policy"}, nil, "cordon is refused: policy"},
		"the load balancers' label": {[]string{"a"}, nil, &Refusal{Why: "policy"}, "exclude is refused: policy"},
		"it passes":                 {[]string{"a"}, &Refusal{Passing: true}, nil, ""},
		"it cannot be asked":        {[]string{"a"}, errors.New("away"), nil, ""},
	} {
		r := newRun(nil, &rehearsed{refuses: func(r Rehearsal) error {
			_, marked := r.Patch.Annotations[BeforeAnnotation]
			if r.Node != "a" || !marked {
				t.Errorf("%s: tried %+v", name, r)
			}
			if r.Patch.Unschedulable != nil && *r.Patch.Unschedulable {
				return c.cordon
			}
			if value := r.Patch.Labels[excludeLabel]; value == nil || *value != "true" {
				t.Errorf("%s: tried %+v", name, r)
			}
			return c.exclude
		}}, moveOf("old"))
		if got := r.rehearseClosing(t.Context(), c.leaving); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// It is asked where the pods would go that a move moves; those that the plan itself places
// anew go to the group that takes this one's place.
func TestWhichPodsAreToBePlaced(t *testing.T) {
	fresh := []engine.Fresh{{Replaces: true}}
	for name, c := range map[string]struct {
		change func(q *Question, p *Pod)
		fresh  []engine.Fresh
		pods   int
		anew   int
	}{
		"it moves":                            {pods: 1},
		"it ends":                             {change: func(_ *Question, p *Pod) { p.Deleting = true }},
		"nothing controls it":                 {change: func(_ *Question, p *Pod) { p.Workload = "" }},
		"a move has let go of it":             {change: func(_ *Question, p *Pod) { p.Released = encode(Release{Workload: p.Workload}) }},
		"… and has given it back":             {change: func(_ *Question, p *Pod) { p.Released = encode(Release{Workload: p.Workload, Back: true}) }, pods: 1},
		"the plan places it anew":             {change: func(q *Question, p *Pod) { q.Replaced, p.Group = map[string]bool{p.Workload: true}, "web" }},
		"… in a group that comes":             {change: func(q *Question, p *Pod) { q.Replaced, p.Group = map[string]bool{p.Workload: true}, "web" }, fresh: fresh, anew: 1},
		"… in one of two":                     {change: func(q *Question, p *Pod) { q.Replaced, p.Group = map[string]bool{p.Workload: true}, "web" }, fresh: append(fresh, engine.Fresh{})},
		"… in one that takes nothing's place": {change: func(q *Question, p *Pod) { q.Replaced, p.Group = map[string]bool{p.Workload: true}, "web" }, fresh: []engine.Fresh{{}}},
		"… though it names another group":     {change: func(q *Question, p *Pod) { q.Replaced, p.Group = map[string]bool{p.Workload: true}, "other" }, fresh: fresh},
	} {
		cl := &rehearsed{}
		r := newRun(nil, cl, moveOf("web"))
		q := asked(func(q *Question, p *Pod, _ *Workload) {
			if c.change != nil {
				c.change(q, p)
				q.View.PutPod(p)
			}
		})
		r.place(t.Context(), inspect(q), c.fresh, nil)
		if len(cl.pods) != c.pods || len(cl.anew) != c.anew {
			t.Errorf("%s: places %v, and anew %v", name, cl.pods, cl.anew)
		}
	}
}

func TestWherePodsWouldGo(t *testing.T) {
	cl := &rehearsed{where: []Placement{{Pod: Ref{UID: "1"}, Node: "new"}, {Pod: Ref{UID: "2"}, Why: "taints"}}}
	r := newRun(nil, cl, moveOf("web"))
	i := inspect(asked(func(*Question, *Pod, *Workload) {}))
	if got := r.place(t.Context(), i, nil, nil); len(got) != 2 || got["1"].Node != "new" {
		t.Errorf("%v", got)
	}
	if got := r.place(t.Context(), i, []engine.Fresh{{}}, nil); len(got) != 1 {
		t.Errorf("nodes are yet to come: %v", got)
	}
	if cl.fails = errors.New("away"); r.place(t.Context(), i, nil, nil) != nil {
		t.Error("it says where pods go without an answer")
	}
}

// A question holds what was answered to each call when it was tried, and what the nodes are
// that are yet to come.
func TestWhatAQuestionHolds(t *testing.T) {
	cl := &rehearsed{refuses: func(r Rehearsal) error {
		if r.Evict || r.Node != "" {
			return &Refusal{Why: "policy"}
		}
		return nil
	}, fails: errors.New("no right to webhooks")}
	r := newRun(&Mover{scaling: &sized{of: map[string]Size{"big": {Arch: "arm64"}}}}, cl, moveOf("web"))
	o := asked(func(q *Question, _ *Pod, _ *Workload) {
		q.View.PutNode(&Node{Name: "other", Ready: true, Labels: map[string]string{"node.kubernetes.io/instance-type": "small"}})
	}).Observed
	q := r.question(t.Context(), o, nil, nil)
	if q.Coming || len(q.Types) > 0 || len(q.Arches) > 0 || !slices.Equal(q.Leaving, []string{"old"}) || q.Unseen != "no right to webhooks" {
		t.Errorf("%+v", q)
	}
	if q.Denied["deployment/apps/web"][verbEvict] != "policy" || q.Closing != "cordon is refused: policy" {
		t.Errorf("denied %v, and of nodes %q", q.Denied, q.Closing)
	}
	if host, err := os.Hostname(); err != nil || q.Host != host {
		t.Errorf("%v: the pod that this may run in is %q", err, q.Host)
	}
	q = r.question(t.Context(), o, nil, []engine.Fresh{{Type: "big", Nodes: 2}})
	if !q.Coming || !slices.Equal(q.Types, []string{"big"}) || !slices.Equal(q.Arches, []string{"arm64", "arm64"}) {
		t.Errorf("coming %t, types %v of %v", q.Coming, q.Types, q.Arches)
	}
	if q = r.question(t.Context(), o, nil, []engine.Fresh{{Nodes: 1}}); !slices.Contains(q.Types, "small") {
		t.Errorf("it may be of any type, and is of %v", q.Types)
	}
}

// sized is Auto Scaling that knows instance types.
type sized struct {
	Nothing
	of    map[string]Size
	fails error
	asked int
}

func (s *sized) Sizes(context.Context, []string) (map[string]Size, error) {
	s.asked++
	return s.of, s.fails
}

// Nodes that come have the room of their types, and those that take the place of others are
// no fewer; of a type that nobody knows they have ample room.
func TestNodesThatAreYetToCome(t *testing.T) {
	big := Size{CPU: 8}
	for name, c := range map[string]struct {
		fresh   []engine.Fresh
		leaving int
		fails   error
		want    []Size
		asked   int
	}{
		"none":            {nil, 3, nil, nil, 0},
		"of a type":       {[]engine.Fresh{{Type: "big", Nodes: 2}}, 3, nil, []Size{big, big}, 1},
		"in their place":  {[]engine.Fresh{{Type: "big", Nodes: 1, Replaces: true}}, 2, nil, []Size{big, big}, 1},
		"more than those": {[]engine.Fresh{{Type: "big", Nodes: 2, Replaces: true}}, 1, nil, []Size{big, big}, 1},
		"of any type":     {[]engine.Fresh{{Nodes: 1}}, 0, nil, []Size{{}}, 0},
		"of two":          {[]engine.Fresh{{Type: "odd", Nodes: 1}, {Type: "big", Nodes: 1}}, 0, nil, []Size{{}, big}, 1},
		"nobody knows":    {[]engine.Fresh{{Type: "big", Nodes: 1}}, 0, errors.New("away"), []Size{{}}, 1},
	} {
		s := &sized{of: map[string]Size{"big": big}, fails: c.fails}
		r := newRun(&Mover{scaling: s}, nil, moveOf("old"))
		if got := r.freshNodes(t.Context(), c.fresh, c.leaving); !slices.Equal(got, c.want) || s.asked != c.asked {
			t.Errorf("%s: %v, want %v; asked %d times", name, got, c.want, s.asked)
		}
	}
}

// An inspection says that a move was cut off if it has closed nodes and nobody sees to that.
func TestMovesThatWereCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b *lockbox, rec *Record)
		want   bool
	}{
		"it was":                 {func(*lockbox, *Record) {}, true},
		"it puts back":           {func(_ *lockbox, rec *Record) { rec.Phase = Stop }, true},
		"it had closed nothing":  {func(_ *lockbox, rec *Record) { rec.Phase = Inspect }, false},
		"it is through":          {func(_ *lockbox, rec *Record) { rec.Phase = Done }, false},
		"it is at work":          {func(b *lockbox, _ *Record) { b.locks["old"] = Lock{Holder: "x", Renewed: noon, For: time.Hour} }, false},
		"its nodes are kept":     {func(_ *lockbox, rec *Record) { rec.Kept = true }, false},
		"it soaks by itself":     {func(_ *lockbox, rec *Record) { rec.Phase, rec.Paused = Soak, true }, false},
		"locks cannot be read":   {func(b *lockbox, _ *Record) { b.fails["locks"] = errors.New("away") }, false},
		"records cannot be read": {func(b *lockbox, _ *Record) { b.fails["records"] = errors.New("away") }, false},
		"it is another's":        {func(_ *lockbox, rec *Record) { rec.Group = "other" }, false},
	} {
		b, rec := newLockbox(free), newRecord("old", 0, noon)
		rec.Phase = Shift
		c.change(b, rec)
		b.records[rec.Group] = []byte(encode(rec))
		if got := newRun(nil, b, moveOf("old")).closed(t.Context(), noon); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
