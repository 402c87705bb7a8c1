package elbv2

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// actionItem is an action. A forward to one target group is said twice, as AWS does.
type actionItem struct {
	Type     string        `xml:"Type"`
	Order    int           `xml:"Order"`
	Group    string        `xml:"TargetGroupArn,omitempty"`
	Forward  *forwardItem  `xml:"ForwardConfig,omitempty"`
	Redirect *redirectItem `xml:"RedirectConfig,omitempty"`
	Fixed    *fixedItem    `xml:"FixedResponseConfig,omitempty"`
}

type forwardItem struct {
	Groups []weightItem `xml:"TargetGroups>member"`
	Sticky *stickyItem  `xml:"TargetGroupStickinessConfig,omitempty"`
}

type weightItem struct {
	ARN    string `xml:"TargetGroupArn"`
	Weight int    `xml:"Weight,omitempty"`
}

type stickyItem struct {
	Enabled bool `xml:"Enabled"`
	Seconds int  `xml:"DurationSeconds,omitempty"`
}

type redirectItem struct {
	Protocol string `xml:"Protocol"`
	Port     string `xml:"Port"`
	Host     string `xml:"Host"`
	Path     string `xml:"Path"`
	Query    string `xml:"Query"`
	Code     string `xml:"StatusCode"`
}

type fixedItem struct {
	Body string `xml:"MessageBody,omitempty"`
	Code string `xml:"StatusCode"`
	Type string `xml:"ContentType,omitempty"`
}

func showActions(kind string, actions []region.ListenerAction) (items []actionItem) {
	for _, a := range actions {
		item := actionItem{Type: a.Type, Order: a.Order}
		switch {
		case a.Redirect != nil:
			r := redirectItem(*a.Redirect)
			item.Redirect = &r
		case a.Fixed != nil:
			item.Fixed = &fixedItem{Body: a.Fixed.Body, Code: a.Fixed.Code, Type: a.Fixed.ContentType}
		default:
			item.Forward = &forwardItem{}
			if kind == region.Application {
				item.Forward.Sticky = &stickyItem{Enabled: a.Sticky > 0, Seconds: a.Sticky}
			}
			for _, g := range a.Forward {
				w := weightItem{ARN: g.ARN}
				if kind == region.Application {
					w.Weight = g.Weight
				}
				item.Forward.Groups = append(item.Forward.Groups, w)
			}
			if len(a.Forward) == 1 {
				item.Group = a.Forward[0].ARN
			}
		}
		items = append(items, item)
	}
	return items
}

// readActions reads what becomes of requests: on a Network Load Balancer a forward
// to one target group.
func readActions(kind string, forms []wire.Form) (actions []region.ListenerAction, err error) {
	if len(forms) != 1 {
		return nil, invalid("You must specify exactly one action: the sandbox has none that come before a forward")
	}
	a := region.ListenerAction{Type: forms[0].Get("Type"), Order: 1}
	forms[0].Ignore("Order") // of one
	switch {
	case a.Type == "forward":
		err = readForward(&a, forms[0])
	case kind == region.Network:
		err = region.Errorf(region.Invalid, "InvalidLoadBalancerAction", "A Network Load Balancer's listener forwards to one target group")
	case a.Type == "redirect":
		a.Redirect, err = readRedirect(forms[0].Sub("RedirectConfig"))
	case a.Type == "fixed-response":
		a.Fixed, err = readFixed(forms[0].Sub("FixedResponseConfig"))
	default:
		err = region.Errorf(region.Invalid, "InvalidLoadBalancerAction", "The sandbox's load balancers cannot do '%s'", a.Type)
	}
	if kind == region.Network && len(a.Forward) > 1 {
		err = region.Errorf(region.Invalid, "InvalidLoadBalancerAction", "A Network Load Balancer's listener forwards to one target group")
	}
	return []region.ListenerAction{a}, err
}

func readForward(a *region.ListenerAction, f wire.Form) error {
	config := f.Sub("ForwardConfig")
	for _, g := range config.Each("TargetGroups") {
		w := region.WeightedGroup{ARN: g.Get("TargetGroupArn"), Weight: 1}
		if n := g.Int("Weight"); n != nil {
			w.Weight = *n
		}
		if w.Weight < 0 || w.Weight > 999 {
			return invalid("Weight must be between 0 and 999")
		}
		a.Forward = append(a.Forward, w)
	}
	if arn := f.Get("TargetGroupArn"); arn != "" && len(a.Forward) == 0 {
		a.Forward = []region.WeightedGroup{{ARN: arn, Weight: 1}}
	}
	sticky := config.Sub("TargetGroupStickinessConfig")
	if n := sticky.Int("DurationSeconds"); sticky.Bool("Enabled") {
		if n == nil || *n < 1 || *n > 604800 {
			return invalid("The duration of target group stickiness must be between 1 and 604800 seconds")
		}
		a.Sticky = *n
	}
	if len(a.Forward) == 0 || len(a.Forward) > 5 {
		return region.Errorf(region.Invalid, "InvalidLoadBalancerAction", "A forward action has 1 to 5 target groups")
	}
	return nil
}

func readRedirect(f wire.Form) (*region.RedirectAction, error) {
	r := &region.RedirectAction{Protocol: cmp.Or(f.Get("Protocol"), "#{protocol}"), Port: cmp.Or(f.Get("Port"), "#{port}"),
		Host: cmp.Or(f.Get("Host"), "#{host}"), Path: cmp.Or(f.Get("Path"), "/#{path}"), Query: "#{query}", Code: f.Get("StatusCode")}
	if f.Has("Query") {
		r.Query = f.Get("Query")
	}
	if r.Code != "HTTP_301" && r.Code != "HTTP_302" {
		return nil, invalid("StatusCode of a redirect must be HTTP_301 or HTTP_302")
	}
	return r, nil
}

func readFixed(f wire.Form) (*region.FixedResponse, error) {
	r := &region.FixedResponse{Code: f.Get("StatusCode"), ContentType: f.Get("ContentType"), Body: f.Get("MessageBody")}
	n, err := strconv.Atoi(r.Code)
	if err != nil || n < 200 || n >= 300 && n < 400 || n > 599 {
		return nil, invalid("StatusCode of a fixed response must be 2XX, 4XX or 5XX")
	}
	if len(r.Body) > 1024 {
		return nil, invalid("MessageBody must have 1024 characters at most")
	}
	return r, nil
}

type certificateItem struct {
	ARN     string `xml:"CertificateArn"`
	Default bool   `xml:"IsDefault,omitempty"`
}

type listenerItem struct {
	ARN          string            `xml:"ListenerArn"`
	Balancer     string            `xml:"LoadBalancerArn"`
	Port         int               `xml:"Port"`
	Protocol     string            `xml:"Protocol"`
	Policy       string            `xml:"SslPolicy,omitempty"`
	Certificates []certificateItem `xml:"Certificates>member,omitempty"`
	ALPN         []string          `xml:"AlpnPolicy>member,omitempty"`
	Actions      []actionItem      `xml:"DefaultActions>member"`
}

type listeners struct {
	Items []listenerItem `xml:"Listeners>member"`
	Next  string         `xml:"NextMarker,omitempty"`
}

func showListener(st *region.State, l *region.TargetListener) listenerItem {
	item := listenerItem{ARN: l.ARN, Balancer: l.Balancer, Port: l.Port, Protocol: l.Protocol, Policy: l.Policy,
		Actions: showActions(st.V2Balancers[l.Balancer].Type, l.Actions)}
	if len(l.Certificates) > 0 {
		item.Certificates = []certificateItem{{ARN: l.Certificates[0]}}
	}
	if l.ALPN != "" {
		item.ALPN = []string{l.ALPN}
	}
	return item
}

// readListener fills in what the request says of a listener.
func readListener(kind string, l *region.TargetListener, f wire.Form) error {
	if n := f.Int("Port"); n != nil {
		l.Port = *n
	}
	l.Protocol = cmp.Or(f.Get("Protocol"), l.Protocol)
	switch {
	case l.Port < 1 || l.Port > 65535:
		return invalid("Port must be between 1 and 65535")
	case kind == region.Network && l.Protocol != "TCP" && l.Protocol != "TLS":
		return region.Errorf(region.Invalid, "UnsupportedProtocol", "The sandbox's Network Load Balancers speak TCP and TLS, not '%s'", l.Protocol)
	case kind == region.Application && l.Protocol != "HTTP" && l.Protocol != "HTTPS":
		return region.Errorf(region.Invalid, "UnsupportedProtocol", "Application Load Balancers speak HTTP and HTTPS, not '%s'", l.Protocol)
	}
	if err := readTLS(l, f); err != nil {
		return err
	}
	if len(f.Each("DefaultActions")) > 0 || len(l.Actions) == 0 {
		actions, err := readActions(kind, f.Each("DefaultActions"))
		if err != nil {
			return err
		}
		l.Actions = actions
	}
	return nil
}

// readTLS fills in what the request says of certificates and policies. A listener that is no
// longer one of TLS has none.
func readTLS(l *region.TargetListener, f wire.Form) error {
	certificates, policies := f.Each("Certificates"), f.List("AlpnPolicy")
	if !l.Secure() {
		l.Certificates, l.Policy, l.ALPN = nil, f.Get("SslPolicy"), ""
	}
	for k, c := range certificates {
		if k == 0 {
			l.Certificates = nil
		}
		l.Certificates = append(l.Certificates, c.Get("CertificateArn"))
	}
	if l.Policy = cmp.Or(f.Get("SslPolicy"), l.Policy); l.Policy == "" && l.Secure() {
		l.Policy = "ELBSecurityPolicy-2016-08"
	}
	if len(policies) > 0 {
		l.ALPN = policies[0]
	}
	switch {
	case l.Secure() && len(l.Certificates) == 0:
		return region.Errorf(region.Invalid, "ValidationError", "A certificate must be specified for %s listeners", l.Protocol)
	case !l.Secure() && len(certificates) > 0:
		return invalid("A certificate cannot be specified for %s listeners", l.Protocol)
	case len(certificates) > 1:
		return region.Errorf(region.Limit, "TooManyCertificates", "Up to '1' certificate may be specified: more are added to the listener")
	case len(policies) > 0 && l.Protocol != "TLS":
		return invalid("An ALPN policy cannot be specified for %s listeners", l.Protocol)
	case len(policies) > 1:
		return invalid("Up to '1' ALPN policy may be specified")
	case l.ALPN != "" && l.ALPN != "None" && alpn[l.ALPN] == nil:
		return region.Errorf(region.Invalid, "ALPNPolicyNotFound", "ALPN policy '%s' is not supported", l.ALPN)
	}
	return nil
}

func (s *Service) createListener(_ *http.Request, f wire.Form) (any, error) {
	l := &region.TargetListener{Balancer: f.Get("LoadBalancerArn"), Tags: tagsIn(f)}
	var out listeners
	err := s.store.Update(f.Whole(func(st *region.State) error {
		lb, err := st.V2Balancer(l.Balancer)
		if err != nil {
			return err
		}
		if err := readListener(lb.Type, l, f); err != nil {
			return err
		}
		out.Items = []listenerItem{showListener(st, l)}
		err = st.AddListener(l)
		out.Items[0].ARN = l.ARN
		return err
	}))
	return out, err
}

func (s *Service) modifyListener(_ *http.Request, f wire.Form) (any, error) {
	var out listeners
	err := s.store.Update(f.Whole(func(st *region.State) error {
		l, err := st.Listener(f.Get("ListenerArn"))
		if err != nil {
			return err
		}
		changed := *l
		if err := readListener(st.V2Balancers[l.Balancer].Type, &changed, f); err != nil {
			return err
		}
		if err := st.CheckListener(&changed); err != nil {
			return err
		}
		*l = changed
		out.Items = []listenerItem{showListener(st, l)}
		return nil
	}))
	return out, err
}

func (s *Service) deleteListener(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		arn := f.Get("ListenerArn")
		if _, err := st.Listener(arn); err != nil {
			return err
		}
		st.DeleteListener(arn)
		return nil
	}))
}

func (s *Service) describeListeners(_ *http.Request, f wire.Form) (any, error) {
	balancer, arns := f.Get("LoadBalancerArn"), f.List("ListenerArns")
	var out listeners
	err := s.store.Read(func(st *region.State) error {
		if balancer == "" && len(arns) == 0 {
			return invalid("You must specify either listener ARNs or a load balancer ARN")
		}
		if balancer != "" {
			if _, err := st.V2Balancer(balancer); err != nil {
				return err
			}
		}
		for _, arn := range arns {
			if _, err := st.Listener(arn); err != nil {
				return err
			}
		}
		for _, l := range region.Sorted(st.TargetListeners) {
			if l.Balancer == balancer || slices.Contains(arns, l.ARN) {
				out.Items = append(out.Items, showListener(st, l))
			}
		}
		return nil
	})
	if err == nil {
		out.Items, out.Next, err = page(f, out.Items)
	}
	return out, err
}

func (s *Service) describeCertificates(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Items []certificateItem `xml:"Certificates>member"`
		Next  string            `xml:"NextMarker,omitempty"`
	}
	err := s.store.Read(func(st *region.State) error {
		l, err := st.Listener(f.Get("ListenerArn"))
		if err != nil {
			return err
		}
		for k, arn := range l.Certificates {
			out.Items = append(out.Items, certificateItem{ARN: arn, Default: k == 0})
		}
		out.Items, out.Next, err = page(f, out.Items)
		return err
	})
	return out, err
}

// moreCertificates is how many a listener may have beside its default one.
const moreCertificates = 25

// changeCertificates changes the list of a listener, if what it has then may be.
func (s *Service) changeCertificates(f wire.Form, change func(l *region.TargetListener, arn string) error) error {
	return s.store.Update(f.Whole(func(st *region.State) error {
		l, err := st.Listener(f.Get("ListenerArn"))
		if err != nil {
			return err
		}
		if !l.Secure() {
			return invalid("A certificate cannot be specified for %s listeners", l.Protocol)
		}
		changed := *l
		changed.Certificates = slices.Clone(l.Certificates)
		for _, c := range f.Each("Certificates") {
			if err := change(&changed, c.Get("CertificateArn")); err != nil {
				return err
			}
		}
		if len(changed.Certificates) > 1+moreCertificates {
			return region.Errorf(region.Limit, "TooManyCertificates", "A listener has %d certificates at most beside its default one", moreCertificates)
		}
		if err := st.CheckTLS(&changed); err != nil {
			return err
		}
		*l = changed
		return nil
	}))
}

func (s *Service) addCertificates(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Items []certificateItem `xml:"Certificates>member"`
	}
	err := s.changeCertificates(f, func(l *region.TargetListener, arn string) error {
		if !slices.Contains(l.Certificates, arn) {
			l.Certificates = append(l.Certificates, arn)
		}
		out.Items = append(out.Items, certificateItem{ARN: arn})
		return nil
	})
	return out, err
}

// removeCertificates does not remove the default one, the first.
func (s *Service) removeCertificates(_ *http.Request, f wire.Form) (any, error) {
	return nil, s.changeCertificates(f, func(l *region.TargetListener, arn string) error {
		k := slices.Index(l.Certificates, arn)
		if k == 0 {
			return region.Errorf(region.Invalid, "OperationNotPermitted", "The default certificate cannot be removed: '%s'", arn)
		}
		if k > 0 {
			l.Certificates = slices.Delete(l.Certificates, k, k+1)
		}
		return nil
	})
}
