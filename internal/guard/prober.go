package guard

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/internal/sleep"
	"github.com/droverhq/drover/problem"
)

const (
	// trials and trialPause let a name that was made a moment ago appear.
	trials     = 3
	trialPause = time.Second

	// probeTimeout is when a probe without an answer has failed. A user is gone
	// by then; load's 20 s would tell of an outage 20 s late.
	probeTimeout = 5 * time.Second

	// freshEvery makes every second probe open a connection of its own: old
	// connections tell whether draining works, new ones whether routing does.
	freshEvery = 2

	// held kept connections lead to as many pods and nodes as a load balancer
	// gives them. It is odd, so that each takes its turn among every second probe.
	// keptFor lets a node that drains be rid of them soon: a move waits for it.
	held    = 9
	keptFor = 10 * time.Second

	defaultRate = 50 // probes/s, if the guard names none; as the stack file's
)

// prober watches by requests of its own.
type prober struct {
	*alarm
	clock   *clock
	options load.Options

	mu    sync.Mutex
	judge *judge
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

func newProber(a *alarm, source string, clock *clock, dial dialer) (*prober, error) {
	g := a.guard
	p := &prober{alarm: a, clock: clock}
	p.options = load.Options{
		URL: g.URL, Host: g.Host, Method: g.Method, Body: []byte(g.Body), Header: http.Header{},
		Rate: g.Rate, Timeout: cmp.Or(g.Timeout, probeTimeout), FreshEvery: freshEvery, Held: held, KeptFor: keptFor,
		SkipAfter: standstillAfter / 2, ExpectStatus: g.Status,
		Source: source, Dial: dial, Observe: p.observe,
	}
	if g.Rate <= 0 {
		p.options.Rate = defaultRate
	}
	for name, value := range g.Headers {
		p.options.Header.Set(name, value)
	}
	if g.Expect != "" {
		var err error
		if p.options.ExpectBody, err = regexp.Compile(g.Expect); err != nil {
			return nil, p.problem(problem.Usage, err, "see https://pkg.go.dev/regexp/syntax")
		}
	}
	limits, err := p.limits()
	p.judge = newJudge(limits)
	return p, err
}

func (p *prober) limits() (limits, error) {
	g := p.guard
	l := limits{total: g.MaxErrors, inWindow: cmp.Or(g.MaxInWindow, g.MaxErrors), window: windowFor(p.options.Rate)}
	var err error
	if times, relative := strings.CutSuffix(g.P99, "x"); relative {
		l.times, err = strconv.ParseFloat(times, 64)
	} else if g.P99 != "" {
		l.p99, err = time.ParseDuration(g.P99)
	}
	if err != nil {
		return l, p.problem(problem.Usage, err, `write it as in p99: 500ms or p99: 3x`)
	}
	return l, nil
}

// try sends single probes until one is answered as expected.
func (p *prober) try(ctx context.Context) error {
	var cause load.Cause
	one := p.options
	one.Rate, one.Requests, one.Connections, one.Observe = 0, 1, 1, nil
	for n := range trials {
		if n > 0 && sleep.For(ctx, trialPause) != nil {
			return ctx.Err()
		}
		r, err := load.Run(ctx, one, event.Discard)
		if err != nil {
			return err
		}
		if r.Sent == 0 {
			return ctx.Err()
		}
		if r.Failed == 0 {
			return nil
		}
		cause = r.Failures[0].Cause
	}
	return p.unable(cause)
}

// unable says what to do about a guard that fails before the move begins.
func (p *prober) unable(cause load.Cause) error {
	switch cause {
	case load.DNS, load.ConnectTimeout, load.ConnectFailed:
		return p.problem(problem.Outside, fmt.Errorf("%s: its target cannot be reached from here, so it cannot watch the move", cause),
			"run drover where the URL can be reached (for the sandbox: drover sandbox exec -- drover up), or correct the URL; "+wayOn)
	case load.WrongApplication:
		return p.problem(problem.Refused, fmt.Errorf("%s, before anything was moved: the body does not match %q", cause, p.guard.Expect),
			"make the application answer as the guard's expect says, or correct it in the stack file; "+wayOn)
	default:
		return p.problem(problem.Refused, fmt.Errorf("%s, before anything was moved", cause),
			"mend the application, or correct the guard in the stack file (url, host, method, headers, body, status); "+wayOn)
	}
}

// run probes until ctx ends. Its result is in the events and the breach.
func (p *prober) run(ctx context.Context) {
	if _, err := load.Run(ctx, p.options, p.events); err != nil {
		p.breach(fmt.Sprintf("the guard itself failed: %v", err))
	}
}

// observe judges each probe as it ends.
func (p *prober) observe(r load.Record) {
	if p.clock.excuses(r) {
		return
	}
	if reason, _ := p.alarmed(); reason != "" {
		return
	}
	p.mu.Lock()
	reason := p.judge.add(time.Now(), r)
	p.mu.Unlock()
	if reason != "" {
		p.breach(reason)
	}
}

func (p *prober) known() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.judge.before.requests >= enough
}

func (p *prober) settle(took time.Duration) {
	p.mu.Lock()
	reason := p.judge.settle(time.Now())
	before := p.judge.before
	p.mu.Unlock()
	p.tell(event.Note, fmt.Sprintf("before the move: %d of %s in %s failed, p50 %s, p99 %s", before.failed, problem.Count(before.requests, "probe"),
		seconds(took), round(before.p50), round(before.p99)))
	if reason != "" {
		p.breach(reason)
	}
}

func (p *prober) resume(b kept) {
	p.mu.Lock()
	p.judge.resume(time.Now(), baseline{requests: b.Requests, failed: b.Failed, p50: b.P50, p99: b.P99, at: b.At})
	p.mu.Unlock()
	p.tell(event.Note, fmt.Sprintf("before the move, as an earlier run saw it at %s: %d of %s failed, p50 %s, p99 %s", b.At.UTC().Format("15:04:05Z"),
		b.Failed, problem.Count(b.Requests, "probe"), round(b.P50), round(b.P99)))
}

func (p *prober) keep() kept {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.judge.before
	return kept{Of: p.identity(), At: b.at, Requests: b.requests, Failed: b.failed, P50: b.p50, P99: b.p99}
}
