package graph

// kind is a kind of Kubernetes objects; its group is empty for the core's.
type kind struct{ group, name string }

// podPaths are where the kinds that make pods hold a pod's spec.
var podPaths = map[kind][]string{
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
	path, ok := podPaths[kind{group, name}]
	return path, ok
}
