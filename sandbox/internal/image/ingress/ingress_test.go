package ingress

import (
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func meta(name string, age time.Duration) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "apps", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1_000_000, 0).Add(-age)),
	}
}

func path(p string, kind networking.PathType, service string) networking.HTTPIngressPath {
	return networking.HTTPIngressPath{Path: p, PathType: &kind, Backend: networking.IngressBackend{
		Service: &networking.IngressServiceBackend{Name: service, Port: networking.ServiceBackendPort{Number: 80}},
	}}
}

func ingress(name string, age time.Duration, host string, paths ...networking.HTTPIngressPath) *networking.Ingress {
	class := "nginx"
	return &networking.Ingress{ObjectMeta: meta(name, age), Spec: networking.IngressSpec{
		IngressClassName: &class,
		Rules: []networking.IngressRule{{Host: host, IngressRuleValue: networking.IngressRuleValue{
			HTTP: &networking.HTTPIngressRuleValue{Paths: paths},
		}}},
	}}
}

func service(name string) *core.Service {
	return &core.Service{ObjectMeta: meta(name, 0), Spec: core.ServiceSpec{
		Ports: []core.ServicePort{{Name: "metrics", Port: 9090}, {Name: "http", Port: 80}},
	}}
}

// endpoint is one address with its conditions: ready, serving, terminating.
func endpoint(address string, ready, serving, terminating bool) discovery.Endpoint {
	return discovery.Endpoint{Addresses: []string{address}, Conditions: discovery.EndpointConditions{
		Ready: &ready, Serving: &serving, Terminating: &terminating,
	}}
}

func slice(service, name string, endpoints ...discovery.Endpoint) *discovery.EndpointSlice {
	http, port := "http", int32(8080)
	m := meta(name, 0)
	m.Labels = map[string]string{discovery.LabelServiceName: service}
	return &discovery.EndpointSlice{
		ObjectMeta: m, AddressType: discovery.AddressTypeIPv4, Endpoints: endpoints,
		Ports: []discovery.EndpointPort{{Name: &http, Port: &port}},
	}
}

// clusterExample has what a move of pods leads to: an endpoint that goes while
// another is ready, a service whose last endpoint goes, one without endpoints,
// two Ingresses for one host, and one of another class.
func clusterExample() world {
	other := ingress("other-class", 0, "other.example.com", path("/", networking.PathTypePrefix, "echo"))
	class := "alb"
	other.Spec.IngressClassName = &class
	return world{
		ingresses: []*networking.Ingress{
			ingress("younger", time.Hour, "apps.example.com", path("/echoserver", networking.PathTypePrefix, "last")),
			ingress("older", 2*time.Hour, "apps.example.com",
				path("/echoserver", networking.PathTypePrefix, "echo"), path("/exact", networking.PathTypeExact, "last")),
			ingress("any-host", 0, "", path("/", networking.PathTypePrefix, "none")),
			other,
		},
		services: []*core.Service{service("echo"), service("last"), service("none")},
		slices: []*discovery.EndpointSlice{
			slice("echo", "echo-1", endpoint("10.0.0.2", true, true, false), endpoint("10.0.0.1", true, true, false)),
			slice("echo", "echo-2", endpoint("10.0.0.3", false, true, true), endpoint("10.0.0.2", true, true, false)),
			slice("last", "last-1", endpoint("10.0.0.4", false, true, true), endpoint("10.0.0.5", false, false, false)),
		},
	}
}

func render(w world, settings Settings) string {
	l := layout{settings: settings, openFiles: 65536, dir: "/run/nginx", root: true, generation: 7}
	l.sites, l.upstreams = assign(w, "nginx")
	var text strings.Builder
	l.write(&text)
	return text.String()
}

func TestConfiguration(t *testing.T) {
	settings := defaultSettings()
	settings.apply(map[string]string{
		"worker-shutdown-timeout": "60s", "keepalive": "8", "lb-method": "least_conn",
	}, io.Discard)
	got := render(clusterExample(), settings)
	const golden = "testdata/nginx.conf"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the configuration differs from %s; go test -update shows how:\n%s", golden, got)
	}
}

// Caches list in any order. A configuration that followed it would reload nginx for nothing.
func TestConfigurationIgnoresOrder(t *testing.T) {
	want := render(clusterExample(), defaultSettings())
	for range 20 {
		w := clusterExample()
		rand.Shuffle(len(w.ingresses), func(i, j int) { w.ingresses[i], w.ingresses[j] = w.ingresses[j], w.ingresses[i] })
		rand.Shuffle(len(w.slices), func(i, j int) { w.slices[i], w.slices[j] = w.slices[j], w.slices[i] })
		if got := render(w, defaultSettings()); got != want {
			t.Fatalf("another order, another configuration:\n%s", got)
		}
	}
}

// A mistake in the ConfigMap must not take nginx down, nor slip directives in.
func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		key, value string
		valid      bool
	}{
		{"keepalive-timeout", "30s", true},
		{"keepalive-timeout", "500ms", true},
		{"keepalive-timeout", "5us", false},
		{"keepalive-timeout", "5ns", false},
		{"keepalive-timeout", "30", true},
		{"keepalive-timeout", "30s; daemon on", false},
		{"keepalive-timeout", "1.5s", false},
		{"keepalive-requests", "-1", false},
		{"worker-processes", "auto", true},
		{"worker-processes", "many", false},
		{"client-max-body-size", "8m", true},
		{"client-max-body-size", "", false},
		{"proxy-next-upstream", "error timeout http_502", true},
		{"proxy-next-upstream", "error;", false},
		{"no-such-key", "x", true}, // other controllers' keys are left alone
	} {
		var log strings.Builder
		s := defaultSettings()
		s.apply(map[string]string{tc.key: tc.value}, &log)
		if valid := log.Len() == 0; valid != tc.valid {
			t.Errorf("%s: %q: valid %v, want %v (%s)", tc.key, tc.value, valid, tc.valid, &log)
		}
		if !tc.valid && s != defaultSettings() {
			t.Errorf("%s: %q was taken over", tc.key, tc.value)
		}
	}
}

func TestFlags(t *testing.T) {
	args := []string{"-ingress-class=web", "-nginx-configmaps=apps/conf", "-ready-status-port", "8082",
		"-enable-custom-resources=false"}
	o, err := parse(args, io.Discard)
	if want := (options{class: "web", configMap: "apps/conf", ready: true, readyPort: 8082}); err != nil || o != want {
		t.Errorf("options %+v, error %v", o, err)
	}
	for _, bad := range []string{"-no-such-flag", "argument", "-nginx-configmaps=conf"} {
		if _, err := parse([]string{bad}, io.Discard); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
