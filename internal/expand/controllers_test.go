package expand_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/droverhq/drover/internal/graph"
)

// controller is a Deployment whose account has these rules.
func controller(name, rules string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: ServiceAccount
metadata: {name: %[1]s, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %[1]s}
rules: [%[2]s]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}
subjects: [{kind: ServiceAccount, name: %[1]s, namespace: kube-system}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: kube-system}
spec:
  template:
    spec: {serviceAccountName: %[1]s, containers: [{name: c, image: i, env: [{name: HOST, value: "%[3]s"}]}]}
---
`, name, rules, "HOSTS")
}

// What a controller in the stack serves comes after it and goes before it, so
// that its finalizers are taken away and what it has made outside goes. One that
// only reads, or writes other kinds, is waited for by nobody.
func TestControllerOutlivesWhatItServes(t *testing.T) {
	ingresses := `{apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [update]}`
	for name, c := range map[string]struct {
		rules  string
		served []string
	}{
		"ingresses":         {ingresses, []string{"networking.k8s.io/v1/Ingress/default/shop"}},
		"services":          {`{apiGroups: [""], resources: [services/finalizers], verbs: [patch]}`, []string{"v1/Service/default/balanced"}},
		"custom":            {`{apiGroups: [example.com], resources: [bindings], verbs: ["*"]}`, []string{"example.com/v1/Binding/b"}},
		"whole custom":      {`{apiGroups: [example.com], resources: ["*"], verbs: ["*"]}`, []string{"example.com/v1/Binding/b"}},
		"a reader":          {`{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, list, watch]}`, nil},
		"owner of Services": {`{apiGroups: [""], resources: [services], verbs: [create, update]}`, nil},
		"administrator":     {`{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}`, nil},
	} {
		g := load(t, fstest.MapFS{
			"drover.yaml": {Data: []byte("name: n\ncluster: {version: \"1.36\"}\nworkloads: {w: {manifests: w.yaml}}\n")},
			"w.yaml": {Data: []byte(controller("lb", c.rules) + `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: balanced}
spec: {type: LoadBalancer}
---
apiVersion: v1
kind: Service
metadata: {name: inner}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bindings.example.com}
spec: {group: example.com, names: {kind: Binding, plural: bindings}}
---
apiVersion: example.com/v1
kind: Binding
metadata: {name: b}
`)},
		}, oregon)
		var served []string
		for _, r := range g.Resources {
			if slices.Contains(r.After, graph.Key{Type: "apps/v1/Deployment", Name: "kube-system/lb"}) {
				served = append(served, r.String())
			}
		}
		if !slices.Equal(served, c.served) {
			t.Errorf("%s: after the controller come %q, want %q", name, served, c.served)
		}
	}
}

// A custom object comes after its definition, and after the nodes, so that it goes while
// there are pods that may clean up after it.
func TestCustomObjectsNeedTheirDefinitionAndNodes(t *testing.T) {
	g := load(t, fstest.MapFS{"drover.yaml": {Data: []byte(`name: n
cluster: {version: "1.36"}
nodeGroups: {web: {kind: self-managed, instanceType: m7i.large, capacity: 1}}
workloads:
  w:
    objects:
      - {apiVersion: example.com/v1, kind: Binding, metadata: {name: b, namespace: default}}
      - {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
      - {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: bindings.example.com},
         spec: {group: example.com, names: {kind: Binding}}}
`)}}, oregon)
	definition := graph.Key{Type: "apiextensions.k8s.io/v1/CustomResourceDefinition", Name: "bindings.example.com"}
	nodes := graph.Key{Type: "AWS::AutoScaling::AutoScalingGroup", Name: "web"}
	if after := find(t, g, "example.com/v1/Binding/default/b").After; !slices.Contains(after, definition) || !slices.Contains(after, nodes) {
		t.Errorf("the custom object comes after %v only", after)
	}
	if after := find(t, g, "v1/ConfigMap/default/c").After; slices.Contains(after, nodes) {
		t.Errorf("the ConfigMap waits for nodes: %v", after)
	}
}

// Controllers that need what they would serve, or each other's, are no cycle.
func TestControllersMakeNoCycle(t *testing.T) {
	rules := `{apiGroups: [""], resources: [services/status], verbs: [update]}, {apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [update]}`
	one := strings.ReplaceAll(controller("one", rules), "HOSTS", "${workloads.w.services.two.hostname}")
	two := strings.ReplaceAll(controller("two", rules), "HOSTS", "${workloads.w.services.one.hostname}")
	g := load(t, fstest.MapFS{
		"drover.yaml": {Data: []byte("name: n\ncluster: {version: \"1.36\"}\nworkloads: {w: {manifests: w.yaml}}\n")},
		"w.yaml": {Data: []byte(one + two + `apiVersion: v1
kind: Service
metadata: {name: one}
spec: {type: LoadBalancer}
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {type: LoadBalancer}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
`)},
	}, oregon)
	if _, err := g.Sorted(); err != nil {
		t.Error(err)
	}
	if after := find(t, g, "networking.k8s.io/v1/Ingress/default/shop").After; len(after) < 2 {
		t.Errorf("the Ingress comes after %v only", after)
	}
}
