package move

import (
	"reflect"
	"testing"

	"github.com/droverhq/drover/internal/fieldtest"
	"github.com/droverhq/drover/internal/handover"
)

// A workload is named as kubectl would, with or without its namespace and group.
func TestIsWorkload(t *testing.T) {
	for key, texts := range map[string]map[string]bool{
		"deployment/apps/nginx": {
			"nginx": true, "deployment/nginx": true, "Deployment/apps/nginx": true,
			"deployment/other/nginx": false, "rollout/nginx": false, "ngin": false, "": false,
		},
		"rollout.argoproj.io/apps/nginx": {
			"nginx": true, "rollout/nginx": true, "rollout/apps/nginx": true,
			"rollout.argoproj.io/nginx": true, "rollout.argoproj.io/apps/nginx": true, "rollout.example.com/nginx": false,
		},
	} {
		for text, want := range texts {
			if got := isWorkload(text, &handover.Pod{Workload: key}); got != want {
				t.Errorf("--workload %s is %s: %v", text, key, got)
			}
		}
	}
}

// Each field of a guard changes what watches the traffic: one that is handed on to
// nobody is a flag that does nothing.
func TestEveryFieldOfAGuardIsHandedOn(t *testing.T) {
	for f := range reflect.TypeFor[Guard]().Fields() {
		var g Guard
		fieldtest.Fill(t, f.Name, reflect.ValueOf(&g).Elem().FieldByIndex(f.Index))
		if reflect.DeepEqual(g.graph(), Guard{}.graph()) {
			t.Errorf("%s makes no difference", f.Name)
		}
	}
}
