package handover

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/droverhq/drover/event"
)

// Foresight is what a move would do, and meet.
type Foresight struct {
	Nodes     []string // that leave
	Pods      []Fate   // on them
	Balancers int      // that send through them
	Findings  []event.Finding
	Takes     time.Duration // about so long, if nothing is in its way
}

// Fate is what would become of a pod.
type Fate struct {
	Pod      Ref
	Workload string // deployment/apps/nginx; pod/apps/x if nothing controls it
	Node     string
	How      How    // empty: it stays, and ends with its node
	Why      string // why not better; why it stays
	To       string // node where its replacement would go; empty: it is not known, or nowhere
	Nowhere  string // by which rules
	Daemon   bool   // a DaemonSet's
	EmptyDir bool   // it keeps data that end with it
	Bare     bool   // nothing controls it
}

// Foresee looks at what an errand would do. It changes nothing.
func (m *Mover) Foresee(ctx context.Context, e Errand) (Foresight, error) {
	cluster, err := m.open(ctx, e.From)
	if err != nil {
		return Foresight{}, err
	}
	defer cluster.Close()
	e.Events = event.Discard
	r := e.run(m, cluster)
	o, err := r.observe(ctx, nil)
	if err != nil {
		return Foresight{}, fmt.Errorf("inspect %s: %w", e.From.Name, err)
	}
	q := r.question(ctx, o, nil, e.From.Fresh)
	i := inspect(q)
	return Foresight{Nodes: q.Leaving, Pods: i.fates(), Balancers: i.balancers(), Findings: Findings(q), Takes: i.takes()}, nil
}

// fates are those of all pods on nodes that leave, node by node.
func (i *inspection) fates() []Fate {
	var all []Fate
	for _, node := range i.Leaving {
		for _, p := range i.v.On(node) {
			if !p.Sentinel {
				all = append(all, i.fate(p))
			}
		}
	}
	return all
}

func (i *inspection) fate(p *Pod) Fate {
	f := Fate{Pod: p.Ref, Workload: p.owner(), Node: p.Node, Daemon: p.daemon(), EmptyDir: p.EmptyDir, Bare: p.Workload == "" && p.Released == "" && !p.stays()}
	switch {
	case p.daemon():
		f.Why = "a DaemonSet's: it belongs to its node"
	case p.Mirror:
		f.Why = "static: it belongs to its node"
	case p.stays():
		f.Why = "it has finished"
	case !i.Scope.concerns(p, i.v.Now):
		f.Why = "it is not among those that are to move"
	default:
		pr := i.promised(p)
		f.How, f.Why = pr.how, pr.why
		where := i.Placements[p.UID]
		f.To, f.Nowhere = where.Node, where.Why
	}
	return f
}

const (
	// startGuess is how long a pod takes to serve if its like was never seen to start.
	startGuess = 10 * time.Second
	// endGuess is how long a pod takes to end that has no preStop hook: most end at once.
	endGuess = 2 * time.Second
	// leaveGuess is what a load balancer takes to notice that a node shall leave it.
	leaveGuess = 10 * time.Second
)

// takes is about how long the move takes: the longest way of a workload, its
// waves, and what load balancers take to let go of the last node. What a pod
// takes to serve is what those that run took.
func (i *inspection) takes() time.Duration {
	rounds := map[string]int{}
	var longest time.Duration
	for _, p := range i.pods {
		rounds[p.owner()]++
	}
	seen := map[string]bool{}
	for _, p := range i.pods {
		if key := p.owner(); !seen[key] {
			seen[key] = true
			longest = max(longest, i.way(p, rounds[key]))
		}
	}
	waves := time.Duration(0)
	if n := len(i.Leaving); n > 1 {
		waves = canaryProof + time.Duration(max(0, wave(n-1)-1))*waveTime
	}
	return (longest + waves + i.balancersTake() + max(soakTime, i.Soak)).Round(time.Second)
}

// way is how long a workload's pods take that have to go one after the other, or
// as many at a time as it allows.
func (i *inspection) way(p *Pod, pods int) time.Duration {
	start := startGuess
	if took := p.ReadySince.Sub(p.Created); p.Ready && took > 0 && took < patience {
		start = took
	}
	start += i.takesOver(p)
	ends := max(p.LongestHook, endGuess)
	settle := i.v.settle(p, i.Settle)
	switch w := i.v.Workloads[p.owner()]; i.promised(p).how {
	case SurgeFirst:
		return time.Duration((pods+w.Surge-1)/w.Surge)*start + settle + ends // the next ones start while senders let go
	case InOrder, ByOperator:
		return time.Duration(pods) * (ends + start + settle)
	case AfterJob, Gap, Never:
	}
	return ends
}

// takesOver is what target groups that hold the pod's address take to give a new
// one its whole share: health checks in a row, and their slow start.
func (i *inspection) takesOver(p *Pod) time.Duration {
	longest := time.Duration(0)
	for _, b := range i.Balancers {
		if b.ByAddress && slices.ContainsFunc(b.Targets, func(t Target) bool { return t.Address == p.Address }) {
			longest = max(longest, b.Health+b.SlowStart)
		}
	}
	return longest
}

// balancersTake is how long load balancers take to let go of the last nodes.
func (i *inspection) balancersTake() time.Duration {
	var longest time.Duration
	for _, b := range i.Balancers {
		for _, t := range b.Targets {
			if n := i.v.byInstance[t.Instance]; n != nil && i.leaving[n.Name] {
				longest = max(longest, b.Health+b.SlowStart+leaveGuess+max(b.Draining, b.Lag))
			}
		}
	}
	for _, s := range i.v.Services {
		if i.admitsLeaving(s) && len(i.v.senders.unaskedThroughNodes(s)) > 0 {
			longest = max(longest, i.unaskedTakes(s))
		}
	}
	return longest
}

// unaskedTakes is how long one that nobody can ask is given, to let go of the nodes that
// leave, and before that to take up one that stays.
func (i *inspection) unaskedTakes(s *Service) time.Duration {
	lacks := i.unaskedTime()
	for name, n := range i.v.Nodes {
		if !i.leaving[name] && n.Ready && n.registers() && s.admits(n) {
			lacks = min(lacks, max(0, i.unaskedTime()-i.v.Now.Sub(n.ReadySince)))
		}
	}
	return lacks + i.unaskedTime()
}
