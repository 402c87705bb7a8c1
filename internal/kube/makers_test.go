package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/internal/graph"
)

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
		u := live(t, fmt.Sprintf(`{apiVersion: %s, kind: %s, metadata: {generation: 2}, spec: {replicas: 2, completions: 2},
			status: {observedGeneration: 2, desiredNumberScheduled: 2, updatedReplicas: 2, updatedNumberScheduled: 2, startTime: now}}`,
			strings.TrimPrefix(k.Group+"/v1", "/"), k.Name))
		_, counted := podCount(u)
		halfway := func(revises int, spec string) verdict { // both pods are there, and one is of the new revision
			return assess(live(t, fmt.Sprintf(`{apiVersion: %s, kind: %s, metadata: {generation: 2}, spec: {replicas: 2, %s},
				status: {observedGeneration: 2, replicas: 2, readyReplicas: 2, availableReplicas: 2, currentReplicas: 1, updatedReplicas: 1, expectedUpdatedReplicas: %d,
				desiredNumberScheduled: 2, currentNumberScheduled: 2, numberAvailable: 2, numberReady: 2, updatedNumberScheduled: 1}}`,
				strings.TrimPrefix(k.Group+"/v1", "/"), k.Name, spec, revises)))
		}
		for place, knows := range map[string]bool{
			"assess":    assess(u).state == waiting,
			"podCount":  counted,
			"partition": except["partition"][kind] == "" && halfway(1, "updateStrategy: {type: RollingUpdate, partition: 1, rollingUpdate: {partition: 1}}").state == ready,
			"OnDelete":  except["OnDelete"][kind] == "" && halfway(2, "updateStrategy: {type: OnDelete}").state == ready,
			"paused":    except["paused"][kind] == "" && halfway(2, "paused: true, updateStrategy: {paused: true}").state == ready,
			"claims":    graph.ClaimsOf(k.Group, k.Name) != graph.NoClaims,
			"workloads": slices.Contains(workloads, kind),
			"fixed":     slices.Contains(fixed[strings.TrimPrefix(k.Group+"/"+k.Name, "/")], "spec.selector"),
		} {
			switch why := except[place][kind]; {
			case why == "" && !knows:
				t.Errorf("%s does not know of %s (of one without a pod it says %+v)", place, kind, assess(u))
			case why != "" && knows:
				t.Errorf("%s knows of %s, and is said not to: %s", place, kind, why)
			}
		}
	}
}
