package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/internal/graph"
)

// defaultRate is a guard's in requests per second: enough to notice an outage
// of 100 ms, too little to be a load.
const defaultRate = 50

// maxRate keeps a slip of the pen from becoming an attack.
const maxRate = 10_000

// A guard that says nothing about errors forgives a hiccup, but no trend.
const (
	defaultInWindow = 1
	defaultTotal    = 10
)

const guardExample = `guard: [{url: "http://${workloads.web.services.web.hostname}/", rate: 200/s}]`

// probeKeys are those of one probe; a guard with several may hold what they share.
var probeKeys = []string{
	"url", "host", "method", "headers", "body", "status", "expect", "rate", "timeout", "maxErrors", "p99", "onBreach",
}

func (l *loader) guards(f field) {
	for _, item := range f.items(guardExample) {
		o, ok := item.object(guardExample, slices.Concat(probeKeys, []string{"probes", "prometheus"})...)
		if !ok {
			continue
		}
		shared := graph.Guard{Rate: defaultRate, MaxErrors: defaultTotal, MaxInWindow: defaultInWindow, At: item.at}
		o.probe(&shared)
		switch {
		case o.get("prometheus").given():
			l.spec.Guards = append(l.spec.Guards, o.query(shared))
		case o.get("probes").given():
			l.spec.Guards = append(l.spec.Guards, o.get("probes").probes(shared)...)
		default:
			o.need("url", `add url: "http://${workloads.web.services.web.hostname}/"`)
			l.spec.Guards = append(l.spec.Guards, shared)
		}
	}
}

// probes reads a list of probes, each with its own limits.
func (f field) probes(shared graph.Guard) []graph.Guard {
	const example = `probes: [{url: "http://example.com/"}, {url: "http://example.com/orders", method: POST}]`
	var guards []graph.Guard
	for _, item := range f.items(example) {
		o, ok := item.object(example, probeKeys...)
		if !ok {
			continue
		}
		g := shared
		g.At = item.at
		if o.probe(&g); g.Target.URL == nil {
			o.need("url", "add it to each probe, or beside probes for all of them")
		}
		guards = append(guards, g)
	}
	return guards
}

// probe reads what is given into g; the rest stays.
func (o object) probe(g *graph.Guard) {
	read(o.get("url"), &g.Target.URL, field.url)
	read(o.get("host"), &g.Target.Host, field.host)
	read(o.get("method"), &g.Method, field.method)
	read(o.get("headers"), &g.Target.Headers, field.headers)
	read(o.get("body"), &g.Target.Body, func(f field) any { return f.text(`body: '{"items": []}'`) })
	read(o.get("status"), &g.Status, field.statuses)
	read(o.get("expect"), &g.Expect, field.pattern)
	read(o.get("rate"), &g.Rate, field.rate)
	read(o.get("timeout"), &g.Timeout, field.timeout)
	read(o.get("p99"), &g.P99, field.p99)
	read(o.get("onBreach"), &g.OnBreach, field.onBreach)
	o.get("maxErrors").maxErrors(g)
	if strings.HasSuffix(g.P99, "x") && g.Rate < leastCompared {
		o.get("p99").fail("set rate to 2/s or more, or p99 to a duration", "%q needs 100 probes within a minute before the move", g.P99)
	}
}

// leastCompared is the rate (requests/s) at which a minute has 100 probes.
const leastCompared = 100.0 / 60

func read[T any](f field, to *T, how func(field) T) {
	if f.given() {
		*to = how(f)
	}
}

// query reads a query of Prometheus.
func (o object) query(g graph.Guard) graph.Guard {
	const example = `prometheus: {url: "http://prometheus.example.com", query: "sum(rate(errors[1m]))", max: 0.1}`
	for _, key := range []string{"url", "probes"} {
		if f := o.get(key); f.given() {
			f.fail("give it a guard of its own in the list", "cannot stand beside prometheus")
		}
	}
	p, ok := o.get("prometheus").object(example, "url", "query", "max", "min", "headers")
	if !ok {
		return g
	}
	g.Target.URL = p.need("url", "add where Prometheus answers").url()
	g.Target.Query = p.need("query", "add a query in PromQL").promQL()
	read(p.get("headers"), &g.Target.Headers, field.headers)
	g.Max, g.Min = p.get("max").bound(), p.get("min").bound()
	if g.Max == nil && g.Min == nil {
		p.fail("add max: 0.1, min: 1, or both", "has neither max nor min")
	}
	return g
}

func (f field) promQL() any {
	query, ok := f.open(`query: "sum(rate(errors[1m]))"`)
	if ok && query == "" { // a guard without a query is a probe
		f.fail("write a query in PromQL", "is empty")
	}
	return query
}

func (f field) bound() *float64 {
	if !f.given() {
		return nil
	}
	n, ok := f.number().(float64)
	if !ok {
		f.wrongType("a number", "write it as in 0.1")
	}
	return &n
}

// methods that a probe may use.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func (f field) method() string {
	text, ok := f.word("method: POST")
	if ok && !slices.Contains(methods, text) {
		f.fail("take one of "+strings.Join(methods, ", "), "%q is not a method to probe with", text)
	}
	return text
}

// headers may hold references and secrets.
func (f field) headers() map[string]any {
	headers := map[string]any{}
	for _, e := range f.entries(`headers: {Content-Type: application/json}`) {
		if headers[e.name] = e.text(e.name + `: "text"`); !headerName.MatchString(e.name) {
			e.fail("write it as in Content-Type", "%q is not a header", e.name)
		}
	}
	return headers
}

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // RFC 9110, 5.6.2

// statuses reads 200 or [200, 201].
func (f field) statuses() []int {
	list := []field{f}
	if f.node.Kind == yaml.SequenceNode {
		list = f.items("status: [200, 201]")
	}
	var statuses []int
	for _, s := range list {
		n, ok := s.integer()
		if ok && (n < 200 || n > 599) {
			s.fail("take one from 200 to 599", "%d is not a status to expect", n)
		}
		statuses = append(statuses, n)
	}
	return statuses
}

// maxTimeout: a longer one would tell of an outage a minute late.
const maxTimeout = time.Minute

func (f field) timeout() time.Duration {
	text, ok := f.word("timeout: 2s")
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxTimeout {
		f.fail("write it as in 500ms or 2s, "+maxTimeout.String()+" at most", "%q is not a timeout", text)
	}
	return d
}

func (f field) onBreach() graph.OnBreach {
	text, _ := f.word("onBreach: return")
	switch text {
	case "stop":
		return graph.Stop
	case "return", "ignore":
		return graph.OnBreach(text)
	}
	f.fail("take stop, return or ignore", "%q is not what a breach can lead to", text)
	return graph.Stop
}

// maxErrors reads 3, or {window: 1, total: 10}. A plain number holds for both.
func (f field) maxErrors(g *graph.Guard) {
	if !f.given() {
		return
	}
	if f.node.Kind != yaml.MappingNode {
		g.MaxErrors, g.MaxInWindow = f.count(), 0
		return
	}
	const example = "maxErrors: {window: 1, total: 10}"
	o, ok := f.object(example, "window", "total")
	if !ok {
		return
	}
	window, total := o.need("window", "write it as "+example), o.need("total", "write it as "+example)
	g.MaxErrors, g.MaxInWindow = total.count(), window.count()
	switch {
	case window.given() && g.MaxInWindow == 0:
		window.fail("write maxErrors: 0 for a guard that forgives nothing", "0 would let none pass, whatever total says")
	case g.MaxInWindow > g.MaxErrors:
		total.fail("make total at least as large", "allows %d, and window %d", g.MaxErrors, g.MaxInWindow)
	}
}

// url checks what can be seen before references are filled in.
func (f field) url() any {
	url, ok := f.open(`url: "http://example.com/"`)
	start := fmt.Sprint(url)
	if ok && !strings.HasPrefix(start, "${") && !strings.HasPrefix(start, "http://") && !strings.HasPrefix(start, "https://") {
		f.fail("start it with http:// or https://", "%q is not a URL to probe", start)
	}
	return url
}

func (f field) host() any {
	host, _ := f.open("host: apps.example.com")
	if name, plain := host.(string); plain && name != "" && !hostName.MatchString(name) { // empty: the URL's
		f.fail("write it as in apps.example.com", "%q is not a host name", name)
	}
	return host
}

// rate reads "200/s" or "600/m" as requests per second.
func (f field) rate() float64 {
	const fix = "write it as in 200/s or 600/m"
	text, ok := f.word("rate: 200/s")
	if !ok {
		return 0
	}
	number, unit, _ := strings.Cut(text, "/")
	per := map[string]float64{"s": 1, "m": 60}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || per == 0 || !(n > 0) {
		f.fail(fix, "%q is not a rate", text)
		return 0
	}
	if n/per > maxRate {
		f.fail("take "+strconv.Itoa(maxRate)+"/s at most", "%q is more than a guard sends", text)
	}
	return n / per
}

func (f field) count() int {
	if !f.given() {
		return 0
	}
	n, ok := f.integer()
	if ok && n < 0 {
		f.fail("write 0 or more", "%d cannot be counted", n)
	}
	return n
}

// p99 reads 500ms, or 3x: a multiple of what it was before the move.
func (f field) p99() string {
	text, ok := f.word("p99: 500ms")
	if !ok {
		return ""
	}
	if times, relative := strings.CutSuffix(text, "x"); relative {
		if n, err := strconv.ParseFloat(times, 64); err != nil || !(n > 1 && n <= 1000) {
			f.fail("write it as in 3x", "%q is not a multiple", text)
		}
		return text
	}
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		f.fail("write it as in 500ms or 3x", "%q is not a duration", text)
	}
	return text
}

func (f field) pattern() string {
	text, ok := f.word("expect: Hostname")
	if !ok {
		return ""
	}
	if _, err := regexp.Compile(text); err != nil {
		f.fail("correct it; the syntax is that of golang.org/s/re2syntax", "%v", err)
	}
	return text
}
