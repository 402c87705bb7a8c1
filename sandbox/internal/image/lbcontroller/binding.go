package lbcontroller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	apitypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	bindingFinalizer = "elbv2.k8s.aws/resources"

	// gatePrefix begins the condition of a pod for each of its bindings.
	gatePrefix = "target-health.elbv2.k8s.aws/"

	// healthEvery is the pause between two looks at targets that are not healthy yet:
	// a tenth of the real controller's, as most times here.
	healthEvery = 1500 * time.Millisecond
)

// binding is a TargetGroupBinding.
type binding struct {
	object          *unstructured.Unstructured
	namespace, name string
	arn             string
	kind            types.TargetTypeEnum
	service         string
	port            intstr.IntOrString
	nodes           labels.Selector
	stack           item // what it was made for; empty: by somebody else
}

func readBinding(o *unstructured.Unstructured) binding {
	b := binding{object: o, namespace: o.GetNamespace(), name: o.GetName(), nodes: labels.Everything()}
	b.arn, _, _ = unstructured.NestedString(o.Object, "spec", "targetGroupARN")
	targets, _, _ := unstructured.NestedString(o.Object, "spec", "targetType")
	b.kind = types.TargetTypeEnum(targets)
	b.service, _, _ = unstructured.NestedString(o.Object, "spec", "serviceRef", "name")
	if port, ok, _ := unstructured.NestedInt64(o.Object, "spec", "serviceRef", "port"); ok {
		b.port = intstr.FromInt32(int32(port))
	} else {
		text, _, _ := unstructured.NestedString(o.Object, "spec", "serviceRef", "port")
		b.port = intstr.FromString(text)
	}
	if match, ok, _ := unstructured.NestedStringMap(o.Object, "spec", "nodeSelector", "matchLabels"); ok {
		b.nodes = labels.SelectorFromSet(match)
	}
	for _, k := range []kind{ofIngress, ofService} {
		if name, ok := o.GetLabels()[string(k)+".k8s.aws/stack"]; ok {
			b.stack = item{k, o.GetLabels()[string(k)+".k8s.aws/stack-namespace"], name}
		}
	}
	return b
}

// bindingsIn lists the bindings of a namespace, or of all.
func (c *controller) bindingsIn(namespace string) (list []binding) {
	if c.bound == nil {
		return nil
	}
	objects, _ := c.bound.List(labels.Everything()) // a cache cannot fail
	for _, o := range objects {
		if u, ok := o.(*unstructured.Unstructured); ok && (namespace == "" || u.GetNamespace() == namespace) {
			list = append(list, readBinding(u))
		}
	}
	return list
}

// gate is the condition by which a pod waits for the binding's target group.
func (b binding) gate() corev1.PodConditionType { return corev1.PodConditionType(gatePrefix + b.name) }

// lookAtBinding brings the targets of one binding in step, and the gates of its pods.
func (c *controller) lookAtBinding(ctx context.Context, it item) (time.Duration, error) {
	object, err := c.bindings.Namespace(it.namespace).Get(ctx, it.name, getOptions)
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	b := readBinding(object)
	if object.GetDeletionTimestamp() != nil {
		return 0, c.unbind(ctx, b)
	}
	if !slices.Contains(object.GetFinalizers(), bindingFinalizer) {
		object.SetFinalizers(append(object.GetFinalizers(), bindingFinalizer))
		if _, err := c.bindings.Namespace(b.namespace).Update(ctx, object, updateOptions); err != nil {
			return 0, err
		}
	}
	if b.kind == "" {
		if b.kind, err = c.cloud.kindOf(ctx, b.arn); err != nil {
			return 0, err
		}
	}
	if b.kind == types.TargetTypeEnumIp {
		return c.bindPods(ctx, b)
	}
	return 0, c.bindNodes(ctx, b)
}

func (c *cloud) kindOf(ctx context.Context, arn string) (types.TargetTypeEnum, error) {
	out, err := c.elb.DescribeTargetGroups(ctx, &elbv2.DescribeTargetGroupsInput{TargetGroupArns: []string{arn}})
	if err != nil {
		return "", err
	}
	return out.TargetGroups[0].TargetType, nil
}

// unbind deregisters all targets and lets the binding go.
func (c *controller) unbind(ctx context.Context, b binding) error {
	if err := c.register(ctx, b.arn, nil); err != nil && !isCode(err, "TargetGroupNotFound") {
		return err
	}
	b.object.SetFinalizers(slices.DeleteFunc(b.object.GetFinalizers(), func(f string) bool { return f == bindingFinalizer }))
	_, err := c.bindings.Namespace(b.namespace).Update(ctx, b.object, updateOptions)
	return ignoreGone(err)
}

// end is a target: an instance or an address, and a port.
type end struct {
	id   string
	port int32
}

// register makes the target group hold these, and no others.
func (c *controller) register(ctx context.Context, arn string, want map[end]*corev1.Pod) error {
	have, err := c.cloud.targets(ctx, arn)
	if err != nil {
		return err
	}
	in := map[end]bool{}
	var leave, come []types.TargetDescription
	for _, d := range have {
		at := end{*d.Target.Id, *d.Target.Port}
		if d.TargetHealth.State == types.TargetHealthStateEnumDraining {
			continue
		}
		in[at] = true
		if _, ok := want[at]; !ok {
			leave = append(leave, types.TargetDescription{Id: d.Target.Id, Port: d.Target.Port})
		}
	}
	for at := range want {
		if !in[at] {
			come = append(come, types.TargetDescription{Id: &at.id, Port: &at.port})
		}
	}
	if len(leave) > 0 {
		c.log.Info("deregister", "group", arn, "targets", names(leave))
		if _, err := c.cloud.elb.DeregisterTargets(ctx, &elbv2.DeregisterTargetsInput{TargetGroupArn: &arn, Targets: leave}); err != nil {
			return err
		}
	}
	if len(come) > 0 {
		c.log.Info("register", "group", arn, "targets", names(come))
		_, err = c.cloud.elb.RegisterTargets(ctx, &elbv2.RegisterTargetsInput{TargetGroupArn: &arn, Targets: come})
	}
	return err
}

func names(targets []types.TargetDescription) (list []string) {
	for _, t := range targets {
		list = append(list, fmt.Sprintf("%s:%d", *t.Id, *t.Port))
	}
	slices.Sort(list)
	return list
}

// bindPods registers the pods that serve, and those that would if it were not for
// the binding's own gate, and tells them how their target is.
func (c *controller) bindPods(ctx context.Context, b binding) (time.Duration, error) {
	want, err := c.ends(b)
	if err != nil {
		return 0, err
	}
	if err := c.register(ctx, b.arn, want); err != nil {
		return 0, err
	}
	targets, err := c.cloud.targets(ctx, b.arn)
	if err != nil {
		return 0, err
	}
	waiting := false
	for _, d := range targets {
		pod := want[end{*d.Target.Id, *d.Target.Port}]
		if pod == nil {
			continue
		}
		if err := c.tellPod(ctx, pod, b.gate(), d.TargetHealth); err != nil {
			return 0, err
		}
		waiting = waiting || d.TargetHealth.State != types.TargetHealthStateEnumHealthy
	}
	if waiting {
		return healthEvery, nil
	}
	return 0, nil
}

// ends are the pods behind a binding's Service port, by address.
func (c *controller) ends(b binding) (map[end]*corev1.Pod, error) {
	service, err := c.services.Services(b.namespace).Get(b.service)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	port, err := portOf(service, b.port)
	if err != nil {
		return nil, err
	}
	list, err := c.slices.EndpointSlices(b.namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: b.service}))
	if err != nil {
		return nil, err
	}
	want := map[end]*corev1.Pod{}
	for _, slice := range list {
		number := slicePort(slice, port.Name)
		if number == 0 {
			continue
		}
		for _, e := range slice.Endpoints {
			if pod := c.podOf(b.namespace, e); pod != nil && serves(e, pod, b.gate()) {
				want[end{e.Addresses[0], number}] = pod
			}
		}
	}
	return want, nil
}

func slicePort(slice *discoveryv1.EndpointSlice, name string) int32 {
	for _, p := range slice.Ports {
		if p.Port != nil && (p.Name == nil && name == "" || p.Name != nil && *p.Name == name) {
			return *p.Port
		}
	}
	return 0
}

func (c *controller) podOf(namespace string, e discoveryv1.Endpoint) *corev1.Pod {
	if e.TargetRef == nil || e.TargetRef.Kind != "Pod" || len(e.Addresses) == 0 {
		return nil
	}
	pod, err := c.pods.Pods(namespace).Get(e.TargetRef.Name)
	if err != nil || pod.UID != e.TargetRef.UID {
		return nil
	}
	return pod
}

// serves: the endpoint is ready, or its pod's containers are and the gate holds it up.
func serves(e discoveryv1.Endpoint, pod *corev1.Pod, gate corev1.PodConditionType) bool {
	if e.Conditions.Ready == nil || *e.Conditions.Ready {
		return true
	}
	return pod.DeletionTimestamp == nil && gated(pod, gate) && condition(pod, corev1.ContainersReady) == corev1.ConditionTrue
}

func gated(pod *corev1.Pod, gate corev1.PodConditionType) bool {
	return slices.ContainsFunc(pod.Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool { return g.ConditionType == gate })
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// tellPod sets the pod's condition for a gate that it has.
func (c *controller) tellPod(ctx context.Context, pod *corev1.Pod, gate corev1.PodConditionType, h *types.TargetHealth) error {
	status := corev1.ConditionFalse
	if h.State == types.TargetHealthStateEnumHealthy {
		status = corev1.ConditionTrue
	}
	if !gated(pod, gate) || condition(pod, gate) == status {
		return nil
	}
	said := corev1.PodCondition{Type: gate, Status: status, Reason: string(h.Reason), LastTransitionTime: metav1.Now()}
	if h.Description != nil {
		said.Message = *h.Description
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": map[string]any{"conditions": []corev1.PodCondition{said}}})
	if err != nil {
		return err
	}
	_, err = c.kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, apitypes.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return ignoreGone(err)
}

// excludeLabel keeps a node out of load balancers.
const excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers"

// bindNodes registers the nodes that are ready and let load balancers in.
func (c *controller) bindNodes(ctx context.Context, b binding) error {
	service, err := c.services.Services(b.namespace).Get(b.service)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	want := map[end]*corev1.Pod{}
	if err == nil {
		port, err := portOf(service, b.port)
		if err != nil {
			return err
		}
		nodes, err := c.nodes.List(b.nodes)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if id := instanceOf(n.Spec.ProviderID); id != "" && takesTraffic(n) {
				want[end{id, port.NodePort}] = nil
			}
		}
	}
	return c.register(ctx, b.arn, want)
}

func takesTraffic(n *corev1.Node) bool {
	_, excluded := n.Labels[excludeLabel]
	leaving := slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == "ToBeDeletedByClusterAutoscaler" })
	ready := slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	return !excluded && !leaving && ready
}
