package kube

import "testing"

// A Service's address stays as long as it does; another group's Service has none.
func TestWhatStaysOfAService(t *testing.T) {
	for typ, want := range map[string]bool{"v1/Service": true, "serving.knative.dev/v1/Service": false} {
		if got := new(Provider).Steady(typ, "spec.clusterIP"); got != want {
			t.Errorf("%s: spec.clusterIP stays: %v", typ, got)
		}
	}
}
