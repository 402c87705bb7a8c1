package move

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/internal/fieldtest"
	"github.com/droverhq/drover/internal/handover"
)

// A new option fails these tests until it is kept by order and readOrder, and reaches
// the core in job.errand and way.back; or until it is named here with the reason why
// it does not.
var (
	unkept = map[string]string{
		"Kubeconfig": "who goes on says how he reaches the cluster", "Context": "as Kubeconfig",
		"Fresh":      "of a look alone: they stand by the time that a move begins",
		"CreateLike": "the group stands by the time that there is a record, in which it is To",
		"Show":       "who goes on is asked himself", "Approve": "as Show", "Events": "as Show", "Timeout": "it was the time of the run that has ended",
	}
	notInErrand = map[string]string{
		"Kubeconfig": "session: open", "Context": "session: open",
		"From": "newJob finds their nodes: job.from", "To": "as From: job.to",
		"CreateLike": "job.makeIt, before the errand", "Guards": "job.watch", "Park": "job.refuse: a run parks what cannot move by itself",
		"EndBare": "Options.open tells the cluster", "Grace": "as EndBare",
		"Show": "run asks it first", "Approve": "as Show", "Timeout": "Options.inTime: the errand's context ends",
	}
	notOnTheWayBack = map[string]string{
		"Kubeconfig": "session: open", "Context": "session: open",
		"From": "those who took the pods leave instead: newWay", "To": "way.goesBack",
		"Then": "the nodes that it empties stay open", "Leave": "as Then", "Fresh": "it makes no nodes", "CreateLike": "as Fresh",
		"Namespaces": "what was moved goes back: way.goesBack", "Workloads": "as Namespaces", "Pods": "as Namespaces", "SkipEnding": "as Namespaces",
		"Guards": "way.watchBack", "Soak": "the nodes that it empties stay open", "Park": "nothing is refused on the way back",
		"EndBare": "what nothing controls was ended for good", "Grace": "each pod gets its own time: whoever was in a hurry is not now",
		"Show": "giveBack asks it first", "Approve": "as Show", "Timeout": "Options.inTime: its context ends",
	}
)

// sampleOptions are values for fields that cannot be made of their type alone.
var sampleOptions = map[string]any{
	"From": []Set{{Node, "b"}}, "To": []Set{{Nodes, "a=b"}}, "Then": Keep, "Pods": must(labels.Parse("app=web")),
	"Show": func(Report) error { return nil }, "Approve": func(Report) error { return nil }, "Events": event.Sink(event.NewLog(testClock, func(event.Event) {})),
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// option is one field of Options, or of what is embedded in it or narrows it.
type option struct {
	name string
	at   []int
}

func (f option) of(o *Options) reflect.Value { return reflect.ValueOf(o).Elem().FieldByIndex(f.at) }

// only are options of which nothing but this one is given.
func (f option) only(t *testing.T) Options {
	t.Helper()
	var o Options
	if v, has := sampleOptions[f.name]; has {
		f.of(&o).Set(reflect.ValueOf(v))
		return o
	}
	fieldtest.Fill(t, f.name, f.of(&o))
	return o
}

// allOptions are the fields of Options; of Access and Only theirs.
func allOptions() []option {
	var all []option
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Options]()) {
		switch {
		case f.Type == reflect.TypeFor[Access](): // its fields are visible themselves
		case f.Type == reflect.TypeFor[Only]():
			for _, g := range reflect.VisibleFields(f.Type) {
				all = append(all, option{g.Name, append(slices.Clone(f.Index), g.Index...)})
			}
		default:
			all = append(all, option{f.Name, f.Index})
		}
	}
	return all
}

// Somebody who does not know what was asked for goes on with it, and takes it back.
func TestOrderComesBack(t *testing.T) {
	eachOption(t, unkept, "is not kept by order, or not read by readOrder", func(f option) bool {
		o := f.only(t)
		back, err := readOrder(encode((&job{Options: o}).order()))
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		for i := range o.Guards {
			o.Guards[i].Headers = nil
		}
		return reflect.DeepEqual(f.of(&back).Interface(), f.of(&o).Interface())
	})
}

// notElsewhere are options that Pulumi and Terraform do not have, and why.
var notElsewhere = map[string]map[string]string{
	"../pulumi/*.go": {
		"Namespaces": "a group is handed over whole", "Workloads": "as Namespaces", "Pods": "as Namespaces", "SkipEnding": "as Namespaces",
		"CreateLike": "Pulumi makes the group itself", "Park": "what cannot move would keep the delete from its end", "Grace": "it is for somebody in a hurry", "Approve": "Pulumi asks",
		"Timeout": "who waits for Pulumi interrupts it",
	},
	"../terraform/provider/*.go": {
		"Namespaces": "a group is handed over whole", "Workloads": "as Namespaces", "Pods": "as Namespaces", "SkipEnding": "as Namespaces",
		"Leave": "Terraform makes a group smaller itself", "CreateLike": "Terraform makes the group itself", "Park": "what cannot move would keep the delete from its end",
		"Grace": "it is for somebody in a hurry", "Show": "the plan has told of it", "Approve": "Terraform asks",
		"Timeout": "who waits for Terraform interrupts it",
	},
}

// The modules for other tools fill the options by hand.
func TestOtherToolsHaveTheOptions(t *testing.T) {
	for files, but := range notElsewhere {
		code := source(t, files)
		eachOption(t, but, "is not filled by "+files, func(f option) bool {
			return regexp.MustCompile(`(\bo\.|\bmove\.Options\{[^\n]*|\bmove\.Access\{[^\n]*|a\.access\.)` + f.name + `\b`).MatchString(code)
		})
	}
}

// source is the code of some files, without tests.
func source(t *testing.T, files string) string {
	t.Helper()
	names, err := filepath.Glob(files)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v", files, err)
	}
	var all strings.Builder
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// Headers of guards may be secret: nobody writes them down.
func TestOrderKeepsNoHeaders(t *testing.T) {
	o := Options{Guards: []Guard{{URL: "http://x/", Headers: map[string]string{"Authorization": "secret"}}}}
	if data := encode((&job{Options: o}).order()); strings.Contains(string(data), "secret") {
		t.Errorf("a header is written down: %s", data)
	}
}

// What is asked for reaches the core.
func TestOptionsReachTheErrand(t *testing.T) {
	without := comparable(t, (&job{}).errand())
	eachOption(t, notInErrand, "is not in job.errand", func(f option) bool {
		return !reflect.DeepEqual(comparable(t, (&job{Options: f.only(t)}).errand()), without)
	})
}

// Of nodes that are yet to be made, the core is told every field, or there is a reason;
// and of a copy's, every field is known.
func TestWhatIsYetToBeMadeIsHandedOn(t *testing.T) {
	if empty := fieldtest.Empty([]Fresh{freshOf(&aws.Copy{Type: "m7g.large"}, 2)}); len(empty) > 0 {
		t.Errorf("of a copy nobody fills %q", empty)
	}
	without := []string{"Replaces"} // no plan makes them in the place of others: who has them made may let the old ones stay
	var f Fresh
	fieldtest.Fill(t, "Fresh", reflect.ValueOf(&f).Elem())
	if empty := fieldtest.Empty((&job{Options: Options{Fresh: []Fresh{f}}}).fresh()); !slices.Equal(empty, without) {
		t.Errorf("job.fresh leaves out %q, and is said to leave out %q", empty, without)
	}
}

// What concerns the way back reaches it there, too.
func TestOptionsReachTheWayBack(t *testing.T) {
	errand := func(o Options) any {
		return comparable(t, (&way{job: &job{Options: o}, move: "web"}).back(nil))
	}
	eachOption(t, notOnTheWayBack, "is not in way.back", func(f option) bool {
		return !reflect.DeepEqual(errand(f.only(t)), errand(Options{}))
	})
}

// comparable is an errand without what its order says, with the question in place of
// the function that asks it.
func comparable(t *testing.T, e handover.Errand) any {
	t.Helper()
	narrows := e.Scope.In != nil
	e.Order, e.Scope.In = nil, nil
	return struct {
		handover.Errand
		narrows bool
	}{e, narrows}
}

// eachOption asks something of each option that the list does not name; what is asked
// does not hold of those that it names.
func eachOption(t *testing.T, but map[string]string, wrong string, holds func(option) bool) {
	t.Helper()
	names := map[string]bool{}
	for _, f := range allOptions() {
		names[f.name] = true
		switch why := but[f.name]; {
		case why == "" && !holds(f):
			t.Errorf("%s %s: a reason in order_test.go, or the code", f.name, wrong)
		case why != "" && holds(f):
			t.Errorf("%s is said to be left out (%s), and is not", f.name, why)
		}
	}
	for name := range but {
		if !names[name] {
			t.Errorf("there is no option %s", name)
		}
	}
}

// ofOnly are the fields of Only, each with a move that it alone narrows.
func ofOnly(t *testing.T) map[string]Only {
	t.Helper()
	all := map[string]Only{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Only]()) {
		at := slices.IndexFunc(allOptions(), func(o option) bool { return o.name == f.Name })
		all[f.Name] = allOptions()[at].only(t).Only
	}
	return all
}

// Of two pods, one that each name names and one that none does, each way to narrow a
// move leaves out exactly one, be it the one that is named or the other.
func TestOnlyLeavesOut(t *testing.T) {
	named := &handover.Pod{Ref: handover.Ref{Namespace: "x", Name: "x"}, Workload: "deployment/x/x", Labels: map[string]string{"app": "web"}}
	other := &handover.Pod{Ref: handover.Ref{Namespace: "other", Name: "other"}, Deleting: true, GoneBy: testClock().Add(-time.Hour)}
	for name, only := range ofOnly(t) {
		if in := only.in(); in == nil || in(named, testClock()) == in(other, testClock()) {
			t.Errorf("%s leaves out neither or both", name)
		}
	}
}

// A name that no pod has is told of, by whatever option it is given.
func TestEachNameIsAskedFor(t *testing.T) {
	without := map[string]string{"SkipEnding": "a time names nobody"}
	named := &handover.Pod{Ref: handover.Ref{Namespace: "x", Name: "x"}, Workload: "deployment/x/x", Labels: map[string]string{"app": "web"}}
	for name, only := range ofOnly(t) {
		all := only.namings()
		if (len(all) == 1) == (without[name] != "") {
			t.Errorf("%s gives %d names to Only.namings; said of it: %q", name, len(all), without[name])
		}
		for _, n := range all {
			if !n.of(named) || n.of(&handover.Pod{Ref: handover.Ref{Namespace: "other", Name: "other"}}) {
				t.Errorf("%s: %s is not who is named", name, n.text)
			}
		}
	}
}

// As kubectl has it, what counts is how long ago the pod should have ended: not since
// when it was told to, nor what its spec says.
func TestSkipEnding(t *testing.T) {
	in := Only{SkipEnding: 10 * time.Second}.in()
	for name, tt := range map[string]struct {
		pod  handover.Pod
		want bool
	}{
		"it does not end":                              {handover.Pod{}, true},
		"it was told 20 s ago, and has 300 s":          {handover.Pod{Deleting: true, GoneBy: testClock().Add(280 * time.Second), Grace: 300 * time.Second}, true},
		"it should have ended 10 s ago":                {handover.Pod{Deleting: true, GoneBy: testClock().Add(-10 * time.Second)}, true},
		"it should have ended 11 s ago":                {handover.Pod{Deleting: true, GoneBy: testClock().Add(-11 * time.Second)}, false},
		"… and was given less time than its spec says": {handover.Pod{Deleting: true, GoneBy: testClock().Add(-11 * time.Second), Grace: time.Hour}, false},
	} {
		if got := in(&tt.pod, testClock()); got != tt.want {
			t.Errorf("%s: it is to move: %v", name, got)
		}
	}
}
