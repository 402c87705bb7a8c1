package handover

import (
	"fmt"
	"slices"
	"strings"
)

// By which names Services and load balancers find each other. No other file compares
// them: another sort of name is a line in each of both names methods; if families
// have to be asked by it, one in Inquiry.about and one in Inquiry.idle; and if it is of
// one set of targets, as a group's, and not of what many Services share, as a host, it
// comes first in belongsTo.

// names are all by which Services find the load balancer.
func (b Balancer) names() []string { return folded(b.Host, b.Group) }

// names are all by which the Service's load balancers are found.
func (s *Service) names() []string {
	return folded(append(slices.Clone(s.Hosts), s.TargetGroups...)...)
}

// ports are how a Service is matched with a load balancer that is not its own: one
// that others made send to a node port, as by Terraform's target group.
func (b Balancer) ports() []string { return ported(b.Port) }

func (s *Service) ports() []string { return ported(s.NodePorts...) }

func ported(ports ...int) []string {
	var all []string
	for _, port := range ports {
		if port != 0 {
			all = append(all, fmt.Sprintf("port %d", port))
		}
	}
	return all
}

// folded makes names comparable: those of DNS know no case, and no two of AWS differ
// by theirs alone.
func folded(names ...string) []string {
	var all []string
	for _, name := range names {
		if name != "" {
			all = append(all, strings.ToLower(name))
		}
	}
	return all
}

// about adds what families are asked by to find a Service's load balancers.
func (q *Inquiry) about(s *Service) {
	if s.Balanced {
		q.Hosts = append(q.Hosts, s.Hosts...)
	}
	q.Groups = append(q.Groups, s.TargetGroups...)
}

// idle: no load balancer can have to do with it.
func (q *Inquiry) idle() bool {
	return len(q.Instances) == 0 && len(q.Known) == 0 && (len(q.Addresses) == 0 || len(q.Groups) == 0)
}

// directory has the load balancers that have answered, by each of their names.
type directory map[string][]Balancer

func newDirectory(all []Balancer) directory {
	d := directory{}
	for _, b := range all {
		for _, name := range append(b.names(), b.ports()...) {
			d[name] = append(d[name], b)
		}
	}
	return d
}

// of are those that have a name or a port in common with the Service, each once.
func (d directory) of(s *Service) []Balancer {
	var all []Balancer
	for _, name := range append(s.names(), s.ports()...) {
		all = append(all, d[name]...)
	}
	slices.SortFunc(all, func(a, b Balancer) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b Balancer) bool { return a.Name == b.Name })
}

// reaches: it is the Service's, or others made it send to one of its node ports.
func (d directory) reaches(b Balancer, s *Service) bool {
	return d.belongsTo(b, s) || slices.ContainsFunc(b.ports(), func(port string) bool { return slices.Contains(s.ports(), port) })
}

// belongsTo: it is the Service's, by the target group that the Service's pods or
// nodes are registered with, or else by any name. One host may serve many Services,
// each through a group of its own: if the Service has one of this host's, that is its,
// and the host's others are not.
func (d directory) belongsTo(b Balancer, s *Service) bool {
	if b.Group != "" && slices.Contains(s.TargetGroups, b.Group) {
		return true
	}
	if b.Group != "" && slices.ContainsFunc(d[strings.ToLower(b.Host)], func(o Balancer) bool { return slices.Contains(s.TargetGroups, o.Group) }) {
		return false
	}
	names := b.names()
	return slices.ContainsFunc(s.names(), func(name string) bool { return slices.Contains(names, name) })
}

// unasked are the hosts of the Service that no load balancer which was asked has.
func (d directory) unasked(s *Service) []string { return d.unanswered(s.Hosts) }

// unaskedToPods is what sends to the Service's pods themselves and nobody here can ask: target
// groups, or load balancers whose target groups nothing names.
func (d directory) unaskedToPods(s *Service) []string {
	if s.ToPods && len(s.TargetGroups) == 0 {
		return d.unasked(s)
	}
	return d.unanswered(s.TargetGroups)
}

// unaskedThroughNodes is what may send through nodes for the Service, and nobody here can
// ask: its load balancers, and target groups, whose targets may be nodes.
func (d directory) unaskedThroughNodes(s *Service) []string {
	groups := d.unanswered(s.TargetGroups)
	if !s.Balanced {
		return groups
	}
	return append(d.unasked(s), groups...)
}

// unanswered are the names for which no load balancer that was asked answers.
func (d directory) unanswered(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return len(d[strings.ToLower(name)]) > 0 })
}

// hear notes which load balancers can be asked.
func (v *View) hear(balancers []Balancer) { v.senders = newDirectory(balancers) }
