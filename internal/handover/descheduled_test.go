package handover

import (
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
)

// A descheduler that is turned off is told of; one that cannot be has a remedy.
func TestDeschedulersAreFound(t *testing.T) {
	deployment := Evictor{Kind: "Deployment", API: "apps/v1", Namespace: "sys", Name: "d", Replicas: 1}
	for name, tt := range map[string]struct {
		change   func(*View)
		severity event.Severity
		effect   string // empty: nothing is found
		fix      string
	}{
		"a Deployment": {func(v *View) { v.PutEvictor(&deployment) }, note, "deployment/sys/d) evicts pods by rules of its own: while nodes are closed it has no pods", ""},
		"a CronJob":    {func(v *View) { v.PutEvictor(&Evictor{Kind: "CronJob", API: "batch/v1", Namespace: "sys", Name: "d"}) }, note, "it is suspended", ""},
		"one that a move has turned off": {func(v *View) {
			off := deployment
			off.Replicas, off.Calmed = 0, `{"group":"other"}`
			v.PutEvictor(&off)
		}, note, "it has no pods", ""},
		"one that is off": {func(v *View) {
			off := deployment
			off.Replicas = 0
			v.PutEvictor(&off)
		}, note, "", ""},
		"an operator's": {func(v *View) {
			kept := deployment
			kept.Keeper = "kubedescheduler.operator.example.com/sys/cluster"
			v.PutEvictor(&kept)
		}, warning, "deployment/sys/d, kept by kubedescheduler.operator.example.com/sys/cluster) may evict pods", "stop it by what runs it"},
		"a pod of nobody": {func(v *View) { v.PutPod(&Pod{Ref: Ref{"sys", "d", "9"}, Node: "new", Evictor: "pod/sys/d"}) }, warning, "(pod/sys/d) may evict", "stop it"},
		"a pod of a Deployment": {func(v *View) {
			v.PutEvictor(&deployment)
			v.PutPod(&Pod{Ref: Ref{"sys", "d-1", "9"}, Node: "new", Evictor: "deployment/sys/d"})
		}, note, "it has no pods", ""},
	} {
		var found []event.Finding
		for _, f := range descheduled(inspect(asked(func(q *Question, _ *Pod, _ *Workload) { tt.change(q.View) }))) {
			if f.Severity != tt.severity || f.Object != "nodegroup/web" || !strings.Contains(f.Effect, tt.effect) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("%s: %+v", name, f)
			}
			found = append(found, f)
		}
		if want := min(1, len(tt.effect)); len(found) != want {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
