package kube

import (
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/plan"
)

// balanced is a Service of type LoadBalancer, or an Ingress, with annotations by the
// ends of their keys.
func balanced(class string, notes ...string) plan.Props {
	all := map[string]any{}
	for i := 0; i < len(notes); i += 2 {
		all[notes[i]] = notes[i+1]
	}
	spec := map[string]any{"type": "LoadBalancer"}
	if class != "" {
		spec["loadBalancerClass"], spec["ingressClassName"] = class, class
	}
	return plan.Props{"metadata": map[string]any{"name": "web", "annotations": all}, "spec": spec}
}

// Who asks for another load balancer, or for other targets, is told that its
// controller makes that in one step; who changes anything else is not.
func TestAnotherWayToPodsIsToldOf(t *testing.T) {
	t.Parallel()
	const service, ingress = "v1/Service", "networking.k8s.io/v1/Ingress"
	nlb := []string{serviceAWS + "type", "external", serviceAWS + "nlb-target-type"}
	alb := []string{ingressALB + "target-type"}
	rows := map[string]struct {
		typ       string
		old, want plan.Props
		says      string // empty: nothing
	}{
		"Classic to Network": {service, balanced(""), balanced("", serviceAWS+"type", "nlb"),
			"internet-facing Network Load Balancer of the cloud controller instead of internet-facing Classic"},
		"to the other controller": {service, balanced("", serviceAWS+"type", "nlb"), balanced("", append(nlb, "ip")...),
			"internal Network Load Balancer of the AWS Load Balancer Controller instead of"},
		"from inside to outside":         {service, balanced("", append(nlb, "ip")...), balanced("", append(nlb, "ip", serviceAWS+"scheme", "internet-facing")...), "another host name"},
		"nodes to pods":                  {service, balanced("", append(nlb, "instance")...), balanced("", append(nlb, "ip")...), "of type ip instead of instance"},
		"nodes to pods, by its class":    {service, balanced("service.k8s.aws/nlb"), balanced("service.k8s.aws/nlb", nlb[2], "ip"), "of type ip instead of instance"},
		"the same in the older words":    {service, balanced("", serviceAWS+"type", "nlb-ip"), balanced("", append(nlb, "ip")...), ""},
		"pods to nodes of an Ingress":    {ingress, balanced("alb", append(alb, "ip")...), balanced("alb", append(alb, "instance")...), "of type instance instead of ip"},
		"another group of Ingresses":     {ingress, balanced("alb", append(alb, "ip")...), balanced("alb", append(alb, "ip", ingressALB+"group.name", "all")...), "group all instead of"},
		"Auto Mode's class":              {ingress, balanced("alb", append(alb, "ip")...), balanced("auto", append(alb, "ip")...), "of auto instead of"},
		"draining time":                  {service, balanced(""), balanced("", serviceAWS+"connection-draining-timeout", "60"), ""},
		"an Ingress of NGINX":            {ingress, balanced("nginx"), balanced("other"), ""},
		"a controller that nobody knows": {service, balanced("example.com/lb"), balanced("example.com/lb", serviceAWS+"type", "nlb"), ""},
		"the type is not known yet":      {service, balanced(""), plan.Props{"spec": map[string]any{"type": map[string]any{}}}, ""},
		"no load balancer from now on":   {service, balanced(""), plan.Props{"spec": map[string]any{"type": "ClusterIP"}}, ""},
		"its end":                        {service, balanced(""), nil, ""},
	}
	for name, tt := range rows {
		t.Run(name, func(t *testing.T) {
			found := (&Provider{}).Advise(tt.typ, "apps/web", tt.old, tt.want)
			switch {
			case tt.says == "" && len(found) > 0:
				t.Errorf("it says %+v", found)
			case tt.says == "":
			case len(found) != 1 || !strings.Contains(found[0].Effect, tt.says) || found[0].Severity != event.Warning || found[0].Fix == "":
				t.Errorf("it says %+v", found)
			}
		})
	}
}
