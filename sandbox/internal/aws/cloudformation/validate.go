package cloudformation

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// validate refuses a template that no stack can be made of, whatever its parameters.
func (s *scope) validate() error {
	if err := s.checkTypes(); err != nil {
		return err
	}
	for _, part := range []any{s.Conditions, s.bodies()} {
		if err := s.checkFunctions(part); err != nil {
			return err
		}
	}
	if err := s.checkReferences(); err != nil {
		return err
	}
	if circle := s.circle(); len(circle) > 0 {
		return invalid("Circular dependency between resources: [%s]", strings.Join(circle, ", "))
	}
	return nil
}

// bodies are the parts of the template in which resources are mentioned.
func (s *scope) bodies() []any {
	var list []any
	for _, name := range slices.Sorted(maps.Keys(s.Resources)) {
		list = append(list, s.Resources[name].Properties)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
		o := s.Outputs[name]
		if list = append(list, o.Value); o.Export != nil {
			list = append(list, o.Export.Name)
		}
	}
	return list
}

var policies = []string{"", "Delete", "Retain", "RetainExceptOnCreate"}

func (s *scope) checkTypes() error {
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(s.Resources)) {
		r := s.Resources[name]
		if _, ok := s.kind(r.Type); !ok {
			unknown = append(unknown, r.Type)
		}
		if !slices.Contains(policies, r.DeletionPolicy) {
			return invalid("Template error: DeletionPolicy %s of resource %s is not valid, or the sandbox does not implement it", r.DeletionPolicy, name)
		}
	}
	if len(unknown) > 0 {
		return invalid("Template format error: Unrecognized resource types: [%s] (the sandbox does not implement them)", strings.Join(slices.Compact(unknown), ", "))
	}
	return nil
}

// checkFunctions refuses functions that there are not.
func (s *scope) checkFunctions(v any) error {
	switch v := v.(type) {
	case props:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if strings.HasPrefix(key, "Fn::") && (len(v) != 1 || s.functions()[key] == nil) {
				return invalid("Template error: the sandbox does not implement %s", key)
			}
			if logical, attribute, ok := attributeOf(v[key]); key == "Fn::GetAtt" && (!ok || logical == "" || attribute == "") {
				return invalid("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
			}
			if err := s.checkFunctions(v[key]); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := s.checkFunctions(e); err != nil {
				return err
			}
		}
	case string:
		if strings.Contains(v, "{{resolve:") {
			return invalid("Template error: the sandbox does not implement dynamic references: %s", v)
		}
	}
	return nil
}

func (s *scope) checkReferences() error {
	for _, name := range slices.Sorted(maps.Keys(s.Resources)) {
		for _, other := range s.Resources[name].DependsOn {
			if _, ok := s.Resources[other]; !ok {
				return unresolved(other)
			}
		}
	}
	for _, ref := range references(s.bodies()) {
		if err := s.checkReference(ref); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) checkReference(ref reference) error {
	r, isResource := s.Resources[ref.name]
	_, isParameter := s.Parameters[ref.name]
	_, isPseudo := s.pseudo(ref.name)
	switch {
	case ref.attribute == "" && (isResource || isParameter || isPseudo):
		return nil
	case ref.attribute == "":
		return unresolved(ref.name)
	case !isResource:
		return invalid("Template error: instance of Fn::GetAtt references undefined resource %s", ref.name)
	}
	if kind, _ := s.kind(r.Type); !kind.Has(ref.attribute) {
		return invalid("Template error: resource %s does not support attribute type %s in Fn::GetAtt", ref.name, ref.attribute)
	}
	return nil
}

// fill gives the stack's parameters the values that it is made with, and those that
// the template has for the others.
func (t *template) fill(stack *region.Stack, given map[string]string) error {
	var lacking, unknown []string
	for name := range given {
		if _, ok := t.Parameters[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	for name, p := range t.Parameters {
		value, ok := given[name]
		if !ok && p.Default != nil {
			value, ok = fmt.Sprint(cloudcontrol.Text(p.Default)), true
		}
		if !ok {
			lacking = append(lacking, name)
			continue
		}
		if err := p.check(name, value); err != nil {
			return err
		}
		if stack.Parameters[name] = value; p.hidden() {
			stack.Hidden = append(stack.Hidden, name)
		}
	}
	slices.Sort(lacking)
	slices.Sort(unknown)
	switch {
	case len(unknown) > 0:
		return invalid("Parameters: [%s] do not exist in the template", strings.Join(unknown, ", "))
	case len(lacking) > 0:
		return invalid("Parameters: [%s] must have values", strings.Join(lacking, ", "))
	}
	return nil
}

func (p parameter) hidden() bool { return fmt.Sprint(p.NoEcho) == "true" }

// check refuses a value that a parameter does not take.
func (p parameter) check(name, value string) error {
	if strings.HasPrefix(p.Type, "AWS::SSM::") {
		return invalid("Template error: the sandbox does not implement the type %s of parameter %s", p.Type, name)
	}
	if len(p.AllowedValues) > 0 && !slices.ContainsFunc(p.AllowedValues, func(v any) bool { return cloudcontrol.Text(v) == value }) {
		return invalid("Parameter '%s' must be one of AllowedValues", name)
	}
	pattern, err := regexp.Compile("^(?:" + p.AllowedPattern + ")$")
	if p.AllowedPattern != "" && err == nil && !pattern.MatchString(value) {
		return invalid("Parameter '%s' must match pattern %s", name, p.AllowedPattern)
	}
	return nil
}
