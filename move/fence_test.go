package move

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// yard remembers what is asked of it.
type yard struct{ asked []string }

func (y *yard) Protect(_ context.Context, group string) error {
	y.asked = append(y.asked, "protect "+group)
	return nil
}

func (y *yard) Unprotect(_ context.Context, group string) ([]string, error) {
	y.asked = append(y.asked, "unprotect "+group)
	return []string{"i-1"}, nil
}

// Whatever AWS has no fence for is refused, all at once, before any group is changed.
func TestFencesAreOfAutoScalingGroups(t *testing.T) {
	y := &yard{}
	text := problemText(protect(t.Context(), y, []Set{{ASG, "web"}, {NodeGroup, "db"}, {Node, "a"}}))
	if len(y.asked) > 0 || !strings.Contains(text, "nodegroup/db") || !strings.Contains(text, "eks:DeleteNodegroup") || !strings.Contains(text, "node/a") {
		t.Errorf("asked %v: %s", y.asked, text)
	}
	if err := protect(t.Context(), y, []Set{{ASG, "web"}, {ASG, "db"}}); err != nil {
		t.Fatal(err)
	}
	retained, err := unprotect(t.Context(), y, []Set{{ASG, "web"}})
	if err != nil || !slices.Equal(retained, []string{"i-1"}) || !slices.Equal(y.asked, []string{"protect web", "protect db", "unprotect web"}) {
		t.Errorf("%v %v %v", retained, err, y.asked)
	}
}
