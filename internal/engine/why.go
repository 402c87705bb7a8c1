package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Reasons in a plan: what the user changed, in the user's words.

const (
	maxChanges = 3  // changed properties that are named one by one
	maxValue   = 40 // characters of a value that is shown
)

// movesWhy is the reason of what is made anew because its cluster is.
const movesWhy = "moves with what it belongs to"

// placement is the label by which workloads are placed on a node group.
const placement = "nodeSelector." + graph.GroupLabel

// reason tells why the parts of a unit are replaced.
func (u *unit) reason(seen sightings) string {
	if u.why != "" {
		return u.why
	}
	if i := slices.IndexFunc(u.items, func(it *item) bool { return it.lost }); i >= 0 {
		return what(plan.Step{URN: u.items[i].urn, Name: u.items[i].have.Name}) + " was deleted outside of Drover"
	}
	var reasons []string
	for _, it := range u.items {
		if it.have != nil && len(reasons) == 0 {
			reasons = changes(it.have.Generation, it.Generation)
		}
	}
	for _, it := range u.items {
		if it.have != nil {
			reasons = append(reasons, append(capacity(it), unshrunk(it, seen)...)...)
		}
	}
	if len(reasons) == 0 {
		return "made anew"
	}
	return strings.Join(reasons, ", ")
}

func capacity(it *item) []string {
	if it.Hosts == nil || it.have.Hosts == nil || it.Hosts.Nodes == it.have.Hosts.Nodes {
		return nil
	}
	return []string{fmt.Sprintf("capacity %d -> %d", it.have.Hosts.Nodes, it.Hosts.Nodes)}
}

// unshrunk tells that a group keeps more nodes than the file asks for:
// something else, an autoscaler or a person, has enlarged it.
func unshrunk(it *item, seen sightings) []string {
	if it.Hosts == nil || it.have.Hosts == nil || it.Hosts.Nodes < it.have.Hosts.Nodes {
		return nil
	}
	if size, ok := seen.size(*it.have); ok && size > it.Hosts.Nodes {
		return []string{fmt.Sprintf("stays at the %d nodes that it has now", size)}
	}
	return nil
}

// updateWhy tells why a resource is updated. A change of capacity shows once,
// however the type spells it.
func updateWhy(it *item, seen sightings) string {
	reasons := append(capacity(it), unshrunk(it, seen)...)
	before, after := it.have.Inputs, it.known
	if it.Hosts != nil && it.have.Hosts != nil && it.Hosts.Nodes != it.have.Hosts.Nodes {
		from, to := strconv.Itoa(it.have.Hosts.Nodes), strconv.Itoa(it.Hosts.Nodes)
		after = maps.Clone(after)
		for k, v := range after {
			if old, ok := before[k]; ok && text(old) == from && text(v) == to {
				after[k] = old
			}
		}
	}
	return strings.Join(append(reasons, propsWhys(before, after)...), ", ")
}

func propsWhy(before, after plan.Props) string { return strings.Join(propsWhys(before, after), ", ") }

// propsWhys names up to maxChanges changed properties, and says where the rest is.
func propsWhys(before, after plan.Props) []string {
	found := diff("", before, after)
	var reasons []string
	found = slices.DeleteFunc(found, func(c change) bool {
		if !strings.HasSuffix(c.path, placement) || c.after == nil {
			return false
		}
		reasons = append(reasons, "now placed on "+text(c.after))
		return true
	})
	if len(found) > maxChanges {
		where := commonPath(found)
		if where != "" {
			where = " in " + where
		}
		return append(reasons, fmt.Sprintf("%d changes%s", len(found), where))
	}
	for _, c := range found {
		reasons = append(reasons, c.String())
	}
	return reasons
}

// changes compares the top level only: what a user writes is flat.
func changes(before, after plan.Props) []string {
	var reasons []string
	for _, k := range Keys(before, after) {
		if c := (change{k, before[k], after[k]}); !state.Equal(c.before, c.after) {
			reasons = append(reasons, c.String())
		}
	}
	return reasons
}

// change is one property that differs. Nil is a property that is not there.
type change struct {
	path          string
	before, after any
}

func (c change) String() string {
	name, before, after := c.path, text(c.before), text(c.after)
	if c.before != nil && c.after != nil && (value.HasSecret(c.before) || value.HasSecret(c.after)) {
		before, after = value.Hidden, value.Hidden // what becomes secret was secret
	}
	switch {
	case c.after == nil:
		return name + " removed"
	case after == "":
		return name + " changes"
	case c.before == nil:
		return name + " " + after + " added"
	case before == "":
		return name + " -> " + after
	}
	return name + " " + before + " -> " + after
}

// text is a value as a reason shows it; empty if it is not known, not plain, or long.
func text(v any) string {
	switch v := v.(type) {
	case value.Secret:
		return v.String()
	case string:
		if len(v) > maxValue || strings.ContainsAny(v, "\n\t") {
			return ""
		}
		return v
	case nil, map[string]any, []any, *value.Expr, value.Unknown:
		return ""
	}
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

// diff lists what differs, by path. Lists of the same length are compared
// item by item, others as a whole.
func diff(path string, before, after any) []change {
	if state.Equal(before, after) {
		return nil
	}
	join := func(key string) string {
		if path == "" {
			return key
		}
		return path + "." + key
	}
	b, bIsMap := before.(map[string]any)
	a, aIsMap := after.(map[string]any)
	if bIsMap && aIsMap {
		var found []change
		for _, k := range Keys(b, a) {
			found = append(found, diff(join(k), b[k], a[k])...)
		}
		return found
	}
	bl, bIsList := before.([]any)
	al, aIsList := after.([]any)
	if bIsList && aIsList && len(bl) == len(al) {
		var found []change
		for i := range bl {
			found = append(found, diff(join(strconv.Itoa(i)), bl[i], al[i])...)
		}
		return found
	}
	return []change{{path, before, after}}
}

// commonPath is the deepest property that all changes lie in.
func commonPath(found []change) string {
	common := strings.Split(found[0].path, ".")
	for _, c := range found[1:] {
		parts := strings.Split(c.path, ".")
		n := 0
		for n < len(common) && n < len(parts) && common[n] == parts[n] {
			n++
		}
		common = common[:n]
	}
	return strings.Join(common, ".")
}

// inspectionWhy is what a hand-over would meet: "3 nodes, 4 pods, 1 load balancer".
func inspectionWhy(in Inspection) string {
	if in.Nodes == 0 && in.Pods == 0 && in.Balancers == 0 {
		return "nothing runs there"
	}
	parts := []string{problem.Count(in.Nodes, "node"), problem.Count(in.Pods, "pod")}
	if in.Balancers > 0 {
		parts = append(parts, problem.Count(in.Balancers, "load balancer"))
	}
	return strings.Join(parts, ", ")
}
