package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// desk is a cluster that keeps records, and lets pods be changed unless it fails.
type desk struct {
	Cluster
	view    *View
	records [][]byte
	calls   []string
	fails   error
}

func (d *desk) View() (*View, error) {
	d.view.Now = time.Now()
	return d.view, nil
}

func (d *desk) SaveRecord(_ context.Context, _ string, record []byte) error {
	d.calls = append(d.calls, "save")
	if d.fails == nil {
		d.records = append(d.records, record)
	}
	return d.fails
}

func (d *desk) PatchPod(_ context.Context, pod Ref, _ Patch) error {
	d.calls = append(d.calls, "patch "+pod.Name)
	return d.fails
}

func (d *desk) PatchNode(_ context.Context, node string, _ Patch) error {
	d.calls = append(d.calls, "patch "+node)
	return d.fails
}

func (d *desk) Evict(_ context.Context, pod Ref) error {
	d.calls = append(d.calls, "evict "+pod.Name)
	return d.fails
}

// told keeps facts.
type heard struct{ facts []event.Fact }

func (h *heard) Emit(f event.Fact) { h.facts = append(h.facts, f) }

// atWorkOn is a run in the middle of its move, which has just been copied into d.
func atWorkOn(d *desk) *run {
	r := &run{Mover: New(nil, nil, nil, event.Discard), cluster: d, copied: time.Now(), refused: map[string]Refused{}}
	r.log.to, r.move.Events, r.move.From.Name = event.Discard, &r.log, "old"
	r.core = NewMove(newRecord("old", 0, time.Now()), Options{})
	r.core.view = d.view
	return r
}

// Who looks at a move from elsewhere sees what it tells within seconds, however soon
// after the last copy of its record that was told.
func TestWhatIsToldIsSeenFromElsewhereSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{view: NewView()}
		r := atWorkOn(d)
		r.move.Events.Emit(event.PodMoved{Pod: "web-1"})
		for range 3 {
			time.Sleep(time.Second)
			if err := r.save(t.Context(), Inspect); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.records) != 1 || !strings.Contains(string(d.records[0]), "web-1") {
			t.Errorf("%d copies: %s", len(d.records), d.records)
		}
	})
}

// What ends a move from outside, and the kind of its end: not before it has lasted for
// as long as an outage may.
func TestWhyAMoveStops(t *testing.T) {
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	late, done := context.WithDeadlineCause(context.Background(), time.Now().Add(-time.Second), errors.New("its 2 h are over"))
	defer done()
	throttled := errors.New("throttled")
	since := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	for situation, row := range map[string]struct {
		ctx   context.Context
		scene func(*run)
		why   string // empty: it goes on
		fix   string
	}{
		"all is well":         {context.Background(), func(*run) {}, "", ""},
		"it was interrupted":  {interrupted, func(*run) {}, "it was interrupted", "run the same command again"},
		"its time is over":    {late, func(*run) {}, "its 2 h are over", "run the same command again"},
		"a right is lacking":  {context.Background(), func(r *run) { r.barred = Barred(throttled) }, "throttled", RightsFix},
		"… that AWS wants":    {context.Background(), func(r *run) { r.barred = &problem.Error{Err: throttled, Fix: "attach a policy"} }, "throttled", "attach a policy"},
		"calls fail":          {context.Background(), func(r *run) { r.failing, r.failed, r.lastErr = since(outage-time.Second), since(0), throttled }, "", ""},
		"… for too long":      {context.Background(), func(r *run) { r.failed = since(0); r.failing, r.lastErr = r.failed.Add(-outage), throttled }, "nothing answers any more for 5m0s: throttled", "Cure what fails"},
		"one failed long ago": {context.Background(), func(r *run) { r.failing, r.failed = since(2*outage), since(2*outage) }, "", ""},
		"AWS is away":         {context.Background(), func(r *run) { r.awsOff, r.aws.err = since(outage-time.Minute), throttled }, "", ""},
		"… and stays away":    {context.Background(), func(r *run) { r.awsOff, r.aws.err = since(outage), throttled }, "AWS does not answer any more for 5m0s: throttled", "Cure what fails"},
	} {
		r := atWorkOn(&desk{view: NewView()})
		row.scene(r)
		switch got := r.stopping(row.ctx); {
		case (got == nil) != (row.why == ""):
			t.Errorf("%s: %+v", situation, got)
		case got != nil && (got.Kind != problem.Outside || got.Op != "hand over old" || !strings.Contains(got.Why, row.why) || !strings.Contains(got.Fix, row.fix)):
			t.Errorf("%s: %+v", situation, *got)
		}
	}
}

// A move that stops is left only once it has tried for long enough, and nothing has
// answered for long, or it asks in vain.
func TestWhenAMoveThatStopsIsLeft(t *testing.T) {
	const limit = backLimit + farewell
	for situation, row := range map[string]struct {
		scene func(*run)
		left  bool
	}{
		"it puts back":         {func(*run) {}, false},
		"… for very long":      {func(r *run) { r.stops(24 * time.Hour) }, false},
		"it asks in vain":      {func(r *run) { r.core.stalled = true }, true},
		"nothing answers":      {func(r *run) { r.stops(limit); r.failing = time.Now().Add(-farewell) }, true},
		"… and may soon":       {func(r *run) { r.stops(limit - time.Second); r.failing = time.Now().Add(-farewell) }, false},
		"… of late":            {func(r *run) { r.stops(limit); r.failing = time.Now().Add(time.Second - farewell) }, false},
		"AWS does not answer":  {func(r *run) { r.stops(limit); r.awsOff = time.Now().Add(-farewell) }, true},
		"… since a moment ago": {func(r *run) { r.stops(limit); r.awsOff = time.Now().Add(time.Second - farewell) }, false},
		"… and a pod's senders let go": {func(r *run) {
			r.stops(limit)
			r.awsOff = time.Now().Add(-farewell)
			r.core.Record.Workloads["w"] = &WorkloadRecord{Released: map[string]PodRecord{"1": {Release: Release{Settle: time.Minute}}}}
		}, false},
		"… or a load balancer does": {func(r *run) {
			r.stops(limit + 2*time.Minute)
			r.awsOff, r.core.lbs = time.Now().Add(-farewell), map[string]Balancer{"lb": {Draining: time.Minute, Lag: time.Minute + time.Second}}
			r.core.Record.Workloads["w"] = &WorkloadRecord{Released: map[string]PodRecord{"1": {Left: Left{"lb": {}}}}}
		}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &desk{view: NewView()}
			r := atWorkOn(d)
			r.stops(0)
			d.view.Now = time.Now()
			row.scene(r)
			if got := r.leftFor(context.Background()); got != row.left {
				t.Errorf("%s: left %t", situation, got)
			}
		})
	}
}

// stops makes it one that has put back for so long.
func (r *run) stops(ago time.Duration) {
	r.core.Record.Phase, r.core.Record.Since = Stop, time.Now().Add(-ago)
}

// Interrupted while it puts back, a move gives its pods less time, once: whoever
// presses Ctrl-C again changes nothing.
func TestAnInterruptHastensOnce(t *testing.T) {
	r := atWorkOn(&desk{view: NewView()})
	r.stops(0)
	before := r.core.Record.Since
	interrupted, cancel := context.WithCancel(context.Background())
	r.leftFor(interrupted)
	if !r.core.Record.Since.Equal(before) {
		t.Error("it was not interrupted, and hastens")
	}
	cancel()
	for range 2 {
		r.leftFor(interrupted)
		if got := before.Sub(r.core.Record.Since); got != backLimit-hurry {
			t.Errorf("it stops as if it had begun %s earlier", got)
		}
	}
}

// What a move could not put back is said with its cause, and keeps the kind of what
// had made it stop.
func TestWhatCouldNotBePutBackIsSaid(t *testing.T) {
	for situation, row := range map[string]struct {
		scene func(*run)
		why   string
	}{
		"AWS is away": {func(r *run) {
			r.awsOff, r.aws.err, r.lastErr = time.Now(), errors.New("no credentials"), errors.New("x")
		}, "no credentials"},
		"a call failed": {func(r *run) { r.lastErr = errors.New("no route to host") }, "no route to host"},
		"a pod's change is refused": {func(r *run) {
			r.report(ChangePod{What: "give back", Pod: Ref{Namespace: "apps", Name: "web-1"}}, &Refusal{Why: "no endpoints", Passing: true})
		}, "give back pod apps/web-1: no endpoints"},
		"nobody knows why": {func(*run) {}, "what was asked for did not come about"},
	} {
		r := atWorkOn(&desk{view: NewView()})
		r.core.Record.Reason = &Reason{Kind: problem.Guarded, Why: "GET /: 502", Notes: []string{"first"}}
		row.scene(r)
		interrupted, cancel := context.WithCancel(context.Background())
		cancel()
		err := r.unfinished(interrupted)
		var told *problem.Error
		if !errors.As(err, &told) || told.Kind != problem.Guarded || len(told.Notes) != 2 || !strings.Contains(told.Notes[1], row.why) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", situation, err)
		}
		if len(r.core.Record.Reason.Notes) != 1 {
			t.Errorf("%s: the record has it as well: %v", situation, r.core.Record.Reason.Notes)
		}
	}
}

// A move that has put everything back says why it stopped. Only one that was
// interrupted, or met an outage, is said to have been interrupted.
func TestEndOfAMoveThatStopped(t *testing.T) {
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	for _, row := range []struct {
		ctx       context.Context
		kind      problem.Kind
		cancelled bool
	}{
		{context.Background(), problem.Outside, false}, {interrupted, problem.Outside, true}, {interrupted, problem.Guarded, false}, {interrupted, problem.Refused, false},
	} {
		d := &desk{view: NewView()}
		r := atWorkOn(d)
		r.core.Record.Reason = &Reason{Kind: row.kind, Why: "why"}
		err := r.ended(row.ctx)
		var told *problem.Error
		if errors.Is(err, context.Canceled) != row.cancelled || !row.cancelled && (!errors.As(err, &told) || told.Kind != row.kind) {
			t.Errorf("%+v: %v", row, err)
		}
		if len(d.records) != 1 || d.records[0] != nil {
			t.Errorf("its record is left: %s", d.records)
		}
	}
}

// The last word of a move's record is tried a few times, and keeps nobody for ever.
func TestLastWordOfARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, h := &desk{view: NewView(), fails: errors.New("no route to host")}, &heard{}
		r := atWorkOn(d)
		r.log.to = h
		r.forget(t.Context())
		if len(d.calls) != 5 || len(h.facts) != 1 || !strings.Contains(fmt.Sprint(h.facts), "no route to host") {
			t.Errorf("%v, and told %v", d.calls, h.facts)
		}
		d.calls, d.fails = nil, nil
		if r.forget(t.Context()); len(d.calls) != 1 || len(h.facts) != 1 {
			t.Errorf("%v, and told %v", d.calls, h.facts)
		}
	})
}

// An error as the reason of a move keeps its kind and its remedy.
func TestErrorsAsReasons(t *testing.T) {
	told := &problem.Error{Kind: problem.Refused, Op: "inspect old", Err: errors.New("why"), Fix: "fix", Notes: []string{"note"}}
	if got := reasonOf(fmt.Errorf("go on: %w", told), "hand over old"); got.Kind != problem.Refused || got.Op != "inspect old" || got.Why != "why" || got.Fix != "fix" || !slices.Equal(got.Notes, told.Notes) {
		t.Errorf("%+v", got)
	}
	if got := reasonOf(errors.New("why"), "hand over old"); got.Kind != problem.Outside || got.Op != "hand over old" || got.Why != "why" || got.Fix != cure("why") {
		t.Errorf("%+v", got)
	}
}

// Whatever a run is for, it first sees to what dead moves left released there. What
// it cannot is told once and keeps it from nothing, and it waits for nobody for long.
func TestARunRelievesWhatHasExpired(t *testing.T) {
	for situation, row := range map[string]struct {
		scene func(d *dead, k *desk)
		calls string
		tells int
		takes time.Duration
	}{
		"nothing has expired":   {func(d *dead, _ *desk) { d.released(d.one, 0, nil) }, "", 0, 0},
		"it may not be changed": {func(_ *dead, k *desk) { k.fails = errors.New("a policy") }, "patch web-1", 1, reread},
		"it may not be ended":   {func(d *dead, k *desk) { d.expired(func(r *Release) { r.Out = true }); k.fails = errors.New("a policy") }, "evict web-1", 1, reread},
		"its last requests end": {func(d *dead, _ *desk) {
			d.expired(func(r *Release) { r.Out, r.OutAt, r.Settle = true, time.Now(), time.Hour })
		}, "", 0, relief},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, k, h := newDead(), &desk{}, &heard{}
			for _, p := range d.pods {
				p.ReadySince = time.Now().Add(-time.Hour)
			}
			d.expired(nil)
			row.scene(d, k)
			k.view = d.view()
			began := time.Now()
			if err := New(nil, nil, nil, h).relieve(t.Context(), k); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); strings.Join(k.calls, ", ") != row.calls || len(h.facts) != row.tells || took != row.takes {
				t.Errorf("%s: %v, told %v, after %s", situation, k.calls, h.facts, took)
			}
		})
	}
}

// expired makes web-1 one whose move has not been heard of for too long.
func (d *dead) expired(change func(*Release)) {
	d.released(d.one, 0, func(r *Release) {
		r.Until = time.Now()
		if change != nil {
			change(r)
		}
	})
	if r, _ := d.one.release(); r.Out {
		d.one.Paths, d.one.Doors = nil, nil
	}
}

// What has to be known before a move begins is asked for again, as long as an outage may
// last; who has no right to it, or is interrupted, is not kept.
func TestHowLongAnAnswerIsWaitedFor(t *testing.T) {
	throttled := errors.New("throttled")
	for situation, row := range map[string]struct {
		answer func(times int, cancel func()) error
		want   error
		takes  time.Duration
	}{
		"at once":         {func(int, func()) error { return nil }, nil, 0},
		"the third time":  {func(n int, _ func()) error { return map[bool]error{true: throttled}[n < 3] }, nil, 2 * reread},
		"never":           {func(int, func()) error { return throttled }, throttled, outage},
		"it has no right": {func(int, func()) error { return Barred(throttled) }, ErrBarred, 0},
		"it is interrupted": {func(n int, cancel func()) error {
			if n == 2 {
				cancel()
			}
			return throttled
		}, context.Canceled, reread},
		"it is interrupted, and answered": {func(_ int, cancel func()) error { cancel(); return nil }, nil, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			began, times := time.Now(), 0
			err := atWorkOn(&desk{view: NewView()}).insist(ctx, "ask", func() error { times++; return row.answer(times, cancel) })
			if took := time.Since(began); !errors.Is(err, row.want) || (err == nil) != (row.want == nil) || took != row.takes {
				t.Errorf("%s: %v after %s", situation, err, took)
			}
		})
	}
}

// A move that keeps more nodes than an earlier one opens those that it does not choose.
func TestNodesThatAreSparedAreOpened(t *testing.T) {
	for situation, row := range map[string]struct {
		keep  int
		fails error
		calls string
		some  bool
	}{
		"all leave":               {0, nil, "", false},
		"one stays":               {1, nil, "patch c", true},
		"all stay":                {3, nil, "patch a, patch c", true},
		"… and may not be opened": {3, errors.New("a policy"), "patch a, patch c", false},
	} {
		d := &desk{view: NewView(), fails: row.fails}
		for name, n := range map[string]Node{
			"a": {Group: "old", Before: encode(before{}), Created: noon}, "b": {Group: "old", Ready: true, Created: noon},
			"c": {Group: "old", Before: encode(before{}), Ready: true, Created: noon.Add(time.Hour)}, "d": {Group: "new", Before: encode(before{})},
		} {
			n.Name = name
			d.view.PutNode(&n)
		}
		r := atWorkOn(d)
		r.move.Keep = row.keep
		if row.keep == 1 { // of those marked the older, and any that is not, leave
			b := *d.view.Nodes["b"]
			b.Before = encode(before{})
			d.view.PutNode(&b)
		}
		if some := r.reopenSpared(t.Context(), Observed{View: d.view}); some != row.some || strings.Join(d.calls, ", ") != row.calls {
			t.Errorf("%s: %v, some %t", situation, d.calls, some)
		}
	}
}

// What a run makes of the record of one before it: it goes on, it begins anew and
// inherits, or it begins anew; and whether it knows what that one has closed.
func TestWhatBecomesOfAnEarlierRun(t *testing.T) {
	for situation, row := range map[string]struct {
		change                func(rec *Record, r *run)
		read, goesOn, earlier bool
	}{
		"it was killed":             {func(*Record, *run) {}, true, true, true},
		"it had only looked":        {func(rec *Record, _ *run) { rec.Phase = Inspect }, false, false, true},
		"it had stopped":            {func(rec *Record, _ *run) { rec.Phase = Stopped }, true, false, true},
		"its nodes are kept closed": {func(rec *Record, _ *run) { rec.Kept = true }, true, false, true},
		"it was to keep more":       {func(rec *Record, _ *run) { rec.Keep = 2 }, false, false, true},
		"it was of another group":   {func(rec *Record, _ *run) { rec.Group = "x" }, false, false, false},
		"it was of the same nodes":  {func(_ *Record, r *run) { r.scope.Nodes = []string{"a"} }, true, true, true},
		"it was of fewer nodes":     {func(_ *Record, r *run) { r.scope.Nodes = []string{"a", "b"} }, true, false, true},
	} {
		r, rec := atWorkOn(&desk{view: NewView()}), newRecord("old", 0, noon)
		rec.Phase, rec.Nodes["a"] = Shift, &NodeRecord{}
		row.change(rec, r)
		r.move.Memo = []byte(encode(rec))
		got, goesOn, err := r.resume(t.Context())
		if err != nil || (got != nil) != row.read || goesOn != row.goesOn || (r.earlier != nil) != row.earlier {
			t.Errorf("%s: read %t, goes on %t, earlier %t, %v", situation, got != nil, goesOn, r.earlier != nil, err)
		}
	}
}

// What takes a group's place is what has its name in the plan, and another one on AWS;
// what ends a soak is what the user would run.
func TestOptionsOfARun(t *testing.T) {
	r := atWorkOn(&desk{view: NewView()})
	r.move.From = engine.Host{URN: "nodegroup/web", Name: "web-1", Soak: time.Hour}
	r.move.To = []engine.Host{{URN: "nodegroup/web", Name: "web-2"}, {URN: "nodegroup/web", Name: "web-1"}, {URN: "nodegroup/other", Name: "other"}}
	if o := r.options(); !slices.Equal(o.Awaited, []string{"web-2"}) || o.Soak != time.Hour || o.SoakEnds != "drover up --continue" || o.Shelter != nil {
		t.Errorf("%+v", o)
	}
	r.move.EndSoak, r.order = true, []byte("{}")
	if o := r.options(); o.Soak != 0 || o.SoakEnds != "the same command with --soak 0s" {
		t.Errorf("%+v", o)
	}
}

// When a record is copied into the cluster: at once where that is the only copy, and else
// within seconds, and often enough to tell that the move is alive. What is kept elsewhere
// is without what only others read.
func TestWhenARecordIsCopied(t *testing.T) {
	const moment = copyPace - time.Millisecond
	news := func(r *run) { r.core.version++ }
	told := func(r *run) { r.move.Events.Emit(event.PodMoved{Pod: "web-1"}) }
	for situation, row := range map[string]struct {
		alone  bool
		scene  func(*run)
		after  time.Duration
		before Phase
		copies bool
	}{
		"nothing is new":          {false, func(*run) {}, heartbeat - time.Millisecond, Inspect, false},
		"… for a minute":          {false, func(*run) {}, heartbeat, Inspect, true},
		"something is new":        {false, news, moment, Inspect, false},
		"… after a while":         {false, news, copyPace, Inspect, true},
		"something is told":       {false, told, moment, Inspect, false},
		"… a while ago":           {false, told, copyPace, Inspect, true},
		"its phase is new":        {false, func(*run) {}, 0, Ready, true},
		"it pauses":               {false, func(r *run) { r.core.Record.Paused = true }, 0, Inspect, true},
		"it is the only copy":     {true, news, 0, Inspect, true},
		"… and nothing is new":    {true, func(*run) {}, moment, Inspect, false},
		"… and something is told": {true, told, moment, Inspect, false},
	} {
		for _, fails := range []error{nil, errors.New("no route to host")} {
			synctest.Test(t, func(t *testing.T) {
				d, memos := &desk{view: NewView(), fails: fails}, 0
				r := atWorkOn(d)
				r.core.Record.Waits = []Waiting{{For: "x"}}
				if !row.alone {
					r.move.Save = func(memo json.RawMessage) error {
						memos++
						if strings.Contains(string(memo), `"waits"`) || strings.Contains(string(memo), `"log"`) {
							t.Errorf("%s: %s", situation, memo)
						}
						return nil
					}
				}
				row.scene(r)
				isNews := r.core.version > 0 || row.before != Inspect
				time.Sleep(row.after)
				if err := r.save(t.Context(), row.before); err != nil || (len(d.calls) == 1) != row.copies || (memos == 1) != (isNews && !row.alone) {
					t.Errorf("%s: %d copies, %d saves, %v", situation, len(d.calls), memos, err)
				}
				if want := row.alone && row.copies && fails != nil; r.unsaved != want {
					t.Errorf("%s (%v): nothing is to be done before it is saved: %t", situation, fails, r.unsaved)
				}
				if r.behind && row.copies && fails == nil {
					t.Errorf("%s: it was copied, and is to be again", situation)
				}
				r.core.Record.Paused = false
				time.Sleep(copyPace)
				_ = r.save(t.Context(), Inspect)
				if again := len(d.calls) == 2; row.copies && again != r.behind || memos > 1 {
					t.Errorf("%s (%v): %d copies, %d saves", situation, fails, len(d.calls), memos)
				}
			})
		}
	}
}

// Where some can move, what cannot is parked from the start; where none can, or what all
// of them need is in the way, the move is refused.
func TestWhatIsRefusedBeforehand(t *testing.T) {
	block := func(object string) event.Finding {
		return event.Finding{Severity: blocker, Object: object, Effect: "why of " + object, Fix: "fix"}
	}
	const web, api = "deployment/apps/web", "deployment/apps/api"
	for situation, row := range map[string]struct {
		found  []event.Finding
		parked string
		kind   problem.Kind
	}{
		"nothing":               {nil, "", 0},
		"a warning":             {[]event.Finding{{Severity: warning, Object: web}}, "", 0},
		"one of two":            {[]event.Finding{block(web), block(web), {Severity: warning, Object: api}}, web, 0},
		"all":                   {[]event.Finding{block(web), block(api)}, "", problem.Refused},
		"what all of them need": {[]event.Finding{block("loadbalancer/lb")}, "", problem.Refused},
		"… and one of them":     {[]event.Finding{block(web), block("loadbalancer/lb")}, "", problem.Refused},
	} {
		q := asked(func(q *Question, p *Pod, _ *Workload) {
			other := *p
			other.Ref, other.Workload = Ref{"apps", "api-1", "9"}, api
			q.View.PutPod(&other)
			q.Denied = map[string]map[string]string{api: {verbHold: "policy"}}
		})
		r, h := atWorkOn(&desk{view: q.View}), &heard{}
		r.log.to = h
		err := r.judge(q, row.found)
		var told *problem.Error
		if row.kind == 0 && err != nil || row.kind != 0 && (!errors.As(err, &told) || told.Kind != row.kind) {
			t.Errorf("%s: %v", situation, err)
		}
		parked := ""
		for key, w := range r.core.Record.Workloads {
			if w.State == WorkloadParked && w.Why == "why of "+key && w.Fix == "fix" {
				parked += key
			}
		}
		if parked != row.parked || len(h.facts) != len(strings.Fields(row.parked)) {
			t.Errorf("%s: parked %s, told %v", situation, parked, h.facts)
		}
		if w := r.core.Record.Workloads[api]; row.kind == 0 && (w == nil || w.Denied[verbHold] != "policy") {
			t.Errorf("%s: what dry runs said is forgotten", situation)
		}
	}
}
