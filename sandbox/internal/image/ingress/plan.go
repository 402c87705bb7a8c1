package ingress

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	discovery "k8s.io/api/discovery/v1"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
)

// world is what the cluster says, as read from the caches.
type world struct {
	ingresses []*networking.Ingress
	services  []*core.Service
	slices    []*discovery.EndpointSlice
}

// classAnnotation names an Ingress's class where the field is not set.
const classAnnotation = "kubernetes.io/ingress.class"

// assign decides who serves what. It is a function of its arguments alone and
// does not depend on their order, so that nginx is reloaded for real changes only.
func assign(w world, class string) ([]site, []upstream) {
	mine := slices.DeleteFunc(slices.Clone(w.ingresses), func(i *networking.Ingress) bool { return classOf(i) != class })
	slices.SortFunc(mine, func(a, b *networking.Ingress) int { // the older one wins a path that two want
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	sites := map[string]*site{}
	upstreams := map[string]upstream{}
	for _, ingress := range mine {
		for _, rule := range rulesOf(ingress) {
			s := sites[rule.Host]
			if s == nil {
				s = &site{host: rule.Host}
				sites[rule.Host] = s
			}
			for _, path := range rule.HTTP.Paths {
				u := w.upstream(ingress.Namespace, path.Backend.Service)
				if len(u.servers) > 0 {
					upstreams[u.name] = u
				} else {
					u.name = ""
				}
				s.add(path, u.name)
			}
		}
	}
	return sortedSites(sites), sortedUpstreams(upstreams)
}

func classOf(i *networking.Ingress) string {
	if i.Spec.IngressClassName != nil {
		return *i.Spec.IngressClassName
	}
	return i.Annotations[classAnnotation]
}

// rulesOf lists an Ingress's HTTP rules, its default backend as one for any host and path.
func rulesOf(i *networking.Ingress) []networking.IngressRule {
	rules := slices.DeleteFunc(slices.Clone(i.Spec.Rules), func(r networking.IngressRule) bool { return r.HTTP == nil })
	if i.Spec.DefaultBackend != nil {
		rules = append(rules, networking.IngressRule{IngressRuleValue: networking.IngressRuleValue{
			HTTP: &networking.HTTPIngressRuleValue{Paths: []networking.HTTPIngressPath{{Backend: *i.Spec.DefaultBackend}}},
		}})
	}
	return rules
}

// add gives the path its locations, unless an older Ingress has them.
func (s *site) add(path networking.HTTPIngressPath, upstream string) {
	for _, match := range locations(path) {
		if !slices.ContainsFunc(s.paths, func(r route) bool { return r.match == match }) {
			s.paths = append(s.paths, route{match: match, upstream: upstream})
		}
	}
}

// locations says what a path is to nginx. A Prefix ends at a slash: /foo
// matches /foo and /foo/bar but not /foobar.
func locations(p networking.HTTPIngressPath) []string {
	path := cmp.Or(p.Path, "/")
	if strings.ContainsAny(path, " \t\n{};\"'\\$") {
		return nil // the API server lets these through, nginx would read them as something else
	}
	kind := networking.PathTypeImplementationSpecific
	if p.PathType != nil {
		kind = *p.PathType
	}
	switch {
	case kind == networking.PathTypeExact:
		return []string{"= " + path}
	case kind == networking.PathTypePrefix && path != "/":
		path = strings.TrimSuffix(path, "/")
		return []string{"= " + path, path + "/"}
	}
	return []string{path}
}

// upstream finds the endpoints of a Service's port; it has no servers if there are none.
func (w world) upstream(namespace string, backend *networking.IngressServiceBackend) upstream {
	if backend == nil {
		return upstream{}
	}
	port := w.servicePort(namespace, backend)
	if port == nil {
		return upstream{}
	}
	return upstream{
		name:    fmt.Sprintf("%s-%s-%d", namespace, backend.Name, port.Port),
		servers: w.endpoints(namespace, backend.Name, port.Name),
	}
}

func (w world) servicePort(namespace string, backend *networking.IngressServiceBackend) *core.ServicePort {
	for _, service := range w.services {
		if service.Namespace != namespace || service.Name != backend.Name {
			continue
		}
		for i, p := range service.Spec.Ports {
			if p.Port == backend.Port.Number || backend.Port.Name != "" && p.Name == backend.Port.Name {
				return &service.Spec.Ports[i]
			}
		}
	}
	return nil
}

// endpoints lists those that are ready; if there is none, those that still
// serve while they terminate, as kube-proxy does.
func (w world) endpoints(namespace, service, portName string) []string {
	var ready, terminating []string
	for _, slice := range w.slices {
		if slice.Namespace != namespace || slice.Labels[discovery.LabelServiceName] != service ||
			slice.AddressType == discovery.AddressTypeFQDN {
			continue
		}
		port := slicePort(slice, portName)
		if port == "" {
			continue
		}
		for _, e := range slice.Endpoints {
			for _, address := range e.Addresses {
				server := net.JoinHostPort(address, port)
				switch {
				case e.Conditions.Ready == nil || *e.Conditions.Ready:
					ready = append(ready, server)
				case isTrue(e.Conditions.Serving) && isTrue(e.Conditions.Terminating):
					terminating = append(terminating, server)
				}
			}
		}
	}
	if len(ready) == 0 {
		ready = terminating
	}
	slices.Sort(ready)
	return slices.Compact(ready)
}

func slicePort(slice *discovery.EndpointSlice, name string) string {
	for _, p := range slice.Ports {
		if p.Port != nil && (p.Name == nil && name == "" || p.Name != nil && *p.Name == name) {
			return strconv.Itoa(int(*p.Port))
		}
	}
	return ""
}

func isTrue(b *bool) bool { return b != nil && *b }

func sortedSites(byHost map[string]*site) []site {
	var list []site
	for _, s := range byHost {
		slices.SortFunc(s.paths, func(a, b route) int { return cmp.Compare(a.match, b.match) })
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b site) int { return cmp.Compare(a.host, b.host) })
	return list
}

func sortedUpstreams(byName map[string]upstream) []upstream {
	var list []upstream
	for _, u := range byName {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b upstream) int { return cmp.Compare(a.name, b.name) })
	return list
}
