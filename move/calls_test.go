package move

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/aws"
)

// ofStacks are calls in those files that only a stack's own update makes.
var ofStacks = []string{"eks:UpdateNodegroupVersion"}

var input = regexp.MustCompile(`\b(\w+)\.([A-Z]\w+)Input\b`)

// What a move asks of AWS, and does there, is in the table of what it needs: the
// files of package aws that know package handover, or what it calls, are the move's part of it.
func TestCallsCoverWhatAMoveAsksOfAWS(t *testing.T) {
	files, err := filepath.Glob("../internal/aws/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") || !strings.Contains(string(text), `internal/handover"`) && !strings.Contains(string(text), "func (s *Scaling)") {
			continue
		}
		for _, m := range input.FindAllStringSubmatch(string(text), -1) {
			action := aws.Prefixes[m[1]] + ":" + m[2]
			if found++; aws.Prefixes[m[1]] == "" {
				t.Errorf("%s uses the SDK of %s: say in aws.Prefixes what IAM calls it", filepath.Base(file), m[1])
				continue
			}
			if !slices.Contains(ofStacks, action) && !slices.ContainsFunc(calls, func(c Call) bool { return c.Action == action }) {
				t.Errorf("%s calls %s, and the table of calls does not have it", filepath.Base(file), action)
			}
		}
	}
	if found == 0 {
		t.Error("no call was found")
	}
}
