package cloudcontrol

import (
	"strconv"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Kind is a resource type, as CloudFormation needs it to make the resources of a stack.
type Kind struct{ t resourceType }

// Kind is the type of that name.
func (s *Service) Kind(name string) (Kind, bool) {
	t, ok := s.types[name]
	return Kind{t}, ok
}

// Begin has the handler of a type do something for a stack, as if Cloud Control had
// been asked, and returns the token of the operation. The stack removes it when it
// has ended.
func (s *Service) Begin(st *region.State, op region.Operation) string {
	op.Token, op.Status = region.UUID(), "PENDING"
	op.Started, op.Changed = region.Stamp(s.now()), region.Stamp(s.now())
	st.Operations[op.Token] = &op
	return op.Token
}

// Has tells whether resources of the type have a property, or an attribute, at a
// path such as Endpoint.Address.
func (k Kind) Has(path string) bool {
	n := k.t.Node
	for _, name := range strings.Split(path, ".") {
		if n.Ref != "" {
			n = k.t.Definitions[strings.TrimPrefix(n.Ref, "#/definitions/")]
		}
		next, ok := n.Properties[name]
		if !ok {
			return false
		}
		n = next
	}
	return true
}

// Live is a resource as it can be read, without what cannot.
func (k Kind) Live(st *region.State, id string) (map[string]any, bool) { return k.t.live(st, id) }

// Check says what is wrong with the properties of a resource to be made; empty: nothing.
func (k Kind) Check(model map[string]any) []string {
	found := k.t.validate(model)
	for _, p := range present(k.t.ReadOnly, model) {
		found = append(found, "#: extraneous key ["+property(p)+"] is not permitted")
	}
	return found
}

// Tags are where a resource's tags are, empty if it has none, whether as a map, and
// whether CloudFormation adds its own.
func (k Kind) Tags() (name string, asMap, system bool) {
	t := k.t.Tagging
	if t.Taggable != nil && !*t.Taggable || t.Property == "" {
		return "", false, false
	}
	name = property(t.Property)
	return name, len(k.t.Properties[name].Type) > 0 && k.t.Properties[name].Type[0] == "object", t.System == nil || *t.System
}

// Coerce makes of the properties in a template what the type wants: templates write
// numbers and truths as text, too, and the other way round.
func (k Kind) Coerce(model map[string]any) map[string]any {
	return k.t.coerce(k.t.Node, model).(map[string]any)
}

func (s *schema) coerce(n Node, v any) any {
	if n.Ref != "" {
		n = s.Definitions[strings.TrimPrefix(n.Ref, "#/definitions/")]
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, sub := range v {
			node, ok := n.Properties[key]
			if !ok {
				node, _ = n.byPattern(key)
			}
			out[key] = s.coerce(node, sub)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for k, e := range v {
			if out[k] = e; n.Items != nil {
				out[k] = s.coerce(*n.Items, e)
			}
		}
		return out
	}
	if len(n.Type) != 1 {
		return v
	}
	return scalar(n.Type[0], v)
}

// scalar is a value as a type wants it, if it can be that.
func scalar(typ string, v any) any {
	switch text, isText := v.(string); {
	case typ == "string" && !isText:
		return Text(v)
	case !isText:
		return v
	case typ == "integer", typ == "number":
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	case typ == "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return v
}

// Text writes a number or a truth as a template's text.
func Text(v any) any {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return v
}
