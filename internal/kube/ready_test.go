package kube

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// live reads YAML as the API server would send it: whole numbers are integers.
func live(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return &u
}

// What others refer to, or depend on, must be there before an object counts as ready.
func TestAssess(t *testing.T) {
	tests := []struct {
		name, object string
		state        state
		words        string
	}{
		{"a load balancer without address", `{apiVersion: v1, kind: Service, spec: {type: LoadBalancer, clusterIP: 10.100.0.9}}`,
			waiting, "no load balancer address"},
		{"a load balancer with a name", `{apiVersion: v1, kind: Service, spec: {type: LoadBalancer, clusterIP: 10.100.0.9},
			status: {loadBalancer: {ingress: [{hostname: a.elb.amazonaws.com}]}}}`, ready, ""},
		{"an ingress of an ALB without address", `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {annotations: {alb.ingress.kubernetes.io/scheme: internal}}}`,
			waiting, "no load balancer address"},
		{"an ingress of an ALB with a name", `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {annotations: {alb.ingress.kubernetes.io/scheme: internal}},
			status: {loadBalancer: {ingress: [{hostname: a.elb.amazonaws.com}]}}}`, ready, ""},
		{"an ingress of a controller that writes no address", `{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {ingressClassName: nginx}}`, ready, ""},
		{"a plain service", `{apiVersion: v1, kind: Service, spec: {clusterIP: 10.100.0.9}}`, ready, ""},
		{"a claim that waits for its first pod", `{apiVersion: v1, kind: PersistentVolumeClaim, status: {phase: Pending}}`, ready, ""},
		{"a namespace on its way out", `{apiVersion: v1, kind: Namespace, status: {phase: Terminating}}`, waiting, "Terminating"},
		{"a job that runs", `{apiVersion: batch/v1, kind: Job, spec: {completions: 2}, status: {succeeded: 1, startTime: now}}`,
			waiting, "1 of 2 pods completed"},
		{"a job that failed", `{apiVersion: batch/v1, kind: Job, status: {conditions: [{type: Failed, status: "True", message: BackoffLimitExceeded}]}}`,
			broken, "BackoffLimitExceeded"},
		{"another group's job is not batch's", `{apiVersion: batch.volcano.sh/v1alpha1, kind: Job, status: {succeeded: 0}}`, ready, ""},
		{"nor is its deployment one of apps", `{apiVersion: example.com/v1, kind: Deployment, spec: {replicas: 2},
			status: {conditions: [{type: Ready, status: "False", message: "the fleet is at sea"}]}}`, waiting, "the fleet is at sea"},
		{"nor its namespace the core's", `{apiVersion: example.com/v1, kind: Namespace}`, ready, ""},
		{"an ingress needs no address", `{apiVersion: networking.k8s.io/v1, kind: Ingress}`, ready, ""},
		{"a rollout that the controller has not seen", `{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2},
			spec: {replicas: 1}, status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1,
			conditions: [{type: Available, status: "True"}]}}`, waiting, ""},
		{"a rollout under way", `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3},
			status: {replicas: 4, updatedReplicas: 1, readyReplicas: 3, availableReplicas: 3}}`, waiting, "1 of 3 pods are of the new revision"},
		{"old pods left", `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3},
			status: {replicas: 4, updatedReplicas: 3, readyReplicas: 4, availableReplicas: 4}}`, waiting, "1 pods of the old revision"},
		{"not all available", `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3, progressDeadlineSeconds: 600},
			status: {replicas: 3, updatedReplicas: 3, readyReplicas: 2, availableReplicas: 2}}`, waiting, "2 of 3 pods available"},
		{"done", `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3, progressDeadlineSeconds: 600},
			status: {replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3, conditions: [
			{type: Available, status: "True"}, {type: Progressing, status: "True", reason: NewReplicaSetAvailable}]}}`, ready, ""},
		{"clones that the controller has not seen", `{apiVersion: apps.kruise.io/v1beta1, kind: CloneSet, metadata: {generation: 2}, status: {observedGeneration: 1, replicas: 1, availableReplicas: 1}}`,
			waiting, "has not seen this change"},
		{"clones of the old revision", `{apiVersion: apps.kruise.io/v1beta1, kind: CloneSet, spec: {replicas: 3}, status: {replicas: 3, availableReplicas: 3, updatedReplicas: 1}}`,
			waiting, "1 of 3 pods are of the new revision"},
		{"clones beyond the partition", `{apiVersion: apps.kruise.io/v1beta1, kind: CloneSet, spec: {replicas: 3}, status: {replicas: 3, availableReplicas: 3, updatedReplicas: 1, expectedUpdatedReplicas: 1}}`, ready, ""},
		{"one clone too many", `{apiVersion: apps.kruise.io/v1beta1, kind: CloneSet, spec: {replicas: 3}, status: {replicas: 4, availableReplicas: 4, updatedReplicas: 3}}`,
			waiting, "1 pods of the old revision left"},
		{"no clone is wanted", `{apiVersion: apps.kruise.io/v1beta1, kind: CloneSet, spec: {replicas: 0}, status: {replicas: 0}}`, ready, ""},
		{"a controller of a ReplicationController's pods", `{apiVersion: v1, kind: ReplicationController, spec: {replicas: 2}, status: {replicas: 2, availableReplicas: 1}}`,
			waiting, "1 of 2 pods available"},
		{"all of them", `{apiVersion: v1, kind: ReplicationController, spec: {replicas: 2}, status: {replicas: 2, availableReplicas: 2}}`, ready, ""},
		{"a rollout that is paused", `{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3, paused: true},
			status: {observedGeneration: 2, replicas: 4, updatedReplicas: 1, availableReplicas: 3}}`, ready, ""},
		{"a pause that the controller has not seen", `{apiVersion: apps/v1, kind: Deployment, metadata: {generation: 2}, spec: {replicas: 3, paused: true},
			status: {observedGeneration: 1, replicas: 3}}`, waiting, "has not seen this change"},
		{"clones that are paused", `{apiVersion: apps.kruise.io/v1beta1, kind: CloneSet, spec: {replicas: 3, updateStrategy: {paused: true}},
			status: {replicas: 3, availableReplicas: 3, updatedReplicas: 1}}`, ready, ""},
		{"daemons that somebody has to end", `{apiVersion: apps/v1, kind: DaemonSet, spec: {updateStrategy: {type: OnDelete}},
			status: {desiredNumberScheduled: 3, currentNumberScheduled: 3, numberAvailable: 3, numberReady: 3, updatedNumberScheduled: 0}}`, ready, ""},
		{"of which one is not available", `{apiVersion: apps/v1, kind: DaemonSet, spec: {updateStrategy: {type: OnDelete}},
			status: {desiredNumberScheduled: 3, currentNumberScheduled: 3, numberAvailable: 2, numberReady: 2}}`, waiting, "2 of 3 pods available"},
		{"members that somebody has to end", `{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 3, updateStrategy: {type: OnDelete}},
			status: {replicas: 3, readyReplicas: 3, availableReplicas: 3, updatedReplicas: 0, currentRevision: a, updateRevision: b}}`, ready, ""},
		{"the first of which are yet to come", `{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 3, updateStrategy: {type: OnDelete}},
			status: {replicas: 1, readyReplicas: 1, availableReplicas: 1}}`, waiting, "1 of 3 pods ready"},
		{"given up", `{apiVersion: apps/v1, kind: Deployment, status: {conditions: [
			{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`, broken, "deadline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := assess(live(t, tt.object))
			if got.state != tt.state || !strings.Contains(got.waiting, tt.words) {
				t.Errorf("got %d %q, want %d %q", got.state, got.waiting, tt.state, tt.words)
			}
		})
	}
}

// The first reason shown is the one that a person can act on.
func TestTroubles(t *testing.T) {
	var pods []corev1.Pod
	decode(t, `
- {metadata: {name: fine}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}
- {metadata: {name: starting}, status: {phase: Pending, containerStatuses: [{state: {waiting: {reason: ContainerCreating}}}]}}
- {metadata: {name: unready}, status: {phase: Running, conditions: [{type: Ready, status: "False", message: "containers with unready status: [nginx]"}]}}
- {metadata: {name: unplaced}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", message: "0/6 nodes are available: 3 Insufficient cpu. preemption: not helpful."}]}}
- {metadata: {name: unpulled}, status: {phase: Pending, containerStatuses: [{state: {waiting: {reason: ImagePullBackOff, message: "Back-off pulling image \"ngnix\""}}}]}}
`, &pods)
	want := []string{
		`pod unpulled ImagePullBackOff: Back-off pulling image "ngnix"`,
		"pod unplaced Pending: 0/6 nodes are available: 3 Insufficient cpu",
		"pod unready runs, and is not ready yet: containers with unready status: [nginx]",
		`pod starting is starting: FailedMount: configmap "web" not found`,
	}
	got := troubles(pods, func(pod *corev1.Pod) string {
		return map[string]string{"starting": `FailedMount: configmap "web" not found`}[pod.Name]
	})
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What a workload cannot become ready for is told, wherever Kubernetes says it: an
// image, the scheduler, a probe, a volume, a quota, a webhook.
func TestReasons(t *testing.T) {
	const labels = `"labels":{"app":"web"}`
	deployment := func(status string) string {
		return `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"shop","name":"web","uid":"web"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"web"}}},"status":` + status + `}`
	}
	set := `{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"namespace":"shop","name":"web","uid":"web"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}}}}`
	pod := func(status string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"web-1","uid":"web-1",` + labels + `},"status":` + status + `}`
	}
	warning := func(uid, reason, message string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"Event","metadata":{"namespace":"shop","name":%q},"type":"Warning","involvedObject":{"uid":%q},"reason":%q,"message":%q,"lastTimestamp":"2026-11-26T12:00:00Z"}`, uid, uid, reason, message)
	}
	running := `{"phase":"Running","conditions":[{"type":"Ready","status":"False","message":"containers with unready status: [web]"}]}`
	for _, c := range []struct {
		why, of string
		around  []string
		want    string
	}{
		{"image", deployment(`{}`), []string{pod(`{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull","message":"ngnix: not found"}}}]}`)}, "pod web-1 ErrImagePull: ngnix: not found"},
		{"scheduling", deployment(`{}`), []string{pod(`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/3 nodes are available: 3 Insufficient cpu."}]}`)}, "pod web-1 Pending: 0/3 nodes are available: 3 Insufficient cpu."},
		{"probe", deployment(`{}`), []string{pod(running), warning("web-1", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")}, "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503"},
		{"volume", deployment(`{}`), []string{pod(`{"phase":"Pending"}`), warning("web-1", "FailedMount", `secret "web" not found`)}, `pod web-1 is starting: FailedMount: secret "web" not found`},
		{"image of a CloneSet", strings.Replace(set, `"apps/v1","kind":"StatefulSet"`, `"apps.kruise.io/v1alpha1","kind":"CloneSet"`, 1), []string{pod(`{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull","message":"ngnix: not found"}}}]}`)}, "pod web-1 ErrImagePull: ngnix: not found"},
		{"crash", deployment(`{}`), []string{pod(`{"phase":"Running","containerStatuses":[{"name":"web","restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off"}}}]}`)}, "pod web-1 CrashLoopBackOff: back-off"},
		{"quota", deployment(`{"conditions":[{"type":"ReplicaFailure","status":"True","reason":"FailedCreate","message":"pods \"web-1\" is forbidden: exceeded quota: small, requested: cpu=1, used: cpu=2, limited: cpu=2"}]}`), nil, "FailedCreate: pods \"web-1\" is forbidden: exceeded quota: small"},
		{"webhook", deployment(`{"conditions":[{"type":"ReplicaFailure","status":"True","reason":"FailedCreate","message":"admission webhook \"policy.example.com\" denied the request: no limits"}]}`), nil, `FailedCreate: admission webhook "policy.example.com" denied the request: no limits`},
		{"quota of a set", set, []string{pod(`{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}`), warning("web", "FailedCreate", "create Pod web-1 in StatefulSet web failed: exceeded quota: small")}, "FailedCreate: create Pod web-1 in StatefulSet web failed: exceeded quota: small"},
		{"load balancer", `{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"shop","name":"web","uid":"web"}}`, []string{warning("web", "SyncLoadBalancerFailed", "could not find any suitable subnets")}, "SyncLoadBalancerFailed: could not find any suitable subnets"},
		{"foreign kind", `{"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"namespace":"shop","name":"web","uid":"web"}}`, []string{warning("web", "Failed", "the issuer is not ready")}, "Failed: the issuer is not ready"},
	} {
		_, dyn, _ := clusterOf(t, c.around...)
		var u unstructured.Unstructured
		if err := u.UnmarshalJSON([]byte(c.of)); err != nil {
			t.Fatal(err)
		}
		where := target{gvk: u.GroupVersionKind(), namespace: "shop", name: "web"}
		if got := (&client{dynamic: dyn}).reasons(t.Context(), where, &u); !strings.Contains(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s: told %q, want %q", c.why, got, c.want)
		}
	}
}

func TestReplaces(t *testing.T) {
	tests := []struct{ typ, old, want, fields string }{
		{"apps/v1/Deployment", `{metadata: {name: a}, spec: {replicas: 3, selector: {matchLabels: {app: a}}}}`,
			`{metadata: {name: a}, spec: {replicas: 5, selector: {matchLabels: {app: a}}}}`, ""},
		{"apps/v1/Deployment", `{spec: {selector: {matchLabels: {app: a}}}}`, `{spec: {selector: {matchLabels: {app: b}}}}`, "spec.selector"},
		{"v1/Service", `{spec: {type: ClusterIP}}`, `{spec: {type: LoadBalancer}}`, ""},
		{"rbac.authorization.k8s.io/v1/RoleBinding", `{roleRef: {name: a}}`, `{roleRef: {name: b}}`, "roleRef"},
		{"v1/ConfigMap", `{data: {a: "1"}}`, `{data: {a: "2"}}`, ""},
		{"v1/ConfigMap", `{immutable: true, data: {a: "1"}}`, `{immutable: true, data: {a: "2"}}`, "data"},
		{"v1/Pod", `{spec: {nodeName: a, containers: [{name: c, image: x:1}]}}`, `{spec: {nodeName: a, containers: [{name: c, image: x:2}]}}`, ""},
		{"v1/Pod", `{spec: {containers: [{name: c, command: [a]}]}}`, `{spec: {containers: [{name: c, command: [b]}]}}`, "spec"},
		{"example.com/v1/Anything", `{spec: {a: 1}}`, `{spec: {a: 2}}`, ""},
	}
	for _, tt := range tests {
		var old, want map[string]any
		decode(t, tt.old, &old)
		decode(t, tt.want, &want)
		if got := strings.Join(replaces(tt.typ, old, want), " "); got != tt.fields {
			t.Errorf("%s %s -> %s replaces %q, want %q", tt.typ, tt.old, tt.want, got, tt.fields)
		}
	}
}
