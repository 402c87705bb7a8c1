package autoscaling

import (
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// A group that is not due has nothing to do: a turn changes nothing of it. Of what only a
// turn does, due has to know, or it happens when somebody else writes, or never.
func TestATurnOfAGroupThatIsNotDueChangesNothing(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	store, err := region.Open(filepath.Join(t.TempDir(), "state.json"), "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	s := NewScaler(store, nil, clock, clock, slog.New(slog.DiscardHandler))
	quiet, busy := 0, 0
	store.View(func(st *region.State) {
		st.Subnets["subnet-1"] = &region.Subnet{SubnetID: "subnet-1", AvailabilityZone: "us-west-2a"}
		for seed := range uint64(5000) {
			r := rand.New(rand.NewPCG(seed, 0))
			anyGroup(r, st, now)
			before := written(t, st)
			due := s.due(st, st.Groups["web"])
			s.turn(st, st.Groups["web"])
			switch changed := written(t, st) != before; {
			case due != changed:
				t.Fatalf("seed %d: due %v, and a turn changes something: %v\n%s\n%s", seed, due, changed, before, written(t, st))
			case due:
				busy++
			default:
				quiet++
			}
		}
	})
	if quiet == 0 || busy == 0 {
		t.Errorf("%d groups were quiet, %d were not", quiet, busy)
	}
}

// anyGroup makes a group of up to three instances, in any states.
func anyGroup(r *rand.Rand, st *region.State, now time.Time) {
	const rarely = 6
	once := func() bool { return r.IntN(rarely) == 0 }
	size := region.Num(r.IntN(4))
	g := &region.Group{Name: "web", MaxSize: 3, DesiredCapacity: &size, Subnets: []string{"subnet-1"}, Deleting: once()}
	for _, p := range []string{"Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy"} {
		if once() {
			g.Suspended = append(g.Suspended, p)
		}
	}
	if once() {
		g.RetryAt = now.Add(time.Second)
	}
	if once() {
		g.Hooks = []region.Hook{{Name: "wait", Transition: region.Terminating, Heartbeat: 60}}
	}
	st.Groups["web"] = g
	clear(st.Instances)
	for _, id := range []string{"i-1", "i-2", "i-3"}[:r.IntN(4)] {
		i := &region.Instance{ID: id, Group: "web", State: region.Running, Lifecycle: "InService", Zone: "us-west-2a", SubnetID: "subnet-1", Launched: now.Add(-time.Hour), Served: now.Add(-time.Hour)}
		if r.IntN(2) == 0 {
			i.State = []region.InstanceState{region.Pending, region.Running, region.Stopping, region.Stopped, region.ShuttingDown, region.Terminated}[r.IntN(6)]
			i.Lifecycle = []string{"Pending", region.PendingWait, "InService", region.TerminatingWait, "Terminating"}[r.IntN(5)]
			i.Retired = i.Lifecycle == "Terminating" || i.Lifecycle == region.TerminatingWait
		}
		i.Unhealthy, i.Protected, i.Waits = once(), once(), now.Add(-time.Duration(r.IntN(120))*time.Second)
		st.Instances[id] = i
		if once() {
			g.Activities = append(g.Activities, region.Activity{ID: id, Status: "InProgress", Instance: id, Start: now})
		}
	}
}

func written(t *testing.T, st *region.State) string {
	t.Helper()
	text, err := json.Marshal(struct {
		Groups    any
		Instances any
	}{st.Groups, st.Instances})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
