package handover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/droverhq/drover/problem"
)

// The lock of a move: a Lease beside its record. Whoever works on the move renews
// it; who cannot does nothing more until he has, and who finds it taken ends.

const (
	// lockFor is how long a lock holds without a word of its holder; renewEvery is
	// how often he gives one. Four in a row may be lost.
	lockFor    = 20 * time.Second
	renewEvery = 5 * time.Second

	// retryLock is the pause before a lock is asked for again.
	retryLock = time.Second

	// registry is the name of the short lock under which moves write down what
	// they are about; no set is called like that.
	registry = "/registry"

	// ahead is the pause between two looks whether another move is through with a
	// workload that is a part of both.
	ahead = 2 * time.Second
)

// Lock is who works on a move. Times are the API server's.
type Lock struct {
	Holder  string // alice@laptop/4711-9f3a61c2: user, host, process, and what tells it from others
	Since   time.Time
	Renewed time.Time
	For     time.Duration // it holds for so long after Renewed
	Wish    Wish
}

// Live: its holder has not let it run out.
func (l Lock) Live(now time.Time) bool { return l.Holder != "" && now.Before(l.Renewed.Add(l.For)) }

// Who is the holder without what only programs need.
func (l Lock) Who() string {
	who := l.Holder
	if i := strings.LastIndexByte(who, '/'); i >= 0 {
		who = who[:i]
	}
	return cmp.Or(who, "somebody")
}

// Held is a lock that is another's.
type Held struct{ Lock }

func (h *Held) Error() string {
	return fmt.Sprintf("%s is at work on it since %s", h.Who(), h.Since.Local().Format("2006-01-02 15:04:05"))
}

// Wish is what somebody asks of the one who works on a move.
type Wish struct {
	What Verb      `json:"what,omitempty"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at,omitzero"`
}

// Verb is what may be asked for.
type Verb string

// The verbs. An empty one takes a wish back.
const (
	PauseIt  Verb = "pause"  // nothing new begins, until it is taken back
	AbortIt  Verb = "abort"  // put back what was changed, and end
	ReturnIt Verb = "return" // move back what was moved
)

// Me is who this process is, as a holder of locks.
func Me() string { return fmt.Sprintf("%s/%d-%08x", Person(), os.Getpid(), rand.Uint32()) }

// Person is the user and host of this process.
func Person() string {
	host, _ := os.Hostname() // a holder without one is one still
	name := fmt.Sprintf("user-%d", os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return name + "@" + host
}

// keeper holds the lock of a move, and renews it.
type keeper struct {
	cluster Cluster
	move    string
	holder  string

	mu      sync.Mutex
	renewed time.Time // by our clock, before the call that renewed it
	wish    Wish
	lost    error // it is another's
	failed  error // the last renewal
	end     context.CancelFunc
	running sync.WaitGroup
}

// keep takes the lock of a move and renews it until release. A lock that is held
// is waited for as long as its holder might be dead.
func keep(ctx context.Context, cluster Cluster, move, holder string, say func(string)) (*keeper, error) {
	return keepFor(ctx, cluster, move, holder, 2*lockFor, say)
}

// keepFor is keep, which after an interruption tries for so long.
func keepFor(ctx context.Context, cluster Cluster, move, holder string, limit time.Duration, say func(string)) (*keeper, error) {
	k := &keeper{cluster: cluster, move: move, holder: holder}
	if err := k.take(ctx, limit, say); err != nil {
		return nil, err
	}
	renewing, end := context.WithCancel(context.WithoutCancel(ctx))
	k.end = end
	k.running.Go(func() { k.renew(renewing) })
	return k, nil
}

// take waits until the lock is free. One that is renewed meanwhile is alive. An
// interruption does not end that: what a dead run left has to be put back.
func (k *keeper) take(ctx context.Context, limit time.Duration, say func(string)) error {
	var first *Held
	began := time.Now()
	for {
		err := k.once(ctx)
		var held *Held
		switch {
		case err == nil:
			return nil
		case errors.As(err, &held) && first != nil && (held.Holder != first.Holder || held.Renewed.After(first.Renewed)):
			return atWork(k.move, held.Lock)
		case errors.As(err, &held):
			if first == nil {
				first = held
				say(fmt.Sprintf("%s was at work on it a moment ago: looking whether that run is alive, up to %s", held.Who(), lockFor))
			}
		case spent(ctx, err, began, limit):
			return fmt.Errorf("take the lock of %s: %w", k.move, errors.Join(err, ctx.Err()))
		default:
			say("trying again: " + err.Error())
		}
		time.Sleep(retryLock)
	}
}

// spent: what fails since began is not tried again, nor what the caller has no
// right to. After an interruption it is tried, for a while, since what a dead run
// left has to be put back.
func spent(ctx context.Context, err error, began time.Time, limit time.Duration) bool {
	tried := time.Since(began)
	return errors.Is(err, ErrBarred) || tried >= outage || ctx.Err() != nil && tried >= limit
}

// owes: an earlier run of the move left something that has to be put back; its
// caller knows so, or the record in the cluster told.
func (r *run) owes() bool { return len(r.move.Memo) > 0 || r.resumed }

// trying is how long an interrupted run tries to take the lock: as long as one
// that stops tries to put back, if there is something.
func (r *run) trying() time.Duration {
	if r.owes() {
		return backLimit + farewell
	}
	return 2 * lockFor
}

func atWork(move string, l Lock) error {
	return &problem.Error{Kind: problem.Locked, Op: "move " + move, Err: &Held{l},
		Fix: fmt.Sprintf("see how far it is: drover moves status %s; or ask it to stop: drover moves abort %s", move, move)}
}

// once takes or renews the lock.
func (k *keeper) once(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewEvery) // a call that hangs must not cost the lock
	defer cancel()
	l, err := k.cluster.Lock(ctx, k.move, k.holder, lockFor)
	k.mu.Lock()
	defer k.mu.Unlock()
	var held *Held
	switch {
	case err == nil:
		k.renewed, k.wish, k.failed = began, l.Wish, nil
	case errors.As(err, &held) && !k.renewed.IsZero():
		k.lost = atWork(k.move, held.Lock)
	default:
		k.failed = err
	}
	return err
}

func (k *keeper) renew(ctx context.Context) {
	next := renewEvery
	for pause(ctx, next) {
		next = renewEvery
		if k.once(ctx) != nil {
			next = retryLock
		}
		if k.taken() != nil {
			return
		}
	}
}

// taken is why the lock is another's now; nil: it is not known to be.
func (k *keeper) taken() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost
}

// good: the lock is ours for sure, as long as it was last renewed for. Err is why
// it could not be renewed.
func (k *keeper) good() (is bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost == nil && time.Since(k.renewed) < lockFor, k.failed
}

func (k *keeper) asked() Wish {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wish
}

// release gives the lock back. What cannot be given back runs out.
func (k *keeper) release(ctx context.Context) {
	k.end()
	k.running.Wait()
	if k.taken() == nil {
		_ = k.cluster.Unlock(context.WithoutCancel(ctx), k.move, k.holder)
	}
}

// Two moves that count the same pods as serving would each take one away. So a
// move is refused while a living one has one of its nodes, and waits while one
// moves pods of the same workload. What pods are on its nodes is known only once
// these are closed: so it enters twice, when it begins and when it is about to
// move its first pod. Each time it looks and writes down under one short lock.

// register writes down what the move is about.
func (r *run) register(ctx context.Context) error {
	began := time.Now()
	for {
		first, err := r.enter(ctx, r.core.Record.Phase != Ready)
		var p *problem.Error
		switch {
		case err == nil && first == "":
			return nil
		case errors.As(err, &p) && p.Kind == problem.Locked:
			return err
		case ctx.Err() != nil && r.owes():
			return nil // it only puts back, and that is in nobody's way
		case err != nil && spent(ctx, err, began, r.trying()):
			return err
		case err != nil:
			first = "trying again: " + err.Error()
		case ctx.Err() != nil:
			return fmt.Errorf("move %s: %w: %s", r.core.Record.Group, ctx.Err(), first)
		}
		r.say(first)
		time.Sleep(ahead)
		if _, err := r.cluster.View(); err != nil {
			return err
		}
	}
}

// comesFirst is the move that comes first, now that the nodes are closed.
func (r *run) comesFirst(ctx context.Context) string {
	switch {
	case r.lock == nil || r.core.Record.Entered == r.lock.holder || r.core.Record.Phase != Ready:
		return ""
	case !r.core.closed || time.Since(r.looked) < ahead:
		return cmp.Or(r.first, "looking for other moves")
	}
	var err error
	if r.first, err = r.enter(ctx, true); err != nil {
		r.first = "trying again: " + err.Error()
	}
	r.looked = time.Now()
	return r.first
}

// enter writes the move down, unless another one comes first.
func (r *run) enter(ctx context.Context, moves bool) (first string, err error) {
	gate, err := keep(ctx, r.cluster, registry, r.lock.holder, func(string) {})
	var p *problem.Error
	if errors.As(err, &p) && p.Kind == problem.Locked {
		return "others write down what they move", nil
	}
	if err != nil {
		return "", err
	}
	defer gate.release(ctx)
	if first, err = r.collides(ctx); first != "" || err != nil {
		return first, err
	}
	before := r.core.Record.Entered
	if moves {
		r.core.Record.Entered = r.lock.holder
	}
	r.behind = true
	if err := r.copy(ctx); err != nil {
		return "", err
	}
	if r.behind {
		r.core.Record.Entered = before
		return "the record of the move could not be saved", r.uncopied
	}
	return "", nil
}

// collides looks for a living move that has one of the nodes, which is an error,
// or that moves pods of the same workload.
func (r *run) collides(ctx context.Context) (first string, err error) {
	locks, err := r.cluster.Locks(ctx)
	if err != nil {
		return "", outsideError("look for other moves", err)
	}
	records, err := r.cluster.Records(ctx)
	if err != nil {
		return "", outsideError("look for other moves", err)
	}
	for _, move := range slices.Sorted(maps.Keys(records)) {
		l := locks[move]
		if move == r.core.Record.Group || !l.Live(r.core.view.Now) {
			continue
		}
		rec, err := ReadRecord(records[move])
		if err != nil {
			continue
		}
		node, workload := r.shares(rec)
		switch {
		case node != "":
			return "", &problem.Error{Kind: problem.Locked, Op: "move " + r.core.Record.Group, Err: fmt.Errorf("node %s is part of the move of %s: %w", node, move, &Held{l}),
				Fix: "wait until that move is over: drover moves status " + move}
		case workload != "" && rec.Entered == l.Holder:
			return fmt.Sprintf("%s moves %s first: the move of %s", l.Who(), workload, move), nil
		}
	}
	return "", nil
}

// shares is a node, and a workload, that another move is about as well.
func (r *run) shares(rec *Record) (node, workload string) {
	other := NewMove(rec, Options{})
	other.view = r.core.view
	mine, theirs := r.core.workloads(), other.workloads()
	for _, name := range rec.leaving() {
		if r.core.leaves(name) {
			return name, ""
		}
	}
	for _, key := range slices.Sorted(maps.Keys(theirs)) {
		if mine[key] {
			return "", key
		}
	}
	return "", ""
}

// workloads are those of which pods are to leave the nodes, or are under way.
func (m *Move) workloads() map[string]bool {
	all := map[string]bool{}
	for key, w := range m.Record.Workloads {
		if !settled(w.State) || len(w.Released) > 0 {
			all[key] = true
		}
	}
	for name := range m.Record.Nodes {
		for _, p := range m.view.On(name) {
			if !p.stays() && m.concerns(p) {
				all[p.owner()] = true
			}
		}
	}
	return all
}
