package project

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/engine"
)

// Every choice arrives: at the engine, in what the plan is about, or where this
// package reads it by itself. It kills a choice that a flag fills and nobody reads.
func TestEveryChoiceIsHandedOn(t *testing.T) {
	code := sources(t)
	for f := range reflect.TypeFor[Choices]().Fields() {
		var c Choices
		fill(reflect.ValueOf(&c).Elem().FieldByIndex(f.Index))
		var e engine.Engine
		c.give(&e)
		given := !reflect.DeepEqual(e, engine.Engine{}) || !reflect.DeepEqual(c.scope(), engine.Scope{})
		if !given && !strings.Contains(code, ".choices."+f.Name) {
			t.Errorf("nobody reads Choices.%s", f.Name)
		}
	}
}

// fill sets a value that is not its zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(7)
	}
}

// sources is the text of this package, without its tests.
func sources(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var all strings.Builder
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
