package cloudcontrol

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

//go:embed schemas/*.json
var files embed.FS

// schema is a CloudFormation resource type schema.
type schema struct {
	Node
	TypeName    string          `json:"typeName"`
	Definitions map[string]Node `json:"definitions"`
	Identifier  []string        `json:"primaryIdentifier"`
	CreateOnly  []string        `json:"createOnlyProperties"`
	ReadOnly    []string        `json:"readOnlyProperties"`
	WriteOnly   []string        `json:"writeOnlyProperties"`
	Tagging     struct {
		Taggable *bool  `json:"taggable"`
		Property string `json:"tagProperty"`
		System   *bool  `json:"cloudFormationSystemTags"`
	} `json:"tagging"`
	Handlers map[string]struct {
		HandlerSchema Node `json:"handlerSchema"`
	} `json:"handlers"`
}

// Node is the part of JSON Schema that the embedded types use.
type Node struct {
	Ref        string          `json:"$ref"`
	Type       types           `json:"type"`
	Properties map[string]Node `json:"properties"`
	Patterns   map[string]Node `json:"patternProperties"`
	Additional *bool           `json:"additionalProperties"`
	Required   []string        `json:"required"`
	Items      *Node           `json:"items"`
	Enum       []any           `json:"enum"`
	Pattern    string          `json:"pattern"`
	MinLength  *int            `json:"minLength"`
	MaxLength  *int            `json:"maxLength"`
	MinItems   *int            `json:"minItems"`
	MaxItems   *int            `json:"maxItems"`
	Minimum    *float64        `json:"minimum"`
	Maximum    *float64        `json:"maximum"`
}

// types is one type name or a list of them.
type types []string

func (t *types) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = types{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

func loadSchema(typeName string) (*schema, error) {
	name := strings.ToLower(strings.ReplaceAll(typeName, "::", "-"))
	data, err := files.ReadFile("schemas/" + name + ".json")
	if err != nil {
		return nil, err
	}
	s := &schema{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", typeName, err)
	}
	return s, nil
}

// property is the top-level name in /properties/Name/...
func property(pointer string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/properties/"), "/")
	return name
}

// covers tells whether one of the pointers is path or leads to it. Path is a
// pointer into the model, such as /Network/SubnetIds/0.
func covers(pointers []string, path string) bool {
	return slices.ContainsFunc(pointers, func(p string) bool {
		p = strings.TrimPrefix(p, "/properties")
		return path == p || strings.HasPrefix(path, p+"/")
	})
}

// present lists the pointers whose value the model holds.
func present(pointers []string, model map[string]any) []string {
	var found []string
	for _, p := range pointers {
		if has(model, strings.Split(strings.TrimPrefix(p, "/properties/"), "/")) {
			found = append(found, p)
		}
	}
	return found
}

func has(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	if list, ok := v.([]any); ok && path[0] == "*" {
		return slices.ContainsFunc(list, func(e any) bool { return has(e, path[1:]) })
	}
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	next, ok := m[path[0]]
	return ok && has(next, path[1:])
}

// strip removes what the pointers name from the model.
func strip(pointers []string, model map[string]any) {
	for _, p := range pointers {
		cut(model, strings.Split(strings.TrimPrefix(p, "/properties/"), "/"))
	}
}

func cut(v any, path []string) {
	if list, ok := v.([]any); ok && path[0] == "*" {
		for _, e := range list {
			cut(e, path[1:])
		}
		return
	}
	m, ok := v.(map[string]any)
	if !ok {
		return
	}
	if len(path) == 1 {
		delete(m, path[0])
		return
	}
	cut(m[path[0]], path[1:])
}

// validate lists what is wrong with a model, in CloudFormation's words.
func (s *schema) validate(model map[string]any) []string {
	return s.check("#", s.Node, model)
}

func (s *schema) check(at string, n Node, v any) []string {
	if n.Ref != "" {
		n = s.Definitions[strings.TrimPrefix(n.Ref, "#/definitions/")]
	}
	if len(n.Type) > 0 && !slices.ContainsFunc(n.Type, func(t string) bool { return isType(t, v) }) {
		return []string{fmt.Sprintf("%s: expected type: %s, found: %s", at, title(n.Type[0]), typeOf(v))}
	}
	var found []string
	add := func(format string, args ...any) { found = append(found, at+": "+fmt.Sprintf(format, args...)) }
	if len(n.Enum) > 0 && !slices.Contains(n.Enum, v) {
		add("%v is not a valid enum value", v)
	}
	switch v := v.(type) {
	case map[string]any:
		found = append(found, s.checkObject(at, n, v)...)
	case []any:
		if n.MinItems != nil && len(v) < *n.MinItems {
			add("expected minimum item count: %d, found: %d", *n.MinItems, len(v))
		}
		if n.MaxItems != nil && len(v) > *n.MaxItems {
			add("expected maximum item count: %d, found: %d", *n.MaxItems, len(v))
		}
		for i, e := range v {
			if n.Items != nil {
				found = append(found, s.check(fmt.Sprintf("%s/%d", at, i), *n.Items, e)...)
			}
		}
	case string:
		length := utf8.RuneCountInString(v)
		if n.MinLength != nil && length < *n.MinLength {
			add("expected minLength: %d, actual: %d", *n.MinLength, length)
		}
		if n.MaxLength != nil && length > *n.MaxLength {
			add("expected maxLength: %d, actual: %d", *n.MaxLength, length)
		}
		if re, err := regexp.Compile(n.Pattern); err == nil && !re.MatchString(v) {
			add("failed validation constraint for keyword [pattern]") // the few patterns RE2 cannot read are not checked
		}
	case float64:
		if n.Minimum != nil && v < *n.Minimum || n.Maximum != nil && v > *n.Maximum {
			add("%v is out of range", v)
		}
	}
	return found
}

func (s *schema) checkObject(at string, n Node, v map[string]any) []string {
	var found []string
	for _, key := range n.Required {
		if _, ok := v[key]; !ok {
			found = append(found, fmt.Sprintf("%s: required key [%s] not found", at, key))
		}
	}
	closed := n.Additional != nil && !*n.Additional
	for _, key := range sortedKeys(v) {
		sub, ok := n.Properties[key]
		if !ok {
			sub, ok = n.byPattern(key)
		}
		if ok {
			found = append(found, s.check(at+"/"+key, sub, v[key])...)
		} else if closed {
			found = append(found, fmt.Sprintf("%s: extraneous key [%s] is not permitted", at, key))
		}
	}
	return found
}

// byPattern is the schema of a property that only a pattern names.
func (n Node) byPattern(key string) (Node, bool) {
	for pattern, sub := range n.Patterns {
		if re, err := regexp.Compile(pattern); err == nil && re.MatchString(key) {
			return sub, true
		}
	}
	return Node{}, false
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func isType(name string, v any) bool {
	switch name {
	case "integer":
		f, ok := v.(float64)
		return ok && f == float64(int64(f))
	case "number":
		_, ok := v.(float64)
		return ok
	}
	return strings.EqualFold(name, typeOf(v))
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "Null"
	case bool:
		return "Boolean"
	case float64:
		return "Number"
	case string:
		return "String"
	case []any:
		return "Array"
	}
	return "Object"
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
