package aws

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/problem"
)

// capacity is where a type says how many nodes it wants, and at most has.
type capacity struct{ desired, most string }

// capacities are the types that workloads run on.
var capacities = map[string]capacity{
	"AWS::AutoScaling::AutoScalingGroup": {"DesiredCapacity", "MaxSize"},
	"AWS::EKS::Nodegroup":                {"ScalingConfig/DesiredSize", "ScalingConfig/MaxSize"},
}

// sizeOf is how many nodes an object wants now; nil if it is none that has any.
func sizeOf(typ string, props map[string]any) *int {
	c, ok := capacities[typ]
	if !ok {
		return nil
	}
	if n, ok := whole(at(props, c.desired)); ok {
		return &n
	}
	return nil
}

// whole reads a number that is written as one, or as text.
func whole(v any) (int, bool) {
	switch v := v.(type) {
	case float64:
		return int(v), true
	case int:
		return v, true
	case json.Number:
		n, err := strconv.Atoi(v.String())
		return n, err == nil
	case string:
		n, err := strconv.Atoi(v)
		return n, err == nil
	}
	return 0, false
}

// enlarged is what is wanted of a new object, for as many nodes as its
// predecessor has, as far as the wanted limit allows.
func enlarged(r engine.Request, want map[string]any) map[string]any {
	c, ok := capacities[r.Type]
	desired, told := whole(at(want, c.desired))
	size := r.Size
	if most, limited := whole(at(want, c.most)); limited {
		size = min(size, most)
	}
	if !ok || !told || desired >= size {
		return want
	}
	return with(want, c.desired, size)
}

// unshrunk lets an update leave a group the nodes that it has: both what was
// and what is wanted get its size, so that it is not sent. One that could only
// be had by ending nodes is refused.
func unshrunk(r engine.Request, old, want map[string]any) (map[string]any, map[string]any, error) {
	c, ok := capacities[r.Type]
	desired, told := whole(at(want, c.desired))
	if !ok || !told || r.Size == 0 {
		return old, want, nil
	}
	if most, limited := whole(at(want, c.most)); limited && most < r.Size {
		return nil, nil, &problem.Error{Kind: problem.Refused, Op: "update " + subject(r),
			Err: fmt.Errorf("it has %d nodes now, and a maximum of %d would end %d of them without a hand-over", r.Size, most, r.Size-most),
			Fix: fmt.Sprintf("set max to %d or more, or set desired below what the file said before: then the nodes are handed over first", r.Size)}
	}
	if desired > r.Size {
		return old, want, nil
	}
	return with(old, c.desired, r.Size), with(want, c.desired, r.Size), nil
}

// with is a copy of props with a number at a path, in the form that it has there.
func with(props map[string]any, path string, n int) map[string]any {
	out := maps.Clone(props)
	if out == nil {
		out = map[string]any{}
	}
	key, rest, deep := strings.Cut(path, "/")
	if deep {
		inner, _ := out[key].(map[string]any)
		out[key] = with(inner, rest, n)
		return out
	}
	if _, text := out[key].(string); text {
		out[key] = strconv.Itoa(n)
	} else {
		out[key] = float64(n)
	}
	return out
}
