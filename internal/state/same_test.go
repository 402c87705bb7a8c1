package state

import (
	"reflect"
	"testing"
	"time"
)

// unlike are fields in which two resources may differ and be the same all the same.
var unlike = map[string]string{"Created": "when it was stored does not count", "Updated": "as Created", "NameProperty": "it follows from the type, and from whether Inputs name it"}

// A field that same leaves out would never be stored when it alone changes.
func TestHostsDiffer(t *testing.T) {
	for f := range reflect.TypeFor[Hosts]().Fields() {
		var before, now Hosts
		put(reflect.ValueOf(&now).Elem().FieldByIndex(f.Index))
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
		put(reflect.ValueOf(&now).Elem().FieldByIndex(f.Index))
		if before.same(now) != (unlike[f.Name] != "") {
			t.Errorf("Resource.same and the field %s: %v", f.Name, before.same(now))
		}
	}
}

// put gives a value, and what is in it, another one than its zero.
func put(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x"), reflect.ValueOf("y"))
	case reflect.Struct:
		put(v.Field(0))
	default:
		v.SetInt(7)
	}
}
