package region

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The types of load balancers that V2Balancer.Type says.
const (
	Network     = "network"
	Application = "application"
)

// TargetListener takes what comes to a port of a load balancer. What becomes of
// it say its rules, by their priority, and where none fits its own actions.
type TargetListener struct {
	ARN          string
	Balancer     string // ARN
	Protocol     string // TCP, TLS; HTTP, HTTPS
	Port         int
	Certificates []string `json:",omitempty"` // of HTTPS and TLS: ARNs of ACM, the default one first
	Policy       string   `json:",omitempty"` // of HTTPS and TLS: stored and shown
	ALPN         string   `json:",omitempty"` // of TLS: a policy; empty: None
	Actions      []ListenerAction
	Tags         Tags
}

// Secure: clients speak TLS with it.
func (l *TargetListener) Secure() bool { return l.Protocol == "HTTPS" || l.Protocol == "TLS" }

// ListenerRule says of some requests what becomes of them.
type ListenerRule struct {
	ARN        string
	Listener   string // ARN
	Priority   int    // 1 to 50000, each once in a listener
	Conditions []RuleCondition
	Actions    []ListenerAction
	Tags       Tags
}

// RuleCondition holds for a request if one of its values does.
type RuleCondition struct {
	Field  string      // host-header, path-pattern, http-header, http-request-method, query-string, source-ip
	Header string      `json:",omitempty"` // of http-header
	Values []string    `json:",omitempty"`
	Query  []QueryPair `json:",omitempty"` // of query-string
}

// QueryPair is a parameter of a query; an empty key stands for any.
type QueryPair struct{ Key, Value string }

// ListenerAction is what becomes of a request.
type ListenerAction struct {
	Type     string // forward, redirect, fixed-response
	Order    int
	Forward  []WeightedGroup `json:",omitempty"`
	Sticky   int             `json:",omitempty"` // of a forward: seconds for which a client stays with a group; 0: it need not
	Redirect *RedirectAction `json:",omitempty"`
	Fixed    *FixedResponse  `json:",omitempty"`
}

// WeightedGroup is one of the target groups that share requests.
type WeightedGroup struct {
	ARN    string
	Weight int // 0 to 999
}

// RedirectAction holds what the client is sent to, with placeholders such as #{host}.
type RedirectAction struct{ Protocol, Port, Host, Path, Query, Code string }

// FixedResponse is an answer of the load balancer's own.
type FixedResponse struct{ Code, ContentType, Body string }

// Forwards lists the target groups of actions.
func Forwards(actions []ListenerAction) (arns []string) {
	for _, a := range actions {
		for _, g := range a.Forward {
			arns = append(arns, g.ARN)
		}
	}
	return arns
}

// BalancerOf is the load balancer that forwards to a target group; nil: none does.
func (s *State) BalancerOf(group string) *V2Balancer {
	for _, l := range Sorted(s.TargetListeners) {
		if slices.Contains(Forwards(l.Actions), group) {
			return s.V2Balancers[l.Balancer]
		}
	}
	for _, r := range Sorted(s.ListenerRules) {
		if l := s.TargetListeners[r.Listener]; l != nil && slices.Contains(Forwards(r.Actions), group) {
			return s.V2Balancers[l.Balancer]
		}
	}
	return nil
}

// AddListener makes a listener of a load balancer.
func (s *State) AddListener(l *TargetListener) error {
	lb, err := s.V2Balancer(l.Balancer)
	if err != nil {
		return err
	}
	if err := s.CheckListener(l); err != nil {
		return err
	}
	for _, o := range s.TargetListeners {
		if o.Balancer == l.Balancer && o.Port == l.Port {
			return Errorf(Exists, "DuplicateListener", "A listener already exists on this port for this load balancer '%s'", l.Balancer)
		}
	}
	l.ARN = strings.Replace(lb.ARN, ":loadbalancer/", ":listener/", 1) + "/" + randomHex(16)
	s.TargetListeners[l.ARN] = l
	return nil
}

// CheckActions refuses actions that forward to a group that is not there, speaks
// another protocol, or belongs to another load balancer.
func (s *State) CheckActions(lb *V2Balancer, actions []ListenerAction) error {
	for _, arn := range Forwards(actions) {
		g, err := s.TargetGroup(arn)
		if err != nil {
			return err
		}
		if (lb.Type == Network) != g.Flows() {
			return Errorf(Invalid, "InvalidConfigurationRequest", "A load balancer of type '%s' cannot forward to the target group '%s', which has protocol '%s'", lb.Type, arn, g.Protocol)
		}
		if of := s.BalancerOf(arn); of != nil && of != lb {
			return Errorf(Limit, "TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", arn)
		}
	}
	return nil
}

// CheckListener refuses a listener of a load balancer that is there whose actions or
// certificates cannot be.
func (s *State) CheckListener(l *TargetListener) error {
	if err := s.CheckActions(s.V2Balancers[l.Balancer], l.Actions); err != nil {
		return err
	}
	for _, arn := range Forwards(l.Actions) {
		if g := s.TargetGroups[arn]; g.Protocol == "TLS" && l.Protocol != "TLS" {
			return Errorf(Invalid, "InvalidConfigurationRequest", "A listener of protocol '%s' cannot forward to the target group '%s', which has protocol 'TLS'", l.Protocol, arn)
		}
	}
	return s.CheckTLS(l)
}

// CheckTLS refuses certificates that ACM does not have, or has not issued yet, and policies that
// there are not.
func (s *State) CheckTLS(l *TargetListener) error {
	for _, arn := range l.Certificates {
		c := s.Certificates[arn]
		switch {
		case c == nil:
			return Errorf(NotFound, "CertificateNotFound", "Certificate '%s' not found", arn)
		case c.Status != CertificateIssued:
			return Errorf(Invalid, "UnsupportedCertificate", "The certificate '%s' must have a fully-qualified domain name, a supported signature, and a supported key size.", arn)
		}
	}
	if l.Policy != "" && !strings.HasPrefix(l.Policy, "ELBSecurityPolicy-") {
		return Errorf(NotFound, "SSLPolicyNotFound", "SSL policy '%s' not found", l.Policy)
	}
	return nil
}

// Listener finds a listener by its ARN.
func (s *State) Listener(arn string) (*TargetListener, error) {
	if l, ok := s.TargetListeners[arn]; ok {
		return l, nil
	}
	return nil, Errorf(NotFound, "ListenerNotFound", "One or more listeners not found: %s", arn)
}

// DeleteListener takes a listener and its rules away.
func (s *State) DeleteListener(arn string) {
	delete(s.TargetListeners, arn)
	maps.DeleteFunc(s.ListenerRules, func(_ string, r *ListenerRule) bool { return r.Listener == arn })
}

// AddRule makes a rule of a listener.
func (s *State) AddRule(r *ListenerRule) error {
	l, err := s.Listener(r.Listener)
	if err != nil {
		return err
	}
	lb := s.V2Balancers[l.Balancer]
	if lb.Type != Application {
		return Errorf(Invalid, "InvalidConfigurationRequest", "Rules are not supported for listeners of a Network Load Balancer")
	}
	if err := s.CheckActions(lb, r.Actions); err != nil {
		return err
	}
	if s.taken(r.Listener, r.Priority) {
		return Errorf(Exists, "PriorityInUse", "Priority '%d' is currently in use", r.Priority)
	}
	r.ARN = strings.Replace(l.ARN, ":listener/", ":listener-rule/", 1) + "/" + randomHex(16)
	s.ListenerRules[r.ARN] = r
	return nil
}

func (s *State) taken(listener string, priority int) bool {
	for _, r := range s.ListenerRules {
		if r.Listener == listener && r.Priority == priority {
			return true
		}
	}
	return false
}

// Rule finds a rule by its ARN.
func (s *State) Rule(arn string) (*ListenerRule, error) {
	if r, ok := s.ListenerRules[arn]; ok {
		return r, nil
	}
	return nil, Errorf(NotFound, "RuleNotFound", "One or more rules not found")
}

// SetPriorities gives rules their places, all of them or none.
func (s *State) SetPriorities(of map[string]int) error {
	for arn := range of {
		if _, err := s.Rule(arn); err != nil {
			return err
		}
	}
	taken := map[string]bool{}
	for arn, r := range s.ListenerRules {
		priority := r.Priority
		if to, moves := of[arn]; moves {
			priority = to
		}
		place := fmt.Sprint(r.Listener, "|", priority)
		if taken[place] {
			return Errorf(Exists, "PriorityInUse", "Priority '%d' is currently in use", priority)
		}
		taken[place] = true
	}
	for arn, priority := range of {
		s.ListenerRules[arn].Priority = priority
	}
	return nil
}

// ListenerRulesOf are the rules of a listener, in the order in which they are tried.
func (s *State) ListenerRulesOf(listener string) (rules []*ListenerRule) {
	for _, r := range s.ListenerRules {
		if r.Listener == listener {
			rules = append(rules, r)
		}
	}
	slices.SortFunc(rules, func(a, b *ListenerRule) int { return a.Priority - b.Priority })
	return rules
}
