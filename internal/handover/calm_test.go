package handover_test

import (
	"slices"
	"testing"
	"time"

	"github.com/droverhq/drover/internal/handover/world"
	"github.com/droverhq/drover/problem"
)

// An autoscaler ends nodes on which nothing runs. It spares those that a move
// rests on: the emptied ones, which a way back needs, and those that are to be
// filled. Afterwards it has those that stay to itself again, and what a person had
// told it of one of them still holds.
func TestAutoscalersLetNodesBeThatAMoveRestsOn(t *testing.T) {
	in(t, 3, apps(web(1)), func(p *play) {
		p.soak = time.Hour
		var tended string
		p.With(func(h *world.Hand) {
			p.Idle = 10 * time.Minute
			tended = h.Nodes(world.New)[0]
			h.Tend(tended)
		})
		p.done(p.move(), "web")
		p.With(func(h *world.Hand) {
			p.Idle = 0
			for _, node := range h.Calmed() {
				if !slices.Contains(h.Nodes(world.Old), node) {
					t.Errorf("autoscalers are kept off node %s after the move", node)
				}
			}
			if !h.Tended(tended) {
				t.Errorf("node %s is not as a person had left it", tended)
			}
		})
	})
}

// What is written for autoscalers is taken back when a move stops, too, and by a
// restoration when it is killed: it is among what a world counts as left behind.
func TestAutoscalersHaveTheirNodesBackHoweverAMoveEnds(t *testing.T) {
	in(t, 2, apps(web(4)), func(p *play) {
		time.AfterFunc(20*time.Second, func() { p.suffer("GET /: 502") })
		p.ended(p.move(), problem.Guarded, "502")
	})
	in(t, 2, apps(web(4)), func(p *play) {
		p.die(8)
		p.With(func(h *world.Hand) {
			if len(h.Calmed()) != 4 {
				t.Errorf("%v are calm, of two nodes that leave and two that take pods", h.Calmed())
			}
		})
		time.Sleep(time.Minute)
		if lines, err := p.restore(nil); err != nil {
			t.Errorf("%v: %v", err, lines)
		}
		p.open()
	})
}
