package engine

import (
	"fmt"
	"slices"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

// A replacement is a create and a delete of the same URN. The delete waits for
// the create, and for whatever referred to the old object to refer to the new
// one. Only what cannot stand twice goes first, and so does what has a name that
// another resource takes. The gap is the smallest that there is: the delete
// waits for all that is needed by what comes.

// orderReplaced gives each delete of what is replaced its place beside the create.
func (b *builder) orderReplaced() error {
	if err := b.findFirst(); err != nil {
		return err
	}
	stays := b.stays()
	for _, d := range b.deletes {
		comes := b.comes(d)
		if b.first[d] {
			d.DeleteFirst = true
			for _, n := range append(b.room[d], comes) {
				n.need("two cannot stand at once", d)
			}
			continue
		}
		d.need("its replacement stands first", comes)
		for _, r := range stays {
			if refersTo(r, d.goes) {
				d.need("what refers to it refers to another one first", b.made[r.URN])
			}
		}
	}
	return nil
}

// comes is the create that replaces what goes, or nothing.
func (b *builder) comes(d *node) *node {
	if n := b.made[d.URN]; n != nil && n.Op == plan.Create {
		return n
	}
	return nil
}

// findFirst finds what cannot stand beside its replacement, or beside what takes
// its name, and what stands in the way of its delete because it refers to it.
func (b *builder) findFirst() error {
	for _, d := range b.deletes {
		it := b.byURN[d.URN]
		if it == nil || !it.fate.made() || d.Gone {
			continue
		}
		first, err := b.deleteFirst(*d.goes, it)
		if err != nil {
			return err
		}
		if first {
			b.first[d], d.Why = true, "goes first: two cannot stand at once"
			if it.Options.DeleteFirst {
				d.Why = "goes first, as the file asks (deleteBeforeReplace)"
			}
		}
	}
	if err := b.findRoom(); err != nil {
		return err
	}
	for i := 0; i < len(b.deletes); i++ {
		for _, d := range b.deletes {
			if !b.first[d] || d.conn { // the API server deletes what others name
				continue
			}
			if added, err := b.clear(d); err != nil {
				return err
			} else if added {
				i = -1 // what was added may have something in its way, too
			}
		}
	}
	return nil
}

// clear lets what refers to d and goes, too, go even before it.
func (b *builder) clear(d *node) (added bool, err error) {
	for _, o := range b.deletes {
		if o.conn || o.Gone || b.first[o] || !refersTo(o.goes, d.goes) {
			continue
		}
		if o.goes.Hosts != nil {
			return false, &problem.Error{Kind: problem.Refused, Op: "plan the replacement of " + d.Name,
				Err: fmt.Errorf("it must go before the new one comes, and %s, where workloads run, still refers to it", o.Name),
				Fix: "make a second one under another name, let the node group refer to that, and remove the first one afterwards"}
		}
		b.first[o], o.Why, added = true, "goes first: it is in the way of "+d.Name, true
	}
	return added, nil
}

// deleteFirst reports that what comes cannot stand beside r: same place, same name.
func (j *judgement) deleteFirst(r state.Resource, comes *item) (bool, error) {
	provider, err := j.engine.Providers(r.Type)
	if err != nil {
		return false, err
	}
	knows, ok := provider.(DeleteFirster)
	return comes.Options.DeleteFirst || ok && knows.DeleteFirst(r.Type, r.Inputs, comes.known) && state.Equal(r.Conn.Resolved, comes.conn) &&
		j.place(r.Where) == j.place(comes.Where), nil
}

// claim is what only one object of a type can have at one place.
type claim struct {
	typ, what string
	at        graph.Place
}

// findRoom finds what has a name that another resource takes.
func (b *builder) findRoom() error {
	taken := make(map[claim]*node)
	for _, d := range b.deletes {
		claims, err := b.claims(d.goes.Type, d.goes.Inputs, d.goes.Where)
		if err != nil {
			return err
		}
		for _, c := range claims {
			if !d.Gone {
				taken[c] = d
			}
		}
	}
	if len(taken) == 0 {
		return nil
	}
	for _, n := range b.makes {
		it := b.byURN[n.URN]
		if n.Op != plan.Create {
			continue
		}
		claims, err := b.claims(it.Type, it.known, it.Where)
		if err != nil {
			return err
		}
		for _, c := range claims {
			d := taken[c]
			if d == nil || d.URN == n.URN {
				continue
			}
			if !b.first[d] {
				b.first[d], d.Why = true, "goes first: "+what(n.Step)+" takes its name"
			}
			b.room[d] = append(b.room[d], n)
		}
	}
	return nil
}

func (j *judgement) claims(typ string, props plan.Props, where graph.Where) ([]claim, error) {
	provider, err := j.engine.Providers(typ)
	if err != nil {
		return nil, err
	}
	knows, ok := provider.(DeleteFirster)
	if !ok {
		return nil, nil
	}
	var claims []claim
	for _, what := range knows.Claims(typ, props) {
		claims = append(claims, claim{typ, what, j.place(where)})
	}
	return claims, nil
}

// narrowGaps lets each delete that comes first wait for all that is needed by
// what comes in its place, so that nothing else happens between the two.
func (b *builder) narrowGaps() {
	for _, d := range b.deletes {
		if !b.first[d] {
			continue
		}
		for _, n := range append(b.room[d], b.comes(d)) {
			if n == nil {
				continue
			}
			for _, e := range slices.Clone(n.needs) {
				if !e.to.reaches(d) {
					d.need("what comes in its place needs it, and follows at once", e.to)
				}
			}
		}
	}
}

// stays is what exists, or may exist, and is wanted.
func (b *builder) stays() []*state.Resource {
	var rs []*state.Resource
	for i, r := range b.old.Resources {
		if it := b.byURN[r.URN]; it != nil && it.gen == r.Gen {
			rs = append(rs, &b.old.Resources[i])
		}
	}
	for _, in := range b.old.Pending {
		if it := b.byURN[in.URN]; in.Op == plan.Create && it != nil && it.gen == in.Gen {
			rs = append(rs, in.Resource)
		}
	}
	return rs
}
