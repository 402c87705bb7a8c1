package problem

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// No error ends without a word of what to do.
func TestEveryKindHasARemedy(t *testing.T) {
	for _, c := range Codes[1:] {
		if c.Kind.remedy() == "" {
			t.Errorf("%d has none", c.Kind)
		}
	}
}

// docs/exit-codes.md has the table of the program, row by row, and no other row.
func TestDocsListCodes(t *testing.T) {
	page, err := os.ReadFile("../docs/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, line := range strings.Split(string(page), "\n") {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| code ") {
			got = append(got, line)
		}
	}
	for _, c := range Codes {
		want = append(want, fmt.Sprintf("| %d | %s | %s |", c.Kind, c.Means, c.Changed))
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("docs/exit-codes.md has\n%s\nthe program\n%s", g, w)
	}
}
