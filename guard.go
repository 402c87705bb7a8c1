package drover

import (
	"strconv"
	"time"
)

// GuardArgs say what watches the traffic while workloads move: one probe, several,
// or a query of Prometheus.
type GuardArgs struct {
	Probe                  // the one; or what Probes have in common
	Probes     []Probe     // several, each with limits of its own
	Prometheus *Prometheus // a query in place of a probe
	More       Properties  // further keys, as docs/stack-file.md has them
}

// Probe is a request that is sent over and over, and what its answers must be.
type Probe struct {
	URL       string            // text that may hold outputs
	Host      string            // the Host header; empty: the URL's
	Method    string            // empty: GET
	Headers   map[string]string // may hold outputs, and so secrets
	Body      string            // may hold outputs, and so secrets
	Status    []int             // the expected ones; empty: 200
	Expect    string            // a regular expression that the body must match
	Rate      float64           // requests per second; 0: 50
	Timeout   time.Duration     // 0: 5 s
	MaxErrors *ErrorLimit       // nil: 1 within 10 s, 10 in all
	P99       string            // a duration, or a multiple of what it was before: 500ms, 3x
	OnBreach  Breach
}

// ErrorLimit is how many failed probes are forgiven.
type ErrorLimit struct {
	Window int `json:"window"` // within 10 s
	Total  int `json:"total"`  // in the whole move
	same   bool
}

// Errors forgives as many failed probes within 10 s as in the whole move: n. Errors(0)
// forgives none.
func Errors(n int) *ErrorLimit { return &ErrorLimit{n, n, true} }

// Breach is what becomes of a move whose guard is breached.
type Breach string

// What a breach can lead to.
const (
	Stop   Breach = "stop"   // nothing new begins
	Return Breach = "return" // the change is taken back
	Ignore Breach = "ignore" // it is only told
)

// Prometheus is a query whose every value must lie between Min and Max.
type Prometheus struct {
	URL      string            // where /api/v1/query answers
	Query    string            // in PromQL
	Max, Min *float64          // one at least; [Bound] makes one
	Headers  map[string]string // may hold outputs, and so secrets
}

// Bound is a limit of a query.
func Bound(v float64) *float64 { return &v }

// Guard registers a guard.
func (s *Stack) Guard(args GuardArgs) { s.register("guard", "", args.keys()) }

func (a GuardArgs) keys() Properties {
	var probes []Properties
	for _, p := range a.Probes {
		probes = append(probes, p.keys())
	}
	keys := Properties{"probes": probes}
	if q := a.Prometheus; q != nil {
		keys["prometheus"] = given(Properties{"url": q.URL, "query": q.Query, "max": q.Max, "min": q.Min, "headers": q.Headers})
	}
	return given(keys, a.Probe.keys(), a.More)
}

func (p Probe) keys() Properties {
	keys := Properties{
		"url": p.URL, "host": p.Host, "method": p.Method, "headers": p.Headers, "body": p.Body, "status": p.Status, "expect": p.Expect,
		"timeout": p.Timeout, "p99": p.P99, "onBreach": p.OnBreach,
	}
	if p.Rate != 0 {
		keys["rate"] = strconv.FormatFloat(p.Rate, 'f', -1, 64) + "/s"
	}
	if m := p.MaxErrors; m != nil && m.same {
		keys["maxErrors"] = &m.Total
	} else if m != nil {
		keys["maxErrors"] = m
	}
	return given(keys)
}
