//go:build e2e && torture

package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
)

// Kill -9 at every step boundary of the first up, of the change and of the
// destroy; the same command run again must finish, with no orphan and no
// duplicate; and while the change is killed over and over, no request fails. Kills the mutation that forgets to journal before or after a call.
func TestKilledAtEveryStepBoundary(t *testing.T) {
	p := newProject(t)
	kills := p.killedThroughout("up", "--yes", "--json")
	t.Logf("up: killed %d times", kills)
	want := inventoryCounts(t)

	again := p.run("up", "--yes")
	if !strings.Contains(again, "Nothing to do") {
		t.Errorf("up after up is not empty:\n%s", again)
	}

	p.awaitAnswer()
	p.edit("instanceType: t3.2xlarge", "instanceType: c5.4xlarge")
	p.underLoad(func() { kills = p.killedThroughout("up", "--yes", "--json") })
	t.Logf("change: killed %d times", kills)
	if got := inventoryCounts(t); got != want {
		t.Errorf("after the change AWS holds\n%s\nwant as many of each type as before:\n%s", got, want)
	}

	kills = p.killedThroughout("destroy", "--yes", "--json")
	t.Logf("destroy: killed %d times", kills)
}

// killedThroughout runs a command again and again, each time killing it at the
// first step boundary that no earlier run was killed at, until a run is
// through. It returns the number of kills.
func (p *folder) killedThroughout(args ...string) int {
	p.t.Helper()
	const most = 400 // far above the example's boundaries: a run that makes no progress ends the test
	seen := map[string]bool{}
	for kills := range most {
		if p.killedAtNewBoundary(seen, args...) {
			return kills
		}
	}
	p.t.Fatalf("drover %s did not finish after %d kills", args[0], most)
	return 0
}

// killedAtNewBoundary says whether the run got through without meeting a boundary that seen lacks.
func (p *folder) killedAtNewBoundary(seen map[string]bool, args ...string) (through bool) {
	p.t.Helper()
	cmd := p.command(args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	steps := map[int]string{}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 8<<20) // an event carries a whole plan
	for lines.Scan() {
		boundary, err := boundaryOf(lines.Bytes(), steps)
		if err != nil {
			p.t.Fatalf("%v\n%s", err, lines.Text())
		}
		if boundary == "" || seen[boundary] {
			continue
		}
		seen[boundary] = true
		p.t.Logf("%5.1f s: killed %s", time.Since(began).Seconds(), boundary)
		if err := cmd.Process.Kill(); err != nil {
			p.t.Fatal(err)
		}
		break
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true
	case errors.As(err, &exit) && exit.ExitCode() == -1: // killed by a signal: ours
		return false
	}
	p.t.Fatalf("drover %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	return false
}

// boundaryOf names the step boundary that an event marks; "" if it is none.
func boundaryOf(line []byte, steps map[int]string) (string, error) {
	var e event.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return "", err
	}
	switch f := e.Fact.(type) {
	case event.StepStarted:
		steps[f.Step] = fmt.Sprintf("%s %s %s", f.Op, f.URN, f.Name)
		return "before " + steps[f.Step], nil
	case event.StepFinished:
		return "after " + steps[f.Step], nil
	case event.PhaseChanged:
		return fmt.Sprintf("phase %s of %s", f.To, f.Group), nil
	}
	return "", nil
}
