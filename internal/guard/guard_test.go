package guard

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/problem"
)

// facts collects from several goroutines.
type facts struct {
	mu  sync.Mutex
	all []event.Fact
}

func (f *facts) Emit(e event.Fact) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, e)
}

// target answers 200 "echo" until it is told otherwise.
func target(t *testing.T) (url string, change func(http.HandlerFunc)) {
	var now atomic.Value
	now.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("echo")) }))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, func(h http.HandlerFunc) { now.Store(h) }
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// MaxErrors failures are tolerated and the next one is a breach, told once.
func TestFailuresBreach(t *testing.T) {
	url, change := target(t)
	var f facts
	w, err := Guard{}.Start(t.Context(), []graph.Guard{{URL: url, Rate: 200, MaxErrors: 3, Expect: "echo"}}, &f)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond) // a healthy second
	if reason, yes := w.Breach(); yes {
		t.Fatal(reason)
	}
	var bad atomic.Int64
	change(func(w http.ResponseWriter, _ *http.Request) {
		if bad.Add(1) <= 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("echo"))
	})
	eventually(t, "a breach", func() bool { _, yes := w.Breach(); return yes })
	w.Stop()
	reason, _ := w.Breach()
	if !strings.Contains(reason, "4 failed requests (3 allowed)") || !strings.Contains(reason, "status 503") {
		t.Errorf("reason %q", reason)
	}
	breaches, requests, failures := 0, 0, 0
	for _, e := range f.all {
		switch e := e.(type) {
		case event.GuardBreached:
			breaches++
		case event.LoadWindow:
			requests += e.Requests
			failures += e.Failures
		}
	}
	if breaches != 1 || requests < 200 || failures != 4 {
		t.Errorf("%d breaches, %d requests, %d failures in the events", breaches, requests, failures)
	}
}

// Slow answers breach although none fails.
func TestLatencyBreach(t *testing.T) {
	url, change := target(t)
	w, err := Guard{}.Start(t.Context(), []graph.Guard{{URL: url, Rate: 200, P99: "20ms"}}, event.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	change(func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) })
	eventually(t, "a breach", func() bool { reason, _ := w.Breach(); return strings.HasPrefix(reason, "p99 of the last 10 s is ") })
}

// A guard that cannot judge is an error before anything is moved, with a way out.
func TestUnable(t *testing.T) {
	url, _ := target(t)
	for _, c := range []struct {
		guard graph.Guard
		kind  problem.Kind
		fix   string
	}{
		{graph.Guard{URL: "http://no-such-host.invalid/"}, problem.Outside, "drover sandbox exec"},
		{graph.Guard{URL: url, Expect: "other"}, problem.Refused, "expect"},
		{graph.Guard{URL: url, P99: "soon"}, problem.Usage, "500ms"},
	} {
		_, err := Guard{}.Start(t.Context(), []graph.Guard{c.guard}, event.Discard)
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != c.kind || !strings.Contains(p.Fix, c.fix) {
			t.Errorf("%+v: %v", c.guard, err)
		}
	}
}

// Few slow probes are not a slow p99; a slow second is.
func TestRecent(t *testing.T) {
	r := newRecent()
	second := func(n int, latency time.Duration) (time.Duration, bool) {
		for range n {
			r.add(latency)
		}
		return r.turn()
	}
	if _, enough := second(enoughProbes-1, time.Second); enough {
		t.Error("too few probes must not judge")
	}
	for range window {
		second(100, time.Millisecond)
	}
	if p99, _ := second(5, time.Second); p99 != time.Millisecond {
		t.Errorf("5 slow of 905: p99 %v", p99)
	}
	if p99, _ := second(100, time.Second); p99 != time.Second {
		t.Errorf("105 slow of 905: p99 %v", p99)
	}
}
