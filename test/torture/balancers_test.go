//go:build torture

package torture

// controllerFiles install the AWS Load Balancer Controller, as the demo has them.
const controllerFiles = "../../internal/demo/alb"

const (
	portOfService = "ports: [{name: http, port: 80, targetPort: http}]"
	typeOfService = "  type: LoadBalancer\n"
)

// withController adds the controller to the stack, and gives pods readiness gates.
func withController(more ...edit) []edit {
	return append([]edit{
		{"drover.yaml", "app: {manifests: ./app}", "app: {manifests: ./app}\n  alb: {manifests: ./alb}"},
		{"app/namespace.yaml", "{name: apps}", "{name: apps, labels: {elbv2.k8s.aws/pod-readiness-gate-inject: enabled}}"},
	}, more...)
}

// behindALB puts the app's Service behind an Application Load Balancer, by targets
// of type ip or instance; draining is in seconds.
func behindALB(targets, draining string) []edit {
	kind := ""
	if targets == "instance" {
		kind = "  type: NodePort\n"
	}
	return withController(
		edit{"drover.yaml", "services.app.hostname", "ingresses.app.hostname"},
		edit{"app/app.yaml", typeOfService, kind},
		edit{"app/app.yaml", portOfService, portOfService + `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app
  namespace: apps
  annotations:
    alb.ingress.kubernetes.io/scheme: internet-facing
    alb.ingress.kubernetes.io/target-type: ` + targets + `
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: "5"
    alb.ingress.kubernetes.io/healthcheck-timeout-seconds: "2"
    alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds=` + draining + `
spec:
  ingressClassName: alb
  defaultBackend: {service: {name: app, port: {name: http}}}`})
}

// behindNodesNLB gives the app's Service a Network Load Balancer of the cloud
// provider's controller, which sends to nodes and leaves the deregistration delay
// at 300 s.
var behindNodesNLB = []edit{{"app/app.yaml", `    service.beta.kubernetes.io/aws-load-balancer-connection-draining-enabled: "true"
    service.beta.kubernetes.io/aws-load-balancer-connection-draining-timeout: "60"
`, `    service.beta.kubernetes.io/aws-load-balancer-type: nlb
    service.beta.kubernetes.io/aws-load-balancer-cross-zone-load-balancing-enabled: "true"
`}}

// behindNLB gives the app's Service a Network Load Balancer of the controller's,
// that sends to pods.
func behindNLB(draining string) []edit {
	return withController(edit{"app/app.yaml", "    service.beta.kubernetes.io/aws-load-balancer-type: nlb\n",
		`    service.beta.kubernetes.io/aws-load-balancer-type: external
    service.beta.kubernetes.io/aws-load-balancer-nlb-target-type: ip
    service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing
    service.beta.kubernetes.io/aws-load-balancer-attributes: load_balancing.cross_zone.enabled=true
    service.beta.kubernetes.io/aws-load-balancer-target-group-attributes: deregistration_delay.timeout_seconds=` + draining + "\n"})
}
