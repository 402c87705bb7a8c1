//go:build e2e && torture

package demo

import "testing"

// The same move in the tutorial's steps: add, re-point, scale to 0, remove.
func TestDemoByHand(t *testing.T) {
	demo(t, "--manual")
}
