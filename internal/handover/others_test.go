package handover

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
)

// A pod that another move released is that one's as long as it is, or may be, under way:
// who is not known to be dead is not, unless this move took the pod over before.
func TestPodsOfOtherMoves(t *testing.T) {
	release := func(p *Pod, by string) *Pod {
		p.Released = encode(Release{Group: by, Workload: "deployment/apps/web"})
		return p
	}
	for name, c := range map[string]struct {
		by     string // empty: nobody released it
		others map[string]bool
		took   string // the UID of what this move took over
		want   bool
	}{
		"nobody released it":                   {by: ""},
		"this move did":                        {by: "old"},
		"a move that is under way":             {by: "other", others: map[string]bool{"other": true}, want: true},
		"… though this one took it before":     {by: "other", others: map[string]bool{"other": true}, took: "web-1", want: true},
		"a move that is dead":                  {by: "other", others: map[string]bool{"other": false}},
		"a move that nobody has told of":       {by: "other", want: true},
		"… from which this one took it before": {by: "other", took: "web-1"},
		"… from which this one took another":   {by: "other", took: "web-2", want: true},
	} {
		m, p := moving(), newScene().one
		if c.by != "" {
			release(p, c.by)
		}
		m.o.Others = c.others
		if c.took != "" {
			m.Record.Workloads[p.owner()] = &WorkloadRecord{Released: map[string]PodRecord{c.took: {}}}
		}
		if got := m.anothers(p); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
		if met := c.by == "other"; m.met["other"] != met {
			t.Errorf("%s: asks whether it is under way: %t", name, !met)
		}
	}
}

// Whenever another move begins or ends, what has waited for that is decided about.
func TestWorkloadsAreDueWhenAnotherMoveEnds(t *testing.T) {
	m := moving()
	m.view.PutPod(&Pod{Ref: Ref{"apps", "web-1", "1"}, Node: "old", Workload: "deployment/apps/web"})
	m.Record.Workloads["deployment/apps/api"] = &WorkloadRecord{}
	for _, turn := range []struct {
		others map[string]bool
		due    int
	}{{nil, 0}, {map[string]bool{"other": true}, 2}, {map[string]bool{"other": true}, 0}, {map[string]bool{"other": false}, 2}} {
		clear(m.dueWorkloads)
		m.o.Others = turn.others
		if m.heedOthers(); len(m.dueWorkloads) != turn.due {
			t.Errorf("%v: %v are due", turn.others, m.dueWorkloads)
		}
	}
}

// locksmith tells of locks, and counts how often it is asked.
type locksmith struct {
	Cluster
	locks map[string]Lock
	err   error
	asked int
}

func (l *locksmith) Locks(context.Context) (map[string]Lock, error) {
	l.asked++
	return l.locks, l.err
}

// Whether a move that was met is under way is asked as often as it may change, and at
// once of one that is new; without an answer what was known is.
func TestOtherMovesAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &locksmith{locks: map[string]Lock{"other": {Holder: "x", Renewed: noon, For: time.Minute}}}
		r := newRun(nil, c, moveOf("old"))
		r.core = moving()
		turn := func(after time.Duration, asked int, want map[string]bool) {
			t.Helper()
			time.Sleep(after)
			r.core.view.Now = r.core.view.Now.Add(after)
			if got := r.others(t.Context()); !maps.Equal(got, want) || c.asked != asked {
				t.Errorf("%v, asked %d times", got, c.asked)
			}
		}
		turn(0, 0, nil)
		r.core.met["other"] = true
		turn(0, 1, map[string]bool{"other": true})
		turn(renewEvery-time.Second, 1, map[string]bool{"other": true})
		r.core.met["third"] = true
		turn(0, 2, map[string]bool{"other": true, "third": false})
		turn(renewEvery, 3, map[string]bool{"other": true, "third": false})
		c.err = errors.New("away")
		turn(time.Minute, 4, map[string]bool{"other": true, "third": false})
		c.err = nil
		turn(0, 5, map[string]bool{"other": false, "third": false})
	})
}

// moveOf is the engine's move of a host of that name.
func moveOf(name string) engine.Move {
	return engine.Move{From: engine.Host{Name: name}, Events: event.Discard}
}
