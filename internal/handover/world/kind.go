package world

import (
	"strings"

	"github.com/droverhq/drover/internal/handover"
)

// Kind is how a kind of workload's controller makes its pods.
type Kind struct {
	Nature   handover.Nature
	Ordinals bool // as of a handover.Workload
}

// Kinds are those that package kube/cluster has a row for, by KindName: a test there
// asks for each of them, and compares. Another one is an operator's that Drover does not
// know.
var Kinds = map[string]Kind{
	"Deployment":              {Nature: handover.Replicated},
	"ReplicaSet":              {Nature: handover.Replicated},
	"ReplicationController":   {Nature: handover.Replicated},
	"Rollout":                 {Nature: handover.Replicated}, // by its ReplicaSets: it has no row
	"StatefulSet":             {Nature: handover.Ordered, Ordinals: true},
	"CloneSet.apps.kruise.io": {Nature: handover.Ordered},
	"LeaderWorkerSet.leaderworkerset.x-k8s.io": {Nature: handover.Ordered}, // an App's Group
	"Job": {Nature: handover.Runs},
}

// KindName is what a kind is called here: as kubectl has it, with its group if that is
// none of Kubernetes' own. Kinds of one name in two groups are two.
func KindName(api, kind string) string {
	if group, _, _ := strings.Cut(api, "/"); strings.Contains(group, ".") {
		return kind + "." + group
	}
	return kind
}

// named is the API and the kind that go by a name.
func named(name string) (api, kind string) {
	kind, group, foreign := strings.Cut(name, ".")
	if foreign {
		return group + "/v1", kind
	}
	return "apps/v1", kind
}
