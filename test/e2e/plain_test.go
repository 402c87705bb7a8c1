//go:build e2e && torture

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	cctypes "github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/load"
)

// plain is a cluster that somebody made by calls of AWS and kubectl. There is no
// drover.yaml anywhere.
type plain struct {
	t       *testing.T
	control *cloudcontrol.Client
	ec2     *ec2.Client
	eks     *eks.Client
	groups  *autoscaling.Client
	ssm     *ssm.Client
	cluster string
	subnets []string
	role    string // ARN of the nodes'
	url     string // of the shop's load balancer
}

func newPlain(t *testing.T) *plain {
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &plain{t: t, cluster: "plain", control: cloudcontrol.NewFromConfig(cfg), ec2: ec2.NewFromConfig(cfg), eks: eks.NewFromConfig(cfg),
		groups: autoscaling.NewFromConfig(cfg), ssm: ssm.NewFromConfig(cfg)}
	t.Cleanup(func() {
		if t.Failed() {
			diagnose(t)
		}
	})
	p.network()
	p.startCluster()
	return p
}

type props = map[string]any

// add makes an object through Cloud Control and reads it back.
func (p *plain) add(typ string, want props) props {
	p.t.Helper()
	ctx := p.t.Context()
	text, _ := json.Marshal(want)
	out, err := p.control.CreateResource(ctx, &cloudcontrol.CreateResourceInput{TypeName: &typ, DesiredState: aws.String(string(text))})
	if err != nil {
		p.t.Fatal(err)
	}
	id := p.ended(out.ProgressEvent)
	got, err := p.control.GetResource(ctx, &cloudcontrol.GetResourceInput{TypeName: &typ, Identifier: &id})
	if err != nil {
		p.t.Fatal(err)
	}
	var have props
	if err := json.Unmarshal([]byte(aws.ToString(got.ResourceDescription.Properties)), &have); err != nil {
		p.t.Fatal(err)
	}
	return have
}

// ended waits for the end of a request, and is its object's identifier.
func (p *plain) ended(e *cctypes.ProgressEvent) string {
	p.t.Helper()
	for {
		switch e.OperationStatus {
		case cctypes.OperationStatusSuccess:
			return aws.ToString(e.Identifier)
		case cctypes.OperationStatusFailed, cctypes.OperationStatusCancelComplete:
			p.t.Fatalf("%s: %s", aws.ToString(e.TypeName), aws.ToString(e.StatusMessage))
		default:
			time.Sleep(200 * time.Millisecond)
		}
		out, err := p.control.GetResourceRequestStatus(p.t.Context(), &cloudcontrol.GetResourceRequestStatusInput{RequestToken: e.RequestToken})
		if err != nil {
			p.t.Fatal(err)
		}
		e = out.ProgressEvent
	}
}

func (p *plain) network() {
	vpc := p.add("AWS::EC2::VPC", props{"CidrBlock": "172.16.0.0/16", "EnableDnsHostnames": true, "EnableDnsSupport": true})["VpcId"]
	gateway := p.add("AWS::EC2::InternetGateway", props{})["InternetGatewayId"]
	p.add("AWS::EC2::VPCGatewayAttachment", props{"VpcId": vpc, "InternetGatewayId": gateway})
	table := p.add("AWS::EC2::RouteTable", props{"VpcId": vpc})["RouteTableId"]
	p.add("AWS::EC2::Route", props{"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway})
	for k, zone := range []string{"us-west-2a", "us-west-2b"} {
		subnet := p.add("AWS::EC2::Subnet", props{"VpcId": vpc, "AvailabilityZone": zone, "CidrBlock": fmt.Sprintf("172.16.%d.0/19", 32*k),
			"MapPublicIpOnLaunch": true, "Tags": []props{{"Key": "kubernetes.io/role/elb", "Value": "1"}}})["SubnetId"].(string)
		p.subnets = append(p.subnets, subnet)
		p.add("AWS::EC2::SubnetRouteTableAssociation", props{"SubnetId": subnet, "RouteTableId": table})
	}
}

func (p *plain) roleFor(name, service, policy string) string {
	return p.add("AWS::IAM::Role", props{"RoleName": name, "ManagedPolicyArns": []string{"arn:aws:iam::aws:policy/" + policy},
		"AssumeRolePolicyDocument": props{"Version": "2012-10-17", "Statement": []props{{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": props{"Service": service}}}}})["Arn"].(string)
}

func (p *plain) startCluster() {
	ctx := p.t.Context()
	role := p.roleFor("plain-cluster", "eks.amazonaws.com", "AmazonEKSClusterPolicy")
	p.role = p.roleFor("plain-nodes", "ec2.amazonaws.com", "AmazonEKSWorkerNodePolicy")
	p.add("AWS::IAM::InstanceProfile", props{"InstanceProfileName": "plain-nodes", "Roles": []string{"plain-nodes"}})
	if _, err := p.eks.CreateCluster(ctx, &eks.CreateClusterInput{Name: &p.cluster, Version: aws.String("1.36"), RoleArn: &role,
		ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: p.subnets}, AccessConfig: &ekstypes.CreateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationModeApi}}); err != nil {
		p.t.Fatal(err)
	}
	if err := eks.NewClusterActiveWaiter(p.eks, func(o *eks.ClusterActiveWaiterOptions) { o.MinDelay = time.Second }).Wait(ctx, &eks.DescribeClusterInput{Name: &p.cluster}, 5*time.Minute); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.eks.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: &p.cluster, PrincipalArn: &p.role, Type: aws.String("EC2_LINUX")}); err != nil {
		p.t.Fatal(err)
	}
}

// selfManaged makes an Auto Scaling group of n nodes, with a launch template and the
// newest image of a version.
func (p *plain) selfManaged(name, version, instanceType string, n int32) {
	p.t.Helper()
	ctx := p.t.Context()
	out, err := p.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &p.cluster})
	if err != nil {
		p.t.Fatal(err)
	}
	image, err := p.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/aws/service/eks/optimized-ami/" + version + "/amazon-linux-2023/x86_64/standard/recommended/image_id")})
	if err != nil {
		p.t.Fatal(err)
	}
	node := fmt.Sprintf("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: %s\n    apiServerEndpoint: %s\n    certificateAuthority: %s\n    cidr: %s\n"+
		"  kubelet:\n    flags:\n    - --node-labels=pool=shop\n", p.cluster, aws.ToString(out.Cluster.Endpoint), aws.ToString(out.Cluster.CertificateAuthority.Data),
		aws.ToString(out.Cluster.KubernetesNetworkConfig.ServiceIpv4Cidr))
	user := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"//\"\n\n--//\nContent-Type: application/node.eks.aws\n\n" + node + "\n--//--\n"
	template, err := p.ec2.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: &name, LaunchTemplateData: &ec2types.RequestLaunchTemplateData{
		ImageId: image.Parameter.Value, InstanceType: ec2types.InstanceType(instanceType), UserData: aws.String(base64.StdEncoding.EncodeToString([]byte(user))),
		IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: aws.String("plain-nodes")}, SecurityGroupIds: []string{aws.ToString(out.Cluster.ResourcesVpcConfig.ClusterSecurityGroupId)}}})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.groups.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{AutoScalingGroupName: &name, MinSize: &n, MaxSize: aws.Int32(n + 3), DesiredCapacity: &n,
		VPCZoneIdentifier: aws.String(strings.Join(p.subnets, ",")), LaunchTemplate: &astypes.LaunchTemplateSpecification{LaunchTemplateId: template.LaunchTemplate.LaunchTemplateId, Version: aws.String("1")},
		Tags: []astypes.Tag{{ResourceId: &name, ResourceType: aws.String("auto-scaling-group"), Key: aws.String("kubernetes.io/cluster/" + p.cluster), Value: aws.String("owned"), PropagateAtLaunch: aws.Bool(true)}}}); err != nil {
		p.t.Fatal(err)
	}
}

// managed makes a managed node group of n nodes.
func (p *plain) managed(name string, n int32) {
	p.t.Helper()
	in := &eks.CreateNodegroupInput{ClusterName: &p.cluster, NodegroupName: &name, NodeRole: &p.role, Subnets: p.subnets, InstanceTypes: []string{"t3.large"},
		Labels: map[string]string{"pool": "shop"}, ScalingConfig: &ekstypes.NodegroupScalingConfig{MinSize: &n, DesiredSize: &n, MaxSize: aws.Int32(n + 3)}}
	if _, err := p.eks.CreateNodegroup(p.t.Context(), in); err != nil {
		p.t.Fatal(err)
	}
	if err := eks.NewNodegroupActiveWaiter(p.eks, func(o *eks.NodegroupActiveWaiterOptions) { o.MinDelay = time.Second }).Wait(p.t.Context(),
		&eks.DescribeNodegroupInput{ClusterName: &p.cluster, NodegroupName: &name}, 5*time.Minute); err != nil {
		p.t.Fatal(err)
	}
}

// kubectl runs kubectl; it must succeed.
func (p *plain) kubectl(input string, args ...string) string {
	p.t.Helper()
	out, err := p.kubectlCommand(input, args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (p *plain) kubectlCommand(input string, args ...string) *exec.Cmd {
	path := os.Getenv("KUBECTL")
	if path == "" {
		path = "kubectl"
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(input)
	return cmd
}

// joined waits until n nodes are Ready.
func (p *plain) joined(n int) {
	p.t.Helper()
	for limit := time.Now().Add(5 * time.Minute); time.Now().Before(limit); time.Sleep(time.Second) {
		out, _ := p.kubectlCommand("", "get", "nodes", "--no-headers").Output()
		if ready := strings.Count(string(out), " Ready "); ready >= n {
			return
		}
	}
	p.t.Fatalf("not %d nodes\n%s", n, p.kubectl("", "get", "nodes"))
}

// shop has pods that end at once when they are told to, as most programs do.
const shop = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      nodeSelector: {pool: shop}
      containers:
        - name: web
          image: registry.k8s.io/echoserver:1.10
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata:
  name: shop
  annotations: # as check recommends: else connections through nodes that leave are cut
    service.beta.kubernetes.io/aws-load-balancer-connection-draining-enabled: "true"
    service.beta.kubernetes.io/aws-load-balancer-connection-draining-timeout: "10"
spec: {type: LoadBalancer, selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: shop}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: shop}}}
`

// open makes the shop, and waits until its load balancer answers.
func (p *plain) open() {
	p.t.Helper()
	p.kubectl(shop, "apply", "-f", "-")
	p.kubectl("", "rollout", "status", "deployment/shop", "--timeout=3m")
	for limit := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Second) {
		host := strings.TrimSpace(p.kubectl("", "get", "service", "shop", "-o", "jsonpath={.status.loadBalancer.ingress[0].hostname}"))
		if p.url = "http://" + host + "/"; host != "" && p.sent(1).OK == 1 {
			return
		}
		if time.Now().After(limit) {
			p.t.Fatal("the load balancer does not answer")
		}
	}
}

func (p *plain) sent(n int) load.Result {
	p.t.Helper()
	result, err := load.Run(p.t.Context(), load.Options{URL: p.url, Requests: n, Connections: 1, Timeout: load.DefaultTimeout}, event.Discard)
	if err != nil {
		p.t.Fatal(err)
	}
	return result
}

// underLoad sends 200 requests a second while f runs, and tells what became of them.
func (p *plain) underLoad(what string, f func()) load.Result {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	defer stop()
	done := make(chan load.Result, 1)
	go func() {
		result, err := load.Run(ctx, load.Options{URL: p.url, Rate: 200, FreshEvery: 4, Timeout: load.DefaultTimeout}, event.Discard)
		if err != nil {
			p.t.Error(err)
		}
		done <- result
	}()
	began := time.Now()
	f()
	took := time.Since(began).Round(time.Second)
	stop()
	result := <-done
	p.t.Logf("%s: %d of %d requests failed, in %s %v", what, result.Failed, result.Sent, took, result.Causes)
	return result
}

// lossless is underLoad of which nothing may fail.
func (p *plain) lossless(what string, f func()) {
	p.t.Helper()
	if r := p.underLoad(what, f); r.Failed > 0 || r.Missed > 0 || r.Sent == 0 {
		p.t.Errorf("%s: of %d requests %d failed and %d were never sent: %v\n%v", what, r.Sent, r.Failed, r.Missed, r.Causes, r.Failures)
	}
}

// shopNodes are the nodes on which the shop runs.
func (p *plain) shopNodes() []string {
	p.t.Helper()
	nodes := strings.Fields(p.kubectl("", "get", "pods", "-l", "app=shop", "-o", "jsonpath={.items[*].spec.nodeName}"))
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// marks are what a move has left on Auto Scaling groups.
func (p *plain) marks() string {
	p.t.Helper()
	out, err := p.groups.DescribeAutoScalingGroups(p.t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{})
	if err != nil {
		p.t.Fatal(err)
	}
	var left []string
	for _, g := range out.AutoScalingGroups {
		name := aws.ToString(g.AutoScalingGroupName)
		if len(g.SuspendedProcesses) > 0 {
			left = append(left, name+" has suspended processes")
		}
		for _, t := range g.Tags {
			if key := aws.ToString(t.Key); strings.HasPrefix(key, "drover.dev/") && key != "drover.dev/copy-of" {
				left = append(left, name+" has the tag "+aws.ToString(t.Key))
			}
		}
	}
	return strings.Join(left, "\n")
}

// stands tells whether there is an Auto Scaling group of the name.
func (p *plain) stands(asg string) bool {
	p.t.Helper()
	out, err := p.groups.DescribeAutoScalingGroups(p.t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{asg}})
	if err != nil {
		p.t.Fatal(err)
	}
	return len(out.AutoScalingGroups) > 0
}

// killedThen starts a command from one folder, kills it when it has said something,
// and ends it by the same command from another folder.
func (p *plain) killedThen(says string, args ...string) {
	p.t.Helper()
	begun := newStranger(p.t).start(args...)
	begun.says(says)
	_ = begun.cmd.Process.Kill()
	begun.wait()
	p.t.Logf("killed after %q", says)
	out := newStranger(p.t).run(0, args...)
	p.t.Log(out)
}

// started is a command that runs.
type started struct {
	t   *testing.T
	cmd *exec.Cmd
	log string // file of what it says
}

func (s *stranger) start(args ...string) *started {
	s.t.Helper()
	r := &started{t: s.t, cmd: s.command(args...), log: filepath.Join(s.dir, "log")}
	log, err := os.Create(r.log)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = log.Close() })
	r.cmd.Stdout, r.cmd.Stderr = log, log
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (r *started) text() string {
	text, _ := os.ReadFile(r.log)
	return string(text)
}

// says waits until it has said something.
func (r *started) says(words string) {
	r.t.Helper()
	for limit := time.Now().Add(5 * time.Minute); !strings.Contains(r.text(), words); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(limit) {
			r.t.Errorf("it never said %q:\n%s", words, r.text())
			return
		}
	}
}

// wait is the exit code of its end.
func (r *started) wait() int {
	_ = r.cmd.Wait() // the code tells
	return r.cmd.ProcessState.ExitCode()
}
