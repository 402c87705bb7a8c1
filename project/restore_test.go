package project

import (
	"reflect"
	"testing"

	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
)

// The clusters of a stack are known as long as anything of it is left there.
func TestHostsOfAStack(t *testing.T) {
	a := state.Conn{Resolved: plan.Props{"cluster": "a", "endpoint": "https://a"}}
	b := state.Conn{Resolved: plan.Props{"cluster": "b", "endpoint": "https://b"}}
	got := hosts(&state.Snapshot{Resources: []state.Resource{
		{Name: "vpc"}, {Name: "a"}, {Name: "web-1", Hosts: &state.Hosts{Conn: a}}, {Name: "apps/nginx", Conn: a},
		{Name: "web-2", Hosts: &state.Hosts{Conn: a}}, {Name: "apps/nginx", Conn: b}, {Name: "making", Hosts: &state.Hosts{}},
	}})
	want := []host{{a.Resolved, []string{"web-1", "web-2"}}, {b.Resolved, nil}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
