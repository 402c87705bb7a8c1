package handover

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// What will be asked of a pod is tried beforehand, once a workload: that another one is
// made and this one evicted, and, where it is let go of first, each step of that.
func TestWhatIsTriedBeforehand(t *testing.T) {
	const all = "create 1; evict 1; hold 1; release 1 without hash; take out 1 without app"
	for _, row := range []struct {
		situation string
		scene     func(v *View, p *Pod, w *Workload)
		want      string
	}{
		{"a Deployment's pod behind a Service", func(*View, *Pod, *Workload) {}, all},
		{"… with a second one", func(v *View, _ *Pod, _ *Workload) {
			v.PutPod(&Pod{Ref: Ref{"apps", "web-2", "2"}, Node: "old", Workload: "deployment/apps/web"})
		}, all},
		{"… nobody holds what is released", func(_ *View, _ *Pod, w *Workload) { w.Holder = nil }, strings.Replace(all, "hold 1; ", "", 1)},
		{"… no label lets it go", func(_ *View, p *Pod, _ *Workload) { p.Handle = "" }, strings.Replace(all, "release 1 without hash; ", "", 1)},
		{"… in no Service", func(_ *View, p *Pod, _ *Workload) { p.Doors = nil }, strings.TrimSuffix(all, "; take out 1 without app")},
		{"… no second one may run beside it", func(_ *View, p *Pod, _ *Workload) { p.Alone = "Recreate" }, "create 1; evict 1"},
		{"… its strategy allows no other", func(_ *View, _ *Pod, w *Workload) { w.Surge = 0 }, "create 1; evict 1"},
		{"a StatefulSet's", func(_ *View, _ *Pod, w *Workload) { w.Nature = Ordered }, "create 1; evict 1"},
		{"an operator's", func(_ *View, _ *Pod, w *Workload) { w.Nature = Operated }, "create 1; evict 1"},
		{"a Job's", func(_ *View, _ *Pod, w *Workload) { w.Nature = Runs }, ""},
		{"one that ends", func(_ *View, p *Pod, _ *Workload) { p.Deleting = true }, ""},
		{"one that a move let go of", func(_ *View, p *Pod, _ *Workload) { p.Released = encode(Release{Workload: p.Workload}) }, ""},
		{"nobody's", func(_ *View, p *Pod, _ *Workload) { p.Workload = "" }, ""},
		{"one whose controller is gone", func(v *View, _ *Pod, _ *Workload) { clear(v.Workloads) }, ""},
		{"one on a node that stays", func(_ *View, p *Pod, _ *Workload) { p.Node = "new" }, ""},
	} {
		t.Run(row.situation, func(t *testing.T) {
			v := NewView()
			v.PutNode(&Node{Name: "old"})
			w := &Workload{Kind: "Deployment", API: "apps/v1", Namespace: "apps", Name: "web", Nature: Replicated, Wants: 1, Surge: 1, Holder: &Owner{Kind: "Deployment", Name: "web"}}
			p := &Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "old", Workload: w.Key(), Handle: "hash", Doors: []string{"app"}}
			v.PutWorkload(w)
			row.scene(v, p, w)
			v.PutPod(p)
			var got []string
			for _, r := range rehearsals(inspect(Question{Observed: Observed{View: v}, Leaving: []string{"old"}})) {
				one := r.verb + " " + r.Pod.UID
				if r.Patch != nil && r.Patch.Labels != nil {
					one += fmt.Sprint(" without ", strings.Join(slices.Sorted(maps.Keys(r.Patch.Labels)), " "))
				}
				if r.workload != "deployment/apps/web" || r.Create != (r.verb == verbCreate) || r.Evict != (r.verb == verbEvict) {
					t.Errorf("%+v", r)
				}
				got = append(got, one)
			}
			if strings.Join(got, "; ") != row.want {
				t.Errorf("\nwant %s\ngot  %s", row.want, strings.Join(got, "; "))
			}
		})
	}
}
