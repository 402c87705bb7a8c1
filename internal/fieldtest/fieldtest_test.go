package fieldtest

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

type port struct {
	Name   string
	Number int
}

type service struct {
	Name  string
	Since time.Time
	Main  *port
	Ports []port
	ByKey map[string]port
	Tags  []string
}

// One field that any of the values has filled counts, and an empty list does not.
func TestEmpty(t *testing.T) {
	all := []service{
		{Name: "a", Ports: []port{{Name: "http"}, {Number: 80}}, Tags: []string{}},
		{Since: time.Unix(1, 0), ByKey: map[string]port{"x": {Number: 1}}},
	}
	want := []string{"Main.Name", "Main.Number", "ByKey.Name", "Tags"}
	if got := Empty(all); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFillLeavesNothingEmpty(t *testing.T) {
	var s service
	Fill(t, "service", reflect.ValueOf(&s).Elem())
	if got := Empty([]service{s}); !slices.Equal(got, []string{"Since"}) { // none of its fields can be set
		t.Errorf("%q", got)
	}
}
