package elbv2

import (
	"net/http"
	"slices"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// actionItem is a forward to one target group, with the same said twice, as AWS does.
type actionItem struct {
	Type   string `xml:"Type"`
	Order  int    `xml:"Order"`
	Group  string `xml:"TargetGroupArn"`
	Config string `xml:"ForwardConfig>TargetGroups>member>TargetGroupArn"`
}

type listenerItem struct {
	ARN      string       `xml:"ListenerArn"`
	Balancer string       `xml:"LoadBalancerArn"`
	Port     int          `xml:"Port"`
	Protocol string       `xml:"Protocol"`
	Actions  []actionItem `xml:"DefaultActions>member"`
}

type listeners struct {
	Items []listenerItem `xml:"Listeners>member"`
	Next  string         `xml:"NextMarker,omitempty"`
}

func showListener(l *region.TargetListener) listenerItem {
	return listenerItem{ARN: l.ARN, Balancer: l.Balancer, Port: l.Port, Protocol: l.Protocol,
		Actions: []actionItem{{Type: "forward", Order: 1, Group: l.Group, Config: l.Group}}}
}

// forward is the one target group that default actions name.
func forward(f wire.Form) (string, error) {
	actions := f.Each("DefaultActions")
	if len(actions) != 1 {
		return "", invalid("You must specify exactly one default action")
	}
	groups := actions[0].Sub("ForwardConfig").Each("TargetGroups")
	group := actions[0].Get("TargetGroupArn")
	if group == "" && len(groups) == 1 {
		group = groups[0].Get("TargetGroupArn")
	}
	if actions[0].Get("Type") != "forward" || group == "" || len(groups) > 1 {
		return "", region.Errorf(region.Invalid, "InvalidLoadBalancerAction", "A Network Load Balancer's listener forwards to one target group")
	}
	return group, nil
}

// read fills in what the request says of a listener.
func readListener(l *region.TargetListener, f wire.Form) error {
	if n := f.Int("Port"); n != nil {
		l.Port = *n
	}
	if p := f.Get("Protocol"); p != "" {
		l.Protocol = p
	}
	switch {
	case l.Port < 1 || l.Port > 65535:
		return invalid("Port must be between 1 and 65535")
	case l.Protocol != "TCP":
		return region.Errorf(region.Invalid, "UnsupportedProtocol", "The sandbox's Network Load Balancers speak TCP, not '%s'", l.Protocol)
	}
	return nil
}

func (s *Service) createListener(_ *http.Request, f wire.Form) (any, error) {
	l := &region.TargetListener{Balancer: f.Get("LoadBalancerArn"), Tags: tagsIn(f)}
	var err error
	if l.Group, err = forward(f); err != nil {
		return nil, err
	}
	if err := readListener(l, f); err != nil {
		return nil, err
	}
	err = s.store.Update(func(st *region.State) error { return st.AddListener(l) })
	return listeners{Items: []listenerItem{showListener(l)}}, err
}

func noListener(arn string) error {
	return region.Errorf(region.NotFound, "ListenerNotFound", "One or more listeners not found: %s", arn)
}

func (s *Service) modifyListener(_ *http.Request, f wire.Form) (any, error) {
	var out listeners
	err := s.store.Update(func(st *region.State) error {
		l, ok := st.TargetListeners[f.Get("ListenerArn")]
		if !ok {
			return noListener(f.Get("ListenerArn"))
		}
		if len(f.Each("DefaultActions")) > 0 {
			group, err := forward(f)
			if err != nil {
				return err
			}
			if _, err := st.TargetGroup(group); err != nil {
				return err
			}
			l.Group = group
		}
		out.Items = []listenerItem{showListener(l)}
		return readListener(l, f)
	})
	return out, err
}

func (s *Service) deleteListener(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.store.Update(func(st *region.State) error {
		arn := f.Get("ListenerArn")
		if _, ok := st.TargetListeners[arn]; !ok {
			return noListener(arn)
		}
		delete(st.TargetListeners, arn)
		return nil
	})
}

func (s *Service) describeListeners(_ *http.Request, f wire.Form) (any, error) {
	balancer, arns := f.Get("LoadBalancerArn"), f.List("ListenerArns")
	var out listeners
	err := s.read(func(st *region.State) error {
		if balancer == "" && len(arns) == 0 {
			return invalid("You must specify either listener ARNs or a load balancer ARN")
		}
		if balancer != "" {
			if _, err := st.NetworkBalancer(balancer); err != nil {
				return err
			}
		}
		for _, arn := range arns {
			if _, ok := st.TargetListeners[arn]; !ok {
				return noListener(arn)
			}
		}
		for _, l := range region.Sorted(st.TargetListeners) {
			if l.Balancer == balancer || slices.Contains(arns, l.ARN) {
				out.Items = append(out.Items, showListener(l))
			}
		}
		return nil
	})
	if err == nil {
		out.Items, out.Next, err = page(f, out.Items)
	}
	return out, err
}

// describeRules shows the one rule that a Network Load Balancer's listener has.
func (s *Service) describeRules(_ *http.Request, f wire.Form) (any, error) {
	type rule struct {
		ARN      string       `xml:"RuleArn"`
		Priority string       `xml:"Priority"`
		Actions  []actionItem `xml:"Actions>member"`
		Default  bool         `xml:"IsDefault"`
	}
	var out struct {
		Items []rule `xml:"Rules>member"`
	}
	err := s.read(func(st *region.State) error {
		l, ok := st.TargetListeners[f.Get("ListenerArn")]
		if !ok {
			return noListener(f.Get("ListenerArn"))
		}
		out.Items = []rule{{ARN: l.ARN + "/default", Priority: "default", Actions: showListener(l).Actions, Default: true}}
		return nil
	})
	return out, err
}
