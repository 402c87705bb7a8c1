package cloudformation

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// deleteStack has a stack removed; one that is not there is no mistake.
func (s *Service) deleteStack(_ *http.Request, f wire.Form) (any, error) {
	retain := f.List("RetainResources")
	f.Ignore("RoleARN", "ClientRequestToken") // as of CreateStack; and asking twice is as asking once
	return nil, s.store.Update(f.Whole(func(st *region.State) error {
		stack, err := st.Stack(f.Get("StackName"))
		if err != nil || stack.Status == region.DeleteComplete || stack.Status == region.DeleteInProgress {
			return nil
		}
		if len(retain) > 0 && stack.Status != region.DeleteFailed {
			return invalid("Invalid operation on stack [%s]. You can only retain resources of a stack in DELETE_FAILED state.", stack.ID)
		}
		return s.remove(st, stack, retain)
	}))
}

func (s *Service) remove(st *region.State, stack *region.Stack, retain []string) error {
	now := region.Stamp(s.now())
	stack.Become(region.DeleteInProgress, "User Initiated", now)
	for _, o := range stack.Outputs {
		if users := st.Importers(o.Export); o.Export != "" && len(users) > 0 {
			stack.Become(region.DeleteFailed, fmt.Sprintf("Delete canceled. Cannot delete export %s as it is in use by %s.", o.Export, strings.Join(users, " and ")), now)
			return nil
		}
	}
	for _, logical := range retain {
		if stack.Resource(logical) == nil {
			return invalid("Resource %s does not exist in stack %s", logical, stack.Name)
		}
	}
	for _, r := range stack.Resources {
		r.Retained = slices.Contains(retain, r.LogicalID)
		if r.Status == region.DeleteFailed {
			r.Status = region.CreateComplete // it is there, and is tried once more
		}
	}
	return nil
}
