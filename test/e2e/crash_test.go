//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// instants is how many kills there are in all, spread over the first up, the
// change and the destroy.
const instants = 25

// Kill -9 at random instants of the first up, of the change and of the destroy;
// the same command run again must finish, with no orphan and no duplicate; and
// while the change is killed over and over, no request fails. `make
// torture-crash` kills at every step boundary instead.
func TestKilledAtRandomInstants(t *testing.T) {
	p := newProject(t)
	k := newKiller(p)
	k.killed(7, makes, "up", "--yes")
	want := inventoryCounts(t)

	again := p.run("up", "--yes")
	if !strings.Contains(again, "Nothing to do") {
		t.Errorf("up after up is not empty:\n%s", again)
	}

	p.awaitAnswer()
	p.edit("instanceType: t3.2xlarge", "instanceType: c5.4xlarge")
	p.underLoad(func() { k.killed(11, moves, "up", "--yes") })
	if got := inventoryCounts(t); got != want {
		t.Errorf("after the change AWS holds\n%s\nwant as many of each type as before:\n%s", got, want)
	}
	k.killed(k.left, makes, "destroy", "--yes")
	for k.left > 0 { // it was over sooner than thought
		k.killed(k.left, makes, "up", "--yes")
		k.killed(k.left, makes, "destroy", "--yes")
	}
}

// killer kills runs.
type killer struct {
	*folder
	random *rand.Rand
	left   int // kills
}

// seedVariable holds a seed to repeat a run's draws with.
const seedVariable = "DROVER_E2E_SEED"

func newKiller(p *folder) *killer {
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64); err == nil {
		seed = given
	}
	p.t.Logf("seed %d (%s repeats its instants)", seed, seedVariable)
	return &killer{folder: p, random: rand.New(rand.NewPCG(seed, 0)), left: instants}
}

// About as long the example's commands are at work on a fast machine, without a
// kill: instants are drawn from that, so that there still is something to kill.
const (
	makes = 6 * time.Second // all of it, or none
	moves = 45 * time.Second
)

// killed runs a command again and again until it is through. Up to n times it
// is killed, at instants drawn from the time that all its runs together are at
// work.
func (k *killer) killed(n int, work time.Duration, args ...string) {
	k.t.Helper()
	draws := make([]time.Duration, n)
	for i := range draws {
		draws[i] = time.Duration(k.random.Int64N(int64(work)))
	}
	slices.Sort(draws)
	began, worked := time.Now(), time.Duration(0)
	for i, at := range draws {
		if k.through(at-worked, args...) {
			k.t.Logf("%s: through after %d kills, %s", args[0], i, time.Since(began).Round(time.Second))
			return
		}
		k.left--
		worked = at
	}
	k.run(args...)
	k.t.Logf("%s: killed %d times, at %v of its work; through after %s", args[0], n, draws, time.Since(began).Round(time.Second))
}

// through runs a command and kills it after a while, unless it is through before.
func (k *killer) through(after time.Duration, args ...string) bool {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), after)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.command().Path, args...) // killed by SIGKILL
	cmd.Dir = k.dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.As(err, &exit) && exit.ExitCode() == -1):
		return false
	}
	k.t.Fatalf("drover %s: %v\n%s", strings.Join(args, " "), err, out)
	return false
}

// inventoryCounts is the number of AWS objects of each type, as text.
func inventoryCounts(t *testing.T) string {
	t.Helper()
	counts := map[string]int{}
	for typ, ids := range inventory(t) {
		counts[typ] = len(ids)
	}
	text, err := json.MarshalIndent(counts, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
