package move

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/droverhq/drover/problem"
)

// What each command asks of a cluster and of AWS. This is the one table of it:
// drover rbac prints rows of it, docs/permissions.md explains it, and a test holds
// it against the requests that are made.

// Need is one thing that a command must be allowed to do in a cluster.
type Need struct {
	Namespace string // empty: everywhere
	Group     string // API group; empty: the core
	Resources []string
	Verbs     []string
	Why       string
	commands  string // that need it
}

// The commands, by what they need.
const (
	looks  = "check migrate drain recover" // watch the whole cluster
	tries  = "check migrate drain"         // look beforehand, and try calls as dry runs
	moves  = "migrate drain recover"       // change what runs
	makes  = "migrate create-like"         // make a group; not narrowed to groups that stand
	fence  = "protect"                     // change a group, and nothing of a cluster
	steers = "moves"                       // only read and write what moves keep
)

const system = "kube-system"

var watch = []string{"get", "list", "watch"}

// needs are all of them, reads first.
var needs = []Need{
	{"", "", []string{"nodes", "pods", "services", "replicationcontrollers", "persistentvolumes", "persistentvolumeclaims"}, watch, "what runs where, and who sends there", looks},
	{"", "apps", []string{"deployments", "replicasets", "statefulsets", "daemonsets"}, watch, "whose the pods are, and how they may be replaced", looks},
	{"", "apps.kruise.io", []string{"clonesets"}, watch, "the same, where it is served", looks},
	{"", "leaderworkerset.x-k8s.io", []string{"leaderworkersets"}, watch, "the same", looks},
	{"", "batch", []string{"jobs", "cronjobs"}, watch, "work that must not be cut short", looks},
	{"", "discovery.k8s.io", []string{"endpointslices"}, watch, "whether a pod has traffic", looks},
	{"", "policy", []string{"poddisruptionbudgets"}, watch, "what has to keep serving", looks},
	{"", "networking.k8s.io", []string{"networkpolicies", "ingresses"}, watch, "which labels pods must keep, and who sends to them", looks},
	{"", "storage.k8s.io", []string{"volumeattachments"}, watch, "whether a node has let go of its volumes", looks},
	{"", "gateway.networking.k8s.io", []string{"httproutes", "grpcroutes", "tlsroutes", "tcproutes", "udproutes", "gateways"}, watch, "who sends to pods, where it is served", looks},
	{"", "elbv2.k8s.aws", []string{"targetgroupbindings"}, watch, "the same", looks},
	{"", "eks.amazonaws.com", []string{"targetgroupbindings"}, watch, "the same, of EKS Auto Mode", looks},
	{"", "security.istio.io", []string{"peerauthentications", "authorizationpolicies", "requestauthentications"}, watch, "which labels pods must keep, where it is served", looks},
	{"", "networking.istio.io", []string{"destinationrules", "gateways", "sidecars", "envoyfilters", "serviceentries"}, watch, "the same", looks},
	{"", "telemetry.istio.io", []string{"telemetries"}, watch, "the same", looks},
	{"", "extensions.istio.io", []string{"wasmplugins"}, watch, "the same", looks},
	{"", "policy.linkerd.io", []string{"servers"}, watch, "the same", looks},
	{"", "policy.networking.k8s.io", []string{"adminnetworkpolicies", "baselineadminnetworkpolicies", "clusternetworkpolicies"}, watch, "the same", looks},
	{"", "crd.projectcalico.org", []string{"networkpolicies", "globalnetworkpolicies"}, watch, "the same", looks},
	{"", "cilium.io", []string{"ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies"}, watch, "the same", looks},
	{"", "monitoring.coreos.com", []string{"podmonitors"}, watch, "the same", looks},
	{"", "*", []string{"*/scale"}, []string{"get"}, "how many pods an operator's object wants", looks},
	{"", "", []string{"namespaces"}, watch, "namespace selectors", tries},
	{"", "storage.k8s.io", []string{"storageclasses", "csinodes"}, watch, "where volumes may go", tries},
	{"", "admissionregistration.k8s.io", []string{"validatingwebhookconfigurations", "mutatingwebhookconfigurations"}, []string{"list"}, "who must allow what a move does", tries},
	{"", "coordination.k8s.io", []string{"leases"}, []string{"list"}, "whether a scheduler that pods name is alive", tries},
	{"", "", []string{"secrets", "configmaps", "serviceaccounts"}, []string{"get"}, "whether what a new pod would mount is there; without it that is not looked at", tries},
	{"", "", []string{"pods"}, []string{"create"}, "another pod of each workload, as a dry run", tries},
	{"", "", []string{"pods"}, []string{"patch"}, "let a pod leave its ReplicaSet and its Services; for check as a dry run", tries + " recover"},
	{"", "", []string{"pods/eviction"}, []string{"create"}, "evict; for check as a dry run", tries + " recover"},
	{"", "", []string{"nodes"}, []string{"patch"}, "cordon, and take out of load balancers; for check as a dry run", tries + " recover"},
	{system, "apps", []string{"deployments"}, []string{"patch"}, "keep a descheduler from evicting while nodes are closed; in another namespace give the same there", moves},
	{system, "batch", []string{"cronjobs"}, []string{"patch"}, "the same of one that a CronJob runs", moves},
	{"", "policy", []string{"poddisruptionbudgets"}, []string{"patch"}, "have a budget counted anew", moves},
	{system, "", []string{"pods"}, []string{"get", "create", "delete"}, "pods that keep others off a node that leaves", moves},
	{"", "", []string{"nodes"}, []string{"delete"}, "remove nodes whose instances have ended (--then empty or delete)", "migrate"},
	{system, "", []string{"configmaps"}, []string{"get", "list"}, "the records of moves", steers + " " + moves},
	{system, "", []string{"configmaps"}, []string{"create", "patch", "delete"}, "the same", moves},
	{system, "coordination.k8s.io", []string{"leases"}, []string{"get", "list", "patch"}, "the locks of moves, and wishes to who holds one", steers + " " + moves},
	{system, "coordination.k8s.io", []string{"leases"}, []string{"create", "update", "delete"}, "the same", moves},
}

// Call is one action of AWS that a command must be allowed.
type Call struct {
	Action   string
	Why      string
	commands string
}

// calls are all of them. None is needed on a cluster elsewhere.
var calls = []Call{
	{"autoscaling:DescribeAutoScalingGroups", "which instances a group has, and what it does on its own", looks + " " + fence},
	{"autoscaling:DescribeAutoScalingInstances", "which group an instance is in", looks},
	{"autoscaling:DescribePolicies", "what makes a group larger or smaller by itself", looks},
	{"autoscaling:DescribeScheduledActions", "the same", looks},
	{"autoscaling:DescribeWarmPool", "the same", looks},
	{"autoscaling:DescribeInstanceRefreshes", "what replaces its instances by itself", looks},
	{"ec2:DescribeInstances", "whether an instance is there", looks},
	{"ec2:DescribeInstanceTypes", "what nodes that are still to come have room for", tries},
	{"elasticloadbalancing:DescribeLoadBalancers", "who sends through a node", looks},
	{"elasticloadbalancing:DescribeLoadBalancerAttributes", "how long connections are drained", looks},
	{"elasticloadbalancing:DescribeInstanceHealth", "whether a Classic load balancer has let go", looks},
	{"elasticloadbalancing:DescribeTargetGroups", "whether another one has", looks},
	{"elasticloadbalancing:DescribeTargetGroupAttributes", "the same", looks},
	{"elasticloadbalancing:DescribeTargetHealth", "the same", looks},
	{"elasticloadbalancing:DeregisterTargets", "take a node out of what its group registered it with", moves},
	{"elasticloadbalancing:RegisterTargets", "put it in again", moves},
	{"elasticloadbalancing:DeregisterInstancesFromLoadBalancer", "the same of a Classic load balancer", moves},
	{"elasticloadbalancing:RegisterInstancesWithLoadBalancer", "the same", moves},
	{"autoscaling:SuspendProcesses", "keep a group from ending nodes while pods move", moves},
	{"autoscaling:ResumeProcesses", "let it act again", moves},
	{"autoscaling:UpdateAutoScalingGroup", "let a group that is emptied shrink; set what it retains", moves + " " + fence},
	{"autoscaling:CreateOrUpdateTags", "write down on the group what it was like", moves + " " + fence},
	{"autoscaling:DeleteTags", "the same", moves + " " + fence},
	{"eks:UpdateNodegroupConfig", "the same of a managed group", moves},
	{"eks:DescribeUpdate", "whether it may shrink by now", moves},
	{"autoscaling:PutLifecycleHook", "have an instance held that is to end", fence},
	{"autoscaling:DeleteLifecycleHook", "the fence goes", fence},
	{"autoscaling:CompleteLifecycleAction", "let an instance through the fence of its group (--then empty or delete)", "migrate"},
	{"autoscaling:TerminateInstanceInAutoScalingGroup", "end the instances (--then empty or delete)", "migrate"},
	{"autoscaling:DeleteAutoScalingGroup", "delete the group (--then delete)", "migrate"},
	{"autoscaling:DescribeLifecycleHooks", "what a group is like that is copied (--create-like)", "migrate"},
	{"ec2:DescribeLaunchTemplateVersions", "the same", "migrate"},
	{"ec2:DescribeImages", "of what kind its image is (--version, --instance-type)", "migrate"},
	{"ssm:GetParameter", "the newest image of that kind", "migrate"},
	{"eks:DescribeCluster", "whether its control plane has that version", "migrate"},
	{"ec2:DescribeLaunchTemplates", "whether an earlier run has made the copy's template", "migrate"},
	{"autoscaling:CreateAutoScalingGroup", "make the copy", makes},
	{"ec2:CreateLaunchTemplate", "make its launch template", makes},
	{"ec2:CreateTags", "mark that as a copy", makes},
	{"ec2:RunInstances", "Auto Scaling asks whether the caller might launch from it", makes},
	{"eks:CreateNodegroup", "make the copy of a managed group", makes},
	{"eks:TagResource", "mark it as a copy", makes},
	{"iam:PassRole", "its nodes have the role of the old ones", makes},
	{"eks:DeleteNodegroup", "delete a managed group (--then delete)", "migrate"},
	{"eks:DescribeNodegroup", "whether it is gone", "migrate"},
}

// Commands are those that permissions are known of.
func Commands() []string {
	return []string{"check", "migrate", "drain", "moves", "recover", "protect"}
}

// Permissions is what one command needs.
type Permissions struct {
	Command string
	Needs   []Need
	Calls   []Call
}

// PermissionsFor tells what a command needs; "" for all of them.
func PermissionsFor(command string) (Permissions, error) {
	if command != "" && !slices.Contains(Commands(), command) {
		return Permissions{}, &problem.Error{Kind: problem.Usage, Op: "permissions", Err: fmt.Errorf("%q is no command that works on any cluster", command), Fix: "take one of " + strings.Join(Commands(), ", ")}
	}
	p := Permissions{Command: command}
	for _, n := range needs {
		if command == "" || slices.Contains(strings.Fields(n.commands), command) {
			p.Needs = append(p.Needs, n)
		}
	}
	for _, c := range calls {
		if command == "" || slices.Contains(strings.Fields(c.commands), command) {
			p.Calls = append(p.Calls, c)
		}
	}
	return p, nil
}

func (p Permissions) name() string {
	if p.Command == "" {
		return "drover"
	}
	return "drover-" + p.Command
}

// Roles writes a ClusterRole, a Role in kube-system, and their bindings to a
// user, as YAML for kubectl apply.
func (p Permissions) Roles(w io.Writer, user string) error {
	var b strings.Builder
	for _, namespace := range []string{"", system} {
		if slices.ContainsFunc(p.Needs, func(n Need) bool { return n.Namespace == namespace }) {
			p.role(&b, namespace)
			p.binding(&b, namespace, user)
		}
	}
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "---\n"))
	return err
}

func kindOf(namespace string) string {
	if namespace == "" {
		return "ClusterRole"
	}
	return "Role"
}

func (p Permissions) head(b *strings.Builder, kind, namespace string) {
	fmt.Fprintf(b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata:\n  name: %s\n", kind, p.name())
	if namespace != "" {
		fmt.Fprintf(b, "  namespace: %s\n", namespace)
	}
}

func (p Permissions) role(b *strings.Builder, namespace string) {
	p.head(b, kindOf(namespace), namespace)
	b.WriteString("rules:\n")
	for _, n := range p.Needs {
		if n.Namespace == namespace {
			fmt.Fprintf(b, "  # %s\n  - {apiGroups: [%q], resources: [%s], verbs: [%s]}\n", n.Why, n.Group, quoted(n.Resources), strings.Join(n.Verbs, ", "))
		}
	}
}

func (p Permissions) binding(b *strings.Builder, namespace, user string) {
	kind := kindOf(namespace)
	p.head(b, kind+"Binding", namespace)
	fmt.Fprintf(b, "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %s, name: %s}\nsubjects:\n  - {apiGroup: rbac.authorization.k8s.io, kind: User, name: %q}\n", kind, p.name(), user)
}

func quoted(texts []string) string {
	all := make([]string, len(texts))
	for i, t := range texts {
		all[i] = fmt.Sprintf("%q", t)
	}
	return strings.Join(all, ", ")
}

// statement is one of an IAM policy.
type statement struct {
	Sid, Effect      string
	Action, Resource []string
}

// changed is on what calls that change things are allowed, by their service: all of its
// objects of these types, in any partition.
var changed = []statement{
	{"DroverMoves", "Allow", []string{"autoscaling"}, []string{"arn:*:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/*"}},
	{"DroverMovesTargets", "Allow", []string{"elasticloadbalancing"}, []string{"arn:*:elasticloadbalancing:*:*:targetgroup/*", "arn:*:elasticloadbalancing:*:*:loadbalancer/*"}},
	{"DroverMovesManaged", "Allow", []string{"eks"}, []string{"arn:*:eks:*:*:nodegroup/*"}},
}

// reads: the call changes nothing, and mostly knows no single object.
func (c Call) reads() bool {
	_, verb, _ := strings.Cut(c.Action, ":")
	return strings.HasPrefix(verb, "Describe") || strings.HasPrefix(verb, "List") || strings.HasPrefix(verb, "Get")
}

// actions are the calls that are so.
func (p Permissions) actions(so func(Call) bool) []string {
	var all []string
	for _, c := range p.Calls {
		if so(c) {
			all = append(all, c.Action)
		}
	}
	return all
}

// statements are those of the policy. What makes a copy of a group is allowed on all
// objects: the copy is not there yet.
func (p Permissions) statements() []statement {
	everything := []string{"*"}
	all := []statement{{"DroverReads", "Allow", p.actions(Call.reads), everything}}
	for _, s := range changed {
		of := s.Action[0] + ":"
		s.Action = p.actions(func(c Call) bool { return strings.HasPrefix(c.Action, of) && !c.reads() && c.commands != makes })
		all = append(all, s)
	}
	all = append(all, statement{"DroverMakes", "Allow", p.actions(func(c Call) bool { return c.commands == makes }), everything})
	return slices.DeleteFunc(all, func(s statement) bool { return len(s.Action) == 0 })
}

// Policy writes the IAM policy. What changes groups may be narrowed to yours by
// their tags.
func (p Permissions) Policy(w io.Writer) error {
	text, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": p.statements()}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
