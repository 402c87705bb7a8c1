package kube

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/plan"
)

// What becomes of traffic when a Service or an Ingress asks for another load balancer,
// or for other targets of it. Its controller does that in one step, and waits for
// nothing: neither for targets to be in service nor for clients to follow.

var _ engine.Adviser = (*Provider)(nil)

const (
	serviceAWS = "service.beta.kubernetes.io/aws-load-balancer-"
	ingressALB = "alb.ingress.kubernetes.io/"
)

// reach is the way from clients to the pods of an object; the zero one: no load
// balancer that is known here.
type reach struct {
	balancer string // what is another load balancer if it differs, with another host name
	targets  string // ip or instance
}

// Advise tells what an update in place does to those who send requests.
func (p *Provider) Advise(typ, name string, old, want plan.Props) []event.Finding {
	was, is := reachOf(typ, old), reachOf(typ, want)
	f := event.Finding{Severity: event.Warning, Object: strings.ToLower(typ[strings.LastIndex(typ, "/")+1:]) + "/" + name,
		Fix: "make another one beside it for the same pods, lead clients to its host name, and take this one away when nobody asks for it any more"}
	switch {
	case was == reach{}, is == reach{}, was == is:
		return nil
	case was.balancer != is.balancer:
		f.Effect = fmt.Sprintf("it gets another load balancer, with another host name: %s instead of %s. Clients of the old one are not served from then on, and it may stay behind", is.balancer, was.balancer)
	default:
		f.Effect = fmt.Sprintf("its load balancer gets a new target group, of type %s instead of %s, and sends to it at once: requests fail until its targets are in service, which takes a Network Load Balancer one to three minutes", is.targets, was.targets)
	}
	return []event.Finding{f}
}

// Quota has nothing to say of objects in a cluster.
func (p *Provider) Quota(string, int) []event.Finding { return nil }

func reachOf(typ string, props plan.Props) reach {
	notes, _ := dig(props, "metadata.annotations").(map[string]any)
	note := func(key string) string { return text(notes[key]) }
	switch {
	case typ == "v1/Service" && dig(props, "spec.type") == "LoadBalancer":
		return reachOfService(text(dig(props, "spec.loadBalancerClass")), func(key string) string { return note(serviceAWS + key) })
	case typ == "networking.k8s.io/v1/Ingress" && graph.ALBIngress(notes):
		class := cmp.Or(text(dig(props, "spec.ingressClassName")), note("kubernetes.io/ingress.class"), "the default class")
		at := fmt.Sprintf("%s Application Load Balancer of %s", cmp.Or(note(ingressALB+"scheme"), "internal"), class)
		if group := note(ingressALB + "group.name"); group != "" {
			at += ", group " + group
		}
		return reach{at, cmp.Or(note(ingressALB+"target-type"), "instance")}
	}
	return reach{}
}

// reachOfService goes by the rules of the controllers: the cloud controller takes
// Services without a class, but for types that it leaves to the other one.
func reachOfService(class string, note func(key string) string) reach {
	scheme := cmp.Or(note("scheme"), map[string]string{"true": "internal", "false": "internet-facing"}[note("internal")])
	switch kind := note("type"); {
	case class == "service.k8s.aws/nlb", class == "" && (kind == "external" || kind == "nlb-ip"):
		targets := "instance"
		if kind == "nlb-ip" {
			targets = "ip"
		}
		return reach{cmp.Or(scheme, "internal") + " Network Load Balancer of the AWS Load Balancer Controller", cmp.Or(note("nlb-target-type"), targets)}
	case class == "eks.amazonaws.com/nlb":
		return reach{cmp.Or(scheme, "internal") + " Network Load Balancer of EKS Auto Mode", cmp.Or(note("nlb-target-type"), "ip")}
	case class != "":
		return reach{}
	case kind == "nlb":
		return reach{cmp.Or(scheme, "internet-facing") + " Network Load Balancer of the cloud controller", "instance"}
	default:
		return reach{cmp.Or(scheme, "internet-facing") + " Classic Load Balancer of the cloud controller", "instance"}
	}
}

// text is a string, or empty if it is none, or not known yet.
func text(v any) string {
	s, _ := v.(string)
	return s
}
