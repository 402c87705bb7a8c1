package cloudformation

import (
	"fmt"

	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
)

// holds tells whether a condition of the template does; an empty name does.
func (s *scope) holds(name string) (bool, error) {
	if name == "" {
		return true, nil
	}
	condition, ok := s.Conditions[name]
	if !ok || s.inside[name] {
		return false, invalid("Template format error: Unresolved condition dependency %s", name)
	}
	within := *s
	within.inside = map[string]bool{name: true}
	for outer := range s.inside {
		within.inside[outer] = true
	}
	return within.truth(condition)
}

// truth computes what must be true or false.
func (s *scope) truth(v any) (bool, error) {
	value, err := s.eval(v)
	if err != nil {
		return false, err
	}
	truth, ok := value.(bool)
	if !ok {
		return false, invalid("Template error: every condition must be true or false, not %v", value)
	}
	return truth, nil
}

func (s *scope) named(argument any) (any, error) { return s.holds(fmt.Sprint(argument)) }

// either is what Fn::If chooses; the other value is not computed.
func (s *scope) either(argument any) (any, error) {
	list, _ := argument.([]any)
	if len(list) != 3 {
		return nil, invalid("Template error: Fn::If requires a list argument with three elements")
	}
	holds, err := s.holds(fmt.Sprint(list[0]))
	switch {
	case err != nil:
		return nil, err
	case holds:
		return s.eval(list[1])
	}
	return s.eval(list[2])
}

func (s *scope) equals(argument any) (any, error) {
	list, err := s.list(argument, "Fn::Equals", 2)
	if err != nil {
		return nil, err
	}
	return fmt.Sprint(cloudcontrol.Text(list[0])) == fmt.Sprint(cloudcontrol.Text(list[1])), nil
}

func (s *scope) not(argument any) (any, error) {
	list, _ := argument.([]any)
	if len(list) != 1 {
		return nil, invalid("Template error: every Fn::Not object requires one boolean parameter.")
	}
	truth, err := s.truth(list[0])
	return !truth, err
}

func (s *scope) and(argument any) (any, error) { return s.all(argument, true) }
func (s *scope) or(argument any) (any, error)  { return s.all(argument, false) }

// all tells whether all conditions are as wanted; if one is not, the answer is its opposite.
func (s *scope) all(argument any, wanted bool) (any, error) {
	list, _ := argument.([]any)
	if len(list) < 2 || len(list) > 10 {
		return nil, invalid("Template error: every Fn::And and Fn::Or object requires a list of at least 2 and at most 10 boolean parameters.")
	}
	for _, v := range list {
		if truth, err := s.truth(v); err != nil || truth != wanted {
			return !wanted, err
		}
	}
	return wanted, nil
}
