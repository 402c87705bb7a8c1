package world

import "github.com/droverhq/drover/internal/handover"

// Kind is how a kind of workload's controller makes its pods.
type Kind struct {
	Nature   handover.Nature
	Ordinals bool // each pod has a number, and the next one in its place has the same
}

// Kinds are those that package kube/cluster has a row for: a test there asks for each
// of them, and compares. Another one is an operator's that Drover does not know.
var Kinds = map[string]Kind{
	"Deployment":            {Nature: handover.Replicated},
	"ReplicaSet":            {Nature: handover.Replicated},
	"ReplicationController": {Nature: handover.Replicated},
	"Rollout":               {Nature: handover.Replicated}, // by its ReplicaSets: it has no row
	"StatefulSet":           {Nature: handover.Ordered, Ordinals: true},
	"CloneSet":              {Nature: handover.Ordered},
	"Job":                   {Nature: handover.Runs},
}
