package cloudformation

import (
	"crypto/rand"
	"maps"
	"slices"

	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// nameOf is how CloudFormation names a resource whose template does not: by the stack,
// the entry and something random, or without the stack.
type nameOf struct {
	property  string
	most      int // characters
	withStack bool
	separator string
}

var naming = map[string]nameOf{
	"AWS::IAM::Role":                     {"RoleName", 64, true, "-"},
	"AWS::IAM::InstanceProfile":          {"InstanceProfileName", 128, true, "-"},
	"AWS::EC2::SecurityGroup":            {"GroupName", 255, true, "-"},
	"AWS::AutoScaling::AutoScalingGroup": {"AutoScalingGroupName", 255, true, "-"},
	"AWS::EC2::LaunchTemplate":           {"LaunchTemplateName", 128, false, "_"},
	"AWS::EKS::Cluster":                  {"Name", 100, false, "-"},
	"AWS::EKS::Nodegroup":                {"NodegroupName", 63, false, "-"},
}

// random is how many characters of a name are.
const random = 12

// name gives a resource its name, if it has none.
func name(stack *region.Stack, r *region.StackResource, model props) {
	n, ok := naming[r.Type]
	if !ok || model[n.property] != nil {
		return
	}
	logical, tail := r.LogicalID, n.separator+randomText(random)
	room := n.most - len(tail)
	if !n.withStack {
		model[n.property] = logical[:min(len(logical), room)] + tail
		return
	}
	logical = logical[:min(len(logical), room/2)]
	head := stack.Name[:min(len(stack.Name), room-len(logical)-1)]
	model[n.property] = head + n.separator + logical + tail
}

// randomText is made of letters of both cases and digits.
func randomText(length int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	bytes := make([]byte, length)
	_, _ = rand.Read(bytes) // never fails, see its documentation
	for k, b := range bytes {
		bytes[k] = letters[int(b)%len(letters)]
	}
	return string(bytes)
}

// tag gives a resource the stack's tags, which yield to its own, and CloudFormation's.
func tag(stack *region.Stack, r *region.StackResource, kind cloudcontrol.Kind, model props) {
	property, asMap, system := kind.Tags()
	if property == "" {
		return
	}
	tags := map[string]string{}
	for _, t := range stack.Tags {
		tags[t.Key] = t.Value
	}
	if system {
		tags["aws:cloudformation:stack-name"], tags["aws:cloudformation:stack-id"] = stack.Name, stack.ID
		tags["aws:cloudformation:logical-id"] = r.LogicalID
	}
	if asMap {
		model[property] = mapOfTags(model[property], tags)
		return
	}
	model[property] = listOfTags(model[property], tags, r.Type == "AWS::AutoScaling::AutoScalingGroup")
}

func mapOfTags(own any, tags map[string]string) props {
	all := props{}
	for key, value := range tags {
		all[key] = value
	}
	given, _ := own.(props)
	maps.Copy(all, given)
	return all
}

// listOfTags puts tags behind the resource's own. Those of a group go on to its instances.
func listOfTags(own any, tags map[string]string, propagate bool) []any {
	list, _ := own.([]any)
	for _, t := range list {
		entry, _ := t.(props)
		key, _ := entry["Key"].(string)
		delete(tags, key)
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		entry := props{"Key": key, "Value": tags[key]}
		if propagate {
			entry["PropagateAtLaunch"] = true
		}
		list = append(list, entry)
	}
	return list
}
