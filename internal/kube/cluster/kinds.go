package cluster

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// kind is one kind of object that is watched. To watch another one, add it to
// kinds: how it is watched, and what the world makes of a change of it.
type kind struct {
	name  string
	watch func(informers.SharedInformerFactory) cache.SharedIndexInformer
	// optional is what a CRD defines: it is watched if the API server serves it, in
	// this version or in another one.
	optional schema.GroupVersionResource
	// see takes a change of the object that is kept under key (namespace/name): before
	// is nil of a new one, now of one that is gone. A kind without see is kept in its
	// store alone, and nothing of it is in the view.
	see func(w *world, key string, before, now any)
	// routes are the Services (namespace/name) that an object of the kind names, as one
	// for whom a proxy of its own keeps a list of their pods; nil: none does. How long
	// such a proxy may be behind is asked by the kind's name: see handover.RouteKinds.
	routes func(o any) []string
}

// changed takes a change of an object of the kind.
func (k kind) changed(w *world, key string, before, now any) {
	if k.routes != nil {
		w.route(k.route()+"/"+key, k.routed(before), k.routed(now))
	}
	if k.see != nil {
		k.see(w, key, before, now)
	}
}

// route is how the kind's objects begin among a Service's Routes: ingress, or
// ingressroute.traefik.io of a group that is neither Kubernetes' nor its Gateway API's.
func (k kind) route() string {
	name := strings.ToLower(k.name)
	if g := k.optional.Group; g != "" && g != gatewayAPI {
		name += "." + g
	}
	return name
}

func (k kind) routed(o any) []string {
	if o == nil {
		return nil
	}
	return k.routes(o)
}

// routing lets a kind's function have an object of its own type.
func routing[T any](services func(*T) []string) func(any) []string {
	return func(o any) []string { return services(o.(*T)) }
}

// typed lets a kind's function have objects of its own type.
func typed[T any](see func(w *world, key string, before, now *T)) func(*world, string, any, any) {
	return func(w *world, key string, before, now any) {
		b, _ := before.(*T)
		n, _ := now.(*T)
		see(w, key, b, n)
	}
}

// The places in kinds of those that are looked up by their keys.
const (
	kindNode = iota
	kindService
	kindBudget
	kindVolume
	kindClaim
	kindSlice
	kindAnswer
)

var kinds []kind

// init breaks the circle of kinds, which name functions that look up kinds. What
// stands above pods is in ownerKinds.
func init() {
	kinds = []kind{
		kindNode:    {name: "Node", watch: nodes, see: typed(seeNode)},
		kindService: {name: "Service", watch: services, see: typed(seeService)},
		kindBudget:  {name: "PodDisruptionBudget", watch: budgets, see: typed(seeBudget)},
		kindVolume:  {name: "PersistentVolume", watch: volumes, see: typed(seeVolume)},
		kindClaim:   {name: "PersistentVolumeClaim", watch: volumeClaims, see: typed(seeClaim)},
		kindSlice:   {name: "EndpointSlice", watch: endpointSlices, see: typed(seeSlice)},
		kindAnswer:  {name: "answer", see: typed(seeAnswer)}, // not watched: see asker

		{name: "Pod", watch: podsOf, see: typed(seePod)},
		{name: "NetworkPolicy", watch: networkPolicies, see: typed(seeNetworkPolicy)},
		{name: "Ingress", watch: ingresses, routes: routing(ingressBackends)},
		{name: "VolumeAttachment", watch: attachments, see: typed(seeAttachment)},

		{name: "HTTPRoute", optional: crd(gatewayAPI, "v1", "httproutes"), routes: routing(routeBackends)},
		{name: "GRPCRoute", optional: crd(gatewayAPI, "v1", "grpcroutes"), routes: routing(routeBackends)},
		{name: "TLSRoute", optional: crd(gatewayAPI, "v1", "tlsroutes"), routes: routing(routeBackends)},
		{name: "TCPRoute", optional: crd(gatewayAPI, "v1alpha2", "tcproutes"), routes: routing(routeBackends)},
		{name: "UDPRoute", optional: crd(gatewayAPI, "v1alpha2", "udproutes"), routes: routing(routeBackends)},
		{name: "Gateway", optional: crd(gatewayAPI, "v1", "gateways"), see: policy(istioProxies)},
		{name: "TargetGroupBinding", optional: crd("elbv2.k8s.aws", "v1beta1", "targetgroupbindings"), see: typed(seeBinding)},
		{name: "TargetGroupBinding", optional: crd("eks.amazonaws.com", "v1", "targetgroupbindings"), see: typed(seeBinding)}, // EKS Auto Mode's
		{name: "PeerAuthentication", optional: crd("security.istio.io", "v1", "peerauthentications"), see: policy(istioSelector)},
		{name: "AuthorizationPolicy", optional: crd("security.istio.io", "v1", "authorizationpolicies"), see: policy(istioSelector)},
		{name: "RequestAuthentication", optional: crd("security.istio.io", "v1", "requestauthentications"), see: policy(istioSelector)},
		{name: "Telemetry", optional: crd("telemetry.istio.io", "v1", "telemetries"), see: policy(istioSelector)},
		{name: "WasmPlugin", optional: crd("extensions.istio.io", "v1alpha1", "wasmplugins"), see: policy(istioSelector)},
		{name: "Sidecar", optional: crd("networking.istio.io", "v1", "sidecars"), see: policy(istioWorkloads)},
		{name: "EnvoyFilter", optional: crd("networking.istio.io", "v1alpha3", "envoyfilters"), see: policy(istioWorkloads)},
		{name: "ServiceEntry", optional: crd("networking.istio.io", "v1", "serviceentries"), see: policy(istioWorkloads)},
		{name: "Gateway", optional: crd("networking.istio.io", "v1", "gateways"), see: policy(istioGateway)},
		{name: "DestinationRule", optional: crd("networking.istio.io", "v1", "destinationrules"), see: policy(istioSubsets)},
		{name: "Server", optional: crd("policy.linkerd.io", "v1beta3", "servers"), see: policy(podSelectors)},
		{name: "AdminNetworkPolicy", optional: crd("policy.networking.k8s.io", "v1alpha1", "adminnetworkpolicies"), see: policy(podSelectors)},
		{name: "BaselineAdminNetworkPolicy", optional: crd("policy.networking.k8s.io", "v1alpha1", "baselineadminnetworkpolicies"), see: policy(podSelectors)},
		{name: "ClusterNetworkPolicy", optional: crd("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies"), see: policy(podSelectors)},
		{name: "NetworkPolicy", optional: crd("crd.projectcalico.org", "v1", "networkpolicies"), see: policy(calicoSelectors)},
		{name: "GlobalNetworkPolicy", optional: crd("crd.projectcalico.org", "v1", "globalnetworkpolicies"), see: policy(calicoSelectors)},
		{name: "CiliumNetworkPolicy", optional: crd("cilium.io", "v2", "ciliumnetworkpolicies"), see: policy(ciliumSelectors)},
		{name: "CiliumClusterwideNetworkPolicy", optional: crd("cilium.io", "v2", "ciliumclusterwidenetworkpolicies"), see: policy(ciliumSelectors)},
		{name: "PodMonitor", optional: crd("monitoring.coreos.com", "v1", "podmonitors"), see: watcher(monitorSelectors)},
	}
	ownerKinds = newOwnerKinds()
	for _, k := range ownerKinds {
		k.place = len(kinds)
		kinds = append(kinds, k.watched())
	}
}

const gatewayAPI = "gateway.networking.k8s.io"

func crd(group, version, plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: plural}
}

type (
	factory  = informers.SharedInformerFactory
	informer = cache.SharedIndexInformer
	custom   = unstructured.Unstructured // an object of a kind that a CRD defines
)

func nodes(f factory) informer           { return f.Core().V1().Nodes().Informer() }
func services(f factory) informer        { return f.Core().V1().Services().Informer() }
func volumes(f factory) informer         { return f.Core().V1().PersistentVolumes().Informer() }
func volumeClaims(f factory) informer    { return f.Core().V1().PersistentVolumeClaims().Informer() }
func podsOf(f factory) informer          { return f.Core().V1().Pods().Informer() }
func replicaSets(f factory) informer     { return f.Apps().V1().ReplicaSets().Informer() }
func deployments(f factory) informer     { return f.Apps().V1().Deployments().Informer() }
func statefulSets(f factory) informer    { return f.Apps().V1().StatefulSets().Informer() }
func daemonSets(f factory) informer      { return f.Apps().V1().DaemonSets().Informer() }
func jobs(f factory) informer            { return f.Batch().V1().Jobs().Informer() }
func cronJobs(f factory) informer        { return f.Batch().V1().CronJobs().Informer() }
func endpointSlices(f factory) informer  { return f.Discovery().V1().EndpointSlices().Informer() }
func budgets(f factory) informer         { return f.Policy().V1().PodDisruptionBudgets().Informer() }
func networkPolicies(f factory) informer { return f.Networking().V1().NetworkPolicies().Informer() }
func ingresses(f factory) informer       { return f.Networking().V1().Ingresses().Informer() }
func attachments(f factory) informer     { return f.Storage().V1().VolumeAttachments().Informer() }
func replicationControllers(f factory) informer {
	return f.Core().V1().ReplicationControllers().Informer()
}
