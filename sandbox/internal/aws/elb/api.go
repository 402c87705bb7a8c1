// Package elb is the Classic Elastic Load Balancing API (2012-06-01), and what
// makes a load balancer of the model a running one: dataplane.go keeps a
// balancer.Balancer for each.
package elb

import (
	"cmp"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
	"github.com/droverhq/drover/sandbox/internal/balancer"
)

// Namespace and Version are those of the API; version 2015-12-01 would be the
// Application and Network Load Balancers.
const (
	Namespace = "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/"
	Version   = "2012-06-01"
)

// pages are those of the API's only list that has any.
var pages = wire.Paging{Least: 1, Most: 400, Default: 400, BadSize: "ValidationError", BadToken: "ValidationError"}

// Healther tells how an instance behind a load balancer is.
type Healther interface {
	Health(loadBalancer, instance string) (balancer.Health, bool)
}

// Service answers ELB requests.
type Service struct {
	store  *region.Store
	health Healther
	now    func() time.Time
}

// New makes the service.
func New(store *region.Store, health Healther, now func() time.Time) *Service {
	return &Service{store: store, health: health, now: now}
}

// Actions lists what is implemented.
func (s *Service) Actions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateLoadBalancer":                      wire.Must(s.create, "Listeners", "LoadBalancerName"),
		"DeleteLoadBalancer":                      wire.Must(s.remove, "LoadBalancerName"),
		"DescribeLoadBalancers":                   s.describe,
		"CreateLoadBalancerListeners":             wire.Must(s.addListeners, "Listeners", "LoadBalancerName"),
		"DeleteLoadBalancerListeners":             wire.Must(s.removeListeners, "LoadBalancerName", "LoadBalancerPorts"),
		"ConfigureHealthCheck":                    wire.Must(s.configureCheck, "HealthCheck", "LoadBalancerName"),
		"DescribeLoadBalancerAttributes":          wire.Must(s.describeAttributes, "LoadBalancerName"),
		"ModifyLoadBalancerAttributes":            wire.Must(s.modifyAttributes, "LoadBalancerAttributes", "LoadBalancerName"),
		"RegisterInstancesWithLoadBalancer":       wire.Must(s.register, "Instances", "LoadBalancerName"),
		"DeregisterInstancesFromLoadBalancer":     wire.Must(s.deregister, "Instances", "LoadBalancerName"),
		"DescribeInstanceHealth":                  wire.Must(s.describeHealth, "LoadBalancerName"),
		"AttachLoadBalancerToSubnets":             wire.Must(s.attach, "LoadBalancerName", "Subnets"),
		"DetachLoadBalancerFromSubnets":           wire.Must(s.detach, "LoadBalancerName", "Subnets"),
		"ApplySecurityGroupsToLoadBalancer":       wire.Must(s.applyGroups, "LoadBalancerName", "SecurityGroups"),
		"CreateLoadBalancerPolicy":                wire.Must(s.createPolicy, "LoadBalancerName", "PolicyName", "PolicyTypeName"),
		"DescribeLoadBalancerPolicies":            s.describePolicies,
		"SetLoadBalancerListenerSSLCertificate":   wire.Must(s.setCertificate, "LoadBalancerName", "SSLCertificateId"),
		"SetLoadBalancerPoliciesForBackendServer": wire.Must(s.setBackendPolicies, "InstancePort", "LoadBalancerName", "PolicyNames"),
		"SetLoadBalancerPoliciesOfListener":       wire.Must(s.setListenerPolicies, "LoadBalancerName", "PolicyNames"),
		"AddTags":                                 wire.Must(s.addTags, "LoadBalancerNames", "Tags"),
		"RemoveTags":                              wire.Must(s.removeTags, "LoadBalancerNames", "Tags"),
		"DescribeTags":                            wire.Must(s.describeTags, "LoadBalancerNames"),
	}
}

// with changes the load balancer that the request names.
func (s *Service) with(f wire.Form, change func(*region.State, *region.LoadBalancer) error) error {
	return s.store.Update(f.Whole(func(st *region.State) error {
		lb, err := st.LoadBalancer(f.Get("LoadBalancerName"))
		if err != nil {
			return err
		}
		return change(st, lb)
	}))
}

// look reads the load balancer that the request names.
func (s *Service) look(f wire.Form, read func(*region.State, *region.LoadBalancer)) error {
	return s.store.Read(func(st *region.State) error {
		lb, err := st.LoadBalancer(f.Get("LoadBalancerName"))
		if err != nil {
			return err
		}
		read(st, lb)
		return nil
	})
}

func (s *Service) create(_ *http.Request, f wire.Form) (any, error) {
	lb := &region.LoadBalancer{Name: f.Get("LoadBalancerName"), Scheme: f.Get("Scheme"), Subnets: f.List("Subnets"),
		SecurityGroups: f.List("SecurityGroups"), Tags: tagsIn(f)}
	err := s.store.Update(f.Whole(func(st *region.State) error {
		if len(lb.Name) == 0 || len(lb.Name) > 32 {
			return region.Errorf(region.Invalid, "ValidationError", "LoadBalancer name must have 1 to 32 characters")
		}
		if err := addListeners(st, lb, f); err != nil {
			return err
		}
		if len(lb.Listeners) == 0 {
			return region.Errorf(region.Invalid, "ValidationError", "Listeners cannot be empty")
		}
		if old, ok := st.LoadBalancers[lb.Name]; ok {
			if !same(st, old, lb) {
				return region.Errorf(region.Exists, "DuplicateLoadBalancerName",
					"Load Balancer named '%s' already exists and it is configured with different parameters.", lb.Name)
			}
			lb = old
			return nil
		}
		return st.CreateLoadBalancer(lb, region.Stamp(s.now()))
	}))
	return struct{ DNSName string }{lb.DNSName}, err
}

// same tells whether a request for a load balancer asks for one that exists.
// What it leaves out is the default.
func same(st *region.State, old, want *region.LoadBalancer) bool {
	groups := want.SecurityGroups
	if len(groups) == 0 {
		groups = []string{st.VPCs[old.VpcID].DefaultSecurityGroup}
	}
	plain := func(list []region.Listener) []region.Listener {
		out := slices.Clone(list)
		for k := range out {
			out[k].Policies = nil
		}
		slices.SortFunc(out, func(a, b region.Listener) int { return a.Port - b.Port })
		return out
	}
	set := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	return cmp.Or(want.Scheme, "internet-facing") == old.Scheme && slices.Equal(set(want.Subnets), set(old.Subnets)) &&
		slices.Equal(set(groups), set(old.SecurityGroups)) && reflect.DeepEqual(plain(want.Listeners), plain(old.Listeners))
}

func addListeners(st *region.State, lb *region.LoadBalancer, f wire.Form) error {
	for _, each := range f.Each("Listeners") {
		l := region.Listener{Protocol: strings.ToUpper(each.Get("Protocol")),
			InstanceProtocol: strings.ToUpper(each.Get("InstanceProtocol")),
			Certificate:      each.Get("SSLCertificateId")}
		port, instancePort := each.Int("LoadBalancerPort"), each.Int("InstancePort")
		if port == nil || instancePort == nil {
			return region.Errorf(region.Invalid, "ValidationError", "A listener needs LoadBalancerPort and InstancePort")
		}
		if l.Port, l.InstancePort = *port, *instancePort; !isPort(l.Port) || !isPort(l.InstancePort) {
			return region.Errorf(region.Invalid, "ValidationError", "The ports of a listener must be from 1 to 65535")
		}
		if l.InstanceProtocol == "" {
			l.InstanceProtocol = l.Protocol
		}
		if l.InstanceProtocol == "" || l.InstanceProtocol != spokenTo[l.Protocol] {
			return region.Errorf(region.Invalid, "InvalidConfigurationRequest",
				"The sandbox's load balancers speak TCP or SSL to TCP, and HTTP or HTTPS to HTTP, not %s to %s", l.Protocol,
				l.InstanceProtocol)
		}
		if err := st.CheckClassic(l); err != nil {
			return err
		}
		for _, o := range lb.Listeners {
			if o.Port == l.Port && (o.InstancePort != l.InstancePort || o.Protocol != l.Protocol || o.Certificate != l.Certificate) {
				return region.Errorf(region.Exists, "DuplicateListener",
					"A listener already exists for '%s' with LoadBalancerPort %d, "+
						"but with a different InstancePort, Protocol, or SSLCertificateId", lb.Name, l.Port)
			}
		}
		if !slices.ContainsFunc(lb.Listeners, func(o region.Listener) bool { return o.Port == l.Port }) {
			lb.Listeners = append(lb.Listeners, l)
		}
	}
	return nil
}

// spokenTo is how instances are spoken to, by how clients speak.
var spokenTo = map[string]string{"TCP": "TCP", "SSL": "TCP", "HTTP": "HTTP", "HTTPS": "HTTP"}

func isPort(n int) bool { return n >= 1 && n <= 65535 }

// remove succeeds also when there is nothing to delete, as on AWS.
func (s *Service) remove(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		delete(st.LoadBalancers, f.Get("LoadBalancerName"))
		return nil
	}))
}

type listenerItem struct {
	Protocol         string
	Port             int `xml:"LoadBalancerPort"`
	InstanceProtocol string
	InstancePort     int
	Certificate      string `xml:"SSLCertificateId,omitempty"`
}

type listenerDescription struct {
	Listener listenerItem
	Policies []string `xml:"PolicyNames>member"`
}

type backendItem struct {
	Port     int      `xml:"InstancePort"`
	Policies []string `xml:"PolicyNames>member"`
}

type instanceRef struct {
	ID string `xml:"InstanceId"`
}

type balancerItem struct {
	Name       string `xml:"LoadBalancerName"`
	DNSName    string
	ZoneName   string                `xml:"CanonicalHostedZoneName"`
	ZoneID     string                `xml:"CanonicalHostedZoneNameID"`
	Listeners  []listenerDescription `xml:"ListenerDescriptions>member"`
	Backends   []backendItem         `xml:"BackendServerDescriptions>member"`
	Zones      []string              `xml:"AvailabilityZones>member"`
	Subnets    []string              `xml:"Subnets>member"`
	VPC        string                `xml:"VPCId"`
	Instances  []instanceRef         `xml:"Instances>member"`
	Check      region.HealthCheck    `xml:"HealthCheck"`
	OwnerAlias string                `xml:"SourceSecurityGroup>OwnerAlias"`
	GroupName  string                `xml:"SourceSecurityGroup>GroupName"`
	Groups     []string              `xml:"SecurityGroups>member"`
	Created    string                `xml:"CreatedTime"`
	Scheme     string
}

func show(st *region.State, lb *region.LoadBalancer) balancerItem {
	item := balancerItem{Name: lb.Name, DNSName: lb.DNSName, ZoneName: lb.DNSName, ZoneID: "Z1H1FL5HABSF5",
		Subnets: lb.Subnets, VPC: lb.VpcID,
		Check: lb.Check, Groups: lb.SecurityGroups, Created: lb.Created.UTC().Format("2006-01-02T15:04:05.000Z"),
		Scheme:     lb.Scheme,
		OwnerAlias: region.Account, Instances: staying(lb)}
	for _, l := range lb.Listeners {
		item.Listeners = append(item.Listeners, listenerDescription{
			listenerItem{l.Protocol, l.Port, l.InstanceProtocol, l.InstancePort, l.Certificate}, l.Policies})
	}
	for port, policies := range lb.BackendPolicy {
		item.Backends = append(item.Backends, backendItem{port, policies})
	}
	slices.SortFunc(item.Backends, func(a, b backendItem) int { return a.Port - b.Port })
	for _, id := range lb.Subnets {
		if sub, ok := st.Subnets[id]; ok {
			item.Zones = append(item.Zones, sub.AvailabilityZone)
		}
	}
	if g, ok := st.SecurityGroups[lb.SecurityGroups[0]]; ok {
		item.GroupName = g.GroupName
	}
	return item
}

// staying are the instances that are not being deregistered.
func staying(lb *region.LoadBalancer) []instanceRef {
	var refs []instanceRef
	for _, r := range lb.Instances {
		if r.Leaving.IsZero() {
			refs = append(refs, instanceRef{r.InstanceID})
		}
	}
	return refs
}

func (s *Service) describe(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Balancers []balancerItem `xml:"LoadBalancerDescriptions>member"`
		Next      string         `xml:"NextMarker,omitempty"`
	}
	names := f.List("LoadBalancerNames")
	err := s.store.Read(func(st *region.State) error {
		for _, name := range names {
			if _, err := st.LoadBalancer(name); err != nil {
				return err
			}
		}
		for _, lb := range region.Sorted(st.LoadBalancers) {
			if len(names) == 0 || slices.Contains(names, lb.Name) {
				out.Balancers = append(out.Balancers, show(st, lb))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Balancers, out.Next, err = wire.Page(pages, out.Balancers, f.Get("Marker"), f.Get("PageSize"))
	return out, err
}

func (s *Service) addListeners(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.with(f, func(st *region.State, lb *region.LoadBalancer) error { return addListeners(st, lb, f) })
}

func (s *Service) setCertificate(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.with(f, func(st *region.State, lb *region.LoadBalancer) error {
		port, certificate := f.Int("LoadBalancerPort"), f.Get("SSLCertificateId")
		for k, l := range lb.Listeners {
			if port != nil && l.Port == *port {
				l.Certificate = certificate
				lb.Listeners[k] = l
				return st.CheckClassic(l)
			}
		}
		return region.Errorf(region.NotFound, "ListenerNotFound", "There is no listener on that port for load balancer %s", lb.Name)
	})
}

func (s *Service) removeListeners(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.with(f, func(_ *region.State, lb *region.LoadBalancer) error {
		ports := f.List("LoadBalancerPorts")
		lb.Listeners = slices.DeleteFunc(lb.Listeners, func(l region.Listener) bool {
			return slices.Contains(ports,
				strconv.Itoa(l.Port))
		})
		return nil
	})
}

func (s *Service) configureCheck(_ *http.Request, f wire.Form) (any, error) {
	form := f.Sub("HealthCheck")
	number := func(name string) int {
		if n := form.Int(name); n != nil {
			return *n
		}
		return 0
	}
	check := region.HealthCheck{Target: form.Get("Target"), Interval: number("Interval"), Timeout: number("Timeout"),
		HealthyThreshold: number("HealthyThreshold"), UnhealthyThreshold: number("UnhealthyThreshold")}
	if err := validCheck(check); err != nil {
		return nil, err
	}
	err := s.with(f, func(_ *region.State, lb *region.LoadBalancer) error {
		lb.Check = check
		return nil
	})
	return struct{ HealthCheck region.HealthCheck }{check}, err
}

// validCheck holds the limits of the API.
func validCheck(c region.HealthCheck) error {
	invalid := func(format string, args ...any) error {
		return region.Errorf(region.Invalid, "ValidationError", format, args...)
	}
	_, _, _, err := balancer.ParseTarget(c.Target)
	switch {
	case err != nil:
		return invalid("HealthCheck Target: %s", err)
	case c.Interval < 5 || c.Interval > 300:
		return invalid("HealthCheck Interval must be between 5 and 300 seconds")
	case c.Timeout < 2 || c.Timeout > 60:
		return invalid("HealthCheck Timeout must be between 2 and 60 seconds")
	case c.Timeout >= c.Interval:
		return invalid("HealthCheck timeout must be less than interval")
	case c.HealthyThreshold < 2 || c.HealthyThreshold > 10, c.UnhealthyThreshold < 2 || c.UnhealthyThreshold > 10:
		return invalid("HealthCheck thresholds must be between 2 and 10")
	}
	return nil
}

type attributes struct {
	CrossZone    bool `xml:"CrossZoneLoadBalancing>Enabled"`
	AccessLog    bool `xml:"AccessLog>Enabled"`
	Draining     bool `xml:"ConnectionDraining>Enabled"`
	DrainTimeout int  `xml:"ConnectionDraining>Timeout"`
	IdleTimeout  int  `xml:"ConnectionSettings>IdleTimeout"`
}

func showAttributes(lb *region.LoadBalancer) attributes {
	return attributes{CrossZone: lb.CrossZone, Draining: lb.Draining, DrainTimeout: lb.DrainTimeout,
		IdleTimeout: lb.IdleTimeout}
}

func (s *Service) describeAttributes(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Attributes attributes `xml:"LoadBalancerAttributes"`
	}
	return &out, s.look(f, func(_ *region.State, lb *region.LoadBalancer) { out.Attributes = showAttributes(lb) })
}

func (s *Service) modifyAttributes(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Name       string     `xml:"LoadBalancerName"`
		Attributes attributes `xml:"LoadBalancerAttributes"`
	}
	form := f.Sub("LoadBalancerAttributes")
	err := s.with(f, func(_ *region.State, lb *region.LoadBalancer) error {
		if form.Has("CrossZoneLoadBalancing.Enabled") {
			lb.CrossZone = form.Bool("CrossZoneLoadBalancing.Enabled")
		}
		form.Ignore("AccessLog.EmitInterval") // of what is not written
		if form.Bool("AccessLog.Enabled") {
			return region.Errorf(region.Invalid, "InvalidConfigurationRequest",
				"The sandbox has no S3 to write access logs to")
		}
		if form.Has("ConnectionDraining.Enabled") {
			lb.Draining = form.Bool("ConnectionDraining.Enabled")
		}
		if err := setSeconds(form, "ConnectionDraining.Timeout", 1, 3600, &lb.DrainTimeout); err != nil {
			return err
		}
		if err := setSeconds(form, "ConnectionSettings.IdleTimeout", 1, 4000, &lb.IdleTimeout); err != nil {
			return err
		}
		out.Name, out.Attributes = lb.Name, showAttributes(lb)
		return nil
	})
	return out, err
}

func setSeconds(f wire.Form, name string, least, most int, to *int) error {
	n := f.Int(name)
	if n == nil {
		return nil
	}
	if *n < least || *n > most {
		return region.Errorf(region.Invalid, "ValidationError", "%s must be between %d and %d", name, least, most)
	}
	*to = *n
	return nil
}

// instances are those a request names.
func instances(f wire.Form) []string {
	var ids []string
	for _, each := range f.Each("Instances") {
		ids = append(ids, each.Get("InstanceId"))
	}
	return ids
}

func unknownInstance(id string) error {
	return region.Errorf(region.Invalid, "InvalidInstance", "Could not find EC2 instance %s.", id)
}

func (s *Service) register(_ *http.Request, f wire.Form) (any, error) {
	return s.changeInstances(f, func(st *region.State, lb *region.LoadBalancer, id string) error {
		i, ok := st.Instances[id]
		if !ok || !i.Alive() {
			return unknownInstance(id)
		}
		if i.VpcID != lb.VpcID {
			return region.Errorf(region.Invalid, "InvalidInstance", "EC2 instance %s is not in the same VPC as ELB.", id)
		}
		lb.Register(id, region.Stamp(s.now()))
		return nil
	})
}

func (s *Service) deregister(_ *http.Request, f wire.Form) (any, error) {
	return s.changeInstances(f, func(st *region.State, lb *region.LoadBalancer, id string) error {
		if _, ok := st.Instances[id]; !ok && lb.Find(id) == nil {
			return unknownInstance(id)
		}
		lb.Deregister(id, region.Stamp(s.now()))
		return nil
	})
}

func (s *Service) changeInstances(f wire.Form, change func(*region.State, *region.LoadBalancer, string) error) (any,
	error) {
	var out struct {
		Instances []instanceRef `xml:"Instances>member"`
	}
	err := s.with(f, func(st *region.State, lb *region.LoadBalancer) error {
		for _, id := range instances(f) {
			if err := change(st, lb, id); err != nil {
				return err
			}
		}
		out.Instances = staying(lb)
		return nil
	})
	return out, err
}

type healthItem struct {
	ID          string `xml:"InstanceId"`
	State       string
	Reason      string `xml:"ReasonCode"`
	Description string
}

func (s *Service) describeHealth(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		States []healthItem `xml:"InstanceStates>member"`
	}
	var failed error
	err := s.look(f, func(st *region.State, lb *region.LoadBalancer) {
		ids := instances(f)
		if len(ids) == 0 {
			for _, r := range lb.Instances {
				ids = append(ids, r.InstanceID)
			}
		}
		for _, id := range ids {
			if _, ok := st.Instances[id]; !ok && lb.Find(id) == nil {
				failed = unknownInstance(id)
				return
			}
			out.States = append(out.States, s.healthOf(lb, id, st.Instances[id]))
		}
	})
	if err == nil {
		err = failed
	}
	return out, err
}

// healthOf puts an instance's health into ELB's words.
func (s *Service) healthOf(lb *region.LoadBalancer, id string, i *region.Instance) healthItem {
	r := lb.Find(id)
	if r == nil {
		return healthItem{id, "OutOfService", "Instance", "Instance is not currently registered with the LoadBalancer."}
	}
	h, _ := s.health.Health(lb.Name, id)
	switch {
	case i != nil && !i.Alive():
		return healthItem{id, "OutOfService", "Instance", "Instance is in " + string(i.State) + " state."}
	case !r.Leaving.IsZero():
		return healthItem{id, "InService", "N/A", "Instance deregistration currently in progress."}
	case h.InService:
		return healthItem{id, "InService", "N/A", "N/A"}
	case !h.Checked:
		return healthItem{id, "OutOfService", "ELB", "Instance registration is still in progress."}
	}
	return healthItem{id, "OutOfService", "Instance", "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."}
}

func (s *Service) attach(_ *http.Request, f wire.Form) (any, error) {
	return s.changeSubnets(f, func(subnets []string, id string) []string {
		if slices.Contains(subnets, id) {
			return subnets
		}
		return append(subnets, id)
	})
}

func (s *Service) detach(_ *http.Request, f wire.Form) (any, error) {
	return s.changeSubnets(f, func(subnets []string, id string) []string {
		return slices.DeleteFunc(subnets, func(o string) bool { return o == id })
	})
}

func (s *Service) changeSubnets(f wire.Form, change func([]string, string) []string) (any, error) {
	var out struct {
		Subnets []string `xml:"Subnets>member"`
	}
	err := s.with(f, func(st *region.State, lb *region.LoadBalancer) error {
		for _, id := range f.List("Subnets") {
			lb.Subnets = change(lb.Subnets, id)
		}
		out.Subnets = lb.Subnets
		if len(lb.Subnets) == 0 {
			return region.Errorf(region.Invalid, "InvalidConfigurationRequest",
				"A load balancer needs at least one subnet")
		}
		return st.PlaceLoadBalancer(lb)
	})
	return out, err
}

func (s *Service) applyGroups(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Groups []string `xml:"SecurityGroups>member"`
	}
	err := s.with(f, func(st *region.State, lb *region.LoadBalancer) error {
		for _, id := range f.List("SecurityGroups") {
			if _, ok := st.SecurityGroups[id]; !ok {
				return region.Errorf(region.Invalid, "InvalidSecurityGroup",
					"One or more of the specified security groups do not exist: %s", id)
			}
		}
		lb.SecurityGroups = f.List("SecurityGroups")
		out.Groups = lb.SecurityGroups
		return nil
	})
	return out, err
}
