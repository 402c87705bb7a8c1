package state

import (
	"reflect"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/fieldtest"
)

// unlike are fields in which two resources may differ and be the same all the same.
var unlike = map[string]string{"Created": "when it was stored does not count", "Updated": "as Created", "NameProperty": "it follows from the type, and from whether Inputs name it"}

// A field that same leaves out would never be stored when it alone changes.
func TestHostsDiffer(t *testing.T) {
	for f := range reflect.TypeFor[Hosts]().Fields() {
		var before, now Hosts
		fieldtest.Fill(t, f.Name, reflect.ValueOf(&now).Elem().FieldByIndex(f.Index))
		if before.same(&now) {
			t.Errorf("Hosts.same does not compare %s", f.Name)
		}
	}
}

func TestResourcesDiffer(t *testing.T) {
	for f := range reflect.TypeFor[Resource]().Fields() {
		var before, now Resource
		if f.Type == reflect.TypeFor[time.Time]() {
			now.Created, now.Updated = time.Unix(7, 0), time.Unix(7, 0)
			if !before.same(now) {
				t.Error("when it was stored counts")
			}
			continue
		}
		fieldtest.Fill(t, f.Name, reflect.ValueOf(&now).Elem().FieldByIndex(f.Index))
		if before.same(now) != (unlike[f.Name] != "") {
			t.Errorf("Resource.same and the field %s: %v", f.Name, before.same(now))
		}
	}
}
