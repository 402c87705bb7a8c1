package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
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

// told is every finding and breach, as text.
func (f *facts) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, e := range f.all {
		switch e := e.(type) {
		case event.Finding:
			fmt.Fprintf(&b, "%s: %s: %s\n", e.Severity, e.Object, e.Effect)
		case event.GuardBreached:
			fmt.Fprintf(&b, "breach: %s: %s\n", e.URL, e.Reason)
		}
	}
	return b.String()
}

// site is a server in memory, without a network: time in a test's bubble moves
// on only when everybody waits.
type site struct {
	answer atomic.Value // func(conn net.Conn, nth int, r *http.Request) (goOn bool)
}

type answer = func(conn net.Conn, nth int, r *http.Request) bool

// newSite answers 200 "echo" until it is told otherwise.
func newSite() *site {
	s := &site{}
	s.say(200, "echo")
	return s
}

func (s *site) do(a answer) { s.answer.Store(a) }

func (s *site) say(status int, body string) {
	s.do(func(conn net.Conn, _ int, _ *http.Request) bool { return reply(conn, status, body) })
}

func reply(conn net.Conn, status int, body string) bool {
	_, err := fmt.Fprintf(conn, "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	return err == nil
}

func (s *site) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer func() { _ = server.Close() }()
		in := bufio.NewReader(server)
		for nth := 1; ; nth++ {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			if !s.answer.Load().(answer)(server, nth, r) || r.Close {
				return
			}
		}
	}()
	return client, nil
}

const address = "http://shop.example.com/"

// start begins a watch in the test's bubble.
func (s *site) start(t *testing.T, f *facts, guards ...graph.Guard) engine.Watch {
	t.Helper()
	w, err := Guard{dial: s.dial}.Start(t.Context(), guards, nil, f)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// MaxErrors failures are tolerated and the next one is a breach, told once and
// known as soon as it is answered.
func TestFailuresBreach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newSite(), &facts{}
		w := s.start(t, f, graph.Guard{URL: address, Rate: 200, MaxErrors: 3, Expect: "echo"})
		time.Sleep(time.Minute)
		if reason, yes := w.Breach(); yes {
			t.Fatal(reason)
		}
		var bad atomic.Int64
		s.do(func(conn net.Conn, _ int, _ *http.Request) bool {
			if bad.Add(1) <= 4 {
				return reply(conn, 503, "")
			}
			return reply(conn, 200, "echo")
		})
		for bad.Load() < 3 {
			time.Sleep(time.Millisecond)
		}
		if reason, yes := w.Breach(); yes {
			t.Error("too early: " + reason)
		}
		for bad.Load() < 4 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Millisecond)
		reason, yes := w.Breach()
		if !yes || !strings.Contains(reason, "4 failed requests (3 allowed)") || !strings.Contains(reason, "status 503") {
			t.Errorf("%v %q", yes, reason)
		}
		time.Sleep(time.Minute)
		w.Stop()
		if told := f.told(); strings.Count(told, "breach: ") != 1 || !strings.Contains(told, "note: guard "+address+": before the move: 0 of 1") {
			t.Error(told)
		}
	})
}

// A single failure now and then is a hiccup, two within a window are not.
func TestHiccup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newSite(), &facts{}
		w := s.start(t, f, graph.Guard{URL: address, MaxErrors: 10, MaxInWindow: 1})
		defer w.Stop()
		var fail atomic.Int64
		s.do(func(conn net.Conn, _ int, _ *http.Request) bool {
			if fail.Add(-1) >= 0 {
				return reply(conn, 503, "")
			}
			return reply(conn, 200, "echo")
		})
		for range 5 {
			fail.Store(1)
			time.Sleep(20 * time.Second)
		}
		if reason, yes := w.Breach(); yes {
			t.Fatal(reason)
		}
		fail.Store(2)
		time.Sleep(time.Second)
		if reason, _ := w.Breach(); !strings.Contains(reason, "2 failed requests in the last 10 s (1 allowed)") {
			t.Errorf("%q", reason)
		}
	})
}

// A target that cuts kept connections when the next request arrives on them, as
// a pod does that ends while clients hold on to it: a client that repeats the
// request hides it, one that may not (POST) loses it. A few GETs are in order, as
// many as connections are kept; a target that goes on like that breaches.
func TestCutsBreach(t *testing.T) {
	for method, want := range map[string]string{"GET": "28 requests cut on kept connections", "POST": "EOF before response"} {
		synctest.Test(t, func(t *testing.T) {
			s, f := newSite(), &facts{}
			w := s.start(t, f, graph.Guard{URL: address, Rate: 50, Method: method})
			defer w.Stop()
			s.do(func(conn net.Conn, nth int, _ *http.Request) bool { return nth == 1 && reply(conn, 200, "echo") })
			time.Sleep(2 * time.Second)
			if reason, yes := w.Breach(); !yes || !strings.Contains(reason, want) {
				t.Errorf("%s: %v %q", method, yes, reason)
			}
		})
	}
}

// A proxy that reloads once hangs up on every idle client: that is no breach.
func TestOneReloadIsNoBreach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newSite(), &facts{}
		w := s.start(t, f, graph.Guard{URL: address, Rate: 50})
		defer w.Stop()
		var cut atomic.Int64
		cut.Store(4)
		s.do(func(conn net.Conn, nth int, _ *http.Request) bool {
			if nth > 1 && cut.Add(-1) >= 0 {
				return false
			}
			return reply(conn, 200, "echo")
		})
		time.Sleep(20 * time.Second)
		if reason, yes := w.Breach(); yes {
			t.Error(reason)
		}
	})
}

// Slow answers breach although none fails, against a duration and against the baseline.
func TestLatencyBreach(t *testing.T) {
	for _, p99 := range []string{"20ms", "3x"} {
		synctest.Test(t, func(t *testing.T) {
			s, f := newSite(), &facts{}
			takes := func(d time.Duration) {
				s.do(func(conn net.Conn, _ int, _ *http.Request) bool {
					time.Sleep(d)
					return reply(conn, 200, "echo")
				})
			}
			takes(10 * time.Millisecond)
			w := s.start(t, f, graph.Guard{URL: address, Rate: 200, P99: p99})
			defer w.Stop()
			time.Sleep(time.Minute)
			if reason, yes := w.Breach(); yes {
				t.Fatal(reason)
			}
			takes(200 * time.Millisecond)
			time.Sleep(10 * time.Second)
			reason, _ := w.Breach()
			if !strings.HasPrefix(reason, "p99 of the last 10 s is 200ms, over ") || !strings.HasSuffix(reason, "(before the move: 10ms)") {
				t.Errorf("%s: %q", p99, reason)
			}
		})
	}
}

// Drover stands still for 20 s: what fell into that time, and the failures
// right after it, are not the traffic's; later ones are.
func TestStandstillIsNoFailedTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newSite(), &facts{}
		clock := newClock(f)
		var slept atomic.Int64
		clock.wall = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
		a := &alarm{guard: graph.Guard{URL: address}, events: f}
		p, err := newProber(a, "guard", clock, s.dial)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := &shift{watchers: []watcher{p}, end: cancel}
		w.running.Go(func() { clock.run(ctx) })
		w.running.Go(func() { p.run(ctx) })
		if err := w.baseline(ctx, nil); err != nil {
			t.Fatal(err)
		}

		slept.Store(int64(20 * time.Second))
		s.do(func(net.Conn, int, *http.Request) bool { return false })
		time.Sleep(wakeTime - time.Second)
		if reason, yes := w.Breach(); yes {
			t.Error(reason)
		}
		if told := f.told(); strings.Count(told, "drover stood still for 20") != 1 {
			t.Error(told)
		}
		time.Sleep(2 * time.Second)
		if _, yes := w.Breach(); !yes {
			t.Error("an outage that goes on after the standstill is no breach")
		}
		w.Stop()
	})
}

// Traffic that is bad before the move cannot judge it: nothing may be moved.
func TestBadBaselineBreaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newSite(), &facts{}
		var n atomic.Int64
		s.do(func(conn net.Conn, _ int, _ *http.Request) bool {
			return reply(conn, map[bool]int{true: 200, false: 502}[n.Add(1)%5 != 0], "echo")
		})
		w := s.start(t, f, graph.Guard{URL: address, MaxErrors: 1000})
		defer w.Stop()
		if reason, yes := w.Breach(); !yes || !strings.Contains(reason, "failed before anything was moved, the last with: status 502") {
			t.Errorf("%v %q", yes, reason)
		}
	})
}

// Each guard answers its own breach in its own way.
func TestOnBreach(t *testing.T) {
	for answer, breached := range map[graph.OnBreach]bool{graph.Stop: true, graph.Return: true, graph.Ignore: false} {
		synctest.Test(t, func(t *testing.T) {
			s, f := newSite(), &facts{}
			w := s.start(t, f, graph.Guard{URL: address, OnBreach: answer})
			defer w.Stop()
			s.say(500, "")
			time.Sleep(time.Second)
			if _, yes := w.Breach(); yes != breached {
				t.Errorf("%q: %v", answer, yes)
			}
			if got := w.OnBreach(); breached && got != answer {
				t.Errorf("%q: %q", answer, got)
			}
			if _, err := (Guard{dial: s.dial}).Start(t.Context(), []graph.Guard{{URL: address, OnBreach: answer}}, nil, f); (err != nil) != breached {
				t.Errorf("%q: start while traffic is down: %v", answer, err)
			}
			if told := f.told(); !breached && strings.Count(told, "warning: ") < 2 {
				t.Errorf("%q: %s", answer, told)
			}
		})
	}
}

// A probe is sent as the guard says, and judged by its statuses and its body.
func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.do(func(conn net.Conn, _ int, r *http.Request) bool {
			if r.Method != "POST" || r.Host != "apps.example.com" || r.Header.Get("X-Token") != "t" || r.ContentLength != 2 {
				return reply(conn, 400, "")
			}
			return reply(conn, 201, "made")
		})
		good := graph.Guard{URL: address, Host: "apps.example.com", Method: "POST", Headers: map[string]string{"X-Token": "t"},
			Body: "{}", Status: []int{200, 201}, Expect: "^made$"}
		if problems := (Guard{dial: s.dial}).Check(t.Context(), []graph.Guard{good}); len(problems) > 0 {
			t.Error(problems.Err())
		}
		for _, spoil := range []func(*graph.Guard){
			func(g *graph.Guard) { g.Method = "PUT" }, func(g *graph.Guard) { g.Headers = nil }, func(g *graph.Guard) { g.Body = "" },
			func(g *graph.Guard) { g.Status = nil }, func(g *graph.Guard) { g.Expect = "^ma$" }, func(g *graph.Guard) { g.Host = "" },
		} {
			bad := good
			spoil(&bad)
			if problems := (Guard{dial: s.dial}).Check(t.Context(), []graph.Guard{bad}); len(problems) != 1 || problems[0].Kind != problem.Refused {
				t.Errorf("%+v: %v", bad, problems)
			}
		}
	})
}

// A guard that cannot judge is an error before anything is moved, with a way
// out, and all of them are told at once.
func TestUnable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	refused := "http://" + l.Addr().String()
	guards := []graph.Guard{{URL: "http://no-such-host.invalid/"}, {URL: refused}, {URL: refused, Query: "up", Max: new(float64)}}
	problems := Guard{}.Check(t.Context(), guards)
	wants := []struct {
		kind problem.Kind
		text string
	}{
		{problem.Outside, "dns: its target cannot be reached from here"},
		{problem.Refused, "connection refused, before anything was moved"},
		{problem.Outside, "connection refused"},
	}
	if len(problems) != len(wants) {
		t.Fatalf("%v", problems)
	}
	for i, want := range wants {
		if p := problems[i]; p.Kind != want.kind || !strings.Contains(p.Error(), want.text) || !strings.Contains(p.Fix, "drover up --guard off") {
			t.Errorf("%v; fix %s", p, p.Fix)
		}
	}
	for _, g := range []graph.Guard{{URL: refused, P99: "soon"}, {URL: refused, Expect: "("}, {URL: refused, Query: "up"}} {
		_, err := Guard{}.Start(t.Context(), []graph.Guard{g}, nil, event.Discard)
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != problem.Usage {
			t.Errorf("%+v: %v", g, err)
		}
	}
}
