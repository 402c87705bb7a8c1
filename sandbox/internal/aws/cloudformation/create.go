package cloudformation

import (
	"cmp"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

var stackName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)

// maxTemplate is how many bytes the template of a request may have.
const maxTemplate = 51200

type stackID struct {
	ID string `xml:"StackId"`
}

// createStack accepts a stack; the Deployer then makes its resources.
func (s *Service) createStack(_ *http.Request, f wire.Form) (any, error) {
	stack, given, err := s.asked(f)
	if err != nil {
		return nil, err
	}
	f.Ignore("RoleARN") // the sandbox asks for no permissions
	var out stackID
	err = s.store.Update(f.Whole(func(st *region.State) error {
		if old := st.StackNamed(stack.Name); old != nil {
			out.ID = old.ID
			return again(old, stack)
		}
		stack.ID = st.ARN("cloudformation", "stack/"+stack.Name+"/"+region.UUID())
		if err := s.plan(st, stack, given); err != nil {
			return err
		}
		st.Stacks[stack.ID] = stack
		stack.Become(region.CreateInProgress, "User Initiated", stack.Created)
		out.ID = stack.ID
		return nil
	}))
	return out, err
}

// again refuses a name that is taken, but by the very request that asks for it.
func again(old, stack *region.Stack) error {
	if stack.Token != "" && stack.Token == old.Token {
		return nil
	}
	return region.Errorf(region.Exists, "AlreadyExistsException", "Stack [%s] already exists", stack.Name)
}

// asked is the stack that a request asks for, and the values of its parameters.
func (s *Service) asked(f wire.Form) (stack *region.Stack, given map[string]string, err error) {
	stack = &region.Stack{Name: f.Get("StackName"), Token: f.Get("ClientRequestToken"), Template: f.Get("TemplateBody"),
		Parameters: map[string]string{}, Capabilities: f.List("Capabilities"), Created: region.Stamp(s.now())}
	disabled, onFailure := f.Bool("DisableRollback"), f.Word("OnFailure", "ROLLBACK", "DELETE", "DO_NOTHING")
	if stack.OnFailure = cmp.Or(onFailure, "ROLLBACK"); disabled {
		stack.OnFailure = "DO_NOTHING"
	}
	for _, t := range f.Each("Tags") {
		stack.Tags.Set(region.Tag{Key: t.Get("Key"), Value: t.Get("Value")})
	}
	switch {
	case !stackName.MatchString(stack.Name):
		err = invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", stack.Name)
	case disabled && onFailure != "":
		err = invalid("You cannot specify both DisableRollback and OnFailure.")
	case slices.ContainsFunc(stack.Tags, func(t region.Tag) bool { return strings.HasPrefix(t.Key, "aws:") }):
		err = invalid("aws: prefixed tag key names are not allowed for external use.")
	}
	return stack, parameters(f), err
}

// parameters are the values that a request gives.
func parameters(f wire.Form) map[string]string {
	given := map[string]string{}
	for _, p := range f.Each("Parameters") {
		given[p.Get("ParameterKey")] = p.Get("ParameterValue")
	}
	return given
}

// plan reads the stack's template, and notes what is to be made.
func (s *Service) plan(st *region.State, stack *region.Stack, given map[string]string) error {
	scope, err := s.read(st, stack)
	if err != nil {
		return err
	}
	stack.Description = scope.Description
	if err := scope.fill(stack, given); err != nil {
		return err
	}
	if err := scope.allowed(); err != nil {
		return err
	}
	for _, logical := range slices.Sorted(maps.Keys(scope.Resources)) {
		r := scope.Resources[logical]
		holds, err := scope.holds(r.Condition)
		if err != nil {
			return err
		}
		if holds {
			stack.Resources = append(stack.Resources, &region.StackResource{LogicalID: logical, Type: r.Type, Changed: stack.Created})
		}
	}
	return nil
}

// read is the stack's template, if a stack can be made of it.
func (s *Service) read(st *region.State, stack *region.Stack) (*scope, error) {
	switch size := len(stack.Template); {
	case size == 0:
		return nil, invalid("Either Template URL or Template Body must be specified (the sandbox does not implement TemplateURL).")
	case size > maxTemplate:
		return nil, invalid("1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", maxTemplate)
	}
	t, err := parse(stack.Template)
	if err != nil {
		return nil, err
	}
	scope := &scope{template: t, st: st, stack: stack, kind: s.handlers.Kind}
	err = scope.validate()
	return scope, err
}

// allowed refuses a template that needs more than the request acknowledges.
func (s *scope) allowed() error {
	needed, _ := s.capabilities()
	has := s.stack.Capabilities
	if needed == "" || slices.Contains(has, needed) || needed == "CAPABILITY_IAM" && slices.Contains(has, "CAPABILITY_NAMED_IAM") {
		return nil
	}
	return region.Errorf(region.Invalid, "InsufficientCapabilitiesException", "Requires capabilities : [%s]", needed)
}
