package cloudformation

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// noValue is what Ref of AWS::NoValue gives: a property or element that is not there.
type noValue struct{}

// scope is what the functions of a template are computed in.
type scope struct {
	*template
	st     *region.State
	stack  *region.Stack
	kind   func(string) (cloudcontrol.Kind, bool)
	inside map[string]bool // conditions that are being computed
}

// functions are those that templates may use.
func (s *scope) functions() map[string]func(any) (any, error) {
	return map[string]func(any) (any, error){
		"Ref": s.ref, "Fn::GetAtt": s.getAtt, "Fn::Sub": s.sub, "Fn::Join": s.join, "Fn::Select": s.choose,
		"Fn::Split": s.split, "Fn::FindInMap": s.findInMap, "Fn::ImportValue": s.importValue, "Fn::Base64": s.base64,
		"Fn::GetAZs": s.zones, "Fn::If": s.either, "Fn::Equals": s.equals, "Fn::Not": s.not, "Fn::And": s.and, "Fn::Or": s.or,
		"Condition": s.named,
	}
}

// eval computes a part of a template.
func (s *scope) eval(v any) (any, error) {
	if name, argument, is := call(v); is && (name != "Condition" || s.inside != nil) {
		return s.functions()[name](argument)
	}
	switch v := v.(type) {
	case props:
		return s.evalMap(v)
	case []any:
		return s.evalList(v)
	}
	return v, nil
}

func (s *scope) evalMap(v props) (any, error) {
	out := props{}
	for key, sub := range v {
		value, err := s.eval(sub)
		if err != nil {
			return nil, err
		}
		if _, none := value.(noValue); !none {
			out[key] = value
		}
	}
	return out, nil
}

func (s *scope) evalList(v []any) (any, error) {
	out := []any{}
	for _, sub := range v {
		value, err := s.eval(sub)
		if err != nil {
			return nil, err
		}
		if _, none := value.(noValue); !none {
			out = append(out, value)
		}
	}
	return out, nil
}

// text computes what must be a text, or can be written as one.
func (s *scope) text(v any, of string) (string, error) {
	value, err := s.eval(v)
	if err != nil {
		return "", err
	}
	text, ok := cloudcontrol.Text(value).(string)
	if !ok {
		return "", invalid("Template error: every %s object must have a string, not %v", of, value)
	}
	return text, nil
}

// list computes what must be a list of exactly so many elements.
func (s *scope) list(v any, of string, exactly int) ([]any, error) {
	value, err := s.eval(v)
	if err != nil {
		return nil, err
	}
	list, ok := value.([]any)
	if !ok || len(list) != exactly {
		return nil, invalid("Template error: %s object requires a list of values, not %v", of, value)
	}
	return list, nil
}

// ref is a parameter's value, a pseudo parameter, or a resource's physical ID.
func (s *scope) ref(argument any) (any, error) {
	name, _ := argument.(string)
	if value, ok := s.pseudo(name); ok {
		return value, nil
	}
	if p, ok := s.Parameters[name]; ok {
		value := s.stack.Parameters[name]
		if isList(p.Type) {
			return elements(value), nil
		}
		return value, nil
	}
	r := s.stack.Resource(name)
	if r == nil || r.PhysicalID == "" {
		return nil, unresolved(name)
	}
	return r.Shown(), nil
}

func unresolved(name string) error {
	return invalid("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", name)
}

func isList(typ string) bool { return typ == "CommaDelimitedList" || strings.HasPrefix(typ, "List<") }

func elements(text string) []any {
	list := []any{}
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(part))
	}
	return list
}

// pseudo is a parameter that each template has.
func (s *scope) pseudo(name string) (any, bool) {
	value, ok := map[string]any{
		"AWS::AccountId": region.Account, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com", "AWS::Region": s.st.Region,
		"AWS::StackName": s.stack.Name, "AWS::StackId": s.stack.ID, "AWS::NoValue": noValue{}, "AWS::NotificationARNs": []any{},
	}[name]
	return value, ok
}

// getAtt is an attribute of a resource, as it can be read.
func (s *scope) getAtt(argument any) (any, error) {
	logical, attribute, _ := attributeOf(argument)
	r := s.stack.Resource(logical)
	if r == nil || r.PhysicalID == "" {
		return nil, unresolved(logical)
	}
	kind, _ := s.kind(r.Type)
	model, ok := kind.Live(s.st, r.PhysicalID)
	if !ok {
		return nil, invalid("Unable to retrieve %s attribute for %s, with error message the resource %s does not exist", attribute, r.Type, r.PhysicalID)
	}
	var value any = model
	for name := range strings.SplitSeq(attribute, ".") {
		part, _ := value.(props)
		if value, ok = part[name]; !ok {
			return nil, invalid("Attribute '%s' does not exist", attribute)
		}
	}
	return value, nil
}

// sub puts values into a text.
func (s *scope) sub(argument any) (any, error) {
	text, own := subOf(argument)
	var failed error
	out := variable.ReplaceAllStringFunc(text, func(match string) string {
		name := match[2 : len(match)-1]
		if kept, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + kept + "}"
		}
		value, err := s.text(s.meant(name, own), "Fn::Sub")
		if err != nil {
			failed = err
		}
		return value
	})
	return out, failed
}

// meant is what a variable of Fn::Sub stands for.
func (s *scope) meant(name string, own props) any {
	if value, ok := own[name]; ok {
		return value
	}
	if logical, attribute, is := strings.Cut(name, "."); is {
		return props{"Fn::GetAtt": []any{logical, attribute}}
	}
	return props{"Ref": name}
}

func (s *scope) join(argument any) (any, error) {
	list, err := s.list(argument, "Fn::Join", 2)
	if err != nil {
		return nil, err
	}
	parts, ok := list[1].([]any)
	if !ok {
		return nil, invalid("Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined")
	}
	texts := make([]string, len(parts))
	for k, part := range parts {
		texts[k] = fmt.Sprint(cloudcontrol.Text(part))
	}
	return strings.Join(texts, fmt.Sprint(list[0])), nil
}

// choose is one element of a list.
func (s *scope) choose(argument any) (any, error) {
	list, err := s.list(argument, "Fn::Select", 2)
	if err != nil {
		return nil, err
	}
	from, _ := list[1].([]any)
	var index int
	if _, err := fmt.Sscan(fmt.Sprint(list[0]), &index); err != nil || index < 0 || index >= len(from) {
		return nil, invalid("Template error: Fn::Select cannot select nonexistent value at index %v", list[0])
	}
	return from[index], nil
}

func (s *scope) split(argument any) (any, error) {
	list, err := s.list(argument, "Fn::Split", 2)
	if err != nil {
		return nil, err
	}
	parts := []any{}
	for part := range strings.SplitSeq(fmt.Sprint(list[1]), fmt.Sprint(list[0])) {
		parts = append(parts, part)
	}
	return parts, nil
}

func (s *scope) findInMap(argument any) (any, error) {
	keys, err := s.list(argument, "Fn::FindInMap", 3)
	if err != nil {
		return nil, err
	}
	name, first, second := fmt.Sprint(keys[0]), fmt.Sprint(keys[1]), fmt.Sprint(keys[2])
	value, ok := s.Mappings[name][first][second]
	if !ok {
		return nil, invalid("Template error: Unable to get mapping for %s::%s::%s", name, first, second)
	}
	return value, nil
}

// importValue is another stack's export, which stays as long as this stack uses it.
func (s *scope) importValue(argument any) (any, error) {
	name, err := s.text(argument, "Fn::ImportValue")
	if err != nil {
		return nil, err
	}
	_, output := s.st.Exporter(name)
	if output == nil {
		return nil, invalid("No export named %s found.", name)
	}
	if !slices.Contains(s.stack.Imports, name) {
		s.stack.Imports = append(s.stack.Imports, name)
	}
	return output.Value, nil
}

func (s *scope) base64(argument any) (any, error) {
	text, err := s.text(argument, "Fn::Base64")
	return base64.StdEncoding.EncodeToString([]byte(text)), err
}

// zones are those of this region, the only one that is here.
func (s *scope) zones(any) (any, error) {
	var list []any
	for _, z := range s.st.Zones() {
		list = append(list, z.Name)
	}
	return list, nil
}
