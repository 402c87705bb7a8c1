package handover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// barred is a world in which the caller has no right to one of the calls.
type barred struct {
	*world.World
	call string
}

func (b barred) no(call string) error {
	if call != b.call {
		return nil
	}
	return &problem.Error{Kind: problem.Refused, Err: fmt.Errorf("%s: %w", call, handover.ErrBarred), Fix: "ask for it"}
}

func (b barred) Lock(ctx context.Context, move, holder string, d time.Duration) (handover.Lock, error) {
	if err := b.no("take a lock"); err != nil {
		return handover.Lock{}, err
	}
	return b.World.Lock(ctx, move, holder, d)
}

func (b barred) Locks(ctx context.Context) (map[string]handover.Lock, error) {
	if err := b.no("read the locks"); err != nil {
		return nil, err
	}
	return b.World.Locks(ctx)
}

func (b barred) Records(ctx context.Context) (map[string][]byte, error) {
	if err := b.no("read the records"); err != nil {
		return nil, err
	}
	return b.World.Records(ctx)
}

func (b barred) SaveRecord(ctx context.Context, group string, record []byte) error {
	if err := b.no("write a record"); err != nil {
		return err
	}
	return b.World.SaveRecord(ctx, group, record)
}

func (b barred) Group(ctx context.Context, name string) (handover.Group, error) {
	if err := b.no("read a group"); err != nil {
		return handover.Group{}, err
	}
	return b.World.Group(ctx, name)
}

func (b barred) Suspend(ctx context.Context, group string, processes []string) error {
	if err := b.no("suspend processes"); err != nil {
		return err
	}
	return b.World.Suspend(ctx, group, processes)
}

// A right that the caller lacks is told when it is first missed, with its remedy:
// asked for again, it would be lacking still. Nothing is left closed.
func TestRightThatIsLackingIsToldAtOnce(t *testing.T) {
	for call, limit := range map[string]time.Duration{ // of the world's time; a call takes some of it
		"take a lock": time.Second, "read the locks": time.Second, "read the records": time.Second,
		"write a record": time.Second, "read a group": time.Second,
		"suspend processes": time.Minute, // what was changed by then is put back
	} {
		t.Run(call, func(t *testing.T) {
			in(t, 2, apps(web(2)), func(p *play) {
				w, began := barred{p.World, call}, time.Now()
				err := p.by(w, w).HandOver(context.Background(), p.step(func(json.RawMessage) error { return nil }))
				if took := time.Since(began); took > limit {
					t.Errorf("told after %s", took)
				}
				if err == nil || !strings.Contains(err.Error(), call+": "+handover.ErrBarred.Error()) {
					t.Errorf("got %v", err)
				}
				var text strings.Builder
				if problem.Print(&text, err); !strings.Contains(text.String(), "fix: ask for it") {
					t.Error(text.String())
				}
				p.open()
			})
		})
	}
}

// unguarded is a world that refuses sentinels.
type unguarded struct{ *world.World }

func (unguarded) Guard(context.Context, string, []handover.Repelled) error {
	return &handover.Refusal{Why: "quota of kube-system: no pod may be made"}
}

// What sentinels must keep off the old nodes is parked with the reason where none
// may be made, and all else moves.
func TestRefusedSentinelParksWhatNeedsIt(t *testing.T) {
	stubborn := &world.App{Name: "stubborn", Replicas: 2, Surge: 1, Tolerates: true}
	in(t, 2, apps(stubborn, other()), func(p *play) {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Hour)
		defer cancel()
		w, began := unguarded{p.World}, time.Now()
		err := p.by(w, w).HandOver(ctx, p.step(func(json.RawMessage) error { return nil }))
		p.took = time.Since(began)
		p.parked(err, "stubborn", "quota of kube-system")
		if p.took > 10*time.Minute {
			t.Errorf("after %s", p.took)
		}
	})
}
