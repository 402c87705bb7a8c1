package ec2

import (
	"context"
	"log/slog"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// natTime is how long a NAT gateway takes to come up, and to go; one to two minutes on EC2.
const natTime = 2 * time.Second

// Router brings NAT gateways up and takes deleted ones away, after their time.
type Router struct {
	store *region.Store
	now   func() time.Time
	scale float64
	log   *slog.Logger
}

// NewRouter makes a Router.
func NewRouter(store *region.Store, now func() time.Time, scale float64, log *slog.Logger) *Router {
	return &Router{store: store, now: now, scale: scale, log: log}
}

// Run acts on every change, and when the time of a gateway has come, until ctx ends.
func (r *Router) Run(ctx context.Context) {
	changed := r.store.Watch()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-due.C:
		}
		if wait, any := r.next(); any {
			due.Reset(wait)
			if wait <= 0 {
				r.turn()
			}
		}
	}
}

// next is how long it is until the next gateway changes its state.
func (r *Router) next() (wait time.Duration, any bool) {
	r.store.View(func(st *region.State) {
		for _, n := range st.NATs {
			if left := n.Changed.Add(r.time()).Sub(r.now()); n.State != "available" && (!any || left < wait) {
				wait, any = left, true
			}
		}
	})
	return wait, any
}

func (r *Router) time() time.Duration { return time.Duration(float64(natTime) * r.scale) }

func (r *Router) turn() {
	err := r.store.Update(func(st *region.State) error {
		for _, n := range st.NATs {
			if !r.now().Before(n.Changed.Add(r.time())) {
				st.SettleNATGateway(n, region.Stamp(r.now()))
			}
		}
		return nil
	})
	if err != nil {
		r.log.Error("bring NAT gateways up", "err", err)
	}
}
