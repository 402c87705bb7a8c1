package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancing"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	eksservice "github.com/droverhq/drover/sandbox/internal/aws/eks"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// world is a running endpoint with SDK clients for it. Nothing outside the
// process is real.
type world struct {
	t    *testing.T
	dir  string
	url  string
	fake *outside
	net  loopback
	stop func()
	cfg  awssdk.Config

	sandbox *Sandbox
	resolve func(string) ([]netip.Addr, bool)

	cc  *cloudcontrol.Client
	ec2 *ec2.Client
	asg *autoscaling.Client
	elb *elb.Client
	eks *eks.Client
	cfn *cloudformation.Client
}

// speed is the factor of every latency in tests.
const speed = 0.02

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "pki"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pki", "ca.crt"), []byte("PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, fake: &outside{running: map[string]machine.Machine{}, cluster: fake.NewClientset()},
		net: loopback{byte(worlds.Add(1))}}
	w.fake.cluster.PrependReactor("*", "*", func(k8stesting.Action) (bool, runtime.Object, error) {
		return w.fake.away.Load(), nil, errors.New("the API server is away")
	})
	w.start(speed)
	t.Cleanup(func() { w.stop() })
	return w
}

// start runs the endpoint on what the folder holds, as a restart would.
func (w *world) start(latency float64) {
	w.t.Helper()
	s, err := New(Config{Dir: w.dir, Region: "us-west-2"}, Outside{Machines: w.fake, ControlPlane: w.fake,
		Kubernetes: func(int) (kubernetes.Interface, error) { return w.fake.cluster, nil },
		Network:    w.net, AddOns: func(int) eksservice.Manifests { return w.fake }, Now: time.Now, Latency: latency, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.sandbox, w.resolve = s, s.Resolve
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	w.url = "http://" + l.Addr().String()
	w.cfg = awssdk.Config{Region: "us-west-2", BaseEndpoint: &w.url, RetryMaxAttempts: 1, APIOptions: []func(*middleware.Stack) error{note},
		Credentials: credentials.NewStaticCredentialsProvider(region.AccessKey, region.SecretKey, "")}
	w.cc, w.ec2 = cloudcontrol.NewFromConfig(w.cfg), ec2.NewFromConfig(w.cfg)
	w.asg, w.elb, w.eks = autoscaling.NewFromConfig(w.cfg), elb.NewFromConfig(w.cfg), eks.NewFromConfig(w.cfg)
	w.cfn = cloudformation.NewFromConfig(w.cfg)
}

func (w *world) restart(latency float64) {
	w.t.Helper()
	w.stop()
	w.start(latency)
}

// props is a model.
type props = map[string]any

func text(v any) *string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return awssdk.String(string(data))
}

// make creates a resource, waits for it and returns its model.
func (w *world) make(typ string, want props) props {
	w.t.Helper()
	out, err := w.cc.CreateResource(w.t.Context(), &cloudcontrol.CreateResourceInput{TypeName: &typ,
		DesiredState: text(want)})
	if err != nil {
		w.t.Fatalf("create %s: %v", typ, err)
	}
	event := w.await(out.ProgressEvent)
	if event.OperationStatus != types.OperationStatusSuccess {
		w.t.Fatalf("create %s: %s %s", typ, event.ErrorCode, awssdk.ToString(event.StatusMessage))
	}
	model := w.get(typ, *event.Identifier)
	model["ID"] = *event.Identifier
	return model
}

// await polls until a request has ended.
func (w *world) await(event *types.ProgressEvent) *types.ProgressEvent {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		out, err := w.cc.GetResourceRequestStatus(w.t.Context(),
			&cloudcontrol.GetResourceRequestStatusInput{RequestToken: event.RequestToken})
		if err != nil {
			w.t.Fatal(err)
		}
		switch out.ProgressEvent.OperationStatus {
		case types.OperationStatusPending, types.OperationStatusInProgress:
			event = out.ProgressEvent
			time.Sleep(5 * time.Millisecond)
		default:
			return out.ProgressEvent
		}
	}
	w.t.Fatalf("%s of %s does not end: %s", event.Operation, *event.TypeName, awssdk.ToString(event.StatusMessage))
	return nil
}

func (w *world) get(typ, id string) props {
	w.t.Helper()
	out, err := w.cc.GetResource(w.t.Context(), &cloudcontrol.GetResourceInput{TypeName: &typ, Identifier: &id})
	if err != nil {
		w.t.Fatalf("get %s %s: %v", typ, id, err)
	}
	model := props{}
	if err := json.Unmarshal([]byte(*out.ResourceDescription.Properties), &model); err != nil {
		w.t.Fatal(err)
	}
	return model
}

// remove deletes a resource and returns the request's end.
func (w *world) remove(typ, id string) *types.ProgressEvent {
	w.t.Helper()
	out, err := w.cc.DeleteResource(w.t.Context(), &cloudcontrol.DeleteResourceInput{TypeName: &typ, Identifier: &id})
	if err != nil {
		w.t.Fatalf("delete %s: %v", typ, err)
	}
	return w.await(out.ProgressEvent)
}

func (w *world) mustRemove(typ, id string) {
	w.t.Helper()
	if event := w.remove(typ, id); event.OperationStatus != types.OperationStatusSuccess {
		w.t.Fatalf("delete %s %s: %s %s", typ, id, event.ErrorCode, awssdk.ToString(event.StatusMessage))
	}
}

// update patches a resource.
func (w *world) update(typ, id string, patch ...props) (*types.ProgressEvent, error) {
	w.t.Helper()
	out, err := w.cc.UpdateResource(w.t.Context(), &cloudcontrol.UpdateResourceInput{TypeName: &typ, Identifier: &id,
		PatchDocument: text(patch)})
	if err != nil {
		return nil, err
	}
	return w.await(out.ProgressEvent), nil
}

// patience is how long a test waits for what is bound to come: a busy machine takes
// ten times as long as one that is not.
const patience = time.Minute

// until waits for something that follows from an API call.
func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not so after %s: %s", patience, what)
		}
	}
}

// inventory counts what exists.
func (w *world) inventory() (total int, found map[string][]string) {
	w.t.Helper()
	resp, err := http.Get(w.url + "/_sandbox/inventory")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out struct {
		Total     int
		Resources map[string][]string
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		w.t.Fatal(err)
	}
	return out.Total, out.Resources
}

// wantCode fails unless err is an API error with that code.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}

// outside stands for the supervisor.
type outside struct {
	mu       sync.Mutex
	running  map[string]machine.Machine
	rebooted []string
	cluster  *fake.Clientset
	clusters []machine.Cluster
	ended    []int       // control planes whose cluster was deleted
	away     atomic.Bool // the API server, which then answers nothing
}

// hold keeps whatever AWS does in the cluster from its end until release.
func (o *outside) hold() (release func()) {
	o.away.Store(true)
	return func() { o.away.Store(false) }
}

func (o *outside) Run(ctx context.Context, m machine.Machine) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.running[m.ID] = m
	return o.register(ctx, m)
}

// register is what kubelet does: the node joins, Ready.
func (o *outside) register(ctx context.Context, m machine.Machine) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: m.NodeName, Labels: m.Labels}, Spec: corev1.NodeSpec{ProviderID: m.ProviderID},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	for _, t := range m.Taints {
		head, effect, _ := strings.Cut(t, ":")
		key, value, _ := strings.Cut(head, "=")
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)})
	}
	_, err := o.cluster.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // it was off
	}
	return err
}

func (o *outside) Terminate(ctx context.Context, id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m, ok := o.running[id]; ok {
		_ = o.cluster.CoreV1().Nodes().Delete(ctx, m.NodeName, metav1.DeleteOptions{})
	}
	delete(o.running, id)
	return nil
}

// Stop leaves the node as it is: nobody there tells the cluster.
func (o *outside) Stop(_ context.Context, id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.running, id)
	return nil
}

func (o *outside) Reboot(_ context.Context, id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rebooted = append(o.rebooted, id)
	return nil
}

// CreateCluster lets each control plane answer at a port of its own, from 6443 on.
func (o *outside) CreateCluster(_ context.Context, c machine.Cluster) (machine.Endpoint, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clusters = append(o.clusters, c)
	return machine.Endpoint{Server: fmt.Sprintf("https://127.0.0.1:%d", 6443+c.Plane), Authority: "PEM"}, nil
}

func (o *outside) DeleteCluster(_ context.Context, plane int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, plane)
	return nil
}

// Install makes the Deployment of an add-on, whose pods find nodes at once.
func (o *outside) Install(ctx context.Context, addon string) error {
	two := int32(2)
	_, err := o.cluster.AppsV1().Deployments("kube-system").Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: addon},
		Spec: appsv1.DeploymentSpec{Replicas: &two, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: addon, Image: "eks/" + addon + ":v0"}}}}},
		Status: appsv1.DeploymentStatus{Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2}}, metav1.CreateOptions{})
	return err
}

func (o *outside) Remove(ctx context.Context, addon string) error {
	return o.cluster.AppsV1().Deployments("kube-system").Delete(ctx, addon, metav1.DeleteOptions{})
}

func (o *outside) machines() []machine.Machine {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.SortedFunc(maps.Values(o.running), func(a, b machine.Machine) int {
		return netip.MustParseAddr(a.PrivateIP).Compare(netip.MustParseAddr(b.PrivateIP))
	})
}

// loopback maps every address of a world's VPC to 127.n.y.z, so that load
// balancers and instances are reachable without a namespace, and worlds do not
// meet.
type loopback struct{ n byte }

// worlds counts the loopback networks of this test process.
var worlds atomic.Uint32

func (l loopback) local(ip netip.Addr) netip.Addr {
	b := ip.As4()
	b[0], b[1] = 127, l.n
	return netip.AddrFrom4(b)
}

func (loopback) Claim(netip.Addr) error   { return nil }
func (loopback) Release(netip.Addr) error { return nil }

func (l loopback) Listen(ip netip.Addr, port int) (*net.TCPListener, error) {
	return net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.local(ip), uint16(port))))
}

func (l loopback) Dial(ctx context.Context, _ netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", netip.AddrPortFrom(l.local(to.Addr()), to.Port()).String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// stack is what the example makes, by type and name.
type stack struct {
	*world
	vpc, cluster string
	public       []string // subnets
	made         [][2]string
}

func (s *stack) add(typ string, want props) props {
	s.t.Helper()
	model := s.make(typ, want)
	s.made = append(s.made, [2]string{typ, model["ID"].(string)})
	return model
}

// newStack makes a network in two zones and a cluster in it.
func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{world: newWorld(t), cluster: "demo"}
	s.vpc = s.add("AWS::EC2::VPC", props{"CidrBlock": "172.16.0.0/16", "EnableDnsHostnames": true,
		"EnableDnsSupport": true})["VpcId"].(string)
	igw := s.add("AWS::EC2::InternetGateway", props{})["InternetGatewayId"].(string)
	s.add("AWS::EC2::VPCGatewayAttachment", props{"VpcId": s.vpc, "InternetGatewayId": igw})
	table := s.add("AWS::EC2::RouteTable", props{"VpcId": s.vpc})["RouteTableId"].(string)
	s.add("AWS::EC2::Route", props{"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": igw})
	for k, zone := range []string{"us-west-2a", "us-west-2b"} {
		sub := s.add("AWS::EC2::Subnet", props{"VpcId": s.vpc, "AvailabilityZone": zone,
			"CidrBlock":           fmt.Sprintf("172.16.%d.0/19", 32*k),
			"MapPublicIpOnLaunch": true, "Tags": []props{{"Key": "kubernetes.io/role/elb",
				"Value": "1"}}})["SubnetId"].(string)
		s.public = append(s.public, sub)
		s.add("AWS::EC2::SubnetRouteTableAssociation", props{"SubnetId": sub, "RouteTableId": table})
	}
	role := s.add("AWS::IAM::Role", props{"RoleName": "cluster",
		"AssumeRolePolicyDocument": props{"Version": "2012-10-17"}})
	s.add("AWS::EKS::Cluster", props{"Name": s.cluster, "Version": "1.36", "RoleArn": role["Arn"],
		"ResourcesVpcConfig": props{"SubnetIds": s.public}, "AccessConfig": props{"AuthenticationMode": "API"},
		"Logging": props{"ClusterLogging": props{"EnabledTypes": []props{{"Type": "api"}}}}})
	return s
}
