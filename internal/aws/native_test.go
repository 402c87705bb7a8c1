package aws

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/droverhq/drover/internal/handover"
)

// queryAPI answers the query protocol by action, and notes what was asked.
type queryAPI struct {
	answer map[string]func(url.Values) string // XML of the result; "!Code message" is an error, "=" begins EC2's, which wraps no result
	mu     sync.Mutex
	asked  []string
}

func (q *queryAPI) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	action, status := form.Get("Action"), http.StatusOK
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked = append(q.asked, action)
	reply := q.answer[action]
	if reply == nil {
		return nil, fmt.Errorf("nobody should ask for %s", action)
	}
	text := reply(form)
	if code, failed := strings.CutPrefix(text, "!"); failed {
		status = http.StatusBadRequest
		code, message, _ := strings.Cut(code, " ")
		text = fmt.Sprintf("<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message)
	} else if bare, is := strings.CutPrefix(text, "="); is {
		text = fmt.Sprintf("<%[1]sResponse>%[2]s</%[1]sResponse>", action, bare)
	} else {
		text = fmt.Sprintf("<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", action, text)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: io.NopCloser(bytes.NewBufferString(text))}, nil
}

func (q *queryAPI) cloud() *Cloud {
	return New(aws.Config{Region: "us-west-2", HTTPClient: &http.Client{Transport: q},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")})
}

// A balancer that lets an instance go does not list it any more, yet still
// serves connections through it: that must be seen, and one that AWS has
// forgotten must not spoil it.
func TestDrainingInstanceIsSeen(t *testing.T) {
	states := map[string]string{
		"i-new":     "InService|N/A",
		"i-going":   "InService|Instance deregistration currently in progress.",
		"i-drained": "OutOfService|Instance is not currently registered with the LoadBalancer.",
	}
	api := &queryAPI{answer: map[string]func(url.Values) string{
		"DescribeTargetGroups": func(url.Values) string { return "" },
		"DescribeLoadBalancers": func(form url.Values) string {
			if form.Get("Version") == "2015-12-01" {
				return ""
			}
			return `<LoadBalancerDescriptions>
				<member><LoadBalancerName>web</LoadBalancerName><DNSName>web.elb</DNSName><Instances><member><InstanceId>i-new</InstanceId></member></Instances></member>
				<member><LoadBalancerName>other</LoadBalancerName><Instances><member><InstanceId>i-x</InstanceId></member></Instances></member>
			</LoadBalancerDescriptions>`
		},
		"DescribeLoadBalancerAttributes": func(url.Values) string {
			return `<LoadBalancerAttributes><ConnectionDraining><Enabled>true</Enabled><Timeout>60</Timeout></ConnectionDraining></LoadBalancerAttributes>`
		},
		"DescribeInstanceHealth": func(form url.Values) string {
			ids := []string{"i-new"} // the registered ones, unless asked by ID
			if form.Get("Instances.member.1.InstanceId") != "" {
				ids = nil
				for n := 1; form.Get(fmt.Sprintf("Instances.member.%d.InstanceId", n)) != ""; n++ {
					ids = append(ids, form.Get(fmt.Sprintf("Instances.member.%d.InstanceId", n)))
				}
			}
			var b strings.Builder
			for _, id := range ids {
				state, words, known := strings.Cut(states[id], "|")
				if !known {
					return "!InvalidInstance Could not find EC2 instance " + id
				}
				fmt.Fprintf(&b, "<member><InstanceId>%s</InstanceId><State>%s</State><Description>%s</Description></member>", id, state, words)
			}
			return "<InstanceStates>" + b.String() + "</InstanceStates>"
		},
	}}
	got, err := api.cloud().Balancers().Balancers(t.Context(), handover.Inquiry{
		Instances: []string{"i-going", "i-drained", "i-forgotten"}, Known: []string{"web", "deleted"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []handover.Target{{Instance: "i-new", State: handover.InService},
		{Instance: "i-going", State: handover.Draining, Why: "Instance deregistration currently in progress."}}
	if len(got) != 2 || got[0].Draining != time.Minute || !slices.Equal(got[0].Targets, want) || got[1].Name != "other" || got[1].Targets != nil {
		t.Errorf("got %+v, want balancer web with targets %+v, and the other by name alone", got, want)
	}
}

// A Classic load balancer is named, and the calls are those of its own API.
func TestInstancesOfAClassicLoadBalancerComeAndGo(t *testing.T) {
	var said []string
	reply := func(form url.Values) string {
		said = append(said, form.Get("Action")+" "+form.Get("LoadBalancerName")+" "+form.Get("Instances.member.1.InstanceId"))
		if form.Get("Instances.member.1.InstanceId") == "i-gone" {
			return "!InvalidInstance Could not find EC2 instance i-gone"
		}
		return ""
	}
	api := &queryAPI{answer: map[string]func(url.Values) string{"DeregisterInstancesFromLoadBalancer": reply, "RegisterInstancesWithLoadBalancer": reply}}
	b := api.cloud().Balancers()
	for _, err := range []error{b.Deregister(t.Context(), "web", "i-1"), b.Register(t.Context(), "web", "i-1"), b.Register(t.Context(), "web", "i-gone")} {
		if err != nil {
			t.Error(err)
		}
	}
	if want := []string{"DeregisterInstancesFromLoadBalancer web i-1", "RegisterInstancesWithLoadBalancer web i-1", "RegisterInstancesWithLoadBalancer web i-gone"}; !slices.Equal(said, want) {
		t.Errorf("%v", said)
	}
}

// What a group is attached to, and whether it ends what is not healthy there.
func TestWhatAGroupIsAttachedTo(t *testing.T) {
	for kind, judged := range map[string]bool{"EC2": false, "ELB": true, "EC2,ELB": true, "": false} {
		g := asGroup(astypes.AutoScalingGroup{HealthCheckType: &kind, TargetGroupARNs: []string{"arn:web"}, LoadBalancerNames: []string{"old"}, TrafficSources: []astypes.TrafficSourceIdentifier{
			{Identifier: aws.String("arn:web"), Type: aws.String("elbv2")}, {Identifier: aws.String("arn:api"), Type: aws.String("elbv2")}, {Identifier: aws.String("arn:lattice"), Type: aws.String("vpc-lattice")},
		}})
		if g.Judged != judged || !slices.Equal(g.Attached, []string{"arn:web", "old", "arn:api"}) {
			t.Errorf("%s: %+v", kind, g)
		}
	}
}

// Types are asked for by filter: by name, one that does not exist fails all.
func TestSizesOfInstanceTypes(t *testing.T) {
	api := &queryAPI{answer: map[string]func(url.Values) string{"DescribeInstanceTypes": func(form url.Values) string {
		if form.Get("InstanceType.1") != "" || form.Get("Filter.1.Name") != "instance-type" || form.Get("Filter.1.Value.2") != "x9.nano" {
			return "!InvalidParameterValue asked otherwise: " + form.Encode()
		}
		return `=<instanceTypeSet><item><instanceType>c5.4xlarge</instanceType><vCpuInfo><defaultVCpus>16</defaultVCpus></vCpuInfo>` +
			`<memoryInfo><sizeInMiB>32768</sizeInMiB></memoryInfo>` +
			`<processorInfo><supportedArchitectures><item>i386</item><item>x86_64</item></supportedArchitectures></processorInfo></item>` +
			`<item><instanceType>g5.xlarge</instanceType><vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo><gpuInfo><gpus><item><manufacturer>NVIDIA</manufacturer><count>1</count></item></gpus></gpuInfo>` +
			`<networkInfo><efaSupported>true</efaSupported></networkInfo></item>` +
			`<item><instanceType>inf2.xlarge</instanceType><neuronInfo><neuronDevices><item><count>1</count></item></neuronDevices></neuronInfo></item>` +
			`<item><instanceType>t3.large</instanceType><burstablePerformanceSupported>true</burstablePerformanceSupported></item></instanceTypeSet>`
	}}}
	got, err := api.cloud().Scaling().Sizes(t.Context(), []string{"c5.4xlarge", "x9.nano"})
	want := map[string]handover.Size{
		"c5.4xlarge":  {CPU: 16, Memory: 32 << 30, Arch: "amd64", Devices: "vpc.amazonaws.com/pod-eni"},
		"g5.xlarge":   {CPU: 4, Devices: "nvidia.com/ vpc.amazonaws.com/efa vpc.amazonaws.com/pod-eni"},
		"inf2.xlarge": {Devices: "aws.amazon.com/neuron vpc.amazonaws.com/pod-eni"},
		"t3.large":    {},
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// Ending an instance lowers the desired capacity; doing so twice for one
// instance would take a node that nobody named. Of many, one call names all.
func TestTerminateCountsAnInstanceOnce(t *testing.T) {
	for members, want := range map[string]string{
		"i-1 InService, i-2 InService, i-3 InService": "i-1 i-2",
		"i-1 InService, i-2 Terminating:Wait":         "i-1",
		"i-1 Terminating, i-3 InService":              "",
		"":                                            "",
	} {
		var ended []string
		api := &queryAPI{answer: map[string]func(url.Values) string{
			"DescribeAutoScalingGroups": func(url.Values) string { return groupOf(members) },
			"TerminateInstanceInAutoScalingGroup": func(form url.Values) string {
				if form.Get("ShouldDecrementDesiredCapacity") != "true" || form.Get("AutoScalingGroupName") != "web" {
					t.Error("without decrement, the group launches another instance; without a name, AWS refuses many")
				}
				for n := 1; form.Has(fmt.Sprintf("InstanceIds.member.%d", n)); n++ {
					ended = append(ended, form.Get(fmt.Sprintf("InstanceIds.member.%d", n)))
				}
				return ""
			},
		}}
		if err := api.cloud().Scaling().Terminate(t.Context(), "web", []string{"i-1", "i-2"}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(ended, " "); got != want || len(api.asked) > 2 {
			t.Errorf("%q: ended %q by %d calls, want %q", members, got, len(api.asked), want)
		}
	}
}

// The instances of a managed node group are ended by the name of the Auto Scaling
// group behind it: AWS knows no other.
func TestTerminateNamesTheGroupBehind(t *testing.T) {
	var named string
	api := &queryAPI{answer: map[string]func(url.Values) string{
		"DescribeAutoScalingGroups": func(form url.Values) string {
			if form.Get("AutoScalingGroupNames.member.1") == "web" {
				return "<AutoScalingGroups/>"
			}
			return strings.Replace(groupOf("i-1 InService"), ">web<", ">eks-web-1<", 1)
		},
		"TerminateInstanceInAutoScalingGroup": func(form url.Values) string {
			named = form.Get("AutoScalingGroupName")
			return ""
		},
	}}
	if err := api.cloud().Scaling().Terminate(t.Context(), "web", []string{"i-1"}); err != nil || named != "eks-web-1" {
		t.Errorf("ended instances of %q: %v", named, err)
	}
}

// groupOf is an answer about a group of these instances: "ID STATE, …".
func groupOf(members string) string {
	var b strings.Builder
	for _, m := range strings.Split(members, ", ") {
		if id, state, is := strings.Cut(m, " "); is {
			b.WriteString("<member><InstanceId>" + id + "</InstanceId><LifecycleState>" + state + "</LifecycleState></member>")
		}
	}
	return "<AutoScalingGroups><member><AutoScalingGroupName>web</AutoScalingGroupName><Instances>" + b.String() + "</Instances></member></AutoScalingGroups>"
}

// For the API, an empty list of processes means all of them.
func TestNothingToSuspendSuspendsNothing(t *testing.T) {
	api := &queryAPI{}
	scaling := api.cloud().Scaling()
	if err := scaling.Suspend(t.Context(), "web", nil); err != nil {
		t.Error(err)
	}
	if err := scaling.Resume(t.Context(), "web", nil); err != nil {
		t.Error(err)
	}
}

// However many instances are asked about, each comes back with its group.
func TestGroupsOfManyInstances(t *testing.T) {
	var ids []string
	for i := range mostAsked + 1 {
		ids = append(ids, fmt.Sprintf("i-%d", i))
	}
	api := &queryAPI{answer: map[string]func(url.Values) string{"DescribeAutoScalingInstances": func(form url.Values) string {
		var b strings.Builder
		for i := 1; form.Has(fmt.Sprintf("InstanceIds.member.%d", i)); i++ {
			fmt.Fprintf(&b, "<member><InstanceId>%s</InstanceId><AutoScalingGroupName>web</AutoScalingGroupName></member>", form.Get(fmt.Sprintf("InstanceIds.member.%d", i)))
		}
		return "<AutoScalingInstances>" + b.String() + "</AutoScalingInstances>"
	}}}
	of, err := api.cloud().Scaling().GroupsOf(t.Context(), ids)
	if err != nil || len(of) != len(ids) || of["i-50"] != "web" || len(api.asked) != 2 {
		t.Errorf("%d of %d in %d calls, %v", len(of), len(ids), len(api.asked), err)
	}
}
