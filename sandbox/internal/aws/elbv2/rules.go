package elbv2

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

type pairItem struct {
	Key   string `xml:"Key,omitempty"`
	Value string `xml:"Value"`
}

type valuesItem struct {
	Values []string `xml:"Values>member"`
}

type headerItem struct {
	Name   string   `xml:"HttpHeaderName"`
	Values []string `xml:"Values>member"`
}

type queryItem struct {
	Values []pairItem `xml:"Values>member"`
}

type conditionItem struct {
	Field  string      `xml:"Field"`
	Values []string    `xml:"Values>member,omitempty"` // of hosts and paths, said twice
	Host   *valuesItem `xml:"HostHeaderConfig,omitempty"`
	Path   *valuesItem `xml:"PathPatternConfig,omitempty"`
	Method *valuesItem `xml:"HttpRequestMethodConfig,omitempty"`
	Source *valuesItem `xml:"SourceIpConfig,omitempty"`
	Header *headerItem `xml:"HttpHeaderConfig,omitempty"`
	Query  *queryItem  `xml:"QueryStringConfig,omitempty"`
}

type ruleItem struct {
	ARN        string          `xml:"RuleArn"`
	Priority   string          `xml:"Priority"`
	Conditions []conditionItem `xml:"Conditions>member"`
	Actions    []actionItem    `xml:"Actions>member"`
	Default    bool            `xml:"IsDefault"`
}

type rules struct {
	Items []ruleItem `xml:"Rules>member"`
	Next  string     `xml:"NextMarker,omitempty"`
}

func showCondition(c region.RuleCondition) conditionItem {
	item := conditionItem{Field: c.Field}
	switch c.Field {
	case "host-header":
		item.Values, item.Host = c.Values, &valuesItem{c.Values}
	case "path-pattern":
		item.Values, item.Path = c.Values, &valuesItem{c.Values}
	case "http-request-method":
		item.Method = &valuesItem{c.Values}
	case "source-ip":
		item.Source = &valuesItem{c.Values}
	case "http-header":
		item.Header = &headerItem{c.Header, c.Values}
	case "query-string":
		item.Query = &queryItem{}
		for _, p := range c.Query {
			item.Query.Values = append(item.Query.Values, pairItem(p))
		}
	}
	return item
}

func showRule(r *region.ListenerRule) ruleItem {
	item := ruleItem{ARN: r.ARN, Priority: strconv.Itoa(r.Priority), Actions: showActions(region.Application, r.Actions)}
	for _, c := range r.Conditions {
		item.Conditions = append(item.Conditions, showCondition(c))
	}
	return item
}

// configs are where the values of each kind of condition stand in a request.
var configs = map[string]string{"host-header": "HostHeaderConfig", "path-pattern": "PathPatternConfig", "http-header": "HttpHeaderConfig",
	"http-request-method": "HttpRequestMethodConfig", "query-string": "QueryStringConfig", "source-ip": "SourceIpConfig"}

func readConditions(f wire.Form) (conditions []region.RuleCondition, err error) {
	for _, form := range f.Each("Conditions") {
		field := form.Get("Field")
		name, ok := configs[field]
		if !ok {
			return nil, invalid("Condition field '%s' must be one of '[host-header, path-pattern, http-header, http-request-method, query-string, source-ip]'", field)
		}
		config := form.Sub(name)
		c := region.RuleCondition{Field: field, Header: config.Get("HttpHeaderName")}
		if field == "query-string" {
			for _, p := range config.Each("Values") {
				c.Query = append(c.Query, region.QueryPair{Key: p.Get("Key"), Value: p.Get("Value")})
			}
		} else if c.Values = config.List("Values"); len(c.Values) == 0 {
			c.Values = form.List("Values")
		} else {
			form.Ignore("Values") // the same, said twice
		}
		if len(c.Values)+len(c.Query) == 0 {
			return nil, invalid("A condition value must be specified")
		}
		conditions = append(conditions, c)
	}
	return conditions, nil
}

func checkPriority(n int) error {
	if n < 1 || n > 50000 {
		return invalid("Rule priority must be between 1 and 50000")
	}
	return nil
}

func (s *Service) createRule(_ *http.Request, f wire.Form) (any, error) {
	r := &region.ListenerRule{Listener: f.Get("ListenerArn"), Tags: tagsIn(f)}
	if n := f.Int("Priority"); n != nil {
		r.Priority = *n
	}
	if err := checkPriority(r.Priority); err != nil {
		return nil, err
	}
	var err error
	if r.Conditions, err = readConditions(f); err == nil && len(r.Conditions) == 0 {
		err = invalid("A rule must have at least one condition")
	}
	if err != nil {
		return nil, err
	}
	if r.Actions, err = readActions(region.Application, f.Each("Actions")); err != nil {
		return nil, err
	}
	err = s.store.Update(f.Whole(func(st *region.State) error { return st.AddRule(r) }))
	return rules{Items: []ruleItem{showRule(r)}}, err
}

func (s *Service) modifyRule(_ *http.Request, f wire.Form) (any, error) {
	var out rules
	err := s.store.Update(f.Whole(func(st *region.State) error {
		r, err := st.Rule(f.Get("RuleArn"))
		if err != nil {
			return err
		}
		changed := *r
		if conditions, err := readConditions(f); err != nil {
			return err
		} else if len(conditions) > 0 {
			changed.Conditions = conditions
		}
		if len(f.Each("Actions")) > 0 {
			if changed.Actions, err = readActions(region.Application, f.Each("Actions")); err != nil {
				return err
			}
		}
		if err := st.CheckActions(st.V2Balancers[st.TargetListeners[r.Listener].Balancer], changed.Actions); err != nil {
			return err
		}
		*r = changed
		out.Items = []ruleItem{showRule(r)}
		return nil
	}))
	return out, err
}

func (s *Service) deleteRule(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		r, err := st.Rule(f.Get("RuleArn"))
		if err == nil {
			delete(st.ListenerRules, r.ARN)
		}
		return err
	}))
}

func (s *Service) setPriorities(_ *http.Request, f wire.Form) (any, error) {
	of := map[string]int{}
	for _, p := range f.Each("RulePriorities") {
		n := p.Int("Priority")
		if n == nil {
			n = new(int)
		}
		if err := checkPriority(*n); err != nil {
			return nil, err
		}
		of[p.Get("RuleArn")] = *n
	}
	var out rules
	err := s.store.Update(f.Whole(func(st *region.State) error {
		if err := st.SetPriorities(of); err != nil {
			return err
		}
		for arn := range of {
			out.Items = append(out.Items, showRule(st.ListenerRules[arn]))
		}
		return nil
	}))
	return out, err
}

// describeRules shows the rules of a listener, its own actions as the default rule
// at the end; or those of the given ARNs.
func (s *Service) describeRules(_ *http.Request, f wire.Form) (any, error) {
	listener, arns := f.Get("ListenerArn"), f.List("RuleArns")
	var out rules
	err := s.store.Read(func(st *region.State) error {
		if listener != "" {
			l, err := st.Listener(listener)
			if err != nil {
				return err
			}
			for _, r := range st.ListenerRulesOf(l.ARN) {
				out.Items = append(out.Items, showRule(r))
			}
			out.Items = append(out.Items, ruleItem{ARN: l.ARN + "/default", Priority: "default", Actions: showListener(st, l).Actions, Default: true})
			return nil
		}
		if len(arns) == 0 {
			return invalid("You must specify either rule ARNs or a listener ARN")
		}
		for _, arn := range arns {
			r, err := st.Rule(arn)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, showRule(r))
		}
		return nil
	})
	if err == nil {
		out.Items, out.Next, err = page(f, out.Items)
	}
	return out, err
}

func (s *Service) setSecurityGroups(_ *http.Request, f wire.Form) (any, error) {
	groups := f.List("SecurityGroups")
	err := s.balancer(f, func(st *region.State, lb *region.V2Balancer) error {
		for _, id := range groups {
			if st.SecurityGroups[id] == nil {
				return region.Errorf(region.Invalid, "InvalidSecurityGroup", "One or more security groups are invalid: %s", id)
			}
		}
		lb.SecurityGroups = groups
		return nil
	})
	return struct {
		Groups []string `xml:"SecurityGroupIds>member"`
	}{groups}, err
}

// setSubnets changes the zones; addresses in zones that stay are kept.
func (s *Service) setSubnets(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Zones []zoneItem `xml:"AvailabilityZones>member"`
	}
	subnets := f.List("Subnets")
	for _, m := range f.Each("SubnetMappings") {
		subnets = append(subnets, m.Get("SubnetId"))
	}
	err := s.balancer(f, func(st *region.State, lb *region.V2Balancer) error {
		if err := st.MoveV2Balancer(lb, subnets); err != nil {
			return err
		}
		out.Zones = showBalancer(lb).Zones
		return nil
	})
	return out, err
}

// setAddressType knows one: the sandbox has no IPv6.
func (s *Service) setAddressType(_ *http.Request, f wire.Form) (any, error) {
	kind := cmp.Or(f.Get("IpAddressType"), "ipv4")
	if !slices.Contains([]string{"ipv4"}, kind) {
		return nil, region.Errorf(region.Invalid, "InvalidConfigurationRequest", "The sandbox's load balancers have IPv4 addresses, not '%s'", kind)
	}
	err := s.balancer(f, func(*region.State, *region.V2Balancer) error { return nil })
	return struct {
		Type string `xml:"IpAddressType"`
	}{kind}, err
}

// balancer changes the load balancer that the request names.
func (s *Service) balancer(f wire.Form, change func(*region.State, *region.V2Balancer) error) error {
	return s.store.Update(f.Whole(func(st *region.State) error {
		lb, err := st.V2Balancer(f.Get("LoadBalancerArn"))
		if err != nil {
			return err
		}
		return change(st, lb)
	}))
}
