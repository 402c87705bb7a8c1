package drover

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/droverhq/drover/move"
)

const (
	native  = "aws-native:autoscaling:AutoScalingGroup"
	classic = "aws:autoscaling/group:Group"
	managed = "aws-native:eks:Nodegroup"
)

// props are properties as an engine sends them.
func props(of map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(of) }

func sizes(desired, most any) resource.PropertyMap {
	return props(map[string]any{"desiredCapacity": desired, "maxSize": most})
}

func scaling(desired int) resource.PropertyMap {
	return props(map[string]any{"scalingConfig": map[string]any{"desiredSize": desired, "minSize": 1, "maxSize": 9}, "instanceTypes": []any{"m7g.large"}})
}

// A group is named by its outputs, or by its ID where these have no name.
func TestNamed(t *testing.T) {
	for _, c := range []struct {
		typ, id string
		outputs map[string]any
		want    move.Set
	}{
		{native, "web-1", map[string]any{"autoScalingGroupName": "web-1"}, move.Set{Kind: move.ASG, Name: "web-1"}},
		{native, "web-1", nil, move.Set{Kind: move.ASG, Name: "web-1"}},
		{classic, "web-2", map[string]any{"name": "web-2"}, move.Set{Kind: move.ASG, Name: "web-2"}},
		{"aws:eks/nodeGroup:NodeGroup", "shop:web", nil, move.Set{Kind: move.NodeGroup, Name: "web"}},
		{managed, "shop|web", map[string]any{"clusterName": "shop"}, move.Set{Kind: move.NodeGroup, Name: "web"}},
		{managed, "shop/web", map[string]any{"clusterName": "shop"}, move.Set{Kind: move.NodeGroup, Name: "web"}}, // as Cloud Control has it
		{managed, "shop|web", map[string]any{"nodegroupName": resource.MakeSecret(resource.NewProperty("web"))}, move.Set{Kind: move.NodeGroup, Name: "web"}},
	} {
		if got := kinds[c.typ].named(c.id, props(c.outputs)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.typ, c.id, got, c.want)
		}
	}
}

// Only what an update changes can end nodes: an autoscaler may have grown the
// group far beyond what the program says.
func TestShrinksTo(t *testing.T) {
	for name, c := range map[string]struct {
		typ       string
		old, want resource.PropertyMap
		leave     int
		changes   bool
	}{
		"nothing":          {native, sizes("3", "5"), sizes("3", "5"), 0, false},
		"fewer, as text":   {native, sizes("3", "5"), sizes("2", "5"), 2, true},
		"fewer":            {classic, sizes(3, 5), sizes(2, 5), 2, true},
		"more":             {classic, sizes(3, 5), sizes(4, 5), 4, true},
		"a smaller most":   {classic, sizes(3, 5), sizes(3, 4), 4, true},
		"both":             {classic, sizes(3, 5), sizes(2, 2), 2, true},
		"none":             {classic, sizes(3, 5), sizes(0, 5), 0, true},
		"first said":       {classic, props(map[string]any{"maxSize": 5}), sizes(2, 5), 2, true},
		"no longer said":   {classic, sizes(3, 5), props(map[string]any{"maxSize": 5}), 0, false},
		"managed":          {managed, scaling(3), scaling(1), 1, true},
		"not yet known":    {classic, sizes(3, 5), props(map[string]any{"desiredCapacity": resource.MakeComputed(resource.NewProperty("")), "maxSize": 5}), 0, false},
		"said as a secret": {classic, sizes(3, 5), sizes(resource.MakeSecret(resource.NewProperty(2.0)), 5), 2, true},
	} {
		leave, changes := kinds[c.typ].shrinksTo(c.old, c.want)
		if changes != c.changes || changes && leave != c.leave {
			t.Errorf("%s: %d, %v", name, leave, changes)
		}
	}
}

func TestFresh(t *testing.T) {
	if f := kinds[managed].fresh(scaling(4)); f != (move.Fresh{Nodes: 4, InstanceType: "m7g.large"}) {
		t.Errorf("%+v", f)
	}
	if f := kinds[native].fresh(props(nil)); f != (move.Fresh{Nodes: 1}) {
		t.Errorf("%+v", f)
	}
}

// Hooks of the program's own run as well, ours after them.
func TestJoined(t *testing.T) {
	a, b := &pulumi.ResourceHook{Name: "own"}, &pulumi.ResourceHook{Name: "ours"}
	got := joined(&pulumi.ResourceHookBinding{BeforeDelete: []*pulumi.ResourceHook{a}}, &pulumi.ResourceHookBinding{BeforeDelete: []*pulumi.ResourceHook{b}})
	if len(got.BeforeDelete) != 2 || got.BeforeDelete[1] != b {
		t.Errorf("%+v", got.BeforeDelete)
	}
}
