// Package fieldtest is for tests that ask of every field of a struct whether it
// arrives somewhere: at the state, at the core, in a record. It stands in no flow; a
// field that somebody adds and hands on nowhere fails such a test.
package fieldtest

import (
	"reflect"
	"slices"
	"testing"
	"time"
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

// Empty names the fields that are empty in every one of the values: nobody fills them.
// Of a struct within, also one in a list, in a map or behind a pointer, it names the
// fields.
func Empty[T any](values []T) []string {
	filled := map[string]bool{}
	for _, v := range values {
		note(filled, "", reflect.ValueOf(v))
	}
	return slices.DeleteFunc(fields("", reflect.TypeFor[T]()), func(name string) bool { return filled[name] })
}

// note notes which fields of v have something in them.
func note(filled map[string]bool, name string, v reflect.Value) {
	switch {
	case v.IsZero():
		return
	case v.Kind() == reflect.Pointer:
		note(filled, name, v.Elem())
	case v.Kind() == reflect.Slice && structured(v.Type()):
		for i := range v.Len() {
			note(filled, name, v.Index(i))
		}
	case v.Kind() == reflect.Map && structured(v.Type()):
		for _, one := range v.Seq2() {
			note(filled, name, one)
		}
	case structured(v.Type()):
		for f := range v.Type().Fields() {
			note(filled, join(name, f), v.FieldByIndex(f.Index))
		}
	default:
		filled[name] = v.Kind() != reflect.Slice && v.Kind() != reflect.Map || v.Len() > 0
	}
}

// fields are the names of all that can be filled of a type.
func fields(name string, t reflect.Type) []string {
	if !structured(t) {
		return []string{name}
	}
	t = held(t)
	var all []string
	for f := range t.Fields() {
		if f.IsExported() {
			all = append(all, fields(join(name, f), f.Type)...)
		}
	}
	return all
}

func join(name string, f reflect.StructField) string {
	if name == "" {
		return f.Name
	}
	return name + "." + f.Name
}

// structured: it is, or holds, a struct with fields of its own to fill.
func structured(t reflect.Type) bool {
	t = held(t)
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]()
}

// held is what a pointer leads to, and a list or map is of.
func held(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}
