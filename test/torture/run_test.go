//go:build torture

package torture

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// result is what one run came to.
type result struct {
	Scenario, Way string
	Took          time.Duration
	Traffic       account
	Streams       *account                      `json:",omitempty"` // long answers, if the scenario has them
	Kinds         map[string]map[string]account `json:",omitempty"` // by kind of load balancer and load; Traffic is their sum
	Stuck         bool                          // it did not end within its limit
	Codes         []int                         // exit code of each command
	Left          []string                      // what it left behind
	said          string                        // what Drover wrote
}

// failed counts every request that got no answer as expected.
func (r result) failed() int {
	if r.Streams != nil {
		return r.Traffic.Failed + r.Streams.Failed
	}
	return r.Traffic.Failed
}

// last is the exit code of the last command.
func (r result) last() int { return r.Codes[len(r.Codes)-1] }

// torture does one run: launch, traffic, move with the disturbance, account.
func torture(t *testing.T, s scenario, w way) result {
	k := newStack(t, s, w)
	defer k.work(s)()
	if s.Launched != nil {
		s.Launched(k)
	}
	for _, one := range s.seen() {
		k.settled(one)
	}
	k.remember(s.Group)
	w.prepare(k, s)
	s.late(k)
	account := k.load(s)
	time.Sleep(3 * time.Second) // the time before belongs to the account
	r := result{Scenario: s.Name, Way: w.name}
	began := time.Now()
	r.Codes, r.Stuck = k.moves(s, w)
	r.Took = time.Since(began)
	time.Sleep(10 * time.Second) // and the time after, in which a late loss would show
	account(&r)
	r.Left = k.leftovers(s)
	said, _ := os.ReadFile(filepath.Join(k.dir, "up.log"))
	r.said = string(said)
	return r
}

// seen is the scenario as each of its loads sees it.
func (s scenario) seen() []scenario {
	if s.Kinds == nil {
		return []scenario{s}
	}
	var all []scenario
	for _, n := range s.Kinds {
		all = append(all, s.of(n))
	}
	return all
}

// load starts what the scenario is loaded with; account ends it, and tells what became of it.
func (k *stack) load(s scenario) (account func(*result)) {
	if s.Kinds != nil {
		return k.loadKinds(s)
	}
	steady := k.send(s, "steady", "--rate", "200/s", "-t", "10s")
	var streams *traffic
	if s.Streams != "" {
		long := s
		long.Path = s.Streams
		streams = k.send(long, "streams", "--rate", "1/s", "-t", "90s")
	}
	if s.Sockets {
		streams = k.sockets(s, "sockets", 20)
	}
	return func(r *result) {
		r.Traffic = steady.stop(k)
		if streams != nil {
			a := streams.stop(k)
			r.Streams = &a
		}
	}
}

// loadKinds loads every kind of load balancer by every load.
func (k *stack) loadKinds(s scenario) func(*result) {
	flows := map[string]map[string]*traffic{}
	for _, one := range s.seen() {
		flows[one.Output] = k.flows(one)
	}
	return func(r *result) {
		for _, all := range flows {
			for _, f := range all {
				f.end()
			}
		}
		r.Kinds = map[string]map[string]account{}
		for kind, all := range flows {
			r.Kinds[kind] = map[string]account{}
			for name, f := range all {
				r.Kinds[kind][name] = f.stop(k)
			}
		}
		r.Traffic = total(r.Kinds)
	}
}

// moves runs the way, disturbed, and once more if the scenario has it so.
func (k *stack) moves(s scenario, w way) (codes []int, stuck bool) {
	for i := 0; i <= s.Again; i++ {
		var d disturbance
		if i == 0 {
			d = s.Disturb
		}
		code, late := k.moved(s, w, d)
		codes, stuck = append(codes, code), stuck || late
		if i == 0 {
			k.edit(s.Then)
		}
	}
	return codes, stuck
}

// moved runs the way once. late: it had to be ended from outside.
func (k *stack) moved(s scenario, w way, d disturbance) (code int, late bool) {
	ctx, kill := context.WithCancel(background(k.t))
	defer kill()
	stop, done := make(chan struct{}), make(chan struct{})
	limit := max(w.limit, s.Limit)
	var interrupted bool
	interrupt := func() {
		if !interrupted {
			interrupted = true
			close(stop)
		}
	}
	watched := make(chan struct{})
	go func() { // the only one who interrupts or kills
		defer close(watched)
		if d.When != nil && k.await(d.When, done, limit) {
			d.Do(k, interrupt, kill)
		}
		select {
		case <-done:
		case <-time.After(limit):
			late = true
			interrupt()
			select {
			case <-done:
			case <-time.After(time.Minute):
				kill()
			}
		}
	}()
	code, err := w.move(ctx, k, s, stop)
	close(done)
	<-watched
	if err != nil {
		k.t.Logf("%s: %v", w.name, err)
		code = max(code, 1)
	}
	return code, late
}

// await polls until the moment has come; false: the move was over before.
func (k *stack) await(when moment, done <-chan struct{}, limit time.Duration) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if when(k) {
			return true
		}
		select {
		case <-done:
			return false
		case <-time.After(300 * time.Millisecond):
		}
	}
	return false
}

// judge tells what Drover promised and did not keep.
func (s scenario) judge(r result) []string {
	var broken []string
	say := func(is bool, what string) {
		if !is {
			broken = append(broken, what)
		}
	}
	say(r.failed() <= s.MayFail, "requests failed")
	say(!r.Stuck, "it did not end by itself")
	say(slices.Contains(s.Ends, r.last()), "it ended with an exit code that does not fit")
	say(len(r.Left) == 0, "it left something behind")
	if s.Says != "" && (r.failed() > 0 || slices.Contains([]int{3, 5, 8}, r.last())) {
		say(regexp.MustCompile(s.Says).MatchString(r.said), "it does not tell the reason: "+s.Says)
	}
	return broken
}
