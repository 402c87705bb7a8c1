package graph

import (
	"cmp"
	"maps"
	"slices"
)

// Kind is a kind of Kubernetes objects; its group is empty for the core's.
type Kind struct{ Group, Name string }

// podPaths are where the kinds that make pods hold a pod's spec.
var podPaths = map[Kind][]string{
	{"", "Pod"}:                    {"spec"},
	{"", "ReplicationController"}:  {"spec", "template", "spec"},
	{"apps", "Deployment"}:         {"spec", "template", "spec"},
	{"apps", "StatefulSet"}:        {"spec", "template", "spec"},
	{"apps", "DaemonSet"}:          {"spec", "template", "spec"},
	{"apps", "ReplicaSet"}:         {"spec", "template", "spec"},
	{"batch", "Job"}:               {"spec", "template", "spec"},
	{"batch", "CronJob"}:           {"spec", "jobTemplate", "spec", "template", "spec"},
	{"apps.kruise.io", "CloneSet"}: {"spec", "template", "spec"},
}

// PodPath is where an object of the kind holds the spec of its pods; false: it makes none.
func PodPath(group, name string) ([]string, bool) {
	path, ok := podPaths[Kind{group, name}]
	return path, ok
}

// PodKinds are the kinds that make pods, each in the stack file's way: tests ask each
// place that deals with such kinds for all of them.
func PodKinds() []Kind {
	return slices.SortedFunc(maps.Keys(podPaths), func(a, b Kind) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name))
	})
}
