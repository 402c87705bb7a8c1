package handover_test

import (
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover/world"
)

// A move that begins anew when its nodes have left their load balancers already
// (an earlier run was killed after that) has nobody to wait for.
func TestMoveThatBeginsAnewAfterItsBalancersLetGoWaitsForNobody(t *testing.T) {
	in(t, 2, apps(&world.App{Name: "nginx", Replicas: 2, Surge: 1, Local: true}), func(p *play) {
		p.done(p.move(), "nginx")
		p.memo = nil
		p.With((*world.Hand).Forget)
		p.done(p.move(), "nginx")
		if p.took > time.Minute {
			t.Errorf("it took %s with nothing left to do", p.took)
		}
	})
}
