package aws

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/droverhq/drover/internal/handover"
)

// fakeELB is the part of Elastic Load Balancing v2 that a hand-over asks, strict:
// a parameter that the API does not know is refused, pages are short, and so many
// calls at once are throttled. It has no Classic load balancers.
type fakeELB struct {
	t  *testing.T
	mu sync.Mutex

	lbs      []fakeLB
	groups   []fakeTG
	throttle int            // so many calls yet are refused
	asked    map[string]int // calls by action
	changed  []string       // registrations and deregistrations
	health   map[string]int // calls of DescribeTargetHealth by group
}

type fakeLB struct{ name, kind, crossZone string }

type fakeTG struct {
	name, lb, kind string // instance, ip, lambda
	delay          string // empty: AWS's default
	slowStart      string
	terminates     string // connections, once it has drained
	crossZone      string
	targets        []string // "i-1:30080 healthy Reason"
	gone           bool
}

// known are the parameters of each action.
var known = map[string][]string{
	"DescribeLoadBalancers":          {"PageSize", "Marker"},
	"DescribeTargetGroups":           {"PageSize", "Marker"},
	"DescribeTargetHealth":           {"TargetGroupArn"},
	"DescribeTargetGroupAttributes":  {"TargetGroupArn"},
	"DescribeLoadBalancerAttributes": {"LoadBalancerArn"},
	"DeregisterTargets":              {"TargetGroupArn", "Targets.member.1.Id"},
	"RegisterTargets":                {"TargetGroupArn", "Targets.member.1.Id"},
}

func (f *fakeELB) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	time.Sleep(20 * time.Millisecond)
	status, answer := f.answer(form)
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: io.NopCloser(bytes.NewBufferString(answer))}, nil
}

func (f *fakeELB) answer(form url.Values) (int, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	action := form.Get("Action")
	if form.Get("Version") == "2012-06-01" {
		return http.StatusOK, "<DescribeLoadBalancersResponse><DescribeLoadBalancersResult/></DescribeLoadBalancersResponse>"
	}
	for key := range form {
		if key != "Action" && key != "Version" && !slices.Contains(known[action], key) {
			f.t.Errorf("%s has no parameter %s", action, key)
		}
	}
	f.asked[action]++
	code, result := "", ""
	switch {
	case f.throttle > 0:
		f.throttle--
		code = "Throttling"
	case action == "DescribeLoadBalancers":
		result = page(form, "LoadBalancers", f.lbs, fakeLB.xml)
	case action == "DescribeTargetGroups":
		result = page(form, "TargetGroups", slices.DeleteFunc(slices.Clone(f.groups), func(g fakeTG) bool { return g.gone }), fakeTG.xml)
	default:
		code, result = f.one(action, form)
	}
	if code != "" {
		return http.StatusBadRequest, "<ErrorResponse><Error><Code>" + code + "</Code><Message>no</Message></Error></ErrorResponse>"
	}
	return http.StatusOK, fmt.Sprintf("<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", action, result)
}

// one answers about a single object.
func (f *fakeELB) one(action string, form url.Values) (code, result string) {
	if i := slices.IndexFunc(f.lbs, func(lb fakeLB) bool { return lb.arn() == form.Get("LoadBalancerArn") }); i >= 0 {
		return "", attributes("load_balancing.cross_zone.enabled", f.lbs[i].crossZone)
	}
	i := slices.IndexFunc(f.groups, func(g fakeTG) bool { return g.arn() == form.Get("TargetGroupArn") && !g.gone })
	if i < 0 {
		return "TargetGroupNotFound", ""
	}
	if id := form.Get("Targets.member.1.Id"); id != "" {
		f.changed = append(f.changed, action+" "+id)
		if id == "i-gone" {
			return "InvalidTarget", ""
		}
		return "", ""
	}
	if action == "DescribeTargetGroupAttributes" {
		return "", attributes("deregistration_delay.timeout_seconds", f.groups[i].delay, "slow_start.duration_seconds", f.groups[i].slowStart,
			"deregistration_delay.connection_termination.enabled", f.groups[i].terminates, "load_balancing.cross_zone.enabled", f.groups[i].crossZone)
	}
	f.health[f.groups[i].name]++
	return "", f.groups[i].xmlHealth()
}

func attributes(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&b, "<member><Key>%s</Key><Value>%s</Value></member>", pairs[i], pairs[i+1])
		}
	}
	return "<Attributes>" + b.String() + "</Attributes>"
}

// page cuts pages of 100, whatever more is asked for.
func page[T any](form url.Values, name string, all []T, xml func(T) string) string {
	from, _ := strconv.Atoi(form.Get("Marker"))
	to := min(from+100, len(all))
	var b strings.Builder
	for _, one := range all[from:to] {
		b.WriteString("<member>" + xml(one) + "</member>")
	}
	next := ""
	if to < len(all) {
		next = "<NextMarker>" + strconv.Itoa(to) + "</NextMarker>"
	}
	return "<" + name + ">" + b.String() + "</" + name + ">" + next
}

const account = "arn:aws:elasticloadbalancing:us-west-2:111122223333:"

func (lb fakeLB) arn() string  { return account + "loadbalancer/" + lb.name }
func (lb fakeLB) host() string { return lb.name + ".elb.us-west-2.amazonaws.com" }
func (lb fakeLB) xml() string {
	return fmt.Sprintf("<LoadBalancerArn>%s</LoadBalancerArn><LoadBalancerName>%s</LoadBalancerName><DNSName>%s</DNSName><Type>%s</Type>", lb.arn(), lb.name, lb.host(), lb.kind)
}

func (g fakeTG) arn() string { return account + "targetgroup/" + g.name }
func (g fakeTG) xml() string {
	of := ""
	if g.lb != "" {
		of = "<member>" + fakeLB{name: g.lb}.arn() + "</member>"
	}
	return fmt.Sprintf("<TargetGroupArn>%s</TargetGroupArn><TargetGroupName>%s</TargetGroupName><Port>30080</Port><TargetType>%s</TargetType><HealthCheckIntervalSeconds>10</HealthCheckIntervalSeconds><HealthyThresholdCount>3</HealthyThresholdCount><LoadBalancerArns>%s</LoadBalancerArns>", g.arn(), g.name, g.kind, of)
}

func (g fakeTG) xmlHealth() string {
	var b strings.Builder
	for _, t := range g.targets {
		words := append(strings.Fields(t), "")
		id, port, _ := strings.Cut(words[0], ":")
		fmt.Fprintf(&b, "<member><Target><Id>%s</Id><Port>%s</Port></Target><TargetHealth><State>%s</State><Reason>%s</Reason></TargetHealth></member>", id, port, words[1], words[2])
	}
	return "<TargetHealthDescriptions>" + b.String() + "</TargetHealthDescriptions>"
}

// elb plays a scene in fake time with an API that holds these.
func elb(t *testing.T, lbs []fakeLB, groups []fakeTG, scene func(*testing.T, *fakeELB, Balancers)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeELB{t: t, lbs: lbs, groups: groups, asked: map[string]int{}, health: map[string]int{}}
		cloud := New(aws.Config{Region: "us-west-2", HTTPClient: &http.Client{Transport: f}, Retryer: retryer,
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")})
		scene(t, f, cloud.Balancers())
	})
}

// look asks, and finds one answer by its name.
func look(t *testing.T, b Balancers, q handover.Inquiry) map[string]handover.Balancer {
	t.Helper()
	all, err := b.Balancers(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]handover.Balancer{}
	for _, one := range all {
		found[one.Name] = one
	}
	return found
}

// What each kind of load balancer says is put into one set of words, with what a
// move has to know of its kind.
func TestTargetGroupsInTheWordsOfAHandOver(t *testing.T) {
	lbs := []fakeLB{{"net", "network", "false"}, {"wide", "network", "true"}, {"app", "application", ""}, {"else", "application", ""}, {"gate", "gateway", "false"}}
	groups := []fakeTG{
		{name: "web", lb: "net", kind: "instance", targets: []string{
			"i-1:30080 healthy", "i-2:30080 initial Elb.RegistrationInProgress", "i-3:30080 unhealthy Target.Timeout", "i-4:30080 draining Target.DeregistrationInProgress",
			"i-5:30080 unused Target.NotInUse", "i-6:30080 unused Target.NotRegistered", "i-7:30080 unhealthy.draining", "i-8:30080 healthy", "i-8:30081 unhealthy"}},
		{name: "pods", lb: "wide", kind: "ip", delay: "60", terminates: "false", crossZone: "use_load_balancer_configuration", targets: []string{"10.0.0.9:8080 healthy"}},
		{name: "strict", lb: "wide", kind: "ip", delay: "0", terminates: "true", crossZone: "false", targets: []string{"10.0.0.9:8081 healthy"}},
		{name: "blue", lb: "app", kind: "instance", targets: []string{"i-1:30090 healthy"}},
		{name: "green", kind: "instance", targets: []string{"i-1:30090 unused Target.NotInUse"}},
		{name: "fn", lb: "app", kind: "lambda"},
		{name: "others", lb: "else", kind: "instance", targets: []string{"i-99:1 healthy"}},
		{name: "geneve", lb: "gate", kind: "instance", targets: []string{"i-1:6081 healthy"}},
		{name: "red", lb: "app", kind: "ip", delay: "0", slowStart: "45", crossZone: "false", targets: []string{"10.0.0.9:8082 healthy"}},
	}
	elb(t, lbs, groups, func(t *testing.T, f *fakeELB, b Balancers) {
		got := look(t, b, handover.Inquiry{Instances: []string{"i-1"}, Addresses: []string{"10.0.0.9"}})
		states := map[string]handover.TargetState{}
		for _, target := range got["net/web"].Targets {
			states[target.Instance] = target.State
		}
		want := map[string]handover.TargetState{"i-1": handover.InService, "i-2": handover.OutOfService, "i-3": handover.OutOfService,
			"i-4": handover.Draining, "i-5": handover.Unused, "i-7": handover.OutOfService, "i-8": handover.OutOfService}
		if fmt.Sprint(states) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", states, want)
		}
		for name, c := range map[string]handover.Balancer{
			"net/web":     {Host: "net.elb.us-west-2.amazonaws.com", Group: groups[0].arn(), Zonal: true, Draining: 5 * time.Minute, Lag: networkLag},
			"wide/pods":   {Host: "wide.elb.us-west-2.amazonaws.com", Group: groups[1].arn(), ByAddress: true, Draining: time.Minute, Keeps: true, Lag: networkLag},
			"wide/strict": {Host: "wide.elb.us-west-2.amazonaws.com", Group: groups[2].arn(), ByAddress: true, Zonal: true, Lag: networkLag},
			"app/blue":    {Host: "app.elb.us-west-2.amazonaws.com", Group: groups[3].arn(), Draining: 5 * time.Minute, Lag: applicationLag, Reuses: true},
			"app/red":     {Host: "app.elb.us-west-2.amazonaws.com", Group: groups[8].arn(), ByAddress: true, Zonal: true, Lag: applicationLag, Reuses: true, SlowStart: 45 * time.Second},
			"gate/geneve": {Host: "gate.elb.us-west-2.amazonaws.com", Group: groups[7].arn(), Zonal: true, Draining: 5 * time.Minute, Lag: networkLag},
			"green":       {Group: groups[4].arn(), Draining: 5 * time.Minute},
			"else":        {Host: "else.elb.us-west-2.amazonaws.com"},
		} {
			have := got[name]
			c.Name, have.Targets = name, nil
			if c.Group != "" {
				c.Health = 30 * time.Second
			}
			if c.Group != "" && !c.ByAddress {
				c.Port = 30080
			}
			if fmt.Sprint(have) != fmt.Sprint(c) {
				t.Errorf("got  %+v\nwant %+v", have, c)
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("nobody asked for %v", got)
		}
	})
}

// What Auto Scaling registers has the target group's own port: no port is named, so
// that what others registered with another one stays. What is gone is no error.
func TestTargetsOfAnAutoScalingGroupComeAndGo(t *testing.T) {
	elb(t, []fakeLB{{"net", "network", "false"}}, []fakeTG{{name: "web", lb: "net", kind: "instance"}}, func(t *testing.T, f *fakeELB, b Balancers) {
		web := f.groups[0].arn()
		for _, err := range []error{
			b.Deregister(t.Context(), web, "i-1"), b.Register(t.Context(), web, "i-1"), b.Register(t.Context(), web, "i-gone"), b.Deregister(t.Context(), web+"-gone", "i-1"),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		if want := []string{"DeregisterTargets i-1", "RegisterTargets i-1", "RegisterTargets i-gone"}; !slices.Equal(f.changed, want) {
			t.Errorf("%v", f.changed)
		}
	})
}

// At 500 target groups a look costs a handful of calls: what holds nothing of a
// move is asked once, and once more before anything ends.
func TestCallsAreBounded(t *testing.T) {
	var lbs []fakeLB
	var groups []fakeTG
	for i := range 500 {
		name := fmt.Sprintf("lb%03d", i)
		target := "i-other:1 healthy"
		if i < 100 {
			target = "i-1:1 healthy"
		}
		lbs = append(lbs, fakeLB{name, "network", "false"})
		groups = append(groups, fakeTG{name: name, lb: name, kind: "instance", targets: []string{target}})
	}
	elb(t, lbs, groups, func(t *testing.T, f *fakeELB, b Balancers) {
		q := handover.Inquiry{Instances: []string{"i-1"}, Hosts: []string{lbs[499].host()}, Groups: []string{groups[498].arn()}}
		if got := look(t, b, q); len(got) != 500 {
			t.Fatalf("%d load balancers", len(got))
		}
		for range 100 {
			time.Sleep(time.Second)
			look(t, b, q)
		}
		if n := f.asked["DescribeTargetHealth"]; n != 500+100*perLook {
			t.Errorf("%d calls for health", n)
		}
		if lists := f.asked["DescribeTargetGroups"] + f.asked["DescribeLoadBalancers"]; lists > 11*10 {
			t.Errorf("%d calls for lists", lists)
		}
		if n := f.asked["DescribeTargetGroupAttributes"] + f.asked["DescribeLoadBalancerAttributes"]; n != 2*102 {
			t.Errorf("%d calls for attributes", n)
		}
		if f.health["lb300"] != 1 || f.health["lb499"] < 9 || f.health["lb498"] < 9 || f.health["lb050"] < 9 {
			t.Errorf("asked %d, %d, %d and %d times", f.health["lb300"], f.health["lb499"], f.health["lb498"], f.health["lb050"])
		}
		q.All = true
		f.groups[300].targets = []string{"i-1:1 healthy"} // somebody else did that
		if got := look(t, b, q); len(got["lb300/lb300"].Targets) != 1 {
			t.Errorf("what came since is not seen: %+v", got["lb300/lb300"])
		}
	})
}

// A group that an earlier process was told of is told of again, although it lists
// nothing any more: how long it sends on is known of it alone.
func TestAKnownTargetGroupIsToldOfWhenItListsNothing(t *testing.T) {
	lbs := []fakeLB{{"net", "network", "false"}}
	elb(t, lbs, []fakeTG{{name: "pods", lb: "net", kind: "ip"}}, func(t *testing.T, _ *fakeELB, b Balancers) {
		if got := look(t, b, handover.Inquiry{Addresses: []string{"10.0.0.9"}, Known: []string{"net/pods"}})["net/pods"]; got.Lag != networkLag || !got.ByAddress {
			t.Errorf("%+v", got)
		}
	})
}

// Throttled for long, it fails, and guesses nothing; the next look is whole. A
// group that is deleted meanwhile is left out.
func TestThrottlingMakesItWait(t *testing.T) {
	lbs := []fakeLB{{"net", "network", "false"}}
	groups := []fakeTG{{name: "a", lb: "net", kind: "instance", targets: []string{"i-1:1 healthy"}}, {name: "b", lb: "net", kind: "instance", targets: []string{"i-1:2 healthy"}}}
	elb(t, lbs, groups, func(t *testing.T, f *fakeELB, b Balancers) {
		q := handover.Inquiry{Instances: []string{"i-1"}}
		f.throttle = 5
		if got := look(t, b, q); len(got) != 2 {
			t.Errorf("a few refusals: %v", got)
		}
		for _, calls := range []int{10, 11, 12, 15, 20} { // in the list, and in what follows
			f.throttle = calls
			time.Sleep(listEvery)
			switch all, err := b.Balancers(t.Context(), q); {
			case err != nil && all != nil:
				t.Errorf("%d refusals: %v beside %v", calls, all, err)
			case err == nil && (len(all) != 2 || len(all[0].Targets) != 1 || len(all[1].Targets) != 1):
				t.Errorf("%d refusals, and an answer that is not whole: %v", calls, all)
			}
			f.throttle = 0
			if got := look(t, b, q); len(got) != 2 || len(got["net/a"].Targets) != 1 || len(got["net/b"].Targets) != 1 {
				t.Errorf("after %d refusals: %v", calls, got)
			}
		}
		f.groups[1].gone = true
		if got := look(t, b, q); len(got) != 1 || len(got["net/a"].Targets) != 1 {
			t.Errorf("without b: %v", got)
		}
	})
}
