package kube

import (
	"context"
	"errors"
	"maps"
	"slices"
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

// heldByOthers are the paths, of those that others may hold, which stand against
// an apply; none if anything else does, too.
func heldByOthers(err error, ignore []string) []string {
	var refused apierrors.APIStatus
	if len(ignore) == 0 || !errors.As(err, &refused) {
		return nil
	}
	var left []string
	for _, held := range conflicts(refused.Status()) {
		field, _, _ := strings.Cut(held, " ")
		i := slices.IndexFunc(ignore, func(path string) bool {
			return field == path || strings.HasPrefix(field, path+".") || strings.HasPrefix(field, path+"[")
		})
		if i < 0 {
			return nil
		}
		left = append(left, ignore[i])
	}
	return left
}

// without gives fields up, which leaves them as they are with those who hold them.
func without(want plan.Props, paths ...string) plan.Props {
	for _, path := range paths {
		want, _ = cut(want, strings.Split(path, ".")).(plan.Props)
	}
	return want
}

func cut(v any, path []string) any {
	props, ok := v.(plan.Props)
	if !ok || props[path[0]] == nil {
		return v
	}
	out := maps.Clone(props)
	if len(path) == 1 {
		delete(out, path[0])
	} else {
		out[path[0]] = cut(props[path[0]], path[1:])
	}
	return out
}
