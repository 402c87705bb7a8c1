package elb

import (
	"net/http"
	"slices"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Policies and tags are kept and shown; they change nothing else.

func (s *Service) createPolicy(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.with(f, func(_ *region.State, lb *region.LoadBalancer) error {
		p := region.Policy{Name: f.Get("PolicyName"), Type: f.Get("PolicyTypeName"), Attributes: map[string]string{}}
		if findPolicy(lb, p.Name) != nil {
			return region.Errorf(region.Exists, "DuplicatePolicyName",
				"There is already a policy with name %s for load balancer %s", p.Name, lb.Name)
		}
		for _, a := range f.Each("PolicyAttributes") {
			p.Attributes[a.Get("AttributeName")] = a.Get("AttributeValue")
		}
		if p.Attributes["ProxyProtocol"] == "true" {
			return region.Errorf(region.Invalid, "InvalidConfigurationRequest",
				"The sandbox's load balancers do not speak the proxy protocol")
		}
		lb.Policies = append(lb.Policies, p)
		return nil
	})
}

func findPolicy(lb *region.LoadBalancer, name string) *region.Policy {
	for k := range lb.Policies {
		if lb.Policies[k].Name == name {
			return &lb.Policies[k]
		}
	}
	return nil
}

func checkPolicies(lb *region.LoadBalancer, names []string) error {
	for _, name := range names {
		if findPolicy(lb, name) == nil {
			return region.Errorf(region.NotFound, "PolicyNotFound",
				"There is no policy with name %s for load balancer %s", name, lb.Name)
		}
	}
	return nil
}

func (s *Service) describePolicies(_ *http.Request, f wire.Form) (any, error) {
	type attribute struct {
		Name  string `xml:"AttributeName"`
		Value string `xml:"AttributeValue"`
	}
	type policy struct {
		Name       string      `xml:"PolicyName"`
		Type       string      `xml:"PolicyTypeName"`
		Attributes []attribute `xml:"PolicyAttributeDescriptions>member"`
	}
	var out struct {
		Policies []policy `xml:"PolicyDescriptions>member"`
	}
	names := f.List("PolicyNames")
	var failed error
	err := s.look(f, func(_ *region.State, lb *region.LoadBalancer) {
		failed = checkPolicies(lb, names)
		for _, p := range lb.Policies {
			if len(names) > 0 && !slices.Contains(names, p.Name) {
				continue
			}
			item := policy{Name: p.Name, Type: p.Type}
			for name, value := range p.Attributes {
				item.Attributes = append(item.Attributes, attribute{name, value})
			}
			out.Policies = append(out.Policies, item)
		}
	})
	if err == nil {
		err = failed
	}
	return out, err
}

func (s *Service) setBackendPolicies(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.with(f, func(_ *region.State, lb *region.LoadBalancer) error {
		names, port := f.List("PolicyNames"), f.Int("InstancePort")
		if err := checkPolicies(lb, names); err != nil {
			return err
		}
		if port == nil {
			return f.AllRead() // it is no number
		}
		if lb.BackendPolicy == nil {
			lb.BackendPolicy = map[int][]string{}
		}
		lb.BackendPolicy[*port] = names
		if len(names) == 0 {
			delete(lb.BackendPolicy, *port)
		}
		return nil
	})
}

func (s *Service) setListenerPolicies(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.with(f, func(_ *region.State, lb *region.LoadBalancer) error {
		names, port := f.List("PolicyNames"), f.Int("LoadBalancerPort")
		if err := checkPolicies(lb, names); err != nil {
			return err
		}
		for k := range lb.Listeners {
			if port != nil && lb.Listeners[k].Port == *port {
				lb.Listeners[k].Policies = names
				return nil
			}
		}
		return region.Errorf(region.NotFound, "ListenerNotFound",
			"There is no listener on that port for load balancer %s", lb.Name)
	})
}

func tagsIn(f wire.Form) region.Tags {
	var tags region.Tags
	for _, t := range f.Each("Tags") {
		tags.Set(region.Tag{Key: t.Get("Key"), Value: t.Get("Value")})
	}
	return tags
}

func (s *Service) addTags(_ *http.Request, f wire.Form) (any, error) {
	return s.eachNamed(f, func(lb *region.LoadBalancer) {
		for _, t := range tagsIn(f) {
			lb.Tags.Set(t)
		}
	})
}

func (s *Service) removeTags(_ *http.Request, f wire.Form) (any, error) {
	return s.eachNamed(f, func(lb *region.LoadBalancer) {
		for _, t := range f.Each("Tags") {
			lb.Tags.Remove(t.Get("Key"), nil)
		}
	})
}

func (s *Service) eachNamed(f wire.Form, change func(*region.LoadBalancer)) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		for _, name := range f.List("LoadBalancerNames") {
			lb, err := st.LoadBalancer(name)
			if err != nil {
				return err
			}
			change(lb)
		}
		return nil
	}))
}

func (s *Service) describeTags(_ *http.Request, f wire.Form) (any, error) {
	type tag struct{ Key, Value string }
	type description struct {
		Name string `xml:"LoadBalancerName"`
		Tags []tag  `xml:"Tags>member"`
	}
	var out struct {
		Descriptions []description `xml:"TagDescriptions>member"`
	}
	err := s.store.Read(func(st *region.State) error {
		for _, name := range f.List("LoadBalancerNames") {
			lb, err := st.LoadBalancer(name)
			if err != nil {
				return err
			}
			d := description{Name: name}
			for _, t := range lb.Tags {
				d.Tags = append(d.Tags, tag{t.Key, t.Value})
			}
			out.Descriptions = append(out.Descriptions, d)
		}
		return nil
	})
	return out, err
}
