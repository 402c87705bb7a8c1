package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

var volumes = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumes"}

// clusterOf is a provider that is connected to a cluster with these objects, as JSON.
func clusterOf(t *testing.T, objects ...string) (*Provider, *fake.FakeDynamicClient, plan.Props) {
	t.Helper()
	var all []runtime.Object
	for _, text := range objects {
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	kinds := map[schema.GroupVersionResource]string{volumes: "PersistentVolumeList", {Version: "v1", Resource: "events"}: "EventList", {Version: "v1", Resource: "pods"}: "PodList"}
	for _, k := range strayKinds {
		kinds[k.resource] = k.typ[strings.LastIndexByte(k.typ, '/')+1:] + "List"
	}
	dyn := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, all...)
	conn := plan.Props{"cluster": "shop", "endpoint": "https://example.com"}
	key, err := json.Marshal(conn)
	if err != nil {
		t.Fatal(err)
	}
	claims := metav1.APIResource{Name: "persistentvolumeclaims", Kind: "PersistentVolumeClaim", Namespaced: true}
	p := NewProvider(nil)
	p.clients[string(key)] = &client{dynamic: dyn, kinds: map[string][]metav1.APIResource{"v1": {claims}}}
	return p, dyn, conn
}

// What controllers made outside of the cluster for objects that the stack does
// not know is found: load balancers block the network, volumes only cost money.
func TestStraysOfACluster(t *testing.T) {
	object := func(kind, api, name, rest string) string {
		return fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"namespace":"apps","name":%q},%s}`, api, kind, name, rest)
	}
	balanced := `"status":{"loadBalancer":{"ingress":[{"hostname":"x"}]}}`
	p, _, conn := clusterOf(t,
		object("Service", "v1", "own", `"spec":{"type":"LoadBalancer"}`),
		object("Service", "v1", "legacy", `"spec":{"type":"LoadBalancer"}`),
		`{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"apps","name":"edge-istio","ownerReferences":[{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","name":"edge"}]},"spec":{"type":"LoadBalancer"}}`,
		object("Service", "v1", "inner", `"spec":{"type":"ClusterIP"}`),
		object("Ingress", "networking.k8s.io/v1", "shop", balanced),
		object("Ingress", "networking.k8s.io/v1", "nobody-serves-it", `"spec":{}`),
		`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"namespace":"apps","name":"data-db-0","ownerReferences":[{"apiVersion":"apps/v1","kind":"StatefulSet","name":"db"}]},"status":{"phase":"Bound"}}`,
		object("PersistentVolumeClaim", "v1", "waits", `"status":{"phase":"Pending"}`))
	found, err := p.Strays(t.Context(), conn, []string{"v1/Service/apps/own"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range found {
		got = append(got, fmt.Sprintf("%s blocks %v: %s", s.Object, s.Blocks, s.Fix))
	}
	want := []string{
		"ingress apps/shop blocks true: kubectl delete -n apps ingress/shop",
		"persistentvolumeclaim apps/data-db-0 blocks false: kubectl delete -n apps persistentvolumeclaim/data-db-0",
		"service apps/edge-istio blocks true: kubectl delete -n apps gateway.gateway.networking.k8s.io/edge",
		"service apps/legacy blocks true: kubectl delete -n apps service/legacy",
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A claim is deleted once its volume is: the driver that deletes it is not taken
// away before. Volumes that are to stay, or are another claim's, are not waited for.
func TestClaimGoesWithItsVolume(t *testing.T) {
	volume := func(driver, policy, claim string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"pv-1","annotations":{%s}},
			"spec":{"persistentVolumeReclaimPolicy":%q,"claimRef":{"uid":%q}}}`, driver, policy, claim)
	}
	ebs := `"pv.kubernetes.io/provisioned-by":"ebs.csi.aws.com"`
	for name, c := range map[string]struct {
		volume string
		gone   time.Duration // when its driver has deleted it; 0: never
		want   time.Duration // how long the delete takes
		fails  bool
	}{
		"its driver deletes it":        {volume(ebs, "Delete", "claim"), 40 * time.Second, 40 * time.Second, false},
		"its driver is gone":           {volume(ebs, "Delete", "claim"), 0, reclaimTime, true},
		"it is kept":                   {volume(ebs, "Retain", "claim"), 0, 0, false},
		"it was made by hand":          {volume("", "Delete", "claim"), 0, 0, false},
		"it is another claim's by now": {volume(ebs, "Delete", "other"), 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, dyn, conn := clusterOf(t, c.volume,
					`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"namespace":"apps","name":"db","uid":"claim"},"spec":{"volumeName":"pv-1"}}`)
				if c.gone > 0 {
					time.AfterFunc(c.gone, func() { _ = dyn.Resource(volumes).Delete(t.Context(), "pv-1", metav1.DeleteOptions{}) })
				}
				began, told := time.Now(), ""
				err := p.Delete(t.Context(), engine.Request{Type: "v1/PersistentVolumeClaim", ID: "apps/db@claim", Conn: conn, Wait: func(s string) { told = s }})
				var failed *problem.Error
				if errors.As(err, &failed) != c.fails || (err == nil) == c.fails {
					t.Errorf("%v", err)
				}
				if c.fails && (!strings.Contains(err.Error(), "pv-1 is still there") || !strings.Contains(failed.Fix, "ebs.csi.aws.com")) {
					t.Errorf("%v; fix %s", err, failed.Fix)
				}
				if took := time.Since(began); took < c.want || took > c.want+2*glance {
					t.Errorf("it took %s, want %s", took, c.want)
				}
				if c.want > 0 && !strings.Contains(told, "to delete volume pv-1") {
					t.Errorf("told %q", told)
				}
			})
		})
	}
}
