package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Before a plan is made, all that the state knows is looked at: what was
// deleted by hand is made again, and a group that something else has resized
// keeps its nodes. What cannot be read is taken as the state has it, and told.

// lookFor bounds one look. It is short: a cluster that does not answer must
// not hold up a plan.
const lookFor = 15 * time.Second

// sighting is what a look found of one generation.
type sighting struct {
	gone bool // deleted outside of Drover
	size *int // nodes that it has, if workloads run on it
}

// sightings are by generation. What was not looked at is not among them.
type sightings map[state.Need]sighting

func (s sightings) gone(r state.Resource) bool { return s[state.Need{URN: r.URN, Gen: r.Gen}].gone }

// stage is where an object is in its life, if it still stands: one that somebody
// else has deleted is never used again.
func (s sightings) stage(snap *state.Snapshot, r state.Resource) state.Stage {
	stage := snap.Stage(state.Need{URN: r.URN, Gen: r.Gen})
	if stage.Usable() && s.gone(r) {
		return state.Leaving
	}
	return stage
}

// size is how many nodes a resource is known to have.
func (s sightings) size(r state.Resource) (int, bool) {
	size := s[state.Need{URN: r.URN, Gen: r.Gen}].size
	if size == nil {
		return 0, false
	}
	return *size, true
}

// looker looks at a stack.
type looker struct {
	*Engine
	snap   *state.Snapshot
	forget bool // what cannot be reached in a cluster counts as gone

	mu      sync.Mutex
	found   sightings
	outputs map[state.Need]plan.Props // of Refresh: what each object is like; nil: nobody asks
	silent  map[string]error          // by connection: why a cluster does not answer; AWS is ""
	unread  map[string]int            // by connection: how many objects were not read
}

// look reads everything, AWS first: with a cluster all that was in it is gone.
func (e *Engine) look(ctx context.Context, s *state.Snapshot, forget bool) (sightings, error) {
	if e.NoRead {
		return nil, nil
	}
	l := &looker{Engine: e, snap: s, forget: forget, found: sightings{}, silent: map[string]error{}, unread: map[string]int{}}
	if err := l.all(ctx); err != nil {
		return nil, err
	}
	for _, in := range s.Pending {
		if in.Op == plan.Create && (l.clusterGone(*in.Resource) || forget && l.silentAt(connKey(*in.Resource))) {
			l.see(*in.Resource, sighting{gone: true})
		}
	}
	l.tell()
	return l.found, nil
}

// all reads everything that the state has, in two rounds.
func (l *looker) all(ctx context.Context) error {
	for _, clusters := range []bool{false, true} {
		if err := l.round(ctx, clusters); err != nil {
			return &problem.Error{Kind: problem.Outside, Op: "look at what exists", Err: err,
				Fix: fixOf(err, "run the same command again, or with --no-read to plan by the state alone")}
		}
	}
	return nil
}

// round reads what is in clusters, or what is not. Few goroutines read all of
// it: the stack that a call needs is large, and growing one for each is dear.
func (l *looker) round(ctx context.Context, clusters bool) error {
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan *state.Resource)
	for range DefaultParallel {
		group.Go(func() error {
			for r := range next {
				if err := l.one(ctx, *r); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(next)
		for i := range l.snap.Resources {
			r := &l.snap.Resources[i]
			if r.Gone || inCluster(r) != clusters {
				continue
			}
			select {
			case next <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

func fixOf(err error, otherwise string) string {
	var p *problem.Error
	if errors.As(err, &p) && p.Fix != "" {
		return p.Fix
	}
	return otherwise
}

// one looks at one object. Only what nothing can be planned without is an error.
func (l *looker) one(ctx context.Context, r state.Resource) error {
	conn := connKey(r)
	if l.clusterGone(r) {
		l.see(r, sighting{gone: true})
		return nil
	}
	if l.silentAt(conn) {
		l.miss(conn, r, nil)
		return nil
	}
	provider, err := l.Providers(r.Type)
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	obj, err := provider.Read(call, Request{Type: r.Type, Name: r.Name, ID: r.ID, Old: r.Inputs, Conn: r.Conn.Resolved, Where: r.Where,
		Tags: ownerTags(l.snap, r), Sole: func() bool { return sole(r, l.snap) }})
	switch {
	case err == nil:
		l.see(r, sighting{size: obj.Size})
		l.keep(r, l.Engine.outputs(r.Type, obj.Outputs, r.Inputs))
	case errors.Is(err, ErrNotFound):
		l.see(r, sighting{gone: true})
	case errors.Is(err, ErrCredentials) && conn == "", ctx.Err() != nil:
		return err
	default:
		l.miss(conn, r, err)
	}
	return nil
}

// connKey tells one cluster from another; it is empty for what is not in one.
func connKey(r state.Resource) string {
	if !inCluster(&r) {
		return ""
	}
	data, _ := json.Marshal(r.Conn.Resolved)
	return string(data)
}

// clusterGone reports that what the object is reached through is gone itself.
func (l *looker) clusterGone(r state.Resource) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ref := range value.Refs(r.Conn.Declared) {
		urn := plan.NewURN(l.snap.Stack, l.snap.Project, ref.Key.Type, ref.Key.Name)
		for _, n := range r.Needs {
			if n.URN == urn && l.found[n].gone {
				return true
			}
		}
	}
	return false
}

func (l *looker) see(r state.Resource, s sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found[state.Need{URN: r.URN, Gen: r.Gen}] = s
}

func (l *looker) keep(r state.Resource, outputs plan.Props) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outputs != nil {
		l.outputs[state.Need{URN: r.URN, Gen: r.Gen}] = outputs
	}
}

func (l *looker) silentAt(conn string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return conn != "" && l.silent[conn] != nil
}

// miss notes that an object could not be read.
func (l *looker) miss(conn string, r state.Resource, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unread[conn]++
	if err != nil && l.silent[conn] == nil {
		l.silent[conn] = err
	}
	if conn != "" && l.forget {
		l.found[state.Need{URN: r.URN, Gen: r.Gen}] = sighting{gone: true}
	}
}

// tell says what was not read, once for AWS and once for each cluster.
func (l *looker) tell() {
	for conn, n := range l.unread {
		f := event.Finding{Severity: event.Warning, Object: "aws",
			Effect: fmt.Sprintf("%s could not be read and count as the state has them: %v", problem.Count(n, "resource"), l.silent[conn]),
			Fix:    fixOf(l.silent[conn], "allow the caller's IAM identity to read them")}
		if conn != "" {
			f.Object = "cluster"
			f.Fix = fixOf(l.silent[conn], "see that the cluster's API server can be reached")
		}
		if conn != "" && l.forget {
			f.Effect = fmt.Sprintf("%s in a cluster that does not answer are forgotten: %v", problem.Count(n, "resource"), l.silent[conn])
		}
		l.Events.Emit(f)
	}
}
