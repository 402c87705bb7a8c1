// Package fieldtest is for tests that ask of every field of a struct whether it
// arrives somewhere: at the state, at the core, in a record. It stands in no flow; a
// field that somebody adds and hands on nowhere fails such a test.
package fieldtest

import (
	"reflect"
	"testing"
)

// Fill gives a value, and all that is in it and can be set, another one than it has by
// itself. Of a kind for which that cannot be told, as a function, the test gives one
// of its own; name says of what, if it does not.
func Fill(t testing.TB, name string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		Fill(t, name, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		Fill(t, name, v.Index(0))
	case reflect.Map:
		key, one := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		Fill(t, name, key)
		Fill(t, name, one)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, one)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				Fill(t, name+"."+v.Type().Field(i).Name, f)
			}
		}
	case reflect.Interface:
		if v.NumMethod() > 0 {
			t.Fatalf("give a sample of %s", name)
		}
		v.Set(reflect.ValueOf("y"))
	default:
		t.Fatalf("give a sample of %s", name)
	}
}
