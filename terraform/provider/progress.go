package provider

import (
	"fmt"
	"time"

	"github.com/droverhq/drover/event"
)

// progress tells Terraform how far a hand-over is.
type progress struct{ send func(string) }

// waiting tells what is waited for, once for each time that it changes.
func (p progress) waiting() func(string) {
	last := ""
	return func(what string) {
		if what != last {
			p.send("waiting: " + what)
		}
		last = what
	}
}

// events tells of a hand-over's steps.
func (p progress) events() event.Sink {
	waiting := p.waiting()
	return event.NewLog(time.Now, func(e event.Event) {
		switch f := e.Fact.(type) {
		case event.Progress:
			waiting(f.Waiting)
		case event.PhaseChanged:
			p.send(fmt.Sprintf("%s: %s", f.Group, f.To))
		case event.NodeChanged:
			p.send(fmt.Sprintf("%s: %s", f.Node, f.Change))
		case event.WorkloadChanged:
			p.send(fmt.Sprintf("%s: %s", f.Workload, f.To))
		case event.GuardBreached:
			p.send(f.URL + ": " + f.Reason)
		}
	})
}
