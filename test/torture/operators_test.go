//go:build torture

package torture

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// work does a scenario's operator's work each second, until the run ends.
func (k *stack) work(s scenario) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for s.Every != nil {
			s.Every(k)
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	return func() { close(stop); <-ended }
}

// labelActive is a leader election: exactly one Ready pod is active.
func labelActive(k *stack) {
	var standby string
	for _, p := range k.listed("pods") {
		if p.Metadata.Labels["app"] != "app" || p.Metadata.Deleted != "" || !p.ready() {
			continue
		}
		if p.Metadata.Labels["role"] == "active" {
			return
		}
		standby = p.Metadata.Name
	}
	if standby != "" {
		k.ask("-n", "apps", "label", "pod", standby, "role=active")
	}
}

// ledgerOperator owns three pods by a kind of its own, without a scale
// subresource: one that is missing is made again.
func ledgerOperator(k *stack) {
	uid := k.ask("-n", "apps", "get", "ledger", "app", "-o", "jsonpath={.metadata.uid}")
	if uid == "" {
		k.ask("apply", "-f", k.project()+"/crd/crd.yaml")
		k.feed("apiVersion: example.com/v1\nkind: Ledger\nmetadata: {name: app, namespace: apps}\n")
		return
	}
	names := strings.Fields(k.ask("-n", "apps", "get", "pods", "-l", "app=app", "-o", "jsonpath={.items[*].metadata.name}"))
	for i := range 3 {
		if name := fmt.Sprintf("app-%d", i); !slices.Contains(names, name) {
			k.feed(fmt.Sprintf(ledgerPod, name, uid))
		}
	}
}

const ledgerPod = `apiVersion: v1
kind: Pod
metadata:
  name: %s
  namespace: apps
  labels: {app: app}
  ownerReferences: [{apiVersion: example.com/v1, kind: Ledger, name: app, uid: %s, controller: true}]
spec:
  nodeSelector: {pool: work}
  containers:
    - name: app
      image: example.com/app:1
      ports: [{name: http, containerPort: 8080}]
      readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1, initialDelaySeconds: 10}
      lifecycle: {preStop: {sleep: {seconds: 5}}}
`

// feed applies a manifest.
func (k *stack) feed(manifest string) {
	cmd := k.command(background(k.t), kubectl(), "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	_ = cmd.Run() // the API server may be away; the next second tries again
}
