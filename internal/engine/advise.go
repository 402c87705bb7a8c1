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
func (b *builder) advise() error {
	made, total := map[string]bool{}, map[string]int{}
	for _, it := range b.items {
		total[it.Type]++
		made[it.Type] = made[it.Type] || it.fate.made()
		if it.fate == update {
			if err := b.engine.advise(it.Type, it.name, it.have.Inputs, it.known); err != nil {
				return err
			}
		}
	}
	for _, d := range b.deletes {
		if !d.Gone {
			if err := b.engine.advise(d.goes.Type, d.Name, d.goes.Inputs, nil); err != nil {
				return err
			}
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(total)) {
		if made[typ] {
			if err := b.engine.quota(typ, total[typ]); err != nil {
				return err
			}
		}
	}
	return nil
}

// askAdviser emits what the provider of a type answers, if it gives advice.
func (e *Engine) askAdviser(typ string, ask func(Adviser) []event.Finding) error {
	provider, err := e.Providers(typ)
	if err != nil {
		return err
	}
	if adviser, ok := provider.(Adviser); ok {
		for _, f := range ask(adviser) {
			e.Events.Emit(f)
		}
	}
	return nil
}

func (e *Engine) advise(typ, name string, old, want plan.Props) error {
	return e.askAdviser(typ, func(a Adviser) []event.Finding { return a.Advise(typ, name, old, want) })
}

func (e *Engine) quota(typ string, total int) error {
	return e.askAdviser(typ, func(a Adviser) []event.Finding { return a.Quota(typ, total) })
}
