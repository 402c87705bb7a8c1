package problem_test

import (
	"testing"

	"github.com/droverhq/drover/problem"
)

func TestCount(t *testing.T) {
	for want, got := range map[string]string{
		"0 pods": problem.Count(0, "pod"), "1 pod": problem.Count(1, "pod"), "2 pods": problem.Count(2, "pod"),
		"1 pod stays": problem.Count(1, "pod stays", "pods stay"), "3 pods stay": problem.Count(3, "pod stays", "pods stay"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
