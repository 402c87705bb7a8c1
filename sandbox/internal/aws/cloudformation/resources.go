package cloudformation

import (
	"cmp"
	"net/http"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// shown are the resources of a stack whose turn has come, one of them if a name is given.
func shown(stack *region.Stack, logical string) (list []*region.StackResource) {
	for _, r := range stack.Resources {
		if r.Status != "" && (logical == "" || logical == r.LogicalID) {
			list = append(list, r)
		}
	}
	return list
}

type resourceItem struct {
	StackID    string `xml:"StackId"`
	StackName  string
	LogicalID  string `xml:"LogicalResourceId"`
	PhysicalID string `xml:"PhysicalResourceId,omitempty"`
	Type       string `xml:"ResourceType"`
	Changed    string `xml:"Timestamp"`
	Status     string `xml:"ResourceStatus"`
	Reason     string `xml:"ResourceStatusReason,omitempty"`
	Drift      string `xml:"DriftInformation>StackResourceDriftStatus"`
}

// describeResources shows the resources of a stack, which may be named by one of them.
func (s *Service) describeResources(_ *http.Request, f wire.Form) (any, error) {
	name, physical, logical := f.Get("StackName"), f.Get("PhysicalResourceId"), f.Get("LogicalResourceId")
	if (name == "") == (physical == "") {
		return nil, invalid("Either StackName or PhysicalResourceId must be specified, and not both")
	}
	var out struct {
		Resources []resourceItem `xml:"StackResources>member"`
	}
	err := s.store.Read(func(st *region.State) error {
		stack, err := owner(st, name, physical)
		if err != nil {
			return err
		}
		for _, r := range shown(stack, logical) {
			out.Resources = append(out.Resources, resourceItem{stack.ID, stack.Name, r.LogicalID, r.Shown(), r.Type, wire.Stamp(r.Changed), r.Status, r.Reason, "NOT_CHECKED"})
		}
		if logical != "" && len(out.Resources) == 0 {
			return noResource(stack, logical)
		}
		return nil
	})
	return out, err
}

// owner is the stack of that name, or the one that has made a resource.
func owner(st *region.State, name, physical string) (*region.Stack, error) {
	if name != "" {
		return st.Stack(name)
	}
	for _, stack := range region.Sorted(st.Stacks) {
		for _, r := range stack.Resources {
			if r.Shown() == physical && stack.Status != region.DeleteComplete {
				return stack, nil
			}
		}
	}
	return nil, region.Errorf(region.NotFound, "ValidationError", "Stack for %s does not exist", physical)
}

func noResource(stack *region.Stack, logical string) error {
	return region.Errorf(region.NotFound, "ValidationError", "Resource %s does not exist for stack %s", logical, stack.Name)
}

type detailItem struct {
	StackID   string `xml:"StackId"`
	StackName string
	resourceSummary
}

// describeResource shows one resource of a stack.
func (s *Service) describeResource(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Detail detailItem `xml:"StackResourceDetail"`
	}
	logical := f.Get("LogicalResourceId")
	err := s.withStack(f, func(_ *region.State, stack *region.Stack) error {
		list := shown(stack, cmp.Or(logical, "-"))
		if len(list) == 0 {
			return noResource(stack, logical)
		}
		r := list[0]
		out.Detail = detailItem{stack.ID, stack.Name, summary(r)}
		return nil
	})
	return out, err
}

type resourceSummary struct {
	LogicalID  string `xml:"LogicalResourceId"`
	PhysicalID string `xml:"PhysicalResourceId,omitempty"`
	Type       string `xml:"ResourceType"`
	Changed    string `xml:"LastUpdatedTimestamp"`
	Status     string `xml:"ResourceStatus"`
	Reason     string `xml:"ResourceStatusReason,omitempty"`
	Drift      string `xml:"DriftInformation>StackResourceDriftStatus"`
}

func summary(r *region.StackResource) resourceSummary {
	return resourceSummary{r.LogicalID, r.Shown(), r.Type, wire.Stamp(r.Changed), r.Status, r.Reason, "NOT_CHECKED"}
}

// listResources lists the resources of a stack, in pages.
func (s *Service) listResources(_ *http.Request, f wire.Form) (any, error) {
	var all []resourceSummary
	err := s.withStack(f, func(_ *region.State, stack *region.Stack) error {
		for _, r := range shown(stack, "") {
			all = append(all, summary(r))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(f, all)
	return struct {
		Resources []resourceSummary `xml:"StackResourceSummaries>member"`
		Next      string            `xml:"NextToken,omitempty"`
	}{list, next}, err
}
