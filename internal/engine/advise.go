package engine

import (
	"maps"
	"slices"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
)

// Adviser is what a Provider adds that knows what a step leaves to the user.
type Adviser interface {
	// Advise is asked about an update in place, and about a delete: then want is nil.
	Advise(typ, name string, old, want plan.Props) []event.Finding
	// Quota is told how many objects of a type the stack comes to, if the plan makes some.
	Quota(typ string, total int) []event.Finding
}

// advise tells what the steps of a plan leave to the user.
func (b *builder) advise() {
	made, total := map[string]bool{}, map[string]int{}
	for _, it := range b.items {
		total[it.Type]++
		made[it.Type] = made[it.Type] || it.fate.made()
		if it.fate == update {
			b.engine.askAdviser(it.Type, func(a Adviser) []event.Finding { return a.Advise(it.Type, it.name, it.have.Inputs, it.known) })
		}
	}
	for _, d := range b.deletes {
		if !d.Gone {
			b.engine.askAdviser(d.goes.Type, func(a Adviser) []event.Finding { return a.Advise(d.goes.Type, d.Name, d.goes.Inputs, nil) })
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(total)) {
		if made[typ] {
			b.engine.askAdviser(typ, func(a Adviser) []event.Finding { return a.Quota(typ, total[typ]) })
		}
	}
}

// askAdviser emits what the provider of a type answers, if it gives advice.
func (e *Engine) askAdviser(typ string, ask func(Adviser) []event.Finding) {
	provider, _ := e.Providers(typ) // a type that nobody knows was refused before
	if adviser, ok := provider.(Adviser); ok {
		for _, f := range ask(adviser) {
			e.Events.Emit(f)
		}
	}
}
