package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/droverhq/drover/internal/graph"
)

// sample is an object of the kind as its API server keeps it: without the fields that
// are another kind's, so that a place which reads one of those finds nothing.
func sample(t *testing.T, k graph.Kind, text string) *unstructured.Unstructured {
	t.Helper()
	u := live(t, text)
	typed, err := scheme.Scheme.New(u.GroupVersionKind())
	if own, has := published[k]; has {
		typed, err = own(), nil
	}
	if err != nil {
		t.Fatalf("give the fields of %s: %v", k.Name, err)
	}
	if err = runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	kept, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: kept}
}

// published are the types of kinds that a CRD defines, by those of their fields that say
// how many pods they want and have, and how they are updated.
var published = map[graph.Kind]func() runtime.Object{
	{Group: "apps.kruise.io", Name: "CloneSet"}: func() runtime.Object { return &cloneSet{} },
}

// cloneSet is OpenKruise's (apis/apps/v1alpha1/cloneset_types.go).
type cloneSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Replicas       int64 `json:"replicas,omitempty"`
		UpdateStrategy struct {
			Type      string `json:"type,omitempty"`
			Partition int64  `json:"partition,omitempty"`
			Paused    bool   `json:"paused,omitempty"`
		} `json:"updateStrategy"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration       int64 `json:"observedGeneration,omitempty"`
		Replicas                 int64 `json:"replicas"`
		ReadyReplicas            int64 `json:"readyReplicas"`
		AvailableReplicas        int64 `json:"availableReplicas"`
		UpdatedReplicas          int64 `json:"updatedReplicas"`
		UpdatedReadyReplicas     int64 `json:"updatedReadyReplicas"`
		UpdatedAvailableReplicas int64 `json:"updatedAvailableReplicas"`
		ExpectedUpdatedReplicas  int64 `json:"expectedUpdatedReplicas,omitempty"`
	} `json:"status"`
}

func (c *cloneSet) DeepCopyObject() runtime.Object { return new(*c) }

// Each place that has to know the kinds that make pods knows all of them, or there is a
// reason here. The rows of those kinds that move are held to the same list by
// cluster.TestEveryTemplateHasAPodPath.
func TestEveryKindThatMakesPods(t *testing.T) {
	const (
		later  = "its Jobs make pods when their time has come"
		whole  = "no partition leaves some of its pods as they are"
		never  = "it has no such update strategy"
		runs   = "its rollouts cannot be paused"
		others = "its pods name claims that others made"
	)
	except := map[string]map[string]string{ // by place and kind
		"assess":    {"CronJob.batch": later},
		"podCount":  {"CronJob.batch": later, "Pod": "it is one itself", "Job.batch": "assessJob says how many have completed"},
		"workloads": {"CronJob.batch": later, "Pod": "it is one itself: kstatus says what it lacks"},
		"partition": {"CronJob.batch": whole, "Pod": whole, "Job.batch": whole, "Deployment.apps": whole, "DaemonSet.apps": whole, "ReplicaSet.apps": whole},
		"OnDelete":  {"CronJob.batch": never, "Pod": never, "Job.batch": never, "Deployment.apps": never, "ReplicaSet.apps": never, "CloneSet.apps.kruise.io": never, "ReplicationController": never},
		"paused": {"CronJob.batch": runs, "Pod": runs, "Job.batch": "suspended it is ready: assessJob", "StatefulSet.apps": runs, "DaemonSet.apps": runs, "ReplicaSet.apps": runs,
			"ReplicationController": runs},
		"claims": {"CronJob.batch": others, "Pod": others, "Job.batch": others, "Deployment.apps": others, "DaemonSet.apps": others, "ReplicaSet.apps": others,
			"ReplicationController": others},
		"fixed": {"CronJob.batch": "it has no selector", "ReplicationController": "its selector may change", "Pod": "it has no selector: all of spec is fixed"},
	}
	for _, k := range graph.PodKinds() {
		kind := strings.TrimSuffix(k.Name+"."+k.Group, ".")
		u := sample(t, k, fmt.Sprintf(`{apiVersion: %s, kind: %s, metadata: {generation: 2}, spec: {replicas: 2, completions: 2},
			status: {observedGeneration: 2, desiredNumberScheduled: 2, updatedReplicas: 2, updatedNumberScheduled: 2, startTime: "2026-01-01T00:00:00Z"}}`,
			strings.TrimPrefix(k.Group+"/v1", "/"), k.Name))
		_, counted := podCount(u)
		halfway := func(revises int, spec string) verdict { // both pods are there, and one is of the new revision
			return assess(sample(t, k, fmt.Sprintf(`{apiVersion: %s, kind: %s, metadata: {generation: 2}, spec: {replicas: 2, %s},
				status: {observedGeneration: 2, replicas: 2, readyReplicas: 2, availableReplicas: 2, currentReplicas: 1, updatedReplicas: 1, expectedUpdatedReplicas: %d,
				desiredNumberScheduled: 2, currentNumberScheduled: 2, numberAvailable: 2, numberReady: 2, updatedNumberScheduled: 1}}`,
				strings.TrimPrefix(k.Group+"/v1", "/"), k.Name, spec, revises)))
		}
		done := assess(sample(t, k, fmt.Sprintf(`{apiVersion: %s, kind: %s, metadata: {generation: 2}, spec: {replicas: 2, completions: 2, updateStrategy: {type: RollingUpdate}},
			status: {observedGeneration: 2, replicas: 2, readyReplicas: 2, availableReplicas: 2, currentReplicas: 2, updatedReplicas: 2, expectedUpdatedReplicas: 2, fullyLabeledReplicas: 2,
			desiredNumberScheduled: 2, currentNumberScheduled: 2, numberAvailable: 2, numberReady: 2, updatedNumberScheduled: 2, succeeded: 2, phase: Running,
			conditions: [{type: Complete, status: "True"}, {type: Ready, status: "True"}, {type: Available, status: "True"}, {type: Progressing, status: "True", reason: NewReplicaSetAvailable}]}}`,
			strings.TrimPrefix(k.Group+"/v1", "/"), k.Name)))
		said := map[string]verdict{"done": done, "assess": assess(u)}
		for place, c := range map[string]struct {
			revises int
			spec    string
		}{
			"partition": {1, "updateStrategy: {type: RollingUpdate, partition: 1, rollingUpdate: {partition: 1}}"},
			"OnDelete":  {2, "updateStrategy: {type: OnDelete}"},
			"paused":    {2, "paused: true, updateStrategy: {paused: true, rollingUpdate: {paused: true}}"},
		} {
			if except[place][kind] == "" {
				said[place] = halfway(c.revises, c.spec)
			}
		}
		for place, knows := range map[string]bool{
			"done":      done.state == ready,
			"assess":    said["assess"].state == waiting,
			"podCount":  counted,
			"partition": said["partition"].state == ready,
			"OnDelete":  said["OnDelete"].state == ready,
			"paused":    said["paused"].state == ready,
			"claims":    graph.ClaimsOf(k.Group, k.Name) != graph.NoClaims,
			"workloads": slices.Contains(workloads, kind),
			"fixed":     slices.Contains(fixed[strings.TrimPrefix(k.Group+"/"+k.Name, "/")], "spec.selector"),
		} {
			switch why := except[place][kind]; {
			case why == "" && !knows:
				t.Errorf("%s does not know of %s, and says of the sample %+v: has the sample the field that says so in this kind, and published, too?", place, kind, said[place])
			case why != "" && knows:
				t.Errorf("%s knows of %s, and is said not to: %s", place, kind, why)
			}
		}
	}
}
