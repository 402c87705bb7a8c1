package cloudformation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// create begins with each resource whose needs are there. If one has failed nothing
// more begins, and the stack ends as it was to once what is under way has ended.
func (d *Deployer) create(s *scope) {
	if len(s.stack.Are(region.CreateFailed)) == 0 {
		for _, r := range s.stack.Resources {
			if r.Status == "" && s.ready(r) {
				d.begin(s, r)
			}
		}
	}
	failed := s.stack.Are(region.CreateFailed)
	switch {
	case len(s.stack.Are(region.CreateInProgress)) > 0:
	case len(failed) > 0:
		d.giveUp(s.stack, fmt.Sprintf("The following resource(s) failed to create: [%s]. ", strings.Join(failed, ", ")))
	default:
		d.finish(s)
	}
}

// ready tells whether all that a resource needs is there.
func (s *scope) ready(r *region.StackResource) bool {
	return !slices.ContainsFunc(s.needs(r.LogicalID), func(other string) bool {
		needed := s.stack.Resource(other)
		return needed != nil && needed.Status != region.CreateComplete
	})
}

// begin has a resource made.
func (d *Deployer) begin(s *scope, r *region.StackResource) {
	want, err := s.model(r)
	s.stack.ResourceBecomes(r, region.CreateInProgress, "", d.stamp())
	if err != nil {
		s.stack.ResourceBecomes(r, region.CreateFailed, message(err), d.stamp())
		return
	}
	r.Operation = d.handlers.Begin(s.st, region.Operation{Stack: s.stack.ID, Type: r.Type, Action: "CREATE", Want: want})
}

// model is what a resource is to be.
func (s *scope) model(r *region.StackResource) (props, error) {
	kind, _ := s.kind(r.Type)
	properties := s.Resources[r.LogicalID].Properties
	if properties == nil {
		properties = props{}
	}
	value, err := s.eval(properties)
	if err != nil {
		return nil, err
	}
	model, ok := value.(props)
	if !ok {
		return nil, invalid("Properties of %s must be an object", r.LogicalID)
	}
	model = kind.Coerce(model)
	name(s.stack, r, model)
	if found := kind.Check(model); len(found) > 0 {
		return nil, invalid("Properties validation failed for resource %s with message:\n[%s]", r.LogicalID, strings.Join(found, "\n"))
	}
	tag(s.stack, r, kind, model)
	return model, nil
}

// message is an error without its code.
func message(err error) string {
	_, text, _ := strings.Cut(err.Error(), ": ")
	return text
}

// giveUp ends a stack that cannot be made.
func (d *Deployer) giveUp(stack *region.Stack, why string) {
	switch stack.OnFailure {
	case "DO_NOTHING":
		stack.Become(region.CreateFailed, why, d.stamp())
	case "DELETE":
		stack.Become(region.DeleteInProgress, why+"Delete requested by user.", d.stamp())
	default:
		stack.Become(region.RollbackInProgress, why+"Rollback requested by user.", d.stamp())
	}
}

// finish tells the outputs of a stack whose resources are all there.
func (d *Deployer) finish(s *scope) {
	var outputs []region.StackOutput
	for _, key := range slices.Sorted(maps.Keys(s.Outputs)) {
		holds, err := s.holds(s.Outputs[key].Condition)
		var o region.StackOutput
		if err == nil && holds {
			o, err = s.output(key)
			outputs = append(outputs, o)
		}
		if err != nil {
			d.giveUp(s.stack, message(err)+" ")
			return
		}
	}
	s.stack.Outputs = outputs
	s.stack.Become(region.CreateComplete, "", d.stamp())
}

func (s *scope) output(key string) (o region.StackOutput, err error) {
	from := s.Outputs[key]
	o = region.StackOutput{Key: key, Description: from.Description}
	value, err := s.eval(from.Value)
	if err != nil {
		return o, err
	}
	text, ok := cloudcontrol.Text(value).(string)
	if !ok {
		return o, invalid("Template format error: The Value field of every Outputs member must evaluate to a String.")
	}
	if o.Value = text; from.Export == nil {
		return o, nil
	}
	if o.Export, err = s.text(from.Export.Name, "Export"); err != nil {
		return o, err
	}
	if other, _ := s.st.Exporter(o.Export); other != nil {
		return o, invalid("Export with name %s is already exported by stack %s.", o.Export, other.Name)
	}
	return o, nil
}
