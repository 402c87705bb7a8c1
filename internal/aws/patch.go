package aws

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/droverhq/drover/internal/aws/internal/schema"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/value"
)

// operation is one line of a JSON Patch (RFC 6902). Sets are "add", which
// works whether or not the live object has the property; "replace" would fail
// on one that was never set.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// patch makes a live object of a type what is wanted.
//
// Cloud Control reads the object, applies the patch, and hands all of it to
// the type's update handler. So what is never read back is sent again each
// time, what can never change is not touched even if equal, and whole lists
// are set, since positions in them mean nothing.
type patch struct {
	facts     schema.Facts
	resend    []string // properties that the handler refuses in the form it reads them in
	old, want map[string]any
	maybe     []map[string]any // what updates that were cut off may have set
	ops       []operation
}

// operations is empty if nothing changed: then there is nothing to send.
func (p patch) operations(live map[string]any) []operation {
	p.walk(nil, p.old, p.want, live)
	for _, begun := range p.maybe {
		p.takeBack(begun, live)
	}
	if len(p.ops) == 0 {
		return nil
	}
	for _, path := range p.facts.WriteOnly {
		p.sendAgain(path)
	}
	for _, path := range p.resend {
		p.sendAgain(path)
	}
	return p.ops
}

// takeBack removes what only an update with an unknown end has set.
func (p *patch) takeBack(begun, live map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(begun)) {
		_, was := p.old[key]
		_, is := p.want[key]
		_, there := live[key]
		op := operation{Op: "remove", Path: pointer([]string{key})}
		if there && !was && !is && !p.fixed(key) && !slices.Contains(p.ops, op) {
			p.ops = append(p.ops, op)
		}
	}
}

func (p *patch) walk(parents []string, old, want, live map[string]any) {
	for _, key := range engine.Keys(old, want) {
		path := append(slices.Clone(parents), key)
		name := strings.Join(path, "/")
		before, was := old[key]
		after, is := want[key]
		if was == is && equal(before, after) || p.fixed(name) {
			continue
		}
		current, there := live[key]
		switch {
		case !is && there:
			p.ops = append(p.ops, operation{Op: "remove", Path: pointer(path)})
		case !is: // never read back, or gone already
		case p.fixedBelow(name) && isMap(after) && isMap(current):
			beforeMap, _ := before.(map[string]any)
			p.walk(path, beforeMap, after.(map[string]any), current.(map[string]any))
		case name == p.facts.Tags && p.facts.TagStyle != schema.Template:
			p.ops = append(p.ops, operation{"add", pointer(path), keepForeign(current, after, append(p.tags(), before)...)})
		default:
			p.ops = append(p.ops, operation{"add", pointer(path), after})
		}
	}
}

// tags are those that updates with an unknown end may have set.
func (p *patch) tags() (all []any) {
	for _, begun := range p.maybe {
		all = append(all, begun[p.facts.Tags])
	}
	return all
}

// fixed properties may not appear in a patch.
func (p *patch) fixed(path string) bool {
	return slices.Contains(p.facts.CreateOnly, path) || slices.Contains(p.facts.ReadOnly, path)
}

func (p *patch) fixedBelow(path string) bool {
	below := func(other string) bool { return strings.HasPrefix(other, path+"/") }
	return slices.ContainsFunc(p.facts.CreateOnly, below) || slices.ContainsFunc(p.facts.ReadOnly, below)
}

// sendAgain adds a wanted property that is not in the patch yet. One inside
// the items of a list brings the whole list.
func (p *patch) sendAgain(path string) {
	list, rest, inItems := strings.Cut(path, "/*/")
	value := at(p.want, list)
	if value == nil || p.fixed(list) || inItems && !someItemHas(value, rest) {
		return
	}
	target := pointer(strings.Split(list, "/"))
	covered := func(op operation) bool { return target == op.Path || strings.HasPrefix(target, op.Path+"/") }
	if !slices.ContainsFunc(p.ops, covered) {
		p.ops = append(p.ops, operation{"add", target, value})
	}
}

func someItemHas(list any, path string) bool {
	items, _ := list.([]any)
	return slices.ContainsFunc(items, func(item any) bool { return at(item, path) != nil })
}

// covered is what of want the live object already has, as if it had been
// applied before. What is never read back counts as applied.
func covered(f schema.Facts, live, want map[string]any) map[string]any {
	old := map[string]any{}
	for key, value := range want {
		if slices.Contains(f.WriteOnly, key) || covers(live[key], value) {
			old[key] = value
		}
	}
	return old
}

// covers reports whether the live value has all that is wanted: services add
// defaults to objects, and keep tags in no order.
func covers(live, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := live.(map[string]any)
		for key, value := range want {
			ok = ok && covers(have[key], value)
		}
		return ok
	case []any:
		have, ok := live.([]any)
		for _, value := range want {
			ok = ok && slices.ContainsFunc(have, func(v any) bool { return covers(v, value) })
		}
		return ok
	}
	return equal(live, want)
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

func isMap(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// pointer writes a path as a JSON pointer (RFC 6901).
func pointer(path []string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, key := range path {
		b.WriteByte('/')
		b.WriteString(escape.Replace(key))
	}
	return b.String()
}

// normal is props as JSON would read them back, so that values compare, with
// every secret revealed: it is what is sent.
func normal(props map[string]any) (map[string]any, error) {
	props, err := value.RevealMap(props)
	if err != nil {
		return nil, fmt.Errorf("encode properties: %w", err)
	}
	data, err := json.Marshal(props)
	if err != nil {
		return nil, fmt.Errorf("encode properties: %w", err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, err
	}
	return out, nil
}
