package drover

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/droverhq/drover/move"
)

// kind is one type of resource that is a node group: where it tells its name in
// AWS, and its sizes.
type kind struct {
	set     move.Kind
	name    string // the output that is its name in AWS
	id      string // any of what may stand before the name in its ID
	sizes   string // the input that holds the sizes; empty: they are inputs themselves
	desired string
	most    string
	types   string // the input that lists instance types; empty: the launch template says
}

// kinds are all of them, by their type in Pulumi.
var kinds = map[string]kind{
	"aws:autoscaling/group:Group":             {set: move.ASG, name: "name", desired: "desiredCapacity", most: "maxSize"},
	"aws-native:autoscaling:AutoScalingGroup": {set: move.ASG, name: "autoScalingGroupName", desired: "desiredCapacity", most: "maxSize"},
	"aws:eks/nodeGroup:NodeGroup":             {set: move.NodeGroup, name: "nodeGroupName", id: ":", sizes: "scalingConfig", desired: "desiredSize", most: "maxSize", types: "instanceTypes"},
	"aws-native:eks:Nodegroup":                {set: move.NodeGroup, name: "nodegroupName", id: "/|", sizes: "scalingConfig", desired: "desiredSize", most: "maxSize", types: "instanceTypes"},
}

// named is the group as Drover names it. Its ID has the name where the outputs
// have none.
func (k kind) named(id string, outputs resource.PropertyMap) move.Set {
	name, ok := text(outputs[resource.PropertyKey(k.name)])
	if !ok || name == "" {
		name = id[strings.LastIndexAny(id, k.id)+1:]
	}
	return move.Set{Kind: k.set, Name: name}
}

// size reads one of the sizes from inputs; ok is false if it is not given, or
// not known yet.
func (k kind) size(inputs resource.PropertyMap, name string) (n int, ok bool) {
	if k.sizes != "" {
		held := plain(inputs[resource.PropertyKey(k.sizes)])
		if !held.IsObject() {
			return 0, false
		}
		inputs = held.ObjectValue()
	}
	return number(inputs[resource.PropertyKey(name)])
}

// shrinksTo is how many nodes stay at the most after an update; ok is false if it
// changes no size. Whether so many are there is for the cluster to tell: an
// autoscaler may have changed that.
func (k kind) shrinksTo(old, want resource.PropertyMap) (n int, ok bool) {
	n = math.MaxInt
	for _, name := range []string{k.desired, k.most} {
		before, was := k.size(old, name)
		after, is := k.size(want, name)
		if is && (!was || after != before) {
			n = min(n, after)
		}
	}
	return n, n < math.MaxInt
}

// fresh are the nodes that the group will have; one at least, since it would not
// be made for none.
func (k kind) fresh(inputs resource.PropertyMap) move.Fresh {
	n, _ := k.size(inputs, k.desired)
	f := move.Fresh{Nodes: max(n, 1)}
	if types := plain(inputs[resource.PropertyKey(k.types)]); k.types != "" && types.IsArray() && len(types.ArrayValue()) > 0 {
		f.InstanceType, _ = text(types.ArrayValue()[0])
	}
	return f
}

// plain is the value in the wrappings that Pulumi puts around it.
func plain(v resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsSecret():
		return plain(v.SecretValue().Element)
	case v.IsOutput() && v.OutputValue().Known:
		return plain(v.OutputValue().Element)
	}
	return v
}

func text(v resource.PropertyValue) (string, bool) {
	if v = plain(v); v.IsString() {
		return v.StringValue(), true
	}
	return "", false
}

// number reads sizes; CloudFormation writes some of them as text.
func number(v resource.PropertyValue) (int, bool) {
	switch v = plain(v); {
	case v.IsNumber():
		return int(v.NumberValue()), true
	case v.IsString():
		n, err := strconv.Atoi(v.StringValue())
		return n, err == nil
	}
	return 0, false
}

// key names a group within a program, as transforms and hooks know it.
type key struct{ typ, name string }

func (k key) String() string { return fmt.Sprintf("%s (%s)", k.name, k.typ) }
