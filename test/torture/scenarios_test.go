//go:build torture

package torture

import (
	"cmp"
	"os"
	"path/filepath"
	"time"
)

// scenario is one hard move. What it runs lies in scenarios/NAME, over the
// project in base/: app/ is launched, late.yaml is applied just before the move.
type scenario struct {
	Name, About string

	Group  string // logical name of the group that moves; "work" unless given
	Output string // of the stack: the URL of the load balancer; "url" unless given
	Host   string
	Path   string
	Expect string // what every answer must match: who answered

	NodePort  bool   // requests go to a node that stays, as the load balancer is disturbed itself
	KeepAlive bool   // requests share connections
	Streams   string // path of answers that take long; one is asked for each second
	Zonal     bool   // its load balancer has an address in each zone, and answers before it is ready
	Sockets   bool   // connections that are upgraded and kept

	Kinds    []kind       // of load balancers, each with a workload of its own
	Launched func(*stack) // done once it is launched

	Like       string // scenario whose project it starts from, instead of one of its own
	Controller bool   // the AWS Load Balancer Controller is part of the project

	Whole  bool          // it brings all of its project, nothing comes from base/
	Start  []edit        // of the project, before it is launched
	Change []edit        // what Drover is to carry out
	Beside []edit        // the second group that the tutorials' way needs
	Then   []edit        // before the second command, if there is one
	Again  int           // how often the same command is run once more
	Flags  []string      // of drover up
	Limit  time.Duration // of a run, where it is longer than its way usually takes
	Every  func(*stack)  // done each second from the launch to the end: an operator at work

	Disturb disturbance

	Ends    []int  // exit codes that are right for Drover; 0 unless given
	MayFail int    // requests that may fail, where nobody could help it
	Why     string // … why they do
	Says    string // the reason that Drover gives if requests fail, or if it does not end with 0
	Broken  string // why pods may be left not Ready; empty: none may
}

// edit replaces text in a file of the project.
type edit struct{ File, Old, New string }

const workGroup = "work: {kind: self-managed, instanceType: t3.large, capacity: 3"

var (
	newMachines  = []edit{{"drover.yaml", workGroup, "work: {kind: self-managed, instanceType: m5.large, capacity: 3"}}
	bothMachines = []edit{newMachines[0], {"drover.yaml", "other: {kind: self-managed, instanceType: t3.large", "other: {kind: self-managed, instanceType: m5.large"}}
	besideWork   = []edit{{"drover.yaml", "  other:", "  next: {kind: self-managed, instanceType: m5.large, capacity: 3, labels: {pool: work}}\n  other:"}}
	oneLess      = []edit{{"drover.yaml", workGroup, "work: {kind: self-managed, instanceType: t3.large, capacity: 2"}}
	oneMore      = []edit{{"drover.yaml", "work: {kind: self-managed, instanceType: t3.large, capacity: 2", workGroup}}
	otherPool    = []edit{{"drover.yaml", "other: {kind: self-managed, instanceType: t3.large, capacity: 2", "other: {kind: self-managed, instanceType: t3.large, capacity: 2, labels: {pool: other}"}}
	placedOnWork = []edit{{"drover.yaml", "app: {manifests: ./app}", "app: {manifests: ./app, nodeGroup: work}"}}
	tenNodes     = []edit{{"drover.yaml", workGroup, tenOf("t3.large")}}
	guarded      = []edit{{"drover.yaml", "outputs:", "guard:\n  - {url: \"http://${workloads.app.services.guarded.hostname}/\", rate: 50/s, maxErrors: 0, expect: answered by app-, onBreach: return}\noutputs:"}}
)

// scenarios in the order of the report.
var scenarios = complete([]scenario{
	{Name: "tutorial", About: "the example of `drover new`: NGINX on a group of its own, echoservers behind it", Whole: true, KeepAlive: true,
		Group: "web", Output: "nginxServiceUrl", Host: "apps.example.com", Path: "/echoserver", Expect: "Hostname: echoserver-",
		Change: []edit{{"drover.yaml", "instanceType: t3.2xlarge", "instanceType: c5.4xlarge"}},
		Beside: []edit{{"drover.yaml", "  # For NGINX alone", "  next: {kind: self-managed, instanceType: c5.4xlarge, capacity: 3, taints: [\"nginx=true:NoSchedule\"]}\n  # For NGINX alone"}, {"drover.yaml", "nodeGroup: web", "nodeGroup: next"}}},
	{Name: "one-replica", About: "one replica, and a budget that wants one"},
	{Name: "budget-zero", About: "a budget that never allows a disruption"},
	{Name: "slow-start", About: "20 s until a pod is Ready"},
	{Name: "ten-nodes", About: "ten nodes with a Deployment of 30, 20 s until a pod is Ready, one may be missing", Limit: 30 * time.Minute,
		Start: tenNodes, Change: []edit{{"drover.yaml", tenOf("t3.large"), tenOf("m5.large")}},
		Beside: []edit{{"drover.yaml", "  other:", "  next: {kind: self-managed, instanceType: m5.large, capacity: 10, labels: {pool: work}}\n  other:"}}},
	{Name: "exits-at-once", About: "gone at once on SIGTERM, without a preStop hook"},
	{Name: "streaming", About: "answers that take 30 s", Streams: "/stream"},
	{Name: "websockets", About: "upgraded connections that clients keep", Sockets: true},
	{Name: "local-traffic", About: "`externalTrafficPolicy: Local`"},
	{Name: "local-traffic-placed", About: "the same, re-placed by the plan because it names its group", Start: placedOnWork,
		Beside: append(append([]edit{}, besideWork...), edit{"drover.yaml", "nodeGroup: work", "nodeGroup: next"})},
	{Name: "network-balancer", About: "a Network Load Balancer, with its 300 s of deregistration delay", Zonal: true},
	{Name: "network-balancer-local", About: "the same with `externalTrafficPolicy: Local`, its zones sharing their targets", Zonal: true},
	{Name: "network-balancer-local-placed", About: "the same, re-placed by the plan because it names its group", Zonal: true, Like: "network-balancer-local", Start: placedOnWork,
		Beside: append(append([]edit{}, besideWork...), edit{"drover.yaml", "nodeGroup: work", "nodeGroup: next"})},
	{Name: "network-balancer-pods", About: "a Network Load Balancer that sends to pods, with readiness gates", Zonal: true, Like: "network-balancer",
		Controller: true, Start: behindNLB("60")},
	{Name: "application-balancer", About: "an Application Load Balancer that sends to pods, with readiness gates", Like: "network-balancer", Controller: true, KeepAlive: true,
		Start: behindALB("ip", "30")},
	{Name: "application-balancer-nodes", About: "an Application Load Balancer that sends to nodes", Like: "network-balancer", Controller: true, KeepAlive: true,
		Start: behindALB("instance", "30"), MayFail: 20, Says: "keeps connections to pods through nodes that stay: a request .* gets a 502",
		Why: "the balancer keeps connections to a pod through nodes that stay, and a request that it sends on one while the pod closes it gets a 502; told beforehand"},
	{Name: "application-balancer-nodes-local", About: "the same with `externalTrafficPolicy: Local`", Like: "network-balancer-local", Controller: true, KeepAlive: true,
		Start: behindALB("instance", "30")},
	{Name: "application-balancer-streams", About: "answers that take 30 s, behind an Application Load Balancer that sends to pods", Like: "streaming", Controller: true,
		Streams: "/stream", Start: behindALB("ip", "60")},
	{Name: "application-balancer-sockets", About: "connections that clients keep, behind an Application Load Balancer that sends to pods", Like: "websockets", Controller: true,
		Sockets: true, Start: behindALB("ip", "60"), MayFail: 60, Says: "connections to an old pod that are still open 1m0s after the pod left it are cut",
		Why: "the balancer cuts connections that outlive its draining time, of 60 s here, and no pod has said goodbye by then; told beforehand, with the time"},
	{Name: "network-balancer-streams", About: "answers that take 30 s, behind a Network Load Balancer", Like: "streaming", Zonal: true, Streams: "/stream", Start: behindNodesNLB},
	{Name: "network-balancer-sockets", About: "connections that clients keep, behind a Network Load Balancer", Like: "websockets", Zonal: true, Sockets: true, Start: behindNodesNLB},
	{Name: "network-balancer-killed", About: "killed a minute into the wait for a Network Load Balancer's 300 s, and started again", Like: "network-balancer", Zonal: true,
		Disturb: disturbance{letGo, kill9}, Again: 1},
	{Name: "kinds", About: "every kind of load balancer beside each other, 60 s of deregistration delay each: [below](#kinds-of-load-balancers)",
		Controller: true, Kinds: kinds, Start: allKinds(), Launched: drainForAMinute, MayFail: 200, Says: "that are still open 1m0s after the (pod|node) left it are cut",
		Why: "connections that outlive the draining time are cut by the load balancers themselves; told beforehand of each, with the time"},
	{Name: "stateful-set", About: "a StatefulSet of three"},
	{Name: "stateful-set-placed", About: "the same with `externalTrafficPolicy: Local` and `updateStrategy: OnDelete`, re-placed by the plan because it names its group", Like: "stateful-set",
		Start: append([]edit{{"app/app.yaml", "  serviceName: peers\n", "  serviceName: peers\n  updateStrategy: {type: OnDelete}\n"},
			{"app/app.yaml", "  type: LoadBalancer\n", "  type: LoadBalancer\n  externalTrafficPolicy: Local\n"}}, placedOnWork...),
		Beside: append(append([]edit{}, besideWork...), edit{"drover.yaml", "nodeGroup: work", "nodeGroup: next"})},
	{Name: "stateful-set-without-hook", About: "the same without a preStop hook: told beforehand that requests will fail", MayFail: 200, Says: "without a preStop hook",
		Why: "each pod has a name of its own, so it ends before its successor starts, and without a preStop hook while proxies send to it yet; told beforehand"},
	{Name: "scaled-in-the-middle", About: "scaled from 2 to 5, as an autoscaler does, in the middle", Disturb: disturbance{moving, does(scaleUp)}},
	{Name: "two-budgets", About: "two budgets on one pod"},
	{Name: "crash-loop-elsewhere", About: "a replica of another workload that crashes again and again", Broken: "it crashed before", Ends: []int{0, 8}},
	{Name: "active-passive", About: "one pod serves, another one stands by; an operator labels who does", Every: labelActive, Ends: []int{0, 3, 8}, Says: "app"},
	{Name: "image-gone", About: "twenty workloads, the image of one is gone", Broken: "its image is gone", Ends: []int{3, 8}, Says: "w07"},
	{Name: "tolerates-everything", About: "it tolerates every taint"},
	{Name: "unknown-owner", About: "pods of an operator that Drover does not know", Every: ledgerOperator, Ends: []int{0, 3, 8}, Says: "ledger|Ledger|app-"},
	{Name: "policy-on-labels", About: "a policy that forbids to change labels of pods", Ends: []int{0, 3, 8}, Says: "frozen"},
	{Name: "evictions-denied", About: "a policy that refuses evictions", Ends: []int{3, 8}, Says: "ask the owner"},
	{Name: "recreate", About: "a Deployment of one with strategy Recreate", Ends: []int{3, 8}, Says: "Recreate"},
	{Name: "no-probe", About: "no readiness probe, and 5 s until it listens: told beforehand that requests will fail", MayFail: 3000, Ends: []int{0, 3, 8}, Says: "probe",
		Why: "without a probe a pod counts as Ready before it listens; told beforehand"},
	{Name: "daemon-set", About: "a Service of a DaemonSet"},
	{Name: "bare-replica-set", About: "a ReplicaSet without a Deployment, and a budget in percent", Ends: []int{0, 3, 8}},
	{Name: "quota-full", About: "a quota that has no room for one pod more", Ends: []int{3, 8}, Says: "quota"},
	{Name: "host-port", About: "an ingress on a port of its nodes (`hostPort`)"},
	{Name: "volumes", About: "a StatefulSet with a volume each, bound to its zone and to one node at a time"},
	{Name: "dns", About: "CoreDNS moves, and is asked 200 times a second", Path: "/resolve/app.apps.svc.cluster.local"},
	{Name: "job", About: "a Job that may not be interrupted"},
	{Name: "new-group-deleted", About: "somebody deletes the new group in the middle", Disturb: disturbance{moving, does(deleteNewGroup)}, Ends: []int{5, 6, 8}, MayFail: 200, Broken: "its node was deleted"},
	{Name: "old-node-dies", About: "an old node dies in the middle", Disturb: disturbance{closed, does(loseOldNode)}, MayFail: 600,
		Why: "until EC2 says that the instance has ended, and proxies follow, its pod is sent to, and after that [lone connections](hand-over.md#lone-timeouts-after-a-node-has-died) time out"},
	{Name: "stuck-terminating", About: "a pod keeps a finalizer for a minute after its end", Disturb: disturbance{begun, does(addFinalizer)}, Ends: []int{0, 8}},
	{Name: "api-server-away", About: "the API server is away for a minute", Disturb: disturbance{closed, does(away("controlplane"))}, Ends: []int{0, 5}, Again: 1},
	{Name: "aws-away", About: "AWS is away for a minute", NodePort: true, Disturb: disturbance{closed, does(away("aws"))}, Ends: []int{0, 5}, Again: 1},
	{Name: "aws-throttles", About: "AWS refuses every call as too many, for a minute", Disturb: disturbance{closed, does(fault("aws", "throttle", "--for", "1m"))}, Ends: []int{0, 5}, Again: 1},
	{Name: "answers-lost", About: "AWS carries out its next 5 orders and loses the answers", Disturb: disturbance{begun, does(fault("aws", "lose", "--service", "cloudcontrolapi", "--operation", "*Resource", "--count", "5"))}},
	{Name: "old-node-cut", About: "an old node loses its network for 90 s in the middle", Disturb: disturbance{closed, does(faultOfOldNode("cut", "90s"))}, MayFail: 4000,
		Why: "its instance runs on and nobody says that it is cut off: its pod is sent to until a replacement serves (some 2 s), and the node until its load balancer finds it unhealthy; the tutorials' way ends that very pod at once, with none in its place"},
	{Name: "killed-when-closed", About: "Drover is killed when a node has been closed, and started again", Disturb: disturbance{closed, kill9}, Again: 1},
	{Name: "killed-while-moving", About: "killed when the first new pod stands, and started again", Disturb: disturbance{moving, kill9}, Again: 1},
	{Name: "killed-while-leaving", About: "killed when the first old pod ends, and started again", Disturb: disturbance{leaving, kill9}, Again: 1},
	{Name: "killed-while-retiring", About: "killed when the first old instance ends, and started again", Disturb: disturbance{retiring, kill9}, Again: 1},
	{Name: "ctrl-c", About: "Ctrl-C in the middle, and left so", Disturb: disturbance{moving, ctrlC}, Ends: []int{130}},
	{Name: "two-moves", About: "two groups move in one command", Start: otherPool, Change: bothMachines},
	{Name: "rollout-in-the-middle", About: "`kubectl rollout restart` in the middle", Disturb: disturbance{moving, does(restartRollout)}},
	{Name: "shrink-taken-back", About: "one node less, interrupted, and the old number again", Change: oneLess, Disturb: disturbance{closed, ctrlC}, Then: oneMore, Again: 1},
	{Name: "breach-and-return", About: "the guard breaks in the middle; everything goes back", Start: guarded, Disturb: disturbance{moving, does(breakGuard)}, Ends: []int{10}},
})

// tenOf is the group of ten nodes.
func tenOf(instanceType string) string {
	return "work: {kind: self-managed, instanceType: " + instanceType + ", capacity: 10"
}

// complete fills in what most scenarios share.
func complete(all []scenario) []scenario {
	for i := range all {
		s := &all[i]
		s.Group, s.Output, s.Expect = cmp.Or(s.Group, "work"), cmp.Or(s.Output, "url"), cmp.Or(s.Expect, "answered by app-")
		s.Path = cmp.Or(s.Path, "/")
		if s.Change == nil {
			s.Change = newMachines
		}
		if s.Beside == nil {
			s.Beside = besideWork
		}
		if s.Ends == nil {
			s.Ends = []int{0}
		}
	}
	return all
}

// late applies what comes into the cluster after the launch.
func (s scenario) late(k *stack) {
	if _, err := os.Stat(filepath.Join(k.project(), "late.yaml")); err == nil {
		k.apply("late.yaml")
		k.tell("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=2m") // it may be what was changed
	}
}
