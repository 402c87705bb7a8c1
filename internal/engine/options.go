package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// What a person asks of a resource beside its properties: what it was called,
// which changes count, in which order it is replaced, what becomes of it in the
// end, and how long its steps may take.

// renamed is the state with everything called as the graph calls it now: by its
// aliases, and, of Kubernetes, by the version under which it is now declared.
func renamed(g *graph.Graph, s *state.Snapshot) (*state.Snapshot, []plan.Rename, error) {
	n := namesOf(g, s)
	var renames []plan.Rename
	for _, r := range g.Resources {
		to := plan.NewURN(g.Stack, g.Project, r.Type, r.Name)
		if n.known[to] {
			continue
		}
		if from := n.former(g, r); from != "" {
			renames = append(renames, plan.Rename{From: from, To: to})
		}
	}
	if len(renames) == 0 {
		return s, nil, nil
	}
	out, err := s.Renamed(renames)
	if err != nil {
		return nil, nil, &problem.Error{Kind: problem.Refused, Op: "give resources their new names", Err: err,
			Fix: "run drover up once with the file as it was, which finds out; then rename"}
	}
	return out, renames, nil
}

// names are those that the state knows, and that the graph wants.
type names struct {
	known, wanted map[plan.URN]bool
	served        map[string]plan.URN // Kubernetes objects of the state, by what they are under any version
}

func namesOf(g *graph.Graph, s *state.Snapshot) names {
	n := names{known: make(map[plan.URN]bool), wanted: make(map[plan.URN]bool), served: make(map[string]plan.URN)}
	for _, r := range g.Resources {
		n.wanted[plan.NewURN(g.Stack, g.Project, r.Type, r.Name)] = true
	}
	for _, in := range s.Pending {
		n.known[in.URN] = true
	}
	for _, r := range s.Resources {
		n.known[r.URN] = true
		if inCluster(&r) && !r.Condemned {
			n.served[unversioned(r.Type, r.URN.Name())] = r.URN
		}
	}
	return n
}

// former is what a resource was called that has no name yet; empty: it is new.
func (n names) former(g *graph.Graph, r graph.Resource) plan.URN {
	free := func(urn plan.URN) bool { return n.known[urn] && !n.wanted[urn] }
	for _, alias := range r.Options.Aliases {
		if urn := plan.NewURN(g.Stack, g.Project, alias.Type, alias.Name); free(urn) {
			return urn
		}
	}
	if urn := n.served[unversioned(r.Type, r.Name)]; len(r.Conn) > 0 && free(urn) {
		return urn
	}
	return ""
}

// unversioned tells a Kubernetes object from any other: the API server serves
// the same one under every version of its group.
func unversioned(typ, name string) string {
	parts := strings.Split(typ, "/") // apps/v1/Deployment, v1/Service
	if len(parts) < 2 {
		return typ + " " + name
	}
	return strings.Join(append(parts[:len(parts)-2:len(parts)-2], parts[len(parts)-1], name), " ")
}

// kept are properties in which those at the paths are as they were.
func kept(now, was plan.Props, paths []string) plan.Props {
	for _, path := range paths {
		now, _ = keptAt(now, was, path).(plan.Props)
	}
	return now
}

func keptAt(now, was any, path string) any {
	if list, ok := now.([]any); ok {
		return keptItem(list, was, path)
	}
	props, ok := now.(plan.Props)
	if !ok && now != nil {
		return now // not known yet, or something else altogether
	}
	before, _ := was.(plan.Props)
	key, rest := cutKey(path, props, before)
	old, had := before[key]
	out := maps.Clone(props)
	if out == nil {
		out = make(plan.Props)
	}
	switch {
	case rest != "" && (props[key] != nil || had):
		if out[key] = keptAt(props[key], old, rest); value.Equal(out[key], nil) {
			delete(out, key)
		}
	case rest != "":
	case had:
		out[key] = old
	default:
		delete(out, key)
	}
	return out
}

func keptItem(list []any, was any, path string) any {
	before, _ := was.([]any)
	head, rest, _ := strings.Cut(path, ".")
	i, err := strconv.Atoi(head)
	if err != nil || i < 0 || i >= len(list) || i >= len(before) {
		return list
	}
	out := slices.Clone(list)
	if out[i] = before[i]; rest != "" {
		out[i] = keptAt(list[i], before[i], rest)
	}
	return out
}

// cutKey takes the longest key off a path that one of the two has: keys may
// hold dots themselves.
func cutKey(path string, a, b plan.Props) (key, rest string) {
	for end := len(path); end > 0; end = strings.LastIndexByte(path[:end], '.') {
		_, inA := a[path[:end]]
		_, inB := b[path[:end]]
		if inA || inB {
			return path[:end], strings.TrimPrefix(path[end:], ".")
		}
	}
	return path, "" // there is nothing to keep
}

// forced are the changes at paths at which the user wants none in place.
func forced(o graph.Options, old, want plan.Props) []change {
	var found []change
	for _, path := range o.ReplaceOnChanges {
		before, _ := value.Get(old, path)
		after, _ := value.Get(want, path)
		if !state.Equal(before, after) {
			found = append(found, change{path, before, after})
		}
	}
	return found
}

// anew tells why a change of properties takes a new object; empty: it does not.
func anew(p Provider, typ string, o graph.Options, old, want plan.Props) string {
	var whys []string
	if props := p.Replaces(typ, old, want); len(props) > 0 {
		why := propsWhy(pick(old, props), pick(want, props))
		if why == "" {
			why = strings.Join(props, ", ") + " changes"
		}
		whys = append(whys, why)
	}
	for _, c := range forced(o, old, want) {
		if why := c.String(); !slices.Contains(whys, why) {
			whys = append(whys, why)
		}
	}
	return strings.Join(whys, ", ")
}

// retain marks a delete that only the state carries out. What must go before
// something else comes cannot stay.
func (b *builder) retain(d *node) error {
	if !d.goes.Retained || d.Gone {
		return nil
	}
	if b.first[d] {
		return &problem.Error{Kind: problem.Refused, Op: "plan the replacement of " + d.Name,
			Err: errors.New("it is to stay when it goes from the stack (retainOnDelete), and cannot stand beside what comes"),
			Fix: "give the new one another name, or let the old one go: retainOnDelete: false"}
	}
	d.Stays, d.Why = true, "is only forgotten, and stays where it is"
	return nil
}

// limit is how long a step may take; 0: as long as it goes on.
func (a *apply) limit(s plan.Step) time.Duration {
	o := a.wanted[s.URN].Options
	switch s.Op {
	case plan.Create:
		return o.Create
	case plan.Update:
		return o.Update
	case plan.Delete:
		if r, ok := a.journal.Find(s.URN, s.Gen); ok {
			return r.DeleteWithin
		}
	case plan.HandOver: // takes the time that workloads take
	}
	return 0
}

// limited is the context of a step that may take so long.
func limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// overdue is the error of a step that was cut off because its time was up.
func overdue(s plan.Step, limit time.Duration, err error) error {
	late := &problem.Error{Kind: problem.Outside, Err: fmt.Errorf("not done within %s (timeouts.%s): %w", limit, s.Op, err),
		Fix: "find out what holds it up, or give it longer, and run the same command again: it goes on from there"}
	var cause *problem.Error
	if errors.As(err, &cause) {
		late.Notes = cause.Notes
	}
	return late
}
