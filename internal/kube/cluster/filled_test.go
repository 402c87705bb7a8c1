package cluster

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/droverhq/drover/internal/fieldtest"
)

// In a cluster that has everything, every field of the view is filled: one that nobody
// fills would make a rule of the move that never holds.
func TestEveryFieldOfTheViewIsFilled(t *testing.T) {
	text, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects := map[at]any{}
	for _, one := range strings.Split(string(text), "\n---\n") {
		o := parsed(t, one)
		objects[at{kindAt(o), keyOf(o)}] = o
	}
	v := scratch(objects).view
	for what, empty := range map[string][]string{
		"Node": unfilled(v.Nodes), "Pod": unfilled(v.Pods), "Workload": unfilled(v.Workloads), "Service": unfilled(v.Services), "Budget": unfilled(v.Budgets), "Evictor": unfilled(v.Evictors),
	} {
		for _, field := range empty {
			t.Errorf("nobody fills %s.%s", what, field)
		}
	}
}

func unfilled[T any](all map[string]*T) []string {
	return fieldtest.Empty(slices.Collect(maps.Values(all)))
}

// failing is a test, or a run of a property.
type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

// parsed is an object of its own type, or of none if only its CRD knows it.
func parsed(t failing, text string) any {
	t.Helper()
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(text), nil, nil)
	if err == nil {
		return o
	}
	var u custom
	if !runtime.IsNotRegisteredError(err) || yaml.Unmarshal([]byte(text), &u.Object) != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &u
}
