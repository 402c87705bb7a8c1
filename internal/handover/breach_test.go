package handover

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
)

// wide is a large cluster whose API server takes its time for each write, and
// keeps when each began. No controller is at work in it.
type wide struct {
	Cluster // what is not here is not asked for
	mu      sync.Mutex
	o       Observed
	changed chan struct{}
	writes  []write
	noon    time.Time // by its own clock when it began
	began   time.Time
	until   time.Time // then its watches break, and whoever looks on ends
}

type write struct {
	at   time.Time
	what string
}

const writeTakes = 150 * time.Millisecond

var errWatched = errors.New("seen enough")

func (w *wide) View() (*View, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.o.View.Now = w.noon.Add(time.Since(w.began)) // the API server's clock is not ours
	if time.Now().After(w.until) {
		return nil, errWatched
	}
	return w.o.View, nil
}

func (w *wide) Changed() <-chan struct{} { return w.changed }
func (w *wide) Close()                   {}

func (w *wide) Place(context.Context, []string, []Ref, []Ref, []Size) ([]Placement, error) {
	return nil, nil
}
func (w *wide) Rehearse(context.Context, Rehearsal) error          { return nil }
func (w *wide) Surroundings(context.Context) (Surroundings, error) { return Surroundings{}, nil }
func (w *wide) SaveRecord(context.Context, string, []byte) error   { return nil }
func (w *wide) Records(context.Context) (map[string][]byte, error) { return nil, nil }

func (w *wide) Lock(context.Context, string, string, time.Duration) (Lock, error) {
	return Lock{}, nil
}
func (w *wide) Unlock(context.Context, string, string) error   { return nil }
func (w *wide) Locks(context.Context) (map[string]Lock, error) { return nil, nil }

func (w *wide) PatchEvictor(context.Context, Evictor, Patch) error { return nil }

func (w *wide) wrote(what string) {
	w.mu.Lock()
	w.writes = append(w.writes, write{time.Now(), what})
	w.mu.Unlock()
	time.Sleep(writeTakes)
}

func (w *wide) PatchNode(_ context.Context, name string, p Patch) error {
	switch {
	case p.Unschedulable != nil && *p.Unschedulable:
		w.wrote("cordon " + name)
	case len(p.Labels) > 0 && p.Unschedulable == nil:
		w.wrote("exclude " + name)
	default:
		w.wrote("back " + name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := *w.o.View.Nodes[name]
	if p.Unschedulable != nil {
		n.Cordoned = *p.Unschedulable
	}
	if before, ok := p.Annotations[BeforeAnnotation]; ok {
		n.Before = ""
		if before != nil {
			n.Before = *before
		}
	}
	if exclude, ok := p.Labels[excludeLabel]; ok {
		n.Exclude = exclude
	}
	w.o.View.PutNode(&n)
	return nil
}

func (w *wide) PatchPod(_ context.Context, pod Ref, p Patch) error {
	var r Release
	if text := p.Annotations[ReleasedAnnotation]; text != nil {
		if err := json.Unmarshal([]byte(*text), &r); err != nil {
			return err
		}
	}
	switch {
	case r.Back || p.Annotations[ReleasedAnnotation] == nil:
		w.wrote("back " + pod.Name)
	case r.Out:
		w.wrote("take out " + pod.Name)
	default:
		w.wrote("release " + pod.Name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	q := *w.o.View.Pods[pod.UID]
	q.Released = ""
	if text := p.Annotations[ReleasedAnnotation]; text != nil {
		q.Released = *text
	}
	w.o.View.PutPod(&q)
	return nil
}

func (w *wide) Evict(_ context.Context, pod Ref) error {
	w.wrote("evict " + pod.Name)
	return nil
}

func (w *wide) TouchBudget(_ context.Context, _, name string) error {
	w.wrote("recount " + name)
	return nil
}

// wideAWS answers as it was set up.
type wideAWS struct {
	Scaling
	o Observed
}

func (a wideAWS) Group(_ context.Context, name string) (Group, error) {
	if name == a.o.From.Name {
		return a.o.From, nil
	}
	return a.o.To[0], nil
}

func (a wideAWS) Suspend(context.Context, string, []string) error      { return nil }
func (a wideAWS) Resume(context.Context, string, []string) error       { return nil }
func (a wideAWS) SetMin(context.Context, string, int) error            { return nil }
func (a wideAWS) Tag(context.Context, string, map[string]string) error { return nil }
func (a wideAWS) Untag(context.Context, string, []string) error        { return nil }

func (a wideAWS) Balancers(context.Context, Inquiry) ([]Balancer, error) {
	return a.o.Balancers, nil
}
func (a wideAWS) Deregister(context.Context, string, string) error { return nil }
func (a wideAWS) Register(context.Context, string, string) error   { return nil }

// Of 5,000 nodes with 50,000 pods, 500 leave; writes take 150 ms. Whenever
// traffic suffers, while nodes are being closed or while pods move, nothing new
// begins a second later.
func TestNothingNewBeginsASecondAfterABreach(t *testing.T) {
	for _, after := range []time.Duration{2 * time.Second, 14 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := large()
				breach := time.Now().Add(after)
				w := &wide{o: o, changed: make(chan struct{}, 1), noon: o.View.Now, began: time.Now(), until: breach.Add(3 * time.Second)}
				err := New(wideAWS{o: o}, wideAWS{o: o}, func(context.Context, plan.Props) (Cluster, error) { return w, nil }, event.Discard).
					HandOver(context.Background(), engine.Move{
						From: engine.Host{Name: "old"}, To: []engine.Host{{Name: "new"}}, Events: event.Discard, Save: func(json.RawMessage) error { return nil },
						Breach: func() (string, bool) { return "GET /: 502", !time.Now().Before(breach) },
					})
				if !errors.Is(err, errWatched) {
					t.Errorf("it ended with %v", err)
				}
				late := slices.DeleteFunc(slices.Clone(w.writes), func(w write) bool {
					return strings.HasPrefix(w.what, "back ") || w.at.Before(breach.Add(time.Second))
				})
				if len(late) > 0 {
					t.Errorf("%d of %d writes began later, the first %s after the breach: %s", len(late), len(w.writes), late[0].at.Sub(breach), late[0].what)
				}
				if begun := slices.ContainsFunc(w.writes, func(w write) bool { return w.at.Before(breach) }); !begun {
					t.Error("nothing had begun: the breach came too early to tell anything")
				}
			})
		})
	}
}
