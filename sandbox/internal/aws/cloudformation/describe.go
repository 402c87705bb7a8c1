package cloudformation

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

type tagItem struct{ Key, Value string }

type parameterItem struct {
	Key   string `xml:"ParameterKey"`
	Value string `xml:"ParameterValue"`
}

type outputItem struct {
	Key         string `xml:"OutputKey"`
	Value       string `xml:"OutputValue"`
	Description string `xml:",omitempty"`
	Export      string `xml:"ExportName,omitempty"`
}

type stackItem struct {
	ID              string `xml:"StackId"`
	Name            string `xml:"StackName"`
	Description     string `xml:",omitempty"`
	Created         string `xml:"CreationTime"`
	Deleted         string `xml:"DeletionTime,omitempty"`
	Status          string `xml:"StackStatus"`
	Reason          string `xml:"StackStatusReason,omitempty"`
	DisableRollback bool
	Protection      bool            `xml:"EnableTerminationProtection"`
	Drift           string          `xml:"DriftInformation>StackDriftStatus"`
	Capabilities    []string        `xml:"Capabilities>member"`
	Notifications   []string        `xml:"NotificationARNs>member"`
	Parameters      []parameterItem `xml:"Parameters>member,omitempty"`
	Outputs         []outputItem    `xml:"Outputs>member,omitempty"`
	Tags            []tagItem       `xml:"Tags>member"`
}

func showStack(s *region.Stack) stackItem {
	item := stackItem{ID: s.ID, Name: s.Name, Description: s.Description, Created: wire.Stamp(s.Created), Deleted: stampOf(s.Deleted),
		Status: s.Status, Reason: s.Reason, DisableRollback: s.OnFailure == "DO_NOTHING", Drift: "NOT_CHECKED", Capabilities: s.Capabilities}
	for _, key := range slices.Sorted(maps.Keys(s.Parameters)) {
		value := s.Parameters[key]
		if slices.Contains(s.Hidden, key) {
			value = "****"
		}
		item.Parameters = append(item.Parameters, parameterItem{key, value})
	}
	for _, o := range s.Outputs {
		item.Outputs = append(item.Outputs, outputItem{o.Key, o.Value, o.Description, o.Export})
	}
	for _, t := range s.Tags {
		item.Tags = append(item.Tags, tagItem{t.Key, t.Value})
	}
	return item
}

// stampOf is a time that may not have come.
func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return wire.Stamp(t)
}

// stacks shows those that pass, newest first.
func stacks[T any](s *Service, pass func(*region.Stack) bool, show func(*region.Stack) T) (list []T) {
	s.store.View(func(st *region.State) {
		all := slices.DeleteFunc(region.Sorted(st.Stacks), func(stack *region.Stack) bool { return !pass(stack) })
		slices.SortStableFunc(all, func(a, b *region.Stack) int { return b.Created.Compare(a.Created) })
		for _, stack := range all {
			list = append(list, show(stack))
		}
	})
	return list
}

type stacksAnswer struct {
	Stacks []stackItem `xml:"Stacks>member"`
	Next   string      `xml:"NextToken,omitempty"`
}

// describeStacks shows one stack, a deleted one by its ID alone, or all that there are.
func (s *Service) describeStacks(_ *http.Request, f wire.Form) (any, error) {
	if !f.Has("StackName") {
		all := stacks(s, func(stack *region.Stack) bool { return stack.Status != region.DeleteComplete }, showStack)
		list, next, err := page(f, all)
		return stacksAnswer{list, next}, err
	}
	f.Ignore("NextToken") // there is one
	var out stacksAnswer
	err := s.withStack(f, func(_ *region.State, stack *region.Stack) error {
		out.Stacks = []stackItem{showStack(stack)}
		return nil
	})
	return out, err
}

// withStack reads the stack that a request names.
func (s *Service) withStack(f wire.Form, read func(*region.State, *region.Stack) error) error {
	return s.store.Read(func(st *region.State) error {
		stack, err := st.Stack(f.Get("StackName"))
		if err != nil {
			return err
		}
		return read(st, stack)
	})
}

type summaryItem struct {
	ID          string `xml:"StackId"`
	Name        string `xml:"StackName"`
	Description string `xml:"TemplateDescription,omitempty"`
	Created     string `xml:"CreationTime"`
	Deleted     string `xml:"DeletionTime,omitempty"`
	Status      string `xml:"StackStatus"`
	Reason      string `xml:"StackStatusReason,omitempty"`
	Drift       string `xml:"DriftInformation>StackDriftStatus"`
}

func summarize(s *region.Stack) summaryItem {
	return summaryItem{s.ID, s.Name, s.Description, wire.Stamp(s.Created), stampOf(s.Deleted), s.Status, s.Reason, "NOT_CHECKED"}
}

// listStacks lists stacks of some statuses, deleted ones too.
func (s *Service) listStacks(_ *http.Request, f wire.Form) (any, error) {
	statuses := f.List("StackStatusFilter")
	all := stacks(s, func(stack *region.Stack) bool { return len(statuses) == 0 || slices.Contains(statuses, stack.Status) }, summarize)
	list, next, err := page(f, all)
	return struct {
		Stacks []summaryItem `xml:"StackSummaries>member"`
		Next   string        `xml:"NextToken,omitempty"`
	}{list, next}, err
}

type eventItem struct {
	StackID    string `xml:"StackId"`
	StackName  string
	ID         string `xml:"EventId"`
	LogicalID  string `xml:"LogicalResourceId"`
	PhysicalID string `xml:"PhysicalResourceId"`
	Type       string `xml:"ResourceType"`
	At         string `xml:"Timestamp"`
	Status     string `xml:"ResourceStatus"`
	Reason     string `xml:"ResourceStatusReason,omitempty"`
}

// describeEvents lists what has happened to a stack, newest first.
func (s *Service) describeEvents(_ *http.Request, f wire.Form) (any, error) {
	var all []eventItem
	err := s.withStack(f, func(_ *region.State, stack *region.Stack) error {
		for _, e := range slices.Backward(stack.Events) {
			all = append(all, eventItem{stack.ID, stack.Name, e.ID, e.LogicalID, e.PhysicalID, e.Type, wire.Stamp(e.At), e.Status, e.Reason})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list, next, err := page(f, all)
	return struct {
		Events []eventItem `xml:"StackEvents>member"`
		Next   string      `xml:"NextToken,omitempty"`
	}{list, next}, err
}

// getTemplate is a template as it was sent.
func (s *Service) getTemplate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Body   string   `xml:"TemplateBody"`
		Stages []string `xml:"StagesAvailable>member"`
	}
	f.Word("TemplateStage", "Original", "Processed") // nothing here processes one
	if !f.Has("StackName") {
		return nil, wire.Missing("StackName")
	}
	err := s.withStack(f, func(_ *region.State, stack *region.Stack) error {
		out.Body, out.Stages = stack.Template, []string{"Original", "Processed"}
		return nil
	})
	return out, err
}
