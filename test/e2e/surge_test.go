//go:build e2e

package e2e

import "testing"

// The group "standard" is replaced, where the echoserver merely runs: nothing
// in the stack file places it there. Its pods are moved one by one, the new one
// Ready before the old one goes, and no request fails. Kills the mutation that
// evicts a pod before its Services have let it go.
func TestPodsThatMerelyRunThere(t *testing.T) {
	p := newProject(t)
	p.run("up", "--yes")
	p.awaitAnswer()
	p.edit("instanceType: t2.medium", "instanceType: t3.medium")
	p.underLoad(func() { t.Log(p.run("up", "--yes")) })
}
