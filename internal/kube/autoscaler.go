package kube

import (
	"context"
	"errors"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/droverhq/drover/plan"
)

// autoscalers are served under one version by every Kubernetes since 1.23.
var autoscalers = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}

// scaledByOthers: all that stands against an apply is that somebody has scaled the object.
func scaledByOthers(err error) bool {
	var refused apierrors.APIStatus
	if !errors.As(err, &refused) {
		return false
	}
	held := conflicts(refused.Status())
	for _, field := range held {
		if !strings.HasPrefix(field, "spec.replicas ") {
			return false
		}
	}
	return len(held) > 0
}

// autoscaled: a HorizontalPodAutoscaler owns the object's number of pods. If
// they cannot be read, nobody is known to.
func (c *client) autoscaled(ctx context.Context, t target) bool {
	list, err := c.dynamic.Resource(autoscalers).Namespace(t.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return false
	}
	for _, a := range list.Items {
		if targets(&a, t) {
			return true
		}
	}
	return false
}

func targets(autoscaler *unstructured.Unstructured, t target) bool {
	group, _, _ := strings.Cut(field(autoscaler, "spec", "scaleTargetRef", "apiVersion"), "/")
	return group == t.gvk.Group && field(autoscaler, "spec", "scaleTargetRef", "kind") == t.gvk.Kind &&
		field(autoscaler, "spec", "scaleTargetRef", "name") == t.name
}

// withoutReplicas gives the number of pods up, which leaves it as it is.
func withoutReplicas(want plan.Props) plan.Props {
	out := maps.Clone(want)
	spec, _ := out["spec"].(map[string]any)
	spec = maps.Clone(spec)
	delete(spec, "replicas")
	out["spec"] = spec
	return out
}
