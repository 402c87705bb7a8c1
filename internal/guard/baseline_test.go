package guard

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
)

// Traffic that a dead run left slow is no measure for the run that goes on.
func TestMoveGoesOnByItsFirstBaseline(t *testing.T) {
	watch := func(t *testing.T, s *site, f *facts, before engine.Baseline, url string) engine.Watch {
		w, err := Guard{dial: s.dial}.Start(t.Context(), []graph.Guard{{URL: url, Rate: 50, MaxErrors: 3, P99: "3x"}}, before, f)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	for _, c := range []struct {
		name, url string
		later     time.Duration
		breached  bool
	}{
		{"goes on", address, time.Hour, true},
		{"another guard", address + "cart", time.Hour, false},
		{"the day after tomorrow", address, 48 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := newSite(), &facts{}
				slow := func(by time.Duration) answer {
					return func(conn net.Conn, _ int, _ *http.Request) bool {
						time.Sleep(by)
						return reply(conn, 200, "echo")
					}
				}
				s.do(slow(50 * time.Millisecond))
				first := watch(t, s, f, nil, address)
				before := first.Baseline()
				first.Stop()
				time.Sleep(c.later)
				s.do(slow(400 * time.Millisecond))
				f = &facts{}
				w := watch(t, s, f, before, c.url)
				time.Sleep(time.Minute)
				if reason, yes := w.Breach(); yes != c.breached {
					t.Errorf("breached: %v %s", yes, reason)
				}
				w.Stop()
				if told := f.told(); strings.Contains(told, "as an earlier run saw it at ") != c.breached {
					t.Error(told)
				}
			})
		})
	}
}

// What was kept is read back whole, also of a query.
func TestBaselineOfAQueryIsKept(t *testing.T) {
	g := graph.Guard{Query: "errors", URL: address, Max: new(float64)}
	q := &inquirer{alarm: &alarm{guard: g, events: event.Discard}, before: "0.25"}
	kept := (&shift{watchers: []watcher{q}}).Baseline()
	again := &inquirer{alarm: q.alarm}
	all, fresh := keptBy([]watcher{again}, kept, time.Now())
	if !fresh {
		t.Fatalf("%s is not taken", kept)
	}
	if again.resume(all[0]); again.before != "0.25" {
		t.Errorf("%q", again.before)
	}
}
