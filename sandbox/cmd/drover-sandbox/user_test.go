package main

import (
	"os/exec"
	"testing"

	"pgregory.net/rapid"
)

// What env prints means, to a shell, the value and nothing else.
func TestQuoteSurvivesAShell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Any byte that a path can hold; a shell drops final newlines itself.
		value := string(rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 12).Draw(t, "value"))
		out, err := exec.Command("sh", "-c", "printf '%s.' "+quote(value)).Output()
		if err != nil || string(out) != value+"." {
			t.Fatalf("%q became %q, %v", value, out, err)
		}
	})
}
