package cloudformation

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// props is a part of a template: JSON data.
type props = map[string]any

// template is a template as it is written.
type template struct {
	Version     string `json:"AWSTemplateFormatVersion"`
	Description string
	Metadata    any
	Parameters  map[string]parameter
	Mappings    map[string]map[string]map[string]any
	Conditions  map[string]any
	Resources   map[string]resource
	Outputs     map[string]output
}

// parameter is what a template asks of who uses it.
type parameter struct {
	Type                                     string
	Default                                  any
	Description                              string
	NoEcho                                   any
	AllowedValues                            []any
	AllowedPattern, ConstraintDescription    string
	MinLength, MaxLength, MinValue, MaxValue any // checked by no test of the value but AllowedValues and AllowedPattern
}

// resource is an entry of a template.
type resource struct {
	Type                string
	Properties          props
	DependsOn           names
	Condition           string
	DeletionPolicy      string
	UpdateReplacePolicy string // of updates alone, as the next
	UpdatePolicy        any
	Metadata            any
}

// output is a value that a stack tells, and may export.
type output struct {
	Value       any
	Description string
	Condition   string
	Export      *struct{ Name any }
}

// names is one name or a list of them.
type names []string

func (n *names) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*n = names{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(n))
}

func invalid(format string, args ...any) error {
	return region.Errorf(region.Invalid, "ValidationError", format, args...)
}

// parse reads a template, in JSON or YAML, without what it means.
func parse(text string) (*template, error) {
	tree, err := readYAML(text)
	if err != nil {
		return nil, invalid("Template format error: %s", err)
	}
	top, ok := tree.(props)
	if !ok {
		return nil, invalid("Template format error: unsupported structure.")
	}
	data, err := json.Marshal(top)
	if err != nil {
		return nil, invalid("Template format error: %s", err)
	}
	t := &template{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(t); err != nil {
		if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
			return nil, invalid("Invalid template property or properties [%s], or the sandbox does not implement it", strings.Trim(field, `"`))
		}
		return nil, invalid("Template format error: %s", err)
	}
	if len(t.Resources) == 0 {
		return nil, invalid("Template format error: At least one Resources member must be defined.")
	}
	return t, nil
}

// capabilities are those that a template needs, and why.
func (t *template) capabilities() (needed string, types []string) {
	for _, r := range t.Resources {
		if !strings.HasPrefix(r.Type, "AWS::IAM::") || r.Type == "AWS::IAM::OIDCProvider" {
			continue
		}
		types = append(types, r.Type)
		if needed == "" {
			needed = "CAPABILITY_IAM"
		}
		if n, ok := naming[r.Type]; ok && r.Properties[n.property] != nil {
			needed = "CAPABILITY_NAMED_IAM"
		}
	}
	slices.Sort(types)
	return needed, slices.Compact(types)
}

// retains tells whether a resource stays when its stack goes; of a stack that never
// came about, creation is true.
func (r resource) retains(creation bool) bool {
	return r.DeletionPolicy == "Retain" || r.DeletionPolicy == "RetainExceptOnCreate" && !creation
}
