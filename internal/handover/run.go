package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

const (
	// reread is how often Auto Scaling and the load balancers are asked: they
	// have no watch. AWS throttles these reads per account at some 10 a second.
	reread = time.Second

	// beat is the longest time between two turns: so long may a breach go
	// unnoticed when nothing else happens.
	beat = 250 * time.Millisecond

	// pace is the shortest time between two turns, so that a busy cluster's
	// watches do not keep a processor busy.
	pace = 100 * time.Millisecond

	// outage is how long nothing may answer before a move stops.
	outage = 5 * time.Minute

	// lull is after how long without a failed call the next one is not of the same
	// outage: whatever fails is asked for again within seconds.
	lull = 30 * time.Second

	// farewell is how long a move that stops tries to put everything back
	// beyond what that takes, if nothing answers: so long nothing has, then.
	farewell = 3 * time.Minute

	// hurry is how long a move that was interrupted lets pods under way come to
	// their end before it gives them back.
	hurry = 15 * time.Second

	// writers is how many calls are under way at once.
	writers = 16

	// relief is how long a run, before it does what it is for, takes to give back
	// what a dead one left released.
	relief = 10 * time.Second

	// copyPace is the shortest time between two copies of the record into the
	// cluster, heartbeat the longest: it tells that the move is alive.
	copyPace  = 2 * time.Second
	heartbeat = time.Minute
)

// Connect opens a cluster from graph.Resource.Conn.
type Connect func(ctx context.Context, conn plan.Props) (Cluster, error)

// Mover moves workloads off node groups.
type Mover struct {
	scaling   Scaling
	balancers Balancers
	connect   Connect
	events    event.Sink // for what Retire does; a hand-over's go to its Move
}

var _ engine.Mover = (*Mover)(nil)

// New makes a Mover.
func New(scaling Scaling, balancers Balancers, connect Connect, events event.Sink) *Mover {
	return &Mover{scaling: scaling, balancers: balancers, connect: connect, events: events}
}

// open connects to the host's cluster and gives back what moves that are dead
// left released there longer than they may: every run does so, whatever it is for.
func (m *Mover) open(ctx context.Context, h engine.Host) (Cluster, error) {
	cluster, err := m.connect(ctx, h.Conn)
	if err != nil {
		return nil, err
	}
	if err := m.relieve(ctx, cluster); err != nil {
		cluster.Close()
		return nil, err
	}
	return cluster, nil
}

// relieve gives back what has expired, step by step. What takes longer is left
// to the next run: all of it serves meanwhile.
func (m *Mover) relieve(ctx context.Context, cluster Cluster) error {
	failed := map[string]bool{}
	for began := time.Now(); ; {
		v, err := cluster.View()
		if err != nil {
			return err
		}
		actions := slices.DeleteFunc(Expired(v), func(a Action) bool { return failed[object(a)] })
		for _, a := range actions {
			if err := carryOutExpired(ctx, cluster, a); err != nil {
				failed[object(a)] = true
				m.events.Emit(event.Finding{Severity: warning, Object: thing(a), Effect: "it was released by a run that ended, and could not be given back or brought to its end: " + err.Error(), Fix: "drover restore"})
			}
		}
		if len(actions) == 0 || time.Since(began) >= relief || !pause(ctx, reread) {
			return nil
		}
	}
}

// carryOutExpired does one thing of what Expired asks for.
func carryOutExpired(ctx context.Context, cluster Cluster, a Action) error {
	switch a := a.(type) {
	case ChangePod:
		return cluster.PatchPod(ctx, a.Pod, a.Patch)
	case Evict:
		return cluster.Evict(ctx, a.Pod)
	}
	return nil
}

// HandOver empties the host.
func (m *Mover) HandOver(ctx context.Context, mv engine.Move) error {
	// Its watches must outlive an interrupt: what was closed is put back then.
	cluster, err := m.open(context.WithoutCancel(ctx), mv.From)
	if err != nil {
		return err
	}
	defer cluster.Close()
	return newRun(m, cluster, mv).loop(ctx)
}

func newRun(m *Mover, cluster Cluster, mv engine.Move) *run {
	r := &run{Mover: m, cluster: cluster, move: mv, refused: map[string]Refused{}}
	r.log.to, r.move.Events = mv.Events, &r.log
	return r
}

// run is one hand-over under way.
type run struct {
	*Mover
	cluster     Cluster
	move        engine.Move
	core        *Move
	scope       Scope           // see Errand.Scope
	unaskedTime time.Duration   // see Errand.UnaskedTime
	order       json.RawMessage // see Errand.Order
	baseline    engine.Baseline // see Errand.Baseline
	ending      *Ending         // see Errand.Ending

	rollouts  []graph.Key     // objects that are about to be rolled out: it goes no further than that takes; nil: all the way
	replaced  []graph.Key     // … and all others whose pods the plan places anew meanwhile
	takenBack bool            // its record outlives that it stops: what it moved goes back
	lock      *keeper         // nil: the move is another's to lock
	first     string          // the move that comes first
	looked    time.Time       // when it was looked for
	resumed   bool            // a run before it left a record
	earlier   *Record         // … as that run left it, or one that left nodes closed for another end
	known     map[string]bool // other moves, see Observed.Others
	asked     time.Time       // when they were asked for
	log       diary

	aws      outside // as last read
	mu       sync.Mutex
	refused  map[string]Refused // evictions, by pod UID
	denied   []denial           // of this turn
	failing  time.Time          // since when every call has failed; zero: the last one did not
	failed   time.Time          // the last one that did
	awsOff   time.Time          // since when AWS has not answered
	lastErr  error
	barred   error // what the caller has no right to do, and the move cannot do without
	copied   time.Time
	behind   bool         // the copy in the cluster is older than the record
	uncopied error        // why, if that was tried
	unsaved  bool         // … and it is the only one: nothing is done that it does not tell of
	saved    int          // version of the record
	waiting  string       // last said
	did      func(Action) // is told of everything that was carried out; nil: nobody is
}

// options are what holds for this move: the one place that makes them, of what the
// engine's Move says and of what an Errand has beside it.
func (r *run) options() Options {
	o := Options{Soak: r.move.From.Soak, Settle: r.move.From.Settle, UnaskedTime: r.unaskedTime, Scope: r.scope, SoakEnds: "drover up --continue"}
	if r.order != nil { // it is of no stack
		o.SoakEnds = "the same command with --soak 0s"
	}
	if r.move.EndSoak {
		o.Soak = 0
	}
	for _, h := range r.move.To {
		if h.URN == r.move.From.URN && h.Name != r.move.From.Name {
			o.Awaited = append(o.Awaited, h.Name)
		}
	}
	if r.rollouts != nil {
		o.Shelter = r.sheltered()
	}
	return o
}

// resume goes on with what was saved before a crash, or begins. A move that had
// stopped begins anew; one that was done watches the nodes once more.
func (r *run) resume(ctx context.Context) (*Record, bool, error) {
	rec, err := r.written(ctx)
	if err != nil || rec == nil || rec.Group != r.move.From.Name {
		return nil, false, err
	}
	r.earlier = rec
	if rec.Keep != r.move.Keep || rec.Phase == Inspect {
		return nil, false, nil
	}
	return rec, rec.Phase != Stopped && !rec.Kept && r.scope.within(rec), nil
}

// written is the record that a run before left, nil if there is none. A move
// without a stack is remembered in the cluster alone: one that cannot be read, or
// not understood, is no reason to begin anew.
func (r *run) written(ctx context.Context) (*Record, error) {
	data, group := []byte(r.move.Memo), r.move.From.Name
	if len(data) == 0 {
		err := r.insist(ctx, "read the record of "+group, func() error {
			all, err := r.cluster.Records(ctx)
			data = all[group]
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(data) == 0 {
		return nil, nil //nolint:nilnil // nobody has begun it
	}
	rec, err := ReadRecord(data)
	if err != nil {
		return nil, &problem.Error{Kind: problem.Refused, Op: "hand over " + group, Err: err,
			Fix: "another version of drover began it: go on with that one, or put everything back with drover restore, and begin anew"}
	}
	return rec, nil
}

// loop takes turns until there is nothing left to do.
func (r *run) loop(ctx context.Context) error {
	var err error
	if r.lock, err = keepFor(ctx, r.cluster, r.move.From.Name, Me(), r.trying(), r.say); err != nil {
		return err
	}
	defer r.lock.release(ctx)
	r.move.Events.Emit(event.PhaseChanged{Step: r.move.Step, Group: r.move.From.Name, To: Inspect})
	if err := r.begin(ctx); err != nil {
		return r.turnBack(ctx, err)
	}
	r.core.Record.Ending = r.ending
	if err := r.register(ctx); err != nil {
		return err
	}
	return r.turns(ctx)
}

// turnBack ends a run that cannot begin, for the reason of err. What an earlier
// one had closed by the time that it was killed, nobody else puts back.
func (r *run) turnBack(ctx context.Context, err error) error {
	if r.earlier != nil && r.earlier.Phase == Stopped && !r.earlier.Kept {
		r.forget(ctx) // its run was killed before it came to that
	}
	if r.earlier == nil || !closing(r.earlier.Phase) {
		return err
	}
	v, away := r.cluster.View()
	if away != nil {
		return err
	}
	r.core = NewMove(r.earlier, r.options())
	r.core.view = v
	r.core.stop(reasonOf(err, "hand over "+r.earlier.Group))
	if back := r.turns(ctx); r.earlier.Phase != Stopped {
		return errors.Join(err, back)
	}
	return err
}

func (r *run) turns(ctx context.Context) error {
	for {
		began := time.Now()
		o, err := r.observe(context.WithoutCancel(ctx), r.core.Record)
		if err != nil {
			return err // the watches themselves are broken
		}
		if err := r.taken(); err != nil {
			return err // what it changed is another's to see to
		}
		o.Others = r.others(context.WithoutCancel(ctx))
		o.First = r.comesFirst(context.WithoutCancel(ctx))
		o.Stopping = r.stopping(ctx)
		r.heedWish(&o)
		phase := r.core.Record.Phase
		actions := r.core.Turn(o)
		if err := r.save(context.WithoutCancel(ctx), phase); err != nil {
			return err
		}
		r.tell()
		if r.core.Record.Paused {
			return r.paused(ctx)
		}
		carried := r.mine()
		if carried {
			r.carryOut(context.WithoutCancel(ctx), actions)
		}
		if !carried || r.inVain() {
			r.core.lapse()
		}
		switch r.core.Record.Phase {
		case Ready:
			if r.core.rests {
				return r.copy(context.WithoutCancel(ctx))
			}
		case Done:
			return r.leave(ctx)
		case Stopped:
			return r.ended(ctx)
		case Stop:
			if r.leftFor(ctx) {
				return r.unfinished(ctx)
			}
		}
		r.rest(ctx, began, r.core.Record.Phase != phase)
	}
}

// begin inspects, refuses what cannot be moved, and chooses the nodes.
func (r *run) begin(ctx context.Context) error {
	rec, goesOn, err := r.resume(ctx)
	if err != nil {
		return err
	}
	if rec != nil {
		r.resumed = true
		r.log.resume(rec.Log)
	}
	if goesOn {
		v, err := r.cluster.View()
		if err != nil {
			return err
		}
		r.core = NewMove(rec, r.options())
		r.core.view = v
		rec.Paused, rec.Back = false, r.move.Back
		if rec.Phase == Done {
			rec.Phase = Soak
		}
		if rec.Phase == Ready && r.rollouts == nil {
			return r.inspect(ctx) // it rested while others changed what it moves
		}
		return nil
	}
	if rec != nil {
		// a stopped move: what it remembers of objects outlives marks that were lost
		defer func() {
			if r.core != nil {
				r.core.inherit(rec)
			}
		}()
	}
	o, err := r.firstLook(ctx)
	if err != nil {
		return err
	}
	r.core = NewMove(newRecord(r.move.From.Name, r.move.Keep, o.View.Now), r.options())
	r.core.Record.Back = r.move.Back
	if r.reopenSpared(ctx, o) {
		if o, err = r.firstLook(ctx); err != nil {
			return err
		}
	}
	r.core.Begin(o)
	r.assume()
	if err := r.consider(ctx, o); err != nil {
		return err
	}
	r.core.to(Ready)
	return nil
}

// inspect looks once more at what a move meets that is about to go on.
func (r *run) inspect(ctx context.Context) error {
	o, err := r.firstLook(ctx)
	if err != nil {
		return err
	}
	return r.consider(ctx, o)
}

// consider tells what the move meets, and parks what cannot be moved.
func (r *run) consider(ctx context.Context, o Observed) error {
	q := r.question(ctx, o, placedAnew(r.replaced), nil)
	found := Findings(q)
	for _, f := range found {
		r.move.Events.Emit(f)
	}
	return r.judge(q, found)
}

// firstLook asks again until AWS answers, as long as an outage may last.
func (r *run) firstLook(ctx context.Context) (o Observed, err error) {
	err = r.insist(ctx, "inspect "+r.move.From.Name, func() (err error) {
		r.aws.at = time.Time{}
		o, err = r.observe(ctx, nil)
		return err
	})
	return o, err
}

// insist asks again until there is an answer, as long as an outage may last. That
// the caller may not ask is one.
func (r *run) insist(ctx context.Context, op string, ask func() error) error {
	for began := time.Now(); ; {
		err := ask()
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err == nil || errors.Is(err, ErrBarred) || ctx.Err() != nil || time.Since(began) >= outage {
			return wrap(err, op)
		}
		r.say("trying again: " + err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(reread):
		}
	}
}

// judge parks what cannot be moved: whether to begin all the same was asked
// before anything was made. If nothing at all can be moved it refuses, and if
// what blocks is no workload: what all of them need, as a load balancer.
func (r *run) judge(q Question, found []event.Finding) error {
	reason := refusal(q.Group, found)
	if reason == nil {
		r.core.deny(q.Denied)
		return nil
	}
	blocked := map[string]event.Finding{}
	for _, f := range found {
		if _, known := blocked[f.Object]; f.Severity == blocker && !known {
			blocked[f.Object] = f
		}
	}
	pods, owners := inspect(q).pods, map[string]bool{}
	for _, p := range pods {
		owners[p.owner()] = true
	}
	free := slices.ContainsFunc(pods, func(p *Pod) bool { _, is := blocked[p.owner()]; return !is })
	shared := slices.ContainsFunc(slices.Collect(maps.Keys(blocked)), func(object string) bool { return !owners[object] })
	if !free || shared {
		return failure(reason)
	}
	for key, f := range blocked {
		r.core.Record.Workloads[key] = &WorkloadRecord{State: WorkloadParked, Since: q.View.Now, Why: f.Effect, Fix: f.Fix}
		r.move.Events.Emit(event.WorkloadChanged{Workload: key, From: WorkloadWaiting, To: WorkloadParked, Why: f.Effect})
	}
	r.core.deny(q.Denied)
	return nil
}

// reopenSpared opens the nodes that an earlier move of the group closed and this
// one, which keeps more, does not choose. True: there were some.
func (r *run) reopenSpared(ctx context.Context, o Observed) bool {
	if r.move.Keep == 0 {
		return false // all of them leave
	}
	goes := map[string]bool{}
	for _, n := range chosen(o, r.move.From.Name, r.move.Keep) {
		goes[n.Name] = true
	}
	some := false
	for _, name := range slices.Sorted(maps.Keys(o.View.Nodes)) {
		n := o.View.Nodes[name]
		if b, marked := n.before(); marked && !goes[name] && belongs(n, r.move.From.Name, o.From) {
			some = n.putBack(b).carryOut(ctx, r.cluster, r.balancers) == nil || some
		}
	}
	return some
}

// stopping is why the caller wants the move to stop.
func (r *run) stopping(ctx context.Context) *Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return &Reason{Kind: problem.Outside, Op: "hand over " + r.move.From.Name, Why: interruption(ctx), Fix: "run the same command again: it continues"}
	case r.barred != nil:
		return r.lacksRight(r.barred)
	case !r.failing.IsZero() && r.failed.Sub(r.failing) >= outage:
		return r.out("nothing answers any more", r.lastErr)
	case !r.awsOff.IsZero() && time.Since(r.awsOff) >= outage:
		return r.out("AWS does not answer any more", r.aws.err)
	}
	return nil
}

// lacksRight is the end of a move by a right that its caller has not got.
func (r *run) lacksRight(err error) *Reason {
	var p *problem.Error
	reason := &Reason{Kind: problem.Outside, Op: "hand over " + r.move.From.Name, Why: err.Error(), Fix: RightsFix}
	if errors.As(err, &p) {
		reason.Fix = p.Fix
	}
	return reason
}

// interruption is why ctx has ended: somebody ended it, or the time is over that it had.
func interruption(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx).Error()
	}
	return "it was interrupted"
}

func (r *run) out(what string, err error) *Reason {
	return &Reason{Kind: problem.Outside, Op: "hand over " + r.move.From.Name, Why: fmt.Sprintf("%s for %s: %v", what, outage, err),
		Fix: "state is saved. Cure what fails, then run the same command again: it continues"}
}

// save keeps the record where the caller wants it before anything is done that
// it tells of, and a copy in the cluster.
func (r *run) save(ctx context.Context, before Phase) error {
	news := r.core.version != r.saved || before != r.core.Record.Phase
	r.behind = r.keepTold() || news || r.behind
	since := time.Since(r.copied)
	copies := before != r.core.Record.Phase || r.core.Record.Paused || r.behind && since >= copyPace || since >= heartbeat
	if !news && !copies {
		return nil
	}
	if news && r.move.Save != nil {
		lean := *r.core.Record
		lean.Log, lean.Waits = nil, nil
		memo, err := json.Marshal(lean)
		if err == nil {
			err = r.move.Save(memo)
		}
		if err != nil {
			return fmt.Errorf("save the hand-over of %s: %w", r.move.From.Name, err)
		}
	}
	alone := r.move.Save == nil // nobody else keeps it
	r.saved = r.core.version
	if copies || alone {
		r.unsaved = alone && r.behind
		return r.copy(ctx)
	}
	return nil
}

// copy keeps the record in the cluster. That it cannot is told, and tried again.
func (r *run) copy(ctx context.Context) error {
	if r.lock != nil {
		if good, _ := r.lock.good(); !good {
			return nil
		}
	}
	r.core.Record.Beat, r.copied = r.core.view.Now, time.Now()
	record, err := json.Marshal(r.core.Record)
	if err != nil {
		return fmt.Errorf("save the hand-over of %s: %w", r.move.From.Name, err)
	}
	if err := r.cluster.SaveRecord(ctx, r.move.From.Name, record); err != nil {
		r.uncopied = err
		r.heed(err)
		return nil
	}
	r.behind, r.unsaved, r.uncopied = false, false, nil
	return nil
}

// tell reports what was seen, and what the turn waits for, if that is news.
func (r *run) tell() {
	for _, f := range r.core.Facts() {
		if p, is := f.(event.PhaseChanged); is {
			p.Step = r.move.Step
			f = p
		}
		r.move.Events.Emit(f)
	}
	waits := r.core.awaited()
	r.core.waitFor(waits)
	r.say(list(r.core.foremost(waits)))
}

func (r *run) say(waiting string) {
	if waiting != "" && waiting != r.waiting {
		r.waiting = waiting
		r.move.Events.Emit(event.Progress{Step: r.move.Step, Waiting: waiting})
	}
}

// rest waits for a reason to take the next turn.
func (r *run) rest(ctx context.Context, began time.Time, moved bool) {
	if moved {
		return
	}
	done := ctx.Done()
	if r.core.Record.Phase == Stop {
		done = nil // it is known by now
	}
	next := time.NewTimer(beat)
	defer next.Stop()
	select {
	case <-done:
		return
	case <-next.C:
		return
	case <-r.cluster.Changed():
	}
	early := time.NewTimer(pace - time.Since(began))
	defer early.Stop()
	select {
	case <-done:
	case <-early.C:
	}
}

// heed notes an error of a call that no action asked for.
func (r *run) heed(err error) {
	if err != nil {
		r.say("the record of the move could not be copied into the cluster: " + err.Error())
	}
}

// forget removes the cluster's copy of the record. One that cannot be removed
// changes nothing: it tells of a move that is over.
func (r *run) forget(ctx context.Context) { r.last(ctx, nil) }

// last leaves the record behind as it is to stay; nil: none is.
func (r *run) last(ctx context.Context, rec *Record) {
	var data []byte
	if rec != nil {
		data = []byte(encode(rec))
	}
	var err error
	for range 5 {
		if err = r.cluster.SaveRecord(context.WithoutCancel(ctx), r.move.From.Name, data); err == nil {
			return
		}
		time.Sleep(reread)
	}
	r.say("the move's record could not be changed in the cluster for the last time: " + err.Error())
}

// inVain: every call has failed of late.
func (r *run) inVain() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.failing.IsZero()
}

// leftFor: putting back has taken longer than it may, and for long now every call
// has failed or AWS has not answered, or the same is asked for in vain.
func (r *run) leftFor(ctx context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		r.core.hasten(hurry)
	}
	if r.core.stalled {
		return true
	}
	limit := backLimit + farewell + r.core.lettingGo()
	away := !r.failing.IsZero() && time.Since(r.failing) >= farewell || !r.awsOff.IsZero() && time.Since(r.awsOff) >= farewell
	return away && r.core.view.Now.Sub(r.core.Record.Since) >= limit
}

// paused is what a move returns that was interrupted while its nodes soaked.
func (r *run) paused(ctx context.Context) error {
	reason := r.stopping(ctx)
	reason.Why = fmt.Sprintf("%s. All pods have moved; the empty nodes stay closed and are kept for another %s", reason.Why, inMinutes(r.core.soakLeft()))
	reason.Fix = "run the same command again: the soak's time has gone on; " + r.core.Options.SoakEnds + " ends it at once. To open the nodes again: drover restore"
	r.move.Events.Emit(event.Finding{Severity: note, Object: named(r.move.From.Name), Effect: reason.Why, Fix: reason.Fix})
	return errors.Join(failure(reason), ctx.Err())
}

// ended is what a move that stopped returns.
func (r *run) ended(ctx context.Context) error {
	if r.takenBack {
		r.core.Record.Kept, r.core.Record.Opened, r.core.Record.Waits = true, true, nil
		r.last(ctx, r.core.Record)
	} else {
		r.forget(ctx)
	}
	if ctx.Err() != nil && r.core.Record.Reason.Kind == problem.Outside {
		return fmt.Errorf("hand over %s: interrupted; what it had closed is open again: %w", r.move.From.Name, ctx.Err())
	}
	return failure(r.core.Record.Reason)
}

// unfinished is what a move returns that could not put everything back.
func (r *run) unfinished(ctx context.Context) error {
	reason := *r.core.Record.Reason
	reason.Notes = append(slices.Clone(reason.Notes), fmt.Sprintf("not all could be put back: %s. When the cluster and AWS answer again: drover restore", r.trouble()))
	return errors.Join(failure(&reason), ctx.Err())
}

// trouble is what kept a move from putting back what it had changed.
func (r *run) trouble() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.awsOff.IsZero():
		return r.aws.err.Error()
	case r.lastErr != nil:
		return r.lastErr.Error()
	}
	return "what was asked for did not come about"
}

// reasonOf is an error as a reason, of op where it does not say of what itself.
func reasonOf(err error, op string) Reason {
	if told := new(problem.Error); errors.As(err, &told) {
		return Reason{Kind: told.Kind, Op: told.Op, Why: told.Err.Error(), Fix: told.Fix, Notes: told.Notes}
	}
	return Reason{Kind: problem.Outside, Op: op, Why: err.Error(), Fix: cure(err.Error())}
}

// failure is a reason as an error.
func failure(r *Reason) error {
	err := errors.New(strings.TrimSpace(r.Why))
	if r.Fresh {
		err = fresh{err}
	}
	return &problem.Error{Kind: r.Kind, Op: r.Op, Err: err, Fix: r.Fix, Notes: r.Notes}
}

// fresh is an error of the nodes that were to take the pods.
type fresh struct{ error }

func (f fresh) Is(target error) bool { return target == engine.ErrFresh }
