package docs

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Decisions are numbered without a gap, each by its file and its title.
func TestDecisionsAreNumbered(t *testing.T) {
	entries, err := os.ReadDir("adr")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if e.Name() == "README.md" {
			continue
		}
		n++
		if want := fmt.Sprintf("%04d-", n); !strings.HasPrefix(e.Name(), want) {
			t.Errorf("%s: the next number is %s", e.Name(), want)
		}
		if title := fmt.Sprintf("# %d. ", n); !strings.HasPrefix(read(t, "adr/"+e.Name()), title) {
			t.Errorf("%s does not begin with %q", e.Name(), title)
		}
	}
}
