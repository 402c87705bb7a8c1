package engine

import (
	"reflect"
	"testing"

	"github.com/droverhq/drover/internal/fieldtest"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/value"
)

// What the stack file says of a node group is remembered, goes into its hand-over, and
// is there on the way back: each field under the same name, or there is a reason here.
func TestHostsAreHandedOn(t *testing.T) {
	const unmade = "it is asked of nodes that are yet to be made, by the graph: Fresh"
	except := map[string]map[string]string{ // by place and field
		"what is remembered": {"Type": unmade},
		"the hand-over":      {"Type": unmade, "Nodes": "what the group has is asked when it is handed over"},
		"what stood before":  {"Type": unmade},
	}
	for f := range reflect.TypeFor[graph.Hosts]().Fields() {
		said := new(graph.Hosts)
		fieldtest.Fill(t, f.Name, reflect.ValueOf(said).Elem().FieldByIndex(f.Index))
		stands, err := (&apply{veil: new(value.Veil)}).described(t.Context(), graph.Resource{Hosts: said}, state.Resource{})
		if err != nil {
			t.Fatal(f.Name, err)
		}
		for place, has := range map[string]any{
			"what is remembered": *stands.Hosts,
			"the hand-over":      host(stands),
			"what stood before":  *new(Engine).former(new(graph.Graph), new(state.Snapshot), stands).Hosts,
		} {
			field := reflect.ValueOf(has).FieldByName(f.Name)
			if kept, why := field.IsValid() && !field.IsZero(), except[place][f.Name]; kept == (why != "") {
				t.Errorf("%s has %s of the graph: %v, and is said not to have it: %q", place, f.Name, kept, why)
			}
		}
	}
}
