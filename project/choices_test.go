package project

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/fieldtest"
)

// Every choice arrives: at the engine, in what the plan is about, or where this
// package reads it by itself. It kills a choice that a flag fills and nobody reads.
func TestEveryChoiceIsHandedOn(t *testing.T) {
	code := sources(t)
	for f := range reflect.TypeFor[Choices]().Fields() {
		var c Choices
		fieldtest.Fill(t, f.Name, reflect.ValueOf(&c).Elem().FieldByIndex(f.Index))
		var e engine.Engine
		c.give(&e)
		given := !reflect.DeepEqual(e, engine.Engine{}) || !reflect.DeepEqual(c.scope(), engine.Scope{})
		if !given && !strings.Contains(code, ".choices."+f.Name) {
			t.Errorf("nobody reads Choices.%s", f.Name)
		}
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
