package cluster

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// foreignObject is one of a custom kind, of its JSON.
func foreignObject(t *testing.T, text string) *custom {
	t.Helper()
	u := &custom{}
	if err := json.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// A mesh or a network that selects a pod by the label that takes it out of its
// Services would treat it differently without: the label stays. One that selects
// others, or by another label, is not in the way.
func TestMeshesKeepTheirLabels(t *testing.T) {
	for name, c := range map[string]struct {
		object string
		kept   bool // the Service's only label must stay
	}{
		"AuthorizationPolicy": {`{"kind":"AuthorizationPolicy","metadata":{"namespace":"apps","name":"p"},"spec":{"selector":{"matchLabels":{"app":"web"}}}}`, true},
		"… of the whole mesh": {`{"kind":"AuthorizationPolicy","metadata":{"namespace":"istio-system","name":"p"},"spec":{"selector":{"matchLabels":{"app":"web"}}}}`, true},
		"… for every pod":     {`{"kind":"AuthorizationPolicy","metadata":{"namespace":"apps","name":"p"},"spec":{}}`, false},
		"… elsewhere":         {`{"kind":"AuthorizationPolicy","metadata":{"namespace":"shop","name":"p"},"spec":{"selector":{"matchLabels":{"app":"web"}}}}`, false},
		"… by another label":  {`{"kind":"AuthorizationPolicy","metadata":{"namespace":"apps","name":"p"},"spec":{"selector":{"matchLabels":{"tier":"front"}}}}`, false},
		"PeerAuthentication":  {`{"kind":"PeerAuthentication","metadata":{"namespace":"apps","name":"p"},"spec":{"selector":{"matchLabels":{"app":"web"}}}}`, true},
		"subset":              {`{"kind":"DestinationRule","metadata":{"namespace":"apps","name":"p"},"spec":{"host":"web","subsets":[{"name":"v1","labels":{"app":"web"}}]}}`, true},
		"subset from elsewhere": {`{"kind":"DestinationRule","metadata":{"namespace":"shop","name":"p"},
			"spec":{"host":"web.apps.svc.cluster.local","subsets":[{"labels":{"app":"web"}}]}}`, true},
		"Cilium endpoint": {`{"kind":"CiliumNetworkPolicy","metadata":{"namespace":"apps","name":"p"},"spec":{"endpointSelector":{"matchLabels":{"k8s:app":"web"}}}}`, true},
		"Cilium peer of another namespace": {`{"kind":"CiliumNetworkPolicy","metadata":{"namespace":"shop","name":"p"},"spec":{"endpointSelector":{"matchLabels":{"app":"db"}},
			"ingress":[{"fromEndpoints":[{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"apps","app":"web"}}]}]}}`, true},
		"Cilium denies": {`{"kind":"CiliumNetworkPolicy","metadata":{"namespace":"apps","name":"p"},"specs":[{"endpointSelector":{"matchLabels":{"app":"db"}},
			"egressDeny":[{"toEndpoints":[{"matchExpressions":[{"key":"app","operator":"In","values":["web"]}]}]}]}]}`, true},
		"Cilium cluster-wide":           {`{"kind":"CiliumClusterwideNetworkPolicy","metadata":{"name":"p"},"spec":{"endpointSelector":{"matchLabels":{"app":"web"}}}}`, true},
		"Istio gateway":                 {`{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"namespace":"shop","name":"p"},"spec":{"selector":{"app":"web"}}}`, true},
		"Istio gateway of others":       {`{"apiVersion":"networking.istio.io/v1","kind":"Gateway","metadata":{"namespace":"apps","name":"p"},"spec":{"selector":{"istio":"ingressgateway"}}}`, false},
		"Sidecar":                       {`{"kind":"Sidecar","metadata":{"namespace":"apps","name":"p"},"spec":{"workloadSelector":{"labels":{"app":"web"}}}}`, true},
		"Sidecar elsewhere":             {`{"kind":"Sidecar","metadata":{"namespace":"shop","name":"p"},"spec":{"workloadSelector":{"labels":{"app":"web"}}}}`, false},
		"EnvoyFilter of the whole mesh": {`{"kind":"EnvoyFilter","metadata":{"namespace":"istio-system","name":"p"},"spec":{"workloadSelector":{"labels":{"app":"web"}}}}`, true},
		"Linkerd":                       {`{"kind":"Server","metadata":{"namespace":"apps","name":"p"},"spec":{"podSelector":{"matchLabels":{"app":"web"}},"port":80}}`, true},
		"Linkerd elsewhere":             {`{"kind":"Server","metadata":{"namespace":"shop","name":"p"},"spec":{"podSelector":{"matchLabels":{"app":"web"}}}}`, false},
		"of an administrator":           {`{"kind":"AdminNetworkPolicy","metadata":{"name":"p"},"spec":{"subject":{"pods":{"namespaceSelector":{},"podSelector":{"matchLabels":{"app":"web"}}}}}}`, true},
		"… and its peers":               {`{"kind":"AdminNetworkPolicy","metadata":{"name":"p"},"spec":{"subject":{"namespaces":{}},"ingress":[{"from":[{"pods":{"podSelector":{"matchLabels":{"app":"web"}}}}]}]}}`, true},
		"… of others":                   {`{"kind":"AdminNetworkPolicy","metadata":{"name":"p"},"spec":{"subject":{"pods":{"podSelector":{"matchLabels":{"app":"db"}}}}}}`, false},
		"Calico":                        {`{"apiVersion":"crd.projectcalico.org/v1","kind":"NetworkPolicy","metadata":{"namespace":"apps","name":"p"},"spec":{"selector":"tier == 'back' || app == 'web'"}}`, true},
		"Calico elsewhere":              {`{"apiVersion":"crd.projectcalico.org/v1","kind":"NetworkPolicy","metadata":{"namespace":"shop","name":"p"},"spec":{"selector":"app == 'web'"}}`, false},
		"Calico for others":             {`{"apiVersion":"crd.projectcalico.org/v1","kind":"NetworkPolicy","metadata":{"namespace":"apps","name":"p"},"spec":{"selector":"app == 'db' && app not in {'a', 'b'}"}}`, false},
		"Calico for all":                {`{"kind":"GlobalNetworkPolicy","metadata":{"name":"p"},"spec":{"selector":"all()"}}`, false},
		"Calico, not":                   {`{"kind":"GlobalNetworkPolicy","metadata":{"name":"p"},"spec":{"selector":"app != \"web\""}}`, true},
		"Calico, one of":                {`{"kind":"GlobalNetworkPolicy","metadata":{"name":"p"},"spec":{"selector":"!(app in { \"db\", 'web' })"}}`, true},
		"Calico, any value":             {`{"kind":"GlobalNetworkPolicy","metadata":{"name":"p"},"spec":{"selector":"has(app)"}}`, true},
		"Calico, like":                  {`{"kind":"GlobalNetworkPolicy","metadata":{"name":"p"},"spec":{"selector":"app starts with 'w'"}}`, true},
		"Calico peer":                   {`{"apiVersion":"crd.projectcalico.org/v1","kind":"NetworkPolicy","metadata":{"namespace":"shop","name":"p"},"spec":{"selector":"app == 'db'","ingress":[{"action":"Allow","source":{"selector":"app == 'web'"}}]}}`, true},
		"a monitor only measures":       {`{"kind":"PodMonitor","metadata":{"namespace":"apps","name":"p"},"spec":{"selector":{"matchLabels":{"app":"web"}}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture()
			object := foreignObject(t, c.object)
			f.more = append(f.more, object)
			p := f.look()
			if kept := p.Doors == nil; kept != c.kept || kept && !strings.Contains(p.NoDoor, object.GetKind()) {
				t.Errorf("doors %q, no door %q; want the label kept: %v", p.Doors, p.NoDoor, c.kept)
			}
		})
	}
}

// A proxy that Istio makes for a Gateway of the Gateway API listens as long as the Gateway's
// Service selects it; what other controllers make does so whatever its labels are.
func TestIstioGatewaysKeepListening(t *testing.T) {
	const name, older, managed = "gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name", "gateway.istio.io/managed"
	for about, c := range map[string]struct {
		labels  map[string]string
		gateway string // its namespace and name
		kept    bool
	}{
		"Istio's":              {map[string]string{name: "edge", managed: "istio.io-gateway-controller"}, "apps/edge", true},
		"of an older Istio":    {map[string]string{older: "edge", managed: "istio.io-gateway-controller"}, "apps/edge", true},
		"another controller's": {map[string]string{name: "edge"}, "apps/edge", false},
		"of another Gateway":   {map[string]string{name: "edge", managed: "istio.io-gateway-controller"}, "apps/other", false},
		"… of that name":       {map[string]string{name: "edge", managed: "istio.io-gateway-controller"}, "shop/edge", false},
	} {
		f := newFixture()
		namespace, gateway, _ := strings.Cut(c.gateway, "/")
		f.more = append(f.more, foreignObject(t, `{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"namespace":"`+namespace+`","name":"`+gateway+`"}}`))
		f.service.Spec.Selector = map[string]string{}
		for label, value := range c.labels {
			if f.pod.Labels[label] = value; label != managed {
				f.service.Spec.Selector[label] = value
			}
		}
		p := f.look()
		if kept := p.Doors == nil; kept != c.kept || kept && !strings.Contains(p.NoDoor, "Gateway.gateway.networking.k8s.io "+c.gateway) {
			t.Errorf("%s: doors %q, no door %q; want the label kept: %v", about, p.Doors, p.NoDoor, c.kept)
		}
	}
}

// Where labels are equally good, the one that a monitor selects by stays.
func TestMonitorGoesOnMeasuring(t *testing.T) {
	f := newFixture()
	f.service.Spec.Selector["tier"] = "front"
	f.budget.Spec.Selector.MatchLabels = equal("pod-template-hash", "abc")
	for label, want := range map[string]string{"app": "tier", "tier": "app"} {
		f.more = []any{foreignObject(t, `{"kind":"PodMonitor","metadata":{"namespace":"apps","name":"p"},"spec":{"selector":{"matchLabels":{"`+label+`":"`+f.pod.Labels[label]+`"}}}}`)}
		if p := f.look(); !slices.Equal(p.Doors, []string{want}) {
			t.Errorf("a monitor selects by %s: doors %q, want %s", label, p.Doors, want)
		}
	}
}

// A volume that one node alone can have keeps a second pod from running beside
// the first. A generic ephemeral one does not: the second pod has its own.
func TestWhichVolumesLeaveAPodAlone(t *testing.T) {
	claim := func(mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
		return &corev1.PersistentVolumeClaim{ObjectMeta: objectMeta("data", nil), Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{mode}}}
	}
	named := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}
	own := corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{
		Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}}}}}
	for name, c := range map[string]struct {
		source corev1.VolumeSource
		mode   corev1.PersistentVolumeAccessMode
		alone  bool
	}{
		"one node":          {named, corev1.ReadWriteOnce, true},
		"one pod":           {named, corev1.ReadWriteOncePod, true},
		"many nodes":        {named, corev1.ReadWriteMany, false},
		"many read it":      {named, corev1.ReadOnlyMany, false},
		"generic ephemeral": {own, corev1.ReadWriteOnce, false},
	} {
		f := newFixture()
		f.pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: c.source}}
		f.more = append(f.more, claim(c.mode))
		if p := f.look(); (p.Alone != "") != c.alone {
			t.Errorf("%s: alone because %q, want %v", name, p.Alone, c.alone)
		}
	}
}
