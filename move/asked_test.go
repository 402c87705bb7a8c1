package move

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const leaver = "i-0000000000000000b" // node b

// awsAccount answers for the one group web, of the one instance that is node b, and
// notes which actions it is asked for. Its load balancers send to nobody.
type awsAccount struct {
	mu        sync.Mutex
	asked     map[string]bool // autoscaling:SuspendProcesses
	suspended map[string]bool
	tags      map[string]string
	ended     bool // the instance, and with it all that the group has
	gone      bool // the group
}

// inAWS is the strange cluster with node b in that account.
func inAWS(t *testing.T) (*awsAccount, Access) {
	t.Helper()
	_, access := strange(t, fmt.Sprintf(`apiVersion: v1
kind: Node
metadata: {name: b, labels: {role: web}}
spec: {providerID: "aws:///us-west-2a/%s"}
status: {allocatable: {cpu: "4", memory: 8Gi, pods: "50"}, conditions: [{type: Ready, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z"}]}
---
apiVersion: v1
kind: Service
metadata: {name: classic, namespace: apps}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
status: {loadBalancer: {ingress: [{hostname: classic.example.com}]}}
---
apiVersion: v1
kind: Service
metadata: {name: network, namespace: apps}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, nodePort: 30081}]}
status: {loadBalancer: {ingress: [{hostname: network.example.com}]}}`, leaver))
	a := &awsAccount{asked: map[string]bool{}, suspended: map[string]bool{}, tags: map[string]string{}}
	web := httptest.NewServer(a)
	t.Cleanup(web.Close)
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": web.URL, "AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return a, access
}

// ServeHTTP answers in the words of the Query protocol, which EC2's differ from a little.
func (a *awsAccount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = r.ParseForm()
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=") // KEY/DAY/REGION/SERVICE/aws4_request
	service, action := "", r.Form.Get("Action")
	if parts := strings.Split(scope, "/"); len(parts) > 3 {
		service = parts[3]
	}
	a.asked[service+":"+action] = true
	body := a.answer(service, action, r)
	if service != "ec2" {
		body = fmt.Sprintf("<%sResult>%s</%sResult>", action, body, action)
	}
	_, _ = fmt.Fprintf(w, "<%sResponse>%s</%sResponse>", action, body, action)
}

func (a *awsAccount) answer(service, action string, r *http.Request) string {
	second := service == "elasticloadbalancing" && r.Form.Get("Version") == "2015-12-01"
	switch action {
	case "DescribeInstances":
		return fmt.Sprintf("<reservationSet><item><instancesSet><item><instanceId>%s</instanceId><instanceState><name>%s</name></instanceState></item></instancesSet></item></reservationSet>", leaver, a.state())
	case "DescribeAutoScalingInstances":
		return "<AutoScalingInstances>" + a.member("<AutoScalingGroupName>web</AutoScalingGroupName>") + "</AutoScalingInstances>"
	case "DescribeAutoScalingGroups":
		return a.groups()
	case "DescribeLoadBalancers":
		if second {
			return "<LoadBalancers><member><LoadBalancerArn>arn:lb</LoadBalancerArn><LoadBalancerName>network</LoadBalancerName><DNSName>network.example.com</DNSName><Type>network</Type></member></LoadBalancers>"
		}
		return "<LoadBalancerDescriptions><member><LoadBalancerName>classic</LoadBalancerName><DNSName>classic.example.com</DNSName><Instances><member><InstanceId>" + leaver + "</InstanceId></member></Instances></member></LoadBalancerDescriptions>"
	case "DescribeTargetGroups":
		return "<TargetGroups><member><TargetGroupArn>arn:aws:elasticloadbalancing:tg</TargetGroupArn><TargetGroupName>network</TargetGroupName><TargetType>instance</TargetType><LoadBalancerArns><member>arn:lb</member></LoadBalancerArns></member></TargetGroups>"
	case "SuspendProcesses", "ResumeProcesses":
		for key, values := range r.Form {
			if strings.HasPrefix(key, "ScalingProcesses.member.") {
				a.suspended[values[0]] = action == "SuspendProcesses"
			}
		}
	case "CreateOrUpdateTags", "DeleteTags":
		a.tag(r, action == "DeleteTags")
	case "TerminateInstanceInAutoScalingGroup":
		a.ended = true
	case "DeleteAutoScalingGroup":
		a.gone = true
	}
	return "" // nothing: of what it is, or of what there is
}

func (a *awsAccount) state() string {
	if a.ended {
		return "terminated"
	}
	return "running"
}

// member is the group's instance in a list.
func (a *awsAccount) member(more string) string {
	if a.ended {
		return ""
	}
	return "<member><InstanceId>" + leaver + "</InstanceId><LifecycleState>InService</LifecycleState>" + more + "</member>"
}

func (a *awsAccount) groups() string {
	if a.gone {
		return ""
	}
	var suspended, tags strings.Builder
	for _, p := range slices.Sorted(maps.Keys(a.suspended)) {
		if a.suspended[p] {
			fmt.Fprintf(&suspended, "<member><ProcessName>%s</ProcessName></member>", p)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.tags)) {
		fmt.Fprintf(&tags, "<member><Key>%s</Key><Value>%s</Value></member>", key, a.tags[key])
	}
	size := 1
	if a.ended {
		size = 0
	}
	return fmt.Sprintf("<AutoScalingGroups><member><AutoScalingGroupName>web</AutoScalingGroupName><MinSize>0</MinSize><MaxSize>3</MaxSize><DesiredCapacity>%d</DesiredCapacity><Instances>%s</Instances><SuspendedProcesses>%s</SuspendedProcesses><Tags>%s</Tags></member></AutoScalingGroups>",
		size, a.member(""), &suspended, &tags)
}

func (a *awsAccount) tag(r *http.Request, away bool) {
	for n := 1; r.Form.Has(fmt.Sprintf("Tags.member.%d.Key", n)); n++ {
		key := r.Form.Get(fmt.Sprintf("Tags.member.%d.Key", n))
		if a.tags[key] = r.Form.Get(fmt.Sprintf("Tags.member.%d.Value", n)); away {
			delete(a.tags, key)
		}
	}
}

// left: the group is there.
func (a *awsAccount) left() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.gone
}

// forget returns what was asked since it was called last.
func (a *awsAccount) forget() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := slices.Sorted(maps.Keys(a.asked))
	clear(a.asked)
	return asked
}

// Each command asks AWS for no more than what is in the table for this very command:
// a right that only another one has would be missing from the policy that is printed.
func TestEachCommandAsksAWSForWhatItsRowsSay(t *testing.T) {
	covers := func(t *testing.T, command string, a *awsAccount, all bool) {
		t.Helper()
		p, err := PermissionsFor(command)
		if err != nil {
			t.Fatal(err)
		}
		asked := a.forget()
		for _, action := range asked {
			if !slices.ContainsFunc(p.Calls, func(c Call) bool { return c.Action == action }) {
				t.Errorf("%s calls %s, and no row of the table has it for %[1]s", command, action)
			}
		}
		for _, c := range p.Calls { // or what is asked here is not all that is
			if all && (c.commands == looks || strings.HasPrefix(c.commands, looks+" ")) && !slices.Contains(asked, c.Action) {
				t.Errorf("%s does not call %s", command, c.Action)
			}
		}
	}
	set := []Set{{ASG, "web"}}
	t.Run("check", func(t *testing.T) {
		a, access := inAWS(t)
		if _, err := Check(t.Context(), Options{Access: access, From: set}); err != nil {
			t.Fatal(err)
		}
		covers(t, "check", a, true)
	})
	t.Run("drain, moves and recover", func(t *testing.T) {
		a, access := inAWS(t)
		if err := Run(t.Context(), Options{Access: access, From: []Set{{Node, "b"}}, EndBare: true}); err != nil {
			t.Fatal(err)
		}
		covers(t, "drain", a, true)
		if _, err := Find(t.Context(), access, ""); err != nil {
			t.Fatal(err)
		}
		covers(t, "moves", a, false)
		if err := Recover(t.Context(), Recovery{Access: access, Name: "node/b", Kept: true}); err != nil {
			t.Fatal(err)
		}
		covers(t, "recover", a, false)
	})
	t.Run("migrate", func(t *testing.T) {
		a, access := inAWS(t)
		if err := Run(t.Context(), Options{Access: access, From: set, Then: Delete, EndBare: true}); err != nil {
			t.Fatal(err)
		}
		covers(t, "migrate", a, true)
		if a.left() {
			t.Error("the group is still there")
		}
	})
}
