package graph

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Kind is a kind of Kubernetes objects; its group is empty for the core's.
type Kind struct{ Group, Name string }

// KindOf is the kind of a type: apps' StatefulSet of apps/v1/StatefulSet, and a Service
// without a group of v1/Service.
func KindOf(typ string) Kind {
	switch parts := strings.Split(typ, "/"); len(parts) {
	case 3:
		return Kind{Group: parts[0], Name: parts[2]}
	case 2:
		return Kind{Name: parts[1]}
	}
	return Kind{}
}

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

// Claims is how the volume claims end that an object makes for its pods, by its
// spec.volumeClaimTemplates.
type Claims int

// How claims end.
const (
	NoClaims Claims = iota // it makes none: its pods name claims that others made
	Kept                   // they stay, unless its persistentVolumeClaimRetentionPolicy says that they go with it
	Owned                  // they are the object's own, and are deleted with it
)

// claims of the kinds that make some.
var claims = map[Kind]Claims{
	{"apps", "StatefulSet"}:        Kept,
	{"apps.kruise.io", "CloneSet"}: Owned, // openkruise.io/docs/user-manuals/cloneset: Support PVCs
}

// ClaimsOf is how the claims end that objects of the kind make for their pods.
func ClaimsOf(group, name string) Claims { return claims[Kind{group, name}] }

// PodKinds are the kinds that make pods, each in the stack file's way: tests ask each
// place that deals with such kinds for all of them.
func PodKinds() []Kind {
	return slices.SortedFunc(maps.Keys(podPaths), func(a, b Kind) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name))
	})
}
