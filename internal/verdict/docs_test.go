package verdict

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/load"
)

// docs/load.md names every field of a verdict's JSON, and of a load test's.
func TestFieldsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/load.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, of := range map[string]any{"The verdict": Verdict{}, "The report": load.Result{}} {
		_, section, _ := strings.Cut(string(page), "\n## "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		quoted := regexp.MustCompile("`([^`]+)`").FindAllString(section, -1)
		for _, field := range fields(reflect.TypeOf(of)) {
			if !slices.Contains(quoted, "`"+field+"`") {
				t.Errorf("docs/load.md, %s, lacks %s", heading, field)
			}
		}
	}
}

// fields are the JSON names of a type's fields, and of those within them.
func fields(typ reflect.Type) []string {
	switch typ.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return fields(typ.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var names []string
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		names = append(names, name)
		names = append(names, fields(f.Type)...)
	}
	return names
}
