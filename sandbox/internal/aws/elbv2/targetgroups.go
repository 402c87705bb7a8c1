package elbv2

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

type groupItem struct {
	ARN       string   `xml:"TargetGroupArn"`
	Name      string   `xml:"TargetGroupName"`
	Protocol  string   `xml:"Protocol"`
	Version   string   `xml:"ProtocolVersion,omitempty"`
	Port      int      `xml:"Port"`
	VPC       string   `xml:"VpcId"`
	Check     string   `xml:"HealthCheckProtocol"`
	CheckPort string   `xml:"HealthCheckPort"`
	Enabled   bool     `xml:"HealthCheckEnabled"`
	Interval  int      `xml:"HealthCheckIntervalSeconds"`
	Timeout   int      `xml:"HealthCheckTimeoutSeconds"`
	Healthy   int      `xml:"HealthyThresholdCount"`
	Unhealthy int      `xml:"UnhealthyThresholdCount"`
	Path      string   `xml:"HealthCheckPath,omitempty"`
	Matcher   string   `xml:"Matcher>HttpCode,omitempty"`
	Balancers []string `xml:"LoadBalancerArns>member"`
	Type      string   `xml:"TargetType"`
	Addresses string   `xml:"IpAddressType"`
}

type groups struct {
	Items []groupItem `xml:"TargetGroups>member"`
	Next  string      `xml:"NextMarker,omitempty"`
}

func showGroup(st *region.State, g *region.TargetGroup) groupItem {
	item := groupItem{ARN: g.ARN, Name: g.Name, Protocol: g.Protocol, Port: g.Port, VPC: g.VpcID, Check: g.Check.Protocol,
		CheckPort: g.Check.Port, Enabled: true, Interval: g.Check.Interval, Timeout: g.Check.Timeout, Healthy: g.Check.Healthy,
		Unhealthy: g.Check.Unhealthy, Path: g.Check.Path, Type: g.Type, Addresses: "ipv4"}
	if g.Check.Protocol != "TCP" {
		item.Matcher = g.Check.Matcher
	}
	if !g.Flows() {
		item.Version = "HTTP1"
	}
	if lb := st.BalancerOf(g.ARN); lb != nil {
		item.Balancers = []string{lb.ARN}
	}
	return item
}

// readCheck fills in what the request says of a health check.
func readCheck(c *region.GroupCheck, f wire.Form) error {
	if f.Has("HealthCheckEnabled") && !f.Bool("HealthCheckEnabled") {
		return invalid("Health checks cannot be disabled for targets that are instances or addresses")
	}
	c.Protocol = cmp.Or(f.Get("HealthCheckProtocol"), c.Protocol)
	c.Port = cmp.Or(f.Get("HealthCheckPort"), c.Port)
	c.Path = cmp.Or(f.Get("HealthCheckPath"), c.Path)
	c.Matcher = cmp.Or(f.Sub("Matcher").Get("HttpCode"), c.Matcher)
	for name, n := range map[string]*int{"HealthCheckIntervalSeconds": &c.Interval, "HealthCheckTimeoutSeconds": &c.Timeout,
		"HealthyThresholdCount": &c.Healthy, "UnhealthyThresholdCount": &c.Unhealthy} {
		if v := f.Int(name); v != nil {
			*n = *v
		}
	}
	port, err := strconv.Atoi(c.Port)
	switch {
	case c.Protocol != "TCP" && c.Protocol != "HTTP" && c.Protocol != "HTTPS":
		return invalid("The sandbox checks targets by TCP, HTTP or HTTPS, not by '%s'", c.Protocol)
	case c.Protocol == "TCP" && c.Path != "":
		return invalid("Health check path cannot be specified with protocol TCP")
	case c.Port != region.TrafficPort && (err != nil || port < 1 || port > 65535):
		return invalid("Health check port '%s' must be %s or between 1 and 65535", c.Port, region.TrafficPort)
	case c.Interval < 5 || c.Interval > 300:
		return invalid("Health check interval must be between 5 and 300 seconds")
	case c.Timeout < 2 || c.Timeout > 120:
		return invalid("Health check timeout must be between 2 and 120 seconds")
	case c.Healthy < 2 || c.Healthy > 10 || c.Unhealthy < 2 || c.Unhealthy > 10:
		return invalid("Health check thresholds must be between 2 and 10")
	}
	return nil
}

func (s *Service) createGroup(_ *http.Request, f wire.Form) (any, error) {
	g := &region.TargetGroup{Name: f.Get("Name"), Protocol: f.Get("Protocol"), VpcID: f.Get("VpcId"), Type: cmp.Or(f.Get("TargetType"), "instance"), Tags: tagsIn(f)}
	if n := f.Int("Port"); n != nil {
		g.Port = *n
	}
	switch {
	case g.Name == "" || len(g.Name) > 32:
		return nil, invalid("Target group name must have 1 to 32 characters")
	case !slices.Contains([]string{"TCP", "TLS", "HTTP", "HTTPS"}, g.Protocol):
		return nil, invalid("The sandbox's target groups speak TCP, TLS, HTTP or HTTPS, not '%s'", g.Protocol)
	case f.Get("ProtocolVersion") != "" && f.Get("ProtocolVersion") != "HTTP1":
		return nil, invalid("The sandbox's target groups speak HTTP1, not '%s'", f.Get("ProtocolVersion"))
	case cmp.Or(f.Get("IpAddressType"), "ipv4") != "ipv4":
		return nil, invalid("The sandbox does not implement IpAddressType '%s'", f.Get("IpAddressType"))
	case g.Port < 1 || g.Port > 65535:
		return nil, invalid("Port must be between 1 and 65535")
	case g.Type != "instance" && g.Type != "ip":
		return nil, invalid("The sandbox's target groups hold instances or addresses, not '%s'", g.Type)
	}
	g.Check = defaultCheck(g.Protocol, f.Get("HealthCheckProtocol"))
	if err := readCheck(&g.Check, f); err != nil {
		return nil, err
	}
	var out groups
	err := s.store.Update(f.Whole(func(st *region.State) error {
		err := st.CreateTargetGroup(g, region.Stamp(s.now()))
		out.Items = []groupItem{showGroup(st, g)}
		return err
	}))
	return out, err
}

// defaultCheck is AWS's, by how a group is spoken to and how it is checked.
func defaultCheck(protocol, check string) region.GroupCheck {
	c := region.GroupCheck{Protocol: "TCP", Port: region.TrafficPort, Interval: 30, Timeout: 10, Healthy: 5, Unhealthy: 2}
	switch {
	case protocol != "TCP" && protocol != "TLS":
		c.Protocol, c.Path, c.Timeout, c.Matcher = "HTTP", "/", 5, "200"
	case check == "HTTP" || check == "HTTPS":
		c.Path, c.Timeout, c.Matcher = "/", 6, "200-399"
	}
	return c
}

// with changes the target group that the request names.
func (s *Service) with(f wire.Form, change func(*region.State, *region.TargetGroup) error) error {
	return s.store.Update(f.Whole(func(st *region.State) error {
		g, err := st.TargetGroup(f.Get("TargetGroupArn"))
		if err != nil {
			return err
		}
		return change(st, g)
	}))
}

func (s *Service) modifyGroup(_ *http.Request, f wire.Form) (any, error) {
	var out groups
	err := s.with(f, func(st *region.State, g *region.TargetGroup) error {
		err := readCheck(&g.Check, f)
		out.Items = []groupItem{showGroup(st, g)}
		return err
	})
	return out, err
}

func (s *Service) deleteGroup(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error { return st.DeleteTargetGroup(f.Get("TargetGroupArn")) }))
}

func (s *Service) describeGroups(_ *http.Request, f wire.Form) (any, error) {
	arns, names, balancer := f.List("TargetGroupArns"), f.List("Names"), f.Get("LoadBalancerArn")
	var out groups
	err := s.store.Read(func(st *region.State) error {
		if balancer != "" {
			if _, err := st.V2Balancer(balancer); err != nil {
				return err
			}
		}
		for _, g := range region.Sorted(st.TargetGroups) {
			of := st.BalancerOf(g.ARN)
			if len(arns)+len(names) == 0 && balancer == "" || slices.Contains(arns, g.ARN) || slices.Contains(names, g.Name) ||
				balancer != "" && of != nil && of.ARN == balancer {
				out.Items = append(out.Items, showGroup(st, g))
			}
		}
		if len(out.Items) < len(arns) || len(out.Items) < len(names) {
			return region.Errorf(region.NotFound, "TargetGroupNotFound", "One or more target groups not found")
		}
		return nil
	})
	if err == nil {
		out.Items, out.Next, err = page(f, out.Items)
	}
	return out, err
}

func (s *Service) describeGroupAttributes(_ *http.Request, f wire.Form) (any, error) {
	var out attributes
	err := s.store.Read(func(st *region.State) error {
		g, err := st.TargetGroup(f.Get("TargetGroupArn"))
		if err == nil {
			out = showAttributes(g.Attributes)
		}
		return err
	})
	return out, err
}

func (s *Service) modifyGroupAttributes(_ *http.Request, f wire.Form) (any, error) {
	var out attributes
	err := s.with(f, func(_ *region.State, g *region.TargetGroup) error {
		err := setAttributes(g.Attributes, f)
		out = showAttributes(g.Attributes)
		return err
	})
	return out, err
}

// each goes through the targets that a request names.
func each(f wire.Form, do func(id string, port int) error) error {
	targets := f.Each("Targets")
	if len(targets) == 0 {
		return invalid("You must specify at least one target")
	}
	for _, t := range targets {
		port := 0
		if n := t.Int("Port"); n != nil {
			port = *n
		}
		if err := do(t.Get("Id"), port); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) register(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.with(f, func(st *region.State, g *region.TargetGroup) error {
		return each(f, func(id string, port int) error {
			if err := registrable(st, g, id); err != nil {
				return err
			}
			g.Register(id, cmp.Or(port, g.Port), region.Stamp(s.now()))
			return nil
		})
	})
}

// registrable says why a target cannot be one of the group.
func registrable(st *region.State, g *region.TargetGroup, id string) error {
	if g.Type == "ip" {
		if ip, err := netip.ParseAddr(id); err != nil || !ip.Is4() {
			return invalid("The IP address '%s' is not a valid IPv4 address", id)
		}
		if _, _, ok := st.TargetAddress(g, id); !ok {
			return region.Errorf(region.Invalid, "InvalidTarget", "The IP address '%s' is not within any subnet of VPC '%s'", id, g.VpcID)
		}
		return nil
	}
	i := st.Instances[id]
	switch {
	case i == nil:
		return region.Errorf(region.Invalid, "InvalidTarget", "The following targets are not valid instances: '%s'", id)
	case i.VpcID != g.VpcID:
		return region.Errorf(region.Invalid, "InvalidTarget", "The following targets are not in the target group VPC '%s': '%s'", g.VpcID, id)
	case i.State != region.Running:
		return region.Errorf(region.Invalid, "InvalidTarget", "The following targets are not in a running state and cannot be registered: '%s'", id)
	}
	return nil
}

func (s *Service) deregister(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.with(f, func(_ *region.State, g *region.TargetGroup) error {
		return each(f, func(id string, port int) error {
			g.Deregister(id, port, region.Stamp(s.now()))
			return nil
		})
	})
}

type healthItem struct {
	ID          string `xml:"Target>Id"`
	Port        int    `xml:"Target>Port"`
	Zone        string `xml:"Target>AvailabilityZone,omitempty"`
	CheckPort   string `xml:"HealthCheckPort"`
	State       string `xml:"TargetHealth>State"`
	Reason      string `xml:"TargetHealth>Reason,omitempty"`
	Description string `xml:"TargetHealth>Description,omitempty"`
}

func (s *Service) describeHealth(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Items []healthItem `xml:"TargetHealthDescriptions>member"`
	}
	err := s.store.Read(func(st *region.State) error {
		g, err := st.TargetGroup(f.Get("TargetGroupArn"))
		if err != nil {
			return err
		}
		var targets []region.GroupTarget
		for _, t := range g.Targets {
			if !t.Left(s.now()) {
				targets = append(targets, t)
			}
		}
		if len(f.Each("Targets")) == 0 {
			for _, t := range targets {
				out.Items = append(out.Items, s.healthOf(st, g, t))
			}
			return nil
		}
		return each(f, func(id string, port int) error {
			found := false
			for _, t := range targets {
				if t.ID == id && (port == 0 || t.Port == port) {
					out.Items, found = append(out.Items, s.healthOf(st, g, t)), true
				}
			}
			if !found {
				port = cmp.Or(port, g.Port)
				out.Items = append(out.Items, healthItem{ID: id, Port: port, CheckPort: strconv.Itoa(g.CheckPort(region.GroupTarget{Port: port})),
					State: "unused", Reason: "Target.NotRegistered", Description: "Target is not registered to the target group"})
			}
			return nil
		})
	})
	return out, err
}

// healthOf puts a target's health into the API's words.
func (s *Service) healthOf(st *region.State, g *region.TargetGroup, t region.GroupTarget) healthItem {
	item := healthItem{ID: t.ID, Port: t.Port, CheckPort: strconv.Itoa(g.CheckPort(t))}
	_, zone, _ := st.TargetAddress(g, t.ID)
	if g.Type == "ip" {
		item.Zone = zone
	}
	lb, h := st.BalancerOf(g.ARN), s.health.Health(g.ARN, t)
	say := func(state, reason, description string) healthItem {
		item.State, item.Reason, item.Description = state, reason, description
		return item
	}
	switch {
	case !t.Leaving.IsZero():
		return say("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
	case g.Type == "instance" && st.Instances[t.ID] != nil && !st.Instances[t.ID].Alive():
		return say("unused", "Target.InvalidState", "Target is in the "+string(st.Instances[t.ID].State)+" state")
	case lb == nil:
		return say("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
	case !g.CrossZone(lb) && !slices.ContainsFunc(lb.Zones, func(z region.BalancerZone) bool { return z.Zone == zone }):
		return say("unused", "Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer")
	case h.InService:
		return say("healthy", "", "")
	case !h.Checked:
		return say("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
	}
	return say("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
}
