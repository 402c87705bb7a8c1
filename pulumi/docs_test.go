package drover

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The page names every option, and what it shows of Go stands in the examples,
// which compile.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../docs/pulumi.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	of := reflect.TypeFor[Options]()
	for i := range of.NumField() {
		if !strings.Contains(string(page), "`"+of.Field(i).Name+"`") {
			t.Errorf("nothing is said of Options.%s", of.Field(i).Name)
		}
	}
	shown := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(shown) == 0 {
		t.Fatal("the page shows no Go")
	}
	for line := range strings.Lines(shown[0][1]) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "import ")
		if line != "func main() {" && !strings.Contains(string(examples), line) {
			t.Errorf("no example has: %s", line)
		}
	}
}
