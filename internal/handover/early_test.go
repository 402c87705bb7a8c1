package handover_test

import (
	"slices"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/handover/world"
)

// when is when a pod on such a node changed so for the first time, or the last.
func (p *play) when(first bool, change event.PodChange, on func(node string) bool) (at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.facts {
		if m, is := f.(event.PodMoved); is && m.Change == change && on(m.Node) && (at.IsZero() || !first) {
			at = p.at[i]
		}
	}
	return at
}

// firstNode is the one that a pod left first.
func (p *play) firstNode() string {
	i := slices.IndexFunc(p.facts, func(f event.Fact) bool { m, is := f.(event.PodMoved); return is && m.Change == event.PodReleased })
	return p.facts[i].(event.PodMoved).Node
}

// Replacements for the second wave start while the canary's pods come to their
// end: 5 s after those serve no more. Nothing of the second wave is taken away
// before the canary is through and 5 s more have passed.
func TestSecondWaveIsReplacedBesideTheCanarysEndAndTakenAwayAfterIt(t *testing.T) {
	app := &world.App{Name: "web", Replicas: 12, Surge: 4, Budget: 11, Ready: 20 * time.Second, Grace: 15 * time.Second}
	in(t, 4, apps(app), func(p *play) {
		p.done(p.move(), "web")
		canary := func(node string) bool { return node == p.firstNode() }
		rest := func(node string) bool { return !canary(node) }
		alone, through := p.when(false, event.PodOut, canary), p.when(false, event.PodGone, canary)
		begun, taken := p.when(true, event.PodReleased, rest), p.when(true, event.PodOut, rest)
		if begun.Before(alone.Add(5*time.Second)) || !begun.Before(through) {
			t.Errorf("the second wave began %s after the canary served no more, %s before it was through", begun.Sub(alone), through.Sub(begun))
		}
		if taken.Before(through.Add(5 * time.Second)) {
			t.Errorf("the second wave was taken away %s after the canary was through", taken.Sub(through))
		}
	})
}

// A pod that has left its Services counts no more for maxSurge, as one that ends
// does not: the next replacement starts while its senders let go of it.
func TestNextReplacementStartsWhileSendersLetGo(t *testing.T) {
	app := &world.App{Name: "web", Replicas: 6, Surge: 1, Budget: 5, Ready: 20 * time.Second}
	in(t, 1, apps(app), func(p *play) {
		p.done(p.move(), "web")
		if each := p.took / 6; each > 24*time.Second {
			t.Errorf("each pod took %s, with 20 s until a replacement is Ready", each)
		}
	})
}

// A pod of the canary that may not be evicted parks its workload in its time,
// though others of it wait for the canary beside their replacements.
func TestCanaryThatCannotEndDoesNotHoldItsWorkloadForEver(t *testing.T) {
	app := &world.App{Name: "web", Replicas: 9, Surge: 2, DeniesLate: []string{"evict"}}
	in(t, 3, apps(app, other()), func(p *play) { p.parked(p.move(), "web", "no-evict") })
}
