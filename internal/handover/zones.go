package handover

import (
	"fmt"
	"maps"
	"slices"

	"github.com/droverhq/drover/event"
)

// Findings about load balancers with an address in each zone that send to targets
// of that zone only.

// emptyZone: a load balancer has an address in each zone, and in some zone no node
// stays that could be its target. Groups whose nodes are yet to come are not
// judged: it is asked again when they are there.
func emptyZone(i *inspection) []event.Finding {
	takers, to := i.takers(), map[string]bool{}
	if len(takers) == 0 {
		return nil
	}
	for _, n := range takers {
		to[n.zone()] = true
	}
	for _, n := range i.v.Nodes {
		if !i.leaving[n.Name] && n.usable() {
			to[n.zone()] = true
		}
	}
	var found []event.Finding
	for _, b := range i.Balancers {
		zones := map[string]bool{}
		for _, t := range b.Targets {
			if n := i.v.nodeOf(t); b.Zonal && n != nil && i.leaving[n.Name] && t.State == InService && n.zone() != "" && !to[n.zone()] {
				zones[n.zone()] = true
			}
		}
		if len(zones) > 0 {
			found = append(found, event.Finding{
				Severity: blocker, Object: "load balancer " + b.Name,
				Effect: fmt.Sprintf("no node stays in zone %s, where it has an address of its own that clients keep", list(slices.Sorted(maps.Keys(zones)))),
				Fix:    "give the new group a node in that zone, or let its zones share targets (cross-zone load balancing)",
			})
		}
	}
	return found
}

// fewForZones: such a load balancer sends to a zone's own pods, and fewer pods are
// wanted than its targets have zones, or no rule spreads them over zones. Where a
// replacement comes up is the scheduler's choice then, and a zone that had a pod may
// be left without.
func fewForZones(i *inspection) []event.Finding {
	var found []event.Finding
	for _, b := range i.Balancers {
		if !b.Zonal {
			continue
		}
		zones := i.zonesOf(b)
		local := func(s *Service) bool { return i.v.senders.sendsLocally(b, s) }
		found = append(found, i.each(
			func(p *Pod, w *Workload) bool {
				return w.Wants > 0 && len(zones) > 1 && (w.Wants < len(zones) || !p.Zoned) && i.v.serviceOf(p, local) != nil
			},
			func(p *Pod, w *Workload) event.Finding {
				wants := fmt.Sprintf("it wants %d", w.Wants)
				if w.Wants >= len(zones) {
					wants = "no rule of it spreads them over zones"
				}
				return event.Finding{
					Severity: warning,
					Effect: fmt.Sprintf("load balancer %s sends to pods of a zone's own nodes only, in %d zones (%s), and %s: a node is kept (exit code 8) if its zone gets no other pod",
						b.Name, len(zones), list(slices.Sorted(maps.Keys(zones))), wants),
					Fix: "let zones share targets (cross-zone load balancing), or want as many pods as there are zones, spread over them (topologySpreadConstraints: topology.kubernetes.io/zone, maxSkew 1, DoNotSchedule, nodeTaintsPolicy: Honor)",
				}
			})...)
	}
	return found
}

// sendsLocally: it is the Service's, and sends to a node for the sake of the
// Service's pods there.
func (d directory) sendsLocally(b Balancer, s *Service) bool {
	return s.Local && d.belongsTo(b, s)
}

// zonesOf are the zones of all targets of a load balancer.
func (i *inspection) zonesOf(b Balancer) map[string]bool {
	zones := map[string]bool{}
	for _, t := range b.Targets {
		if n := i.v.nodeOf(t); n != nil && n.zone() != "" {
			zones[n.zone()] = true
		}
	}
	return zones
}
