package handover

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/droverhq/drover/event"
)

// Surroundings are what else in a cluster has a say in a move, and is not
// watched: it is asked for once, in an inspection. The checks here judge it.
type Surroundings struct {
	Webhooks   []Webhook
	NodeEnders []NodeEnder
	Schedulers map[string]Scheduler // by schedulerName: of every one that pods name beside the default one
	Unpulled   map[string]string    // by pod UID: an image of it that some pod cannot pull now, and why
	Keyless    map[string]string    // by pod UID: pull secrets that it names, if none of them is there
	ExecProbes map[string]bool      // by pod UID: its readiness probe is a command
	Later      []Later              // templates of which pods may come that are not there
	Forbidden  []string             // resources that may not, or could not, be listed: nothing is known of them
}

// Later is a template of which pods may come that are not there: a CronJob's, or that
// of a workload that is scaled to nothing. It selects nodes.
type Later struct {
	Workload string            // its key: cronjob/apps/report
	Group    string            // as of a Pod
	Pins     map[string]string // as of a Pod
	Fits     map[string]bool   // nodes that its selectors and tolerations admit, were they open
}

// Webhook is an admission webhook without whose answer a call about pods fails
// (failurePolicy Fail), and that a Service answers for.
type Webhook struct {
	Name    string          // validatingwebhookconfiguration/policy webhook pods.policy.example.com
	Service string          // namespace/name
	Ready   []string        // UIDs of the pods that answer now
	Pods    map[string]bool // UIDs of the pods about which it is asked: another like it, a patch, or an eviction
	Perhaps bool            // it has conditions that were not evaluated: it may not be asked
	Cure    string          // a command
}

// NodeEnder is a controller that ends nodes by itself.
type NodeEnder struct {
	Name  string          // Cluster Autoscaler
	Where string          // pod kube-system/cluster-autoscaler-7d9f…
	Nodes map[string]bool // nodes that it may end
}

// Scheduler is what is seen of a scheduler that is not the default one.
type Scheduler struct {
	Seen    string // a pod or lease that carries its name; empty: there is none
	Perhaps string // a pod that may be it under another name
}

// webhookDown: no call about its pods would be let through.
func webhookDown(i *inspection) []event.Finding {
	down := func(p *Pod) int {
		return slices.IndexFunc(i.Around.Webhooks, func(w Webhook) bool { return len(w.Ready) == 0 && w.Pods[p.UID] })
	}
	return i.each(
		func(p *Pod, _ *Workload) bool { return down(p) >= 0 },
		func(p *Pod, _ *Workload) event.Finding {
			w := i.Around.Webhooks[down(p)]
			f := event.Finding{
				Severity: blocker, Effect: fmt.Sprintf("%s must allow whatever is done to its pods, and its Service %s has no ready endpoint", w.Name, w.Service),
				Fix: "bring its pods back: " + w.Cure,
			}
			if w.Perhaps {
				f.Severity, f.Effect = warning, f.Effect+" (if its matchConditions apply)"
			}
			return f
		})
}

// webhookMoves: the one pod that answers for a webhook is among those that leave.
func webhookMoves(i *inspection) []event.Finding {
	var found []event.Finding
	for _, w := range i.Around.Webhooks {
		if len(w.Ready) != 1 {
			continue
		}
		at := slices.IndexFunc(i.pods, func(p *Pod) bool { return p.UID == w.Ready[0] && !p.Deleting })
		asked := slices.ContainsFunc(i.pods, func(p *Pod) bool { return w.Pods[p.UID] })
		if at < 0 || !asked {
			continue
		}
		p := i.pods[at]
		found = append(found, event.Finding{
			Severity: warning, Object: p.owner(),
			Effect: fmt.Sprintf("its only pod answers for %s: while it does not serve, no pod that the webhook is asked about can be made or evicted", w.Name),
			Fix:    "run two replicas of it",
		})
	}
	return found
}

// noScheduler: nobody would place a replacement.
func noScheduler(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool {
			s, asked := i.Around.Schedulers[p.Scheduler]
			return p.Scheduler != "" && p.Workload != "" && asked && s.Seen == ""
		},
		func(p *Pod, _ *Workload) event.Finding {
			f := event.Finding{
				Severity: blocker, Effect: fmt.Sprintf("its schedulerName is %s, and no pod or lease of such a scheduler is seen: a replacement would be placed by nobody", p.Scheduler),
				Fix: "start that scheduler, or take schedulerName out of the template",
			}
			if perhaps := i.Around.Schedulers[p.Scheduler].Perhaps; perhaps != "" {
				f.Severity, f.Effect = warning, fmt.Sprintf("its schedulerName is %s, and no pod or lease carries that name (%s may be it)", p.Scheduler, perhaps)
				f.Fix = "see that it places pods"
			}
			return f
		})
}

// imageGone: a replacement on a node that does not hold the image could not start.
func imageGone(i *inspection) []event.Finding {
	return i.each(
		func(p *Pod, _ *Workload) bool { return i.Around.Unpulled[p.UID] != "" || i.Around.Keyless[p.UID] != "" },
		func(p *Pod, _ *Workload) event.Finding {
			if why := i.Around.Unpulled[p.UID]; why != "" {
				return event.Finding{
					Severity: warning, Effect: "an image of it cannot be pulled now: " + why,
					Fix: "push the image again, or see to its pull secret and its registry",
				}
			}
			return event.Finding{
				Severity: warning, Effect: "its pull secret (" + i.Around.Keyless[p.UID] + ") is not there: an image of a private registry could not be pulled on another node",
				Fix: "make the Secret again, or take it out of the template",
			}
		})
}

// laterPods: pods that come when the nodes have gone would find none.
func laterPods(i *inspection) []event.Finding {
	var found []event.Finding
	for _, t := range i.Around.Later {
		leaves := slices.ContainsFunc(i.Leaving, func(name string) bool { return t.Fits[name] })
		stays := slices.ContainsFunc(slices.Collect(maps.Keys(t.Fits)), func(name string) bool { return t.Fits[name] && !i.leaving[name] })
		if !leaves || stays || i.Replaced[t.Workload] || i.Coming && i.admitsOnly(t.Group, t.Pins) == "" {
			continue
		}
		found = append(found, event.Finding{
			Severity: warning, Object: t.Workload,
			Effect: fmt.Sprintf("its template fits only nodes that leave (%s): its next pods start nowhere, unless an autoscaler makes such nodes", list(i.Leaving)),
			Fix:    "let its template select nodes that stay, and tolerate their taints",
		})
	}
	return found
}

// autoscaled: somebody else could end nodes that leave, and is kept from that.
func autoscaled(i *inspection) []event.Finding {
	var found []event.Finding
	for _, a := range i.Around.NodeEnders {
		nodes := slices.DeleteFunc(slices.Clone(i.Leaving), func(name string) bool { return !a.Nodes[name] })
		if len(nodes) == 0 {
			continue
		}
		found = append(found, event.Finding{
			Severity: note, Object: named(i.Group),
			Effect: fmt.Sprintf("%s (%s) could end nodes by itself: until the move is over it is kept off %s, and off those that take its pods, by an annotation", a.Name, a.Where, list(nodes)),
		})
	}
	return found
}

// gated: a replacement serves only when somebody else has said so.
func gated(i *inspection) []event.Finding {
	unmet := func(w *Workload) *Pod {
		for _, p := range i.v.Of(w.Key()) {
			if len(p.Gates) > 0 && !p.Deleting && !p.Finished {
				return p
			}
		}
		return nil
	}
	return i.each(
		func(_ *Pod, w *Workload) bool { return w.Name != "" && unmet(w) != nil },
		func(_ *Pod, w *Workload) event.Finding {
			p := unmet(w)
			return event.Finding{
				Severity: warning, Effect: fmt.Sprintf("pod %s does not meet readiness gate %s now: a replacement counts only once its controller sets that", p.Name, list(p.Gates)),
				Fix: "see that the controller of the gate works",
			}
		})
}

// probeStops: some kubelets end exec probes when a pod is told to end, so that a
// pod which reports by its probe that it takes no more requests is not heard.
func probeStops(i *inspection) []event.Finding {
	stops := func(p *Pod) string {
		n := i.v.Nodes[p.Node]
		if n == nil || !i.Around.ExecProbes[p.UID] || !p.selected() || !execProbesStop(n.Version) {
			return ""
		}
		return n.Version
	}
	return i.each(
		func(p *Pod, _ *Workload) bool { return stops(p) != "" },
		func(p *Pod, _ *Workload) event.Finding {
			return event.Finding{
				Severity: note, Effect: fmt.Sprintf("the kubelet of its node (%s) no longer runs its readiness command once a pod ends: by it alone no pod can say that it takes no more requests", stops(p)),
			}
		})
}

var versionOf = regexp.MustCompile(`^v?1\.(\d+)\.(\d+)`)

// execProbesStop: kubelets 1.35, and from 1.36.3 on (kubernetes#140881).
func execProbesStop(version string) bool {
	m := versionOf.FindStringSubmatch(version)
	if m == nil {
		return false
	}
	minor, _ := strconv.Atoi(m[1]) // digits
	patch, _ := strconv.Atoi(m[2])
	return minor == 35 || minor == 36 && patch >= 3 || minor > 36
}

// unseen: the checks above say nothing.
func unseen(i *inspection) []event.Finding {
	if len(i.Around.Forbidden) > 0 {
		return []event.Finding{{
			Severity: note, Object: named(i.Group), Effect: "your identity may not list " + strings.Join(i.Around.Forbidden, ", ") + ", or nobody answers for them: what they would tell of is not looked at",
			Fix: RightsFix,
		}}
	}
	if i.Unseen == "" {
		return nil
	}
	return []event.Finding{{
		Severity: note, Object: named(i.Group), Effect: "webhooks, autoscalers, schedulers and images could not be looked at: " + i.Unseen,
		Fix: cure(i.Unseen),
	}}
}

var quotaOf = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (.*), used: `)

// cureCreate is what helps against a refusal to make another pod.
func cureCreate(p *Pod, why string) string {
	if m := quotaOf.FindStringSubmatch(why); m != nil {
		return fmt.Sprintf("leave room in the ResourceQuota for one more pod (%s): kubectl -n %s edit resourcequota %s", m[2], p.Namespace, m[1])
	}
	return cure(why)
}

// lackedOf is how Kubernetes says that the caller has no right to a call.
var lackedOf = regexp.MustCompile(`User ".*" cannot [a-z]+ resource "`)

// cure is what helps against a refusal of which no more is known than its words.
func cure(why string) string {
	if lackedOf.MatchString(why) {
		return RightsFix
	}
	return "cure that, then run the same command again"
}
