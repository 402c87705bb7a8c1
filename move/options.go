package move

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/handover"
)

// Access says which cluster: a kubeconfig file and a context of it, each by
// kubectl's rules if it is empty. Without any kubeconfig it is the cluster that
// this process runs in.
type Access struct {
	Kubeconfig, Context string
}

// Options say what to move. From alone is needed.
type Options struct {
	Access
	From []Set // that is emptied
	To   []Set // where to: its groups have to be ready, and a pod that would go elsewhere is told of; empty: wherever else
	Then Then  // what becomes of the nodes
	Only Only  // the pods that move

	Leave int     // so many nodes of the one group stay, which are not chosen: it shrinks; needs Then: Empty
	Fresh []Fresh // nodes that are there before Run is called, and not yet when Check is

	CreateLike *Like // make the group first where the pods go, as a copy of the one group of From; To is left out

	Guards         []Guard        // watch the traffic
	Soak           time.Duration  // how long the emptied nodes are watched before the end, or before they go; 5 s at the least
	Settle         time.Duration  // how long those who send to a pod are given at the least
	BalancerSettle time.Duration  // how long a load balancer that cannot be asked gets to let go of a node; 0: 7 min
	Timeout        time.Duration  // the move is given up so long after it was approved, as if it were interrupted; 0: never
	Park           bool           // begin though some pods cannot be moved: they stay, all others move
	EndBare        bool           // pods that nothing controls may be ended for good
	Grace          *time.Duration // how long pods get to end; nil: their own time

	// Show sees what would be done, also if it is refused; Approve is asked when it
	// is not. An error of theirs stops the run before anything is changed.
	Show, Approve func(Report) error
	// Events gets all that happens; nil: nobody does.
	Events event.Sink
}

// Then is what becomes of the emptied nodes.
type Then string

// What may become of them.
const (
	Keep   Then = "keep"   // they stay: closed, empty and out of load balancers, until somebody takes them back
	Empty  Then = "empty"  // their group is scaled to none, instance by instance
	Delete Then = "delete" // … and deleted by its own API
)

// Fresh are nodes that are yet to be made, by whoever will call Run.
type Fresh struct {
	Nodes        int
	InstanceType string // t3.2xlarge; empty: not known, and they have ample room
}

// Only narrows a move to some pods. What is empty does not narrow it.
type Only struct {
	Namespaces []string
	Workloads  []string        // deployment/nginx, deployment/apps/nginx, or nginx
	Pods       labels.Selector // by labels; nil: all
	// SkipEnding leaves a pod out that should have ended longer ago than this, by its own
	// grace period and the API server's clock, as kubectl's --skip-wait-for-delete-timeout
	// does; 0: none.
	SkipEnding time.Duration
}

// Select narrows it to pods that a label selector finds; an empty one does not.
func (o *Only) Select(text string) (err error) {
	if text != "" {
		o.Pods, err = labels.Parse(text)
	}
	return err
}

// all: it narrows nothing.
func (o Only) all() bool {
	return len(o.Namespaces) == 0 && len(o.Workloads) == 0 && o.Pods == nil && o.SkipEnding == 0
}

// in is the core's question whether a pod is to move.
func (o Only) in() handover.In {
	if o.all() {
		return nil
	}
	return func(p *handover.Pod, now time.Time) bool {
		return (len(o.Namespaces) == 0 || slices.Contains(o.Namespaces, p.Namespace)) &&
			(len(o.Workloads) == 0 || slices.ContainsFunc(o.Workloads, func(w string) bool { return isWorkload(w, p) })) &&
			(o.Pods == nil || o.Pods.Matches(labels.Set(p.Labels))) &&
			(o.SkipEnding <= 0 || !p.Deleting || now.Sub(p.GoneBy) <= o.SkipEnding)
	}
}

// naming is one name of pods that an option gives.
type naming struct {
	text string // as a person says it: workload deployment/apps/nginx
	of   func(*handover.Pod) bool
}

// namings are all names that the options give, each by itself: of one that no pod has,
// (*job).nameless tells.
func (o Only) namings() []naming {
	var all []naming
	for _, n := range o.Namespaces {
		all = append(all, naming{"namespace " + n, func(p *handover.Pod) bool { return p.Namespace == n }})
	}
	for _, w := range o.Workloads {
		all = append(all, naming{"workload " + w, func(p *handover.Pod) bool { return isWorkload(w, p) }})
	}
	if o.Pods != nil {
		all = append(all, naming{"pods " + o.Pods.String(), func(p *handover.Pod) bool { return o.Pods.Matches(labels.Set(p.Labels)) }})
	}
	return all
}

// isWorkload: the text names the pod's workload, of any namespace or kind if it names none.
func isWorkload(text string, p *handover.Pod) bool {
	key := p.Subject() // deployment/apps/nginx, or rollout.argoproj.io/apps/nginx
	kind, rest, _ := strings.Cut(key, "/")
	short, _, _ := strings.Cut(kind, ".")
	_, name, _ := strings.Cut(rest, "/")
	text = strings.ToLower(text)
	return slices.Contains([]string{key, name, kind + "/" + name, short + "/" + name, short + "/" + rest}, text)
}

// Guard watches traffic by steady probes, and stops the move when it suffers. Its
// defaults are those of the stack file.
type Guard struct {
	URL     string // http or https
	Host    string // Host header
	Method  string // empty: GET
	Headers map[string]string
	Body    string
	Status  []int         // expected; empty: 200
	Expect  string        // regular expression that the body must match; empty: any
	Rate    float64       // probes per second; 0: 50
	Timeout time.Duration // after which a probe has failed; 0: 5 s

	MaxErrors *int   // failures that are forgiven, in all, and be they within 10 s; nil: 1 within 10 s, and 10 in all
	P99       string // "500ms", or "3x" what it was before the move; empty: not watched
	OnBreach  string // stop or ignore; empty: stop
}

const (
	guardRate     = 50 // as spec has it
	guardTotal    = 10
	guardInWindow = 1
)

func (g Guard) graph() graph.Guard {
	out := graph.Guard{
		Target: graph.Target{URL: g.URL, Host: g.Host, Body: g.Body}, URL: g.URL, Host: g.Host, Method: g.Method, Headers: g.Headers, Body: g.Body, Status: g.Status,
		Expect: g.Expect, Rate: g.Rate, Timeout: g.Timeout, P99: g.P99, MaxErrors: guardTotal, MaxInWindow: guardInWindow, OnBreach: graph.OnBreach(g.OnBreach),
	}
	if g.MaxErrors != nil {
		out.MaxErrors, out.MaxInWindow = *g.MaxErrors, 0
	}
	if g.Rate == 0 {
		out.Rate = guardRate
	}
	if g.OnBreach == "stop" {
		out.OnBreach = graph.Stop
	}
	return out
}
