package cloudformation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// remove takes away each resource that nothing needs any more, of a stack that is
// deleted or rolled back.
func (d *Deployer) remove(s *scope) {
	for changed := true; changed; {
		changed = false
		for _, r := range s.stack.Resources {
			if there(r) && r.Operation == "" && r.Status != region.DeleteFailed && s.unneeded(r) {
				d.takeAway(s, r)
				changed = true
			}
		}
	}
	failed := s.stack.Are(region.DeleteFailed)
	switch {
	case slices.ContainsFunc(s.stack.Resources, func(r *region.StackResource) bool { return r.Operation != "" }):
	case len(failed) > 0:
		status := map[string]string{region.DeleteInProgress: region.DeleteFailed, region.RollbackInProgress: region.RollbackFailed}[s.stack.Status]
		s.stack.Become(status, fmt.Sprintf("The following resource(s) failed to delete: [%s]. ", strings.Join(failed, ", ")), d.stamp())
	case s.stack.Status == region.RollbackInProgress:
		s.stack.Imports = nil
		s.stack.Become(region.RollbackComplete, "", d.stamp())
	default:
		s.stack.Become(region.DeleteComplete, "", d.stamp())
		s.stack.Deleted = d.stamp()
	}
}

// there tells whether a resource is still to be removed.
func there(r *region.StackResource) bool {
	return r.PhysicalID != "" && r.Status != region.DeleteComplete && r.Status != region.DeleteSkipped
}

// unneeded tells whether nothing that is left needs a resource.
func (s *scope) unneeded(r *region.StackResource) bool {
	return !slices.ContainsFunc(s.stack.Resources, func(other *region.StackResource) bool {
		return (there(other) || other.Operation != "") && slices.Contains(s.needs(other.LogicalID), r.LogicalID)
	})
}

// takeAway has a resource removed, or leaves it if it is to be retained.
func (d *Deployer) takeAway(s *scope, r *region.StackResource) {
	if r.Retained || s.Resources[r.LogicalID].retains(s.stack.Status == region.RollbackInProgress) {
		s.stack.ResourceBecomes(r, region.DeleteSkipped, "", d.stamp())
		return
	}
	s.stack.ResourceBecomes(r, region.DeleteInProgress, "", d.stamp())
	r.Operation = d.handlers.Begin(s.st, region.Operation{Stack: s.stack.ID, Type: r.Type, Action: "DELETE", Identifier: r.PhysicalID})
}
