//go:build torture

package torture

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// kind is a way from clients to pods: a load balancer, what it sends to, and the
// Service's traffic policy. Each has a Deployment of its own.
type kind struct {
	Name, About string
	Annotations map[string]string // of its Service
	Type        string            // of its Service
	Local       bool              // externalTrafficPolicy
	Ingress     string            // target type of its Ingress; empty: it has none
}

const serviceAWS = "service.beta.kubernetes.io/aws-load-balancer-"

var (
	drained = map[string]string{"connection-draining-enabled": "true", "connection-draining-timeout": "60"}
	byNodes = map[string]string{"type": "nlb", "cross-zone-load-balancing-enabled": "true"}
	byPods  = map[string]string{"type": "external", "nlb-target-type": "ip", "scheme": "internet-facing", "attributes": "load_balancing.cross_zone.enabled=true"}
)

// kinds in the order of the report.
var kinds = []kind{
	{Name: "classic", About: "Classic, nodes, Cluster", Type: "LoadBalancer", Annotations: drained},
	{Name: "classic-local", About: "Classic, nodes, Local", Type: "LoadBalancer", Annotations: drained, Local: true},
	{Name: "nlb", About: "Network, nodes, Cluster", Type: "LoadBalancer", Annotations: byNodes},
	{Name: "nlb-local", About: "Network, nodes, Local", Type: "LoadBalancer", Annotations: byNodes, Local: true},
	{Name: "nlb-pods", About: "Network, pods", Type: "LoadBalancer", Annotations: byPods},
	{Name: "alb", About: "Application, nodes, Cluster", Type: "NodePort", Ingress: "instance"},
	{Name: "alb-local", About: "Application, nodes, Local", Type: "NodePort", Ingress: "instance", Local: true},
	{Name: "alb-pods", About: "Application, pods", Type: "ClusterIP", Ingress: "ip"},
}

// manifest is all that a kind consists of.
func (n kind) manifest() string {
	var more strings.Builder
	for _, key := range slices.Sorted(maps.Keys(n.Annotations)) {
		fmt.Fprintf(&more, "    %s%s: %q\n", serviceAWS, key, n.Annotations[key])
	}
	policy := ""
	if n.Local {
		policy = "  externalTrafficPolicy: Local\n"
	}
	text := fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: apps}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      nodeSelector: {pool: work}
      volumes: [{name: server, configMap: {name: server}}]
      terminationGracePeriodSeconds: 60
      containers:
        - name: app
          image: example.com/app:1
          ports: [{name: http, containerPort: 8080}]
          resources: {requests: {cpu: 50m, memory: 32Mi}}
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
          lifecycle: {preStop: {sleep: {seconds: 5}}}
          command: [perl, /server/server.pl]
          volumeMounts: [{name: server, mountPath: /server}]
---
apiVersion: v1
kind: Service
metadata:
  name: %[1]s
  namespace: apps
  annotations:
    example.com/kind: %[1]s
%[2]sspec:
  type: %[3]s
%[4]s  selector: {app: %[1]s}
  ports: [{name: http, port: 80, targetPort: http}]
`, n.Name, more.String(), n.Type, policy)
	if n.Ingress != "" {
		text += fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %[1]s
  namespace: apps
  annotations:
    alb.ingress.kubernetes.io/scheme: internet-facing
    alb.ingress.kubernetes.io/target-type: %[2]s
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: "5"
    alb.ingress.kubernetes.io/healthcheck-timeout-seconds: "2"
spec:
  ingressClassName: alb
  defaultBackend: {service: {name: %[1]s, port: {name: http}}}
`, n.Name, n.Ingress)
	}
	return text
}

// allKinds adds their outputs to the stack.
func allKinds() []edit {
	var outputs strings.Builder
	outputs.WriteString("outputs:")
	for _, n := range kinds {
		from := "services"
		if n.Ingress != "" {
			from = "ingresses"
		}
		fmt.Fprintf(&outputs, "\n  %s: http://${workloads.app.%s.%s.hostname}", n.Name, from, n.Name)
	}
	return withController(edit{"drover.yaml", "outputs:\n  url: http://${workloads.app.services.app.hostname}", outputs.String()})
}

// write writes the manifests of kinds into the project.
func (k *stack) write(all []kind) {
	for _, n := range all {
		if err := os.WriteFile(filepath.Join(k.project(), "app", n.Name+".yaml"), []byte(n.manifest()), 0o644); err != nil {
			k.t.Fatal(err)
		}
	}
}

// of is the scenario as one kind sees it.
func (s scenario) of(n kind) scenario {
	s.Output, s.Kinds = n.Name, nil
	s.Zonal = strings.HasPrefix(n.Name, "nlb")
	return s
}

// drainForAMinute sets the deregistration delay of every target group: the default
// of 300 s is a scenario of its own.
func drainForAMinute(k *stack) {
	groups, err := k.elb.DescribeTargetGroups(background(k.t), &elasticloadbalancingv2.DescribeTargetGroupsInput{})
	if err != nil {
		k.t.Fatal(err)
	}
	for _, g := range groups.TargetGroups {
		_, err := k.elb.ModifyTargetGroupAttributes(background(k.t), &elasticloadbalancingv2.ModifyTargetGroupAttributesInput{
			TargetGroupArn: g.TargetGroupArn,
			Attributes:     []types.TargetGroupAttribute{{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("60")}},
		})
		if err != nil {
			k.t.Fatal(err)
		}
	}
}

// The loads of each kind, as the report calls them.
const (
	newConnections  = "new connections"
	keptConnections = "kept connections"
	longAnswers     = "answers of 30 s"
	webSockets      = "messages of WebSockets"
)

var loads = []string{newConnections, keptConnections, longAnswers, webSockets}

// flows sends to a kind by every load.
func (k *stack) flows(s scenario) map[string]*traffic {
	name := s.Output + "-"
	kept, long := s, s
	kept.KeepAlive, long.Path = true, "/stream"
	return map[string]*traffic{
		newConnections:  k.send(s, name+"new", "-t", "10s", "--rate", "15/s"),
		keptConnections: k.send(kept, name+"kept", "-t", "10s", "-c", "5", "-q", "3"),
		longAnswers:     k.send(long, name+"streams", "-t", "90s", "--rate", "30/m"),
		webSockets:      k.sockets(s, name+"sockets", 5),
	}
}

// total adds accounts up.
func total(all map[string]map[string]account) account {
	sum := account{Causes: map[string]int{}}
	for _, flows := range all {
		for name, a := range flows {
			sum.Sent, sum.Failed = sum.Sent+a.Sent, sum.Failed+a.Failed
			for cause, n := range a.Causes {
				sum.Causes[cause] += n
			}
			if name == newConnections {
				sum.Gap = max(sum.Gap, a.Gap)
			}
		}
	}
	return sum
}

// managedWork is the group as a managed one, whose image has a newer release.
var managedWork = []edit{
	{"drover.yaml", workGroup, "work: {kind: managed, release: 1.36.3-20261001, instanceType: t3.large, capacity: 3"},
	{"drover.yaml", "labels: {pool: work}, fence: false}", "labels: {pool: work}}"}, // a managed group has none
}

// updateByEKS lets EKS update the group to the newest image, and waits for it.
func updateByEKS(ctx context.Context, k *stack, _ scenario, _ <-chan struct{}) (int, error) {
	var cluster, group string
	clusters, err := k.eks.ListClusters(ctx, &eks.ListClustersInput{})
	if err != nil || len(clusters.Clusters) != 1 {
		return 1, fmt.Errorf("clusters: %v %w", clusters, err)
	}
	cluster = clusters.Clusters[0]
	groups, err := k.eks.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: &cluster})
	if err != nil || len(groups.Nodegroups) != 1 {
		return 1, fmt.Errorf("node groups: %v %w", groups, err)
	}
	group = groups.Nodegroups[0]
	begun, err := k.eks.UpdateNodegroupVersion(ctx, &eks.UpdateNodegroupVersionInput{ClusterName: &cluster, NodegroupName: &group})
	if err != nil {
		return 1, err
	}
	for {
		out, err := k.eks.DescribeUpdate(ctx, &eks.DescribeUpdateInput{Name: &cluster, NodegroupName: &group, UpdateId: begun.Update.Id})
		switch {
		case err != nil:
			return 1, err
		case out.Update.Status == ekstypes.UpdateStatusSuccessful:
			return 0, nil
		case out.Update.Status != ekstypes.UpdateStatusInProgress:
			return 1, fmt.Errorf("the update is %s", out.Update.Status)
		}
		time.Sleep(time.Second)
	}
}
