package verdict

import (
	"slices"
	"time"

	"github.com/droverhq/drover/internal/load"
)

// tally counts a set of requests.
type tally struct {
	sums    Stats
	latency *load.Latencies
}

func newTally() *tally {
	return &tally{
		sums:    Stats{Statuses: map[int]int{}, Causes: map[load.Cause]int{}},
		latency: load.NewLatencies(),
	}
}

func (t *tally) enter(r load.Record) {
	s := &t.sums
	s.Requests++
	if r.Status == 0 {
		s.NoStatus++
	} else {
		s.Statuses[r.Status]++
	}
	if r.Cause == "" {
		s.OK++
	} else {
		s.Failed++
		s.Causes[r.Cause]++
	}
	t.latency.Add(r.Latency)
}

func (t *tally) merge(o *tally) {
	t.sums.Requests += o.sums.Requests
	t.sums.OK += o.sums.OK
	t.sums.Failed += o.sums.Failed
	t.sums.NoStatus += o.sums.NoStatus
	for status, n := range o.sums.Statuses {
		t.sums.Statuses[status] += n
	}
	for cause, n := range o.sums.Causes {
		t.sums.Causes[cause] += n
	}
	t.latency.Merge(o.latency)
}

func (t *tally) stats(took time.Duration) Stats {
	s := t.sums
	if s.Requests == 0 {
		return s
	}
	if took > 0 {
		s.Rate = float64(s.Requests) / took.Seconds()
	}
	at := t.latency.Percentile
	s.P50, s.P90, s.P99, s.P999, s.Max = at(50), at(90), at(99), at(99.9), t.latency.Max()
	return s
}

// book is the account of one load: by phase, and by second.
type book struct {
	name        string
	changes     []change
	phases      map[string]*tally
	seconds     map[int64][]time.Duration // unix second -> latencies; 8 bytes a request
	failed      map[int64]int
	failures    []Failure
	first, last time.Time
}

func newBook(name string, changes []change) *book {
	return &book{
		name: name, changes: changes,
		phases: map[string]*tally{}, seconds: map[int64][]time.Duration{}, failed: map[int64]int{},
	}
}

func (b *book) enter(r load.Record) {
	name := phaseAt(b.changes, r.Start)
	b.phase(name).enter(r)
	second := r.Start.Unix()
	b.seconds[second] = append(b.seconds[second], r.Latency)
	if r.Cause != "" {
		b.failed[second]++
		b.failures = append(b.failures, Failure{
			At: r.Start.UTC(), Load: b.name, Phase: name, Latency: r.Latency, Status: r.Status, Cause: r.Cause,
		})
	}
	if b.first.IsZero() || r.Start.Before(b.first) {
		b.first = r.Start
	}
	if end := r.Start.Add(r.Latency); end.After(b.last) {
		b.last = end
	}
}

func (b *book) phase(name string) *tally {
	t, ok := b.phases[name]
	if !ok {
		t = newTally()
		b.phases[name] = t
	}
	return t
}

func (b *book) total() *tally {
	all := newTally()
	for _, t := range b.phases {
		all.merge(t)
	}
	return all
}

func (b *book) stats(names []string, bands []Band, from, to time.Time) LoadStats {
	s := LoadStats{Name: b.name, Total: b.total().stats(b.last.Sub(b.first))}
	for _, name := range names {
		s.Phases = append(s.Phases, b.phase(name).stats(lasting(bands, name)))
	}
	if !from.IsZero() {
		for second := from.Unix(); second <= to.Unix(); second++ {
			s.Timeline = append(s.Timeline, b.second(second))
		}
	}
	return s
}

// second has exact percentiles: the latency at rank ceil(p · n).
func (b *book) second(at int64) Second {
	l := b.seconds[at]
	if len(l) == 0 {
		return Second{}
	}
	slices.Sort(l)
	rank := func(percent int) time.Duration { return l[(len(l)*percent+99)/100-1] }
	return Second{Requests: len(l), Failures: b.failed[at], P50: rank(50), P99: rank(99), Max: l[len(l)-1]}
}
